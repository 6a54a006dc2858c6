//! `logs` of a world file: `logGroups` as DescribeLogGroups gives them; `logStreams` and `logEvents` by group name, as
//! DescribeLogStreams and FilterLogEvents give them; `tags` by group name.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{Group, LogEvent, Logs, Stream};
use crate::sim::values::{Object, list, number, text};

impl Logs {
    /// Reads the part.
    pub(in crate::sim) fn load(part: &Value) -> Result<Self, String> {
        let mut logs = Self::default();
        for (index, object) in list(part, "logGroups").iter().enumerate() {
            let object = object.as_object().filter(|object| object.get("logGroupName").is_some_and(Value::is_string));
            let object = object.ok_or_else(|| format!("logs.logGroups[{index}] has no logGroupName"))?.clone();
            logs.groups.push(Group { object, tags: BTreeMap::new(), streams: BTreeMap::new() });
        }
        logs.load_by_group(part, "tags", |group, tags| {
            group.tags = serde_json::from_value(tags.clone()).map_err(|error| error.to_string())?;
            Ok(())
        })?;
        logs.load_by_group(part, "logStreams", Group::load_streams)?;
        logs.load_by_group(part, "logEvents", Group::load_events)?;
        let known = ["logGroups", "logStreams", "logEvents", "tags"];
        logs.extra = part.as_object().cloned().unwrap_or_default();
        logs.extra.retain(|name, _| !known.contains(&name.as_str()));
        Ok(logs)
    }

    fn load_by_group(
        &mut self,
        part: &Value,
        name: &str,
        read: impl Fn(&mut Group, &Value) -> Result<(), String>,
    ) -> Result<(), String> {
        for (group_name, value) in part.get(name).and_then(Value::as_object).into_iter().flatten() {
            let group = self.groups.iter_mut().find(|group| group.name() == group_name);
            let group = group.ok_or_else(|| format!("logs.{name}: there is no log group {group_name}"))?;
            read(group, value).map_err(|problem| format!("logs.{name}.{group_name}: {problem}"))?;
        }
        Ok(())
    }

    /// Writes the part.
    pub(in crate::sim) fn save(&self) -> Value {
        let mut part = self.extra.clone();
        let groups: Vec<Value> = self.groups.iter().map(|group| Value::Object(group.object.clone())).collect();
        part.insert("logGroups".to_owned(), json!(groups));
        let mut by_group = |name: &str, write: &dyn Fn(&Group) -> Option<Value>| {
            let written: Object = self.groups.iter().filter_map(|group| Some((group.name().to_owned(), write(group)?))).collect();
            if !written.is_empty() {
                part.insert(name.to_owned(), Value::Object(written));
            }
        };
        by_group("tags", &|group| (!group.tags.is_empty()).then(|| json!(group.tags)));
        by_group("logStreams", &|group| {
            (!group.streams.is_empty()).then(|| group.streams.values().map(Stream::describe).collect())
        });
        by_group("logEvents", &|group| {
            let events =
                |(name, stream): (&String, &Stream)| stream.events.iter().map(|event| event.describe(name)).collect::<Vec<_>>();
            let all: Vec<Value> = group.streams.iter().flat_map(events).collect();
            (!all.is_empty()).then_some(Value::Array(all))
        });
        Value::Object(part)
    }
}

impl Group {
    fn load_streams(&mut self, streams: &Value) -> Result<(), String> {
        for object in streams.as_array().into_iter().flatten() {
            let name = text(object, "logStreamName").ok_or("a stream has no logStreamName")?.to_owned();
            let object = object.as_object().cloned().unwrap_or_default();
            self.streams.insert(name, Stream { object, events: Vec::new() });
        }
        Ok(())
    }

    fn load_events(&mut self, events: &Value) -> Result<(), String> {
        let arn = self.arn().to_owned();
        for event in events.as_array().into_iter().flatten() {
            let name = text(event, "logStreamName").ok_or("an event has no logStreamName")?;
            let timestamp = number(event, "timestamp").ok_or("an event has no timestamp")?;
            let stream = self.streams.entry(name.to_owned());
            let stream = stream.or_insert_with(|| Stream::new(name, &format!("{arn}:log-stream:{name}"), timestamp));
            let id = text(event, "eventId").map_or_else(|| format!("{timestamp:038}{:018}", stream.events.len()), str::to_owned);
            stream.events.push(LogEvent {
                timestamp,
                ingestion: number(event, "ingestionTime").unwrap_or(timestamp),
                message: text(event, "message").unwrap_or_default().to_owned(),
                id,
            });
        }
        Ok(())
    }
}
