//! The migration over HTTP, as an operator's script would do it: plan, run, look, go back.

use insta::assert_snapshot;
use serde_json::Value;

use crate::cli_support::{Desk, Ran};

const API: &str = "nexus-ai-api-staging";
const JAEGER: &str = "nexus-ai-jaeger-staging";

/// The state that a rollback must give back: everything of the API service that the migration touches.
fn api(desk: &Desk) -> Value {
    let service = desk.sim.service(API).expect("the API");
    serde_json::json!({ "taskDefinition": service["taskDefinition"], "loadBalancers": service["loadBalancers"],
        "healthCheckGracePeriodSeconds": service["healthCheckGracePeriodSeconds"] })
}

/// What `plan` prints, from the runbook's name on.
fn planned() -> (Desk, String) {
    let desk = Desk::new();
    let ran = desk.end(desk.live(&["plan"]));
    assert_eq!((ran.code, ran.err.as_str()), (Some(0), ""));
    let text = ran.out.split_once(": ").expect("a head").1.to_owned();
    (desk, text)
}

#[test]
fn a_plan_begins_with_where_it_would_run_and_what_was_found() {
    let (desk, text) = planned();
    let (head, _) = text.split_once("Stage 1/6").expect("stages");
    assert_snapshot!(desk.shown(head.trim_end()), @r#"
    jaeger-sidecar-to-shared

      environment  staging
      account      111122223333
      Region       us-west-2
      identity     arn:aws:iam::111122223333:user/operator
      cluster      nexus-ai-cluster-staging
      services     nexus-ai-api-staging, nexus-ai-jaeger-staging
      endpoint     http://ENDPOINT

    Findings

      warning ui-path-unanswered: nexus-ai-jaeger-tg-staging
        found        a listener rule forwards `/jaeger`, and the UI answers without a base path
        consequence  the UI's page would load there and find none of its own files
        fix          set variable `jaeger_base_path` to "/jaeger" and variable `set_health_path` to
                     true: stage `set-health-path` moves the health check to /jaeger/ before the service
                     comes

      warning image-end-of-life: nexus-ai-jaeger-staging
        found        `jaegertracing/all-in-one:latest` is Jaeger 1, whose last version is 1.76.0; its
                     support ended on 2025-12-31
        consequence  it gets no repairs any more, of security either
        fix          move now with the image that the sidecars have; then plan the step to
                     jaegertracing/jaeger (Jaeger 2) by itself

      warning store-unbounded: nexus-ai-jaeger-staging
        found        its store keeps traces in memory, and MEMORY_MAX_TRACES is not set: it grows
                     without a limit
        consequence  the task is killed when its 2048 MiB are full, and every trace in it is lost
        fix          set variable `jaeger_environment`, for example { MEMORY_MAX_TRACES = "50000" }

      note account-not-named: 111122223333
        found        the credentials lead to account 111122223333; the runbook does not say whether that
                     is the right one
        consequence  with another profile the same command would plan for another account
        fix          write account = "…" in the runbook's target block (in the shipped runbooks:
                     variable `aws_account_id`)

      note no-circuit-breaker: nexus-ai-api-staging
        found        it has no deployment circuit breaker
        consequence  AWS would never call a rollout failed; the run's own deadline and failure rule do
        fix          enable deploymentCircuitBreaker on the service if you want AWS to roll back by
                     itself

      note rollout-peak: nexus-ai-api-staging
        found        while a rollout is under way up to 2 more tasks run beside 2 (8.0 vCPU more)
        consequence  without room for them the rollout waits in silence
        fix          see that the account's Fargate quota and the subnets' addresses have room for it

      note image-latest: nexus-ai-jaeger-staging
        found        the tag of the image `jaegertracing/all-in-one:latest` is `latest`
        consequence  a task that starts later may run another version
        fix          name a fixed tag with variable `jaeger_image`
    "#);
}

