//! Asking something of the process that works on a run, from another terminal, and hearing what comes of it.

use std::time::Duration;

use super::context::Context;
use crate::aws::Clock;
use crate::journal::{Journal, Request};
use crate::model::{Error, RecordBody, RunId};

/// So long it is waited for the process to take a request: it looks every second.
const PATIENCE: Duration = Duration::from_secs(3);
/// Between looks.
const INTERVAL: Duration = Duration::from_millis(100);

/// Leaves the request and waits a moment for the process to take it.
///
/// # Errors
/// [`Error::NotApplicable`] with the reason, when it does not apply any more; and as [`Journal::post`].
pub fn ask(context: &Context, journal: &Journal, run: &RunId, request: Request) -> Result<(), Error> {
    let before = journal.view(run)?.last_seq;
    let number = journal.post(run, request, context.clock()?.now())?;
    // Two processes on one machine: this time is the machine's, however fast a simulated account goes.
    let clock = Clock::real(1.0);
    context.runtime()?.block_on(async {
        while clock.elapsed() < PATIENCE && !journal.is_taken(number)? {
            clock.sleep(INTERVAL).await;
        }
        Ok::<(), Error>(())
    })?;
    let records = journal.records(run)?;
    let refused = records.into_iter().filter(|record| record.seq > before).find_map(|record| match record.body {
        RecordBody::RequestRefused { request, why, .. } => Some((request, why)),
        _ => None,
    });
    match refused {
        None => Ok(()),
        Some((request, why)) => Err(Error::NotApplicable {
            run: run.clone(),
            verb: format!("asked to `{request}`"),
            why,
            hint: Some(format!("see where it stands with `{}`", context.command(&format!("status {run}")))),
        }),
    }
}
