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
    let mut logged = Vec::new();
    for stream in streams(aws, task).await? {
        let events = last_events(aws, &stream, LINES).await?.unwrap_or_default();
        let lines: Vec<String> = events.iter().filter_map(|event| event["message"].as_str().map(str::to_owned)).collect();
        if !lines.is_empty() {
            logged.push(Progress::Log { group: stream.group, stream: stream.name, container: stream.container, lines });
        }
    }
    Ok(logged)
}

/// The log stream of a task's container.
pub struct Stream {
    /// The container's name.
    pub container: String,
    /// The log group.
    pub group: String,
    /// The stream's name.
    pub name: String,
}

/// The streams of a task's containers that log to CloudWatch Logs.
///
/// # Errors
/// [`CallError`].
pub async fn streams(aws: &Aws, task: &Value) -> Result<Vec<Stream>, CallError> {
    let definition = aws.task_definition(task["taskDefinitionArn"].as_str().unwrap_or_default()).await?;
    let stream = |container: &Value| {
        let option = |name: &str| container["logConfiguration"]["options"][name].as_str();
        let name = container["name"].as_str().unwrap_or_default();
        Some(Stream {
            container: name.to_owned(),
            group: option("awslogs-group")?.to_owned(),
            name: format!("{}/{name}/{}", option("awslogs-stream-prefix")?, tasks::id(task)),
        })
    };
    Ok(definition.iter().flat_map(|definition| definition.containers()).filter_map(stream).collect())
}

/// A stream's last events; `None` for one that is not there: its container has not started, or its group is gone.
///
/// # Errors
/// [`CallError`].
pub async fn last_events(aws: &Aws, stream: &Stream, most: usize) -> Result<Option<Vec<Value>>, CallError> {
    let input = json!({ "logGroupName": stream.group, "logStreamName": stream.name, "limit": most, "startFromHead": false });
    match aws.read("GetLogEvents", &stream.group, input).await {
        Err(error) if error.reason == Reason::Missing => Ok(None),
        Err(error) => Err(error),
        Ok(mut answer) => Ok(answer["events"].as_array_mut().map(std::mem::take)),
    }
}
