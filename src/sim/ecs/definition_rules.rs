//! What RegisterTaskDefinition refuses, with AWS's words.

use serde_json::Value;

use super::super::ApiError;
use super::errors::client;
use super::json::{has, list, number, text, texts};

/// Checks a request; the first thing wrong is the error.
pub(super) fn check(input: &Value) -> Result<(), ApiError> {
    let family = text(input, "family");
    if family.is_empty() {
        return Err(client("Family should not be null or empty."));
    }
    if family.len() > 255 || !family.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_') {
        return Err(client("Family contains invalid characters."));
    }
    check_tags(input)?;
    let containers = list(input, "containerDefinitions");
    if containers.is_empty() {
        return Err(client("Container list cannot be empty."));
    }
    let fargate = texts(input, "requiresCompatibilities").iter().any(|name| name == "FARGATE");
    for (index, container) in containers.iter().enumerate() {
        let name = text(container, "name");
        if name.is_empty() {
            return Err(client("Container.name should not be null or empty."));
        }
        if containers[..index].iter().any(|other| text(other, "name") == name) {
            return Err(client(format!("Container.name contains duplicate: {name}.")));
        }
        if text(container, "image").is_empty() {
            return Err(client("Container.image should not be null or empty."));
        }
        check_memory(input, container, fargate)?;
        check_health(container)?;
        check_references(containers, container)?;
        check_role(input, container, fargate)?;
    }
    if !containers.iter().any(|container| container["essential"].as_bool().unwrap_or(true)) {
        return Err(client("Invalid setting for container list. At least one container must be essential."));
    }
    check_sums(input, containers)?;
    if fargate { check_fargate(input, containers) } else { Ok(()) }
}

fn check_tags(input: &Value) -> Result<(), ApiError> {
    if !has(input, "tags") {
        return Ok(());
    }
    let tags = list(input, "tags");
    if tags.is_empty() {
        return Err(client("Tags can not be empty."));
    }
    if tags.len() > 50 {
        return Err(client("The maximum number of tags is 50."));
    }
    if tags.iter().any(|tag| text(tag, "key").to_ascii_lowercase().starts_with("aws:")) {
        return Err(client("aws: prefixed tag key names are not allowed for external use."));
    }
    Ok(())
}

fn check_memory(input: &Value, container: &Value, fargate: bool) -> Result<(), ApiError> {
    let name = text(container, "name");
    let (memory, reservation) = (number(container, "memory"), number(container, "memoryReservation"));
    if memory.is_none() && reservation.is_none() && !fargate && !has(input, "memory") {
        let message =
            format!("Invalid setting for container '{name}'. At least one of 'memory' or 'memoryReservation' must be specified.");
        return Err(client(message));
    }
    if memory.is_some_and(|memory| memory < 6) {
        return Err(client(format!("Invalid setting for container '{name}'. Memory must be at least 6 MiB.")));
    }
    if let (Some(memory), Some(reservation)) = (memory, reservation)
        && memory <= reservation
    {
        let message = format!("Invalid setting for container '{name}'. The 'memory' must be greater than 'memoryReservation'.");
        return Err(client(message));
    }
    Ok(())
}

fn check_health(container: &Value) -> Result<(), ApiError> {
    if !has(container, "healthCheck") {
        return Ok(());
    }
    let check = &container["healthCheck"];
    let command = texts(check, "command");
    if !matches!(command.first().map(String::as_str), Some("CMD" | "CMD-SHELL" | "NONE")) {
        return Err(client("The first element of the health check command must be CMD, CMD-SHELL or NONE."));
    }
    for (member, least, most) in [("interval", 5, 300), ("timeout", 2, 60), ("retries", 1, 10), ("startPeriod", 0, 300)] {
        if number(check, member).is_some_and(|value| value < least || value > most) {
            return Err(client(format!("Health check {member} must be between {least} and {most}.")));
        }
    }
    Ok(())
}

