//! What planning asks of AWS, and what it found: plain values, read once, planned from without another call.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::gone::Gone;
pub use super::permits::{Permission, Purpose, Resource, Roles, changes_services};
use crate::aws::task_definition::TaskDefinition;
use crate::aws::{Decision, ListenerRule, LoadBalancer, RouteTable, Scaling, SecurityGroup, Subnet, TargetGroup, VpcDns};

/// What the stages of a runbook need to know.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wants {
    /// ECS services that must exist.
    pub services: BTreeSet<String>,
    /// ECS services that may exist.
    pub possible_services: BTreeSet<String>,
    /// Task definition families.
    pub families: BTreeSet<String>,
    /// Log groups.
    pub log_groups: BTreeSet<String>,
    /// Cloud Map names: namespace and service.
    pub names: BTreeSet<(String, String)>,
    /// Target groups by name.
    pub target_groups: BTreeSet<String>,
    /// What will be asked of AWS: by stages, and by whoever reads for them.
    pub permissions: BTreeSet<Permission>,
    /// Log groups that tasks will write to, and the service whose execution role they have unless it is named here.
    pub log_writers: BTreeSet<(String, String, String)>,
}

/// Something that could not be read, and so not be checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unread {
    /// As IAM spells it: `ec2:DescribeSubnets`.
    pub action: String,
    /// What it was asked about.
    pub resource: String,
    /// AWS's words.
    pub why: String,
}

/// What was found.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    /// The account.
    pub account: String,
    /// The Region.
    pub region: String,
    /// The endpoint override.
    pub endpoint: Option<String>,
    /// The caller's ARN.
    pub identity: String,
    /// The cluster's name.
    pub cluster: String,
    /// Services that are there and not INACTIVE, by name.
    pub services: BTreeMap<String, Value>,
    /// Private addresses of the services' tasks.
    pub addresses: BTreeMap<String, Vec<String>>,
    /// Task definitions by ARN: those that services run.
    pub definitions: BTreeMap<String, TaskDefinition>,
    /// A family's newest ACTIVE revision.
    pub newest: BTreeMap<String, TaskDefinition>,
    /// Log groups by name.
    pub log_groups: BTreeMap<String, Value>,
    /// Namespaces of a wanted name (several may share one).
    pub namespaces: Vec<Value>,
    /// Cloud Map services by namespace id and name.
    pub names: BTreeMap<(String, String), Value>,
    /// Target groups by ARN.
    pub target_groups: BTreeMap<String, TargetGroup>,
    /// What services name and what is not there.
    pub gone: Gone,
    /// Load balancers of those target groups.
    pub load_balancers: BTreeMap<String, LoadBalancer>,
    /// Their forwarding rules.
    pub rules: Vec<ListenerRule>,
    /// Security groups by id; absent where they could not be read.
    pub security_groups: BTreeMap<String, SecurityGroup>,
    /// Subnets of the services' tasks, by id.
    pub subnets: BTreeMap<String, Subnet>,
    /// The route tables of their VPCs.
    pub route_tables: Vec<RouteTable>,
    /// Whether their VPCs answer names.
    pub vpc_dns: BTreeMap<String, VpcDns>,
    /// The VPCs in which a namespace's names are answered, by namespace id.
    pub zone_vpcs: BTreeMap<String, Vec<String>>,
    /// Services whose desired count Application Auto Scaling owns.
    pub scaling: BTreeMap<String, Scaling>,
    /// The family that each service of the cluster runs, by service.
    pub families: BTreeMap<String, String>,
    /// The target groups that each service of the cluster is in, by service.
    pub behind: BTreeMap<String, Vec<String>>,
    /// What IAM would decide of what the run will ask for; `true`: of its way back alone.
    pub decisions: Vec<(Decision, bool)>,
    /// What it would decide of the execution roles' writing of logs, by role.
    pub log_decisions: Vec<(String, Decision)>,
    /// How many seconds the credentials are good for.
    pub credentials_left: Option<u64>,
    /// What could not be read.
    pub unread: Vec<Unread>,
}

impl Facts {
    /// The task definition that a service runs.
    pub fn definition_of(&self, service: &str) -> Option<&TaskDefinition> {
        let arn = self.services.get(service)?["taskDefinition"].as_str()?;
        self.definitions.get(arn)
    }

    /// The security groups of a service's tasks.
    pub fn groups_of(&self, service: &str) -> Vec<String> {
        let groups =
            self.services.get(service).map(|found| &found["networkConfiguration"]["awsvpcConfiguration"]["securityGroups"]);
        groups.and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
    }

    /// The subnets of a service's tasks.
    pub fn subnets_of(&self, service: &str) -> Vec<String> {
        let subnets = self.services.get(service).map(|found| &found["networkConfiguration"]["awsvpcConfiguration"]["subnets"]);
        subnets.and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
    }

    /// The VPC of a service's tasks, where their subnets could be read.
    pub fn vpc_of(&self, service: &str) -> Option<&str> {
        self.subnets_of(service).iter().find_map(|id| self.subnets.get(id)).map(|subnet| subnet.vpc.as_str())
    }

    /// Whether this was not permitted to be read.
    pub fn is_unread(&self, action: &str) -> bool {
        self.unread.iter().any(|unread| unread.action == action)
    }

    /// The target group named `name`.
    pub fn target_group_named(&self, name: &str) -> Option<&TargetGroup> {
        self.target_groups.values().find(|group| group.name == name)
    }
}
