//! Swarms of faults on the shipped migration.

use std::sync::OnceLock;

use sidestep::drill::{Ground, swarm, trial};

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

/// Schedules that ended elsewhere than they said, or whose verdict was wrong, by the world that they were found on.
#[test]
fn what_broke_once_ends_as_it_must() {
    let repairs = "open_otlp_ports = true\nset_health_path = true\njaeger_base_path = \"/jaeger\"\n";
    let other = |name| Ground::new(&worlds::other_start(name), &worlds::other(name, ""), &[]).expect("the run comes to its end");
    let dev = || Ground::new(&worlds::dev_start(), &worlds::for_dev(repairs), &[]).expect("the run comes to its end");
    let mut wrong = Vec::new();
    let mut hold = |ground: &Ground, seeds: &[u64]| {
        wrong.extend(seeds.iter().filter_map(|seed| Some((*seed, trial(ground, *seed).ended.err()?))));
    };
    // A breaker that gives up and does not roll back, with stale reads on the way back; verdicts that did not wait for ECS's back-off.
    hold(ground(), &[1_732_052_089, 1_442_695_863, 1_442_696_423]);
    // Sidecars that are not essential, and exit.
    hold(&other(worlds::OTEL), &[3_141_593_727]);
    hold(&other(worlds::XRAY), &[2_718_283_334]);
    // Verdicts, again; the last one found a task whose health was not known yet.
    hold(&dev(), &[1_618_034_368, 1_618_034_599, 1_618_035_568]);
    assert!(wrong.is_empty(), "{wrong:#?}");
}
