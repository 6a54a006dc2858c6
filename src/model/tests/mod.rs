//! The transition table, the fold and the adoption of a new plan.

mod adopt;
mod fold;
mod table;

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use proptest::prelude::*;
use serde_json::json;

use super::{
    Actor, Adoption, Direction, Failure, FailureKind, Input, Lane, LaneId, Plan, Record, RecordBody, RunId, RunView, StageId,
    StagePlan, StepClass, StepEvent, StepId, StepPlan, StepState, Target, Verdict, Wave, next_state,
};

const CLASSES: [StepClass; 3] = [StepClass::Mutation, StepClass::Wait, StepClass::Verify];

const STATES: [StepState; 8] = [
    StepState::Pending,
    StepState::Started,
    StepState::Done,
    StepState::Failed,
    StepState::InDoubt,
    StepState::Held,
    StepState::Diverged,
    StepState::Skipped,
];

const EVENTS: [StepEvent; 12] = [
    StepEvent::Started,
    StepEvent::Succeeded,
    StepEvent::Failed,
    StepEvent::InDoubt,
    StepEvent::Left,
    StepEvent::Held,
    StepEvent::Approved,
    StepEvent::Skipped,
    StepEvent::ObservedDone,
    StepEvent::ObservedNotDone,
    StepEvent::ObservedTakenBack,
    StepEvent::ObservedDiverged,
];

fn alice() -> Actor {
    Actor { user: "alice".into(), host: "bastion".into(), identity: None }
}

/// A plan of two stages, the second with two lanes; each lane has a mutation, a wait that takes its input from it, and a
/// verification.
fn plan() -> Plan {
    let lane = |stage: &str, target: &str| {
        let id = LaneId::of(&StageId::new(stage), target);
        let step = |name: &str, class| StepPlan {
            id: StepId::of(&id, name),
            action: format!("test.{name}"),
            class,
            title: name.to_owned(),
            params: json!({ "target": target }).into(),
            inputs: BTreeMap::new(),
            expected_s: None,
            deadline_s: None,
        };
        let mut wait = step("wait", StepClass::Wait);
        wait.inputs.insert("of".into(), Input { step: StepId::of(&id, "change"), pointer: "/id".into() });
        let steps = vec![step("change", StepClass::Mutation), wait, step("verify", StepClass::Verify)];
        Lane { id, target: target.to_owned(), steps }
    };
    let stage = |id: &str, targets: &[&str]| StagePlan {
        id: StageId::new(id),
        kind: "test".into(),
        resources: Vec::new(),
        waves: vec![Wave { lanes: targets.iter().map(|target| lane(id, target)).collect() }],
        warnings: Vec::new(),
        confirm: false,
        blocked_by: Vec::new(),
        way_back: String::new(),
    };
    Plan {
        run: RunId::new("r7k2"),
        direction: Direction::Forward,
        runbook: "test".into(),
        runbook_digest: String::new(),
        runbook_path: None,
        variables: BTreeMap::new(),
        sensitive: BTreeSet::new(),
        target: Target {
            account: "111122223333".into(),
            region: "us-west-2".into(),
            endpoint: None,
            cluster: "cluster".into(),
            services: vec!["api".into(), "web".into()],
            environment: "dev".into(),
            identity: String::new(),
        },
        stages: vec![stage("first", &["shared"]), stage("second", &["api", "web"])],
        findings: Vec::new(),
        outlook: Default::default(),
        closing: BTreeMap::new(),
    }
}

/// The record of `event` for a step, different for each `seq`.
fn body(step: &StepId, event: StepEvent, seq: u64, kind: FailureKind) -> RecordBody {
    let step = step.clone();
    let output = json!({ "seq": seq });
    let observed = |verdict| RecordBody::StepObserved { step: step.clone(), verdict };
    let failure = Failure { kind, message: format!("at {seq}"), causes: Vec::new(), code: None, request_id: None };
    let why = format!("at {seq}");
    match event {
        StepEvent::Started => RecordBody::StepStarted { step, attempt: 1, intent: json!({ "token": seq }).into() },
        StepEvent::Succeeded => RecordBody::StepSucceeded { step, output: output.into(), call: None },
        StepEvent::Failed => RecordBody::StepFailed { step, failure },
        StepEvent::InDoubt => RecordBody::StepInDoubt { step, failure },
        StepEvent::Left => RecordBody::StepLeft { step },
        StepEvent::Held => RecordBody::StepHeld { step, result: "none".into(), why },
        StepEvent::Approved => RecordBody::StepApproved { step, by: alice(), comment: String::new() },
        StepEvent::Skipped => RecordBody::StepSkipped { step, reason: why, by: Some(alice()) },
        StepEvent::ObservedDone => observed(Verdict::Done { output }),
        StepEvent::ObservedNotDone => observed(Verdict::NotDone { why }),
        StepEvent::ObservedTakenBack => observed(Verdict::TakenBack { why }),
        StepEvent::ObservedDiverged => observed(Verdict::Diverged { differences: vec![why] }),
    }
}

fn record(seq: u64, body: RecordBody) -> Record {
    let second = 1_767_225_600 + i64::try_from(seq).expect("small");
    Record { seq, at: Timestamp::from_second(second).expect("a time"), body }
}

fn adopted(plan: Plan, why: Adoption) -> RecordBody {
    RecordBody::PlanAdopted { plan: Box::new(plan), why, by: alice() }
}

/// Choices from which a legal course of events is made: which step, which of the events that may happen to it, and of which
/// kind a failure is.
fn choices() -> impl Strategy<Value = Vec<(usize, usize, bool)>> {
    proptest::collection::vec((0_usize..64, 0_usize..64, proptest::bool::weighted(0.2)), 0..60)
}

/// A journal that begins with [`plan`] and goes on as chosen, each event a legal one.
fn course(choices: &[(usize, usize, bool)]) -> Vec<Record> {
    let plan = plan();
    let steps: Vec<_> = plan.steps().map(|(_, _, step)| (step.id.clone(), step.class)).collect();
    let mut states = vec![StepState::Pending; steps.len()];
    let mut records = vec![record(1, adopted(plan, Adoption::Start))];
    for (which, event, stuck) in choices {
        let which = which % steps.len();
        let (id, class) = &steps[which];
        let legal: Vec<_> =
            EVENTS.iter().filter_map(|event| Some((*event, next_state(*class, states[which], *event).ok()?))).collect();
        // A verification that somebody approved is over for good.
        let Some((event, next)) = legal.get(event % legal.len().max(1)) else { continue };
        states[which] = *next;
        let seq = u64::try_from(records.len()).expect("small") + 1;
        let kind = if *stuck { FailureKind::Stuck } else { FailureKind::Rejected };
        records.push(record(seq, body(id, *event, seq, kind)));
    }
    records
}

/// The view as JSON, for comparing.
fn shown(view: &RunView) -> serde_json::Value {
    serde_json::to_value(view).expect("json")
}
