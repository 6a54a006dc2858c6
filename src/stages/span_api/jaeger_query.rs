//! Jaeger's query API, as its releases have it. Everything that only Jaeger does stands here.
//!
//! | | newer, `/api/v3/…` | older, `/api/…` |
//! | --- | --- | --- |
//! | there | from 1.60; alone after 2.20 | up to 2.20 |
//! | services | `{"services": […]}`; `{}` when there are none | `{"data": […]}`, or `null` |
//! | traces of a service since a time | `{"result": {"resourceSpans": […]}}`; 404 "No traces found" when there are none | `{"data": […]}` |
//!
//! Without a base path Jaeger answers any unknown path with its start page and 200, with one any path outside with 404; from 2.16 on
//! it redirects a base path to the base path with a slash. So an answer is one only if it is JSON of the right shape, and redirects
//! on the same host are followed.
//!
//! A search matches a trace by any one span of the service in the time asked for: the trace may have begun before. So the traces
//! themselves are looked at, the newest of them, which is what Jaeger gives when there are more than were asked for.

use std::collections::BTreeMap;
use std::fmt::Display;

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::SpanApi;
use crate::aws::{Aws, HttpFailure, HttpReply};

/// `api = "jaeger-query"`.
pub struct JaegerQuery;

/// How far after `since` a trace may begin. Both ends must be given, and the local clock may be wrong: generous, but some storages
/// look day by day.
const HORIZON: SignedDuration = SignedDuration::from_hours(31 * 24);
/// How many traces are asked for; then, if they are more than is read, just the newest.
const TRACES: [u32; 2] = [20, 1];

const NEWER_SERVICES: &str = "/api/v3/services";
const OLDER_SERVICES: &str = "/api/services";
const NEWER_TRACES: &str = "/api/v3/traces";
const OLDER_TRACES: &str = "/api/traces";

/// Why one path gave nothing that counts.
enum Miss {
    /// Nothing answered; another path of the same address would not either.
    Silent(HttpFailure),
    /// The answer is too long to be read.
    TooLong,
    /// Something answered, but not so.
    Other(String),
}

#[async_trait(?Send)]
impl SpanApi for JaegerQuery {
    fn word(&self) -> &'static str {
        "jaeger-query"
    }

    fn name(&self) -> &'static str {
        "Jaeger"
    }

    async fn services(&self, aws: &Aws, base: &str) -> Result<Vec<String>, String> {
        let newer = ask(aws, base, NEWER_SERVICES, "").await.and_then(|(reply, bodies)| match bodies.as_slice() {
            [body] if reply.status == 200 && body["services"].is_array() => Ok(names(&body["services"])),
            // Its encoder leaves an empty list out; so might anybody else's API.
            [Value::Object(body)] if reply.status == 200 && body.is_empty() => Ok(Vec::new()),
            _ => Err(Miss::other(NEWER_SERVICES, &reply)),
        });
        let newer = match newer {
            Ok(names) if !names.is_empty() => return Ok(names),
            Err(Miss::Silent(failure)) => return Err(failure.to_string()),
            other => other,
        };
        let older = ask(aws, base, OLDER_SERVICES, "").await.and_then(|(reply, bodies)| match bodies.as_slice() {
            [body] if reply.status == 200 && (body["data"].is_array() || body.get("data") == Some(&Value::Null)) => {
                Ok(names(&body["data"]))
            }
            // A release that has the newer API alone.
            _ if reply.status == 404 && newer.is_ok() => Ok(Vec::new()),
            _ => Err(Miss::other(OLDER_SERVICES, &reply)),
        });
        older.map_err(|older| not_the_api([newer.err(), Some(older)]))
    }

    async fn has_trace_since(&self, aws: &Aws, base: &str, service: &str, since: Timestamp) -> Result<bool, String> {
        let name: String = form_urlencoded::byte_serialize(service.as_bytes()).collect();
        let until = since.checked_add(HORIZON).unwrap_or(Timestamp::MAX);
        let mut misses = [None, None];
        for limit in TRACES {
            let query = format!(
                "?query.service_name={name}&query.start_time_min={since}&query.start_time_max={until}&query.num_traces={limit}"
            );
            let newer = ask(aws, base, NEWER_TRACES, &query).await.and_then(|(reply, bodies)| match bodies.as_slice() {
                // "No traces found", which is not what a path that is not there gives.
                [body] if reply.status == 404 && body["error"].is_object() => Ok(Begun::default()),
                bodies if reply.status == 200 && !bodies.is_empty() && bodies.iter().all(|body| body["result"].is_object()) => {
                    Ok(Begun::newer(bodies))
                }
                _ => Err(Miss::other(NEWER_TRACES, &reply)),
            });
            let newer = match newer {
                Ok(begun) => return Ok(begun.since(since)),
                Err(Miss::Silent(failure)) => return Err(failure.to_string()),
                Err(Miss::TooLong) if limit > 1 => continue,
                Err(miss) => miss,
            };
            let query = format!("?service={name}&start={}&end={}&limit={limit}", since.as_microsecond(), until.as_microsecond());
            let older = ask(aws, base, OLDER_TRACES, &query).await.and_then(|(reply, bodies)| match bodies.as_slice() {
                [body] if reply.status == 200 && (body["data"].is_array() || body.get("data") == Some(&Value::Null)) => {
                    Ok(Begun::older(&body["data"]))
                }
                _ => Err(Miss::other(OLDER_TRACES, &reply)),
            });
            match older {
                Ok(begun) => return Ok(begun.since(since)),
                Err(Miss::Silent(failure)) => return Err(failure.to_string()),
                Err(Miss::TooLong) if limit > 1 => continue,
                Err(older) => misses = [Some(newer), Some(older)],
            }
            break;
        }
        Err(not_the_api(misses))
    }
}

