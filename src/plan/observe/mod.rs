//! Reads what the stages of a runbook want to know, in rounds: services first, then what they point at, then what stands around
//! them ([`around`]).

mod around;
mod permits;

use std::collections::{BTreeMap, BTreeSet};

use futures_util::future::join_all;
use serde_json::{Value, json};

pub use permits::permits;

use crate::aws::task_definition::TaskDefinition;
use crate::aws::{Aws, CallError, Identity, ListenerRule, LoadBalancer, Reason, TargetGroup};
use crate::model::{Error, Runbook};
use crate::stages::facts::{Facts, Unread, Wants};
use crate::stages::registry;
use crate::stages::steps::{find_log_group, find_name, task_addresses};

/// Reads the facts for a runbook that has passed [`super::check`].
///
/// # Errors
/// [`Error::Credentials`], [`Error::Unreachable`], [`Error::Refused`] from AWS; [`Error::NotFound`] for a cluster or a service
/// that the runbook builds on; [`Error::WrongPlace`] for another account or Region than the runbook names.
pub async fn observe(aws: &Aws, runbook: &Runbook, identity: &Identity) -> Result<Facts, Error> {
    read(aws, runbook, identity, Need::All).await
}

/// The same for who only looks: what may not be read of log groups, names, target groups and routes is noted among the facts.
///
/// # Errors
/// As [`observe`], without those refusals.
pub async fn observe_what_may_be(aws: &Aws, runbook: &Runbook, identity: &Identity) -> Result<Facts, Error> {
    read(aws, runbook, identity, Need::WhatMayBe).await
}

/// What a refusal to read means.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Need {
    /// There is no plan without it.
    All,
    /// It is noted.
    WhatMayBe,
}

impl Need {
    /// What was read, or nothing where that may be.
    fn settle<T: Default>(self, facts: &mut Facts, service: &str, found: Result<T, Error>) -> Result<T, Error> {
        match found {
            Err(Error::Refused { refusal, .. }) if self == Self::WhatMayBe => {
                let operation = refusal.operation.rsplit(':').next().unwrap_or_default();
                let action = format!("{service}:{operation}");
                facts.unread.push(Unread { action, resource: refusal.resource.clone(), why: refusal.to_string() });
                Ok(T::default())
            }
            found => found,
        }
    }
}

async fn read(aws: &Aws, runbook: &Runbook, identity: &Identity, need: Need) -> Result<Facts, Error> {
    check_place(aws, runbook, identity)?;
    let wants = registry::wants(runbook);
    let cluster = text(runbook, "cluster");
    let mut facts = Facts {
        account: identity.account.clone(),
        region: aws.region.clone(),
        endpoint: aws.endpoint_url.clone(),
        identity: identity.arn.clone(),
        cluster: cluster.clone(),
        ..Facts::default()
    };
    read_cluster(aws, runbook, &facts).await?;
    read_services(aws, runbook, &wants, &mut facts).await?;
    let (definitions, groups, names, logs) = (
        read_definitions(aws, &wants, &facts),
        read_target_groups(aws, &wants, &facts),
        read_names(aws, &wants),
        read_log_groups(aws, &wants),
    );
    let (definitions, groups, names, logs) = tokio::join!(definitions, groups, names, logs);
    let (by_arn, newest) = definitions?;
    facts.definitions = by_arn.into_iter().collect();
    facts.newest = newest.into_iter().collect();
    (facts.target_groups, facts.gone.target_groups) = need.settle(&mut facts, "elasticloadbalancing", groups)?;
    (facts.namespaces, facts.names) = need.settle(&mut facts, "servicediscovery", names)?;
    facts.log_groups = need.settle(&mut facts, "logs", logs)?;
    let (routes, around) = tokio::join!(read_routes(aws, &facts), around::read(aws, &wants, &facts));
    let (balancers, rules) = need.settle(&mut facts, "elasticloadbalancing", routes)?;
    facts.load_balancers = balancers;
    facts.rules = rules;
    around.enter(&mut facts);
    around::read_balancer_groups(aws, &mut facts).await;
    Ok(facts)
}

