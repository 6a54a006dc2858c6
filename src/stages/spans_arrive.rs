//! The verification `spans_arrive`: the gate before a sidecar goes. What a runbook says of it, and the two steps that it becomes: a
//! look at the sidecars before anything changes, and the question whether the shared service receives.

use std::collections::BTreeSet;

use serde::Deserialize;
use serde_json::{Value, json};

use super::edit::Adding;
use super::kind::{Known, LaneBuilder, Seconds, later};
use super::span_api;
use crate::aws::task_definition::TaskDefinition;
use crate::aws::{host_of, names_a_user};
use crate::model::{AWAIT_ARRIVAL, Problem, StageDecl, StepClass, StepId};

/// The block's name.
pub const NAME: &str = "spans_arrive";

/// The block `verify "spans_arrive"`.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SpansArrive {
    /// Which API tells, by its word in [`span_api`].
    api: String,
    /// The shared ECS service that receives.
    pub service: String,
    /// The port on which its tasks answer.
    pub port: u16,
    /// Where this machine reaches it; empty: at its tasks' own addresses.
    #[serde(default)]
    url: String,
    /// Whether others than the shared service may answer at `url`; absent: told by the address.
    through_load_balancer: Option<bool>,
    /// What the API's paths begin with.
    #[serde(default)]
    pub base_path: String,
    /// Service names that do not count.
    #[serde(default)]
    ignore: Vec<String>,
    /// The service names whose spans must arrive; empty: those that the containers are told, or that the sidecars had.
    #[serde(default)]
    names: Vec<String>,
    /// An address of the application; asking for it makes a span.
    #[serde(default)]
    probe: String,
    #[serde(default = "two_minutes")]
    within: Seconds,
}

pub(super) fn two_minutes() -> Seconds {
    Seconds(120)
}

/// The application whose spans are looked for.
pub struct Sender<'a> {
    /// The cluster.
    pub cluster: &'a str,
    /// Its ECS service.
    pub service: &'a str,
    /// Its container that is left alone.
    pub sidecar: &'a str,
    /// The variables that say where spans go, with where they are added.
    pub variables: Vec<(&'a str, Adding)>,
    /// What it runs.
    pub definition: Option<&'a TaskDefinition>,
    /// The names that the spans of each other application carry; empty where they cannot be read.
    pub others: Vec<Vec<String>>,
    /// DNS names under which nobody but the shared service answers.
    pub hosts: Vec<String>,
}

/// When the rollout was after which spans are looked for.
pub struct Rollout {
    /// Its beginning, as AWS says.
    pub since: Known,
    /// Its end, as AWS says.
    pub completed: Known,
}

impl Rollout {
    /// One that is still to come.
    pub fn of_step(step: &StepId) -> Self {
        Self { since: later(step, "/createdAt"), completed: later(step, "/updatedAt") }
    }

    /// The last one of a service that runs what it should already.
    pub fn last_of(service: &Value) -> Self {
        let deployments = service["deployments"].as_array().map(Vec::as_slice).unwrap_or_default();
        let primary = deployments.iter().find(|deployment| deployment["status"] == "PRIMARY").unwrap_or(&Value::Null);
        let complete = primary["rolloutState"] == "COMPLETED";
        let completed = if complete { primary["updatedAt"].clone() } else { Value::Null };
        Self { since: Known::Now(primary["createdAt"].clone()), completed: Known::Now(completed) }
    }
}

impl SpansArrive {
    /// What is wrong with the block.
    pub fn check(&self, decl: &StageDecl) -> Vec<Problem> {
        let mut problems = Vec::new();
        let at = |member: &str| format!("/verify/{NAME}/{member}");
        if span_api::find(&self.api).is_none() {
            let known: Vec<String> = span_api::APIS.iter().map(|api| format!("\"{}\"", api.word())).collect();
            let message = format!("there is no API `{}` that tells whether spans arrive", self.api);
            problems.push(decl.problem_at(&at("api"), message, Some(format!("write {}", known.join(" or ")))));
        }
        for (member, url) in [("url", &self.url), ("probe", &self.probe)] {
            problems.extend(address_problems(decl, NAME, member, url));
        }
        problems
    }

