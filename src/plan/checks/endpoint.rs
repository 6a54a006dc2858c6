//! Where spans are sent: whatever could make the retargeted variable count for nothing.

use serde_json::Value;

use super::{Check, Due, Scene, Theme, env, name};
use crate::stages::edit::Adding;
use crate::stages::findings::{FindingKind, Seen};
use crate::stages::port::addressed;
use crate::stages::subject::{Retarget, Set};

/// The variable of the OpenTelemetry specification for all signals, and the one for traces that goes before it.
const ALL_SIGNALS: &str = "OTEL_EXPORTER_OTLP_ENDPOINT";
const TRACES: &str = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT";
/// The protocol's, likewise.
const PROTOCOL: &str = "OTEL_EXPORTER_OTLP_PROTOCOL";
const TRACES_PROTOCOL: &str = "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL";
/// The ports that the specification gives to gRPC and to HTTP.
const GRPC_PORT: u16 = 4317;
const HTTP_PORT: u16 = 4318;

pub(super) const THEME: Theme = Theme {
    name: "The endpoint",
    checks: &[
        Check {
            kind: FindingKind::blocker("traces-endpoint-overrides", "a variable for traces alone goes before the retargeted one"),
            look: |scene| of_each(scene, overridden),
        },
        Check {
            kind: FindingKind::must_repair(
                "endpoint-from-secret",
                "the variable comes from a secret, which no edit of the task definition changes",
            ),
            look: |scene| of_each(scene, from_secret),
        },
        Check {
            kind: FindingKind::warning(
                "endpoint-from-file",
                "a container reads its environment from files, which may set the variable",
            ),
            look: |scene| of_each(scene, from_file),
        },
        Check {
            kind: FindingKind::blocker(
                "protocol-port-mismatch",
                "the exporter speaks gRPC to the port for HTTP, or the other way round",
            ),
            look: |scene| of_each(scene, protocol),
        },
    ],
};

type Look = fn(Due<'_>, &Retarget<'_>, &Set) -> Option<Seen>;

/// Looks at each variable of each service that is still to be retargeted.
fn of_each(scene: &Scene<'_>, look: Look) -> Vec<Seen> {
    let mut seen = Vec::new();
    for due in scene.due() {
        for retarget in due.moved.retarget.iter().filter(|retarget| retarget.due) {
            seen.extend(retarget.sets.iter().filter_map(|set| look(due, retarget, set)));
        }
    }
    seen
}

/// The containers that have the variable.
fn with<'a>(due: Due<'a>, variable: &str) -> Vec<&'a Value> {
    let sidecar = due.moved.sidecar();
    let containers = due.definition.into_iter().flat_map(|definition| definition.containers());
    containers.filter(|container| container["name"] != sidecar && env(container, variable).is_some()).collect()
}

fn overridden(due: Due<'_>, retarget: &Retarget<'_>, set: &Set) -> Option<Seen> {
    if set.variable != ALL_SIGNALS || retarget.sets.iter().any(|set| set.variable == TRACES) {
        return None;
    }
    let has = |container: &&Value| {
        let secret = container["secrets"].as_array().is_some_and(|list| list.iter().any(|secret| secret["name"] == TRACES));
        secret || env(container, TRACES).is_some_and(|value| !value.starts_with(&set.to))
    };
    let others: Vec<&str> = due.others().filter(has).map(name).collect();
    let found = format!("container `{}` sets {TRACES}, which goes before {ALL_SIGNALS}", others.join("`, `"));
    let fix = format!(
        "retarget it too: in stage `{}` add a block set \"{TRACES}\" {{ from = …  to = \"{}/v1/traces\" }}; or take it out of the service",
        retarget.decl.id, set.to
    );
    (!others.is_empty())
        .then(|| Seen::new(due.name, found, "its spans would go where they went before, and be lost with the sidecar", fix))
}

fn from_secret(due: Due<'_>, _retarget: &Retarget<'_>, set: &Set) -> Option<Seen> {
    let has = |container: &&Value| {
        container["secrets"].as_array().is_some_and(|list| list.iter().any(|secret| secret["name"] == *set.variable))
    };
    let containers: Vec<&str> = due.others().filter(has).map(name).collect();
    let found = format!("{} of container `{}` comes from a secret", set.variable, containers.join("`, `"));
    let fix = format!("set {} in `environment` instead, to `{}`, and deploy that first", set.variable, set.from);
    (!containers.is_empty()).then(|| Seen::new(due.name, found, "the container would keep the secret's value", fix))
}

fn from_file(due: Due<'_>, _retarget: &Retarget<'_>, set: &Set) -> Option<Seen> {
    let reads = |container: &&Value| {
        let files = container["environmentFiles"].as_array().is_some_and(|files| !files.is_empty());
        files && env(container, &set.variable).is_none()
    };
    let containers: Vec<&str> = due.others().filter(reads).map(name).collect();
    let found = format!("container `{}` has no {} of its own and reads environment files", containers.join("`, `"), set.variable);
    let fix = format!("see whether a file sets {}; if so, set it in `environment` instead, which goes before files", set.variable);
    let consequence = match set.adding != Adding::Nowhere {
        true => "a value in a file would count no more: the variable is added, and goes before it",
        false => "a value in a file would stay as it is",
    };
    (!containers.is_empty()).then(|| Seen::new(due.name, found, consequence, fix))
}

fn protocol(due: Due<'_>, retarget: &Retarget<'_>, set: &Set) -> Option<Seen> {
    let port = addressed(&set.to).first().map(|found| found.number).filter(|port| [GRPC_PORT, HTTP_PORT].contains(port))?;
    let wrong = with(due, &set.variable).into_iter().find_map(|container| {
        let said = env(container, TRACES_PROTOCOL).or_else(|| env(container, PROTOCOL))?;
        let fits = if port == GRPC_PORT { said == "grpc" } else { said.starts_with("http") };
        (!fits).then(|| (name(container), said))
    });
    let (container, said) = wrong?;
    let other = if port == GRPC_PORT { HTTP_PORT } else { GRPC_PORT };
    let found = format!("container `{container}` exports with the protocol {said}, and the new endpoint is on port {port}");
    let fix = format!(
        "retarget to port {other} with {}, or change the protocol",
        retarget.decl.setting(&format!("/set/{}/to", set.variable))
    );
    Some(Seen::new(due.name, found, "every span would be refused by the receiver, and no screen of AWS would show it", fix))
}
