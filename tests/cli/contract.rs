//! docs/contract.md against the program: what it prints is in the page's tables, and what is in them is printed.

#[path = "contract/page.rs"]
mod page;
#[path = "contract/records.rs"]
mod records;

use std::collections::BTreeSet;

use serde_json::{Value, json};
use sidestep::model::{Actor, Adoption, Exit, Plan, Record, RecordBody};
use sidestep::ui::{json as lines, plan_view, report, status_view};

use crate::cli_support::{Desk, Ran, Sim, file};
use page::{Checker, Page};

/// Printed only where the program breaks a promise of its own, which no test of the real one can have it do: their form is held where
/// they turn up, and that they do is not asked for.
const ONLY_IF_BROKEN: &[&str] = &["crash failure", "swarm failure"];

#[test]
fn what_is_printed_and_what_is_documented_are_the_same() {
    let page = Page::read();
    let mut checker = Checker::new(&page);
    documents(&mut checker);
    journey(&mut checker);
    for world in [rehearsals, reads] {
        world(&mut checker);
    }
    checker.finish(ONLY_IF_BROKEN);
}

/// The one document that a command printed.
fn document(ran: &Ran) -> Value {
    serde_json::from_str(&ran.out).unwrap_or_else(|error| panic!("{error}: {}{}", ran.out, ran.err))
}

/// The lines that a command printed. The first has the version, and no other.
fn event_lines(checker: &mut Checker, ran: &Ran) {
    let lines: Vec<Value> = ran.out.lines().map(|line| serde_json::from_str(line).expect("a line of JSON")).collect();
    assert!(!lines.is_empty(), "nothing was printed: {}", ran.err);
    for (at, line) in lines.iter().enumerate() {
        assert_eq!(line.get("version").is_some(), at == 0, "{line}");
        checker.event(line);
    }
}

/// What no short journey has: every kind of record and progress, and every state of a step.
fn documents(checker: &mut Checker) {
    let desk = Desk::new();
    let sealed = desk.path("sealed.plan");
    let ran = desk.end(desk.live(&["plan", "--output", "json", "--out", &sealed]));
    checker.document("plan", &document(&ran));
    let sealed: Value = serde_json::from_str(&std::fs::read_to_string(sealed).expect("a sealed plan")).expect("JSON");
    let plan: Plan = serde_json::from_value(sealed["plan"].clone()).expect("the plan in it");
    let mut blocked = plan.clone();
    blocked.target.endpoint = None;
    blocked.stages[4].blocked_by.push("span-port-closed".to_owned());
    blocked.findings[0].severity = sidestep::model::Severity::Blocker;
    checker.document("plan", &plan_view::json(&blocked));
    let told = records::every_event(&plan);
    for event in &told {
        checker.event(&lines::event(event));
    }
    let kinds: BTreeSet<usize> = told.iter().map(records::kind).collect();
    assert_eq!(kinds, (0..records::KINDS).collect(), "one event of each kind");
    checker.document("report", &accepted(&plan, &blocked.findings[0].id));
    let (view, holder) = records::troubled(&plan);
    let step = plan.steps().next().expect("a step").2.id.clone();
    let seen: Vec<_> = records::progress().into_iter().map(|seen| (step.clone(), seen)).collect();
    checker.document("status", &status_view::json(&view, Some(&holder), &[records::remainder()], &seen));
}

/// The report of a run in which a finding of its plan was accepted.
fn accepted(plan: &Plan, finding: &str) -> Value {
    let by = Actor { user: "alice".to_owned(), host: "bastion".to_owned(), identity: None };
    let bodies = [
        RecordBody::PlanAdopted { plan: Box::new(plan.clone()), why: Adoption::Start, by: by.clone() },
        RecordBody::FindingAccepted { finding: finding.to_owned(), by },
    ];
    let at = jiff::Timestamp::UNIX_EPOCH;
    let records: Vec<Record> = (1..).zip(bodies).map(|(seq, body)| Record { seq, at, body }).collect();
    report::json(&report::report(&records, None, &[]).expect("a journal"))
}

/// There, with a pause, and back, on an account over HTTP.
fn journey(checker: &mut Checker) {
    let desk = Desk::new();
    let run = desk.end(desk.live(&["run", "--yes", "--output", "json", "--pause-before", "create-service"]));
    assert_eq!(run.code, Some(6), "{}", run.err);
    event_lines(checker, &run);
    checker.document("status", &desk.status());
    checker.document("runs", &document(&desk.call(&["runs", "--output", "json", "--since", "7d"])));
    let report = |checker: &mut Checker| checker.document("report", &document(&desk.call(&["report", "--output", "json"])));
    report(checker);
    let back = desk.call(&["rollback", "--yes", "--output", "json"]);
    assert_eq!(back.code, Some(0), "{}", back.err);
    event_lines(checker, &back);
    checker.document("status", &desk.status());
    let again = desk.call(&["resume", "--yes", "--output", "json"]);
    assert_eq!(again.code, Some(2), "it is over: {}", again.err);
    assert_eq!(again.out, "", "an error is told on stderr alone");
    report(checker);
    looked_into(checker);
    let held = desk.frozen_in_stage_3();
    report(checker);
    checker.document("runs", &document(&desk.call(&["runs", "--output", "json"])));
    held.kill();
}

