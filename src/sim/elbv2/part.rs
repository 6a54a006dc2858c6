//! `elbv2` of a world file: `loadBalancers`, `listeners`, `rules`, `targetGroups`; `targetGroupAttributes` and `targetHealth` by
//! target group ARN, `tags` by ARN.

use serde_json::{Value, json};

use super::{Elbv2, Group, Target, TargetState};
use crate::sim::values::{Object, list, number, text};

const KNOWN: [&str; 7] = ["listeners", "loadBalancers", "rules", "tags", "targetGroupAttributes", "targetGroups", "targetHealth"];

impl Elbv2 {
    /// Reads the part.
    pub(in crate::sim) fn load(part: &Value) -> Result<Self, String> {
        let objects = |name: &str, id: &str| -> Result<Vec<Object>, String> {
            let read = |(index, value): (usize, &Value)| {
                let object = value.as_object().filter(|object| object.get(id).is_some_and(Value::is_string));
                object.cloned().ok_or_else(|| format!("elbv2.{name}[{index}] has no {id}"))
            };
            list(part, name).iter().enumerate().map(read).collect()
        };
        let mut extra = part.as_object().cloned().unwrap_or_default();
        extra.retain(|name, _| !KNOWN.contains(&name.as_str()));
        let groups = objects("targetGroups", "TargetGroupArn")?;
        let groups = groups.into_iter().map(|object| Group { object, attributes: None, targets: Vec::new(), listed: false });
        let mut elb = Self {
            load_balancers: objects("loadBalancers", "LoadBalancerArn")?,
            listeners: objects("listeners", "ListenerArn")?,
            rules: objects("rules", "RuleArn")?,
            groups: groups.collect(),
            extra,
            ..Self::default()
        };
        for (arn, attributes) in part.get("targetGroupAttributes").and_then(Value::as_object).into_iter().flatten() {
            elb.loading(arn, "targetGroupAttributes")?.attributes = attributes.as_array().cloned();
        }
        for (arn, targets) in part.get("targetHealth").and_then(Value::as_object).into_iter().flatten() {
            let group = elb.loading(arn, "targetHealth")?;
            group.listed = true;
            for description in targets.as_array().into_iter().flatten() {
                let target =
                    read_target(description).ok_or_else(|| format!("elbv2.targetHealth.{arn}: a target has no Id or no Port"))?;
                group.targets.push(target);
            }
        }
        for (arn, tags) in part.get("tags").and_then(Value::as_object).into_iter().flatten() {
            elb.tags.insert(arn.clone(), tags.as_array().cloned().unwrap_or_default());
        }
        Ok(elb)
    }

    fn loading(&mut self, arn: &str, name: &str) -> Result<&mut Group, String> {
        self.group_mut(arn).ok_or_else(|| format!("elbv2.{name}: there is no target group {arn}"))
    }

    /// Writes the part.
    pub(in crate::sim) fn save(&self) -> Value {
        let mut part = self.extra.clone();
        let mut put = |name: &str, value: Value| part.insert(name.to_owned(), value);
        put("loadBalancers", json!(self.load_balancers));
        put("listeners", json!(self.listeners));
        put("rules", json!(self.rules));
        put("targetGroups", self.groups.iter().map(|group| Value::Object(group.object.clone())).collect());
        let attributes = self.groups.iter().filter_map(|group| Some((group.arn().to_owned(), json!(group.attributes.as_ref()?))));
        put("targetGroupAttributes", Value::Object(attributes.collect()));
        let told = self.groups.iter().filter(|group| group.listed || !group.targets.is_empty());
        let health =
            told.map(|group| (group.arn().to_owned(), group.targets.iter().map(|target| target.describe(group)).collect()));
        put("targetHealth", Value::Object(health.collect()));
        if !self.tags.is_empty() {
            put("tags", json!(self.tags));
        }
        Value::Object(part)
    }
}

fn read_target(description: &Value) -> Option<Target> {
    let target = description.get("Target")?;
    let health = description.get("TargetHealth").unwrap_or(&Value::Null);
    let mut extra = description.as_object()?.clone();
    extra.retain(|name, _| !["Target", "TargetHealth", "HealthCheckPort"].contains(&name.as_str()));
    Some(Target {
        id: text(target, "Id")?.to_owned(),
        port: u16::try_from(number(target, "Port")?).ok()?,
        zone: text(target, "AvailabilityZone").unwrap_or_default().to_owned(),
        state: TargetState {
            state: text(health, "State").unwrap_or("healthy").to_owned(),
            reason: text(health, "Reason").map(str::to_owned),
            description: text(health, "Description").map(str::to_owned),
        },
        passes: 0,
        fails: 0,
        anchor: 0,
        checking: false,
        generation: 0,
        extra,
    })
}
