//! The gate before the sidecar goes: which result what is there gives, and what opens it.

use serde_json::{Value, json};
use sidestep::model::{Runbook, StepId};
use sidestep::sim::State;

use super::common::{definition, done, reference, same};
use crate::support::compare::How;
use crate::support::{Lab, Stop, paused, worlds};

const BALANCER: &str = "http://nexus-ai-alb-staging-459449098.us-west-2.elb.amazonaws.com";
const SPANS: &str = "retarget-api-env/nexus-ai-api-staging/spans";

/// The API's spans go to a name that nobody has, and are lost.
fn lost(more: &str) -> Runbook {
    worlds::rewritten(|text| text.replace("http://${var.jaeger_dns_name}.", "http://nobody."), more)
}

/// A world that begins with an idle API: no sidecar has a span.
fn idle() -> State {
    let mut state = State::load(&worlds::staging(), 7).expect("the world is one");
    state.set_idle(true);
    state
}

/// The built-in world, whose load balancer also leads the paths of the query API to the group that the sidecars are in.
fn led_to_the_stores() -> Value {
    let text = worlds::staging().to_string().replace("\"/jaeger/*\"", "\"/api/v3/*\"");
    serde_json::from_str(&text).expect("still JSON")
}

/// Runs; the result that the gate was held with, and why.
async fn held(lab: &Lab) -> (String, String) {
    held_by(lab, lab.run().await)
}

#[track_caller]
fn held_by(lab: &Lab, stop: Stop) -> (String, String) {
    assert!(matches!(&stop, Stop::Held(step, _) if step.as_str() == SPANS), "{stop:?}");
    let containers = definition(&lab.world(), worlds::API)["containerDefinitions"].as_array().map(Vec::len);
    assert_eq!(containers, Some(2), "the sidecar stays");
    lab.view().steps[&StepId::new(SPANS)].held.clone().expect("it is held")
}

#[test]
fn each_state_of_affairs_has_its_own_result() {
    let busy = worlds::start;
    let at = |url: &str| format!("jaeger_url = \"{url}\"\n");
    let probe = |url: &str| format!("probe_url = \"{url}\"\n");
    let through = |told: bool| format!("{}jaeger_url_through_load_balancer = {told}\n", at(BALANCER));
    let fresh = |world: &Value| State::load(world, 7).expect("the world is one");
    let cases: Vec<(State, Runbook, &str, &str)> = vec![
        (
            busy(),
            lost(""),
            "none",
            "the shared Jaeger has no trace of `api` begun after the rollout within 2 min, although the sidecars had spans before it: to strip the sidecar now would lose traces",
        ),
        (busy(), lost("trace_service_name = \"orders\"\n"), "none", "no trace of `orders` begun"),
        (busy(), worlds::shipped("trace_service_name = \"orders\"\n"), "none", "no trace of `orders` begun"),
        (
            busy(),
            lost(&at("http://jaeger.nexus-ai.local:16686")),
            "none",
            "; whether the application has traffic is not known: to strip",
        ),
        (
            idle(),
            worlds::shipped(""),
            "no-traffic",
            "no trace begun after the rollout within 2 min, but the sidecars had no span before it either: the application seems idle, which proves nothing",
        ),
        (
            idle(),
            worlds::shipped(&probe("http://api.example.com/health")),
            "no-traffic",
            "which proves nothing; the probe http://api.example.com/health is not reachable: no connection",
        ),
        (
            idle(),
            worlds::shipped(&probe("http://10.9.9.9:8000")),
            "no-traffic",
            "; the probe http://10.9.9.9:8000 is not reachable: no answer within 5 s",
        ),
        (
            idle(),
            lost(&probe(&format!("{BALANCER}/api/orders?token=secret"))),
            "none",
            "/api/orders answered HTTP 200: to strip the sidecar now would lose traces",
        ),
        (
            fresh(&led_to_the_stores()),
            lost(&at(BALANCER)),
            "not-provable",
            "may lead through the load balancer, where the sidecars' own stores answer too until they are stripped; if the shared one alone answers there, set `jaeger_url_through_load_balancer` to false",
        ),
        (fresh(&led_to_the_stores()), lost(&through(true)), "not-provable", "may lead through the load balancer"),
        (fresh(&led_to_the_stores()), lost(&through(false)), "none", "to strip"),
        (
            busy(),
            lost(&at(BALANCER)),
            "not-provable",
            "Jaeger cannot be asked from here whether spans arrive: http://nexus-ai-alb-staging-459449098.us-west-2.elb.amazonaws.com: something answers, but not as Jaeger's query API does: /api/v3/services gave HTTP 200, text/plain, /api/services gave HTTP 200, text/plain",
        ),
        (busy(), lost(&at("https://jaeger.example.com")), "not-provable", "https://jaeger.example.com: no connection"),
    ];
    for (index, (state, runbook, wanted, words)) in cases.into_iter().enumerate() {
        paused(async {
            let lab = Lab::on(state, &runbook, 1);
            let (result, why) = held(&lab).await;
            assert_eq!(result, wanted, "{index}: {why}");
            assert!(why.contains(words) && !why.contains("secret"), "{index}: {why}");
        });
    }
}

