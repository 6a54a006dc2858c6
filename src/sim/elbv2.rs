//! Elastic Load Balancing v2: load balancers, listeners, rules, target groups and the health of their targets.

use serde_json::Value;

use super::{ApiError, Call, State};

/// `elbv2` of a world file.
#[derive(Clone, Debug, Default)]
pub(super) struct Elbv2 {}

/// What happens later in ELB.
#[derive(Clone, Debug)]
pub(super) enum ElbEvent {}

/// What ECS must know of a target group.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct TargetGroupInfo {
    /// `ip` or `instance`.
    pub(super) target_type: String,
    /// Whether a listener or rule forwards to it.
    pub(super) has_load_balancer: bool,
}

/// The state of a target as DescribeTargetHealth words it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct TargetState {
    /// `initial`, `healthy`, `unhealthy`, `unused`, `draining`.
    pub(super) state: String,
    /// `Target.ResponseCodeMismatch` and the like.
    pub(super) reason: Option<String>,
    /// `Health checks failed with these codes: [404]` and the like.
    pub(super) description: Option<String>,
}

/// Lets an event happen.
pub(super) fn on_event(_state: &mut State, event: ElbEvent) {
    match event {}
}

/// Answers one ELBv2 operation. Input and output use the wire's member names as JSON (lists as arrays).
pub(super) fn call(_state: &mut State, call: &Call, _input: &Value) -> Result<Value, ApiError> {
    Err(ApiError::new("InvalidAction", format!("The action {} is not valid for this web service.", call.operation)))
}

/// ECS registers a task's address; health checks begin (they ask [`super::ecs::probe`]).
pub(super) fn register_target(_state: &mut State, _group_arn: &str, _ip: &str, _port: u16, _zone: &str) {}

/// ECS takes a task's address off; it drains for the group's deregistration delay, then is gone.
pub(super) fn deregister_target(_state: &mut State, _group_arn: &str, _ip: &str, _port: u16) {}

impl Elbv2 {
    /// What ECS must know of the group; `None` when it does not exist.
    pub(super) fn target_group(&self, _group_arn: &str) -> Option<TargetGroupInfo> {
        None
    }

    /// The target's state; `None` when it is not registered (any more).
    pub(super) fn target_state(&self, _group_arn: &str, _ip: &str, _port: u16) -> Option<TargetState> {
        None
    }
}
