//! Task definition revisions: registering one (RegisterTaskDefinition has no idempotency token, so ours is a tag), recognising it
//! afterwards, and deregistering it.

use async_trait::async_trait;
use serde_json::{Value, json};

use super::tasks;
use crate::aws::task_definition::{TaskDefinition, family_of, normalised, set_tag, short_name};
use crate::aws::{CallError, Reason};
use crate::model::{CallNote, Failure, FailureKind, Mutation, StepClass, Verdict, digest};
use crate::stages::step::{
    Applied, Context, Left, MutationStep, Prepared, StepError, TAG_RUN, TAG_TOKEN, UndoStep, ownership, text,
};

/// `ecs.register-task-definition`: `{family, content, tags}`.
pub struct Register;
/// `ecs.deregister-task-definition`: `{taskDefinition, cluster, services, ifUnused?}`. With `ifUnused` one that runs stays, which is fine.
pub struct Deregister;

/// The intent of a registration: a token that will be in the revision's tags, and the newest revision before it.
pub(super) async fn registration_intent(cx: &Context<'_>, family: &str, content: &Value) -> Result<Value, CallError> {
    let newest = cx.aws.newest_revision(family).await?;
    Ok(json!({ "token": cx.aws.token(), "newest": newest, "content": digest(&normalised(content)) }))
}

/// Registers `content` with the ownership tags; where tagging is not permitted, without any tag of ours.
pub(super) async fn register(cx: &Context<'_>, family: &str, content: &Value, intent: &Value) -> Result<Applied, StepError> {
    let mut tagged = content.clone();
    for (key, value) in ownership(cx, text(intent, "/token")?) {
        set_tag(&mut tagged, key, &value);
    }
    let answer = match cx.aws.mutate("RegisterTaskDefinition", family, &tagged).await {
        // Refused as a whole, so nothing was registered; the revision is then recognised by its content and who registered it.
        Err(error) if error.reason == Reason::Denied && error.message.contains("TagResource") => {
            cx.aws.mutate("RegisterTaskDefinition", family, content).await?
        }
        other => other?,
    };
    let arn = answer.value["taskDefinition"]["taskDefinitionArn"].as_str().unwrap_or_default().to_owned();
    Ok(Applied {
        output: json!({ "taskDefinition": arn }),
        call: CallNote { operation: "RegisterTaskDefinition".to_owned(), request_id: answer.request_id },
    })
}

/// Looks for the revision of an intent among all that are newer than the newest one before it: days later many may be.
pub(super) async fn find_registered(cx: &Context<'_>, family: &str, intent: &Value) -> Result<Verdict, StepError> {
    let newest = intent["newest"].as_u64().unwrap_or(0);
    for arn in cx.aws.revisions_above(family, newest).await? {
        let Some(found) = cx.aws.task_definition(&arn).await? else { continue };
        if is_ours(cx, &found, intent) {
            return Ok(Verdict::Done { output: json!({ "taskDefinition": arn }) });
        }
    }
    Ok(Verdict::NotDone { why: format!("no revision of `{family}` newer than {newest} carries this attempt's tag") })
}

fn is_ours(cx: &Context<'_>, found: &TaskDefinition, intent: &Value) -> bool {
    match found.tag(TAG_TOKEN) {
        Some(token) => intent["token"] == token,
        // Registered without tags: ours when the content and the registrant agree, and no other run has marked it.
        None => {
            found.tag(TAG_RUN).is_none()
                && intent["content"] == found.content_digest()
                && found.body["registeredBy"].as_str() == Some(cx.identity)
        }
    }
}

/// Whether a registered revision is still ACTIVE.
pub(super) async fn revisit_registered(cx: &Context<'_>, output: &Value) -> Result<Verdict, StepError> {
    let arn = text(output, "/taskDefinition")?;
    Ok(match cx.aws.task_definition(arn).await? {
        Some(found) if found.is_active() => Verdict::Done { output: output.clone() },
        _ => Verdict::TakenBack { why: format!("{} is no longer ACTIVE", short_name(arn)) },
    })
}

/// The undo of a registration.
pub(super) fn undo_registration(mutation: &Mutation) -> Vec<UndoStep> {
    let Some(arn) = mutation.output.as_ref().and_then(|output| output["taskDefinition"].as_str()) else { return Vec::new() };
    vec![UndoStep {
        name: "deregister",
        action: "ecs.deregister-task-definition",
        class: StepClass::Mutation,
        title: match mutation.step.params["copyOf"].as_str() {
            Some(_) => format!("deregister {}, a copy, unless it runs", short_name(arn)),
            None => format!("deregister {}", short_name(arn)),
        },
        params: json!({ "taskDefinition": arn, "cluster": mutation.step.params["cluster"], "services": mutation.step.params["usedBy"], "harmless": true,
            // A copy of what a service ran before is what it runs when it has gone back.
            "ifUnused": mutation.step.params["copyOf"].is_string() }),
        deadline_s: None,
        inputs: Vec::new(),
    }]
}

