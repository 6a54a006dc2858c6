//! Task definitions as the JSON that AWS returns: read whole, edited, and sent back with nothing lost.

use serde_json::{Map, Value, json};

use super::{Aws, CallError, Reason};
use crate::model::digest;

/// Members that DescribeTaskDefinition returns and RegisterTaskDefinition does not take.
const OUTPUT_ONLY: &[&str] = &[
    "compatibilities",
    "deleteRequestedAt",
    "deregisteredAt",
    "registeredAt",
    "registeredBy",
    "requiresAttributes",
    "revision",
    "status",
    "taskDefinitionArn",
];

/// A task definition with its tags, which AWS keeps beside it.
#[derive(Clone, Debug, PartialEq)]
pub struct TaskDefinition {
    /// The `taskDefinition` member, whole.
    pub body: Value,
    /// The `tags` member; empty when there are none.
    pub tags: Vec<Value>,
}

impl Aws {
    /// Reads a revision by ARN or `family:revision`, or a family's newest ACTIVE one; `None` when there is none.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn task_definition(&self, name: &str) -> Result<Option<TaskDefinition>, CallError> {
        let input = json!({ "taskDefinition": name, "include": ["TAGS"] });
        match self.read("DescribeTaskDefinition", name, input).await {
            Ok(mut answer) => {
                let tags = match answer.get_mut("tags").map(Value::take) {
                    Some(Value::Array(tags)) => tags,
                    _ => Vec::new(),
                };
                Ok(Some(TaskDefinition { body: answer["taskDefinition"].take(), tags }))
            }
            Err(error) if error.reason == Reason::Missing => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The number of the newest ACTIVE revision of a family; 0 where there is none.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn newest_revision(&self, family: &str) -> Result<u64, CallError> {
        let (newest, _) = self.revisions(family, 1, None).await?;
        Ok(newest.first().map_or(0, |arn| revision_of(arn)))
    }

    /// The ACTIVE revisions of exactly this family with a number above `newest`, however many, the oldest first.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn revisions_above(&self, family: &str, newest: u64) -> Result<Vec<String>, CallError> {
        let mut above = Vec::new();
        let mut token = None;
        loop {
            let (page, next) = self.revisions(family, 100, token).await?;
            let reached = page.iter().any(|arn| revision_of(arn) <= newest);
            above.extend(page.into_iter().filter(|arn| revision_of(arn) > newest));
            token = next;
            if reached || token.is_none() {
                above.reverse();
                return Ok(above);
            }
        }
    }

    /// A page of a family's ACTIVE revisions, newest first, and the token of the next one.
    async fn revisions(&self, family: &str, most: u32, token: Option<String>) -> Result<(Vec<String>, Option<String>), CallError> {
        let mut input = json!({ "familyPrefix": family, "status": "ACTIVE", "sort": "DESC", "maxResults": most });
        if let Some(token) = token {
            input["nextToken"] = json!(token);
        }
        let answer = self.read("ListTaskDefinitions", family, input).await?;
        let arns = answer["taskDefinitionArns"].as_array().into_iter().flatten().filter_map(Value::as_str);
        let next = answer["nextToken"].as_str().filter(|token| !token.is_empty()).map(str::to_owned);
        // The prefix is the whole family by AWS's documentation; comparing costs nothing.
        Ok((arns.filter(|arn| family_of(arn) == family).map(str::to_owned).collect(), next))
    }
}

impl TaskDefinition {
    /// The ARN.
    pub fn arn(&self) -> &str {
        self.body["taskDefinitionArn"].as_str().unwrap_or_default()
    }

    /// `ACTIVE` or `INACTIVE`.
    pub fn is_active(&self) -> bool {
        self.body["status"] == "ACTIVE"
    }

    /// The value of a tag.
    pub fn tag(&self, key: &str) -> Option<&str> {
        self.tags.iter().find(|tag| tag["key"] == key).and_then(|tag| tag["value"].as_str())
    }

