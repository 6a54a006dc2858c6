//! What a service's settings name and what is there no more. AWS lets anybody delete a target group that services are in, and a subnet,
//! a security group or a Cloud Map service that no task uses at the time. ECS says nothing of it until the service is to be deployed: then
//! it refuses, whatever else is to change.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::facts::Facts;

/// What is not there any more of what services name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Gone {
    /// Target groups, by ARN.
    pub target_groups: BTreeSet<String>,
    /// Cloud Map services, by ARN.
    pub registries: BTreeSet<String>,
    /// Subnets and security groups, by id.
    pub network: BTreeSet<String>,
}

/// A list of a service, taken apart.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Parted {
    /// Entries that name something that is gone.
    pub lost: Vec<Value>,
    /// The others, as they are.
    pub kept: Vec<Value>,
}

impl Parted {
    /// Takes a list apart by whether the member `names` of an entry is in `gone`.
    pub fn of(list: &Value, names: &str, gone: &BTreeSet<String>) -> Self {
        let is_gone = |entry: &Value| entry[names].as_str().is_some_and(|arn| gone.contains(arn));
        let (lost, kept) = list.as_array().into_iter().flatten().cloned().partition(is_gone);
        Self { lost, kept }
    }
}

impl Gone {
    /// The load-balancer entries of a service.
    pub fn balancers(&self, service: &Value) -> Parted {
        Parted::of(&service["loadBalancers"], "targetGroupArn", &self.target_groups)
    }

    /// The service registries of a service.
    pub fn registries(&self, service: &Value) -> Parted {
        Parted::of(&service["serviceRegistries"], "registryArn", &self.registries)
    }

    /// The subnets and security groups of a service.
    pub fn network<'a>(&self, service: &'a Value) -> Vec<&'a str> {
        let network = &service["networkConfiguration"]["awsvpcConfiguration"];
        let named = ["subnets", "securityGroups"].into_iter().flat_map(|list| network[list].as_array().into_iter().flatten());
        named.filter_map(Value::as_str).filter(|id| self.network.contains(*id)).collect()
    }
}

/// A target group's name, or a Cloud Map service's id, out of its ARN.
pub fn name_of(arn: &str) -> &str {
    let mut parts = arn.split('/').skip(1);
    parts.next().unwrap_or(arn)
}

/// Load-balancer entries as people say them: `jaeger:16686 in traces`.
pub fn spoken(entries: &[Value]) -> String {
    let entry = |entry: &Value| {
        let arn = entry["targetGroupArn"].as_str().or_else(|| entry["registryArn"].as_str()).unwrap_or_default();
        match (entry["containerName"].as_str(), entry["containerPort"].as_i64()) {
            (Some(container), Some(port)) => format!("{container}:{port} in {}", name_of(arn)),
            _ => name_of(arn).to_owned(),
        }
    };
    entries.iter().map(entry).collect::<Vec<_>>().join(", ")
}

/// The AWS CLI's command that takes the lost load-balancer entries out of a service.
pub fn without_lost_balancers(facts: &Facts, service: &Value) -> String {
    let kept = facts.gone.balancers(service).kept;
    // ECS takes no grace period of a service that is behind no load balancer.
    let grace = kept.is_empty() && service["healthCheckGracePeriodSeconds"].as_u64().unwrap_or(0) > 0;
    let grace = if grace { " --health-check-grace-period-seconds 0" } else { "" };
    update(facts, service, &format!("--load-balancers '{}'{grace}", json!(kept)))
}

/// The same of its lost service registries.
pub fn without_lost_registries(facts: &Facts, service: &Value) -> String {
    update(facts, service, &format!("--service-registries '{}'", json!(facts.gone.registries(service).kept)))
}

/// The same of its lost subnets and security groups; nothing where it would have no subnet any more.
pub fn without_lost_network(facts: &Facts, service: &Value) -> Option<String> {
    let mut network = service["networkConfiguration"].clone();
    for list in ["subnets", "securityGroups"] {
        if let Some(ids) = network["awsvpcConfiguration"][list].as_array_mut() {
            let there = |id: &Value| id.as_str().is_some_and(|id| !facts.gone.network.contains(id));
            let had = !ids.is_empty();
            ids.retain(there);
            if had && ids.is_empty() {
                return None;
            }
        }
    }
    Some(update(facts, service, &format!("--network-configuration '{network}'")))
}

fn update(facts: &Facts, service: &Value, options: &str) -> String {
    let name = service["serviceName"].as_str().unwrap_or_default();
    format!("aws ecs update-service --cluster {} --service {name} {options} --region {}", facts.cluster, facts.region)
}

#[cfg(test)]
mod tests {
    use super::*;

    const GROUP: &str = "arn:aws:elasticloadbalancing:us-west-2:111122223333:targetgroup/traces/0123456789abcdef";

    fn facts() -> Facts {
        let gone = Gone {
            target_groups: [GROUP.to_owned()].into(),
            registries: BTreeSet::new(),
            network: ["subnet-1", "sg-1"].map(str::to_owned).into(),
        };
        Facts { cluster: "c".to_owned(), region: "us-west-2".to_owned(), gone, ..Facts::default() }
    }

    #[test]
    fn the_repair_keeps_what_is_there() {
        let entry = json!({ "targetGroupArn": GROUP, "containerName": "jaeger", "containerPort": 16686 });
        let other = json!({ "targetGroupArn": "arn:o", "containerName": "api", "containerPort": 80 });
        let service = json!({ "serviceName": "s", "loadBalancers": [other, entry], "healthCheckGracePeriodSeconds": 60 });
        assert_eq!(spoken(&facts().gone.balancers(&service).lost), "jaeger:16686 in traces");
        let command = without_lost_balancers(&facts(), &service);
        assert!(command.contains(&format!("--load-balancers '[{other}]' --region")), "{command}");
        let alone = json!({ "serviceName": "s", "loadBalancers": [entry], "healthCheckGracePeriodSeconds": 60 });
        let command = without_lost_balancers(&facts(), &alone);
        assert!(command.contains("--load-balancers '[]' --health-check-grace-period-seconds 0"), "{command}");
    }

    #[test]
    fn a_network_that_is_gone_as_a_whole_cannot_be_repaired_by_leaving_out() {
        let of = |subnets: Value| json!({ "serviceName": "s", "networkConfiguration": { "awsvpcConfiguration": { "subnets": subnets, "assignPublicIp": "DISABLED" } } });
        let both = of(json!(["subnet-1", "subnet-2"]));
        assert_eq!(facts().gone.network(&both), ["subnet-1"]);
        let command = without_lost_network(&facts(), &both).expect("one is left");
        assert!(command.contains(r#""subnets":["subnet-2"]"#) && command.contains("DISABLED"), "{command}");
        assert_eq!(without_lost_network(&facts(), &of(json!(["subnet-1"]))), None);
    }
}
