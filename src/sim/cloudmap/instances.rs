//! Instances, by hand and by ECS, and the operations that bring and take them.

use serde_json::{Value, json};

use super::{CloudMap, CloudMapEvent, Instance, Operation, Phase, cut, invalid, member, required};
use crate::sim::values::{Object, epoch_seconds, text, texts};
use crate::sim::{ApiError, Call, Millis, State};

pub(super) fn list(state: &State, input: &Value) -> Result<Value, ApiError> {
    let service = state.cloudmap.service(required(input, "ServiceId")?)?;
    let page = cut(state.cloudmap.listed(member(service, "Id")).collect(), input)?;
    let summary = |instance: &Instance| {
        let mut object = instance.object.clone();
        object.remove("CreatorRequestId");
        object
    };
    let mut output = json!({"Instances": page.items.into_iter().map(summary).collect::<Vec<_>>()});
    if let Some(next) = page.next {
        output["NextToken"] = json!(next);
    }
    Ok(output)
}

pub(super) fn get(state: &State, input: &Value) -> Result<Value, ApiError> {
    let service = state.cloudmap.service(required(input, "ServiceId")?)?;
    let id = required(input, "InstanceId")?;
    let found = state.cloudmap.listed(member(service, "Id")).find(|instance| instance.id() == id);
    Ok(json!({"Instance": found.ok_or_else(|| no_instance(id))?.object}))
}

pub(super) fn health(state: &State, input: &Value) -> Result<Value, ApiError> {
    let service = state.cloudmap.service(required(input, "ServiceId")?)?;
    let wanted = texts(input, "Instances");
    let all: Vec<&Instance> = state.cloudmap.listed(member(service, "Id")).collect();
    if let Some(unknown) = wanted.iter().find(|id| !all.iter().any(|instance| instance.id() == id.as_str())) {
        return Err(no_instance(unknown));
    }
    let asked = all.into_iter().filter(|instance| wanted.is_empty() || wanted.iter().any(|id| id == instance.id()));
    let page = cut(asked.collect(), input)?;
    let status: Object = page.items.iter().map(|instance| (instance.id().to_owned(), json!(word(service, instance)))).collect();
    let mut output = json!({"Status": status});
    if let Some(next) = page.next {
        output["NextToken"] = json!(next);
    }
    Ok(output)
}

/// An instance counts as healthy in a service that has no health check.
pub(super) fn is_healthy(service: &Object, instance: &Instance) -> bool {
    instance.healthy || !service.contains_key("HealthCheckCustomConfig")
}

pub(super) fn word(service: &Object, instance: &Instance) -> &'static str {
    if is_healthy(service, instance) { "HEALTHY" } else { "UNHEALTHY" }
}

fn no_instance(id: &str) -> ApiError {
    ApiError::new("InstanceNotFound", format!("Instance not found. ID: {id}"))
}

/// Registers an instance, or registers it anew; it is listed after the registration lag.
pub(super) fn put(state: &mut State, service: &str, id: &str, attributes: Object, token: Option<&str>, healthy: bool) {
    state.cloudmap.generation += 1;
    let generation = state.cloudmap.generation;
    let mut object = json!({"Id": id, "Attributes": attributes});
    if let Some(token) = token {
        object["CreatorRequestId"] = json!(token);
    }
    let object = object.as_object().cloned().unwrap_or_default();
    let instances = state.cloudmap.instances.entry(service.to_owned()).or_default();
    let known = instances.iter().position(|instance| instance.id() == id);
    let phase = known.map_or(Phase::Registering, |_| Phase::Listed);
    let instance = Instance { object, healthy, phase, generation, report: generation };
    match known {
        Some(index) => instances[index] = instance,
        None => instances.push(instance),
    }
    let event = CloudMapEvent::Listed { service: service.to_owned(), instance: id.to_owned(), generation };
    state.later(state.assume.control.instance_registration, event);
}

/// Takes an instance off; gives how long it takes, `None` when there is none.
pub(super) fn take_off(state: &mut State, service: &str, id: &str) -> Option<Millis> {
    let (from, to) = state.assume.control.instance_deregistration;
    let lag = if to > from { state.rng.i64(from..=to) } else { from };
    let instance = state.cloudmap.instance_mut(service, id)?;
    if instance.phase == Phase::Listed {
        instance.phase = Phase::Leaving;
    }
    let event = CloudMapEvent::Gone { service: service.to_owned(), instance: id.to_owned(), generation: instance.generation };
    state.later(lag, event);
    Some(lag)
}

pub(super) fn register_by_call(state: &mut State, call: &Call, input: &Value) -> Result<Value, ApiError> {
    let service = member(state.cloudmap.service(required(input, "ServiceId")?)?, "Id").to_owned();
    let id = required(input, "InstanceId")?;
    let attributes = input.get("Attributes").and_then(Value::as_object).ok_or_else(|| invalid("Attributes must be specified"))?;
    let token = text(input, "CreatorRequestId");
    let healthy = attributes.get("AWS_INIT_HEALTH_STATUS").and_then(Value::as_str) != Some("UNHEALTHY");
    put(state, &service, id, attributes.clone(), token, healthy);
    let operation = begin(state, "REGISTER_INSTANCE", &service, id, state.assume.control.instance_registration);
    state.note_effect(call, token.map(str::to_owned), format!("{service}/{id}"));
    Ok(json!({"OperationId": operation}))
}

pub(super) fn deregister_by_call(state: &mut State, call: &Call, input: &Value) -> Result<Value, ApiError> {
    let service = member(state.cloudmap.service(required(input, "ServiceId")?)?, "Id").to_owned();
    let id = required(input, "InstanceId")?;
    let leaving =
        state.cloudmap.instances.get(&service).into_iter().flatten().any(|known| known.id() == id && known.phase == Phase::Leaving);
    if leaving {
        return Err(ApiError::new("DuplicateRequest", "Another operation of this instance is in progress."));
    }
    let lag = take_off(state, &service, id).ok_or_else(|| no_instance(id))?;
    let operation = begin(state, "DEREGISTER_INSTANCE", &service, id, lag);
    state.note_effect(call, None, format!("{service}/{id}"));
    Ok(json!({"OperationId": operation}))
}

pub(super) fn operation(state: &State, input: &Value) -> Result<Value, ApiError> {
    let id = required(input, "OperationId")?;
    let found = state.cloudmap.operations.get(id);
    let missing = || ApiError::new("OperationNotFound", format!("Operation not found. ID: {id}"));
    Ok(json!({"Operation": found.ok_or_else(missing)?.object}))
}

fn begin(state: &mut State, kind: &str, service: &str, instance: &str, takes: Millis) -> String {
    let id = format!("{}-{}", state.hex(32), state.hex(8));
    let object = json!({
        "Id": id,
        "OwnerAccount": state.account,
        "Type": kind,
        "Status": "PENDING",
        "CreateDate": epoch_seconds(state.now),
        "UpdateDate": epoch_seconds(state.now),
        "Targets": {"INSTANCE": instance, "SERVICE": service},
    });
    let object = object.as_object().cloned().unwrap_or_default();
    state.cloudmap.operations.insert(id.clone(), Operation { object });
    state.later(takes, CloudMapEvent::Done { operation: id.clone() });
    id
}

impl CloudMap {
    /// An operation is done.
    pub(super) fn finish(&mut self, operation: &str, now: Millis) {
        if let Some(operation) = self.operations.get_mut(operation) {
            operation.object.insert("Status".to_owned(), json!("SUCCESS"));
            operation.object.insert("UpdateDate".to_owned(), epoch_seconds(now));
        }
    }
}
