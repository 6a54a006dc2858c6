use jiff::SignedDuration;

use super::*;
use crate::model::{ClaimChange, RecordBody, Verdict};
use crate::ui::fixtures::{self, Story, id};

fn shown(story: &Story, live: Option<&Holder>) -> String {
    render(&story.view(), live, &[], &[], story.at + SignedDuration::from_secs(60), &Style { width: 80, ..Style::plain() })
}

/// Stage 5 stopped on a failed rollout.
fn stopped() -> Story {
    let plan = fixtures::plan();
    let mut story = Story::of(plan.clone());
    story.through(4);
    story.does(1, &id(&plan, 5, 0, "register"));
    story.does(1, &id(&plan, 5, 0, "update"));
    let rollout = id(&plan, 5, 0, "rollout");
    story.then(0, fixtures::started(&rollout, 1));
    story.then(300, RecordBody::StepFailed { step: rollout, failure: fixtures::rollout_failure() });
    story.then(0, fixtures::left("stopped on a failure"));
    story
}

#[test]
fn stopped_on_a_failure() {
    insta::assert_snapshot!(shown(&stopped(), None), @r#"
    run r7k2: jaeger-sidecar-to-shared
      status        stopped
      environment   staging, account 111122223333, us-west-2
      started       2026-01-02 03:04:05Z (10m 14s ago)
      changed       2026-01-02 03:13:19Z (1m 00s ago)
      claim         none

      ✓ 1/6 create-log-group          done
      ✓ 2/6 register-task-definition  done
      ✓ 3/6 create-service            done
      ✓ 4/6 register-dns              done
      ✗ 5/6 retarget-api-env          stopped, 2 of 4 steps done
          ✓ register nexus-ai-api-staging with the new endpoint
          ✓ point nexus-ai-api-staging at the new revision
          ✗ wait for the rollout of nexus-ai-api-staging: the rollout of
              `nexus-ai-api-staging` failed
              deployment ecs-svc/0412 was rolled back by the circuit breaker
              3 tasks stopped: CannotPullContainerError
          · check that spans arrive
      · 6/6 strip-sidecar             not begun

    hint: when the cause is repaired, run `sidestep resume r7k2`
    hint: to undo what was done, run `sidestep rollback r7k2`
    "#);
}

#[test]
fn running() {
    let plan = fixtures::plan();
    let mut story = Story::of(plan.clone());
    story.then(0, RecordBody::HoldSet { stage: plan.stages[5].id.clone(), by: fixtures::alice() });
    story.then(0, RecordBody::FindingAccepted { finding: "span-port-closed".to_owned(), by: fixtures::alice() });
    story.through(2);
    story.does(1, &id(&plan, 3, 0, "create"));
    story.then(0, fixtures::started(&id(&plan, 3, 0, "rollout"), 1));
    insta::assert_snapshot!(shown(&story, Some(&fixtures::holder(1))), @r#"
    run r7k2: jaeger-sidecar-to-shared
      status        running, held by alice@bastion (pid 4711)
      environment   staging, account 111122223333, us-west-2
      started       2026-01-02 03:04:05Z (1m 04s ago)
      changed       2026-01-02 03:04:09Z (1m 00s ago)
      stops before  strip-sidecar
      claim         none
      accepted      span-port-closed

      ✓ 1/6 create-log-group          done
      ✓ 2/6 register-task-definition  done
      ▸ 3/6 create-service            under way, 1 of 3 steps done
          ✓ create service nexus-ai-jaeger-staging
          ▸ wait for the rollout of nexus-ai-jaeger-staging: 1m 00s
          · wait until its task is healthy in nexus-ai-jaeger-tg-staging
      · 4/6 register-dns              not begun
      · 5/6 retarget-api-env          not begun
      · 6/6 strip-sidecar             not begun

    hint: to stop it after the present step, run `sidestep pause r7k2`
    "#);
}

#[test]
fn interrupted_is_told_from_paused() {
    let plan = fixtures::plan();
    let mut story = Story::of(plan);
    story.through(1);
    assert_eq!(word(&story.view(), Some(&fixtures::holder(1))), "running");
    assert_eq!(word(&story.view(), None), "interrupted");
    insta::assert_snapshot!(shown(&story, None).lines().nth(1).unwrap_or_default(), @"  status        interrupted: alice@bastion (pid 4711) ended without leaving in");
    story.then(1, fixtures::left("paused"));
    assert_eq!(word(&story.view(), None), "paused");
}

#[test]
fn held_and_in_doubt() {
    let plan = fixtures::plan();
    let mut story = Story::of(plan.clone());
    story.through(4);
    let register = id(&plan, 5, 0, "register");
    story.then(0, fixtures::started(&register, 1));
    story.then(15, RecordBody::StepInDoubt { step: register.clone(), failure: fixtures::rollout_failure() });
    let text = shown(&story, None);
    let from = text.find("  ▸").expect("the stage in doubt");
    insta::assert_snapshot!(&text[from..], @r#"
      ▸ 5/6 retarget-api-env          under way, 0 of 4 steps done
          ? register nexus-ai-api-staging with the new endpoint: the outcome is not
              known (the rollout of `nexus-ai-api-staging` failed)
              deployment ecs-svc/0412 was rolled back by the circuit breaker
              3 tasks stopped: CannotPullContainerError
          · point nexus-ai-api-staging at the new revision
          · wait for the rollout of nexus-ai-api-staging
          · check that spans arrive
      · 6/6 strip-sidecar             not begun

    hint: to go on, run `sidestep resume r7k2`
    hint: to undo what was done, run `sidestep rollback r7k2`
    "#);
    story.then(1, fixtures::observed(&register, Verdict::Done { output: serde_json::json!({}) }));
    for name in ["update", "rollout"] {
        story.does(5, &id(&plan, 5, 0, name));
    }
    let spans = id(&plan, 5, 0, "spans");
    story.then(0, fixtures::started(&spans, 1));
    let why = "no span reached Jaeger within 2 minutes".to_owned();
    story.then(120, RecordBody::StepHeld { step: spans, result: "none".to_owned(), why });
    let text = shown(&story, None);
    let from = text.find("  ‖").expect("the held stage");
    insta::assert_snapshot!(&text[from..], @r#"
      ‖ 5/6 retarget-api-env          held, 3 of 4 steps done
          ✓ register nexus-ai-api-staging with the new endpoint
          ✓ point nexus-ai-api-staging at the new revision
          ✓ wait for the rollout of nexus-ai-api-staging
          ‖ check that spans arrive: no span reached Jaeger within 2 minutes
      · 6/6 strip-sidecar             not begun

    hint: to look again when the cause is repaired, run `sidestep resume r7k2`
    hint: to have spans kept meanwhile, go back a stage: run `sidestep rollback r7k2 --to register-dns`
    hint: if a person has seen that all is well, run `sidestep approve r7k2 --comment "…"`, then `sidestep resume r7k2`
    hint: to undo what was done, run `sidestep rollback r7k2`
    "#);
}

#[test]
fn json_is_a_contract() {
    let value = json(&stopped().view(), Some(&fixtures::holder(2)), &[], &[]);
    assert_eq!(value["format"], "sidestep-status");
    assert_eq!(value["version"], 1);
    assert_eq!(value["status"], "stopped");
    assert_eq!(value["heldBy"]["pid"], 4711);
    let stages: Vec<&str> = value["stages"].as_array().expect("stages").iter().filter_map(|s| s["state"].as_str()).collect();
    assert_eq!(stages, ["done", "done", "done", "done", "stopped", "not-begun"]);
    insta::assert_snapshot!(serde_json::to_string_pretty(&value["stages"][4]["steps"][2]).expect("JSON"), @r#"
    {
      "attempts": 1,
      "changed": "2026-01-02T03:13:19Z",
      "class": "wait",
      "id": "retarget-api-env/nexus-ai-api-staging/rollout",
      "started": "2026-01-02T03:08:19Z",
      "state": "failed",
      "title": "wait for the rollout of nexus-ai-api-staging",
      "trouble": {
        "causes": [
          "deployment ecs-svc/0412 was rolled back by the circuit breaker",
          "3 tasks stopped: CannotPullContainerError"
        ],
        "kind": "rollout",
        "message": "the rollout of `nexus-ai-api-staging` failed"
      }
    }
    "#);
    assert!(json(&stopped().view(), None, &[], &[]).get("heldBy").is_none());
}

#[test]
fn it_fits_narrow_terminals() {
    for width in [60, 80, 120] {
        let style = Style { width, ..Style::plain() };
        let view = stopped().view();
        fixtures::assert_fits(&render(&view, Some(&fixtures::holder(1)), &[], &[], view.updated_at, &style), width);
    }
}

#[test]
fn a_run_that_goes_back_says_so() {
    let mut story = stopped();
    let why = crate::model::Adoption::Rollback(crate::model::Extent::default());
    story.then(5, RecordBody::PlanAdopted { plan: Box::new(fixtures::back_plan()), why, by: fixtures::alice() });
    story.through(1);
    insta::assert_snapshot!(shown(&story, Some(&fixtures::holder(2))), @r#"
    run r7k2: jaeger-sidecar-to-shared
      status        running, going back, held by alice@bastion (pid 4711)
      environment   staging, account 111122223333, us-west-2
      started       2026-01-02 03:04:05Z (11m 42s ago)
      changed       2026-01-02 03:14:47Z (1m 00s ago)
      claim         none

      ✓ 1/1 retarget-api-env  undone

    hint: to stop it after the present step, run `sidestep pause r7k2`
    "#);
}

#[test]
fn a_claim_is_shown_as_long_as_it_may_be_there() {
    let claim = |changes: &[ClaimChange], ended: bool| {
        let mut story = stopped();
        for change in changes {
            story.then(0, RecordBody::Claim { service: "nexus-ai-api-staging".to_owned(), change: change.clone() });
        }
        if ended {
            story.then(0, RecordBody::RunEnded { outcome: Outcome::Abandoned, why: "enough".to_owned() });
        }
        let shown = render(&story.view(), None, &[], &[], story.at, &Style { width: 200, ..Style::plain() });
        shown.lines().find_map(|line| line.strip_prefix("  claim         ")).map(str::to_owned)
    };
    let since = "2026-01-02T03:04:06Z".parse().expect("a time");
    let writing = ClaimChange::Writing { since, by: "alice@bastion".to_owned(), arn: "arn:a".to_owned() };
    let words = |words: &str| Some(words.to_owned());
    let held = [writing.clone(), ClaimChange::Held];
    assert_eq!(claim(&held, false), words("held on nexus-ai-api-staging since 2026-01-02 03:04:06Z"));
    assert_eq!(claim(&held[..1], false), words("being written on nexus-ai-api-staging"));
    let refused = [writing, ClaimChange::Refused { why: "not permitted".to_owned() }];
    assert_eq!(claim(&refused, false), words("none on nexus-ai-api-staging: not permitted"));
    let gone = [held[0].clone(), held[1].clone(), ClaimChange::Removing, ClaimChange::Removed];
    assert_eq!((claim(&gone, false), claim(&gone, true)), (words("none"), None));
    let left = [held[0].clone(), held[1].clone(), ClaimChange::Left { why: "no answer".to_owned(), remove: "aws …".to_owned() }];
    assert_eq!(claim(&left, true), words("left on nexus-ai-api-staging: no answer; remove it with `aws …`"));
}

#[test]
fn a_part_of_the_way_back_leaves_two_ways() {
    let mut story = stopped();
    let why = crate::model::Adoption::Rollback(crate::model::Extent {
        to: Some(crate::model::StageId::new("register-dns")),
        ..Default::default()
    });
    story.then(5, RecordBody::PlanAdopted { plan: Box::new(fixtures::back_plan()), why, by: fixtures::alice() });
    story.through(1);
    story.then(1, fixtures::left("done"));
    let text = shown(&story, None);
    assert!(text.contains("status        paused: went back as far as register-dns\n"), "{text}");
    let hints: Vec<&str> = text.lines().filter(|line| line.starts_with("hint:")).collect();
    assert_eq!(
        hints,
        ["hint: to go forward again, run `sidestep resume r7k2`", "hint: to undo the rest, run `sidestep rollback r7k2`"]
    );
}
