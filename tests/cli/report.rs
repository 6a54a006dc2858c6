//! The record of a run, in each form: of one that went well, one that stumbled, one that was killed, one that went back; and the
//! list of runs by what is asked for.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt as _;

use insta::assert_snapshot;
use quick_xml::Reader;
use quick_xml::events::Event;
use serde_json::{Value, json};

use crate::cli_support::{Desk, Ran};

/// The report as JSON.
fn report(desk: &Desk) -> Value {
    let ran = desk.call(&["report", "--output", "json"]);
    assert_eq!((ran.code, ran.err.as_str()), (Some(0), ""));
    let value: Value = serde_json::from_str(&ran.out).expect("JSON");
    assert_eq!((&value["format"], &value["version"]), (&json!("sidestep-report"), &json!(1)));
    value
}

/// The page, which is XML from its beginning to its end, and the Markdown.
fn read(desk: &Desk) -> (String, String) {
    let page = desk.call(&["report", "--format", "html"]);
    assert_eq!((page.code, page.err.as_str()), (Some(0), ""));
    let mut reader = Reader::from_str(&page.out);
    let mut elements = 0;
    loop {
        match reader.read_event().expect("XML") {
            Event::Start(_) | Event::Empty(_) => elements += 1,
            Event::Eof => break,
            _ => {}
        }
    }
    assert!(elements > 100, "only {elements} elements");
    let text = desk.call(&["report"]);
    assert_eq!((text.code, text.err.as_str()), (Some(0), ""));
    (page.out, text.out)
}

fn ok(ran: &Ran) {
    assert_eq!(ran.code, Some(0), "{}", ran.err);
}

/// What stands under a heading.
fn section<'t>(text: &'t str, heading: &str) -> &'t str {
    let (_, rest) = text.split_once(&format!("## {heading}\n\n")).expect("the section");
    rest.split("\n\n## ").next().unwrap_or_default()
}

fn words<'v>(rows: &'v Value, member: &str) -> Vec<&'v str> {
    rows.as_array().expect("rows").iter().filter_map(|row| row[member].as_str()).collect()
}