/// What a registration leaves behind.
pub(super) fn left_by_registration(mutation: &Mutation) -> Option<Left> {
    let name = short_name(mutation.output.as_ref()?["taskDefinition"].as_str()?);
    Some(Left {
        kind: "task definition",
        name: name.to_owned(),
        remove: format!("aws ecs deregister-task-definition --task-definition {name}"),
    })
}

#[async_trait(?Send)]
impl MutationStep for Register {
    async fn prepare(&self, cx: &Context<'_>, params: &Value) -> Result<Prepared, StepError> {
        Ok(Prepared::Act(registration_intent(cx, text(params, "/family")?, &params["content"]).await?))
    }

    async fn apply(&self, cx: &Context<'_>, params: &Value, intent: &Value) -> Result<Applied, StepError> {
        let mut content = params["content"].clone();
        for (key, value) in params["tags"].as_object().into_iter().flatten() {
            set_tag(&mut content, key, value.as_str().unwrap_or_default());
        }
        register(cx, text(params, "/family")?, &content, intent).await
    }

    async fn observe(&self, cx: &Context<'_>, params: &Value, intent: &Value) -> Result<Verdict, StepError> {
        find_registered(cx, text(params, "/family")?, intent).await
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
impl MutationStep for Deregister {
    async fn prepare(&self, cx: &Context<'_>, params: &Value) -> Result<Prepared, StepError> {
        let arn = text(params, "/taskDefinition")?;
        match cx.aws.task_definition(arn).await? {
            Some(found) if found.is_active() => {}
            _ => return Ok(Prepared::Already(json!({ "found": "already INACTIVE" }))),
        }
        let user = user(cx, params, arn).await?;
        match user {
            Some(_) if params["ifUnused"] == true => return Ok(Prepared::Already(json!({ "found": "in use: it stays" }))),
            Some(user) => {
                let message = format!("{} is still in use by {user}", short_name(arn));
                return Err(StepError::Failed(Failure::of(FailureKind::Stuck, message)));
            }
            None => {}
        }
        Ok(Prepared::Act(json!({})))
    }

    async fn apply(&self, cx: &Context<'_>, params: &Value, _intent: &Value) -> Result<Applied, StepError> {
        let arn = text(params, "/taskDefinition")?;
        let answer = cx.aws.mutate("DeregisterTaskDefinition", short_name(arn), &json!({ "taskDefinition": arn })).await?;
        Ok(Applied {
            output: json!({}),
            call: CallNote { operation: "DeregisterTaskDefinition".to_owned(), request_id: answer.request_id },
        })
    }

    async fn observe(&self, cx: &Context<'_>, params: &Value, _intent: &Value) -> Result<Verdict, StepError> {
        let arn = text(params, "/taskDefinition")?;
        Ok(match cx.aws.task_definition(arn).await? {
            Some(found) if found.is_active() => Verdict::NotDone { why: format!("{} is ACTIVE", short_name(arn)) },
            _ => Verdict::Done { output: json!({}) },
        })
    }

    fn undo(&self, _mutation: &Mutation) -> Vec<UndoStep> {
        Vec::new()
    }
}

/// Who uses a revision: a revision in use is never deregistered, not by the service it was made for, and not by a deployment on its way
/// out.
async fn user(cx: &Context<'_>, params: &Value, arn: &str) -> Result<Option<String>, StepError> {
    let Some(cluster) = params["cluster"].as_str() else { return Ok(None) };
    for service in params["services"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        let Some(found) = cx.aws.service(cluster, service).await? else { continue };
        if found["status"] != "INACTIVE" && uses(&found, arn) {
            return Ok(Some(format!("service `{service}`")));
        }
    }
    // What services say may be older than what runs: tasks are the witness.
    let tasks = tasks::running_of_family(cx.aws, cluster, family_of(arn)).await?;
    let task = tasks.iter().find(|task| task["taskDefinitionArn"] == arn);
    Ok(task.map(|task| {
        let of = task["group"].as_str().map(|group| format!(" of {}", group.replace(':', " "))).unwrap_or_default();
        format!("task {}{of}", tasks::id(task))
    }))
}

fn uses(service: &Value, arn: &str) -> bool {
    service["taskDefinition"] == arn
        || service["deployments"].as_array().into_iter().flatten().any(|deployment| {
            deployment["taskDefinition"] == arn
                && (deployment["status"] == "PRIMARY" || deployment["runningCount"].as_i64().unwrap_or(0) > 0)
        })
}
