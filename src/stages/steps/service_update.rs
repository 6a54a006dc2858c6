//! UpdateService. ECS has no compare-and-swap: the service is read right before the call and held against what was planned from;
//! afterwards our update is recognised by its service revision (task definition, load balancers, registries).

use async_trait::async_trait;
use serde_json::{Map, Value, json};

use super::rollout::failing;
use super::serving::lifeless;
use super::tasks;
use crate::aws::task_definition::short_name;
use crate::aws::{Aws, CallError, STALENESS};
use crate::model::{CallNote, Failure, FailureKind, Mutation, StepClass, Verdict};
use crate::stages::claim::in_the_way;
use crate::stages::step::{Applied, Context, Left, MutationStep, Prepared, StepError, UndoStep, text};

/// `ecs.update-service`: `{cluster, service, set, expect, restore?, orGone?, noteTargets?, deadline_s?, containers?}`.
///
/// `set` holds the members to send. `expect` holds what `taskDefinition`, `loadBalancers` and `serviceRegistries` must be before.
/// With `restore` the members are what was there before the run: finding them already so is fine. With
/// `orGone` the service is to go anyway: finding it gone is fine too. `noteTargets` is a target group
/// of which the addresses of the service's tasks are noted before the update. Where one of `containers` has exited in a task
/// that runs on, the service is deployed again.
pub struct UpdateService;

/// The members that make a service revision.
const REVISION: [&str; 3] = ["taskDefinition", "loadBalancers", "serviceRegistries"];
/// Members that an undo puts back, where the update set them.
const RESTORED: [&str; 5] =
    ["taskDefinition", "loadBalancers", "serviceRegistries", "healthCheckGracePeriodSeconds", "desiredCount"];

/// The id of the PRIMARY deployment, or null.
pub(super) fn primary_id(service: &Value) -> Value {
    let deployments = service["deployments"].as_array();
    deployments
        .into_iter()
        .flatten()
        .find(|deployment| deployment["status"] == "PRIMARY")
        .map_or(Value::Null, |found| found["id"].clone())
}

/// The ids of all deployments.
pub(super) fn deployment_ids(service: &Value) -> Vec<Value> {
    service["deployments"].as_array().into_iter().flatten().map(|deployment| deployment["id"].clone()).collect()
}

/// Whether a member of a service is as wanted. Lists are compared without order and without empty members.
pub fn same(member: &str, wanted: &Value, service: &Value) -> bool {
    match wanted {
        Value::Array(list) => bare_list(list) == bare_list(service[member].as_array().map(Vec::as_slice).unwrap_or_default()),
        _ => *wanted == service[member],
    }
}

fn bare_list(list: &[Value]) -> Vec<String> {
    let mut texts: Vec<String> = list
        .iter()
        .map(|entry| {
            let mut members = entry.as_object().cloned().unwrap_or_default();
            members.retain(|_, value| !value.is_null() && *value != json!("") && *value != json!(0));
            Value::Object(members).to_string()
        })
        .collect();
    texts.sort();
    texts
}

/// Deploys the service again as it is.
pub(super) async fn redeploy(cx: &Context<'_>, cluster: &str, name: &str, set: &Value) -> Result<(Value, CallNote), CallError> {
    let mut input = set.as_object().cloned().unwrap_or_default();
    input.insert("forceNewDeployment".to_owned(), json!(true));
    send(cx, cluster, name, input).await
}

async fn send(cx: &Context<'_>, cluster: &str, name: &str, mut input: Map<String, Value>) -> Result<(Value, CallNote), CallError> {
    input.insert("cluster".to_owned(), json!(cluster));
    input.insert("service".to_owned(), json!(name));
    let mut answer = cx.aws.mutate("UpdateService", name, &Value::Object(input)).await?;
    Ok((answer.value["service"].take(), CallNote { operation: "UpdateService".to_owned(), request_id: answer.request_id }))
}

fn output(service: &Value, params: &Value, intent: &Value) -> Value {
    json!({ "deployment": primary_id(service), "set": params["set"], "addresses": intent["addresses"] })
}

/// How a service stands to an update.
enum Standing {
    /// As planned from.
    Before,
    /// As planned to.
    After,
    /// Neither: one line for each difference.
    Other(Vec<String>),
}

