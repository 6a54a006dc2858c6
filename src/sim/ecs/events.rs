//! A service's events: newest first, a hundred at most. The same complaint is not made twice within hours.

use serde_json::{Value, json};

use super::super::State;
use super::json::{epoch, last_part, millis, text};

/// Adds an event with this full message.
pub(super) fn emit(state: &mut State, service_arn: &str, message: String) {
    let id = format!("{}-{}-{}-{}-{}", state.hex(8), state.hex(4), state.hex(4), state.hex(4), state.hex(12));
    let event = json!({ "id": id, "createdAt": epoch(state.now), "message": message });
    let kept = state.assume.compute.events_kept;
    if let Some(service) = state.ecs.service_mut(service_arn) {
        service.events.insert(0, event);
        service.events.truncate(kept);
    }
}

/// Adds `(service NAME) words`.
pub(super) fn say(state: &mut State, service_arn: &str, words: &str) {
    emit(state, service_arn, format!("(service {}) {words}", last_part(service_arn)));
}

/// Adds `service NAME words`, unless the same was said within the last hours.
pub(super) fn complain(state: &mut State, service_arn: &str, words: &str) {
    let message = format!("service {} {words}", last_part(service_arn));
    let since = state.now - state.assume.compute.event_repeat;
    let said = |event: &Value| text(event, "message") == message && millis(&event["createdAt"]).is_some_and(|at| at > since);
    if state.ecs.service(service_arn).is_some_and(|service| service.events.iter().any(said)) {
        return;
    }
    emit(state, service_arn, message);
}