#[test]
fn a_plan_shows_what_is_created() {
    let (desk, text) = planned();
    let (from, to) = (text.find("Stage 1/6").expect("stages"), text.find("Stage 4/6").expect("more stages"));
    assert_snapshot!(desk.shown(text[from..to].trim_end()), @r#"
    Stage 1/6 create-log-group
      + log group /ecs/nexus-ai-jaeger-staging
          retentionInDays: 7
        change  create log group /ecs/nexus-ai-jaeger-staging
        change  keep its logs 7 days
        undo    deletes the log group if the run created it, with the log lines in it; else gives it its
                retention back

    Stage 2/6 register-task-definition
      + task definition nexus-ai-jaeger-staging
          containerDefinitions[jaeger].cpu: 0
          containerDefinitions[jaeger].environment[COLLECTOR_OTLP_ENABLED]: set
          containerDefinitions[jaeger].essential: true
          containerDefinitions[jaeger].healthCheck.command: ["CMD-SHELL","wget -q --spider
            http://127.0.0.1:14269/ || wget -q --spider http://127.0.0.1:13133/status || exit 1"]
          containerDefinitions[jaeger].healthCheck.interval: 30
          containerDefinitions[jaeger].healthCheck.retries: 3
          containerDefinitions[jaeger].healthCheck.startPeriod: 10
          containerDefinitions[jaeger].healthCheck.timeout: 5
          containerDefinitions[jaeger].image: "jaegertracing/all-in-one:latest"
          containerDefinitions[jaeger].logConfiguration.logDriver: "awslogs"
          containerDefinitions[jaeger].logConfiguration.options.awslogs-group:
            "/ecs/nexus-ai-jaeger-staging"
          containerDefinitions[jaeger].logConfiguration.options.awslogs-region: "us-west-2"
          containerDefinitions[jaeger].logConfiguration.options.awslogs-stream-prefix: "jaeger"
          containerDefinitions[jaeger].portMappings: ["16686/tcp","4317/tcp","4318/tcp"]
          cpu: "1024"
          executionRoleArn: "arn:aws:iam::111122223333:role/nexus-ai-ecs-task-execution-staging"
          memory: "2048"
          networkMode: "awsvpc"
          requiresCompatibilities: ["FARGATE"]
        change  register nexus-ai-jaeger-staging
        read    check what was registered
        undo    deregisters the revision; its number stays used

    Stage 3/6 create-service
      + service nexus-ai-jaeger-staging
          desiredCount: 1
          loadBalancers: "jaeger:16686 in nexus-ai-jaeger-tg-staging"
          networkConfiguration: "as nexus-ai-api-staging"
        change  create service nexus-ai-jaeger-staging
        read    wait for the rollout of nexus-ai-jaeger-staging (up to T)
        read    see that nexus-ai-jaeger-staging serves (up to T)
        undo    takes the service to 0 tasks and deletes it if the run created it; what it kept in
                memory goes with it
    "#);
}

#[test]
fn a_plan_shows_what_is_changed_and_changes_nothing() {
    let (desk, text) = planned();
    let from = text.find("Stage 4/6").expect("stages");
    assert_snapshot!(desk.shown(&text[from..]), @r#"
    Stage 4/6 register-dns
      + DNS name jaeger.nexus-ai.local
          routingPolicy: "MULTIVALUE"
          record: "A TTL 10"
      ~ service nexus-ai-jaeger-staging
          serviceRegistries: "known when the name is created"
        change  create the name jaeger.nexus-ai.local
        change  register nexus-ai-jaeger-staging under the name
        read    wait for the rollout of nexus-ai-jaeger-staging (up to T)
        read    see that nexus-ai-jaeger-staging serves (up to T)
        read    wait until the name answers (up to T)
        undo    detaches the service, waits until no instance is left, and deletes the name if the run
                created it

    Stage 5/6 retarget-api-env  (asks again before it starts)
      ~ service nexus-ai-api-staging
          containerDefinitions[api].environment[OTEL_EXPORTER_OTLP_ENDPOINT]:
              "http://localhost:4318"
            → "http://jaeger.nexus-ai.local:4318"
        read    look whether spans flow now
        change  register a revision of nexus-ai-api-staging with the new endpoint
        read    check that nothing else changed
        change  point nexus-ai-api-staging at the shared service
        read    wait for the rollout of nexus-ai-api-staging (up to T)
        read    see that nexus-ai-api-staging serves (up to T)
        read    see that spans arrive
        undo    puts each service back on the revision that it runs now: one rollout

    Stage 6/6 strip-sidecar  (asks again before it starts)
      ~ service nexus-ai-api-staging
          containerDefinitions[jaeger]: "present" → (removed)
          loadBalancers[jaeger:16686]:
              "targetgroup/nexus-ai-jaeger-tg-staging/463f1f079d37efd5"
            → (removed)
      warning: Traces held in the sidecars' memory go with them, and a rollback cannot bring them back
        change  register a revision of nexus-ai-api-staging without jaeger
        read    check that nothing else changed
        change  update nexus-ai-api-staging: the container and its load-balancer entry go together
        read    wait for the rollout of nexus-ai-api-staging (up to T)
        read    see that nexus-ai-api-staging serves (up to T)
        read    wait until no sidecar is left in the target group (up to T)
        undo    puts each service back on its revision and load-balancer entries in one update; what the
                sidecars kept in memory is gone for good

    Outlook
      takes     about 9 min and 200 AWS calls, where nothing is in the way
      freed     whatever 2 sidecars use of nexus-ai-api-staging, whose tasks keep their size (4096 CPU
                units, 8192 MiB); they reserve nothing
      taken     1024 CPU units and 2048 MiB by nexus-ai-jaeger-staging (1 task)
      UI        http://nexus-ai-alb-staging-459449098.us-west-2.elb.amazonaws.com/jaeger/

    Plan: 4 to create, 3 to change, 0 to remove, 0 already so.
    Digest: HEX
    Carry it out with `sidestep run` and the same options; `--out FILE` seals it, so that exactly it is run.
    "#);
    assert_eq!(desk.sim.effects(), Vec::<String>::new());
    assert!(!desk.dir.path().join("state").exists(), "planning makes no journal");

    let ran = desk.end(desk.live(&["plan", "--output", "json"]));
    let plan: Value = serde_json::from_str(&ran.out).expect("JSON");
    assert_eq!(plan["stages"].as_array().expect("stages").len(), 6);
}

#[test]
fn nobody_to_ask_means_nothing_is_done() {
    let desk = Desk::new();
    let ran = desk.end(desk.live(&["run"]));
    assert_snapshot!(desk.ending(&ran), @r#"
    exit 2
    error: not a terminal: nobody can confirm this run

    hint: read the plan with `sidestep plan`, then run again with `--yes`
    "#);
    assert_eq!(desk.sim.effects(), Vec::<String>::new());
    assert_eq!(desk.call(&["runs"]).out, format!("no runs in {}\n", desk.path("state")));
}

#[test]
fn forth_and_back() {
    let desk = Desk::new();
    let before = api(&desk);
    forth(&desk);
    over(&desk);
    back(&desk);
    assert_eq!(api(&desk), before);
    assert!(desk.sim.service(JAEGER).is_none());
    let world = desk.sim.world();
    let names = world["servicediscovery"]["services"].as_array().expect("names").clone();
    assert!(names.iter().all(|name| name["Name"] != "jaeger"), "{names:?}");
    let groups = world["logs"]["logGroups"].as_array().expect("groups").clone();
    assert!(groups.iter().all(|group| group["logGroupName"] != "/ecs/nexus-ai-jaeger-staging"));
}

fn forth(desk: &Desk) {
    let ran = desk.end(desk.live(&["run", "--yes"]));
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    assert_snapshot!(desk.steps(&ran), @"
    stage 1/6 create-log-group
      ✓ create log group /ecs/nexus-ai-jaeger-staging
      ✓ keep its logs 7 days
    stage 2/6 register-task-definition
      ✓ register nexus-ai-jaeger-staging
      ✓ check what was registered
    stage 3/6 create-service
      ✓ create service nexus-ai-jaeger-staging
      ✓ wait for the rollout of nexus-ai-jaeger-staging
      ✓ see that nexus-ai-jaeger-staging serves
    stage 4/6 register-dns
      ✓ create the name jaeger.nexus-ai.local
      ✓ register nexus-ai-jaeger-staging under the name
      ✓ wait for the rollout of nexus-ai-jaeger-staging
      ✓ see that nexus-ai-jaeger-staging serves
      ✓ wait until the name answers
    stage 5/6 retarget-api-env
      ✓ look whether spans flow now
      ✓ register a revision of nexus-ai-api-staging with the new endpoint
      ✓ check that nothing else changed
      ✓ point nexus-ai-api-staging at the shared service
      ✓ wait for the rollout of nexus-ai-api-staging
      ✓ see that nexus-ai-api-staging serves
      ✓ see that spans arrive
    stage 6/6 strip-sidecar
      ✓ register a revision of nexus-ai-api-staging without jaeger
      ✓ check that nothing else changed
      ✓ update nexus-ai-api-staging: the container and its load-balancer entry go together
      ✓ wait for the rollout of nexus-ai-api-staging
      ✓ see that nexus-ai-api-staging serves
      ✓ wait until no sidecar is left in the target group
    run RUN done: all stages are done
    ");
    assert_snapshot!(desk.ending(&ran), @r#"
    exit 0
    Summary of run RUN: 6 of 6 stages done in T
      ✓ 1/6 create-log-group          done  (T)
      ✓ 2/6 register-task-definition  done  (T)
      ✓ 3/6 create-service            done  (T)
      ✓ 4/6 register-dns              done  (T)
      ✓ 5/6 retarget-api-env          done  (T)
      ✓ 6/6 strip-sidecar             done  (T)

    The record of it, for a ticket or an archive: `sidestep report RUN`
    "#);
    last_words(desk, &ran);
    let changed =
        ["CreateLogGroup", "CreateService", "RegisterTaskDefinition", "UpdateService"].map(|action| desk.sim.count(action));
    // Two services are made: the shared one, and the name.
    assert_eq!(changed, [1, 2, 3, 3]);
    assert_eq!(api(desk)["loadBalancers"].as_array().map(Vec::len), Some(1));
}

fn last_words(desk: &Desk, ran: &Ran) {
    assert_snapshot!(desk.shown(&ran.out), @r#"
    Jaeger UI: http://nexus-ai-alb-staging-459449098.us-west-2.elb.amazonaws.com/jaeger/

    To verify:
      aws ecs describe-services \
        --cluster nexus-ai-cluster-staging \
        --services nexus-ai-jaeger-staging \
        --region us-west-2 \
        --endpoint-url http://ENDPOINT
      aws ecs list-tasks \
        --cluster nexus-ai-cluster-staging \
        --service-name nexus-ai-jaeger-staging \
        --region us-west-2 \
        --endpoint-url http://ENDPOINT

    If something does not work, `sidestep doctor` says why. By hand:
      # the Jaeger service does not start: its logs
      aws logs tail /ecs/nexus-ai-jaeger-staging \
        --follow \
        --region us-west-2 \
        --endpoint-url http://ENDPOINT
      # the API cannot reach the Jaeger service: its name
      aws servicediscovery list-services \
        --filters Name=NAMESPACE_ID,Values=ns-7d6e2857c6222e2c \
        --region us-west-2 \
        --endpoint-url http://ENDPOINT
      # the target group has no healthy target
      aws elbv2 describe-target-health \
        --target-group-arn arn:aws:elasticloadbalancing:us-west-2:111122223333:targetgroup/nexus-ai-jaeger-tg-staging/463f1f079d37efd5 \
        --region us-west-2 \
        --endpoint-url http://ENDPOINT

    warning: the code that deploys nexus-ai-api-staging still has the sidecar. The next `terraform
    apply` or pipeline brings it back unless the code changes too:
      - infrastructure/05-compute-ecs.tf: remove the container `jaeger` from the task definition
      - infrastructure/05-compute-ecs.tf: set OTEL_EXPORTER_OTLP_ENDPOINT to
        http://jaeger.nexus-ai.local:4318
      - infrastructure/07-services.tf: remove the `load_balancer` block of the container `jaeger`
      - a pipeline that registers its own revisions: the same in its task definition file
    "#);
}

/// What there is to see and to do when it is over.
fn over(desk: &Desk) {
    assert_snapshot!(desk.shown(&desk.call(&["status"]).out), @r#"
    run RUN: jaeger-sidecar-to-shared
      status        done: all stages are done
      environment   staging, account 111122223333, us-west-2
      started       TIME (T ago)
      changed       TIME (T ago)
      endpoint      http://ENDPOINT

      ✓ 1/6 create-log-group          done
      ✓ 2/6 register-task-definition  done
      ✓ 3/6 create-service            done
      ✓ 4/6 register-dns              done
      ✓ 5/6 retarget-api-env          done
      ✓ 6/6 strip-sidecar             done

    hint: to undo what was done, run `sidestep rollback RUN`
    "#);
    let runs = desk.call(&["runs"]).out;
    assert!(runs.lines().nth(1).is_some_and(|line| line.starts_with(&format!("{}  done ", desk.run_id()))), "{runs}");

    // A second run finds nothing to do, and makes no run.
    let effects = desk.sim.effects().len();
    let ran = desk.end(desk.live(&["run", "--yes"]));
    assert_eq!(ran.code, Some(0));
    assert!(ran.err.contains("Nothing to do: 7 already so."), "{}", ran.err);
    assert_eq!((desk.sim.effects().len(), desk.call(&["runs"]).out), (effects, runs));

    // Nothing is unfinished: the run to take back is named.
    let ran = desk.call(&["rollback", "--yes"]);
    assert_snapshot!(desk.ending(&ran), @r#"
    exit 2
    error: run `RUN` cannot be rolled back without being named: it is done

    hint: to take it back, name it: `sidestep rollback RUN`
    "#);
    let ran = desk.call(&["rollback", &desk.run_id()]);
    assert_eq!((ran.code, desk.sim.effects().len()), (Some(2), effects), "{}", ran.err);
}

fn back(desk: &Desk) {
    let ran = desk.call(&["rollback", &desk.run_id(), "--yes"]);
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    assert_snapshot!(desk.steps(&ran), @"
    undo 1/6 strip-sidecar
      ✓ restore nexus-ai-api-staging to nexus-ai-api-staging:3
      ✓ wait until nexus-ai-api-staging is steady on nexus-ai-api-staging:3
      ✓ see that nexus-ai-api-staging serves as before
      ✓ deregister nexus-ai-api-staging:4
    undo 2/6 retarget-api-env
      ✓ restore nexus-ai-api-staging to nexus-ai-api-staging:2
      ✓ wait until nexus-ai-api-staging is steady on nexus-ai-api-staging:2
      ✓ see that nexus-ai-api-staging serves as before
      ✓ deregister nexus-ai-api-staging:3
    undo 3/6 register-dns
      ✓ look whether anybody else uses the name jaeger.nexus-ai.local
      ✓ look whether anybody else uses service nexus-ai-jaeger-staging
      ✓ take nexus-ai-jaeger-staging out of its service registry, and to 0 tasks
      ✓ wait until nothing is registered under jaeger
      ✓ delete Cloud Map service jaeger
    undo 4/6 create-service
      ✓ look whether anybody else uses service nexus-ai-jaeger-staging
      ✓ scale nexus-ai-jaeger-staging to 0
      ✓ wait until nexus-ai-jaeger-staging runs no task
      ✓ delete service nexus-ai-jaeger-staging
      ✓ wait until nexus-ai-jaeger-staging is gone
    undo 5/6 register-task-definition
      ✓ deregister nexus-ai-jaeger-staging:1
    undo 6/6 create-log-group
      ✓ look whether anybody else uses log group /ecs/nexus-ai-jaeger-staging
      ✓ delete log group /ecs/nexus-ai-jaeger-staging
    run RUN rolled back: rolled back to the start
    ");
    assert_snapshot!(desk.shown(&desk.call(&["status"]).out), @r#"
    run RUN: jaeger-sidecar-to-shared
      status        rolled back: rolled back to the start
      environment   staging, account 111122223333, us-west-2
      started       TIME (T ago)
      changed       TIME (T ago)
      endpoint      http://ENDPOINT

      ✓ 1/6 strip-sidecar             undone
      ✓ 2/6 retarget-api-env          undone
      ✓ 3/6 register-dns              undone
      ✓ 4/6 create-service            undone
      ✓ 5/6 register-task-definition  undone
      ✓ 6/6 create-log-group          undone
    "#);

    let ran = desk.call(&["rollback", &desk.run_id(), "--yes"]);
    assert_snapshot!(desk.ending(&ran), @r#"
    exit 2
    error: run `RUN` cannot be rolled back: it is rolled back already
    "#);
}

#[test]
fn part_of_the_way_back_and_forward_again() {
    let desk = Desk::new();
    assert_eq!(desk.end(desk.live(&["run", "--yes"])).code, Some(0));
    let run = desk.run_id();
    let ran = desk.call(&["rollback", &run, "--to", "create-service", "--yes"]);
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    assert_snapshot!(desk.ending(&ran), @r#"
    exit 0
    Summary of run RUN: 3 of 3 stages undone in T
      ✓ 1/3 strip-sidecar     undone  (T)
      ✓ 2/3 retarget-api-env  undone  (T)
      ✓ 3/3 register-dns      undone  (T)
    Run RUN went back as far as create-service. Go forward again with `sidestep resume RUN`, or undo the rest with `sidestep rollback RUN`.
    "#);
    assert_snapshot!(desk.shown(&desk.call(&["status"]).out), @r#"
    run RUN: jaeger-sidecar-to-shared
      status        paused: went back as far as create-service
      environment   staging, account 111122223333, us-west-2
      started       TIME (T ago)
      changed       TIME (T ago)
      endpoint      http://ENDPOINT
      claim         held on nexus-ai-api-staging since TIME

      ✓ 1/3 strip-sidecar     undone
      ✓ 2/3 retarget-api-env  undone
      ✓ 3/3 register-dns      undone

    hint: to go forward again, run `sidestep resume RUN`
    hint: to undo the rest, run `sidestep rollback RUN`
    "#);
    assert!(desk.sim.service(JAEGER).is_some(), "the shared service stays");
    let ran = desk.call(&["resume", "--yes"]);
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    assert_eq!(desk.status()["status"], "done");
    assert_eq!(api(&desk)["loadBalancers"].as_array().map(Vec::len), Some(1));
    // And all the way back from there.
    assert_eq!(desk.call(&["rollback", &run, "--yes"]).code, Some(0));
    assert!(desk.sim.service(JAEGER).is_none());
}

#[test]
fn programs_get_the_run_as_lines_of_json() {
    let desk = Desk::new();
    let ran = desk.end(desk.live(&["run", "--yes", "--output", "json", "--pause-before", "create-service"]));
    assert_eq!(ran.code, Some(6));
    let events: Vec<Value> = ran.out.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert!(
        events
            .iter()
            .any(|event| event["event"] == "step-succeeded" || event["record"]["body"].is_object() || event["event"].is_string())
    );
    let status = desk.status();
    assert_eq!(status["status"], "paused");
    let next: Vec<&str> = status["next"].as_array().expect("hints").iter().filter_map(Value::as_str).collect();
    assert_snapshot!(desk.shown(&next.join("\n")), @r#"
    to go on, run `sidestep resume RUN`
    to undo what was done, run `sidestep rollback RUN`
    "#);
}

#[test]
fn what_is_found_since_is_told_when_a_run_is_taken_up() {
    let desk = Desk::new();
    let ran = desk.end(desk.live(&["run", "--yes", "--pause-before", "register-task-definition"]));
    assert_eq!(ran.code, Some(6), "{}", ran.err);
    assert!(!ran.err.contains("managed-elsewhere"), "{}", ran.err);
    let arn = desk.sim.service(API).expect("the API")["serviceArn"].clone();
    let tags = serde_json::json!([{ "key": "ManagedBy", "value": "Terraform" }]);
    desk.sim.foreign("TagResource", &serde_json::json!({ "resourceArn": arn, "tags": tags }));
    let ran = desk.call(&["resume", "--yes", "--pause-before", "create-service"]);
    assert_eq!(ran.code, Some(6), "{}", ran.err);
    assert_eq!(ran.err.matches("warning managed-elsewhere: nexus-ai-api-staging").count(), 1, "{}", ran.err);
    assert!(!ran.err.contains("image-end-of-life"), "what was known is not told again: {}", ran.err);
}
