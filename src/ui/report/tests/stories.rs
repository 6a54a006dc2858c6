//! What a report says of runs that went one way or another.

use std::collections::BTreeSet;

use serde_json::json;

use crate::model::{
    Actor, Adoption, CallNote, Change, Direction, Disposition, Extent, Failure, FailureKind, Holder, Outcome, RecordBody, Verdict,
};
use crate::ui::fixtures::{self, Story, holder, id};
use crate::ui::report::value::{EntryKind, Fate, Report, SessionEnd, Standing};

fn bob() -> Actor {
    Actor { user: "bob".to_owned(), host: "laptop".to_owned(), identity: Some("arn:aws:iam::111122223333:user/bob".to_owned()) }
}

/// The report of a story, while nobody holds the run.
pub(super) fn told(story: &Story) -> Report {
    super::super::report(&story.records(), None, &[]).expect("a journal")
}

/// JSON for a snapshot.
pub(super) fn pretty(value: &serde_json::Value) -> String {
    serde_json::to_string_pretty(value).expect("JSON")
}

fn left(calls: &[(&str, u64)]) -> RecordBody {
    let calls = calls.iter().map(|(action, times)| ((*action).to_owned(), *times)).collect();
    RecordBody::SessionClosed { why: "done".to_owned(), calls }
}

/// A whole migration.
pub(super) fn done() -> Story {
    let mut plan = fixtures::plan();
    plan.findings = fixtures::findings();
    let mut story = Story::of(plan);
    story.then(0, RecordBody::FindingAccepted { finding: "span-port-closed".to_owned(), by: fixtures::alice() });
    story.through(6);
    story.then(0, fixtures::ended(Outcome::Done, "all stages are done"));
    story.then(0, left(&[("ecs:DescribeServices", 61), ("ecs:UpdateService", 3)]));
    story
}

