//! What the way back must see before it takes anything else away: each service that it put back serves as at the start.
//!
//! | after the undo of | it is seen that |
//! | --- | --- |
//! | an update of a service that stays | the service serves, its sidecar in each task too |
//! | the health check's path of a target group | each service that the run changed and that stays serves, for as long as the checks need to say otherwise |

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::undo::{CREATE, UPDATE, service};
use crate::model::{AWAIT_SERVING, Mutation, RunView, StepClass};
use crate::stages::step::UndoStep;

const ROLLOUT: &str = "ecs.await-rollout";
const HEALTH_PATH: &str = "elb.set-health-path";
const DEFINITION: &str = "ecs.register-task-definition";

/// What must run, by service.
pub(super) struct Serving {
    cluster: String,
    /// The services that the run changed and that stay.
    stay: Vec<String>,
    containers: BTreeMap<String, BTreeSet<String>>,
}

impl Serving {
    /// From the journal: what the run's plan and its mutations say of sidecars, and the containers of what it created.
    pub(super) fn of(view: &RunView, going: &BTreeSet<&str>) -> Self {
        let planned = view.forward.steps().map(|(_, _, step)| &*step.params);
        let made = view.mutations.iter().map(|mutation| &*mutation.step.params);
        let mut containers: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for params in planned.chain(made) {
            let services = || params["usedBy"].as_array().into_iter().flatten().filter_map(Value::as_str);
            for edit in params["edits"].as_array().into_iter().flatten() {
                let sidecar = edit["container"].as_str().or_else(|| edit["except"].as_str());
                for (service, sidecar) in services().zip(std::iter::repeat(sidecar)) {
                    containers.entry(service.to_owned()).or_default().extend(sidecar.map(str::to_owned));
                }
            }
        }
        let of = |action: &'static str| view.mutations.iter().filter(move |mutation| mutation.step.action == action);
        let defined: BTreeSet<String> = of(DEFINITION)
            .flat_map(|mutation| mutation.step.params["content"]["containerDefinitions"].as_array().into_iter().flatten())
            .filter_map(|container| container["name"].as_str().map(str::to_owned))
            .collect();
        for created in of(CREATE).filter_map(service) {
            containers.entry(created.to_owned()).or_default().extend(defined.iter().cloned());
        }
        let stay = view.forward.target.services.iter().filter(|name| !going.contains(name.as_str())).cloned().collect();
        Self { cluster: view.forward.target.cluster.clone(), stay, containers }
    }

    fn containers(&self, service: &str) -> Value {
        json!(self.containers.get(service).cloned().unwrap_or_default())
    }

    /// Adds what is to be seen to the steps that undo a mutation.
    pub(super) fn add_to(&self, mutation: &Mutation, steps: &mut Vec<UndoStep>) {
        if mutation.step.action == HEALTH_PATH && !steps.is_empty() {
            // Of a journal that does not say how long the checks take: two minutes, in which most groups have judged.
            let seconds = mutation.step.params["seconds"].as_u64().unwrap_or(120);
            for service in &self.stay {
                let params = json!({ "cluster": self.cluster, "service": service, "containers": self.containers(service),
                    "lasting_s": seconds, "orGone": true });
                steps.push(step(service, params, Some(1800.max(4 * seconds))));
            }
            return;
        }
        let Some(waits) = steps.iter().find(|step| step.action == ROLLOUT) else { return };
        let Some(name) = waits.params["service"].as_str().map(str::to_owned) else { return };
        let (deadline_s, inputs) = (waits.deadline_s, waits.inputs.clone());
        let params = json!({ "cluster": waits.params["cluster"], "service": name, "containers": self.containers(&name),
            "want": waits.params["want"] });
        let mut serves = step(&name, params, deadline_s);
        serves.inputs = inputs.into_iter().filter(|(here, _, _)| here.starts_with("/want/")).collect();
        for update in steps.iter_mut().filter(|step| step.action == UPDATE) {
            update.params["containers"] = self.containers(&name);
        }
        steps.push(serves);
    }
}

fn step(service: &str, params: Value, deadline_s: Option<u64>) -> UndoStep {
    UndoStep {
        name: "serving",
        action: AWAIT_SERVING,
        class: StepClass::Wait,
        title: format!("see that {service} serves as before"),
        params,
        deadline_s,
        inputs: Vec::new(),
    }
}
