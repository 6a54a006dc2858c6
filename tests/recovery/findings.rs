//! Each finding on a world where it appears, and on one where it does not.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use sidestep::model::{Finding, Plan, RunId, Runbook};
use sidestep::plan::checks;

use crate::support::{Lab, paused, worlds};

/// A world, or a runbook, in which a finding appears; the shipped ones have it not, or if they do, `without` takes it away.
struct Trial {
    id: &'static str,
    with: Change,
    without: Change,
}

#[derive(Clone, Copy)]
enum Change {
    /// None: as shipped.
    No,
    /// Of the world.
    World(fn(&mut Value)),
    /// Of the world, with these variables.
    WorldFor(&'static str, fn(&mut Value)),
    /// Of the variables.
    Variables(&'static str),
    /// Of the runbook's text.
    Runbook(fn(String) -> String),
    /// Of both.
    Both(fn(&mut Value), fn(String) -> String),
}

const fn world(id: &'static str, change: fn(&mut Value)) -> Trial {
    Trial { id, with: Change::World(change), without: Change::No }
}

const fn variables(id: &'static str, lines: &'static str) -> Trial {
    Trial { id, with: Change::Variables(lines), without: Change::No }
}

const fn runbook(id: &'static str, change: fn(String) -> String) -> Trial {
    Trial { id, with: Change::Runbook(change), without: Change::No }
}

/// What the shipped world has, and how it goes away.
const fn shipped(id: &'static str, without: Change) -> Trial {
    Trial { id, with: Change::No, without }
}

// ----- the parts of the world that trials change -----

fn api(world: &mut Value) -> &mut Value {
    &mut world["ecs"]["services"][0]
}

fn primary(world: &mut Value) -> &mut Value {
    &mut api(world)["deployments"][0]
}

fn definition(world: &mut Value) -> &mut Value {
    &mut world["ecs"]["taskDefinitions"][1]["taskDefinition"]
}

fn container(world: &mut Value) -> &mut Value {
    &mut definition(world)["containerDefinitions"][0]
}

fn sidecar(world: &mut Value) -> &mut Value {
    &mut definition(world)["containerDefinitions"][1]
}

fn jaeger_group(world: &mut Value) -> &mut Value {
    &mut world["elbv2"]["targetGroups"][2]
}

/// Somebody deletes it, with the rules that forward to it.
fn without_jaeger_group(world: &mut Value) {
    let arn = jaeger_group(world)["TargetGroupArn"].as_str().expect("an ARN").to_owned();
    for list in ["targetGroups", "rules"] {
        world["elbv2"][list].as_array_mut().expect("a list").retain(|entry| !entry.to_string().contains(&arn));
    }
    for by_group in ["targetHealth", "targetGroupAttributes"] {
        world["elbv2"][by_group].as_object_mut().expect("by group").remove(&arn);
    }
}

fn tasks_group(world: &mut Value) -> &mut Value {
    &mut world["ec2"]["securityGroups"][1]
}

fn push(list: &mut Value, entry: Value) {
    match list {
        Value::Array(entries) => entries.push(entry),
        other => *other = json!([entry]),
    }
}

fn set_env(container: &mut Value, name: &str, value: &str) {
    if let Some(pairs) = container["environment"].as_array_mut() {
        pairs.retain(|pair| pair["name"] != name);
    }
    push(&mut container["environment"], json!({ "name": name, "value": value }));
}

fn deny(world: &mut Value, actions: &[&str]) {
    push(&mut world["iam"]["denied"], json!({ "actions": actions }));
}

/// Closes the ports for spans; in their place comes `rule`.
fn instead_of_spans(world: &mut Value, rule: Option<Value>) {
    let rules = tasks_group(world)["IpPermissions"].as_array_mut().expect("rules");
    rules.retain(|rule| rule["FromPort"] != 4317);
    rules.extend(rule);
}

const BASE_PATH: &str = "jaeger_base_path = \"/jaeger\"\n";
const OPEN_PORTS: &str = "open_otlp_ports = true\n";
const SET_HEALTH_PATH: &str = "set_health_path = true\njaeger_base_path = \"/jaeger\"\n";

/// A trial of what a stage meets that is switched on by these variables: the same stage on the shipped world does not meet it.
const fn switched(id: &'static str, lines: &'static str, change: fn(&mut Value)) -> Trial {
    Trial { id, with: Change::WorldFor(lines, change), without: Change::Variables(lines) }
}

fn copy(world: &mut Value, of: usize, name: &str) {
    let mut copy = world["ecs"]["services"][of].clone();
    let arn = copy["serviceArn"].as_str().expect("an ARN").to_owned();
    let cut = arn.rfind('/').expect("a name") + 1;
    copy["serviceArn"] = json!(format!("{}{name}", &arn[..cut]));
    copy["serviceName"] = json!(name);
    copy["loadBalancers"] = json!([]);
    copy["deployments"][0]["id"] = json!("ecs-svc/1111111111111111111");
    for count in ["desiredCount", "runningCount"] {
        copy[count] = json!(0);
        copy["deployments"][0][count] = json!(0);
    }
    push(&mut world["ecs"]["services"], copy);
}

const TRIALS: &[Trial] = &[
    // Access.
    shipped("account-not-named", Change::Variables("aws_account_id = \"111122223333\"\n")),
    world("permission-missing", |world| deny(world, &["ecs:UpdateService"])),
    world("rollback-permission-missing", |world| deny(world, &["logs:DeleteLogGroup"])),
    world("permissions-not-checked", |world| deny(world, &["iam:SimulatePrincipalPolicy"])),
    world("security-groups-unread", |world| deny(world, &["ec2:DescribeSecurityGroups"])),
    world("not-checked", |world| deny(world, &["route53:*"])),
    // Network.
    world("span-port-closed", |world| instead_of_spans(world, None)),
    switched("span-port-opened", OPEN_PORTS, |world| instead_of_spans(world, None)),
    world("span-port-unproven", |world| {
        let rule = json!({ "IpProtocol": "tcp", "FromPort": 4318, "ToPort": 4318, "PrefixListIds": [{ "PrefixListId": "pl-0123456789abcdef0" }] });
        instead_of_spans(world, Some(rule));
    }),
    world("receiver-port-closed", |world| {
        let rule = json!({ "IpProtocol": "tcp", "FromPort": 4318, "ToPort": 4318, "IpRanges": [{ "CidrIp": "10.0.0.0/16" }] });
        instead_of_spans(world, Some(rule));
    }),
    world("egress-closed", |world| {
        tasks_group(world)["IpPermissionsEgress"] =
            json!([{ "IpProtocol": "tcp", "FromPort": 443, "ToPort": 443, "IpRanges": [{ "CidrIp": "0.0.0.0/0" }] }]);
    }),
    world("vpc-dns-off", |world| world["ec2"]["vpcs"][0]["EnableDnsHostnames"] = json!(false)),
    world("namespace-elsewhere", |world| world["servicediscovery"]["namespaces"][0]["VpcIds"] = json!(["vpc-0123456789abcdef0"])),
    world("namespace-shared", |world| world["servicediscovery"]["namespaces"][0]["ResourceOwner"] = json!("444455556666")),
    world("no-way-to-registry", |world| {
        let vpc = world["ec2"]["vpcs"][0]["VpcId"].clone();
        world["ec2"]["routeTables"] = json!([{ "RouteTableId": "rtb-0123456789abcdef0", "VpcId": vpc, "Associations": [{ "Main": true }],
            "Routes": [{ "DestinationCidrBlock": "10.0.0.0/16", "GatewayId": "local", "State": "active" }] }]);
    }),
    world("subnet-addresses-few", |world| {
        for subnet in world["ec2"]["subnets"].as_array_mut().expect("subnets") {
            subnet["AvailableIpAddressCount"] = json!(1);
        }
    }),
    // API services.
    world("service-not-active", |world| api(world)["status"] = json!("DRAINING")),
    world("controller-unsupported", |world| api(world)["deploymentController"] = json!({ "type": "CODE_DEPLOY" })),
    world("express-unsupported", |world| api(world)["resourceManagementType"] = json!("ECS")),
    world("strategy-unsupported", |world| api(world)["deploymentConfiguration"]["strategy"] = json!("BLUE_GREEN")),
    world("scheduling-unsupported", |world| api(world)["schedulingStrategy"] = json!("DAEMON")),
    world("network-mode-unsupported", |world| definition(world)["networkMode"] = json!("bridge")),
    world("deployment-in-flight", |world| {
        let mut older = primary(world).clone();
        older["id"] = json!("ecs-svc/2222222222222222222");
        older["status"] = json!("ACTIVE");
        push(&mut api(world)["deployments"], older);
    }),
    world("rollout-impossible", |world| api(world)["deploymentConfiguration"]["maximumPercent"] = json!(100)),
    world("service-unsteady", |world| {
        api(world)["desiredCount"] = json!(3);
        primary(world)["desiredCount"] = json!(3);
    }),
    world("rollout-interrupts", |world| {
        api(world)["deploymentConfiguration"]["maximumPercent"] = json!(100);
        api(world)["deploymentConfiguration"]["minimumHealthyPercent"] = json!(0);
    }),
    world("change-unfinished", |world| {
        set_env(container(world), "OTEL_EXPORTER_OTLP_ENDPOINT", "http://jaeger.nexus-ai.local:4318");
        let containers = definition(world)["containerDefinitions"].as_array_mut().expect("containers");
        containers.retain(|container| container["name"] != "jaeger");
        api(world)["loadBalancers"].as_array_mut().expect("entries").retain(|entry| entry["containerName"] != "jaeger");
        api(world)["desiredCount"] = json!(3);
        primary(world)["desiredCount"] = json!(3);
    }),
    world("service-target-group-gone", without_jaeger_group),
    world("sidecar-target-group-gone", |world| {
        set_env(container(world), "OTEL_EXPORTER_OTLP_ENDPOINT", "http://jaeger.nexus-ai.local:4318");
        without_jaeger_group(world);
    }),
    world("base-inactive", |world| definition(world)["status"] = json!("INACTIVE")),
    shipped("no-circuit-breaker", Change::World(|world| breaker(world, true))),
    world("breaker-without-rollback", |world| breaker(world, false)),
    world("autoscaled", |world| {
        let id = format!("service/{}/{}", worlds::CLUSTER, worlds::API);
        world["applicationAutoScaling"]["scalableTargets"] = json!([{ "ServiceNamespace": "ecs", "ResourceId": id,
            "ScalableDimension": "ecs:service:DesiredCount", "MinCapacity": 2, "MaxCapacity": 6 }]);
    }),
    shipped(
        "rollout-peak",
        Change::World(|world| {
            api(world)["deploymentConfiguration"]["maximumPercent"] = json!(100);
            api(world)["deploymentConfiguration"]["minimumHealthyPercent"] = json!(50);
        }),
    ),
    world("family-shared", |world| copy(world, 0, "nexus-ai-worker-staging")),
    // What services name and what is gone.
    world("registry-gone", |world| {
        world["servicediscovery"]["services"] = json!([]);
        world["servicediscovery"]["instances"] = json!({});
    }),
    world("network-gone", |world| _ = world["ec2"]["subnets"].as_array_mut().expect("subnets").pop()),
    // The sidecar and its ties.
    variables("sidecar-missing", "sidecar_name = \"tracer\"\n"),
    world("sidecar-service-connect", |world| {
        sidecar(world)["portMappings"][0]["name"] = json!("ui");
        primary(world)["serviceConnectConfiguration"] = json!({ "enabled": true, "services": [{ "portName": "ui" }] });
    }),
    world("sidecar-lattice", |world| {
        sidecar(world)["portMappings"][0]["name"] = json!("ui");
        primary(world)["vpcLatticeConfigurations"] = json!([{ "portName": "ui" }]);
    }),
    world("sidecar-still-addressed", |world| set_env(container(world), "ZIPKIN_URL", "http://127.0.0.1:4318/api/v2/spans")),
    world("sidecar-takes-logs", |world| {
        container(world)["logConfiguration"] =
            json!({ "logDriver": "splunk", "options": { "splunk-url": "http://localhost:4318" } });
    }),
    world("sidecar-shares-processes", |world| definition(world)["pidMode"] = json!("task")),
    world("sidecar-ties-removed", |world| {
        container(world)["dependsOn"] = json!([{ "containerName": "jaeger", "condition": "START" }]);
    }),
    // The endpoint.
    world("traces-endpoint-overrides", |world| {
        set_env(container(world), "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://localhost:4318/v1/traces");
    }),
    world("endpoint-from-secret", |world| {
        container(world)["secrets"] =
            json!([{ "name": "OTEL_EXPORTER_OTLP_ENDPOINT", "valueFrom": "arn:aws:ssm:us-west-2:111122223333:parameter/otlp" }]);
    }),
    world("endpoint-from-file", |world| {
        let files = json!([{ "type": "s3", "value": "arn:aws:s3:::amzn-s3-demo-bucket/api.env" }]);
        let more =
            json!({ "name": "worker", "image": "worker:1", "essential": false, "environment": [], "environmentFiles": files });
        push(&mut definition(world)["containerDefinitions"], more);
    }),
    world("protocol-port-mismatch", |world| set_env(container(world), "OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")),
    // The load balancer.
    world("target-type-unsupported", |world| jaeger_group(world)["TargetType"] = json!("instance")),
    world("target-group-elsewhere", |world| jaeger_group(world)["VpcId"] = json!("vpc-0123456789abcdef0")),
    world("target-group-detached", |world| jaeger_group(world)["LoadBalancerArns"] = json!([])),
    world("zone-not-on-balancer", |world| {
        world["elbv2"]["loadBalancers"][0]["AvailabilityZones"].as_array_mut().expect("zones").pop();
    }),
    world("balancer-port-closed", |world| {
        tasks_group(world)["IpPermissions"].as_array_mut().expect("rules").retain(|rule| rule["FromPort"] != 16686);
    }),
    variables("health-path-unanswered", BASE_PATH),
    Trial {
        id: "health-path-redirects",
        with: Change::WorldFor(BASE_PATH, |world| jaeger_group(world)["HealthCheckPath"] = json!("/jaeger")),
        without: Change::WorldFor(BASE_PATH, |world| jaeger_group(world)["HealthCheckPath"] = json!("/jaeger/")),
    },
    shipped("ui-path-unanswered", Change::Variables(BASE_PATH)),
    world("ui-unreachable", |world| {
        world["elbv2"]["rules"].as_array_mut().expect("rules").remove(0);
    }),
    world("target-group-port", |world| jaeger_group(world)["Port"] = json!(80)),
    // Image and roles.
    shipped("image-latest", Change::Variables("jaeger_image = \"jaegertracing/all-in-one:1.76.0\"\n")),
    world("execution-role-cannot-log", |world| {
        let role = definition(world)["executionRoleArn"].clone();
        push(&mut world["iam"]["denied"], json!({ "principal": role, "actions": ["logs:PutLogEvents"] }));
    }),
    shipped("image-end-of-life", Change::Variables("jaeger_image = \"jaegertracing/jaeger:2.20.0\"\n")),
    variables(
        "image-variables-ignored",
        "jaeger_image = \"jaegertracing/jaeger:2.20.0\"\njaeger_environment = { MEMORY_MAX_TRACES = \"50000\" }\n",
    ),
    shipped("store-unbounded", Change::Variables("jaeger_environment = { MEMORY_MAX_TRACES = \"50000\" }\n")),
    variables("store-split", "jaeger_desired_count = 2\n"),
    // Afterwards.
    world("managed-elsewhere", |world| push(&mut api(world)["tags"], json!({ "key": "ManagedBy", "value": "Terraform" }))),
    world("registered-by-others", |world| {
        definition(world)["registeredBy"] = json!("arn:aws:sts::111122223333:assumed-role/pipeline/build-17");
    }),
    // While the stages are planned.
    world("claimed", |world| {
        push(&mut api(world)["tags"], json!({ "key": "sidestep:claim:s3m9", "value": "carol@laptop 2001-01-01T00:00:00Z" }));
    }),
    world("name-foreign", |world| {
        let mut service = world["servicediscovery"]["services"][0].clone();
        service["Id"] = json!("srv-0123456789abcdef");
        service["Arn"] = json!("arn:aws:servicediscovery:us-west-2:111122223333:service/srv-0123456789abcdef");
        service["Name"] = json!("jaeger");
        service["DnsConfig"]["DnsRecords"] = json!([{ "Type": "SRV", "TTL": 60 }]);
        push(&mut world["servicediscovery"]["services"], service);
    }),
    variables("namespace-missing", "namespace_name = \"elsewhere.local\"\n"),
    world("namespace-ambiguous", |world| {
        let mut other = world["servicediscovery"]["namespaces"][0].clone();
        other["Id"] = json!("ns-0123456789abcdef");
        push(&mut world["servicediscovery"]["namespaces"], other);
    }),
    world("endpoint-unexpected", |world| set_env(container(world), "OTEL_EXPORTER_OTLP_ENDPOINT", "http://localhost:9999")),
    world("no-execution-role", |world| {
        definition(world).as_object_mut().expect("a task definition").remove("executionRoleArn");
    }),
    Trial {
        id: "no-task-role",
        with: Change::Both(
            |world| _ = definition(world).as_object_mut().expect("a task definition").remove("taskRoleArn"),
            role_of_the_api,
        ),
        without: Change::Runbook(role_of_the_api),
    },
    world("sidecar-needed", |world| container(world)["volumesFrom"] = json!([{ "sourceContainer": "jaeger" }])),
    world("sidecar-registered", |world| {
        let registry = world["servicediscovery"]["services"][0]["Arn"].clone();
        api(world)["serviceRegistries"] = json!([{ "registryArn": registry, "containerName": "jaeger", "containerPort": 16686 }]);
    }),
    runbook("target-group-missing", |text| {
        text.replace(
            "    from_sidecar   = var.sidecar_name # the group that the API's sidecar is in; or target_group = \"its-name\"",
            "    target_group = \"nobodys\"",
        )
    }),
    variables("target-group-unknown", "sidecar_name = \"tracer\"\n"),
    world("service-draining", |world| {
        copy(world, 1, worlds::JAEGER);
        world["ecs"]["services"][2]["status"] = json!("DRAINING");
        // It goes as long as a task of it stops.
        let task = world["ecs"]["tasks"].as_array_mut().expect("tasks").last_mut().expect("the frontend's task");
        task["group"] = json!(format!("service:{}", worlds::JAEGER));
        task["startedBy"] = json!("ecs-svc/1111111111111111111");
    }),
    world("service-foreign", |world| copy(world, 1, worlds::JAEGER)),
    switched("rules-unread", OPEN_PORTS, |world| deny(world, &["ec2:DescribeSecurityGroups"])),
    switched("health-path-refused", SET_HEALTH_PATH, |world| set_env(sidecar(world), "QUERY_BASE_PATH", "/traces")),
    switched("health-codes-unfit", SET_HEALTH_PATH, |world| jaeger_group(world)["Matcher"]["HttpCode"] = json!("301-307")),
    switched("health-path-unknown", SET_HEALTH_PATH, |world| {
        sidecar(world)["secrets"] =
            json!([{ "name": "QUERY_BASE_PATH", "valueFrom": "arn:aws:ssm:us-west-2:111122223333:parameter/path" }]);
    }),
];

fn role_of_the_api(text: String) -> String {
    text.replace("  task_role_arn      = var.task_role_arn\n", "  task_role_like_service = true\n")
}

fn breaker(world: &mut Value, rollback: bool) {
    api(world)["deploymentConfiguration"]["deploymentCircuitBreaker"] = json!({ "enable": true, "rollback": rollback });
}

/// The world and the runbook of a trial.
fn made(change: Change) -> (Value, Runbook) {
    let (mut world, mut book): (Value, Runbook) = (worlds::staging(), worlds::shipped(""));
    match change {
        Change::No => {}
        Change::World(change) => change(&mut world),
        Change::WorldFor(lines, change) => {
            change(&mut world);
            book = worlds::shipped(lines);
        }
        Change::Variables(lines) => book = worlds::shipped(lines),
        Change::Runbook(change) => book = worlds::rewritten(change, ""),
        Change::Both(of_world, of_runbook) => {
            of_world(&mut world);
            book = worlds::rewritten(of_runbook, "");
        }
    }
    (world, book)
}

/// Every world in which a finding appears, with the runbook for it.
pub fn all() -> impl Iterator<Item = (&'static str, Value, Runbook)> {
    TRIALS.iter().map(|trial| {
        let (world, book) = made(trial.with);
        (trial.id, world, book)
    })
}

fn plan_of(change: Change) -> Plan {
    let (world, book) = made(change);
    paused(async { Lab::new(&world, &book, 1).plan(&RunId::new("t1")).await }).expect("it can be planned")
}

fn has(plan: &Plan, id: &str) -> bool {
    plan.findings.iter().any(|finding| finding.id == id)
}

#[test]
fn each_finding_appears_where_it_should_and_nowhere_else_and_says_what_to_do() {
    let mut wrong = Vec::new();
    let shipped = plan_of(Change::No);
    let made = |change: Change| match change {
        Change::No => shipped.clone(),
        _ => plan_of(change),
    };
    for trial in TRIALS {
        let (with, without) = (made(trial.with), made(trial.without));
        if !has(&with, trial.id) {
            wrong.push(format!("{} does not appear where it should", trial.id));
        }
        if has(&without, trial.id) {
            wrong.push(format!("{} appears where it should not", trial.id));
        }
        for finding in with.findings {
            for text in [&finding.resource, &finding.found, &finding.consequence, &finding.fix] {
                assert!(!text.trim().is_empty() && !text.contains("\"\""), "{finding:?}");
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_finding_is_tried() {
    // Credentials that end are tried beside the check: those of a rehearsal never do.
    let tried: BTreeSet<&str> = TRIALS.iter().map(|trial| trial.id).chain(["credentials-short-lived"]).collect();
    let shipped = worlds::shipped("");
    let declared = shipped.findings.iter().map(|declared| declared.finding.id.as_str());
    let known: Vec<&str> =
        checks::catalogue().into_iter().flat_map(|(_, kinds)| kinds).map(|kind| kind.id).chain(declared).collect();
    let unique: BTreeSet<&str> = known.iter().copied().collect();
    assert_eq!(unique.len(), known.len(), "an id stands for one finding: {known:?}");
    assert_eq!(tried, unique);
}

/// The only finding of this id.
fn finding(plan: &Plan, id: &str) -> Finding {
    let mut found = plan.findings.iter().filter(|finding| finding.id == id);
    found.next().filter(|_| found.next().is_none()).cloned().unwrap_or_else(|| panic!("{id}: {:?}", plan.findings))
}

#[test]
fn what_a_stage_would_repair_names_the_variable_that_switches_it_on() {
    let closed: fn(&mut Value) = |world| instead_of_spans(world, None);
    for (id, change, variables) in [
        ("span-port-closed", Change::World(closed), &["variable `open_otlp_ports` to true"][..]),
        ("health-path-unanswered", Change::Variables(BASE_PATH), &["variable `set_health_path` to true"]),
        ("ui-path-unanswered", Change::No, &["variable `jaeger_base_path` to \"/jaeger\"", "variable `set_health_path` to true"]),
    ] {
        let fix = finding(&plan_of(change), id).fix;
        assert!(variables.iter().all(|variable| fix.contains(variable)), "{id}: {fix}");
    }
    for (id, change) in [
        ("span-port-closed", Change::WorldFor(OPEN_PORTS, closed)),
        ("health-path-unanswered", Change::Variables(SET_HEALTH_PATH)),
        ("ui-path-unanswered", Change::Variables(SET_HEALTH_PATH)),
    ] {
        assert!(!has(&plan_of(change), id), "{id} is repaired by the run itself");
    }
}

#[test]
fn a_stage_that_comes_too_late_repairs_nothing() {
    let late = |kind: &str, after: &str| {
        let text = worlds::shipped_text();
        let block = |kind: &str| {
            let from = text.find(&format!("stage \"{kind}\"")).expect("the stage is there");
            let to = from + text[from..].find("\n}\n").expect("the stage ends") + 3;
            text[from..to].to_owned()
        };
        let (moved, stays) = (block(kind), block(after));
        text.replace(&moved, "").replace(&stays, &format!("{stays}\n{moved}"))
    };
    let mut world = worlds::staging();
    instead_of_spans(&mut world, None);
    let plan =
        |world: &Value, book: &Runbook| paused(async { Lab::new(world, book, 1).plan(&RunId::new("t1")).await }).expect("a plan");
    let ports = plan(&world, &worlds::rewritten(|_| late("open_ports", "retarget_env"), OPEN_PORTS));
    assert!(has(&ports, "span-port-closed") && !has(&ports, "span-port-opened"));
    let path = plan(&worlds::staging(), &worlds::rewritten(|_| late("health_path", "service"), SET_HEALTH_PATH));
    assert!(has(&path, "health-path-unanswered"));
}

#[test]
fn another_service_in_the_group_is_asked_about_before_its_health_check_moves() {
    let mut world = worlds::staging();
    copy(&mut world, 0, "nexus-ai-worker-staging");
    let entries = api(&mut world)["loadBalancers"].clone();
    world["ecs"]["services"][2]["loadBalancers"] = entries;
    let lab = Lab::new(&world, &worlds::shipped(SET_HEALTH_PATH), 1);
    let plan = paused(async { lab.plan(&RunId::new("t1")).await }).expect("a plan");
    let found = finding(&plan, "health-path-unknown");
    assert_eq!((found.resource.as_str(), found.must_repair), ("nexus-ai-worker-staging", false));
}

#[test]
fn what_the_stages_ask_for_must_be_permitted_when_they_are_switched_on() {
    for (action, lines, id) in [
        ("ec2:AuthorizeSecurityGroupIngress", OPEN_PORTS, "permission-missing"),
        ("ec2:CreateTags", OPEN_PORTS, "permission-missing"),
        ("ec2:RevokeSecurityGroupIngress", OPEN_PORTS, "rollback-permission-missing"),
        ("elasticloadbalancing:ModifyTargetGroup", SET_HEALTH_PATH, "permission-missing"),
    ] {
        let mut world = worlds::staging();
        deny(&mut world, &[action]);
        let plan = |lines: &str| {
            paused(async { Lab::new(&world, &worlds::shipped(lines), 1).plan(&RunId::new("t1")).await }).expect("it can be planned")
        };
        assert!(finding(&plan(lines), id).found.contains(action), "{action}");
        assert!(!has(&plan(""), id), "{action}: nobody asks for it");
    }
}
