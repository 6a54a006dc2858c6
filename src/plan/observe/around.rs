//! What stands around the services: network, roles, scaling, who may do what. Nothing of it is needed to make a plan; all of it
//! makes the plan see further. So what may not be read is noted, and a finding says so.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::future::join_all;
use serde_json::json;

use super::super::policy::{Place, conditions};
use crate::aws::task_definition::family_of;
use crate::aws::{Aws, CallError, Decision, RouteTable, Scaling, SecurityGroup, Subnet, VpcDns};
use crate::stages::facts::{Facts, Purpose, Unread, Wants};
use crate::stages::gone::name_of;
use crate::stages::steps::read_name;

const SUBNETS: &str = "ec2:DescribeSubnets";

/// What was found.
#[derive(Default)]
pub(super) struct Around {
    security_groups: BTreeMap<String, SecurityGroup>,
    subnets: BTreeMap<String, Subnet>,
    gone_registries: BTreeSet<String>,
    gone_network: BTreeSet<String>,
    route_tables: Vec<RouteTable>,
    vpc_dns: BTreeMap<String, VpcDns>,
    zone_vpcs: BTreeMap<String, Vec<String>>,
    scaling: BTreeMap<String, Scaling>,
    families: BTreeMap<String, String>,
    behind: BTreeMap<String, Vec<String>>,
    decisions: Vec<(Decision, bool)>,
    log_decisions: Vec<(String, Decision)>,
    credentials_left: Option<u64>,
    unread: Vec<Unread>,
}

impl Around {
    /// Enters it among the facts.
    pub(super) fn enter(self, facts: &mut Facts) {
        facts.gone.registries = self.gone_registries;
        facts.gone.network = self.gone_network;
        facts.security_groups = self.security_groups;
        facts.subnets = self.subnets;
        facts.route_tables = self.route_tables;
        facts.vpc_dns = self.vpc_dns;
        facts.zone_vpcs = self.zone_vpcs;
        facts.scaling = self.scaling;
        facts.families = self.families;
        facts.behind = self.behind;
        facts.decisions = self.decisions;
        facts.log_decisions = self.log_decisions;
        facts.credentials_left = self.credentials_left;
        facts.unread.extend(self.unread);
    }
}

/// A value, or why there is none.
type Read<T> = (T, Vec<Unread>);

/// What cannot be read is noted under the action that would have to be allowed.
fn soft<T: Default>(action: &str, found: Result<T, CallError>) -> Read<T> {
    match found {
        Ok(value) => (value, Vec::new()),
        Err(error) => {
            let why = error.refusal().to_string();
            (T::default(), vec![Unread { action: action.to_owned(), resource: error.resource, why }])
        }
    }
}

/// Reads it, all side by side.
pub(super) async fn read(aws: &Aws, wants: &Wants, facts: &Facts) -> Around {
    let groups = ids(facts, Facts::groups_of);
    let (security_groups, network, registries, zones, scaling, families, decisions, log_decisions, credentials_left) = tokio::join!(
        read_security_groups(aws, &groups),
        read_network(aws, facts),
        read_registries(aws, facts),
        read_zones(aws, facts),
        read_scaling(aws, wants, facts),
        read_neighbours(aws, facts),
        read_decisions(aws, wants, facts),
        read_log_decisions(aws, wants, facts),
        aws.credentials_left(),
    );
    let (subnets, route_tables, vpc_dns, mut unread) = network;
    // What could not be read is not gone for that.
    let mut gone_network = BTreeSet::new();
    if security_groups.1.is_empty() {
        gone_network.extend(groups.into_iter().filter(|id| !security_groups.0.contains_key(id)));
    }
    if !unread.iter().any(|unread| unread.action == SUBNETS) {
        gone_network.extend(ids(facts, Facts::subnets_of).into_iter().filter(|id| !subnets.contains_key(id)));
    }
    unread.extend(security_groups.1);
    unread.extend(registries.1);
    unread.extend(zones.1);
    unread.extend(scaling.1);
    unread.extend(families.1);
    unread.extend(decisions.1);
    unread.extend(log_decisions.1);
    // One that is asked for several times is still one thing to allow.
    let mut seen = BTreeSet::new();
    unread.retain(|unread| seen.insert(unread.action.clone()));
    Around {
        security_groups: security_groups.0,
        subnets,
        gone_registries: registries.0,
        gone_network,
        route_tables,
        vpc_dns,
        zone_vpcs: zones.0,
        scaling: scaling.0,
        families: families.0.0,
        behind: families.0.1,
        decisions: decisions.0,
        log_decisions: log_decisions.0,
        credentials_left,
        unread,
    }
}

