//! How long a run takes, roughly: for the operator's planning and for the life of credentials, never for a decision of the engine.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::model::{AWAIT_ARRIVAL, AWAIT_LINES, AWAIT_SERVING, Lane, Outlook, StageId, StagePlan, StepClass, StepPlan, Wave};
use crate::stages::facts::Facts;
use crate::stages::subject::Subject;

/// One batch of a rollout: tasks start (image pull, health checks of container and load balancer), old ones drain and stop. Seen
/// in deploy logs of small services: one and a half to three minutes.
const BATCH_S: u64 = 140;
/// The first rollout of a service has nothing to drain.
const FIRST_S: u64 = 100;
/// What follows a rollout soon: a target that becomes healthy, an instance that is registered, a first span.
const LOOK_S: u64 = 30;
/// The action that waits for a rollout.
const ROLLOUT: &str = "ecs.await-rollout";
/// Waits for what has mostly come by the time the rollout before them is complete.
const SOON: &[&str] = &[AWAIT_SERVING, "elb.await-own-targets", "servicediscovery.await-instances", AWAIT_ARRIVAL, AWAIT_LINES];

/// What a stage takes by its steps: waves one after the other, in each the slowest lane. Stages that take only moments are not there.
fn by_stage(stages: &[StagePlan]) -> BTreeMap<StageId, u64> {
    let lane = |lane: &Lane| {
        lane.steps.iter().filter(|step| !SOON.contains(&step.action.as_str())).filter_map(|step| step.expected_s).sum()
    };
    let wave = |wave: &Wave| wave.lanes.iter().map(lane).max().unwrap_or(0);
    let takes = |stage: &StagePlan| -> u64 { stage.waves.iter().map(wave).sum() };
    stages.iter().map(|stage| (stage.id.clone(), takes(stage))).filter(|(_, seconds)| *seconds > 0).collect()
}

/// One rollout of a service: as many batches as its percents make.
fn rollout(service: &Value) -> u64 {
    let (desired, extra, spare) = room(service);
    desired.div_ceil((extra + spare).max(1)).max(1) * BATCH_S
}

/// Says of each step of a plan that waits for a while how long that usually takes.
pub fn expect(facts: &Facts, stages: &mut [StagePlan]) {
    let mut begun = BTreeSet::new();
    let steps =
        stages.iter_mut().flat_map(|stage| &mut stage.waves).flat_map(|wave| &mut wave.lanes).flat_map(|lane| &mut lane.steps);
    for step in steps.filter(|step| step.expected_s.is_none()) {
        step.expected_s = match step.action.as_str() {
            ROLLOUT => {
                let service = step.params["service"].as_str().unwrap_or_default();
                let first = begun.insert(service.to_owned());
                Some(facts.services.get(service).map_or(if first { FIRST_S } else { BATCH_S }, rollout))
            }
            action => SOON.contains(&action).then_some(LOOK_S),
        };
    }
}

/// How long a step of a way back usually takes, where it waits for a while.
pub fn of_undo(action: &str) -> Option<u64> {
    match action {
        ROLLOUT => Some(BATCH_S),
        AWAIT_SERVING => Some(LOOK_S),
        _ => None,
    }
}

/// Tasks wanted, tasks that a rollout may add to them, and tasks that it may stop beforehand.
pub fn room(service: &Value) -> (u64, u64, u64) {
    let desired = service["desiredCount"].as_u64().unwrap_or(0);
    let percent = |name: &str, usual: u64| service["deploymentConfiguration"][name].as_u64().unwrap_or(usual);
    let (most, least) =
        (desired * percent("maximumPercent", 200) / 100, (desired * percent("minimumHealthyPercent", 100)).div_ceil(100));
    (desired, most.saturating_sub(desired), desired.saturating_sub(least))
}

/// What a run takes; nothing where it has no steps.
pub fn outlook(facts: &Facts, subject: &Subject<'_>, stages: &[StagePlan]) -> Outlook {
    let steps: Vec<&StepPlan> = stages.iter().flat_map(StagePlan::steps).collect();
    if steps.is_empty() {
        return Outlook::default();
    }
    let by_stage = by_stage(stages);
    let seconds = by_stage.values().sum();
    let mutations = steps.iter().filter(|step| step.class == StepClass::Mutation).count() as u64;
    // Waits ask every few seconds; a mutation is read before and after; the rest reads a little.
    let calls = seconds / 4 + 4 * mutations + 2 * (steps.len() as u64 - mutations);
    Outlook { seconds, calls, capacity: capacity(facts, subject), stages: by_stage }
}

/// What the sidecars free, and what the shared services take.
fn capacity(facts: &Facts, subject: &Subject<'_>) -> Vec<String> {
    let mut lines = Vec::new();
    for (name, moved) in subject.moved.iter().filter(|(_, moved)| moved.strip.as_ref().is_some_and(|strip| strip.due)) {
        let (Some(service), Some(definition)) = (facts.services.get(name), facts.definition_of(name)) else { continue };
        let Some(sidecar) = definition.container(moved.sidecar()) else { continue };
        let tasks = service["desiredCount"].as_u64().unwrap_or(0);
        let cpu = sidecar["cpu"].as_u64().unwrap_or(0);
        let memory = sidecar["memory"].as_u64().or(sidecar["memoryReservation"].as_u64()).unwrap_or(0);
        let size = |member: &str| definition.body[member].as_str().unwrap_or("?").to_owned();
        let kept = format!("whose tasks keep their size ({} CPU units, {} MiB)", size("cpu"), size("memory"));
        lines.push(if cpu == 0 && memory == 0 {
            format!("freed: whatever {tasks} sidecars use of {name}, {kept}; they reserve nothing")
        } else {
            format!("freed: {} CPU units and {} MiB that {tasks} sidecars reserve in {name}, {kept}", tasks * cpu, tasks * memory)
        });
    }
    for shared in subject.shared.iter().filter(|shared| shared.due) {
        let Some(definition) = subject.definitions.iter().find(|definition| definition.family == shared.family) else { continue };
        let (cpu, memory) = (shared.desired * definition.cpu, shared.desired * definition.memory);
        let tasks = if shared.desired == 1 { "1 task".to_owned() } else { format!("{} tasks", shared.desired) };
        lines.push(format!("taken: {cpu} CPU units and {memory} MiB by {} ({tasks})", shared.name));
    }
    lines
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn percents_make_the_batches_of_a_rollout() {
        let service = |desired: u64, most: u64, least: u64| json!({ "desiredCount": desired, "deploymentConfiguration": { "maximumPercent": most, "minimumHealthyPercent": least } });
        assert_eq!(room(&service(4, 200, 100)), (4, 4, 0));
        assert_eq!(room(&service(4, 100, 50)), (4, 0, 2));
        assert_eq!(rollout(&service(4, 200, 100)), BATCH_S);
        assert_eq!(rollout(&service(4, 150, 100)), 2 * BATCH_S);
        assert_eq!(rollout(&service(10, 110, 100)), 10 * BATCH_S);
        assert_eq!(rollout(&service(1, 100, 0)), BATCH_S);
    }
}
