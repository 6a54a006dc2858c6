//! Where a run stands when it stops, in words, and the commands that go on.

use super::context::Context;
use crate::model::{Direction, RunView, StageId, StepClass, StepPlan, StepState, Where};

/// See the module's text. `retry` is the reason before the command that goes on: `after repairing the cause`.
pub fn standing(context: &Context, view: &RunView, retry: &str) -> Where {
    let run = &view.id;
    let mut next = vec![format!("{retry}, run `{}`", context.command(&format!("resume {run}")))];
    if view.plan.direction == Direction::Forward && !view.mutations.is_empty() {
        next.push(format!("to go back, run `{}`", context.command(&format!("rollback {run}"))));
    }
    Where { run: run.clone(), state: stages(view), meanwhile: meanwhile(view), next }
}

/// `stages 1-4 done, stage 5 (retarget-api-env) not done`.
pub fn stages(view: &RunView) -> String {
    let all = &view.plan.stages;
    let what = if view.plan.direction == Direction::Back { "undone" } else { "done" };
    let done = all.iter().take_while(|stage| view.stage_done(&stage.id)).count();
    let head = match done {
        0 => format!("no stage {what}"),
        1 => format!("stage 1 {what}"),
        n => format!("stages 1-{n} {what}"),
    };
    match all.get(done) {
        Some(stage) => format!("{head}, stage {} ({}) not {what}", done + 1, stage.id),
        None => head,
    }
}

/// `stage 5/6 `retarget-api-env``.
pub fn name_stage(view: &RunView, stage: &StageId) -> String {
    let position = view.plan.stages.iter().position(|known| known.id == *stage).map_or(0, |at| at + 1);
    format!("stage {position}/{} `{stage}`", view.plan.stages.len())
}

/// What AWS goes on doing by itself: a request without an answer, or a rollout that nobody waits for any more.
fn meanwhile(view: &RunView) -> Option<String> {
    let unknown = |step: &&StepPlan| {
        step.class == StepClass::Mutation && matches!(view.state(&step.id), StepState::Started | StepState::InDoubt)
    };
    if let Some((_, _, step)) = view.plan.steps().find(|(_, _, step)| unknown(step)) {
        return Some(format!("`{}` was under way and may still take effect; a resumed run looks at AWS first", step.title));
    }
    for (_, lane) in view.plan.lanes() {
        let mut updated = None;
        for step in &lane.steps {
            match (step.action.as_str(), view.state(&step.id)) {
                ("ecs.update-service" | "ecs.create-service", StepState::Done) => updated = Some(lane.target.clone()),
                ("ecs.await-rollout", StepState::Pending | StepState::Started) => {
                    if let Some(service) = updated.take() {
                        return Some(format!("ECS goes on with the rollout of `{service}` by itself"));
                    }
                }
                _ => {}
            }
        }
    }
    None
}
