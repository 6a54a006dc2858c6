//! Lanes by name: a service gone on with alone, and taken back alone.

use insta::assert_snapshot;

use crate::cli_support::Desk;

#[test]
fn a_lane_goes_on_alone_and_the_rest_follows() {
    let desk = Desk::new();
    let ran = desk.end(desk.live(&["run", "--yes", "--pause-before", "create-service"]));
    assert_eq!(ran.code, Some(6), "{}", ran.err);
    let ran = desk.call(&["resume", "--yes", "--lane", "nexus-ai-jeager-staging"]);
    assert_snapshot!(desk.ending(&ran), @r#"
    exit 2
    error: no stage of run `RUN` has a lane for `nexus-ai-jeager-staging`

    hint: did you mean `nexus-ai-jaeger-staging`?
    "#);
    let ran = desk.call(&["resume", "--yes", "--lane", "nexus-ai-jaeger-staging"]);
    assert_snapshot!(desk.ending(&ran), @r#"
    exit 6
    Summary of run RUN: 3 of 6 stages done in T
      ✓ 1/6 create-log-group          done  (T)
      ✓ 2/6 register-task-definition  done  (T)
      ✓ 3/6 create-service            done  (T)
      · 4/6 register-dns              not run: only the lanes of nexus-ai-jaeger-staging were to run
      · 5/6 retarget-api-env          not run: register-dns is not done
      · 6/6 strip-sidecar             not run: retarget-api-env is not done
    paused: the lanes named are done; 1 lane is left in stage 4/6 `register-dns`: jaeger.nexus-ai.local

    state: stages 1-3 done, stage 4 (register-dns) not done
    hint: to go on with all lanes, run `sidestep resume RUN`
    hint: to go back, run `sidestep rollback RUN`
    "#);
    assert_eq!(desk.sim.count("UpdateService"), 0);
    let ran = desk.call(&["resume", "--yes"]);
    assert_eq!(ran.code, Some(0), "{}", ran.err);
}

#[test]
fn a_lane_is_taken_back_alone_and_done_again() {
    let desk = Desk::new();
    let ran = desk.end(desk.live(&["run", "--yes"]));
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    let run = desk.run_id();
    let before = desk.sim.effects();
    let ran = desk.call(&["rollback", &run, "--yes", "--lane", "nexus-ai-jaeger-staging"]);
    assert_snapshot!(desk.ending(&ran), @r#"
    exit 2
    error: run `RUN` cannot be rolled back: `nexus-ai-api-staging` rests on `nexus-ai-jaeger-staging` and would be left without it

    hint: go back in all lanes with `sidestep rollback RUN`, or part of the way by adding `--to STAGE` to it
    "#);
    assert_eq!(desk.sim.effects(), before, "nothing was changed");

    let ran = desk.call(&["rollback", &run, "--yes", "--lane", "nexus-ai-api-staging"]);
    assert_snapshot!(desk.ending(&ran), @r#"
    exit 0
    Summary of run RUN: 2 of 2 stages undone in T
      ✓ 1/2 strip-sidecar     undone  (T)
      ✓ 2/2 retarget-api-env  undone  (T)
    Run RUN went back for nexus-ai-api-staging to the start. Go forward again with `sidestep resume RUN`, or undo the rest with `sidestep rollback RUN`.
    "#);
    assert!(desk.shown(&desk.call(&["status"]).out).contains("went back for nexus-ai-api-staging to the start"));
    let api = desk.sim.service("nexus-ai-api-staging").expect("it is there");
    assert_eq!(api["loadBalancers"].as_array().map(Vec::len), Some(2), "with its sidecar again");
    assert!(desk.sim.service("nexus-ai-jaeger-staging").is_some(), "the shared service stays");

    let ran = desk.call(&["resume", "--yes"]);
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    assert_eq!(desk.status()["status"], "done");
    assert_eq!(desk.sim.count("CreateService"), 2, "the service and the name, once each");
    let api = desk.sim.service("nexus-ai-api-staging").expect("it is there");
    assert_eq!(api["loadBalancers"].as_array().map(Vec::len), Some(1), "without it once more");
}
