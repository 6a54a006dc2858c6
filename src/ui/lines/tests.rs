use super::*;
use crate::model::{Adoption, ClaimChange, Outcome, Verdict};
use crate::ui::fixtures::{self, Story, id};

/// Everything a printer says about a story told from its beginning.
fn told(story: &Story, mut printer: LinePrinter) -> String {
    let lines: Vec<String> = story.told().iter().flat_map(|(view, event)| printer.event(view, event)).collect();
    lines.join("\n")
}

fn rehearsal() -> LinePrinter {
    LinePrinter::for_rehearsal(Style::plain())
}

#[test]
fn a_migration_from_start_to_end() {
    let mut story = Story::of(fixtures::plan());
    story.through(6);
    story.then(0, fixtures::ended(Outcome::Done, ""));
    insta::assert_snapshot!(told(&story, rehearsal()), @r#"
    run r7k2 jaeger-sidecar-to-shared: 6 stages, 17 steps, started by alice@bastion
    stage 1/6 create-log-group
      ✓ create log group /ecs/nexus-ai-jaeger-staging  (1s)
      ✓ keep its logs for 7 days  (1s)
    stage 2/6 register-task-definition
      ✓ register nexus-ai-jaeger-staging  (1s)
    stage 3/6 create-service
      ✓ create service nexus-ai-jaeger-staging  (1s)
      ✓ wait for the rollout of nexus-ai-jaeger-staging  (1m 22s)
      ✓ wait until its task is healthy in nexus-ai-jaeger-tg-staging  (1m 22s)
    stage 4/6 register-dns
      ✓ create Cloud Map service jaeger.nexus-ai.local  (1s)
      ✓ attach it to nexus-ai-jaeger-staging  (1s)
      ✓ wait for a healthy instance  (1m 22s)
    stage 5/6 retarget-api-env
      ✓ register nexus-ai-api-staging with the new endpoint  (1s)
      ✓ point nexus-ai-api-staging at the new revision  (1s)
      ✓ wait for the rollout of nexus-ai-api-staging  (1m 22s)
      ✓ check that spans arrive  (12s)
    stage 6/6 strip-sidecar
      ✓ register nexus-ai-api-staging without the sidecar  (1s)
      ✓ point nexus-ai-api-staging at the new revision  (1s)
      ✓ wait for the rollout of nexus-ai-api-staging  (1m 22s)
      ✓ wait until no sidecar is a target any more  (1m 22s)
    run r7k2 done  (8m 34s)
    "#);
}

#[test]
fn a_log_also_has_the_start_of_each_wait() {
    let mut story = Story::of(fixtures::plan());
    story.through(3);
    insta::assert_snapshot!(told(&story, LinePrinter::new(Style::plain())), @r#"
    run r7k2 jaeger-sidecar-to-shared: 6 stages, 17 steps, started by alice@bastion
    stage 1/6 create-log-group
      ✓ create log group /ecs/nexus-ai-jaeger-staging  (1s)
      ✓ keep its logs for 7 days  (1s)
    stage 2/6 register-task-definition
      ✓ register nexus-ai-jaeger-staging  (1s)
    stage 3/6 create-service
      ✓ create service nexus-ai-jaeger-staging  (1s)
      · wait for the rollout of nexus-ai-jaeger-staging
      ✓ wait for the rollout of nexus-ai-jaeger-staging  (1m 22s)
      · wait until its task is healthy in nexus-ai-jaeger-tg-staging
      ✓ wait until its task is healthy in nexus-ai-jaeger-tg-staging  (1m 22s)
    "#);
}

#[test]
fn stages_with_nothing_to_do_are_passed_in_their_place() {
    let mut plan = fixtures::plan();
    for at in [0, 1, 3, 5] {
        plan.stages[at].waves.clear();
    }
    let mut story = Story::of(plan);
    story.through(6);
    story.then(0, fixtures::ended(Outcome::Done, ""));
    insta::assert_snapshot!(told(&story, rehearsal()), @r#"
    run r7k2 jaeger-sidecar-to-shared: 6 stages, 7 steps, started by alice@bastion
    stage 1/6 create-log-group: nothing to do
    stage 2/6 register-task-definition: nothing to do
    stage 3/6 create-service
      ✓ create service nexus-ai-jaeger-staging  (1s)
      ✓ wait for the rollout of nexus-ai-jaeger-staging  (1m 22s)
      ✓ wait until its task is healthy in nexus-ai-jaeger-tg-staging  (1m 22s)
    stage 4/6 register-dns: nothing to do
    stage 5/6 retarget-api-env
      ✓ register nexus-ai-api-staging with the new endpoint  (1s)
      ✓ point nexus-ai-api-staging at the new revision  (1s)
      ✓ wait for the rollout of nexus-ai-api-staging  (1m 22s)
      ✓ check that spans arrive  (12s)
    stage 6/6 strip-sidecar: nothing to do
    run r7k2 done  (4m 21s)
    "#);
}

#[test]
fn lanes_name_their_target() {
    let plan = fixtures::plan_with_lanes();
    let mut story = Story::of(plan.clone());
    story.through(4);
    story.then(0, fixtures::started(&id(&plan, 5, 0, "register"), 1));
    story.then(0, fixtures::started(&id(&plan, 5, 1, "register"), 1));
    story.then(1, fixtures::succeeded(&id(&plan, 5, 1, "register")));
    story.then(1, fixtures::succeeded(&id(&plan, 5, 0, "register")));
    for name in ["update", "rollout", "spans"] {
        story.does(1, &id(&plan, 5, 1, name));
    }
    let shown = told(&story, rehearsal());
    let last: Vec<&str> = shown.lines().rev().take(6).collect();
    insta::assert_snapshot!(last.join("\n"), @r#"
      ✓ [nexus-ai-worker-staging] check that spans arrive  (1s)
      ✓ wait for the rollout of nexus-ai-worker-staging  (1s)
      ✓ point nexus-ai-worker-staging at the new revision  (1s)
      ✓ register nexus-ai-api-staging with the new endpoint  (2s)
      ✓ register nexus-ai-worker-staging with the new endpoint  (1s)
    stage 5/6 retarget-api-env
    "#);
}

#[test]
fn doubt_failure_retry_and_drift() {
    let plan = fixtures::plan();
    let mut story = Story::of(plan.clone());
    story.through(4);
    let register = id(&plan, 5, 0, "register");
    let update = id(&plan, 5, 0, "update");
    let rollout = id(&plan, 5, 0, "rollout");
    let refused = crate::model::Failure {
        kind: crate::model::FailureKind::Unreachable,
        message: "no answer within 15 s".to_owned(),
        causes: vec![],
        code: Some("TimeoutError".to_owned()),
        request_id: None,
    };
    story.then(0, fixtures::started(&register, 1));
    story.then(15, RecordBody::StepInDoubt { step: register.clone(), failure: refused });
    story.then(3, fixtures::observed(&register, Verdict::NotDone { why: "no such revision after 20 s".to_owned() }));
    story.then(0, fixtures::started(&register, 2));
    story.then(1, fixtures::succeeded(&register));
    story.does(1, &update);
    story.then(0, fixtures::started(&rollout, 1));
    story.then(300, RecordBody::StepFailed { step: rollout.clone(), failure: fixtures::rollout_failure() });
    story.then(60, fixtures::left("stopped on a failure"));
    story.then(600, RecordBody::SessionOpened { holder: fixtures::holder(2) });
    let reason = "her laptop\u{1b}[2J sleeps".to_owned();
    story.then(600, RecordBody::TakenOver { from: fixtures::holder(2), by: fixtures::holder(3), reason });
    story.then(36, RecordBody::SessionOpened { holder: fixtures::holder(3) });
    let back = Verdict::TakenBack { why: "the circuit breaker rolled deployment ecs-svc/0412 back".to_owned() };
    story.then(1, fixtures::observed(&update, back));
    story.then(1, fixtures::started(&update, 2));
    story.then(1, fixtures::succeeded(&update));
    let differences = vec![
        "planned from: revision 2".to_owned(),
        "planned to:   revision 3".to_owned(),
        "found:        revision 9, registered by another".to_owned(),
    ];
    story.then(1, fixtures::observed(&update, Verdict::Diverged { differences }));
    let shown = told(&story, LinePrinter::new(Style { width: 80, ..Style::plain() }));
    let from = shown.find("stage 5/6").expect("stage 5");
    insta::assert_snapshot!(&shown[from..], @r#"
    stage 5/6 retarget-api-env
      ? register nexus-ai-api-staging with the new endpoint: the outcome is not
          known, looking at AWS (no answer within 15 s (TimeoutError)) (15s)
      ↻ register nexus-ai-api-staging with the new endpoint: found not done: no such
          revision after 20 s
      ↻ register nexus-ai-api-staging with the new endpoint: attempt 2
      ✓ register nexus-ai-api-staging with the new endpoint  (1s)
      ✓ point nexus-ai-api-staging at the new revision  (1s)
      · wait for the rollout of nexus-ai-api-staging
      ✗ wait for the rollout of nexus-ai-api-staging: the rollout of
          `nexus-ai-api-staging` failed (5m 00s)
    left: stopped on a failure
    taken up by alice@bastion (pid 4711)
    taken over by alice@bastion (pid 4711) from alice@bastion (pid 4711): her
      laptop[2J sleeps
    taken up by alice@bastion (pid 4711)
      ↻ point nexus-ai-api-staging at the new revision: was done, found taken back:
          the circuit breaker rolled deployment ecs-svc/0412 back
      ↻ point nexus-ai-api-staging at the new revision: attempt 2
      ✓ point nexus-ai-api-staging at the new revision  (1s)
      ✗ point nexus-ai-api-staging at the new revision: something else is there
          planned from: revision 2
          planned to: revision 3
          found: revision 9, registered by another
    "#);
}

#[test]
fn people_are_named() {
    let plan = fixtures::plan();
    let by = fixtures::alice;
    let mut story = Story::of(plan.clone());
    story.then(0, RecordBody::FindingAccepted { finding: "span-port-closed".to_owned(), by: by() });
    let strip = plan.stages[5].id.clone();
    story.then(1, RecordBody::HoldSet { stage: strip.clone(), by: by() });
    story.through(4);
    for name in ["register", "update", "rollout"] {
        story.does(5, &id(&plan, 5, 0, name));
    }
    let spans = id(&plan, 5, 0, "spans");
    story.then(0, fixtures::started(&spans, 1));
    let why = "no span reached Jaeger within 2 minutes".to_owned();
    story.then(120, RecordBody::StepHeld { step: spans.clone(), result: "none".to_owned(), why });
    story.then(60, RecordBody::StepApproved { step: spans, by: by(), comment: "night, no traffic".to_owned() });
    story.then(1, RecordBody::HoldCleared { stage: strip, by: by() });
    let rollout = id(&plan, 6, 0, "rollout");
    story.does(1, &id(&plan, 6, 0, "register"));
    story.does(1, &id(&plan, 6, 0, "update"));
    story.then(0, fixtures::started(&rollout, 1));
    story.then(20, RecordBody::PauseAsked { by: by(), how: "Ctrl-C".to_owned() });
    story.then(0, RecordBody::StepLeft { step: rollout });
    story.then(0, fixtures::left("paused"));
    let shown = told(&story, rehearsal());
    let said: Vec<&str> =
        shown.lines().filter(|line| line.contains("alice") || line.contains("left") || line.contains("held")).collect();
    insta::assert_snapshot!(said.join("\n"), @r#"
    run r7k2 jaeger-sidecar-to-shared: 6 stages, 17 steps, started by alice@bastion
    finding span-port-closed accepted by alice@bastion
    will stop before stage 6/6 strip-sidecar, as alice@bastion asked
      ‖ check that spans arrive: held, a person must decide: no span reached Jaeger within 2 minutes
      ✓ check that spans arrive: approved by alice@bastion: night, no traffic
    alice@bastion lets it go on to stage 6/6 strip-sidecar
    pause asked for by alice@bastion (Ctrl-C): no further step starts
      ‖ wait for the rollout of nexus-ai-api-staging: left, to be taken up again  (20s)
    left: paused
    "#);
}

#[test]
fn a_rollback_has_its_own_headings_and_end() {
    let mut story = Story::of(fixtures::plan());
    story.through(5);
    let why = Adoption::Rollback(crate::model::Extent::default());
    story.then(5, RecordBody::PlanAdopted { plan: Box::new(fixtures::back_plan()), why, by: fixtures::alice() });
    story.through(1);
    story.then(0, fixtures::ended(Outcome::RolledBack, ""));
    let shown = told(&story, rehearsal());
    let from = shown.find("rolling back").expect("the rollback");
    insta::assert_snapshot!(&shown[from..], @r#"
    rolling back to the start, as alice@bastion asked: 1 stage, 2 steps
    undo 1/1 retarget-api-env
      ✓ point nexus-ai-api-staging back at revision 2  (1s)
      ✓ wait for the rollout of nexus-ai-api-staging  (1m 22s)
    run r7k2 rolled back  (7m 16s)
    "#);
}

#[test]
fn lanes_are_named_when_they_run_or_go_back_alone() {
    let mut story = Story::of(fixtures::plan());
    let lanes: std::collections::BTreeSet<String> = ["nexus-ai-api-staging".to_owned()].into();
    story.then(5, RecordBody::LanesNamed { lanes: lanes.clone(), by: fixtures::alice() });
    story.through(5);
    let why = Adoption::Rollback(crate::model::Extent { to: None, lanes });
    story.then(5, RecordBody::PlanAdopted { plan: Box::new(fixtures::back_plan()), why, by: fixtures::alice() });
    story.through(1);
    let plan = Box::new(fixtures::plan());
    story.then(5, RecordBody::PlanAdopted { plan, why: Adoption::Forward, by: fixtures::alice() });
    let shown = told(&story, rehearsal());
    let lines: Vec<&str> = shown.lines().filter(|line| line.contains(" asked: ") || line.contains("lanes of")).collect();
    insta::assert_snapshot!(lines.join("\n"), @r#"
    only the lanes of nexus-ai-api-staging, as alice@bastion asked
    rolling back for nexus-ai-api-staging to the start, as alice@bastion asked: 1 stage, 2 steps
    forward again, as alice@bastion asked: 6 stages, 17 steps
    "#);
}

#[test]
fn claims_are_told_when_they_hold_and_when_they_do_not() {
    let mut story = Story::of(fixtures::plan());
    let mut becomes = |change: ClaimChange| {
        story.then(1, RecordBody::Claim { service: "nexus-ai-api-staging".to_owned(), change });
    };
    let since = "2026-01-02T03:04:06Z".parse().expect("a time");
    becomes(ClaimChange::Writing { since, by: "alice@bastion".to_owned(), arn: "arn:a".to_owned() });
    becomes(ClaimChange::Held);
    becomes(ClaimChange::Removing);
    becomes(ClaimChange::Removed);
    becomes(ClaimChange::Refused { why: "AccessDeniedException: not authorized to perform: ecs:TagResource".to_owned() });
    becomes(ClaimChange::Left { why: "no answer".to_owned(), remove: "aws ecs untag-resource …".to_owned() });
    insta::assert_snapshot!(told(&story, rehearsal()), @r#"
    run r7k2 jaeger-sidecar-to-shared: 6 stages, 17 steps, started by alice@bastion
    nexus-ai-api-staging is claimed: runs of sidestep elsewhere leave it alone, nobody else is held off
    nexus-ai-api-staging is no longer claimed
    warning: nexus-ai-api-staging is not claimed, so a run elsewhere would not know of this one
      (AccessDeniedException: not authorized to perform: ecs:TagResource)
    warning: the claim on nexus-ai-api-staging could not be removed (no answer); remove it with
      aws ecs untag-resource …
    "#);
}

#[test]
fn an_amendment_lists_what_changed() {
    let mut story = Story::of(fixtures::plan());
    let why = Adoption::Amendment { changes: vec!["jaeger_image: \"a\" → \"b\"".to_owned()] };
    story.then(5, RecordBody::PlanAdopted { plan: Box::new(fixtures::plan()), why, by: fixtures::alice() });
    insta::assert_snapshot!(told(&story, rehearsal()), @r#"
    run r7k2 jaeger-sidecar-to-shared: 6 stages, 17 steps, started by alice@bastion
    plan amended by alice@bastion: 6 stages, 17 steps
      jaeger_image: "a" → "b"
    "#);
}

#[test]
fn who_joins_late_sees_where_it_is_and_not_what_was() {
    let mut plan = fixtures::plan();
    plan.stages[0].waves.clear();
    let mut story = Story::of(plan.clone());
    story.through(4);
    let before = story.told().len();
    story.through_stage(&plan, 5);
    let mut printer = rehearsal();
    let lines: Vec<String> = story.told()[before..].iter().flat_map(|(view, event)| printer.event(view, event)).collect();
    assert_eq!(lines[0], "stage 5/6 retarget-api-env");
    assert_eq!(lines.len(), 5, "{lines:?}");
}

mod waiting {
    use super::*;

    fn rollout(running: i64, failed: i64) -> Progress {
        Progress::Rollout {
            desired: 2,
            pending: 2 - running,
            running,
            failed,
            old: 0,
            revision: String::new(),
            replaces: String::new(),
        }
    }

    /// A printer whose run waits for the rollout of stage 3.
    fn waits() -> (Story, LinePrinter, StepId) {
        let plan = fixtures::plan();
        let mut story = Story::of(plan.clone());
        story.through(2);
        story.does(1, &id(&plan, 3, 0, "create"));
        let step = id(&plan, 3, 0, "rollout");
        story.then(0, fixtures::started(&step, 1));
        let mut printer = LinePrinter::new(Style::plain());
        for (view, event) in story.told() {
            printer.event(&view, &event);
        }
        (story, printer, step)
    }

    fn sees(story: &mut Story, printer: &mut LinePrinter, step: &StepId, seconds: i64, what: Progress) -> Vec<String> {
        let event = story.sees(seconds, step, what);
        printer.event(&story.view(), &event)
    }

    #[test]
    fn numbers_are_shown_when_they_change_and_not_too_often() {
        let (mut story, mut printer, step) = waits();
        let mut sees = |seconds, what| sees(&mut story, &mut printer, &step, seconds, what);
        assert_eq!(
            sees(1, rollout(0, 0)),
            ["  · wait for the rollout of nexus-ai-jaeger-staging: 0 of 2 tasks running, 2 pending  (1s)"]
        );
        assert!(sees(9, rollout(0, 0)).is_empty(), "nothing changed");
        assert_eq!(sees(1, rollout(1, 0)).len(), 1, "changed, and long enough after");
        assert!(sees(1, rollout(2, 0)).is_empty(), "too soon");
        assert_eq!(sees(1, rollout(2, 1)).len(), 1, "a failure does not wait");
    }

    #[test]
    fn a_number_held_back_is_shown_later() {
        let (mut story, mut printer, step) = waits();
        sees(&mut story, &mut printer, &step, 1, rollout(0, 0));
        assert!(sees(&mut story, &mut printer, &step, 1, rollout(2, 0)).is_empty());
        assert!(printer.tick(story.at + SignedDuration::from_secs(1)).is_empty());
        let later = printer.tick(story.at + SignedDuration::from_secs(4));
        assert_eq!(later, ["  · wait for the rollout of nexus-ai-jaeger-staging: 2 of 2 tasks running  (6s)"]);
        assert!(printer.tick(story.at + SignedDuration::from_secs(5)).is_empty(), "once");
    }

    #[test]
    fn a_heartbeat_after_ten_silent_seconds_and_every_ten_again() {
        let (mut story, mut printer, step) = waits();
        sees(&mut story, &mut printer, &step, 1, rollout(1, 0));
        let at = |seconds| story.at + SignedDuration::from_secs(seconds);
        assert!(printer.tick(at(9)).is_empty());
        assert_eq!(
            printer.tick(at(10)),
            ["  · wait for the rollout of nexus-ai-jaeger-staging: 11s so far, 1 of 2 tasks running, 1 pending"]
        );
        assert!(printer.tick(at(19)).is_empty());
        assert_eq!(printer.tick(at(20)).len(), 1);
    }

    #[test]
    fn nothing_under_way_has_no_heartbeat() {
        let (mut story, mut printer, step) = waits();
        let event = story.then(5, fixtures::succeeded(&step));
        printer.event(&story.view(), &event);
        assert!(printer.tick(story.at + SignedDuration::from_secs(60)).is_empty());
    }

    #[test]
    fn a_service_event_is_shown_once_and_a_retry_each_time() {
        let (mut story, mut printer, step) = waits();
        let mut sees = |what| sees(&mut story, &mut printer, &step, 1, what);
        let event = || Progress::ServiceEvent { message: "(service a) has started 1 tasks: (task b).".to_owned() };
        assert_eq!(sees(event()), ["  · AWS: (service a) has started 1 tasks: (task b)."]);
        assert!(sees(event()).is_empty());
        let retry =
            || Progress::Retry { operation: "DescribeServices".to_owned(), why: "ThrottlingException".to_owned(), after_s: 2 };
        for _ in 0..2 {
            let shown =
                "  ↻ wait for the rollout of nexus-ai-jaeger-staging: DescribeServices is tried again in 2s: ThrottlingException";
            assert_eq!(
                sees(retry()).join("\n").split_whitespace().collect::<Vec<_>>(),
                shown.split_whitespace().collect::<Vec<_>>()
            );
        }
        let note = || Progress::Note { message: "asking Jaeger at 10.0.1.7:16686".to_owned() };
        assert_eq!(sees(note()).len(), 1);
        assert!(sees(note()).is_empty());
    }

    #[test]
    fn a_wait_that_was_left_is_taken_up_again() {
        let (mut story, mut printer, step) = waits();
        for body in [RecordBody::StepLeft { step: step.clone() }, fixtures::started(&step, 2)] {
            let event = story.then(30, body);
            let lines = printer.event(&story.view(), &event);
            assert!(lines[0].contains("again"), "{lines:?}");
        }
        let beat = printer.tick(story.at + SignedDuration::from_secs(10));
        assert_eq!(beat, ["  · wait for the rollout of nexus-ai-jaeger-staging: 10s so far"], "timed from the second start");
    }

    #[test]
    fn a_rehearsal_has_no_numbers() {
        let (mut story, _, step) = waits();
        let mut printer = rehearsal();
        assert!(sees(&mut story, &mut printer, &step, 1, rollout(1, 0)).is_empty());
    }
}

#[test]
fn lines_hang_under_themselves_at_60_columns() {
    let mut story = Story::of(fixtures::plan());
    story.through(3);
    let shown = told(&story, LinePrinter::new(Style { width: 60, ..Style::plain() }));
    assert!(shown.lines().all(|line| line.chars().count() <= 60), "{shown}");
}

#[test]
fn ascii_only_where_asked() {
    let mut story = Story::of(fixtures::plan());
    story.through(6);
    let shown = told(&story, LinePrinter::new(Style { unicode: false, ..Style::plain() }));
    assert!(shown.is_ascii(), "{shown}");
}
