//! The shipped runbooks: that of Jaeger with the variable files of two real environments, the others with those of their worlds.

use serde_json::json;

use super::*;
use crate::model::Origin;
use crate::runbook::{built_in, built_in_names, built_in_world};

const STAGING: &str = include_str!("../../../tests/worlds/nexus-ai-staging.tfvars");
const DEV: &str = include_str!("../../../tests/worlds/nexus-ai-dev.tfvars");

fn shipped(sources: &VariableSources) -> Result<Runbook, Vec<Problem>> {
    resolve(built_in("jaeger-sidecar-to-shared").expect("it is shipped"), sources)
}

fn staging(command_line: &[(&str, &str)]) -> Runbook {
    match shipped(&sources(&[("terraform.tfvars", STAGING)], command_line, &[])) {
        Ok(runbook) => runbook,
        Err(problems) => panic!("{}", rendered(&problems)),
    }
}

fn stage(runbook: &Runbook, name: &str) -> Value {
    let found = runbook.stages.iter().find(|stage| stage.id.as_str() == name);
    found.map(|stage| stage.body.clone()).unwrap_or_default()
}

#[test]
fn every_name_that_is_listed_is_there_and_resolves_its_own_name() {
    for name in built_in_names() {
        let file = built_in(name).expect("listed");
        assert!(file.text.contains(&format!("runbook \"{name}\"")), "{name}");
    }
    assert_eq!(built_in("jaeger"), None);
}

/// Another shipped runbook with the variables of its world.
fn other(name: &str, command_line: &[(&str, &str)]) -> Runbook {
    let world = built_in_world(name).expect("it has a world");
    let sources = sources(&[("world.tfvars", world.variables)], command_line, &[]);
    resolve(built_in(name).expect("it is shipped"), &sources).unwrap_or_else(|problems| panic!("{}", rendered(&problems)))
}

#[test]
fn the_address_of_a_daemon_is_taken_for_the_sdks_own_only_where_it_is_that() {
    let set = |command_line: &[(&str, &str)]| {
        let runbook = other("xray-daemon-sidecar-to-shared", command_line);
        stage(&runbook, "retarget-api-env")["set"]["AWS_XRAY_DAEMON_ADDRESS"].clone()
    };
    let to = "xray.nexus-ai.local:2000";
    let usual = json!({ "from": "127.0.0.1:2000", "from_is_default": true, "containers": ["api"], "to": to });
    assert_eq!(set(&[("api_containers", "[\"api\"]")]), usual);
    let told = json!({ "from": "localhost:2000", "from_is_default": false, "containers": [], "to": to });
    assert_eq!(set(&[("api_containers", "[\"api\"]"), ("daemon_address_before", "localhost:2000")]), told);
}

#[test]
fn a_collector_is_started_and_checked_as_its_image_allows() {
    let container = |command_line: &[(&str, &str)]| {
        let runbook = other("otel-collector-sidecar-to-shared", command_line);
        let container = stage(&runbook, "register-task-definition")["container"]["otel-collector"].clone();
        (container["command"].clone(), container["health_check"]["command"].clone())
    };
    assert_eq!(container(&[]), (json!(["--config=/etc/ecs/ecs-default-config.yaml"]), json!(["CMD", "/healthcheck"])));
    let aws = "111122223333.dkr.ecr.us-west-2.amazonaws.com/mirror/aws-otel-collector@sha256:0123";
    assert_eq!(container(&[("collector_image", aws)]).1, json!(["CMD", "/healthcheck"]), "wherever it is kept");
    assert_eq!(container(&[("collector_image", "otel/opentelemetry-collector:0.130.0")]), (json!([]), json!([])));
    let both = [("collector_config", "a"), ("collector_config_parameter", "b")];
    let world = built_in_world("otel-collector-sidecar-to-shared").expect("it has a world");
    let given = sources(&[("world.tfvars", world.variables)], &both, &[]);
    let problems = resolve(built_in("otel-collector-sidecar-to-shared").expect("it is shipped"), &given).expect_err("two ways");
    assert!(rendered(&problems).contains("two ways to say the same"), "{}", rendered(&problems));
}

