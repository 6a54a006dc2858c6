//! Who is told that a call is tried again: nobody shall look at a screen on which nothing moves for minutes.
//!
//! Within a step it is the step's own news, told to whoever listens around it ([`heard`]); outside of any step, to whom the client
//! was given ([`Aws::telling_waits`]).

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use super::{Aws, CallError};
use crate::model::Progress;

/// A call that is not answered well within this time is told of, and so is each further try.
const SILENCE: Duration = Duration::from_secs(5);

/// Who is told outside of any step.
pub type WaitWatch = Arc<dyn Fn(&Progress) + Send + Sync>;

tokio::task_local! {
    /// Who listens to the step whose future is polled.
    static LISTENER: Rc<dyn Fn(Progress)>;
}

/// Runs a step's future; the waits of its calls are told to `listener`.
pub async fn heard<F: Future>(listener: impl Fn(Progress) + 'static, future: F) -> F::Output {
    LISTENER.scope(Rc::new(listener), future).await
}

impl Aws {
    /// Tells `watch` of each longer wait outside of any step.
    #[must_use]
    pub fn telling_waits(mut self, watch: WaitWatch) -> Self {
        self.waits = Some(watch);
        self
    }

    /// Tells that a call which began `since` ago is tried again `after` this long, unless that is soon.
    pub(super) fn tell_wait(&self, error: &CallError, since: Duration, after: Duration) {
        if since.saturating_add(after) < SILENCE {
            return;
        }
        let why = if error.code.is_empty() { &error.message } else { &error.code };
        let progress = Progress::Retry {
            operation: error.operation.rsplit(':').next().unwrap_or(error.operation).to_owned(),
            why: why.clone(),
            after_s: after.as_secs_f64().ceil() as u64,
        };
        let told = LISTENER.try_with(|listener| listener(progress.clone()));
        if let (Err(_), Some(watch)) = (told, &self.waits) {
            watch(&progress);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::sync::Mutex;

    use serde_json::json;

    use super::*;
    use crate::aws::plain_http::scripted::{Scripted, Server, at_endpoint};

    async fn throttling() -> Server {
        let busy = Scripted::Answer(
            400,
            "application/x-amz-json-1.1",
            r#"{"__type":"ThrottlingException","message":"Rate exceeded"}"#.to_owned(),
        );
        Server::of(&[("*", busy)]).await
    }

    /// What is told, and how often it is asked, when AWS throttles for ever.
    fn checked(told: &[Progress], asked: usize) {
        assert_eq!(asked, 12);
        assert!((8..=11).contains(&told.len()), "all but the first tries, which come soon: {told:?}");
        for progress in told {
            let Progress::Retry { operation, why, after_s } = progress else { panic!("{progress:?}") };
            assert_eq!((operation.as_str(), why.as_str()), ("DescribeServices", "ThrottlingException"));
            assert!((1..=30).contains(after_s), "{after_s}");
        }
    }

    #[tokio::test]
    async fn endless_throttling_is_told_outside_of_a_step() {
        let (server, told) = (throttling().await, Arc::new(Mutex::new(Vec::new())));
        let heard = Arc::clone(&told);
        let aws = at_endpoint(&server.url())
            .telling_waits(Arc::new(move |progress| heard.lock().expect("no panic").push(progress.clone())));
        aws.read("DescribeServices", "s", json!({})).await.expect_err("throttled");
        checked(&told.lock().expect("no panic"), server.asked().len());
    }

    #[tokio::test]
    async fn endless_throttling_is_the_news_of_its_step() {
        let (server, told) = (throttling().await, Rc::new(RefCell::new(Vec::new())));
        let listener = Rc::clone(&told);
        let aws = at_endpoint(&server.url()).telling_waits(Arc::new(|progress| panic!("{progress:?} is the step's")));
        let call = aws.read("DescribeServices", "s", json!({}));
        super::heard(move |progress| listener.borrow_mut().push(progress), call).await.expect_err("throttled");
        checked(&told.borrow(), server.asked().len());
    }
}
