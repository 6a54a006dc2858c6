//! Task definitions: describe, list, deregister, delete. Registration is in [`super::register`].

use serde_json::{Value, json};

use super::super::{ApiError, Call, State};
use super::json::{epoch, has, list as items, number, owned, page, text, texts};
use super::{errors, lifecycle};

/// A revision of a task definition.
#[derive(Clone, Debug)]
pub(super) struct Definition {
    /// `taskDefinition` as AWS prints it.
    pub(super) body: Value,
    /// Null when there are none.
    pub(super) tags: Value,
    /// The whole object of the world file, for its unknown members.
    pub(super) extra: Value,
}

impl Definition {
    pub(super) fn arn(&self) -> &str {
        text(&self.body, "taskDefinitionArn")
    }

    pub(super) fn family(&self) -> &str {
        text(&self.body, "family")
    }

    pub(super) fn revision(&self) -> i64 {
        number(&self.body, "revision").unwrap_or(0)
    }

    pub(super) fn active(&self) -> bool {
        text(&self.body, "status") == "ACTIVE"
    }

    /// As a world file holds it.
    pub(super) fn save(&self) -> Value {
        let mut saved = if self.extra.is_object() { self.extra.clone() } else { json!({}) };
        saved["taskDefinition"] = self.body.clone();
        if !self.tags.is_null() {
            saved["tags"] = self.tags.clone();
        }
        saved
    }
}

/// DescribeTaskDefinition: `family`, `family:revision` or ARN; tags beside it with `include` TAGS.
pub(super) fn describe(state: &State, input: &Value) -> Result<Value, ApiError> {
    let wanted = text(input, "taskDefinition");
    if wanted.is_empty() {
        return Err(errors::client("Task definition can not be blank."));
    }
    let definition = state.ecs.definition(wanted).ok_or_else(|| errors::client("Unable to describe task definition."))?;
    let mut answer = json!({ "taskDefinition": definition.body });
    if texts(input, "include").iter().any(|member| member == "TAGS") {
        answer["tags"] = json!(definition.tags.as_array().cloned().unwrap_or_default());
    }
    Ok(answer)
}

/// ListTaskDefinitions: by exact family and status, in order of family and revision.
pub(super) fn list(state: &State, input: &Value) -> Result<Value, ApiError> {
    let status = if has(input, "status") { text(input, "status") } else { "ACTIVE" };
    let family = text(input, "familyPrefix");
    let fits = |definition: &&Definition| {
        text(&definition.body, "status") == status && (family.is_empty() || definition.family() == family)
    };
    let mut found: Vec<&Definition> = state.ecs.definitions.iter().filter(fits).collect();
    found.sort_by_key(|definition| (definition.family().to_owned(), definition.revision()));
    if text(input, "sort") == "DESC" {
        found.reverse();
    }
    let arns: Vec<&str> = found.iter().map(|definition| definition.arn()).collect();
    let (arns, next) = page(&arns, input, 100, 100);
    let mut answer = json!({ "taskDefinitionArns": arns });
    if let Some(next) = next {
        answer["nextToken"] = json!(next);
    }
    Ok(answer)
}

/// DeregisterTaskDefinition: the revision is INACTIVE; services that use it go on. Again on an INACTIVE one: no effect.
pub(super) fn deregister(state: &mut State, call: &Call, input: &Value) -> Result<Value, ApiError> {
    let wanted = owned(input, "taskDefinition");
    if !super::json::last_part(&wanted).contains(':') {
        return Err(errors::client("Invalid revision number. Number: null"));
    }
    let Some(arn) = state.ecs.definition(&wanted).map(|definition| definition.arn().to_owned()) else {
        return Err(errors::client("Unable to describe task definition."));
    };
    let now = state.now;
    let Some(definition) = state.ecs.definitions.iter_mut().find(|definition| definition.arn() == arn) else {
        return Err(errors::client("Unable to describe task definition."));
    };
    let changed = definition.active();
    if changed {
        definition.body["status"] = json!("INACTIVE");
        definition.body["deregisteredAt"] = epoch(now);
    }
    let answer = json!({ "taskDefinition": definition.body });
    if changed {
        state.note_effect(call, None, arn);
    }
    Ok(answer)
}

/// DeleteTaskDefinitions: INACTIVE revisions only; gone at once unless something refers to them.
pub(super) fn delete(state: &mut State, call: &Call, input: &Value) -> Result<Value, ApiError> {
    let wanted = texts(input, "taskDefinitions");
    if wanted.is_empty() || wanted.len() > 10 {
        return Err(errors::invalid("Specify between 1 and 10 task definitions."));
    }
    let (mut deleted, mut failures) = (Vec::new(), Vec::new());
    for name in wanted {
        let Some(definition) = state.ecs.definition(&name).filter(|definition| !definition.active()) else {
            let known = state.ecs.definition(&name).is_some();
            let reason = if known {
                "The specified task definition is still in ACTIVE status. Please deregister the target and try again."
            } else {
                "The specified task definition does not exist. Specify a valid account, family, revision and try again."
            };
            failures.push(json!({ "arn": name, "reason": reason }));
            continue;
        };
        let arn = definition.arn().to_owned();
        let now = epoch(state.now);
        let in_use = lifecycle::in_use(state, &arn);
        let Some(index) = state.ecs.definitions.iter().position(|definition| definition.arn() == arn) else { continue };
        let body = &mut state.ecs.definitions[index].body;
        body["status"] = json!("DELETE_IN_PROGRESS");
        body["deleteRequestedAt"] = now;
        deleted.push(body.clone());
        if !in_use {
            state.ecs.definitions.remove(index);
        }
        state.note_effect(call, None, arn);
    }
    Ok(json!({ "taskDefinitions": deleted, "failures": failures }))
}

/// The containers' names and ports: what services refer to.
pub(super) fn ports(container: &Value) -> Vec<i64> {
    items(container, "portMappings").iter().filter_map(|mapping| number(mapping, "containerPort")).collect()
}

/// The family in a task definition's ARN.
pub(super) fn family_of(arn: &str) -> &str {
    super::json::last_part(arn).split(':').next().unwrap_or_default()
}
