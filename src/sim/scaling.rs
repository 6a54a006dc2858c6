//! Application Auto Scaling: which services' desired counts it owns. Only told, not played: no alarm ever fires here.

use serde_json::{Value, json};

use super::values::{Object, list, serve_seconds, text, texts};
use super::{ApiError, Call, State};

/// `applicationAutoScaling` of a world file.
#[derive(Clone, Debug, Default)]
pub(super) struct Scaling {
    /// As the CLI prints them.
    targets: Vec<Object>,
    /// Members of the world file that nothing here knows.
    extra: Object,
}

impl Scaling {
    /// Reads the part.
    pub(super) fn load(part: &Value) -> Result<Self, String> {
        let mut extra = part.as_object().cloned().unwrap_or_default();
        extra.remove("scalableTargets");
        let target = |value: &Value| {
            let found = value.as_object().filter(|target| target.get("ResourceId").is_some_and(Value::is_string));
            found.cloned().ok_or_else(|| "applicationAutoScaling.scalableTargets has an entry without ResourceId".to_owned())
        };
        Ok(Self { targets: list(part, "scalableTargets").iter().map(target).collect::<Result<_, _>>()?, extra })
    }

    /// Writes the part; `None` where nothing of it was ever said.
    pub(super) fn save(&self) -> Option<Value> {
        let mut part = self.extra.clone();
        if !self.targets.is_empty() {
            part.insert("scalableTargets".to_owned(), json!(self.targets));
        }
        (!part.is_empty()).then_some(Value::Object(part))
    }
}

/// Answers one operation.
pub(super) fn call(state: &State, call: &Call, input: &Value) -> Result<Value, ApiError> {
    if call.operation != "DescribeScalableTargets" {
        return Err(ApiError::new("UnknownOperationException", ""));
    }
    let Some(namespace) = text(input, "ServiceNamespace") else {
        let message =
            "1 validation error detected: Value null at 'serviceNamespace' failed to satisfy constraint: Member must not be null";
        return Err(ApiError::new("ValidationException", message));
    };
    let ids = texts(input, "ResourceIds");
    let wanted = |target: &&Object| {
        let of = |name: &str| target.get(name).and_then(Value::as_str).unwrap_or_default();
        of("ServiceNamespace") == namespace && (ids.is_empty() || ids.iter().any(|id| id == of("ResourceId")))
    };
    let mut found: Vec<Object> = state.scaling.targets.iter().filter(wanted).cloned().collect();
    found.iter_mut().for_each(|target| serve_seconds(target, "CreationTime"));
    Ok(json!({ "ScalableTargets": found }))
}
