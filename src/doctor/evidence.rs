//! What an examination looks at: what planning reads, and beside it the tasks, targets and instances as they are now.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::future::join_all;
use serde_json::Value;

use super::patient::{Patient, Targets};
use crate::aws::{Aws, CallError, Identity, Reason};
use crate::model::{Direction, Error, Failure, Finding, Progress, RunId, RunView, Runbook, Unseen};
use crate::plan;
use crate::stages::facts::{Facts, Unread};
use crate::stages::steps::{healthy_instances, last_log_lines, registered_instances, running_tasks, stopped_tasks};
use crate::stages::subject::{Name, Subject};

/// The trouble of a run that is not finished.
#[derive(Clone, Debug)]
pub struct Trouble {
    /// The run.
    pub run: RunId,
    /// Whether it is on its way back.
    pub goes_back: bool,
    /// The stage that it stands in.
    pub stage: String,
    /// The services of that stage: they are looked at first.
    pub services: Vec<String>,
    /// What stopped it, if something did.
    pub failure: Option<Failure>,
}

impl Trouble {
    /// What a run that nobody works on stands at; `None` for one that is over.
    pub fn of(view: &RunView) -> Option<Self> {
        if view.ended.is_some() {
            return None;
        }
        let troubled: Vec<_> = view.troubled().collect();
        let stage = match troubled.first() {
            Some((step, _)) => view.plan.steps().find(|(_, _, known)| known.id == step.id).map(|(stage, ..)| stage),
            None => view.current_stage(),
        }?;
        let mut services: Vec<String> =
            stage.steps().filter_map(|step| step.params["service"].as_str().map(str::to_owned)).collect();
        services.dedup();
        Some(Self {
            run: view.id.clone(),
            goes_back: view.plan.direction == Direction::Back,
            stage: stage.id.to_string(),
            services,
            failure: troubled.iter().find_map(|(_, step)| step.trouble.clone()),
        })
    }
}

/// A name that a service is to be found under.
pub(super) struct NameSeen<'a> {
    pub(super) name: Name<'a>,
    /// The Cloud Map service, where there is one.
    pub(super) found: Option<Value>,
    /// Its instances' ids, each with whether it is healthy; `None`: not read.
    pub(super) instances: Option<BTreeMap<String, bool>>,
}

impl NameSeen<'_> {
    /// The host name.
    pub(super) fn host(&self) -> String {
        format!("{}.{}", self.name.label, self.name.namespace)
    }

    /// A member of the Cloud Map service.
    pub(super) fn text(&self, member: &str) -> &str {
        self.found.as_ref().and_then(|found| found[member].as_str()).unwrap_or_default()
    }
}

/// See the module's text.
pub struct Evidence<'a> {
    pub(super) facts: Facts,
    pub(super) subject: Subject<'a>,
    /// What the checks of a plan find in what is there.
    pub(super) findings: Vec<Finding>,
    /// The services, those first that the trouble is about.
    pub(super) patients: Vec<Patient>,
    pub(super) names: Vec<NameSeen<'a>>,
    pub(super) trouble: Option<Trouble>,
    pub(super) unseen: Vec<Unseen>,
}

/// Reads everything that an examination looks at; what may not be read is noted.
///
/// # Errors
/// As [`plan::observe`]; later on, only when nothing can be reached or the credentials end.
pub async fn read<'a>(
    aws: &Aws,
    runbook: &'a Runbook,
    identity: &Identity,
    trouble: Option<Trouble>,
) -> Result<Evidence<'a>, Error> {
    let facts = plan::observe_what_may_be(aws, runbook, identity).await?;
    let mut unseen: Vec<Unseen> = facts.unread.iter().filter(|unread| matters(&unread.action)).map(note).collect();
    let mut subject = plan::subject(runbook, &facts);
    let order = order(&subject, &facts, trouble.as_ref());
    let read = join_all(order.into_iter().map(|(name, shared)| read_patient(aws, &facts, name, shared))).await;
    let mut patients = Vec::new();
    for found in read {
        let (patient, missing) = found?;
        patients.push(patient);
        unseen.extend(missing);
    }
    let mut names = Vec::new();
    for name in std::mem::take(&mut subject.names) {
        let found = facts
            .namespaces
            .iter()
            .filter(|namespace| namespace["Name"] == *name.namespace)
            .find_map(|namespace| facts.names.get(&(namespace["Id"].as_str()?.to_owned(), name.label.clone())).cloned());
        let instances = match found.as_ref().and_then(|found| found["Id"].as_str()) {
            Some(id) => soft(&mut unseen, "servicediscovery:ListInstances", read_instances(aws, id).await)?,
            None => None,
        };
        names.push(NameSeen { name, found, instances });
    }
    let mut seen = BTreeSet::new();
    unseen.retain(|unseen| seen.insert((unseen.action.clone(), unseen.resource.clone())));
    let findings = plan::standing(runbook, &facts);
    Ok(Evidence { findings, facts, subject, patients, names, trouble, unseen })
}

