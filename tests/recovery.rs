//! Resume and rollback from wherever a run stands.

mod support;

#[path = "recovery/capture.rs"]
mod capture;
#[path = "recovery/claims.rs"]
mod claims;
#[path = "recovery/common.rs"]
mod common;
#[path = "recovery/comparing.rs"]
mod comparing;
#[path = "recovery/doctor.rs"]
mod doctor;
#[path = "recovery/failures.rs"]
mod failures;
#[path = "recovery/faults.rs"]
mod faults;
#[path = "recovery/findings.rs"]
mod findings;
#[path = "recovery/gone.rs"]
mod gone;
#[path = "recovery/hints.rs"]
mod hints;
#[path = "recovery/lanes.rs"]
mod lanes;
#[path = "recovery/newest.rs"]
mod newest;
#[path = "recovery/policy.rs"]
mod policy;
#[path = "recovery/repairs.rs"]
mod repairs;
#[path = "recovery/returns.rs"]
mod returns;
#[path = "recovery/serving.rs"]
mod serving;
#[path = "recovery/sidecars.rs"]
mod sidecars;
#[path = "recovery/spans.rs"]
mod spans;
#[path = "recovery/stale.rs"]
mod stale;
#[path = "recovery/stops.rs"]
mod stops;
#[path = "recovery/stuck.rs"]
mod stuck;
#[path = "recovery/swarm.rs"]
mod swarm;
#[path = "recovery/worlds_tried.rs"]
mod worlds_tried;

use sidestep::model::Runbook;
use sidestep::sim::State;
use support::{Case, Choice, Course, Depth, sweep, worlds};

/// Some of the points, from all over the run. SIDESTEP_SEED draws others; SIDESTEP_POINT replays one.
fn choice(sample: usize) -> Choice {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    if let Some(point) = number("SIDESTEP_POINT") {
        return Choice::One(usize::try_from(point).expect("a point's number"));
    }
    Choice::Sample(sample, number("SIDESTEP_SEED").unwrap_or(1))
}

fn check(case: &Case, choice: Choice, depth: Depth) {
    let began = std::time::Instant::now();
    let tally =
        sweep(case, choice, depth, &|_, _| {}).unwrap_or_else(|error| panic!("{}: {error} {:?}", case.name, error.causes()));
    let total = tally.total();
    println!(
        "{}, {depth:?}: {} crash points, {} distinct; {choice:?}: {} tried, {} failed, {:.1?}",
        case.name,
        total.points,
        total.distinct,
        total.resumed.tried + total.rolled_back.tried,
        tally.failures.len(),
        began.elapsed()
    );
    let failures: Vec<String> =
        tally.failures.iter().map(|failed| format!("{}: {}", failed.what, failed.lines.join("\n    "))).collect();
    assert!(failures.is_empty(), "{}, {choice:?}:\n{}", case.name, failures.join("\n"));
}

fn case(name: &str, start: State, runbook: Runbook) -> Case {
    Case { name: name.to_owned(), start, runbook, accepted: Vec::new(), course: Course::Forward, seed: 11 }
}

fn shipped() -> Case {
    case("shipped runbook, staging", worlds::start(), worlds::shipped(""))
}

fn shipped_back() -> Case {
    Case { name: "its way back".to_owned(), course: Course::Back, ..shipped() }
}

#[test]
fn a_crash_anywhere_is_recovered_from() {
    check(&shipped(), choice(4), Depth::Once);
}

#[test]
fn a_crash_anywhere_on_the_way_back_is_recovered_from() {
    check(&shipped_back(), choice(2), Depth::Once);
}

#[test]
fn a_crash_around_a_claim_is_recovered_from() {
    // Every second one: the sweep of a release build tries them all.
    let around = Choice::Where(|point| point.number % 2 == 0 && (point.of.contains("Claim") || point.of.ends_with("agResource")));
    check(&shipped(), around, Depth::Once);
    check(&shipped_back(), around, Depth::Once);
}

#[test]
fn two_crashes_anywhere_are_recovered_from() {
    check(&shipped(), choice(1), Depth::Twice);
}

#[test]
#[ignore = "every crash point: minutes in a debug build"]
fn a_crash_everywhere_is_recovered_from() {
    // Points that look the same differ in the time that has passed: worth the longer sweep now and then.
    let all = if std::env::var_os("SIDESTEP_EVERY").is_some() { Choice::Every } else { Choice::All };
    check(&shipped(), all, Depth::Once);
    check(&shipped_back(), all, Depth::Once);
}

#[test]
#[ignore = "every crash point: minutes in a debug build"]
fn a_second_crash_after_each_is_recovered_from() {
    check(&shipped(), Choice::All, Depth::Twice);
}

#[test]
#[ignore = "every two crash points: an hour in a debug build"]
fn every_pair_of_crashes_is_recovered_from() {
    check(&shipped(), Choice::All, Depth::Pairs);
}

#[test]
#[ignore = "every crash point: minutes in a debug build"]
fn a_crash_everywhere_with_another_sidecar_is_recovered_from() {
    for case in sidecars::cases() {
        check(&case, Choice::All, Depth::Once);
    }
}

#[test]
#[ignore = "every crash point: minutes in a debug build"]
fn a_crash_everywhere_in_other_worlds_is_recovered_from() {
    for case in worlds_tried::cases().iter().chain(&[lanes::taken_back()]) {
        check(case, Choice::All, Depth::Once);
    }
}
