//! One run's course, without a terminal: the records around the engine that take a run back, amend it, or end it. `cli` shows and
//! asks around them; a test drives them bare.
//!
//! ```text
//!   engine ─ Complete ──────────▶ ended ──────────▶ RunEnded, unless only a part of the way back is gone
//!          ─ RollbackAsked ─────▶ plan_back ─▶ turned_back
//!   other variables, or forward again ─▶ changes ─▶ amended
//!   forward again in lanes that went back alone ──▶ forward_again
//! ```

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::aws::Aws;
use crate::engine::{Ending, Engine};
use crate::journal::Store;
use crate::model::{
    AWAIT_SERVING, Actor, Adoption, Direction, Error, Extent, Failure, FailureKind, Mutation, Outcome, Plan, RecordBody, Remainder,
    RunView, StepId, StepPlan, StepState, StepView,
};
use crate::plan::{MOVED_ON, Newest, Returns, inventory, leave_out, left_out, read_newest, read_returns, undo};

/// Looks at every step whose outcome is not known, then plans the way back from the journal; with `onto_newest`, what others have
/// deployed since stays, and the run's own changes are taken back on top of it. The inner error is the step that could not be looked
/// at or taken back: nothing was planned, and the run is as it was.
///
/// # Errors
/// As [`Engine::run`].
pub async fn plan_back<S: Store>(
    engine: Engine<'_, S>,
    aws: &Aws,
    extent: &Extent,
    onto_newest: bool,
) -> Result<Result<Plan, (StepId, Failure)>, Error> {
    let (ending, view) = engine.settle_unknown(onto_newest).await?;
    if let Some(Ending::Failed { step, failure }) = ending {
        return Ok(Err((step, failure)));
    }
    let (newest, returns) = if onto_newest {
        (read_newest(aws, &view, extent).await, Ok(Returns::default()))
    } else {
        (Ok(Newest::new()), read_returns(aws, &view, extent).await)
    };
    let mut plan = match newest.and_then(|newest| Ok(undo(&view, extent, &newest, &returns?))) {
        Ok(plan) => plan,
        Err(stopped) => return Ok(Err(stopped)),
    };
    Ok(leave_out(aws, &mut plan).await.map(|()| plan))
}

/// Another way back than this one, which cannot be planned for want of something that is gone for good: the whole one, or else the one
/// that goes furthest. None where no part of what the run did can be taken back.
pub async fn other_way_back(aws: &Aws, view: &RunView, wanted: &Extent) -> Option<Extent> {
    let parts = view.forward.stages.iter().map(|stage| Extent { to: Some(stage.id.clone()), ..Extent::default() });
    for extent in std::iter::once(Extent::default()).chain(parts).filter(|extent| extent != wanted) {
        let Ok(returns) = read_returns(aws, view, &extent).await else { continue };
        if !undo(view, &extent, &Newest::new(), &returns).is_empty() {
            return Some(extent);
        }
    }
    None
}

