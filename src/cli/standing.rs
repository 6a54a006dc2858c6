//! Where a run stands when it stops, in words, and the commands that go on.

use super::context::Context;
use crate::model::{Direction, Lane, RunView, StageId, StagePlan, StepClass, StepId, StepPlan, StepState, Where};
use crate::ui::text::shell_word;

/// See the module's text. `retry` is the reason before the command that goes on: `after repairing the cause`.
pub fn standing(context: &Context, view: &RunView, retry: &str) -> Where {
    let run = &view.id;
    let resume = format!("resume {run}{}", lane_options(view.lanes.iter().map(String::as_str)));
    let mut next = vec![format!("{retry}, run `{}`", context.command(&resume))];
    if view.plan.direction == Direction::Forward && !view.mutations.is_empty() {
        next.push(format!("to go back, run `{}`", context.command(&format!("rollback {run}"))));
    }
    Where { run: run.clone(), state: stages(view), meanwhile: meanwhile(view), next }
}

/// Where a run stands that met another's claim, and how it goes on: its own way back has to wait as well.
pub fn when_over(context: &Context, view: &RunView) -> Where {
    let mut at = standing(context, view, "when that run is over");
    at.next.truncate(1);
    let abandon = format!("abandon {} --reason \"…\"", view.id);
    at.next.push(format!("to give this run up as it stands, run `{}`", context.command(&abandon)));
    at
}

/// Targets as the options that name their lanes.
pub fn lane_options<'a>(targets: impl Iterator<Item = &'a str>) -> String {
    targets.map(|target| format!(" --lane {}", shell_word(target))).collect()
}

/// What can be done with the lanes of a step's stage, where it has several: go on with those that nothing is wrong with, or take
/// the failed one back alone.
pub fn lane_by_lane(context: &Context, view: &RunView, step: &StepId) -> Vec<String> {
    let of_step = |stage: &&StagePlan| stage.steps().any(|planned| planned.id == *step);
    let Some(stage) = view.plan.stages.iter().find(of_step).filter(|stage| stage.work().count() > 1) else { return Vec::new() };
    let troubled = |lane: &Lane| view.troubled().any(|(planned, _)| lane.steps.iter().any(|known| known.id == planned.id));
    let well: Vec<&str> = view.lanes_left(stage).filter(|lane| !troubled(lane)).map(|lane| lane.target.as_str()).collect();
    let mut next = Vec::new();
    if !well.is_empty() && view.lanes.is_empty() {
        let resume = format!("resume {}{}", view.id, lane_options(well.iter().copied()));
        next.push(format!("to go on with {} alone, run `{}`", well.join(", "), context.command(&resume)));
    }
    let failed = stage.lanes().find(|lane| lane.steps.iter().any(|planned| planned.id == *step)).map(|lane| lane.target.as_str());
    let made = |target: &str| view.mutations.iter().any(|made| made.target == target && made.direction == Direction::Forward);
    if let (Some(target), Direction::Forward) = (failed.filter(|target| made(target)), view.plan.direction) {
        let rollback = format!("rollback {}{}", view.id, lane_options(std::iter::once(target)));
        next.push(format!("to take back {target} alone, run `{}`", context.command(&rollback)));
    }
    next
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
pub fn meanwhile(view: &RunView) -> Option<String> {
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

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::cli::args::Cli;
    use crate::model::RecordBody;
    use crate::ui::fixtures::{self, Story};

    /// A run of which the first of two lanes in stage 5 fails after its first change; the step that fails, and the lanes' targets.
    fn one_of_two_fails(named: &[&str]) -> (RunView, StepId, [String; 2]) {
        let mut plan = fixtures::plan();
        let lanes = &mut plan.stages[4].waves[0].lanes;
        let (first, mut second) = (lanes[0].clone(), lanes[0].clone());
        second.target = "other-api".to_owned();
        for step in &mut second.steps {
            step.id = StepId::new(step.id.as_str().replace(&first.target, &second.target));
        }
        let targets = [first.target.clone(), second.target.clone()];
        lanes.push(second);
        let mut story = Story::of(plan);
        if !named.is_empty() {
            let lanes = named.iter().map(|name| (*name).to_owned()).collect();
            story.then(0, RecordBody::LanesNamed { lanes, by: fixtures::alice() });
        }
        story.through(4);
        let change = first.steps.iter().position(|step| step.class == StepClass::Mutation).expect("it changes something");
        for step in &first.steps[..=change] {
            story.does(1, &step.id);
        }
        let failed = first.steps[change + 1].id.clone();
        story.then(0, fixtures::started(&failed, 1));
        story.then(1, RecordBody::StepFailed { step: failed.clone(), failure: fixtures::rollout_failure() });
        (story.view(), failed, targets)
    }

    fn context() -> Context {
        Context::of(Cli::try_parse_from(["sidestep", "runs"]).expect("options").common)
    }

    #[test]
    fn a_failed_lane_is_left_behind_or_taken_back() {
        let (view, failed, [first, second]) = one_of_two_fails(&[]);
        let run = &view.id;
        assert_eq!(
            lane_by_lane(&context(), &view, &failed),
            [
                format!("to go on with {second} alone, run `sidestep resume {run} --lane {second}`"),
                format!("to take back {first} alone, run `sidestep rollback {run} --lane {first}`"),
            ]
        );
        let alone = view.plan.stages[3].steps().next().expect("a step").id.clone();
        assert!(lane_by_lane(&context(), &view, &alone).is_empty(), "a stage of one lane has nothing to choose");
    }

    #[test]
    fn who_named_a_lane_goes_on_with_that_lane() {
        let (view, failed, [first, _]) = one_of_two_fails(&["nexus-ai-api-dev"]);
        let (named, run) = (view.lanes.first().expect("a name"), &view.id);
        let next = &standing(&context(), &view, "after repairing the cause").next;
        assert_eq!(next[0], format!("after repairing the cause, run `sidestep resume {run} --lane {named}`"));
        let alone = format!("to take back {first} alone, run `sidestep rollback {run} --lane {first}`");
        assert_eq!(lane_by_lane(&context(), &view, &failed), [alone]);
    }
}
