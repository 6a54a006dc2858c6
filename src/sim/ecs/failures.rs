//! What a deployment makes of tasks that fail: it counts them, throttles launches, and — with a circuit breaker — gives up.
//!
//! | a task | counts as failed | throttles launches |
//! | --- | --- | --- |
//! | stops before it was RUNNING | yes | yes |
//! | is stopped for a failed check before it was ever healthy | yes | no |
//! | exits by itself after it was RUNNING | no | no |
//! | fails in a deployment that is complete | no | as above |
//!
//! | the breaker trips | and then |
//! | --- | --- |
//! | rollback on, a COMPLETED deployment is there | that one is PRIMARY again and is rolled out; load balancers and registries return with it |
//! | rollback on, there is none (a first deployment, or one during a rollback) | FAILED; nothing is launched any more |
//! | rollback off | FAILED; the earlier deployment's tasks stay |

use serde_json::{Value, json};

use super::super::State;
use super::json::{epoch, number};
use super::service::{Deployment, Rollout, Service};
use super::{deployments, events, records};

/// A task reached RUNNING: launches of its deployment are not throttled any more.
pub(super) fn reached_running(state: &mut State, task_id: &str) {
    let Some(task) = state.ecs.task(task_id) else { return };
    let (Some(service), deployment) = (task.service_arn.clone(), task.deployment.clone()) else { return };
    if let Some(deployment) = state.ecs.service_mut(&service).and_then(|service| service.deployment_mut(&deployment)) {
        deployment.start_failures = 0;
        deployment.launch_after = 0;
    }
}

/// A task is being stopped: counts it if it failed.
pub(super) fn stopped(state: &mut State, task_id: &str) {
    let Some(task) = state.ecs.task(task_id) else { return };
    let code = task.body["stopCode"].as_str().unwrap_or_default().to_owned();
    let failed_check = task.body["stoppedReason"].as_str().is_some_and(|reason| reason.starts_with("Task failed "));
    let started = task.running_since.is_some();
    let failed_start = !started && (code == "TaskFailedToStart" || code == "EssentialContainerExited");
    let failed = failed_start || (failed_check && !task.succeeded);
    let (Some(service_arn), deployment_id) = (task.service_arn.clone(), task.deployment.clone()) else { return };
    let times = state.assume.compute.clone();
    let now = state.now;
    let Some(deployment) = state.ecs.service_mut(&service_arn).and_then(|service| service.deployment_mut(&deployment_id)) else {
        return;
    };
    if failed && deployment.rollout == Rollout::InProgress {
        deployment.failed += 1;
        deployment.body["updatedAt"] = epoch(now);
    }
    let mut throttled = false;
    if failed_start {
        deployment.start_failures += 1;
        if deployment.start_failures >= times.back_off_after {
            let doublings = (deployment.start_failures - times.back_off_after).min(16);
            deployment.launch_after = now + (times.back_off_first << doublings).min(times.back_off_max);
            throttled = true;
        }
    }
    if throttled {
        events::complain(state, &service_arn, "is unable to consistently start tasks successfully.");
    }
}

/// A task became healthy for the first time: the count of failures in a row starts anew.
pub(super) fn succeeded(state: &mut State, service_arn: &str, task_id: &str) {
    let Some(task) = state.ecs.task_mut(task_id) else { return };
    task.succeeded = true;
    let deployment_id = task.deployment.clone();
    let Some(service) = state.ecs.service_mut(service_arn) else { return };
    let reset = breaker(service)["resetOnHealthyTask"].as_bool().unwrap_or(true);
    if reset && let Some(deployment) = service.deployment_mut(&deployment_id) {
        deployment.failed = 0;
    }
}

fn breaker(service: &Service) -> &Value {
    &service.body["deploymentConfiguration"]["deploymentCircuitBreaker"]
}

/// Whether the service's circuit breaker is on.
pub(super) fn breaker_on(service: &Service) -> bool {
    breaker(service)["enable"].as_bool().unwrap_or(false)
}

/// After how many failed tasks the breaker trips: half of the desired count, three at least and two hundred at most, unless
/// configured otherwise.
pub(super) fn threshold(state: &State, service: &Service) -> i64 {
    let times = &state.assume.compute;
    let configured = &breaker(service)["thresholdConfiguration"];
    let value = number(configured, "value").unwrap_or(50);
    let share = (service.desired * value + 99) / 100;
    match configured["type"].as_str() {
        Some("COUNT") => value.max(1),
        Some("UNBOUNDED_PERCENT") => share.max(1),
        _ => share.clamp(times.breaker_floor, times.breaker_cap),
    }
}

