//! ELB's Describe operations.

use serde_json::{Value, json};

use super::{Elbv2, Group, Target, TargetState, forwards, member};
use crate::sim::ApiError;
use crate::sim::values::{Object, iso, list, millis, number, page, text, texts};

pub(super) fn load_balancers(elb: &Elbv2, input: &Value) -> Result<Value, ApiError> {
    let missing = |_: &str| not_found("LoadBalancer", "One or more load balancers not found");
    let all: Vec<&Object> = elb.load_balancers.iter().collect();
    let found = by_member(all, input, "LoadBalancerArns", "LoadBalancerArn", missing)?;
    let found = by_member(found, input, "Names", "LoadBalancerName", missing)?;
    let served = found.into_iter().map(|balancer| {
        let mut object = balancer.clone();
        if let Some(at) = object.get("CreatedTime").and_then(millis) {
            object.insert("CreatedTime".to_owned(), json!(iso(at)));
        }
        object
    });
    paged("LoadBalancers", served.collect(), input)
}

pub(super) fn listeners(elb: &Elbv2, input: &Value) -> Result<Value, ApiError> {
    let of = text(input, "LoadBalancerArn");
    if of.is_none() && texts(input, "ListenerArns").is_empty() {
        return Err(ApiError::new("ValidationError", "You must specify either listener ARNs or a load balancer ARN"));
    }
    known_balancer(elb, of)?;
    let all: Vec<&Object> =
        elb.listeners.iter().filter(|listener| of.is_none_or(|arn| member(listener, "LoadBalancerArn") == arn)).collect();
    let missing = |_: &str| not_found("Listener", "One or more listeners not found");
    let found = by_member(all, input, "ListenerArns", "ListenerArn", missing)?;
    paged("Listeners", found.into_iter().cloned().collect(), input)
}

pub(super) fn rules(elb: &Elbv2, input: &Value) -> Result<Value, ApiError> {
    let listener = text(input, "ListenerArn");
    if listener.is_none() == texts(input, "RuleArns").is_empty() {
        return Err(ApiError::new("ValidationError", "You must specify either listener rule ARNs or a listener ARN"));
    }
    if let Some(arn) = listener
        && !elb.listeners.iter().any(|listener| member(listener, "ListenerArn") == arn)
    {
        return Err(not_found("Listener", "One or more listeners not found"));
    }
    let all: Vec<&Object> =
        elb.rules.iter().filter(|rule| listener.is_none_or(|arn| is_rule_of(member(rule, "RuleArn"), arn))).collect();
    let missing = |_: &str| not_found("Rule", "One or more rules not found");
    let found = by_member(all, input, "RuleArns", "RuleArn", missing)?;
    paged("Rules", found.into_iter().cloned().collect(), input)
}

/// A rule's ARN is its listener's with another kind and one more part.
pub(super) fn is_rule_of(rule: &str, listener: &str) -> bool {
    let of_listener = listener.replacen(":listener/", ":listener-rule/", 1);
    rule.strip_prefix(&of_listener).is_some_and(|rest| rest.starts_with('/'))
}

pub(super) fn target_groups(elb: &Elbv2, input: &Value) -> Result<Value, ApiError> {
    let of = text(input, "LoadBalancerArn");
    known_balancer(elb, of)?;
    let of_balancer = |group: &&Group| {
        of.is_none_or(|arn| elb.balancer_of(group).is_some_and(|balancer| member(balancer, "LoadBalancerArn") == arn))
    };
    let all: Vec<&Object> = elb.groups.iter().filter(of_balancer).map(|group| &group.object).collect();
    let found = by_member(all, input, "TargetGroupArns", "TargetGroupArn", no_group)?;
    let found = by_member(found, input, "Names", "TargetGroupName", no_group)?;
    let served = found.into_iter().map(|group| {
        let mut object = group.clone();
        object.entry("LoadBalancerArns").or_insert_with(|| json!(forwarding(elb, member(group, "TargetGroupArn"))));
        object
    });
    paged("TargetGroups", served.collect(), input)
}

/// The load balancers that forward to a group, found through their listeners.
fn forwarding(elb: &Elbv2, group: &str) -> Vec<String> {
    let by_default = elb.listeners.iter().filter(|listener| forwards(listener.get("DefaultActions"), group));
    by_default.map(|listener| member(listener, "LoadBalancerArn").to_owned()).take(1).collect()
}

pub(super) fn attributes(elb: &Elbv2, input: &Value) -> Result<Value, ApiError> {
    let group = asked_group(elb, input)?;
    let defaults = || {
        let all = [
            ("deregistration_delay.timeout_seconds", "300"),
            ("load_balancing.algorithm.type", "round_robin"),
            ("slow_start.duration_seconds", "0"),
            ("stickiness.enabled", "false"),
        ];
        all.map(|(key, value)| json!({"Key": key, "Value": value})).to_vec()
    };
    Ok(json!({"Attributes": group.attributes.clone().unwrap_or_else(defaults)}))
}

