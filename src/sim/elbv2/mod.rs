//! Elastic Load Balancing v2: load balancers, listeners, rules, target groups and the health of their targets.

mod change;
mod describe;
mod front;
mod health;
mod part;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use serde_json::Value;

use super::values::{Object, list, number, text};
use super::{ApiError, Call, Millis, State};

pub(super) use front::Route;
pub(super) use health::{ElbEvent, deregister_target, look_again, on_event, register_target, settle};

/// `elbv2` of a world file.
#[derive(Clone, Debug, Default)]
pub(super) struct Elbv2 {
    load_balancers: Vec<Object>,
    listeners: Vec<Object>,
    rules: Vec<Object>,
    groups: Vec<Group>,
    /// By ARN, as DescribeTags gives them.
    tags: BTreeMap<String, Vec<Value>>,
    /// Counts requests that were sent on, so that targets take turns.
    turn: usize,
    /// Counts registrations, to tell a late event from a current one.
    generation: u64,
    /// Members of the world file that nothing here knows.
    extra: Object,
}

/// A target group.
#[derive(Clone, Debug)]
struct Group {
    /// As DescribeTargetGroups gives it.
    object: Object,
    /// As DescribeTargetGroupAttributes gives them; `None` when the world did not say, then AWS's defaults hold.
    attributes: Option<Vec<Value>>,
    targets: Vec<Target>,
    /// Whether the world had a list of targets for it.
    listed: bool,
}

/// A registered target.
#[derive(Clone, Debug)]
struct Target {
    id: String,
    port: u16,
    zone: String,
    state: TargetState,
    /// Checks passed, or failed, in a row since the state last changed.
    passes: i64,
    fails: i64,
    /// When one of its checks was; the others follow at the group's interval.
    anchor: Millis,
    /// Whether a check is scheduled.
    checking: bool,
    generation: u64,
    /// Members of its description that nothing here knows.
    extra: Object,
}

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

/// Answers one ELBv2 operation. Input and output use the wire's member names as JSON (lists as arrays).
pub(super) fn call(state: &mut State, call: &Call, input: &Value) -> Result<Value, ApiError> {
    match call.operation.as_str() {
        "DescribeLoadBalancers" => describe::load_balancers(&state.elbv2, input),
        "DescribeListeners" => describe::listeners(&state.elbv2, input),
        "DescribeRules" => describe::rules(&state.elbv2, input),
        "DescribeTargetGroups" => describe::target_groups(&state.elbv2, input),
        "DescribeTargetGroupAttributes" => describe::attributes(&state.elbv2, input),
        "DescribeTargetHealth" => describe::target_health(&state.elbv2, input),
        "DescribeTags" => describe::tags(&state.elbv2, input),
        "ModifyTargetGroup" => change::modify_target_group(state, call, input),
        "DeleteTargetGroup" => change::delete_target_group(state, call, input),
        "DeleteRule" => change::delete_rule(state, call, input),
        other => Err(ApiError::new("InvalidAction", format!("The action {other} is not valid for this web service."))),
    }
}

impl Elbv2 {
    /// What ECS must know of the group; `None` when it does not exist.
    pub(super) fn target_group(&self, group_arn: &str) -> Option<TargetGroupInfo> {
        let group = self.group(group_arn)?;
        let target_type = match member(&group.object, "TargetType") {
            "" => "instance",
            kind => kind,
        };
        Some(TargetGroupInfo { target_type: target_type.to_owned(), has_load_balancer: self.balancer_of(group).is_some() })
    }

    /// The target's state; `None` when it is not registered (any more).
    pub(super) fn target_state(&self, group_arn: &str, ip: &str, port: u16) -> Option<TargetState> {
        Some(self.group(group_arn)?.target(ip, port)?.state.clone())
    }

    fn group(&self, arn: &str) -> Option<&Group> {
        self.groups.iter().find(|group| group.arn() == arn)
    }

    /// Whether a listener or a rule forwards to the group.
    fn is_forwarded(&self, arn: &str) -> bool {
        self.listeners.iter().any(|listener| forwards(listener.get("DefaultActions"), arn))
            || self.rules.iter().any(|rule| forwards(rule.get("Actions"), arn))
    }

    fn group_mut(&mut self, arn: &str) -> Option<&mut Group> {
        self.groups.iter_mut().find(|group| group.arn() == arn)
    }

    /// The load balancer whose listener or rule forwards to the group.
    fn balancer_of(&self, group: &Group) -> Option<&Object> {
        let said = group.object.get("LoadBalancerArns").and_then(Value::as_array).and_then(|arns| arns.first()?.as_str());
        let by_listener = || {
            let forwarding = |listener: &&Object| forwards(listener.get("DefaultActions"), group.arn());
            self.listeners.iter().find(forwarding).map(|listener| member(listener, "LoadBalancerArn"))
        };
        let arn = said.or_else(by_listener)?;
        self.load_balancers.iter().find(|balancer| member(balancer, "LoadBalancerArn") == arn)
    }
}

impl Group {
    fn arn(&self) -> &str {
        member(&self.object, "TargetGroupArn")
    }

    fn target(&self, id: &str, port: u16) -> Option<&Target> {
        self.targets.iter().find(|target| target.id == id && target.port == port)
    }

    fn target_mut(&mut self, id: &str, port: u16) -> Option<&mut Target> {
        self.targets.iter_mut().find(|target| target.id == id && target.port == port)
    }

    /// A whole number of the group's description, or AWS's default.
    fn setting(&self, name: &str, default: i64) -> i64 {
        self.object.get(name).and_then(Value::as_i64).unwrap_or(default)
    }

    /// `deregistration_delay.timeout_seconds`, 300 s unless set. `[D]`
    fn deregistration_delay(&self) -> Millis {
        let set = self.attributes.iter().flatten().find(|entry| text(entry, "Key") == Some("deregistration_delay.timeout_seconds"));
        set.and_then(|entry| number(entry, "Value")).unwrap_or(300).clamp(0, 3600) * 1000
    }
}

impl TargetState {
    fn new(state: &str, reason: &str, description: &str) -> Self {
        Self { state: state.to_owned(), reason: Some(reason.to_owned()), description: Some(description.to_owned()) }
    }

    fn healthy() -> Self {
        Self { state: "healthy".to_owned(), reason: None, description: None }
    }
}

/// Whether a list of actions forwards to the group.
fn forwards(actions: Option<&Value>, group_arn: &str) -> bool {
    let actions = actions.and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    actions.iter().any(|action| {
        let weighted = action.get("ForwardConfig").map_or(&[][..], |config| list(config, "TargetGroups"));
        text(action, "TargetGroupArn") == Some(group_arn)
            || weighted.iter().any(|group| text(group, "TargetGroupArn") == Some(group_arn))
    })
}

/// A text member of an object, empty when absent.
fn member<'a>(object: &'a Object, name: &str) -> &'a str {
    object.get(name).and_then(Value::as_str).unwrap_or_default()
}
