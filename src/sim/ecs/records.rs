//! Service deployments and service revisions: AWS's record of what was rolled out when, and their operations.

use serde_json::{Value, json};

use super::super::{ApiError, Call, State};
use super::json::{epoch, has, last_part, list, number, page, pick, text, texts};
use super::service::{Rollout, SPEC, Service};
use super::{Ecs, errors, failures, scheduler};

/// What DescribeServiceDeployments shows of a service's deployment configuration.
const CONFIGURATION: &str = "deploymentConfiguration";

impl Ecs {
    /// The service deployment of this ARN.
    pub(super) fn rollout_mut(&mut self, arn: &str) -> Option<&mut Value> {
        self.rollouts.iter_mut().find(|record| text(record, "serviceDeploymentArn") == arn)
    }

    /// The service revision of this ARN.
    pub(super) fn revision(&self, arn: &str) -> Option<&Value> {
        self.revisions.iter().find(|revision| text(revision, "serviceRevisionArn") == arn)
    }
}

/// Records a service revision; gives its ARN. The same spec again is a new revision all the same.
pub(super) fn new_revision(state: &mut State, service_arn: &str, spec: &Value) -> String {
    let arn = format!("{}/{}", service_arn.replacen(":service/", ":service-revision/", 1), state.digits(19));
    let mut revision = pick(spec, &SPEC);
    let images = state.ecs.container_definitions(text(spec, "taskDefinition"));
    let images: Vec<Value> =
        images.iter().map(|container| json!({ "containerName": container["name"], "image": container["image"] })).collect();
    revision["containerImages"] = json!(images);
    revision["serviceRevisionArn"] = json!(arn);
    revision["serviceArn"] = json!(service_arn);
    revision["clusterArn"] = json!(state.ecs.service(service_arn).map(|service| service.cluster_arn.clone()));
    revision["createdAt"] = epoch(state.now);
    state.ecs.revisions.push(revision);
    arn
}

/// Records a service deployment that begins; gives its ARN.
pub(super) fn new_rollout(state: &mut State, service_arn: &str, revision: &str, sources: Vec<Value>) -> String {
    const ID: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let id: String = (0..21).map(|_| char::from(ID[state.rng.usize(..ID.len())])).collect();
    let arn = format!("{}/{id}", service_arn.replacen(":service/", ":service-deployment/", 1));
    let now = epoch(state.now);
    let Some(service) = state.ecs.service(service_arn) else { return arn };
    let on = failures::breaker_on(service);
    let record = json!({
        "serviceDeploymentArn": arn,
        "serviceArn": service_arn,
        "clusterArn": service.cluster_arn,
        "createdAt": now,
        "startedAt": now,
        "updatedAt": now,
        "sourceServiceRevisions": sources,
        "targetServiceRevision": {
            "arn": revision, "requestedTaskCount": service.desired, "runningTaskCount": 0, "pendingTaskCount": 0,
        },
        "status": "IN_PROGRESS",
        CONFIGURATION: service.body[CONFIGURATION],
        "deploymentCircuitBreaker": {
            "status": if on { "MONITORING" } else { "DISABLED" },
            "failureCount": 0,
            "threshold": if on { failures::threshold(state, service) } else { 0 },
        },
        "alarms": { "status": "DISABLED" },
    });
    state.ecs.rollouts.push(record);
    arn
}

/// Moves a service deployment to a status; the final ones get their time. An empty reason leaves the reason as it is.
pub(super) fn finish(state: &mut State, arn: &str, status: &str, reason: &str) {
    let now = epoch(state.now);
    let Some(record) = state.ecs.rollout_mut(arn) else { return };
    record["status"] = json!(status);
    record["updatedAt"] = now.clone();
    if !reason.is_empty() {
        record["statusReason"] = json!(reason);
    }
    match status {
        "SUCCESSFUL" | "ROLLBACK_SUCCESSFUL" | "ROLLBACK_FAILED" => record["finishedAt"] = now,
        "STOPPED" => record["stoppedAt"] = now,
        _ => {}
    }
    if status == "SUCCESSFUL" && record["deploymentCircuitBreaker"]["status"] == "MONITORING" {
        record["deploymentCircuitBreaker"]["status"] = json!("MONITORING_COMPLETE");
    }
}

