//! Spans: what is sent arrives or is lost for the right reason, and Jaeger's API tells the same.

use super::super::super::jaeger::{self, HttpAnswer};
use super::super::super::web::{self, Asked, Got};
use super::*;

/// A GET by somebody inside the network.
fn get(lab: &mut Lab, url: &str) -> Result<HttpAnswer, Got> {
    let url: http::Uri = url.parse().expect("an address");
    let asked = Asked {
        scheme: url.scheme_str().expect("a scheme"),
        host: url.host().expect("a host"),
        port: url.port_u16().unwrap_or(80),
        path_and_query: url.path_and_query().map_or("/", |path| path.as_str()),
    };
    match web::get(&mut lab.state, &asked) {
        Got::Answer(answer) => Ok(answer),
        other => Err(other),
    }
}

/// Points the API at an endpoint and waits for the rollout.
fn retarget(lab: &mut Lab, endpoint: &str) {
    let arn = lab.register(|request| {
        for variable in request["containerDefinitions"][0]["environment"].as_array_mut().into_iter().flatten() {
            if variable["name"] == "OTEL_EXPORTER_OTLP_ENDPOINT" {
                variable["value"] = json!(endpoint);
            }
        }
    });
    lab.ok("UpdateService", lab.update(json!({ "taskDefinition": arn })));
    lab.pass(5);
    lab.wait(600, |lab| lab.settled(&lab.api.clone()));
}

fn address(lab: &mut Lab, service: &str) -> String {
    let task = lab.tasks(service, "RUNNING")[0].clone();
    text(&task["containers"][0]["networkInterfaces"][0], "privateIpv4Address").to_owned()
}

fn label<'a>(spans: &'a Value, name: &str) -> &'a Value {
    list(spans, "labels").iter().find(|label| text(label, "label") == name).unwrap_or(&Value::Null)
}

#[test]
fn each_api_task_sends_a_span_a_second_to_its_sidecar() {
    let mut lab = Lab::staging();
    lab.pass(3600);
    lab.state.mark("next");
    lab.pass(60);
    let spans = lab.state.spans();
    let expected = json!({ "label": "next", "sent": 120, "arrived": 120, "retained": 120, "lost": {} });
    assert_eq!(*label(&spans, "next"), expected);
    assert_eq!(label(&spans, "start")["sent"], 7200);
    assert_eq!(spans["total"]["sent"], 7320);
    assert_eq!(list(&spans, "tasks").len(), 4, "two tasks in two stages");
}

#[test]
fn the_account_is_the_same_however_often_somebody_looks() {
    let run = |step: i64| {
        let mut lab = Lab::staging();
        lab.ok("UpdateService", lab.update(json!({ "forceNewDeployment": true })));
        for _ in 0..(600_000 / step) {
            let now = lab.state.now + step;
            lab.state.advance(now);
        }
        lab.state.spans()
    };
    assert_eq!(run(600_000), run(300));
}

#[test]
fn a_replaced_sidecar_takes_its_spans_with_it() {
    let mut lab = Lab::staging();
    lab.pass(100);
    lab.ok("UpdateService", lab.update(json!({ "forceNewDeployment": true })));
    lab.pass(5);
    lab.wait(600, |lab| lab.settled(&lab.api.clone()));
    lab.pass(60);
    let total = lab.state.spans()["total"].clone();
    assert_eq!(total["arrived"], total["sent"]);
    assert!(total["retained"].as_u64() < total["arrived"].as_u64() && total["retained"].as_u64() > Some(0), "{total}");
}

