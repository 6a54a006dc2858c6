//! What a capture asks AWS for beside what a plan reads.

use crate::stages::facts::{Purpose, Resource, Wants};

/// Notes it.
pub fn permits(wants: &mut Wants) {
    let services: Vec<String> = wants.services.union(&wants.possible_services).cloned().collect();
    let (groups, has_names) = (wants.log_groups.clone(), !wants.names.is_empty());
    let adds_rules = wants.permissions.iter().any(|permission| permission.action == "ec2:DescribeSecurityGroupRules");
    let mut read = |on: Resource, actions: &[&'static str]| wants.allow(&[Purpose::Snapshot], actions, &on);
    for service in services {
        // AWS's list of resource types has the service beside its records.
        read(Resource::Service(service), &["ecs:ListServiceDeployments"]);
    }
    // AWS's list of resource types has the service beside its records.
    for on in [Resource::Services, Resource::Deployments] {
        read(on, &["ecs:DescribeServiceDeployments"]);
    }
    for on in [Resource::Services, Resource::Revisions] {
        read(on, &["ecs:DescribeServiceRevisions"]);
    }
    read(Resource::Any, &["ecs:ListTaskDefinitions", "ec2:DescribeVpcs", "logs:DescribeLogGroups"]);
    read(Resource::Any, &["elasticloadbalancing:DescribeTags", "elasticloadbalancing:DescribeTargetGroupAttributes"]);
    read(Resource::Any, &["elasticloadbalancing:DescribeTargetHealth"]);
    for group in groups {
        read(Resource::LogGroupTags(group), &["logs:ListTagsForResource"]);
    }
    if adds_rules {
        read(Resource::Any, &["ec2:DescribeSecurityGroupRules"]);
    }
    if has_names {
        read(Resource::Any, &["servicediscovery:GetInstancesHealthStatus", "servicediscovery:ListInstances"]);
        read(Resource::Any, &["servicediscovery:ListTagsForResource"]);
    }
}
