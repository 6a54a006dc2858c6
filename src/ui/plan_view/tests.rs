use super::*;
use crate::model::Wave;
use crate::ui::fixtures;

fn narrow(width: usize) -> Style {
    Style { width, ..Style::plain() }
}

#[test]
fn the_whole_migration() {
    insta::assert_snapshot!(render(&fixtures::plan(), &Style::plain()), @"");
}

#[test]
fn findings_come_first_and_the_worst_of_them_first() {
    let mut plan = fixtures::plan();
    plan.stages.truncate(1);
    plan.findings = fixtures::findings();
    plan.target.endpoint = Some("http://127.0.0.1:4566".to_owned());
    insta::assert_snapshot!(render(&plan, &narrow(80)), @"");
}

#[test]
fn lanes_and_waves_are_named_when_there_are_several() {
    let mut plan = fixtures::plan_with_lanes();
    insta::assert_snapshot!(stage(&plan, 5, &narrow(80)), @"");
    let second = plan.stages[4].waves[0].lanes.split_off(1);
    plan.stages[4].waves.push(Wave { lanes: second });
    insta::assert_snapshot!(stage(&plan, 5, &narrow(60)), @"");
}

#[test]
fn each_disposition_has_its_sign() {
    let mut plan = fixtures::plan();
    let dispositions = [
        Disposition::Create,
        Disposition::Update,
        Disposition::Adopt,
        Disposition::AlreadySo,
        Disposition::Foreign,
        Disposition::Delete,
    ];
    let template = plan.stages[3].resources[1].clone();
    plan.stages[3].resources = dispositions.into_iter().map(|disposition| Resource { disposition, ..template.clone() }).collect();
    insta::assert_snapshot!(stage(&plan, 4, &Style::plain()), @"");
    insta::assert_snapshot!(verdict(&plan, &Style::plain()).lines().next().unwrap_or_default(), @"");
}

#[test]
fn nothing_to_do() {
    insta::assert_snapshot!(render(&fixtures::empty_plan(), &narrow(80)), @"");
}

#[test]
fn a_rollback_says_so() {
    insta::assert_snapshot!(render(&fixtures::back_plan(), &narrow(80)), @"");
    let nothing = Plan { stages: vec![], ..fixtures::back_plan() };
    assert!(render(&nothing, &Style::plain()).contains("Nothing to undo"));
}

#[test]
fn without_unicode_all_is_ascii() {
    let style = Style { unicode: false, ..Style::plain() };
    let mut plan = fixtures::plan();
    plan.findings = fixtures::findings();
    let shown = render(&plan, &style);
    assert!(shown.is_ascii(), "{shown}");
    assert!(shown.contains("\"http://localhost:4318\" -> \"http://jaeger.nexus-ai.local:4318\""), "{shown}");
}

#[test]
fn colour_adds_nothing_but_colour() {
    let mut plan = fixtures::plan();
    plan.findings = fixtures::findings();
    for width in [60, 80, 120] {
        let colourful = render(&plan, &Style { colour: true, ..narrow(width) });
        assert_eq!(dialoguer::console::strip_ansi_codes(&colourful), render(&plan, &narrow(width)));
    }
}

#[test]
fn lines_keep_within_the_width_unless_a_word_is_longer() {
    let mut plan = fixtures::plan_with_lanes();
    plan.findings = fixtures::findings();
    for width in [60, 80, 120] {
        for line in render(&plan, &narrow(width)).lines() {
            let indent = line.len() - line.trim_start().len();
            let longest = line.split_whitespace().map(|word| word.chars().count()).max().unwrap_or(0);
            // A word that does not fit stands alone behind at most a label.
            assert!(line.chars().count() <= width || indent + longest + 15 > width, "{width}: {line:?}");
        }
    }
}

#[test]
fn json_is_a_contract() {
    let mut plan = fixtures::plan();
    plan.stages = vec![plan.stages.remove(4)];
    plan.findings = vec![fixtures::findings().remove(1)];
    let mut value = json(&plan);
    assert_eq!(value["digest"], plan.digest());
    value["digest"] = "…".into();
    value["runbookDigest"] = "…".into();
    insta::assert_snapshot!(serde_json::to_string_pretty(&value).expect("JSON"), @"");
}

#[test]
fn json_tells_null_from_absent() {
    let mut plan = fixtures::plan();
    plan.stages[0].resources[0].changes = vec![Change { path: "a".to_owned(), from: Some(Value::Null), to: None }];
    assert_eq!(json(&plan)["stages"][0]["resources"][0]["changes"][0], serde_json::json!({ "path": "a", "from": null }));
    assert_eq!(json(&fixtures::empty_plan())["nothingToDo"], true);
    assert_eq!(json(&fixtures::empty_plan())["counts"]["alreadySo"], 7);
}
