//! ECS: clusters, task definitions, services, deployments and the tasks they run.

use serde_json::Value;

use super::{ApiError, Call, State};

/// `ecs` of a world file.
#[derive(Clone, Debug, Default)]
pub(super) struct Ecs {
    part: Value,
}

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

/// What is wrong with an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ImageFault {
    /// The registry does not give it.
    CannotPull,
    /// Its container ends at once.
    Exits,
    /// Its container never becomes healthy.
    Unhealthy,
}

pub(super) fn load(state: &mut State, part: &Value) -> Result<(), String> {
    state.ecs.part = part.clone();
    Ok(())
}

pub(super) fn save(state: &State) -> Value {
    state.ecs.part.clone()
}

pub(super) fn settle(_state: &mut State) {}

pub(super) fn force_stale(_state: &mut State, _reads: u32) {}

pub(super) fn set_image_fault(_state: &mut State, _image: &str, _fault: Option<ImageFault>) {}
