//! A capture of the simulated account is the account, as far as the runbook can see it.

use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use sidestep::capture::{Captured, MASK, capture, masked};
use sidestep::drill::Recorder;
use sidestep::model::{Plan, RunId, Runbook};
use sidestep::plan::observe;
use sidestep::sim::{Fault, State};

use crate::support::compare::{How, differences};
use crate::support::{Fork, Lab, PointKind, paused, worlds};

/// What a capture of the simulator may have otherwise than the simulator itself, each with its reason. Everything else is the same.
const OTHERWISE: &[(&str, &str)] = &[
    ("runbook", "a capture says for what it was made"),
    ("variables", "a capture says for what it was made"),
    ("servicediscovery.namespaces.*.ServiceCount", "counted in listings only"),
    ("servicediscovery.services.*.InstanceCount", "counted where a service is described"),
    ("servicediscovery.instancesHealth", "said by the account whether the world file said it or not"),
    ("elbv2.loadBalancers.*.CreatedTime", "the same time in another notation"),
    ("elbv2.targetGroupAttributes", "where the world does not say, the account answers with AWS's defaults"),
    ("logs.logStreams", "streams and lines of logs are not captured"),
    ("logs.logEvents", "streams and lines of logs are not captured"),
    ("ecs.clusters.*.runningTasksCount", "counted anew at each look"),
    ("ecs.serviceDeployments.*.targetServiceRevision.runningTaskCount", "counted where a deployment is described"),
    ("ecs.serviceDeployments.*.sourceServiceRevisions.*.requestedTaskCount", "counted where a deployment is described"),
    ("ecs.serviceDeployments.*.sourceServiceRevisions.*.runningTaskCount", "counted where a deployment is described"),
    ("ecs.services.*.events", "as the account went on meanwhile"),
];

fn remove(value: &mut Value, path: &[&str]) {
    let Some((name, rest)) = path.split_first() else { return };
    match value {
        Value::Object(members) if rest.is_empty() && *name != "*" => _ = members.remove(*name),
        Value::Object(members) if *name == "*" => members.values_mut().for_each(|member| remove(member, rest)),
        Value::Object(members) => members.get_mut(*name).into_iter().for_each(|member| remove(member, rest)),
        Value::Array(items) if *name == "*" => items.iter_mut().for_each(|item| remove(item, rest)),
        _ => {}
    }
}

