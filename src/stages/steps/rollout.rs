//! Waiting for a rollout. It is ours or it failed: "the service is stable" is also what a circuit breaker's rollback looks like.
//!
//! | # | what DescribeServices shows | verdict |
//! | --- | --- | --- |
//! | 1 | our deployment is PRIMARY and COMPLETED, alone, all tasks run, revision members as asked for | done |
//! | 2 | our deployment FAILED | failed |
//! | 3 | our deployment is gone, or not PRIMARY, for longer than reads may be stale | failed: rolled back or superseded |
//! | 4 | no circuit breaker, and our deployment's failed tasks reach ECS's own threshold | failed |
//! | 5 | anything else | wait |

use std::collections::BTreeSet;
use std::time::Duration;

use async_trait::async_trait;
use serde_json::{Value, json};

use super::service_update::same;
use super::{logs, tasks};
use crate::aws::STALENESS;
use crate::aws::task_definition::short_name;
use crate::model::{Failure, FailureKind, Progress};
use crate::stages::step::{Context, Polled, StepError, WaitStep, Waiter, spell, text};

/// `ecs.await-rollout`: `{cluster, service, deployment, want}`.
pub struct AwaitRollout;
/// `ecs.await-service`: `{cluster, service, until: "stopped" | "inactive"}`.
pub struct AwaitInactive;

/// Between looks while tasks are still to start: nothing can end within seconds.
const FAR: Duration = Duration::from_secs(6);
/// Between looks once the new tasks run: the end may come any moment, and is noticed half of this later on average.
const NEAR: Duration = Duration::from_secs(3);

/// ECS's own circuit-breaker threshold: half of the desired tasks, at least 3, at most 200.
fn breaker_threshold(desired: i64) -> i64 {
    ((desired + 1) / 2).clamp(3, 200)
}

/// Why a deployment will not come to a good end, if so. `tolerated` is the number of failed tasks that is no news.
pub(super) fn failing(service: &Value, deployment: &str, tolerated: i64) -> Option<String> {
    let found = service["deployments"].as_array()?.iter().find(|known| known["id"] == deployment)?;
    if found["rolloutState"] == "FAILED" {
        let reason = found["rolloutStateReason"].as_str().unwrap_or("no reason given");
        return Some(format!("deployment {deployment} failed: {reason}"));
    }
    let breaker = service["deploymentConfiguration"]["deploymentCircuitBreaker"]["enable"] == true;
    let failed = found["failedTasks"].as_i64().unwrap_or(0);
    let threshold = breaker_threshold(found["desiredCount"].as_i64().unwrap_or(1));
    (!breaker && failed - tolerated >= threshold).then(|| format!("{failed} tasks in a row of deployment {deployment} failed"))
}

#[async_trait(?Send)]
impl WaitStep for AwaitRollout {
    fn begin(&self, params: &Value) -> Result<Box<dyn Waiter>, StepError> {
        Ok(Box::new(Rollout { params: params.clone(), events: None, tolerated: None, last: None }))
    }
}

struct Rollout {
    params: Value,
    /// Ids of the service events seen so far; `None` before the first look.
    events: Option<BTreeSet<String>>,
    /// Failed tasks at the first look: they are not this wait's.
    tolerated: Option<i64>,
    last: Option<Progress>,
}

#[async_trait(?Send)]
impl Waiter for Rollout {
    async fn poll(&mut self, cx: &Context<'_>, waited: Duration) -> Result<Polled, StepError> {
        let (cluster, name) = (text(&self.params, "/cluster")?.to_owned(), text(&self.params, "/service")?.to_owned());
        let mine = text(&self.params, "/deployment")?.to_owned();
        let service = cx.aws.service(&cluster, &name).await?.unwrap_or(Value::Null);
        self.tell_events(cx, &service, &mine);
        let deployments = service["deployments"].as_array().cloned().unwrap_or_default();
        let ours = deployments.iter().find(|deployment| deployment["id"] == mine.as_str());
        let fresh_reads = waited > STALENESS.saturating_mul(2);
        let Some(ours) = ours.filter(|deployment| deployment["status"] == "PRIMARY") else {
            if !fresh_reads {
                return Ok(Polled::Again(NEAR));
            }
            return Ok(Polled::Failed(self.lost(cx, &cluster, &service, &mine).await));
        };
        let progress = self.tell_progress(cx, ours, &deployments);
        let failed = ours["failedTasks"].as_i64().unwrap_or(0);
        let tolerated = *self.tolerated.get_or_insert(failed);
        self.tolerated = Some(tolerated.min(failed));
        if let Some(why) = failing(&service, &mine, tolerated.min(failed)) {
            return Ok(Polled::Failed(self.failed(cx, &cluster, &service, &mine, why).await));
        }
        if is_complete(&service, ours, deployments.len(), &self.params["want"]) {
            return Ok(Polled::Done(json!({ "deployment": mine, "createdAt": ours["createdAt"], "updatedAt": ours["updatedAt"],
                    "taskDefinition": service["taskDefinition"] })));
        }
        if ours["rolloutState"] == "COMPLETED" && fresh_reads && !as_wanted(&service, &self.params["want"]) {
            let why = "the rollout is complete, but the service is not what was asked for".to_owned();
            return Ok(Polled::Failed(self.failed(cx, &cluster, &service, &mine, why).await));
        }
        Ok(Polled::Again(if progress.near_the_end { NEAR } else { FAR }))
    }

