//! `snapshot`: a world file of the account, and rehearsals on it.

use std::os::unix::fs::PermissionsExt as _;

use insta::assert_snapshot;
use serde_json::{Value, json};

use crate::cli_support::{Desk, Ran, redacted};

/// Exit code, then stderr, then stdout.
fn said(desk: &Desk, ran: &Ran) -> String {
    let all = format!("exit {}\n{}{}", ran.code.unwrap_or(-1), ran.err, ran.out);
    desk.shown(&all)
}

fn captured(desk: &Desk, more: &[&str]) -> Value {
    let path = desk.path("capture.json");
    let ran = desk.end(desk.live(&[&["snapshot", "--out", &path], more].concat()));
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    serde_json::from_str(&std::fs::read_to_string(path).expect("a file")).expect("JSON")
}

/// The end of a rehearsal: its stages, without times.
fn summary(ran: &Ran) -> String {
    let summary = ran.err.split("Summary of run").nth(1).unwrap_or(&ran.err);
    redacted(summary.split_once(':').map_or(summary, |(_, rest)| rest).trim_start())
}

#[test]
fn a_capture_is_enough_to_rehearse_on() {
    let desk = Desk::new();
    let path = desk.path("capture.json");
    let ran = desk.end(desk.live(&["snapshot", "--out", &path]));
    assert_snapshot!(said(&desk, &ran), @r#"
    exit 0
    Captured account 111122223333, Region us-west-2 in `DIR/capture.json`: 2 services, 3 tasks, 3 task definitions, 3 target groups, 1 load balancer, 2 security groups, 1 namespace, 2 log groups.
    What may be secret in it is masked; names, ARNs, addresses and tags are not.
    Rehearse on it with `sidestep rehearse --world DIR/capture.json`.
    "#);
    let mode = std::fs::metadata(&path).expect("a file").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let ran = desk.call(&["rehearse", "--world", &path]);
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    assert_snapshot!(summary(&ran), @r#"
    6 of 6 stages done in T
      ✓ 1/6 create-log-group          done  (T)
      ✓ 2/6 register-task-definition  done  (T)
      ✓ 3/6 create-service            done  (T)
      ✓ 4/6 register-dns              done  (T)
      ✓ 5/6 retarget-api-env          done  (T)
      ✓ 6/6 strip-sidecar             done  (T)
    "#);
    assert!(!ran.out.contains(" lost during "), "{}", ran.out);
    assert_eq!(desk.sim.effects(), Vec::<String>::new());
    // A variable that is given goes before the one in the file.
    let ran = desk.call(&["rehearse", "--world", &path, "--var", "rollout_timeout=10s"]);
    assert_eq!(ran.code, Some(5), "{}", ran.err);
}

#[test]
fn a_capture_sends_nothing_but_reads() {
    let desk = Desk::new();
    let _ = captured(&desk, &[]);
    let asked = desk.sim.requests();
    assert!(asked.len() > 20, "{asked:?}");
    for request in asked {
        let action = request["action"].as_str().expect("an action").to_owned();
        let operation = action.rsplit(':').next().expect("a name");
        assert!(sidestep::aws::READ_ONLY_OPERATIONS.contains(&operation), "{action}");
    }
    assert_eq!(desk.sim.ledger(), Vec::<Value>::new());
}

#[test]
fn only_a_world_file_is_replaced() {
    let desk = Desk::new();
    let path = desk.write("capture.json", "runbook \"mine\" {}");
    let ran = desk.end(desk.live(&["snapshot", "--out", &path]));
    assert_snapshot!(said(&desk, &ran), @r#"
    exit 2
    error: cannot write world file `DIR/capture.json`
      Caused by: it is there already, and is no world file: only a world file is replaced
    "#);
    assert_eq!(std::fs::read_to_string(&path).expect("a file"), "runbook \"mine\" {}");
    assert_eq!(desk.sim.requests().len(), 0, "said before anything is asked");
    std::fs::remove_file(&path).expect("it goes");
    let (first, again) = (captured(&desk, &[]), captured(&desk, &[]));
    assert_eq!(first["ecs"]["taskDefinitions"], again["ecs"]["taskDefinitions"]);
    let left: Vec<_> = std::fs::read_dir(desk.dir.path()).expect("a directory").filter_map(Result::ok).collect();
    assert!(left.iter().all(|entry| !entry.file_name().to_string_lossy().starts_with(".tmp")), "{left:?}");

    let nowhere = desk.path("nowhere/capture.json");
    let ran = desk.end(desk.live(&["snapshot", "--out", &nowhere]));
    assert_snapshot!(said(&desk, &ran), @r#"
    exit 2
    error: cannot write world file `DIR/nowhere/capture.json`
      Caused by: there is no directory `DIR/nowhere`
    "#);
}

#[test]
fn what_may_not_be_read_is_said_there_and_at_the_rehearsal() {
    let desk = Desk::new();
    desk.sim.fault(&json!({ "deny": "ec2:DescribeSecurityGroups" }));
    desk.sim.fault(&json!({ "deny": "elasticloadbalancing:DescribeTags" }));
    let path = desk.path("capture.json");
    let ran = desk.end(desk.live(&["snapshot", "--out", &path]));
    assert_snapshot!(said(&desk, &ran), @r"
    exit 0
    It lacks what could not be read:
      ec2:DescribeSecurityGroups: UnauthorizedOperation: You are not authorized to perform this operation. User: arn:aws:iam::111122223333:user/operator is not authorized to perform: ec2:DescribeSecurityGroups because no identity-based policy allows the ec2:DescribeSecurityGroups action
      elasticloadbalancing:DescribeTags: AccessDenied: User: arn:aws:iam::111122223333:user/operator is not authorized to perform: elasticloadbalancing:DescribeTags because no identity-based policy allows the elasticloadbalancing:DescribeTags action
    Captured account 111122223333, Region us-west-2 in `DIR/capture.json`: 2 services, 3 tasks, 3 task definitions, 3 target groups, 1 load balancer, 0 security groups, 1 namespace, 2 log groups.
    What may be secret in it is masked; names, ARNs, addresses and tags are not.
    Rehearse on it with `sidestep rehearse --world DIR/capture.json`.
    ");
    let ran = desk.call(&["rehearse", "--world", &path]);
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    let before = ran.err.split("Stage").next().unwrap_or_default();
    assert!(before.contains("ec2:DescribeSecurityGroups"), "{before}");
    assert!(ran.err.contains("security-groups-unread"), "{}", ran.err);
    let ran = desk.call(&["rehearse", "--world", &path, "--output", "json"]);
    let first: Value = serde_json::from_str(ran.out.lines().next().unwrap_or_default()).expect("a line of JSON");
    assert_eq!((&first["event"], &first["missing"][0]["operation"]), (&json!("world"), &json!("ec2:DescribeSecurityGroups")));
    // What the run itself needs is found missing, and stops it there as it would stop it on the account.
    desk.sim.fault(&json!({ "deny": "ecs:ListServiceDeployments" }));
    let ran = desk.end(desk.live(&["snapshot", "--out", &path, "--output", "json"]));
    let told: Value = serde_json::from_str(&ran.out).expect("a line of JSON");
    assert_eq!(told["missing"][0]["operation"], "ec2:DescribeSecurityGroups");
    assert_eq!((&told["counts"]["services"], &told["unfit"]), (&json!(2), &Value::Null));
    let ran = desk.call(&["rehearse", "--world", &path]);
    assert_eq!(ran.code, Some(4), "{}", ran.err);
    assert!(ran.err.contains("IAM would deny ecs:ListServiceDeployments on "), "{}", ran.err);
    let ran = desk.call(&["rehearse", "--world", &path, "--accept", "permission-missing"]);
    assert_eq!(ran.code, Some(5), "{}", ran.err);
    assert!(ran.err.contains("`register-dns` stopped: ListServiceDeployments for nexus-ai-jaeger-staging"), "{}", ran.err);
}

/// A name for the file, and what is done to it.
type Change<'a> = (&'a str, &'a dyn Fn(&mut Value));

#[test]
fn a_capture_that_says_what_cannot_be_is_refused() {
    let desk = Desk::new();
    let world = captured(&desk, &[]);
    let refused = |name: &str, change: &dyn Fn(&mut Value)| {
        let mut changed = world.clone();
        change(&mut changed);
        let path = desk.write(name, &changed.to_string());
        let ran = desk.call(&["rehearse", "--world", &path]);
        assert_eq!((ran.code, ran.out.as_str()), (Some(3), ""), "{name}: {}", ran.err);
        desk.shown(&ran.err)
    };
    let mut all = String::new();
    let gone: &dyn Fn(&mut Value) = &|world| {
        world["ecs"]["taskDefinitions"].as_array_mut().expect("a list").retain(|found| !found.to_string().contains("frontend"))
    };
    let changes: [Change<'_>; 9] = [
        ("definition.json", gone),
        ("groups.json", &|world| world["ec2"]["securityGroups"] = json!({})),
        ("health.json", &|world| world["elbv2"]["targetHealth"] = json!([])),
        ("count.json", &|world| world["ecs"]["services"][0]["desiredCount"] = json!("many")),
        ("missing.json", &|world| world["missing"] = json!([{ "operation": "ec2:DescribeVpcs" }])),
        ("variables.json", &|world| world["variables"] = json!([])),
        ("runbook.json", &|world| world["runbook"] = json!("mine")),
        ("region.json", &|world| world["region"] = json!("eu-west-1")),
        ("account.json", &|world| {
            world["account"] = json!("444455556666");
            world["variables"]["aws_account_id"] = json!("111122223333");
        }),
    ];
    for (name, change) in changes {
        all.push_str(&format!("{}\n", refused(name, change)));
    }
    assert_snapshot!(all, @r#"
    error: world file `DIR/definition.json` cannot be used
      Caused by: `ecs.services[1]` (`nexus-ai-frontend-staging`) runs `arn:aws:ecs:us-west-2:111122223333:task-definition/nexus-ai-frontend-staging:1`, which `ecs.taskDefinitions` does not have
    error: world file `DIR/groups.json` cannot be used
      Caused by: `ec2.securityGroups` is not a list
    error: world file `DIR/health.json` cannot be used
      Caused by: `elbv2.targetHealth` is not an object
    error: world file `DIR/count.json` cannot be used
      Caused by: `ecs.services[0]`: a `desiredCount` is not a number from 0 to 1000
    error: world file `DIR/missing.json` cannot be used
      Caused by: `missing[0]` has no `operation` or no `resource`
    error: world file `DIR/variables.json` cannot be used
      Caused by: `variables` is not an object
    error: world file `DIR/runbook.json` cannot be used
      Caused by: `runbook` has no `name`
    error: world file `DIR/region.json` cannot be used
      Caused by: `region` is eu-west-1, and runbook `jaeger-sidecar-to-shared` is for us-west-2

    hint: capture the right account and Region, or set variable `aws_region`
    error: world file `DIR/account.json` cannot be used
      Caused by: `account` is 444455556666, and runbook `jaeger-sidecar-to-shared` is for 111122223333

    hint: capture the right account and Region, or set variable `aws_account_id`
    "#);
}

#[test]
fn another_place_than_the_runbook_names_is_not_captured() {
    let desk = Desk::new();
    let path = desk.path("capture.json");
    let ran = desk.end(desk.live(&["snapshot", "--out", &path, "--var", "aws_account_id=444455556666"]));
    assert_snapshot!(said(&desk, &ran), @r#"
    exit 2
    error: the runbook is for account 444455556666, the credentials lead to account 111122223333

    hint: choose another `--profile` or `--region`, or change the runbook's variables
    "#);
    assert!(!std::path::Path::new(&path).exists());
    let ran = desk.end(desk.live(&["snapshot", "--out", &path, "--var", "cluster_name=nexus-ai-cluster-prod"]));
    assert_snapshot!(said(&desk, &ran), @r#"
    exit 4
    error: cluster `nexus-ai-cluster-prod` does not exist in account 111122223333, Region us-west-2

    hint: check the Region, and set the name with variables `cluster_name`, `project_name` or `environment`
    "#);
}

/// A capture is written all the same: whoever may read more can add what is missing, and the file says what that is.
#[test]
fn where_nothing_could_be_planned_the_capture_says_so() {
    let desk = Desk::new();
    desk.sim.fault(&json!({ "deny": "elasticloadbalancing:DescribeTargetGroups" }));
    let path = desk.path("capture.json");
    let ran = desk.end(desk.live(&["snapshot", "--out", &path]));
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    let words = "A rehearsal on it would not begin, nor would a run: AWS refused DescribeTargetGroups for ";
    assert!(ran.err.contains(words) && !ran.out.contains("Rehearse on it"), "{}{}", ran.err, ran.out);
    let ran = desk.call(&["rehearse", "--world", &path]);
    assert_eq!(ran.code, Some(5), "{}", ran.err);
    assert!(ran.err.contains("error: AWS refused DescribeTargetGroups for "), "{}", ran.err);
}
