//! What both stages that change an API service share.

use serde_json::Value;

use super::kind::{Known, Planning};

/// The revision that a stage starts from: what an earlier stage leaves, or what the service runs.
pub fn base(planning: &Planning<'_>, name: &str) -> Known {
    planning.sketch.changed.get(name).cloned().unwrap_or_else(|| {
        Known::Now(planning.facts.services.get(name).map_or(Value::Null, |service| service["taskDefinition"].clone()))
    })
}
