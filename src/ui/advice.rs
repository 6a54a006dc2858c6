//! How to go on after trouble that leaves a choice: drift, and a way back that does not come to its end.

use crate::model::{Direction, Failure, FailureKind, RunView, StepId};

/// The choices, each with its exact command; nothing for trouble that leaves only one way.
pub fn after_trouble(view: &RunView, step: &StepId, trouble: &Failure) -> Option<Vec<String>> {
    let run = &view.id;
    let first = match (trouble.kind, view.plan.direction) {
        (FailureKind::Drift, Direction::Forward) => return Some(after_drift(view)),
        (FailureKind::Drift, Direction::Back) => "what was found is as this run left it again",
        (FailureKind::Stuck, Direction::Back) => "what is in the way is gone",
        _ => return None,
    };
    let mut next = vec![format!("when {first}, run `sidestep rollback {run}`")];
    if view.moved_on(step, trouble) {
        next.push(format!("to take only this run's changes back, on what runs now, run `sidestep rollback {run} --onto-newest`"));
    }
    next.push(format!("to leave it and undo the rest, run `sidestep rollback {run} --skip {step} --reason \"…\"`"));
    next.push(format!("to give the run up as it stands, run `sidestep abandon {run} --reason \"…\"`"));
    Some(next)
}

/// Forward, what is there is not what was planned from.
fn after_drift(view: &RunView) -> Vec<String> {
    let run = &view.id;
    let mut next = vec![
        format!("when what was found is as planned again, run `sidestep resume {run}`"),
        format!("to accept what was found and plan the rest anew, run `sidestep resume {run} --replan`"),
    ];
    if !view.mutations.is_empty() {
        next.push(format!("to go back without touching what others changed, run `sidestep rollback {run}`"));
    }
    next
}
