//! Waiting for a target group: our own tasks healthy in it, or certain addresses gone from it. Several services may share a
//! group (sidecars sit in the same one), so targets are told apart by address.

use std::time::Duration;

use async_trait::async_trait;
use serde_json::{Value, json};

use super::tasks;
use crate::aws::{Aws, Reason};
use crate::model::{Failure, FailureKind, Progress};
use crate::stages::step::{Context, Polled, StepError, WaitStep, Waiter, spell, text};

/// `elb.await-own-targets`: `{cluster, service, targetGroup, port, count}`. In plans of before `ecs.await-serving` alone, which looks at the
/// targets too.
pub struct AwaitOwnTargets;
/// `elb.await-no-targets`: `{targetGroup, addresses}`.
pub struct AwaitNoTargets;

const INTERVAL: Duration = Duration::from_secs(4);

#[async_trait(?Send)]
impl WaitStep for AwaitOwnTargets {
    fn begin(&self, params: &Value) -> Result<Box<dyn Waiter>, StepError> {
        Ok(Box::new(OwnTargets { params: params.clone(), last: None }))
    }
}

struct OwnTargets {
    params: Value,
    /// What was seen last, for the failure at the deadline.
    last: Option<String>,
}

#[async_trait(?Send)]
impl Waiter for OwnTargets {
    async fn poll(&mut self, cx: &Context<'_>, _waited: Duration) -> Result<Polled, StepError> {
        let (cluster, service) = (text(&self.params, "/cluster")?, text(&self.params, "/service")?);
        let group = text(&self.params, "/targetGroup")?;
        let port = self.params["port"].as_i64();
        let count = usize::try_from(self.params["count"].as_u64().unwrap_or(1)).unwrap_or(usize::MAX);
        let tasks = tasks::running(cx.aws, cluster, service).await?;
        let own: Vec<&str> = tasks.iter().filter_map(tasks::address).collect();
        let health = match cx.aws.target_health(group).await {
            Err(error) if error.reason == Reason::Missing => {
                let message = format!("target group {group}, which `{service}` is to be in, is gone");
                return Ok(Polled::Failed(Failure::of(FailureKind::Mismatch, message)));
            }
            health => health?,
        };
        let ours: Vec<_> = health
            .iter()
            .filter(|target| own.contains(&target.ip.as_str()) && (port.is_none() || target.port.map(i64::from) == port))
            .collect();
        let healthy = ours.iter().filter(|target| target.state == "healthy").count();
        (cx.report)(Progress::Targets { healthy, total: count, draining: 0 });
        if healthy >= count && ours.len() == healthy {
            return Ok(Polled::Done(json!({ "addresses": own })));
        }
        self.last = ours.iter().find(|target| target.state != "healthy").map(|target| {
            let words = target.description.as_deref().unwrap_or("no reason given");
            format!("target {}:{} is {}: {words}", target.ip, target.port.unwrap_or_default(), target.state)
        });
        Ok(Polled::Again(INTERVAL))
    }

    async fn overdue(&mut self, _cx: &Context<'_>, deadline: Duration) -> Failure {
        let message = format!("the service's own task is not healthy in its target group after {}", spell(deadline));
        Failure::of(FailureKind::Deadline, message).because(self.last.take())
    }
}

/// The targets of a service's own tasks in its groups, for who looks on; none where it is in no group, or that cannot be read.
pub async fn seen(aws: &Aws, cluster: &str, service: &str) -> Option<Progress> {
    let found = aws.service(cluster, service).await.ok()??;
    let groups = found["loadBalancers"].as_array().into_iter().flatten();
    let groups: Vec<&str> = groups.filter_map(|entry| entry["targetGroupArn"].as_str()).collect();
    if groups.is_empty() {
        return None;
    }
    let own = tasks::addresses(aws, cluster, service).await.ok()?;
    let (mut healthy, mut total, mut draining) = (0, 0, 0);
    for group in groups {
        for target in aws.target_health(group).await.ok()? {
            // A task that has stopped is no longer the service's, but drains in the group that it was in.
            match target.state.as_str() {
                "draining" => draining += 1,
                state if own.contains(&target.ip) => {
                    total += 1;
                    healthy += usize::from(state == "healthy");
                }
                _ => {}
            }
        }
    }
    Some(Progress::Targets { healthy, total, draining })
}

#[async_trait(?Send)]
impl WaitStep for AwaitNoTargets {
    fn begin(&self, params: &Value) -> Result<Box<dyn Waiter>, StepError> {
        Ok(Box::new(NoTargets { params: params.clone() }))
    }
}

struct NoTargets {
    params: Value,
}

#[async_trait(?Send)]
impl Waiter for NoTargets {
    async fn poll(&mut self, cx: &Context<'_>, _waited: Duration) -> Result<Polled, StepError> {
        let group = text(&self.params, "/targetGroup")?;
        let noted: Vec<&str> = self.params["addresses"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        let health = match cx.aws.target_health(group).await {
            Ok(health) => health,
            // A group that is gone has no targets.
            Err(error) if error.reason == Reason::Missing => Vec::new(),
            Err(error) => return Err(error.into()),
        };
        let left: Vec<_> = health.iter().filter(|target| noted.contains(&target.ip.as_str()) && target.state != "unused").collect();
        if left.is_empty() {
            return Ok(Polled::Done(json!({ "gone": noted.len() })));
        }
        let draining = left.iter().filter(|target| target.state == "draining").count();
        (cx.report)(Progress::Targets { healthy: noted.len() - left.len().min(noted.len()), total: noted.len(), draining });
        Ok(Polled::Again(INTERVAL))
    }
}