/// Asks one path; the answer, and the JSON values that its body is made of: none when it is not JSON. Streams are several values.
async fn ask(aws: &Aws, base: &str, path: &str, query: &str) -> Result<(HttpReply, Vec<Value>), Miss> {
    let reply =
        aws.http_get_following(&format!("{}{path}{query}", base.trim_end_matches('/'))).await.map_err(|failure| match failure {
            HttpFailure::TooLong => Miss::TooLong,
            failure => Miss::Silent(failure),
        })?;
    let values: Result<Vec<Value>, _> = serde_json::Deserializer::from_str(&reply.body).into_iter().collect();
    let values = values.unwrap_or_default();
    Ok((reply, values))
}

impl Miss {
    fn other(path: &str, reply: &impl Display) -> Self {
        Self::Other(format!("{path} gave {reply}"))
    }
}

/// What was asked and what came back, for neither way of asking was understood.
fn not_the_api(misses: [Option<Miss>; 2]) -> String {
    let words: Vec<String> = misses
        .into_iter()
        .flatten()
        .map(|miss| match miss {
            Miss::Silent(failure) => failure.to_string(),
            Miss::TooLong => HttpFailure::TooLong.to_string(),
            Miss::Other(words) => words,
        })
        .collect();
    let words = words.join(", ");
    // Jaeger's own page, or a proxy's.
    let hint =
        if words.contains("HTTP 200, text/html") { "; a page where the API should be may mean another base path" } else { "" };
    format!("something answers, but not as Jaeger's query API does: {words}{hint}")
}

fn names(list: &Value) -> Vec<String> {
    list.as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
}

/// When traces began, in nanoseconds since 1970, by trace id; `None` where a span's time cannot be read.
#[derive(Default)]
struct Begun(BTreeMap<String, Option<i128>>);

impl Begun {
    fn note(&mut self, trace: &Value, at: Option<i128>) {
        let trace = trace.as_str().unwrap_or_default().to_owned();
        let began = self.0.entry(trace).or_insert(at);
        *began = began.zip(at).map(|(known, at)| known.min(at));
    }

    fn newer(bodies: &[Value]) -> Self {
        let mut begun = Self::default();
        let list = |value: &Value, name: &str| value[name].as_array().cloned().unwrap_or_default();
        let of_service = bodies.iter().flat_map(|body| list(&body["result"], "resourceSpans"));
        for span in of_service.flat_map(|part| list(&part, "scopeSpans")).flat_map(|part| list(&part, "spans")) {
            begun.note(&span["traceId"], number(&span["startTimeUnixNano"]));
        }
        begun
    }

    fn older(data: &Value) -> Self {
        let mut begun = Self::default();
        for trace in data.as_array().into_iter().flatten() {
            for span in trace["spans"].as_array().into_iter().flatten() {
                begun.note(&trace["traceID"], number(&span["startTime"]).map(|micros| micros * 1000));
            }
        }
        begun
    }

    fn since(&self, since: Timestamp) -> bool {
        self.0.values().flatten().any(|began| *began >= since.as_nanosecond())
    }
}

/// A whole number, which JSON made of protocol buffers writes as text.
fn number(value: &Value) -> Option<i128> {
    match value {
        Value::String(text) => text.parse().ok(),
        Value::Number(number) => number.as_i64().map(i128::from),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
