//! awsJson1_1 bodies.

use serde_json::{Value, json};

use super::{Service, types};
use crate::sim::ApiError;

/// The input object. An empty body is the empty object, as AWS takes it.
pub(super) fn input(service: Service, body: &[u8]) -> Result<Value, ApiError> {
    if body.iter().all(u8::is_ascii_whitespace) {
        return Ok(json!({}));
    }
    let mut value: Value = serde_json::from_slice(body).map_err(|_| ApiError::new("SerializationException", ""))?;
    if !value.is_object() {
        return Err(ApiError::new("SerializationException", "Start of structure or map found where not expected."));
    }
    drop_nulls(&mut value);
    types::check(service, &value)?;
    Ok(value)
}

/// The output object; an operation without output answers `{}`.
pub(super) fn output(output: &Value) -> String {
    // Not `to_string`, which goes through the formatter: answers are what a rehearsal writes most of.
    let text = output.is_object().then(|| serde_json::to_string(output).ok()).flatten();
    text.unwrap_or_else(|| "{}".to_owned())
}

/// `{"__type": …, "message": …}` and what more the error carries.
pub(super) fn error(error: &ApiError) -> String {
    let mut body = error.members.clone();
    body.insert("__type".to_owned(), json!(error.code));
    if !error.message.is_empty() {
        body.insert("message".to_owned(), json!(error.message));
    }
    Value::Object(body).to_string()
}

/// A member that is null counts as absent.
fn drop_nulls(value: &mut Value) {
    match value {
        Value::Object(members) => {
            members.retain(|_, member| !member.is_null());
            members.values_mut().for_each(drop_nulls);
        }
        Value::Array(items) => items.iter_mut().for_each(drop_nulls),
        _ => {}
    }
}
