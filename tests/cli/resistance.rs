//! The way back meets what others did: it says who and what, and each way on is an exact command.

use insta::assert_snapshot;
use serde_json::{Value, json};

use crate::cli_support::Desk;

const JAEGER: &str = "nexus-ai-jaeger-staging";
const API: &str = "nexus-ai-api-staging";

/// A desk whose run is done.
fn migrated() -> Desk {
    let desk = Desk::new();
    let ran = desk.end(desk.live(&["run", "--yes"]));
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    desk
}

#[test]
fn a_rollback_that_is_stuck_names_what_is_left_and_skips_it_when_told() {
    let desk = migrated();
    let arn = desk.sim.service(JAEGER).expect("it is there")["serviceArn"].clone();
    desk.sim.foreign("TagResource", &json!({ "resourceArn": arn, "tags": [{ "key": "sidestep:run", "value": "zzzz" }] }));
    let ran = desk.call(&["rollback", &desk.run_id(), "--yes"]);
    assert_snapshot!(desk.ending(&ran), @r#"
    exit 8
    Summary of run RUN: 2 of 6 stages undone in T
      ✓ 1/6 strip-sidecar             undone  (T)
      ✓ 2/6 retarget-api-env          undone  (T)
      ✗ 3/6 register-dns              not undone: `look whether anybody else uses service
            nexus-ai-jaeger-staging` stopped: somebody else uses service nexus-ai-jaeger-staging by now
      · 4/6 create-service            not run: register-dns is not undone
      · 5/6 register-task-definition  not run: create-service is not undone
      · 6/6 create-log-group          not run: register-task-definition is not undone
    error: stage 3/6 `register-dns` cannot be undone: somebody else uses service nexus-ai-jaeger-staging by now
      Caused by: its tag says that run `zzzz` works with it

    Left in AWS:
      DNS name jaeger.nexus-ai.local
        made:   in stage register-dns, TIME
        why:    somebody else uses service nexus-ai-jaeger-staging by now; its tag says that run `zzzz` works with it
        remove: aws servicediscovery delete-service --id srv-3wuw2rhoizhpguru --region us-west-2 --endpoint-url http://ENDPOINT
      service nexus-ai-jaeger-staging
        made:   in stage create-service, TIME
        why:    `look whether anybody else uses service nexus-ai-jaeger-staging` has not been reached
        remove: aws ecs delete-service --cluster nexus-ai-cluster-staging --service nexus-ai-jaeger-staging --force --region us-west-2 --endpoint-url http://ENDPOINT
      task definition nexus-ai-jaeger-staging:1  (nothing depends on it)
        made:   in stage register-task-definition, TIME
        why:    `deregister nexus-ai-jaeger-staging:1` has not been reached
        remove: aws ecs deregister-task-definition --task-definition nexus-ai-jaeger-staging:1 --region us-west-2 --endpoint-url http://ENDPOINT
      log group /ecs/nexus-ai-jaeger-staging
        made:   in stage create-log-group, TIME
        why:    `look whether anybody else uses log group /ecs/nexus-ai-jaeger-staging` has not been reached
        remove: aws logs delete-log-group --log-group-name /ecs/nexus-ai-jaeger-staging --region us-west-2 --endpoint-url http://ENDPOINT

    state: stages 1-2 undone, stage 3 (register-dns) not undone
    hint: when what is in the way is gone, run `sidestep rollback RUN`
    hint: to leave it and undo the rest, run `sidestep rollback RUN --skip undo/register-dns/jaeger.nexus-ai.local/unused-service --reason "…"`
    hint: to give the run up as it stands, run `sidestep abandon RUN --reason "…"`
    "#);
    let status = desk.status();
    assert_eq!(status["status"], "stuck");
    let named: Vec<&Value> = status["remains"].as_array().expect("remains").iter().map(|left| &left["name"]).collect();
    assert_eq!(named, ["jaeger.nexus-ai.local", JAEGER, &format!("{JAEGER}:1"), "/ecs/nexus-ai-jaeger-staging"]);
    assert!(status["remains"][1]["remove"].as_str().is_some_and(|command| command.starts_with("aws ecs delete-service ")));
    let step = "undo/register-dns/jaeger.nexus-ai.local/unused-service";
    // Without a reason, or of a step that is done, nothing is skipped.
    assert_eq!(desk.call(&["rollback", "--skip", step]).code, Some(2));
    let ran = desk.call(&["rollback", "--yes", "--skip", "undo/create-service/x/unused", "--reason", "theirs"]);
    assert_snapshot!(desk.ending(&ran), @"
    exit 2
    error: run `RUN` cannot be rolled back without step `undo/create-service/x/unused`: its plan has no step `undo/create-service/x/unused`

    hint: what can be skipped is `undo/register-dns/jaeger.nexus-ai.local/unused-service`
    ");
    // It keeps its name, and is itself looked at once more before it would go.
    let ran = desk.call(&["rollback", "--yes", "--skip", step, "--reason", "run zzzz works with it"]);
    assert_eq!(ran.code, Some(8), "{}", ran.err);
    let step = format!("undo/create-service/{JAEGER}/unused");
    let ran = desk.call(&["rollback", "--yes", "--skip", &step, "--reason", "run zzzz works with it"]);
    // The service still writes to the group: that is left, too.
    assert_eq!(ran.code, Some(8), "{}", ran.err);
    let group = "undo/create-log-group//ecs/nexus-ai-jaeger-staging/unused";
    let ran = desk.call(&["rollback", "--yes", "--skip", group, "--reason", "the service writes to it"]);
    assert_snapshot!(desk.ending(&ran), @"
    exit 0
    Summary of run RUN: 6 of 6 stages undone in T
      ✓ 1/6 strip-sidecar             undone  (T)
      ✓ 2/6 retarget-api-env          undone  (T)
      ✓ 3/6 register-dns              undone but for 4 steps  (T)
      ✓ 4/6 create-service            undone but for 5 steps  (T)
      ✓ 5/6 register-task-definition  undone but for 1 step  (T)
      ✓ 6/6 create-log-group          undone but for 2 steps  (T)
    Left in AWS:
      DNS name jaeger.nexus-ai.local
        made:   in stage register-dns, TIME
        why:    somebody else uses service nexus-ai-jaeger-staging by now; its tag says that run `zzzz` works with it; skipped by alice@HOST: run zzzz works with it
        remove: aws servicediscovery delete-service --id srv-3wuw2rhoizhpguru --region us-west-2 --endpoint-url http://ENDPOINT
      service nexus-ai-jaeger-staging
        made:   in stage create-service, TIME
        why:    somebody else uses service nexus-ai-jaeger-staging by now; its tag says that run `zzzz` works with it; skipped by alice@HOST: run zzzz works with it
        remove: aws ecs delete-service --cluster nexus-ai-cluster-staging --service nexus-ai-jaeger-staging --force --region us-west-2 --endpoint-url http://ENDPOINT
      task definition nexus-ai-jaeger-staging:1  (nothing depends on it)
        made:   in stage register-task-definition, TIME
        why:    nexus-ai-jaeger-staging:1 is still in use by service `nexus-ai-jaeger-staging`
        remove: aws ecs deregister-task-definition --task-definition nexus-ai-jaeger-staging:1 --region us-west-2 --endpoint-url http://ENDPOINT
      log group /ecs/nexus-ai-jaeger-staging
        made:   in stage create-log-group, TIME
        why:    somebody else uses log group /ecs/nexus-ai-jaeger-staging by now; service `nexus-ai-jaeger-staging`, container `jaeger` of nexus-ai-jaeger-staging:1: its logs go there; skipped by alice@HOST: the service writes to it
        remove: aws logs delete-log-group --log-group-name /ecs/nexus-ai-jaeger-staging --region us-west-2 --endpoint-url http://ENDPOINT

    The record of it, for a ticket or an archive: `sidestep report RUN`
    ");
    assert_eq!(desk.sim.service(JAEGER).expect("it stays")["runningCount"], 1);
}

#[test]
fn where_others_deployed_since_the_commands_are_named_and_work() {
    let desk = migrated();
    let runs = desk.sim.service(API).expect("it is there")["taskDefinition"].clone();
    let found = desk.sim.foreign("DescribeTaskDefinition", &json!({ "taskDefinition": runs }));
    let mut input = json!({});
    for member in ["family", "containerDefinitions", "cpu", "memory", "networkMode", "executionRoleArn", "requiresCompatibilities"]
    {
        input[member] = found["taskDefinition"][member].clone();
    }
    let secret = "s3cr3t-of-theirs";
    input["containerDefinitions"][0]["environment"]
        .as_array_mut()
        .expect("an environment")
        .push(json!({ "name": "RELEASE", "value": secret }));
    let made = desk.sim.foreign("RegisterTaskDefinition", &input);
    let theirs = &made["taskDefinition"]["taskDefinitionArn"];
    desk.sim.foreign("UpdateService", &json!({ "cluster": "nexus-ai-cluster-staging", "service": API, "taskDefinition": theirs }));
    let ran = desk.call(&["rollback", &desk.run_id(), "--yes"]);
    assert_snapshot!(desk.ending(&ran), @r#"
    exit 5
    Summary of run RUN: 0 of 6 stages undone in T
      ✗ 1/6 strip-sidecar             not undone: `restore nexus-ai-api-staging to
            nexus-ai-api-staging:3` stopped: what is there is not what was planned from
      · 2/6 retarget-api-env          not run: strip-sidecar is not undone
      · 3/6 register-dns              not run: retarget-api-env is not undone
      · 4/6 create-service            not run: register-dns is not undone
      · 5/6 register-task-definition  not run: create-service is not undone
      · 6/6 create-log-group          not run: register-task-definition is not undone
    error: stage 1/6 `strip-sidecar` stopped: what is there is not what was planned from
      Caused by: taskDefinition: planned from nexus-ai-api-staging:4
      Caused by: taskDefinition: planned to nexus-ai-api-staging:3
      Caused by: taskDefinition: found nexus-ai-api-staging:5

    state: no stage undone, stage 1 (strip-sidecar) not undone
    hint: when what was found is as this run left it again, run `sidestep rollback RUN`
    hint: to take only this run's changes back, on what runs now, run `sidestep rollback RUN --onto-newest`
    hint: to leave it and undo the rest, run `sidestep rollback RUN --skip undo/strip-sidecar/nexus-ai-api-staging/restore --reason "…"`
    hint: to give the run up as it stands, run `sidestep abandon RUN --reason "…"`
    "#);
    assert_eq!(desk.sim.service(API).expect("it is there")["taskDefinition"], *theirs, "--yes alone touches nothing of theirs");
    let ran = desk.call(&["rollback", "--yes", "--onto-newest"]);
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    let shown = desk.shown(&ran.err);
    let stage: Vec<&str> =
        shown.lines().skip_while(|line| !line.starts_with("Stage 1/")).take_while(|line| !line.is_empty()).collect();
    assert_snapshot!(stage.join("\n"), @r#"
    Stage 1/6 strip-sidecar
      ~ service nexus-ai-api-staging
          taskDefinition: "nexus-ai-api-staging:5" → "a new revision of it"
          containerDefinitions[jaeger]: "as in nexus-ai-api-staging:3"
          containerDefinitions[api].environment[OTEL_EXPORTER_OTLP_ENDPOINT]:
              "http://jaeger.nexus-ai.local:4318"
            → "http://localhost:4318"
          loadBalancers[jaeger:16686]: "targetgroup/nexus-ai-jaeger-tg-staging/463f1f079d37efd5"
      - task definition nexus-ai-api-staging:4
        change  register nexus-ai-api-staging:5 with this run's changes taken back
        read    check that nothing else changed
        change  take this run's changes of nexus-ai-api-staging back
        read    wait until nexus-ai-api-staging is steady (up to T)
        read    see that nexus-ai-api-staging serves as before (up to T)
        change  deregister nexus-ai-api-staging:4
    "#);
    assert!(!ran.err.contains(secret) && !ran.out.contains(secret));
    let world = desk.sim.world();
    let runs = desk.sim.service(API).expect("it is there")["taskDefinition"].clone();
    let mut definitions = world["ecs"]["taskDefinitions"].as_array().into_iter().flatten().map(|known| &known["taskDefinition"]);
    let runs = definitions.find(|known| known["taskDefinitionArn"] == runs).expect("what it runs is there");
    assert!(runs.to_string().contains(secret), "their change is kept");
    assert!(runs.to_string().contains("http://localhost:4318"), "the endpoint is what it was");
    let entries = std::fs::read_dir(desk.path("state")).expect("the state directory").map(|entry| entry.expect("an entry").path());
    for file in entries.filter(|path| path.is_file()) {
        let bytes = std::fs::read(file).expect("a file");
        assert!(!bytes.windows(secret.len()).any(|window| window == secret.as_bytes()), "their value is in no file");
    }
}

#[test]
fn a_way_back_that_cannot_be_planned_names_the_one_that_can() {
    let desk = Desk::new();
    let base = desk.sim.service(API).expect("it is there")["taskDefinition"].clone();
    let ran = desk.end(desk.live(&["run", "--yes"]));
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    desk.sim.foreign("DeregisterTaskDefinition", &json!({ "taskDefinition": base }));
    desk.sim.foreign("DeleteTaskDefinitions", &json!({ "taskDefinitions": [base] }));
    let (changes, run) = (desk.sim.ledger().len(), desk.run_id());
    let ran = desk.call(&["rollback", &run, "--yes"]);
    let end = |ran: &crate::cli_support::Ran| {
        let shown = desk.ending(ran);
        let keep = |line: &&str| ["exit", "error:", "  Caused by:", "hint:"].iter().any(|head| line.starts_with(head));
        shown.lines().filter(keep).map(str::to_owned).collect::<Vec<_>>().join("\n")
    };
    assert_snapshot!(end(&ran), @r"
    exit 8
    error: stage 5/6 `retarget-api-env` cannot be undone: nexus-ai-api-staging:2, which nexus-ai-api-staging ran before, is gone from AWS for good
      Caused by: its content is kept nowhere else: nothing was changed
    hint: to go back as far as that leads, run `sidestep rollback RUN --to retarget-api-env`
    hint: to leave it as it is, and see what the run did, run `sidestep report RUN`
    ");
    assert_eq!(desk.sim.ledger().len(), changes, "nothing was begun");
    let ran = desk.call(&["rollback", &run, "--yes", "--to", "retarget-api-env"]);
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    let ran = desk.call(&["rollback", &run, "--yes"]);
    assert_snapshot!(end(&ran), @r#"
    exit 8
    error: the run cannot be undone: nexus-ai-api-staging:2, which nexus-ai-api-staging ran before, is gone from AWS for good
      Caused by: its content is kept nowhere else: nothing was changed
    hint: to go forward again, run `sidestep resume RUN`
    hint: to give the run up as it stands, run `sidestep abandon RUN --reason "…"`
    "#);
    let ran = desk.call(&["abandon", &run, "--reason", "the base is gone"]);
    assert_eq!(ran.code, Some(0), "{}", ran.err);
}
