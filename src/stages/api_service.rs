//! What both stages that change an API service share.

use serde_json::Value;

use super::diff;
use super::edit::{Edit, Originals, apply};
use super::facts::Facts;
use super::kind::{Known, Planning};
use crate::model::Change;

/// The revision that a stage starts from: what an earlier stage leaves, or what the service runs.
pub fn base(planning: &Planning<'_>, name: &str) -> Known {
    planning.sketch.changed.get(name).cloned().unwrap_or_else(|| {
        Known::Now(planning.facts.services.get(name).map_or(Value::Null, |service| service["taskDefinition"].clone()))
    })
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
