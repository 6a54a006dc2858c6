//! Starting a task: where it is placed, what it is made of, and how AWS prints it.

use std::sync::Arc;

use serde_json::{Value, json};

use super::super::{Millis, State};
use super::json::{epoch, has, list, number, owned, text, texts};
use super::lifecycle::{attach, enter, register};
use super::task::{Container, Health, Life, Phase, Task};

/// Starts a task of a deployment of a service; gives its id.
pub(super) fn launch(state: &mut State, service_arn: &str, deployment_id: &str) -> Option<String> {
    let service = state.ecs.service(service_arn)?.clone();
    let deployment = service.deployments.iter().find(|deployment| deployment.id == deployment_id)?;
    let id = state.hex(32);
    let cluster = super::json::last_part(&service.cluster_arn).to_owned();
    let arn = format!("arn:aws:ecs:{}:{}:task/{cluster}/{id}", state.region, state.account);
    let network = &deployment.spec["networkConfiguration"]["awsvpcConfiguration"];
    let (subnet, zone, ip) = place(state, service_arn, &texts(network, "subnets"));
    let definitions = state.ecs.container_definitions(deployment.task_definition());
    let mut task = Task {
        id: id.clone(),
        service_arn: Some(service_arn.to_owned()),
        deployment: deployment_id.to_owned(),
        phase: Phase::Provisioning,
        stopping: false,
        health: Health::Unknown,
        ip,
        subnet,
        zone,
        groups: texts(network, "securityGroups"),
        containers: definitions.iter().cloned().map(Container::waiting).collect(),
        targets: targets(deployment.load_balancers()),
        registry: registry(&deployment.spec),
        registered: false,
        running_since: None,
        succeeded: false,
        step: 0,
        body: Value::Null,
    };
    task.body = body(state, &task, &arn, &service.cluster_arn, &service.name, &deployment.spec);
    if service.body["propagateTags"] == "SERVICE" {
        task.body["tags"] = json!(list(&service.body, "tags"));
    } else if service.body["propagateTags"] == "TASK_DEFINITION" {
        let tags = state.ecs.definition(deployment.task_definition()).map_or(Value::Null, |definition| definition.tags.clone());
        task.body["tags"] = json!(tags.as_array().cloned().unwrap_or_default());
    }
    state.ecs.tasks.push(task);
    let jitter = state.rng.i64(0..=state.assume.compute.start_jitter.max(0));
    let after = state.assume.compute.provisioning + jitter;
    enter(state, &id, Phase::Provisioning, after);
    Some(id)
}

/// The target groups and ports that a deployment registers its tasks with.
pub(super) fn targets(load_balancers: &[Value]) -> Vec<(String, u16)> {
    let with_group = load_balancers.iter().filter(|entry| has(entry, "targetGroupArn"));
    with_group
        .map(|entry| {
            (owned(entry, "targetGroupArn"), number(entry, "containerPort").and_then(|port| u16::try_from(port).ok()).unwrap_or(0))
        })
        .collect()
}

/// The Cloud Map service that a deployment registers its tasks with.
pub(super) fn registry(spec: &Value) -> Option<String> {
    list(spec, "serviceRegistries").first().map(|entry| owned(entry, "registryArn"))
}

