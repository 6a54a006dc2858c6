//! Health of tasks: container checks, what target groups say, and the rule by which a deployment counts a task as healthy.
//!
//! | the service has | a task is healthy when |
//! | --- | --- |
//! | target groups | it is RUNNING, healthy in every one of them, and an essential container's check, if there is one, passes |
//! | no target group, a container check | its check passes |
//! | neither | it is RUNNING for 40 s |

use serde_json::Value;

use super::super::queue::Event;
use super::super::{Millis, State, cloudmap, jaeger};
use super::json::number;
use super::lifecycle::{self, Stop};
use super::task::{Container, Health, Life, Phase, Task};
use super::{EcsEvent, events};

/// Interval, allowed failures and start period of a container's check; the defaults are AWS's.
struct Check {
    interval: Millis,
    retries: i64,
    start_period: Millis,
}

impl Check {
    fn of(spec: &Value) -> Self {
        let check = &spec["healthCheck"];
        Self {
            interval: number(check, "interval").unwrap_or(30).max(1) * 1000,
            retries: number(check, "retries").unwrap_or(3).max(1),
            start_period: number(check, "startPeriod").unwrap_or(0) * 1000,
        }
    }
}

/// A container started: its first check comes after one interval.
pub(super) fn begin(state: &mut State, task: &str, container: &Container) {
    if container.has_check() {
        let at = state.now + Check::of(&container.spec).interval;
        let event = EcsEvent::Check { task: task.to_owned(), container: container.name.clone(), started: container.started };
        state.queue.push(at, Event::Ecs(event));
    }
}

/// A container's check is due. While it passes, the next one is not scheduled: only a fault can change the verdict, and
/// [`recheck`] asks again then.
pub(super) fn on_check(state: &mut State, task_id: &str, name: &str, started: Millis) {
    let passes = state.ecs.task(task_id).and_then(|task| {
        let container = task.containers.iter().find(|known| known.name == name)?;
        (container.life == Life::Running && container.started == started).then(|| jaeger::check_passes(state, task, container))
    });
    let Some(passes) = passes else { return };
    let now = state.now;
    let Some(task) = state.ecs.task_mut(task_id) else { return };
    let Some(container) = task.containers.iter_mut().find(|known| known.name == name) else { return };
    let check = Check::of(&container.spec);
    if passes {
        container.failures = 0;
        container.health = Health::Healthy;
    } else {
        // Failures within the start period do not count.
        if now - container.started > check.start_period {
            container.failures += 1;
        }
        if container.failures >= check.retries {
            container.health = Health::Unhealthy;
        }
        let event = EcsEvent::Check { task: task_id.to_owned(), container: name.to_owned(), started };
        state.queue.push(now + check.interval, Event::Ecs(event));
    }
    settle(state, task_id);
}

/// Asks every running check of an image again, as a fault was set or taken away.
pub(super) fn recheck(state: &mut State, image: &str) {
    let mut due = Vec::new();
    for task in &state.ecs.tasks {
        for container in task.containers.iter().filter(|container| container.runs() && container.image() == image) {
            due.push((task.id.clone(), container.clone()));
        }
    }
    for (task, container) in due {
        begin(state, &task, &container);
    }
}

/// Derives the task's health from its containers' and reports it to Cloud Map.
fn settle(state: &mut State, task_id: &str) {
    let Some(task) = state.ecs.task_mut(task_id) else { return };
    let health = verdict(task);
    if health == task.health {
        return;
    }
    task.health = health;
    task.touch();
    let (registry, registered, service) = (task.registry.clone(), task.registered, task.service_arn.clone());
    if let Some(registry) = registry.filter(|_| registered) {
        cloudmap::set_health(state, &registry, task_id, health == Health::Healthy);
    }
    if let Some(service) = service {
        super::scheduler::wake(state, &service, 0);
    }
}

/// UNHEALTHY if an essential container is; HEALTHY if all essential containers that have a check are.
fn verdict(task: &Task) -> Health {
    let mut checked = task.containers.iter().filter(|container| container.essential() && container.has_check()).peekable();
    if checked.peek().is_none() {
        return task.health;
    }
    checked.fold(Health::Healthy, |so_far, container| match (so_far, container.health) {
        (Health::Unhealthy, _) | (_, Health::Unhealthy) => Health::Unhealthy,
        (Health::Unknown, _) | (_, Health::Unknown) => Health::Unknown,
        (Health::Healthy, Health::Healthy) => Health::Healthy,
    })
}

/// Whether the scheduler counts the task as healthy: the table of this module.
pub(super) fn healthy(state: &State, task: &Task) -> bool {
    if task.stopping || task.phase != Phase::Running {
        return false;
    }
    let checked = task.containers.iter().any(|container| container.essential() && container.has_check());
    if checked && task.health != Health::Healthy {
        return false;
    }
    if task.targets.is_empty() {
        let ripe = state.now - state.assume.compute.healthy_without_check;
        return checked || task.running_since.is_some_and(|since| since <= ripe);
    }
    let good = |(group, port): &(String, u16)| {
        state.elbv2.target_state(group, &task.ip, *port).is_some_and(|target| target.state == "healthy")
    };
    task.targets.iter().all(good)
}

/// Stops the service's tasks that fail a check, unless they are within the grace period; gives how many.
pub(super) fn stop_unhealthy(state: &mut State, service_arn: &str) -> usize {
    let Some(service) = state.ecs.service(service_arn) else { return 0 };
    let grace = number(&service.body, "healthCheckGracePeriodSeconds").unwrap_or(0) * 1000;
    let now = state.now;
    let graced = |task: &Task| task.running_since.is_none_or(|since| now - since < grace);
    let candidates = state.ecs.tasks_of(service_arn).filter(|task| task.wanted() && task.phase == Phase::Running && !graced(task));
    let doomed: Vec<(String, String, Stop)> = candidates.filter_map(|task| complaint(state, task)).collect();
    for (id, event, why) in &doomed {
        events::say(state, service_arn, event);
        lifecycle::stop(state, id, why.clone());
    }
    doomed.len()
}

/// What is wrong with a task: its id, the event's words, and why it is stopped. One unhealthy target group is enough.
fn complaint(state: &State, task: &Task) -> Option<(String, String, Stop)> {
    let id = &task.id;
    if task.health == Health::Unhealthy {
        let stop = Stop::scheduler("Task failed container health checks".to_owned());
        return Some((id.clone(), format!("(task {id}) failed container health checks."), stop));
    }
    for (group, port) in &task.targets {
        let Some(target) = state.elbv2.target_state(group, &task.ip, *port) else { continue };
        if target.state == "unhealthy" {
            let reason = target.description.unwrap_or_else(|| "Health checks failed".to_owned());
            let event = format!("(task {id}) (port {port}) is unhealthy in (target-group {group}) due to (reason {reason})");
            let stop = Stop::scheduler(format!("Task failed ELB health checks in (target-group {group})"));
            return Some((id.clone(), event, stop));
        }
    }
    None
}
