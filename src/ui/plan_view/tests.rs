use super::*;
use crate::model::Wave;
use crate::ui::fixtures;

fn narrow(width: usize) -> Style {
    Style { width, ..Style::plain() }
}

#[test]
fn the_whole_migration() {
    insta::assert_snapshot!(render(&fixtures::plan(), &Style::plain()), @r#"
    Plan of run r7k2: jaeger-sidecar-to-shared

      environment  staging
      account      111122223333
      Region       us-west-2
      identity     arn:aws:sts::111122223333:assumed-role/deployer/alice
      cluster      nexus-ai-cluster-staging
      services     nexus-ai-api-staging

    Stage 1/6 create-log-group
      + log group /ecs/nexus-ai-jaeger-staging
          retentionInDays: 7
          tags: {"Environment":"staging","Project":"nexus-ai"}
        change  create log group /ecs/nexus-ai-jaeger-staging
        change  keep its logs for 7 days

    Stage 2/6 register-task-definition
      + task definition nexus-ai-jaeger-staging
          cpu: "1024"
          memory: "2048"
          containerDefinitions[jaeger].image: "jaegertracing/all-in-one:latest"
        change  register nexus-ai-jaeger-staging

    Stage 3/6 create-service
      + service nexus-ai-jaeger-staging
          desiredCount: 1
        change  create service nexus-ai-jaeger-staging
        read    wait for the rollout of nexus-ai-jaeger-staging (up to 30m)
        read    wait until its task is healthy in nexus-ai-jaeger-tg-staging (up to 30m)

    Stage 4/6 register-dns
      + Cloud Map service jaeger.nexus-ai.local
      = namespace nexus-ai.local (already so)
        change  create Cloud Map service jaeger.nexus-ai.local
        change  attach it to nexus-ai-jaeger-staging
        read    wait for a healthy instance (up to 30m)

    Stage 5/6 retarget-api-env  (asks again before it starts)
      ~ service nexus-ai-api-staging
          containerDefinitions[api].environment[OTEL_EXPORTER_OTLP_ENDPOINT]:
              "http://localhost:4318"
            → "http://jaeger.nexus-ai.local:4318"
        change  register nexus-ai-api-staging with the new endpoint
        change  point nexus-ai-api-staging at the new revision
        read    wait for the rollout of nexus-ai-api-staging (up to 30m)
        read    check that spans arrive

    Stage 6/6 strip-sidecar  (asks again before it starts)
      ~ service nexus-ai-api-staging
          containerDefinitions[jaeger]: {"image":"jaegertracing/all-in-one:latest"} → (removed)
          loadBalancers[nexus-ai-jaeger-tg-staging]: "jaeger:16686" → (removed)
      warning: traces held in the sidecars' memory are lost when the sidecars go
        change  register nexus-ai-api-staging without the sidecar
        change  point nexus-ai-api-staging at the new revision
        read    wait for the rollout of nexus-ai-api-staging (up to 30m)
        read    wait until no sidecar is a target any more (up to 30m)

    Outlook
      takes     about 9 min and 198 AWS calls, where nothing is in the way
      freed     512 CPU units and 1024 MiB that 2 sidecars reserve in nexus-ai-api-staging, whose tasks
                keep their size (4096 CPU units, 8192 MiB)
      taken     1024 CPU units and 2048 MiB by nexus-ai-jaeger-staging (1 task)
      UI        http://nexus-ai-alb-staging-1234567890.us-west-2.elb.amazonaws.com/jaeger/

    Plan: 4 to create, 2 to change, 0 to remove, 1 already so.
    Digest: 20e2cb42b7e01ce0
    "#);
}

#[test]
fn findings_come_first_and_the_worst_of_them_first() {
    let mut plan = fixtures::plan();
    plan.stages.truncate(1);
    plan.findings = fixtures::findings();
    plan.target.endpoint = Some("http://127.0.0.1:4566".to_owned());
    insta::assert_snapshot!(render(&plan, &narrow(80)), @r#"
    Plan of run r7k2: jaeger-sidecar-to-shared

      environment  staging
      account      111122223333
      Region       us-west-2
      identity     arn:aws:sts::111122223333:assumed-role/deployer/alice
      cluster      nexus-ai-cluster-staging
      services     nexus-ai-api-staging
      endpoint     http://127.0.0.1:4566

    Findings

      blocker span-port-closed: security group sg-0a1b2c3d4e5f60718
        found        nothing lets TCP 4317 and 4318 in from the API's tasks
        consequence  every span is lost from stage 5 on, and no AWS API shows it
        fix          aws ec2 authorize-security-group-ingress --group-id
                     sg-0a1b2c3d4e5f60718 --protocol tcp --port 4317-4318
                     --source-group sg-0a1b2c3d4e5f60718

      warning no-circuit-breaker: service nexus-ai-api-staging
        found        it has no deployment circuit breaker
        consequence  AWS never says that a rollout failed; only the deadline does
        fix          enable the deployment circuit breaker with rollback

      note memory-only: task definition nexus-ai-jaeger-staging
        found        Jaeger keeps traces in memory
        consequence  traces are lost when its task is replaced
        fix          none needed; consider a storage backend

    Stage 1/1 create-log-group
      + log group /ecs/nexus-ai-jaeger-staging
          retentionInDays: 7
          tags: {"Environment":"staging","Project":"nexus-ai"}
        change  create log group /ecs/nexus-ai-jaeger-staging
        change  keep its logs for 7 days

    Outlook
      takes     about 9 min and 198 AWS calls, where nothing is in the way
      freed     512 CPU units and 1024 MiB that 2 sidecars reserve in
                nexus-ai-api-staging, whose tasks keep their size (4096 CPU units,
                8192 MiB)
      taken     1024 CPU units and 2048 MiB by nexus-ai-jaeger-staging (1 task)
      UI        http://nexus-ai-alb-staging-1234567890.us-west-2.elb.amazonaws.com/jaeger/

    Plan: 1 to create, 0 to change, 0 to remove, 0 already so.
    Blocked: 1 finding blocks this plan.
    Digest: a84d941b1792b568
    "#);
}

#[test]
fn a_stage_that_cannot_be_planned_says_what_blocks_it() {
    let mut plan = fixtures::plan();
    plan.findings = fixtures::findings()[1..2].to_vec();
    plan.findings[0].must_repair = true;
    plan.stages[4].waves.clear();
    plan.stages[4].resources.clear();
    plan.stages[4].blocked_by = vec!["span-port-closed".to_owned()];
    assert_eq!(stage(&plan, 5, &narrow(80)), "Stage 5/6 retarget-api-env  (blocked by span-port-closed)");
    let shown = findings(&plan.findings, &narrow(80));
    assert!(shown.ends_with("    --accept     not possible: because of it a part of the plan is missing"), "{shown}");
    let json = json(&plan);
    assert_eq!(json["findings"][0]["acceptable"], false);
    assert_eq!(json["stages"][4]["blockedBy"][0], "span-port-closed");
    assert_eq!(json["stages"][3].get("blockedBy"), None);
}

#[test]
fn lanes_and_waves_are_named_when_there_are_several() {
    let mut plan = fixtures::plan_with_lanes();
    insta::assert_snapshot!(stage(&plan, 5, &narrow(80)), @r#"
    Stage 5/6 retarget-api-env  (asks again before it starts)
      ~ service nexus-ai-api-staging
          containerDefinitions[api].environment[OTEL_EXPORTER_OTLP_ENDPOINT]:
              "http://localhost:4318"
            → "http://jaeger.nexus-ai.local:4318"
      ~ service nexus-ai-worker-staging
          containerDefinitions[api].environment[OTEL_EXPORTER_OTLP_ENDPOINT]:
              "http://localhost:4318"
            → "http://jaeger.nexus-ai.local:4318"
        lane nexus-ai-api-staging
          change  register nexus-ai-api-staging with the new endpoint
          change  point nexus-ai-api-staging at the new revision
          read    wait for the rollout of nexus-ai-api-staging (up to 30m)
          read    check that spans arrive
        lane nexus-ai-worker-staging
          change  register nexus-ai-worker-staging with the new endpoint
          change  point nexus-ai-worker-staging at the new revision
          read    wait for the rollout of nexus-ai-worker-staging (up to 30m)
          read    check that spans arrive
    "#);
    let second = plan.stages[4].waves[0].lanes.split_off(1);
    plan.stages[4].waves.push(Wave { lanes: second });
    insta::assert_snapshot!(stage(&plan, 5, &narrow(60)), @r#"
    Stage 5/6 retarget-api-env  (asks again before it starts)
      ~ service nexus-ai-api-staging
          containerDefinitions[api].environment[OTEL_EXPORTER_OTLP_ENDPOINT]:
              "http://localhost:4318"
            → "http://jaeger.nexus-ai.local:4318"
      ~ service nexus-ai-worker-staging
          containerDefinitions[api].environment[OTEL_EXPORTER_OTLP_ENDPOINT]:
              "http://localhost:4318"
            → "http://jaeger.nexus-ai.local:4318"
        wave 1 of 2
        lane nexus-ai-api-staging
          change  register nexus-ai-api-staging with the new
                  endpoint
          change  point nexus-ai-api-staging at the new revision
          read    wait for the rollout of nexus-ai-api-staging
                  (up to 30m)
          read    check that spans arrive
        wave 2 of 2
        lane nexus-ai-worker-staging
          change  register nexus-ai-worker-staging with the new
                  endpoint
          change  point nexus-ai-worker-staging at the new
                  revision
          read    wait for the rollout of
                  nexus-ai-worker-staging (up to 30m)
          read    check that spans arrive
    "#);
}

#[test]
fn each_disposition_has_its_sign() {
    let mut plan = fixtures::plan();
    let dispositions = [
        Disposition::Create,
        Disposition::Update,
        Disposition::Adopt,
        Disposition::AlreadySo,
        Disposition::Foreign,
        Disposition::Delete,
    ];
    let template = plan.stages[3].resources[1].clone();
    plan.stages[3].resources = dispositions.into_iter().map(|disposition| Resource { disposition, ..template.clone() }).collect();
    insta::assert_snapshot!(stage(&plan, 4, &Style::plain()), @r#"
    Stage 4/6 register-dns
      + namespace nexus-ai.local
      ~ namespace nexus-ai.local
      a namespace nexus-ai.local (adopted: it was there, and stays on rollback)
      = namespace nexus-ai.local (already so)
      ! namespace nexus-ai.local (foreign: it is not what is wanted, and not ours to change)
      - namespace nexus-ai.local
        change  create Cloud Map service jaeger.nexus-ai.local
        change  attach it to nexus-ai-jaeger-staging
        read    wait for a healthy instance (up to 30m)
    "#);
    insta::assert_snapshot!(verdict(&plan, &Style::plain()).lines().next().unwrap_or_default(), @"Plan: 4 to create, 3 to change, 1 to remove, 1 adopted, 1 foreign, 1 already so.");
}

#[test]
fn nothing_to_do() {
    insta::assert_snapshot!(render(&fixtures::empty_plan(), &narrow(80)), @r#"
    Plan of run r7k2: jaeger-sidecar-to-shared

      environment  staging
      account      111122223333
      Region       us-west-2
      identity     arn:aws:sts::111122223333:assumed-role/deployer/alice
      cluster      nexus-ai-cluster-staging
      services     nexus-ai-api-staging

    Stage 1/6 create-log-group  (nothing to do)
      = log group /ecs/nexus-ai-jaeger-staging (already so)

    Stage 2/6 register-task-definition  (nothing to do)
      = task definition nexus-ai-jaeger-staging (already so)

    Stage 3/6 create-service  (nothing to do)
      = service nexus-ai-jaeger-staging (already so)

    Stage 4/6 register-dns  (nothing to do)
      = Cloud Map service jaeger.nexus-ai.local (already so)
      = namespace nexus-ai.local (already so)

    Stage 5/6 retarget-api-env  (nothing to do)
      = service nexus-ai-api-staging (already so)

    Stage 6/6 strip-sidecar  (nothing to do)
      = service nexus-ai-api-staging (already so)

    Nothing to do: 7 already so.
    Digest: e10d9ec19697026f
    "#);
}

#[test]
fn a_rollback_says_so() {
    insta::assert_snapshot!(render(&fixtures::back_plan(), &narrow(80)), @r#"
    Rollback plan of run r7k2: jaeger-sidecar-to-shared

      environment  staging
      account      111122223333
      Region       us-west-2
      identity     arn:aws:sts::111122223333:assumed-role/deployer/alice
      cluster      nexus-ai-cluster-staging
      services     nexus-ai-api-staging

    Stage 1/1 retarget-api-env
      ~ service nexus-ai-api-staging
          taskDefinition: "3" → "2"
        change  point nexus-ai-api-staging back at revision 2
        read    wait for the rollout of nexus-ai-api-staging (up to 30m)

    Outlook
      takes     about 9 min and 198 AWS calls, where nothing is in the way
      freed     512 CPU units and 1024 MiB that 2 sidecars reserve in
                nexus-ai-api-staging, whose tasks keep their size (4096 CPU units,
                8192 MiB)
      taken     1024 CPU units and 2048 MiB by nexus-ai-jaeger-staging (1 task)
      UI        http://nexus-ai-alb-staging-1234567890.us-west-2.elb.amazonaws.com/jaeger/

    Plan: 0 to create, 1 to change, 0 to remove, 0 already so.
    Digest: a9394dc765709dc4
    "#);
    let nothing = Plan { stages: vec![], ..fixtures::back_plan() };
    assert!(render(&nothing, &Style::plain()).contains("Nothing to undo"));
}

#[test]
fn without_unicode_all_is_ascii() {
    let style = Style { unicode: false, ..Style::plain() };
    let mut plan = fixtures::plan();
    plan.findings = fixtures::findings();
    let shown = render(&plan, &style);
    assert!(shown.is_ascii(), "{shown}");
    assert!(shown.contains("-> \"http://jaeger.nexus-ai.local:4318\""), "{shown}");
}

#[test]
fn colour_adds_nothing_but_colour() {
    let mut plan = fixtures::plan();
    plan.findings = fixtures::findings();
    for width in [60, 80, 120] {
        let colourful = render(&plan, &Style { colour: true, ..narrow(width) });
        assert_eq!(dialoguer::console::strip_ansi_codes(&colourful), render(&plan, &narrow(width)));
    }
}

#[test]
fn lines_keep_within_the_width_unless_a_word_is_longer() {
    let mut plan = fixtures::plan_with_lanes();
    plan.findings = fixtures::findings();
    for width in [60, 80, 120] {
        fixtures::assert_fits(&render(&plan, &narrow(width)), width);
    }
}

#[test]
#[allow(clippy::too_many_lines, reason = "the whole contract in one piece")]
fn json_is_a_contract() {
    let mut plan = fixtures::plan();
    plan.stages = vec![plan.stages.remove(4)];
    plan.findings = vec![fixtures::findings().remove(1)];
    let mut value = json(&plan);
    assert_eq!(value["digest"], plan.digest());
    value["digest"] = "…".into();
    value["runbookDigest"] = "…".into();
    insta::assert_snapshot!(serde_json::to_string_pretty(&value).expect("JSON"), @r#"
    {
      "counts": {
        "adopted": 0,
        "alreadySo": 0,
        "change": 1,
        "create": 0,
        "foreign": 0,
        "remove": 0
      },
      "digest": "…",
      "direction": "forward",
      "findings": [
        {
          "acceptable": true,
          "consequence": "every span is lost from stage 5 on, and no AWS API shows it",
          "fix": "aws ec2 authorize-security-group-ingress --group-id sg-0a1b2c3d4e5f60718 --protocol tcp --port 4317-4318 --source-group sg-0a1b2c3d4e5f60718",
          "found": "nothing lets TCP 4317 and 4318 in from the API's tasks",
          "id": "span-port-closed",
          "resource": "security group sg-0a1b2c3d4e5f60718",
          "severity": "blocker"
        }
      ],
      "format": "sidestep-plan",
      "nothingToDo": false,
      "outlook": {
        "calls": 198,
        "capacity": [
          "freed: 512 CPU units and 1024 MiB that 2 sidecars reserve in nexus-ai-api-staging, whose tasks keep their size (4096 CPU units, 8192 MiB)",
          "taken: 1024 CPU units and 2048 MiB by nexus-ai-jaeger-staging (1 task)"
        ],
        "seconds": 520,
        "stages": {
          "create-service": 100,
          "register-dns": 140,
          "retarget-api-env": 140,
          "strip-sidecar": 140
        }
      },
      "run": "r7k2",
      "runbook": "jaeger-sidecar-to-shared",
      "runbookDigest": "…",
      "stages": [
        {
          "confirm": true,
          "id": "retarget-api-env",
          "kind": "retarget_env",
          "resources": [
            {
              "changes": [
                {
                  "from": "http://localhost:4318",
                  "path": "containerDefinitions[api].environment[OTEL_EXPORTER_OTLP_ENDPOINT]",
                  "to": "http://jaeger.nexus-ai.local:4318"
                }
              ],
              "disposition": "update",
              "name": "nexus-ai-api-staging",
              "type": "service"
            }
          ],
          "warnings": [],
          "waves": [
            {
              "lanes": [
                {
                  "id": "retarget-api-env/nexus-ai-api-staging",
                  "steps": [
                    {
                      "action": "ecs.update-service",
                      "class": "mutation",
                      "id": "retarget-api-env/nexus-ai-api-staging/register",
                      "title": "register nexus-ai-api-staging with the new endpoint"
                    },
                    {
                      "action": "ecs.update-service",
                      "class": "mutation",
                      "id": "retarget-api-env/nexus-ai-api-staging/update",
                      "title": "point nexus-ai-api-staging at the new revision"
                    },
                    {
                      "action": "ecs.wait-rollout",
                      "class": "wait",
                      "deadlineSeconds": 1800,
                      "id": "retarget-api-env/nexus-ai-api-staging/rollout",
                      "title": "wait for the rollout of nexus-ai-api-staging"
                    },
                    {
                      "action": "spans.await-arrival",
                      "class": "verify",
                      "id": "retarget-api-env/nexus-ai-api-staging/spans",
                      "title": "check that spans arrive"
                    }
                  ],
                  "target": "nexus-ai-api-staging"
                }
              ]
            }
          ]
        }
      ],
      "target": {
        "account": "111122223333",
        "cluster": "nexus-ai-cluster-staging",
        "environment": "staging",
        "identity": "arn:aws:sts::111122223333:assumed-role/deployer/alice",
        "region": "us-west-2",
        "services": [
          "nexus-ai-api-staging"
        ]
      },
      "uiUrl": "http://nexus-ai-alb-staging-1234567890.us-west-2.elb.amazonaws.com/jaeger/",
      "version": 1
    }
    "#);
}

#[test]
fn json_tells_null_from_absent() {
    let mut plan = fixtures::plan();
    plan.stages[0].resources[0].changes = vec![Change { path: "a".to_owned(), from: Some(Value::Null), to: None }];
    assert_eq!(json(&plan)["stages"][0]["resources"][0]["changes"][0], serde_json::json!({ "path": "a", "from": null }));
    assert_eq!(json(&fixtures::empty_plan())["nothingToDo"], true);
    assert_eq!(json(&fixtures::empty_plan())["counts"]["alreadySo"], 7);
}
