//! Worlds and runbooks to try things on.

use std::sync::OnceLock;

use serde_json::{Value, json};
use sidestep::model::{Runbook, SourceFile};
use sidestep::runbook::{VariableSources, built_in, resolve};
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
pub const API_IMAGE: &str = "111122223333.dkr.ecr.us-west-2.amazonaws.com/nexus-ai-api:latest";

/// The built-in world.
pub fn staging() -> Value {
    serde_json::from_str(STAGING).expect("the shipped world is JSON")
}

/// The shipped runbook with the staging variables, and others over them (`name = expression` lines).
pub fn shipped(more: &str) -> Runbook {
    resolved(built_in("jaeger-sidecar-to-shared").expect("it is shipped"), more)
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
    let sources = VariableSources { var_files, ..VariableSources::default() };
    let runbook = resolve(file, &sources).unwrap_or_else(|problems| panic!("{problems:?}"));
    let problems = sidestep::plan::check(&runbook);
    assert!(problems.is_empty(), "{problems:?}");
    runbook
}

/// A world in which every task was started by the account itself: the API services were deployed once more, and all is at rest.
/// A captured task lacks members that a task of the same service started later has, so only such a world can be come back to.
pub fn lived_in(world: &Value, services: &[&str]) -> State {
    let state = State::load(world, 7).expect("the world is one");
    let now = state.now();
    let sim = Sim::new(state);
    for service in services {
        foreign(&sim, now, "UpdateService", &json!({ "cluster": CLUSTER, "service": service, "forceNewDeployment": true }));
    }
    sim.with(|state| {
        state.advance(now + 2 * REST);
        state.clone()
    })
}

/// The built-in world, lived in.
pub fn start() -> State {
    static START: OnceLock<State> = OnceLock::new();
    START.get_or_init(|| lived_in(&staging(), &[API])).clone()
}
