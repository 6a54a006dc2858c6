//! What the tests of this binary share.

use std::sync::OnceLock;

use serde_json::Value;
use sidestep::model::Runbook;
use sidestep::sim::State;

use crate::support::compare::{How, differences};
use crate::support::{Lab, Stop, paused, worlds};

/// The shipped runbook on the built-in world, from start to end without an interruption.
pub struct Reference {
    pub start: Value,
    pub done: Value,
    pub effects: Vec<String>,
}

pub fn reference() -> &'static Reference {
    static REFERENCE: OnceLock<Reference> = OnceLock::new();
    // A thread of its own: a test's runtime may be running in this one.
    let made = || uninterrupted(worlds::start(), &worlds::shipped(""));
    REFERENCE.get_or_init(|| std::thread::spawn(made).join().expect("the run that nothing interrupts is done"))
}

pub fn uninterrupted(start: State, runbook: &Runbook) -> Reference {
    paused(async {
        let untouched = Lab::on(start.clone(), runbook, 1).settled().await;
        let lab = Lab::on(start, runbook, 1);
        done(lab.run().await);
        let done = lab.settled().await;
        assert_eq!(lab.spans_lost(), 0);
        let effects = crate::support::compare::effects(&lab.sim.ledger(), &done);
        Reference { start: untouched, done, effects }
    })
}

pub fn lab() -> Lab {
    Lab::on(worlds::start(), &worlds::shipped(""), 1)
}

#[track_caller]
pub fn done(stop: Stop) {
    assert!(matches!(stop, Stop::Done), "{stop:?}");
}

/// Rolls back, and holds the world against the start.
pub async fn back_to(lab: &Lab, start: &Value) {
    let stop = lab.roll_back(None).await;
    assert!(matches!(stop, Stop::RolledBack), "{stop:?}");
    same(start, &lab.settled().await, How::WentBack);
    assert_eq!(lab.spans_lost(), 0, "spans lost");
}

/// The world is as after the run that nothing interrupts, and each mutation took effect once.
pub async fn as_reference(lab: &Lab) {
    let found = lab.settled().await;
    same(&reference().done, &found, How::Whole);
    assert_eq!(crate::support::compare::effects(&lab.sim.ledger(), &found), reference().effects);
    assert_eq!(lab.spans_lost(), 0, "spans lost");
}

#[track_caller]
pub fn same(wanted: &Value, found: &Value, how: How) {
    let lines = differences(wanted, found, how);
    assert!(lines.is_empty(), "the worlds differ:\n{}", lines.join("\n"));
}

/// A service of a world, by name.
pub fn service<'a>(world: &'a Value, name: &str) -> &'a Value {
    let mut services = world["ecs"]["services"].as_array().into_iter().flatten();
    services.find(|service| service["serviceName"] == name && service["status"] == "ACTIVE").unwrap_or(&Value::Null)
}
