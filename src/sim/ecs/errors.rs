//! ECS's errors that several operations share, and the look-up of a request's cluster.

use serde_json::{Value, json};

use super::super::{ApiError, State};
use super::json::text;

/// `ClientException`.
pub(super) fn client(message: impl Into<String>) -> ApiError {
    ApiError::new("ClientException", message)
}

/// `InvalidParameterException`.
pub(super) fn invalid(message: impl Into<String>) -> ApiError {
    ApiError::new("InvalidParameterException", message)
}

/// No service of this name.
pub(super) fn no_service() -> ApiError {
    ApiError::new("ServiceNotFoundException", "Service not found.")
}

/// The ARN of the request's cluster, which must be ACTIVE; no name means `default`.
pub(super) fn cluster(state: &State, name: &str) -> Result<String, ApiError> {
    let Some(cluster) = state.ecs.cluster(name) else {
        return Err(ApiError::new("ClusterNotFoundException", "Cluster not found."));
    };
    if text(cluster, "status") == "INACTIVE" {
        return Err(ApiError::new("ClusterNotFoundException", "The referenced cluster was inactive."));
    }
    Ok(text(cluster, "clusterArn").to_owned())
}

/// The `failures` of a Describe operation.
pub(super) fn missing<'a>(arns: impl Iterator<Item = &'a String>) -> Value {
    arns.map(|arn| json!({ "arn": arn, "reason": "MISSING" })).collect()
}
