//! World files: the `ecs` part in and out, and what AWS would derive from it.

use serde_json::{Value, json};

use super::super::queue::Event;
use super::super::{Millis, State, elbv2, shape};
use super::json::{has, last_part, list, number, owned, pick, remove, text, times_to_epoch};
use super::service::{SPEC, Service};
use super::task::{Health, Life, Phase, Task};
use super::task_definitions::Definition;
use super::{EcsEvent, deployments, health, launch, scheduler};

const LISTS: [&str; 6] = ["clusters", "taskDefinitions", "services", "tasks", "serviceDeployments", "serviceRevisions"];
const TIMES: [&str; 15] = [
    "createdAt",
    "updatedAt",
    "startedAt",
    "finishedAt",
    "stoppedAt",
    "stoppingAt",
    "executionStoppedAt",
    "pullStartedAt",
    "pullStoppedAt",
    "connectivityAt",
    "registeredAt",
    "deregisteredAt",
    "deleteRequestedAt",
    "expiresAt",
    "lastStatusAt",
];
/// Members of a service that are kept apart from its body, or counted.
const APART: [&str; 11] = [
    "serviceArn",
    "serviceName",
    "clusterArn",
    "status",
    "desiredCount",
    "runningCount",
    "pendingCount",
    "deployments",
    "events",
    "currentServiceDeployment",
    "currentServiceRevisions",
];

/// Reads the world file's `ecs` object. Absent lists are empty; unknown members are kept.
pub(in crate::sim) fn load(state: &mut State, part: &Value) -> Result<(), String> {
    if part.is_null() {
        return Ok(());
    }
    let members = part.as_object().ok_or("`ecs` is not an object")?;
    for name in LISTS {
        if members.get(name).is_some_and(|list| !list.is_array()) {
            return Err(format!("`ecs.{name}` is not a list"));
        }
        if let Some(index) = list(part, name).iter().position(|item| !item.is_object()) {
            return Err(format!("`ecs.{name}[{index}]` is not an object"));
        }
    }
    if let Some(wrong) = shape::misfit(part) {
        return Err(format!("`ecs{}` is not {}", wrong.path, wrong.wanted));
    }
    let items = |name: &str| list(part, name).iter().cloned();
    if let Some(index) = list(part, "clusters").iter().position(|cluster| text(cluster, "clusterArn").is_empty()) {
        return Err(format!("`ecs.clusters[{index}]` has no `clusterArn`"));
    }
    state.ecs.clusters = items("clusters").collect();
    for (index, item) in items("taskDefinitions").enumerate() {
        let at = |why: &str| format!("`ecs.taskDefinitions[{index}]` {why}");
        let mut definition = Definition { body: item["taskDefinition"].clone(), tags: item["tags"].clone(), extra: item };
        if definition.family().is_empty() || number(&definition.body, "revision").is_none() {
            return Err(at("has no `taskDefinition` with `family` and `revision`"));
        }
        times_to_epoch(&mut definition.body, &TIMES);
        let last = state.ecs.last_revision.entry(definition.family().to_owned()).or_default();
        *last = (*last).max(definition.revision());
        state.ecs.definitions.push(definition);
    }
    for (index, item) in items("services").enumerate() {
        if text(&item, "serviceArn").is_empty() || text(&item, "serviceName").is_empty() || text(&item, "clusterArn").is_empty() {
            return Err(format!("`ecs.services[{index}]` has no `serviceArn`, `serviceName` or `clusterArn`"));
        }
        let most = state.assume.compute.tasks_per_service;
        let wants = |object: &Value| {
            let said = has(object, "desiredCount");
            number(object, "desiredCount").map_or(!said, |count| (0..=most).contains(&count))
        };
        if !wants(&item) || !list(&item, "deployments").iter().all(wants) {
            return Err(format!("`ecs.services[{index}]`: a `desiredCount` is not a number from 0 to {most}"));
        }
        state.ecs.services.push(load_service(item));
    }
    for (index, item) in items("services").enumerate().filter(|(_, item)| text(item, "status") != "INACTIVE") {
        let deployed = list(&item, "deployments").iter().map(|deployment| text(deployment, "taskDefinition"));
        let mut named = deployed.chain([text(&item, "taskDefinition")]).filter(|name| !name.is_empty());
        if let Some(unknown) = named.find(|name| state.ecs.definition(name).is_none()) {
            let name = text(&item, "serviceName");
            return Err(format!("`ecs.services[{index}]` (`{name}`) runs `{unknown}`, which `ecs.taskDefinitions` does not have"));
        }
    }
    for (index, item) in items("tasks").enumerate() {
        let task =
            load_task(state, item).ok_or_else(|| format!("`ecs.tasks[{index}]` has no `taskArn` or an unknown `lastStatus`"))?;
        state.ecs.tasks.push(task);
    }
    let dated = |name: &str| {
        let mut records: Vec<Value> = items(name).collect();
        for record in &mut records {
            times_to_epoch(record, &TIMES);
            if record["rollback"].is_object() {
                times_to_epoch(&mut record["rollback"], &TIMES);
            }
        }
        records
    };
    state.ecs.rollouts = dated("serviceDeployments");
    state.ecs.revisions = dated("serviceRevisions");
    let mut extra = part.clone();
    for name in LISTS {
        remove(&mut extra, name);
    }
    state.ecs.extra = extra;
    Ok(())
}