#[test]
fn the_six_stages_stand_in_their_order() {
    for name in built_in_names().skip(1) {
        let stages: Vec<_> = other(name, &[]).stages.iter().map(|stage| stage.id.to_string()).collect();
        let of_the_first: Vec<_> = staging(&[]).stages.iter().map(|stage| stage.id.to_string()).collect();
        assert_eq!(stages, of_the_first, "{name}");
    }
    let runbook = staging(&[]);
    let stages: Vec<_> = runbook.stages.iter().map(|stage| (stage.kind.as_str(), stage.id.as_str())).collect();
    assert_eq!(
        stages,
        [
            ("log_group", "create-log-group"),
            ("task_definition", "register-task-definition"),
            ("service", "create-service"),
            ("dns", "register-dns"),
            ("retarget_env", "retarget-api-env"),
            ("strip_sidecar", "strip-sidecar"),
        ]
    );
}

#[test]
fn two_more_stand_before_the_service_when_they_are_switched_on() {
    let ids = |stages: &[crate::model::StageDecl]| stages.iter().map(|stage| stage.id.to_string()).collect::<Vec<_>>();
    assert_eq!(ids(&staging(&[]).off), ["open-ports", "set-health-path"]);
    let on = staging(&[("open_otlp_ports", "true"), ("set_health_path", "true"), ("jaeger_base_path", "/jaeger/")]);
    assert_eq!(ids(&on.stages)[1..5], ["register-task-definition", "open-ports", "set-health-path", "create-service"]);
    assert_eq!(stage(&on, "set-health-path")["path"], "/jaeger/");
    let without = shipped(&sources(&[("terraform.tfvars", STAGING)], &[("set_health_path", "true")], &[]));
    let problems = rendered(&without.expect_err("there is no path to set"));
    assert!(problems.contains("set_health_path needs jaeger_base_path"), "{problems}");
}

#[test]
fn names_derive_from_project_and_environment() {
    let runbook = match shipped(&sources(&[("terraform.tfvars", DEV)], &[], &[])) {
        Ok(runbook) => runbook,
        Err(problems) => panic!("{}", rendered(&problems)),
    };
    assert_eq!(
        Value::from_iter(runbook.target.clone()),
        json!({
            "region": "us-east-1",
            "environment": "dev",
            "cluster": "nexus-ai-cluster-dev",
            "services": ["nexus-ai-api-dev"],
            "__enabled": true,
            "__refusal": "enable_jaeger is false: there is no Jaeger to move",
        })
    );
    assert_eq!(stage(&runbook, "create-log-group")["name"], "/ecs/nexus-ai-jaeger-dev");
    assert_eq!(stage(&runbook, "register-dns")["namespace"], "nexus-ai.local");
    assert_eq!(
        stage(&runbook, "retarget-api-env")["set"],
        json!({ "OTEL_EXPORTER_OTLP_ENDPOINT": { "from": "http://localhost:4318", "to": "http://jaeger.nexus-ai.local:4318" } })
    );
}

#[test]
fn what_a_value_is_made_of_is_known_through_its_locals() {
    let runbook = staging(&[]);
    let setting = |stage: &str, pointer: &str| {
        let found = runbook.stages.iter().find(|found| found.id.as_str() == stage);
        found.map(|stage| stage.setting(pointer)).unwrap_or_default()
    };
    assert_eq!(setting("register-dns", "/name"), "variable `jaeger_dns_name`");
    assert_eq!(setting("register-dns", "/namespace"), "variables `namespace_name` or `project_name`");
    assert_eq!(setting("register-task-definition", "/container/jaeger/image"), "variable `jaeger_image`");
    assert_eq!(setting("create-service", "/load_balancer/from_sidecar"), "variable `sidecar_name`");
    let from = setting("retarget-api-env", "/set/OTEL_EXPORTER_OTLP_ENDPOINT/from");
    assert_eq!(from, "`from` in stage `retarget-api-env`", "no variable: the attribute itself");
    assert_eq!(setting("register-dns", "/ttl"), "`ttl` in stage `register-dns`");
    assert_eq!(setting("register-dns", "/absent"), "`absent` in stage `register-dns`");
    assert_eq!(runbook.target_setting("services"), "variables `api_services`, `project_name` or `environment`");
    assert_eq!(runbook.target_setting("absent"), "`absent` in the runbook's target block");
}