#[test]
fn spans_reach_a_shared_jaeger_where_the_port_is_open() {
    let mut lab = Lab::staging();
    let name = lab.shared_jaeger();
    let ip = address(&mut lab, &name);
    retarget(&mut lab, &format!("http://{ip}:4318"));
    lab.state.mark("after");
    lab.pass(30);
    let after = label(&lab.state.spans(), "after").clone();
    assert_eq!((&after["sent"], &after["arrived"], &after["lost"]), (&json!(60), &json!(60), &json!({})));
    let body: Value = serde_json::from_str(&jaeger::shared(&lab.state, "/api/v3/services").expect("answers").body).expect("JSON");
    assert_eq!(body, json!({ "services": ["api"] }));
    let body: Value =
        serde_json::from_str(&get(&mut lab, &format!("http://{ip}:16686/api/services")).expect("answers").body).expect("JSON");
    assert_eq!(body["data"], json!(["api", "jaeger-all-in-one"]), "its own name after the first request");
}

#[test]
fn spans_are_lost_where_the_port_is_closed_or_nobody_is_there() {
    let mut lab = Lab::of(DEV, "dev");
    let name = lab.shared_jaeger();
    let ip = address(&mut lab, &name);
    for (endpoint, reason) in [
        (format!("http://{ip}:4318"), "blocked-by-security-group"),
        ("http://jaeger.nexus-ai.local:4318".to_owned(), "name-does-not-resolve"),
        ("http://localhost:9999".to_owned(), "no-receiver"),
        ("http://10.0.10.250:4318".to_owned(), "receiver-not-running"),
    ] {
        retarget(&mut lab, &endpoint);
        lab.state.mark(reason);
        lab.pass(10);
        let spans = lab.state.spans();
        assert_eq!(
            *label(&spans, reason),
            json!({ "label": reason, "sent": 20, "arrived": 0, "retained": 0, "lost": { reason: 20 } })
        );
    }
}

#[test]
fn the_query_api_finds_the_spans_of_a_time() {
    let mut lab = Lab::staging();
    let api = lab.api.clone();
    lab.pass(120);
    let ip = address(&mut lab, &api);
    let now = lab.state.now;
    let time = |at: Millis| jiff::Timestamp::from_millisecond(at).map(|at| at.to_string()).unwrap_or_default();
    let ask = |lab: &mut Lab, path: &str| {
        let answer = get(lab, &format!("http://{ip}:16686{path}")).expect("answers");
        (answer.status, serde_json::from_str::<Value>(&answer.body).unwrap_or_default())
    };
    let query = |from: Millis, to: Millis, service: &str| {
        let times = format!("query.start_time_min={}&query.start_time_max={}", time(from), time(to));
        format!("/api/v3/traces?query.service_name={service}&{times}&query.num_traces=20")
    };
    let (status, body) = ask(&mut lab, &query(now - 10_000, now - 1, "api"));
    assert_eq!((status, list(&body["result"], "resourceSpans").len()), (200, 10));
    assert_eq!(ask(&mut lab, &query(now - 10_000, now, "other")).0, 404);
    assert_eq!(ask(&mut lab, &query(now + 1, now + 10_000, "api")).0, 404);
    assert_eq!(ask(&mut lab, "/api/v3/traces?query.service_name=api").0, 400);
    let (status, body) = ask(&mut lab, "/api/traces?service=api&limit=5&lookback=1h");
    assert_eq!((status, list(&body, "data").len()), (200, 5));
    let id = text(&body["data"][0], "traceID").to_owned();
    assert_eq!(ask(&mut lab, &format!("/api/traces/{id}")).1["data"][0]["traceID"], json!(id));
    assert_eq!(ask(&mut lab, "/api/traces").0, 400);
    assert_eq!(get(&mut lab, "http://10.9.9.9:16686/"), Err(Got::Silence));
    assert_eq!(get(&mut lab, &format!("http://{ip}:9999/")), Err(Got::Nobody));
}