    /// Adds the step that looks whether spans flow before anything changes.
    pub fn before(&self, lane: &mut LaneBuilder, sender: &Sender<'_>) -> StepId {
        let params = json!({ "api": self.api, "cluster": sender.cluster, "service": sender.service, "port": self.port,
            "url": self.url, "basePath": self.base_path, "ignore": self.ignore });
        let title = "look whether spans flow now".to_owned();
        lane.step("traffic", "spans.look-before", StepClass::Verify, title, params, Vec::new())
    }

    /// Adds the step that waits until they arrive. `before`: the step that looked whether they flowed.
    pub fn arrive(&self, decl: &StageDecl, lane: &mut LaneBuilder, sender: &Sender<'_>, rollout: Rollout, before: Option<&StepId>) {
        let names = if self.names.is_empty() { sender.names() } else { self.names.clone() };
        let mut ignore = self.ignore.clone();
        if names.is_empty() {
            ignore.extend(sender.others.iter().flatten().cloned());
        }
        // The other applications are retargeted beside this one: for a while their own sidecars still have new spans.
        let could_be_its = |other: &Vec<String>| other.is_empty() || names.iter().any(|name| other.contains(name));
        let told_apart = sender.others.is_empty() || !(names.is_empty() || sender.others.iter().any(could_be_its));
        let variable = |member: &str| variable(decl, NAME, member);
        let params = json!({
            "api": self.api,
            "shared": { "cluster": sender.cluster, "service": self.service },
            "port": self.port,
            "url": self.url,
            "throughLoadBalancer": self.through_load_balancer,
            "hosts": sender.hosts,
            "basePath": self.base_path,
            "ignore": ignore,
            "names": names,
            "toldApart": told_apart,
            "probe": self.probe,
            "withinS": self.within.0,
            "logGroups": sender.log_groups(),
            "variables": {
                "url": variable("url"), "probe": variable("probe"), "throughLoadBalancer": variable("through_load_balancer"),
            },
        });
        let mut inputs = vec![("/since", rollout.since), ("/completed", rollout.completed)];
        if let Some(before) = before {
            inputs.push(("/traffic", later(before, "/traffic")));
            inputs.push(("/seen", later(before, "/names")));
        }
        lane.step("spans", AWAIT_ARRIVAL, StepClass::Verify, "see that spans arrive".to_owned(), params, inputs);
    }
}

/// What is wrong with an address that a block gives.
pub(super) fn address_problems(decl: &StageDecl, block: &str, member: &str, url: &str) -> Vec<Problem> {
    let at = format!("/verify/{block}/{member}");
    let (message, hint) = if url.is_empty() {
        return Vec::new();
    } else if host_of(url).is_none() {
        let hint = "write for example \"http://host.example.com:8080\", or \"\" for none";
        (format!("`{member}` is not an http:// or https:// address"), hint)
    } else if names_a_user(url) {
        let hint = "give an address that needs none, a tunnel say";
        (format!("`{member}` carries a user name or password, which would be journaled"), hint)
    } else {
        return Vec::new();
    };
    vec![decl.problem_at(&at, message, Some(hint.to_owned()))]
}

/// The runbook's own variable for what may be set otherwise, to name it in commands.
pub(super) fn variable(decl: &StageDecl, block: &str, member: &str) -> Value {
    match decl.variables.get(&format!("/verify/{block}/{member}")).map(Vec::as_slice) {
        Some([one]) => json!(one),
        _ => Value::Null,
    }
}

impl Sender<'_> {
    /// The containers that send spans.
    fn containers(&self) -> impl Iterator<Item = &Value> {
        let sends = |container: &&Value| {
            let sends = |(variable, adding): &(&str, Adding)| {
                environment(container, variable).is_some() || adding.adds_to(container, variable)
            };
            container["name"] != *self.sidecar && self.variables.iter().any(sends)
        };
        self.definition.into_iter().flat_map(TaskDefinition::containers).filter(sends)
    }

    /// The service names of their spans, as OpenTelemetry's variables give them; none unless each container's can be read: one that
    /// comes from a secret, a file or the program itself cannot.
    pub fn names(&self) -> Vec<String> {
        let names: Option<BTreeSet<String>> = self.containers().map(service_name).collect();
        names.unwrap_or_default().into_iter().collect()
    }

    /// The log groups of those containers.
    pub(super) fn log_groups(&self) -> BTreeSet<&str> {
        self.containers().filter_map(|container| container["logConfiguration"]["options"]["awslogs-group"].as_str()).collect()
    }
}

