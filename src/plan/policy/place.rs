//! What IAM calls resources: by their names, and, where the account was read, by what is there.

use serde_json::Value;

use crate::aws::task_definition::family_of;
use crate::model::Runbook;
use crate::stages::facts::{Facts, Resource, Roles};

/// An account's Region, as ARNs write it.
pub struct Place<'a> {
    partition: &'static str,
    region: String,
    account: String,
    cluster: String,
    facts: Option<&'a Facts>,
}

/// The partition that a Region is in.
fn partition(region: &str) -> &'static str {
    match region {
        region if region.starts_with("cn-") => "aws-cn",
        region if region.starts_with("us-gov-") => "aws-us-gov",
        _ => "aws",
    }
}

impl<'a> Place<'a> {
    /// Where an account was read.
    pub fn read(facts: &'a Facts) -> Self {
        Self {
            partition: partition(&facts.region),
            region: facts.region.clone(),
            account: facts.account.clone(),
            cluster: facts.cluster.clone(),
            facts: Some(facts),
        }
    }

    /// Where nothing was read: what a runbook says, and the account that is known otherwise. One that is not known is any.
    pub fn named(runbook: &Runbook, account: Option<&str>) -> Self {
        let text = |member: &str| runbook.target.get(member).and_then(Value::as_str).unwrap_or_default().to_owned();
        let account = Some(text("account")).filter(|account| !account.is_empty()).or_else(|| account.map(str::to_owned));
        Self {
            partition: partition(&text("region")),
            region: text("region"),
            account: account.unwrap_or_else(|| "*".to_owned()),
            cluster: text("cluster"),
            facts: None,
        }
    }

    /// The cluster's ARN.
    pub fn cluster(&self) -> String {
        self.arn("ecs", &format!("cluster/{}", self.cluster))
    }

    /// `account 111122223333, Region us-west-2, cluster name`.
    pub fn words(&self) -> String {
        let account = if self.has_account() { format!("account {}", self.account) } else { "any account".to_owned() };
        format!("{account}, Region {}, cluster {}", self.region, self.cluster)
    }

    /// Whether the account is known.
    pub fn has_account(&self) -> bool {
        self.account != "*"
    }

    fn arn(&self, service: &str, rest: &str) -> String {
        format!("arn:{}:{service}:{}:{}:{rest}", self.partition, self.region, self.account)
    }

    /// One that belongs to no Region.
    fn global(&self, service: &str, account: &str, rest: &str) -> String {
        format!("arn:{}:{service}::{account}:{rest}", self.partition)
    }

    /// The ARNs of a resource; none where only the account could say.
    pub fn arns(&self, on: &Resource) -> Vec<String> {
        let cluster = &self.cluster;
        let one = |service: &str, rest: String| vec![self.arn(service, &rest)];
        match on {
            // CloudWatch Logs' reference has it so: with `:*` for all but the operations on tags, which take it without.
            Resource::LogGroup(name) => one("logs", format!("log-group:{name}:*")),
            Resource::LogGroupTags(name) => one("logs", format!("log-group:{name}")),
            Resource::LogStreams(name) => one("logs", format!("log-group:{name}:log-stream:*")),
            Resource::LogStreamsOf(service) => self.log_groups(service),
            Resource::Family(family) => one("ecs", format!("task-definition/{family}:*")),
            Resource::FamilyOf(service) => {
                let revision = self.service(service).and_then(|found| found["taskDefinition"].as_str());
                revision
                    .map(|revision| self.arn("ecs", &format!("task-definition/{}:*", family_of(revision))))
                    .into_iter()
                    .collect()
            }
            Resource::Cluster => vec![self.cluster()],
            Resource::Service(name) => one("ecs", format!("service/{cluster}/{name}")),
            Resource::Services => one("ecs", format!("service/{cluster}/*")),
            // The policy names the cluster alone: each service with its records would make it longer than a managed one may be.
            Resource::Deployments => one("ecs", format!("service-deployment/{cluster}/*")),
            Resource::Revisions => one("ecs", format!("service-revision/{cluster}/*")),
            Resource::Tasks => one("ecs", format!("task/{cluster}/*")),
            Resource::Names => one("servicediscovery", "service/*".to_owned()),
            Resource::Namespaces(name) => self.namespaces(name, |namespace| Some(namespace["Arn"].as_str()?.to_owned())),
            Resource::Zones(name) => self.namespaces(name, |namespace| {
                let zone = namespace["Properties"]["DnsProperties"]["HostedZoneId"].as_str()?;
                Some(self.global("route53", "", &format!("hostedzone/{zone}")))
            }),
            Resource::Role(role) => vec![role.clone()],
            Resource::RolesOf(service, which) => self.roles(service, *which),
            Resource::Principals => ["role/*", "user/*"].map(|rest| self.global("iam", &self.account, rest)).to_vec(),
            Resource::Roles => vec![self.global("iam", &self.account, "role/*")],
            Resource::GroupsOf(service, like) => {
                let placed = if self.service(service).is_some() { service } else { like };
                let groups = self.facts.map(|facts| facts.groups_of(placed)).unwrap_or_default();
                groups.iter().map(|group| self.arn("ec2", &format!("security-group/{group}"))).collect()
            }
            Resource::GroupRules => one("ec2", "security-group-rule/*".to_owned()),
            Resource::TargetGroupsOf(service, container) => {
                let entries = self.service(service).and_then(|found| found["loadBalancers"].as_array()).into_iter().flatten();
                let theirs =
                    entries.filter(|entry| container.as_ref().is_none_or(|container| entry["containerName"] == **container));
                theirs.filter_map(|entry| entry["targetGroupArn"].as_str()).map(str::to_owned).collect()
            }
            Resource::InCluster | Resource::Any => vec!["*".to_owned()],
        }
    }

