//! How to go on after trouble that leaves a choice: drift, a verification that a person must decide, and a way back that does not
//! come to its end.

use serde_json::Value;

use super::text::shell_word;
use crate::model::{AWAIT_LINES, AWAIT_SERVING, Adoption, Direction, Extent, Failure, FailureKind, RunView, StepId, StepPlan};

/// The choices, each with its exact command; nothing for trouble that leaves only one way.
pub fn after_trouble(view: &RunView, step: &StepId, trouble: &Failure) -> Option<Vec<String>> {
    let (run, to) = (&view.id, so_far(view));
    let first = match (trouble.kind, view.plan.direction) {
        (FailureKind::Drift, Direction::Forward) => return Some(after_drift(view)),
        (FailureKind::Drift, Direction::Back) => "what was found is as this run left it again",
        // Where it is to go back to is looked at anew.
        (FailureKind::Stuck | FailureKind::Rejected, Direction::Back) if view.plan.step(step).is_some_and(StepPlan::restores) => "",
        (FailureKind::Stuck, Direction::Back) => "what is in the way is gone",
        (FailureKind::Rollout | FailureKind::Deadline, Direction::Back)
            if view.plan.step(step).is_some_and(|planned| planned.action == AWAIT_SERVING) =>
        {
            "the cause is repaired"
        }
        _ => return None,
    };
    let mut next = vec![match first {
        "" => format!("to plan the way back anew, to what is there now, run `sidestep rollback {run}{to}`"),
        first => format!("when {first}, run `sidestep rollback {run}{to}`"),
    }];
    if view.moved_on(step, trouble) {
        let newest = format!("sidestep rollback {run}{to} --onto-newest");
        next.push(format!("to take only this run's changes back, on what runs now, run `{newest}`"));
    }
    next.push(leave(view, step));
    next.push(give_up(view));
    Some(next)
}

/// The options that say how far the run goes back; none for all the way.
fn so_far(view: &RunView) -> String {
    let Adoption::Rollback(extent) = &view.adoption else { return String::new() };
    let to = extent.to.iter().map(|stage| format!(" --to {stage}"));
    to.chain(extent.lanes.iter().map(|lane| format!(" --lane {}", shell_word(lane)))).collect()
}

fn leave(view: &RunView, step: &StepId) -> String {
    format!("to leave it and undo the rest, run `sidestep rollback {} --skip {step} --reason \"…\"`", view.id)
}

fn give_up(view: &RunView) -> String {
    format!("to give the run up as it stands, run `sidestep abandon {} --reason \"…\"`", view.id)
}

