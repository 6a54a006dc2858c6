//! What stands between the stages and AWS: the guard under every client, the reading of services, and errors told apart.

use std::time::{Duration, SystemTime};

use serde_json::{Value, json};
use sidestep::aws::{Access, Aws, Class, Clock, READ_ONLY_OPERATIONS, Reason};
use sidestep::sim::{Fault, RequestFault, RequestFaultKind, Sim, SimConnector, State};

const WORLD: &str = include_str!("../runbooks/worlds/nexus-ai-staging.json");
const CLUSTER: &str = "nexus-ai-cluster-staging";

fn simulated() -> Sim {
    let world: Value = serde_json::from_str(WORLD).expect("the shipped world is JSON");
    Sim::new(State::load(&world, 7).expect("the shipped world loads"))
}

fn client(sim: &Sim, access: Access) -> Aws {
    let start = sim.with(|state| state.now());
    let epoch = SystemTime::UNIX_EPOCH + Duration::from_millis(start.try_into().expect("after 1970"));
    Aws::embedded(SimConnector::new(sim.clone()), "us-west-2", access, Clock::starting_at(epoch), 7)
}

fn fault(sim: &Sim, action: &str, kind: RequestFaultKind) {
    let fault = RequestFault { action: action.to_owned(), nth: 1, times: 1, kind };
    sim.with(|state| state.add_fault(Fault::Request(fault)));
}

/// Every operation of the client's table that changes something.
const MUTATIONS: &[&str] = &[
    "CreateLogGroup",
    "CreateService",
    "DeleteLogGroup",
    "DeleteRetentionPolicy",
    "DeleteService",
    "DeregisterTaskDefinition",
    "PutRetentionPolicy",
    "RegisterTaskDefinition",
    "TagResource",
    "UntagResource",
    "UpdateService",
    "servicediscovery:CreateService",
    "servicediscovery:DeleteService",
];

/// The sources of the clients, by file.
fn sources() -> Vec<(String, String)> {
    let mut found = Vec::new();
    for folder in ["src/aws", "src/aws/capture"] {
        for entry in std::fs::read_dir(format!("{}/{folder}", env!("CARGO_MANIFEST_DIR"))).expect("a folder of the crate") {
            let path = entry.expect("an entry").path();
            if path.extension().is_some_and(|extension| extension == "rs") {
                found.push((path.display().to_string(), std::fs::read_to_string(&path).expect("a source file")));
            }
        }
    }
    assert!(found.len() > 15, "is this still where the clients are?");
    found
}

