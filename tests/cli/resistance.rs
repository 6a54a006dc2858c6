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
    let ran = desk.call(&["rollback", "--yes"]);
    assert_snapshot!(desk.ending(&ran), @"");
    let status = desk.status();
    assert_eq!(status["status"], "stuck");
    let named: Vec<&Value> = status["remains"].as_array().expect("remains").iter().map(|left| &left["name"]).collect();
    assert_eq!(named, [JAEGER, &format!("{JAEGER}:1"), "/ecs/nexus-ai-jaeger-staging"]);
    assert!(status["remains"][0]["remove"].as_str().is_some_and(|command| command.starts_with("aws ecs delete-service ")));
    let step = format!("undo/create-service/{JAEGER}/unused");
    // Without a reason, or of a step that is done, nothing is skipped.
    assert_eq!(desk.call(&["rollback", "--skip", &step]).code, Some(2));
    let ran = desk.call(&["rollback", "--yes", "--skip", "undo/create-service/x/unused", "--reason", "theirs"]);
    assert_snapshot!(desk.ending(&ran), @"");
    let ran = desk.call(&["rollback", "--yes", "--skip", &step, "--reason", "run zzzz works with it"]);
    // The service still writes to the group: that is left, too.
    assert_eq!(ran.code, Some(8), "{}", ran.err);
    let group = "undo/create-log-group//ecs/nexus-ai-jaeger-staging/unused";
    let ran = desk.call(&["rollback", "--yes", "--skip", group, "--reason", "the service writes to it"]);
    assert_snapshot!(desk.ending(&ran), @"");
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
    let ran = desk.call(&["rollback", "--yes"]);
    assert_snapshot!(desk.ending(&ran), @"");
    assert_eq!(desk.sim.service(API).expect("it is there")["taskDefinition"], *theirs, "--yes alone touches nothing of theirs");
    let ran = desk.call(&["rollback", "--yes", "--onto-newest"]);
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    let shown = desk.shown(&ran.err);
    let stage = shown.find("Stage 1/").expect("the plan is shown");
    assert_snapshot!(shown[..stage].to_owned() + shown[stage..].lines().take(12).collect::<Vec<_>>().join("\n").as_str(), @"");
    assert!(!ran.err.contains(secret) && !ran.out.contains(secret));
    let world = desk.sim.world();
    let runs = desk.sim.service(API).expect("it is there")["taskDefinition"].clone();
    let mut definitions = world["ecs"]["taskDefinitions"].as_array().into_iter().flatten().map(|known| &known["taskDefinition"]);
    let runs = definitions.find(|known| known["taskDefinitionArn"] == runs).expect("what it runs is there");
    assert!(runs.to_string().contains(secret), "their change is kept");
    assert!(runs.to_string().contains("http://localhost:4318"), "the endpoint is what it was");
    for entry in std::fs::read_dir(desk.path("state")).expect("the state directory") {
        let bytes = std::fs::read(entry.expect("an entry").path()).expect("a file");
        assert!(!bytes.windows(secret.len()).any(|window| window == secret.as_bytes()), "their value is in no file");
    }
}
