//! STS: who is calling.

use serde_json::{Value, json};

use super::values::Object;
use super::{ApiError, Call, State};

/// `sts` of a world file.
#[derive(Clone, Debug, Default)]
pub(super) struct Sts {
    pub(super) caller_identity: Value,
    /// Members of the world file that nothing here knows.
    extra: Object,
}

impl Sts {
    /// Reads the part; an identity that is absent is the account's root user.
    pub(super) fn load(part: &Value, account: &str) -> Self {
        let root = || json!({"UserId": account, "Account": account, "Arn": format!("arn:aws:iam::{account}:root")});
        let mut extra = part.as_object().cloned().unwrap_or_default();
        Self { caller_identity: extra.remove("callerIdentity").unwrap_or_else(root), extra }
    }

    /// Writes the part.
    pub(super) fn save(&self) -> Value {
        let mut part = self.extra.clone();
        part.insert("callerIdentity".to_owned(), self.caller_identity.clone());
        Value::Object(part)
    }
}

/// Answers one STS operation.
pub(super) fn call(state: &mut State, call: &Call, _input: &Value) -> Result<Value, ApiError> {
    match call.operation.as_str() {
        "GetCallerIdentity" => Ok(state.sts.caller_identity.clone()),
        other => Err(ApiError::new("InvalidAction", format!("Could not find operation {other} for version 2011-06-15"))),
    }
}
