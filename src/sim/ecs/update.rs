//! UpdateService: a list that is absent stays, an empty one removes everything, any other replaces the whole.

use serde_json::{Value, json};

use super::super::{ApiError, Call, State};
use super::errors::{self, invalid};
use super::json::{has, number, text};
use super::service::NOT_ON_SERVICE;
use super::{create, deployments, describe, scheduler, validate};

/// Members whose change starts a deployment. Sending what is there already starts none.
const ROLLS_OUT: [&str; 7] = [
    "taskDefinition",
    "loadBalancers",
    "serviceRegistries",
    "networkConfiguration",
    "platformVersion",
    "serviceConnectConfiguration",
    "vpcLatticeConfigurations",
];

/// Members that change the service without a deployment.
const STAYS: [&str; 8] = [
    "healthCheckGracePeriodSeconds",
    "placementConstraints",
    "placementStrategy",
    "enableECSManagedTags",
    "propagateTags",
    "enableExecuteCommand",
    "availabilityZoneRebalancing",
    "deploymentController",
];

/// Changes a service.
pub(super) fn update_service(state: &mut State, call: &Call, input: &Value) -> Result<Value, ApiError> {
    let cluster = errors::cluster(state, text(input, "cluster"))?;
    let index = state.ecs.service_index(&cluster, text(input, "service")).ok_or_else(errors::no_service)?;
    let service = &state.ecs.services[index];
    if !service.active() {
        return Err(ApiError::new("ServiceNotActiveException", "Service was not ACTIVE."));
    }
    if text(&service.body["deploymentController"], "type") == "CODE_DEPLOY" {
        refuse_code_deploy(input)?;
    }
    validate::desired_count(state, input)?;
    let force = input["forceNewDeployment"] == true;
    let (body, spec) = changed(state, index, input, force)?;
    let name = text(&body, "taskDefinition");
    let definition = state.ecs.definition(name).ok_or_else(|| errors::client("TaskDefinition not found."))?;
    validate::service(state, &body, &definition.body)?;

    let (arn, name) = (service.arn.clone(), service.name.clone());
    let rolls_out = force || rolls_out(&service.spec(), &spec, input);
    let before = describe::view(state, &cluster, &name);
    let service = &mut state.ecs.services[index];
    service.body = body;
    if let Some(desired) = number(input, "desiredCount") {
        service.desired = desired;
        if let Some(primary) = service.deployments.first_mut() {
            primary.desired = desired;
        }
        service.steady_since = None;
    }
    if rolls_out {
        deployments::start(state, &arn, spec);
    }
    create::note_before(state, &arn, before);
    state.note_effect(call, None, arn.clone());
    let after = state.assume.compute.rollout_poll;
    scheduler::wake(state, &arn, after);
    create::answer(state, &arn, true)
}

fn refuse_code_deploy(input: &Value) -> Result<(), ApiError> {
    let tail = "on services with a CODE_DEPLOY deployment controller. Use AWS CodeDeploy to trigger a new deployment.";
    if has(input, "taskDefinition") {
        return Err(invalid(format!("Unable to update task definition {tail}")));
    }
    if input["forceNewDeployment"] == true {
        return Err(invalid(format!("Cannot force a new deployment {tail}")));
    }
    if has(input, "networkConfiguration") {
        return Err(invalid(format!("Unable to update network parameters {tail}")));
    }
    Ok(())
}

/// The service's body and the deployment spec as the request would have them.
fn changed(state: &State, index: usize, input: &Value, force: bool) -> Result<(Value, Value), ApiError> {
    let service = &state.ecs.services[index];
    let mut body = service.body.clone();
    if has(input, "taskDefinition") {
        body["taskDefinition"] = json!(validate::definition(state, text(input, "taskDefinition"))?.arn());
    }
    for member in ["loadBalancers", "serviceRegistries", "networkConfiguration", "platformVersion"].iter().chain(&STAYS) {
        if has(input, member) {
            body[*member] = input[*member].clone();
        }
    }
    if has(input, "capacityProviderStrategy") {
        if !force {
            let message = "When switching from launch type to capacity provider strategy on an existing service, or making a change to a \
                           capacity provider strategy on a service that is already using one, you must force a new deployment.";
            return Err(invalid(message));
        }
        body["capacityProviderStrategy"] = input["capacityProviderStrategy"].clone();
        super::json::remove(&mut body, "launchType");
    }
    if let Some(sent) = input["deploymentConfiguration"].as_object() {
        for (member, value) in sent {
            body["deploymentConfiguration"][member] = value.clone();
        }
        create::complete_configuration(&mut body["deploymentConfiguration"]);
    }
    let mut spec = service.spec();
    let mut fresh = super::json::pick(&body, &super::service::SPEC);
    for member in NOT_ON_SERVICE {
        if has(input, member) {
            fresh[member] = input[member].clone();
        } else if has(&spec, member) {
            fresh[member] = spec[member].take();
        }
    }
    Ok((body, fresh))
}

/// Whether the request starts a deployment: it speaks of something that a deployment rolls out and changes it.
fn rolls_out(now: &Value, then: &Value, input: &Value) -> bool {
    let empty = |value: &Value| value.is_null() || value.as_array().is_some_and(Vec::is_empty);
    let differs = |member: &str| now[member] != then[member] && !(empty(&now[member]) && empty(&then[member]));
    ROLLS_OUT.iter().any(|member| has(input, member) && differs(member))
        || (has(input, "volumeConfigurations") && differs("volumeConfigurations"))
}
