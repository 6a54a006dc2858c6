//! The control side, asked by AWS's own clients through the in-process connector.

use std::time::Duration;

use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use aws_smithy_types::retry::RetryConfig;
use aws_smithy_types::timeout::TimeoutConfig;
use aws_types::SdkConfig;
use aws_types::region::Region;
use serde_json::{Value, json};

use super::*;

pub(super) fn world() -> Value {
    serde_json::from_str(include_str!("../../runbooks/worlds/nexus-ai-staging.json")).expect("the shipped world is JSON")
}

/// A connector on the staging world and a configuration for SDK clients over it.
pub(super) fn account() -> (SimConnector, SdkConfig) {
    let connector = SimConnector::new(Sim::new(State::load(&world(), 7).expect("the shipped world loads")));
    let config = configuration(&connector);
    (connector, config)
}

fn configuration(connector: &SimConnector) -> SdkConfig {
    let credentials = Credentials::from_keys("AKIAIOSFODNN7EXAMPLE", "secret", None);
    SdkConfig::builder()
        .behavior_version(aws_config::BehaviorVersion::latest())
        .region(Region::new("us-west-2"))
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .http_client(connector.clone())
        .time_source(connector.clock())
        .sleep_impl(aws_smithy_async::rt::sleep::TokioSleep::new())
        .retry_config(RetryConfig::disabled())
        .timeout_config(TimeoutConfig::builder().operation_attempt_timeout(Duration::from_secs(10)).build())
        .build()
}

#[test]
fn a_world_that_nothing_touched_is_saved_as_it_was() {
    for text in [include_str!("../../runbooks/worlds/nexus-ai-staging.json"), include_str!("../../tests/worlds/nexus-ai-dev.json")]
    {
        let world: Value = serde_json::from_str(text).expect("a shipped world is JSON");
        let mut saved = State::load(&world, 1).expect("a shipped world loads").save();
        // ECS derives deployments and revisions.
        saved["ecs"] = world["ecs"].clone();
        assert_eq!(saved, world);
    }
}

#[test]
fn members_and_services_that_nobody_knows_are_kept() {
    let mut world = world();
    world["route53"] = json!({"hostedZones": [{"Id": "Z1"}]});
    world["logs"]["queryDefinitions"] = json!(["q"]);
    world["logs"]["logGroups"][0]["newMember"] = json!(1);
    world["ec2"]["securityGroups"][0]["NewMember"] = json!({"A": 1});
    let saved = State::load(&world, 1).expect("it loads").save();
    for pointer in ["/route53", "/logs/queryDefinitions", "/logs/logGroups/0", "/ec2/securityGroups/0"] {
        assert_eq!(saved.pointer(pointer), world.pointer(pointer), "{pointer}");
    }
}

#[test]
fn a_file_that_is_no_world_is_refused_in_words() {
    let broken = |change: fn(&mut Value)| {
        let mut world = world();
        change(&mut world);
        State::load(&world, 1).map(|_| ()).expect_err("it is broken")
    };
    assert_eq!(broken(|world| *world = json!([])), "a world file is one JSON object");
    assert_eq!(broken(|world| world["version"] = json!(2)), "world file version 2 is not known here; this program reads version 1");
    assert!(broken(|world| world["format"] = json!("tfstate")).starts_with("not a world file: `format` is \"tfstate\""));
    assert!(broken(|world| world["capturedAt"] = json!("today")).contains("neither epoch seconds nor an ISO time: \"today\""));
    assert!(broken(|world| world["account"] = json!(111_122_223_333_u64)).contains("twelve digits"));
    let stray = broken(|world| world["servicediscovery"]["instances"]["srv-none"] = json!([]));
    assert_eq!(stray, "servicediscovery.instances: there is no service srv-none");
}

