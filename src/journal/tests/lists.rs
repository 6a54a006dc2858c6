//! Which runs there are, and which is meant.

use super::*;
use crate::journal::Store as _;
use crate::model::{Error, Failure, FailureKind, Outcome, RunStatus};

fn end(journal: &Journal, run: &str, service: &str, outcome: Outcome) {
    let mut run = start(journal, run, service);
    run.append(at(9), vec![RecordBody::RunEnded { outcome, why: String::new() }]).expect("the end");
    run.close("over", at(10)).expect("closed");
}

#[test]
fn runs_are_listed_newest_first_with_where_they_stand() {
    let (_dir, journal) = state();
    end(&journal, "aaaa", "api", Outcome::RolledBack);
    let live = start(&journal, "bbbb", "api");
    let mut failed = start(&journal, "cccc", "web");
    let update = step("web", "update");
    let failure = Failure { kind: FailureKind::Rejected, message: "no".into(), causes: Vec::new(), code: None, request_id: None };
    failed.append(at(5), vec![started(&update), RecordBody::StepFailed { step: update, failure }]).expect("a failure");
    drop(failed);

    let runs = journal.runs().expect("runs");
    let told: Vec<_> = runs.iter().map(|run| (run.id.as_str(), run.status, run.live.is_some(), run.updated_at)).collect();
    assert_eq!(
        told,
        [
            ("cccc", RunStatus::Stopped, false, at(5)),
            ("bbbb", RunStatus::Open, true, at(0)),
            ("aaaa", RunStatus::RolledBack, false, at(10)),
        ]
    );
    assert_eq!(runs[0].target, plan("cccc", "web").target);
    assert_eq!((runs[0].runbook.as_str(), runs[0].started_at), ("jaeger-sidecar-to-shared", at(0)));
    assert_eq!(runs[1].live.as_ref().map(|holder| holder.pid), Some(std::process::id()));
    drop(live);
}

#[test]
fn every_outcome_is_listed_as_the_fold_has_it() {
    let (_dir, journal) = state();
    for (id, outcome) in [("aaaa", Outcome::Done), ("bbbb", Outcome::RolledBack), ("cccc", Outcome::Abandoned)] {
        end(&journal, id, "api", outcome);
        let listed = journal.runs().expect("runs").into_iter().find(|run| run.id.as_str() == id).expect("the run");
        assert_eq!(listed.status, journal.view(&RunId::new(id)).expect("a view").status());
    }
}

#[test]
fn a_run_is_found_by_its_id_or_a_prefix_that_fits_no_other() {
    let (_dir, journal) = state();
    drop(start(&journal, "r7k2", "api"));
    drop(start(&journal, "r7m4", "web"));
    drop(start(&journal, "r7", "admin"));
    let find = |wanted: &str| journal.find(Some(wanted), false).map(|run| run.to_string());
    assert_eq!(find("r7k2").expect("by id"), "r7k2");
    assert_eq!(find("r7m").expect("by prefix"), "r7m4");
    assert_eq!(find("r7").expect("an id that is a prefix of others"), "r7");
    let Err(Error::RunAmbiguous { wanted, candidates }) = find("r") else { panic!("three fit") };
    assert_eq!((wanted.as_deref(), candidates), (Some("r"), vec!["r7".to_owned(), "r7m4".into(), "r7k2".into()]));
    for none in ["x", "", "R7K2", "r7k2x", "r7%", "_7k2"] {
        let Err(Error::RunNotFound { wanted, state_dir, known }) = find(none) else { panic!("{none:?} fits none") };
        assert_eq!((wanted.as_str(), state_dir), (none, journal.state_dir().display().to_string()));
        assert_eq!(known, ["r7", "r7m4", "r7k2"]);
    }
}

#[test]
fn without_a_name_the_unfinished_run_is_meant() {
    let (_dir, journal) = state();
    let none = journal.find(None, false);
    assert!(matches!(&none, Err(Error::NoOpenRun { state_dir }) if *state_dir == journal.state_dir().display().to_string()));
    end(&journal, "aaaa", "api", Outcome::Done);
    assert!(matches!(journal.find(None, true), Err(Error::NoOpenRun { .. })));
    drop(start(&journal, "bbbb", "api"));
    assert_eq!(journal.find(None, true).expect("the one").as_str(), "bbbb");
    assert_eq!(journal.find(None, false).expect("the one").as_str(), "bbbb");
    drop(start(&journal, "cccc", "web"));
    let Err(Error::RunAmbiguous { candidates, wanted: None }) = journal.find(None, true) else { panic!("two are unfinished") };
    assert_eq!(candidates, ["cccc", "bbbb"]);
}

#[test]
fn a_prefix_means_the_unfinished_run_where_only_that_can_be_meant() {
    let (_dir, journal) = state();
    end(&journal, "r7aa", "api", Outcome::Done);
    drop(start(&journal, "r7bb", "api"));
    assert_eq!(journal.find(Some("r7"), true).expect("one is unfinished").as_str(), "r7bb");
    assert!(matches!(journal.find(Some("r7"), false), Err(Error::RunAmbiguous { .. })));
    // Named so that nothing else can be meant: the caller says why it does not apply.
    assert_eq!(journal.find(Some("r7a"), true).expect("the finished one").as_str(), "r7aa");
    drop(start(&journal, "r7cc", "web"));
    let Err(Error::RunAmbiguous { candidates, .. }) = journal.find(Some("r7"), true) else { panic!("two are unfinished") };
    assert_eq!(candidates, ["r7cc", "r7bb"]);
}

#[test]
fn an_unknown_run_is_told_with_those_that_are_there() {
    let (_dir, journal) = state();
    drop(start(&journal, "r7k2", "api"));
    let unknown = RunId::new("zzzz");
    let results = [
        journal.view(&unknown).map(|_| ()),
        journal.records(&unknown).map(|_| ()),
        journal.acquire(&unknown, &bob(), at(1)).map(|_| ()),
    ];
    for result in results {
        assert!(matches!(&result, Err(Error::RunNotFound { known, .. }) if known == &["r7k2"]), "{result:?}");
    }
    assert!(!journal.state_dir().join("locks/zzzz.lock").exists());
}

#[test]
fn a_journal_is_read_while_a_run_writes() {
    let (_dir, journal) = state();
    let mut run = start(&journal, "r7k2", "api");
    let reader = Journal::open_existing(journal.state_dir()).expect("opened").expect("a journal");
    let update = step("api", "update");
    for (count, body) in [(3, started(&update)), (4, succeeded(&update))] {
        run.append(at(1), vec![body]).expect("a record");
        assert_eq!(reader.records(run.run()).expect("records").len(), count);
    }
}
