//! Requests to an address of the application, which make spans: for an application that is idle while its spans are looked for.

use std::time::Duration;

use crate::aws::shown_url;
use crate::model::Progress;
use crate::stages::step::Context;

/// How often the probe address is asked in one wait.
const MOST_PROBES: u32 = 5;
/// From one probe to the next: a span needs a while to be exported.
const BETWEEN_PROBES: Duration = Duration::from_secs(20);

/// Requests to an address of the application, which make spans.
#[derive(Default)]
pub struct Probe {
    url: String,
    times: u32,
    last: Duration,
    /// The last answer's status, or why there was none.
    answer: Option<Result<u16, String>>,
}

impl Probe {
    /// Asks, if it is time.
    pub async fn ask(&mut self, cx: &Context<'_>, url: &str, waited: Duration) {
        let due = self.times == 0 || waited.saturating_sub(self.last) >= BETWEEN_PROBES;
        if url.is_empty() || self.times == MOST_PROBES || !due {
            return;
        }
        self.times += 1;
        self.last = waited;
        self.url = shown_url(url);
        let answer = cx.aws.http_get(url).await.map(|reply| reply.status).map_err(|failure| failure.to_string());
        if self.answer.as_ref() != Some(&answer) {
            self.answer = Some(answer);
            (cx.report)(Progress::Note { message: self.words() });
        }
    }

    /// Whether the application has served it: then it should have made a span.
    pub fn succeeded(&self) -> bool {
        matches!(self.answer, Some(Ok(200..300)))
    }

    fn words(&self) -> String {
        match &self.answer {
            Some(Ok(status)) => format!("the probe {} answered HTTP {status}", self.url),
            Some(Err(why)) => format!("the probe {} is not reachable: {why}", self.url),
            None => String::new(),
        }
    }

    /// The same as the end of a sentence; nothing when there was no probe.
    pub fn aside(&self) -> String {
        self.answer.as_ref().map(|_| format!("; {}", self.words())).unwrap_or_default()
    }

    /// The same, said of what was not found.
    pub fn told(&self) -> String {
        if self.succeeded() { format!(", although {}", self.words()) } else { self.aside() }
    }
}