/// Trips the breaker of the service if its primary deployment failed too often.
pub(super) fn judge(state: &mut State, service_arn: &str) {
    let Some(service) = state.ecs.service(service_arn) else { return };
    let Some(primary) = service.primary() else { return };
    let tripped = breaker_on(service) && primary.rollout == Rollout::InProgress && primary.failed >= threshold(state, service);
    if !tripped {
        return;
    }
    let (id, count) = (primary.id.clone(), primary.failed);
    let wants_rollback = breaker(service)["rollback"].as_bool().unwrap_or(false);
    let rolling_back = primary.rolling_back;
    let record = primary.service_deployment.clone();
    let threshold = threshold(state, service);
    if let Some(record) = state.ecs.rollout_mut(&record) {
        record["deploymentCircuitBreaker"] = json!({ "status": "TRIGGERED", "failureCount": count, "threshold": threshold });
    }
    events::say(state, service_arn, &format!("(deployment {id}) deployment failed: tasks failed to start."));
    let now = state.now;
    if let Some(deployment) = state.ecs.service_mut(service_arn).and_then(|service| service.deployment_mut(&id)) {
        deployment.set(Rollout::Failed, "ECS deployment circuit breaker: tasks failed to start.".to_owned(), now);
    }
    let reason = "Service deployment rolled back because the circuit breaker threshold was exceeded.";
    if wants_rollback && !rolling_back && roll_back(state, service_arn, reason, "ROLLBACK_IN_PROGRESS", true) {
        return;
    }
    let status = if wants_rollback || rolling_back { "ROLLBACK_FAILED" } else { "STOPPED" };
    records::finish(state, &record, status, "Service deployment failed: tasks failed to start.");
}

/// Makes the earlier COMPLETED deployment PRIMARY again and rolls it out. `false`: there is none.
pub(super) fn roll_back(state: &mut State, service_arn: &str, reason: &str, status: &str, by_breaker: bool) -> bool {
    let Some(service) = state.ecs.service(service_arn) else { return false };
    let Some(earlier) = service.deployments.iter().skip(1).find(|deployment| deployment.rollout == Rollout::Completed).cloned()
    else {
        return false;
    };
    let failed = service.deployments[0].clone();
    let id = if state.assume.compute.rollback_reuses_deployment {
        earlier.id.clone()
    } else {
        let fresh = deployments::fresh_id(state);
        for task in state.ecs.tasks.iter_mut().filter(|task| task.deployment == earlier.id) {
            task.deployment.clone_from(&fresh);
        }
        fresh
    };
    let words = if by_breaker {
        format!("ECS deployment circuit breaker: rolling back to deploymentId {id}.")
    } else {
        format!("ECS deployment {id} in progress.")
    };
    let now = state.now;
    let mut restored = Deployment { id: id.clone(), failed: 0, start_failures: 0, launch_after: 0, rolling_back: true, ..earlier };
    restored.shown_record = state.assume.compute.rollback_returns_record.then(|| restored.service_deployment.clone());
    restored.service_deployment.clone_from(&failed.service_deployment);
    restored.set(Rollout::InProgress, words, now);
    if let Some(record) = state.ecs.rollout_mut(&failed.service_deployment) {
        record["status"] = json!(status);
        record["statusReason"] = json!(reason);
        record["updatedAt"] = epoch(now);
        record["rollback"] = json!({ "reason": reason, "startedAt": epoch(now), "serviceRevisionArn": restored.revision });
    }
    let Some(service) = state.ecs.service_mut(service_arn) else { return false };
    restored.desired = service.desired;
    service.adopt_spec(&restored.spec.clone());
    let old_id = service.deployments.iter().position(|deployment| deployment.revision == restored.revision);
    if let Some(index) = old_id {
        service.deployments.remove(index);
    }
    service.deployments.insert(0, restored);
    if let Some(failed) = service.deployment_mut(&failed.id)
        && failed.rollout == Rollout::InProgress
    {
        failed.set(Rollout::Failed, format!("ECS deployment {} was stopped.", failed.id), now);
    }
    events::say(state, service_arn, &format!("rolling back to deployment {id}."));
    true
}
