//! CloudWatch Logs: groups, streams, events.

mod events;
mod groups;
mod part;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use serde_json::Value;

use super::values::{Object, text};
use super::{ApiError, Call, Millis, State};

/// `logs` of a world file.
#[derive(Clone, Debug, Default)]
pub(super) struct Logs {
    groups: Vec<Group>,
    /// Members of the world file that nothing here knows.
    extra: Object,
}

/// A log group.
#[derive(Clone, Debug)]
struct Group {
    /// As DescribeLogGroups gives it.
    object: Object,
    tags: BTreeMap<String, String>,
    streams: BTreeMap<String, Stream>,
}

/// A log stream.
#[derive(Clone, Debug, Default)]
struct Stream {
    /// What DescribeLogStreams gives besides the times of its events.
    object: Object,
    events: Vec<LogEvent>,
}

/// A line.
#[derive(Clone, Debug)]
struct LogEvent {
    timestamp: Millis,
    ingestion: Millis,
    message: String,
    id: String,
}

/// Answers one CloudWatch Logs operation.
pub(super) fn call(state: &mut State, call: &Call, input: &Value) -> Result<Value, ApiError> {
    if ["DescribeLogStreams", "GetLogEvents", "FilterLogEvents"].contains(&call.operation.as_str()) {
        state.write_span_logs();
    }
    match call.operation.as_str() {
        "CreateLogGroup" => groups::create(state, call, input),
        "DeleteLogGroup" => groups::delete(state, call, input),
        "PutRetentionPolicy" => groups::put_retention(state, call, input),
        "DeleteRetentionPolicy" => groups::delete_retention(state, call, input),
        "DescribeLogGroups" => groups::describe(state, input),
        "TagResource" => groups::tag(state, call, input),
        "UntagResource" => groups::untag(state, call, input),
        "ListTagsForResource" => groups::tags(state, input),
        "ListTagsLogGroup" => groups::tags_by_name(state, input),
        "DescribeLogStreams" => events::describe_streams(state, input),
        "GetLogEvents" => events::get(state, input),
        "FilterLogEvents" => events::filter(state, input),
        _ => Err(ApiError::new("UnknownOperationException", "")),
    }
}

impl Logs {
    /// Whether the group exists; a task whose awslogs group does not exist cannot start.
    pub(super) fn group_exists(&self, group: &str) -> bool {
        self.find(group).is_some()
    }

    /// A container writes a line; the stream is created when it is new. A line for a group that does not exist is lost.
    pub(super) fn append(&mut self, group: &str, stream: &str, at: Millis, message: &str) {
        let Some(group) = self.groups.iter_mut().find(|known| known.name() == group) else {
            return;
        };
        let arn = format!("{}:log-stream:{stream}", group.arn());
        let stream = group.streams.entry(stream.to_owned()).or_insert_with(|| Stream::new(stream, &arn, at));
        let id = format!("{at:038}{:018}", stream.events.len());
        stream.events.push(LogEvent { timestamp: at, ingestion: at, message: message.to_owned(), id });
    }

    fn find(&self, name: &str) -> Option<&Group> {
        self.groups.iter().find(|group| group.name() == name)
    }
}

impl Group {
    fn name(&self) -> &str {
        self.object.get("logGroupName").and_then(Value::as_str).unwrap_or_default()
    }

    /// The ARN without `:*`, which tags are asked by.
    fn arn(&self) -> &str {
        let arn = |name: &str| self.object.get(name).and_then(Value::as_str);
        arn("logGroupArn").or_else(|| arn("arn")).unwrap_or_default().trim_end_matches(":*")
    }
}

impl Stream {
    fn new(name: &str, arn: &str, at: Millis) -> Self {
        let object = serde_json::json!({"logStreamName": name, "arn": arn, "creationTime": at, "storedBytes": 0});
        let Value::Object(object) = object else { return Self::default() };
        Self { object, events: Vec::new() }
    }
}

/// A text member that must be there.
fn required<'a>(input: &'a Value, name: &str) -> Result<&'a str, ApiError> {
    text(input, name)
        .ok_or_else(|| invalid(&format!("Value null at '{name}' failed to satisfy constraint: Member must not be null")))
}

fn invalid(problem: &str) -> ApiError {
    ApiError::new("InvalidParameterException", format!("1 validation error detected: {problem}"))
}

fn no_group() -> ApiError {
    ApiError::new("ResourceNotFoundException", "The specified log group does not exist.")
}

impl State {
    fn log_group(&self, name: &str) -> Result<&Group, ApiError> {
        self.logs.find(name).ok_or_else(no_group)
    }

    fn log_group_mut(&mut self, name: &str) -> Result<&mut Group, ApiError> {
        self.logs.groups.iter_mut().find(|group| group.name() == name).ok_or_else(no_group)
    }
}
