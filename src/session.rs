//! One run's course, without a terminal: the records around the engine that take a run back, amend it, or end it. `cli` shows and
//! asks around them; a test drives them bare.
//!
//! ```text
//!   engine ─ Complete ──────────▶ ended ──────────▶ RunEnded, unless only a part of the way back is gone
//!          ─ RollbackAsked ─────▶ plan_back ─▶ turned_back
//!   other variables, or forward again ─▶ changes ─▶ amended
//! ```

use serde_json::Value;

use crate::aws::Aws;
use crate::engine::{Ending, Engine};
use crate::journal::Store;
use crate::model::{Actor, Adoption, Direction, Error, Failure, Outcome, Plan, RecordBody, RunView, StageId, StepId};
use crate::plan::{Newest, read_newest, undo};

/// Looks at every step whose outcome is not known, then plans the way back from the journal; with `onto_newest`, what others have
/// deployed since stays, and the run's own changes are taken back on top of it. The inner error is the step that could not be looked
/// at or taken back: nothing was planned, and the run is as it was.
///
/// # Errors
/// As [`Engine::run`].
pub async fn plan_back<S: Store>(
    engine: Engine<'_, S>,
    aws: &Aws,
    to: Option<&StageId>,
    onto_newest: bool,
) -> Result<Result<Plan, (StepId, Failure)>, Error> {
    let (ending, view) = engine.settle_unknown(onto_newest).await?;
    if let Some(Ending::Failed { step, failure }) = ending {
        return Ok(Err((step, failure)));
    }
    let newest = if onto_newest { read_newest(aws, &view, to).await } else { Ok(Newest::new()) };
    Ok(newest.map(|newest| undo(&view, to, &newest)))
}

/// The record that takes the plan of the way back into force.
pub fn turned_back(plan: Plan, to: Option<StageId>, by: Actor) -> RecordBody {
    RecordBody::PlanAdopted { plan: Box::new(plan), why: Adoption::Rollback { to }, by }
}

/// The record that takes an amended plan into force.
pub fn amended(plan: Plan, changes: Vec<String>, by: Actor) -> RecordBody {
    RecordBody::PlanAdopted { plan: Box::new(plan), why: Adoption::Amendment { changes }, by }
}

/// The record that ends a run whose plan is done; none where only a part of the way back was to go.
pub fn ended(view: &RunView) -> Option<RecordBody> {
    let (outcome, why) = match (view.plan.direction, &view.adoption) {
        (Direction::Back, Adoption::Rollback { to: Some(_) }) => return None,
        (Direction::Back, _) => (Outcome::RolledBack, "rolled back to the start"),
        (Direction::Forward, _) => (Outcome::Done, "all stages are done"),
    };
    Some(RecordBody::RunEnded { outcome, why: why.to_owned() })
}

/// What differs between two plans of one run, one line each.
pub fn changes(before: &Plan, after: &Plan) -> Vec<String> {
    let mut changes = Vec::new();
    if before.runbook_digest != after.runbook_digest {
        changes.push(format!("the text of runbook `{}` changed", after.runbook));
    }
    for (name, value) in &after.variables {
        let old = before.variables.get(name).unwrap_or(&Value::Null);
        if old != value {
            changes.push(format!("{name}: {old} → {value}"));
        }
    }
    changes
}