/// Of services that the runbook does not name, the history is not captured; an empty list of tags is as none.
fn seen_by(runbook: &Runbook, world: &mut Value) {
    let named: Vec<&str> = runbook.target["services"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let is_named = |arn: &Value| arn.as_str().and_then(|arn| arn.rsplit('/').next()).is_some_and(|name| named.contains(&name));
    for history in ["serviceDeployments", "serviceRevisions"] {
        if let Some(records) = world["ecs"][history].as_array_mut() {
            records.retain(|record| is_named(&record["serviceArn"]));
        }
    }
    for service in world["ecs"]["services"].as_array_mut().into_iter().flatten().filter(|service| !is_named(&service["serviceArn"]))
    {
        remove(service, &["currentServiceDeployment"]);
        remove(service, &["currentServiceRevisions"]);
    }
    for task in world["ecs"]["tasks"].as_array_mut().into_iter().flatten().filter(|task| task["tags"] == json!([])) {
        remove(task, &["tags"]);
    }
}

fn comparable(world: &Value, runbook: &Runbook) -> Value {
    let mut world = world.clone();
    seen_by(runbook, &mut world);
    for (path, _) in OTHERWISE {
        remove(&mut world, &path.split('.').collect::<Vec<_>>());
    }
    world
}

/// Every world that the tests know, with the runbook that fits it.
fn all() -> Vec<(&'static str, State, Runbook)> {
    let staging = State::load(&worlds::staging(), 1).expect("a world");
    vec![
        ("staging", staging, worlds::shipped("")),
        ("staging, lived in", worlds::start(), worlds::shipped("")),
        ("two APIs", worlds::two_apis(), worlds::for_two_apis()),
        ("log group exists", worlds::log_group_exists(), worlds::shipped("")),
        ("dev", worlds::dev(), worlds::for_dev("")),
        ("half way", after(&["strip-sidecar"]), worlds::shipped("")),
        ("migrated", after(&[]), worlds::shipped("")),
    ]
}

/// The built-in world as a run leaves it that pauses before a stage, or is done.
fn after(stages: &[&str]) -> State {
    let lab = paused(async {
        let lab = Lab::on(worlds::start(), &worlds::shipped(""), 1);
        lab.run_before(stages).await;
        lab.settled().await;
        lab
    });
    lab.sim.with(|state| state.clone())
}

async fn captured(lab: &Lab) -> Captured {
    let identity = lab.aws.identity().await.expect("somebody calls");
    let facts = observe(&lab.aws, &lab.runbook, &identity).await.expect("it can be planned");
    capture(&lab.aws, &lab.runbook, &facts).await.expect("the account can be read")
}

async fn plan(state: State, runbook: &Runbook) -> Plan {
    let lab = Lab::on(state, runbook, 1);
    lab.plan(&RunId::new("r0000")).await.expect("it can be planned")
}

/// A plan without digests of content that was masked.
fn without_digests(plan: &Plan) -> String {
    let mut value = serde_json::to_value(plan).expect("a plan is JSON");
    fn drop_digests(value: &mut Value) {
        match value {
            Value::Object(members) => {
                members.remove("baseDigest");
                members.values_mut().for_each(drop_digests);
            }
            Value::Array(items) => items.iter_mut().for_each(drop_digests),
            _ => {}
        }
    }
    drop_digests(&mut value);
    let text = serde_json::to_string_pretty(&value).expect("JSON");
    // AWS's words for a refusal come with the request's id.
    text.split("(request ")
        .map(|part| part.split_once(')').filter(|(id, _)| id.len() == 36).map_or(part, |(_, rest)| rest))
        .collect()
}

#[test]
fn a_capture_is_the_world() {
    for (name, state, runbook) in all() {
        paused(async {
            let lab = Lab::on(state, &runbook, 1);
            let captured = captured(&lab).await;
            assert_eq!(captured.missing, [], "{name}");
            let lines = differences(&comparable(&lab.world(), &runbook), &comparable(&captured.world, &runbook), How::Whole);
            assert!(lines.is_empty(), "{name}:\n{}", lines.join("\n"));
        });
    }
}

#[test]
fn the_plan_over_a_capture_is_the_plan_over_the_account() {
    for (name, state, runbook) in all() {
        paused(async {
            let lab = Lab::on(state.clone(), &runbook, 1);
            let world = masked(&captured(&lab).await.world, &runbook);
            assert!(world.to_string().contains(MASK), "{name}: there is something to mask");
            let again = State::load(&world, 1).expect("a capture is a world");
            let (live, rehearsed) = (plan(state, &runbook).await, plan(again, &runbook).await);
            assert_eq!(without_digests(&live), without_digests(&rehearsed), "{name}");
        });
    }
}

/// Whatever is to be found on an account is found on its capture, in the same words.
#[test]
fn what_is_found_on_the_account_is_found_on_its_capture() {
    let mut wrong = Vec::new();
    // Some of them; SIDESTEP_EVERY tries all, which takes most of a minute without optimisation.
    let every = std::env::var_os("SIDESTEP_EVERY").is_some();
    let worlds = crate::findings::all().enumerate().filter(|(number, _)| every || number % 5 == 0);
    for (_, (id, world, runbook)) in worlds {
        let state = State::load(&world, 1).expect("a world");
        paused(async {
            let lab = Lab::on(state.clone(), &runbook, 1);
            let world = masked(&captured(&lab).await.world, &runbook);
            let again = State::load(&world, 1).unwrap_or_else(|why| panic!("{id}: {why}"));
            let (live, rehearsed) = (plan(state, &runbook).await, plan(again, &runbook).await);
            let (live, rehearsed) = (without_digests(&live), without_digests(&rehearsed));
            let first = live.lines().zip(rehearsed.lines()).find(|(one, other)| one != other);
            wrong.extend(first.map(|(one, other)| format!("{id}: {one}\n    on the capture: {other}")));
        });
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_capture_of_a_capture_is_the_same() {
    let runbook = worlds::shipped("");
    paused(async {
        let first = masked(&captured(&Lab::on(worlds::start(), &runbook, 1)).await.world, &runbook);
        let lab = Lab::on(State::load(&first, 1).expect("a world"), &runbook, 1);
        let second = masked(&captured(&lab).await.world, &runbook);
        let lines = differences(&comparable(&first, &runbook), &comparable(&second, &runbook), How::Whole);
        assert!(lines.is_empty(), "{}", lines.join("\n"));
    });
}

/// What the migration does there ends as on the account itself: with no span lost, and a masked value is carried like any other.
#[test]
fn a_masked_capture_can_be_migrated() {
    let runbook = worlds::shipped("");
    paused(async {
        let world = masked(&captured(&Lab::on(worlds::start(), &runbook, 1)).await.world, &runbook);
        let lab = Lab::on(State::load(&world, 1).expect("a world"), &runbook, 1);
        crate::common::done(lab.run().await);
        assert_eq!(lab.spans_lost(), 0);
    });
}

const OPTIONAL: [&str; 15] = [
    "ecs:ListServices",
    "ecs:ListServiceDeployments",
    "ecs:DescribeServiceRevisions",
    "application-autoscaling:DescribeScalableTargets",
    "iam:SimulatePrincipalPolicy",
    "route53:GetHostedZone",
    "ec2:DescribeRouteTables",
    "ec2:DescribeSecurityGroups",
    "ec2:DescribeSubnets",
    "ec2:DescribeVpcs",
    "ec2:DescribeVpcAttribute",
    "elasticloadbalancing:DescribeTags",
    "elasticloadbalancing:DescribeTargetGroupAttributes",
    "servicediscovery:GetInstancesHealthStatus",
    "logs:ListTagsForResource",
];

#[test]
fn what_may_not_be_read_is_said_and_the_rest_can_be_planned_as_on_the_account() {
    let runbook = worlds::shipped("");
    // There, so that its tags are asked for.
    let start = worlds::log_group_exists();
    for denied in OPTIONAL {
        paused(async {
            let lab = Lab::on(start.clone(), &runbook, 1);
            lab.sim.with(|state| state.add_fault(Fault::Deny { action: denied.to_owned(), on: true }));
            let captured = captured(&lab).await;
            let told: Vec<&str> =
                captured.missing.iter().filter(|missing| missing.resource == "*").map(|m| m.operation.as_str()).collect();
            assert_eq!(told, [denied]);
            assert!(captured.missing[0].why.contains("not authorized to perform"), "{}", captured.missing[0].why);
            let world = masked(&captured.world, &runbook);
            assert_eq!(world["missing"][0]["operation"], json!(denied));

            let again = Lab::on(State::load(&world, 1).expect("a capture is a world"), &runbook, 1);
            assert_eq!(again.world()["missing"], world["missing"], "the loader keeps what it was told");
            let live = lab.plan(&RunId::new("r0000")).await.expect("it can be planned");
            let rehearsed = again.plan(&RunId::new("r0000")).await.expect("it can be planned");
            assert_eq!(without_digests(&live), without_digests(&rehearsed), "{denied}");
            let refused = again.sim.requests().iter().any(|request| request.action == denied);
            if refused {
                assert!(
                    again
                        .sim
                        .requests()
                        .iter()
                        .filter(|request| request.action == denied)
                        .all(|request| request.status != Some(200))
                );
            }
        });
    }
}

/// What nobody can see is there all the same: tasks start, spans arrive.
#[test]
fn where_the_network_may_not_be_read_the_rehearsal_goes_on() {
    let runbook = worlds::shipped("");
    for denied in [&["ec2:DescribeSecurityGroups", "ec2:DescribeSubnets", "ec2:DescribeVpcs"][..], &["ec2:DescribeSubnets"]] {
        paused(async {
            let lab = Lab::on(worlds::start(), &runbook, 1);
            for action in denied {
                lab.sim.with(|state| state.add_fault(Fault::Deny { action: (*action).to_owned(), on: true }));
            }
            let world = masked(&captured(&lab).await.world, &runbook);
            let again = Lab::on(State::load(&world, 1).expect("a capture is a world"), &runbook, 1);
            crate::common::done(again.run().await);
            assert_eq!(again.spans_lost(), 0, "{denied:?}");
        });
    }
}

/// The account as it stands at each look while a stage waits for its rollout.
fn amid(stage: &'static str) -> Vec<Fork> {
    let taken: Arc<Mutex<Vec<Fork>>> = Arc::default();
    let slot = Arc::clone(&taken);
    paused(async {
        let lab = Lab::on(worlds::start(), &worlds::shipped(""), 1);
        lab.record(Recorder {
            distinct: false,
            wanted: Box::new(move |point| {
                let waits = point.kind == PointKind::BeforeRequest && point.of == "DescribeServices";
                waits && point.stage.as_ref().is_some_and(|at| at.as_str() == stage)
            }),
            take: Box::new(move |fork| slot.lock().expect("nobody panics here").push(fork)),
        });
        crate::common::done(lab.run().await);
    });
    std::mem::take(&mut *taken.lock().expect("nobody panics here"))
}

/// A rollout that is under way when the account is captured comes to its end there as well.
#[test]
fn a_capture_amid_a_rollout_goes_on() {
    let mut stuck = Vec::new();
    for stage in ["create-service", "register-dns", "retarget-api-env", "strip-sidecar"] {
        let forks = amid(stage);
        assert!(forks.len() > 10, "{stage}: {}", forks.len());
        for (number, fork) in forks.into_iter().enumerate().filter(|(number, _)| number % 8 == 0) {
            let rollouts = paused(async {
                let lab = Lab::on(fork.state, &worlds::shipped(""), 1);
                let world = captured(&lab).await.world;
                let copy = Lab::on(State::load(&world, 1).expect("a world"), &worlds::shipped(""), 1);
                copy.live(15 * 60_000).await;
                let found = copy.world()["ecs"]["services"].clone();
                let services = found.as_array().expect("services").iter();
                services
                    .map(|service| format!("{}", service["deployments"]))
                    .filter(|text| text.contains("IN_PROGRESS"))
                    .collect::<Vec<_>>()
            });
            stuck.extend(rollouts.first().map(|deployments| format!("{stage}, look {number}: {deployments}")));
        }
    }
    assert!(stuck.is_empty(), "{} of them:\n{}", stuck.len(), stuck.join("\n"));
}
