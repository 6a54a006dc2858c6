//! What waiting costs and how soon it notices: the shipped migration on the simulator, seed after seed, on virtual time.
//!
//! *Overshoot* is the time from "deployment completed" (the service's own event, by the simulator's clock) to the journal's
//! record that the wait is over. `cargo bench --bench migration`; `SEEDS=3` before it makes it shorter.

#![allow(clippy::disallowed_methods, clippy::disallowed_macros, reason = "a bench takes real time and prints what it found")]

#[path = "../tests/support/mod.rs"]
mod support;

use std::time::Instant;

use serde_json::Value;
use sidestep::model::RunView;
use support::{Lab, Stop, paused, worlds};

/// Seconds from the end of a rollout to its being noticed, on average.
const GOAL_S: f64 = 2.0;

fn main() {
    // Some runners pass `--bench`; there is nothing to choose.
    let seeds: u64 = std::env::var("SEEDS").ok().and_then(|text| text.parse().ok()).unwrap_or(20);
    let (mut overshoot, mut calls, mut reads) = (Vec::new(), Vec::new(), Vec::new());
    let began = Instant::now();
    for seed in 1..=seeds {
        paused(async {
            let lab = Lab::new(&worlds::staging(), &worlds::shipped(""), seed);
            assert!(matches!(lab.run().await, Stop::Done), "seed {seed} did not end well");
            overshoot.extend(overshoots(&lab.view(), &lab.world()));
            let by_operation = lab.sim.calls();
            calls.push(by_operation.values().sum::<u64>() as f64);
            reads.push(by_operation.get("ecs:DescribeServices").copied().unwrap_or(0) as f64);
        });
    }
    println!("{seeds} migrations in {:.1?} of real time", began.elapsed());
    println!(
        "rollout noticed after: mean {:.2} s, worst {:.2} s (goal: mean at most {GOAL_S} s)",
        mean(&overshoot),
        worst(&overshoot)
    );
    println!("AWS calls per migration: mean {:.0}, of these DescribeServices {:.0}", mean(&calls), mean(&reads));
}

/// For each rollout of the run: how long after its end the wait was over, in seconds.
fn overshoots(view: &RunView, world: &Value) -> Vec<f64> {
    let events: Vec<(&str, f64)> = world["ecs"]["services"]
        .as_array()
        .into_iter()
        .flatten()
        .flat_map(|service| service["events"].as_array().into_iter().flatten())
        .filter_map(|event| Some((event["message"].as_str()?, event["createdAt"].as_f64()?)))
        .collect();
    let mut found = Vec::new();
    for (_, _, step) in view.plan.steps().filter(|(_, _, step)| step.action == "ecs.await-rollout") {
        let Some(deployment) = view.output(&step.id).and_then(|output| output["deployment"].as_str()) else { continue };
        let ended = events.iter().find(|(message, _)| message.contains(deployment) && message.contains("deployment completed"));
        let noticed = view.steps.get(&step.id).and_then(|step| step.changed_at);
        if let (Some((_, ended)), Some(noticed)) = (ended, noticed) {
            found.push(noticed.as_millisecond() as f64 / 1000.0 - ended);
        }
    }
    assert!(!found.is_empty(), "no rollout was found in the world's events");
    found
}

fn mean(numbers: &[f64]) -> f64 {
    numbers.iter().sum::<f64>() / numbers.len().max(1) as f64
}

fn worst(numbers: &[f64]) -> f64 {
    numbers.iter().copied().fold(0.0, f64::max)
}
