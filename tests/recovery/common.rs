//! What the tests of this binary share.

use std::sync::OnceLock;

use serde_json::{Value, json};
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

/// Somebody registers what a service runs with a change of theirs, deploys it, and waits until it is steady; gives the revision's ARN.
pub async fn deployed_by_others(lab: &Lab, name: &str, change: impl FnOnce(&mut Value)) -> String {
    let arn = registered_by_others(lab, name, change);
    lab.foreign("UpdateService", &json!({ "cluster": worlds::CLUSTER, "service": name, "taskDefinition": arn }));
    lab.live(10 * 60_000).await;
    arn
}

/// Somebody registers what a service runs with a change of theirs; gives the revision's ARN.
pub fn registered_by_others(lab: &Lab, name: &str, change: impl FnOnce(&mut Value)) -> String {
    let runs = service(&lab.world(), name)["taskDefinition"].clone();
    let found = lab.foreign("DescribeTaskDefinition", &json!({ "taskDefinition": runs }));
    let mut input = json!({});
    for member in ["family", "containerDefinitions", "cpu", "memory", "networkMode", "executionRoleArn", "requiresCompatibilities"]
    {
        input[member] = found["taskDefinition"][member].clone();
    }
    change(&mut input);
    let made = lab.foreign("RegisterTaskDefinition", &input);
    made["taskDefinition"]["taskDefinitionArn"].as_str().expect("an ARN").to_owned()
}

/// Their template knows nothing of the migration.
pub fn own_template(input: &mut Value) {
    input["containerDefinitions"][0]["environment"] = json!([
        { "name": "OTEL_EXPORTER_OTLP_ENDPOINT", "value": "http://localhost:4318" },
        { "name": "RELEASE", "value": "2" },
    ]);
}

/// Their pipeline takes what runs, and sets a variable of its own.
pub fn next_release(input: &mut Value) {
    let environment = input["containerDefinitions"][0]["environment"].as_array_mut().expect("an environment");
    environment.push(json!({ "name": "RELEASE", "value": "2" }));
}

/// The task definition that a service runs.
pub fn definition(world: &Value, name: &str) -> Value {
    let runs = &service(world, name)["taskDefinition"];
    let mut definitions = world["ecs"]["taskDefinitions"].as_array().into_iter().flatten().map(|known| &known["taskDefinition"]);
    definitions.find(|known| known["taskDefinitionArn"] == *runs).cloned().expect("what it runs is there")
}