/// `dependsOn` and `volumesFrom` name containers that must be there.
fn check_references(containers: &[Value], container: &Value) -> Result<(), ApiError> {
    let find = |name: &str| containers.iter().find(|other| text(other, "name") == name);
    for dependency in list(container, "dependsOn") {
        let name = text(dependency, "containerName");
        // The stray plus sign is AWS's.
        let Some(other) = find(name) else {
            return Err(client(format!("Cannot depend on container + '{name}' because it does not exist")));
        };
        if name == text(container, "name") {
            return Err(client(format!("Container '{name}' cannot depend on itself.")));
        }
        let condition = text(dependency, "condition");
        if matches!(condition, "COMPLETE" | "SUCCESS") && other["essential"].as_bool().unwrap_or(true) {
            return Err(client("A dependency container with SUCCESS or COMPLETE condition cannot be an essential container"));
        }
        if condition == "HEALTHY" && !has(other, "healthCheck") {
            return Err(client(format!("A dependency container '{name}' with HEALTHY condition must have a health check.")));
        }
    }
    for source in list(container, "volumesFrom") {
        let name = text(source, "sourceContainer");
        if find(name).is_none() {
            return Err(client(format!("The sourceContainer '{name}' of volumesFrom does not exist.")));
        }
    }
    Ok(())
}

fn check_role(input: &Value, container: &Value, fargate: bool) -> Result<(), ApiError> {
    if has(input, "executionRoleArn") {
        return Ok(());
    }
    if !list(container, "secrets").is_empty() {
        return Err(client("When you are specifying container secrets, you must also specify a value for 'executionRoleArn'."));
    }
    if fargate && text(&container["logConfiguration"], "logDriver") == "awslogs" {
        return Err(client("Fargate requires task definition to have execution role ARN to support log driver awslogs."));
    }
    if fargate && text(container, "image").contains(".dkr.ecr.") {
        return Err(client("Fargate requires task definition to have execution role ARN to support ECR images."));
    }
    Ok(())
}

/// What the containers reserve fits into the task.
fn check_sums(input: &Value, containers: &[Value]) -> Result<(), ApiError> {
    for member in ["cpu", "memory"] {
        let Some(task) = units(text(input, member)) else { continue };
        let reserved = |container: &Value| {
            number(container, member)
                .filter(|_| member == "cpu")
                .or_else(|| number(container, "memoryReservation").filter(|_| member == "memory"))
                .or_else(|| number(container, member))
        };
        let sum: i64 = containers.iter().filter_map(reserved).sum();
        if sum > task {
            let message =
                format!("Invalid setting for task. The sum of the containers' '{member}' must not exceed the task's '{member}'.");
            return Err(client(message));
        }
    }
    Ok(())
}

fn check_fargate(input: &Value, containers: &[Value]) -> Result<(), ApiError> {
    if text(input, "networkMode") != "awsvpc" {
        return Err(client("Fargate only supports network mode ‘awsvpc’."));
    }
    for member in ["cpu", "memory"] {
        if !has(input, member) {
            return Err(client(format!("Fargate requires that '{member}' be defined at the task level.")));
        }
    }
    let cpu = units(text(input, "cpu")).ok_or_else(|| client("Invalid 'cpu' setting for task."))?;
    let memory = units(text(input, "memory")).ok_or_else(|| client("Invalid 'memory' setting for task."))?;
    if !fargate_size(cpu, memory) {
        return Err(client("No Fargate configuration exists for given values."));
    }
    for container in containers {
        let driver = text(&container["logConfiguration"], "logDriver");
        if !matches!(driver, "" | "awslogs" | "splunk" | "awsfirelens") {
            return Err(client(format!("Fargate does not support log driver {driver}.")));
        }
        let options = &container["logConfiguration"]["options"];
        for option in ["awslogs-group", "awslogs-region", "awslogs-stream-prefix"] {
            if driver == "awslogs" && !has(options, option) {
                return Err(client(format!("Log driver awslogs requires options: {option}")));
            }
        }
    }
    Ok(())
}

/// `1024`, `1 vCPU`, `2 GB` as units (CPU units, MiB).
pub(super) fn units(text: &str) -> Option<i64> {
    let text = text.trim().to_ascii_lowercase();
    let scaled = |suffix: &str| {
        let number = text.strip_suffix(suffix)?.trim().parse::<f64>().ok()?;
        Some((number * 1024.0).round() as i64)
    };
    text.parse().ok().or_else(|| scaled("vcpu")).or_else(|| scaled("gb"))
}

/// Whether Fargate has this size: CPU units and MiB.
fn fargate_size(cpu: i64, memory: i64) -> bool {
    let (least, most, step) = match cpu {
        256 => return matches!(memory, 512 | 1024 | 2048),
        512 => (1024, 4096, 1024),
        1024 => (2048, 8192, 1024),
        2048 => (4096, 16_384, 1024),
        4096 => (8192, 30_720, 1024),
        8192 => (16_384, 61_440, 4096),
        16_384 => (32_768, 122_880, 8192),
        _ => return false,
    };
    (least..=most).contains(&memory) && memory % step == 0
}
