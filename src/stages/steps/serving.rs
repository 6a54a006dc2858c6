//! Whether a service is *seen* to serve: what ECS calls a rollout is a word, and the word is COMPLETED while a container that is not
//! essential has exited in every task.
//!
//! | what must be seen | where |
//! | --- | --- |
//! | the service is ACTIVE and as asked for | DescribeServices |
//! | as many tasks of its revision RUNNING as are wanted, and none of another | ListTasks, DescribeTasks |
//! | in each of them the essential containers RUNNING, and those that the run is about, essential or not | DescribeTasks |
//! | each of these HEALTHY, where it has a check | DescribeTaskDefinition, DescribeTasks |
//! | the tasks' targets healthy, in each target group that the service is in | DescribeTargetHealth |
//!
//! A task that has just started may still fall over: the same tasks must be seen so for a while.

use std::collections::BTreeSet;
use std::time::Duration;

use async_trait::async_trait;
use serde_json::{Value, json};

use super::rollout::as_wanted;
use super::tasks;
use crate::aws::task_definition::{TaskDefinition, short_name};
use crate::aws::{Aws, CallError, Reason, STALENESS, TargetHealth};
use crate::model::{Failure, FailureKind, Progress};
use crate::stages::step::{Context, Polled, StepError, WaitStep, Waiter, spell, text};

/// `ecs.await-serving`: `{cluster, service, containers, want?, lasting_s?, orGone?}`.
///
/// `containers` are those that must run wherever the service's revision has them, though they are not essential. `want` holds what
/// the service must be. The tasks must be seen to serve for `lasting_s`, 15 s if that is absent. With `orGone` a service that is
/// not there is none that must serve.
pub struct AwaitServing;

/// So long the same tasks must be seen to serve. Programs that cannot work end within seconds of their start.
const LASTING: Duration = Duration::from_secs(15);
/// Between looks.
const INTERVAL: Duration = Duration::from_secs(5);

/// What a look at a service sees.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sight {
    /// Tasks wanted.
    pub desired: usize,
    /// The ids of the tasks that serve.
    pub serving: BTreeSet<String>,
    /// What is missing, in words; nothing where the service serves.
    pub missing: Vec<String>,
    /// What is missing and does not come by itself: ECS starts no container again that has exited and is not essential.
    pub dead: Vec<String>,
}

impl Sight {
    /// Whether it serves.
    pub fn serves(&self) -> bool {
        self.missing.is_empty() && self.dead.is_empty()
    }
}

/// Looks at a service, as it was read just now. `containers` as in [`AwaitServing`].
///
/// # Errors
/// [`CallError`]: what cannot be seen is not taken for seen.
pub async fn look(aws: &Aws, cluster: &str, service: &Value, containers: &[&str]) -> Result<Sight, CallError> {
    let name = service["serviceName"].as_str().unwrap_or_default();
    let mut sight = Sight { desired: count(&service["desiredCount"]), ..Sight::default() };
    if service["status"] != "ACTIVE" {
        sight.missing.push(format!("service `{name}` is {}", service["status"].as_str().unwrap_or("gone")));
        return Ok(sight);
    }
    let revision = service["taskDefinition"].as_str().unwrap_or_default();
    let Some(definition) = aws.task_definition(revision).await? else {
        sight.missing.push(format!("{} cannot be read", short_name(revision)));
        return Ok(sight);
    };
    let matter = matter(&definition, containers);
    let tasks = tasks::running(aws, cluster, name).await?;
    let groups = targets(aws, service).await?;
    for task in &tasks {
        if task["taskDefinitionArn"] != *revision {
            let other = short_name(task["taskDefinitionArn"].as_str().unwrap_or_default());
            sight.missing.push(format!("task {} still runs {other}", tasks::id(task)));
            continue;
        }
        let dead = exited(task, matter.iter().map(|one| one.name.as_str()));
        let missing = amiss(task, &matter);
        let targets = unhealthy(task, &groups);
        if missing.is_empty() && dead.is_empty() && targets.is_empty() {
            sight.serving.insert(tasks::id(task).to_owned());
        }
        sight.missing.extend(missing.into_iter().chain(targets));
        sight.dead.extend(dead);
    }
    if sight.serving.len() < sight.desired {
        sight.missing.insert(0, format!("{} of {} tasks of `{name}` serve", sight.serving.len(), sight.desired));
    }
    // Targets that have no address of a task, as those of EC2 instances, are told by their number alone.
    for group in groups.iter().filter(|_| !tasks.is_empty() && tasks.iter().all(|task| tasks::address(task).is_none())) {
        let healthy = group.targets.iter().filter(|target| is_fine(target)).count();
        if healthy < sight.desired {
            sight.missing.push(format!("{healthy} of {} targets in {} are healthy", sight.desired, group.name()));
        }
    }
    Ok(sight)
}

