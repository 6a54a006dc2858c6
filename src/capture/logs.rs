//! The log groups that the runbook makes and those that captured containers write to. No line of any log is read.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::reader::{Reader, each};
use super::{Scope, entries};
use crate::aws::CallError;

/// The world file's `logs`.
pub(super) async fn read(reader: &Reader<'_>, scope: &Scope, ecs: &Value, caller: &Value) -> Result<Value, CallError> {
    let used = written_to(ecs);
    let names: BTreeSet<&String> = used.iter().chain(&scope.wants.log_groups).collect();
    let read = each(names, async |name| {
        let input = json!({ "logGroupNamePrefix": name });
        let listed = reader.list("DescribeLogGroups", name, input, "logGroups", "nextToken").await?;
        Ok(listed.into_iter().find(|group| group["logGroupName"] == *name.as_str()))
    });
    let mut groups: Vec<Value> = read.await?.into_iter().flatten().collect();
    if reader.is_refused("DescribeLogGroups") {
        let account = caller["Account"].as_str().unwrap_or_default();
        groups = used.iter().map(|name| by_name(name, &reader.aws().region, account)).collect();
        reader.note("DescribeLogGroups", "log groups of running tasks", "only their names are known");
    }
    let mut tags = Map::new();
    for group in groups.iter().filter(|group| scope.wants.log_groups.iter().any(|name| group["logGroupName"] == *name.as_str())) {
        let (Some(name), Some(arn)) = (group["logGroupName"].as_str(), group["logGroupArn"].as_str()) else { continue };
        let answer = reader.read("logs:ListTagsForResource", name, json!({ "resourceArn": arn })).await?.unwrap_or_default();
        if answer["tags"].as_object().is_some_and(|tags| !tags.is_empty()) {
            tags.insert(name.to_owned(), answer["tags"].clone());
        }
    }
    let mut part = json!({ "logGroups": groups });
    if !tags.is_empty() {
        part["tags"] = Value::Object(tags);
    }
    Ok(part)
}

/// The groups that containers of captured task definitions write to.
fn written_to(ecs: &Value) -> BTreeSet<String> {
    let definitions = entries(&ecs["taskDefinitions"]).map(|found| &found["taskDefinition"]);
    let containers = definitions.flat_map(|definition| entries(&definition["containerDefinitions"]));
    let groups = containers.filter_map(|container| container["logConfiguration"]["options"]["awslogs-group"].as_str());
    groups.map(str::to_owned).collect()
}

fn by_name(name: &str, region: &str, account: &str) -> Value {
    let arn = format!("arn:aws:logs:{region}:{account}:log-group:{name}");
    json!({ "logGroupName": name, "arn": format!("{arn}:*"), "logGroupArn": arn })
}
