//! The one retry loop. The SDK's own retries are off in every client: it would send RegisterTaskDefinition three times on a lost
//! connection, and its token bucket and jitter are shared by the whole process, so that no run could be repeated.
//!
//! Reads are tried again on anything that may pass. Mutations are tried again only when the last attempt was certainly not
//! applied; a doubtful one goes back to the engine, which looks before it acts. What takes long is told: see `patience`.

use std::future::Future;
use std::time::Duration;

use serde_json::Value;

use super::{Answer, Aws, CallError, Class, Reason};
use crate::model::ApiCall;

/// How long one attempt may take. The SDK's default has no limit at all.
pub const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(15);
/// How long ECS may show what was before an update: deploy tools saw one to three seconds.
pub const STALENESS: Duration = Duration::from_secs(5);
/// After this long, a request whose answer was lost has landed or never will.
pub const SETTLE_WINDOW: Duration = Duration::from_secs(20);

const FIRST_BACKOFF: Duration = Duration::from_secs(1);
const LONGEST_BACKOFF: Duration = Duration::from_secs(30);
/// Tries of one call while AWS is busy or throttles: some four minutes in all.
const PATIENT_TRIES: u32 = 12;
/// Tries of one call when nothing answers.
const IMPATIENT_TRIES: u32 = 4;

impl Aws {
    /// Reads, trying again while that may help.
    ///
    /// # Errors
    /// The last [`CallError`].
    pub async fn read(&self, operation: &'static str, resource: &str, input: Value) -> Result<Value, CallError> {
        self.retry(may_pass, || self.send_once(operation, resource, &input)).await.map(|answer| answer.value)
    }

    /// Changes something, trying again only after attempts that were certainly not applied.
    ///
    /// # Errors
    /// The last [`CallError`]; when its class is [`Class::Unknown`], look before doing anything else.
    pub async fn mutate(&self, operation: &'static str, resource: &str, input: &Value) -> Result<Answer, CallError> {
        self.retry(certainly_not_applied_and_may_pass, || self.send_once(operation, resource, input)).await
    }

    /// Reads a listing to its end: pages may be cut before they are filtered, so that an empty page is not the last one.
    ///
    /// # Errors
    /// The last [`CallError`].
    pub async fn read_pages(
        &self,
        operation: &'static str,
        resource: &str,
        input: Value,
        list: &str,
        token: &str,
    ) -> Result<Vec<Value>, CallError> {
        let mut input = input;
        let mut all = Vec::new();
        // Bounded: a listing that never ends is a server's fault, not a reason to hang.
        for _ in 0..1_000 {
            let mut page = self.read(operation, resource, input.clone()).await?;
            if let Some(Value::Array(items)) = page.get_mut(list).map(Value::take) {
                all.extend(items);
            }
            match page.get_mut(token).map(Value::take) {
                Some(Value::String(next)) if !next.is_empty() => input[token] = Value::String(next),
                _ => break,
            }
        }
        Ok(all)
    }

    /// Runs `call` until it succeeds, fails for good, or `passing` allows no further try.
    pub(super) async fn retry<T, F>(
        &self,
        passing: fn(&CallError) -> Option<u32>,
        mut call: impl FnMut() -> F,
    ) -> Result<T, CallError>
    where
        F: Future<Output = Result<T, CallError>>,
    {
        let began = self.clock.elapsed();
        let mut tries = 0;
        loop {
            let error = match call().await {
                Ok(value) => return Ok(value),
                Err(error) => error,
            };
            tries += 1;
            match passing(&error) {
                Some(most) if tries < most => {
                    let after = self.backoff(tries);
                    if let Some(teller) = &self.teller {
                        (teller.watch)(&ApiCall::Again { operation: error.operation.to_owned(), next: tries + 1, most, after });
                    }
                    self.tell_wait(&error, self.clock.elapsed().saturating_sub(began), after);
                    self.clock.sleep(after).await;
                }
                _ => return Err(error),
            }
        }
    }

    /// Full jitter over an exponentially growing window, from the run's own seeded source.
    fn backoff(&self, tries: u32) -> Duration {
        let window = FIRST_BACKOFF.saturating_mul(1 << tries.min(5)).min(LONGEST_BACKOFF);
        window.mul_f64(0.5 + self.random_fraction() / 2.0)
    }
}

/// For reads: how many tries, if any, an error is worth.
pub(super) fn may_pass(error: &CallError) -> Option<u32> {
    match error.reason {
        Reason::Throttled | Reason::Busy | Reason::NotYetConsistent => Some(PATIENT_TRIES),
        Reason::NoAnswer | Reason::Unreachable => Some(IMPATIENT_TRIES),
        Reason::Missing | Reason::Exists | Reason::Credentials | Reason::Denied | Reason::Other => None,
    }
}

/// For mutations.
pub(super) fn certainly_not_applied_and_may_pass(error: &CallError) -> Option<u32> {
    match error.class {
        Class::Rejected => may_pass(error),
        Class::Unknown => None,
    }
}
