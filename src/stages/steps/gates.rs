//! Gates: a person approves a stage, or its services are watched for a while.
//!
//! What is watched is what the run changed. Trouble is told apart from the ordinary by what was so at the first look:
//!
//! | seen | at once, or for how long | verdict |
//! | --- | --- | --- |
//! | another deployment than at the first look | at once | trouble: somebody, or a circuit breaker, deployed |
//! | the deployment FAILED, or has more failed tasks than at the first look | at once | trouble |
//! | fewer tasks run than are wanted | a minute | trouble: one task that is replaced is none |
//! | a target of its groups is unhealthy | a minute | trouble |
//! | the service is gone or not ACTIVE | two looks | trouble |

use std::collections::BTreeMap;
use std::time::Duration;

use async_trait::async_trait;
use serde_json::{Value, json};

use super::tasks;
use crate::aws::{Reason, STALENESS};
use crate::model::{Failure, FailureKind, Progress};
use crate::stages::step::{Context, Polled, StepError, WaitStep, Waiter, text};

/// `gate.approve`: `{message}`.
pub struct Approval;
/// `gate.bake`: `{cluster, services, forS}`.
pub struct Bake;

/// Between looks.
const INTERVAL: Duration = Duration::from_secs(10);
/// How long a service may be short of tasks or healthy targets: Fargate replaces a task in less.
const SHORT: Duration = Duration::from_secs(60);

#[async_trait(?Send)]
impl WaitStep for Approval {
    fn begin(&self, params: &Value) -> Result<Box<dyn Waiter>, StepError> {
        Ok(Box::new(Approving { message: text(params, "/message")?.to_owned() }))
    }
}

struct Approving {
    message: String,
}

#[async_trait(?Send)]
impl Waiter for Approving {
    async fn poll(&mut self, _cx: &Context<'_>, _waited: Duration) -> Result<Polled, StepError> {
        Ok(Polled::Held(APPROVAL.to_owned(), self.message.clone()))
    }
}

/// The result of an approval that is still to be given.
pub const APPROVAL: &str = "approval";

#[async_trait(?Send)]
impl WaitStep for Bake {
    fn begin(&self, params: &Value) -> Result<Box<dyn Waiter>, StepError> {
        let services = params["services"].as_array().into_iter().flatten().filter_map(Value::as_str);
        Ok(Box::new(Watching {
            cluster: text(params, "/cluster")?.to_owned(),
            services: services.map(|name| (name.to_owned(), Watched::default())).collect(),
            whole: Duration::from_secs(params["forS"].as_u64().unwrap_or(0)),
        }))
    }
}

struct Watching {
    cluster: String,
    services: BTreeMap<String, Watched>,
    whole: Duration,
}

/// A service as it was at the first look, and since when it is not well.
#[derive(Default)]
struct Watched {
    first: Option<(String, i64)>,
    short_since: Option<Duration>,
    gone_since: Option<Duration>,
}

#[async_trait(?Send)]
impl Waiter for Watching {
    async fn poll(&mut self, cx: &Context<'_>, waited: Duration) -> Result<Polled, StepError> {
        let mut seen = Vec::new();
        for (name, watched) in &mut self.services {
            let service = cx.aws.service(&self.cluster, name).await?.filter(|service| service["status"] == "ACTIVE");
            let unhealthy = match &service {
                Some(service) => unhealthy(cx, service).await?,
                None => None,
            };
            match watched.judge(service.as_ref(), unhealthy, waited) {
                Ok(words) => seen.push(format!("{name}: {words}")),
                Err(why) => {
                    let mut causes = vec![why];
                    if let Some((deployment, _)) = &watched.first {
                        causes.extend(tasks::stopped_reasons(cx.aws, &self.cluster, deployment, 3).await);
                    }
                    let message = format!("`{name}` did not stay well while it was watched");
                    return Ok(Polled::Failed(Failure::of(FailureKind::Rollout, message).because(causes)));
                }
            }
        }
        let left = self.whole.saturating_sub(waited);
        if left.is_zero() {
            return Ok(Polled::Done(json!({ "watchedS": self.whole.as_secs() })));
        }
        // A countdown that says a minute more than is left would be a riddle: up to the next second.
        let left_s = left.as_millis().div_ceil(1000).try_into().unwrap_or(u64::MAX);
        (cx.report)(Progress::Countdown { left_s, seen: seen.join("; ") });
        Ok(Polled::Again(INTERVAL.min(left)))
    }
}

