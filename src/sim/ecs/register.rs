//! RegisterTaskDefinition: checks, fills in what AWS fills in, and keeps every other member as it was sent.

use serde_json::{Value, json};

use super::super::{ApiError, Call, State};
use super::definition_rules;
use super::json::{epoch, has, list, number, owned, remove, set_default, text};
use super::task_definitions::Definition;

/// Registers a new revision: every call makes one, there is no token.
pub(super) fn register(state: &mut State, call: &Call, input: &Value) -> Result<Value, ApiError> {
    definition_rules::check(input)?;
    let family = owned(input, "family");
    let mut body = input.clone();
    remove(&mut body, "tags");
    let revision = state.ecs.last_revision.get(&family).copied().unwrap_or(0) + 1;
    state.ecs.last_revision.insert(family.clone(), revision);
    let arn = format!("arn:aws:ecs:{}:{}:task-definition/{family}:{revision}", state.region, state.account);
    fill(&mut body);
    body["taskDefinitionArn"] = json!(arn);
    body["revision"] = json!(revision);
    body["status"] = json!("ACTIVE");
    body["registeredAt"] = epoch(state.now);
    body["registeredBy"] = json!(registrar(state));
    body["compatibilities"] = compatibilities(&body);
    body["requiresAttributes"] = required_attributes(&body);
    let definition = Definition { body: body.clone(), tags: input["tags"].clone(), extra: Value::Null };
    state.ecs.definitions.push(definition);
    state.note_effect(call, None, arn);
    let mut answer = json!({ "taskDefinition": body });
    if has(input, "tags") {
        answer["tags"] = input["tags"].clone();
    }
    Ok(answer)
}

fn registrar(state: &State) -> String {
    let arn = text(&state.sts.caller_identity, "Arn");
    if arn.is_empty() { format!("arn:aws:iam::{}:root", state.account) } else { arn.to_owned() }
}

/// The defaults that DescribeTaskDefinition shows though nobody sent them.
fn fill(body: &mut Value) {
    let network = owned(body, "networkMode");
    for member in ["volumes", "placementConstraints"] {
        set_default(body, member, json!([]));
    }
    for member in ["cpu", "memory"] {
        if has(body, member) {
            body[member] =
                json!(definition_rules::units(text(body, member)).map_or(owned(body, member), |units| units.to_string()));
        }
    }
    let Some(containers) = body["containerDefinitions"].as_array_mut() else { return };
    for container in containers {
        set_default(container, "cpu", json!(0));
        set_default(container, "essential", json!(true));
        for member in ["portMappings", "environment", "mountPoints", "volumesFrom", "systemControls"] {
            set_default(container, member, json!([]));
        }
        for mapping in container["portMappings"].as_array_mut().into_iter().flatten() {
            set_default(mapping, "protocol", json!("tcp"));
            let port = if network == "awsvpc" || network == "host" { mapping["containerPort"].clone() } else { json!(0) };
            set_default(mapping, "hostPort", port);
        }
        if container["healthCheck"].is_object() {
            for (member, value) in [("interval", 30), ("timeout", 5), ("retries", 3)] {
                set_default(&mut container["healthCheck"], member, json!(value));
            }
        }
    }
}

/// What it could run on, as opposed to what it asks for.
fn compatibilities(body: &Value) -> Value {
    let fargate = text(body, "networkMode") == "awsvpc" && has(body, "cpu") && has(body, "memory");
    let mut on = vec!["EC2"];
    if fargate {
        on.push("FARGATE");
    }
    json!(on)
}

fn required_attributes(body: &Value) -> Value {
    let containers = list(body, "containerDefinitions");
    let mut names = Vec::new();
    if containers.iter().any(|container| text(&container["logConfiguration"], "logDriver") == "awslogs") {
        names.push("com.amazonaws.ecs.capability.logging-driver.awslogs");
    }
    if containers.iter().any(|container| has(container, "healthCheck")) {
        names.push("ecs.capability.container-health-check");
    }
    if text(body, "networkMode") == "awsvpc" {
        names.push("ecs.capability.task-eni");
    }
    if has(body, "executionRoleArn") && number(body, "revision").is_some() {
        names.push("com.amazonaws.ecs.capability.docker-remote-api.1.29");
    }
    names.iter().map(|name| json!({ "name": name })).collect()
}