#[test]
fn what_is_said_at_the_end_is_the_runbook_s() {
    let runbook = staging(&[("sidecar_name", "tracer")]);
    assert_eq!(runbook.closing.name, "Jaeger");
    let [container, endpoint, entry] = runbook.closing.code.as_slice() else { panic!("{:?}", runbook.closing) };
    assert!(container.ends_with("remove the container `tracer` from the task definition"), "{container}");
    assert!(endpoint.ends_with("set OTEL_EXPORTER_OTLP_ENDPOINT to http://jaeger.nexus-ai.local:4318"), "{endpoint}");
    assert!(entry.ends_with("the `load_balancer` block of the container `tracer`"), "{entry}");
}

#[test]
fn staging_as_a_whole() {
    let runbook = staging(&[]);
    assert_eq!(
        stage(&runbook, "register-task-definition"),
        json!({
            "family": "nexus-ai-jaeger-staging",
            "cpu": 1024,
            "memory": 2048,
            "like_service": "nexus-ai-api-staging",
            "execution_role_arn": "",
            "task_role_arn": "",
            "tags": { "Project": "nexus-ai", "Environment": "staging" },
            "container": { "jaeger": {
                "command": [],
                "image": "jaegertracing/all-in-one:latest",
                "essential": true,
                "ports": [16686, 4317, 4318],
                "environment": { "COLLECTOR_OTLP_ENABLED": "true" },
                "log": { "group": "/ecs/nexus-ai-jaeger-staging", "stream_prefix": "jaeger" },
                "health_check": {
                    "command": [
                        "CMD-SHELL",
                        "wget -q --spider http://127.0.0.1:14269/ || wget -q --spider http://127.0.0.1:13133/status || exit 1",
                    ],
                    "interval": 30, "timeout": 5, "retries": 3, "start_period": 10,
                },
            } },
        })
    );
    assert_eq!(
        stage(&runbook, "create-service"),
        json!({
            "name": "nexus-ai-jaeger-staging",
            "task_definition": "nexus-ai-jaeger-staging",
            "desired_count": 1,
            "like_service": "nexus-ai-api-staging",
            "tags": { "Project": "nexus-ai", "Environment": "staging" },
            "deployment_minimum_healthy_percent": 0,
            "deployment_maximum_percent": 100,
            "availability_zone_rebalancing": "DISABLED",
            "deployment_circuit_breaker": { "enable": true, "rollback": true },
            "health_check_grace_period_seconds": 60,
            "load_balancer": { "container_name": "jaeger", "container_port": 16686, "from_sidecar": "jaeger" },
            "rollout_timeout": "30m",
        })
    );
    assert_eq!(
        stage(&runbook, "strip-sidecar"),
        json!({
            "services": ["nexus-ai-api-staging"],
            "sidecar": "jaeger",
            "rollout_timeout": "30m",
            "confirm": true,
            "warning": "Traces held in the sidecars' memory go with them, and a rollback cannot bring them back",
        })
    );
}

#[test]
fn a_terraform_variable_file_may_set_more_than_the_runbook_declares() {
    let runbook = staging(&[]);
    assert!(!runbook.variables.contains_key("api_cpu"));
    assert!(STAGING.contains("api_cpu"), "the test needs such a line");
}

