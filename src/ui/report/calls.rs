//! How many requests a run sent to AWS, as far as its journal knows: each session says so when it leaves.

use std::collections::BTreeMap;

use crate::model::{Record, RecordBody};

use super::course::Course;
use super::value::Calls;

/// The sum over all sessions.
pub(super) fn sum(records: &[Record], course: &Course) -> Calls {
    let mut by_action: BTreeMap<String, u64> = BTreeMap::new();
    for (action, times) in course.sessions.iter().filter_map(|session| session.calls.as_ref()).flatten() {
        *by_action.entry(action.clone()).or_default() += times;
    }
    let predicted = records.iter().find_map(|record| match &record.body {
        RecordBody::PlanAdopted { plan, .. } => Some(plan.outlook.calls),
        _ => None,
    });
    Calls {
        total: by_action.values().sum(),
        predicted: predicted.unwrap_or_default(),
        uncounted_sessions: course.sessions.iter().filter(|session| session.calls.is_none()).count(),
        by_action,
    }
}
