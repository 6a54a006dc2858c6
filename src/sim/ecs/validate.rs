//! What CreateService and UpdateService refuse at once, with AWS's words. Load balancers and registries are held against the
//! task definition that the service would run.

use serde_json::Value;

use super::super::{ApiError, State};
use super::errors::{client, invalid};
use super::json::{has, list, number, text, texts};
use super::task_definitions::{Definition, ports};

/// The ACTIVE task definition of this name.
pub(super) fn definition<'a>(state: &'a State, name: &str) -> Result<&'a Definition, ApiError> {
    let definition = state.ecs.definition(name).ok_or_else(|| client("TaskDefinition not found."))?;
    if definition.active() { Ok(definition) } else { Err(client("TaskDefinition is inactive")) }
}

/// The number of tasks that is asked for, if one is.
pub(super) fn desired_count(state: &State, input: &Value) -> Result<(), ApiError> {
    let most = state.assume.compute.tasks_per_service;
    match number(input, "desiredCount") {
        Some(..0) => Err(invalid("desiredCount can not be negative.")),
        Some(count) if count > most => {
            Err(invalid(format!("desiredCount can not be greater than {most}, the quota of tasks per service.")))
        }
        _ => Ok(()),
    }
}

/// Holds everything that a service asks for (`body`, with `spec` members) against its task definition and the account.
pub(super) fn service(state: &State, body: &Value, definition: &Value) -> Result<(), ApiError> {
    network(state, body, definition)?;
    load_balancers(state, body, definition)?;
    registries(state, body, definition)?;
    configuration(state, body)?;
    if body["enableExecuteCommand"] == true && !has(definition, "taskRoleArn") {
        let message = "The service couldn't be updated because a valid taskRoleArn is not being used. Specify a valid task role in your \
                       task definition and try again.";
        return Err(invalid(message));
    }
    Ok(())
}

fn network(state: &State, body: &Value, definition: &Value) -> Result<(), ApiError> {
    let awsvpc = text(definition, "networkMode") == "awsvpc";
    let configuration = &body["networkConfiguration"]["awsvpcConfiguration"];
    if awsvpc && configuration.is_null() {
        return Err(invalid("Network Configuration must be provided when networkMode 'awsvpc' is specified."));
    }
    if !awsvpc && !configuration.is_null() {
        return Err(invalid("Network Configuration is not valid for the given networkMode of this task definition."));
    }
    if !awsvpc {
        return Ok(());
    }
    let subnets = texts(configuration, "subnets");
    let groups = texts(configuration, "securityGroups");
    match (subnets.len(), groups.len()) {
        (0, _) => return Err(invalid("subnets can not be empty.")),
        (17.., _) => return Err(invalid("subnets can have at most 16 items.")),
        (_, 6..) => return Err(invalid("securityGroups can have at most 5 items.")),
        _ => {}
    }
    if let Some(subnet) = subnets.iter().find(|subnet| state.ec2.subnet(subnet).is_none()) {
        return Err(invalid(format!(
            "Error retrieving subnet information for [{subnet}]: The subnet ID '{subnet}' does not exist (ErrorCode: InvalidSubnetID.NotFound)"
        )));
    }
    if let Some(group) = groups.iter().find(|group| !state.ec2.security_group_exists(group)) {
        return Err(invalid(format!(
            "Error retrieving security group information for [{group}]: The security group '{group}' does not exist (ErrorCode: InvalidGroup.NotFound)"
        )));
    }
    Ok(())
}

/// The container and port that an entry names are in the task definition.
fn container_port(entry: &Value, definition: &Value) -> Result<(), ApiError> {
    let name = text(entry, "containerName");
    let found = list(definition, "containerDefinitions").iter().find(|container| text(container, "name") == name);
    let Some(container) = found else {
        return Err(invalid(format!("The container {name} does not exist in the task definition.")));
    };
    let port = number(entry, "containerPort").unwrap_or(0);
    if ports(container).contains(&port) {
        Ok(())
    } else {
        Err(invalid(format!("The container {name} did not have a container port {port} defined.")))
    }
}

fn load_balancers(state: &State, body: &Value, definition: &Value) -> Result<(), ApiError> {
    let entries = list(body, "loadBalancers");
    if entries.len() > 5 {
        return Err(invalid("loadBalancers can have at most 5 items."));
    }
    for entry in entries {
        container_port(entry, definition)?;
        if !has(entry, "targetGroupArn") {
            continue;
        }
        let arn = text(entry, "targetGroupArn");
        let Some(group) = state.elbv2.target_group(arn) else {
            return Err(invalid(format!(
                "The specified target group does not exist. You must specify a valid target group, and try again. (target group {arn})"
            )));
        };
        let awsvpc = text(definition, "networkMode") == "awsvpc";
        if (group.target_type == "ip") != awsvpc {
            return Err(invalid(format!(
                "The provided target group {arn} has target type {}, which is incompatible with the {} network mode specified in the task definition.",
                group.target_type,
                if awsvpc { "awsvpc" } else { "bridge" },
            )));
        }
        if !group.has_load_balancer {
            return Err(invalid(format!("The target group with targetGroupArn {arn} does not have an associated load balancer.")));
        }
    }
    Ok(())
}

fn registries(state: &State, body: &Value, definition: &Value) -> Result<(), ApiError> {
    let entries = list(body, "serviceRegistries");
    if entries.len() > 1 {
        return Err(invalid("serviceRegistries can have at most 1 items."));
    }
    let Some(entry) = entries.first() else { return Ok(()) };
    let arn = text(entry, "registryArn");
    if !state.cloudmap.service_exists(arn) {
        return Err(invalid(format!("The service registry {arn} does not exist.")));
    }
    if text(definition, "networkMode") != "awsvpc" && !(has(entry, "containerName") && has(entry, "containerPort")) {
        let message = "When specifying 'host' or 'bridge' for networkMode, values for 'containerName' and 'containerPort' must be \
                       specified from the task definition.";
        return Err(invalid(message));
    }
    if has(entry, "containerName") { container_port(entry, definition) } else { Ok(()) }
}

fn configuration(state: &State, body: &Value) -> Result<(), ApiError> {
    let configuration = &body["deploymentConfiguration"];
    let least = number(configuration, "minimumHealthyPercent").unwrap_or(100);
    let most = number(configuration, "maximumPercent").unwrap_or(200);
    if least < 0 || most < 0 || most < least || most == 0 {
        let message = format!(
            "Invalid deployment configuration: minimumHealthyPercent {least} and maximumPercent {most} allow no deployment."
        );
        return Err(invalid(message));
    }
    let rebalancing = text(body, "availabilityZoneRebalancing") == "ENABLED";
    if state.assume.compute.rebalancing_refuses_100 && rebalancing && most <= 100 {
        let message = "Availability Zone rebalancing does not support a maximumPercent of 100 or less. Set maximumPercent to more than 100 \
                       or availabilityZoneRebalancing to DISABLED.";
        return Err(invalid(message));
    }
    let grace = number(body, "healthCheckGracePeriodSeconds").unwrap_or(0);
    if state.assume.compute.grace_needs_load_balancer && grace > 0 && list(body, "loadBalancers").is_empty() {
        return Err(invalid("Health check grace period is only valid for services configured to use load balancers"));
    }
    Ok(())
}
