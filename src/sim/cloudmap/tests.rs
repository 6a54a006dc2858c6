use aws_sdk_servicediscovery::Client;
use aws_sdk_servicediscovery::types::{DnsConfig, DnsRecord, HealthCheckCustomConfig, RecordType, RoutingPolicy};
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use serde_json::json;

use super::*;
use crate::sim::tests::{account, world};
use crate::sim::{Sim, SimConnector};

const NAMESPACE: &str = "ns-7d6e2857c6222e2c";
const VPC: &str = "vpc-80cf23a1c44e96578";
const NAME: &str = "jaeger.nexus-ai.local";

async fn create(client: &Client, token: &str, ttl: i64) -> Result<String, aws_sdk_servicediscovery::Error> {
    let record = DnsRecord::builder().r#type(RecordType::A).ttl(ttl).build()?;
    let dns = DnsConfig::builder().routing_policy(RoutingPolicy::Multivalue).dns_records(record).build()?;
    let created = client
        .create_service()
        .name("jaeger")
        .namespace_id(NAMESPACE)
        .creator_request_id(token)
        .dns_config(dns)
        .health_check_custom_config(HealthCheckCustomConfig::builder().build())
        .send()
        .await?;
    Ok(created.service().and_then(|service| service.id()).unwrap_or_default().to_owned())
}

/// Moves the account `seconds` on.
fn wait(connector: &SimConnector, seconds: i64) {
    connector.clock().advance(seconds * 1000);
    let now = connector.clock().now_millis();
    connector.sim().with(|state| state.advance(now));
}

fn resolve(connector: &SimConnector, name: &str) -> Option<(Vec<String>, u32)> {
    connector.sim().with(|state| state.cloudmap.resolve(VPC, name))
}

fn put_task(sim: &Sim, service: &str, id: &str, ip: &str, healthy: bool) {
    sim.with(|state| {
        let arn = format!("arn:aws:servicediscovery:us-west-2:111122223333:service/{service}");
        register(state, &arn, id, BTreeMap::from([("AWS_INSTANCE_IPV4".to_owned(), ip.to_owned())]), healthy);
    });
}

#[tokio::test(start_paused = true)]
async fn a_replayed_creation_gives_its_first_answer_and_another_is_told_what_is_there() {
    let (connector, config) = account();
    let client = Client::new(&config);
    let id = create(&client, "run-1", 10).await.expect("a new name");
    assert_eq!(create(&client, "run-1", 10).await.expect("a replay"), id);
    assert_eq!(connector.sim().ledger().len(), 1, "a replay takes no effect");
    for (token, ttl) in [("run-2", 10), ("run-1", 60)] {
        let refused = create(&client, token, ttl).await.expect_err("the name is taken");
        let aws_sdk_servicediscovery::Error::ServiceAlreadyExists(there) = refused else { panic!("{refused:?}") };
        assert_eq!((there.service_id(), there.creator_request_id()), (Some(id.as_str()), Some("run-1")));
    }
    let service = client.get_service().id(&id).send().await.expect("it is there").service.expect("a service");
    assert_eq!(service.namespace_id(), Some(NAMESPACE));
    assert_eq!(
        service.health_check_custom_config().map(|custom| format!("{custom:?}").contains("failure_threshold: Some(1)")),
        Some(true)
    );
}

#[tokio::test(start_paused = true)]
async fn a_deleted_service_comes_back_with_its_old_id() {
    let (_, config) = account();
    let client = Client::new(&config);
    let id = create(&client, "run-1", 10).await.expect("a new name");
    client.delete_service().id(&id).send().await.expect("it has no instances");
    let gone = client.delete_service().id(&id).send().await.expect_err("it is gone");
    assert_eq!(gone.code(), Some("ServiceNotFound"));
    assert_eq!(create(&client, "run-2", 10).await.expect("the name is free"), id);
}

#[tokio::test(start_paused = true)]
async fn an_instance_comes_and_goes_with_a_lag_and_holds_its_service() {
    let (connector, config) = account();
    let client = Client::new(&config);
    let id = create(&client, "run-1", 10).await.expect("a new name");
    put_task(connector.sim(), &id, "task-1", "10.0.10.77", true);
    assert_eq!(resolve(&connector, NAME), None, "not listed yet");
    let early = client.delete_service().id(&id).send().await.expect_err("it is registered all the same");
    assert_eq!(early.code(), Some("ResourceInUse"));
    wait(&connector, 5);
    assert_eq!(resolve(&connector, NAME), Some((vec!["10.0.10.77".to_owned()], 10)));
    let listed = client.list_instances().service_id(&id).send().await.expect("a list");
    assert_eq!(listed.instances().len(), 1);

    let operation = client.deregister_instance().service_id(&id).instance_id("task-1").send().await.expect("it is there");
    let operation = operation.operation_id().expect("an operation").to_owned();
    let status = || client.get_operation().operation_id(&operation).send();
    let pending = status().await.expect("known").operation.and_then(|operation| operation.status);
    assert_eq!(pending.map(|status| status.to_string()).as_deref(), Some("PENDING"));
    assert!(resolve(&connector, NAME).is_some(), "DNS still has it");
    wait(&connector, 26);
    let done = status().await.expect("known").operation.and_then(|operation| operation.status);
    assert_eq!(done.map(|status| status.to_string()).as_deref(), Some("SUCCESS"));
    assert_eq!(resolve(&connector, NAME), None);
    client.delete_service().id(&id).send().await.expect("nothing holds it");
}

