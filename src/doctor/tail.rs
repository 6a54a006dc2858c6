//! A log group's lines as they come, none twice and none left out.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::aws::{Aws, CallError};

/// How far behind the newest line others may still turn up: streams are ingested each at its own pace.
const LATE_MILLIS: i64 = 60_000;
/// Pages of one look: a listing that never ends is a server's fault, not a reason to hang.
const MOST_PAGES: usize = 10_000;

/// A line of a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// When its container wrote it, epoch milliseconds.
    pub at: i64,
    /// The stream.
    pub stream: String,
    /// What it says, as it was written.
    pub message: String,
}

/// See the module's text.
pub struct Tail {
    group: String,
    /// The time from which lines are asked for, epoch milliseconds.
    from: i64,
    /// The lines of the last minute that were given out, by id, with their times.
    given: BTreeMap<String, i64>,
}

impl Tail {
    /// From this time on, epoch milliseconds.
    pub fn of(group: &str, from: i64) -> Self {
        Self { group: group.to_owned(), from, given: BTreeMap::new() }
    }

    /// Gives out what is new, page by page.
    ///
    /// # Errors
    /// [`CallError`]; a group that is not there is one of them. What was given out before stays so.
    pub async fn next(&mut self, aws: &Aws, give: &mut dyn FnMut(Line)) -> Result<(), CallError> {
        let mut input = json!({ "logGroupName": self.group, "startTime": self.from });
        for _ in 0..MOST_PAGES {
            let page = aws.read("FilterLogEvents", &self.group, input.clone()).await?;
            for event in page["events"].as_array().into_iter().flatten() {
                self.give_new(event, give);
            }
            // An empty page with a token is not the last one.
            match page["nextToken"].as_str() {
                Some(token) if !token.is_empty() && input["nextToken"] != token => input["nextToken"] = json!(token),
                _ => break,
            }
        }
        let newest = self.given.values().copied().max().unwrap_or(self.from);
        self.from = self.from.max(newest - LATE_MILLIS);
        let from = self.from;
        self.given.retain(|_, at| *at >= from);
        Ok(())
    }

    fn give_new(&mut self, event: &Value, give: &mut dyn FnMut(Line)) {
        let text = |member: &str| event[member].as_str().unwrap_or_default().to_owned();
        let at = event["timestamp"].as_i64().unwrap_or(0);
        if self.given.insert(text("eventId"), at).is_none() {
            give(Line { at, stream: text("logStreamName"), message: text("message") });
        }
    }
}
