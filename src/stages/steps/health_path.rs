//! The path that a target group's health checks ask for: changing it, and watching what becomes of the targets.

use std::collections::BTreeMap;
use std::time::Duration;

use async_trait::async_trait;
use serde_json::{Value, json};

use crate::aws::{Aws, CallError, Reason, TargetGroup, TargetHealth};
use crate::model::{CallNote, Failure, FailureKind, Mutation, Progress, StepClass, Verdict};
use crate::stages::step::{Applied, Context, Left, MutationStep, Polled, Prepared, StepError, UndoStep, WaitStep, Waiter, text};

/// `elb.set-health-path`: `{targetGroup, name, path, from, seconds?}`; `back` true on the way back. `seconds` is how long a target takes
/// at most until it is judged by the new path: so long the way back looks at what the group's targets become.
pub struct SetHealthPath;
/// `elb.watch-targets`: `{targetGroup, name, path, seconds}`.
pub struct WatchTargets;

const OPERATION: &str = "ModifyTargetGroup";
/// Between looks. A target becomes unhealthy at its checks, which are five seconds apart at least.
const INTERVAL: Duration = Duration::from_secs(5);

async fn find(aws: &Aws, arn: &str) -> Result<Option<TargetGroup>, CallError> {
    Ok(aws.target_groups(&[arn.to_owned()]).await?.into_iter().next())
}

#[async_trait(?Send)]
impl MutationStep for SetHealthPath {
    async fn prepare(&self, cx: &Context<'_>, params: &Value) -> Result<Prepared, StepError> {
        let (name, path, from) = (text(params, "/name")?, text(params, "/path")?, text(params, "/from")?);
        let back = params["back"] == true;
        let now = match find(cx.aws, text(params, "/targetGroup")?).await? {
            Some(group) => group.health_path.unwrap_or_default(),
            None if back => return Ok(Prepared::Already(json!({ "found": "the target group is gone" }))),
            None => {
                let planned = format!("planned from: target group `{name}`");
                return Err(StepError::Diverged(vec![planned, "found: no such target group".to_owned()]));
            }
        };
        if now == path {
            return Ok(Prepared::Already(json!({ "found": "already so" })));
        }
        if now == from {
            return Ok(Prepared::Act(json!({})));
        }
        let found = format!("the health checks of target group `{name}` ask for {now}");
        if back {
            let message = format!("{found}, which somebody has set since this run set {from}: it is left so");
            return Err(StepError::Failed(Failure::of(FailureKind::Stuck, message)));
        }
        Err(StepError::Diverged(vec![
            format!("planned from: health checks of target group `{name}` that ask for {from}"),
            format!("planned to: {path}"),
            format!("found: {found}"),
        ]))
    }

    async fn apply(&self, cx: &Context<'_>, params: &Value, _intent: &Value) -> Result<Applied, StepError> {
        let request_id = cx.aws.set_health_path(text(params, "/targetGroup")?, text(params, "/path")?).await?;
        Ok(Applied { output: json!({}), call: CallNote { operation: OPERATION.to_owned(), request_id } })
    }

    async fn observe(&self, cx: &Context<'_>, params: &Value, _intent: &Value) -> Result<Verdict, StepError> {
        let (name, path) = (text(params, "/name")?, text(params, "/path")?);
        Ok(match find(cx.aws, text(params, "/targetGroup")?).await? {
            Some(group) if group.health_path.as_deref() == Some(path) => Verdict::Done { output: json!({}) },
            // Setting it is harmless wherever it is to be set at all, which preparing decides.
            Some(group) => {
                let now = group.health_path.unwrap_or_default();
                Verdict::NotDone { why: format!("the health checks of target group `{name}` ask for {now}") }
            }
            None => {
                let planned = format!("planned: target group `{name}`");
                Verdict::Diverged { differences: vec![planned, "found: no such target group".to_owned()] }
            }
        })
    }