/// How to go on where a way back cannot be planned: `other` is one that can be, and what the way back stopped at before can be left.
pub fn no_way_back(view: &RunView, other: Option<&Extent>) -> Vec<String> {
    let run = &view.id;
    let mut next: Vec<String> = Vec::new();
    next.extend(other.map(|extent| match &extent.to {
        Some(stage) => format!("to go back as far as that leads, run `sidestep rollback {run} --to {stage}`"),
        None => format!("to go back to the start instead, run `sidestep rollback {run}`"),
    }));
    if view.goes_back() {
        next.extend(view.troubled().map(|(step, _)| leave(view, &step.id)));
    }
    if view.went_back_to().is_some() {
        next.push(format!("to go forward again, run `sidestep resume {run}`"));
    }
    match view.ended {
        Some(_) => next.push(format!("to leave it as it is, and see what the run did, run `sidestep report {run}`")),
        None => next.push(give_up(view)),
    }
    next
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

/// What to look at, and how to go on, after a verification that ended with this result: exact commands, and last the word of a person
/// who knows better.
pub fn after_held(view: &RunView, step: &StepId, result: &str) -> Vec<String> {
    let resume = resume(view);
    if view.plan.step(step).is_some_and(StepPlan::is_gate) {
        return vec![format!("to approve it, run `sidestep approve {} --comment \"…\"`, then `{resume}`", view.id)];
    }
    let mut next = view.plan.step(step).map(|planned| by_result(view, planned, result)).unwrap_or_default();
    if next.is_empty() {
        next.push(format!("to look again, run `{resume}`"));
    }
    let approve = format!("sidestep approve {} --comment \"…\"", view.id);
    next.push(format!("if a person has seen that all is well, run `{approve}`, then `{resume}`"));
    next
}

/// The command that goes on, in the lanes that were named.
fn resume(view: &RunView) -> String {
    let lanes: String = view.lanes.iter().map(|lane| format!(" --lane {}", shell_word(lane))).collect();
    format!("sidestep resume {}{lanes}", view.id)
}

/// What the result of looking for spans calls for.
fn by_result(view: &RunView, step: &StepPlan, result: &str) -> Vec<String> {
    let resume = resume(view);
    let again = |when: &str| format!("{when}, run `{resume}`");
    let variable = |member: &str| step.params["variables"][member].as_str();
    let with = |name: &str, value: &str| format!("`{resume} --var {name}={value}`");
    let given = |member: &str| step.params[member].as_str().is_some_and(|value| !value.is_empty());
    let probe = || {
        let name = variable("probe").filter(|_| !given("probe"))?;
        Some(format!("to have the run itself make requests to an address of the application, run {}", with(name, "http://…")))
    };
    let mut next = Vec::new();
    match result {
        "none" => {
            next.extend(logs(view, step).map(|command| format!("to see what the senders say of it, run `{command}`")));
            next.push(again("to look again when the cause is repaired"));
            // Where it is known that there is traffic, more of it tells nothing new.
            let traffic = step.inputs.get("/traffic").and_then(|input| view.output(&input.step)?.pointer(&input.pointer));
            next.extend(probe().filter(|_| traffic != Some(&Value::Bool(true))));
            next.extend(back(view, step).map(|command| format!("to have spans kept meanwhile, go back a stage: run `{command}`")));
        }
        "no-traffic" => {
            next.push(again("after a request to the application, to look again"));
            next.extend(probe());
        }
        "not-provable" if step.action == AWAIT_LINES => {
            next.push(again("to look again"));
            next.extend(probe());
        }
        "not-provable" if given("url") => {
            next.push(again("to look again"));
            if let Some(name) = variable("url") {
                next.push(format!("to ask the task itself, from a machine inside the VPC, run {}", with(name, "")));
                next.push(format!("to ask at another address, run {}", with(name, "http://…")));
            }
            next.extend(probe());
        }
        "not-provable" => {
            next.push(again("to look again from a machine inside the VPC"));
            next.extend(
                variable("url")
                    .map(|name| format!("to ask at an address that this machine reaches, run {}", with(name, "http://…"))),
            );
        }
        _ => {}
    }
    next
}

/// The AWS CLI's command for what the senders logged lately.
fn logs(view: &RunView, step: &StepPlan) -> Option<String> {
    let group = step.params["logGroups"].as_array()?.iter().find_map(Value::as_str)?;
    let target = &view.plan.target;
    let endpoint = target.endpoint.as_ref().map(|url| format!(" --endpoint-url {}", shell_word(url))).unwrap_or_default();
    Some(format!("aws logs tail {} --since 15m --region {}{endpoint}", shell_word(group), target.region))
}

/// The way back over the step's own stage, where that stage changed something.
fn back(view: &RunView, step: &StepPlan) -> Option<String> {
    let (stage, lane, _) = view.plan.steps().find(|(_, _, planned)| planned.id == step.id)?;
    let position = view.plan.stages.iter().position(|known| known.id == stage.id)?;
    let before = view.plan.stages.get(position.checked_sub(1)?)?;
    let made = view.mutations.iter().any(|mutation| mutation.stage == stage.id && mutation.target == lane.target);
    let only = if stage.work().count() > 1 { format!(" --lane {}", shell_word(&lane.target)) } else { String::new() };
    made.then(|| format!("sidestep rollback {} --to {}{only}", view.id, before.id))
}

#[cfg(test)]
mod tests;
