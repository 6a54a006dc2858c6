//! Bad input: one clear message each, with the resource, AWS's words and the next command.

use insta::assert_snapshot;

use crate::cli_support::{Desk, Sim, until};

/// Exit code and the whole of stderr; nothing was changed.
fn refused(desk: &Desk, command: std::process::Command) -> String {
    let ran = desk.end(command);
    assert_eq!(desk.sim.effects(), Vec::<String>::new());
    assert_eq!(ran.out, "");
    desk.ending(&ran)
}

fn planned(desk: &Desk, words: &[&str]) -> String {
    refused(desk, desk.live(&[&["run", "--yes"], words].concat()))
}

#[test]
fn the_account_that_is_reached() {
    let desk = Desk::new();
    let mut command = desk.live(&["run", "--yes"]);
    command.env_remove("AWS_ACCESS_KEY_ID").env_remove("AWS_SECRET_ACCESS_KEY");
    assert_snapshot!(refused(&desk, command), @r#"
    exit 6
    error: AWS does not accept the credentials
      Caused by: no credentials were found: not in the environment, a profile, a web identity token, the container or the instance

    hint: refresh the credentials (for example `aws sso login`) and run the same command again
    "#);

    let mut command = desk.command(&["run", "--yes", "--endpoint-url", "http://127.0.0.1:9"]);
    command.args(["--var-file", &crate::cli_support::file("runbooks/worlds/nexus-ai-staging.tfvars")]);
    assert_snapshot!(refused(&desk, command), @r#"
    exit 5
    error: cannot reach AWS: GetCallerIdentity got no usable answer
      Caused by: http://127.0.0.1:9: Connection refused (os error 111)

    hint: check the network, `--region` and `--endpoint-url`, and run the same command again
    "#);

    assert_snapshot!(planned(&desk, &["--region", "eu-west-1"]), @r#"
    exit 2
    error: the runbook is for Region us-west-2, the credentials lead to Region eu-west-1

    hint: choose another `--profile` or `--region`, or change the runbook's variables
    "#);
    assert_snapshot!(planned(&desk, &["--var", "aws_account_id=444455556666"]), @r#"
    exit 2
    error: the runbook is for account 444455556666, the credentials lead to account 111122223333

    hint: choose another `--profile` or `--region`, or change the runbook's variables
    "#);
    assert_snapshot!(planned(&desk, &["--profile", "nobody"]), @r#"
    exit 6
    error: AWS does not accept the credentials
      Caused by: profile `nobody` gives no credentials: the credential provider was not enabled

    hint: refresh the credentials (for example `aws sso login`) and run the same command again
    "#);
}

/// An endpoint is journaled and shown: one with a password in it is refused wherever it comes from, and never quoted.
#[test]
fn an_endpoint_with_a_password() {
    let desk = Desk::new();
    let secret = desk.sim.endpoint.replace("http://", "http://user:hunter2@");
    let mut command = desk.command(&["run", "--yes", "--endpoint-url", &secret]);
    let variables = crate::cli_support::file("runbooks/worlds/nexus-ai-staging.tfvars");
    command.args(["--var-file", &variables]);
    assert_snapshot!(refused(&desk, command), @r#"
    exit 2
    error: `--endpoint-url` carries a user name or password, which would be journaled and shown

    hint: give an address that needs none, a tunnel say
    "#);
    let from = |name: &str, value: &str| {
        let mut command = desk.command(&["plan", "--var-file", &variables]);
        command.env(name, value).env("AWS_REGION", "us-west-2");
        refused(&desk, command)
    };
    let said = |setting: &str| {
        format!(
            "exit 2\nerror: {setting} carries a user name or password, which would be journaled and shown\n\n\
             hint: give an address that needs none, a tunnel say"
        )
    };
    let profile = |service: &str| format!("or `endpoint_url` of {service} in the profile,");
    assert_eq!(from("AWS_ENDPOINT_URL", &secret), said("AWS_ENDPOINT_URL, or `endpoint_url` in the profile,"));
    for (name, service) in [("ECS", "ECS"), ("EC2", "EC2"), ("ROUTE_53", "Route 53"), ("CLOUDWATCH_LOGS", "CloudWatch Logs")] {
        let name = format!("AWS_ENDPOINT_URL_{name}");
        assert_eq!(from(&name, &secret), said(&format!("{name}, {}", profile(service))));
    }
    let config = format!("[profile ops]\nservices = local\n\n[services local]\nsts =\n  endpoint_url = {secret}\n");
    let config = desk.write("config", &config);
    let mut command = desk.command(&["doctor", "--profile", "ops", "--var-file", &variables]);
    command.env("AWS_CONFIG_FILE", &config);
    assert_eq!(refused(&desk, command), said(&format!("AWS_ENDPOINT_URL_STS, {}", profile("STS"))));
    assert_snapshot!(from("AWS_ENDPOINT_URL", "localhost:4566"), @r#"
    exit 2
    error: AWS_ENDPOINT_URL, or `endpoint_url` in the profile, is not an http:// or https:// address

    hint: write for example http://127.0.0.1:4566
    "#);
    assert!(desk.status().is_null(), "no run began");
}

/// A file of one's own may come from somewhere else: nothing in it steers the terminal, wherever it is quoted.
#[test]
fn what_steers_a_terminal_is_spelled() {
    let desk = Desk::new();
    let steering = "\u{1b}[2J\u{202e}\u{9b}\u{200f}";
    let path = desk.write(
        &format!("r{steering}.hcl"),
        &format!(
            "runbook \"n{steering}\" {{\n  description = \"d\"\n}}\nvariable \"v{steering}\" {{\n  type = string\n}}\n\
             target {{\n  region = \"x{steering}\" # {steering}\n  environment = \"e\"\n  cluster = \"c\"\n  services = [\"s\"]\n}}\n\
             stage \"log_group\" \"s{steering}\" {{\n  name = \"g\"\n  retention_in_days = \"{steering}\" # {steering}\n}}\n\
             stage \"k{steering}\" \"two\" {{\n}}\n"
        ),
    );
    let variables = desk.write("v.tfvars", &format!("v{steering} = 1\nw = \"{steering}\"\n"));
    let calm = |text: &str| !text.chars().any(|c| c != '\n' && (c.is_control() || steering[4..].contains(c)));
    for words in [
        &["check", &path][..],
        &["check", &path, "--var-file", &variables],
        &["check", "--var", &format!("jaeger_cpu={steering}")],
        &["check", &format!("{path}{steering}")],
        &["rehearse", &path],
        &["policy", &path],
    ] {
        let ran = desk.call(words);
        assert!(matches!(ran.code, Some(2 | 3)) && !ran.err.is_empty(), "{ran:?}");
        assert!(calm(&ran.err) && calm(&ran.out), "{words:?}: {:?}", ran.err);
    }
    let text = std::fs::read_to_string(crate::cli_support::file("runbooks/jaeger-sidecar-to-shared.hcl")).expect("a runbook");
    let head = "runbook \"jaeger-sidecar-to-shared\" {";
    assert!(text.contains(head));
    let named = desk.write("named.hcl", &text.replace(head, &format!("runbook \"n{steering}\" {{")));
    let staging = crate::cli_support::file("runbooks/worlds/nexus-ai-staging.tfvars");
    let ran = desk.call(&["check", &named, "--var-file", &staging]);
    assert!(ran.code == Some(0) && calm(&ran.out), "{ran:?}");
}

#[test]
fn a_region_that_cannot_be() {
    let desk = Desk::new();
    let said = |region: &str| planned(&desk, &["--var", &format!("aws_region={region}")]);
    assert_snapshot!(said("mars"), @r#"
    exit 3
    error: 1 problem in the runbook or its variables

    error: `mars` is not the name of an AWS Region
       --> runbooks/jaeger-sidecar-to-shared.hcl:254:17
        |
    254 |   region      = var.aws_region
        |                 ^^^^^^^^^^^^^^
      hint: set variable `aws_region`: for example us-west-2
    "#);
    assert!(said("us-west-2a").contains("`us-west-2a` is not the name of an AWS Region"));
    assert_snapshot!(planned(&desk, &["--region", "us west 2"]), @r#"
    exit 2
    error: `us west 2` is not the name of an AWS Region

    hint: name one with `--region`, AWS_REGION, or the runbook's `target` block
    "#);
    let ran = desk.call(&["check", "--var", "aws_region=mars", "--var", "aws_account_id=12"]);
    assert_eq!(ran.code, Some(3));
    assert!(desk.sim.requests().is_empty(), "nobody was asked anything");
}

#[test]
fn what_the_runbook_names() {
    let desk = Desk::new();
    assert_snapshot!(planned(&desk, &["--var", "cluster_name=nexus-ai-cluster-prod"]), @r#"
    exit 4
    error: cluster `nexus-ai-cluster-prod` does not exist in account 111122223333, Region us-west-2

    hint: check the Region, and set the name with variables `cluster_name`, `project_name` or `environment`
    "#);
    assert_snapshot!(planned(&desk, &["--var", r#"api_services=["nexus-ai-web-staging"]"#]), @r#"
    exit 4
    error: service `nexus-ai-web-staging` does not exist in cluster `nexus-ai-cluster-staging`

    hint: set the names with variables `api_services`, `project_name` or `environment`
    "#);
    assert_snapshot!(planned(&desk, &["--var", "namespace_name=other.local"]), @r#"
    exit 4
    error: 1 finding blocks this plan

      namespace-missing: other.local
        found:       there is no private DNS namespace `other.local`
        consequence: the shared service could not get a name
        fix:         create it (in Terraform: aws_service_discovery_private_dns_namespace), or name another with variables `namespace_name` or `project_name`
        --accept:    not possible: because of it a part of the plan is missing

    hint: repair what is named above: `namespace-missing` cannot be accepted
    "#);
    assert_snapshot!(planned(&desk, &["--var", "sidecar_name=zipkin"]), @r#"
    exit 4
    error: 1 finding blocks this plan

      target-group-unknown: nexus-ai-api-staging
        found:       service `nexus-ai-api-staging` has no load-balancer entry of container `zipkin`
        consequence: the shared service would not be reachable
        fix:         name the sidecar's container with variable `sidecar_name`; or write target_group = "NAME" instead, in the load_balancer block of stage `create-service`
        --accept:    not possible: because of it a part of the plan is missing

    hint: repair what is named above: `target-group-unknown` cannot be accepted
    "#);
    // Naming it does not lift it: the plan would lack a stage.
    let accepting = ["--var", "namespace_name=other.local", "--accept", "namespace-missing"];
    assert!(planned(&desk, &accepting).contains("`namespace-missing` cannot be accepted"));
    let ran = desk.end(desk.live(&["plan", "--var", "namespace_name=other.local"]));
    assert!(ran.out.contains("Stage 4/6 register-dns  (blocked by namespace-missing)\n"), "{}", ran.out);
    assert!(!ran.out.contains("nothing to do"), "{}", ran.out);
    let ran = desk.end(desk.live(&["plan", "--var", "namespace_name=other.local", "--output", "json"]));
    let plan: serde_json::Value = serde_json::from_str(&ran.out).expect("JSON");
    assert_eq!(plan["findings"][0]["acceptable"], false);
    assert_eq!(plan["stages"][3]["blockedBy"], serde_json::json!(["namespace-missing"]));
    assert_snapshot!(planned(&desk, &["--accept", "no-such-finding"]), @r#"
    exit 2
    error: the plan has no finding `no-such-finding` to accept

    hint: its findings are ui-path-unanswered, image-end-of-life, store-unbounded, account-not-named, no-circuit-breaker, rollout-peak, image-latest
    "#);
    assert_snapshot!(planned(&desk, &["--pause-before", "strip-sidecars"]), @r#"
    exit 2
    error: the runbook has no stage `strip-sidecars`

    hint: did you mean `strip-sidecar`?
    "#);
}

#[test]
fn the_state_directory() {
    let desk = Desk::new();
    let file = desk.write("a-file", "not a directory");
    assert_snapshot!(planned(&desk, &["--state", &file]), @r#"
    exit 2
    error: cannot use the journal in `DIR/a-file`
      Caused by: `DIR/a-file` is not a directory

    hint: repair it, or name another directory with `--state DIR`
    "#);
    assert_snapshot!(planned(&desk, &["--state", &format!("{file}/below")]), @r#"
    exit 2
    error: cannot use the journal in `DIR/a-file/below`
      Caused by: `DIR/a-file` is not a directory

    hint: repair it, or name another directory with `--state DIR`
    "#);
    assert_snapshot!(refused(&desk, desk.command(&["status", "--state", &file])), @r#"
    exit 2
    error: cannot use the journal in `DIR/a-file`
      Caused by: `DIR/a-file` is not a directory

    hint: repair it, or name another directory with `--state DIR`
    "#);
    assert_snapshot!(refused(&desk, desk.command(&["status", "--state", "nowhere"])), @r#"
    exit 2
    error: there is no unfinished run
      Caused by: searched DIR/nowhere

    hint: list the runs with `sidestep runs --state nowhere`; start one with `sidestep run --state nowhere`
    "#);
    assert_snapshot!(refused(&desk, desk.command(&["resume", "r7k2", "--state", "nowhere"])), @r#"
    exit 2
    error: no run `r7k2`
      Caused by: searched DIR/nowhere; it holds no run

    hint: list the runs with `sidestep runs --state nowhere`, or name another directory with `--state DIR`
    "#);
    std::fs::create_dir(desk.dir.path().join("odd")).expect("a directory");
    desk.write("odd/journal.db", "this is not a database, and long enough to be looked at as one: nothing of it is changed");
    assert_snapshot!(refused(&desk, desk.command(&["status", "--state", "odd"])), @r#"
    exit 2
    error: cannot use the journal in `DIR/odd`
      Caused by: journal.db is not an SQLite database (file is not a database)

    hint: repair it, or name another directory with `--state DIR`
    "#);
}

#[test]
fn the_run_that_is_meant() {
    let desk = Desk::new();
    let paused = |command| assert_eq!(desk.end(command).code, Some(6));
    paused(desk.live(&["run", "--yes", "--pause-before", "create-log-group"]));
    let first = desk.run_id();
    let ran = desk.call(&["resume", "zzzz"]);
    assert_snapshot!(desk.ending(&ran), @r#"
    exit 2
    error: no run `zzzz`
      Caused by: searched DIR/state; it holds RUN

    hint: list the runs with `sidestep runs`, or name another directory with `--state DIR`
    "#);
    let elsewhere = Desk::at(Sim::serve(&[]));
    paused({
        let mut command = elsewhere.live(&["run", "--yes", "--pause-before", "create-log-group"]);
        command.current_dir(desk.dir.path());
        command
    });
    let runs = desk.call(&["runs", "--output", "json"]).out;
    let runs: serde_json::Value = serde_json::from_str(&runs).expect("JSON");
    let second = runs["runs"].as_array().expect("runs").iter().filter_map(|run| run["id"].as_str()).find(|id| *id != first);
    let shown = |text: &str| text.replace(&first, "RUN1").replace(second.expect("another run"), "RUN2");
    let ran = desk.call(&["resume", "--yes"]);
    assert_eq!(ran.code, Some(2));
    let mut lines: Vec<String> = shown(&ran.err).lines().map(|line| line.replace("RUN2, RUN1", "RUN1, RUN2")).collect();
    lines.retain(|line| !line.is_empty());
    assert_snapshot!(lines.join("\n"), @r#"
    error: several runs are unfinished, and none was named
      Caused by: they are RUN1, RUN2
    hint: add the id of the one that is meant; `sidestep runs` tells them apart
    "#);
}

#[test]
fn the_command_line() {
    let desk = Desk::new();
    let said = |words: &[&str]| refused(&desk, desk.command(words));
    assert_snapshot!(said(&["run", "jaeger-sidecar-to-share"]), @r#"
    exit 2
    error: cannot read runbook `jaeger-sidecar-to-share`
      Caused by: No such file or directory (os error 2)

    hint: did you mean `jaeger-sidecar-to-shared`?
    "#);
    assert_snapshot!(said(&["check", "--var-file", "nowhere.tfvars"]), @r#"
    exit 2
    error: cannot read variable file `nowhere.tfvars`
      Caused by: No such file or directory (os error 2)
    "#);
    assert_snapshot!(said(&["rehearse", "--world", "nowhere.json"]), @r#"
    exit 2
    error: cannot read world file `nowhere.json`
      Caused by: No such file or directory (os error 2)
    "#);
    let path = desk.write("text.json", "not a world");
    assert_snapshot!(said(&["rehearse", "--world", &path]), @r#"
    exit 3
    error: world file `DIR/text.json` cannot be used
      Caused by: it is not JSON: expected ident at line 1 column 2
    "#);
    let path = desk.write("other.json", r#"{"format": "something else", "version": 1}"#);
    assert_snapshot!(said(&["simulate", "--world", &path]), @r#"
    exit 3
    error: world file `DIR/other.json` cannot be used
      Caused by: not a world file: `format` is "something else", expected "sidestep-world"
    "#);
    let mut command = desk.command(&["plan"]);
    command.env("SIDESTEP_TIME_SCALE", "fast");
    command.args(["--var-file", &crate::cli_support::file("runbooks/worlds/nexus-ai-staging.tfvars")]);
    assert_snapshot!(refused(&desk, command), @r#"
    exit 2
    error: SIDESTEP_TIME_SCALE is `fast`, not a positive number

    hint: unset it, unless a simulator runs beside with the same --speed
    "#);
}

#[test]
fn a_simulator_that_others_can_reach_says_so() {
    let desk = Desk::new();
    let said = |words: &[&str]| {
        let running = desk.start(desk.command(&[&["simulate"], words].concat()));
        until("it listens", || running.out().contains("\n").then_some(()));
        let told: serde_json::Value = serde_json::from_str(&running.out()).expect("one line of JSON");
        (told["address"].as_str().expect("an address").to_owned(), running.err())
    };
    let (address, warned) = said(&[]);
    assert!(address.starts_with("127.0.0.1:") && warned.is_empty(), "{address} {warned}");
    let (address, warned) = said(&["--listen", "0.0.0.0:0"]);
    let expected = "is not loopback: whoever reaches it can read this world and change it, no credentials are checked";
    assert_eq!(warned.trim_end(), format!("warning: {address} {expected}"));
}
