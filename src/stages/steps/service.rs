//! Creating and deleting the shared ECS service.

use async_trait::async_trait;
use serde_json::{Value, json};

use super::rollout::failing;
use super::service_update::{deployment_ids, primary_id, redeploy};
use super::serving::lifeless;
use crate::aws::task_definition::short_name;
use crate::aws::{Aws, Reason};
use crate::model::{CallNote, Failure, FailureKind, Mutation, StepClass, Verdict};
use crate::stages::step::{
    Applied, Context, Left, MutationStep, Prepared, StepError, TAG_RUN, TAG_STEP, TAG_TOKEN, UndoStep, ownership, tag_list, text,
};

/// `ecs.create-service`: `{cluster, service, input, tags, containers?}`; `input` is CreateService's without tags and token. Where one of
/// `containers` has exited in a task that runs on, the service is deployed again.
pub struct CreateService;
/// `ecs.delete-service`: `{cluster, service, token}`.
pub struct DeleteService;

fn tag<'a>(service: &'a Value, key: &str) -> Option<&'a str> {
    service["tags"].as_array()?.iter().find(|tag| tag["key"] == key).and_then(|tag| tag["value"].as_str())
}

fn output(service: &Value) -> Value {
    json!({
        "service": service["serviceArn"],
        "deployment": primary_id(service),
        "taskDefinition": service["taskDefinition"],
        "loadBalancers": service["loadBalancers"],
        "serviceRegistries": service["serviceRegistries"],
    })
}

/// Whether a service is the one that this step made: by the attempt's tag, or, where tagging is not permitted, by who made it
/// with which task definition.
fn is_ours(cx: &Context<'_>, service: &Value, params: &Value, intent: &Value) -> bool {
    match tag(service, TAG_TOKEN) {
        Some(token) => intent["token"] == token,
        None => {
            tag(service, TAG_RUN).is_none()
                && service["createdBy"].as_str() == Some(cx.identity)
                && service["taskDefinition"] == params["input"]["taskDefinition"]
        }
    }
}

#[async_trait(?Send)]
impl MutationStep for CreateService {
    async fn prepare(&self, cx: &Context<'_>, params: &Value) -> Result<Prepared, StepError> {
        let (cluster, name) = (text(params, "/cluster")?, text(params, "/service")?);
        let found = cx.aws.service(cluster, name).await?.filter(|service| service["status"] == "ACTIVE");
        let Some(service) = found else { return Ok(Prepared::Act(json!({ "mode": "create", "token": cx.aws.token() }))) };
        if tag(&service, TAG_RUN) == Some(cx.run.as_str()) && tag(&service, TAG_STEP) == Some(cx.step.as_str()) {
            // Ours, but its first deployment failed, and a first deployment has nothing to go back to: deploy it again.
            return Ok(Prepared::Act(json!({
                "mode": "redeploy",
                "token": tag(&service, TAG_TOKEN),
                "deployments": deployment_ids(&service),
            })));
        }
        Err(StepError::Diverged(vec![
            format!("planned from: no service `{name}` in cluster `{cluster}`"),
            format!("found: service `{name}` on {}, made by somebody else since the plan", short(&service["taskDefinition"])),
        ]))
    }

    async fn apply(&self, cx: &Context<'_>, params: &Value, intent: &Value) -> Result<Applied, StepError> {
        let (cluster, name) = (text(params, "/cluster")?, text(params, "/service")?);
        if intent["mode"] == "redeploy" {
            let (service, call) = redeploy(cx, cluster, name, &json!({})).await?;
            return Ok(Applied { output: output(&service), call });
        }
        let token = text(intent, "/token")?;
        let mut input = params["input"].clone();
        input["cluster"] = json!(cluster);
        input["serviceName"] = json!(name);
        input["clientToken"] = json!(token);
        let untagged = input.clone();
        input["tags"] = tag_list(&params["tags"], &ownership(cx, token), "key", "value");
        let answer = match cx.aws.mutate("CreateService", name, &input).await {
            // Refused as a whole: nothing was made. The service is then recognised by its token and its maker.
            Err(error) if error.reason == Reason::Denied && error.message.contains("TagResource") => {
                cx.aws.mutate("CreateService", name, &untagged).await?
            }
            other => other?,
        };
        cx.aws.note_created(cluster, name);
        Ok(Applied {
            output: output(&answer.value["service"]),
            call: CallNote { operation: "CreateService".to_owned(), request_id: answer.request_id },
        })
    }

