//! Spans arrive, or do not: asked over real sockets.

use insta::assert_snapshot;
use serde_json::json;

use crate::cli_support::{Desk, Ran};

/// A run whose Jaeger is asked at a path of the simulator's, with more variables.
fn run_at(desk: &Desk, path: &str, variables: &[&str]) -> Ran {
    let mut command = desk.live_without_jaeger(&["run", "--yes"]);
    command.arg("--var").arg(format!("jaeger_url={}/_sim/{path}", desk.sim.endpoint));
    for variable in variables {
        command.args(["--var", variable]);
    }
    desk.end(command)
}

/// Why it stands, and what to do.
fn cause(desk: &Desk, ran: &Ran) -> String {
    assert_eq!(ran.code, Some(6), "{}", ran.err);
    assert!(desk.sim.world().to_string().contains("nexus-ai-jaeger-tg-staging"), "the sidecars' group stays");
    assert_eq!(desk.sim.count("UpdateService"), 2, "the name and the endpoint: the sidecar stays");
    let ending = desk.ending(ran);
    let from = ending.find("  Caused by").expect("a cause");
    ending[from..].replace(desk.sim.endpoint.as_str(), "http://ENDPOINT")
}

#[test]
fn what_answers_something_else_is_told_by_status_and_type() {
    let desk = Desk::new();
    let ran = run_at(&desk, "clock", &[]);
    assert_snapshot!(cause(&desk, &ran), @r#"
      Caused by: Jaeger cannot be asked from here whether spans arrive: http://ENDPOINT/_sim/clock: something answers, but not as Jaeger's query API does: /api/v3/services gave HTTP 404, text/plain, /api/services gave HTTP 404, text/plain

    state: stages 1-4 done, stage 5 (retarget-api-env) not done
    hint: to look again, run `sidestep resume RUN`
    hint: to ask the task itself, from a machine inside the VPC, run `sidestep resume RUN --var jaeger_url=`
    hint: to ask at another address, run `sidestep resume RUN --var jaeger_url=http://…`
    hint: to have the run itself make requests to an address of the application, run `sidestep resume RUN --var probe_url=http://…`
    hint: if a person has seen that all is well, run `sidestep approve RUN --comment "…"`, then `sidestep resume RUN`
    hint: to go back, run `sidestep rollback RUN`
    "#);
    // The next command that is named works.
    let jaeger = format!("jaeger_url={}/_sim/jaeger", desk.sim.endpoint);
    let ran = desk.call(&["resume", "--yes", "--var", &jaeger]);
    assert_eq!(ran.code, Some(0), "{}", ran.err);
}

#[test]
fn an_idle_api_is_told_from_one_whose_spans_are_lost_and_may_be_probed() {
    let desk = Desk::new();
    desk.sim.idle(true);
    let ran = run_at(&desk, "jaeger", &[]);
    assert_snapshot!(cause(&desk, &ran), @r#"
      Caused by: no trace begun after the rollout within 2 min, which proves nothing: http://ENDPOINT/_sim/jaeger may lead through the load balancer, where the sidecars' own stores answer too until they are stripped; if the shared one alone answers there, set `jaeger_url_through_load_balancer` to false

    state: stages 1-4 done, stage 5 (retarget-api-env) not done
    hint: to look again, run `sidestep resume RUN`
    hint: to ask the task itself, from a machine inside the VPC, run `sidestep resume RUN --var jaeger_url=`
    hint: to ask at another address, run `sidestep resume RUN --var jaeger_url=http://…`
    hint: to have the run itself make requests to an address of the application, run `sidestep resume RUN --var probe_url=http://…`
    hint: if a person has seen that all is well, run `sidestep approve RUN --comment "…"`, then `sidestep resume RUN`
    hint: to go back, run `sidestep rollback RUN`
    "#);
    let ran = desk.call(&["resume", "--yes", "--var", "jaeger_url_through_load_balancer=false"]);
    assert_snapshot!(cause(&desk, &ran), @r#"
      Caused by: the shared Jaeger has no trace begun after the rollout within 2 min; whether the application has traffic is not known: to strip the sidecar now would lose traces

    state: stages 1-4 done, stage 5 (retarget-api-env) not done
    hint: to see what the senders say of it, run `aws logs tail /ecs/nexus-ai-api-staging --since T --region us-west-2 --endpoint-url http://ENDPOINT`
    hint: to look again when the cause is repaired, run `sidestep resume RUN`
    hint: to have the run itself make requests to an address of the application, run `sidestep resume RUN --var probe_url=http://…`
    hint: to have spans kept meanwhile, go back a stage: run `sidestep rollback RUN --to register-dns`
    hint: if a person has seen that all is well, run `sidestep approve RUN --comment "…"`, then `sidestep resume RUN`
    hint: to go back, run `sidestep rollback RUN`
    "#);
    let status = desk.status();
    let steps = status["stages"][4]["steps"].as_array().expect("steps").clone();
    assert_eq!(steps.last().map(|step| &step["held"]["result"]), Some(&json!("none")), "{status}");
    let balancer = "nexus-ai-alb-staging-459449098.us-west-2.elb.amazonaws.com";
    let probe = format!("probe_url={}/_sim/http/{balancer}/api/orders", desk.sim.endpoint);
    let ran = desk.call(&["resume", "--yes", "--var", &probe]);
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    assert!(ran.err.contains("answered HTTP 200"), "{}", ran.err);
}

#[test]
fn an_address_that_is_none_is_a_problem_of_the_variable() {
    let desk = Desk::new();
    for (variable, value) in [
        ("jaeger_url", "jaeger.example.com:16686"),
        ("probe_url", "ftp://api.example.com"),
        ("jaeger_url", "http://ann:secret@jaeger.example.com"),
        ("jaeger_url_through_load_balancer", "perhaps"),
    ] {
        let mut command = desk.live_without_jaeger(&["run", "--yes"]);
        command.arg("--var").arg(format!("{variable}={value}"));
        let ran = desk.end(command);
        assert_eq!(ran.code, Some(3), "{value}: {}", ran.err);
        assert!(ran.err.contains(&format!("var.{variable}")) || ran.err.contains(&format!("`{variable}`")), "{}", ran.err);
        assert!(!ran.err.contains("secret"), "{}", ran.err);
    }
    assert_eq!(desk.sim.effects(), [""; 0]);
}
