//! One run's course, without a terminal: the records around the engine that take a run back, amend it, or end it. `cli` shows and
//! asks around them; a test drives them bare.
//!
//! ```text
//!   engine ─ Complete ──────────▶ ended ──────────▶ RunEnded, unless only a part of the way back is gone
//!          ─ RollbackAsked ─────▶ plan_back ─▶ turned_back
//!   other variables, or forward again ─▶ changes ─▶ amended
//!   forward again in lanes that went back alone ──▶ forward_again
//! ```

use serde_json::Value;

use crate::engine::{Ending, Engine};
use crate::journal::Store;
use crate::model::{Actor, Adoption, Direction, Error, Extent, Failure, Outcome, Plan, RecordBody, RunView, StepId};
use crate::plan::undo;

/// Looks at every step whose outcome is not known, then plans the way back from the journal. The inner error is the step that
/// could not be looked at: nothing was planned, and the run is as it was.
///
/// # Errors
/// As [`Engine::run`].
pub async fn plan_back<S: Store>(engine: Engine<'_, S>, extent: &Extent) -> Result<Result<Plan, (StepId, Failure)>, Error> {
    let (ending, view) = engine.settle_unknown().await?;
    Ok(match ending {
        Some(Ending::Failed { step, failure }) => Err((step, failure)),
        _ => Ok(undo(&view, extent)),
    })
}

/// The record that takes the plan of the way back into force.
pub fn turned_back(plan: Plan, extent: Extent, by: Actor) -> RecordBody {
    RecordBody::PlanAdopted { plan: Box::new(plan), why: Adoption::Rollback(extent), by }
}

/// The record that takes the forward plan into force again, where the run went back in some of its lanes only: the others stand
/// somewhere in that plan, so it is not planned anew but gone on with. None in any other case.
pub fn forward_again(view: &RunView, by: Actor) -> Option<RecordBody> {
    let in_lanes = view.went_back_to().is_some_and(|extent| !extent.lanes.is_empty());
    in_lanes.then(|| RecordBody::PlanAdopted { plan: Box::new(view.forward.clone()), why: Adoption::Forward, by })
}

/// Why some lanes cannot be taken back alone, if they cannot: what was built on them is left standing.
pub fn not_alone(view: &RunView, extent: &Extent) -> Option<String> {
    let (above, below) = view.rests_on(&extent.lanes)?;
    Some(format!("`{above}` rests on `{below}` and would be left without it"))
}

/// The record that takes an amended plan into force.
pub fn amended(plan: Plan, changes: Vec<String>, by: Actor) -> RecordBody {
    RecordBody::PlanAdopted { plan: Box::new(plan), why: Adoption::Amendment { changes }, by }
}

/// The record that ends a run whose plan is done; none where only a part of the way back was to go.
pub fn ended(view: &RunView) -> Option<RecordBody> {
    let (outcome, why) = match (view.plan.direction, &view.adoption) {
        (Direction::Back, Adoption::Rollback(extent)) if !extent.is_whole() => return None,
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
