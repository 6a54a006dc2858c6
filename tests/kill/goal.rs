//! What a run comes to that nothing interrupts, over HTTP like the others.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::cli_support::{Desk, Sim};
use crate::support::compare::{How, REST, differences};
use crate::support::worlds;

/// See the module's text.
pub struct Goal {
    /// The world that is served, one that can be come back to, as a file's text.
    file: String,
    /// The world before the run, at rest.
    pub start: Value,
    /// The world after it.
    pub done: Value,
    /// The mutations on the way there.
    pub there: Vec<String>,
    /// The mutations on the way back.
    pub back: Vec<String>,
}

/// The world when everything under way has come to rest.
pub fn settled(sim: &Sim) -> Value {
    sim.advance(REST / 1000);
    sim.world()
}

/// The mutations that took effect from the one of that place on, without when and under which ids.
pub fn effects_since(sim: &Sim, place: usize) -> Vec<String> {
    let mut lines: Vec<String> = sim.ledger()[place..].iter().map(line).collect();
    lines.sort();
    lines
}

/// A name's service has an id that AWS draws; all else is named alike in every run on a new account.
fn line(effect: &Value) -> String {
    let text = |member: &str| effect[member].as_str().expect("text");
    let resource = text("resource");
    let name = resource.find("srv-").map_or(resource, |at| &resource[..at + "srv-".len()]);
    format!("{} {name} by {}", text("action"), text("caller"))
}

impl Goal {
    /// Goes there and back once.
    pub fn reached() -> Self {
        let file = worlds::start().save().to_string();
        let desk = desk(&file, 1);
        let start = settled(&desk.sim);
        let ran = desk.end(desk.live(&["run", "--yes"]));
        assert_eq!(ran.code, Some(0), "the run that nothing interrupts: {}", ran.err);
        let done = settled(&desk.sim);
        let there = effects_since(&desk.sim, 0);
        let ran = desk.call(&["rollback", &desk.run_id(), "--yes"]);
        assert_eq!(ran.code, Some(0), "the way back that nothing interrupts: {}", ran.err);
        let lines = differences(&start, &settled(&desk.sim), How::WentBack);
        assert!(lines.is_empty(), "the way back that nothing interrupts does not end at the start:\n{}", lines.join("\n"));
        assert_eq!(desk.sim.spans_lost(), 0, "spans lost without a kill");
        let back = effects_since(&desk.sim, there.len());
        Self { file, start, done, there, back }
    }

    /// A desk with an account of its own, as it was at the start.
    pub fn desk(&self, seed: u64) -> Desk {
        desk(&self.file, seed)
    }

    /// What the run calls to change something.
    pub fn mutations(&self) -> BTreeSet<&str> {
        self.there.iter().chain(&self.back).filter_map(|line| line.split(' ').next()).collect()
    }
}

fn desk(file: &str, seed: u64) -> Desk {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("world.json").display().to_string();
    std::fs::write(&path, file).expect("a file");
    Desk::within(dir, Sim::serve(&["--world", &path, "--seed", &seed.to_string()]))
}
