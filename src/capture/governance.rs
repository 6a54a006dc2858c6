//! Who owns desired counts, and who may do what.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::Scope;
use super::reader::Reader;
use crate::aws::CallError;
use crate::stages::facts::Facts;

/// DescribeScalableTargets takes fifty ids.
const IDS: usize = 50;

/// The world file's `applicationAutoScaling`; `None` where it owns nothing of the runbook's.
pub(super) async fn read_scaling(reader: &Reader<'_>, scope: &Scope) -> Result<Option<Value>, CallError> {
    let services: Vec<String> = scope.services().into_iter().cloned().collect();
    let mut targets = Vec::new();
    for chunk in services.chunks(IDS) {
        let answer = reader.aws().scalable_targets(&scope.cluster, chunk).await;
        let found = reader.kept("application-autoscaling:DescribeScalableTargets", &scope.cluster, answer)?;
        targets.extend(found.unwrap_or_default());
    }
    Ok((!targets.is_empty()).then(|| json!({ "scalableTargets": targets })))
}

/// The world file's `iam`: the caller's role, and what IAM would not allow, the caller or an execution role; `None` where that is
/// nothing.
pub(super) async fn iam(reader: &Reader<'_>, facts: &Facts, caller: &Value) -> Result<Option<Value>, CallError> {
    let mut denied: BTreeMap<(Option<&str>, &str), Vec<&str>> = BTreeMap::new();
    let of_caller = facts.decisions.iter().map(|(decision, _)| (None, decision));
    let of_roles = facts.log_decisions.iter().map(|(role, decision)| (Some(role.as_str()), decision));
    for (principal, decision) in of_caller.chain(of_roles).filter(|(_, decision)| !decision.allows()) {
        denied.entry((principal, &decision.resource)).or_default().push(&decision.action);
    }
    let denial = |((principal, resource), actions): (&(Option<&str>, &str), &Vec<&str>)| {
        let mut denial = json!({ "actions": actions });
        if let Some(principal) = principal {
            denial["principal"] = json!(principal);
        }
        if *resource != "*" {
            denial["resources"] = json!([resource]);
        }
        denial
    };
    let mut part = json!({});
    if !denied.is_empty() {
        part["denied"] = denied.iter().map(denial).collect();
    }
    let arn = caller["Arn"].as_str().unwrap_or_default();
    if let Some(role) = arn.split_once(":assumed-role/").and_then(|(_, session)| session.split('/').next()) {
        let answer = reader.aws().role_arn(role).await;
        if let Some(arn) = reader.kept("iam:GetRole", role, answer)? {
            part["roles"] = json!([{ "RoleName": role, "Arn": arn }]);
        }
    }
    Ok(part.as_object().is_some_and(|part| !part.is_empty()).then_some(part))
}
