//! Cloud Map services: the name that tasks register under.

use async_trait::async_trait;
use serde_json::{Value, json};

use crate::aws::{Aws, CallError, Reason};
use crate::model::{CallNote, Failure, FailureKind, Mutation, StepClass, Verdict};
use crate::stages::step::{Applied, Context, Left, MutationStep, Prepared, StepError, UndoStep, ownership, tag_list, text};

/// `servicediscovery.create-service`: `{name, namespaceId, dnsConfig, customHealth, tags}`.
pub struct CreateName;
/// `servicediscovery.delete-service`: `{serviceId, name, creatorRequestId}`.
pub struct DeleteName;

/// The service of this name in a namespace. There is no filter by name, and pages are cut before they are filtered.
pub async fn find(aws: &Aws, namespace_id: &str, name: &str) -> Result<Option<Value>, CallError> {
    let input = json!({ "Filters": [{ "Name": "NAMESPACE_ID", "Values": [namespace_id], "Condition": "EQ" }] });
    let listed = aws.read_pages("servicediscovery:ListServices", namespace_id, input, "Services", "NextToken").await?;
    let found = listed.iter().find(|service| service["Name"].as_str().is_some_and(|known| known.eq_ignore_ascii_case(name)));
    let Some(id) = found.and_then(|service| service["Id"].as_str()) else { return Ok(None) };
    get(aws, id).await
}

/// A Cloud Map service by id, with its creator request id.
pub async fn get(aws: &Aws, id: &str) -> Result<Option<Value>, CallError> {
    match aws.read("servicediscovery:GetService", id, json!({ "Id": id })).await {
        Ok(mut answer) => Ok(Some(answer["Service"].take())),
        Err(error) if error.reason == Reason::Missing => Ok(None),
        Err(error) => Err(error),
    }
}

/// The service's tags as a list; empty when reading them is not permitted.
pub(super) async fn tags(aws: &Aws, service: &Value) -> Result<Value, CallError> {
    let arn = service["Arn"].as_str().unwrap_or_default();
    match aws.read("servicediscovery:ListTagsForResource", arn, json!({ "ResourceARN": arn })).await {
        Ok(mut answer) => Ok(answer["Tags"].take()),
        Err(error) if error.reason == Reason::Denied => Ok(json!([])),
        Err(error) => Err(error),
    }
}

fn output(service: &Value) -> Value {
    json!({ "serviceId": service["Id"], "registryArn": service["Arn"] })
}

#[async_trait(?Send)]
impl MutationStep for CreateName {
    async fn prepare(&self, cx: &Context<'_>, params: &Value) -> Result<Prepared, StepError> {
        let name = text(params, "/name")?;
        if let Some(found) = find(cx.aws, text(params, "/namespaceId")?, name).await? {
            return Err(StepError::Diverged(vec![
                format!("planned from: no Cloud Map service `{name}`"),
                format!("found: {}, made by somebody else since the plan", found["Id"]),
            ]));
        }
        // Random and never used again: a token that could be replayed after a delete would find the deleted service.
        Ok(Prepared::Act(json!({ "creatorRequestId": cx.aws.token() })))
    }

    async fn apply(&self, cx: &Context<'_>, params: &Value, intent: &Value) -> Result<Applied, StepError> {
        let name = text(params, "/name")?;
        let token = text(intent, "/creatorRequestId")?;
        let mut input = json!({
            "Name": name,
            "NamespaceId": text(params, "/namespaceId")?,
            "CreatorRequestId": token,
            "DnsConfig": params["dnsConfig"],
            "Tags": tag_list(&params["tags"], &ownership(cx, token), "Key", "Value"),
        });
        if params["customHealth"] == true {
            input["HealthCheckCustomConfig"] = json!({});
        }
        let answer = cx.aws.mutate("servicediscovery:CreateService", name, &input).await?;
        Ok(Applied {
            output: output(&answer.value["Service"]),
            call: CallNote { operation: "servicediscovery:CreateService".to_owned(), request_id: answer.request_id },
        })
    }

