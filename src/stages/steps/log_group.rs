//! CloudWatch log groups: create, retention, delete.

use async_trait::async_trait;
use serde_json::{Value, json};

use crate::aws::{Aws, CallError, Reason};
use crate::model::{CallNote, Failure, FailureKind, Mutation, StepClass, Verdict};
use crate::stages::step::{
    Applied, Context, Left, MutationStep, Prepared, StepError, TAG_RUN, TAG_TOKEN, UndoStep, ownership, text,
};

/// `logs.create-log-group`: `{name, tags}`.
pub struct CreateLogGroup;
/// `logs.put-retention`: `{name, days}`; `days` null removes the policy.
pub struct PutRetention;
/// `logs.delete-log-group`: `{name}`.
pub struct DeleteLogGroup;

/// The log group of exactly this name: the prefix query returns its siblings too.
pub async fn find(aws: &Aws, name: &str) -> Result<Option<Value>, CallError> {
    let groups = aws.read_pages("DescribeLogGroups", name, json!({ "logGroupNamePrefix": name }), "logGroups", "nextToken").await?;
    Ok(groups.into_iter().find(|group| group["logGroupName"] == name))
}

/// The group's tags; empty when reading them is not permitted.
pub(super) async fn tags(aws: &Aws, group: &Value) -> Result<Value, CallError> {
    // The tagging operations take the ARN without the trailing `:*` that `arn` carries.
    let arn = group["logGroupArn"].as_str().or_else(|| group["arn"].as_str()).unwrap_or_default().trim_end_matches(":*").to_owned();
    match aws.read("logs:ListTagsForResource", &arn, json!({ "resourceArn": arn })).await {
        Ok(mut answer) => Ok(answer["tags"].take()),
        Err(error) if error.reason == Reason::Denied => Ok(json!({})),
        Err(error) => Err(error),
    }
}

#[async_trait(?Send)]
impl MutationStep for CreateLogGroup {
    async fn prepare(&self, cx: &Context<'_>, params: &Value) -> Result<Prepared, StepError> {
        let name = text(params, "/name")?;
        if find(cx.aws, name).await?.is_some() {
            return Err(StepError::Diverged(vec![
                format!("planned from: no log group `{name}`"),
                format!("found: log group `{name}`, made by somebody else since the plan"),
            ]));
        }
        Ok(Prepared::Act(json!({ "token": cx.aws.token() })))
    }

    async fn apply(&self, cx: &Context<'_>, params: &Value, intent: &Value) -> Result<Applied, StepError> {
        let name = text(params, "/name")?;
        let mut tags = params["tags"].as_object().cloned().unwrap_or_default();
        for (key, value) in ownership(cx, text(intent, "/token")?) {
            tags.insert(key.to_owned(), json!(value));
        }
        let answer = cx.aws.mutate("CreateLogGroup", name, &json!({ "logGroupName": name, "tags": tags })).await?;
        Ok(Applied {
            output: json!({ "name": name }),
            call: CallNote { operation: "CreateLogGroup".to_owned(), request_id: answer.request_id },
        })
    }

    async fn observe(&self, cx: &Context<'_>, params: &Value, intent: &Value) -> Result<Verdict, StepError> {
        let name = text(params, "/name")?;
        let Some(group) = find(cx.aws, name).await? else {
            return Ok(Verdict::NotDone { why: format!("there is no log group `{name}`") });
        };
        let tags = tags(cx.aws, &group).await?;
        if tags[TAG_TOKEN] == intent["token"] {
            return Ok(Verdict::Done { output: json!({ "name": name }) });
        }
        Ok(Verdict::Diverged {
            differences: vec![
                format!("planned: log group `{name}` made by this run"),
                match tags[TAG_RUN].as_str() {
                    Some(run) => format!("found: log group `{name}` made by run `{run}`"),
                    None => format!("found: log group `{name}` without this run's tag"),
                },
            ],
        })
    }

    fn undo(&self, mutation: &Mutation) -> Vec<UndoStep> {
        let name = mutation.step.params["name"].as_str().unwrap_or_default();
        vec![UndoStep {
            name: "delete",
            action: "logs.delete-log-group",
            class: StepClass::Mutation,
            title: format!("delete log group {name}"),
            params: json!({ "name": name, "token": mutation.intent["token"] }),
            deadline_s: None,
            inputs: Vec::new(),
        }]
    }

    fn left(&self, mutation: &Mutation) -> Option<Left> {
        let name = mutation.step.params["name"].as_str()?;
        Some(Left {
            kind: "log group",
            name: name.to_owned(),
            remove: format!("aws logs delete-log-group --log-group-name {name}"),
        })
    }
}

