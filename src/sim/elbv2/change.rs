//! The one change of a target group that a migration may need.

use serde_json::{Value, json};

use super::describe::no_group;
use super::member;
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

/// `200`, `200,301`, `200-399`: what an Application Load Balancer takes. `[M]`
fn codes_are_valid(matcher: &str) -> bool {
    let code = |text: &str| text.trim().parse::<u16>().is_ok_and(|code| (200..=499).contains(&code));
    matcher.split(',').all(|part| part.split('-').count() <= 2 && part.split('-').all(code))
}

fn invalid(message: &str) -> ApiError {
    ApiError::new("ValidationError", message)
}