#[tokio::test(start_paused = true)]
async fn a_log_group_lives_as_its_client_expects() {
    let (connector, config) = account();
    let logs = aws_sdk_cloudwatchlogs::Client::new(&config);
    let create = || logs.create_log_group().log_group_name("/ecs/jaeger").tags("Project", "nexus-ai").send();
    create().await.expect("a new name");
    let twice = create().await.expect_err("it exists").into_service_error();
    assert!(twice.is_resource_already_exists_exception());
    assert_eq!(twice.message(), Some("The specified log group already exists"));
    logs.put_retention_policy().log_group_name("/ecs/jaeger").retention_in_days(7).send().await.expect("7 days are allowed");
    let refused = logs.put_retention_policy().log_group_name("/ecs/jaeger").retention_in_days(8).send().await;
    assert_eq!(refused.expect_err("8 days are not").code(), Some("InvalidParameterException"));
    let found = logs.describe_log_groups().log_group_name_prefix("/ecs/jaeger").send().await.expect("a description");
    assert_eq!(found.log_groups()[0].retention_in_days(), Some(7));
    let arn = found.log_groups()[0].log_group_arn().expect("an ARN").to_owned();
    let tags = logs.list_tags_for_resource().resource_arn(&arn).send().await.expect("tags");
    assert_eq!(tags.tags().and_then(|tags| tags.get("Project")).map(String::as_str), Some("nexus-ai"));
    logs.delete_log_group().log_group_name("/ecs/jaeger").send().await.expect("it is there");
    let actions: Vec<String> = connector.sim().ledger().into_iter().map(|effect| effect.action).collect();
    assert_eq!(actions, ["CreateLogGroup", "PutRetentionPolicy", "DeleteLogGroup"]);
}

#[tokio::test(start_paused = true)]
async fn query_services_answer_their_clients() {
    let (_, config) = account();
    let identity = aws_sdk_sts::Client::new(&config).get_caller_identity().send().await.expect("an identity");
    assert_eq!(identity.account(), Some("111122223333"));
    let elb = aws_sdk_elasticloadbalancingv2::Client::new(&config);
    let groups = elb.describe_target_groups().names("nexus-ai-jaeger-tg-staging").send().await.expect("the group");
    let group = &groups.target_groups()[0];
    assert_eq!((group.port(), group.health_check_interval_seconds()), (Some(16686), Some(30)));
    let arn = group.target_group_arn().expect("an ARN");
    let health = elb.describe_target_health().target_group_arn(arn).send().await.expect("its targets");
    assert_eq!(health.target_health_descriptions().len(), 2);
    let gone = elb.describe_target_health().target_group_arn(format!("{arn}0")).send().await.expect_err("no such group");
    assert!(gone.into_service_error().is_target_group_not_found_exception());
}

#[tokio::test(start_paused = true)]
#[allow(clippy::disallowed_methods, reason = "lets the paused clock pass")]
async fn a_fault_strikes_the_request_it_names_and_no_other() {
    let (connector, config) = account();
    let logs = aws_sdk_cloudwatchlogs::Client::new(&config);
    let fault = |value: Value| connector.sim().with(|state| state.add_fault(Fault::from_json(&value).expect("a known fault")));
    let create = |name: &str| logs.create_log_group().log_group_name(name).send();
    let exists = |name: &str| connector.sim().with(|state| state.logs.group_exists(name));

    fault(json!({"action": "CreateLogGroup", "nth": 2, "fault": "drop-before"}));
    create("a").await.expect("the first goes through");
    create("b").await.expect_err("the second is dropped");
    assert!(exists("a") && !exists("b"));

    fault(json!({"action": "logs:CreateLogGroup", "nth": 1, "fault": "drop-after"}));
    create("c").await.expect_err("dropped");
    assert!(exists("c"), "and yet it took effect");

    fault(json!({"action": "CreateLogGroup", "nth": 1, "fault": "hold"}));
    let held = create("d").await.expect_err("no answer ever");
    assert!(matches!(held, aws_sdk_cloudwatchlogs::error::SdkError::TimeoutError(_)) && !exists("d"));

    fault(json!({"action": "CreateLogGroup", "nth": 1, "fault": "late"}));
    create("e").await.expect_err("too late");
    assert!(exists("e"));

    fault(json!({"action": "CreateLogGroup", "fault": "lands-late", "seconds": 3}));
    create("g").await.expect_err("the connection breaks");
    assert!(!exists("g"));
    tokio::time::sleep(Duration::from_secs(4)).await;
    create("g").await.expect_err("it landed meanwhile");

    for (name, code) in [("throttle", "ThrottlingException"), ("expire", "ExpiredTokenException"), ("error-500", "InternalFailure")]
    {
        fault(json!({"action": "*", "fault": name}));
        assert_eq!(create(name).await.expect_err("refused").code(), Some(code));
        assert!(!exists(name));
    }
    create("f").await.expect("faults are used up");
}

