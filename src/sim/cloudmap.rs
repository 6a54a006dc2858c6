//! Cloud Map: namespaces, services, instances, and what their names resolve to.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{ApiError, Call, State};

/// `servicediscovery` of a world file.
#[derive(Clone, Debug, Default)]
pub(super) struct CloudMap {}

/// What happens later in Cloud Map.
#[derive(Clone, Debug)]
pub(super) enum CloudMapEvent {}

/// Lets an event happen.
pub(super) fn on_event(_state: &mut State, event: CloudMapEvent) {
    match event {}
}

/// Answers one Cloud Map operation.
pub(super) fn call(_state: &mut State, call: &Call, _input: &Value) -> Result<Value, ApiError> {
    Err(ApiError::new("UnknownOperationException", call.operation.clone()))
}

/// ECS registers an instance (a task) with a service; it appears after the registration lag.
pub(super) fn register(
    _state: &mut State,
    _registry_arn: &str,
    _instance_id: &str,
    _attributes: BTreeMap<String, String>,
    _healthy: bool,
) {
}

/// ECS reports an instance's health (custom health).
pub(super) fn set_health(_state: &mut State, _registry_arn: &str, _instance_id: &str, _healthy: bool) {}

/// ECS takes an instance off; it goes after the deregistration lag.
pub(super) fn deregister(_state: &mut State, _registry_arn: &str, _instance_id: &str) {}

impl CloudMap {
    /// Whether a service of this ARN exists.
    pub(super) fn service_exists(&self, _registry_arn: &str) -> bool {
        false
    }

    /// The addresses that `host` resolves to inside the VPC: `None` when there is no such name (or no namespace of the VPC has
    /// it); healthy instances, or all of them while none is healthy, eight at most; with the record's TTL in seconds.
    pub(super) fn resolve(&self, _vpc_id: &str, _host: &str) -> Option<(Vec<String>, u32)> {
        None
    }
}