/// Dates the derived records of a captured deployment as the deployment is dated.
pub(super) fn backdate(state: &mut State, arn: &str, revision: &str, deployment: &Value) {
    if !has(deployment, "createdAt") {
        return;
    }
    let (created, updated) = (deployment["createdAt"].clone(), deployment["updatedAt"].clone());
    if let Some(record) = state.ecs.rollout_mut(arn) {
        record["createdAt"] = created.clone();
        record["startedAt"] = created.clone();
        for member in ["updatedAt", "finishedAt"] {
            if has(record, member) && !updated.is_null() {
                record[member] = updated.clone();
            }
        }
    }
    if let Some(revision) = state.ecs.revisions.iter_mut().find(|known| text(known, "serviceRevisionArn") == revision) {
        revision["createdAt"] = created;
    }
}

/// What was asked for happens at the scheduler's next look: a superseded deployment is STOPPED, a rollback is under way.
pub(super) fn settle_requests(state: &mut State, service_arn: &str) {
    let requested = state.ecs.rollouts.iter().filter(|record| text(record, "serviceArn") == service_arn);
    let moved: Vec<(String, &str)> = requested
        .filter_map(|record| {
            let next = match text(record, "status") {
                "STOP_REQUESTED" => "STOPPED",
                "ROLLBACK_REQUESTED" => "ROLLBACK_IN_PROGRESS",
                _ => return None,
            };
            Some((text(record, "serviceDeploymentArn").to_owned(), next))
        })
        .collect();
    for (arn, status) in moved {
        finish(state, &arn, status, "");
    }
}

/// Forgets everything about a service that is gone.
pub(super) fn forget(state: &mut State, service_arn: &str) {
    state.ecs.rollouts.retain(|record| text(record, "serviceArn") != service_arn);
    state.ecs.revisions.retain(|revision| text(revision, "serviceArn") != service_arn);
}

/// The record with the counts of now.
fn render(state: &State, record: &Value) -> Value {
    let mut shown = record.clone();
    let Some(service) = state.ecs.service(text(record, "serviceArn")) else { return shown };
    let target = text(&record["targetServiceRevision"], "arn");
    if let Some(deployment) = service.deployments.iter().find(|deployment| deployment.revision == target) {
        shown["targetServiceRevision"] = state.ecs.revision_summary(service, deployment);
        if shown["deploymentCircuitBreaker"]["status"] == "MONITORING" {
            shown["deploymentCircuitBreaker"]["failureCount"] = json!(deployment.failed);
        }
    }
    if let Some(sources) = shown["sourceServiceRevisions"].as_array_mut() {
        for source in sources {
            let counts = service.deployments.iter().find(|deployment| deployment.revision == text(source, "arn"));
            *source = match counts {
                Some(deployment) => state.ecs.revision_summary(service, deployment),
                None => json!({ "arn": source["arn"], "requestedTaskCount": 0, "runningTaskCount": 0, "pendingTaskCount": 0 }),
            };
        }
    }
    shown
}

/// ListServiceDeployments: newest first.
pub(super) fn list_service_deployments(state: &State, input: &Value) -> Result<Value, ApiError> {
    let service = find_service(state, input)?;
    let statuses = texts(input, "status");
    let after = super::json::millis(&input["createdAt"]["after"]);
    let before = super::json::millis(&input["createdAt"]["before"]);
    let fits = |record: &&Value| {
        let created = super::json::millis(&record["createdAt"]);
        text(record, "serviceArn") == service.arn
            && (statuses.is_empty() || statuses.iter().any(|status| record["status"] == **status))
            && after.is_none_or(|after| created >= Some(after))
            && before.is_none_or(|before| created <= Some(before))
    };
    let briefs: Vec<Value> = state.ecs.rollouts.iter().rev().filter(fits).map(brief).collect();
    let (items, next) = page(&briefs, input, 20, 100);
    let mut answer = json!({ "serviceDeployments": items });
    if let Some(next) = next {
        answer["nextToken"] = json!(next);
    }
    Ok(answer)
}

fn brief(record: &Value) -> Value {
    let members =
        ["serviceDeploymentArn", "serviceArn", "clusterArn", "startedAt", "createdAt", "finishedAt", "status", "statusReason"];
    let mut brief = pick(record, &members);
    brief["targetServiceRevisionArn"] = record["targetServiceRevision"]["arn"].clone();
    brief
}

