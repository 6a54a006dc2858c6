//! Worlds and runbooks to try things on.

use std::sync::OnceLock;

use serde_json::{Value, json};
use sidestep::model::{Runbook, SourceFile};
use sidestep::runbook::{VariableSources, World, built_in, built_in_world, resolve};
use sidestep::sim::{Sim, State};

use super::compare::REST;
use super::lab::foreign;

const STAGING: &str = include_str!("../../runbooks/worlds/nexus-ai-staging.json");
const STAGING_VARIABLES: &str = include_str!("../../runbooks/worlds/nexus-ai-staging.tfvars");

pub const API: &str = "nexus-ai-api-staging";
pub const SECOND_API: &str = "nexus-ai-api2-staging";
pub const JAEGER: &str = "nexus-ai-jaeger-staging";
pub const CLUSTER: &str = "nexus-ai-cluster-staging";
pub const LOG_GROUP: &str = "/ecs/nexus-ai-jaeger-staging";
pub const JAEGER_IMAGE: &str = "jaegertracing/all-in-one:latest";
pub const SECOND_IMAGE: &str = "111122223333.dkr.ecr.us-west-2.amazonaws.com/nexus-ai-api2:latest";
pub const API_IMAGE: &str = "111122223333.dkr.ecr.us-west-2.amazonaws.com/nexus-ai-api:latest";

/// The built-in world.
pub fn staging() -> Value {
    serde_json::from_str(STAGING).expect("the shipped world is JSON")
}

/// The shipped runbook with the staging variables, and others over them (`name = expression` lines).
pub fn shipped(more: &str) -> Runbook {
    resolved(built_in("jaeger-sidecar-to-shared").expect("it is shipped"), more)
}

/// The shipped runbook's text.
pub fn shipped_text() -> String {
    built_in("jaeger-sidecar-to-shared").expect("it is shipped").text
}

/// The shipped runbook with its text changed.
pub fn rewritten(change: impl FnOnce(String) -> String, more: &str) -> Runbook {
    let file = built_in("jaeger-sidecar-to-shared").expect("it is shipped");
    let text = change(file.text.clone());
    assert_ne!(text, file.text, "the change is one");
    resolved(SourceFile { path: "rewritten.hcl".to_owned(), text }, more)
}

fn resolved(file: SourceFile, more: &str) -> Runbook {
    let var_files = vec![("staging.tfvars".to_owned(), STAGING_VARIABLES.to_owned()), ("more.tfvars".to_owned(), more.to_owned())];
    checked(file, &VariableSources { var_files, ..VariableSources::default() })
}

fn checked(file: SourceFile, sources: &VariableSources) -> Runbook {
    let runbook = resolve(file, sources).unwrap_or_else(|problems| panic!("{problems:?}"));
    let problems = sidestep::plan::check(&runbook);
    assert!(problems.is_empty(), "{problems:?}");
    runbook
}

/// A world that can be come back to.
pub fn lived_in(world: &Value, services: &[&str]) -> State {
    sidestep::drill::lived_in(world, 7, CLUSTER, services).expect("the world is one")
}

/// The built-in world, lived in.
pub fn start() -> State {
    static START: OnceLock<State> = OnceLock::new();
    START.get_or_init(|| lived_in(&staging(), &[API])).clone()
}

/// The shipped runbook for both API services of [`two_apis`].
pub fn for_two_apis() -> Runbook {
    shipped(&format!("api_services = [\"{API}\", \"{SECOND_API}\"]\n"))
}

/// The built-in world with a second API service beside the first: its own family, image and target group, the sidecars' group
/// shared.
pub fn two_apis() -> State {
    static START: OnceLock<State> = OnceLock::new();
    START.get_or_init(make_two_apis).clone()
}

fn make_two_apis() -> State {
    const GROUP: &str = "nexus-ai-api-tg-staging-ecs/afc79937008c4548";
    const SECOND_GROUP: &str = "nexus-ai-api2-tg-staging/bfc79937008c4549";
    let mut world = staging();
    let renamed = |value: &Value| -> Value {
        let text =
            value.to_string().replace(GROUP, SECOND_GROUP).replace("nexus-ai-api-tg-staging-ecs", "nexus-ai-api2-tg-staging");
        serde_json::from_str(&text.replace(API, SECOND_API).replace(API_IMAGE, SECOND_IMAGE)).expect("still JSON")
    };
    let mut more = |pointer: &str, fits: &dyn Fn(&Value) -> bool| {
        let list = world.pointer_mut(pointer).and_then(Value::as_array_mut).expect("the world has such a list");
        let copies: Vec<Value> = list.iter().filter(|entry| fits(entry)).map(renamed).collect();
        list.extend(copies);
    };
    more("/logs/logGroups", &|group| group["logGroupName"].to_string().contains(API));
    more("/elbv2/targetGroups", &|group| group["TargetGroupArn"].to_string().contains(GROUP));
    more("/ecs/taskDefinitions", &|known| known["taskDefinition"]["taskDefinitionArn"].to_string().contains(&format!("{API}:2")));
    let mut rule = world["elbv2"]["rules"]
        .as_array()
        .and_then(|rules| rules.iter().find(|rule| rule.to_string().contains(GROUP)).map(renamed))
        .expect("a rule forwards to the API");
    let (listener, _) = rule["RuleArn"].as_str().and_then(|arn| arn.rsplit_once('/')).expect("an ARN");
    rule["RuleArn"] = json!(format!("{listener}/8b1fe2ceebc71522"));
    rule["Priority"] = json!("150");
    world["elbv2"]["rules"].as_array_mut().expect("rules").insert(0, rule);
    let like = renamed(&world["ecs"]["services"][0]);
    let state = State::load(&world, 7).expect("the world is one");
    let now = state.now();
    let sim = Sim::new(state);
    let mut input = json!({ "cluster": CLUSTER, "serviceName": SECOND_API });
    for member in [
        "taskDefinition",
        "desiredCount",
        "launchType",
        "loadBalancers",
        "networkConfiguration",
        "deploymentConfiguration",
        "healthCheckGracePeriodSeconds",
        "tags",
    ] {
        input[member] = like[member].clone();
    }
    foreign(&sim, now, "CreateService", &input);
    foreign(&sim, now, "UpdateService", &json!({ "cluster": CLUSTER, "service": API, "forceNewDeployment": true }));
    sim.with(|state| {
        state.advance(now + 2 * REST);
        state.clone()
    })
}

