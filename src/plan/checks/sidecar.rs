//! The sidecar, and whatever else of a task is tied to it.

use serde_json::Value;

use super::{Check, Due, Theme, name};
use crate::stages::findings::{FindingKind, Seen};
use crate::stages::port;

pub(super) const THEME: Theme = Theme {
    name: "The sidecar and its ties",
    checks: &[
        Check {
            kind: FindingKind::warning("sidecar-missing", "a service to retarget has no container of the sidecar's name"),
            look: |scene| scene.due().filter_map(missing).collect(),
        },
        Check {
            kind: FindingKind::must_repair(
                "sidecar-service-connect",
                "Service Connect offers one of the sidecar's ports to others",
            ),
            look: |scene| {
                let ports = |config: &Value| port_names(&config["serviceConnectConfiguration"]["services"]);
                scene.due().filter_map(|due| offered(due, ports, "Service Connect")).collect()
            },
        },
        Check {
            kind: FindingKind::must_repair("sidecar-lattice", "VPC Lattice offers one of the sidecar's ports to others"),
            look: |scene| {
                let ports = |config: &Value| port_names(&config["vpcLatticeConfigurations"]);
                scene.due().filter_map(|due| offered(due, ports, "VPC Lattice")).collect()
            },
        },
        Check {
            kind: FindingKind::warning(
                "sidecar-still-addressed",
                "something else than the retargeted variables points at the sidecar's ports",
            ),
            look: |scene| scene.due().filter_map(addressed).collect(),
        },
        Check {
            kind: FindingKind::warning("sidecar-takes-logs", "another container sends its logs to one of the sidecar's ports"),
            look: |scene| scene.due().filter_map(takes_logs).collect(),
        },
        Check {
            kind: FindingKind::warning(
                "sidecar-shares-processes",
                "the task's containers share processes or memory (pidMode, ipcMode)",
            ),
            look: |scene| scene.due().filter_map(shares).collect(),
        },
        Check {
            kind: FindingKind::note(
                "sidecar-ties-removed",
                "other containers wait for the sidecar or link to it; that goes with it",
            ),
            look: |scene| scene.due().filter_map(ties).collect(),
        },
    ],
};

fn missing(due: Due<'_>) -> Option<Seen> {
    let retarget = due.moved.retarget.as_ref().filter(|retarget| retarget.due)?;
    let definition = due.definition.filter(|_| due.sidecar().is_none())?;
    let containers: Vec<&str> = definition.containers().map(name).collect();
    let found = format!("no container is called `{}`; there are {}", retarget.sidecar, containers.join(", "));
    let fix = format!("name the sidecar's container with {}", retarget.decl.setting("/sidecar"));
    Some(Seen::new(due.name, found, "the service would be retargeted, and nothing would be stripped from it", fix))
}

fn port_names(list: &Value) -> Vec<String> {
    list.as_array().into_iter().flatten().filter_map(|entry| entry["portName"].as_str()).map(str::to_owned).collect()
}

/// What the service's present deployment offers of the sidecar.
fn offered(due: Due<'_>, ports: fn(&Value) -> Vec<String>, by: &str) -> Option<Seen> {
    due.moved.strip.as_ref().filter(|strip| strip.due)?;
    let primary = due.service["deployments"].as_array()?.iter().find(|deployment| deployment["status"] == "PRIMARY")?;
    let mine: Vec<&str> = due.sidecar()?["portMappings"].as_array()?.iter().filter_map(|port| port["name"].as_str()).collect();
    let offered: Vec<String> = ports(primary).into_iter().filter(|port| mine.contains(&port.as_str())).collect();
    let found = format!("{by} offers the sidecar's port `{}`", offered.join("`, `"));
    let fix = format!("take the port out of the service's {by} settings first");
    (!offered.is_empty()).then(|| Seen::new(due.name, found, "ECS would refuse the revision without that port", fix))
}

/// Ports that the sidecar listens on: those it maps, and those that the retargeted variables name.
fn ports(due: Due<'_>) -> Vec<i64> {
    let mapped = due.sidecar().and_then(|sidecar| sidecar["portMappings"].as_array()).into_iter().flatten();
    let mut ports: Vec<i64> = mapped.filter_map(|port| port["containerPort"].as_i64()).collect();
    let sets = due.moved.retarget.as_ref().map(|retarget| retarget.sets.as_slice()).unwrap_or_default();
    ports.extend(sets.iter().flat_map(|set| port::addressed(&set.from)).map(|found| i64::from(found.number)));
    ports
}

/// Whether a text names the sidecar by address.
fn names_sidecar(text: &str, sidecar: &str, ports: &[i64]) -> bool {
    ["localhost", "127.0.0.1", "[::1]", "0.0.0.0", sidecar].iter().any(|host| {
        ports.iter().any(|port| {
            let address = format!("{host}:{port}");
            text.match_indices(&address).any(|(at, _)| !text[at + address.len()..].starts_with(|next: char| next.is_ascii_digit()))
        })
    })
}

