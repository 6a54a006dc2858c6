//! What a way back has left in AWS: each thing with who made it, why it is still there, and the command that would remove it. From
//! the journal alone.

use super::undo::{CREATE, UPDATE, service};
use crate::model::{Direction, Mutation, Remainder, RunView, StepPlan, StepState, Target};
use crate::stages::registry;
use crate::stages::step::Step;

/// What is left, the last made first. Before a run went back, that is all it made; on a way back that goes only so far, not what
/// stays done.
pub fn inventory(view: &RunView) -> Vec<Remainder> {
    let back = view.plan.direction == Direction::Back;
    let goes = |mutation: &Mutation| {
        let undone_by = || view.plan.steps().any(|(_, _, step)| step.undoes().any(|seq| seq == mutation.seq));
        if back { undone_by() } else { mutation.direction == Direction::Forward }
    };
    let left: Vec<&Mutation> = view.mutations.iter().filter(|mutation| goes(mutation)).collect();
    let created: Vec<&str> =
        left.iter().filter(|mutation| mutation.step.action == CREATE).filter_map(|mutation| service(mutation)).collect();
    let mut remains: Vec<Remainder> = Vec::new();
    // Of several updates of one service, the first replaced what was there before the run: it is found last.
    for mutation in left.into_iter().rev() {
        let part_of_another = mutation.step.action == UPDATE && service(mutation).is_some_and(|name| created.contains(&name));
        let Some(Step::Mutation(code)) = registry::step(&mutation.step.action).filter(|_| !part_of_another) else { continue };
        let Some(left) = code.left(mutation) else { continue };
        remains.retain(|known| known.kind != left.kind || known.name != left.name);
        let (why, harmless) = why(view, mutation);
        remains.push(Remainder {
            kind: left.kind.to_owned(),
            name: left.name,
            stage: mutation.stage.clone(),
            made: mutation.at,
            why,
            remove: format!("{}{}", left.remove, place(&view.plan.target)),
            harmless,
        });
    }
    remains
}

/// The options that say where a command of the AWS CLI applies.
fn place(target: &Target) -> String {
    let endpoint = target.endpoint.as_ref().map(|url| format!(" --endpoint-url {url}")).unwrap_or_default();
    format!(" --region {}{endpoint}", target.region)
}

/// Why it is not undone: the first step of its undo that did not come to its end.
fn why(view: &RunView, mutation: &Mutation) -> (String, bool) {
    let undo = |step: &StepPlan| step.undo_of() == Some(mutation.seq) || step.undoes().any(|seq| seq == mutation.seq);
    let first = view.plan.lanes().find_map(|(_, lane)| {
        let position = lane.steps.iter().position(undo)?;
        // What concerns the whole lane stands before it.
        lane.steps[..=position]
            .iter()
            .filter(|step| step.undo_of().is_none())
            .chain(lane.steps[position..].iter().filter(|step| undo(step)))
            .find(|step| view.state(&step.id) != StepState::Done)
    });
    let Some(step) = first else { return ("the run has not gone back".to_owned(), false) };
    let harmless = step.is_harmless();
    let Some(state) = view.steps.get(&step.id) else { return (String::new(), harmless) };
    let trouble = state.trouble.as_ref().map(|trouble| {
        let causes: String = trouble.causes.iter().map(|cause| format!("; {cause}")).collect();
        format!("{}{causes}", trouble.message)
    });
    let why = match (&state.skipped, trouble) {
        (Some((reason, Some(by))), Some(trouble)) => format!("{trouble}; skipped by {}@{}: {reason}", by.user, by.host),
        (Some((reason, Some(by))), None) => format!("skipped by {}@{}: {reason}", by.user, by.host),
        (Some((reason, None)), _) => reason.clone(),
        (None, Some(trouble)) => trouble,
        (None, None) => format!("`{}` has not been reached", step.title),
    };
    (why, harmless)
}