#[test]
fn base_paths_and_health_ports_are_those_of_the_image() {
    for (image, environment, command, path, status) in [
        ("jaegertracing/all-in-one:latest", json!([]), json!([]), "/", 200),
        ("jaegertracing/all-in-one:latest", json!([]), json!([]), "/anything", 200),
        ("jaegertracing/all-in-one:latest", json!([{ "name": "QUERY_BASE_PATH", "value": "/jaeger" }]), json!([]), "/", 404),
        ("jaegertracing/all-in-one:latest", json!([{ "name": "QUERY_BASE_PATH", "value": "/jaeger" }]), json!([]), "/jaeger", 200),
        ("jaegertracing/jaeger:2.20.0", json!([{ "name": "QUERY_BASE_PATH", "value": "/jaeger" }]), json!([]), "/", 200),
        ("jaegertracing/jaeger:2.20.0", json!([]), json!(["--set=extensions.jaeger_query.base_path=/jaeger"]), "/jaeger", 307),
        ("jaegertracing/jaeger:2.15.0", json!([]), json!(["--set=extensions.jaeger_query.base_path=/jaeger"]), "/jaeger", 200),
        (
            "jaegertracing/jaeger:2.20.0",
            json!([]),
            json!(["--set=extensions.jaeger_query.base_path=/jaeger"]),
            "/jaeger/api/none",
            404,
        ),
        (
            "jaegertracing/jaeger:2.15.0",
            json!([]),
            json!(["--set=extensions.jaeger_query.base_path=/jaeger"]),
            "/jaeger/api/none",
            200,
        ),
        ("jaegertracing/all-in-one:latest", json!([]), json!([]), "/api/none", 200),
        ("jaegertracing/jaeger:2.21.0", json!([]), json!([]), "/api/services", 404),
    ] {
        let mut lab = Lab::staging();
        let mut definition = lab.jaeger_definition(image);
        let container = &mut definition["containerDefinitions"][0];
        container["environment"] = environment;
        container["command"] = command;
        if image.contains("/jaeger:") {
            container["healthCheck"]["command"] = json!(["CMD-SHELL", "wget --spider http://localhost:13133/status || exit 1"]);
        }
        lab.ok("RegisterTaskDefinition", definition);
        let request = lab.jaeger_service();
        lab.ok("CreateService", request);
        lab.wait(300, |lab| lab.service("nexus-ai-jaeger-staging").is_object() && lab.settled("nexus-ai-jaeger-staging"));
        let answer = jaeger::shared(&lab.state, path).expect("answers");
        assert_eq!(answer.status, status, "{image} {path}");
    }
}

#[test]
fn a_registered_name_carries_spans_until_it_is_taken_off() {
    let mut lab = Lab::staging();
    let name = lab.shared_jaeger();
    let cloudmap = |lab: &mut Lab, operation: &str, input: Value| {
        let call = Call {
            operation: operation.to_owned(),
            request_id: "request".to_owned(),
            invocation_id: None,
            attempt: 1,
            access_key: "AKIDEXAMPLE".to_owned(),
        };
        super::super::super::cloudmap::call(&mut lab.state, &call, &input, false)
            .unwrap_or_else(|error| panic!("{operation}: {error:?}"))
    };
    let request = json!({
        "Name": "jaeger", "NamespaceId": "ns-7d6e2857c6222e2c", "CreatorRequestId": "one", "HealthCheckCustomConfig": {},
        "DnsConfig": { "RoutingPolicy": "MULTIVALUE", "DnsRecords": [{ "Type": "A", "TTL": 10 }] },
    });
    let created = cloudmap(&mut lab, "CreateService", request)["Service"].clone();
    let registries = json!([{ "registryArn": created["Arn"] }]);
    lab.ok("UpdateService", json!({ "cluster": lab.cluster, "service": name, "serviceRegistries": registries }));
    lab.pass(5);
    lab.wait(400, |lab| lab.settled(&name));
    lab.pass(40);
    let task = lab.tasks(&name, "RUNNING")[0].clone();
    let health = cloudmap(&mut lab, "GetInstancesHealthStatus", json!({ "ServiceId": created["Id"] }));
    let id = super::super::json::last_part(text(&task, "taskArn")).to_owned();
    assert_eq!(health["Status"], json!({ id: "HEALTHY" }));

    assert_eq!(get(&mut lab, "http://jaeger.nexus-ai.local:16686/api/v3/services").map(|answer| answer.status), Ok(200));
    lab.state.mark("before");
    retarget(&mut lab, "http://jaeger.nexus-ai.local:4318");
    lab.state.mark("named");
    lab.pass(60);
    assert_eq!(label(&lab.state.spans(), "before")["lost"], json!({}), "no span is lost on the way");
    assert_eq!(label(&lab.state.spans(), "named")["retained"], 120);

    lab.ok("UpdateService", json!({ "cluster": lab.cluster, "service": name, "serviceRegistries": [] }));
    lab.pass(300);
    lab.state.mark("unnamed");
    lab.pass(60);
    let expected =
        json!({ "label": "unnamed", "sent": 120, "arrived": 0, "retained": 0, "lost": { "name-does-not-resolve": 120 } });
    assert_eq!(*label(&lab.state.spans(), "unnamed"), expected);
    let instances = cloudmap(&mut lab, "ListInstances", json!({ "ServiceId": created["Id"] }));
    assert_eq!(instances["Instances"], json!([]));
}

