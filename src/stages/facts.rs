//! What planning asks of AWS, and what it found: plain values, read once, planned from without another call.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::aws::task_definition::TaskDefinition;
use crate::aws::{ListenerRule, LoadBalancer, SecurityGroup, TargetGroup};

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
    /// Load balancers of those target groups.
    pub load_balancers: BTreeMap<String, LoadBalancer>,
    /// Their forwarding rules.
    pub rules: Vec<ListenerRule>,
    /// Security groups by id; absent where they could not be read.
    pub security_groups: BTreeMap<String, SecurityGroup>,
    /// What could not be read, and AWS's words for it.
    pub unread: Vec<(String, String)>,
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

    /// The target group named `name`.
    pub fn target_group_named(&self, name: &str) -> Option<&TargetGroup> {
        self.target_groups.values().find(|group| group.name == name)
    }
}