fn standing(service: &Value, params: &Value) -> Standing {
    let set = params["set"].as_object().cloned().unwrap_or_default();
    if set.iter().all(|(member, wanted)| same(member, wanted, service)) {
        return Standing::After;
    }
    let expect = &params["expect"];
    let differences: Vec<String> = REVISION
        .iter()
        .filter(|member| expect.get(**member).is_some_and(|expected| !same(member, expected, service)))
        .flat_map(|member| {
            [
                format!("{member}: planned from {}", shown(&expect[*member])),
                format!("{member}: planned to {}", set.get(*member).map_or_else(|| "the same".to_owned(), shown)),
                format!("{member}: found {}", shown(&service[*member])),
            ]
        })
        .collect();
    if differences.is_empty() { Standing::Before } else { Standing::Other(differences) }
}

fn shown(value: &Value) -> String {
    match value {
        Value::String(arn) => short_name(arn).to_owned(),
        Value::Array(list) if list.is_empty() => "none".to_owned(),
        Value::Array(list) => list.iter().map(entry).collect::<Vec<_>>().join(", "),
        other => other.to_string(),
    }
}

fn entry(value: &Value) -> String {
    let arn = value["targetGroupArn"].as_str().or_else(|| value["registryArn"].as_str()).unwrap_or_default();
    let name = arn.rsplit(':').next().unwrap_or(arn);
    match (value["containerName"].as_str(), value["containerPort"].as_i64()) {
        (Some(container), Some(port)) => format!("{container}:{port} in {name}"),
        _ => name.to_owned(),
    }
}

/// ECS refuses an update to a revision that was deregistered (at the latest ten minutes after that), and one that was deleted is
/// gone for good.
async fn usable(cx: &Context<'_>, params: &Value) -> Result<(), StepError> {
    let Some(arn) = params["set"]["taskDefinition"].as_str() else { return Ok(()) };
    let (revision, name) = (short_name(arn), text(params, "/service")?);
    let why = match cx.aws.task_definition(arn).await? {
        Some(found) if found.is_active() => return Ok(()),
        Some(found) => format!("is {}: ECS updates no service to it", found.body["status"].as_str().unwrap_or("not ACTIVE")),
        None => "is gone from AWS for good".to_owned(),
    };
    Err(StepError::Failed(Failure::of(FailureKind::Stuck, format!("{revision}, which {name} ran before, {why}"))))
}

fn failed(service: &Value) -> bool {
    primary_id(service).as_str().is_some_and(|primary| failing(service, primary, 0).is_some())
}

async fn gone(cx: &Context<'_>, params: &Value) -> Result<bool, StepError> {
    let service = cx.aws.service(text(params, "/cluster")?, text(params, "/service")?).await?;
    Ok(service.is_none_or(|service| service["status"] != "ACTIVE"))
}

async fn active(cx: &Context<'_>, params: &Value) -> Result<Value, StepError> {
    let (cluster, name) = (text(params, "/cluster")?, text(params, "/service")?);
    match cx.aws.service(cluster, name).await? {
        Some(service) if service["status"] == "ACTIVE" => Ok(service),
        Some(service) => Err(StepError::Diverged(vec![
            format!("planned from: service `{name}` ACTIVE"),
            format!("found: {}", service["status"].as_str().unwrap_or("another status")),
        ])),
        None => Err(StepError::Diverged(vec![format!("planned from: service `{name}`"), "found: no such service".to_owned()])),
    }
}

/// Tells the way to AWS what an update that took effect has replaced: a reading that shows it is older.
fn note_replaced(aws: &Aws, params: &Value, intent: &Value, output: &Value) {
    let deployments = intent["deployments"].as_array().map(Vec::as_slice).unwrap_or_default();
    let started = output["deployment"].is_string() && !deployments.is_empty() && !deployments.contains(&output["deployment"]);
    if let (true, Some(cluster), Some(name)) = (started, params["cluster"].as_str(), params["service"].as_str()) {
        aws.note_replaced(cluster, name, &intent["deploymentRecord"]);
    }
}

/// Whether the update starts a deployment: it is a new one of the same, or sets what makes a service revision to something else.
fn deploys(params: &Value, intent: &Value) -> bool {
    let set = &params["set"];
    let differs = |member: &str| set.get(member).is_some_and(|wanted| !same(member, wanted, &intent["replaced"]));
    intent["mode"] == "redeploy" || REVISION.into_iter().any(differs)
}

