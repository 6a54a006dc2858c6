#!/usr/bin/env python3
"""Holds a served simulator against AWS's service models. See README.md beside this file."""

import argparse
import json
import os
import subprocess
import sys
import urllib.request
import venv
import xml.etree.ElementTree as xml
from pathlib import Path

HERE = Path(__file__).resolve().parent
BOTOCORE = "botocore>=1.40,<2"
SERVICES = ["sts", "iam", "logs", "route53", "application-autoscaling", "servicediscovery", "elbv2", "ec2", "ecs"]
# Codes that every service may answer and no operation's model lists.
COMMON = {
    "AccessDenied", "AccessDeniedException", "ExpiredToken", "ExpiredTokenException", "InternalFailure", "InvalidAction",
    "MissingAuthenticationToken", "Throttling", "ThrottlingException", "UnknownOperationException", "ValidationError",
}
# EC2 models no error at all.
UNMODELED = {"ec2"}


def with_botocore():
    """Goes on in an environment that has botocore."""
    try:
        import botocore  # noqa: F401
    except ImportError:
        if os.environ.get("AWS_MODELS_VENV"):
            sys.exit("botocore cannot be imported, even from its own environment")
        place = HERE.parents[1] / "target" / "aws-models-venv"
        python = place / "bin" / "python"
        if not python.exists():
            venv.create(place, with_pip=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", BOTOCORE], check=True)
        os.execve(python, [str(python), *sys.argv], {**os.environ, "AWS_MODELS_VENV": "1"})


class Stop(Exception):
    """A call went so wrong that the calls after it make no sense."""


class Checker:
    """Makes calls and holds what comes back against the models."""

    def __init__(self, endpoint, region):
        import botocore.session
        from botocore.config import Config
        from botocore.httpsession import URLLib3Session

        self.endpoint, self.problems, self.made = endpoint, [], 0
        self.session = botocore.session.get_session()
        self.http = URLLib3Session(timeout=60)
        self.raw = None
        config = Config(retries={"total_max_attempts": 1}, parameter_validation=False)
        self.clients = {}
        for service in SERVICES:
            client = self.session.create_client(
                service, region_name=region, endpoint_url=endpoint, config=config,
                aws_access_key_id="AKIAIOSFODNN7EXAMPLE", aws_secret_access_key="secret",
            )
            client.meta.events.register("before-send", self.send)
            self.clients[service] = client

    def send(self, request, **_):
        self.raw = self.http.send(request)
        return self.raw

    def call(self, service, operation, expect=None, /, **input):
        """Makes one call; `expect` is the error code it must end with."""
        from botocore import xform_name
        from botocore.exceptions import ClientError
        from botocore.parsers import ResponseParserError

        client = self.clients[service]
        model = client.meta.service_model.operation_model(operation)
        where = f"{service} {operation}"
        self.made += 1
        try:
            output = getattr(client, xform_name(operation))(**input)
        except ClientError as error:
            code = error.response["Error"]["Code"]
            if code != expect:
                raise Stop(f"{where}: {code}: {error.response['Error']['Message']} (expected {expect or 'success'})") from None
            self.error(service, model, code, where)
            return None
        except (ValueError, ResponseParserError) as error:
            self.answer(client.meta.service_model, model, where)
            raise Stop(f"{where}: botocore cannot read the answer: {error}") from None
        if expect:
            raise Stop(f"{where}: succeeded, expected {expect}")
        self.answer(client.meta.service_model, model, where)
        return output

    def answer(self, service, model, where):
        import shapes

        body = self.raw.content.decode()
        if not self.raw.headers.get("x-amzn-requestid"):
            self.problems.append(f"{where}: no x-amzn-requestid")
        if service.metadata["protocol"] in ("query", "ec2", "rest-xml"):
            self.xml_answer(service, model, body, where)
        elif model.output_shape:
            shapes.json_value(model.output_shape, json.loads(body), where, self.problems)
        elif json.loads(body):
            self.problems.append(f"{where}: {body} where the model has no output")

    def xml_answer(self, service, model, body, where):
        import shapes

        root = xml.fromstring(body)
        if shapes.local(root) != f"{model.name}Response":
            self.problems.append(f"{where}: root <{shapes.local(root)}>")
        if service.metadata["protocol"] == "ec2":
            for child in [child for child in root if shapes.local(child) == "requestId"]:
                root.remove(child)
        elif service.metadata["protocol"] == "query":
            root = next(child for child in root if shapes.local(child) == f"{model.name}Result")
        shapes.xml_value(model.output_shape, root, where, self.problems)

    def error(self, service, model, code, where):
        import shapes

        known = {shape.metadata.get("error", {}).get("code", shape.name): shape for shape in model.error_shapes}
        if code not in known:
            if service not in UNMODELED and code not in COMMON:
                self.problems.append(f"{where}: the model has no error {code}, only {', '.join(sorted(known))}")
            return
        if self.raw.content[:1] == b"{":
            body = json.loads(self.raw.content)
            members = {name.lower() for name in known[code].members}
            for name in body:
                if name not in ("__type", "message") and name.lower() not in members:
                    self.problems.append(f"{where}: {code} has a member {name} that is not in the model")

    def requests(self):
        """Holds every request that was received against the models; gives how many."""
        import shapes

        checked = 0
        for line in get(self.endpoint, "/_sim/requests").decode().splitlines():
            note = json.loads(line)
            prefix, _, operation = note["action"].partition(":")
            client = self.clients.get({"elasticloadbalancing": "elbv2"}.get(prefix, prefix))
            if not client or operation not in client.meta.service_model.operation_names:
                if prefix != "http":
                    self.problems.append(f"request {note['sequence']}: {note['action']} is no operation")
                continue
            model = client.meta.service_model.operation_model(operation)
            where = f"request {note['sequence']} {note['action']}"
            checked += 1
            protocol = client.meta.service_model.metadata["protocol"]
            if protocol == "rest-xml":
                # Its input stands in the path.
                path = model.http["requestUri"].split("{")[0]
                if not note["uri"].split("://")[-1].partition("/")[2].startswith(path.lstrip("/")):
                    self.problems.append(f"{where}: {note['uri']} is not {path}…")
            elif protocol in ("query", "ec2"):
                shapes.form(client.meta.service_model, model, note["body"], where, self.problems)
            elif model.input_shape:
                shapes.json_value(model.input_shape, json.loads(note["body"] or "{}"), where, self.problems)
        return checked


def get(endpoint, path):
    with urllib.request.urlopen(endpoint + path, timeout=60) as answer:
        return answer.read()


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("endpoint", help="where the simulator is served, as http://127.0.0.1:4566")
    parser.add_argument("--services", default=",".join(SERVICES), help="the services to call, by botocore's names")
    parser.add_argument("--requests-only", action="store_true", help="call nothing, check the requests received so far")
    options = parser.parse_args()
    with_botocore()
    sys.path.insert(0, str(HERE))
    from calls import Calls

    endpoint = options.endpoint.rstrip("/")
    world = json.loads(get(endpoint, "/_sim/world"))
    checker = Checker(endpoint, world["region"])

    def advance(seconds):
        body = json.dumps({"advance_s": seconds}).encode()
        urllib.request.urlopen(urllib.request.Request(endpoint + "/_sim/clock", body), timeout=60).close()

    if not options.requests_only:
        calls = Calls(world, checker.call, advance)
        for service in options.services.split(","):
            try:
                calls.run(service)
            except Stop as stop:
                checker.problems.append(str(stop))
            advance(60)
    received = checker.requests()
    for problem in dict.fromkeys(checker.problems):
        print(problem)
    print(f"{checker.made} answers and {received} requests checked, {len(set(checker.problems))} misfits", file=sys.stderr)
    return 1 if checker.problems else 0


if __name__ == "__main__":
    sys.exit(main())