/// The security groups of the load balancers, which are known only when those are.
pub(super) async fn read_balancer_groups(aws: &Aws, facts: &mut Facts) {
    let known = &facts.security_groups;
    let groups: BTreeSet<String> = facts.load_balancers.values().flat_map(|balancer| balancer.security_groups.clone()).collect();
    let groups: Vec<String> = groups.into_iter().filter(|id| !known.contains_key(id)).collect();
    let (found, unread) = read_security_groups(aws, &groups).await;
    facts.security_groups.extend(found);
    for unread in unread {
        if !facts.is_unread(&unread.action) {
            facts.unread.push(unread);
        }
    }
}

/// Ids that the services' configurations name.
fn ids(facts: &Facts, of: fn(&Facts, &str) -> Vec<String>) -> Vec<String> {
    let all: BTreeSet<String> = facts.services.keys().flat_map(|name| of(facts, name)).collect();
    all.into_iter().collect()
}

async fn read_security_groups(aws: &Aws, ids: &[String]) -> Read<BTreeMap<String, SecurityGroup>> {
    if ids.is_empty() {
        return Read::default();
    }
    let found = aws.security_groups(ids).await;
    soft("ec2:DescribeSecurityGroups", found.map(|groups| groups.into_iter().map(|group| (group.id.clone(), group)).collect()))
}

type Network = (BTreeMap<String, Subnet>, Vec<RouteTable>, BTreeMap<String, VpcDns>, Vec<Unread>);

async fn read_network(aws: &Aws, facts: &Facts) -> Network {
    let ids = ids(facts, Facts::subnets_of);
    if ids.is_empty() {
        return Network::default();
    }
    let (subnets, mut unread) = soft(SUBNETS, aws.subnets(&ids).await);
    let vpcs: BTreeSet<&str> = subnets.iter().map(|subnet| subnet.vpc.as_str()).collect();
    let (tables, dns) =
        tokio::join!(join_all(vpcs.iter().map(|vpc| aws.route_tables(vpc))), join_all(vpcs.iter().map(|vpc| aws.vpc_dns(vpc))),);
    let mut route_tables = Vec::new();
    for found in tables {
        let (found, missing) = soft("ec2:DescribeRouteTables", found);
        route_tables.extend(found);
        unread.extend(missing);
    }
    let mut vpc_dns = BTreeMap::new();
    for (vpc, found) in vpcs.iter().zip(dns) {
        let (found, missing) = soft("ec2:DescribeVpcAttribute", found.map(Some));
        vpc_dns.extend(found.map(|found| ((*vpc).to_owned(), found)));
        unread.extend(missing);
    }
    let subnets = subnets.iter().map(|subnet| (subnet.id.clone(), subnet.clone())).collect();
    (subnets, route_tables, vpc_dns, unread)
}

/// The Cloud Map services, by ARN, that services are registered with and that are gone.
async fn read_registries(aws: &Aws, facts: &Facts) -> Read<BTreeSet<String>> {
    let entries = facts.services.values().flat_map(|service| service["serviceRegistries"].as_array().into_iter().flatten());
    let arns: BTreeSet<&str> = entries.filter_map(|entry| entry["registryArn"].as_str()).collect();
    let found = join_all(arns.iter().map(|arn| read_name(aws, name_of(arn)))).await;
    let mut read: Read<BTreeSet<String>> = Read::default();
    for (arn, found) in arns.iter().zip(found) {
        match found {
            Ok(None) => _ = read.0.insert((*arn).to_owned()),
            found => read.1.extend(soft("servicediscovery:GetService", found).1),
        }
    }
    read
}

async fn read_zones(aws: &Aws, facts: &Facts) -> Read<BTreeMap<String, Vec<String>>> {
    let zones: Vec<(&str, &str)> = facts
        .namespaces
        .iter()
        .filter_map(|namespace| {
            Some((namespace["Id"].as_str()?, namespace["Properties"]["DnsProperties"]["HostedZoneId"].as_str()?))
        })
        .collect();
    let found = join_all(zones.iter().map(|(_, zone)| aws.zone_vpcs(zone))).await;
    let mut read: Read<BTreeMap<String, Vec<String>>> = Read::default();
    for ((namespace, _), found) in zones.iter().zip(found) {
        let (vpcs, unread) = soft("route53:GetHostedZone", found.map(Some));
        read.0.extend(vpcs.map(|vpcs| ((*namespace).to_owned(), vpcs)));
        read.1.extend(unread);
    }
    read
}

async fn read_scaling(aws: &Aws, wants: &Wants, facts: &Facts) -> Read<BTreeMap<String, Scaling>> {
    let services: Vec<String> = wants.services.iter().cloned().collect();
    let mut read: Read<BTreeMap<String, Scaling>> = Read::default();
    // AWS takes fifty ids at once.
    for chunk in services.chunks(50) {
        let found = aws.scalable_services(&facts.cluster, chunk).await;
        let (found, unread) = soft("application-autoscaling:DescribeScalableTargets", found);
        read.0.extend(found);
        read.1.extend(unread);
    }
    read
}