/// Why tasks of a service must be started anew, if so: a container that the run is about has exited, and a task that runs on does not
/// start it again. `params` are those of a step that rolls the service out; without `containers` nothing is looked at.
pub(super) async fn lifeless(aws: &Aws, params: &Value, service: &Value) -> Result<Option<String>, CallError> {
    let (Some(cluster), Some(containers)) = (params["cluster"].as_str(), params["containers"].as_array()) else { return Ok(None) };
    let named: Vec<&str> = containers.iter().filter_map(Value::as_str).collect();
    if named.is_empty() || service["status"] != "ACTIVE" {
        return Ok(None);
    }
    Ok(look(aws, cluster, service, &named).await?.dead.into_iter().next())
}

fn count(value: &Value) -> usize {
    value.as_u64().and_then(|count| usize::try_from(count).ok()).unwrap_or(0)
}

/// A container that must run, and whether it has a health check.
struct Matters {
    name: String,
    checked: bool,
}

fn matter(definition: &TaskDefinition, containers: &[&str]) -> Vec<Matters> {
    let essential = |container: &Value| container["essential"].as_bool().unwrap_or(true);
    let named = |container: &Value| container["name"].as_str().is_some_and(|name| containers.contains(&name));
    let matters = |container: &Value| Matters {
        name: container["name"].as_str().unwrap_or_default().to_owned(),
        checked: container["healthCheck"]["command"].is_array(),
    };
    definition.containers().filter(|container| essential(container) || named(container)).map(matters).collect()
}

fn containers<'a>(task: &'a Value, matter: &'a [Matters]) -> impl Iterator<Item = (&'a Value, &'a Matters)> {
    let find = |wanted: &'a Matters| {
        let all = task["containers"].as_array().into_iter().flatten();
        all.into_iter().find(|container| container["name"] == *wanted.name).map(|container| (container, wanted))
    };
    matter.iter().filter_map(find)
}

/// What a task lacks that may still come.
fn amiss(task: &Value, matter: &[Matters]) -> Vec<String> {
    let id = tasks::id(task);
    if task["lastStatus"] != "RUNNING" {
        return vec![format!("task {id} is {}", task["lastStatus"].as_str().unwrap_or("in no known state"))];
    }
    let mut words = Vec::new();
    for (container, wanted) in containers(task, matter).filter(|(container, _)| container["lastStatus"] != "STOPPED") {
        let (status, health) = (container["lastStatus"].as_str().unwrap_or_default(), &container["healthStatus"]);
        if status != "RUNNING" {
            words.push(format!("container `{}` of task {id} is {status}", wanted.name));
        } else if wanted.checked && *health != "HEALTHY" {
            let health = health.as_str().unwrap_or("UNKNOWN");
            words.push(format!("container `{}` of task {id} is {health} by its health check", wanted.name));
        }
    }
    words
}

/// The containers among `names` that have exited in a task that runs on, in words. ECS does not start them again.
pub fn exited<'a>(task: &Value, names: impl IntoIterator<Item = &'a str>) -> Vec<String> {
    let all = || task["containers"].as_array().into_iter().flatten();
    let stopped = |name: &str| all().find(|container| container["name"] == name && container["lastStatus"] == "STOPPED");
    let words = |name: &str| {
        let container = stopped(name)?;
        let code = container["exitCode"].as_i64().map(|code| format!(" with {code}")).unwrap_or_default();
        let why = container["reason"].as_str().map(|reason| format!(": {reason}")).unwrap_or_default();
        Some(format!("container `{name}` of task {} has exited{code}{why}", tasks::id(task)))
    };
    if task["lastStatus"] == "RUNNING" { names.into_iter().filter_map(words).collect() } else { Vec::new() }
}

/// A target group that a service is in.
struct Group {
    arn: String,
    port: Option<i32>,
    targets: Vec<TargetHealth>,
}

impl Group {
    fn name(&self) -> &str {
        self.arn.split('/').nth(1).unwrap_or(&self.arn)
    }
}

