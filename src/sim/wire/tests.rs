use serde_json::json;

use super::*;
use crate::sim::tests::world;
use crate::sim::{Fault, Handled, Sim, State};

const JSON: &str = "application/x-amz-json-1.1";

fn sim() -> Sim {
    Sim::new(State::load(&world(), 1).expect("the shipped world loads"))
}

fn signed(service: &str) -> String {
    format!("AWS4-HMAC-SHA256 Credential=AKID/20251202/us-west-2/{service}/aws4_request, SignedHeaders=host, Signature=0")
}

/// Sends a request and gives status and body of its answer.
fn send(sim: &Sim, headers: &[(&str, &str)], body: &str) -> (u16, String) {
    let mut request = Request::post("/");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request.body(Bytes::from(body.to_owned())).expect("a request");
    let Handled::Respond(answer) = sim.handle(sim.with(|state| state.now), request) else { panic!("no answer") };
    assert!(answer.headers().contains_key("x-amzn-requestid") && !answer.headers().contains_key("date"));
    (answer.status().as_u16(), String::from_utf8_lossy(answer.body()).into_owned())
}

fn json_call(sim: &Sim, target: &str, body: &str) -> (u16, Value) {
    let (status, body) = send(sim, &[("x-amz-target", target), ("content-type", JSON), ("authorization", &signed("any"))], body);
    (status, serde_json::from_str(&body).expect("a JSON answer"))
}

#[test]
fn the_service_is_found_by_target_version_or_signature() {
    let sim = sim();
    let identity = "<Account>111122223333</Account>";
    let (_, by_version) = send(&sim, &[("authorization", &signed("other"))], "Action=GetCallerIdentity&Version=2011-06-15");
    let (_, by_scope) = send(&sim, &[("authorization", &signed("sts"))], "Action=GetCallerIdentity");
    assert!(by_version.contains(identity) && by_scope.contains(identity), "{by_version} {by_scope}");
    let (status, lost) = send(&sim, &[("authorization", &signed("s3"))], "Action=ListBuckets");
    assert!(status == 400 && lost.contains("UnknownOperationException"), "{lost}");
}

#[test]
fn unknown_actions_get_each_protocols_error() {
    let sim = sim();
    for target in ["Logs_20140328.Explode", "Route53AutoNaming_v20170314.Explode", "Nothing_2014.Explode"] {
        let (status, body) = json_call(&sim, target, "{}");
        assert_eq!((status, &body["__type"]), (400, &json!("UnknownOperationException")), "{target}");
    }
    for (service, version) in [("elasticloadbalancing", "2015-12-01"), ("ec2", "2016-11-15"), ("sts", "2011-06-15")] {
        let (status, body) = send(&sim, &[("authorization", &signed(service))], &format!("Action=Explode&Version={version}"));
        assert!(status == 400 && body.contains("<Code>InvalidAction</Code>"), "{body}");
    }
}

#[test]
fn an_unsigned_request_is_refused() {
    let (status, body) = send(&sim(), &[("x-amz-target", "Logs_20140328.DescribeLogGroups")], "{}");
    assert!(status == 400 && body.contains("MissingAuthenticationTokenException"), "{body}");
    let (status, body) = send(&sim(), &[], "Action=GetCallerIdentity&Version=2011-06-15");
    assert!(status == 403 && body.contains("<Code>MissingAuthenticationToken</Code>"), "{body}");
}

#[test]
fn bodies_that_are_not_what_they_should_be_are_told_so() {
    let sim = sim();
    for (body, message) in [
        ("{\"logGroupName\":", json!(null)),
        ("[]", json!("Start of structure or map found where not expected.")),
        (r#"{"limit": "5"}"#, json!("STRING_VALUE can not be converted to an Integer")),
        (r#"{"logGroupNamePrefix": 5}"#, json!("NUMBER_VALUE can not be converted to a String")),
    ] {
        let (status, answer) = json_call(&sim, "Logs_20140328.DescribeLogGroups", body);
        assert_eq!((status, &answer["__type"], &answer["message"]), (400, &json!("SerializationException"), &message), "{body}");
    }
    let (status, answer) = json_call(&sim, "Logs_20140328.DescribeLogGroups", r#"{"limit": null}"#);
    assert_eq!(status, 200, "null is absent: {answer}");
}

#[test]
fn expired_credentials_have_each_protocols_words() {
    let sim = sim();
    sim.with(|state| state.add_fault(Fault::from_json(&json!({"action": "*", "fault": "expire", "times": 3})).expect("a fault")));
    let (status, body) = json_call(&sim, "Logs_20140328.DescribeLogGroups", "{}");
    assert_eq!((status, &body["__type"]), (400, &json!("ExpiredTokenException")));
    let (status, body) = send(&sim, &[("authorization", &signed("sts"))], "Action=GetCallerIdentity&Version=2011-06-15");
    assert!(status == 403 && body.contains("<ErrorResponse") && body.contains("<Code>ExpiredToken</Code>"), "{body}");
    let (_, body) = send(&sim, &[("authorization", &signed("ec2"))], "Action=DescribeVpcs&Version=2016-11-15");
    assert!(body.contains("<Response><Errors><Error><Code>RequestExpired</Code>"), "{body}");
}

#[test]
fn caller_attempt_and_invocation_are_noted() {
    let sim = sim();
    let headers = [
        ("x-amz-target", "Logs_20140328.CreateLogGroup"),
        ("authorization", &signed("logs")),
        ("amz-sdk-invocation-id", "i-1"),
        ("amz-sdk-request", "attempt=2; max=3"),
    ];
    send(&sim, &headers, r#"{"logGroupName": "/x"}"#);
    let effect = &sim.ledger()[0];
    assert_eq!((effect.caller.as_str(), effect.attempt, effect.invocation_id.as_deref()), ("AKID", 2, Some("i-1")));
    let note = &sim.requests()[0];
    assert_eq!((note.action.as_str(), note.status, &note.request_id), ("logs:CreateLogGroup", Some(200), &effect.request_id));
    assert!(!note.headers.contains_key("authorization"));
}

#[test]
fn hosts_are_read_from_uri_and_header_without_port() {
    let of = |uri: &str, header: &str| {
        let request = Request::get(uri).header("host", header).body(()).expect("a request");
        host(&request).map(str::to_owned)
    };
    assert_eq!(of("https://ecs.us-west-2.amazonaws.com/", "x").as_deref(), Some("ecs.us-west-2.amazonaws.com"));
    assert_eq!(of("/", "data-127.0.0.1:4566").as_deref(), Some("data-127.0.0.1"));
}