    async fn observe(&self, cx: &Context<'_>, params: &Value, intent: &Value) -> Result<Verdict, StepError> {
        let name = text(params, "/name")?;
        let Some(found) = find(cx.aws, text(params, "/namespaceId")?, name).await? else {
            return Ok(Verdict::NotDone { why: format!("there is no Cloud Map service `{name}`") });
        };
        if found["CreatorRequestId"] == intent["creatorRequestId"] {
            return Ok(Verdict::Done { output: output(&found) });
        }
        Ok(Verdict::Diverged {
            differences: vec![
                format!("planned: Cloud Map service `{name}` made by this run"),
                format!("found: {} with another creator request id", found["Id"]),
            ],
        })
    }

    fn undo(&self, mutation: &Mutation) -> Vec<UndoStep> {
        let Some(output) = &mutation.output else { return Vec::new() };
        let name = mutation.step.params["name"].as_str().unwrap_or_default();
        let id = &output["serviceId"];
        vec![
            UndoStep {
                name: "instances-gone",
                action: "servicediscovery.await-no-instances",
                class: StepClass::Wait,
                title: format!("wait until nothing is registered under {name}"),
                params: json!({ "serviceId": id }),
                deadline_s: Some(600),
                inputs: Vec::new(),
            },
            UndoStep {
                name: "delete-name",
                action: "servicediscovery.delete-service",
                class: StepClass::Mutation,
                title: format!("delete Cloud Map service {name}"),
                params: json!({ "serviceId": id, "name": name, "creatorRequestId": mutation.intent["creatorRequestId"] }),
                deadline_s: None,
                inputs: Vec::new(),
            },
        ]
    }

    fn left(&self, mutation: &Mutation) -> Option<Left> {
        let id = mutation.output.as_ref().and_then(|output| output["serviceId"].as_str());
        let name = mutation.step.params["name"].as_str()?;
        Some(Left {
            kind: "DNS name",
            name: mutation.target.clone(),
            remove: format!("aws servicediscovery delete-service --id {}", id.unwrap_or(name)),
        })
    }
}

#[async_trait(?Send)]
impl MutationStep for DeleteName {
    async fn prepare(&self, cx: &Context<'_>, params: &Value) -> Result<Prepared, StepError> {
        let id = text(params, "/serviceId")?;
        let Some(found) = get(cx.aws, id).await? else {
            return Ok(Prepared::Already(json!({ "found": "already gone" })));
        };
        // The id is derived from namespace and name: a service made anew by somebody else has the same one.
        if found["CreatorRequestId"] != params["creatorRequestId"] {
            let message = format!("Cloud Map service `{}` is not the one that this run made", text(params, "/name")?);
            return Err(StepError::Failed(Failure::of(FailureKind::Stuck, message)));
        }
        Ok(Prepared::Act(json!({})))
    }

    async fn apply(&self, cx: &Context<'_>, params: &Value, _intent: &Value) -> Result<Applied, StepError> {
        let id = text(params, "/serviceId")?;
        let request_id = match cx.aws.mutate("servicediscovery:DeleteService", id, &json!({ "Id": id })).await {
            Ok(answer) => answer.request_id,
            Err(error) if error.reason == Reason::Missing => error.request_id,
            Err(error) => return Err(error.into()),
        };
        Ok(Applied { output: json!({}), call: CallNote { operation: "servicediscovery:DeleteService".to_owned(), request_id } })
    }

    async fn observe(&self, cx: &Context<'_>, params: &Value, _intent: &Value) -> Result<Verdict, StepError> {
        let id = text(params, "/serviceId")?;
        Ok(match get(cx.aws, id).await? {
            None => Verdict::Done { output: json!({}) },
            Some(_) => Verdict::NotDone { why: format!("Cloud Map service {id} is there") },
        })
    }

    fn undo(&self, _mutation: &Mutation) -> Vec<UndoStep> {
        Vec::new()
    }
}