/// The target groups of a service, with what is in them. One that is gone has no targets that could be healthy.
async fn targets(aws: &Aws, service: &Value) -> Result<Vec<Group>, CallError> {
    let mut groups = Vec::new();
    for entry in service["loadBalancers"].as_array().into_iter().flatten() {
        let Some(arn) = entry["targetGroupArn"].as_str() else { continue };
        let targets = match aws.target_health(arn).await {
            Ok(targets) => targets,
            Err(error) if error.reason == Reason::Missing => continue,
            Err(error) => return Err(error),
        };
        let port = entry["containerPort"].as_i64().and_then(|port| i32::try_from(port).ok());
        groups.push(Group { arn: arn.to_owned(), port, targets });
    }
    Ok(groups)
}

/// Whether a target takes requests, or nobody asks whether it does: in a group that no load balancer uses none is ever healthy.
fn is_fine(target: &TargetHealth) -> bool {
    ["healthy", "unused", "unavailable"].contains(&target.state.as_str())
}

/// Target groups in which a task's address is not healthy.
fn unhealthy(task: &Value, groups: &[Group]) -> Vec<String> {
    let Some(address) = tasks::address(task) else { return Vec::new() };
    let mut words = Vec::new();
    for group in groups {
        let own = |target: &&TargetHealth| target.ip == address && (group.port.is_none() || target.port == group.port);
        match group.targets.iter().find(own) {
            Some(target) if is_fine(target) => {}
            Some(target) => {
                let why = target.description.as_deref().unwrap_or("no reason given");
                words.push(format!("target {address} of task {} is {} in {}: {why}", tasks::id(task), target.state, group.name()));
            }
            None => words.push(format!("task {} is not registered in {}", tasks::id(task), group.name())),
        }
    }
    words
}

#[async_trait(?Send)]
impl WaitStep for AwaitServing {
    fn begin(&self, params: &Value) -> Result<Box<dyn Waiter>, StepError> {
        Ok(Box::new(Serving { params: params.clone(), since: None, dead: false, last: Sight::default() }))
    }
}

struct Serving {
    params: Value,
    /// Since when these tasks have been seen to serve.
    since: Option<(Duration, BTreeSet<String>)>,
    /// The last look saw something that does not come by itself.
    dead: bool,
    last: Sight,
}

impl Serving {
    fn name(&self) -> &str {
        self.params["service"].as_str().unwrap_or_default()
    }

    fn lasting(&self) -> Duration {
        self.params["lasting_s"].as_u64().map_or(LASTING, Duration::from_secs)
    }

    fn failure(&self, kind: FailureKind, message: String) -> Failure {
        const SHOWN: usize = 6;
        let all: Vec<String> = self.last.dead.iter().chain(&self.last.missing).cloned().collect();
        let more = (all.len() > SHOWN).then(|| format!("and {} more", all.len() - SHOWN));
        Failure::of(kind, message).because(all.into_iter().take(SHOWN).chain(more))
    }
}

#[async_trait(?Send)]
impl Waiter for Serving {
    async fn poll(&mut self, cx: &Context<'_>, waited: Duration) -> Result<Polled, StepError> {
        let (cluster, name) = (text(&self.params, "/cluster")?, text(&self.params, "/service")?);
        let service = cx.aws.service(cluster, name).await?.unwrap_or_else(|| json!({ "serviceName": name }));
        if self.params["orGone"] == true && service["status"] != "ACTIVE" {
            return Ok(Polled::Done(json!({ "found": "gone" })));
        }
        if !as_wanted(&service, &self.params["want"]) {
            if waited <= STALENESS.saturating_mul(2) {
                return Ok(Polled::Again(INTERVAL));
            }
            let runs = short_name(service["taskDefinition"].as_str().unwrap_or("nothing")).to_owned();
            let message = format!("`{name}` was changed meanwhile: it runs {runs}");
            return Ok(Polled::Failed(Failure::of(FailureKind::Drift, message)));
        }
        let named = self.params["containers"].as_array().into_iter().flatten().filter_map(Value::as_str).collect::<Vec<_>>();
        let sight = look(cx.aws, cluster, &service, &named).await?;
        (cx.report)(Progress::Serving { serving: sight.serving.len(), desired: sight.desired });
        self.last = sight;
        if !self.last.dead.is_empty() {
            // Once more, for a look may be older than what it shows.
            if std::mem::replace(&mut self.dead, true) {
                let message = format!("`{name}` does not serve: a container has exited, and ECS does not start it again");
                return Ok(Polled::Failed(self.failure(FailureKind::Rollout, message)));
            }
            self.since = None;
            return Ok(Polled::Again(INTERVAL));
        }
        self.dead = false;
        if !self.last.serves() {
            self.since = None;
            return Ok(Polled::Again(INTERVAL));
        }
        let since = match &self.since {
            Some((since, tasks)) if *tasks == self.last.serving => *since,
            _ => {
                self.since = Some((waited, self.last.serving.clone()));
                waited
            }
        };
        let left = self.lasting().saturating_sub(waited.saturating_sub(since));
        if left.is_zero() {
            return Ok(Polled::Done(json!({ "tasks": self.last.serving.len() })));
        }
        // Other tasks, or one that has fallen over, are seen by the next look as well.
        Ok(Polled::Again(left.min(LASTING)))
    }