/// Whether a variable is called after the sidecar and says where it is, without a port.
fn is_its_host(variable: &str, value: &str, sidecar: &str) -> bool {
    let called_so = variable.to_ascii_uppercase().contains(&sidecar.to_ascii_uppercase().replace('-', "_"));
    !sidecar.is_empty() && called_so && ["localhost", "127.0.0.1", "::1", sidecar].contains(&value)
}

fn addressed(due: Due<'_>) -> Option<Seen> {
    let (sidecar, ports) = (due.moved.sidecar(), ports(due));
    let sets = due.moved.retarget.as_ref().map(|retarget| retarget.sets.as_slice()).unwrap_or_default();
    let mut places = Vec::new();
    for container in due.others() {
        let of = name(container);
        for pair in container["environment"].as_array().into_iter().flatten() {
            let (variable, value) = (pair["name"].as_str().unwrap_or_default(), pair["value"].as_str().unwrap_or_default());
            let retargeted = sets.iter().any(|set| set.variable == variable);
            if !retargeted && (names_sidecar(value, sidecar, &ports) || is_its_host(variable, value, sidecar)) {
                places.push(format!("variable {variable} of `{of}`"));
            }
        }
        for member in ["command", "entryPoint", "dockerLabels", "extraHosts"] {
            if names_sidecar(&container[member].to_string(), sidecar, &ports) {
                places.push(format!("{member} of `{of}`"));
            }
        }
        if names_sidecar(&container["healthCheck"]["command"].to_string(), sidecar, &ports) {
            places.push(format!("the health check of `{of}`"));
        }
    }
    let found = format!("{} points at the sidecar too", places.join(", "));
    let fix = "point it at the shared service in your own code first, or see that nothing needs it any more".to_owned();
    (!places.is_empty()).then(|| Seen::new(due.name, found, "it would find nobody there once the sidecar is gone", fix))
}

fn takes_logs(due: Due<'_>) -> Option<Seen> {
    let (sidecar, ports) = (due.moved.sidecar(), ports(due));
    let senders: Vec<&str> = due
        .others()
        .filter(|container| names_sidecar(&container["logConfiguration"]["options"].to_string(), sidecar, &ports))
        .map(name)
        .collect();
    let found = format!("the logs of `{}` go to the sidecar", senders.join("`, `"));
    let fix = "give these containers another log driver first".to_owned();
    (!senders.is_empty()).then(|| Seen::new(due.name, found, "they would be lost, or keep the container from starting", fix))
}

fn shares(due: Due<'_>) -> Option<Seen> {
    let body = &due.definition?.body;
    let shared: Vec<&str> = ["pidMode", "ipcMode"].into_iter().filter(|member| body[*member] == "task").collect();
    let found = format!("its task definition sets {} to `task`", shared.join(" and "));
    let fix = "see that no container reads the sidecar's processes or memory".to_owned();
    (!shared.is_empty()).then(|| Seen::new(due.name, found, "what another container reads of the sidecar would be gone", fix))
}

fn ties(due: Due<'_>) -> Option<Seen> {
    due.moved.strip.as_ref().filter(|strip| strip.due)?;
    let sidecar = due.moved.sidecar();
    let links = |link: &Value| link.as_str().is_some_and(|link| link == sidecar || link.starts_with(&format!("{sidecar}:")));
    let each = |container: &Value, member: &str, is: &dyn Fn(&Value) -> bool| {
        container[member].as_array().is_some_and(|list| list.iter().any(is))
    };
    let mut tied = Vec::new();
    for container in due.others() {
        if each(container, "dependsOn", &|entry| entry["containerName"] == sidecar) {
            tied.push(format!("`{}` starts after it", name(container)));
        }
        if each(container, "links", &links) {
            tied.push(format!("`{}` links to it", name(container)));
        }
    }
    let fix = "none needed; the run takes these entries out with the container".to_owned();
    (!tied.is_empty()).then(|| Seen::new(due.name, tied.join(", "), "the containers would start without it", fix))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_of_the_sidecar_is_told_from_others() {
        let found = |text: &str| names_sidecar(text, "jaeger", &[4318, 6831]);
        assert!(found("http://localhost:4318/v1/traces") && found("jaeger:6831") && found("[\"--to=127.0.0.1:4318\"]"));
        assert!(!found("http://localhost:43180") && !found("http://localhost:8000") && !found("http://jaeger.example.local"));
        assert!(is_its_host("JAEGER_AGENT_HOST", "localhost", "jaeger") && !is_its_host("DB_HOST", "localhost", "jaeger"));
        assert!(!is_its_host("JAEGER_AGENT_HOST", "jaeger.example.local", "jaeger"));
    }
}
