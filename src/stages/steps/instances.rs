//! Waiting for Cloud Map instances: every task of a service registered and healthy, or none left.

use std::time::Duration;

use async_trait::async_trait;
use serde_json::{Value, json};

use super::tasks;
use crate::aws::{Aws, CallError, Reason};
use crate::model::{Failure, FailureKind, Progress};
use crate::stages::step::{Context, Polled, StepError, WaitStep, Waiter, spell, text};

/// `servicediscovery.await-instances`: `{serviceId, cluster, service, count}`.
pub struct AwaitInstances;
/// `servicediscovery.await-no-instances`: `{serviceId}`.
pub struct AwaitNoInstances;

const INTERVAL: Duration = Duration::from_secs(4);

/// The ids of the instances registered with a Cloud Map service; none when the service itself is gone.
///
/// # Errors
/// [`CallError`].
pub async fn registered(aws: &Aws, service_id: &str) -> Result<Vec<String>, CallError> {
    let listed = aws
        .read_pages("servicediscovery:ListInstances", service_id, json!({ "ServiceId": service_id }), "Instances", "NextToken")
        .await;
    match listed {
        Ok(instances) => Ok(instances.iter().filter_map(|instance| instance["Id"].as_str()).map(str::to_owned).collect()),
        Err(error) if error.reason == Reason::Missing => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

/// The ids whose health is HEALTHY. An instance that was registered a moment ago may not be known yet.
///
/// # Errors
/// [`CallError`].
pub async fn healthy(aws: &Aws, service_id: &str) -> Result<Vec<String>, CallError> {
    match aws.read("servicediscovery:GetInstancesHealthStatus", service_id, json!({ "ServiceId": service_id })).await {
        Ok(answer) => {
            let status = answer["Status"].as_object().cloned().unwrap_or_default();
            Ok(status.into_iter().filter(|(_, health)| health == "HEALTHY").map(|(id, _)| id).collect())
        }
        Err(error) if error.reason == Reason::Missing => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

#[async_trait(?Send)]
impl WaitStep for AwaitInstances {
    fn begin(&self, params: &Value) -> Result<Box<dyn Waiter>, StepError> {
        Ok(Box::new(Instances { params: params.clone() }))
    }
}

struct Instances {
    params: Value,
}

#[async_trait(?Send)]
impl Waiter for Instances {
    async fn poll(&mut self, cx: &Context<'_>, _waited: Duration) -> Result<Polled, StepError> {
        let service_id = text(&self.params, "/serviceId")?;
        let count = usize::try_from(self.params["count"].as_u64().unwrap_or(1)).unwrap_or(usize::MAX);
        let tasks = tasks::running(cx.aws, text(&self.params, "/cluster")?, text(&self.params, "/service")?).await?;
        let registered = registered(cx.aws, service_id).await?;
        let healthy = if registered.is_empty() { Vec::new() } else { healthy(cx.aws, service_id).await? };
        // ECS uses the task's id as the instance's.
        let own = tasks.iter().filter(|task| healthy.iter().any(|id| id == tasks::id(task))).count();
        let stale = registered.iter().filter(|id| !tasks.iter().any(|task| tasks::id(task) == id.as_str())).count();
        (cx.report)(Progress::Instances { healthy: own, total: registered.len() });
        if own >= count && own == tasks.len() && stale == 0 {
            return Ok(Polled::Done(json!({ "instances": registered })));
        }
        Ok(Polled::Again(INTERVAL))
    }

    async fn overdue(&mut self, _cx: &Context<'_>, deadline: Duration) -> Failure {
        let message = format!("no healthy instance answers for the name after {}", spell(deadline));
        Failure::of(FailureKind::Deadline, message)
    }
}

#[async_trait(?Send)]
impl WaitStep for AwaitNoInstances {
    fn begin(&self, params: &Value) -> Result<Box<dyn Waiter>, StepError> {
        Ok(Box::new(NoInstances { params: params.clone() }))
    }
}

struct NoInstances {
    params: Value,
}

#[async_trait(?Send)]
impl Waiter for NoInstances {
    async fn poll(&mut self, cx: &Context<'_>, _waited: Duration) -> Result<Polled, StepError> {
        let left = registered(cx.aws, text(&self.params, "/serviceId")?).await?;
        if left.is_empty() {
            return Ok(Polled::Done(json!({})));
        }
        (cx.report)(Progress::Instances { healthy: 0, total: left.len() });
        Ok(Polled::Again(INTERVAL))
    }

    async fn overdue(&mut self, cx: &Context<'_>, deadline: Duration) -> Failure {
        let left = match text(&self.params, "/serviceId") {
            Ok(id) => registered(cx.aws, id).await.unwrap_or_default(),
            Err(_) => Vec::new(),
        };
        let message = format!("Cloud Map instances are still registered after {}", spell(deadline));
        Failure::of(FailureKind::Stuck, message).because(left.into_iter().map(|id| format!("instance {id}")))
    }
}
