//! TagResource, UntagResource, ListTagsForResource: on clusters, services, tasks and task definitions.

use serde_json::{Value, json};

use super::super::{ApiError, Call, State};
use super::create::note_before;
use super::describe;
use super::errors::{client, invalid};
use super::json::{list, merge_tags, owned, text, texts};

/// Where the tags of a resource are kept.
fn tags_of<'a>(state: &'a mut State, arn: &str) -> Result<&'a mut Value, ApiError> {
    if !arn.starts_with("arn:") {
        return Err(invalid("Invalid Arn"));
    }
    let kind = arn.split(':').nth(5).and_then(|resource| resource.split('/').next()).unwrap_or_default();
    let ecs = &mut state.ecs;
    let found = match kind {
        "cluster" => ecs.clusters.iter_mut().find(|cluster| text(cluster, "clusterArn") == arn).map(|cluster| &mut cluster["tags"]),
        "service" => ecs.service_mut(arn).filter(|service| service.status != "INACTIVE").map(|service| &mut service.body["tags"]),
        "task" => ecs.tasks.iter_mut().find(|task| task.arn() == arn).map(|task| &mut task.body["tags"]),
        "task-definition" => {
            ecs.definitions.iter_mut().find(|definition| definition.arn() == arn).map(|definition| &mut definition.tags)
        }
        _ => return Err(invalid(format!("Tagging is not supported for resource {arn}."))),
    };
    found.ok_or_else(|| match kind {
        "cluster" => ApiError::new("ClusterNotFoundException", "Cluster not found."),
        "service" => super::errors::no_service(),
        "task" => invalid("The specified task is not found."),
        _ => client("The specified task definition is not found."),
    })
}

/// A service as it is before its tags change.
fn before(state: &State, arn: &str) -> Option<Value> {
    let service = state.ecs.service(arn)?;
    describe::view(state, &service.cluster_arn, &service.name)
}

/// TagResource. For a while DescribeServices may still show a service without the new tags.
pub(super) fn tag(state: &mut State, call: &Call, input: &Value) -> Result<Value, ApiError> {
    let arn = owned(input, "resourceArn");
    let added = list(input, "tags");
    if added.is_empty() {
        return Err(invalid("Tags can not be empty."));
    }
    if added.iter().any(|tag| text(tag, "key").to_ascii_lowercase().starts_with("aws:")) {
        return Err(invalid("aws: prefixed tag key names are not allowed for external use."));
    }
    let before = before(state, &arn);
    let tags = tags_of(state, &arn)?;
    let merged = merge_tags(tags.as_array().map_or(&[], Vec::as_slice), added);
    if merged.len() > 50 {
        return Err(invalid("The maximum number of tags is 50."));
    }
    *tags = json!(merged);
    note_before(state, &arn, before);
    state.note_effect(call, None, arn);
    Ok(json!({}))
}

/// UntagResource; keys that are not there are no error.
pub(super) fn untag(state: &mut State, call: &Call, input: &Value) -> Result<Value, ApiError> {
    let arn = owned(input, "resourceArn");
    let keys = texts(input, "tagKeys");
    let before = before(state, &arn);
    let tags = tags_of(state, &arn)?;
    let goes = |tag: &Value| keys.iter().any(|key| tag["key"] == **key);
    if let Some(tags) = tags.as_array_mut().filter(|tags| tags.iter().any(goes)) {
        tags.retain(|tag| !goes(tag));
        note_before(state, &arn, before);
        state.note_effect(call, None, arn);
    }
    Ok(json!({}))
}

/// ListTagsForResource.
pub(super) fn list_tags(state: &mut State, input: &Value) -> Result<Value, ApiError> {
    let tags = tags_of(state, text(input, "resourceArn"))?;
    Ok(json!({ "tags": tags.as_array().cloned().unwrap_or_default() }))
}
