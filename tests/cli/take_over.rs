//! `--take-over`: a run is taken from a process that is stopped or not wanted any more, by another operator with other credentials.

use insta::assert_snapshot;
use rustix::process::Signal;
use serde_json::json;

use crate::cli_support::{Desk, Ran, Running, until};

const ALICES_KEY: &str = "AKIAIOSFODNN7EXAMPLE";
const BOBS_KEY: &str = "AKIAI44QH8DHBEXAMPLE";

/// A command of Bob's, at another keyboard of this machine.
fn bobs(desk: &Desk, words: &[&str]) -> Ran {
    let mut command = desk.command(words);
    command.env("USER", "bob").env("AWS_ACCESS_KEY_ID", BOBS_KEY);
    desk.end(command)
}

/// Stops the process and waits until it stands still.
fn stop(running: &Running) {
    running.signal(Signal::STOP);
    let stat = format!("/proc/{}/stat", running.pid());
    until("it is stopped", || std::fs::read_to_string(&stat).expect("a process").contains(") T ").then_some(()));
}

/// Lets Alice's process go on after Bob's is through: it ends, asks AWS for nothing and journals nothing.
fn goes_on_in_vain(desk: &Desk, alices: Running) -> Ran {
    let asked = desk.sim.asked_by(ALICES_KEY);
    let journaled = desk.status();
    alices.signal(Signal::CONT);
    let ran = alices.wait();
    assert_eq!(ran.code, Some(5), "{}", ran.err);
    assert_eq!(desk.sim.asked_by(ALICES_KEY), asked, "requests after it was continued");
    let now = desk.status();
    assert_eq!((&now["lastSeq"], &now["status"]), (&journaled["lastSeq"], &journaled["status"]));
    ran
}

fn made_once(desk: &Desk) {
    let made = ["CreateLogGroup", "CreateService", "RegisterTaskDefinition", "UpdateService"].map(|action| desk.sim.count(action));
    assert_eq!(made, [1, 2, 3, 3], "{:?}", desk.sim.effects());
}

#[test]
fn a_process_stopped_in_a_wait_is_taken_over_and_goes_on_in_vain() {
    let desk = Desk::new();
    let alices = desk.frozen_in_stage_3();
    stop(&alices);
    let ran = bobs(&desk, &["resume"]);
    assert_eq!(ran.code, Some(9), "its lock stands: {}", ran.err);
    let ran = bobs(&desk, &["resume", "--take-over"]);
    assert_eq!(ran.code, Some(2), "a take-over says why: {}", ran.err);
    assert!(ran.err.contains("--reason"), "{}", ran.err);

    desk.sim.thaw();
    let ran = bobs(&desk, &["resume", "--take-over", "--reason", "her laptop sleeps"]);
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    let run = desk.run_id();
    let waited = ran.err.find("A change that it sent may still be on its way").expect("it says why it waits");
    let opened = ran.err.find("taken up by bob").or_else(|| ran.err.find("stage 3/6")).expect("it goes on");
    assert!(waited < opened, "{}", ran.err);
    made_once(&desk);
    assert!(desk.sim.asked_by(BOBS_KEY) > 0);

    let ran = goes_on_in_vain(&desk, alices);
    let last = ran.err.find("error:").expect("an error");
    assert_snapshot!(desk.shown(&ran.err[last..]), @r#"
    error: run `RUN` was taken over by bob@HOST (pid N); this one wrote nothing more
      Caused by: the reason given: her laptop sleeps

    hint: see who holds it with `sidestep status RUN`
    "#);
    made_once(&desk);
    let ran = desk.call(&["status", &run]);
    assert!(ran.out.contains("done") && !ran.out.contains("interrupted"), "{}", ran.out);
}

#[test]
fn a_process_stopped_with_a_change_in_flight_is_taken_over_and_goes_on_in_vain() {
    let desk = Desk::new();
    desk.sim.fault(&json!({ "action": "ecs:CreateService", "nth": 1, "fault": "late", "seconds": 3_600 }));
    let mut command = desk.live(&["run", "--yes"]);
    command.env("SIDESTEP_TIME_SCALE", "4");
    let alices = desk.start(command);
    desk.sim.until_done("CreateService");
    stop(&alices);
    desk.until_step("create-service/nexus-ai-jaeger-staging/create", "started");

    let ran = bobs(&desk, &["resume", "--take-over", "--reason", "it hangs"]);
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    made_once(&desk);
    goes_on_in_vain(&desk, alices);
    made_once(&desk);
}

#[test]
fn a_way_back_is_begun_by_who_takes_over() {
    let desk = Desk::new();
    let alices = desk.frozen_in_stage_3();
    stop(&alices);
    desk.sim.thaw();
    let ran = bobs(&desk, &["rollback", "--yes", "--take-over", "--reason", "she is away"]);
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    assert_eq!(desk.status()["status"], "rolled-back");
    goes_on_in_vain(&desk, alices);
    assert!(desk.sim.service("nexus-ai-jaeger-staging").is_none());
}

#[test]
fn a_process_that_runs_is_taken_over_only_by_who_insists() {
    let desk = Desk::new();
    let alices = desk.frozen_in_stage_3();
    let ran = bobs(&desk, &["resume", "--take-over", "--reason", "mine"]);
    assert_snapshot!(desk.ending(&ran), @r#"
    exit 9
    error: run `RUN` is held by alice@HOST (pid N), which is not seen to be stopped

    hint: ask it to pause with `sidestep pause RUN`, then go on without `--take-over`
    hint: to take the run from it all the same, add `--yes`: what it waits for is left
    "#);
    desk.until_step("create-service/nexus-ai-jaeger-staging/rollout", "started");
    desk.sim.thaw();
    let ran = bobs(&desk, &["resume", "--yes", "--take-over", "--reason", "mine"]);
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    let old = alices.wait();
    assert_eq!(old.code, Some(5), "{}", old.err);
    assert!(old.err.contains("taken over by bob@"), "{}", old.err);
    made_once(&desk);
}

#[test]
fn where_nobody_holds_a_run_there_is_nothing_to_take_or_to_wait_for() {
    let desk = Desk::new();
    let ran = desk.end(desk.live(&["run", "--yes", "--pause-before", "create-service"]));
    assert_eq!(ran.code, Some(6), "{}", ran.err);
    let ran = bobs(&desk, &["resume", "--take-over", "--reason", "to be sure"]);
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    assert!(ran.err.contains("No process holds run") && !ran.err.contains("waiting"), "{}", ran.err);
    made_once(&desk);
}
