//! What another terminal asks.

use super::*;
use crate::journal::{Request, Store as _};
use crate::model::{Error, Extent};

fn pause() -> Request {
    Request::Pause { by: bob() }
}

fn all() -> Vec<Request> {
    vec![
        pause(),
        Request::Approve { by: bob(), comment: "traces seen by hand".into(), step: Some(step("api", "verify")) },
        Request::Approve { by: bob(), comment: String::new(), step: None },
        Request::HoldBefore { stage: StageId::new("strip-sidecar"), by: bob() },
        Request::ClearHold { stage: StageId::new("strip-sidecar"), by: bob() },
        Request::Rollback { by: bob(), extent: Extent { to: Some(StageId::new("retarget")), ..Extent::default() } },
    ]
}

#[test]
fn requests_arrive_once_and_in_order() {
    let (_dir, journal) = state();
    let mut run = start(&journal, "r7k2", "api");
    let other = Journal::open_existing(journal.state_dir()).expect("opened").expect("a journal");
    assert_eq!(run.take_requests().expect("none"), []);
    for request in all() {
        other.post(run.run(), request, at(1)).expect("posted");
    }
    assert_eq!(run.take_requests().expect("all"), all());
    assert_eq!(run.take_requests().expect("none"), []);
    other.post(run.run(), pause(), at(2)).expect("posted");
    assert_eq!(run.take_requests().expect("one"), [pause()]);
}

#[test]
fn a_request_goes_to_its_run_only() {
    let (_dir, journal) = state();
    let (mut first, mut second) = (start(&journal, "r7k2", "api"), start(&journal, "m4q9", "web"));
    journal.post(first.run(), pause(), at(1)).expect("posted");
    assert_eq!(second.take_requests().expect("none"), []);
    assert_eq!(first.take_requests().expect("one"), [pause()]);
}

#[test]
fn nobody_is_there_to_be_asked() {
    let (_dir, journal) = state();
    let run = start(&journal, "r7k2", "api");
    let id = run.run().clone();
    drop(run);
    let refused = journal.post(&id, pause(), at(1));
    let Err(Error::NotApplicable { verb, hint, .. }) = &refused else { panic!("{refused:?}") };
    assert_eq!(verb, "paused");
    assert!(hint.as_ref().is_some_and(|hint| hint.contains("sidestep resume r7k2")));
    assert!(matches!(journal.post(&RunId::new("zzzz"), pause(), at(1)), Err(Error::RunNotFound { .. })));
}

#[test]
fn a_request_lapses_with_the_process_it_was_made_to() {
    let (_dir, journal) = state();
    let run = start(&journal, "r7k2", "api");
    journal.post(run.run(), pause(), at(1)).expect("posted");
    let id = run.run().clone();
    drop(run);
    let mut next = journal.acquire(&id, &alice(), at(2)).expect("taken up");
    assert_eq!(next.take_requests().expect("none"), [], "the next one is not stopped by it");
    journal.post(&id, pause(), at(3)).expect("posted");
    assert_eq!(next.take_requests().expect("one"), [pause()]);
}

#[test]
fn a_request_of_an_unknown_kind_is_passed_over() {
    let (_dir, journal) = state();
    let mut run = start(&journal, "r7k2", "api");
    crate::journal::request::leave(&journal.db.conn, run.run(), r#"{"request":"sing"}"#, at(1)).expect("left");
    journal.post(run.run(), pause(), at(2)).expect("posted");
    assert_eq!(run.take_requests().expect("the known one"), [pause()]);
    assert_eq!(run.take_requests().expect("none"), []);
}