fn text(runbook: &Runbook, key: &str) -> String {
    runbook.target.get(key).and_then(Value::as_str).unwrap_or_default().to_owned()
}

fn check_place(aws: &Aws, runbook: &Runbook, identity: &Identity) -> Result<(), Error> {
    let wrong = |expected: String, found: String| Err(Error::WrongPlace { expected, found });
    let region = text(runbook, "region");
    if !region.is_empty() && region != aws.region {
        return wrong(format!("Region {region}"), format!("Region {}", aws.region));
    }
    let account = text(runbook, "account");
    if !account.is_empty() && account != identity.account {
        return wrong(format!("account {account}"), format!("account {}", identity.account));
    }
    Ok(())
}

/// An AWS error as an error of the command.
fn refused(error: CallError) -> Error {
    match error.reason {
        Reason::Credentials => Error::Credentials { why: error.refusal().to_string(), at: None },
        Reason::Unreachable | Reason::NoAnswer => Error::Unreachable {
            operation: error.operation.to_owned(),
            endpoint: error.resource.clone(),
            why: error.message.clone(),
            at: None,
        },
        Reason::Denied => {
            let hint = format!(
                "allow `{}` for the caller; with the same options, `sidestep policy` prints all the permissions that are needed",
                error.operation
            );
            Error::Refused { hint: Some(hint), refusal: error.refusal() }
        }
        _ => Error::Refused { refusal: error.refusal(), hint: None },
    }
}

impl From<CallError> for Error {
    fn from(error: CallError) -> Self {
        refused(error)
    }
}

async fn read_cluster(aws: &Aws, runbook: &Runbook, facts: &Facts) -> Result<(), Error> {
    let answer = aws.read("DescribeClusters", &facts.cluster, json!({ "clusters": [facts.cluster] })).await?;
    let active = answer["clusters"].as_array().into_iter().flatten().any(|cluster| cluster["status"] == "ACTIVE");
    if active {
        return Ok(());
    }
    Err(Error::NotFound {
        what: "cluster".to_owned(),
        name: facts.cluster.clone(),
        place: format!("account {}, Region {}", facts.account, facts.region),
        hint: Some(format!("check the Region, and set the name with {}", runbook.target_setting("cluster"))),
    })
}

async fn read_services(aws: &Aws, runbook: &Runbook, wants: &Wants, facts: &mut Facts) -> Result<(), Error> {
    let names: BTreeSet<&String> = wants.services.union(&wants.possible_services).collect();
    let cluster = facts.cluster.clone();
    let found = join_all(names.iter().map(|name| aws.service(&cluster, name))).await;
    for (name, service) in names.into_iter().zip(found) {
        match service?.filter(|service| service["status"] != "INACTIVE") {
            Some(service) => {
                facts.services.insert(name.clone(), service);
            }
            None if wants.services.contains(name) => {
                return Err(Error::NotFound {
                    what: "service".to_owned(),
                    name: name.clone(),
                    place: format!("cluster `{cluster}`"),
                    hint: Some(format!("set the names with {}", runbook.target_setting("services"))),
                });
            }
            None => {}
        }
    }
    let addresses = join_all(wants.services.iter().map(|name| task_addresses(aws, &cluster, name))).await;
    for (name, found) in wants.services.iter().zip(addresses) {
        facts.addresses.insert(name.clone(), found?);
    }
    Ok(())
}

type Definitions = Vec<(String, TaskDefinition)>;

