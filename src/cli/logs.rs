//! `sidestep logs`: the lines of the log groups that a runbook names, as `aws logs tail` shows them.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::json;
use tokio::signal::unix::{SignalKind, signal};

use super::about::About;
use super::args::LogsArgs;
use super::context::Context;
use crate::aws::{Aws, CallError, Clock, Reason};
use crate::doctor::{Line, Tail};
use crate::model::{Error, Exit, Runbook};
use crate::plan::log_groups;
use crate::ui::text;

/// Between looks, on the machine's clock: CloudWatch Logs allows five in a second, for all callers together.
const INTERVAL: Duration = Duration::from_secs(2);

pub fn call(context: &Context, args: &LogsArgs) -> Result<Exit, Error> {
    let mut about = About::find(context, &args.runbook, args.run.as_deref())?;
    let groups = log_groups(&about.runbook);
    if groups.is_empty() {
        let message = format!("the runbook `{}` names no log group", about.runbook.name);
        return Err(Error::Usage { message, hint: None });
    }
    context.runtime()?.block_on(async {
        let (aws, identity) = about.connect(context).await?;
        let on = |kind| signal(kind).map_err(|error| Error::Internal { message: format!("cannot listen for signals: {error}") });
        let (mut interrupt, mut terminate) = (on(SignalKind::interrupt())?, on(SignalKind::terminate())?);
        let place = format!("account {}, Region {}", identity.account, aws.region);
        tokio::select! {
            biased;
            _ = interrupt.recv() => Ok(Exit::Done),
            _ = terminate.recv() => Ok(Exit::Done),
            shown = show(context, args, &aws, &groups) => shown.map_err(|error| missing(error, &place, &about.runbook)),
        }
    })
}

/// Shows what is there, and then what comes, until nobody reads it any more.
async fn show(context: &Context, args: &LogsArgs, aws: &Aws, groups: &[String]) -> Result<Exit, CallError> {
    let machine = Clock::real(1.0);
    let since = i64::try_from(args.since.as_millis()).unwrap_or(i64::MAX);
    let from = aws.clock.now().as_millisecond().saturating_sub(since).max(0);
    let mut tails: Vec<(&String, Tail)> = groups.iter().map(|group| (group, Tail::of(group, from))).collect();
    loop {
        for (group, tail) in &mut tails {
            tail.next(aws, &mut |line| print(context, group, &line)).await?;
        }
        if !args.follow || context.out.broken() {
            return Ok(Exit::Done);
        }
        machine.sleep(INTERVAL).await;
    }
}

fn print(context: &Context, group: &str, line: &Line) {
    let at = Timestamp::from_millisecond(line.at).unwrap_or_default();
    if context.json() {
        let message = &line.message;
        return context.line(json!({ "event": "log-line", "at": at, "group": group, "stream": line.stream, "message": message }));
    }
    // As `aws logs tail` writes a time.
    let time = at.strftime("%Y-%m-%dT%H:%M:%S.%6f+00:00");
    context.out.data(&format!("{time} {} {}", text::clean(&line.stream), text::clean_lines(&line.message)));
}

/// A group that is not there is made by a run.
fn missing(error: CallError, place: &str, runbook: &Runbook) -> Error {
    if error.reason != Reason::Missing {
        return error.into();
    }
    let hint = if runbook.stages.iter().any(|stage| stage.kind == "log_group") {
        "a run makes it: see `sidestep plan`; if the service runs already, `sidestep doctor` says why it is not there"
    } else {
        "make it, or name another in the runbook; `sidestep doctor` says what its absence does"
    };
    Error::NotFound { what: "log group".to_owned(), name: error.resource, place: place.to_owned(), hint: Some(hint.to_owned()) }
}
