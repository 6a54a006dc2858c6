//! Tasks of a service: their addresses, and why they stopped.

use serde_json::{Value, json};

use crate::aws::{Aws, CallError};

/// The service's tasks that ECS wants running, described; those still starting included.
///
/// # Errors
/// [`CallError`].
pub async fn running(aws: &Aws, cluster: &str, service: &str) -> Result<Vec<Value>, CallError> {
    let input = json!({ "cluster": cluster, "serviceName": service, "desiredStatus": "RUNNING" });
    describe(aws, cluster, service, input).await
}

/// The tasks of a family that ECS wants running in a cluster, described, whoever started them.
///
/// # Errors
/// [`CallError`].
pub async fn running_of_family(aws: &Aws, cluster: &str, family: &str) -> Result<Vec<Value>, CallError> {
    let input = json!({ "cluster": cluster, "family": family, "desiredStatus": "RUNNING" });
    describe(aws, cluster, family, input).await
}

/// The stopped tasks of a deployment, described. They vanish after an hour.
pub async fn stopped(aws: &Aws, cluster: &str, deployment: &str) -> Result<Vec<Value>, CallError> {
    let input = json!({ "cluster": cluster, "startedBy": deployment, "desiredStatus": "STOPPED" });
    describe(aws, cluster, deployment, input).await
}

/// The stopped tasks of a service, described, whichever deployment they were of.
///
/// # Errors
/// [`CallError`].
pub async fn stopped_of(aws: &Aws, cluster: &str, service: &str) -> Result<Vec<Value>, CallError> {
    let input = json!({ "cluster": cluster, "serviceName": service, "desiredStatus": "STOPPED" });
    describe(aws, cluster, service, input).await
}

/// The private addresses of the service's tasks.
///
/// # Errors
/// [`CallError`].
pub async fn addresses(aws: &Aws, cluster: &str, service: &str) -> Result<Vec<String>, CallError> {
    Ok(running(aws, cluster, service).await?.iter().filter_map(address).map(str::to_owned).collect())
}

async fn describe(aws: &Aws, cluster: &str, resource: &str, list: Value) -> Result<Vec<Value>, CallError> {
    let arns = aws.read_pages("ListTasks", resource, list, "taskArns", "nextToken").await?;
    let mut tasks = Vec::new();
    for chunk in arns.chunks(100) {
        let mut answer = aws.read("DescribeTasks", resource, json!({ "cluster": cluster, "tasks": chunk })).await?;
        if let Value::Array(found) = answer["tasks"].take() {
            tasks.extend(found);
        }
    }
    Ok(tasks)
}

/// A task's private IPv4 address.
pub fn address(task: &Value) -> Option<&str> {
    task["attachments"]
        .as_array()?
        .iter()
        .flat_map(|attachment| attachment["details"].as_array().into_iter().flatten())
        .find(|detail| detail["name"] == "privateIPv4Address")
        .and_then(|detail| detail["value"].as_str())
}

/// Everything by which a task's network interface is reached: IPv4 and IPv6 addresses, and the private DNS name.
pub fn addresses_of(task: &Value) -> Vec<String> {
    const DETAILS: [&str; 3] = ["privateIPv4Address", "ipv6Address", "privateDnsName"];
    let attachments = task["attachments"].as_array().into_iter().flatten();
    let details = attachments.flat_map(|attachment| attachment["details"].as_array().into_iter().flatten());
    let known = details.filter(|detail| DETAILS.iter().any(|name| detail["name"] == *name));
    known.filter_map(|detail| detail["value"].as_str()).map(str::to_owned).collect()
}

/// The last part of a task's ARN.
pub fn id(task: &Value) -> &str {
    task["taskArn"].as_str().and_then(|arn| arn.rsplit('/').next()).unwrap_or_default()
}

/// Why tasks of a deployment stopped, in AWS's words, without repeats; at most `most` reasons. Nothing found is no error:
/// stopped tasks vanish after an hour.
pub async fn stopped_reasons(aws: &Aws, cluster: &str, deployment: &str, most: usize) -> Vec<String> {
    let tasks = stopped(aws, cluster, deployment).await.unwrap_or_default();
    let mut counted: Vec<(String, usize)> = Vec::new();
    for task in tasks.iter().filter(|task| failed(task)) {
        let reason = reason(task);
        match counted.iter_mut().find(|(known, _)| *known == reason) {
            Some((_, count)) => *count += 1,
            None => counted.push((reason, 1)),
        }
    }
    counted.truncate(most);
    counted
        .into_iter()
        .map(|(reason, count)| format!("{count} {} stopped: {reason}", if count == 1 { "task" } else { "tasks" }))
        .collect()
}

/// Whether a stopped task ended otherwise than by being replaced or scaled in.
pub fn failed(task: &Value) -> bool {
    let says = task["stoppedReason"].as_str().is_some_and(|reason| reason.contains("failed"));
    task["stopCode"] != "ServiceSchedulerInitiated" || says
}

/// Why a task stopped: AWS's words for the task, and what it says of each container.
pub fn reason(task: &Value) -> String {
    let mut words = task["stoppedReason"].as_str().unwrap_or("no reason given").to_owned();
    for container in task["containers"].as_array().into_iter().flatten() {
        let name = container["name"].as_str().unwrap_or_default();
        if let Some(code) = container["exitCode"].as_i64().filter(|code| *code != 0) {
            words.push_str(&format!("; container {name} exited with {code}"));
        }
        if let Some(reason) = container["reason"].as_str().filter(|reason| !words.contains(*reason)) {
            words.push_str(&format!("; container {name}: {reason}"));
        }
    }
    words
}
