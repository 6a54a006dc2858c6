//! A revision made from another by edits. The base's JSON is read, edited and sent within the step: the journal holds its ARN, a
//! digest and the edits, never its content.

use std::time::Duration;

use async_trait::async_trait;
use serde_json::{Value, json};

use super::revision::{
    find_registered, left_by_registration, register, registration_intent, revisit_registered, undo_registration,
};
use crate::aws::Aws;
use crate::aws::task_definition::{TaskDefinition, family_of, normalised, short_name};
use crate::model::{Failure, FailureKind, Mutation, Verdict};
use crate::stages::edit::{self, Edit, Originals};
use crate::stages::step::{
    Applied, Context, Left, MutationStep, Polled, Prepared, StepError, TAG_RUN, TAG_STEP, TAG_TOKEN, UndoStep, WaitStep, Waiter,
    text,
};

/// `ecs.register-edited-task-definition`: `{base, baseDigest?, edits, cluster, usedBy}`. Inverse edits name the revisions they look
/// at; those are read from AWS, too.
pub struct RegisterEdited;
/// `ecs.verify-task-definition`: `{taskDefinition, base, edits}` or `{taskDefinition, content}`.
pub struct VerifyRevision;

async fn read_base(cx: &Context<'_>, params: &Value) -> Result<TaskDefinition, StepError> {
    let arn = text(params, "/base")?;
    let Some(base) = cx.aws.task_definition(arn).await? else {
        return Err(StepError::Diverged(vec![format!("planned from: {}", short_name(arn)), "found: no such revision".to_owned()]));
    };
    if let Some(planned) = params["baseDigest"].as_str()
        && planned != base.content_digest()
    {
        return Err(StepError::Diverged(vec![
            format!("planned from: {} with digest {}", short_name(arn), &planned[..planned.len().min(12)]),
            "found: other content under the same revision".to_owned(),
        ]));
    }
    Ok(base)
}

/// The revisions that inverse edits look at. They stay readable after they were deregistered; one that was deleted is gone for
/// good, for its content is kept nowhere else.
///
/// # Errors
/// [`FailureKind::Stuck`] when one is gone.
pub async fn read_originals(aws: &Aws, edits: &[Edit]) -> Result<Originals, StepError> {
    let mut originals = Originals::new();
    for arn in edits.iter().filter_map(Edit::original) {
        if originals.contains_key(arn) {
            continue;
        }
        let Some(found) = aws.task_definition(arn).await? else {
            let message = format!("{} is gone from AWS for good: what was taken out of it cannot be put back", short_name(arn));
            return Err(StepError::Failed(Failure::of(FailureKind::Stuck, message)));
        };
        originals.insert(arn.to_owned(), found.register_input());
    }
    Ok(originals)
}

/// The register input that the edits make of the base; marks of another attempt are left behind.
async fn edited(cx: &Context<'_>, base: &TaskDefinition, params: &Value) -> Result<Value, StepError> {
    let edits: Vec<Edit> = serde_json::from_value(params["edits"].clone()).map_err(|_| StepError::missing("/edits"))?;
    let originals = read_originals(cx.aws, &edits).await?;
    let mut input = base.register_input();
    if let Some(tags) = input.get_mut("tags").and_then(Value::as_array_mut) {
        tags.retain(|tag| ![TAG_RUN, TAG_STEP, TAG_TOKEN].iter().any(|ours| tag["key"] == *ours));
        if tags.is_empty()
            && let Some(object) = input.as_object_mut()
        {
            object.remove("tags");
        }
    }
    edit::apply(&edits, &mut input, &originals)
        .map_err(|reason| StepError::Diverged(vec![format!("{}: {reason}", short_name(base.arn()))]))?;
    Ok(input)
}

#[async_trait(?Send)]
impl MutationStep for RegisterEdited {
    async fn prepare(&self, cx: &Context<'_>, params: &Value) -> Result<Prepared, StepError> {
        let base = read_base(cx, params).await?;
        let content = edited(cx, &base, params).await?;
        Ok(Prepared::Act(registration_intent(cx, family_of(base.arn()), &content).await?))
    }

    async fn apply(&self, cx: &Context<'_>, params: &Value, intent: &Value) -> Result<Applied, StepError> {
        let base = read_base(cx, params).await?;
        let content = edited(cx, &base, params).await?;
        register(cx, family_of(base.arn()), &content, intent).await
    }

    async fn observe(&self, cx: &Context<'_>, params: &Value, intent: &Value) -> Result<Verdict, StepError> {
        find_registered(cx, family_of(text(params, "/base")?), intent).await
    }

