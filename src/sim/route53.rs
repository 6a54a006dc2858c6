//! Route 53: the hosted zones of private namespaces, and in which VPCs their names are answered.

use serde_json::{Value, json};

use super::values::text;
use super::{ApiError, Call, State};

/// Answers one operation.
pub(super) fn call(state: &State, call: &Call, input: &Value) -> Result<Value, ApiError> {
    let id = text(input, "Id").unwrap_or_default();
    let zone = state.cloudmap.hosted_zone(id).filter(|_| call.operation == "GetHostedZone");
    let Some((name, vpcs)) = zone else {
        return Err(ApiError::new("NoSuchHostedZone", format!("No hosted zone found with ID: {id}")).status(404));
    };
    let vpcs: Vec<Value> = vpcs.iter().map(|vpc| json!({ "VPCRegion": state.region, "VPCId": vpc })).collect();
    Ok(json!({
        "HostedZone": { "Id": format!("/hostedzone/{id}"), "Name": format!("{name}."), "CallerReference": id,
            "Config": { "PrivateZone": true }, "ResourceRecordSetCount": 2 },
        "VPCs": vpcs,
    }))
}
