//! Log streams and their lines.

use serde_json::{Value, json};

use super::groups::{bad_token, limit};
use super::{LogEvent, Stream, required};
use crate::sim::values::{flag, number, page, text, texts};
use crate::sim::{ApiError, Millis, State};

pub(super) fn describe_streams(state: &State, input: &Value) -> Result<Value, ApiError> {
    let group = state.log_group(group_name(input)?)?;
    let prefix = text(input, "logStreamNamePrefix");
    let by_time = text(input, "orderBy") == Some("LastEventTime");
    if by_time && prefix.is_some() {
        return Err(ApiError::new("InvalidParameterException", "Cannot order by LastEventTime with a logStreamNamePrefix."));
    }
    let mut streams: Vec<&Stream> = group
        .streams
        .iter()
        .filter(|(name, _)| prefix.is_none_or(|prefix| name.starts_with(prefix)))
        .map(|(_, stream)| stream)
        .collect();
    if by_time {
        streams.sort_by_key(|stream| stream.events.last().map(|event| event.timestamp));
    }
    if flag(input, "descending") == Some(true) {
        streams.reverse();
    }
    let page = page(streams, text(input, "nextToken"), limit(input, 50)?).ok_or_else(bad_token)?;
    let mut output = json!({"logStreams": page.items.into_iter().map(Stream::describe).collect::<Vec<_>>()});
    if let Some(next) = page.next {
        output["nextToken"] = json!(next);
    }
    Ok(output)
}

impl Stream {
    /// As DescribeLogStreams gives it: with the times of its first and last line.
    pub(super) fn describe(&self) -> Value {
        let mut object = self.object.clone();
        if let (Some(first), Some(last)) = (self.events.first(), self.events.last()) {
            object.insert("firstEventTimestamp".to_owned(), json!(first.timestamp));
            object.insert("lastEventTimestamp".to_owned(), json!(last.timestamp));
            object.insert("lastIngestionTime".to_owned(), json!(last.ingestion));
        }
        Value::Object(object)
    }
}

/// One stream's lines. Tokens are `f/N` (from line N on) and `b/N` (the lines before N).
pub(super) fn get(state: &State, input: &Value) -> Result<Value, ApiError> {
    let group = state.log_group(group_name(input)?)?;
    let missing = || ApiError::new("ResourceNotFoundException", "The specified log stream does not exist.");
    let stream = group.streams.get(required(input, "logStreamName")?).ok_or_else(missing)?;
    let window = Window::of(input);
    let events: Vec<&LogEvent> = stream.events.iter().filter(|event| window.holds(event)).collect();
    let limit = limit(input, 10_000)?;
    let latest = events.len().saturating_sub(limit);
    let (start, end) = match text(input, "nextToken") {
        None if flag(input, "startFromHead") == Some(true) => (0, limit.min(events.len())),
        None => (latest, events.len()),
        Some(token) => turn(token, limit, events.len()).ok_or_else(bad_token)?,
    };
    let lines: Vec<Value> = events[start..end]
        .iter()
        .map(|event| json!({"timestamp": event.timestamp, "message": event.message, "ingestionTime": event.ingestion}))
        .collect();
    Ok(json!({"events": lines, "nextForwardToken": format!("f/{end:056}"), "nextBackwardToken": format!("b/{start:056}")}))
}

fn turn(token: &str, limit: usize, total: usize) -> Option<(usize, usize)> {
    let (direction, at) = token.split_once('/')?;
    let at = at.parse::<usize>().ok()?.min(total);
    match direction {
        "f" => Some((at, at.saturating_add(limit).min(total))),
        "b" => Some((at.saturating_sub(limit), at)),
        _ => None,
    }
}