    async fn revisit(&self, cx: &Context<'_>, _params: &Value, _intent: &Value, output: &Value) -> Result<Verdict, StepError> {
        revisit_registered(cx, output).await
    }

    fn undo(&self, mutation: &Mutation) -> Vec<UndoStep> {
        undo_registration(mutation)
    }

    fn left(&self, mutation: &Mutation) -> Option<Left> {
        left_by_registration(mutation)
    }
}

#[async_trait(?Send)]
impl WaitStep for VerifyRevision {
    fn begin(&self, params: &Value) -> Result<Box<dyn Waiter>, StepError> {
        Ok(Box::new(Verifying { params: params.clone() }))
    }
}

struct Verifying {
    params: Value,
}

#[async_trait(?Send)]
impl Waiter for Verifying {
    async fn poll(&mut self, cx: &Context<'_>, waited: Duration) -> Result<Polled, StepError> {
        let arn = text(&self.params, "/taskDefinition")?;
        let Some(found) = cx.aws.task_definition(arn).await? else {
            // Just registered: it may not be seen everywhere yet.
            if waited < crate::aws::STALENESS {
                return Ok(Polled::Again(Duration::from_secs(1)));
            }
            return Ok(Polled::Failed(Failure::of(FailureKind::Mismatch, format!("{} cannot be read", short_name(arn)))));
        };
        let wanted = match self.params.get("content") {
            Some(content) => content.clone(),
            None => edited(cx, &read_base(cx, &self.params).await?, &self.params).await?,
        };
        let differences = differing_members(&normalised(&wanted), &normalised(&found.register_input()));
        if !differences.is_empty() {
            let message = format!("{} is not what was sent", short_name(arn));
            return Ok(Polled::Failed(Failure::of(FailureKind::Mismatch, message).because(differences)));
        }
        let untagged = found.tag(TAG_TOKEN).is_none();
        let lost = lost_tags(&wanted, &found);
        if !lost.is_empty() {
            let message = format!("{} lost tags", short_name(arn));
            return Ok(Polled::Failed(Failure::of(FailureKind::Mismatch, message).because(lost)));
        }
        Ok(Polled::Done(json!({ "digest": found.content_digest(), "tagged": !untagged })))
    }
}

/// The tags that were sent and are not there.
fn lost_tags(wanted: &Value, found: &TaskDefinition) -> Vec<String> {
    let sent = wanted["tags"].as_array().into_iter().flatten();
    let lost = sent.filter(|tag| found.tag(tag["key"].as_str().unwrap_or_default()) != tag["value"].as_str());
    lost.map(|tag| format!("tag {}", tag["key"])).collect()
}

/// The members in which two values differ, by path and without the values: they may be secrets.
fn differing_members(wanted: &Value, found: &Value) -> Vec<String> {
    let mut paths = Vec::new();
    differ("", wanted, found, &mut paths);
    paths
}

fn differ(path: &str, wanted: &Value, found: &Value, paths: &mut Vec<String>) {
    match (wanted, found) {
        (Value::Object(wanted), Value::Object(found)) => {
            let names: std::collections::BTreeSet<_> = wanted.keys().chain(found.keys()).collect();
            for name in names {
                let at = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                match (wanted.get(name), found.get(name)) {
                    (Some(wanted), Some(found)) => differ(&at, wanted, found, paths),
                    (Some(_), None) => paths.push(format!("{at}: lost")),
                    _ => paths.push(format!("{at}: not sent, but there")),
                }
            }
        }
        (Value::Array(wanted), Value::Array(found)) if wanted.len() == found.len() => {
            for (index, (wanted, found)) in wanted.iter().zip(found).enumerate() {
                let label = wanted["name"].as_str().map_or_else(|| index.to_string(), str::to_owned);
                differ(&format!("{path}[{label}]"), wanted, found, paths);
            }
        }
        (wanted, found) if wanted == found => {}
        _ => paths.push(format!("{path}: changed")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn differences_name_members_and_never_values() {
        let wanted = json!({ "a": 1, "lost": true, "containerDefinitions": [{ "name": "api", "environment": [{ "name": "K", "value": "secret" }] }] });
        let found = json!({ "a": 1, "extra": {}, "containerDefinitions": [{ "name": "api", "environment": [{ "name": "K", "value": "other" }] }] });
        let paths = differing_members(&wanted, &found);
        assert_eq!(paths, ["containerDefinitions[api].environment[K].value: changed", "extra: not sent, but there", "lost: lost"]);
    }
}