async fn read_definitions(aws: &Aws, wants: &Wants, facts: &Facts) -> Result<(Definitions, Definitions), Error> {
    let arns: BTreeSet<&str> = facts.services.values().filter_map(|service| service["taskDefinition"].as_str()).collect();
    let (by_arn, newest) = tokio::join!(
        join_all(arns.iter().map(|arn| aws.task_definition(arn))),
        join_all(wants.families.iter().map(|family| aws.task_definition(family))),
    );
    let mut definitions = Vec::new();
    for found in by_arn {
        if let Some(found) = found? {
            definitions.push((found.arn().to_owned(), found));
        }
    }
    let mut families = Vec::new();
    for (family, found) in wants.families.iter().zip(newest) {
        if let Some(found) = found?.filter(|found| found.is_active()) {
            families.push((family.clone(), found));
        }
    }
    Ok((definitions, families))
}

/// Target groups by ARN, and those that services name and that are not there.
type Groups = (BTreeMap<String, TargetGroup>, BTreeSet<String>);

async fn read_target_groups(aws: &Aws, wants: &Wants, facts: &Facts) -> Result<Groups, Error> {
    let arns: BTreeSet<String> = facts
        .services
        .values()
        .flat_map(|service| service["loadBalancers"].as_array().into_iter().flatten())
        .filter_map(|entry| entry["targetGroupArn"].as_str().map(str::to_owned))
        .collect();
    let arns: Vec<String> = arns.into_iter().collect();
    let found = aws.target_groups(&arns).await?;
    let mut groups: BTreeMap<String, TargetGroup> = found.into_iter().map(|group| (group.arn.clone(), group)).collect();
    let gone = arns.into_iter().filter(|arn| !groups.contains_key(arn)).collect();
    for name in &wants.target_groups {
        if let Some(group) = aws.target_group_named(name).await? {
            groups.insert(group.arn.clone(), group);
        }
    }
    Ok((groups, gone))
}

async fn read_names(aws: &Aws, wants: &Wants) -> Result<(Vec<Value>, BTreeMap<(String, String), Value>), Error> {
    let mut namespaces: Vec<Value> = Vec::new();
    let mut names = BTreeMap::new();
    let wanted: BTreeSet<&String> = wants.names.iter().map(|(namespace, _)| namespace).collect();
    for namespace in wanted {
        let input = json!({ "Filters": [
            { "Name": "NAME", "Values": [namespace], "Condition": "EQ" }, { "Name": "TYPE", "Values": ["DNS_PRIVATE"], "Condition": "EQ" }] });
        let found = aws.read_pages("servicediscovery:ListNamespaces", namespace, input, "Namespaces", "NextToken").await?;
        for (_, name) in wants.names.iter().filter(|(wanted, _)| wanted == namespace) {
            for id in found.iter().filter_map(|found| found["Id"].as_str()) {
                if let Some(service) = find_name(aws, id, name).await? {
                    names.insert((id.to_owned(), name.clone()), service);
                }
            }
        }
        namespaces.extend(found);
    }
    Ok((namespaces, names))
}

async fn read_log_groups(aws: &Aws, wants: &Wants) -> Result<BTreeMap<String, Value>, Error> {
    let mut groups = BTreeMap::new();
    for name in &wants.log_groups {
        if let Some(group) = find_log_group(aws, name).await? {
            groups.insert(name.clone(), group);
        }
    }
    Ok(groups)
}

type Routes = (BTreeMap<String, LoadBalancer>, Vec<ListenerRule>);

async fn read_routes(aws: &Aws, facts: &Facts) -> Result<Routes, Error> {
    let arns: BTreeSet<String> = facts.target_groups.values().flat_map(|group| group.load_balancers.iter().cloned()).collect();
    let arns: Vec<String> = arns.into_iter().collect();
    if arns.is_empty() {
        return Ok(Routes::default());
    }
    let (balancers, rules) = tokio::join!(aws.load_balancers(&arns), join_all(arns.iter().map(|arn| aws.listener_rules(arn))));
    let balancers = balancers?.into_iter().map(|balancer| (balancer.arn.clone(), balancer)).collect();
    let mut all = Vec::new();
    for found in rules {
        all.extend(found?);
    }
    Ok((balancers, all))
}