#[test]
fn every_name_can_be_overridden() {
    let runbook = staging(&[
        ("cluster_name", "blue"),
        ("jaeger_name", "tracing"),
        ("log_group_name", "/tracing"),
        ("namespace_name", "corp.example"),
        ("jaeger_dns_name", "traces"),
        ("sidecar_name", "agent"),
        ("api_services", r#"["one", "two"]"#),
        ("aws_account_id", "111122223333"),
    ]);
    assert_eq!(runbook.target["cluster"], "blue");
    assert_eq!(runbook.target["account"], "111122223333");
    assert_eq!(runbook.target["services"], json!(["one", "two"]));
    assert_eq!(stage(&runbook, "register-task-definition")["container"]["jaeger"]["log"]["group"], "/tracing");
    assert_eq!(stage(&runbook, "create-service")["name"], "tracing");
    assert_eq!(stage(&runbook, "create-service")["like_service"], "one");
    assert_eq!(stage(&runbook, "create-service")["load_balancer"]["from_sidecar"], "agent");
    let retarget = stage(&runbook, "retarget-api-env");
    assert_eq!(retarget["set"]["OTEL_EXPORTER_OTLP_ENDPOINT"]["to"], "http://traces.corp.example:4318");
    assert_eq!(retarget["verify"]["spans_arrive"]["service"], "tracing");
}

#[test]
fn without_jaeger_it_refuses_in_its_own_words() {
    let runbook = staging(&[("enable_jaeger", "false")]);
    assert_eq!(runbook.target["__enabled"], false);
    assert_eq!(runbook.target["__refusal"], "enable_jaeger is false: there is no Jaeger to move");
}

#[test]
fn a_stage_kind_s_complaint_about_a_variable_points_into_the_variable_file() {
    let runbook = staging(&[]);
    let stage = &runbook.stages[1];
    let problem = stage.problem_at("/cpu", "Fargate has no such size", None);
    insta::assert_snapshot!(render_problem(&problem), @r#"
    error: Fargate has no such size
      --> terraform.tfvars:11:24
       |
    11 | jaeger_cpu           = 1024 # 1 vCPU
       |                        ^^^^
    "#);
    let inner = stage.problem_at("/container/jaeger/ports/1", "no such port", None);
    insta::assert_snapshot!(render_problem(&inner), @r"
    error: no such port
       --> runbooks/jaeger-sidecar-to-shared.hcl:283:27
        |
    283 |     ports       = [16686, 4317, 4318] # UI and query API, OTLP over gRPC, OTLP over HTTP
        |                           ^^^^
    ");
    assert!(matches!(runbook.variables["jaeger_cpu"].origin, Origin::VarFile(_)));
}

#[test]
fn nothing_set_is_said_for_each_required_variable() {
    let Err(problems) = shipped(&VariableSources::default()) else { panic!("it has required variables") };
    insta::assert_snapshot!(rendered(&problems), @r#"
    error: variable `project_name` has no value
      --> runbooks/jaeger-sidecar-to-shared.hcl:18:1
       |
    18 | variable "project_name" {
       | ^^^^^^^^^^^^^^^^^^^^^^^
      hint: set it with --var project_name=… or in a --var-file
    error: variable `environment` has no value
      --> runbooks/jaeger-sidecar-to-shared.hcl:28:1
       |
    28 | variable "environment" {
       | ^^^^^^^^^^^^^^^^^^^^^^
      hint: set it with --var environment=… or in a --var-file
    error: variable `aws_region` has no value
      --> runbooks/jaeger-sidecar-to-shared.hcl:38:1
       |
    38 | variable "aws_region" {
       | ^^^^^^^^^^^^^^^^^^^^^
      hint: set it with --var aws_region=… or in a --var-file
    "#);
}

/// The names of attributes and blocks in a stage's body. Members of a map, such as tags or labels, are not among them.
fn attribute_names(body: &Value, names: &mut Vec<String>) {
    const MAPS: &[&str] = &["tags", "environment", "container", "set", "verify"];
    for (name, value) in body.as_object().into_iter().flatten() {
        names.push(name.clone());
        if matches!(name.as_str(), "container" | "set" | "verify") {
            value.as_object().into_iter().flatten().for_each(|(_, labelled)| attribute_names(labelled, names));
        } else if !MAPS.contains(&name.as_str()) {
            attribute_names(value, names);
        }
    }
}

#[test]
fn the_readme_names_every_function_kind_and_attribute() {
    let readme = include_str!("../../../runbooks/README.md");
    let words: Vec<&str> = readme.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').collect();
    let mut names: Vec<String> = crate::runbook::functions::FUNCTIONS.iter().map(|function| function.name.to_owned()).collect();
    let runbook = staging(&[]);
    for stage in runbook.stages.iter().chain(&runbook.off) {
        names.push(stage.kind.clone());
        attribute_names(&stage.body, &mut names);
    }
    assert!(names.contains(&"stream_prefix".to_owned()), "nested blocks count");
    for name in names {
        assert!(words.contains(&name.as_str()), "README.md does not mention `{name}`");
    }
}

#[test]
fn the_readme_s_example_of_a_problem_is_what_is_printed() {
    let readme = include_str!("../../../runbooks/README.md");
    let example = readme.split("```text\n").nth(1).and_then(|rest| rest.split("\n```").next()).expect("an example");
    let file = format!("{}jaeger_cpu = \"abc\"\nproject_name = \"p\"\nenvironment = \"e\"\naws_region = \"r\"\n", "\n".repeat(11));
    let Err(problems) = shipped(&sources(&[("terraform.tfvars", &file)], &[], &[])) else { panic!("it is wrong") };
    assert_eq!(rendered(&problems), example);
}
