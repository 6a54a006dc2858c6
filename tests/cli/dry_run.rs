//! `run --dry-run`: the plan on the live account, and what comes of it on a simulated one; nothing is changed by it.

use insta::assert_snapshot;
use rustix::process::Signal;
use serde_json::{Value, json};
use sidestep::aws::READ_ONLY_OPERATIONS;

use crate::cli_support::{Desk, Ran, file, redacted};

/// What follows the plan, without times and counts.
fn proof(ran: &Ran) -> String {
    let shown = ran.out.split("\nDry run on").nth(1).unwrap_or_else(|| panic!("no dry run in {}{}", ran.out, ran.err));
    let (_, tried) = shown.split_once("Spans\n").expect("the spans are told");
    let tried: Vec<&str> = tried.lines().skip_while(|line| !line.is_empty()).skip(1).collect();
    redacted(&tried.join("\n"))
}

/// What the predicted timeline has a duration for; how long each takes depends on how fast this machine is.
fn timeline(ran: &Ran) -> Vec<&str> {
    let lines = ran.out.split("Predicted timeline\n").nth(1).expect("a timeline").split("\n\n").next().expect("lines");
    lines
        .lines()
        .map(|line| {
            let (name, took) = line.trim().split_once("  ").expect("a name and a duration");
            assert!(took.trim().ends_with('s') || took.trim().ends_with('m'), "{line}");
            name
        })
        .collect()
}

/// Every request that the tool itself sent is on the list of those that change nothing.
fn only_read(desk: &Desk) {
    let asked = desk.sim.requests();
    assert!(asked.len() > 20);
    for request in asked {
        let action = request["action"].as_str().expect("an action").to_owned();
        let operation = action.rsplit(':').next().expect("a name");
        assert!(READ_ONLY_OPERATIONS.contains(&operation), "{action}");
    }
}

/// Every file of a directory with its content.
fn contents(directory: &str) -> Vec<(String, Vec<u8>)> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(directory).expect("a directory") {
        let path = entry.expect("an entry").path();
        let name = path.display().to_string();
        if path.is_dir() {
            found.extend(contents(&name));
        } else {
            found.push((name, std::fs::read(&path).expect("a file")));
        }
    }
    found.sort();
    found
}

