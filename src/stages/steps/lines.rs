//! Do spans arrive, told by what the shared service logs? For a receiver that passes spans on and keeps none, so that nobody can ask it
//! for them: a line that it writes only when it has received some.
//!
//! Only the streams of the shared service's own running tasks are read, the last lines of each. A line counts from the beginning of
//! the rollout on: before it nobody sends there, unless somebody else does, which is looked at first.
//!
//! | result | means |
//! | --- | --- |
//! | arrived | opens the way |
//! | `none` | the shared service has no such line, although there is traffic, or nobody can say |
//! | `no-traffic` | it has none, and the sidecars had none before: it proves nothing |
//! | `not-provable` | the logs cannot be read or tell nothing, or whose spans it logged is not known |

use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::probe::Probe;
use super::spans::time;
use super::{logs, tasks};
use crate::aws::{Aws, CallError, Reason};
use crate::model::Progress;
use crate::stages::step::{Context, Polled, StepError, WaitStep, Waiter, spell, text};

/// `spans.await-lines`: `{shared: {cluster, service}, contains, several, look, probe, withinS, since, traffic?, others?, logGroups,
/// variables}`.
pub struct LinesArrive;
/// `spans.look-at-lines`: `{cluster, service, sidecar, shared: {cluster, service}, contains}`: did the sidecars receive anything, and
/// does the shared service?
pub struct LinesBefore;

const INTERVAL: Duration = Duration::from_secs(5);
/// Lines of each stream that are looked at.
const LINES: usize = 100;

/// When lines with the text were written.
#[derive(Default)]
struct Seen {
    /// The last of them.
    last: Option<Timestamp>,
    /// Whether any stream could be read.
    read: bool,
}

/// Looks at the containers of a service's running tasks; at one of them alone where it is named.
async fn look(aws: &Aws, of: &Value, container: Option<&str>, contains: &str) -> Result<Seen, CallError> {
    let name = |member: &str| of[member].as_str().unwrap_or_default();
    let mut seen = Seen::default();
    for task in tasks::running(aws, name("cluster"), name("service")).await? {
        for stream in logs::streams(aws, &task).await? {
            if container.is_some_and(|wanted| wanted != stream.container) {
                continue;
            }
            let Some(events) = logs::last_events(aws, &stream, LINES).await? else { continue };
            seen.read = true;
            let fits = |event: &&Value| event["message"].as_str().is_some_and(|message| message.contains(contains));
            let times = events.iter().filter(fits).filter_map(|event| event["timestamp"].as_i64());
            let last = times.max().and_then(|millis| Timestamp::from_millisecond(millis).ok());
            seen.last = seen.last.max(last);
        }
    }
    Ok(seen)
}

#[async_trait(?Send)]
impl WaitStep for LinesArrive {
    fn begin(&self, params: &Value) -> Result<Box<dyn Waiter>, StepError> {
        let contains = text(params, "/contains")?.to_owned();
        Ok(Box::new(Arriving { contains, params: params.clone(), probe: Probe::default() }))
    }
}

struct Arriving {
    params: Value,
    contains: String,
    probe: Probe,
}

/// What one look gave.
enum Look {
    Arrived,
    Nothing,
    /// It can never tell, or not now.
    Unprovable(String),
}

#[async_trait(?Send)]
impl Waiter for Arriving {
    // After the time that the runbook gives it, with the look that is under way then.
    fn ends_by_itself(&self) -> bool {
        true
    }

    async fn poll(&mut self, cx: &Context<'_>, waited: Duration) -> Result<Polled, StepError> {
        let look = self.look(cx).await?;
        let within = Duration::from_secs(self.params["withinS"].as_u64().unwrap_or(120));
        let over = waited >= within;
        match look {
            Look::Arrived => return Ok(Polled::Done(json!({ "result": "arrived" }))),
            Look::Nothing | Look::Unprovable(_) if over => {
                let (result, why) = self.conclude(&look, within);
                return Ok(Polled::Held(result.to_owned(), why));
            }
            Look::Nothing => {
                let message = format!("{} has not logged `{}` since the rollout began", self.service(), self.contains);
                (cx.report)(Progress::Note { message });
            }
            Look::Unprovable(_) => {}
        }
        self.probe.ask(cx, self.params["probe"].as_str().unwrap_or_default(), waited).await;
        Ok(Polled::Again(INTERVAL))
    }
}