    /// The container of this name.
    pub fn container(&self, name: &str) -> Option<&Value> {
        self.containers().find(|container| container["name"] == name)
    }

    /// The containers.
    pub fn containers(&self) -> impl Iterator<Item = &Value> {
        self.body["containerDefinitions"].as_array().into_iter().flatten()
    }

    /// What to send to RegisterTaskDefinition for the same content: no output-only members, no tags of AWS's own.
    pub fn register_input(&self) -> Value {
        let mut input = self.body.as_object().cloned().unwrap_or_default();
        for member in OUTPUT_ONLY {
            input.remove(*member);
        }
        let tags: Vec<Value> =
            self.tags.iter().filter(|tag| !tag["key"].as_str().is_some_and(|key| key.starts_with("aws:"))).cloned().collect();
        // An empty list is refused: "Tags can not be empty."
        if !tags.is_empty() {
            input.insert("tags".to_owned(), Value::Array(tags));
        }
        Value::Object(input)
    }

    /// A digest of the content that matters: no output-only members, no tags, defaults filled in.
    pub fn content_digest(&self) -> String {
        digest(&normalised(&self.register_input()))
    }
}

/// The family in a task definition's ARN or `family:revision`.
pub fn family_of(arn: &str) -> &str {
    let name = arn.rsplit('/').next().unwrap_or(arn);
    name.split(':').next().unwrap_or(name)
}

/// The revision number in a task definition's ARN or `family:revision`; 0 when there is none.
pub fn revision_of(arn: &str) -> u64 {
    arn.rsplit(':').next().and_then(|number| number.parse().ok()).unwrap_or(0)
}

/// `family:revision` of an ARN, as people say it.
pub fn short_name(arn: &str) -> &str {
    arn.rsplit('/').next().unwrap_or(arn)
}

/// Sets or replaces a tag in a register input.
pub fn set_tag(input: &mut Value, key: &str, value: &str) {
    let Some(object) = input.as_object_mut() else { return };
    let tags = object.entry("tags").or_insert_with(|| json!([]));
    if let Some(tags) = tags.as_array_mut() {
        tags.retain(|tag| tag["key"] != key);
        tags.push(json!({ "key": key, "value": value }));
    }
}

/// Content for comparison: registration fills in defaults that then appear when the revision is described, so both sides are
/// brought to the filled-in form. Tags are left out; they are compared on their own.
pub fn normalised(input: &Value) -> Value {
    let mut object = input.as_object().cloned().unwrap_or_default();
    object.remove("tags");
    for member in OUTPUT_ONLY {
        object.remove(*member);
    }
    drop_empty(&mut object);
    if let Some(cpu) = object.get("cpu").and_then(Value::as_str).map(units) {
        object.insert("cpu".to_owned(), json!(cpu));
    }
    if let Some(memory) = object.get("memory").and_then(Value::as_str).map(units) {
        object.insert("memory".to_owned(), json!(memory));
    }
    let awsvpc = object.get("networkMode").is_some_and(|mode| mode == "awsvpc");
    if let Some(Value::Array(containers)) = object.get_mut("containerDefinitions") {
        for container in containers.iter_mut().filter_map(Value::as_object_mut) {
            normalise_container(container, awsvpc);
        }
    }
    Value::Object(object)
}