#[async_trait(?Send)]
impl MutationStep for PutRetention {
    async fn prepare(&self, cx: &Context<'_>, params: &Value) -> Result<Prepared, StepError> {
        let name = text(params, "/name")?;
        let Some(group) = find(cx.aws, name).await? else {
            return Err(StepError::Diverged(vec![
                format!("planned from: log group `{name}`"),
                "found: no such log group".to_owned(),
            ]));
        };
        Ok(Prepared::Act(json!({ "replaced": group["retentionInDays"] })))
    }

    async fn apply(&self, cx: &Context<'_>, params: &Value, _intent: &Value) -> Result<Applied, StepError> {
        let name = text(params, "/name")?;
        let (operation, input) = match params["days"].as_u64() {
            Some(days) => ("PutRetentionPolicy", json!({ "logGroupName": name, "retentionInDays": days })),
            None => ("DeleteRetentionPolicy", json!({ "logGroupName": name })),
        };
        let answer = cx.aws.mutate(operation, name, &input).await?;
        Ok(Applied { output: json!({}), call: CallNote { operation: operation.to_owned(), request_id: answer.request_id } })
    }

    async fn observe(&self, cx: &Context<'_>, params: &Value, _intent: &Value) -> Result<Verdict, StepError> {
        let name = text(params, "/name")?;
        let Some(group) = find(cx.aws, name).await? else {
            return Ok(Verdict::Diverged {
                differences: vec![format!("planned: log group `{name}`"), "found: no such log group".to_owned()],
            });
        };
        // Overwriting is harmless, so anything but the wanted value counts as not done.
        Ok(match group["retentionInDays"] == params["days"] {
            true => Verdict::Done { output: json!({}) },
            false => Verdict::NotDone { why: format!("retention of `{name}` is {}", group["retentionInDays"]) },
        })
    }

    fn undo(&self, mutation: &Mutation) -> Vec<UndoStep> {
        // A group that this run made is deleted as a whole; only another's gets its old retention back.
        if mutation.step.params["created"] == true {
            return Vec::new();
        }
        let name = mutation.step.params["name"].as_str().unwrap_or_default();
        vec![UndoStep {
            name: "restore-retention",
            action: "logs.put-retention",
            class: StepClass::Mutation,
            title: format!("restore the retention of log group {name}"),
            params: json!({ "name": name, "days": mutation.intent["replaced"] }),
            deadline_s: None,
            inputs: Vec::new(),
        }]
    }

    fn left(&self, mutation: &Mutation) -> Option<Left> {
        let name = mutation.step.params["name"].as_str().filter(|_| mutation.step.params["created"] != true)?;
        let remove = match mutation.intent["replaced"].as_u64() {
            Some(days) => format!("aws logs put-retention-policy --log-group-name {name} --retention-in-days {days}"),
            None => format!("aws logs delete-retention-policy --log-group-name {name}"),
        };
        Some(Left { kind: "retention of log group", name: name.to_owned(), remove })
    }
}

#[async_trait(?Send)]
impl MutationStep for DeleteLogGroup {
    async fn prepare(&self, cx: &Context<'_>, params: &Value) -> Result<Prepared, StepError> {
        let name = text(params, "/name")?;
        let Some(group) = find(cx.aws, name).await? else {
            return Ok(Prepared::Already(json!({ "found": "already gone" })));
        };
        let tags = tags(cx.aws, &group).await?;
        if tags[TAG_TOKEN].as_str().is_some_and(|token| params["token"] != token) {
            let message = format!("log group `{name}` is not the one that this run made");
            return Err(StepError::Failed(Failure::of(FailureKind::Stuck, message)));
        }
        Ok(Prepared::Act(json!({})))
    }

    async fn apply(&self, cx: &Context<'_>, params: &Value, _intent: &Value) -> Result<Applied, StepError> {
        let name = text(params, "/name")?;
        let request_id = match cx.aws.mutate("DeleteLogGroup", name, &json!({ "logGroupName": name })).await {
            Ok(answer) => answer.request_id,
            Err(error) if error.reason == Reason::Missing => error.request_id,
            Err(error) => return Err(error.into()),
        };
        Ok(Applied { output: json!({}), call: CallNote { operation: "DeleteLogGroup".to_owned(), request_id } })
    }

    async fn observe(&self, cx: &Context<'_>, params: &Value, _intent: &Value) -> Result<Verdict, StepError> {
        let name = text(params, "/name")?;
        Ok(match find(cx.aws, name).await? {
            None => Verdict::Done { output: json!({}) },
            Some(_) => Verdict::NotDone { why: format!("log group `{name}` is there") },
        })
    }

    fn undo(&self, _mutation: &Mutation) -> Vec<UndoStep> {
        Vec::new()
    }
}