impl Watched {
    /// How it is, in a few words; or what is wrong.
    fn judge(&mut self, service: Option<&Value>, unhealthy: Option<String>, at: Duration) -> Result<String, String> {
        let Some(service) = service else {
            let since = *self.gone_since.get_or_insert(at);
            if at.saturating_sub(since) >= STALENESS {
                return Err("the service is gone, or not ACTIVE any more".to_owned());
            }
            return Ok("not found".to_owned());
        };
        self.gone_since = None;
        let deployments = service["deployments"].as_array().map(Vec::as_slice).unwrap_or_default();
        let Some(primary) = deployments.iter().find(|deployment| deployment["status"] == "PRIMARY") else {
            return Err("the service has no deployment any more".to_owned());
        };
        let (id, failed) = (primary["id"].as_str().unwrap_or_default(), primary["failedTasks"].as_i64().unwrap_or(0));
        let (first, tolerated) = self.first.get_or_insert_with(|| (id.to_owned(), failed)).clone();
        if first != id {
            let reason = primary["rolloutStateReason"].as_str().unwrap_or("no reason given");
            return Err(format!("deployment {id} took the place of {first}: {reason}"));
        }
        if primary["rolloutState"] == "FAILED" {
            return Err(format!("deployment {id} failed: {}", primary["rolloutStateReason"].as_str().unwrap_or("no reason given")));
        }
        if failed > tolerated {
            return Err(format!("{failed} tasks of deployment {id} failed, {tolerated} when the watch began"));
        }
        let (running, desired) = (service["runningCount"].as_i64().unwrap_or(0), service["desiredCount"].as_i64().unwrap_or(0));
        let short = (running < desired).then(|| format!("{running} of {desired} tasks run"));
        let Some(why) = short.or(unhealthy) else {
            self.short_since = None;
            return Ok(format!("{running} of {desired} tasks run"));
        };
        let since = *self.short_since.get_or_insert(at);
        if at.saturating_sub(since) >= SHORT {
            return Err(format!("{why}, for {} s", at.saturating_sub(since).as_secs()));
        }
        Ok(why)
    }
}

/// The first unhealthy target among the tasks of a service, in words.
async fn unhealthy(cx: &Context<'_>, service: &Value) -> Result<Option<String>, StepError> {
    let groups = service["loadBalancers"].as_array().into_iter().flatten();
    let groups: Vec<&str> = groups.filter_map(|entry| entry["targetGroupArn"].as_str()).collect();
    if groups.is_empty() {
        return Ok(None);
    }
    let (cluster, name) = (service["clusterArn"].as_str().unwrap_or_default(), service["serviceName"].as_str().unwrap_or_default());
    let own = tasks::addresses(cx.aws, cluster, name).await?;
    for group in groups {
        let health = match cx.aws.target_health(group).await {
            Err(error) if error.reason == Reason::Missing => return Ok(Some(format!("target group {group} is gone"))),
            health => health?,
        };
        for target in health {
            if own.contains(&target.ip) && target.state == "unhealthy" {
                let why = target.description.unwrap_or_else(|| "no reason given".to_owned());
                return Ok(Some(format!("target {}:{} is unhealthy: {why}", target.ip, target.port.unwrap_or_default())));
            }
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn service(deployment: &str, failed: i64, running: i64) -> Value {
        json!({ "runningCount": running, "desiredCount": 2, "deployments": [
            { "id": deployment, "status": "PRIMARY", "rolloutState": "COMPLETED", "failedTasks": failed, "rolloutStateReason": "why" }] })
    }

    /// What the last of these looks, ten seconds apart, finds.
    fn last(looks: &[(Option<Value>, Option<&str>)]) -> Result<String, String> {
        let mut watched = Watched::default();
        let mut found = Ok(String::new());
        for (at, (service, unhealthy)) in looks.iter().enumerate() {
            let at = INTERVAL.saturating_mul(u32::try_from(at).expect("few"));
            found = watched.judge(service.as_ref(), unhealthy.map(str::to_owned), at);
        }
        found
    }

    #[test]
    fn trouble_is_told_from_the_ordinary() {
        let well = || (Some(service("one", 1, 2)), None);
        let with = |found: Value| (Some(found), None);
        assert_eq!(last(&[well(), well()]), Ok("2 of 2 tasks run".to_owned()));
        let told = |looks: &[_], words: &str| assert!(last(looks).is_err_and(|why| why.contains(words)), "{:?}", last(looks));
        told(&[well(), with(service("two", 0, 2))], "deployment two took the place of one: why");
        told(&[well(), with(service("one", 2, 2))], "2 tasks of deployment one failed, 1 when");
        // One task that is replaced is no trouble; one that stays away is.
        let short = || with(service("one", 1, 1));
        assert_eq!(last(&[well(), short(), short()]), Ok("1 of 2 tasks run".to_owned()));
        told(&[short(), short(), short(), short(), short(), short(), short()], "1 of 2 tasks run, for 60 s");
        assert!(last(&[short(), short(), short(), well(), short(), short(), short(), short()]).is_ok(), "it was well in between");
        let sick = || (Some(service("one", 1, 2)), Some("target 10.0.0.1:80 is unhealthy: timeout"));
        assert!(last(&[well(), sick()]).is_ok_and(|words| words.contains("unhealthy")));
        told(&[sick(), sick(), sick(), sick(), sick(), sick(), sick()], "timeout, for 60 s");
        assert!(last(&[well(), (None, None)]).is_ok(), "a stale read");
        told(&[well(), (None, None), (None, None), (None, None)], "gone");
    }
}