#[tokio::test(start_paused = true)]
async fn time_passes_only_by_what_answers_take() {
    let (connector, config) = account();
    let before = connector.clock().now_millis();
    aws_sdk_sts::Client::new(&config).get_caller_identity().send().await.expect("an identity");
    assert_eq!(connector.clock().now_millis() - before, 40);
    assert_eq!(connector.sim().calls().get("sts:GetCallerIdentity"), Some(&1));
}

#[tokio::test(start_paused = true)]
async fn a_content_length_that_is_not_the_bodys_is_an_error() {
    let (connector, config) = account();
    let logs = aws_sdk_cloudwatchlogs::Client::new(&config);
    let with_length = |length: &'static str| {
        let call = logs.create_log_group().log_group_name("/x").customize();
        call.mutate_request(move |request| {
            request.headers_mut().insert("content-length", length);
        })
        .send()
    };
    let refused = with_length("5").await.expect_err("the body is longer");
    assert!(matches!(refused, aws_sdk_cloudwatchlogs::error::SdkError::DispatchFailure(_)));
    assert!(connector.sim().requests().is_empty(), "it never arrived");
}

#[test]
fn two_accounts_of_one_seed_draw_alike_and_looking_draws_nothing() {
    let mut one = State::load(&world(), 9).expect("it loads");
    let mut two = State::load(&world(), 9).expect("it loads");
    let ids: Vec<String> = (0..3).map(|_| two.next_request_id()).collect();
    assert!(ids.iter().all(|id| id.len() == 36) && ids[0] != ids[1]);
    assert_eq!(one.hex(32), two.hex(32));
}

#[tokio::test(start_paused = true)]
async fn a_world_saved_at_any_moment_of_a_rollout_loads_again() {
    let (connector, config) = account();
    let update =
        aws_sdk_ecs::Client::new(&config).update_service().cluster("nexus-ai-cluster-staging").service("nexus-ai-api-staging");
    update.force_new_deployment(true).send().await.expect("an update");
    let mut state = connector.sim().with(|state| state.clone());
    for _ in 0..60 {
        let then = state.now() + 7_000;
        state.advance(then);
        let saved = state.save();
        let again = State::load(&saved, 4).expect("what was saved loads").save();
        for part in ["logs", "elbv2", "servicediscovery", "ec2", "sts", "capturedAt"] {
            assert_eq!(again[part], saved[part], "{part} at {}", saved["capturedAt"]);
        }
    }
}

#[test]
fn a_world_can_be_loaded_as_of_another_time() {
    let now = 1_800_000_000_000;
    let state = State::load_at(&world(), 1, now).expect("it loads");
    assert_eq!((state.now(), &state.save()["capturedAt"]), (now, &json!("2027-01-15T08:00:00Z")));
}

#[test]
fn a_get_on_a_tasks_own_address_reaches_what_listens_there() {
    let sim = Sim::new(State::load(&world(), 1).expect("it loads"));
    let get = |url: &str| {
        let request = http::Request::get(url).body(bytes::Bytes::new()).expect("a request");
        sim.handle(sim.with(|state| state.now()) + 5_000, request)
    };
    let Handled::Respond(answer) = get("http://10.0.10.21:16686/api/services") else { panic!("the sidecar answers") };
    assert_eq!(answer.status(), 200);
    assert!(serde_json::from_slice::<Value>(answer.body()).is_ok_and(|body| body["data"].is_array()));
    assert!(matches!(get("http://10.0.10.250:16686/"), Handled::Hold), "nobody is there");
    assert_eq!(sim.requests()[0].action, "http:10.0.10.21:16686");
}
