//! What the way back leaves out because it is there no more. A restored service would name target groups that somebody has deleted since,
//! or that no listener forwards to any more, and Cloud Map services that are gone: ECS refuses such an update as a whole, and then nothing
//! is restored.
//!
//! | an update of the way back | what is done |
//! | --- | --- |
//! | sets a list that names something gone | the entry is left out, and a note says so |
//! | sets none, and the service names something gone | the same, of the service's own list |
//! | of a service that goes anyway | the same, and nothing is said: it is in the way of its going |

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::undo::UPDATE;
use crate::aws::{Aws, CallError, Reason};
use crate::model::{Failure, Finding, Plan, Severity, StepId, StepPlan};
use crate::stages::gone::{Gone, Parted, name_of, spoken};
use crate::stages::steps::read_name;

/// The note that says of a target group that nobody returns to it.
const GROUP_GONE: &str = "target-group-gone";
/// The same of a Cloud Map service.
const REGISTRY_GONE: &str = "registry-gone";

/// The lists, with the member that names what an entry is about.
const LISTS: [(&str, &str); 2] = [(BALANCERS, "targetGroupArn"), ("serviceRegistries", "registryArn")];
const BALANCERS: &str = "loadBalancers";
const GRACE: &str = "healthCheckGracePeriodSeconds";

/// Looks for what the updates of a way back would name and what is there no more, and leaves it out of them.
///
/// # Errors
/// What a failing call gives, with the update that it was for. What may not be read is not gone for that.
pub async fn leave_out(aws: &Aws, plan: &mut Plan) -> Result<(), (StepId, Failure)> {
    let updates: Vec<&StepPlan> = plan.steps().map(|(_, _, step)| step).filter(|step| step.action == UPDATE).collect();
    let Some(first) = updates.first().map(|step| step.id.clone()) else { return Ok(()) };
    let failed = |error: CallError| (first.clone(), error.failure());
    let mut services: BTreeMap<String, Value> = BTreeMap::new();
    for step in &updates {
        let (Some(cluster), Some(name)) = (step.params["cluster"].as_str(), step.params["service"].as_str()) else { continue };
        if !services.contains_key(name) {
            let found = aws.service(cluster, name).await.map_err(failed)?;
            services.insert(name.to_owned(), found.unwrap_or(Value::Null));
        }
    }
    let named = |(list, names): (&'static str, &'static str)| -> BTreeSet<String> {
        let set = updates.iter().map(|step| &step.params["set"][list]);
        let lists = set.chain(services.values().map(|service| &service[list]));
        let entries = lists.flat_map(|list| list.as_array().into_iter().flatten());
        entries.filter_map(|entry| entry[names].as_str().map(str::to_owned)).collect()
    };
    let (groups, registries) = (named(LISTS[0]), named(LISTS[1]));
    let gone = Gone {
        target_groups: gone_groups(aws, groups).await.map_err(failed)?,
        registries: gone_registries(aws, registries).await.map_err(failed)?,
        network: BTreeSet::new(),
    };
    take_out(plan, services, &gone);
    Ok(())
}

/// Those that are not there, and those to which no listener forwards: ECS takes neither.
async fn gone_groups(aws: &Aws, named: BTreeSet<String>) -> Result<BTreeSet<String>, CallError> {
    let arns: Vec<String> = named.iter().cloned().collect();
    if arns.is_empty() {
        return Ok(BTreeSet::new());
    }
    let found = match aws.target_groups(&arns).await {
        Err(error) if error.reason == Reason::Denied => return Ok(BTreeSet::new()),
        found => found?,
    };
    let usable: BTreeSet<&str> =
        found.iter().filter(|group| !group.load_balancers.is_empty()).map(|group| group.arn.as_str()).collect();
    Ok(named.iter().filter(|arn| !usable.contains(arn.as_str())).cloned().collect())
}

async fn gone_registries(aws: &Aws, named: BTreeSet<String>) -> Result<BTreeSet<String>, CallError> {
    let mut gone = BTreeSet::new();
    for arn in named {
        match read_name(aws, name_of(&arn)).await {
            Ok(None) => _ = gone.insert(arn),
            Err(error) if error.reason != Reason::Denied => return Err(error),
            _ => {}
        }
    }
    Ok(gone)
}

/// `services` are the services as they are; each update of one is seen as the updates before it leave it.
fn take_out(plan: &mut Plan, mut services: BTreeMap<String, Value>, gone: &Gone) {
    let mut findings = Vec::new();
    let steps = plan.stages.iter_mut().flat_map(|stage| &mut stage.waves).flat_map(|wave| &mut wave.lanes);
    for step in steps.flat_map(|lane| &mut lane.steps) {
        let mut params = (*step.params).clone();
        for (list, names) in LISTS {
            let missing = if list == BALANCERS { &gone.target_groups } else { &gone.registries };
            let wanted = Parted::of(&params["want"][list], names, missing);
            if !wanted.lost.is_empty() {
                params["want"][list] = json!(wanted.kept);
            }
            let name = params["service"].as_str().filter(|_| step.action == UPDATE).map(str::to_owned);
            let Some(service) = name else { continue };
            let now = services.entry(service.clone()).or_default();
            if let Some(set) = params["set"].get(list) {
                now[list] = set.clone();
            }
            let Parted { lost, kept } = Parted::of(&now[list], names, missing);
            if lost.is_empty() {
                continue;
            }
            now[list] = json!(kept);
            params["set"][list] = json!(kept);
            // ECS takes no grace period of a service that is behind no load balancer.
            if list == BALANCERS
                && kept.is_empty()
                && let Some(set) = params["set"].as_object_mut()
            {
                set.remove(GRACE);
            }
            step.title = format!("{}, without {}, which is gone", step.title, spoken(&lost));
            if step.restores() {
                findings.extend(lost.iter().map(|entry| finding(&service, list, entry)));
            }
        }
        step.params = params.into();
    }
    for finding in findings {
        if !plan.findings.contains(&finding) {
            plan.findings.push(finding);
        }
    }
}

fn finding(service: &str, list: &str, entry: &Value) -> Finding {
    let arn = |member: &str| name_of(entry[member].as_str().unwrap_or_default()).to_owned();
    let (id, resource, found) = match list == BALANCERS {
        true => (
            GROUP_GONE,
            arn("targetGroupArn"),
            format!("{service} was in this target group; it was deleted, or no listener forwards to it any more"),
        ),
        false => {
            (REGISTRY_GONE, arn("registryArn"), format!("{service} was registered with this Cloud Map service; it was deleted"))
        }
    };
    Finding {
        id: id.to_owned(),
        severity: Severity::Note,
        resource,
        found,
        consequence: "the service goes back without that entry: with it ECS would refuse the update as a whole".to_owned(),
        fix: "make it anew first, if the service shall have it again; or add the entry later with `aws ecs update-service`"
            .to_owned(),
        must_repair: false,
    }
}

/// What a way back leaves out, for its closing words.
pub fn left_out(plan: &Plan) -> Vec<String> {
    let words = |finding: &Finding| match finding.id.as_str() {
        GROUP_GONE => Some(format!("target group {} is gone, and its load-balancer entry was left out", finding.resource)),
        REGISTRY_GONE => Some(format!("Cloud Map service {} is gone, and its entry was left out", finding.resource)),
        _ => None,
    };
    plan.findings.iter().filter_map(words).collect()
}