/// The list above is whole: whatever the table of requests has and the guard does not know as a read is in it, and nothing beside the
/// table asks for anything that is not a read.
#[test]
fn every_operation_that_can_be_sent_is_known_as_a_read_or_a_mutation() {
    let bare = |operation: &str| operation.rsplit(':').next().unwrap_or(operation).to_owned();
    let is_read = |operation: &str| READ_ONLY_OPERATIONS.contains(&bare(operation).as_str());
    let sources = sources();
    let table = |macro_name: &str| -> Vec<String> {
        let lines = sources.iter().flat_map(|(_, text)| text.lines().map(str::trim));
        let rows = lines.filter(|line| line.starts_with('"') && line.contains("\" =>"));
        let asked = rows.filter(|line| line.contains(macro_name) || line.ends_with("=> {"));
        asked.filter_map(|line| line.split('"').nth(1).map(str::to_owned)).collect()
    };
    let sent = table("send!");
    assert!(sent.len() > 30, "{sent:?}");
    let mut changing: Vec<&str> = sent.iter().map(String::as_str).filter(|operation| !is_read(operation)).collect();
    changing.sort_unstable();
    let mut known = MUTATIONS.to_vec();
    known.sort_unstable();
    assert_eq!(changing, known, "add a new one to the list above, and see that the guard refuses it");
    let printed = table("ask!");
    assert!(printed.len() >= 8, "{printed:?}");
    assert_eq!(printed.iter().filter(|operation| !is_read(operation) && !MUTATIONS.contains(&operation.as_str())).count(), 0);
    for (path, text) in &sources {
        for (at, _) in text.match_indices("foreign_once(") {
            let rest = &text[at..];
            let asked = rest.split('"').nth(1).filter(|_| !rest.starts_with("foreign_once(\n"));
            let asked = asked.filter(|name| name.chars().all(char::is_alphanumeric) && name.starts_with(char::is_uppercase));
            assert!(asked.is_none_or(is_read), "{path}: {asked:?}");
        }
        // Typed calls outside the tables: of load balancers, and who is calling.
        for client in [".elb", ".sts"] {
            let compact: String = text.split_whitespace().collect();
            for (at, _) in compact.match_indices(&format!("self{client}.")) {
                let method = &compact[at + "self.".len() + client.len()..];
                // The one change that is made outside the tables; that the guard refuses it is seen below.
                let reads = method.starts_with("describe_") || method.starts_with("get_");
                assert!(reads || method.starts_with("modify_target_group("), "{path}: {:.40}", method);
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_that_only_reads_lets_no_mutation_out() {
    let sim = simulated();
    let aws = client(&sim, Access::ReadOnly);
    for operation in MUTATIONS {
        let error = aws.mutate(operation, "x", &json!({})).await.expect_err("refused");
        assert_eq!(error.class, Class::Rejected, "{operation}");
    }
    let refused = aws.set_health_path("arn:aws:elasticloadbalancing:us-west-2:111122223333:targetgroup/a/b", "/x/").await;
    assert_eq!(refused.expect_err("refused").class, Class::Rejected);
    assert_eq!(sim.requests().len(), 0, "nothing left the process");
    aws.identity().await.expect("reading is allowed");
    aws.security_groups(&["sg-05687f8926f501d48".to_owned()]).await.expect("reading is allowed");
    assert_eq!(sim.requests().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_may_change_things_lets_every_mutation_out() {
    let sim = simulated();
    let aws = client(&sim, Access::ReadWrite);
    for operation in MUTATIONS {
        // Refused by AWS for its empty input: it got there.
        let _ = aws.mutate(operation, "x", &json!({})).await;
    }
    assert_eq!(sim.requests().len(), MUTATIONS.len());
}

#[tokio::test(start_paused = true)]
async fn services_read_at_once_share_a_call_and_calls_keep_a_second_apart() {
    let sim = simulated();
    let aws = client(&sim, Access::ReadOnly);
    let (api, frontend) =
        tokio::join!(aws.service(CLUSTER, "nexus-ai-api-staging"), aws.service(CLUSTER, "nexus-ai-frontend-staging"));
    assert!(api.expect("read").is_some() && frontend.expect("read").is_some());
    // The first asked alone, for nobody else had asked yet when its call began; the second a second later.
    assert!(aws.clock.elapsed() >= Duration::from_secs(1));
    let before = sim.requests().len();
    let names = ["nexus-ai-api-staging", "nexus-ai-frontend-staging", "nobody"];
    let read = futures_util::future::join_all(names.iter().map(|name| aws.service(CLUSTER, name))).await;
    assert_eq!(read.iter().filter(|found| matches!(found, Ok(Some(_)))).count(), 2);
    assert!(matches!(read[2], Ok(None)), "what is not there is no error");
    assert!(sim.requests().len() - before <= 2, "three readings, at most two calls");
}

#[tokio::test(start_paused = true)]
async fn a_lost_answer_is_unknown_and_a_refused_call_is_rejected() {
    let sim = simulated();
    let aws = client(&sim, Access::ReadWrite);
    let group = |name: &str| json!({ "logGroupName": name });
    for (kind, name) in
        [(RequestFaultKind::DropAfter, "/a"), (RequestFaultKind::DropBefore, "/b"), (RequestFaultKind::Error500, "/c")]
    {
        fault(&sim, "CreateLogGroup", kind);
        let error = aws.mutate("CreateLogGroup", name, &group(name)).await.expect_err("no answer");
        assert_eq!(error.class, Class::Unknown, "{kind:?}");
    }
    let error = aws.mutate("CreateLogGroup", "/a", &group("/a")).await.expect_err("it took effect");
    assert_eq!((error.class, error.reason), (Class::Rejected, Reason::Exists));
    let creations = sim.ledger().iter().filter(|effect| effect.action == "CreateLogGroup").count();
    assert_eq!(creations, 1, "no doubtful call was sent again");
}

#[tokio::test(start_paused = true)]
async fn a_hung_call_ends_by_its_time_out_and_a_throttled_one_is_tried_again() {
    let sim = simulated();
    let aws = client(&sim, Access::ReadWrite);
    fault(&sim, "CreateLogGroup", RequestFaultKind::Hold);
    let error = aws.mutate("CreateLogGroup", "/a", &json!({ "logGroupName": "/a" })).await.expect_err("no answer");
    assert_eq!(error.class, Class::Unknown);
    assert!(aws.clock.elapsed() < Duration::from_secs(20));
    fault(&sim, "CreateLogGroup", RequestFaultKind::Throttle);
    aws.mutate("CreateLogGroup", "/a", &json!({ "logGroupName": "/a" })).await.expect("throttled once, then done");
}

#[tokio::test(start_paused = true)]
async fn unknown_members_of_an_answer_reach_us() {
    let mut world: Value = serde_json::from_str(WORLD).expect("JSON");
    world["ecs"]["taskDefinitions"][1]["taskDefinition"]["fromTheFuture"] = json!({ "kept": [1, 2.5, "x"] });
    let sim = Sim::new(State::load(&world, 7).expect("loads"));
    let aws = client(&sim, Access::ReadOnly);
    let found = aws.task_definition("nexus-ai-api-staging:2").await.expect("read").expect("is there");
    assert_eq!(found.body["fromTheFuture"], json!({ "kept": [1, 2.5, "x"] }));
    assert_eq!(found.register_input()["fromTheFuture"], json!({ "kept": [1, 2.5, "x"] }));
}

#[tokio::test(start_paused = true)]
async fn nothing_changes_after_the_machine_slept_until_the_run_is_checked_again() {
    thread_local! { static ASLEEP: std::cell::Cell<Duration> = const { std::cell::Cell::new(Duration::ZERO) }; }
    let sim = simulated();
    let aws = client(&sim, Access::ReadWrite).with_sleep_meter(|| ASLEEP.get());
    aws.note_lease();
    ASLEEP.set(Duration::from_secs(3600));
    let error = aws.mutate("CreateLogGroup", "/a", &json!({ "logGroupName": "/a" })).await.expect_err("not sent");
    assert_eq!((error.class, error.reason), (Class::Rejected, Reason::Other));
    assert!(error.message.contains("slept"), "{}", error.message);
    assert_eq!(sim.requests().len(), 0, "nothing left the process");
    aws.read("DescribeLogGroups", "/a", json!({})).await.expect("reading is harmless");
    aws.note_lease();
    aws.mutate("CreateLogGroup", "/a", &json!({ "logGroupName": "/a" })).await.expect("checked again");
}

/// What is denied is denied in the words of its protocol, until that is taken away; what a world file could not see stays unseen.
#[tokio::test(start_paused = true)]
async fn a_denied_read_is_told_from_every_other_refusal() {
    let mut world: Value = serde_json::from_str(WORLD).expect("the shipped world is JSON");
    world["missing"] = json!([{ "operation": "ec2:DescribeSubnets", "resource": "*", "why": "not allowed" },
        { "operation": "ec2:DescribeVpcs", "resource": "vpc-1", "why": "this one only" }]);
    let sim = Sim::new(State::load(&world, 7).expect("it loads"));
    let aws = client(&sim, Access::ReadOnly);
    let group = "arn:aws:elasticloadbalancing:us-west-2:111122223333:targetgroup/nexus-ai-jaeger-tg-staging/463f1f079d37efd5";
    let ask = async || -> Vec<Option<Reason>> {
        vec![
            aws.read("DescribeClusters", "x", json!({ "clusters": [CLUSTER] })).await.err().map(|error| error.reason),
            aws.read("DescribeLogGroups", "x", json!({})).await.err().map(|error| error.reason),
            aws.read("servicediscovery:ListNamespaces", "x", json!({})).await.err().map(|error| error.reason),
            aws.target_health(group).await.err().map(|error| error.reason),
            aws.security_groups(&["sg-05687f8926f501d48".to_owned()]).await.err().map(|error| error.reason),
            aws.scalable_targets(CLUSTER, &["x".to_owned()]).await.err().map(|error| error.reason),
            aws.zone_vpcs("Z09C9BC4B44ED5").await.err().map(|error| error.reason),
        ]
    };
    assert_eq!(ask().await, [None; 7]);
    let actions = [
        "ecs:DescribeClusters",
        "logs:DescribeLogGroups",
        "servicediscovery:ListNamespaces",
        "elasticloadbalancing:DescribeTargetHealth",
        "ec2:DescribeSecurityGroups",
        "application-autoscaling:DescribeScalableTargets",
        "route53:GetHostedZone",
    ];
    for action in actions {
        sim.with(|state| state.add_fault(Fault::from_json(&json!({ "deny": action })).expect("a fault")));
    }
    assert_eq!(ask().await, [Some(Reason::Denied); 7]);
    let any = ["subnet-0a1b2c3d4e5f60718".to_owned()];
    let unseen = || aws.subnets(&any);
    assert_eq!(unseen().await.expect_err("refused").reason, Reason::Denied);
    sim.with(|state| state.add_fault(Fault::from_json(&json!({ "deny": "ecs:DescribeClusters", "on": false })).expect("a fault")));
    assert_eq!(ask().await.iter().filter(|reason| reason.is_none()).count(), 1);
    sim.with(State::heal);
    assert_eq!(ask().await, [None; 7]);
    assert_eq!(unseen().await.expect_err("still refused").reason, Reason::Denied);
    assert!(Fault::from_json(&json!({ "deny": "DescribeClusters" })).is_err(), "whose operation is not said");
}
