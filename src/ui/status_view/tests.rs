use jiff::SignedDuration;

use super::*;
use crate::model::{RecordBody, Verdict};
use crate::ui::fixtures::{self, Story, id};

fn shown(story: &Story, live: Option<&Holder>) -> String {
    render(&story.view(), live, story.at + SignedDuration::from_secs(60), &Style { width: 80, ..Style::plain() })
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
    story.then(0, RecordBody::SessionClosed { why: "stopped on a failure".to_owned() });
    story
}

#[test]
fn stopped_on_a_failure() {
    insta::assert_snapshot!(shown(&stopped(), None), @"");
}

#[test]
fn running() {
    let plan = fixtures::plan();
    let mut story = Story::of(plan.clone());
    story.then(0, RecordBody::HoldSet { stage: plan.stages[5].id.clone(), by: fixtures::alice() });
    story.then(0, RecordBody::FindingAccepted { finding: "otlp-port-closed".to_owned(), by: fixtures::alice() });
    story.through(2);
    story.does(1, &id(&plan, 3, 0, "create"));
    story.then(0, fixtures::started(&id(&plan, 3, 0, "rollout"), 1));
    insta::assert_snapshot!(shown(&story, Some(&fixtures::holder(1))), @"");
}

#[test]
fn interrupted_is_told_from_paused() {
    let plan = fixtures::plan();
    let mut story = Story::of(plan);
    story.through(1);
    assert_eq!(word(&story.view(), Some(&fixtures::holder(1))), "running");
    assert_eq!(word(&story.view(), None), "interrupted");
    insta::assert_snapshot!(shown(&story, None).lines().nth(1).unwrap_or_default(), @"");
    story.then(1, RecordBody::SessionClosed { why: "paused".to_owned() });
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
    assert!(shown(&story, None).contains("? register nexus-ai-api-staging with the new endpoint: the outcome is not known"));
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
    insta::assert_snapshot!(&text[from..], @"");
}

#[test]
fn json_is_a_contract() {
    let value = json(&stopped().view(), Some(&fixtures::holder(2)));
    assert_eq!(value["format"], "sidestep-status");
    assert_eq!(value["version"], 1);
    assert_eq!(value["status"], "stopped");
    assert_eq!(value["heldBy"]["pid"], 4711);
    let stages: Vec<&str> = value["stages"].as_array().expect("stages").iter().filter_map(|s| s["state"].as_str()).collect();
    assert_eq!(stages, ["done", "done", "done", "done", "stopped", "not begun"]);
    insta::assert_snapshot!(serde_json::to_string_pretty(&value["stages"][4]["steps"][2]).expect("JSON"), @"");
    assert!(json(&stopped().view(), None).get("heldBy").is_none());
}
