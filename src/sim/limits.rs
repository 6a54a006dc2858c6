//! Token buckets: how often an account may ask. Calls that AWS's services make among themselves do not count.

use std::collections::BTreeMap;

use super::wire::Service;
use super::{ApiError, Millis, State};

/// The fill of each bucket that was used.
#[derive(Clone, Debug, Default)]
pub(super) struct Limits {
    fills: BTreeMap<&'static str, Fill>,
}

#[derive(Clone, Copy, Debug)]
struct Fill {
    /// Thousandths of a token; one token a second is one thousandth a millisecond.
    thousandths: i64,
    at: Millis,
}

/// A bucket of the published quotas.
#[derive(Clone, Copy)]
struct Bucket {
    name: &'static str,
    burst: i64,
    per_second: i64,
}

const fn bucket(name: &'static str, burst: i64, per_second: i64) -> Bucket {
    Bucket { name, burst, per_second }
}

/// Takes one token for the operation from each bucket that it draws on, or says that the rate is exceeded.
pub(super) fn take(state: &mut State, service: Service, operation: &str) -> Result<(), ApiError> {
    if !state.assume.control.limits {
        return Ok(());
    }
    let buckets = buckets(service, operation);
    let now = state.now;
    for bucket in &buckets {
        let full = bucket.burst * 1000;
        let fill = state.limits.fills.entry(bucket.name).or_insert(Fill { thousandths: full, at: now });
        fill.thousandths = full.min(fill.thousandths.saturating_add((now - fill.at).saturating_mul(bucket.per_second)));
        fill.at = now;
        if fill.thousandths < 1000 {
            return Err(throttled(service));
        }
    }
    for bucket in &buckets {
        if let Some(fill) = state.limits.fills.get_mut(bucket.name) {
            fill.thousandths -= 1000;
        }
    }
    Ok(())
}

/// "Rate exceeded", in the service's words.
pub(super) fn throttled(service: Service) -> ApiError {
    match service {
        Service::Ecs | Service::Logs | Service::CloudMap | Service::Scaling => {
            ApiError::new("ThrottlingException", "Rate exceeded")
        }
        Service::Elb | Service::Sts | Service::Iam | Service::Route53 => ApiError::new("Throttling", "Rate exceeded"),
        Service::Ec2 => ApiError::new("RequestLimitExceeded", "Request limit exceeded.").status(503),
    }
}

/// The buckets of an operation. ECS and ELB `[D]`, Logs `[D]`; the others publish none.
fn buckets(service: Service, operation: &str) -> Vec<Bucket> {
    match service {
        Service::Ecs => ecs(operation).into_iter().collect(),
        Service::Logs => logs(operation).into_iter().collect(),
        Service::Elb => vec![elb(operation), bucket("elb-all", 40, 10)],
        Service::CloudMap | Service::Ec2 | Service::Sts | Service::Iam | Service::Route53 | Service::Scaling => Vec::new(),
    }
}

fn ecs(operation: &str) -> Option<Bucket> {
    Some(match operation {
        "CreateCluster" | "DeleteCluster" | "UpdateCluster" | "UpdateClusterSettings" | "PutClusterCapacityProviders" => {
            bucket("ecs-cluster-modify", 20, 1)
        }
        "DescribeClusters" | "ListClusters" => bucket("ecs-cluster-read", 50, 20),
        "RegisterTaskDefinition" | "DeregisterTaskDefinition" => bucket("ecs-task-definition-modify", 20, 1),
        "DescribeTaskDefinition" | "ListTaskDefinitions" | "ListTaskDefinitionFamilies" => {
            bucket("ecs-task-definition-read", 50, 20)
        }
        "DeleteTaskDefinitions" => bucket("ecs-task-definition-delete", 5, 1),
        "CreateService" | "UpdateService" | "DeleteService" => bucket("ecs-service-modify", 50, 5),
        "DescribeServices" | "ListServices" => bucket("ecs-service-read", 100, 20),
        "DescribeServiceDeployments" | "ListServiceDeployments" => bucket("ecs-service-deployment", 50, 20),
        "DescribeServiceRevisions" => bucket("ecs-service-revision", 50, 20),
        "DescribeTasks" | "ListTasks" | "DescribeContainerInstances" | "ListContainerInstances" => {
            bucket("ecs-resource-read", 100, 20)
        }
        "RunTask" | "StartTask" | "StopTask" | "ExecuteCommand" => bucket("ecs-resource-modify", 100, 40),
        "TagResource" | "UntagResource" => bucket("ecs-tag-modify", 20, 10),
        "ListTagsForResource" => bucket("ecs-tag-read", 50, 20),
        "DescribeCapacityProviders" => bucket("ecs-capacity-provider-read", 50, 20),
        "ListServicesByNamespace" => bucket("ecs-services-by-namespace", 10, 1),
        _ => return None,
    })
}

fn logs(operation: &str) -> Option<Bucket> {
    Some(match operation {
        "CreateLogGroup" => bucket("logs-create-group", 10, 10),
        "DeleteLogGroup" => bucket("logs-delete-group", 10, 10),
        "DescribeLogGroups" => bucket("logs-describe-groups", 10, 10),
        "DescribeLogStreams" => bucket("logs-describe-streams", 25, 25),
        "PutRetentionPolicy" => bucket("logs-put-retention", 5, 5),
        "DeleteRetentionPolicy" => bucket("logs-delete-retention", 5, 5),
        "TagResource" | "UntagResource" => bucket("logs-tag", 5, 5),
        "ListTagsForResource" => bucket("logs-list-tags", 30, 30),
        "FilterLogEvents" => bucket("logs-filter-events", 10, 10),
        "GetLogEvents" => bucket("logs-get-events", 10, 10),
        _ => return None,
    })
}

fn elb(operation: &str) -> Bucket {
    match operation {
        _ if operation.starts_with("Describe") => bucket("elb-describe", 40, 10),
        "RegisterTargets" | "DeregisterTargets" => bucket("elb-targets", 20, 4),
        _ => bucket("elb-modify", 20, 3),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::tests::world;

    #[test]
    fn a_bucket_gives_its_burst_then_its_refill_and_buckets_are_apart() {
        let mut state = State::load(&world(), 1).expect("the shipped world loads");
        let taken =
            |state: &mut State| (0..200).take_while(|_| take(state, Service::Ecs, "RegisterTaskDefinition").is_ok()).count();
        assert_eq!(taken(&mut state), 20);
        state.now += 3_500;
        assert_eq!(taken(&mut state), 3);
        state.now += 500;
        assert_eq!(taken(&mut state), 1, "what was left of a token is not lost");
        state.now += 3_600_000;
        assert_eq!(taken(&mut state), 20, "a bucket is never fuller than full");
        assert!(take(&mut state, Service::Ecs, "DescribeServices").is_ok());
    }

    #[test]
    fn load_balancing_has_one_more_bucket_over_all() {
        let mut state = State::load(&world(), 1).expect("the shipped world loads");
        for _ in 0..39 {
            take(&mut state, Service::Elb, "DescribeTargetHealth").expect("within the burst");
        }
        take(&mut state, Service::Elb, "ModifyTargetGroup").expect("the fortieth of all");
        let refused = take(&mut state, Service::Elb, "ModifyTargetGroup").expect_err("one over all");
        assert_eq!((refused.code.as_str(), refused.message.as_str()), ("Throttling", "Rate exceeded"));
    }
}
