//! ECS: clusters, task definitions, services, deployments and the tasks they run.
//!
//! ```text
//!  operations ─▶ create, update, delete ─▶ deployments ─▶ scheduler ─▶ launch, lifecycle ─▶ targets, names, logs
//!                (validate)                    ▲              │ ▲            │
//!                                              └─ failures ◀──┘ └── health ◀─┘
//!  describe, task_api, records, task_definitions: what is shown
//! ```

mod create;
mod definition_rules;
mod delete;
mod deployments;
mod describe;
mod errors;
mod events;
mod failures;
mod health;
pub(in crate::sim) mod json;
mod launch;
mod lifecycle;
mod load;
mod probe;
mod records;
mod register;
mod scheduler;
mod service;
mod tags;
mod task;
mod task_api;
mod task_definitions;
#[cfg(test)]
mod tests;
mod update;
mod validate;

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::faults::LaunchFault;
use super::traffic::Traffic;
use super::{ApiError, Call, Millis, State};

pub(super) use load::{load, save, settle};
pub(super) use probe::{Probe, probe};
pub(in crate::sim) use task::{Container, Task};

/// `ecs` of a world file, and the spans that its tasks send.
#[derive(Clone, Debug, Default)]
pub(super) struct Ecs {
    clusters: Vec<Value>,
    definitions: Vec<task_definitions::Definition>,
    /// The last revision number of each family: numbers are never used again.
    last_revision: BTreeMap<String, i64>,
    services: Vec<service::Service>,
    /// In the order of their start.
    pub(in crate::sim) tasks: Vec<Task>,
    /// Service deployments, oldest first.
    rollouts: Vec<Value>,
    /// Service revisions, oldest first.
    revisions: Vec<Value>,
    /// CreateService calls with a client token.
    tokens: Vec<create::Token>,
    /// By subnet: the last address given.
    last_host: BTreeMap<String, u32>,
    pub(in crate::sim) image_faults: BTreeMap<String, ImageFault>,
    pub(in crate::sim) launch_faults: BTreeSet<LaunchFault>,
    /// So many DescribeServices still show services as they were before their last change.
    forced_stale: u32,
    pub(in crate::sim) traffic: Traffic,
    /// Members of the world file's `ecs` that we do not know.
    extra: Value,
}

/// What happens later in ECS.
#[derive(Clone, Debug)]
pub(super) enum EcsEvent {
    /// A task's next step is due.
    Task { id: String, step: u32 },
    /// A container's health check is due.
    Check { task: String, container: String, started: Millis },
    /// A container exits by itself.
    Exit { task: String, container: String, code: i64 },
    /// The scheduler looks at a service.
    Look { service: String },
}

impl EcsEvent {
    /// Whether containers may answer otherwise afterwards. What the scheduler starts or stops takes steps of its own to do so.
    pub(super) fn may_change_answers(&self) -> bool {
        !matches!(self, Self::Look { .. })
    }
}

/// What is wrong with an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ImageFault {
    /// It cannot be pulled: its tag does not exist.
    CannotPull,
    /// Its container exits with code 1 right after its start.
    Exits,
    /// It runs, but fails container checks and answers HTTP with 503.
    Unhealthy,
}

/// Lets an event happen.
pub(super) fn on_event(state: &mut State, event: EcsEvent) {
    match event {
        EcsEvent::Task { id, step } => lifecycle::on_step(state, &id, step),
        EcsEvent::Check { task, container, started } => health::on_check(state, &task, &container, started),
        EcsEvent::Exit { task, container, code } => lifecycle::on_exit(state, &task, &container, code),
        EcsEvent::Look { service } => scheduler::on_look(state, &service),
    }
}

/// Answers one ECS operation.
pub(super) fn call(state: &mut State, call: &Call, input: &Value) -> Result<Value, ApiError> {
    match call.operation.as_str() {
        "CreateService" => create::create_service(state, call, input),
        "DeleteService" => delete::delete_service(state, call, input),
        "DeleteTaskDefinitions" => task_definitions::delete(state, call, input),
        "DeregisterTaskDefinition" => task_definitions::deregister(state, call, input),
        "DescribeClusters" => describe::clusters(state, input),
        "DescribeServiceDeployments" => records::describe_service_deployments(state, input),
        "DescribeServiceRevisions" => records::describe_service_revisions(state, input),
        "DescribeServices" => describe::services(state, input),
        "DescribeTaskDefinition" => task_definitions::describe(state, input),
        "DescribeTasks" => task_api::describe_tasks(state, input),
        "ListClusters" => describe::list_clusters(state, input),
        "ListServiceDeployments" => records::list_service_deployments(state, input),
        "ListServices" => describe::list_services(state, input),
        "ListServicesByNamespace" => describe::list_services_by_namespace(state, input),
        "ListTagsForResource" => tags::list_tags(state, input),
        "ListTaskDefinitions" => task_definitions::list(state, input),
        "ListTasks" => task_api::list_tasks(state, input),
        "RegisterTaskDefinition" => register::register(state, call, input),
        "StopServiceDeployment" => records::stop_service_deployment(state, call, input),
        "TagResource" => tags::tag(state, call, input),
        "UntagResource" => tags::untag(state, call, input),
        "UpdateService" => update::update_service(state, call, input),
        _ => Err(ApiError::new("UnknownOperationException", "")),
    }
}

/// The next `reads` DescribeServices show every service as it was before its last change.
pub(super) fn force_stale(state: &mut State, reads: u32) {
    state.ecs.forced_stale = reads;
}

/// Sets or takes away what is wrong with an image. Pulling and exiting concern containers that start from now on; checks and
/// HTTP answers those that run, too.
pub(super) fn set_image_fault(state: &mut State, image: &str, fault: Option<ImageFault>) {
    match fault {
        Some(fault) => state.ecs.image_faults.insert(image.to_owned(), fault),
        None => state.ecs.image_faults.remove(image),
    };
    health::recheck(state, image);
}
