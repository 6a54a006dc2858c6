//! The service scheduler: keeps the desired number of tasks, rolls deployments out, and empties a service that is being deleted.
//!
//! It looks at a service whenever one of its tasks changes, every second while a task is becoming healthy, and every ten seconds
//! otherwise. At each look:
//!
//! ```text
//!  stop tasks that fail a check ─▶ count successes ─▶ circuit breaker ─▶ launch ─▶ stop ─▶ complete?
//! ```
//!
//! Launch and stop keep to the service's percentages of the desired count D: never fewer healthy tasks than ⌈D·minimum⌉ by the
//! scheduler's own doing, never more tasks than ⌊D·maximum⌋. So replacement is start-first where maximum allows it, stop-first
//! where it does not, and where neither is possible the service says so.

use serde_json::json;

use super::super::faults::LaunchFault;
use super::super::queue::Event;
use super::super::{Millis, State};
use super::lifecycle::{self, Stop};
use super::service::Rollout;
use super::task::Phase;
use super::{EcsEvent, events, failures, health, launch as tasks, records};

/// Makes the scheduler look at the service `after` from now, or earlier if that is already planned.
pub(super) fn wake(state: &mut State, service_arn: &str, after: Millis) {
    let at = state.now + after;
    let Some(service) = state.ecs.service_mut(service_arn) else { return };
    if service.next_look.is_some_and(|planned| planned <= at) {
        return;
    }
    service.next_look = Some(at);
    state.queue.push(at, Event::Ecs(EcsEvent::Look { service: service_arn.to_owned() }));
}

/// The scheduler's look at a service is due; an event that was overtaken by an earlier one is void.
pub(super) fn on_look(state: &mut State, service_arn: &str) {
    let now = state.now;
    let Some(service) = state.ecs.service_mut(service_arn) else { return };
    if service.next_look.is_none_or(|planned| planned > now) {
        return;
    }
    service.next_look = None;
    match service.status.as_str() {
        "ACTIVE" => look(state, service_arn),
        "DRAINING" => drain(state, service_arn),
        _ => return,
    }
    if state.ecs.service(service_arn).is_some_and(|service| service.status != "INACTIVE") {
        let after = pace(state, service_arn);
        wake(state, service_arn, after);
    }
}

/// When to look next. Changes of phase and of container health wake the scheduler by themselves; what must be asked for is whether
/// a task that runs has become healthy, and whether a throttled launch is due.
fn pace(state: &State, service_arn: &str) -> Millis {
    let times = &state.assume.compute;
    if state.ecs.tasks_of(service_arn).any(|task| task.wanted() && task.phase == Phase::Running && !task.succeeded) {
        return times.rollout_poll;
    }
    let deployments = state.ecs.service(service_arn).map_or(&[][..], |service| &service.deployments);
    let due = deployments.iter().map(|deployment| deployment.launch_after - state.now).filter(|due| *due > 0).min();
    due.unwrap_or(times.steady_poll).min(times.steady_poll)
}

fn look(state: &mut State, service_arn: &str) {
    health::stop_unhealthy(state, service_arn);
    count_successes(state, service_arn);
    failures::judge(state, service_arn);
    records::settle_requests(state, service_arn);
    let launched = launch(state, service_arn);
    let stopped = scale_in(state, service_arn);
    say_stuck(state, service_arn, launched + stopped);
    complete(state, service_arn);
}

/// Notes the tasks that are healthy for the first time.
fn count_successes(state: &mut State, service_arn: &str) {
    let fresh = state.ecs.tasks_of(service_arn).filter(|task| !task.succeeded && health::healthy(state, task));
    let fresh: Vec<String> = fresh.map(|task| task.id.clone()).collect();
    for id in fresh {
        failures::succeeded(state, service_arn, &id);
    }
}