    /// Whether a resource of which there is no ARN is not there, so that nothing is asked of it. Services and what they run are read,
    /// or nothing is; namespaces may not be read, or be made later.
    pub fn knows(&self, on: &Resource) -> bool {
        self.facts.is_some() && !matches!(on, Resource::Namespaces(_) | Resource::Zones(_))
    }

    /// The narrowest pattern that covers a resource of which only the account could say what it is; none where that would be far too
    /// much.
    pub fn anything(&self, on: &Resource) -> Option<String> {
        Some(match on {
            Resource::Namespaces(_) => self.arn("servicediscovery", "namespace/*"),
            Resource::Zones(_) => self.global("route53", "", "hostedzone/*"),
            Resource::FamilyOf(_) => self.arn("ecs", "task-definition/*:*"),
            Resource::RolesOf(..) => self.global("iam", &self.account, "role/*"),
            Resource::GroupsOf(..) => self.arn("ec2", "security-group/*"),
            Resource::TargetGroupsOf(..) => self.arn("elasticloadbalancing", "targetgroup/*/*"),
            _ => return None,
        })
    }

    fn service(&self, name: &str) -> Option<&Value> {
        self.facts?.services.get(name)
    }

    fn namespaces(&self, name: &str, of: impl Fn(&Value) -> Option<String>) -> Vec<String> {
        let namespaces = self.facts.map(|facts| facts.namespaces.as_slice()).unwrap_or_default();
        namespaces.iter().filter(|namespace| namespace["Name"] == *name).filter_map(of).collect()
    }

    fn roles(&self, service: &str, which: Roles) -> Vec<String> {
        let Some(definition) = self.facts.and_then(|facts| facts.definition_of(service)) else { return Vec::new() };
        let names: &[&str] = match which {
            Roles::Execution => &["executionRoleArn"],
            Roles::Task => &["taskRoleArn"],
            Roles::All => &["executionRoleArn", "taskRoleArn"],
        };
        names.iter().filter_map(|name| definition.body[*name].as_str()).map(str::to_owned).collect()
    }

    fn log_groups(&self, service: &str) -> Vec<String> {
        let definition = self.facts.and_then(|facts| facts.definition_of(service));
        let containers = definition.into_iter().flat_map(|definition| definition.containers());
        let mut groups: Vec<String> = containers
            .filter_map(|container| container["logConfiguration"]["options"]["awslogs-group"].as_str())
            .map(|group| self.arn("logs", &format!("log-group:{group}:log-stream:*")))
            .collect();
        groups.dedup();
        groups
    }
}