/// By service: the family that it runs, and the target groups that it is in.
type Neighbours = (BTreeMap<String, String>, BTreeMap<String, Vec<String>>);

/// Of the cluster's services: more than those that the runbook knows.
async fn read_neighbours(aws: &Aws, facts: &Facts) -> Read<Neighbours> {
    let input = json!({ "cluster": facts.cluster, "maxResults": 100 });
    let (arns, unread) =
        soft("ecs:ListServices", aws.read_pages("ListServices", &facts.cluster, input, "serviceArns", "nextToken").await);
    let names: Vec<&str> = arns.iter().filter_map(|arn| arn.as_str()?.rsplit('/').next()).collect();
    let answers = join_all(
        names
            .chunks(10)
            .map(|chunk| aws.read("DescribeServices", &facts.cluster, json!({ "cluster": facts.cluster, "services": chunk }))),
    );
    let mut read: Read<Neighbours> = (Neighbours::default(), unread);
    for answer in answers.await {
        let (answer, unread) = soft("ecs:DescribeServices", answer);
        read.1.extend(unread);
        for service in answer["services"].as_array().into_iter().flatten().filter(|service| service["status"] != "INACTIVE") {
            if let (Some(name), Some(revision)) = (service["serviceName"].as_str(), service["taskDefinition"].as_str()) {
                let groups = service["loadBalancers"].as_array().into_iter().flatten();
                let groups = groups.filter_map(|entry| entry["targetGroupArn"].as_str()).map(str::to_owned).collect();
                read.0.0.insert(name.to_owned(), family_of(revision).to_owned());
                read.0.1.insert(name.to_owned(), groups);
            }
        }
    }
    read
}

/// The user or role whose policies decide for the caller; `None` where nobody's do (the account's root user).
async fn principal(aws: &Aws, identity: &str) -> Read<Option<String>> {
    if let Some((_, session)) = identity.split_once(":assumed-role/") {
        let role = session.split('/').next().unwrap_or(session);
        let (arn, unread) = soft("iam:GetRole", aws.role_arn(role).await);
        return (Some(arn).filter(|arn| !arn.is_empty()), unread);
    }
    (identity.contains(":user/").then(|| identity.to_owned()), Vec::new())
}

/// What IAM is to take for granted of a call.
fn context(place: &Place<'_>) -> Vec<(&'static str, String)> {
    conditions(place).into_iter().map(|condition| (condition.key, condition.value)).collect()
}

async fn read_decisions(aws: &Aws, wants: &Wants, facts: &Facts) -> Read<Vec<(Decision, bool)>> {
    let (principal, unread) = principal(aws, &facts.identity).await;
    let Some(principal) = principal else { return (Vec::new(), unread) };
    let mut by_resource: BTreeMap<(String, bool), Vec<String>> = BTreeMap::new();
    let place = Place::read(facts);
    for permission in wants.permissions.iter().filter(|permission| permission.vital) {
        for arn in place.arns(&permission.on) {
            let back = permission.purpose == Purpose::Rollback;
            by_resource.entry((arn, back)).or_default().push(permission.action.to_owned());
        }
    }
    let context = context(&place);
    let asked = by_resource.iter().map(|((arn, _), actions)| aws.simulate_policies(&principal, actions, arn, &context));
    let found = join_all(asked).await;
    let mut read: Read<Vec<(Decision, bool)>> = (Vec::new(), unread);
    for ((_, back), found) in by_resource.keys().zip(found) {
        let (decisions, unread) = soft("iam:SimulatePrincipalPolicy", found);
        read.0.extend(decisions.into_iter().map(|decision| (decision, *back)));
        read.1.extend(unread);
    }
    read
}

/// Whether the execution roles may write to the logs.
async fn read_log_decisions(aws: &Aws, wants: &Wants, facts: &Facts) -> Read<Vec<(String, Decision)>> {
    let mut asked: BTreeSet<(String, String)> = BTreeSet::new();
    for (group, role, like) in &wants.log_writers {
        let inherited = || facts.definition_of(like).and_then(|found| found.body["executionRoleArn"].as_str().map(str::to_owned));
        let role = if role.is_empty() { inherited() } else { Some(role.clone()) };
        asked.extend(role.map(|role| (role, group.clone())));
    }
    let actions = ["logs:CreateLogStream".to_owned(), "logs:PutLogEvents".to_owned()];
    let mut read: Read<Vec<(String, Decision)>> = Read::default();
    for (role, group) in asked {
        let streams = format!("arn:aws:logs:{}:{}:log-group:{group}:log-stream:*", facts.region, facts.account);
        let found = aws.simulate_policies(&role, &actions, &streams, &[]).await;
        let (decisions, unread) = soft("iam:SimulatePrincipalPolicy", found);
        read.0.extend(decisions.into_iter().map(|decision| (role.clone(), decision)));
        read.1.extend(unread);
    }
    read
}