const BALANCER: &str = "http://nexus-ai-alb-staging-459449098.us-west-2.elb.amazonaws.com";

#[test]
fn through_the_load_balancer_targets_take_turns_by_the_listeners_rules() {
    let mut lab = Lab::of(&STAGING.replace("\"/jaeger/*\"", "\"/api/v3/*\""), "staging");
    lab.pass(60);
    let ask = |lab: &mut Lab, rest: &str| get(lab, &format!("{BALANCER}{rest}")).map(|answer| (answer.status, answer.body));
    let known: Vec<bool> =
        (0..4).map(|_| ask(&mut lab, "/api/v3/services").expect("answers").1.contains("jaeger-all-in-one")).collect();
    assert_eq!(known, [false, false, true, true], "each knows itself from its own second request on");
    assert_eq!(ask(&mut lab, "/api/orders"), Ok((200, "ok\n".to_owned())), "the rule after it");
    assert_eq!(ask(&mut lab, "/jaeger").map(|(status, _)| status), Ok(200), "the page");
    assert_eq!(ask(&mut lab, ":81/"), Err(Got::Silence), "no listener");
    assert_eq!(get(&mut lab, "http://api.example.com/"), Err(Got::Nobody), "not in this account");
    lab.ok("UpdateService", lab.update(json!({ "desiredCount": 0 })));
    lab.pass(600);
    assert_eq!(ask(&mut lab, "/api/orders").map(|(status, _)| status), Ok(503), "no target");
}

#[test]
fn an_idle_application_makes_a_span_of_each_request() {
    let mut lab = Lab::staging();
    let api = lab.api.clone();
    lab.pass(10);
    lab.state.set_idle(true);
    lab.state.mark("idle");
    lab.pass(60);
    let counted = |lab: &Lab, name: &str| {
        let spans = lab.state.spans();
        ["sent", "arrived"].map(|member| label(&spans, name)[member].as_u64().expect("a number"))
    };
    assert_eq!(counted(&lab, "idle"), [0, 0]);
    let ip = address(&mut lab, &api);
    for url in [format!("http://{ip}:8000/health"), format!("{BALANCER}/api/orders")] {
        assert_eq!(get(&mut lab, &url).map(|answer| answer.status), Ok(200));
    }
    assert_eq!(get(&mut lab, &format!("http://{ip}:16686/")).map(|answer| answer.status), Ok(200), "that is no application");
    assert_eq!(counted(&lab, "idle"), [2, 2]);
    lab.state.set_idle(false);
    lab.state.mark("busy");
    lab.pass(10);
    assert_eq!(counted(&lab, "busy"), [20, 20], "nothing is made up for");
}