fn find_service<'a>(state: &'a State, input: &Value) -> Result<&'a Service, ApiError> {
    let cluster = errors::cluster(state, text(input, "cluster"))?;
    let index = state.ecs.service_index(&cluster, text(input, "service"));
    index.map(|index| &state.ecs.services[index]).ok_or_else(errors::no_service)
}

/// DescribeServiceDeployments, at most 20.
pub(super) fn describe_service_deployments(state: &State, input: &Value) -> Result<Value, ApiError> {
    let arns = some_arns(input, "serviceDeploymentArns")?;
    let find = |arn: &String| state.ecs.rollouts.iter().find(|record| text(record, "serviceDeploymentArn") == arn);
    Ok(json!({
        "serviceDeployments": arns.iter().filter_map(find).map(|record| render(state, record)).collect::<Vec<_>>(),
        "failures": errors::missing(arns.iter().filter(|arn| find(arn).is_none())),
    }))
}

/// DescribeServiceRevisions, at most 20.
pub(super) fn describe_service_revisions(state: &State, input: &Value) -> Result<Value, ApiError> {
    let arns = some_arns(input, "serviceRevisionArns")?;
    Ok(json!({
        "serviceRevisions": arns.iter().filter_map(|arn| state.ecs.revision(arn)).collect::<Vec<_>>(),
        "failures": errors::missing(arns.iter().filter(|arn| state.ecs.revision(arn).is_none())),
    }))
}

fn some_arns(input: &Value, member: &str) -> Result<Vec<String>, ApiError> {
    match list(input, member).len() {
        0 => Err(errors::invalid(format!("{member} can not be empty."))),
        1..=20 => Ok(texts(input, member)),
        _ => Err(errors::invalid(format!("{member} can not have more than 20 items."))),
    }
}

/// StopServiceDeployment: rolls the deployment under way back.
pub(super) fn stop_service_deployment(state: &mut State, call: &Call, input: &Value) -> Result<Value, ApiError> {
    let arn = text(input, "serviceDeploymentArn").to_owned();
    if has(input, "stopType") && input["stopType"] != "ROLLBACK" {
        return Err(errors::invalid(format!("The stop type {} is not supported.", text(input, "stopType"))));
    }
    let Some(record) = state.ecs.rollout_mut(&arn) else {
        return Err(ApiError::new("ServiceDeploymentNotFoundException", "Service deployment not found."));
    };
    let (service_arn, status) = (text(record, "serviceArn").to_owned(), text(record, "status").to_owned());
    match status.as_str() {
        "PENDING" | "IN_PROGRESS" => {}
        "STOP_REQUESTED" | "ROLLBACK_REQUESTED" | "ROLLBACK_IN_PROGRESS" => return Ok(json!({ "serviceDeploymentArn": arn })),
        _ => {
            let message = format!("The service deployment {} is in status {status} and cannot be stopped.", last_part(&arn));
            return Err(ApiError::new("ConflictException", message));
        }
    }
    let reason = "Service deployment rolled back because of a user request.";
    finish(state, &arn, "ROLLBACK_REQUESTED", reason);
    if !failures::roll_back(state, &service_arn, reason, "ROLLBACK_REQUESTED", false) {
        let now = state.now;
        if let Some(primary) = state.ecs.service_mut(&service_arn).and_then(|service| service.deployments.first_mut()) {
            primary.set(Rollout::Failed, format!("ECS deployment {} was stopped.", primary.id), now);
        }
        finish(state, &arn, "ROLLBACK_FAILED", "There is no earlier completed deployment to roll back to.");
    }
    state.note_effect(call, None, arn.clone());
    let after = state.assume.compute.rollout_poll;
    scheduler::wake(state, &service_arn, after);
    Ok(json!({ "serviceDeploymentArn": arn }))
}

/// Counts of the record's target revision, kept with it when its deployment leaves the service.
pub(super) fn freeze(state: &mut State, arn: &str, summary: Value) {
    if let Some(record) = state.ecs.rollout_mut(arn) {
        let failed = number(&record["deploymentCircuitBreaker"], "failureCount").unwrap_or(0);
        record["targetServiceRevision"] = summary;
        record["deploymentCircuitBreaker"]["failureCount"] = json!(failed);
    }
}
