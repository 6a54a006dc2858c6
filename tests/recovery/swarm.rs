//! Swarms of faults on the shipped migration.

use std::sync::OnceLock;

use sidestep::drill::{Ground, swarm};

use crate::support::worlds;

fn ground() -> &'static Ground {
    static GROUND: OnceLock<Ground> = OnceLock::new();
    GROUND.get_or_init(|| Ground::new(&worlds::start(), &worlds::shipped(""), &[]).expect("the run comes to its end"))
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().and_then(|text| text.parse().ok())
}

/// SIDESTEP_SEED draws others, SIDESTEP_RUNS makes it longer.
#[test]
fn a_swarm_of_faults_breaks_no_promise() {
    let (seed, runs) = (number("SIDESTEP_SEED").unwrap_or(1), number("SIDESTEP_RUNS").unwrap_or(12));
    let herd = swarm(ground(), seed, runs, &|_| {});
    println!("{} runs from seed {seed}: {} processes, {} looks, {:?}", herd.runs, herd.lives, herd.looks, herd.ended);
    assert!(herd.failures.is_empty(), "{:#?}", herd.failures);
    assert!(herd.looks > herd.runs, "the invariants were looked at");
}