/// Lines of many streams. A page is cut before the pattern is applied, so an empty page with a token is usual.
pub(super) fn filter(state: &State, input: &Value) -> Result<Value, ApiError> {
    let group = state.log_group(group_name(input)?)?;
    let (names, prefix) = (texts(input, "logStreamNames"), text(input, "logStreamNamePrefix"));
    if !names.is_empty() && prefix.is_some() {
        let message = "Log stream names and log stream name prefix are mutually exclusive parameters.";
        return Err(ApiError::new("InvalidParameterException", message));
    }
    let pattern = Pattern::read(text(input, "filterPattern").unwrap_or_default())?;
    let window = Window::of(input);
    let mut found: Vec<(&str, &LogEvent)> = group
        .streams
        .iter()
        .filter(|(name, _)| names.is_empty() || names.contains(name))
        .filter(|(name, _)| prefix.is_none_or(|prefix| name.starts_with(prefix)))
        .flat_map(|(name, stream)| stream.events.iter().map(move |event| (name.as_str(), event)))
        .filter(|(_, event)| window.holds(event))
        .collect();
    found.sort_by(|a, b| (a.1.timestamp, a.0, &a.1.id).cmp(&(b.1.timestamp, b.0, &b.1.id)));
    let size = limit(input, 10_000)?.min(state.assume.control.events_scanned.max(1));
    let page = page(found, text(input, "nextToken"), size).ok_or_else(bad_token)?;
    let events: Vec<Value> = page
        .items
        .into_iter()
        .filter(|(_, event)| pattern.fits(&event.message))
        .map(|(name, event)| event.describe(name))
        .collect();
    let mut output = json!({"events": events, "searchedLogStreams": []});
    if let Some(next) = page.next {
        output["nextToken"] = json!(next);
    }
    Ok(output)
}

impl LogEvent {
    /// As FilterLogEvents gives it.
    pub(super) fn describe(&self, stream: &str) -> Value {
        json!({
            "logStreamName": stream,
            "timestamp": self.timestamp,
            "message": self.message,
            "ingestionTime": self.ingestion,
            "eventId": self.id,
        })
    }
}

/// The group by its name, or by the name in an identifier (name or ARN).
fn group_name(input: &Value) -> Result<&str, ApiError> {
    match text(input, "logGroupIdentifier") {
        Some(identifier) => Ok(identifier.rsplit_once(":log-group:").map_or(identifier, |(_, name)| name.trim_end_matches(":*"))),
        None => required(input, "logGroupName"),
    }
}

/// A span of time, both ends optional.
struct Window {
    start: Option<Millis>,
    end: Option<Millis>,
}

impl Window {
    fn of(input: &Value) -> Self {
        Self { start: number(input, "startTime"), end: number(input, "endTime") }
    }

    fn holds(&self, event: &LogEvent) -> bool {
        self.start.is_none_or(|start| event.timestamp >= start) && self.end.is_none_or(|end| event.timestamp <= end)
    }
}

/// A filter pattern of words: all plain ones, one of the `?` ones, none of the `-` ones.
struct Pattern {
    all: Vec<String>,
    any: Vec<String>,
    none: Vec<String>,
}

impl Pattern {
    fn read(text: &str) -> Result<Self, ApiError> {
        let mut pattern = Self { all: Vec::new(), any: Vec::new(), none: Vec::new() };
        if text.trim_start().starts_with(['{', '[', '%']) {
            return Err(ApiError::new("InvalidParameterException", "Invalid filter pattern"));
        }
        let mut rest = text.trim();
        while !rest.is_empty() {
            let (into, word) = match rest.as_bytes()[0] {
                b'?' => (&mut pattern.any, &rest[1..]),
                b'-' => (&mut pattern.none, &rest[1..]),
                _ => (&mut pattern.all, rest),
            };
            let (term, tail) = match word.strip_prefix('"') {
                Some(quoted) => {
                    quoted.split_once('"').ok_or_else(|| ApiError::new("InvalidParameterException", "Invalid filter pattern"))?
                }
                None => word.split_once(char::is_whitespace).unwrap_or((word, "")),
            };
            into.push(term.to_owned());
            rest = tail.trim_start();
        }
        Ok(pattern)
    }

    fn fits(&self, message: &str) -> bool {
        self.all.iter().all(|term| message.contains(term))
            && (self.any.is_empty() || self.any.iter().any(|term| message.contains(term)))
            && !self.none.iter().any(|term| message.contains(term))
    }
}
