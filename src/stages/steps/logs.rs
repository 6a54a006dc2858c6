//! The last lines that a service's containers logged. For the terminal only: they may hold anything, so they are never stored.

use serde_json::{Value, json};

use super::tasks;
use crate::aws::{Aws, CallError, Reason};
use crate::model::{Progress, StepPlan};

/// Lines of each container.
const LINES: usize = 8;

/// The cluster and the service that a step is about, if it is about one.
pub fn service_of(step: &StepPlan) -> Option<(&str, &str)> {
    let text = |pointer: &str| step.params.pointer(pointer).and_then(Value::as_str);
    text("/cluster").zip(text("/service")).or_else(|| text("/shared/cluster").zip(text("/shared/service")))
}

/// The last lines of each container of the service's newest task that logged any, each as [`Progress::Log`]: of one that stopped
/// in `deployment`, if there is one, for it says why. Only that task's own streams are read: a group may hold years of others.
///
/// # Errors
/// [`CallError`]. A container that never started has no stream, which is no error.
pub async fn last_lines(aws: &Aws, cluster: &str, service: &str, deployment: Option<&str>) -> Result<Vec<Progress>, CallError> {
    let mut tasks = match deployment {
        Some(deployment) => tasks::stopped(aws, cluster, deployment).await?,
        None => Vec::new(),
    };
    if tasks.is_empty() {
        tasks = tasks::running(aws, cluster, service).await?;
    }
    let created = |task: &Value| task["createdAt"].as_f64().unwrap_or(0.0);
    let Some(task) = tasks.iter().max_by(|a, b| created(a).total_cmp(&created(b))) else { return Ok(Vec::new()) };
    let definition = aws.task_definition(task["taskDefinitionArn"].as_str().unwrap_or_default()).await?;
    let mut logged = Vec::new();
    for container in definition.iter().flat_map(|definition| definition.containers()) {
        let options = &container["logConfiguration"]["options"];
        let (Some(group), Some(prefix)) = (options["awslogs-group"].as_str(), options["awslogs-stream-prefix"].as_str()) else {
            continue;
        };
        let name = container["name"].as_str().unwrap_or_default();
        let stream = format!("{prefix}/{name}/{}", tasks::id(task));
        let input = json!({ "logGroupName": group, "logStreamName": stream, "limit": LINES, "startFromHead": false });
        let answer = match aws.read("GetLogEvents", group, input).await {
            Err(error) if error.reason == Reason::Missing => continue,
            answer => answer?,
        };
        let events = answer["events"].as_array().into_iter().flatten();
        let lines: Vec<String> = events.filter_map(|event| event["message"].as_str().map(str::to_owned)).collect();
        if !lines.is_empty() {
            logged.push(Progress::Log { group: group.to_owned(), stream, container: name.to_owned(), lines });
        }
    }
    Ok(logged)
}
