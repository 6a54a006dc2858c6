//! Resume and rollback from wherever a run stands.

mod support;

#[path = "recovery/common.rs"]
mod common;
#[path = "recovery/failures.rs"]
mod failures;
#[path = "recovery/faults.rs"]
mod faults;
#[path = "recovery/stops.rs"]
mod stops;
#[path = "recovery/worlds_tried.rs"]
mod worlds_tried;

use support::sweep::{Case, Choice, sweep};
use support::worlds;

fn choice(sample: usize) -> Choice {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    if let Some(point) = number("SIDESTEP_POINT") {
        return Choice::One(point as usize);
    }
    Choice::Sample(sample, number("SIDESTEP_SEED").unwrap_or(1))
}

fn check(case: &Case, choice: Choice) {
    let began = std::time::Instant::now();
    let tally = sweep(case, choice);
    println!(
        "{}: {} crash points, {} distinct; {choice:?}: {} tried, {} failed, {:.1?}",
        case.name,
        tally.counted,
        tally.distinct,
        tally.tried,
        tally.failures.len(),
        began.elapsed()
    );
    assert!(tally.failures.is_empty(), "{}:\n{}", case.name, tally.failures.join("\n"));
}

#[test]
fn a_crash_anywhere_is_recovered_from() {
    check(&Case { name: "shipped runbook, staging", start: worlds::start(), runbook: worlds::shipped("") }, choice(12));
}

#[test]
#[ignore = "every crash point: minutes in a debug build"]
fn a_crash_everywhere_is_recovered_from() {
    check(&Case { name: "shipped runbook, staging", start: worlds::start(), runbook: worlds::shipped("") }, Choice::All);
}