#[test]
fn an_idle_api_is_asked_for_a_span() {
    paused(async {
        let mut lab = Lab::on(idle(), &worlds::shipped(""), 1);
        assert_eq!(held(&lab).await.0, "no-traffic");
        assert_eq!(held_by(&lab, lab.resume().await).0, "no-traffic", "asked again, the same");
        // The gate is not lost with the endpoint that is set by now.
        let stop = lab.amend(&worlds::shipped(&format!("probe_url = \"{BALANCER}/health\"\n"))).await;
        assert_eq!(held_by(&lab, stop).0, "none", "the rule sends that to somebody else");
        done(lab.amend(&worlds::shipped(&format!("probe_url = \"{BALANCER}/api/orders\"\n"))).await);
        assert_eq!(lab.spans_lost(), 0);
        let asked = |url: &str| lab.sim.requests().iter().filter(|request| request.uri.starts_with(url)).count();
        assert_eq!(asked(&format!("{BALANCER}/health")), 5, "a few times");
        assert_eq!(asked(&format!("{BALANCER}/api/orders")), 1, "until a span is there");
    });
}

#[test]
fn through_the_load_balancer_the_shared_store_is_met_in_its_turn() {
    let cases = [
        (led_to_the_stores(), worlds::shipped(&format!("jaeger_url = \"{BALANCER}\"\n"))),
        (under_a_base_path(), based(&format!("jaeger_url = \"{BALANCER}\"\n"))),
        (under_a_base_path(), based(&format!("jaeger_url = \"{BALANCER}/jaeger/\"\n"))),
    ];
    for (world, runbook) in cases {
        paused(async {
            let lab = Lab::on(State::load(&world, 7).expect("the world is one"), &runbook, 1);
            done(lab.run().await);
            let view = lab.view();
            let output = view.output(&StepId::new(SPANS)).expect("it is done");
            assert_eq!(*output, json!({ "result": "arrived", "services": ["api"] }));
        });
    }
}

/// The built-in world, whose health check asks for a path that answers with and without a base path.
fn under_a_base_path() -> Value {
    let mut world = worlds::staging();
    let groups = world["elbv2"]["targetGroups"].as_array_mut().expect("target groups");
    let group = groups.iter_mut().find(|group| group["TargetGroupName"] == "nexus-ai-jaeger-tg-staging").expect("Jaeger's");
    group["HealthCheckPath"] = json!("/jaeger/");
    world
}

/// The shared Jaeger stands under a base path, the sidecars do not.
fn based(more: &str) -> Runbook {
    worlds::shipped(&format!("jaeger_base_path = \"/jaeger\"\n{more}"))
}

#[test]
fn every_release_is_asked_by_the_api_that_it_has() {
    let staging = worlds::staging;
    let image = |tag: &str| worlds::shipped(&format!("jaeger_image = \"jaegertracing/{tag}\"\n"));
    for (world, runbook, path) in [
        (staging(), image("all-in-one:1.50"), "/api/services"),
        (staging(), image("all-in-one:1.60"), "/api/v3/traces"),
        (staging(), image("all-in-one:latest"), "/api/v3/traces"),
        (staging(), image("jaeger:2.15.0"), "/api/v3/traces"),
        (staging(), image("jaeger:2.20.0"), "/api/v3/traces"),
        (staging(), image("jaeger:2.21.0"), "/api/v3/traces"),
        (under_a_base_path(), based(""), "/jaeger/api/v3/traces"),
        (under_a_base_path(), based("jaeger_image = \"jaegertracing/all-in-one:1.50\"\n"), "/jaeger/api/services"),
        (under_a_base_path(), based("jaeger_image = \"jaegertracing/jaeger:2.20.0\"\n"), "/jaeger/api/v3/traces"),
    ] {
        paused(async {
            let lab = Lab::on(State::load(&world, 7).expect("the world is one"), &runbook, 1);
            done(lab.run().await);
            let mut requests = lab.sim.requests();
            requests.retain(|request| request.action.starts_with("http:") && request.status == Some(200));
            assert!(requests.iter().any(|request| request.uri.contains(path)), "{path}: {requests:?}");
            assert_eq!(lab.spans_lost(), 0, "{path}");
        });
    }
}

#[test]
fn the_gate_stands_where_the_endpoint_was_set_already() {
    paused(async {
        let first = Lab::on(worlds::start(), &worlds::shipped(""), 1);
        assert!(matches!(first.run_before(&["strip-sidecar"]).await, Stop::Before(..)));
        first.abandon().await;
        first.live(60_000).await;
        let lab = Lab::on(first.sim.with(|state| state.clone()), &worlds::shipped(""), 2);
        // Another run finds the endpoint set and the sidecar there.
        let stop = lab.run_before(&["strip-sidecar"]).await;
        assert!(matches!(stop, Stop::Before(..)), "{stop:?}");
        let view = lab.view();
        let steps: Vec<&str> = view.plan.stages[4].steps().map(|step| step.id.as_str()).collect();
        assert_eq!(steps, [SPANS]);
        done(lab.resume().await);
        same(&reference().done, &lab.settled().await, How::BackAndForth);
        let again = Lab::on(lab.sim.with(|state| state.clone()), &worlds::shipped(""), 3);
        assert!(matches!(again.run().await, Stop::NothingToDo), "without a sidecar there is nothing to prove");
    });
}

#[test]
fn services_of_one_name_are_not_told_apart_through_the_load_balancer() {
    let shares = format!("api_services = [\"{}\", \"{}\"]\n", worlds::API, worlds::SECOND_API);
    for (more, wanted) in [("", None), ("jaeger_url", Some("another service may answer"))] {
        let more = if more.is_empty() { String::new() } else { format!("{more} = \"{BALANCER}\"\n") };
        paused(async {
            let lab = Lab::on(worlds::two_apis(), &worlds::shipped(&format!("{shares}{more}")), 1);
            let stop = lab.run().await;
            match wanted {
                None => done(stop),
                Some(words) => {
                    let (result, why) = held_by(&lab, stop);
                    assert!(result == "not-provable" && why.contains(words), "{result}: {why}");
                }
            }
        });
    }
}