/// What the scheduler sees of a service.
struct Sight {
    /// D.
    desired: i64,
    /// ⌈D·minimum⌉
    least: i64,
    /// ⌊D·maximum⌋
    most: i64,
    /// Tasks that take a place: their containers have not all exited.
    occupying: i64,
    /// Healthy tasks of any deployment.
    healthy: i64,
    /// Healthy tasks of the PRIMARY one.
    primary_healthy: i64,
}

fn sight(state: &State, service_arn: &str) -> Option<Sight> {
    let service = state.ecs.service(service_arn)?;
    let primary = service.primary()?;
    let count =
        |fits: &dyn Fn(&super::task::Task) -> bool| state.ecs.tasks_of(service_arn).filter(|task| fits(task)).count() as i64;
    let desired = service.desired;
    Some(Sight {
        desired,
        least: (desired * service.percent("minimumHealthyPercent", 100) + 99) / 100,
        most: desired * service.percent("maximumPercent", 200) / 100,
        occupying: count(&|task| task.occupies()),
        healthy: count(&|task| health::healthy(state, task)),
        primary_healthy: count(&|task| task.deployment == primary.id && health::healthy(state, task)),
    })
}

fn wanted(state: &State, service_arn: &str, deployment: &str) -> i64 {
    state.ecs.tasks_of(service_arn).filter(|task| task.wanted() && task.deployment == deployment).count() as i64
}

/// Launches what the PRIMARY deployment lacks, and replaces what the earlier complete one lost during the rollout. Gives how many
/// were launched.
fn launch(state: &mut State, service_arn: &str) -> i64 {
    let (Some(sight), Some(service)) = (sight(state, service_arn), state.ecs.service(service_arn)) else { return 0 };
    // A service that is not being replaced may always reach its desired count.
    let limit = if service.deployments.len() == 1 { sight.most.max(sight.desired) } else { sight.most };
    let mut room = limit - sight.occupying;
    let mut launched = 0;
    let now = state.now;
    let serving = service.deployments.iter().enumerate().filter(|(index, deployment)| {
        let serves = match deployment.rollout {
            Rollout::Failed => false,
            Rollout::Completed => true,
            Rollout::InProgress => *index == 0,
        };
        serves && deployment.launch_after <= now
    });
    // While a rollout goes on, only those of the earlier tasks that it has not replaced yet are kept up.
    let targets: Vec<(String, i64)> = serving
        .map(|(index, deployment)| (deployment.id.clone(), if index == 0 { sight.desired } else { deployment.desired }))
        .collect();
    for (deployment, target) in targets {
        let lacking = target - wanted(state, service_arn, &deployment);
        if lacking > 0 && state.ecs.launch_faults.contains(&LaunchFault::NoCapacity) {
            let words = "was unable to place a task. Reason: Capacity is unavailable at this time. Please try again later or in a \
                         different availability zone.";
            events::complain(state, service_arn, words);
            return launched;
        }
        let mut started = Vec::new();
        for _ in 0..lacking.clamp(0, room.max(0)) {
            started.extend(tasks::launch(state, service_arn, &deployment));
        }
        room -= started.len() as i64;
        launched += started.len() as i64;
        if !started.is_empty() {
            let tasks: Vec<String> = started.iter().map(|id| format!("(task {id})")).collect();
            events::say(state, service_arn, &format!("has started {} tasks: {}.", started.len(), tasks.join(" ")));
        }
    }
    if launched > 0
        && let Some(service) = state.ecs.service_mut(service_arn)
    {
        service.steady_since = None;
    }
    launched
}

