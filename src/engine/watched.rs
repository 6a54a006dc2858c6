//! Whatever is done for a run, under the eyes of a sentry: it ends at once when another process took the run over.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use crate::aws::Aws;
use crate::journal::Sentry;
use crate::model::Error;

/// Between looks, and the sleep of a machine that calls for one at once.
const INTERVAL: Duration = Duration::from_secs(1);

/// Does it for as long as the run is held. The sentry is asked every second, and before anything else by a process that was
/// stopped, or whose machine slept, and goes on: what it had under way may be another's by now, and is dropped where it stands.
///
/// # Errors
/// The sentry's, or those of what is done.
pub async fn while_held<T>(aws: &Aws, sentry: &Sentry, doing: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
    let mut doing = pin!(doing);
    let mut tick = pin!(aws.clock.sleep(INTERVAL));
    let mut asleep = aws.time_asleep();
    poll_fn(|cx| {
        let slept = aws.time_asleep();
        let mut due = slept.saturating_sub(asleep) >= INTERVAL;
        asleep = slept;
        // Timers go on while a process is stopped: this one has run out when it is continued.
        while tick.as_mut().poll(cx).is_ready() {
            due = true;
            tick.set(aws.clock.sleep(INTERVAL));
        }
        if due && let Err(error) = sentry.check() {
            return Poll::Ready(Err(error));
        }
        doing.as_mut().poll(cx)
    })
    .await
}