/// The last lines that the containers of a service logged, for the terminal alone: those of tasks that stopped, if there are any.
///
/// # Errors
/// [`CallError`].
pub async fn last_lines(aws: &Aws, evidence: &Evidence<'_>, service: &str) -> Result<Vec<Progress>, CallError> {
    let Some(patient) = evidence.patients.iter().find(|patient| patient.name == service) else { return Ok(Vec::new()) };
    let deployment = patient.failing().first().and_then(|task| task["startedBy"].as_str());
    last_log_lines(aws, &evidence.facts.cluster, service, deployment).await
}

/// Whether what an action would have told has to do with what does not work now.
fn matters(action: &str) -> bool {
    !action.starts_with("iam:") && !action.starts_with("application-autoscaling:") && action != "ecs:ListServices"
}

fn note(unread: &Unread) -> Unseen {
    Unseen { action: unread.action.clone(), resource: unread.resource.clone(), why: unread.why.clone() }
}

/// What was read; what was refused is noted, and what could not be asked ends the examination.
fn soft<T>(unseen: &mut Vec<Unseen>, action: &str, found: Result<T, CallError>) -> Result<Option<T>, Error> {
    match found {
        Ok(value) => Ok(Some(value)),
        Err(error) if matches!(error.reason, Reason::Credentials | Reason::Unreachable | Reason::NoAnswer) => Err(error.into()),
        Err(error) => {
            let why = error.refusal().to_string();
            unseen.push(Unseen { action: action.to_owned(), resource: error.resource, why });
            Ok(None)
        }
    }
}

/// The services that are there, each with whether it is a shared one: those of the trouble first, then the shared ones.
fn order(subject: &Subject<'_>, facts: &Facts, trouble: Option<&Trouble>) -> Vec<(String, bool)> {
    let shared = subject.shared.iter().map(|shared| (shared.name.clone(), true));
    let moved = subject.moved.keys().map(|name| (name.clone(), false));
    let mut all: Vec<(String, bool)> = shared.chain(moved).filter(|(name, _)| facts.services.contains_key(name)).collect();
    let first = |name: &String| trouble.is_some_and(|trouble| trouble.services.contains(name));
    all.sort_by_key(|(name, _)| !first(name));
    all
}

async fn read_patient(aws: &Aws, facts: &Facts, name: String, shared: bool) -> Result<(Patient, Vec<Unseen>), Error> {
    let mut unseen = Vec::new();
    let service = facts.services.get(&name).cloned().unwrap_or_default();
    let running = soft(&mut unseen, "ecs:DescribeTasks", running_tasks(aws, &facts.cluster, &name).await)?;
    let stopped = soft(&mut unseen, "ecs:DescribeTasks", stopped_tasks(aws, &facts.cluster, &name).await)?;
    let mut targets = Vec::new();
    for entry in service["loadBalancers"].as_array().into_iter().flatten() {
        let Some(group) = entry["targetGroupArn"].as_str() else { continue };
        // That a group is gone is known from the plan's facts.
        let health = match aws.target_health(group).await {
            Err(error) if error.reason == Reason::Missing => continue,
            health => soft(&mut unseen, "elasticloadbalancing:DescribeTargetHealth", health)?,
        };
        targets.extend(health.map(|health| Targets { group: group.to_owned(), port: entry["containerPort"].as_i64(), health }));
    }
    let newest_first = |mut tasks: Vec<Value>| {
        let at = |task: &Value| task["createdAt"].as_f64().unwrap_or(0.0);
        tasks.sort_by(|a, b| at(b).total_cmp(&at(a)));
        tasks
    };
    let (running, stopped) = (running.unwrap_or_default(), newest_first(stopped.unwrap_or_default()));
    Ok((Patient { name, shared, service, running, stopped, targets }, unseen))
}

async fn read_instances(aws: &Aws, id: &str) -> Result<BTreeMap<String, bool>, CallError> {
    let registered = registered_instances(aws, id).await?;
    let healthy = if registered.is_empty() { Vec::new() } else { healthy_instances(aws, id).await? };
    Ok(registered.into_iter().map(|id| (id.clone(), healthy.contains(&id))).collect())
}