#[async_trait(?Send)]
impl MutationStep for UpdateService {
    async fn prepare(&self, cx: &Context<'_>, params: &Value) -> Result<Prepared, StepError> {
        if params["orGone"] == true && gone(cx, params).await? {
            return Ok(Prepared::Already(json!({ "found": "already gone", "set": params["set"] })));
        }
        let mut service = active(cx, params).await?;
        if matches!(standing(&service, params), Standing::Other(_)) || in_the_way(cx.aws, &service, cx.run).is_some() {
            // What is read may be from before somebody's last update, ours included.
            cx.aws.clock.sleep(STALENESS).await;
            service = active(cx, params).await?;
        }
        if let Some(claimed) = in_the_way(cx.aws, &service, cx.run) {
            return Err(StepError::Failed(claimed));
        }
        if params["restore"] == true && !matches!(standing(&service, params), Standing::After) {
            usable(cx, params).await?;
        }
        let mode = match standing(&service, params) {
            Standing::Before => "update",
            // What is as wanted and whose deployment failed is deployed again: without a rollback of AWS's it would stay so. And so is
            // what has lost a container that ECS does not start again.
            Standing::After
                if params["restore"] == true
                    && (params["orGone"] == true || !failed(&service))
                    && lifeless(cx.aws, params, &service).await?.is_none() =>
            {
                return Ok(Prepared::Already(
                    json!({ "found": "already so", "deployment": primary_id(&service), "set": params["set"] }),
                ));
            }
            Standing::After => "redeploy",
            Standing::Other(differences) => return Err(StepError::Diverged(differences)),
        };
        let replaced: Map<String, Value> = RESTORED.iter().map(|member| ((*member).to_owned(), service[*member].clone())).collect();
        let mut intent = json!({
            "mode": mode,
            "replaced": replaced,
            "deployments": deployment_ids(&service),
            "deploymentRecord": service["currentServiceDeployment"],
        });
        if params["noteTargets"].is_string() {
            let tasks = tasks::running(cx.aws, text(params, "/cluster")?, text(params, "/service")?).await?;
            intent["addresses"] = tasks.iter().filter_map(tasks::address).collect();
        }
        Ok(Prepared::Act(intent))
    }

    async fn apply(&self, cx: &Context<'_>, params: &Value, intent: &Value) -> Result<Applied, StepError> {
        let (cluster, name) = (text(params, "/cluster")?, text(params, "/service")?);
        let (service, call) = match intent["mode"].as_str() {
            Some("redeploy") => redeploy(cx, cluster, name, &params["set"]).await?,
            _ => send(cx, cluster, name, params["set"].as_object().cloned().unwrap_or_default()).await?,
        };
        let output = output(&service, params, intent);
        note_replaced(cx.aws, params, intent, &output);
        Ok(Applied { output, call })
    }

    async fn observe(&self, cx: &Context<'_>, params: &Value, intent: &Value) -> Result<Verdict, StepError> {
        if params["orGone"] == true && gone(cx, params).await? {
            return Ok(Verdict::Done { output: json!({ "found": "already gone", "set": params["set"] }) });
        }
        let service = active(cx, params).await?;
        let known = intent["deployments"].as_array().cloned().unwrap_or_default();
        let new_deployment = !known.contains(&primary_id(&service));
        match standing(&service, params) {
            Standing::After if new_deployment || !deploys(params, intent) => {
                let output = output(&service, params, intent);
                note_replaced(cx.aws, params, intent, &output);
                Ok(Verdict::Done { output })
            }
            // A redeploy changes nothing but the deployment.
            Standing::After => Ok(Verdict::NotDone { why: "no deployment is newer than the one before the call".to_owned() }),
            Standing::Before => gone_or_never(cx, params, intent, &service).await,
            Standing::Other(differences) => Ok(Verdict::Diverged { differences }),
        }
    }