/// Stopped on a rollout, amended and taken up by another, killed in the middle of a change, found done and finished.
pub(super) fn eventful() -> Story {
    let mut story = Story::of(fixtures::plan());
    let plan = fixtures::plan();
    story.through(2);
    story.does(1, &id(&plan, 3, 0, "create"));
    let rollout = id(&plan, 3, 0, "rollout");
    story.then(0, fixtures::started(&rollout, 1));
    story.then(90, RecordBody::StepFailed { step: rollout, failure: fixtures::rollout_failure() });
    story.then(0, left(&[("ecs:DescribeServices", 30)]));

    story.then(600, RecordBody::SessionOpened { holder: Holder { actor: bob(), pid: 99, fence: 2 } });
    let changes = vec![r#"image: "a:1" → "a:2""#.to_owned()];
    let why = Adoption::Amendment { changes };
    let mut amended = fixtures::plan();
    amended.runbook_digest = "1".repeat(64);
    // A step that does something else begins anew.
    amended.stages[2].waves[0].lanes[0].steps[0].params = json!({ "service": fixtures::JAEGER }).into();
    story.then(0, RecordBody::PlanAdopted { plan: Box::new(amended), why, by: bob() });
    story.through_stage(&plan, 3);
    let create = id(&plan, 4, 0, "create");
    story.then(0, fixtures::started(&create, 1));

    // Nothing was heard of bob any more.
    story.then(1800, RecordBody::SessionOpened { holder: holder(3) });
    story.then(1, fixtures::observed(&create, Verdict::Done { output: json!({ "serviceId": "srv-1" }) }));
    story.does(1, &id(&plan, 4, 0, "attach"));
    story.does(82, &id(&plan, 4, 0, "instance"));
    story.then(0, left(&[("ecs:DescribeServices", 12)]));
    story
}

#[test]
fn a_run_that_is_done() {
    let report = told(&done());
    assert_eq!((report.status.as_str(), report.outcome.as_str()), ("done", "6 of 6 stages done: all stages are done"));
    let [passage] = report.passages.as_slice() else { panic!("one way") };
    let service = &passage.stages[2];
    assert_eq!(
        (service.state.as_str(), service.at_work.0.as_secs(), service.predicted.map(|took| took.0.as_secs())),
        ("done", 165, Some(100))
    );
    assert!(
        report.resources.iter().all(|row| matches!(row.now, Standing::AsPlanned | Standing::AsItWas)),
        "{:?}",
        report.resources
    );
    assert!(report.changes.iter().all(|change| change.fate == Fate::Stands));
    let calls = (report.calls.total, report.calls.predicted, report.calls.uncounted_sessions);
    assert_eq!(calls, (64, 198, 0));
    let accepted: Vec<&str> =
        report.findings.iter().filter(|row| row.accepted.is_some()).map(|row| row.finding.id.as_str()).collect();
    assert_eq!((accepted, report.findings.len()), (vec!["span-port-closed"], 3));
    assert_eq!(report.times.unattended.0.as_secs(), 0);
}

#[test]
fn an_eventful_one_tells_who_when_and_what_was_cut_off() {
    let report = told(&eventful());
    assert_eq!(report.status, "paused");
    let ends: Vec<&SessionEnd> = report.sessions.iter().map(|session| &session.end).collect();
    assert!(matches!(ends.as_slice(), [SessionEnd::Left(_), SessionEnd::Crashed, SessionEnd::Left(_)]), "{ends:?}");
    assert_eq!((report.calls.total, report.calls.uncounted_sessions), (42, 1), "a process that was killed told nothing");
    let of = |kind: EntryKind| -> Vec<&str> {
        report.timeline.iter().filter(|entry| entry.kind == kind).map(|entry| entry.what.as_str()).collect()
    };
    assert_eq!(of(EntryKind::Crash), ["bob@laptop (pid 99) ended without leaving in order"]);
    assert_eq!(of(EntryKind::CutOff), ["create Cloud Map service jaeger.nexus-ai.local"]);
    assert_eq!(of(EntryKind::Failed), ["wait for the rollout of nexus-ai-jaeger-staging"]);
    assert_eq!(of(EntryKind::LookedAt), ["create Cloud Map service jaeger.nexus-ai.local: looked at in AWS: its effect is there"]);
    let taken = of(EntryKind::TakenUp);
    assert_eq!(
        taken[1..],
        ["bob@laptop (pid 99) took the run up, after 10m 00s", "alice@bastion (pid 4711) took the run up, after 30m 00s"]
    );
    let found = report.changes.iter().find(|change| change.step.as_str().contains("jaeger.nexus-ai.local/create")).expect("it");
    assert_eq!((found.fate, found.why.as_str()), (Fate::Stands, "no answer arrived; its effect was found"));
    assert_eq!(report.times.unattended.0.as_secs(), 2400, "ten minutes after the failure, thirty after the crash");
    assert_eq!(report.plans.iter().map(|plan| plan.epoch).collect::<Vec<_>>(), [1, 2]);
    assert_eq!(report.passages.len(), 1, "an amendment goes on the same way");
    // The time in which nobody worked is no work: 1 and 90 s before the failure, 165 after it.
    assert_eq!(report.passages[0].stages[2].at_work.0.as_secs(), 1 + 90 + 165);
    assert!(report.timeline.is_sorted_by_key(|entry| entry.at), "in the order in which it began");
}

#[test]
fn what_an_earlier_plan_did_is_told_where_the_amended_one_finds_it_done() {
    let mut story = Story::of(fixtures::plan());
    story.through(2);
    let mut amended = fixtures::plan();
    amended.stages[0].waves.clear();
    for resource in &mut amended.stages[0].resources {
        resource.disposition = Disposition::AlreadySo;
        resource.changes.clear();
    }
    let image = &mut amended.stages[1].resources[0];
    image.disposition = Disposition::Update;
    image.changes =
        vec![Change { path: "containerDefinitions[jaeger].image".to_owned(), from: Some(json!("a:1")), to: Some(json!("a:2")) }];
    let why = Adoption::Amendment { changes: Vec::new() };
    story.then(9, RecordBody::PlanAdopted { plan: Box::new(amended), why, by: bob() });
    let report = told(&story);
    let stage = &report.passages[0].stages[0];
    assert_eq!((stage.state.as_str(), stage.at_work.0.as_secs()), ("done", 2));
    let (group, definition) = (&report.resources[0], &report.resources[1]);
    assert_eq!((group.disposition, group.now, group.changes.len()), (Disposition::Create, Standing::AsPlanned, 2));
    let image = definition.changes.iter().find(|change| change.path.ends_with("image")).expect("it");
    assert_eq!((definition.disposition, &image.from, &image.to), (Disposition::Create, &None, &Some(json!("a:2"))));
}

#[test]
fn a_run_that_went_back_has_two_ways_and_what_was_made_is_undone() {
    let mut story = Story::of(fixtures::plan());
    story.through(5);
    let update = story.view().mutations.iter().find(|made| made.step.id.as_str().ends_with("staging/update")).map(|made| made.seq);
    let mut back = fixtures::back_plan();
    let steps = &mut back.stages[0].waves[0].lanes[0].steps;
    steps[1].params = json!({ "undoOf": update, "undoes": [update] }).into();
    let why = Adoption::Rollback(Extent::default());
    story.then(5, RecordBody::PlanAdopted { plan: Box::new(back), why, by: fixtures::alice() });
    story.through(1);
    story.then(0, fixtures::ended(Outcome::RolledBack, "rolled back to the start"));
    let report = told(&story);
    assert_eq!((report.status.as_str(), report.outcome.as_str()), ("rolled-back", "1 of 1 stage undone: rolled back to the start"));
    let ways: Vec<(Direction, usize)> = report.passages.iter().map(|passage| (passage.direction, passage.stages.len())).collect();
    assert_eq!(ways, [(Direction::Forward, 6), (Direction::Back, 1)]);
    assert_eq!(report.passages[0].stages[4].state, "done", "as it stood when the run turned back");
    assert_eq!(report.passages[1].stages[0].state, "undone");
    let fate = |seq| report.changes.iter().find(|change| Some(change.seq) == seq).map(|change| change.fate);
    assert_eq!(fate(update), Some(Fate::Undone));
    assert_eq!(report.changes.last().map(|change| change.fate), Some(Fate::Undid));
    let api: Vec<Standing> = report.resources.iter().filter(|row| row.name == fixtures::API).map(|row| row.now).collect();
    assert_eq!(api, [Standing::InPart, Standing::NotReached], "the revision that was registered stands");
}

#[test]
fn what_a_change_replaced_is_told_with_aws_names() {
    let mut plan = fixtures::plan();
    let lane = &mut plan.stages[4].waves[0].lanes[0];
    lane.steps[1].params = json!({ "service": fixtures::API, "secret": "mark-of-a-secret" }).into();
    let update = lane.steps[1].id.clone();
    let mut story = Story::of(plan);
    story.through(4);
    story.does(1, &id(&fixtures::plan(), 5, 0, "register"));
    let arn = |number: u32| format!("arn:aws:ecs:us-west-2:111122223333:task-definition/{}:{number}", fixtures::API);
    let group = "arn:aws:elasticloadbalancing:us-west-2:111122223333:targetgroup/tg/0123456789abcdef";
    let entry = json!([{ "containerName": "jaeger", "containerPort": 16686, "targetGroupArn": group }]);
    let intent = json!({ "mode": "update", "replaced": { "taskDefinition": arn(2), "loadBalancers": entry, "desiredCount": 2 } });
    story.then(0, RecordBody::StepStarted { step: update.clone(), attempt: 1, intent: intent.into() });
    let output = json!({ "deployment": "ecs-svc/42", "set": { "taskDefinition": arn(3), "loadBalancers": [], "desiredCount": 2 } });
    let call = Some(CallNote { operation: "UpdateService".to_owned(), request_id: Some("req-1".to_owned()) });
    story.then(1, RecordBody::StepSucceeded { step: update, output: output.into(), call });
    let report = told(&story);
    let change = report.changes.last().expect("a change");
    insta::assert_snapshot!(pretty(&json!(json!([change.effects, change.identifiers, change.operation, change.request_id]))), @r#"
    [
      [
        {
          "after": "none",
          "before": "jaeger:16686 in targetgroup/tg/0123456789abcdef",
          "of": "loadBalancers of service nexus-ai-api-staging"
        },
        {
          "after": "nexus-ai-api-staging:3",
          "before": "nexus-ai-api-staging:2",
          "of": "taskDefinition of service nexus-ai-api-staging"
        }
      ],
      [
        {
          "id": "ecs-svc/42",
          "of": "deployment"
        }
      ],
      "UpdateService",
      "req-1"
    ]
    "#);
    let written = [super::super::markdown(&report), super::super::html(&report), super::super::json(&report).to_string()];
    assert!(written.iter().all(|text| !text.contains("mark-of-a-secret")), "parameters of steps are in no form");
}

#[test]
fn refused_doubted_and_already_so_are_told_apart() {
    let plan = fixtures::plan();
    let mut story = Story::of(plan.clone());
    let (create, retention) = (id(&plan, 1, 0, "create"), id(&plan, 1, 0, "retention"));
    story.then(0, RecordBody::StepStarted { step: create.clone(), attempt: 1, intent: json!({ "already": true }).into() });
    story.then(0, RecordBody::StepSucceeded { step: create, output: json!({ "found": "already there" }).into(), call: None });
    story.then(0, fixtures::started(&retention, 1));
    let failure = Failure {
        kind: FailureKind::Rejected,
        message: "PutRetentionPolicy was refused".to_owned(),
        causes: vec!["AccessDeniedException".to_owned()],
        code: None,
        request_id: Some("req-9".to_owned()),
    };
    story.then(1, RecordBody::StepFailed { step: retention.clone(), failure: failure.clone() });
    story.then(9, fixtures::started(&retention, 2));
    story.then(1, RecordBody::StepInDoubt { step: retention, failure });
    let report = told(&story);
    let fates: Vec<(Fate, &str)> = report.changes.iter().map(|change| (change.fate, change.why.as_str())).collect();
    let refused = "PutRetentionPolicy was refused: AccessDeniedException";
    assert_eq!(fates, [(Fate::AlreadySo, "already there"), (Fate::NoEffect, refused), (Fate::Unknown, refused)]);
    assert_eq!(report.changes[1].request_id.as_deref(), Some("req-9"));
}

#[test]
fn a_live_run_has_not_crashed_and_one_without_a_process_has() {
    let mut story = Story::of(fixtures::plan());
    story.through(2);
    story.then(0, fixtures::started(&id(&fixtures::plan(), 3, 0, "create"), 1));
    let live = super::super::report(&story.records(), Some(&holder(1)), &[]).expect("a journal");
    assert_eq!((live.status.as_str(), &live.sessions[0].end), ("running", &SessionEnd::Holds));
    assert!(live.timeline.iter().any(|entry| entry.kind == EntryKind::UnderWay));
    assert!(live.remains.next[0].contains("sidestep pause r7k2"), "{:?}", live.remains.next);
    let dead = told(&story);
    assert_eq!((dead.status.as_str(), &dead.sessions[0].end), ("interrupted", &SessionEnd::Crashed));
    assert_eq!(dead.timeline.last().map(|entry| entry.kind), Some(EntryKind::Crash));
    assert!(dead.timeline.iter().any(|entry| entry.kind == EntryKind::CutOff));
}

#[test]
fn lanes_that_run_side_by_side_are_not_counted_twice() {
    let plan = fixtures::plan_with_lanes();
    let mut story = Story::of(plan.clone());
    story.then(0, RecordBody::LanesNamed { lanes: BTreeSet::from([fixtures::API.to_owned()]), by: bob() });
    story.through(4);
    let (one, other) = (id(&plan, 5, 0, "register"), {
        let lane = &plan.stages[4].waves[0].lanes[1];
        lane.steps[0].id.clone()
    });
    story.then(0, fixtures::started(&one, 1));
    story.then(2, fixtures::started(&other, 1));
    story.then(3, fixtures::succeeded(&one));
    story.then(5, fixtures::succeeded(&other));
    let report = told(&story);
    let stage = &report.passages[0].stages[4];
    assert_eq!(stage.at_work.0.as_secs(), 10, "5 s and 8 s, of which 3 s together");
    let lanes: Vec<(usize, usize, i64)> =
        stage.lanes.iter().map(|lane| (lane.done, lane.steps, lane.at_work.0.as_secs())).collect();
    assert_eq!(lanes, [(1, 4, 5), (1, 4, 8)]);
    let in_lane = report.timeline.iter().filter(|entry| entry.among_several).count();
    assert_eq!(in_lane, 2, "a lane is named where there are several");
    assert!(report.decisions.iter().any(|decision| decision.what.contains("only the lanes of") && decision.by == bob()));
}

#[test]
fn a_take_over_and_an_abandoned_run_keep_their_reasons() {
    let mut story = Story::of(fixtures::plan());
    story.through(1);
    let taker = Holder { actor: bob(), pid: 7, fence: 2 };
    story.then(60, RecordBody::TakenOver { from: holder(1), by: taker.clone(), reason: "the laptop sleeps".to_owned() });
    story.then(30, RecordBody::SessionOpened { holder: taker });
    story.then(0, fixtures::ended(Outcome::Abandoned, "done by hand (by bob@laptop)"));
    story.then(0, fixtures::left("abandoned"));
    let report = told(&story);
    assert_eq!((report.status.as_str(), &report.sessions[0].end), ("abandoned", &SessionEnd::TakenOver));
    let taken = report.decisions.iter().find(|decision| decision.what.starts_with("took the run over")).expect("it");
    assert_eq!((taken.comment.as_str(), &taken.by), ("the laptop sleeps", &bob()));
    assert!(!report.timeline.iter().any(|entry| entry.kind == EntryKind::Crash), "it did not crash, it was taken from it");
}
