//! Stopping a run and going on: from its own terminal, from another, and from nothing but its journal.

use std::io::{BufRead, BufReader};
use std::process::Stdio;

use insta::assert_snapshot;
use rustix::process::Signal;
use serde_json::json;

use crate::cli_support::{Desk, until};

/// Resumes and expects the end, with every mutation made once.
fn finishes(desk: &Desk) {
    let ran = desk.call(&["resume"]);
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    let made = ["CreateLogGroup", "CreateService", "RegisterTaskDefinition", "UpdateService"].map(|action| desk.sim.count(action));
    assert_eq!(made, [1, 2, 3, 3], "{:?}", desk.sim.effects());
}

#[test]
fn a_run_stops_before_a_stage_and_goes_on() {
    let desk = Desk::new();
    let ran = desk.end(desk.live(&["run", "--yes", "--pause-before", "strip-sidecar"]));
    assert_snapshot!(desk.ending(&ran), @r#"
    exit 6
    Summary of run RUN: 5 of 6 stages done in T
      ✓ 1/6 create-log-group          done  (T)
      ✓ 2/6 register-task-definition  done  (T)
      ✓ 3/6 create-service            done  (T)
      ✓ 4/6 register-dns              done  (T)
      ✓ 5/6 retarget-api-env          done  (T)
      · 6/6 strip-sidecar             not run: the run was to stop before strip-sidecar
    paused: before stage 6/6 `strip-sidecar`, as asked

    state: stages 1-5 done, stage 6 (strip-sidecar) not done
    hint: to go on, run `sidestep resume RUN`
    hint: to go back, run `sidestep rollback RUN`
    "#);
    assert_eq!(desk.sim.count("RegisterTaskDefinition"), 2);
    finishes(&desk);
}

#[test]
fn what_changed_meanwhile_is_found_when_it_is_taken_up() {
    let desk = Desk::new();
    let ran = desk.end(desk.live(&["run", "--yes", "--pause-before", "create-service"]));
    assert_eq!(ran.code, Some(6), "{}", ran.err);
    desk.sim.close_the_ports();
    let before = desk.sim.effects();
    let ran = desk.call(&["resume", "--yes"]);
    assert_eq!(ran.code, Some(4), "{}", ran.err);
    assert!(ran.err.contains("span-port-closed") && ran.err.contains("sg-05687f8926f501d48"), "{}", ran.err);
    assert_eq!(desk.sim.effects(), before, "nothing was changed");
    let ran = desk.call(&["resume", "--yes", "--accept", "span-port-closed"]);
    assert_eq!(ran.code, Some(6), "the way to stage 6 stays shut: {}", ran.err);
    assert_eq!(desk.sim.count("UpdateService"), 2, "the name and the endpoint, not the sidecar");
}

#[test]
fn another_terminal_pauses_it() {
    let desk = Desk::new();
    let running = desk.frozen_in_stage_3();
    let told = desk.call(&["pause"]);
    assert_snapshot!(format!("exit {:?}\n{}", told.code, desk.shown(&told.err)), @r#"
    exit Some(0)
    Asked run RUN to pause. Go on later with `sidestep resume RUN`.
    "#);
    let ran = running.wait();
    assert_snapshot!(desk.ending(&ran), @r#"
    exit 6
    Summary of run RUN: 2 of 6 stages done in T
      ✓ 1/6 create-log-group          done  (T)
      ✓ 2/6 register-task-definition  done  (T)
      ▸ 3/6 create-service            not done: the run was paused during `wait for the rollout of
            nexus-ai-jaeger-staging`
      · 4/6 register-dns              not run: create-service is not done
      · 5/6 retarget-api-env          not run: register-dns is not done
      · 6/6 strip-sidecar             not run: retarget-api-env is not done
    paused: `sidestep pause` by alice@HOST

    state: stages 1-2 done, stage 3 (create-service) not done
    meanwhile: ECS goes on with the rollout of `nexus-ai-jaeger-staging` by itself
    hint: to go on, run `sidestep resume RUN`
    hint: to go back, run `sidestep rollback RUN`
    "#);
    desk.sim.thaw();
    finishes(&desk);
}

#[test]
fn ctrl_c_leaves_a_wait_at_once() {
    let desk = Desk::new();
    let running = desk.frozen_in_stage_3();
    running.signal(Signal::INT);
    let ran = running.wait();
    assert_snapshot!(desk.ending(&ran), @r#"
    exit 6
    Summary of run RUN: 2 of 6 stages done in T
      ✓ 1/6 create-log-group          done  (T)
      ✓ 2/6 register-task-definition  done  (T)
      ▸ 3/6 create-service            not done: the run was paused during `wait for the rollout of
            nexus-ai-jaeger-staging`
      · 4/6 register-dns              not run: create-service is not done
      · 5/6 retarget-api-env          not run: register-dns is not done
      · 6/6 strip-sidecar             not run: retarget-api-env is not done
    paused: Ctrl-C

    state: stages 1-2 done, stage 3 (create-service) not done
    meanwhile: ECS goes on with the rollout of `nexus-ai-jaeger-staging` by itself
    hint: to go on, run `sidestep resume RUN`
    hint: to go back, run `sidestep rollback RUN`
    "#);
    desk.sim.thaw();
    // The same, by the other name.
    let ran = desk.call(&["run", "--resume", "--yes"]);
    assert_eq!(ran.code, Some(0), "{}", ran.err);
}

#[test]
fn the_first_ctrl_c_waits_for_the_mutation_the_second_does_not() {
    let desk = Desk::new();
    desk.sim.fault(&json!({ "action": "CreateService", "nth": 1, "fault": "hold" }));
    let mut running = desk.start(desk.live(&["run", "--yes"]));
    desk.sim.until_asked("CreateService");
    running.signal(Signal::TERM);
    running.until_said("pause asked for");
    assert!(!running.ended(), "a mutation is in flight");
    running.signal(Signal::INT);
    let ran = running.wait();
    assert_snapshot!(desk.ending(&ran), @r#"
    exit 6
    Summary of run RUN: 2 of 6 stages done in T
      ✓ 1/6 create-log-group          done  (T)
      ✓ 2/6 register-task-definition  done  (T)
      ▸ 3/6 create-service            not done: the run was left while `create service
            nexus-ai-jaeger-staging` was under way
      · 4/6 register-dns              not run: create-service is not done
      · 5/6 retarget-api-env          not run: register-dns is not done
      · 6/6 strip-sidecar             not run: retarget-api-env is not done
    paused: SIGTERM

    state: stages 1-2 done, stage 3 (create-service) not done
    meanwhile: `create service nexus-ai-jaeger-staging` was under way and may still take effect; a resumed run looks at AWS first
    hint: to go on, run `sidestep resume RUN`
    hint: to go back, run `sidestep rollback RUN`
    "#);
    assert_eq!(desk.sim.count("CreateService"), 0);
    finishes(&desk);
}

#[test]
fn a_killed_run_is_seen_as_dead_and_taken_up_without_a_flag() {
    let desk = Desk::new();
    let running = desk.frozen_in_stage_3();
    assert!(desk.shown(&desk.call(&["status"]).out).contains("status        running, held by alice@HOST (pid N)"));
    running.signal(Signal::KILL);
    assert_eq!(running.wait().code, None);
    assert_snapshot!(desk.shown(&desk.call(&["status"]).out), @"
    run RUN: jaeger-sidecar-to-shared
      status        interrupted: alice@HOST (pid N) ended without leaving in order
      environment   staging, account 111122223333, us-west-2
      started       TIME (T ago)
      changed       TIME (T ago)
      endpoint      http://ENDPOINT
      claim         held on nexus-ai-api-staging since TIME

      ✓ 1/6 create-log-group          done
      ✓ 2/6 register-task-definition  done
      ▸ 3/6 create-service            under way, 1 of 3 steps done
          ✓ create service nexus-ai-jaeger-staging
          ▸ wait for the rollout of nexus-ai-jaeger-staging: T
          · see that nexus-ai-jaeger-staging serves
      · 4/6 register-dns              not begun
      · 5/6 retarget-api-env          not begun
      · 6/6 strip-sidecar             not begun

    hint: to go on, run `sidestep resume RUN`
    hint: to undo what was done, run `sidestep rollback RUN`
    ");
    desk.sim.thaw();
    finishes(&desk);
}

#[test]
fn a_live_run_is_nobody_elses() {
    let desk = Desk::new();
    let running = desk.frozen_in_stage_3();
    let [resumed, abandoned] = [vec!["resume"], vec!["abandon", "--reason", "mine"]].map(|words| desk.ending(&desk.call(&words)));
    assert_snapshot!(resumed, @r#"
    exit 9
    error: run `RUN` is held by alice@HOST (pid N)

    hint: watch it with `sidestep status RUN`
    hint: ask it to pause with `sidestep pause RUN`
    hint: if it is stopped, asleep or hung, take the run from it with `sidestep resume RUN --take-over --reason "…"`
    "#);
    assert_eq!(abandoned, resumed);
    let ran = desk.end(desk.live(&["run", "--yes"]));
    assert_snapshot!(desk.ending(&ran), @r#"
    exit 9
    error: service `nexus-ai-api-staging` is already being changed by run `RUN`
      Caused by: `RUN` is under way: alice@HOST (pid N) holds it

    hint: watch it with `sidestep status RUN`, and start this one when it is over
    hint: ask it to pause with `sidestep pause RUN`, or to go back with `sidestep rollback RUN`
    "#);
    // Going back is asked of the process that holds it.
    let ran = desk.call(&["rollback", "--yes"]);
    assert_snapshot!(format!("exit {:?}\n{}", ran.code, desk.shown(&ran.err)), @r#"
    exit Some(0)
    Asked the process that holds run RUN to go back. Watch it with `sidestep status RUN`.
    "#);
    desk.sim.thaw();
    let ran = running.wait();
    assert_eq!(ran.code, Some(7), "{}", ran.err);
    assert_eq!(desk.status()["status"], "rolled-back");
    assert!(desk.sim.service("nexus-ai-jaeger-staging").is_none());
}

#[test]
fn where_jaeger_cannot_be_asked_a_person_decides() {
    let desk = Desk::new();
    let mut command = desk.live_without_jaeger(&["run", "--yes"]);
    command.args(["--var", "jaeger_url=http://127.0.0.1:9"]);
    let ran = desk.end(command);
    assert_snapshot!(desk.ending(&ran), @r#"
    exit 6
    Summary of run RUN: 4 of 6 stages done in T
      ✓ 1/6 create-log-group          done  (T)
      ✓ 2/6 register-task-definition  done  (T)
      ✓ 3/6 create-service            done  (T)
      ✓ 4/6 register-dns              done  (T)
      ‖ 5/6 retarget-api-env          not done: `see that spans arrive` waits for a person
      · 6/6 strip-sidecar             not run: retarget-api-env is not done
    paused: stage 5/6 `retarget-api-env` waits for a person: see that spans arrive
      Caused by: Jaeger cannot be asked from here whether spans arrive: http://127.0.0.1:9: no connection

    state: stages 1-4 done, stage 5 (retarget-api-env) not done
    hint: to look again, run `sidestep resume RUN`
    hint: to ask the task itself, from a machine inside the VPC, run `sidestep resume RUN --var jaeger_url=`
    hint: to ask at another address, run `sidestep resume RUN --var jaeger_url=http://…`
    hint: to have the run itself make requests to an address of the application, run `sidestep resume RUN --var probe_url=http://…`
    hint: if a person has seen that all is well, run `sidestep approve RUN --comment "…"`, then `sidestep resume RUN`
    hint: to go back, run `sidestep rollback RUN`
    "#);
    let early = desk.call(&["approve"]);
    assert_eq!(early.code, Some(2), "an approval says why: {}", early.err);
    let ran = desk.call(&["approve", "--comment", "seen in the UI"]);
    assert_snapshot!(format!("exit {:?}\n{}", ran.code, desk.shown(&ran.err)), @r#"
    exit Some(0)
    Approved: see that spans arrive. Go on with `sidestep resume RUN`.
    "#);
    let ran = desk.call(&["approve", "--comment", "once more"]);
    assert_snapshot!(desk.ending(&ran), @r#"
    exit 2
    error: run `RUN` cannot be approved: no step of it waits for a person

    hint: see where it stands with `sidestep status RUN`
    "#);
    finishes(&desk);
}

#[test]
fn a_run_is_given_up_as_it_stands() {
    let desk = Desk::new();
    let ran = desk.end(desk.live(&["run", "--yes", "--pause-before", "create-service"]));
    assert_eq!(ran.code, Some(6), "{}", ran.err);
    let run = desk.run_id();
    let ran = desk.call(&["abandon", "--reason", "another day"]);
    assert_snapshot!(format!("exit {:?}\n{}", ran.code, desk.shown(&ran.err)), @r#"
    exit Some(0)
    nexus-ai-api-staging is no longer claimed
    Run RUN is abandoned; 3 changes stay as they are in AWS. `sidestep rollback RUN` would still undo them.
    "#);
    let ran = desk.call(&["resume", &run]);
    assert_snapshot!(desk.ending(&ran), @r#"
    exit 2
    error: run `RUN` cannot be resumed: it is over: another day (by alice@HOST)

    hint: to start another, run `sidestep run`
    "#);
    let ran = desk.call(&["pause", &run]);
    assert_snapshot!(desk.ending(&ran), @r#"
    exit 2
    error: run `RUN` cannot be paused: no process works on it

    hint: see where it stands with `sidestep status RUN`, or go on with `sidestep resume RUN`
    "#);
    // Its services are free for another run, which takes over what is there.
    let ran = desk.end(desk.live(&["run", "--yes"]));
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    assert_eq!(desk.sim.count("CreateLogGroup"), 1);
}

#[test]
fn a_pipe_that_closes_stops_nothing() {
    let desk = Desk::new();
    let mut command = desk.live(&["run", "--yes"]);
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("the binary starts");
    let mut first = String::new();
    BufReader::new(child.stderr.take().expect("a pipe")).read_line(&mut first).expect("a line");
    assert!(first.starts_with("Plan of run"), "{first}");
    // The reader is gone here, long before the run has done anything.
    let status = until("the run ends", || child.try_wait().expect("a child"));
    assert_eq!(status.code(), Some(0));
    assert_eq!(desk.status()["status"], "done");
}

#[test]
fn a_way_back_that_lacks_only_its_last_record_is_ended_not_begun_anew() {
    for words in [vec!["resume"], vec!["rollback", "--yes"]] {
        let desk = Desk::new();
        desk.end(desk.live(&["run", "--yes", "--pause-before", "register-task-definition"]));
        let journal = rusqlite::Connection::open(desk.path("state/journal.db")).expect("the journal");
        let refuse =
            "CREATE TRIGGER refused BEFORE INSERT ON record WHEN NEW.body LIKE '%run-ended%' BEGIN SELECT RAISE(ABORT, ''); END";
        journal.execute_batch(refuse).expect("a trigger");
        let ran = desk.call(&["rollback", "--yes"]);
        assert_ne!(ran.code, Some(0), "{}", ran.err);
        let status = desk.status();
        assert_eq!((&status["direction"], desk.sim.count("DeleteLogGroup")), (&json!("back"), 1), "{status}");
        assert_ne!(status["status"], "rolled-back");
        journal.execute_batch("DROP TRIGGER refused").expect("it was there");
        let ran = desk.call(&words);
        assert_eq!(ran.code, Some(0), "{}", ran.err);
        let status = desk.status();
        // One plan there and one back: nothing was planned anew.
        assert_eq!((&status["status"], &status["epoch"]), (&json!("rolled-back"), &json!(2)), "{status}");
        assert_eq!((desk.sim.count("CreateLogGroup"), desk.sim.count("DeleteLogGroup")), (1, 1));
    }
}
