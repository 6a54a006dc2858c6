//! `policy` as an operator meets it. What it allows is tried in tests/recovery.

use insta::assert_snapshot;
use serde_json::{Value, json};

use crate::cli_support::{Desk, file};

fn policy(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

fn sids(policy: &Value) -> Vec<&str> {
    let statements = policy["Statement"].as_array().expect("statements");
    statements.iter().map(|statement| statement["Sid"].as_str().expect("a Sid")).collect()
}

fn statement<'a>(policy: &'a Value, sid: &str) -> &'a Value {
    let mut statements = policy["Statement"].as_array().expect("statements").iter();
    statements.find(|statement| statement["Sid"] == sid).unwrap_or_else(|| panic!("no {sid} in {policy}"))
}

/// No endpoint, no credentials, no state directory: it asks nobody.
#[test]
fn stdout_is_the_policy_and_stderr_what_there_is_to_say() {
    let desk = Desk::new();
    let staging = file("runbooks/worlds/nexus-ai-staging.tfvars");
    let mut command = desk.command(&["policy", "--var-file", &staging]);
    command.env_remove("AWS_ACCESS_KEY_ID").env_remove("AWS_SECRET_ACCESS_KEY");
    let ran = desk.end(command);
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    assert_snapshot!(ran.err, @"
    For plan, run, rollback of runbook jaeger-sidecar-to-shared in any account, Region us-west-2, cluster nexus-ai-cluster-staging: 5057 characters.
    Nothing was read of the account (`--live` reads it), so:
      - the log groups of the services that change are not known: their last lines cannot be shown
      - the namespace's hosted zone is not known: any may be read
      - the namespace's id is not known: names may be made in any
      - the roles of the services' task definitions are not known: any may be passed, to ECS tasks alone
      - the runbook names no account, so the policy holds in any (in the shipped runbooks: variable `aws_account_id`)
      - the task definition families of the services that change are not known: revisions of any may be registered
    ");
    let printed = policy(&ran.out);
    assert_eq!(printed["Version"], "2012-10-17");
    assert!(ran.out.starts_with("{\n  \"Version\""), "{}", ran.out);
    let passed = statement(&printed, "SidestepRunPassRole");
    assert_eq!(passed["Condition"], json!({ "StringEquals": { "iam:PassedToService": "ecs-tasks.amazonaws.com" } }));
    assert_eq!(passed["Resource"], "arn:aws:iam::*:role/*");
    // For programs it is the same, and whoever wants to hear little hears nothing.
    let json = desk.call(&["policy", "-q", "--output", "json", "--var-file", &staging]);
    assert_eq!((policy(&json.out), json.err.as_str()), (printed, ""));
    assert_eq!(desk.sim.requests().len(), 0, "nobody was asked");
}

#[test]
fn for_whom_it_is_can_be_said() {
    let desk = Desk::new();
    let staging = file("runbooks/worlds/nexus-ai-staging.tfvars");
    let printed = |words: &[&str]| {
        let ran = desk.call(&[&["policy", "--var-file", &staging], words].concat());
        assert_eq!(ran.code, Some(0), "{}", ran.err);
        policy(&ran.out)
    };
    let plan = printed(&["--for", "plan"]);
    assert!(sids(&plan).iter().all(|sid| sid.starts_with("SidestepPlan")), "{plan}");
    assert_eq!(printed(&["--for", "plan,run,rollback"]), printed(&["--for", "rollback", "--for", "run"]));
    let back = printed(&["--for", "rollback"]);
    assert!(sids(&back).iter().all(|sid| sid.starts_with("SidestepRollback")), "{back}");
    let looking = printed(&["--for", "doctor,snapshot"]);
    assert!(looking.to_string().contains("logs:FilterLogEvents") && looking.to_string().contains("ec2:DescribeVpcs"), "{looking}");
    let wrong = desk.call(&["policy", "--for", "everything", "--var-file", &staging]);
    assert_eq!((wrong.code, wrong.out.as_str()), (Some(2), ""), "{}", wrong.err);
}

#[test]
fn the_account_narrows_it() {
    let desk = Desk::new();
    let ran = desk.end(desk.live(&["policy", "--live", "--var", "open_otlp_ports=true"]));
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    assert_snapshot!(ran.err, @"
    For plan, run, rollback of runbook jaeger-sidecar-to-shared in account 111122223333, Region us-west-2, cluster nexus-ai-cluster-staging: 6537 characters.
    A managed policy holds 6144 characters: attach this one to a role as an inline policy (10240 in all), or make two of it with `--for run` and `--for rollback`.
    ");
    let printed = policy(&ran.out);
    let resource = |sid: &str| statement(&printed, sid)["Resource"].to_string();
    assert_snapshot!(
        ["SidestepRunPassRole", "SidestepRunNames", "SidestepRollbackSecurityGroups", "SidestepPlanHostedZones"].map(resource).join("\n"),
        @r#"
    ["arn:aws:iam::111122223333:role/nexus-ai-ecs-task-execution-staging","arn:aws:iam::111122223333:role/nexus-ai-ecs-task-staging"]
    ["arn:aws:servicediscovery:us-west-2:111122223333:namespace/ns-7d6e2857c6222e2c","arn:aws:servicediscovery:us-west-2:111122223333:service/*"]
    "arn:aws:ec2:us-west-2:111122223333:security-group/sg-05687f8926f501d48"
    "arn:aws:route53:::hostedzone/Z09C9BC4B44ED5"
    "#
    );
}

#[test]
fn what_is_wrong_with_the_runbook_is_said_as_by_other_verbs() {
    let desk = Desk::new();
    let checked = desk.call(&["check", "--var", "jaeger_memroy=4096"]);
    let ran = desk.call(&["policy", "--var", "jaeger_memroy=4096"]);
    assert_eq!((ran.code, ran.out.as_str(), &ran.err), (Some(3), "", &checked.err));
    assert_eq!(desk.call(&["policy", "no-such-runbook"]).code, desk.call(&["check", "no-such-runbook"]).code);
}

/// A run that AWS refuses something names the command that prints what it needs, with the run's own variables.
#[test]
fn a_run_that_lacks_a_permission_names_it() {
    let desk = Desk::new();
    desk.sim.fault(&json!({ "deny": "logs:PutRetentionPolicy" }));
    let ran = desk.end(desk.live(&["run", "--yes", "--accept", "permission-missing"]));
    assert_eq!(ran.code, Some(5), "{}", ran.err);
    let command = format!("sidestep policy --run {}", desk.run_id());
    assert!(ran.err.contains(&format!("`{command}")), "{}", ran.err);
    let printed = desk.call(&["policy", "--run", &desk.run_id()]);
    assert_eq!(printed.code, Some(0), "{}", printed.err);
    // The run knows its account.
    assert!(
        printed.out.contains("arn:aws:logs:us-west-2:111122223333:log-group:/ecs/nexus-ai-jaeger-staging:*"),
        "{}",
        printed.out
    );
}
