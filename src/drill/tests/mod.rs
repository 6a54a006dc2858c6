//! What the sweep finds when a promise is broken, and that a drill is the same each time.

pub(super) mod behind;
mod proof;
mod users;

use std::sync::OnceLock;

use serde_json::Value;

use super::compare::{How, differences};
use super::*;
use crate::flaw::{self, Flaw};
use crate::model::Runbook;
use crate::runbook::{VariableSources, built_in, resolve};
use crate::sim::{Effect, State};

const WORLD: &str = include_str!("../../../runbooks/worlds/nexus-ai-staging.json");
const VARIABLES: &str = include_str!("../../../runbooks/worlds/nexus-ai-staging.tfvars");

fn runbook() -> Runbook {
    let file = built_in("jaeger-sidecar-to-shared").expect("it is shipped");
    let var_files = vec![("staging.tfvars".to_owned(), VARIABLES.to_owned())];
    resolve(file, &VariableSources { var_files, ..VariableSources::default() }).expect("it resolves")
}

fn start() -> State {
    static START: OnceLock<State> = OnceLock::new();
    let make = || {
        let world: Value = serde_json::from_str(WORLD).expect("the shipped world is JSON");
        lived_in(&world, 7, "nexus-ai-cluster-staging", &["nexus-ai-api-staging"]).expect("the world is one")
    };
    START.get_or_init(make).clone()
}

fn with<T>(flaw: Option<Flaw>, course: impl FnOnce() -> T) -> T {
    flaw::set(flaw);
    let found = course();
    flaw::set(None);
    found
}

/// Sweeps the points that `fits`; what failed.
fn found(flaw: Option<Flaw>, fits: fn(&Point) -> bool) -> Vec<String> {
    let case = Case {
        name: "shipped".to_owned(),
        start: start(),
        runbook: runbook(),
        accepted: Vec::new(),
        course: Course::Forward,
        seed: 11,
    };
    let tally = with(flaw, || sweep(&case, Choice::Where(fits), Depth::Once, &|_, _| {})).expect("the run comes to its end");
    assert!(tally.total().resumed.tried > 0, "no point fits");
    tally.failures.into_iter().map(|failed| format!("{}: {}", failed.what, failed.lines.join("; "))).collect()
}

fn after(operation: &'static str, point: &Point) -> bool {
    point.kind == PointKind::AfterEffect && point.of == operation
}

/// The flaws are found where they show, and what is found is their doing.
#[track_caller]
fn finds(flaws: &[Flaw], fits: fn(&Point) -> bool, what: &str) {
    for flaw in flaws {
        let failures = found(Some(*flaw), fits);
        assert!(failures.iter().any(|failure| failure.contains(what)), "{flaw:?} is not found: {failures:#?}");
    }
    assert_eq!(found(None, fits), Vec::<String>::new(), "without a flaw");
}

#[test]
fn a_step_in_doubt_that_nobody_looks_at_and_an_intent_written_after_the_call_are_found() {
    let flaws = [Flaw::NoLook, Flaw::LateIntent];
    finds(&flaws, |point| after("RegisterTaskDefinition", point) && point.commits < 12, "RegisterTaskDefinition");
}

#[test]
fn an_outcome_acted_on_before_it_is_durable_is_found() {
    finds(&[Flaw::LateOutcome], |point| after("UpdateService", point), "UpdateService");
}

#[test]
fn a_token_replayed_after_a_delete_is_found() {
    const NEXT: &[&str] = &["register-dns"];
    // The service is made, deleted on the way back, and made again.
    let course = |flaw, and_again: bool| {
        with(flaw, || {
            paused(async {
                let mut lab = Lab::on(start(), &runbook(), 11).expect("a lab");
                let mut stop = lab.run_before(NEXT).await;
                if and_again {
                    stop = lab.roll_back(Some("register-task-definition")).await;
                    assert!(matches!(stop, Stop::Partly), "{stop:?}");
                    stop = lab.amend(&runbook()).await;
                }
                if matches!(stop, Stop::Before(..)) { Ok(lab.settled().await) } else { Err(format!("{stop:?}")) }
            })
            .expect("a runtime")
        })
    };
    let once = course(None, false).expect("it gets there");
    let again = |flaw| course(flaw, true).map(|found| differences(&once, &found, How::BackAndForth));
    assert_eq!(again(None), Ok(Vec::new()));
    let found = again(Some(Flaw::OneToken)).expect_err("the service is not made again");
    assert!(found.contains("Failed"), "{found}");
}

#[test]
fn the_same_seed_gives_the_same_ledger_and_the_same_journal() {
    let course = |seed| {
        paused(async {
            let lab = Lab::on(start(), &runbook(), seed).expect("a lab");
            assert!(matches!(lab.run().await, Stop::Done));
            assert!(matches!(lab.roll_back(None).await, Stop::RolledBack));
            // The SDK numbers its invocations by itself.
            let ledger: Vec<Effect> = lab.sim.ledger().into_iter().map(|effect| Effect { invocation_id: None, ..effect }).collect();
            let run = lab.run_id().expect("a run");
            let records = lab.journal().and_then(|journal| journal.records(&run)).expect("its records");
            let mut lines: Vec<String> = records.iter().map(|record| format!("{record:?}")).collect();
            // Who holds the run is this process and nobody else.
            lines.retain(|line| !line.contains("SessionOpened"));
            (ledger, lines)
        })
        .expect("a runtime")
    };
    let (once, again) = (course(5), course(5));
    for (one, other) in once.0.iter().zip(&again.0) {
        assert_eq!(one, other);
    }
    for (one, other) in once.1.iter().zip(&again.1) {
        assert_eq!(one, other);
    }
    assert_eq!((once.0.len(), once.1.len()), (again.0.len(), again.1.len()));
    assert_ne!(once.0, course(6).0, "another seed");
}