    fn undo(&self, mutation: &Mutation) -> Vec<UndoStep> {
        let (params, Some(output)) = (&mutation.step.params, &mutation.output) else { return Vec::new() };
        // What was so before the first attempt is somebody else's; before a later one, an earlier attempt had landed late.
        if output["found"].is_string() && mutation.attempt == 1 {
            return Vec::new();
        }
        let (path, name) = (&params["from"], params["name"].as_str().unwrap_or_default());
        vec![UndoStep {
            name: "restore-path",
            action: "elb.set-health-path",
            class: StepClass::Mutation,
            title: format!("let the health checks of {name} ask for {} again", path.as_str().unwrap_or_default()),
            params: json!({ "targetGroup": params["targetGroup"], "name": name, "path": path, "from": params["path"], "back": true }),
            deadline_s: None,
            inputs: Vec::new(),
        }]
    }

    fn left(&self, mutation: &Mutation) -> Option<Left> {
        let params = &mutation.step.params;
        let (arn, from) = (params["targetGroup"].as_str()?, params["from"].as_str()?);
        let undone = self.undo(mutation).is_empty() || params["back"] == true;
        (!undone).then(|| Left {
            kind: "health check path of target group",
            name: params["name"].as_str().unwrap_or_default().to_owned(),
            remove: format!("aws elbv2 modify-target-group --target-group-arn {arn} --health-check-path {from}"),
        })
    }
}

#[async_trait(?Send)]
impl WaitStep for WatchTargets {
    fn begin(&self, params: &Value) -> Result<Box<dyn Waiter>, StepError> {
        Ok(Box::new(Watch { params: params.clone(), first: None }))
    }
}

struct Watch {
    params: Value,
    /// What the targets were at the first look, by address.
    first: Option<BTreeMap<String, String>>,
}

fn address(target: &TargetHealth) -> String {
    format!("{}:{}", target.ip, target.port.unwrap_or_default())
}

/// What has become worse since the first look, in words. ECS stops the task behind an unhealthy target within seconds, so one that is
/// gone counts too.
fn fallen(first: &BTreeMap<String, String>, now: &[TargetHealth]) -> Vec<String> {
    let mut words = Vec::new();
    for (address, before) in first.iter().filter(|(_, before)| *before == "healthy") {
        match now.iter().find(|target| self::address(target) == *address) {
            Some(target) if target.state == *before => {}
            Some(target) => {
                let why = target.description.as_deref().unwrap_or("no reason given");
                words.push(format!("{address} is {}: {why}", target.state));
            }
            None => words.push(format!("{address} is gone: its task was stopped")),
        }
    }
    let known = |target: &&TargetHealth| first.contains_key(&address(target));
    for target in now.iter().filter(|target| target.state == "unhealthy" && !known(target)) {
        words.push(format!("{} is unhealthy: {}", address(target), target.description.as_deref().unwrap_or("no reason given")));
    }
    words
}

#[async_trait(?Send)]
impl Waiter for Watch {
    async fn poll(&mut self, cx: &Context<'_>, waited: Duration) -> Result<Polled, StepError> {
        let health = match cx.aws.target_health(text(&self.params, "/targetGroup")?).await {
            Err(error) if error.reason == Reason::Missing => {
                let message = format!("target group `{}` is gone", text(&self.params, "/name")?);
                return Ok(Polled::Failed(Failure::of(FailureKind::Mismatch, message)));
            }
            health => health?,
        };
        let states = || health.iter().map(|target| (address(target), target.state.clone())).collect();
        let first = self.first.get_or_insert_with(states);
        let fallen = fallen(first, &health);
        if !fallen.is_empty() {
            let (name, path) = (text(&self.params, "/name")?, text(&self.params, "/path")?);
            let message = format!("targets of {name} did not stay healthy when the health checks asked for {path}");
            let consequence = "ECS replaces the tasks behind unhealthy targets, again and again: roll back".to_owned();
            return Ok(Polled::Failed(Failure::of(FailureKind::Mismatch, message).because(fallen).because([consequence])));
        }
        let in_state = |state: &str| health.iter().filter(|target| target.state == state).count();
        let (healthy, coming) = (in_state("healthy"), in_state("initial"));
        (cx.report)(Progress::Targets { healthy, total: health.len(), draining: in_state("draining") });
        let long = Duration::from_secs(self.params["seconds"].as_u64().unwrap_or(0));
        if waited >= long && coming == 0 {
            return Ok(Polled::Done(json!({ "healthy": healthy })));
        }
        Ok(Polled::Again(INTERVAL))
    }
}