/// Whether a way back that is taken up again is to be planned anew: what it goes back to is not as it was when it was planned.
pub fn plans_back_anew(view: &RunView) -> bool {
    let refused = |step: &StepView| {
        step.trouble.as_ref().is_some_and(|failure| matches!(failure.kind, FailureKind::Stuck | FailureKind::Rejected))
    };
    view.troubled().any(|(step, state)| step.restores() && refused(state))
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

/// The records that pass over a step of the way back which does not come to its end: the step, and those after it in its lane that
/// rest on it. What it would have undone stays.
///
/// # Errors
/// In words, why that cannot be.
pub fn skipped(view: &RunView, step: &StepId, reason: &str, by: &Actor) -> Result<Vec<RecordBody>, String> {
    let Some((_, lane, planned)) = view.plan.steps().find(|(_, _, known)| known.id == *step) else {
        return Err(format!("its plan has no step `{step}`"));
    };
    if view.plan.direction == Direction::Forward {
        return Err("it goes forward, and what a stage rests on cannot be left out".to_owned());
    }
    let (state, title) = (view.state(step), &planned.title);
    if !matches!(state, StepState::Failed | StepState::Diverged | StepState::Held) {
        return Err(format!("`{title}` has not failed: only what does not come to its end is skipped"));
    }
    let from = lane.steps.iter().position(|known| known.id == *step).unwrap_or(0);
    let rests_on_it = |later: &&StepPlan| planned.undo_of().is_none() || later.undo_of() == planned.undo_of();
    let skip = lane.steps[from..].iter().filter(rests_on_it).filter(|known| !view.state(&known.id).is_over());
    Ok(skip
        .map(|known| RecordBody::StepSkipped { step: known.id.clone(), reason: reason.to_owned(), by: Some(by.clone()) })
        .collect())
}

/// The record that takes an amended plan into force.
pub fn amended(plan: Plan, changes: Vec<String>, by: Actor) -> RecordBody {
    RecordBody::PlanAdopted { plan: Box::new(plan), why: Adoption::Amendment { changes }, by }
}

/// The record that ends a run whose plan is done; none where only a part of the way back was to go.
pub fn ended(view: &RunView) -> Option<RecordBody> {
    let (outcome, why) = match (view.plan.direction, &view.adoption) {
        (Direction::Back, Adoption::Rollback(extent)) if !extent.is_whole() => return None,
        (Direction::Back, _) => (Outcome::RolledBack, rolled_back(view)),
        (Direction::Forward, _) => (Outcome::Done, "all stages are done".to_owned()),
    };
    Some(RecordBody::RunEnded { outcome, why })
}

/// How far back it went, and what is left.
fn rolled_back(view: &RunView) -> String {
    let (harmless, left): (Vec<_>, Vec<_>) = inventory(view).into_iter().partition(|remainder| remainder.harmless);
    let named = |list: &[Remainder]| list.iter().map(|left| format!("{} {}", left.kind, left.name)).collect::<Vec<_>>().join(", ");
    let moved_on: Vec<&str> =
        view.plan.findings.iter().filter(|finding| finding.id == MOVED_ON).map(|finding| finding.resource.as_str()).collect();
    let mut why = match (left.is_empty(), moved_on.is_empty()) {
        (true, true) => "rolled back to the start".to_owned(),
        (true, false) => format!("rolled back; what others deployed of {} stays", moved_on.join(", ")),
        (false, _) => format!("rolled back except {}", named(&left)),
    };
    let passed_over = (view.plan.steps().map(|(_, _, step)| step))
        .filter(|step| step.action == AWAIT_SERVING && view.state(&step.id) == StepState::Skipped);
    let unseen: BTreeSet<&str> = passed_over.filter_map(|step| step.params["service"].as_str()).collect();
    if !unseen.is_empty() {
        let services: Vec<&str> = unseen.into_iter().collect();
        why.push_str(&format!("; not seen to serve, as a person decided: {}", services.join(", ")));
    }
    for words in left_out(&view.plan) {
        why.push_str(&format!("; {words}"));
    }
    for (service, copy, of) in copies(view) {
        why.push_str(&format!("; {service} runs {copy}, a copy of {of}, which is INACTIVE"));
    }
    if !harmless.is_empty() {
        why.push_str(&format!("; left behind, and nothing depends on it: {}", named(&harmless)));
    }
    why
}

/// The services that went back to a copy of what they ran before, with the copy and what it is a copy of.
fn copies(view: &RunView) -> Vec<(String, String, String)> {
    let made = || view.took_effect();
    let output = |made: &Mutation, pointer: &str| {
        made.output.as_ref().and_then(|output| output.pointer(pointer)).and_then(Value::as_str).map(str::to_owned)
    };
    let short = |arn: &str| arn.rsplit('/').next().unwrap_or(arn).to_owned();
    let mut copies = BTreeSet::new();
    // The last thing that a service was put back to.
    let mut last: BTreeMap<String, (u64, String)> = BTreeMap::new();
    for back in made().filter(|made| made.direction == Direction::Back && made.step.restores()) {
        let (Some(service), Some(arn)) = (back.step.params["service"].as_str(), output(back, "/set/taskDefinition")) else {
            continue;
        };
        let known = last.entry(service.to_owned()).or_default();
        if known.0 <= back.seq {
            *known = (back.seq, arn);
        }
    }
    for (service, (_, arn)) in last {
        for copy in made().filter(|made| output(made, "/taskDefinition").as_ref() == Some(&arn)) {
            copies.extend(copy.step.params["copyOf"].as_str().map(|of| (service.clone(), short(&arn), short(of))));
        }
    }
    copies.into_iter().collect()
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
            changes.push(if after.sensitive.contains(name) {
                format!("{name}: changed")
            } else {
                format!("{name}: {old} → {value}")
            });
        }
    }
    changes
}