#[test]
fn a_run_that_is_done_is_told_whole() {
    let desk = Desk::new();
    let ran = desk.end(desk.live(&["run", "--yes"]));
    ok(&ran);
    let run = desk.run_id();
    assert!(
        ran.err.ends_with(&format!("\nThe record of it, for a ticket or an archive: `sidestep report {run}`\n")),
        "{}",
        ran.err
    );

    let told = report(&desk);
    let mut asked: BTreeMap<String, u64> = BTreeMap::new();
    for request in desk.sim.requests() {
        *asked.entry(request["action"].as_str().expect("an action").to_owned()).or_default() += 1;
    }
    assert_eq!(told["calls"]["byAction"], json!(asked), "every request that came in was counted");
    assert_eq!(told["calls"]["uncountedSessions"], 0);
    let ids: Vec<&str> = words(&told["changes"], "requestId");
    let ledger = desk.sim.ledger();
    // Claims are tags, told in the timeline and not among the changes.
    let effects: Vec<&str> = ledger
        .iter()
        .filter(|effect| !effect["action"].as_str().is_some_and(|action| action.contains("agResource")))
        .filter_map(|effect| effect["request_id"].as_str())
        .collect();
    assert_eq!(ids, effects, "AWS's request id of every change, in order");
    assert!(words(&told["changes"], "fate").iter().all(|fate| *fate == "stands"), "{}", told["changes"]);
    assert_eq!(told["passages"][0]["stages"][5]["predictedSeconds"], 140.0);

    let (page, text) = read(&desk);
    assert!(page.contains(&format!("<h1>Run {run}: jaeger-sidecar-to-shared in staging</h1>")));
    let (head, _) = text.split_once("\n\n## ").expect("sections");
    let shown = desk.shown(head);
    assert_snapshot!(shown.lines().filter(|line| !line.contains("Digest") && !line.contains("Took")).collect::<Vec<_>>().join("\n"), @r#"
    # Run RUN: jaeger-sidecar-to-shared in staging

    **done**: 6 of 6 stages done: all stages are done

    | | |
    | --- | --- |
    | Environment | staging |
    | Account and Region | 111122223333, us-west-2 |
    | Cluster | `nexus-ai-cluster-staging` |
    | Services | `nexus-ai-api-staging`<br>`nexus-ai-jaeger-staging` |
    | Planned as | `arn:aws:iam::111122223333:user/operator` |
    | Operators | alice@HOST |
    | Started (UTC) | TIME |
    | Ended | TIME |
    | Endpoint | `http://ENDPOINT` |
    "#);
    assert_snapshot!(section(&text, "What stands, and the way back").split_once("How a rollback takes it back:\n\n").map(|(_, rest)| desk.shown(rest)).expect("the way back"), @r#"
    - create-log-group: deletes the log group if the run created it, with the log lines in it; else gives it its retention back
    - register-task-definition: deregisters the revision; its number stays used
    - create-service: takes the service to 0 tasks and deletes it if the run created it; what it kept in memory goes with it
    - register-dns: detaches the service, waits until no instance is left, and deletes the name if the run created it
    - retarget-api-env: puts each service back on the revision that it runs now: one rollout
    - strip-sidecar: puts each service back on its revision and load-balancer entries in one update; what the sidecars kept in memory is gone for good

    What nothing brings back:

    - 3 revision numbers are used up, also where the revision is deregistered: nexus-ai-api-staging:3, nexus-ai-api-staging:4, nexus-ai-jaeger-staging:1
    - strip-sidecar: Traces held in the sidecars' memory go with them, and a rollback cannot bring them back

    Next:

    - to undo what was done, run `sidestep rollback RUN`
    "#);
}

#[test]
fn a_report_replaces_nothing_but_a_report() {
    let desk = Desk::new();
    ok(&desk.end(desk.live(&["run", "--yes"])));
    let run = desk.run_id();
    for (format, name) in [("html", "r.html"), ("markdown", "r.md"), ("json", "r.json")] {
        let out = desk.path(name);
        for _ in 0..2 {
            let ran = desk.call(&["report", "--format", format, "--out", &out]);
            assert_eq!((ran.code, ran.out), (Some(0), format!("Wrote the report of run {run} to `{out}`.\n")));
        }
        let mode = std::fs::metadata(&out).expect("a file").permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{format}");
        let printed = desk.call(&["report", "--format", format]);
        assert_eq!(std::fs::read_to_string(&out).expect("a file"), printed.out, "{format}");
    }
    let mine = desk.write("mine.hcl", "runbook \"mine\" {}\n");
    let ran = desk.call(&["report", "--out", &mine]);
    assert_snapshot!(desk.ending(&ran), @r#"
    exit 2
    error: cannot write report `DIR/mine.hcl`
      Caused by: it is there already, and is no report: only a report is replaced
    "#);
    assert_eq!(std::fs::read_to_string(&mine).expect("a file"), "runbook \"mine\" {}\n");
}

#[test]
fn a_run_that_stumbled_was_amended_and_went_back() {
    let desk = Desk::new();
    desk.sim.fault(&json!({ "image": "jaegertracing/all-in-one:1.99", "fault": "cannot-pull" }));
    let mut command = desk.live(&["run", "--yes"]);
    command.args(["--var", "jaeger_image=jaegertracing/all-in-one:1.99"]);
    assert_eq!(desk.end(command).code, Some(5));
    let stopped = report(&desk);
    assert_eq!((&stopped["status"], &stopped["passages"][0]["stages"][2]["state"]), (&json!("stopped"), &json!("stopped")));
    let failed = stopped["timeline"].as_array().expect("entries").iter().find(|entry| entry["kind"] == "failed").expect("it");
    assert!(failed["details"].to_string().contains("CannotPullContainerError"), "{failed}");

    ok(&desk.call(&["resume", "--yes", "--var", "jaeger_image=jaegertracing/all-in-one:1.60"]));
    let (_, text) = read(&desk);
    assert_snapshot!(desk.shown(section(&text, "Plans")).lines().filter(|line| line.contains("amended")).map(|line| line.rsplit_once(" | ").map_or(line, |(row, _)| row)).collect::<String>(), @r#"| 2 | TIME<br>alice@HOST | amended<br>jaeger_image: "jaegertracing/all-in-one:1.99" → "jaegertracing/all-in-one:1.60" | 6 stages, 23 steps"#);
    let run = desk.run_id();
    ok(&desk.call(&["rollback", &run, "--yes"]));
    let told = report(&desk);
    assert_eq!(told["status"], "rolled-back");
    assert_eq!(words(&told["passages"], "direction"), ["forward", "back"]);
    assert_eq!(words(&told["passages"][0]["stages"], "state"), ["done"; 6], "also what the first plan had done");
    assert_eq!(words(&told["passages"][1]["stages"], "state"), ["undone"; 6]);
    assert_eq!(told["sessions"].as_array().map(Vec::len), Some(3));
    assert_eq!(told["remains"]["standing"], json!([]));
    let fates = words(&told["changes"], "fate");
    let (forward, back) = fates.split_at(fates.iter().position(|fate| *fate == "undid").expect("a way back"));
    assert!(forward.iter().all(|fate| *fate == "undone"), "{fates:?}");
    // Out of its registry the shared service ran no task any more: scaling it to zero found it so.
    let otherwise: Vec<_> = back.iter().filter(|fate| **fate != "undid").collect();
    assert_eq!(otherwise, [&"already-so"], "{fates:?}");
    let now = words(&told["resources"], "now");
    assert!(now.iter().all(|now| *now == "taken-back"), "{now:?}");
    let lost = told["remains"]["forGood"].to_string();
    assert!(lost.contains("4 revision numbers are used up") && lost.contains("/ecs/nexus-ai-jaeger-staging was deleted"), "{lost}");
    read(&desk);
}

#[test]
fn a_process_that_was_killed_is_told_as_a_crash() {
    let desk = Desk::new();
    let running = desk.frozen_in_stage_3();
    let live = report(&desk);
    assert_eq!((&live["status"], &live["sessions"][0]["end"]["kind"]), (&json!("running"), &json!("holds")));
    assert_eq!(live["heldBy"]["pid"], running.pid());
    running.kill();
    let dead = report(&desk);
    assert_eq!((&dead["status"], &dead["sessions"][0]["end"]["kind"]), (&json!("interrupted"), &json!("crashed")));
    let kinds = words(&dead["timeline"], "kind");
    assert!(kinds.ends_with(&["cut-off", "crash"]), "{kinds:?}");
    desk.sim.thaw();
    ok(&desk.call(&["resume", "--yes"]));
    let told = report(&desk);
    assert_eq!((&told["status"], &told["calls"]["uncountedSessions"]), (&json!("done"), &json!(1)));
    let (_, text) = read(&desk);
    assert!(text.contains("Those of 1 session are not known"), "{}", section(&text, "Sessions and requests"));
    assert!(text.contains(") ended without leaving in order<br>"), "{}", section(&text, "Timeline"));
}

#[test]
fn runs_are_listed_by_what_is_asked_for() {
    let desk = Desk::new();
    let first = desk.end(desk.live(&["run", "--yes", "--pause-before", "register-task-definition"]));
    assert_eq!(first.code, Some(6), "{}", first.err);
    ok(&desk.call(&["abandon", "--reason", "for the test"]));
    let second = desk.end(desk.live(&["run", "--yes", "--pause-before", "create-service"]));
    assert_eq!(second.code, Some(6), "{}", second.err);

    let listed = |words: &[&str]| {
        let ran = desk.call(&[&["runs", "--output", "json"], words].concat());
        assert_eq!(ran.code, Some(0), "{}", ran.err);
        let value: Value = serde_json::from_str(&ran.out).expect("JSON");
        value["runs"]
            .as_array()
            .expect("runs")
            .iter()
            .map(|run| run["status"].as_str().expect("a word").to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(listed(&[]), ["unfinished", "abandoned"]);
    assert_eq!(listed(&["--status", "abandoned"]), ["abandoned"]);
    assert_eq!(listed(&["--status", "abandoned", "--status", "unfinished"]), ["unfinished", "abandoned"]);
    assert_eq!(listed(&["--environment", "staging", "--runbook", "jaeger-sidecar-to-shared"]), ["unfinished", "abandoned"]);
    assert_eq!(listed(&["--since", "2000-01-01"]), ["unfinished", "abandoned"]);
    assert_eq!(listed(&["--since", "2999-01-01"]), Vec::<String>::new());
    assert_eq!(listed(&["--limit", "1"]), ["unfinished"]);
    let none = desk.call(&["runs", "--status", "abandoned", "--environment", "prod"]);
    assert_snapshot!(desk.shown(&none.out), @"no run of the 2 in DIR/state fits: --status abandoned keeps out 1, --environment prod keeps out 1");
    let some = desk.call(&["runs", "--limit", "1"]);
    assert!(some.out.ends_with("\n\nnot shown: --limit 1 keeps out 1\n"), "{}", some.out);
    assert_snapshot!(desk.ending(&desk.call(&["runs", "--status", "abandonned"])), @r#"
    exit 2
    error: no run stands as `abandonned`: there is no such word

    hint: did you mean `abandoned`?
    "#);
    assert_snapshot!(desk.ending(&desk.call(&["runs", "--since", "yesterday"])), @r#"
    exit 2
    error: --since yesterday is no time

    hint: write a date (2026-01-31), a moment (2026-01-31T08:00:00Z), or so long ago: T, T, 7d, 2w
    "#);
}

#[test]
fn without_a_run_it_says_where_it_looked() {
    let desk = Desk::new();
    assert_snapshot!(desk.ending(&desk.call(&["report"])), @r#"
    exit 2
    error: there is no unfinished run
      Caused by: searched DIR/state

    hint: list the runs with `sidestep runs`; start one with `sidestep run`
    "#);
}
