//! Gates: an approval before a stage, and a time of watching after one.

use insta::assert_snapshot;
use serde_json::json;

use crate::cli_support::{Desk, Ran, file};

/// The shipped runbook with gates in the stage that strips the sidecar, or after the one before it.
fn runbook(desk: &Desk, approve: Option<&str>, bake: Option<&str>) -> String {
    let mut text = std::fs::read_to_string(file("runbooks/jaeger-sidecar-to-shared.hcl")).expect("the runbook");
    if let Some(words) = approve {
        let stage = "stage \"strip_sidecar\" \"strip-sidecar\" {\n";
        assert!(text.contains(stage));
        text = text.replace(stage, &format!("{stage}  approve = \"{words}\"\n"));
    }
    if let Some(time) = bake {
        let stage = "stage \"retarget_env\" \"retarget-api-env\" {\n";
        assert!(text.contains(stage));
        text = text.replace(stage, &format!("{stage}  bake = \"{time}\"\n"));
    }
    desk.write("gated.hcl", &text)
}

fn run(desk: &Desk, approve: Option<&str>, bake: Option<&str>) -> Ran {
    let path = runbook(desk, approve, bake);
    desk.end(desk.live(&["run", &path, "--yes"]))
}

#[test]
fn an_approval_is_not_answered_by_yes_but_by_a_person() {
    let desk = Desk::new();
    let ran = run(&desk, Some("Have you seen the traces in the shared Jaeger?"), None);
    assert_snapshot!(desk.ending(&ran), @r#"
    exit 6
    Summary of run RUN: 5 of 6 stages done in T
      ✓ 1/6 create-log-group          done  (T)
      ✓ 2/6 register-task-definition  done  (T)
      ✓ 3/6 create-service            done  (T)
      ✓ 4/6 register-dns              done  (T)
      ✓ 5/6 retarget-api-env          done  (T)
      ‖ 6/6 strip-sidecar             not done: `approval of strip-sidecar` waits for a person
    paused: stage 6/6 `strip-sidecar` waits for a person: approval of strip-sidecar
      Caused by: Have you seen the traces in the shared Jaeger?

    state: stages 1-5 done, stage 6 (strip-sidecar) not done
    hint: to approve it, run `sidestep approve RUN --comment "…"`, then `sidestep resume RUN`
    hint: to go back, run `sidestep rollback RUN`
    "#);
    assert_eq!(desk.sim.count("UpdateService"), 2, "the name and the endpoint, not the sidecar");
    let ran = desk.call(&["resume", "--yes"]);
    assert_eq!(ran.code, Some(6), "asked again, not answered: {}", ran.err);
    let ran = desk.call(&["approve", "--comment", "seen by two of us"]);
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    let ran = desk.call(&["resume"]);
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    assert_eq!(desk.sim.count("UpdateService"), 3);
    let again = desk.call(&["approve", "--comment", "twice"]);
    assert_eq!(again.code, Some(2), "{}", again.err);
}

#[test]
fn a_time_of_watching_goes_by_and_the_run_goes_on() {
    let desk = Desk::new();
    let ran = run(&desk, None, Some("5m"));
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    let watched = ran.err.find("✓ watch that retarget-api-env stays well").expect("the watch");
    assert!(ran.err.find("stage 6/6 strip-sidecar").expect("stage 6") > watched);
}

#[test]
fn a_time_of_watching_is_ended_early_from_another_terminal() {
    let desk = Desk::new();
    let path = runbook(&desk, None, Some("900h"));
    let running = desk.start(desk.live(&["run", &path, "--yes"]));
    desk.until_step("retarget-api-env/bake/bake", "started");
    let told = desk.shown(&desk.call(&["status"]).out);
    assert!(told.contains("hint: to end the watch early, run `sidestep approve RUN --comment \"…\"`"), "{told}");
    let ran = desk.call(&["approve", "--comment", "long enough"]);
    assert_snapshot!(format!("exit {:?}\n{}", ran.code, desk.shown(&ran.err)), @r"
    exit Some(0)
    Approved: watch that retarget-api-env stays well. The process that holds run RUN goes on.
    ");
    let ran = running.wait();
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    assert!(
        desk.shown(&ran.err).contains("✓ watch that retarget-api-env stays well: approved by alice@HOST: long enough"),
        "{}",
        ran.err
    );
}

#[test]
fn trouble_while_it_is_watched_stops_the_run() {
    let desk = Desk::new();
    let path = runbook(&desk, None, Some("900h"));
    let running = desk.start(desk.live(&["run", &path, "--yes"]));
    running.until_said("to go");
    let cluster = "nexus-ai-cluster-staging";
    desk.sim
        .foreign("UpdateService", &json!({ "cluster": cluster, "service": "nexus-ai-api-staging", "forceNewDeployment": true }));
    let ran = running.wait();
    assert_eq!(ran.code, Some(5), "{}", ran.err);
    assert!(ran.err.contains("`nexus-ai-api-staging` did not stay well while it was watched"), "{}", ran.err);
    assert!(ran.err.contains("took the place of"), "{}", ran.err);
    assert_eq!(desk.sim.count("UpdateService"), 3, "the name, the endpoint, and the other hand: not the sidecar");
}

#[test]
fn a_gate_that_is_none_is_a_problem_of_the_runbook() {
    let desk = Desk::new();
    let path = runbook(&desk, None, Some("a while"));
    let ran = desk.end(desk.live(&["check", &path]));
    assert_eq!(ran.code, Some(3), "{}", ran.err);
    assert!(ran.err.contains("bake is a duration") && ran.err.contains("bake = \"10m\""), "{}", ran.err);
}

#[test]
fn a_rehearsal_passes_both_by_itself() {
    let desk = Desk::new();
    let path = runbook(&desk, Some("Seen?"), Some("10m"));
    let vars = file("runbooks/worlds/nexus-ai-staging.tfvars");
    let ran = desk.end(desk.command(&["rehearse", &path, "--var-file", &vars]));
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    let said = "✓ approval of strip-sidecar: approved by rehearsal@simulator: a rehearsal has nobody to ask";
    assert!(ran.err.contains(said), "{}", ran.err);
}
