//! The one change of a target group that a migration may need, and the going of what others delete.

use serde_json::{Value, json};

use super::describe::{no_group, not_found};
use super::{forwards, member};
use crate::sim::values::{flag, number, text};
use crate::sim::{ApiError, Call, State};

/// Settings that are whole numbers, with their bounds. `[M]`
const NUMBERS: [(&str, i64, i64); 4] = [
    ("HealthCheckIntervalSeconds", 5, 300),
    ("HealthCheckTimeoutSeconds", 2, 120),
    ("HealthyThresholdCount", 2, 10),
    ("UnhealthyThresholdCount", 2, 10),
];

pub(super) fn modify_target_group(state: &mut State, call: &Call, input: &Value) -> Result<Value, ApiError> {
    let arn = text(input, "TargetGroupArn").ok_or_else(|| invalid("A target group ARN must be specified"))?;
    let mut changes = Vec::new();
    for name in ["HealthCheckPath", "HealthCheckPort", "HealthCheckProtocol"] {
        if let Some(value) = text(input, name) {
            changes.push((name, json!(value)));
        }
    }
    if text(input, "HealthCheckPath").is_some_and(|path| !path.starts_with('/') || path.len() > 1024) {
        return Err(invalid("Health check path must begin with a '/' character and have at most 1024 characters"));
    }
    for (name, least, most) in NUMBERS {
        if let Some(value) = number(input, name) {
            if !(least..=most).contains(&value) {
                return Err(invalid(&format!("{name} must be between {least} and {most}")));
            }
            changes.push((name, json!(value)));
        }
    }
    if let Some(enabled) = flag(input, "HealthCheckEnabled") {
        changes.push(("HealthCheckEnabled", json!(enabled)));
    }
    if let Some(matcher) = input.get("Matcher") {
        changes.push(("Matcher", matcher.clone()));
    }
    if let Some(matcher) = input.get("Matcher").and_then(|matcher| text(matcher, "HttpCode"))
        && !codes_are_valid(matcher)
    {
        return Err(invalid("Health check matcher HTTP code must be within the range [200, 499]"));
    }
    let group = state.elbv2.group_mut(arn).ok_or_else(|| no_group(arn))?;
    let after = |name: &str, usual: i64| number(input, name).unwrap_or_else(|| group.setting(name, usual));
    if after("HealthCheckTimeoutSeconds", 5) >= after("HealthCheckIntervalSeconds", 30) {
        return Err(invalid("Health check interval must be greater than the timeout."));
    }
    if text(input, "HealthCheckPath").is_some() && member(&group.object, "HealthCheckProtocol") == "TCP" {
        return Err(invalid("Health check path is not supported for health checks with protocol TCP"));
    }
    for (name, value) in changes {
        group.object.insert(name.to_owned(), value);
    }
    let output = json!({"TargetGroups": [group.object]});
    state.note_effect(call, None, arn);
    Ok(output)
}

/// ELB keeps a group to which a listener or a rule forwards; that services are in it, it does not know. One that is not there is no
/// error. `[M]`
pub(super) fn delete_target_group(state: &mut State, call: &Call, input: &Value) -> Result<Value, ApiError> {
    let arn = text(input, "TargetGroupArn").ok_or_else(|| invalid("A target group ARN must be specified"))?;
    let elb = &mut state.elbv2;
    if elb.is_forwarded(arn) {
        let message = format!("Target group '{arn}' is currently in use by a listener or a rule");
        return Err(ApiError::new("ResourceInUse", message));
    }
    elb.groups.retain(|group| group.arn() != arn);
    elb.tags.remove(arn);
    state.note_effect(call, None, arn);
    Ok(json!({}))
}

/// The default rule goes with its listener only. `[M]`
pub(super) fn delete_rule(state: &mut State, call: &Call, input: &Value) -> Result<Value, ApiError> {
    let arn = text(input, "RuleArn").ok_or_else(|| invalid("A rule ARN must be specified"))?;
    let elb = &mut state.elbv2;
    let Some(at) = elb.rules.iter().position(|rule| member(rule, "RuleArn") == arn) else {
        return Err(not_found("Rule", "One or more rules not found"));
    };
    if elb.rules[at].get("IsDefault").is_some_and(|is_default| is_default == true) {
        return Err(ApiError::new("OperationNotPermitted", format!("Default rule '{arn}' cannot be deleted")));
    }
    let rule = elb.rules.remove(at);
    // Groups say which load balancers forward to them.
    let left: Vec<String> =
        elb.groups.iter().map(|group| group.arn().to_owned()).filter(|group| !elb.is_forwarded(group)).collect();
    for group in elb.groups.iter_mut().filter(|group| left.iter().any(|arn| arn == group.arn())) {
        if forwards(rule.get("Actions"), group.arn()) {
            group.object.insert("LoadBalancerArns".to_owned(), json!([]));
        }
    }
    state.note_effect(call, None, arn);
    Ok(json!({}))
}

/// `200`, `200,301`, `200-399`: what an Application Load Balancer takes. `[M]`
fn codes_are_valid(matcher: &str) -> bool {
    let code = |text: &str| text.trim().parse::<u16>().is_ok_and(|code| (200..=499).contains(&code));
    matcher.split(',').all(|part| part.split('-').count() <= 2 && part.split('-').all(code))
}

fn invalid(message: &str) -> ApiError {
    ApiError::new("ValidationError", message)
}
