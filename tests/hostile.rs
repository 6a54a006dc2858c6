//! World files and requests that nobody should send: no panic, no hang, and an error in words or in the protocol's form.
//!
//! The real ones are mutated, so that what is wrong gets past the first check. `PROPTEST_CASES` gives more cases than the few that
//! every run can afford.

#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic, reason = "a test says what it expects by failing")]

use std::sync::LazyLock;

use bytes::Bytes;
use http::Request;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use serde_json::{Value, json};
use sidestep::sim::{Handled, Sim, State};

fn cases(usual: u32) -> ProptestConfig {
    let asked = std::env::var("PROPTEST_CASES").ok().and_then(|text| text.parse().ok());
    ProptestConfig { cases: asked.unwrap_or(usual), failure_persistence: None, ..ProptestConfig::default() }
}

fn world() -> Value {
    static WORLD: LazyLock<Value> =
        LazyLock::new(|| serde_json::from_str(include_str!("../runbooks/worlds/nexus-ai-staging.json")).expect("JSON"));
    WORLD.clone()
}

// ----- damage -----

/// One change of a JSON value.
#[derive(Clone, Debug)]
enum Damage {
    Remove,
    Replace(Value),
    /// The same once more: in a list as another item, elsewhere as a list of two.
    Double,
    /// What stands elsewhere.
    From(Index),
    /// Inside many lists.
    Bury,
    /// A text cut short, or with something after it.
    Cut(Index),
    Append(&'static str),
}

fn junk() -> impl Strategy<Value = Value> {
    select(vec![
        json!(null),
        json!(true),
        json!(0),
        json!(-1),
        json!(1),
        json!(i64::MAX),
        json!(i64::MIN),
        json!(u64::MAX),
        json!(9_007_199_254_740_993_i64),
        json!(1e300),
        json!(-1e300),
        json!(0.5),
        json!(""),
        json!("x"),
        json!("-1"),
        json!("99999999999999999999"),
        json!("9223372036854775807"),
        json!("\u{0}\u{202e}é"),
        json!("9999-12-31T23:59:59Z"),
        json!("-9999-01-01T00:00:00Z"),
        json!("0.0.0.0/0"),
        json!("arn:aws:ecs:::"),
        json!("a".repeat(5_000)),
        json!([]),
        json!([null]),
        json!([[]]),
        json!([1, "x", {}]),
        json!({}),
        json!({ "": {} }),
        json!({ "name": [] }),
    ])
}

fn damage() -> impl Strategy<Value = Damage> {
    prop_oneof![
        Just(Damage::Remove),
        junk().prop_map(Damage::Replace),
        junk().prop_map(Damage::Replace),
        Just(Damage::Double),
        any::<Index>().prop_map(Damage::From),
        Just(Damage::Bury),
        any::<Index>().prop_map(Damage::Cut),
        select(vec!["\u{0}", "0", "/", ":", " ", "%", "é", "*"]).prop_map(Damage::Append),
    ]
}

/// Where every value stands.
fn places(value: &Value, here: &str, found: &mut Vec<String>) {
    found.push(here.to_owned());
    match value {
        Value::Object(members) => {
            for (name, member) in members {
                places(member, &format!("{here}/{}", name.replace('~', "~0").replace('/', "~1")), found);
            }
        }
        Value::Array(items) => {
            items.iter().enumerate().for_each(|(index, item)| places(item, &format!("{here}/{index}"), found));
        }
        _ => {}
    }
}

fn apply(value: &mut Value, at: Index, damage: &Damage) {
    let mut all = Vec::new();
    places(value, "", &mut all);
    let place = all[at.index(all.len())].clone();
    let other = |value: &Value, index: Index| value.pointer(&all[index.index(all.len())]).cloned().unwrap_or_default();
    let copied = match damage {
        Damage::From(index) => other(value, *index),
        _ => value.pointer(&place).cloned().unwrap_or_default(),
    };
    if let (Damage::Remove | Damage::Double, Some((parent, last))) = (damage, place.rsplit_once('/')) {
        match (value.pointer_mut(parent), damage) {
            (Some(Value::Object(members)), Damage::Remove) => {
                members.remove(&last.replace("~1", "/").replace("~0", "~"));
                return;
            }
            (Some(Value::Array(items)), Damage::Remove) => {
                items.remove(last.parse().expect("an index"));
                return;
            }
            (Some(Value::Array(items)), Damage::Double) => {
                items.push(copied);
                return;
            }
            _ => {}
        }
    }
    let Some(spot) = value.pointer_mut(&place) else { return };
    *spot = match (damage, copied) {
        (Damage::Remove, _) => Value::Null,
        (Damage::Replace(junk), _) => junk.clone(),
        (Damage::Double, copied) => json!([copied, copied]),
        (Damage::From(_), copied) => copied,
        (Damage::Bury, copied) => (0..100).fold(copied, |inner, _| json!([inner])),
        (Damage::Cut(index), Value::String(text)) => {
            Value::String(text.chars().take(index.index(text.chars().count() + 1)).collect())
        }
        (Damage::Append(more), Value::String(text)) => Value::String(text + more),
        (_, copied) => copied,
    };
}

fn damages(most: usize) -> impl Strategy<Value = Vec<(Index, Damage)>> {
    prop::collection::vec((any::<Index>(), damage()), 1..=most)
}

// ----- requests -----

const CLUSTER: &str = "nexus-ai-cluster-staging";
const API: &str = "nexus-ai-api-staging";
const ECS: &str = "AmazonEC2ContainerServiceV20141113";
const LOGS: &str = "Logs_20140328";
const CLOUD_MAP: &str = "Route53AutoNaming_v20170314";

/// Requests of every JSON service that the simulated account answers well.
fn json_requests() -> Vec<(&'static str, &'static str, Value)> {
    let world = world();
    let definition = world["ecs"]["taskDefinitions"][1]["taskDefinition"].clone();
    let mut register = json!({ "tags": [{ "key": "a", "value": "b" }] });
    for member in
        ["family", "networkMode", "cpu", "memory", "executionRoleArn", "taskRoleArn", "requiresCompatibilities", "volumes"]
    {
        register[member] = definition[member].clone();
    }
    register["containerDefinitions"] = definition["containerDefinitions"].clone();
    let service = world["ecs"]["services"].as_array().expect("services").iter().find(|service| service["serviceName"] == API);
    let service = service.expect("the API").clone();
    let mut create = json!({ "serviceName": "another", "cluster": CLUSTER, "clientToken": "t-1", "desiredCount": 1 });
    for member in ["taskDefinition", "networkConfiguration", "loadBalancers", "launchType", "deploymentConfiguration"] {
        create[member] = service[member].clone();
    }
    let mut update = json!({ "cluster": CLUSTER, "service": API, "forceNewDeployment": true, "desiredCount": 2 });
    for member in ["taskDefinition", "networkConfiguration", "loadBalancers", "deploymentConfiguration"] {
        update[member] = service[member].clone();
    }
    let namespace = world["servicediscovery"]["namespaces"][0]["Id"].clone();
    vec![
        (ECS, "RegisterTaskDefinition", register),
        (ECS, "CreateService", create),
        (ECS, "UpdateService", update),
        (ECS, "DescribeServices", json!({ "cluster": CLUSTER, "services": [API], "include": ["TAGS"] })),
        (ECS, "ListTasks", json!({ "cluster": CLUSTER, "serviceName": API, "desiredStatus": "RUNNING", "maxResults": 10 })),
        (ECS, "DescribeTaskDefinition", json!({ "taskDefinition": API, "include": ["TAGS"] })),
        (ECS, "ListTaskDefinitions", json!({ "familyPrefix": API, "status": "ACTIVE", "sort": "DESC", "maxResults": 2 })),
        (ECS, "ListServiceDeployments", json!({ "cluster": CLUSTER, "service": API, "createdAt": { "after": 0, "before": 9e9 } })),
        (ECS, "TagResource", json!({ "resourceArn": service["serviceArn"], "tags": [{ "key": "a", "value": "b" }] })),
        (ECS, "DeregisterTaskDefinition", json!({ "taskDefinition": format!("{API}:1") })),
        (ECS, "DeleteService", json!({ "cluster": CLUSTER, "service": API, "force": true })),
        (LOGS, "CreateLogGroup", json!({ "logGroupName": "/ecs/new", "tags": { "a": "b" } })),
        (LOGS, "PutRetentionPolicy", json!({ "logGroupName": "/ecs/nexus-ai-api-staging", "retentionInDays": 7 })),
        (LOGS, "DescribeLogGroups", json!({ "logGroupNamePrefix": "/ecs", "limit": 1 })),
        (
            LOGS,
            "FilterLogEvents",
            json!({ "logGroupName": "/ecs/nexus-ai-api-staging", "startTime": 0, "endTime": 9e12 as i64, "limit": 5 }),
        ),
        (
            CLOUD_MAP,
            "CreateService",
            json!({ "Name": "jaeger", "NamespaceId": namespace, "CreatorRequestId": "r-1",
            "DnsConfig": { "RoutingPolicy": "MULTIVALUE", "DnsRecords": [{ "Type": "A", "TTL": 10 }] },
            "HealthCheckCustomConfig": { "FailureThreshold": 1 }, "Tags": [{ "Key": "a", "Value": "b" }] }),
        ),
        (CLOUD_MAP, "ListServices", json!({ "Filters": [{ "Name": "NAMESPACE_ID", "Values": [namespace], "Condition": "EQ" }] })),
        (
            CLOUD_MAP,
            "RegisterInstance",
            json!({ "ServiceId": world["servicediscovery"]["services"][0]["Id"], "InstanceId": "i-1",
            "CreatorRequestId": "r-2", "Attributes": { "AWS_INSTANCE_IPV4": "10.0.10.99", "AWS_INSTANCE_PORT": "80" } }),
        ),
    ]
}

/// Requests of every query service.
fn form_requests() -> Vec<(&'static str, String)> {
    let world = world();
    let group = world["elbv2"]["targetGroups"][0]["TargetGroupArn"].as_str().expect("an ARN").to_owned();
    let listener = world["elbv2"]["listeners"][0]["ListenerArn"].as_str().expect("an ARN").to_owned();
    let security = world["ec2"]["securityGroups"][0]["GroupId"].as_str().expect("an id").to_owned();
    vec![
        (
            "elasticloadbalancing",
            format!(
                "Action=DescribeTargetHealth&Version=2015-12-01&TargetGroupArn={group}&Targets.member.1.Id=10.0.0.1&Targets.member.1.Port=80"
            ),
        ),
        ("elasticloadbalancing", format!("Action=DescribeRules&Version=2015-12-01&ListenerArn={listener}&PageSize=2")),
        (
            "elasticloadbalancing",
            format!(
                "Action=ModifyTargetGroup&Version=2015-12-01&TargetGroupArn={group}&HealthyThresholdCount=3&HealthCheckIntervalSeconds=10"
            ),
        ),
        (
            "ec2",
            format!(
                "Action=DescribeSecurityGroups&Version=2016-11-15&GroupId.1={security}&Filter.1.Name=vpc-id&Filter.1.Value.1=vpc-1"
            ),
        ),
        (
            "ec2",
            format!(
                "Action=AuthorizeSecurityGroupIngress&Version=2016-11-15&GroupId={security}&IpPermissions.1.IpProtocol=tcp&IpPermissions.1.FromPort=4317&IpPermissions.1.ToPort=4318&IpPermissions.1.IpRanges.1.CidrIp=10.0.0.0/16"
            ),
        ),
        ("sts", "Action=GetCallerIdentity&Version=2011-06-15".to_owned()),
    ]
}

fn signed(service: &str) -> String {
    format!("AWS4-HMAC-SHA256 Credential=AKID/20251202/us-west-2/{service}/aws4_request, SignedHeaders=host, Signature=0")
}

fn json_request(target: &str, operation: &str, body: impl Into<Bytes>) -> Request<Bytes> {
    let request = Request::post("/").header("x-amz-target", format!("{target}.{operation}")).header("authorization", signed("any"));
    request.body(body.into()).expect("a request")
}

fn form_request(service: &str, body: impl Into<Bytes>) -> Request<Bytes> {
    Request::post("/").header("authorization", signed(service)).body(body.into()).expect("a request")
}

/// Sends it, and looks whether the answer has its protocol's form; gives its status.
fn send(sim: &Sim, request: Request<Bytes>) -> u16 {
    let is_json = request.headers().contains_key("x-amz-target");
    let Handled::Respond(answer) = sim.handle(sim.with(|state| state.now()), request) else { panic!("no answer") };
    let (status, body) = (answer.status().as_u16(), String::from_utf8_lossy(answer.body()).into_owned());
    let content = answer.headers()["content-type"].to_str().expect("text").to_owned();
    if content.contains("json") {
        let value: Value = serde_json::from_str(&body).expect("an answer in JSON");
        assert_eq!(status != 200, value["__type"].is_string(), "{status} {body}");
    } else {
        assert!(!is_json && body.trim_start().starts_with('<'), "{body}");
        assert_eq!(status != 200, body.contains("<Error>"), "{status} {body}");
    }
    assert!(status == 200 || (400..500).contains(&status), "{status} {body}");
    status
}

/// Everything that happens to an account: it is asked, it is changed, time passes, it is saved, and what was saved is read again.
fn live(state: State) {
    let sim = Sim::new(state);
    let later = |seconds: i64| {
        let now = sim.with(|state| state.now()) + seconds * 1000;
        sim.with(|state| state.advance(now));
    };
    for (target, operation, input) in json_requests() {
        send(&sim, json_request(target, operation, input.to_string()));
        later(6);
    }
    for (service, body) in form_requests() {
        send(&sim, form_request(service, body));
    }
    later(100);
    sim.with(|state| state.spans());
    let saved = sim.with(|state| state.save());
    State::load(&saved, 1).expect("what was saved can be read");
}

proptest! {
    #![proptest_config(cases(12))]

    #[test]
    fn a_damaged_world_is_refused_in_words_or_lived_in(damages in damages(3)) {
        let mut world = world();
        damages.iter().for_each(|(at, damage)| apply(&mut world, *at, damage));
        match State::load(&world, 1) {
            Ok(state) => live(state),
            Err(words) => prop_assert!(!words.is_empty() && words.len() < 1_000, "{words}"),
        }
    }

    #[test]
    fn a_damaged_request_is_answered_in_its_protocol(which in any::<Index>(), damages in damages(3)) {
        let requests = json_requests();
        let (target, operation, mut input) = requests[which.index(requests.len())].clone();
        damages.iter().for_each(|(at, damage)| apply(&mut input, *at, damage));
        let state = State::load(&world(), 1).expect("the world loads");
        let sim = Sim::new(state);
        send(&sim, json_request(target, operation, input.to_string()));
        // What was taken must be something that can be lived with.
        live(sim.with(|state| state.clone()));
    }
}

proptest! {
    #![proptest_config(cases(60))]

    #[test]
    fn any_value_as_a_world_is_refused(bytes in prop::collection::vec(any::<u8>(), 0..200), junk in junk()) {
        if let Ok(value) = serde_json::from_slice::<Value>(&bytes) {
            prop_assert!(State::load(&value, 1).is_err());
        }
        prop_assert!(State::load(&junk, 1).is_err());
    }

    #[test]
    fn a_request_cut_anywhere_or_with_other_bytes_in_it_is_answered(
        which in any::<Index>(),
        at in any::<Index>(),
        with in prop::collection::vec(any::<u8>(), 0..4),
        cut in any::<bool>(),
    ) {
        let sim = Sim::new(State::load(&world(), 1).expect("the world loads"));
        let spoil = |text: &str| {
            let mut bytes = text.as_bytes().to_vec();
            let at = at.index(bytes.len() + 1);
            bytes.truncate(if cut { at } else { bytes.len() });
            bytes.splice(at..at, with.iter().copied());
            bytes
        };
        let requests = json_requests();
        let (target, operation, input) = &requests[which.index(requests.len())];
        let body = spoil(&input.to_string());
        let readable = body.iter().all(u8::is_ascii_whitespace) || serde_json::from_slice::<Value>(&body).is_ok_and(|value| value.is_object());
        let status = send(&sim, json_request(target, operation, body));
        prop_assert!(readable || status == 400, "unreadable, and answered with {status}");
        let forms = form_requests();
        let (service, body) = &forms[which.index(forms.len())];
        send(&sim, form_request(service, spoil(body)));
    }

    #[test]
    fn any_method_uri_header_and_body_is_answered(
        method in select(vec!["GET", "POST", "PUT", "DELETE", "OPTIONS", "CONNECT", "X"]),
        uri in prop_oneof![Just("/".to_owned()), "/[ -~&&[^\"<>\\\\^`{}|# ]]{0,40}", "http://10\\.0\\.[0-9]{1,3}\\.[0-9]{1,3}(:[0-9]{1,5})?/[a-z?=&%]{0,20}"],
        headers in prop::collection::vec((select(vec!["x-amz-target", "authorization", "host", "amz-sdk-request", "content-type"]), prop::collection::vec(32_u8..=255, 0..40)), 0..5),
        body in prop::collection::vec(any::<u8>(), 0..100),
    ) {
        let mut request = Request::builder().method(method).uri(uri);
        for (name, value) in headers {
            request = request.header(name, value);
        }
        let Ok(request) = request.body(Bytes::from(body)) else { return Ok(()) };
        let sim = Sim::new(State::load(&world(), 1).expect("the world loads"));
        let handled = sim.handle(sim.with(|state| state.now()), request);
        if let Handled::Respond(answer) = handled {
            prop_assert!(answer.status().as_u16() != 200, "nothing was asked for, and it was given: {answer:?}");
        }
    }
}

#[test]
fn the_requests_that_are_damaged_are_good_ones() {
    for (target, operation, input) in json_requests() {
        let sim = Sim::new(State::load(&world(), 1).expect("the world loads"));
        assert_eq!(send(&sim, json_request(target, operation, input.to_string())), 200, "{operation}");
    }
    for (service, body) in form_requests().into_iter().filter(|(_, body)| !body.contains("vpc-1")) {
        let sim = Sim::new(State::load(&world(), 1).expect("the world loads"));
        assert_eq!(send(&sim, form_request(service, body.clone())), 200, "{body}");
    }
}
