use super::*;
use crate::aws::scripted::{Scripted, Server, over_sockets};
use crate::model::{RunId, StepId};

/// A rollout that began then and was complete ten seconds later.
const BEGAN: i64 = 1_764_000_000;

/// One look at an address with these parameters over the usual ones, with no time to wait.
async fn look(url: &str, more: Value) -> Polled {
    let mut params = json!({ "api": "jaeger-query", "shared": { "cluster": "c", "service": "s" }, "port": 16686, "url": url,
        "throughLoadBalancer": false, "hosts": [], "basePath": "", "names": [], "toldApart": true, "ignore": ["jaeger"],
        "probe": "", "withinS": 0, "since": BEGAN, "completed": BEGAN + 10, "variables": {} });
    for (name, value) in more.as_object().into_iter().flatten() {
        params[name] = value.clone();
    }
    let (aws, run, step) = (over_sockets(), RunId::new("r7k2"), StepId::new("spans"));
    let report = |_: Progress| {};
    let cx = Context { aws: &aws, run: &run, step: &step, attempt: 1, identity: "", report: &report };
    let mut waiter = SpansArrive.begin(&params).unwrap_or_else(|error| panic!("{error:?}"));
    for _ in 1..FEWEST_LOOKS {
        match waiter.poll(&cx, Duration::ZERO).await.expect("no AWS is asked") {
            Polled::Again(_) => {}
            end => return end,
        }
    }
    waiter.poll(&cx, Duration::ZERO).await.expect("no AWS is asked")
}

/// A store that has one trace of each service, begun so many seconds after the rollout began.
async fn store(services: &[(&str, i64)]) -> Server {
    let names: Vec<&str> = services.iter().map(|(name, _)| *name).collect();
    let after = services.iter().map(|(_, after)| *after).max().unwrap_or_default();
    let span = json!({ "traceId": "t", "startTimeUnixNano": ((BEGAN + after) * 1_000_000_000).to_string() });
    let traces = json!({ "result": { "resourceSpans": [{ "scopeSpans": [{ "spans": [span] }] }] } });
    let services = json!({ "services": names });
    Server::of(&[
        ("/api/v3/services", Scripted::json(&services.to_string())),
        ("/api/v3/traces", Scripted::json(&traces.to_string())),
    ])
    .await
}

fn arrived(names: &[&str]) -> Polled {
    Polled::Done(json!({ "result": "arrived", "services": names }))
}

#[track_caller]
fn held(polled: Polled) -> (String, String) {
    let Polled::Held(result, why) = polled else { panic!("it is not held: {polled:?}") };
    (result, why)
}

#[tokio::test]
async fn where_sidecars_may_answer_a_trace_counts_from_the_rollouts_end_on() {
    for (after, through_load_balancer, counts) in
        [(-1, false, false), (0, false, true), (9, false, true), (0, true, false), (9, true, false), (10, true, true)]
    {
        let server = store(&[("api", after), ("jaeger", after)]).await;
        let found = look(&server.url(), json!({ "throughLoadBalancer": through_load_balancer })).await;
        match (counts, through_load_balancer) {
            (true, _) => assert_eq!(found, arrived(&["api"]), "{after}"),
            (false, true) => assert_eq!(held(found).0, "not-provable", "{after}"),
            (false, false) => assert_eq!(held(found).0, "none", "{after}"),
        }
    }
    let server = store(&[("api", 99)]).await;
    for (through, member, words) in [(true, "completed", "the rollout is complete"), (false, "since", "the rollout is begun")] {
        let found = look(&server.url(), json!({ "throughLoadBalancer": through, member: null })).await;
        let (result, why) = held(found);
        assert!(result == "not-provable" && why.contains(words), "{result}: {why}");
    }
}