fn load_service(mut item: Value) -> Service {
    times_to_epoch(&mut item, &TIMES);
    for member in ["deployments", "events"] {
        if let Some(objects) = item[member].as_array_mut() {
            objects.iter_mut().for_each(|object| times_to_epoch(object, &TIMES));
        } else {
            remove(&mut item, member);
        }
    }
    let loaded = list(&item, "deployments").iter().enumerate();
    let deployments = loaded.map(|(index, deployment)| deployments::load(&item, deployment, index == 0)).collect();
    let mut body = item.clone();
    // The current revisions tell `settle` which recorded ones the deployments belong to.
    for member in APART.iter().filter(|member| !member.starts_with("current")) {
        remove(&mut body, member);
    }
    Service {
        arn: owned(&item, "serviceArn"),
        name: owned(&item, "serviceName"),
        cluster_arn: owned(&item, "clusterArn"),
        status: if has(&item, "status") { owned(&item, "status") } else { "ACTIVE".to_owned() },
        desired: number(&item, "desiredCount").unwrap_or(0),
        deployments,
        events: list(&item, "events").to_vec(),
        steady_since: None,
        next_look: None,
        before: None,
        body,
    }
}

fn load_task(state: &State, mut item: Value) -> Option<Task> {
    times_to_epoch(&mut item, &TIMES);
    let phase = Phase::parse(text(&item, "lastStatus"))?;
    let id = last_part(text(&item, "taskArn")).to_owned();
    if id.is_empty() {
        return None;
    }
    let cluster = text(&item, "clusterArn");
    let service = text(&item, "group").strip_prefix("service:");
    let service = service.and_then(|name| state.ecs.service_index(cluster, name)).map(|index| &state.ecs.services[index]);
    let deployment = owned(&item, "startedBy");
    let rolled = service.and_then(|service| {
        service.deployments.iter().find(|known| known.id == deployment).or(service.primary()).map(|known| known.spec.clone())
    });
    let spec = rolled.or_else(|| service.map(|service| pick(&service.body, &SPEC))).unwrap_or(Value::Null);
    let attachment = list(&item, "attachments").iter().find(|attachment| text(attachment, "type") == "ElasticNetworkInterface");
    let detail = |name: &str| {
        let details = attachment.map_or(&[][..], |attachment| list(attachment, "details"));
        details.iter().find(|detail| text(detail, "name") == name).map(|detail| owned(detail, "value")).unwrap_or_default()
    };
    let started = super::json::millis(&item["startedAt"]);
    let definitions = state.ecs.container_definitions(text(&item, "taskDefinitionArn"));
    Some(Task {
        service_arn: service.map(|service| service.arn.clone()),
        deployment,
        phase,
        stopping: text(&item, "desiredStatus") == "STOPPED",
        health: Health::parse(text(&item, "healthStatus")),
        ip: detail("privateIPv4Address"),
        subnet: detail("subnetId"),
        zone: owned(&item, "availabilityZone"),
        groups: super::json::texts(&spec["networkConfiguration"]["awsvpcConfiguration"], "securityGroups"),
        containers: load_containers(&item, &definitions, phase, started),
        targets: launch::targets(list(&spec, "loadBalancers")),
        registry: launch::registry(&spec),
        registered: phase == Phase::Activating || phase == Phase::Running,
        running_since: started.filter(|_| phase >= Phase::Running),
        succeeded: phase == Phase::Running,
        step: 0,
        body: item,
        id,
    })
}

fn load_containers(item: &Value, definitions: &[Value], phase: Phase, started: Option<Millis>) -> Vec<super::Container> {
    let load = |shown: &Value| {
        let named = definitions.iter().find(|definition| definition["name"] == shown["name"]);
        let spec = named.cloned().unwrap_or_else(|| json!({ "name": shown["name"], "image": shown["image"] }));
        let life = match text(shown, "lastStatus") {
            "RUNNING" if phase >= Phase::Stopping => Life::Terminating,
            "RUNNING" => Life::Running,
            "STOPPED" => Life::Stopped,
            // They run before the task is said to.
            _ if phase == Phase::Activating => Life::Running,
            _ => Life::Waiting,
        };
        let mut container = launch::captured(spec, life, Health::parse(text(shown, "healthStatus")), started.unwrap_or(0));
        container.exit_code = number(shown, "exitCode");
        container.reason = has(shown, "reason").then(|| owned(shown, "reason"));
        container
    };
    list(item, "containers").iter().map(load).collect()
}