#[tokio::test(start_paused = true)]
async fn names_answer_with_the_healthy_or_with_all_while_none_is() {
    let (connector, config) = account();
    let id = create(&Client::new(&config), "run-1", 10).await.expect("a new name");
    put_task(connector.sim(), &id, "task-1", "10.0.10.1", false);
    put_task(connector.sim(), &id, "task-2", "10.0.10.2", false);
    wait(&connector, 5);
    assert_eq!(resolve(&connector, NAME).map(|(ips, _)| ips.len()), Some(2), "none is healthy: all answer");
    let arn = format!("arn:aws:servicediscovery:us-west-2:111122223333:service/{id}");
    connector.sim().with(|state| set_health(state, &arn, "task-2", true));
    wait(&connector, 20);
    assert_eq!(resolve(&connector, NAME).map(|(ips, _)| ips.len()), Some(2), "a report shows after its delay");
    wait(&connector, 11);
    assert_eq!(resolve(&connector, "Jaeger.Nexus-AI.local.").map(|(ips, _)| ips), Some(vec!["10.0.10.2".to_owned()]));
    for (vpc, name) in [("vpc-other", NAME), (VPC, "nexus-ai.local"), (VPC, "a.jaeger.nexus-ai.local"), (VPC, "jaeger.local")] {
        assert_eq!(connector.sim().with(|state| state.cloudmap.resolve(vpc, name)), None, "{vpc} {name}");
    }
}

#[test]
fn a_vpc_without_dns_resolves_nothing() {
    let mut world = world();
    let resolve = |world: &Value| State::load(world, 1).expect("it loads").cloudmap.resolve(VPC, "api.nexus-ai.local").is_some();
    assert!(resolve(&world));
    world["ec2"]["vpcs"][0]["EnableDnsHostnames"] = json!(false);
    assert!(!resolve(&world));
}

#[tokio::test(start_paused = true)]
async fn pages_are_cut_before_filters() {
    let mut world = world();
    let namespaces = world["servicediscovery"]["namespaces"].as_array_mut().expect("a list");
    let mut other = namespaces[0].clone();
    other["Id"] = json!("ns-other");
    other["Name"] = json!("other.local");
    namespaces.insert(0, other);
    let sim = Sim::new(State::load(&world, 1).expect("it loads"));
    let ask = |token: Option<String>| {
        let mut input = json!({"MaxResults": 1, "Filters": [{"Name": "NAME", "Condition": "EQ", "Values": ["nexus-ai.local"]}]});
        if let Some(token) = token {
            input["NextToken"] = json!(token);
        }
        sim.with(|state| namespaces::list(state, &input)).expect("a page")
    };
    let first = ask(None);
    assert_eq!(first["Namespaces"], json!([]), "an empty page is no end");
    let second = ask(first["NextToken"].as_str().map(str::to_owned));
    assert_eq!((second["Namespaces"][0]["Id"].as_str(), second.get("NextToken")), (Some(NAMESPACE), None));
}

#[tokio::test(start_paused = true)]
async fn discovery_is_only_on_the_data_plane() {
    let (connector, _) = account();
    let ask = |data_host| {
        let call = Call {
            operation: "DiscoverInstances".to_owned(),
            request_id: "r".to_owned(),
            invocation_id: None,
            attempt: 1,
            access_key: "A".to_owned(),
        };
        connector
            .sim()
            .with(|state| super::call(state, &call, &json!({"NamespaceName": "nexus-ai.local", "ServiceName": "api"}), data_host))
    };
    assert_eq!(ask(false).expect_err("the wrong host").code, "UnknownOperationException");
    assert_eq!(ask(true).expect("the right host")["Instances"].as_array().map(Vec::len), Some(2));
}

#[tokio::test(start_paused = true)]
async fn names_follow_the_rules_of_dns() {
    let (_, config) = account();
    let client = Client::new(&config);
    let long = "a".repeat(64);
    for name in ["", "has space", "-dash", "dash-", "double..dot", long.as_str()] {
        let dns =
            DnsConfig::builder().dns_records(DnsRecord::builder().r#type(RecordType::A).ttl(10).build().expect("a record")).build();
        let refused =
            client.create_service().name(name).namespace_id(NAMESPACE).dns_config(dns.expect("a configuration")).send().await;
        assert_eq!(refused.expect_err(name).code(), Some("InvalidInput"), "{name}");
    }
}