#[tokio::test]
async fn each_name_that_is_known_must_arrive() {
    let one = store(&[("a", 1), ("jaeger", 1)]).await;
    let both = store(&[("a", 1), ("b", 1)]).await;
    for (names, seen, of_one) in [
        (json!([]), json!(null), Ok(&["a"][..])),
        (json!(["a"]), json!(null), Ok(&["a"])),
        (json!(["a", "b"]), json!(null), Err("traces of `a` arrive, none of `b` begun after the rollout within 0 s")),
        // Only one of them had spans before.
        (json!(["a", "b"]), json!(["a", "c"]), Ok(&["a"])),
        // What they are called is not known but by what the sidecars had.
        (json!([]), json!(["b"]), Err("the shared Jaeger has no trace of `b` begun after the rollout within 0 s (it lists `a`)")),
        // What is named counts, whatever else is ignored.
        (json!(["jaeger"]), json!(null), Ok(&["jaeger"])),
    ] {
        let parameters = json!({ "names": names, "seen": seen });
        let found = look(&one.url(), parameters.clone()).await;
        match of_one {
            Ok(wanted) => assert_eq!(found, arrived(wanted), "{parameters}"),
            Err(words) => {
                let (result, why) = held(found);
                assert!(result == "none" && why.starts_with(words), "{parameters}: {why}");
            }
        }
    }
    assert_eq!(look(&both.url(), json!({ "names": ["a", "b"] })).await, arrived(&["a", "b"]));
    let own = store(&[("jaeger", 1)]).await;
    assert_eq!(held(look(&own.url(), json!({})).await).0, "none", "its own traces do not count");
}

#[tokio::test]
async fn what_is_no_answer_is_told_and_proves_nothing() {
    let says = "Jaeger cannot be asked from here whether spans arrive: URL";
    let not = "something answers, but not as Jaeger's query API does: /api/v3/services gave";
    let page = "; a page where the API should be may mean another base path";
    let cases = [
        (vec![("*", Scripted::html())], format!("{says}: {not} HTTP 200, text/html, /api/services gave HTTP 200, text/html{page}")),
        (vec![], format!("{says}: {not} HTTP 404, text/plain, /api/services gave HTTP 404, text/plain")),
        (vec![("*", Scripted::Hang)], format!("{says}: no answer within 5 s")),
        (vec![("*", Scripted::Raw(b"SSH-2.0-OpenSSH_9.9\r\n".to_vec()))], format!("{says}: no connection")),
        (
            vec![("/api/v3/services", Scripted::json(r#"{"services":["api"]}"#)), ("*", Scripted::html())],
            format!(
                "{says}: something answers, but not as Jaeger's query API does: /api/v3/traces gave HTTP 200, text/html, \
                     /api/traces gave HTTP 200, text/html{page}"
            ),
        ),
    ];
    for (script, wanted) in cases {
        let server = Server::of(&script).await;
        let (result, why) = held(look(&server.url(), json!({})).await);
        assert_eq!((result.as_str(), why), ("not-provable", wanted.replace("URL", &server.url())));
    }
}

#[tokio::test]
async fn who_is_silent_is_not_asked_for_ever() {
    let server = Server::of(&[("*", Scripted::Hang)]).await;
    let (result, why) = held(look(&server.url(), json!({ "throughLoadBalancer": true, "names": ["api"] })).await);
    assert!(result == "not-provable" && why.ends_with("no answer within 5 s"), "{why}");
    assert_eq!(server.asked(), ["/api/v3/services"]);
}

#[tokio::test]
async fn a_base_path_is_tried_first_and_not_doubled() {
    let script = [
        ("/jaeger/api/v3/services", Scripted::json(r#"{"services":["api"]}"#)),
        ("/jaeger/api/v3/traces", Scripted::Answer(404, "application/json", r#"{"error":{"httpCode":404}}"#.to_owned())),
    ];
    for (url, base_path) in [("", "/jaeger"), ("/", "jaeger/"), ("/jaeger", "/jaeger"), ("/jaeger/", ""), ("/jaeger/", "/jaeger/")]
    {
        let server = Server::of(&script).await;
        let found = look(&format!("{}{url}", server.url()), json!({ "basePath": base_path })).await;
        assert_eq!(held(found).0, "none", "{url} {base_path}");
        assert_eq!(server.asked().len(), 2, "{url} {base_path}: {:?}", server.asked());
    }
}

#[test]
fn awss_times_are_read_to_the_microsecond() {
    assert_eq!(time(&json!(1_764_000_000.25)).map(|at| at.as_microsecond()), Some(1_764_000_000_250_000));
    for none in [json!(null), json!(0), json!(-1), json!("2025"), json!(1e300)] {
        assert_eq!(time(&none), None, "{none}");
    }
}
