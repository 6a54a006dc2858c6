//! One event of each kind: most never happen on a short journey.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde_json::json;
use sidestep::model::{
    Actor, Adoption, CallNote, ClaimChange, Event, Extent, Failure, FailureKind, Holder, Outcome, Plan, Progress, Record,
    RecordBody, Remainder, RunView, StageId, StepClass, StepId, Verdict,
};

fn at() -> Timestamp {
    Timestamp::UNIX_EPOCH
}

fn alice() -> Actor {
    Actor {
        user: "alice".to_owned(),
        host: "bastion".to_owned(),
        identity: Some("arn:aws:iam::111122223333:user/alice".to_owned()),
    }
}

fn holder(fence: u64) -> Holder {
    Holder { actor: alice(), pid: 4711, fence }
}

fn failure() -> Failure {
    Failure {
        kind: FailureKind::Rejected,
        message: "UpdateService was refused".to_owned(),
        causes: vec!["AccessDeniedException".to_owned()],
        code: Some("AccessDeniedException".to_owned()),
        request_id: Some("5f1e6a0e-0001".to_owned()),
    }
}

pub fn remainder() -> Remainder {
    Remainder {
        kind: "log group".to_owned(),
        name: "/ecs/nexus-ai-jaeger-staging".to_owned(),
        stage: StageId::new("create-log-group"),
        made: at(),
        why: "AccessDeniedException".to_owned(),
        remove: "aws logs delete-log-group".to_owned(),
        harmless: false,
    }
}

fn adopted(plan: &Plan, why: Adoption) -> RecordBody {
    RecordBody::PlanAdopted { plan: Box::new(plan.clone()), why, by: alice() }
}

fn bodies(plan: &Plan) -> Vec<RecordBody> {
    let step = || plan.steps().next().expect("a step").2.id.clone();
    let stage = || plan.stages[0].id.clone();
    let lanes = || BTreeSet::from(["nexus-ai-api-staging".to_owned()]);
    let text = |text: &str| text.to_owned();
    let claim = |change| RecordBody::Claim { service: text("nexus-ai-api-staging"), change };
    let observed = |verdict| RecordBody::StepObserved { step: step(), verdict };
    let call = CallNote { operation: text("CreateLogGroup"), request_id: Some(text("5f1e")) };
    vec![
        adopted(plan, Adoption::Start),
        adopted(plan, Adoption::Amendment { changes: vec![text("jaeger_image: a → b")] }),
        adopted(plan, Adoption::Rollback(Extent { to: Some(stage()), lanes: lanes() })),
        adopted(plan, Adoption::Rollback(Extent::default())),
        adopted(plan, Adoption::Forward),
        RecordBody::SessionOpened { holder: holder(1) },
        RecordBody::TakenOver { from: holder(1), by: holder(2), reason: text("it hangs") },
        RecordBody::SessionClosed { why: text("done"), calls: [("ecs:DescribeServices".to_owned(), 61)].into() },
        RecordBody::StepStarted { step: step(), attempt: 1, intent: json!({ "token": "t" }).into() },
        RecordBody::StepSucceeded { step: step(), output: json!({ "arn": "arn:aws:…" }).into(), call: Some(call) },
        RecordBody::StepFailed { step: step(), failure: failure() },
        RecordBody::StepInDoubt { step: step(), failure: failure() },
        observed(Verdict::Done { output: json!({}) }),
        observed(Verdict::NotDone { why: text("not there") }),
        observed(Verdict::TakenBack { why: text("gone") }),
        observed(Verdict::Diverged { differences: vec![text("planned from …")] }),
        RecordBody::StepLeft { step: step() },
        RecordBody::StepHeld { step: step(), result: text("no-traffic"), why: text("nobody uses the API") },
        RecordBody::StepApproved { step: step(), by: alice(), comment: text("seen") },
        RecordBody::StepSkipped { step: step(), reason: text("stays"), by: Some(alice()) },
        RecordBody::StepSkipped { step: step(), reason: text("harmless"), by: None },
        RecordBody::FindingAccepted { finding: text("span-port-closed"), by: alice() },
        RecordBody::HoldSet { stage: stage(), by: alice() },
        RecordBody::HoldCleared { stage: stage(), by: alice() },
        RecordBody::LanesNamed { lanes: lanes(), by: alice() },
        claim(ClaimChange::Writing { since: at(), by: text("alice@bastion"), arn: text("arn:aws:ecs:…") }),
        claim(ClaimChange::Held),
        claim(ClaimChange::Refused { why: text("AccessDeniedException") }),
        claim(ClaimChange::Removing),
        claim(ClaimChange::Removed),
        claim(ClaimChange::Left { why: text("AccessDeniedException"), remove: text("aws ecs untag-resource …") }),
        RecordBody::Asked { question: text("go on?"), stage: Some(stage()) },
        RecordBody::Asked { question: text("go on?"), stage: None },
        RecordBody::Answered { question: text("go on?"), answer: text("yes"), by: alice() },
        RecordBody::RequestRefused { request: text("approve"), by: alice(), why: text("nothing waits") },
        RecordBody::PauseAsked { by: alice(), how: text("Ctrl-C") },
        RecordBody::RunEnded { outcome: Outcome::RolledBack, why: text("rolled back") },
    ]
}