    async fn revisit(&self, cx: &Context<'_>, params: &Value, intent: &Value, output: &Value) -> Result<Verdict, StepError> {
        // Gone is further than what this step does to it: a later one of the same undo deleted it.
        if params["orGone"] == true && gone(cx, params).await? {
            return Ok(Verdict::Done { output: output.clone() });
        }
        let service = active(cx, params).await?;
        match standing(&service, params) {
            Standing::After => {
                let primary = primary_id(&service);
                if let Some(why) = failing(&service, primary.as_str().unwrap_or_default(), 0) {
                    return Ok(Verdict::TakenBack { why: format!("{}; it is deployed again", why.trim_end_matches('.')) });
                }
                if let Some(why) = lifeless(cx.aws, params, &service).await? {
                    return Ok(Verdict::TakenBack { why: format!("{why}; it is deployed again") });
                }
                let mut output = output.clone();
                // Somebody may have deployed the same revision again: then that deployment is the one to wait for.
                output["deployment"] = primary;
                Ok(Verdict::Done { output })
            }
            Standing::Before => match gone_or_never(cx, params, intent, &service).await? {
                Verdict::NotDone { why } => Ok(Verdict::TakenBack { why }),
                other => Ok(other),
            },
            Standing::Other(differences) => Ok(Verdict::Diverged { differences }),
        }
    }

    fn remember(&self, aws: &Aws, mutation: &Mutation) {
        if let Some(output) = &mutation.output {
            note_replaced(aws, &mutation.step.params, &mutation.intent, output);
        }
    }

    fn undo(&self, mutation: &Mutation) -> Vec<UndoStep> {
        let Some(output) = &mutation.output else { return Vec::new() };
        let (params, set) = (&mutation.step.params, &output["set"]);
        let name = params["service"].as_str().unwrap_or_default();
        let mut restore = Map::new();
        let mut expect = Map::new();
        for member in RESTORED.iter().filter(|member| set.get(**member).is_some()) {
            let before = &mutation.intent["replaced"][*member];
            // A list that was absent is restored by an empty one; an absent one would keep what is there now.
            let before = if before.is_null() && set[*member].is_array() { json!([]) } else { before.clone() };
            restore.insert((*member).to_owned(), before);
            if REVISION.contains(member) {
                expect.insert((*member).to_owned(), set[*member].clone());
            }
        }
        let deploys = REVISION.iter().any(|member| restore.contains_key(*member));
        let back_to = restore
            .get("taskDefinition")
            .and_then(Value::as_str)
            .map_or_else(String::new, |arn| format!(" to {}", short_name(arn)));
        let mut steps = vec![UndoStep {
            name: "restore",
            action: "ecs.update-service",
            class: StepClass::Mutation,
            title: format!("restore {name}{back_to}"),
            params: json!({ "cluster": params["cluster"], "service": name, "set": restore, "expect": expect, "restore": true }),
            deadline_s: None,
            inputs: Vec::new(),
        }];
        if deploys {
            steps.push(UndoStep {
                name: "restored",
                action: "ecs.await-rollout",
                class: StepClass::Wait,
                title: format!("wait until {name} is steady{}", back_to.replacen(" to ", " on ", 1)),
                params: json!({ "cluster": params["cluster"], "service": name, "want": restore }),
                deadline_s: params["deadline_s"].as_u64().or(Some(1800)),
                inputs: vec![("/deployment", "restore", "/deployment")],
            });
        }
        steps
    }

    fn left(&self, mutation: &Mutation) -> Option<Left> {
        let (cluster, name) = (mutation.step.params["cluster"].as_str()?, mutation.step.params["service"].as_str()?);
        let before = &mutation.intent["replaced"];
        let mut remove = format!("aws ecs update-service --cluster {cluster} --service {name}");
        let set = mutation.output.as_ref().map_or(&mutation.step.params["set"], |output| &output["set"]);
        for (member, option) in [
            ("taskDefinition", "--task-definition"),
            ("loadBalancers", "--load-balancers"),
            ("serviceRegistries", "--service-registries"),
            ("healthCheckGracePeriodSeconds", "--health-check-grace-period-seconds"),
        ] {
            let value = match &before[member] {
                _ if set.get(member).is_none() => continue,
                Value::Null if set[member].is_array() => "'[]'".to_owned(),
                Value::Null => continue,
                Value::String(arn) => short_name(arn).to_owned(),
                Value::Array(list) => format!("'{}'", Value::Array(list.clone())),
                other => other.to_string(),
            };
            remove.push_str(&format!(" {option} {value}"));
        }
        (mutation.intent["mode"] != "redeploy").then(|| Left { kind: "settings of service", name: name.to_owned(), remove })
    }
}