/// The built-in world in which the log group is there, made by somebody else with another retention.
pub fn log_group_exists() -> State {
    let mut world = staging();
    let mut group = world["logs"]["logGroups"][0].clone();
    let text = group.to_string().replace("/ecs/nexus-ai-api-staging", LOG_GROUP);
    group = serde_json::from_str(&text).expect("still JSON");
    group["retentionInDays"] = json!(14);
    world["logs"]["logGroups"].as_array_mut().expect("log groups").push(group);
    lived_in(&world, &[API])
}

/// The shipped runbook with its `dns` stage before its `service` stage.
pub fn dns_first() -> Runbook {
    rewritten(
        |text| {
            let stage = |kind: &str| {
                let from = text.find(&format!("stage \"{kind}\"")).expect("the stage is there");
                let to = from + text[from..].find("\n}\n").expect("the stage ends") + 3;
                text[from..to].to_owned()
            };
            let (service, dns) = (stage("service"), stage("dns"));
            text.replace(&dns, "").replace(&service, &format!("{dns}\n{service}"))
        },
        "",
    )
}

/// The runbooks for other sidecars.
pub const XRAY: &str = "xray-daemon-sidecar-to-shared";
pub const OTEL: &str = "otel-collector-sidecar-to-shared";

fn world_of(name: &str) -> World {
    built_in_world(name).expect("it is shipped with a world")
}

/// Another shipped runbook with the variables of its world, and others over them.
pub fn other(name: &str, more: &str) -> Runbook {
    let variables = world_of(name).variables.to_owned();
    let var_files = vec![("world.tfvars".to_owned(), variables), ("more.tfvars".to_owned(), more.to_owned())];
    checked(built_in(name).expect("it is shipped"), &VariableSources { var_files, ..VariableSources::default() })
}

/// Its world.
pub fn other_world(name: &str) -> Value {
    serde_json::from_str(world_of(name).text).expect("the shipped world is JSON")
}

/// Its world, lived in.
pub fn other_start(name: &str) -> State {
    static STARTS: [OnceLock<State>; 2] = [OnceLock::new(), OnceLock::new()];
    STARTS[usize::from(name == OTEL)].get_or_init(|| lived_in(&other_world(name), &[API])).clone()
}

const DEV: &str = include_str!("../worlds/nexus-ai-dev.json");
const DEV_VARIABLES: &str = include_str!("../worlds/nexus-ai-dev.tfvars");

/// The world whose security group lets no span in.
pub fn dev_world() -> Value {
    serde_json::from_str(DEV).expect("JSON")
}

/// The same, as it stands.
pub fn dev() -> State {
    State::load(&dev_world(), 1).expect("the world is one")
}

/// Such a world, to which a run can come back.
pub fn dev_lived_in(world: &Value) -> State {
    sidestep::drill::lived_in(world, 7, "nexus-ai-cluster-dev", &["nexus-ai-api-dev"]).expect("the world is one")
}

/// The same of [`dev_world`].
pub fn dev_start() -> State {
    static START: OnceLock<State> = OnceLock::new();
    START.get_or_init(|| dev_lived_in(&dev_world())).clone()
}

/// The shipped runbook for [`dev`].
pub fn for_dev(more: &str) -> Runbook {
    resolved_for_dev(built_in("jaeger-sidecar-to-shared").expect("it is shipped"), more)
}

/// The same with its text changed.
pub fn rewritten_for_dev(change: impl FnOnce(String) -> String, more: &str) -> Runbook {
    let file = built_in("jaeger-sidecar-to-shared").expect("it is shipped");
    let text = change(file.text.clone());
    assert_ne!(text, file.text, "the change is one");
    resolved_for_dev(SourceFile { path: "rewritten.hcl".to_owned(), text }, more)
}

fn resolved_for_dev(file: SourceFile, more: &str) -> Runbook {
    let var_files = vec![("dev.tfvars".to_owned(), DEV_VARIABLES.to_owned()), ("more.tfvars".to_owned(), more.to_owned())];
    let sources = VariableSources { var_files, ..VariableSources::default() };
    resolve(file, &sources).unwrap_or_else(|problems| panic!("{problems:?}"))
}
