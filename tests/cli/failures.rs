//! What goes wrong in the middle: said with the resource, AWS's words and the next command, and nothing is lost.

use insta::assert_snapshot;
use serde_json::json;

use crate::cli_support::{Desk, Sim, file};

#[test]
fn credentials_that_expire_pause_the_run() {
    let desk = Desk::new();
    desk.sim.fault(&json!({ "action": "ecs:CreateService", "nth": 1, "fault": "expire" }));
    let ran = desk.end(desk.live(&["run", "--yes"]));
    assert_snapshot!(desk.ending(&ran), @r#"
    exit 6
    Summary of run RUN: 2 of 6 stages done in T
      ✓ 1/6 create-log-group          done  (T)
      ✓ 2/6 register-task-definition  done  (T)
      ✗ 3/6 create-service            not done: `create service nexus-ai-jaeger-staging` stopped:
            CreateService for nexus-ai-jaeger-staging
      · 4/6 register-dns              not run: create-service is not done
      · 5/6 retarget-api-env          not run: register-dns is not done
      · 6/6 strip-sidecar             not run: retarget-api-env is not done
    error: AWS does not accept the credentials
      Caused by: ExpiredTokenException: The security token included in the request is expired (request ID)

    state: stages 1-2 done, stage 3 (create-service) not done
    hint: after refreshing the credentials, run `sidestep resume RUN`
    hint: to go back, run `sidestep rollback RUN`
    "#);
    let ran = desk.call(&["resume", "--yes"]);
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    assert_eq!(desk.sim.count("CreateService"), 2, "the shared service and the name, once each");
}

#[test]
fn an_image_that_cannot_be_pulled_is_replaced_by_an_amendment() {
    let desk = Desk::new();
    desk.sim.fault(&json!({ "image": "jaegertracing/all-in-one:1.99", "fault": "cannot-pull" }));
    let mut command = desk.live(&["run", "--yes"]);
    command.args(["--var", "jaeger_image=jaegertracing/all-in-one:1.99"]);
    let ran = desk.end(command);
    assert_snapshot!(desk.ending(&ran), @r#"
    exit 5
    Summary of run RUN: 2 of 6 stages done in T
      ✓ 1/6 create-log-group          done  (T)
      ✓ 2/6 register-task-definition  done  (T)
      ✗ 3/6 create-service            not done: `wait for the rollout of nexus-ai-jaeger-staging`
            stopped: the rollout of `nexus-ai-jaeger-staging` failed
      · 4/6 register-dns              not run: create-service is not done
      · 5/6 retarget-api-env          not run: register-dns is not done
      · 6/6 strip-sidecar             not run: retarget-api-env is not done
    error: stage 3/6 `create-service` stopped: the rollout of `nexus-ai-jaeger-staging` failed
      Caused by: deployment ecs-svc/N failed: ECS deployment circuit breaker: tasks failed to start.
      Caused by: 3 tasks stopped: CannotPullContainerError: pull image manifest has been retried 1 time(s): failed to resolve ref docker.io/jaegertracing/all-in-one:1.99: docker.io/jaegertracing/all-in-one:1.99: not found

    state: stages 1-2 done, stage 3 (create-service) not done; `nexus-ai-jaeger-staging` serves nobody yet, the API is as before
    hint: after repairing the cause, run `sidestep resume RUN`
    hint: to go back, run `sidestep rollback RUN`
    hint: to see what most likely lies behind it, run `sidestep doctor --run RUN`
    "#);
    assert_snapshot!(desk.shown(&desk.call(&["status"]).out), @"
    run RUN: jaeger-sidecar-to-shared
      status        stopped
      environment   staging, account 111122223333, us-west-2
      started       TIME (T ago)
      changed       TIME (T ago)
      endpoint      http://ENDPOINT
      claim         held on nexus-ai-api-staging since TIME

      ✓ 1/6 create-log-group          done
      ✓ 2/6 register-task-definition  done
      ✗ 3/6 create-service            stopped, 1 of 3 steps done
          ✓ create service nexus-ai-jaeger-staging
          ✗ wait for the rollout of nexus-ai-jaeger-staging: the rollout of `nexus-ai-jaeger-staging`
              failed
              deployment ecs-svc/N failed: ECS deployment circuit breaker: tasks
                failed to start.
              3 tasks stopped: CannotPullContainerError: pull image manifest has been retried 1 time(s):
                failed to resolve ref docker.io/jaegertracing/all-in-one:1.99:
                docker.io/jaegertracing/all-in-one:1.99: not found
          · see that nexus-ai-jaeger-staging serves
      · 4/6 register-dns              not begun
      · 5/6 retarget-api-env          not begun
      · 6/6 strip-sidecar             not begun

    hint: when the cause is repaired, run `sidestep resume RUN`
    hint: to undo what was done, run `sidestep rollback RUN`
    ");
    let ran = desk.call(&["resume", "--yes", "--var", "jaeger_image=jaegertracing/all-in-one:1.60"]);
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    let amended = ran.err.lines().find(|line| line.starts_with("Amended:")).expect("the amendment is named");
    assert_eq!(amended, r#"Amended: jaeger_image: "jaegertracing/all-in-one:1.99" → "jaegertracing/all-in-one:1.60""#);
}

#[test]
fn a_task_definition_that_cannot_be_registered_is_said_before_anything_is_made() {
    let text = std::fs::read_to_string(file("runbooks/worlds/nexus-ai-staging.json")).expect("the world");
    let mut world: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    for entry in world["ecs"]["taskDefinitions"].as_array_mut().expect("task definitions") {
        entry["taskDefinition"].as_object_mut().expect("an object").remove("executionRoleArn");
    }
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("world.json");
    std::fs::write(&path, world.to_string()).expect("a file");
    let desk = Desk::at(Sim::serve(&["--world", &path.display().to_string()]));
    let ran = desk.end(desk.live(&["run", "--yes"]));
    assert_snapshot!(desk.ending(&ran), @r#"
    exit 4
    error: 1 finding blocks this plan

      no-execution-role: nexus-ai-jaeger-staging
        found:       the task definition of `nexus-ai-api-staging` has no execution role, and none is given
        consequence: Fargate cannot write the containers' logs
        fix:         give one with variable `execution_role_arn`
        --accept:    not possible: because of it a part of the plan is missing

    hint: repair what is named above: `no-execution-role` cannot be accepted
    "#);
}

#[test]
fn a_runbook_that_changed_is_an_amendment_and_never_taken_silently() {
    let desk = Desk::new();
    let text = std::fs::read_to_string(file("runbooks/jaeger-sidecar-to-shared.hcl")).expect("the runbook");
    let path = desk.write("mine.hcl", &text);
    let ran = desk.end(desk.live(&["run", &path, "--yes", "--pause-before", "register-task-definition"]));
    assert_eq!(ran.code, Some(6), "{}", ran.err);
    desk.write("mine.hcl", &text.replace("start_period = 10", "start_period = 20"));
    let mut command = desk.command(&["resume", "--runbook", &path]);
    command.args(["--var", "jaeger_memory=4096"]);
    let ran = desk.end(command);
    assert_snapshot!(desk.ending(&ran), @r#"
    exit 3
    error: the runbook of run `RUN` has changed since it started
      Caused by: the text of runbook `jaeger-sidecar-to-shared` changed
      Caused by: jaeger_memory: 2048 → 4096

    hint: to go on with the plan as it was agreed to, run `sidestep resume RUN` without other variables
    hint: to go back, run `sidestep rollback RUN`
    "#);
    // Without variables it goes on with the plan as it was agreed to, and says that the text is another one: the file is found
    // by its path, though a runbook of that name is part of the program.
    let ran = desk.call(&["resume", "--yes"]);
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    let said = "Going on with the plan as it was agreed to. Findings are not read again: runbook `DIR/mine.hcl` has another text \
                now. To take the changes over, run `sidestep resume RUN --runbook DIR/mine.hcl`.";
    assert_eq!(desk.shown(&ran.err).lines().next(), Some(said));
    let world = desk.sim.world();
    let definitions = world["ecs"]["taskDefinitions"].as_array().expect("task definitions").clone();
    let jaeger = definitions.iter().find(|entry| entry["taskDefinition"]["family"] == "nexus-ai-jaeger-staging").expect("Jaeger's");
    assert_eq!(jaeger["taskDefinition"]["memory"], "2048");
    assert_eq!(jaeger["taskDefinition"]["containerDefinitions"][0]["healthCheck"]["startPeriod"], 10);
}

#[test]
fn a_runbook_file_is_found_again_by_its_path_or_said_to_be_gone() {
    let desk = Desk::new();
    let text = std::fs::read_to_string(file("runbooks/jaeger-sidecar-to-shared.hcl")).expect("the runbook");
    desk.write("mine.hcl", &text.replace("jaeger-sidecar-to-shared", "mine"));
    let paused = |words: &[&str]| {
        let ran = desk.end(desk.live(words));
        assert_eq!(ran.code, Some(6), "{}", ran.err);
        desk.shown(&ran.err)
    };
    paused(&["run", "mine.hcl", "--yes", "--pause-before", "register-task-definition"]);
    // Found: the findings were read again, and the port that was closed meanwhile blocks what is left.
    desk.sim.close_the_ports();
    let ran = desk.call(&["resume", "--yes"]);
    assert_eq!(ran.code, Some(4), "{}", ran.err);
    std::fs::remove_file(desk.dir.path().join("mine.hcl")).expect("it was there");
    let ran = desk.call(&["resume", "--yes", "--var", "jaeger_memory=4096"]);
    assert_snapshot!(desk.ending(&ran), @r#"
    exit 2
    error: cannot read runbook `DIR/mine.hcl`
      Caused by: No such file or directory (os error 2)

    hint: if it moved, say where to: `sidestep resume RUN --runbook FILE`
    "#);
    let ran = desk.call(&["resume", "--yes", "--pause-before", "create-service"]);
    let said = "Going on with the plan as it was agreed to. Findings are not read again: runbook `DIR/mine.hcl` cannot be read: \
                No such file or directory (os error 2).";
    assert_eq!(desk.shown(&ran.err).lines().next(), Some(said));
    desk.write("mine.hcl", "runbook \"mine\" {}\n");
    let ran = desk.call(&["resume", "--yes", "--pause-before", "register-dns"]);
    let said = desk.shown(&ran.err).lines().next().unwrap_or_default().to_owned();
    assert!(said.contains("runbook `DIR/mine.hcl` does not read as it did: "), "{said}");
}

#[test]
fn a_run_is_bound_to_its_account_region_and_endpoint() {
    let desk = Desk::new();
    let ran = desk.end(desk.live(&["run", "--yes", "--pause-before", "create-service"]));
    assert_eq!(ran.code, Some(6), "{}", ran.err);
    let ran = desk.call(&["resume", "--yes", "--region", "eu-west-1"]);
    assert_snapshot!(desk.ending(&ran), @r#"
    exit 2
    error: run `RUN` is bound to account 111122223333, Region us-west-2, endpoint http://ENDPOINT, this is account 111122223333, Region eu-west-1, endpoint http://ENDPOINT

    hint: use the profile, Region and endpoint that the run was started with
    "#);
    let elsewhere = Sim::serve(&[]);
    let ran = desk.call(&["rollback", "--yes", "--endpoint-url", &elsewhere.endpoint]);
    assert_eq!(ran.code, Some(2), "{}", ran.err);
    assert_eq!(elsewhere.effects(), Vec::<String>::new());
}

#[test]
fn a_simulator_that_is_gone_is_unreachable_and_the_run_can_be_resumed() {
    let desk = Desk::new();
    let ran = desk.end(desk.live(&["run", "--yes", "--pause-before", "create-service"]));
    assert_eq!(ran.code, Some(6), "{}", ran.err);
    let mut desk = desk;
    let gone = desk.sim.endpoint.clone();
    desk.sim = Sim::serve(&[]);
    let ran = desk.call(&["resume", "--yes"]);
    assert_snapshot!(desk.ending(&ran).replace(&gone, "http://GONE"), @r#"
    exit 5
    error: cannot reach AWS: GetCallerIdentity got no usable answer
      Caused by: http://GONE: Connection refused (os error 111)

    hint: check the network, `--region` and `--endpoint-url`, and run the same command again
    "#);
    assert_eq!(desk.status()["status"], "paused");
}