/// The value of a container's environment variable.
fn environment<'a>(container: &'a Value, variable: &str) -> Option<&'a str> {
    let mut pairs = container["environment"].as_array()?.iter();
    pairs.find(|pair| pair["name"] == *variable)?["value"].as_str()
}

/// `OTEL_SERVICE_NAME`, which goes before `service.name` in `OTEL_RESOURCE_ATTRIBUTES` (`key=value,…`, percent-encoded).
fn service_name(container: &Value) -> Option<String> {
    let named = environment(container, "OTEL_SERVICE_NAME").map(str::trim).filter(|name| !name.is_empty());
    let attributes = || {
        let mut pairs = environment(container, "OTEL_RESOURCE_ATTRIBUTES")?.split(',').filter_map(|pair| pair.split_once('='));
        pairs.find(|(key, _)| key.trim() == "service.name").map(|(_, value)| decoded(value.trim()))
    };
    // What is referred to as a secret stands beside the environment and goes before it.
    let secret = |variable: &str| container["secrets"].as_array().into_iter().flatten().any(|secret| secret["name"] == *variable);
    if secret("OTEL_SERVICE_NAME") || (named.is_none() && secret("OTEL_RESOURCE_ATTRIBUTES")) {
        return None;
    }
    named.map(str::to_owned).or_else(attributes).filter(|name| !name.is_empty())
}

/// Percent-encoding taken off; a plus sign is one.
fn decoded(text: &str) -> String {
    let form = format!("v={}", text.replace('+', "%2B").replace('&', "%26"));
    form_urlencoded::parse(form.as_bytes()).next().map(|(_, value)| value.into_owned()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(containers: Value) -> Vec<String> {
        let definition = TaskDefinition { body: json!({ "containerDefinitions": containers }), tags: Vec::new() };
        let sender = Sender {
            cluster: "c",
            service: "api",
            sidecar: "side",
            variables: vec![("ENDPOINT", Adding::Nowhere)],
            definition: Some(&definition),
            others: Vec::new(),
            hosts: Vec::new(),
        };
        sender.names()
    }

    fn container(name: &str, environment: &[(&str, &str)]) -> Value {
        let pairs: Vec<Value> = environment.iter().map(|(name, value)| json!({ "name": name, "value": value })).collect();
        json!({ "name": name, "environment": pairs })
    }

    #[test]
    fn the_service_name_is_what_opentelemetry_takes_it_for() {
        let sends = ("ENDPOINT", "http://localhost:4318");
        for (environment, name) in [
            (vec![sends, ("OTEL_SERVICE_NAME", "orders")], Some("orders")),
            (vec![sends, ("OTEL_SERVICE_NAME", " orders "), ("OTEL_RESOURCE_ATTRIBUTES", "service.name=other")], Some("orders")),
            (vec![sends, ("OTEL_RESOURCE_ATTRIBUTES", "team=a, service.name = orders%20+%26%C3%A4 ,x=y")], Some("orders +&ä")),
            (vec![sends, ("OTEL_RESOURCE_ATTRIBUTES", "service.namespace=shop")], None),
            (vec![sends, ("OTEL_SERVICE_NAME", "")], None),
            (vec![sends], None),
            (vec![("OTEL_SERVICE_NAME", "sends nothing")], None),
        ] {
            assert_eq!(names(json!([container("api", &environment)])), Vec::from_iter(name.map(str::to_owned)), "{environment:?}");
        }
        let (one, other) =
            (container("a", &[sends, ("OTEL_SERVICE_NAME", "b")]), container("b", &[sends, ("OTEL_SERVICE_NAME", "a")]));
        assert_eq!(names(json!([one, other])), ["a", "b"]);
        assert_eq!(names(json!([one, container("side", &[sends])])), ["b"], "the sidecar's own does not count");
        assert_eq!(names(json!([one, container("c", &[sends])])), [""; 0], "one of them is not known, so any may come");
        let mut secret = container("s", &[sends, ("OTEL_RESOURCE_ATTRIBUTES", "service.name=plain")]);
        secret["secrets"] = json!([{ "name": "OTEL_SERVICE_NAME", "valueFrom": "arn" }]);
        assert_eq!(names(json!([secret])), [""; 0]);
    }
}
