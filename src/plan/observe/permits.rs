//! What reading for a plan asks AWS for.

use crate::stages::facts::{Purpose, Resource, Wants};

/// Notes it. The reading itself says what of it is refused, so IAM is not asked about it.
pub fn permits(wants: &mut Wants) {
    let names: Vec<String> = wants.names.iter().map(|(namespace, _)| namespace.clone()).collect();
    let has_logs = !wants.log_groups.is_empty();
    let mut read = |on: Resource, actions: &[&'static str]| wants.allow(&[Purpose::Plan], actions, &on);
    read(Resource::Cluster, &["ecs:DescribeClusters"]);
    read(Resource::Services, &["ecs:DescribeServices"]);
    read(Resource::InCluster, &["ecs:ListServices", "ecs:ListTasks"]);
    read(Resource::Tasks, &["ecs:DescribeTasks"]);
    read(Resource::Any, &["ecs:DescribeTaskDefinition", "application-autoscaling:DescribeScalableTargets"]);
    read(Resource::Any, &["elasticloadbalancing:DescribeListeners", "elasticloadbalancing:DescribeLoadBalancers"]);
    read(Resource::Any, &["elasticloadbalancing:DescribeRules", "elasticloadbalancing:DescribeTargetGroups"]);
    read(Resource::Any, &["ec2:DescribeRouteTables", "ec2:DescribeSecurityGroups"]);
    read(Resource::Any, &["ec2:DescribeSubnets", "ec2:DescribeVpcAttribute"]);
    // What services are registered with.
    read(Resource::Names, &["servicediscovery:GetService"]);
    read(Resource::Principals, &["iam:SimulatePrincipalPolicy"]);
    read(Resource::Roles, &["iam:GetRole"]);
    if has_logs {
        read(Resource::Any, &["logs:DescribeLogGroups"]);
    }
    for namespace in names {
        read(Resource::Any, &["servicediscovery:ListNamespaces", "servicediscovery:ListServices"]);
        read(Resource::Zones(namespace), &["route53:GetHostedZone"]);
    }
}