fn normalise_container(container: &mut Map<String, Value>, awsvpc: bool) {
    drop_empty(container);
    container.entry("cpu").or_insert(json!(0));
    container.entry("essential").or_insert(json!(true));
    if let Some(Value::Array(ports)) = container.get_mut("portMappings") {
        for port in ports.iter_mut().filter_map(Value::as_object_mut) {
            port.entry("protocol").or_insert(json!("tcp"));
            if awsvpc && let Some(number) = port.get("containerPort").cloned() {
                port.entry("hostPort").or_insert(number);
            }
        }
    }
    // Pairs come back in an order of AWS's own.
    for (list, key) in [("environment", "name"), ("secrets", "name")] {
        if let Some(Value::Array(pairs)) = container.get_mut(list) {
            pairs.sort_by(|a, b| a[key].as_str().cmp(&b[key].as_str()));
        }
    }
    if let Some(check) = container.get_mut("healthCheck").and_then(Value::as_object_mut) {
        for (member, default) in [("interval", 30), ("timeout", 5), ("retries", 3)] {
            check.entry(member).or_insert(json!(default));
        }
    }
}

/// AWS returns empty lists where nothing was sent, and the other way round.
fn drop_empty(object: &mut Map<String, Value>) {
    object.retain(|_, value| !(value.is_null() || value.as_array().is_some_and(Vec::is_empty)));
}

/// `1 vCPU` and `2 GB` as AWS stores them.
fn units(text: &str) -> String {
    let lower = text.trim().to_ascii_lowercase();
    let scaled = |suffix: &str| {
        lower.strip_suffix(suffix).and_then(|number| number.trim().parse::<f64>().ok()).map(|number| number * 1024.0)
    };
    match scaled("vcpu").or_else(|| scaled("gb")) {
        Some(number) => format!("{number:.0}"),
        None => lower,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_but_output_only_members_and_aws_tags_is_left_out() {
        let definition = TaskDefinition {
            body: json!({ "family": "f", "revision": 3, "status": "ACTIVE", "taskDefinitionArn": "arn:aws:ecs:us-west-2:111122223333:task-definition/f:3",
                "fromTheFuture": { "a": [1, 2.5] }, "containerDefinitions": [{ "name": "c", "alsoNew": true }] }),
            tags: vec![json!({ "key": "aws:cloudformation:stack", "value": "x" }), json!({ "key": "Project", "value": "p" })],
        };
        assert_eq!(
            definition.register_input(),
            json!({ "family": "f", "fromTheFuture": { "a": [1, 2.5] }, "containerDefinitions": [{ "name": "c", "alsoNew": true }],
                "tags": [{ "key": "Project", "value": "p" }] })
        );
        let bare = TaskDefinition { tags: Vec::new(), ..definition };
        assert_eq!(bare.register_input().get("tags"), None, "an empty list is refused by AWS");
    }

    #[test]
    fn defaults_that_registration_fills_in_do_not_count_as_differences() {
        let sent = json!({ "family": "f", "networkMode": "awsvpc", "cpu": "1 vCPU", "memory": "2 GB",
            "containerDefinitions": [{ "name": "c", "image": "i", "portMappings": [{ "containerPort": 80 }],
                "environment": [{ "name": "B", "value": "1" }, { "name": "A", "value": "2" }] }] });
        let described = json!({ "family": "f", "networkMode": "awsvpc", "cpu": "1024", "memory": "2048", "volumes": [], "revision": 7,
            "containerDefinitions": [{ "name": "c", "image": "i", "cpu": 0, "essential": true, "mountPoints": [],
                "portMappings": [{ "containerPort": 80, "hostPort": 80, "protocol": "tcp" }],
                "environment": [{ "name": "A", "value": "2" }, { "name": "B", "value": "1" }] }] });
        assert_eq!(normalised(&sent), normalised(&described));
        let mut other = described.clone();
        other["containerDefinitions"][0]["user"] = json!("root");
        assert_ne!(normalised(&sent), normalised(&other));
    }

    #[test]
    fn names_are_taken_apart() {
        let arn = "arn:aws:ecs:us-west-2:111122223333:task-definition/nexus-ai-api-dev:12";
        assert_eq!((family_of(arn), revision_of(arn), short_name(arn)), ("nexus-ai-api-dev", 12, "nexus-ai-api-dev:12"));
        assert_eq!(revision_of("family-only"), 0);
    }
}
