use serde_json::json;

use super::*;

fn known() -> Known {
    Known {
        texts: BTreeSet::from(["5".to_owned(), "http://tracing.example.local:4318".to_owned()]),
        retargeted: BTreeSet::from(["OTEL_EXPORTER_OTLP_ENDPOINT".to_owned()]),
        hosts: LOOPBACK.iter().map(|host| (*host).to_owned()).chain(["tracing.example.local".to_owned()]).collect(),
    }
}

#[test]
fn of_variables_only_what_planning_needs_stays() {
    for (name, value, shown) in [
        ("PASSWORD", "hunter2", MASK),
        ("EMPTY", "", ""),
        ("DEBUG", "true", "true"),
        ("OF_THE_RUNBOOK", "5", "5"),
        ("NUMBER", "6", MASK),
        ("AGENT_PORT", "6831", "6831"),
        ("PASSPORT", "123456", MASK),
        ("AGENT_HOST", "localhost", "localhost"),
        ("ADMIN", "http://localhost:14268/api/traces", "http://localhost:14268/api/traces"),
        ("UI", "http://alice:hunter2@127.0.0.1:16686/?token=hunter2", "http://<masked>@127.0.0.1:16686/?<masked>"),
        ("SHARED", "http://tracing.example.local:4317#hunter2", "http://tracing.example.local:4317#<masked>"),
        ("V6", "http://[::1]:4318/v1/traces", "http://[::1]:4318/v1/traces"),
        ("QUEUE", "https://sqs.us-west-2.amazonaws.com/111122223333/q", MASK),
        ("LIKE_ONE", "hunter2://localhost hunter2", MASK),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://elsewhere.example.com:4318", "http://elsewhere.example.com:4318"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "authorization=hunter2", MASK),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf", "http/protobuf"),
        ("OTEL_RESOURCE_ATTRIBUTES", "service.name=shop,token=hunter2", "service.name=shop,token=<masked>"),
    ] {
        assert_eq!(of_variable(name, value, &known()), shown, "{name}={value}");
    }
}

#[test]
fn of_commands_only_what_is_no_value_stays() {
    for (argument, shown) in [
        ("CMD-SHELL", "CMD-SHELL"),
        ("curl -f http://localhost:8000/health || exit 1", "curl -f http://localhost:8000/health || exit 1"),
        (
            "wget --header='Authorization: Bearer hunter2' -q http://u:hunter2@localhost:1/",
            "wget --header=<masked> <masked> -q http://<masked>@localhost:1/",
        ),
        (
            "mkdir -p /app && OTLP=http://localhost:4318 exec app hunter2",
            "<masked> -p <masked> && http://localhost:4318 exec <masked>",
        ),
        ("--password=hunter2", "--password=<masked>"),
        ("--password", "--password"),
        ("-phunter2", MASK),
        ("--query.base-path=/tracing", "--query.base-path=/tracing"),
        ("--set=extensions.query.base_path=/t", "--set=extensions.query.base_path=/t"),
        ("--set=extensions.query.token=hunter2", "--set=extensions.query.token=<masked>"),
        ("hunter2", MASK),
    ] {
        assert_eq!(words(argument, &known()), shown, "{argument}");
    }
}

#[test]
fn everything_else_that_may_be_secret_is_masked_where_it_stands() {
    let mut container = json!({ "name": "app", "image": "app:1",
        "secrets": [{ "name": "DB", "valueFrom": "arn:aws:secretsmanager:us-west-2:111122223333:secret:db-hunter2" }],
        "logConfiguration": { "logDriver": "splunk", "options": { "awslogs-group": "/ecs/app", "splunk-token": "hunter2" },
            "secretOptions": [{ "name": "splunk-url", "valueFrom": "hunter2" }] },
        "dockerLabels": { "license": "hunter2" }, "repositoryCredentials": { "credentialsParameter": "hunter2" },
        "environmentFiles": [{ "type": "s3", "value": "arn:aws:s3:::bucket/hunter2.env" }] });
    walk(&mut container, &known());
    assert!(!container.to_string().contains("hunter2"), "{container}");
    assert_eq!(container["logConfiguration"]["options"]["awslogs-group"], "/ecs/app");
    assert_eq!(container["secrets"][0]["valueFrom"], "arn:aws:secretsmanager:us-west-2:111122223333:secret:<masked>");
    assert_eq!((&container["name"], &container["image"]), (&json!("app"), &json!("app:1")));

    let mut task = json!({ "overrides": { "containerOverrides": [{ "environment": [{ "name": "A", "value": "hunter2" }] }] } });
    walk(&mut task, &known());
    assert_eq!(task["overrides"]["containerOverrides"][0]["environment"], json!([{ "name": "A", "value": MASK }]));

    let mut rule = json!({ "Conditions": [
        { "Field": "http-header", "HttpHeaderConfig": { "HttpHeaderName": "X-Origin", "Values": ["hunter2"] } },
        { "Field": "path-pattern", "Values": ["/ui/*"], "PathPatternConfig": { "Values": ["/ui/*"] } }] });
    mask_rule(&mut rule);
    assert_eq!(rule["Conditions"][0]["HttpHeaderConfig"], json!({ "HttpHeaderName": "X-Origin", "Values": [MASK] }));
    assert_eq!(rule["Conditions"][1]["PathPatternConfig"]["Values"], json!(["/ui/*"]));
}
