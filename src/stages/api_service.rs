//! What both stages that change an API service ask of it.

use serde_json::Value;

use super::kind::{Known, Planning};
use crate::model::Severity;

/// Whether the service can be changed by a rolling update of ours; findings say why not.
pub fn check(planning: &mut Planning<'_>, name: &str) -> bool {
    let Some(service) = planning.facts.services.get(name).cloned() else { return false };
    let mut refused = false;
    let mut refuse = |planning: &mut Planning<'_>, id: &str, found: String, fix: &str| {
        planning.block(id, name, found, "a rolling update of it would fail or be refused by ECS", fix.to_owned());
        refused = true;
    };
    if let Some(controller) = service["deploymentController"]["type"].as_str().filter(|kind| *kind != "ECS") {
        refuse(
            planning,
            "controller-unsupported",
            format!("its deployment controller is {controller}"),
            "deploy it with that controller instead",
        );
    }
    if let Some(strategy) = service["deploymentConfiguration"]["strategy"].as_str().filter(|kind| *kind != "ROLLING") {
        refuse(planning, "strategy-unsupported", format!("its deployment strategy is {strategy}"), "only ROLLING is supported");
    }
    if let Some(scheduling) = service["schedulingStrategy"].as_str().filter(|kind| *kind != "REPLICA") {
        refuse(planning, "scheduling-unsupported", format!("its scheduling strategy is {scheduling}"), "only REPLICA is supported");
    }
    if service["deployments"].as_array().is_some_and(|list| list.len() > 1) {
        let fix = format!(
            "wait until `aws ecs describe-services --cluster {} --services {name}` shows one deployment",
            planning.facts.cluster
        );
        refuse(planning, "deployment-in-flight", "a deployment of it is in flight".to_owned(), &fix);
    }
    if planning.facts.definition_of(name).is_some_and(|definition| definition.body["networkMode"] != "awsvpc") {
        refuse(
            planning,
            "network-mode-unsupported",
            "its tasks do not use awsvpc networking".to_owned(),
            "an A record needs awsvpc",
        );
    }
    if service["deploymentConfiguration"]["deploymentCircuitBreaker"]["enable"] != true {
        let found = "it has no deployment circuit breaker".to_owned();
        let consequence = "AWS would never call a rollout failed; the run's own deadline and failure rule do";
        let fix = "enable deploymentCircuitBreaker on the service if you want AWS to roll back by itself".to_owned();
        planning.find("no-circuit-breaker", Severity::Note, name, found, consequence, fix);
    }
    !refused
}

/// The revision that a stage starts from: what an earlier stage leaves, or what the service runs.
pub fn base(planning: &Planning<'_>, name: &str) -> Known {
    planning.sketch.changed.get(name).cloned().unwrap_or_else(|| {
        Known::Now(planning.facts.services.get(name).map_or(Value::Null, |service| service["taskDefinition"].clone()))
    })
}
