//! Before the way back takes away what others may have come to use, it looks whether they do. The look stands first in its lane, for
//! already the steps that prepare the deletion (scaling to zero, leaving the registry) would hurt them. The journal says what is the
//! run's own; by what others know it, the look reads from the account.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::undo::{CREATE, UPDATE};
use crate::model::{Direction, Mutation, RunView, StepClass};
use crate::stages::step::UndoStep;

const NAME: &str = "servicediscovery.create-service";
const LOG_GROUP: &str = "logs.create-log-group";
const DEFINITION: &str = "ecs.register-task-definition";

/// What the run itself made, so that it is not taken for somebody else's.
pub struct Own {
    cluster: String,
    services: BTreeSet<String>,
    hosts: BTreeSet<String>,
    /// Ids of its Cloud Map services.
    names: BTreeSet<String>,
    /// ARNs of the target groups that it put its services in.
    groups: BTreeSet<String>,
    streams: BTreeSet<String>,
}

impl Own {
    /// From the mutations that stand.
    pub fn of(view: &RunView) -> Self {
        let of = |action: &'static str| {
            let forward = view.mutations.iter().filter(|mutation| mutation.direction == Direction::Forward);
            forward.filter(move |mutation| mutation.step.action == action)
        };
        let containers = of(DEFINITION)
            .flat_map(|mutation| mutation.step.params["content"]["containerDefinitions"].as_array().into_iter().flatten());
        Self {
            cluster: view.plan.target.cluster.clone(),
            services: of(CREATE).filter_map(|mutation| mutation.step.params["service"].as_str()).map(str::to_owned).collect(),
            // The names that the plan would give count too: a copy of the journal may be older than they are.
            hosts: of(NAME).map(|mutation| mutation.target.clone()).chain(planned_names(view)).collect(),
            names: of(NAME).filter_map(|mutation| mutation.output.as_ref()?["serviceId"].as_str().map(str::to_owned)).collect(),
            groups: of(CREATE)
                .map(|mutation| &mutation.step.params["input"])
                .chain(of(UPDATE).map(|mutation| &mutation.step.params["set"]))
                .flat_map(|params| params["loadBalancers"].as_array().into_iter().flatten())
                .filter_map(|entry| entry["targetGroupArn"].as_str().map(str::to_owned))
                .collect(),
            streams: containers.filter_map(streams).collect(),
        }
    }

    /// The look before the undo of `mutation`, where it made something that others may use.
    pub fn look(&self, mutation: &Mutation) -> Option<UndoStep> {
        let name = mutation.step.params["name"].as_str();
        let (what, member, value) = match mutation.step.action.as_str() {
            NAME => (format!("the name {}", mutation.target), "serviceId", mutation.output.as_ref()?["serviceId"].clone()),
            CREATE if mutation.intent["mode"] != "redeploy" => {
                let service = mutation.step.params["service"].as_str()?;
                (format!("service {service}"), "service", json!(service))
            }
            LOG_GROUP => (format!("log group {}", name?), "logGroup", json!(name?)),
            _ => return None,
        };
        let mut params = json!({ "what": what, "cluster": self.cluster, "own": self.services });
        params[member] = value;
        match member {
            "logGroup" => params["streams"] = json!(self.streams),
            _ => params["hosts"] = json!(self.hosts),
        }
        if member == "service" {
            (params["names"], params["groups"]) = (json!(self.names), json!(self.groups));
        }
        Some(UndoStep {
            name: "unused",
            action: "aws.look-for-users",
            class: StepClass::Verify,
            title: format!("look whether anybody else uses {what}"),
            params,
            deadline_s: None,
            inputs: Vec::new(),
        })
    }
}

/// The host names of the plan's Cloud Map services.
fn planned_names(view: &RunView) -> impl Iterator<Item = String> {
    let lanes = view.forward.lanes().filter(|(_, lane)| lane.steps.iter().any(|step| step.action == NAME));
    lanes.map(|(_, lane)| lane.target.clone())
}

/// What the names of a container's log streams begin with.
fn streams(container: &Value) -> Option<String> {
    let prefix = container["logConfiguration"]["options"]["awslogs-stream-prefix"].as_str()?;
    Some(format!("{prefix}/{}/", container["name"].as_str()?))
}