#[test]
fn spans_carry_the_name_that_the_environment_gives() {
    for (name, value, wanted) in [
        ("OTEL_SERVICE_NAME", "orders", "orders"),
        ("OTEL_RESOURCE_ATTRIBUTES", "team=a,service.name=orders", "orders"),
        ("OTEL_RESOURCE_ATTRIBUTES", "team=a", "api"),
    ] {
        let mut lab = Lab::of(&STAGING.replace("\"MAX_WORKFLOW_WORKERS\"", &format!("\"{name}\"")), "staging");
        let arn = lab.register(|request| {
            for variable in request["containerDefinitions"][0]["environment"].as_array_mut().into_iter().flatten() {
                if variable["name"] == name {
                    variable["value"] = json!(value);
                }
            }
        });
        lab.ok("UpdateService", lab.update(json!({ "taskDefinition": arn })));
        lab.pass(5);
        lab.wait(600, |lab| lab.settled(&lab.api.clone()));
        lab.pass(30);
        let api = lab.api.clone();
        let ip = address(&mut lab, &api);
        let answer = get(&mut lab, &format!("http://{ip}:16686/api/v3/services")).expect("answers");
        assert_eq!(answer.body, json!({ "services": [wanted] }).to_string());
    }
}

const XRAY: &str = include_str!("../../../../runbooks/worlds/nexus-ai-staging-xray.json");

/// Changes the daemon beside the API, and waits for the rollout.
fn with_daemon(lab: &mut Lab, change: impl FnOnce(&mut Value)) {
    let arn = lab.register(|request| change(&mut request["containerDefinitions"][1]));
    lab.ok("UpdateService", lab.update(json!({ "taskDefinition": arn })));
    lab.pass(5);
    lab.wait(600, |lab| lab.settled(&lab.api.clone()));
}

#[test]
fn an_x_ray_daemon_passes_segments_on_and_says_so() {
    let mut lab = Lab::of(XRAY, "staging");
    lab.pass(100);
    with_daemon(&mut lab, |_| {});
    lab.pass(60);
    let total = lab.state.spans()["total"].clone();
    assert!(total["sent"].as_u64() > Some(200), "{total}");
    assert_eq!((&total["arrived"], &total["retained"]), (&total["sent"], &total["sent"]), "no segment goes with a daemon: {total}");
    let task = lab.tasks(&lab.api.clone(), "RUNNING")[0].clone();
    let id = text(&task, "taskArn").rsplit('/').next().expect("an id").to_owned();
    let call = Call {
        operation: "GetLogEvents".to_owned(),
        request_id: "request".to_owned(),
        invocation_id: None,
        attempt: 1,
        access_key: "AKIDEXAMPLE".to_owned(),
    };
    let input = json!({ "logGroupName": "/ecs/nexus-ai-api-staging", "logStreamName": format!("xray-daemon/xray-daemon/{id}"), "limit": 1 });
    let line = |lab: &mut Lab| {
        let answer = super::super::super::logs::call(&mut lab.state, &call, &input).expect("the stream is there");
        text(&answer["events"][0], "message").to_owned()
    };
    assert_eq!(line(&mut lab), "[Info] Successfully sent batch of 10 segments (0.021 seconds)");
    lab.state.set_idle(true);
    lab.pass(60);
    let last = line(&mut lab);
    lab.pass(600);
    assert_eq!(line(&mut lab), last, "without segments there is nothing to say");
}

#[test]
fn segments_go_over_udp() {
    let mut lab = Lab::of(XRAY, "staging");
    with_daemon(&mut lab, |daemon| daemon["portMappings"][0]["protocol"] = json!("tcp"));
    lab.state.mark("tcp");
    lab.pass(10);
    assert_eq!(label(&lab.state.spans(), "tcp")["lost"], json!({ "no-receiver": 20 }));
}