pub(super) fn target_health(elb: &Elbv2, input: &Value) -> Result<Value, ApiError> {
    let group = asked_group(elb, input)?;
    let asked = list(input, "Targets");
    if asked.is_empty() {
        return Ok(
            json!({"TargetHealthDescriptions": group.targets.iter().map(|target| target.describe(group)).collect::<Vec<_>>()}),
        );
    }
    let default = group.setting("Port", 80);
    let described = asked.iter().map(|target| {
        let id = text(target, "Id").unwrap_or_default();
        let port = u16::try_from(number(target, "Port").unwrap_or(default)).unwrap_or_default();
        group.target(id, port).map_or_else(|| unregistered(id, port), |target| target.describe(group))
    });
    Ok(json!({"TargetHealthDescriptions": described.collect::<Vec<_>>()}))
}

impl Target {
    /// As DescribeTargetHealth gives it.
    pub(super) fn describe(&self, group: &Group) -> Value {
        let mut described = self.extra.clone();
        let mut target = json!({"Id": self.id, "Port": self.port});
        if !self.zone.is_empty() {
            target["AvailabilityZone"] = json!(self.zone);
        }
        described.insert("Target".to_owned(), target);
        described.insert("HealthCheckPort".to_owned(), json!(group.check_port(self.port).to_string()));
        described.insert("TargetHealth".to_owned(), self.state.describe());
        Value::Object(described)
    }
}

impl TargetState {
    fn describe(&self) -> Value {
        let mut health = json!({"State": self.state});
        if let Some(reason) = &self.reason {
            health["Reason"] = json!(reason);
        }
        if let Some(description) = &self.description {
            health["Description"] = json!(description);
        }
        health
    }
}

fn unregistered(id: &str, port: u16) -> Value {
    let state = TargetState::new("unused", "Target.NotRegistered", "Target is not registered to the target group");
    json!({"Target": {"Id": id, "Port": port}, "TargetHealth": state.describe()})
}

pub(super) fn tags(elb: &Elbv2, input: &Value) -> Result<Value, ApiError> {
    let arns = texts(input, "ResourceArns");
    if arns.is_empty() || arns.len() > 20 {
        return Err(ApiError::new("ValidationError", "ResourceArns must have between 1 and 20 ARNs"));
    }
    let mut described = Vec::new();
    for arn in arns {
        let known = [
            (&elb.load_balancers, "LoadBalancerArn", "LoadBalancer", "load balancers"),
            (&elb.listeners, "ListenerArn", "Listener", "listeners"),
            (&elb.rules, "RuleArn", "Rule", "rules"),
        ];
        let exists = known.iter().any(|(objects, id, ..)| objects.iter().any(|object| member(object, id) == arn));
        if !exists && elb.group(&arn).is_none() {
            let kind = known.iter().find(|(_, _, kind, _)| arn.contains(&format!(":{}/", kind.to_lowercase())));
            return Err(kind.map_or_else(
                || no_group(&arn),
                |(_, _, kind, plural)| not_found(kind, &format!("One or more {plural} not found")),
            ));
        }
        described.push(json!({"ResourceArn": arn, "Tags": elb.tags.get(&arn).cloned().unwrap_or_default()}));
    }
    Ok(json!({"TagDescriptions": described}))
}

fn asked_group<'a>(elb: &'a Elbv2, input: &Value) -> Result<&'a Group, ApiError> {
    let arn = text(input, "TargetGroupArn");
    let arn = arn.ok_or_else(|| ApiError::new("ValidationError", "A target group ARN must be specified"))?;
    elb.group(arn).ok_or_else(|| no_group(arn))
}

pub(super) fn no_group(_: &str) -> ApiError {
    not_found("TargetGroup", "One or more target groups not found")
}

pub(super) fn not_found(kind: &str, message: &str) -> ApiError {
    ApiError::new(&format!("{kind}NotFound"), message)
}

fn known_balancer(elb: &Elbv2, arn: Option<&str>) -> Result<(), ApiError> {
    match arn {
        Some(arn) if !elb.load_balancers.iter().any(|known| member(known, "LoadBalancerArn") == arn) => {
            Err(not_found("LoadBalancer", "One or more load balancers not found"))
        }
        _ => Ok(()),
    }
}

/// The objects that are asked for by a member, all when none is; one that is missing refuses the whole request.
fn by_member<'a>(
    objects: Vec<&'a Object>,
    input: &Value,
    parameter: &str,
    name: &str,
    missing: impl Fn(&str) -> ApiError,
) -> Result<Vec<&'a Object>, ApiError> {
    let wanted = texts(input, parameter);
    if wanted.is_empty() {
        return Ok(objects);
    }
    if let Some(unknown) = wanted.iter().find(|wanted| !objects.iter().any(|object| member(object, name) == wanted.as_str())) {
        return Err(missing(unknown));
    }
    Ok(objects.into_iter().filter(|object| wanted.iter().any(|wanted| member(object, name) == wanted)).collect())
}

fn paged(name: &str, objects: Vec<Object>, input: &Value) -> Result<Value, ApiError> {
    let size = number(input, "PageSize").unwrap_or(400);
    let size = usize::try_from(size).ok().filter(|size| (1..=400).contains(size));
    let size = size.ok_or_else(|| ApiError::new("ValidationError", "PageSize must be between 1 and 400"))?;
    let page =
        page(objects, text(input, "Marker"), size).ok_or_else(|| ApiError::new("ValidationError", "The marker is not valid"))?;
    let mut output = json!({name: page.items});
    if let Some(next) = page.next {
        output["NextMarker"] = json!(next);
    }
    Ok(output)
}
