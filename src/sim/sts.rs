//! STS: who is calling.

use serde_json::Value;

use super::{ApiError, Call, State};

/// `sts` of a world file.
#[derive(Clone, Debug, Default)]
pub(super) struct Sts {
    pub(super) caller_identity: Value,
}

/// Answers one STS operation.
pub(super) fn call(_state: &mut State, call: &Call, _input: &Value) -> Result<Value, ApiError> {
    Err(ApiError::new("InvalidAction", format!("Could not find operation {}", call.operation)))
}