pub fn progress() -> Vec<Progress> {
    let text = |text: &str| text.to_owned();
    vec![
        Progress::Rollout {
            desired: 2,
            pending: 1,
            running: 1,
            failed: 0,
            old: 2,
            revision: text("api:8"),
            replaces: text("api:7"),
        },
        Progress::Countdown { left_s: 60, seen: text("2 of 2 targets healthy") },
        Progress::ServiceEvent { message: text("has started 1 tasks") },
        Progress::Targets { healthy: 1, total: 2, draining: 1 },
        Progress::Serving { serving: 1, desired: 2 },
        Progress::Instances { healthy: 1, total: 1 },
        Progress::Retry { operation: text("DescribeServices"), why: text("ThrottlingException"), after_s: 2 },
        Progress::Log { group: text("/ecs/api"), stream: text("api/1"), container: text("api"), lines: vec![text("secret")] },
        Progress::Note { message: text("looking") },
    ]
}

/// One of each kind, some in several forms.
pub fn every_event(plan: &Plan) -> Vec<Event> {
    let step = plan.steps().next().expect("a step").2.id.clone();
    let records = bodies(plan).into_iter().zip(1..).map(|(body, seq)| Event::Record(Record { seq, at: at(), body }));
    records.chain(progress().into_iter().map(|progress| Event::Progress { step: step.clone(), at: at(), progress })).collect()
}

/// The kinds by number: a new one does not compile until it is here, and is asked for until it is above.
pub fn kind(event: &Event) -> usize {
    match event {
        Event::Record(record) => match record.body {
            RecordBody::PlanAdopted { .. } => 0,
            RecordBody::SessionOpened { .. } => 1,
            RecordBody::TakenOver { .. } => 2,
            RecordBody::SessionClosed { .. } => 3,
            RecordBody::StepStarted { .. } => 4,
            RecordBody::StepSucceeded { .. } => 5,
            RecordBody::StepFailed { .. } => 6,
            RecordBody::StepInDoubt { .. } => 7,
            RecordBody::StepObserved { .. } => 8,
            RecordBody::StepLeft { .. } => 9,
            RecordBody::StepHeld { .. } => 10,
            RecordBody::StepApproved { .. } => 11,
            RecordBody::StepSkipped { .. } => 12,
            RecordBody::FindingAccepted { .. } => 13,
            RecordBody::HoldSet { .. } => 14,
            RecordBody::HoldCleared { .. } => 15,
            RecordBody::LanesNamed { .. } => 16,
            RecordBody::Claim { .. } => 17,
            RecordBody::PauseAsked { .. } => 18,
            RecordBody::RunEnded { .. } => 19,
            RecordBody::Asked { .. } => 28,
            RecordBody::Answered { .. } => 29,
            RecordBody::RequestRefused { .. } => 30,
        },
        Event::Progress { progress, .. } => match progress {
            Progress::Rollout { .. } => 20,
            Progress::ServiceEvent { .. } => 21,
            Progress::Targets { .. } => 22,
            Progress::Instances { .. } => 23,
            Progress::Retry { .. } => 24,
            Progress::Log { .. } => 25,
            Progress::Note { .. } => 26,
            Progress::Countdown { .. } => 27,
            Progress::Serving { .. } => 31,
        },
    }
}

/// How many there are.
pub const KINDS: usize = 32;

/// A run with a step in every sort of trouble, a claim and an end, and the process that holds it.
pub fn troubled(plan: &Plan) -> (RunView, Holder) {
    let of = |class| plan.steps().filter(move |(_, _, step)| step.class == class).map(|(_, _, step)| step.id.clone());
    let (mutations, verified): (Vec<StepId>, _) = (of(StepClass::Mutation).collect(), of(StepClass::Verify).next());
    let verified = verified.expect("a verification");
    let started = |step: &StepId| RecordBody::StepStarted { step: step.clone(), attempt: 1, intent: json!({}).into() };
    let bodies = vec![
        adopted(plan, Adoption::Start),
        RecordBody::SessionOpened { holder: holder(1) },
        RecordBody::HoldSet { stage: plan.stages[5].id.clone(), by: alice() },
        RecordBody::FindingAccepted { finding: "span-port-closed".to_owned(), by: alice() },
        RecordBody::Claim {
            service: "nexus-ai-api-staging".to_owned(),
            change: ClaimChange::Writing { since: at(), by: "alice@bastion".to_owned(), arn: "arn:aws:ecs:…".to_owned() },
        },
        RecordBody::Asked { question: "go on?".to_owned(), stage: None },
        started(&mutations[0]),
        RecordBody::StepFailed { step: mutations[0].clone(), failure: failure() },
        started(&verified),
        RecordBody::StepHeld { step: verified, result: "none".to_owned(), why: "no span".to_owned() },
        started(&mutations[1]),
        RecordBody::StepFailed { step: mutations[1].clone(), failure: failure() },
        RecordBody::StepSkipped { step: mutations[1].clone(), reason: "stays".to_owned(), by: None },
        RecordBody::RunEnded { outcome: Outcome::Abandoned, why: "given up".to_owned() },
    ];
    let records: Vec<Record> = bodies.into_iter().zip(1..).map(|(body, seq)| Record { seq, at: at(), body }).collect();
    (RunView::fold(&records).expect("records that may follow one another"), holder(1))
}
