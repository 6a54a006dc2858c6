//! The journal against a real file in a temporary directory.

mod damage;
mod files;
mod lists;
mod lost;
mod requests;
mod take_over;
mod writes;

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde_json::json;
use tempfile::TempDir;

use super::{Journal, OpenRun};
use crate::model::{
    Actor, Direction, Lane, LaneId, Plan, RecordBody, RunId, StageId, StagePlan, StepClass, StepId, StepPlan, Target, Wave,
};

/// A state directory of its own.
fn state() -> (TempDir, Journal) {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let journal = Journal::open(&dir.path().join("state")).expect("a journal");
    (dir, journal)
}

/// Seconds after a fixed start.
fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_767_225_600 + second).expect("a time")
}

fn alice() -> Actor {
    Actor { user: "alice".into(), host: "bastion".into(), identity: Some("arn:aws:iam::111122223333:user/alice".into()) }
}

fn bob() -> Actor {
    Actor { user: "bob".into(), host: "bastion".into(), identity: None }
}

/// A plan of one stage with a mutation, a wait and a verification on one service.
fn plan(run: &str, service: &str) -> Plan {
    let lane = LaneId::of(&StageId::new("retarget"), service);
    let step = |name: &str, class| StepPlan {
        id: StepId::of(&lane, name),
        action: format!("test.{name}"),
        class,
        title: format!("{name} {service}"),
        params: json!({ "service": service }).into(),
        inputs: BTreeMap::new(),
        expected_s: None,
        deadline_s: (class == StepClass::Wait).then_some(1_800),
    };
    let steps = vec![step("update", StepClass::Mutation), step("wait", StepClass::Wait), step("verify", StepClass::Verify)];
    Plan {
        run: RunId::new(run),
        direction: Direction::Forward,
        runbook: "jaeger-sidecar-to-shared".into(),
        runbook_digest: "d0".into(),
        runbook_path: None,
        variables: BTreeMap::from([("environment".to_owned(), json!("dev"))]),
        sensitive: BTreeSet::new(),
        target: Target {
            account: "111122223333".into(),
            region: "us-west-2".into(),
            endpoint: None,
            cluster: "cluster-dev".into(),
            services: vec![service.to_owned()],
            environment: "dev".into(),
            identity: "arn:aws:iam::111122223333:user/alice".into(),
        },
        stages: vec![StagePlan {
            id: StageId::new("retarget"),
            kind: "retarget-api-env".into(),
            resources: Vec::new(),
            waves: vec![Wave { lanes: vec![Lane { id: lane.clone(), target: service.to_owned(), steps }] }],
            warnings: Vec::new(),
            confirm: true,
            blocked_by: Vec::new(),
            way_back: String::new(),
        }],
        findings: Vec::new(),
        outlook: Default::default(),
        closing: BTreeMap::new(),
    }
}

fn start(journal: &Journal, run: &str, service: &str) -> OpenRun {
    journal.create(&plan(run, service), &alice(), at(0), &[]).expect("a run")
}

fn step(service: &str, name: &str) -> StepId {
    StepId::of(&LaneId::of(&StageId::new("retarget"), service), name)
}

fn started(step: &StepId) -> RecordBody {
    RecordBody::StepStarted { step: step.clone(), attempt: 1, intent: json!({ "token": "t-1" }).into() }
}

fn succeeded(step: &StepId) -> RecordBody {
    RecordBody::StepSucceeded { step: step.clone(), output: json!({ "arn": "a" }).into(), call: None }
}
