//! What both stages that change an API service share.

use serde_json::{Value, json};

use super::diff;
use super::edit::{Edit, Originals, apply};
use super::facts::Facts;
use super::kind::{Known, LaneBuilder, Planning, later};
use crate::aws::task_definition::short_name;
use crate::model::{Change, StepClass};

/// The revision that a stage starts from: what an earlier stage leaves, or what the service runs.
pub fn base(planning: &Planning<'_>, name: &str) -> Known {
    planning.sketch.changed.get(name).cloned().unwrap_or_else(|| {
        Known::Now(planning.facts.services.get(name).map_or(Value::Null, |service| service["taskDefinition"].clone()))
    })
}

/// Where ECS lets nobody return to what a service runs, a copy of it is registered before the service leaves it: AWS keeps the content of
/// an INACTIVE revision only as long as something uses it. Nothing where the revision is ACTIVE, or an earlier stage has left it.
pub fn copy_base(lane: &mut LaneBuilder, planning: &Planning<'_>, service: &str) {
    let leaves = !planning.sketch.changed.contains_key(service);
    let Some(definition) = planning.facts.definition_of(service).filter(|found| leaves && !found.is_active()) else { return };
    let (base, name, none) = (definition.arn(), short_name(definition.arn()), json!([]));
    let params = json!({ "base": base, "baseDigest": definition.content_digest(), "copyOf": base, "edits": none,
        "cluster": planning.facts.cluster, "usedBy": [service] });
    let title = format!("register a copy of {name}, which is INACTIVE: the way back leads there");
    let copy = lane.step("copy", "ecs.register-edited-task-definition", StepClass::Mutation, title, params, Vec::new());
    let inputs = vec![("/taskDefinition", later(&copy, "/taskDefinition"))];
    let params = json!({ "base": base, "edits": none });
    let title = "check that the copy is the same".to_owned();
    lane.step("verify-copy", "ecs.verify-task-definition", StepClass::Verify, title, params, inputs);
}

/// What edits make of the task definition that a service runs; `shown` says whose values may be told.
pub fn edited(facts: &Facts, name: &str, edits: &[Edit], shown: &dyn Fn(&str) -> bool) -> Vec<Change> {
    let Some(before) = facts.definition_of(name).map(|definition| definition.register_input()) else { return Vec::new() };
    let mut after = before.clone();
    // What cannot be edited is refused elsewhere, with the reason.
    if apply(edits, &mut after, &Originals::new()).is_err() {
        return Vec::new();
    }
    diff::changes(Some(&before), &after, shown)
}