    async fn observe(&self, cx: &Context<'_>, params: &Value, intent: &Value) -> Result<Verdict, StepError> {
        let (cluster, name) = (text(params, "/cluster")?, text(params, "/service")?);
        // That it is not there must be so in the list as well: a second one of another token would be refused for the first.
        let found = cx.aws.listed_service(cluster, name).await?.filter(|service| service["status"] == "ACTIVE");
        let Some(service) = found else {
            return Ok(Verdict::NotDone { why: format!("there is no ACTIVE service `{name}`") });
        };
        if !is_ours(cx, &service, params, intent) {
            return Ok(Verdict::Diverged {
                differences: vec![
                    format!("planned: service `{name}` made by this run"),
                    format!("found: service `{name}` on {}, made by {}", short(&service["taskDefinition"]), service["createdBy"]),
                ],
            });
        }
        let known: Vec<&str> = intent["deployments"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        if intent["mode"] == "redeploy" && primary_id(&service).as_str().is_none_or(|id| known.contains(&id)) {
            return Ok(Verdict::NotDone { why: "no deployment is newer than the one that failed".to_owned() });
        }
        cx.aws.note_created(cluster, name);
        Ok(Verdict::Done { output: output(&service) })
    }

    async fn revisit(&self, cx: &Context<'_>, params: &Value, intent: &Value, _output: &Value) -> Result<Verdict, StepError> {
        let (cluster, name) = (text(params, "/cluster")?, text(params, "/service")?);
        match self.observe(cx, params, &json!({ "token": intent["token"] })).await? {
            Verdict::NotDone { why } => Ok(Verdict::TakenBack { why }),
            Verdict::Done { output } => {
                let service = cx.aws.service(cluster, name).await?.unwrap_or(Value::Null);
                let failing = failing(&service, output["deployment"].as_str().unwrap_or_default(), 0);
                let why = match failing {
                    None => lifeless(cx.aws, params, &service).await?,
                    failing => failing,
                };
                Ok(match why {
                    Some(why) => Verdict::TakenBack { why: format!("{}; it is deployed again", why.trim_end_matches('.')) },
                    None => Verdict::Done { output },
                })
            }
            other => Ok(other),
        }
    }

    fn remember(&self, aws: &Aws, mutation: &Mutation) {
        if let Some((cluster, name)) = place(&mutation.step.params) {
            aws.note_created(cluster, name);
        }
    }

    fn undo(&self, mutation: &Mutation) -> Vec<UndoStep> {
        let params = &mutation.step.params;
        let (cluster, service) = (&params["cluster"], &params["service"]);
        let name = service.as_str().unwrap_or_default();
        let step = |step: &'static str, action: &'static str, class, title: String, params, deadline_s| UndoStep {
            name: step,
            action,
            class,
            title,
            params,
            deadline_s,
            inputs: Vec::new(),
        };
        let of = |until: &str| json!({ "cluster": cluster, "service": service, "until": until });
        vec![
            step(
                "scale-to-zero",
                "ecs.update-service",
                StepClass::Mutation,
                format!("scale {name} to 0"),
                // Out of any registry as well: AWS may have put it back into one whose name is gone by now (a rollout without it that
                // failed), and ECS refuses every update that leaves it there.
                json!({ "cluster": cluster, "service": service, "set": { "desiredCount": 0, "serviceRegistries": [] }, "expect": {},
                    "restore": true, "orGone": true }),
                None,
            ),
            step(
                "tasks-stopped",
                "ecs.await-service",
                StepClass::Wait,
                format!("wait until {name} runs no task"),
                of("stopped"),
                Some(1800),
            ),
            step(
                "delete-service",
                "ecs.delete-service",
                StepClass::Mutation,
                format!("delete service {name}"),
                json!({ "cluster": cluster, "service": service, "token": mutation.intent["token"] }),
                None,
            ),
            step(
                "inactive",
                "ecs.await-service",
                StepClass::Wait,
                format!("wait until {name} is gone"),
                of("inactive"),
                Some(1800),
            ),
        ]
    }

    fn left(&self, mutation: &Mutation) -> Option<Left> {
        let (cluster, name) = place(&mutation.step.params)?;
        let remove = format!("aws ecs delete-service --cluster {cluster} --service {name} --force");
        (mutation.intent["mode"] != "redeploy").then(|| Left { kind: "service", name: name.to_owned(), remove })
    }
}

fn place(params: &Value) -> Option<(&str, &str)> {
    Some((params["cluster"].as_str()?, params["service"].as_str()?))
}

fn short(arn: &Value) -> &str {
    short_name(arn.as_str().unwrap_or("no task definition"))
}

#[async_trait(?Send)]
impl MutationStep for DeleteService {
    async fn prepare(&self, cx: &Context<'_>, params: &Value) -> Result<Prepared, StepError> {
        let (cluster, name) = (text(params, "/cluster")?, text(params, "/service")?);
        let found = cx.aws.service(cluster, name).await?.filter(|service| service["status"] == "ACTIVE");
        let Some(service) = found else { return Ok(Prepared::Already(json!({ "found": "already gone" }))) };
        if tag(&service, TAG_TOKEN).is_some_and(|token| params["token"] != token) {
            let message = format!("service `{name}` is not the one that this run made");
            return Err(StepError::Failed(Failure::of(FailureKind::Stuck, message)));
        }
        // Beside a failed deployment the one before it stays, and ECS deletes a service of several only by force. No task runs.
        let several = service["deployments"].as_array().is_some_and(|deployments| deployments.len() > 1);
        Ok(Prepared::Act(if several { json!({ "force": true }) } else { json!({}) }))
    }