/// The service is as before an update: AWS took it back, somebody else did, or the update never arrived.
async fn gone_or_never(cx: &Context<'_>, params: &Value, intent: &Value, service: &Value) -> Result<Verdict, StepError> {
    if intent["already"] == true {
        return Ok(Verdict::NotDone { why: "the service is again as this run's update had left it".to_owned() });
    }
    if !deploys(params, intent) {
        // It deploys nothing, so AWS's records of deployments know nothing of it.
        return Ok(Verdict::NotDone { why: "the service is as before".to_owned() });
    }
    let (cluster, name) = (text(params, "/cluster")?, text(params, "/service")?);
    let Some(newest) = cx.aws.deployment_record(cluster, name).await? else {
        return Ok(Verdict::NotDone { why: "the service is as before, and AWS has no record of a newer deployment".to_owned() });
    };
    if newest.deployment["serviceDeploymentArn"] == intent["deploymentRecord"] {
        return Ok(Verdict::NotDone { why: "no deployment is newer than the one before the call".to_owned() });
    }
    let set = params["set"].as_object().cloned().unwrap_or_default();
    let ours = REVISION.iter().all(|member| set.get(*member).is_none_or(|wanted| same(member, wanted, &newest.revision)));
    let status = newest.status();
    if ours && newest.is_taken_back() {
        let reason = newest.deployment["statusReason"].as_str().unwrap_or("no reason given");
        return Ok(Verdict::TakenBack { why: format!("AWS took the deployment back ({status}: {reason})") });
    }
    let known = intent["deployments"].as_array().is_some_and(|known| known.contains(&primary_id(service)));
    if !ours && known {
        // AWS's newest record need not be of the deployment that stands: where a breaker has gone back before the call, it is the
        // failed one's.
        return Ok(Verdict::NotDone { why: "the deployment from before the call still stands".to_owned() });
    }
    if !ours {
        return Ok(Verdict::Diverged {
            differences: vec![
                format!("planned to {}", set.get("taskDefinition").map_or_else(|| "other settings".to_owned(), shown)),
                format!("found: a newer deployment of {} by somebody else ({status})", shown(&newest.revision["taskDefinition"])),
            ],
        });
    }
    // It is on its way or done, so the service as it was read is older than that.
    cx.aws.note_replaced(cluster, name, &intent["deploymentRecord"]);
    let service = active(cx, params).await?;
    Ok(match standing(&service, params) {
        Standing::After => Verdict::Done { output: output(&service, params, intent) },
        Standing::Before => Verdict::Diverged {
            differences: vec![format!("the service is as before the update, but AWS's record of the update says {status}")],
        },
        Standing::Other(differences) => Verdict::Diverged { differences },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_compared_without_order_and_unset_members() {
        let service = json!({ "loadBalancers": [{ "targetGroupArn": "b", "containerName": "x", "containerPort": 1 }, { "targetGroupArn": "a" }] });
        assert!(same(
            "loadBalancers",
            &json!([{ "targetGroupArn": "a", "loadBalancerName": null }, { "targetGroupArn": "b", "containerName": "x", "containerPort": 1 }]),
            &service
        ));
        assert!(!same("loadBalancers", &json!([{ "targetGroupArn": "a" }]), &service));
        assert!(same("serviceRegistries", &json!([]), &service), "an absent list is an empty one");
    }

    #[test]
    fn a_service_that_is_neither_before_nor_after_is_shown_three_ways() {
        let params = json!({ "set": { "taskDefinition": "arn:task-definition/f:3" }, "expect": { "taskDefinition": "arn:task-definition/f:2" } });
        let Standing::Other(lines) = standing(&json!({ "taskDefinition": "arn:task-definition/f:9" }), &params) else {
            panic!("neither")
        };
        assert_eq!(lines, ["taskDefinition: planned from f:2", "taskDefinition: planned to f:3", "taskDefinition: found f:9"]);
        assert!(matches!(standing(&json!({ "taskDefinition": "arn:task-definition/f:2" }), &params), Standing::Before));
        assert!(matches!(standing(&json!({ "taskDefinition": "arn:task-definition/f:3" }), &params), Standing::After));
    }
}
