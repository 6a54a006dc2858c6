//! Starting a deployment: the new one becomes PRIMARY, the one before it is superseded.

use serde_json::{Value, json};

use super::super::State;
use super::json::{epoch, has, list, text};
use super::service::{Deployment, ON_DEPLOYMENT, Rollout};
use super::{records, scheduler};

/// A new deployment id.
pub(super) fn fresh_id(state: &mut State) -> String {
    format!("ecs-svc/{}", state.digits(19))
}

/// Starts a deployment of what the service asks for now. The one under way, if any, is superseded: no error, its service
/// deployment stops.
pub(super) fn start(state: &mut State, service_arn: &str, spec: Value) {
    let id = fresh_id(state);
    let now = state.now;
    let Some(service) = state.ecs.service(service_arn) else { return };
    let (desired, first) = (service.desired, service.deployments.is_empty());
    let superseded = service.primary().filter(|primary| primary.rollout == Rollout::InProgress).cloned();
    let sources: Vec<Value> =
        service.deployments.iter().map(|deployment| state.ecs.revision_summary(service, deployment)).collect();
    let revision = records::new_revision(state, service_arn, &spec);
    let record = records::new_rollout(state, service_arn, &revision, if first { Vec::new() } else { sources });
    if let Some(old) = &superseded {
        records::finish(state, &old.service_deployment, "STOP_REQUESTED", "Service deployment was replaced by a newer one.");
    }
    let old_counts: Vec<i64> = state.ecs.service(service_arn).map_or_else(Vec::new, |service| {
        let wanted = |deployment: &Deployment| {
            state.ecs.tasks_of(service_arn).filter(|task| task.wanted() && task.deployment == deployment.id).count() as i64
        };
        service.deployments.iter().map(wanted).collect()
    });
    let Some(service) = state.ecs.service_mut(service_arn) else { return };
    for (old, wanted) in service.deployments.iter_mut().zip(old_counts) {
        // Only what once was complete is kept up during the rollout; of the rest no task is started any more.
        if old.rollout != Rollout::Completed {
            old.desired = wanted;
        }
    }
    let reason = format!("ECS deployment {id} in progress.");
    let deployment = Deployment {
        body: body(&spec, &epoch(now), &reason),
        id,
        rollout: Rollout::InProgress,
        spec,
        revision,
        service_deployment: record,
        shown_record: None,
        desired,
        failed: 0,
        start_failures: 0,
        launch_after: 0,
        rolling_back: false,
    };
    service.deployments.insert(0, deployment);
    service.steady_since = None;
    let after = state.assume.compute.rollout_poll;
    scheduler::wake(state, service_arn, after);
}

/// A new deployment as AWS prints it.
fn body(spec: &Value, created: &Value, reason: &str) -> Value {
    let mut body = super::json::pick(spec, &ON_DEPLOYMENT);
    body["createdAt"] = created.clone();
    body["updatedAt"] = created.clone();
    body["rolloutStateReason"] = json!(reason);
    body
}

/// The deployment that a captured service must have had, for a world file that does not say.
pub(super) fn derived(state: &mut State, service_arn: &str) -> Option<Deployment> {
    let id = fresh_id(state);
    let service = state.ecs.service(service_arn)?;
    let created = if has(&service.body, "createdAt") { service.body["createdAt"].clone() } else { epoch(state.now) };
    let (spec, reason) = (service.spec(), format!("ECS deployment {id} completed."));
    Some(Deployment {
        body: body(&spec, &created, &reason),
        id,
        rollout: Rollout::Completed,
        spec,
        revision: String::new(),
        service_deployment: String::new(),
        shown_record: None,
        desired: service.desired,
        failed: 0,
        start_failures: 0,
        launch_after: 0,
        rolling_back: false,
    })
}

/// A deployment out of a world file. What AWS does not show on a deployment is taken from the service.
pub(super) fn load(service: &Value, deployment: &Value, primary: bool) -> Deployment {
    let mut spec = super::json::pick(deployment, &super::service::SPEC);
    if primary {
        for member in super::service::SPEC {
            if has(service, member) && !has(&spec, member) {
                spec[member] = service[member].clone();
            }
        }
    }
    Deployment {
        id: text(deployment, "id").to_owned(),
        rollout: match text(deployment, "rolloutState") {
            "IN_PROGRESS" => Rollout::InProgress,
            "FAILED" => Rollout::Failed,
            _ => Rollout::Completed,
        },
        spec,
        revision: String::new(),
        service_deployment: String::new(),
        shown_record: None,
        desired: super::json::number(deployment, "desiredCount").unwrap_or(0),
        failed: super::json::number(deployment, "failedTasks").unwrap_or(0),
        start_failures: 0,
        launch_after: 0,
        rolling_back: false,
        body: deployment.clone(),
    }
}

/// Gives a captured service's deployments the service revisions and service deployments that AWS would have.
pub(super) fn settle(state: &mut State, service_arn: &str) {
    let count = state.ecs.service(service_arn).map_or(0, |service| service.deployments.len());
    for index in 0..count {
        let Some(service) = state.ecs.service(service_arn) else { return };
        let (deployment, name) = (service.deployments[index].clone(), "currentServiceRevisions");
        // A captured service lists its revisions in the order of its deployments.
        let listed = list(&service.body, name).get(index).map(|item| text(item, "arn").to_owned());
        let known = listed.filter(|arn| state.ecs.revision(arn).is_some());
        let revision = known.unwrap_or_else(|| records::new_revision(state, service_arn, &deployment.spec));
        let current = state.ecs.service(service_arn).map(|service| text(&service.body, "currentServiceDeployment").to_owned());
        let current =
            current.filter(|arn| index == 0 && state.ecs.rollouts.iter().any(|record| text(record, "serviceDeploymentArn") == arn));
        let record = current.unwrap_or_else(|| {
            let arn = records::new_rollout(state, service_arn, &revision, Vec::new());
            if deployment.rollout == Rollout::Completed {
                records::finish(state, &arn, "SUCCESSFUL", "");
            }
            records::backdate(state, &arn, &revision, &deployment.body);
            arn
        });
        if let Some(service) = state.ecs.service_mut(service_arn) {
            service.deployments[index].revision = revision;
            service.deployments[index].service_deployment = record;
        }
    }
}