    async fn apply(&self, cx: &Context<'_>, params: &Value, intent: &Value) -> Result<Applied, StepError> {
        let (cluster, name) = (text(params, "/cluster")?, text(params, "/service")?);
        let mut input = json!({ "cluster": cluster, "service": name });
        if intent["force"] == true {
            input["force"] = json!(true);
        }
        let request_id = match cx.aws.mutate("DeleteService", name, &input).await {
            Ok(answer) => answer.request_id,
            Err(error) if error.reason == Reason::Missing => error.request_id,
            Err(error) => return Err(error.into()),
        };
        cx.aws.note_deleted(cluster, name);
        Ok(Applied { output: json!({}), call: CallNote { operation: "DeleteService".to_owned(), request_id } })
    }

    async fn observe(&self, cx: &Context<'_>, params: &Value, _intent: &Value) -> Result<Verdict, StepError> {
        let (cluster, name) = (text(params, "/cluster")?, text(params, "/service")?);
        let active = cx.aws.service(cluster, name).await?.is_some_and(|service| service["status"] == "ACTIVE");
        Ok(if active {
            Verdict::NotDone { why: format!("service `{name}` is ACTIVE") }
        } else {
            cx.aws.note_deleted(cluster, name);
            Verdict::Done { output: json!({}) }
        })
    }

    fn remember(&self, aws: &Aws, mutation: &Mutation) {
        if let Some((cluster, name)) = place(&mutation.step.params) {
            aws.note_deleted(cluster, name);
        }
    }

    fn undo(&self, _mutation: &Mutation) -> Vec<UndoStep> {
        Vec::new()
    }
}
