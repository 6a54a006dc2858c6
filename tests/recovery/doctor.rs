//! Each cause on an account in which it is the first that is named, and accounts in which nothing is wrong.

use std::future::Future;
use std::pin::Pin;
use std::sync::OnceLock;

use serde_json::{Value, json};
use sidestep::doctor::{self, Trouble};
use sidestep::model::Examination;
use sidestep::sim::{Fault, ImageFault, LaunchFault, State};

use super::common::{done, lab, service};
use crate::support::{Lab, Stop, paused, worlds};

const HOST: &str = "jaeger.nexus-ai.local";
const GROUP: &str = "sg-05687f8926f501d48";

/// Looks, as `sidestep doctor` does where the run, if there is one, is not finished.
async fn examined(lab: &Lab) -> Examination {
    let trouble = lab.run.borrow().is_some().then(|| Trouble::of(&lab.view())).flatten();
    let identity = lab.aws.identity().await.expect("credentials");
    let evidence = doctor::read(&lab.aws, &lab.runbook, &identity, trouble).await.expect("it can be read");
    doctor::examine(&evidence)
}

/// The account after a migration, with a change in it, some minutes later.
async fn after(change: fn(&mut Value)) -> Lab {
    static DONE: OnceLock<Value> = OnceLock::new();
    let finished = || {
        paused(async {
            let lab = lab();
            done(lab.run().await);
            lab.settled().await
        })
    };
    let mut world = DONE.get_or_init(|| std::thread::spawn(finished).join().expect("it is done")).clone();
    change(&mut world);
    let lab = Lab::new(&world, &worlds::shipped(""), 1);
    lab.live(5 * 60_000).await;
    lab
}

/// The account after a migration, in which somebody calls AWS, and `minutes` pass.
async fn then(operation: &'static str, input: Value, minutes: i64) -> Lab {
    let lab = after(|_| {}).await;
    lab.foreign(operation, &input);
    if minutes > 0 {
        lab.live(minutes * 60_000).await;
    }
    lab
}

/// A run that something stops.
async fn stopped(mut lab: Lab, fault: Fault) -> Lab {
    lab.accepted = vec!["permission-missing".to_owned()];
    lab.sim.with(|state| state.add_fault(fault));
    let stop = lab.run().await;
    assert!(matches!(stop, Stop::Failed(..)), "{stop:?}");
    lab
}

async fn image(image: &str, fault: ImageFault) -> Lab {
    stopped(lab(), Fault::Image { image: image.to_owned(), fault: Some(fault) }).await
}

async fn launch(fault: LaunchFault) -> Lab {
    stopped(lab(), Fault::Launch { fault, on: true }).await
}

async fn log_group_gone() -> Lab {
    let lab = lab();
    assert!(matches!(lab.run_before(&["create-service"]).await, Stop::Before(..)));
    lab.foreign("logs:DeleteLogGroup", &json!({ "logGroupName": worlds::LOG_GROUP }));
    assert!(matches!(lab.resume().await, Stop::Failed(..)));
    lab
}

/// The UI is given a base path that the target group's health check does not ask for, by somebody who accepts that.
async fn wrong_health_path() -> Lab {
    let mut lab = Lab::on(worlds::start(), &worlds::shipped("jaeger_base_path = \"/jaeger\"\n"), 1);
    lab.accepted = vec!["health-path-unanswered".to_owned()];
    let stop = lab.run().await;
    assert!(matches!(stop, Stop::Failed(..)), "{stop:?}");
    lab
}

fn tasks_group(world: &mut Value) -> &mut Value {
    let groups = world["ec2"]["securityGroups"].as_array_mut().expect("groups");
    groups.iter_mut().find(|group| group["GroupId"] == GROUP).expect("the tasks' group")
}

fn without_rules(world: &mut Value, port: i64) {
    tasks_group(world)["IpPermissions"]
        .as_array_mut()
        .expect("rules")
        .retain(|rule| !(rule["FromPort"].as_i64().unwrap_or(0)..=rule["ToPort"].as_i64().unwrap_or(0)).contains(&port));
}

/// The environment of the API's container in what the API runs.
fn environment(world: &mut Value) -> &mut Vec<Value> {
    let runs = service(world, worlds::API)["taskDefinition"].clone();
    let definitions = world["ecs"]["taskDefinitions"].as_array_mut().expect("task definitions");
    let found = definitions.iter_mut().map(|known| &mut known["taskDefinition"]).find(|known| known["taskDefinitionArn"] == runs);
    let containers = found.expect("what it runs")["containerDefinitions"].as_array_mut().expect("containers");
    containers[0]["environment"].as_array_mut().expect("variables")
}

fn set(world: &mut Value, name: &str, value: &str) {
    let variables = environment(world);
    variables.retain(|variable| variable["name"] != name);
    variables.push(json!({ "name": name, "value": value }));
}