    async fn overdue(&mut self, _cx: &Context<'_>, deadline: Duration) -> Failure {
        let message = format!("`{}` is not seen to serve after {}", self.name(), spell(deadline));
        self.failure(FailureKind::Deadline, message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn definition() -> TaskDefinition {
        let body = json!({ "containerDefinitions": [
            { "name": "api" },
            { "name": "collector", "essential": false, "healthCheck": { "command": ["CMD", "true"] } },
            { "name": "migrate", "essential": false } ] });
        TaskDefinition { body, tags: Vec::new() }
    }

    fn task(collector: &Value) -> Value {
        let mut sidecar = json!({ "name": "collector", "lastStatus": "RUNNING", "healthStatus": "HEALTHY" });
        for (member, value) in collector.as_object().into_iter().flatten() {
            sidecar[member] = value.clone();
        }
        json!({ "taskArn": "arn:task/c/t1", "lastStatus": "RUNNING", "containers": [
            { "name": "api", "lastStatus": "RUNNING", "healthStatus": "UNKNOWN" }, sidecar,
            { "name": "migrate", "lastStatus": "STOPPED", "exitCode": 0 } ] })
    }

    #[test]
    fn what_matters_are_essential_containers_and_those_that_the_run_is_about() {
        let names = |containers: &[&str]| matter(&definition(), containers).into_iter().map(|one| one.name).collect::<Vec<_>>();
        assert_eq!(names(&[]), ["api"]);
        assert_eq!(names(&["collector", "other"]), ["api", "collector"], "one that the revision does not have cannot run");
    }

    #[test]
    fn a_sidecar_that_has_exited_is_dead_and_one_that_ended_as_it_should_is_not_asked_for() {
        let matter = matter(&definition(), &["collector"]);
        assert_eq!(amiss(&task(&json!({})), &matter), Vec::<String>::new());
        assert_eq!(exited(&task(&json!({})), ["api", "collector"]), Vec::<String>::new());
        let gone = task(&json!({ "lastStatus": "STOPPED", "exitCode": 1, "healthStatus": "UNKNOWN" }));
        assert_eq!(exited(&gone, ["api", "collector"]), ["container `collector` of task t1 has exited with 1"]);
        assert_eq!(amiss(&gone, &matter), Vec::<String>::new(), "said once");
        let sick = task(&json!({ "healthStatus": "UNHEALTHY" }));
        assert_eq!(amiss(&sick, &matter), ["container `collector` of task t1 is UNHEALTHY by its health check"]);
    }

    #[test]
    fn a_target_is_told_by_address_and_port() {
        let mut task = task(&json!({}));
        task["attachments"] = json!([{ "details": [{ "name": "privateIPv4Address", "value": "10.0.0.7" }] }]);
        let group = |port, state: &str| Group {
            arn: "arn:aws:elasticloadbalancing:r:a:targetgroup/api-tg/1".to_owned(),
            port: Some(8000),
            targets: vec![TargetHealth { ip: "10.0.0.7".to_owned(), port: Some(port), state: state.to_owned(), description: None }],
        };
        for state in ["healthy", "unused"] {
            assert_eq!(unhealthy(&task, &[group(8000, state)]), Vec::<String>::new(), "{state}");
        }
        assert_eq!(
            unhealthy(&task, &[group(8000, "draining")]),
            ["target 10.0.0.7 of task t1 is draining in api-tg: no reason given"]
        );
        assert_eq!(unhealthy(&task, &[group(16686, "healthy")]), ["task t1 is not registered in api-tg"]);
    }
}