#[test]
fn a_dry_run_tries_the_plan_and_changes_nothing() {
    let desk = Desk::new();
    let ran = desk.end(desk.live(&["run", "--dry-run"]));
    assert_eq!(ran.code, Some(0), "{}{}", ran.out, ran.err);
    assert!(ran.out.contains("Stage 6/6 strip-sidecar"), "{}", ran.out);
    assert_snapshot!(proof(&ran), @r#"
    ✓ killed right after UpdateService took effect in retarget-api-env, and taken up again: it ended the
      same, each change made once
    ✓ rolled back in T, 0 spans lost: the account was as at the start
    Nothing was changed: the account was only read, and the journal is as it was.
    "#);
    let stages =
        ["create-log-group", "register-task-definition", "create-service", "register-dns", "retarget-api-env", "strip-sidecar"];
    assert_eq!(timeline(&ran), [&stages[..], &["in all"]].concat());
    assert!(!ran.out.contains(" lost during "), "{}", ran.out);
    only_read(&desk);
    assert_eq!(desk.sim.effects(), Vec::<String>::new());
    assert!(!desk.dir.path().join("state").exists(), "no journal is made");
    let again = desk.end(desk.live(&["run", "--dry-run", "--output", "json"]));
    assert_eq!(again.code, Some(0), "{}", again.err);
    let lines: Vec<Value> = again.out.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!(lines.len(), 2, "the plan, and what came of it");
    assert_eq!((&lines[0]["event"], &lines[1]["event"]), (&json!("planned"), &json!("dry-run")));
    assert_eq!((&lines[1]["holds"], &lines[1]["missing"]), (&json!(true), &json!([])));
    assert_eq!(lines[1]["stages"].as_array().expect("stages").len(), 6);
    assert_eq!(lines[1]["calls"]["ecs:CreateService"], 1);
    let tried: Vec<&Value> = lines[1]["tried"].as_array().expect("tries").iter().map(|tried| &tried["good"]).collect();
    assert_eq!(tried, [true, true]);
}

#[test]
fn a_blocked_plan_is_not_tried() {
    let desk = Desk::with_world(&file("tests/worlds/nexus-ai-dev.json"));
    let dev = |words: &[&str]| {
        let mut command = desk.command(&[&["run", "--dry-run"], words].concat());
        command.args(["--endpoint-url", &desk.sim.endpoint, "--var-file", &file("tests/worlds/nexus-ai-dev.tfvars")]);
        desk.end(command)
    };
    let ran = dev(&[]);
    assert_eq!(ran.code, Some(4), "{}", ran.err);
    assert!(ran.err.contains("span-port-closed"), "{}", ran.err);
    assert!(ran.out.contains("span-port-closed") && !ran.out.contains("Dry run on"), "{}", ran.out);

    // Accepted, it is tried, and shown what would come of it.
    let blockers: Vec<&str> = ran
        .err
        .lines()
        .filter_map(|line| line.strip_prefix("  ")?.split_once(": "))
        .map(|(id, _)| id)
        .filter(|id| !id.contains(' '))
        .collect();
    let accepted: Vec<&str> = blockers.iter().flat_map(|id| ["--accept", id]).collect();
    let ran = dev(&accepted);
    assert_eq!(ran.code, Some(6), "{}{}", ran.out, ran.err);
    assert_snapshot!(redacted(&ran.err), @r#"
    paused: the run would wait for a person at `see that spans arrive`
      Caused by: the shared Jaeger has no trace of `api` begun after the rollout within 2 min, although the sidecars had spans before it: to strip the sidecar now would lose traces

    state: stages 1-4 done, stage 5 (retarget-api-env) not done
    hint: this was a dry run: nothing was changed, and nothing remains of it
    "#);
    let lost: Vec<&str> = ran.out.lines().filter(|line| line.contains(" lost during ")).collect();
    assert!(
        lost.iter().any(|line| line.contains("retarget-api-env") && line.ends_with("a security group blocks the port")),
        "{lost:?}"
    );
    assert!(ran.out.contains("rolled back in"), "{}", ran.out);
    only_read(&desk);
    assert_eq!(desk.sim.effects(), Vec::<String>::new());
}

/// A run that was killed in stage 3: what is left of it is tried, with its journal and the account as they are.
#[test]
fn what_is_left_of_a_run_is_tried_on_a_copy_of_its_journal() {
    let desk = Desk::new();
    let running = desk.frozen_in_stage_3();
    running.signal(Signal::KILL);
    running.wait();
    desk.sim.thaw();
    let (files, effects, asked) = (contents(&desk.path("state")), desk.sim.effects(), desk.sim.requests().len());
    let dry = |words: &[&str]| {
        let mut command = desk.command(&[&["run", "--dry-run", "--resume"], words].concat());
        command.args(["--endpoint-url", &desk.sim.endpoint]);
        desk.end(command)
    };
    let ran = dry(&[]);
    assert_eq!(ran.code, Some(0), "{}{}", ran.out, ran.err);
    assert_snapshot!(proof(&ran), @r#"
    ✓ killed right after UpdateService took effect in retarget-api-env, and taken up again: it ended the
      same, each change made once
    ✓ rolled back in T, 0 spans lost: every change of the run was taken back
    Nothing was changed: the account was only read, and the journal is as it was.
    "#);
    assert_eq!(timeline(&ran), ["create-service", "register-dns", "retarget-api-env", "strip-sidecar", "in all"]);
    assert_eq!(contents(&desk.path("state")), files, "the journal is as it was, to the byte");
    assert_eq!(desk.sim.effects(), effects);
    for request in &desk.sim.requests()[asked..] {
        let action = request["action"].as_str().expect("an action").to_owned();
        assert!(READ_ONLY_OPERATIONS.contains(&action.rsplit(':').next().expect("a name")), "{action}");
    }
    let run = desk.run_id();
    assert_snapshot!(desk.ending(&dry(&["nope"])), @r#"
    exit 2
    error: no run `nope`
      Caused by: searched DIR/state; it holds RUN

    hint: list the runs with `sidestep runs`, or name another directory with `--state DIR`
    "#);
    // It can still be resumed in earnest.
    let ran = desk.call(&["resume", &run, "--yes"]);
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    let ran = dry(&[&run]);
    assert_snapshot!(desk.ending(&ran), @r#"
    exit 2
    error: run `RUN` cannot be resumed: it is over: all stages are done

    hint: to try another, run `sidestep run --dry-run`
    "#);
}

#[test]
fn what_the_caller_may_not_do_is_met_in_the_dry_run() {
    let desk = Desk::new();
    desk.sim.fault(&json!({ "deny": "ecs:ListServiceDeployments" }));
    let ran = desk.end(desk.live(&["run", "--dry-run"]));
    assert_eq!(ran.code, Some(4), "{}{}", ran.out, ran.err);
    assert!(ran.err.contains("IAM would deny ecs:ListServiceDeployments on "), "{}", ran.err);
    // IAM may be wrong about it: a policy of a session is not weighed.
    let ran = desk.end(desk.live(&["run", "--dry-run", "--accept", "permission-missing"]));
    assert_eq!(ran.code, Some(5), "{}{}", ran.out, ran.err);
    assert_snapshot!(redacted(ran.err.split("Caused by").next().unwrap_or_default()), @r#"
    error: the run would stop at `wait for the rollout of nexus-ai-jaeger-staging`: ListServiceDeployments for nexus-ai-jaeger-staging
    "#);
    assert!(ran.out.contains("It lacks what could not be read:\n  ecs:ListServiceDeployments: AccessDenied"), "{}", ran.out);
    only_read(&desk);
}