    async fn overdue(&mut self, cx: &Context<'_>, deadline: Duration) -> Failure {
        let cluster = self.params["cluster"].as_str().unwrap_or_default().to_owned();
        let mine = self.params["deployment"].as_str().unwrap_or_default().to_owned();
        let message = format!("the rollout of {} is not complete after {}", self.params["service"], spell(deadline));
        let causes = tasks::stopped_reasons(cx.aws, &cluster, &mine, 3).await;
        Failure::of(FailureKind::Deadline, message.replace('"', "`")).because(causes)
    }
}

struct Shown {
    near_the_end: bool,
}

impl Rollout {
    /// Service events that were not there before: those newer than our deployment.
    fn tell_events(&mut self, cx: &Context<'_>, service: &Value, mine: &str) {
        let Some(events) = service["events"].as_array() else { return };
        let since = service["deployments"]
            .as_array()
            .into_iter()
            .flatten()
            .find(|deployment| deployment["id"] == mine)
            .and_then(|deployment| deployment["createdAt"].as_f64());
        let seen = self.events.get_or_insert_default();
        for event in events.iter().rev() {
            let id = event["id"].as_str().unwrap_or_default().to_owned();
            let old = since.zip(event["createdAt"].as_f64()).is_some_and(|(since, at)| at < since);
            if seen.insert(id) && !old && since.is_some() {
                (cx.report)(Progress::ServiceEvent { message: event["message"].as_str().unwrap_or_default().to_owned() });
            }
        }
    }

    fn tell_progress(&mut self, cx: &Context<'_>, ours: &Value, deployments: &[Value]) -> Shown {
        let number = |name: &str| ours[name].as_i64().unwrap_or(0);
        let old =
            deployments.iter().filter(|other| other["id"] != ours["id"]).filter_map(|other| other["runningCount"].as_i64()).sum();
        let progress = Progress::Rollout {
            desired: number("desiredCount"),
            pending: number("pendingCount"),
            running: number("runningCount"),
            failed: number("failedTasks"),
            old,
            revision: revision(ours),
            replaces: deployments
                .iter()
                .find(|other| other["id"] != ours["id"] && other["taskDefinition"] != ours["taskDefinition"])
                .map(revision)
                .unwrap_or_default(),
        };
        if self.last.as_ref() != Some(&progress) {
            (cx.report)(progress.clone());
            self.last = Some(progress);
        }
        // While old tasks run, or new ones are still to start, the rollout cannot end.
        Shown { near_the_end: number("runningCount") >= number("desiredCount") && old == 0 }
    }

    async fn failed(&self, cx: &Context<'_>, cluster: &str, service: &Value, mine: &str, why: String) -> Failure {
        let name = service["serviceName"].as_str().unwrap_or_default();
        let mut causes = vec![why];
        causes.extend(tasks::stopped_reasons(cx.aws, cluster, mine, 3).await);
        // What they said matters more than why they cannot be read.
        for logged in logs::last_lines(cx.aws, cluster, name, Some(mine)).await.unwrap_or_default() {
            (cx.report)(logged);
        }
        Failure::of(FailureKind::Rollout, format!("the rollout of `{name}` failed")).because(causes)
    }

    /// Our deployment is not the PRIMARY one any more.
    async fn lost(&self, cx: &Context<'_>, cluster: &str, service: &Value, mine: &str) -> Failure {
        let primary = service["deployments"].as_array().into_iter().flatten().find(|deployment| deployment["status"] == "PRIMARY");
        let why = match primary {
            None => "the service has no deployment any more".to_owned(),
            Some(primary) => {
                let reason = primary["rolloutStateReason"].as_str().unwrap_or_default();
                let runs = short_name(primary["taskDefinition"].as_str().unwrap_or_default());
                if reason.contains("circuit breaker") || reason.contains("rolling back") {
                    format!("deployment {mine} was rolled back by the circuit breaker; the service runs {runs} again")
                } else {
                    format!("deployment {mine} is not the primary one any more: {} of {runs} is ({reason})", primary["id"])
                }
            }
        };
        self.failed(cx, cluster, service, mine, why).await
    }
}