/// Stops tasks that are too many: of superseded deployments, and of the PRIMARY one beyond the desired count. Gives how many.
fn scale_in(state: &mut State, service_arn: &str) -> i64 {
    let (Some(sight), Some(service)) = (sight(state, service_arn), state.ecs.service(service_arn)) else { return 0 };
    let Some(primary) = service.primary() else { return 0 };
    // A service that is scaled to zero keeps nothing, whatever became of its deployment.
    let (primary_id, failed) = (primary.id.clone(), primary.rollout == Rollout::Failed && sight.desired > 0);
    let reason = format!("Scaling activity initiated by (deployment {primary_id})");
    let mut spare = sight.healthy - sight.least;
    let mut doomed = Vec::new();
    // A failed deployment without rollback keeps what runs, of its own and of the one before.
    for id in surplus(state, service_arn, &primary_id, if failed { i64::MAX } else { sight.desired }) {
        doomed.push(id);
    }
    for deployment in service.deployments.iter().skip(1).rev() {
        if failed && deployment.rollout == Rollout::Completed {
            continue;
        }
        let mut tasks: Vec<_> =
            state.ecs.tasks_of(service_arn).filter(|task| task.wanted() && task.deployment == deployment.id).collect();
        tasks.sort_by_key(|task| health::healthy(state, task));
        for task in tasks {
            let healthy = health::healthy(state, task);
            // An old task that is not healthy costs nothing, unless it is merely on its way to replace a lost one.
            let idle = !healthy && (deployment.rollout != Rollout::Completed || sight.primary_healthy >= sight.desired);
            if idle || (healthy && spare > 0) {
                spare -= i64::from(healthy);
                doomed.push(task.id.clone());
            }
        }
    }
    stop_all(state, service_arn, &doomed, &reason);
    doomed.len() as i64
}

/// The tasks of a deployment beyond `keep`: those that run least first.
fn surplus(state: &State, service_arn: &str, deployment: &str, keep: i64) -> Vec<String> {
    let mut tasks: Vec<_> = state.ecs.tasks_of(service_arn).filter(|task| task.wanted() && task.deployment == deployment).collect();
    tasks.sort_by_key(|task| (health::healthy(state, task), task.phase == Phase::Running));
    let over = (tasks.len() as i64).saturating_sub(keep).max(0);
    tasks.iter().take(usize::try_from(over).unwrap_or(0)).map(|task| task.id.clone()).collect()
}

fn stop_all(state: &mut State, service_arn: &str, doomed: &[String], reason: &str) {
    if doomed.is_empty() {
        return;
    }
    let tasks: Vec<String> = doomed.iter().map(|id| format!("(task {id})")).collect();
    events::say(state, service_arn, &format!("has stopped {} running tasks: {}.", doomed.len(), tasks.join(" ")));
    for id in doomed {
        let deployment = state.ecs.task(id).map(|task| task.deployment.clone()).unwrap_or_default();
        lifecycle::stop(state, id, Stop::scheduler(reason.to_owned()));
        // What is stopped on purpose is not to be replaced.
        if let Some(service) = state.ecs.service_mut(service_arn) {
            for deployment in service.deployments.iter_mut().skip(1).filter(|known| known.id == deployment) {
                deployment.desired = (deployment.desired - 1).max(0);
            }
        }
    }
    if let Some(service) = state.ecs.service_mut(service_arn) {
        service.steady_since = None;
    }
}

/// The percentages allow neither a start nor a stop.
fn say_stuck(state: &mut State, service_arn: &str, moved: i64) {
    let (Some(sight), Some(service)) = (sight(state, service_arn), state.ecs.service(service_arn)) else { return };
    let Some(primary) = service.primary() else { return };
    let lacking = sight.desired - wanted(state, service_arn, &primary.id);
    let full = sight.occupying >= sight.most && sight.healthy <= sight.least && sight.occupying == sight.healthy;
    if moved == 0 && service.deployments.len() > 1 && primary.rollout == Rollout::InProgress && lacking > 0 && full {
        let words = "was unable to stop or start tasks during a deployment because of the service deployment configuration. Update \
                     the minimumHealthyPercent or maximumPercent value and try again.";
        events::complain(state, service_arn, words);
    }
}