fn of_service(member: &str, value: Value) -> Value {
    let mut input = json!({ "cluster": worlds::CLUSTER, "service": worlds::JAEGER });
    input[member] = value;
    input
}

/// The id of the shared service's name, and that of its only instance.
fn the_instance(world: &Value) -> (String, String) {
    let names = &world["servicediscovery"];
    let text = |value: &Value| value.as_str().expect("an id").to_owned();
    let mut services = names["services"].as_array().expect("names").iter();
    let id = text(&services.find(|service| service["Name"] == "jaeger").expect("its name")["Id"]);
    let instance = text(&names["instances"][&id][0]["Id"]);
    (id, instance)
}

/// Somebody takes the only instance out of the name.
async fn instance_gone() -> Lab {
    let lab = after(|_| {}).await;
    let (id, instance) = the_instance(&lab.world());
    lab.foreign("servicediscovery:DeregisterInstance", &json!({ "ServiceId": id, "InstanceId": instance }));
    lab.live(5 * 60_000).await;
    lab
}

/// The load balancer is moved to other zones, and the shared service deployed anew.
async fn zone_not_served() -> Lab {
    let lab = after(|world| world["elbv2"]["loadBalancers"][0]["AvailabilityZones"] = json!([{ "ZoneName": "us-west-2d" }])).await;
    lab.foreign("UpdateService", &of_service("forceNewDeployment", json!(true)));
    lab.live(5 * 60_000).await;
    lab
}

type Way = Pin<Box<dyn Future<Output = Lab>>>;

/// The cause, what it is about, and how it comes about.
fn trials() -> Vec<(&'static str, &'static str, Way)> {
    const ENDPOINT: &str = "OTEL_EXPORTER_OTLP_ENDPOINT";
    let delete = || of_service("force", json!(true));
    let (jaeger, api) = (worlds::JAEGER, worlds::API);
    vec![
        ("image-missing", jaeger, Box::pin(image(worlds::JAEGER_IMAGE, ImageFault::CannotPull))),
        ("container-exits", jaeger, Box::pin(image(worlds::JAEGER_IMAGE, ImageFault::Exits))),
        ("container-check-fails", jaeger, Box::pin(image(worlds::JAEGER_IMAGE, ImageFault::Unhealthy))),
        ("no-capacity", jaeger, Box::pin(launch(LaunchFault::NoCapacity))),
        ("logs-denied", jaeger, Box::pin(launch(LaunchFault::LogsDenied))),
        ("log-group-missing", jaeger, Box::pin(log_group_gone())),
        ("container-exits", api, Box::pin(image(worlds::API_IMAGE, ImageFault::Exits))),
        (
            "permission-missing",
            "register-task-definition",
            Box::pin(stopped(lab(), Fault::Deny { action: "ecs:RegisterTaskDefinition".to_owned(), on: true })),
        ),
        ("health-path-unanswered", jaeger, Box::pin(wrong_health_path())),
        ("balancer-port-closed", jaeger, Box::pin(after(|world| without_rules(world, 16686)))),
        (
            "target-group-detached",
            jaeger,
            Box::pin(after(|world| {
                let groups = world["elbv2"]["targetGroups"].as_array_mut().expect("target groups");
                let group = groups.iter_mut().find(|group| group["Port"] == 16686).expect("the UI's");
                group["LoadBalancerArns"] = json!([]);
            })),
        ),
        ("zone-not-on-balancer", jaeger, Box::pin(zone_not_served())),
        ("span-port-closed", GROUP, Box::pin(after(|world| without_rules(world, 4318)))),
        (
            "egress-closed",
            GROUP,
            Box::pin(after(|world| {
                tasks_group(world)["IpPermissionsEgress"] =
                    json!([{ "IpProtocol": "tcp", "FromPort": 443, "ToPort": 443, "IpRanges": [{ "CidrIp": "0.0.0.0/0" }] }]);
            })),
        ),
        (
            "vpc-dns-off",
            "vpc-80cf23a1c44e96578",
            Box::pin(after(|world| world["ec2"]["vpcs"][0]["EnableDnsSupport"] = json!(false))),
        ),
        (
            "namespace-elsewhere",
            "ns-7d6e2857c6222e2c",
            Box::pin(after(|world| world["servicediscovery"]["namespaces"][0]["VpcIds"] = json!(["vpc-0123456789abcdef0"]))),
        ),
        ("service-missing", jaeger, Box::pin(then("DeleteService", delete(), 30))),
        ("service-draining", jaeger, Box::pin(then("DeleteService", delete(), 0))),
        ("service-at-zero", jaeger, Box::pin(then("UpdateService", of_service("desiredCount", json!(0)), 5))),
        (
            "name-missing",
            HOST,
            Box::pin(after(|world| {
                world["servicediscovery"]["services"] = json!([]);
                world["servicediscovery"]["instances"] = json!({});
            })),
        ),
        (
            "name-foreign",
            HOST,
            Box::pin(after(|world| {
                let names = world["servicediscovery"]["services"].as_array_mut().expect("names");
                let name = names.iter_mut().find(|name| name["Name"] == "jaeger").expect("the shared service's");
                name["DnsConfig"]["DnsRecords"][0]["Type"] = json!("SRV");
            })),
        ),
        ("service-not-registered", HOST, Box::pin(then("UpdateService", of_service("serviceRegistries", json!([])), 10))),
        ("name-without-instances", HOST, Box::pin(instance_gone())),
        (
            "name-unhealthy",
            HOST,
            Box::pin(after(|world| {
                let (id, instance) = the_instance(world);
                world["servicediscovery"]["instancesHealth"] = json!({ id: { instance: "UNHEALTHY" } });
            })),
        ),
        ("endpoint-elsewhere", api, Box::pin(after(|world| set(world, ENDPOINT, "http://collector.example.com:4318")))),
        ("sidecar-gone", api, Box::pin(after(|world| set(world, ENDPOINT, "http://localhost:4318")))),
        ("sidecar-still-addressed", api, Box::pin(after(|world| set(world, "ZIPKIN_URL", "http://localhost:4318/api/v2/spans")))),
        ("protocol-port-mismatch", api, Box::pin(after(|world| set(world, "OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")))),
        (
            "traces-endpoint-overrides",
            api,
            Box::pin(after(|world| set(world, "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://localhost:4318/v1/traces"))),
        ),
    ]
}

