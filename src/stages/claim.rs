//! What is said of another run's claim on a service.

use serde_json::Value;

use crate::aws::Aws;
use crate::model::{Claim, Failure, FailureKind, RunId};

/// The failure of `run` before the claim of another, if the service carries one that comes before its own.
pub fn in_the_way(aws: &Aws, service: &Value, run: &RunId) -> Option<Failure> {
    let claim = Claim::in_the_way(&service["tags"], run)?;
    let name = service["serviceName"].as_str().unwrap_or_default();
    let arn = service["serviceArn"].as_str().unwrap_or_default();
    let message = format!("service `{name}` is claimed by {}", claim.words());
    Some(Failure::of(FailureKind::Claimed, message).because([if_dead(&claim, arn, &aws.region, aws.endpoint_url.as_deref())]))
}

/// What is to be done about a claim whose run will not remove it any more.
pub fn if_dead(claim: &Claim, arn: &str, region: &str, endpoint: Option<&str>) -> String {
    let untag = Claim::untag(&claim.run, arn, region, endpoint);
    format!("it is removed when that run is over; if that run is known to be dead, remove it with `{untag}`")
}