/// A run that fails, what is said of it, and what the one that takes its place logs.
fn looked_into(checker: &mut Checker) {
    let desk = Desk::new();
    desk.sim.fault(&json!({ "image": "jaegertracing/all-in-one:latest", "fault": "exits" }));
    assert_eq!(desk.end(desk.live(&["run", "--yes"])).code, Some(5));
    checker.document("doctor", &document(&desk.call(&["doctor", "--output", "json"])));
    event_lines(checker, &desk.call(&["logs", "--output", "json", "--since", "2d"]));
}

/// What is printed of a simulated account.
fn rehearsals(checker: &mut Checker) {
    let desk = Desk::new();
    let mut world: Value =
        serde_json::from_str(&std::fs::read_to_string(file("runbooks/worlds/nexus-ai-staging.json")).expect("a world"))
            .expect("JSON");
    world["missing"] = json!([{ "operation": "iam:GetRole", "resource": "*", "why": "AccessDenied" }]);
    let world = desk.write("world.json", &world.to_string());
    for more in [&[][..], &["--faults", "crashes", "--point", "100", "--way-back"], &["--faults", "all", "--runs", "2"]] {
        let words: Vec<&str> = ["rehearse", "--output", "json", "--world", &world].iter().chain(more).copied().collect();
        let variables = file("runbooks/worlds/nexus-ai-staging.tfvars");
        let ran = desk.call(&words.iter().copied().chain(["--var-file", &variables]).collect::<Vec<_>>());
        assert_eq!(ran.code, Some(0), "{more:?}: {}", ran.err);
        event_lines(checker, &ran);
    }
    let serving: Value = serde_json::from_str(&desk.sim.told).expect("JSON");
    assert_eq!(serving["version"], 1);
    checker.event(&serving);
}

/// What is printed after reading alone.
fn reads(checker: &mut Checker) {
    let desk = Desk::at(Sim::serve(&[]));
    checker.document("check", &document(&desk.end(desk.live(&["check", "--output", "json"]))));
    desk.sim.fault(&json!({ "deny": "ec2:DescribeSubnets" }));
    checker.document("doctor", &document(&desk.end(desk.live(&["doctor", "--output", "json"]))));
    let capture = desk.path("capture.json");
    event_lines(checker, &desk.end(desk.live(&["snapshot", "--output", "json", "--out", &capture])));
    desk.sim.clear_faults();
    desk.sim.fault(&json!({ "deny": "ec2:DescribeSubnets", "on": false }));
    let dry = desk.end(desk.live(&["run", "--dry-run", "--output", "json"]));
    assert_eq!(dry.code, Some(0), "{}", dry.err);
    event_lines(checker, &dry);
}

#[test]
fn the_page_has_every_exit_code_with_its_meaning() {
    let rows = Page::read().exit_codes();
    let known: Vec<(u8, String)> = Exit::ALL.iter().map(|exit| (exit.code(), exit.meaning().to_owned())).collect();
    assert_eq!(rows, known);
    let readme = std::fs::read_to_string(file("README.md")).expect("README.md");
    for (code, meaning) in known {
        assert!(readme.contains(&format!("| {code} | {meaning} |")), "README.md lacks `| {code} | {meaning} |`");
    }
}

/// Each code, and a test in which the real program ends with it. Of 1 there is none: it is the program's own fault.
const REACHED: &[(u8, &str, &str)] = &[
    (0, "journey.rs", "part_of_the_way_back_and_forward_again"),
    (2, "saying.rs", "quiet_and_verbose_are_two_wishes"),
    (3, "bad_runbook.rs", "variables_of_the_wrong_type"),
    (4, "steering.rs", "what_changed_meanwhile_is_found_when_it_is_taken_up"),
    (5, "saying.rs", "quiet_keeps_no_trouble_to_itself"),
    (6, "steering.rs", "a_run_stops_before_a_stage_and_goes_on"),
    (7, "steering.rs", "a_live_run_is_nobody_elses"),
    (8, "resistance.rs", "a_rollback_that_is_stuck_names_what_is_left_and_skips_it_when_told"),
    (9, "claims.rs", "a_run_elsewhere_meets_the_claim_and_leaves_the_services_alone"),
];

#[test]
fn every_exit_code_is_reached_by_a_test_of_the_program() {
    for (code, path, test) in REACHED {
        let text = std::fs::read_to_string(file(&format!("tests/cli/{path}"))).expect("a test's file");
        let from = text.find(&format!("fn {test}()")).unwrap_or_else(|| panic!("{path} has no test `{test}`"));
        let body = text[from..].split("\n#[test]").next().unwrap_or_default();
        let says = [format!("Some({code})"), format!("exit {code}\n")];
        assert!(says.iter().any(|says| body.contains(says)), "{path}: `{test}` does not end with {code}");
    }
    let reached: BTreeSet<u8> = REACHED.iter().map(|(code, ..)| *code).collect();
    let own_fault = Exit::Internal.code();
    assert_eq!(reached, Exit::ALL.iter().map(|exit| exit.code()).filter(|code| *code != own_fault).collect());
}