#[test]
fn the_cause_is_named_first() {
    paused(async {
        let mut wrong = Vec::new();
        for (id, about, way) in trials() {
            let lab = way.await;
            let found = examined(&lab).await;
            let told: Vec<(&str, &str)> = found.causes.iter().map(|cause| (cause.id.as_str(), cause.about.as_str())).collect();
            if told.first() != Some(&(id, about)) {
                wrong.push(format!("{id} of {about}: {told:?}"));
                continue;
            }
            let first = &found.causes[0];
            if first.evidence.is_empty() || first.next.is_empty() {
                wrong.push(format!("{id}: without evidence or a next command: {first:?}"));
            }
        }
        assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
    });
}

/// An account in which nothing is wrong.
#[track_caller]
fn well(found: &Examination) {
    assert!(found.causes.is_empty() && found.unseen.is_empty(), "{found:?}");
    assert!(found.services.iter().all(|service| service.well), "{found:?}");
}

#[test]
fn where_nothing_is_wrong_it_says_so() {
    paused(async {
        let lab = lab();
        well(&examined(&lab).await);
        assert!(matches!(lab.run_before(&["strip-sidecar"]).await, Stop::Before(..)), "a run that is paused is in no trouble");
        well(&examined(&lab).await);
        done(lab.resume().await);
        lab.settled().await;
        let found = examined(&lab).await;
        well(&found);
        let words: Vec<&str> = found.services.iter().map(|service| service.words.as_str()).collect();
        assert!(words[0].starts_with("1 of 1 tasks run, ") && words[0].ends_with("1 of 1 targets healthy"), "{words:?}");
        assert!(matches!(lab.roll_back(None).await, Stop::RolledBack));
        lab.settled().await;
        well(&examined(&lab).await);
        // What a plan finds in the way of spans does no harm while nobody uses it.
        let dev = Lab::on(worlds::dev(), &worlds::for_dev(""), 1);
        well(&examined(&dev).await);
    });
}

#[test]
fn a_cause_that_is_gone_is_not_told_again() {
    paused(async {
        let lab = image(worlds::JAEGER_IMAGE, ImageFault::CannotPull).await;
        let found = examined(&lab).await;
        let resume = format!("`sidestep resume {} --var jaeger_image=…`", lab.run_id());
        assert!(found.causes[0].next[0].contains(&resume), "{:?}", found.causes[0].next);
        assert!(found.causes[0].evidence.iter().any(|words| words.contains("CannotPullContainerError")), "{found:?}");
        lab.sim.with(State::heal);
        done(lab.resume().await);
        well(&examined(&lab).await);
    });
}

#[test]
fn what_may_not_be_seen_is_named() {
    paused(async {
        let lab = after(|world| without_rules(world, 4318)).await;
        let denied = [
            "ec2:DescribeSecurityGroups",
            "elasticloadbalancing:DescribeTargetGroups",
            "elasticloadbalancing:DescribeTargetHealth",
            "servicediscovery:ListNamespaces",
        ];
        for action in denied {
            lab.sim.with(|state| state.add_fault(Fault::Deny { action: action.to_owned(), on: true }));
        }
        let found = examined(&lab).await;
        for action in denied {
            assert!(found.unseen.iter().any(|unseen| unseen.action == action), "{action}: {:?}", found.unseen);
        }
        assert!(found.causes.is_empty(), "nothing is guessed: {:?}", found.causes);
    });
}
