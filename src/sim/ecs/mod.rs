//! ECS: clusters, task definitions, services, deployments and the tasks they run.

use serde_json::Value;

use super::{ApiError, Call, State};

/// `ecs` of a world file.
#[derive(Clone, Debug, Default)]
pub(super) struct Ecs {}

/// What happens later in ECS.
#[derive(Clone, Debug)]
pub(super) enum EcsEvent {}

/// What a health check's HTTP request gets from a task's address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Probe {
    /// An HTTP status.
    Status(u16),
    /// Nothing answers in time (no such address, or the security group swallows it).
    TimedOut,
    /// Nothing listens on the port.
    Refused,
}

/// Lets an event happen.
pub(super) fn on_event(_state: &mut State, event: EcsEvent) {
    match event {}
}

/// Answers one ECS operation.
pub(super) fn call(_state: &mut State, call: &Call, _input: &Value) -> Result<Value, ApiError> {
    Err(ApiError::new("InvalidParameterException", call.operation.clone()))
}

/// What `GET path` on `ip:port` gives, asked from a load balancer with these security groups.
pub(super) fn probe(_state: &State, _from_groups: &[String], _ip: &str, _port: u16, _path: &str) -> Probe {
    Probe::TimedOut
}
