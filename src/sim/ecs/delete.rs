//! DeleteService.

use serde_json::Value;

use super::super::{ApiError, Call, State};
use super::errors::{self, invalid};
use super::json::text;
use super::{create, describe, scheduler};

/// Deletes a service: it is DRAINING until its tasks are gone, then INACTIVE. Again on one that is going already: no effect.
pub(super) fn delete_service(state: &mut State, call: &Call, input: &Value) -> Result<Value, ApiError> {
    let cluster = errors::cluster(state, text(input, "cluster"))?;
    let index = state.ecs.service_index(&cluster, text(input, "service")).ok_or_else(errors::no_service)?;
    let service = &state.ecs.services[index];
    let (arn, name) = (service.arn.clone(), service.name.clone());
    if service.status == "INACTIVE" {
        return Err(errors::no_service());
    }
    if !service.active() {
        return create::answer(state, &arn, true);
    }
    let forced = input["force"] == true;
    if !forced && service.desired > 0 {
        return Err(invalid("The service cannot be stopped while it is scaled above 0."));
    }
    if !forced && service.deployments.len() > 1 {
        return Err(invalid("The service cannot be stopped while deployments are active."));
    }
    let before = describe::view(state, &cluster, &name);
    let service = &mut state.ecs.services[index];
    service.status = "DRAINING".to_owned();
    service.desired = 0;
    for deployment in &mut service.deployments {
        deployment.desired = 0;
    }
    create::note_before(state, &arn, before);
    state.note_effect(call, None, arn.clone());
    scheduler::wake(state, &arn, 0);
    create::answer(state, &arn, true)
}
