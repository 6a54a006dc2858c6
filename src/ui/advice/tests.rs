use serde_json::json;

use super::*;
use crate::model::RecordBody;
use crate::ui::fixtures::{self, Story};

/// A run that is held in stage 5 by a verification with these parameters, and the advice on a result.
fn advice(params: Value, result: &str) -> String {
    let mut plan = fixtures::plan();
    plan.target.endpoint = Some("http://127.0.0.1:4566".to_owned());
    let lane = &mut plan.stages[4].waves[0].lanes[0];
    let spans = lane.steps.last_mut().expect("a step");
    spans.params = params.into();
    let spans = spans.id.clone();
    let before: Vec<StepId> = lane.steps.iter().map(|step| step.id.clone()).filter(|id| *id != spans).collect();
    let mut story = Story::of(plan);
    story.through(4);
    for step in &before {
        story.does(1, step);
    }
    story.then(0, fixtures::started(&spans, 1));
    story.then(120, RecordBody::StepHeld { step: spans.clone(), result: result.to_owned(), why: "so".to_owned() });
    after_held(&story.view(), &spans, result).join("\n")
}

fn params(url: &str, probe: &str) -> Value {
    json!({ "url": url, "probe": probe, "logGroups": ["/ecs/nexus-ai-api-staging"],
        "variables": { "url": "jaeger_url", "probe": "probe_url", "throughLoadBalancer": null } })
}

#[test]
fn each_result_of_looking_for_spans_has_its_own_way_on() {
    insta::assert_snapshot!(advice(params("", ""), "none"), @r#"
    to see what the senders say of it, run `aws logs tail /ecs/nexus-ai-api-staging --since 15m --region us-west-2 --endpoint-url http://127.0.0.1:4566`
    to look again when the cause is repaired, run `sidestep resume r7k2`
    to have the run itself make requests to an address of the application, run `sidestep resume r7k2 --var probe_url=http://…`
    to have spans kept meanwhile, go back a stage: run `sidestep rollback r7k2 --to register-dns`
    if a person has seen that all is well, run `sidestep approve r7k2 --comment "…"`, then `sidestep resume r7k2`
    "#);
    insta::assert_snapshot!(advice(params("", ""), "no-traffic"), @r#"
    after a request to the application, to look again, run `sidestep resume r7k2`
    to have the run itself make requests to an address of the application, run `sidestep resume r7k2 --var probe_url=http://…`
    if a person has seen that all is well, run `sidestep approve r7k2 --comment "…"`, then `sidestep resume r7k2`
    "#);
    insta::assert_snapshot!(advice(params("", "http://api.example.com"), "no-traffic"), @r#"
    after a request to the application, to look again, run `sidestep resume r7k2`
    if a person has seen that all is well, run `sidestep approve r7k2 --comment "…"`, then `sidestep resume r7k2`
    "#);
    insta::assert_snapshot!(advice(params("", ""), "not-provable"), @r#"
    to look again from a machine inside the VPC, run `sidestep resume r7k2`
    to ask at an address that this machine reaches, run `sidestep resume r7k2 --var jaeger_url=http://…`
    if a person has seen that all is well, run `sidestep approve r7k2 --comment "…"`, then `sidestep resume r7k2`
    "#);
    insta::assert_snapshot!(advice(params("http://lb.example.com", ""), "not-provable"), @r#"
    to look again, run `sidestep resume r7k2`
    to ask the task itself, from a machine inside the VPC, run `sidestep resume r7k2 --var jaeger_url=`
    to ask at another address, run `sidestep resume r7k2 --var jaeger_url=http://…`
    to have the run itself make requests to an address of the application, run `sidestep resume r7k2 --var probe_url=http://…`
    if a person has seen that all is well, run `sidestep approve r7k2 --comment "…"`, then `sidestep resume r7k2`
    "#);
}

#[test]
fn what_nothing_is_known_of_is_looked_at_again_or_approved() {
    insta::assert_snapshot!(advice(json!({}), "something-else"), @r#"
    to look again, run `sidestep resume r7k2`
    if a person has seen that all is well, run `sidestep approve r7k2 --comment "…"`, then `sidestep resume r7k2`
    "#);
}