/// Ends the rollout when every task of the PRIMARY deployment is healthy and the containers of all others are gone; says so when
/// the service is steady.
fn complete(state: &mut State, service_arn: &str) {
    let (Some(sight), Some(service)) = (sight(state, service_arn), state.ecs.service(service_arn)) else { return };
    let Some(primary) = service.primary() else { return };
    if primary.rollout == Rollout::Failed {
        // Nothing moves any more until somebody changes the service.
        let others_gone = !state.ecs.tasks_of(service_arn).any(|task| task.stopping && task.occupies());
        if others_gone && let Some(service) = state.ecs.service_mut(service_arn) {
            service.steady_since = service.steady_since.or(Some(state.now));
        }
        return;
    }
    // A task that was healthy once counts; a target that is being checked anew does not take a rollout back.
    let count =
        |fits: &dyn Fn(&super::task::Task) -> bool| state.ecs.tasks_of(service_arn).filter(|task| fits(task)).count() as i64;
    let here = count(&|task| task.wanted() && task.deployment == primary.id && task.phase == Phase::Running && task.succeeded);
    let elsewhere = count(&|task| task.occupies() && task.deployment != primary.id);
    let leaving = count(&|task| task.occupies() && task.stopping);
    if here != sight.desired || elsewhere > 0 || wanted(state, service_arn, &primary.id) != sight.desired {
        if let Some(service) = state.ecs.service_mut(service_arn) {
            service.steady_since = None;
        }
        return;
    }
    if primary.rollout == Rollout::InProgress {
        finish(state, service_arn);
        steady(state, service_arn);
    } else if leaving == 0 {
        steady(state, service_arn);
    }
}

/// The PRIMARY deployment is complete, and the only one.
fn finish(state: &mut State, service_arn: &str) {
    let Some(service) = state.ecs.service(service_arn) else { return };
    let Some(primary) = service.primary().cloned() else { return };
    let summary = state.ecs.revision_summary(service, &primary);
    let status = if primary.rolling_back { "ROLLBACK_SUCCESSFUL" } else { "SUCCESSFUL" };
    if !primary.rolling_back {
        records::freeze(state, &primary.service_deployment, summary);
    }
    records::finish(state, &primary.service_deployment, status, "");
    let now = state.now;
    if let Some(service) = state.ecs.service_mut(service_arn) {
        service.deployments.truncate(1);
        let primary = &mut service.deployments[0];
        primary.rolling_back = false;
        primary.set(Rollout::Completed, format!("ECS deployment {} completed.", primary.id), now);
        service.steady_since = None;
    }
    events::say(state, service_arn, &format!("(deployment {}) deployment completed.", primary.id));
}

/// Says that the service is steady: when it becomes so, and every few hours while it is.
fn steady(state: &mut State, service_arn: &str) {
    let (now, repeat) = (state.now, state.assume.compute.event_repeat);
    let Some(service) = state.ecs.service_mut(service_arn) else { return };
    if service.steady_since.is_none_or(|since| now - since >= repeat) {
        service.steady_since = Some(now);
        events::say(state, service_arn, "has reached a steady state.");
    }
}

/// A service that is being deleted: all tasks are stopped; then it is INACTIVE and its records are gone.
fn drain(state: &mut State, service_arn: &str) {
    let all = state.ecs.tasks_of(service_arn).filter(|task| task.wanted()).map(|task| task.id.clone()).collect::<Vec<_>>();
    let primary = state.ecs.service(service_arn).and_then(|service| service.primary()).map(|primary| primary.id.clone());
    let reason = format!("Scaling activity initiated by (deployment {})", primary.unwrap_or_default());
    stop_all(state, service_arn, &all, &reason);
    if state.ecs.tasks_of(service_arn).any(|task| task.phase != Phase::Stopped) {
        return;
    }
    records::forget(state, service_arn);
    if let Some(service) = state.ecs.service_mut(service_arn) {
        service.status = "INACTIVE".to_owned();
        service.deployments.clear();
        service.body["currentServiceRevisions"] = json!([]);
        super::json::remove(&mut service.body, "currentServiceDeployment");
    }
}
