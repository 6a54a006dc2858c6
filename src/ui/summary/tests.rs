use serde_json::json;

use super::*;
use crate::model::{Adoption, Outcome, RecordBody};
use crate::ui::fixtures::{self, Story, id};

fn shown(story: &Story) -> String {
    render(&story.view(), &Style::plain())
}

#[test]
fn all_done() {
    let mut plan = fixtures::plan();
    plan.stages[3].waves.clear();
    let mut story = Story::of(plan);
    story.through(6);
    story.then(0, fixtures::ended(Outcome::Done, ""));
    insta::assert_snapshot!(shown(&story), @r#"
    Summary of run r7k2: 6 of 6 stages done in 7m 10s
      ✓ 1/6 create-log-group          done  (2s)
      ✓ 2/6 register-task-definition  done  (1s)
      ✓ 3/6 create-service            done  (2m 45s)
      · 4/6 register-dns              nothing to do
      ✓ 5/6 retarget-api-env          done  (1m 36s)
      ✓ 6/6 strip-sidecar             done  (2m 46s)
    "#);
}

#[test]
fn stopped_says_why_the_rest_was_not_run() {
    let plan = fixtures::plan();
    let mut story = Story::of(plan.clone());
    story.through(3);
    story.does(1, &id(&plan, 4, 0, "create"));
    let attach = id(&plan, 4, 0, "attach");
    story.then(0, fixtures::started(&attach, 1));
    story.then(2, RecordBody::StepFailed { step: attach, failure: fixtures::rollout_failure() });
    insta::assert_snapshot!(shown(&story), @r#"
    Summary of run r7k2: 3 of 6 stages done in 2m 51s
      ✓ 1/6 create-log-group          done  (2s)
      ✓ 2/6 register-task-definition  done  (1s)
      ✓ 3/6 create-service            done  (2m 45s)
      ✗ 4/6 register-dns              not done: `attach it to nexus-ai-jaeger-staging` stopped: the
            rollout of `nexus-ai-api-staging` failed
      · 5/6 retarget-api-env          not run: register-dns is not done
      · 6/6 strip-sidecar             not run: retarget-api-env is not done
    "#);
}

#[test]
fn it_fits_narrow_terminals() {
    let plan = fixtures::plan();
    let mut story = Story::of(plan.clone());
    story.through(3);
    let create = id(&plan, 4, 0, "create");
    story.then(0, fixtures::started(&create, 1));
    story.then(2, RecordBody::StepFailed { step: create, failure: fixtures::rollout_failure() });
    for width in [60, 80, 120] {
        let style = Style { width, ..Style::plain() };
        fixtures::assert_fits(&render(&story.view(), &style), width);
        fixtures::assert_fits(&rehearsal(&calls(), SignedDuration::from_secs(1), &spans(), &style), width);
    }
}

#[test]
fn paused_during_a_wait() {
    let plan = fixtures::plan();
    let mut story = Story::of(plan.clone());
    story.through(2);
    story.does(1, &id(&plan, 3, 0, "create"));
    let rollout = id(&plan, 3, 0, "rollout");
    story.then(0, fixtures::started(&rollout, 1));
    story.then(2, RecordBody::StepLeft { step: rollout });
    insta::assert_snapshot!(shown(&story).lines().nth(3).unwrap_or_default(), @"  ▸ 3/6 create-service            not done: the run was paused during `wait for the rollout of");
}

#[test]
fn stopped_before_a_stage_as_asked() {
    let plan = fixtures::plan();
    let mut story = Story::of(plan.clone());
    story.then(0, RecordBody::HoldSet { stage: plan.stages[4].id.clone(), by: fixtures::alice() });
    story.through(4);
    insta::assert_snapshot!(shown(&story).lines().skip(5).collect::<Vec<_>>().join("\n"), @r#"
    · 5/6 retarget-api-env          not run: the run was to stop before retarget-api-env
    · 6/6 strip-sidecar             not run: retarget-api-env is not done
    "#);
}

#[test]
fn paused_at_the_question_before_a_stage() {
    let mut story = Story::of(fixtures::plan());
    story.through(5);
    insta::assert_snapshot!(shown(&story).lines().last().unwrap_or_default(), @"  · 6/6 strip-sidecar             not run: it is confirmed first, and was not");
}

#[test]
fn abandoned() {
    let mut story = Story::of(fixtures::plan());
    story.through(5);
    story.then(0, fixtures::ended(Outcome::Abandoned, "done by hand"));
    insta::assert_snapshot!(shown(&story).lines().last().unwrap_or_default(), @"  · 6/6 strip-sidecar             not run: the run was abandoned");
}

#[test]
fn a_rollback_counts_what_is_undone() {
    let mut story = Story::of(fixtures::plan());
    story.through(5);
    let why = Adoption::Rollback(crate::model::Extent::default());
    story.then(5, RecordBody::PlanAdopted { plan: Box::new(fixtures::back_plan()), why, by: fixtures::alice() });
    story.through(1);
    story.then(0, fixtures::ended(Outcome::RolledBack, ""));
    insta::assert_snapshot!(shown(&story), @r#"
    Summary of run r7k2: 1 of 1 stage undone in 1m 23s
      ✓ 1/1 retarget-api-env  undone  (1m 23s)
    "#);
}

fn calls() -> BTreeMap<String, u64> {
    let calls = [
        ("DescribeServices", 61),
        ("RegisterTaskDefinition", 3),
        ("CreateService", 1),
        ("CreateLogGroup", 1),
        ("UpdateService", 3),
    ];
    calls.into_iter().map(|(name, n)| (name.to_owned(), n)).collect()
}

fn spans() -> Vec<SpanRow> {
    SpanRow::read(&json!({ "labels": [
        { "label": "start", "sent": 0, "arrived": 0, "retained": 0, "lost": {} },
        { "label": "retarget-api-env", "sent": 412, "arrived": 380, "retained": 380,
          "lost": { "name-does-not-resolve": 30, "odd": 2, "no-receiver": 0 }, "later": true },
        { "label": "strip-sidecar", "sent": 300, "arrived": 300, "retained": 300, "lost": {} },
        "not a row",
    ]}))
}

#[test]
fn a_rehearsal_adds_calls_time_and_spans() {
    let virtual_time = SignedDuration::from_secs(1234);
    insta::assert_snapshot!(rehearsal(&calls(), virtual_time, &spans(), &Style::plain()), @r#"
    Rehearsed on simulated AWS: 69 calls in 20m 34s of virtual time

    AWS calls
      DescribeServices        61  CreateLogGroup  1
      RegisterTaskDefinition   3  CreateService   1
      UpdateService            3

    Spans
      stage             sent  arrived  retained  lost
      start                0        0         0     0
      retarget-api-env   412      380       380    32
      strip-sidecar      300      300       300     0
      total              712      680       680    32
      30 lost during retarget-api-env: the name does not resolve
      2 lost during retarget-api-env: odd
    "#);
}

#[test]
fn narrow_tables_have_one_column() {
    let style = Style { width: 60, ..Style::plain() };
    insta::assert_snapshot!(calls_table(&calls(), &style), @r#"
    DescribeServices        61
    RegisterTaskDefinition   3
    UpdateService            3
    CreateLogGroup           1
    CreateService            1
    "#);
    assert!(spans_table(&spans(), &style).lines().all(|line| line.len() <= 60));
}

#[test]
fn nothing_known_is_no_table() {
    let none = rehearsal(&BTreeMap::new(), SignedDuration::ZERO, &SpanRow::read(&json!(null)), &Style::plain());
    assert_eq!(none, "Rehearsed on simulated AWS: 0 calls in 0s of virtual time");
}