/// Called once after all services are loaded: derives what AWS would have and starts everything that goes on.
pub(in crate::sim) fn settle(state: &mut State) {
    let arns: Vec<String> = state.ecs.services.iter().map(|service| service.arn.clone()).collect();
    for arn in &arns {
        let Some(service) = state.ecs.service(arn) else { continue };
        if service.status == "INACTIVE" {
            continue;
        }
        if service.deployments.is_empty()
            && let Some(deployment) = deployments::derived(state, arn)
            && let Some(service) = state.ecs.service_mut(arn)
        {
            service.deployments.push(deployment);
        }
        adopt_tasks(state, arn);
        if state.ecs.tasks_of(arn).next().is_none() {
            derive_tasks(state, arn);
        }
        deployments::settle(state, arn);
        settle_pace(state, arn);
        scheduler::wake(state, arn, 0);
    }
    for task in state.ecs.tasks.clone() {
        resume(state, &task);
    }
    state.ecs.traffic.begin(state.now);
}

/// Tasks whose deployment the world file does not have count for the PRIMARY one.
fn adopt_tasks(state: &mut State, arn: &str) {
    let Some(service) = state.ecs.service(arn) else { return };
    let known: Vec<String> = service.deployments.iter().map(|deployment| deployment.id.clone()).collect();
    let of_service = state.ecs.tasks.iter_mut().filter(|task| task.service_arn.as_deref() == Some(arn));
    for task in of_service.filter(|task| !known.contains(&task.deployment)) {
        task.deployment = known.first().cloned().unwrap_or_default();
    }
}

/// A captured service that is settled has said so before.
fn settle_pace(state: &mut State, arn: &str) {
    let now = state.now;
    let running = state.ecs.tasks_of(arn).filter(|task| task.phase == Phase::Running).count() as i64;
    if let Some(service) = state.ecs.service_mut(arn)
        && service.rolled_out()
        && running == service.desired
    {
        service.steady_since = Some(now);
    }
}

/// The tasks that a captured service must have had: running and healthy.
fn derive_tasks(state: &mut State, arn: &str) {
    let Some(service) = state.ecs.service(arn) else { return };
    let Some(primary) = service.primary().filter(|primary| primary.rollout == super::service::Rollout::Completed) else { return };
    let (desired, id) = (service.desired, primary.id.clone());
    for _ in 0..desired {
        let Some(task) = launch::launch(state, arn, &id) else { return };
        launch::as_running(state, &task);
    }
}

/// Lets a captured task go on: checks, targets, or the next step of one that starts or stops.
fn resume(state: &mut State, task: &Task) {
    if matches!(task.phase, Phase::Activating | Phase::Running) && !task.stopping {
        for container in task.containers.iter().filter(|container| container.runs()) {
            health::begin(state, &task.id, container);
        }
        for (group, port) in &task.targets {
            if state.elbv2.target_state(group, &task.ip, *port).is_none() {
                elbv2::register_target(state, group, &task.ip, *port, &task.zone);
            }
        }
    }
    if task.phase == Phase::Running && !task.stopping {
        return;
    }
    let times = state.assume.compute.clone();
    let after = match task.phase {
        Phase::Provisioning => times.provisioning,
        Phase::Pending => times.pull,
        Phase::Activating => times.activation,
        Phase::Running | Phase::Deactivating => times.drain_poll,
        Phase::Stopping => times.stop,
        Phase::Deprovisioning => times.deprovision,
        Phase::Stopped => times.stopped_task_kept,
    };
    if task.phase == Phase::Running
        && let Some(task) = state.ecs.task_mut(&task.id)
    {
        // Told to stop a moment before the capture.
        task.phase = Phase::Deactivating;
    }
    state.queue.push(state.now + after, Event::Ecs(EcsEvent::Task { id: task.id.clone(), step: task.step }));
}

/// The world file's `ecs` object of now.
pub(in crate::sim) fn save(state: &State) -> Value {
    let ecs = &state.ecs;
    let mut part = if ecs.extra.is_object() { ecs.extra.clone() } else { json!({}) };
    part["clusters"] = ecs.clusters.iter().map(|cluster| ecs.render_cluster(cluster)).collect();
    part["taskDefinitions"] = ecs.definitions.iter().map(Definition::save).collect();
    part["services"] = ecs.services.iter().map(|service| ecs.render_service(service)).collect();
    part["tasks"] = ecs.tasks.iter().map(Task::render).collect();
    part["serviceDeployments"] = json!(ecs.rollouts);
    part["serviceRevisions"] = json!(ecs.revisions);
    part
}
