//! Types of well-known request members. A client that sends another type is told so as AWS would.

use serde_json::Value;

use super::Service;
use crate::sim::{ApiError, shape};

const ECS_TEXTS: &[&str] = &[
    "clientToken",
    "cluster",
    "executionRoleArn",
    "family",
    "familyPrefix",
    "launchType",
    "networkMode",
    "nextToken",
    "platformVersion",
    "propagateTags",
    "resourceArn",
    "service",
    "serviceDeploymentArn",
    "serviceName",
    "taskDefinition",
    "taskRoleArn",
];
const ECS_NUMBERS: &[&str] = &["desiredCount", "healthCheckGracePeriodSeconds", "maxResults"];
const ECS_FLAGS: &[&str] = &["enableECSManagedTags", "enableExecuteCommand", "force", "forceNewDeployment"];
const ECS_LISTS: &[&str] = &[
    "capacityProviderStrategy",
    "clusters",
    "containerDefinitions",
    "include",
    "loadBalancers",
    "placementConstraints",
    "placementStrategy",
    "requiresCompatibilities",
    "serviceDeploymentArns",
    "serviceRegistries",
    "serviceRevisionArns",
    "services",
    "tagKeys",
    "tags",
    "taskDefinitions",
    "tasks",
    "volumes",
];
const LOGS_TEXTS: &[&str] = &[
    "filterPattern",
    "kmsKeyId",
    "logGroupClass",
    "logGroupIdentifier",
    "logGroupName",
    "logGroupNamePattern",
    "logGroupNamePrefix",
    "logStreamName",
    "logStreamNamePrefix",
    "nextToken",
    "orderBy",
    "resourceArn",
];
const LOGS_NUMBERS: &[&str] = &["endTime", "limit", "retentionInDays", "startTime"];
const LOGS_FLAGS: &[&str] = &["descending", "interleaved", "startFromHead", "unmask"];
const LOGS_LISTS: &[&str] = &["logGroupIdentifiers", "logStreamNames", "tagKeys"];
const CLOUD_MAP_TEXTS: &[&str] = &[
    "CreatorRequestId",
    "Description",
    "Id",
    "InstanceId",
    "Name",
    "NamespaceId",
    "NamespaceName",
    "NextToken",
    "OperationId",
    "ResourceARN",
    "ServiceId",
    "ServiceName",
    "Type",
];
const CLOUD_MAP_NUMBERS: &[&str] = &["MaxResults"];
const CLOUD_MAP_LISTS: &[&str] = &["Filters", "Instances", "TagKeys", "Tags"];

/// What a member must be, with AWS's words for what was found instead.
struct Kind {
    names: &'static [&'static str],
    wanted: &'static str,
    fits: fn(&Value) -> bool,
}

/// Checks the top-level members of `input`, and of ECS the structures below them.
pub(super) fn check(service: Service, input: &Value) -> Result<(), ApiError> {
    let (texts, numbers, flags, lists) = match service {
        Service::Ecs => (ECS_TEXTS, ECS_NUMBERS, ECS_FLAGS, ECS_LISTS),
        Service::Logs => (LOGS_TEXTS, LOGS_NUMBERS, LOGS_FLAGS, LOGS_LISTS),
        Service::CloudMap => (CLOUD_MAP_TEXTS, CLOUD_MAP_NUMBERS, &[][..], CLOUD_MAP_LISTS),
        Service::Elb | Service::Ec2 | Service::Sts | Service::Iam | Service::Route53 | Service::Scaling => return Ok(()),
    };
    let kinds = [
        Kind { names: texts, wanted: "a String", fits: Value::is_string },
        Kind { names: numbers, wanted: "an Integer", fits: |value| value.is_i64() || value.is_u64() },
        Kind { names: flags, wanted: "a Boolean", fits: Value::is_boolean },
        Kind { names: lists, wanted: "a List", fits: Value::is_array },
    ];
    let members = input.as_object().into_iter().flatten();
    for (name, value) in members {
        let wrong = kinds.iter().find(|kind| kind.names.contains(&name.as_str()) && !(kind.fits)(value));
        if let Some(kind) = wrong {
            let message = format!("{} can not be converted to {}", found(value), kind.wanted);
            return Err(ApiError::new("SerializationException", message));
        }
    }
    match shape::misfit(input).filter(|_| service == Service::Ecs) {
        Some(wrong) => {
            let message = format!("{} can not be converted to {}", found(wrong.found), wrong.wanted);
            Err(ApiError::new("SerializationException", message))
        }
        None => Ok(()),
    }
}

fn found(value: &Value) -> &'static str {
    match value {
        Value::Null => "NULL_VALUE",
        Value::Bool(_) => "BOOLEAN_VALUE",
        Value::Number(_) => "NUMBER_VALUE",
        Value::String(_) => "STRING_VALUE",
        Value::Array(_) => "START_ARRAY",
        Value::Object(_) => "START_OBJECT",
    }
}