fn body(state: &mut State, task: &Task, arn: &str, cluster_arn: &str, service_name: &str, spec: &Value) -> Value {
    let definition = state.ecs.definition(text(spec, "taskDefinition")).map(|definition| definition.body.clone());
    let definition = definition.unwrap_or(Value::Null);
    let attachment = format!("{}-{}-{}-{}-{}", state.hex(8), state.hex(4), state.hex(4), state.hex(4), state.hex(12));
    let prefix = arn.replacen(":task/", ":container/", 1);
    let mut containers = Vec::new();
    for container in &task.containers {
        let suffix = format!("{}-{}-{}-{}-{}", state.hex(8), state.hex(4), state.hex(4), state.hex(4), state.hex(12));
        containers.push(json!({
            "containerArn": format!("{prefix}/{suffix}"),
            "taskArn": arn,
            "name": container.name,
            "image": container.image(),
            "lastStatus": "PENDING",
            "networkInterfaces": [],
            "healthStatus": "UNKNOWN",
            "cpu": number(&container.spec, "cpu").unwrap_or(0).to_string(),
        }));
    }
    let mut body = json!({
        "taskArn": arn,
        "clusterArn": cluster_arn,
        "taskDefinitionArn": spec["taskDefinition"],
        "group": format!("service:{service_name}"),
        "startedBy": task.deployment,
        "availabilityZone": task.zone,
        "createdAt": epoch(state.now),
        "version": 0,
        "enableExecuteCommand": false,
        "overrides": { "containerOverrides": [], "inferenceAcceleratorOverrides": [] },
        "attributes": [{ "name": "ecs.cpu-architecture", "value": "x86_64" }],
        "attachments": [{
            "id": attachment,
            "type": "ElasticNetworkInterface",
            "status": "PRECREATED",
            "details": [{ "name": "subnetId", "value": task.subnet }],
        }],
        "containers": containers,
        "tags": [],
    });
    for member in ["cpu", "memory"] {
        if has(&definition, member) {
            body[member] = definition[member].clone();
        }
    }
    for member in ["launchType", "platformFamily"] {
        if has(spec, member) {
            body[member] = spec[member].clone();
        }
    }
    if has(spec, "platformVersion") {
        let version = text(spec, "platformVersion");
        body["platformVersion"] = json!(if version == "LATEST" { "1.4.0" } else { version });
    }
    if let Some(first) = list(spec, "capacityProviderStrategy").first() {
        body["capacityProviderName"] = first["capacityProvider"].clone();
        body["launchType"] = json!("FARGATE");
    }
    body
}

/// Chooses the subnet with the fewest tasks of the service, and an address in it that was not used before.
fn place(state: &mut State, service_arn: &str, subnets: &[String]) -> (String, String, String) {
    let load = |subnet: &String| state.ecs.tasks_of(service_arn).filter(|task| task.wanted() && task.subnet == *subnet).count();
    let Some(subnet) = subnets.iter().min_by_key(|subnet| load(subnet)).cloned() else {
        return (String::new(), String::new(), String::new());
    };
    let known = state.ec2.subnet(&subnet);
    let zone = known.as_ref().map_or_else(|| format!("{}a", state.region), |info| info.zone.clone());
    let cidr = known.map_or_else(|| "10.0.0.0/16".to_owned(), |info| info.cidr);
    let ip = free_address(state, &subnet, &cidr);
    (subnet, zone, ip)
}

/// The next address of the subnet. Addresses are not used again until all were, so that a target which still drains is never
/// taken for a new task.
fn free_address(state: &mut State, subnet: &str, cidr: &str) -> String {
    let (base, bits) = cidr.split_once('/').unwrap_or((cidr, "24"));
    let base = base.parse::<std::net::Ipv4Addr>().map_or(0x0a00_0000, u32::from);
    let hosts = 1_u32.checked_shl(32 - bits.parse::<u32>().unwrap_or(24).clamp(8, 28)).unwrap_or(256);
    // The first four addresses and the last one belong to AWS; low numbers are left to load balancers.
    let (first, count) = (10, hosts - 11);
    let mut used = state.ecs.last_host.get(subnet).copied().unwrap_or(0);
    for _ in 0..count {
        used += 1;
        let ip = std::net::Ipv4Addr::from(base + first + used % count).to_string();
        if state.ecs.task_at(&ip).is_none() {
            state.ecs.last_host.insert(subnet.to_owned(), used);
            return ip;
        }
    }
    String::new()
}

/// A container of a captured task, running since the task started.
pub(super) fn captured(spec: Value, life: Life, health: Health, started: Millis) -> Container {
    Container { spec: Arc::new(spec.clone()), life, health, started, ..Container::waiting(spec) }
}

/// Makes a task that was just launched one that runs since long: for a captured service whose tasks were not captured.
pub(super) fn as_running(state: &mut State, id: &str) {
    attach(state, id);
    let now = state.now;
    let Some(task) = state.ecs.task_mut(id) else { return };
    for container in &mut task.containers {
        container.life = Life::Running;
        container.started = now;
        if container.has_check() {
            container.health = Health::Healthy;
        }
    }
    if task.containers.iter().any(|container| container.essential() && container.has_check()) {
        task.health = Health::Healthy;
    }
    task.stamp("pullStoppedAt", now);
    task.stamp("startedAt", now);
    task.phase = Phase::Running;
    task.step += 1;
    task.running_since = Some(now);
    task.succeeded = true;
    register(state, id);
}