impl Arriving {
    fn service(&self) -> String {
        format!("`{}`", self.params["shared"]["service"].as_str().unwrap_or_default())
    }

    async fn look(&self, cx: &Context<'_>) -> Result<Look, StepError> {
        let Some(since) = time(&self.params["since"]) else {
            return Ok(Look::Unprovable("AWS does not say since when the rollout is begun".to_owned()));
        };
        let seen = match look(cx.aws, &self.params["shared"], None, &self.contains).await {
            Ok(seen) => seen,
            Err(error) if error.reason == Reason::Denied => {
                return Ok(Look::Unprovable(format!("the logs of {} may not be read: {}", self.service(), error.refusal())));
            }
            Err(error) => return Err(error.into()),
        };
        if !seen.read {
            let why = format!("no running task of {} has a log stream that can be read", self.service());
            return Ok(Look::Unprovable(why));
        }
        if seen.last.is_none_or(|last| last < since) {
            return Ok(Look::Nothing);
        }
        let whose = match (self.params["several"] == true, self.params["others"] == true) {
            (true, _) => "several services are pointed at it",
            (_, true) => "somebody else sent there before the rollout already",
            _ => return Ok(Look::Arrived),
        };
        Ok(Look::Unprovable(format!("{} logs `{}`, but not whose spans these are, and {whose}", self.service(), self.contains)))
    }

    /// The result and what it means, once there is no more waiting.
    fn conclude(&self, look: &Look, within: Duration) -> (&'static str, String) {
        let (aside, within) = (self.probe.aside(), spell(within));
        let had_some = self.params["traffic"].as_bool();
        let (result, why) = match look {
            Look::Unprovable(why) => ("not-provable", format!("{why}{aside}")),
            Look::Arrived | Look::Nothing if had_some == Some(false) && !self.probe.succeeded() => {
                let why = format!(
                    "{} has not logged `{}` within {within}, but the sidecars had not before it either: the application is idle, or that \
                     is not what they log, which proves nothing{aside}",
                    self.service(),
                    self.contains
                );
                ("no-traffic", why)
            }
            Look::Arrived | Look::Nothing => {
                let traffic = match (self.probe.succeeded(), had_some) {
                    (true, _) => "",
                    (false, Some(true)) => ", although the sidecars had before it",
                    (false, _) => "; whether the application has traffic is not known",
                };
                let why = format!(
                    "{} has not logged `{}` within {within}{traffic}{}: to strip the sidecar now would lose traces",
                    self.service(),
                    self.contains,
                    self.probe.told()
                );
                ("none", why)
            }
        };
        match self.params["look"].as_str().filter(|look| !look.is_empty()) {
            Some(look) => (result, format!("{why}. {look}")),
            None => (result, why),
        }
    }
}

#[async_trait(?Send)]
impl WaitStep for LinesBefore {
    fn begin(&self, params: &Value) -> Result<Box<dyn Waiter>, StepError> {
        Ok(Box::new(Before { contains: text(params, "/contains")?.to_owned(), params: params.clone() }))
    }
}

struct Before {
    params: Value,
    contains: String,
}

#[async_trait(?Send)]
impl Waiter for Before {
    async fn poll(&mut self, cx: &Context<'_>, _waited: Duration) -> Result<Polled, StepError> {
        let known = |found: Result<Seen, CallError>| match found {
            Ok(seen) if seen.read => Ok(json!(seen.last.is_some())),
            Ok(_) => Ok(Value::Null),
            Err(error) if error.reason == Reason::Denied => Ok(Value::Null),
            Err(error) => Err(error),
        };
        // Only worth knowing: whatever it is, the run goes on.
        let sidecars = known(look(cx.aws, &self.params, self.params["sidecar"].as_str(), &self.contains).await)?;
        let shared = known(look(cx.aws, &self.params["shared"], None, &self.contains).await)?;
        Ok(Polled::Done(json!({ "traffic": sidecars, "others": shared })))
    }
}
