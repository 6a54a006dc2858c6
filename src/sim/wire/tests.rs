use proptest::prelude::*;
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

const TARGETS: &[&str] = &[
    "AmazonEC2ContainerServiceV20141113.CreateService",
    "AmazonEC2ContainerServiceV20141113.DescribeServices",
    "AmazonEC2ContainerServiceV20141113.DescribeTasks",
    "AmazonEC2ContainerServiceV20141113.ListTaskDefinitions",
    "AmazonEC2ContainerServiceV20141113.RegisterTaskDefinition",
    "AmazonEC2ContainerServiceV20141113.UpdateService",
    "Logs_20140328.CreateLogGroup",
    "Logs_20140328.DescribeLogGroups",
    "Logs_20140328.FilterLogEvents",
    "Logs_20140328.GetLogEvents",
    "Route53AutoNaming_v20170314.CreateService",
    "Route53AutoNaming_v20170314.ListNamespaces",
    "Route53AutoNaming_v20170314.ListServices",
    "Route53AutoNaming_v20170314.RegisterInstance",
];

/// Member names that mean something somewhere, so that wrong values get far.
const NAMES: &[&str] = &[
    "Attributes",
    "Condition",
    "DnsConfig",
    "DnsRecords",
    "Filters",
    "InstanceId",
    "MaxResults",
    "Name",
    "NamespaceId",
    "NextToken",
    "ServiceId",
    "TTL",
    "Type",
    "Values",
    "cluster",
    "containerDefinitions",
    "cpu",
    "desiredCount",
    "family",
    "filterPattern",
    "limit",
    "loadBalancers",
    "logGroupName",
    "logStreamName",
    "memory",
    "name",
    "networkConfiguration",
    "nextToken",
    "portMappings",
    "service",
    "serviceName",
    "services",
    "tags",
    "taskDefinition",
    "tasks",
];

fn any_json() -> impl Strategy<Value = Value> {
    let known = prop::sample::select(vec![
        "",
        "-",
        "?",
        "\"",
        "f/9",
        "b/18446744073709551615",
        "AAMAffffffffffffffff",
        "/ecs/nexus-ai-api-staging",
        "ns-7d6e2857c6222e2c",
        "srv-be3cf48ea7bb4b09",
        "nexus-ai-cluster-staging",
        "nexus-ai-api-staging",
        "nexus-ai-api-staging:2",
        "FARGATE",
        "1024",
    ]);
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        known.prop_map(Value::from),
        ".{0,9}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 40, 6, |inner| {
        let member = (prop::sample::select(NAMES.to_vec()).prop_map(str::to_owned), inner.clone());
        prop_oneof![
            prop::collection::vec(inner, 0..4).prop_map(Value::from),
            prop::collection::vec(member, 0..8).prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_json_body_breaks_a_service(target in prop::sample::select(TARGETS.to_vec()), input in any_json()) {
        let (status, _) = json_call(&sim(), target, &input.to_string());
        prop_assert!(status < 500, "{status}");
    }

    #[test]
    fn no_form_body_breaks_a_service(
        action in prop::sample::select(vec!["DescribeRules", "DescribeTargetHealth", "ModifyTargetGroup", "DescribeTags", "DescribeVpcs",
            "AuthorizeSecurityGroupIngress", "RevokeSecurityGroupIngress", "DescribeSubnets", "GetCallerIdentity"]),
        fields in prop::collection::vec(("[A-Za-z.0-9]{1,20}|Filter\\.[0-9]\\.(Name|Value\\.1)|Targets\\.member\\.[0-9]\\.(Id|Port)", ".{0,6}"), 0..6),
    ) {
        let version = if action.contains("Vpc") || action.contains("Sec") || action.contains("Sub") { "2016-11-15" } else { "2015-12-01" };
        let mut body = form_urlencoded::Serializer::new(String::new());
        body.append_pair("Action", action).append_pair("Version", version).extend_pairs(fields);
        let (status, _) = send(&sim(), &[("authorization", &signed("any"))], &body.finish());
        prop_assert!(status < 500, "{status}");
    }
}