/// `family:number` of what a deployment runs.
fn revision(deployment: &Value) -> String {
    short_name(deployment["taskDefinition"].as_str().unwrap_or_default()).to_owned()
}

pub(super) fn as_wanted(service: &Value, want: &Value) -> bool {
    ["taskDefinition", "loadBalancers", "serviceRegistries"]
        .iter()
        .all(|member| want.get(*member).is_none_or(|wanted| same(member, wanted, service)))
}

fn is_complete(service: &Value, ours: &Value, deployments: usize, want: &Value) -> bool {
    ours["rolloutState"] == "COMPLETED"
        && deployments == 1
        && service["runningCount"] == service["desiredCount"]
        && as_wanted(service, want)
}

#[async_trait(?Send)]
impl WaitStep for AwaitInactive {
    fn begin(&self, params: &Value) -> Result<Box<dyn Waiter>, StepError> {
        Ok(Box::new(Ending { params: params.clone() }))
    }
}

struct Ending {
    params: Value,
}

#[async_trait(?Send)]
impl Waiter for Ending {
    async fn poll(&mut self, cx: &Context<'_>, _waited: Duration) -> Result<Polled, StepError> {
        let service = cx.aws.service(text(&self.params, "/cluster")?, text(&self.params, "/service")?).await?;
        let Some(service) = service.filter(|service| service["status"] != "INACTIVE") else { return Ok(Polled::Done(json!({}))) };
        let running = service["runningCount"].as_i64().unwrap_or(0) + service["pendingCount"].as_i64().unwrap_or(0);
        let desired = service["desiredCount"].as_i64().unwrap_or(0);
        // DeleteService is refused while a deployment that was replaced is still being wound up. One that failed never is.
        let deployments = service["deployments"].as_array().map(Vec::as_slice).unwrap_or_default();
        let settled = deployments.len() <= 1 || deployments.iter().any(|deployment| deployment["rolloutState"] == "FAILED");
        if self.params["until"] == "stopped" && running == 0 && desired == 0 && settled {
            return Ok(Polled::Done(json!({})));
        }
        let (revision, replaces) = (String::new(), String::new());
        (cx.report)(Progress::Rollout { desired, pending: 0, running, failed: 0, old: 0, revision, replaces });
        Ok(Polled::Again(FAR))
    }

    async fn overdue(&mut self, _cx: &Context<'_>, deadline: Duration) -> Failure {
        let message = format!("service {} is still there after {}", self.params["service"], spell(deadline));
        Failure::of(FailureKind::Stuck, message.replace('"', "`"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn service(rollout: &str, failed: i64, breaker: bool) -> Value {
        json!({ "deploymentConfiguration": { "deploymentCircuitBreaker": { "enable": breaker } }, "runningCount": 2, "desiredCount": 2,
            "taskDefinition": "f:2",
            "deployments": [{ "id": "mine", "status": "PRIMARY", "rolloutState": rollout, "failedTasks": failed, "desiredCount": 2 }] })
    }

    #[test]
    fn failed_tasks_end_a_rollout_only_where_no_breaker_would() {
        assert_eq!(breaker_threshold(1), 3);
        assert_eq!(breaker_threshold(25), 13);
        assert_eq!(breaker_threshold(1000), 200);
        assert!(failing(&service("IN_PROGRESS", 3, false), "mine", 0).is_some());
        assert!(failing(&service("IN_PROGRESS", 3, false), "mine", 1).is_none(), "one of them was there before this wait");
        assert!(failing(&service("IN_PROGRESS", 9, true), "mine", 0).is_none(), "the breaker decides");
        assert!(failing(&service("FAILED", 0, true), "mine", 0).is_some());
    }

    #[test]
    fn complete_means_ours_alone_and_as_asked_for() {
        let done = service("COMPLETED", 0, true);
        let ours = &done["deployments"][0];
        assert!(is_complete(&done, ours, 1, &json!({ "taskDefinition": "f:2" })));
        assert!(!is_complete(&done, ours, 2, &json!({ "taskDefinition": "f:2" })), "old tasks still run");
        assert!(!is_complete(&done, ours, 1, &json!({ "taskDefinition": "f:3" })), "a rollback looks stable too");
    }
}
