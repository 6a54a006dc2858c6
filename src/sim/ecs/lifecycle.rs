//! How a task goes through its life.
//!
//! ```text
//!  launch ─▶ PROVISIONING ─▶ PENDING ─▶ ACTIVATING ─▶ RUNNING
//!            interface       images     containers       │ stop(): told to, unhealthy, essential container exited
//!               │              │        run, targets     ▼
//!               │              │        and name set  DEACTIVATING ─▶ STOPPING ─▶ DEPROVISIONING ─▶ STOPPED (kept an hour)
//!               │              │        up             targets drain   SIGTERM      interface
//!               └──────────────┴── cannot start ─────────────────────────────────────▲
//! ```
//!
//! Each change of phase schedules the next one; an event that belongs to an earlier phase is void ([`super::task::Task::step`]).

use std::collections::BTreeMap;

use serde_json::json;

use super::super::faults::LaunchFault;
use super::super::queue::Event;
use super::super::{Millis, State, cloudmap, elbv2};
use super::json::{has, owned, text};
use super::task::{Container, Life, Phase};
use super::{EcsEvent, ImageFault, events, failures, health, scheduler};

/// Why a task is stopped: `stopCode` and `stoppedReason`.
#[derive(Clone, Debug)]
pub(super) struct Stop {
    pub(super) code: &'static str,
    pub(super) reason: String,
}

impl Stop {
    /// The scheduler replaces or scales.
    pub(super) fn scheduler(reason: String) -> Self {
        Self { code: "ServiceSchedulerInitiated", reason }
    }
}

/// Schedules the task's next step, `after` from now.
fn schedule(state: &mut State, id: &str, after: Millis) {
    let at = state.now + after;
    let Some(task) = state.ecs.task_mut(id) else { return };
    task.step += 1;
    let event = EcsEvent::Task { id: id.to_owned(), step: task.step };
    state.queue.push(at, Event::Ecs(event));
}

/// Moves the task to a phase; the next step comes `after` from now.
pub(super) fn enter(state: &mut State, id: &str, phase: Phase, after: Millis) {
    if let Some(task) = state.ecs.task_mut(id) {
        task.phase = phase;
        task.touch();
    }
    schedule(state, id, after);
}

/// A task's next step is due.
pub(super) fn on_step(state: &mut State, id: &str, step: u32) {
    let Some(task) = state.ecs.task(id) else { return };
    if task.step != step {
        return;
    }
    let times = state.assume.compute.clone();
    match task.phase {
        Phase::Provisioning => {
            attach(state, id);
            enter(state, id, Phase::Pending, times.pull);
        }
        Phase::Pending => start(state, id),
        Phase::Activating => activated(state, id),
        // Nothing is scheduled for a task that runs.
        Phase::Running => {}
        Phase::Deactivating => drained(state, id),
        Phase::Stopping => {
            exit_containers(state, id);
            state.ecs.traffic.forget(id);
            enter(state, id, Phase::Deprovisioning, times.deprovision);
            wake_scheduler(state, id);
        }
        Phase::Deprovisioning => {
            stopped(state, id);
            enter(state, id, Phase::Stopped, times.stopped_task_kept);
            wake_scheduler(state, id);
        }
        Phase::Stopped => state.ecs.tasks.retain(|task| task.id != id),
    }
}

fn wake_scheduler(state: &mut State, id: &str) {
    if let Some(arn) = state.ecs.task(id).and_then(|task| task.service_arn.clone()) {
        scheduler::wake(state, &arn, 0);
    }
}

/// The network interface is there.
pub(super) fn attach(state: &mut State, id: &str) {
    let now = state.now;
    let tail = state.hex(17);
    let Some(task) = state.ecs.task_mut(id) else { return };
    let mac = format!("02:{}:{}:{}:{}:{}", &tail[0..2], &tail[2..4], &tail[4..6], &tail[6..8], &tail[8..10]);
    let attachment = owned(&task.body["attachments"][0], "id");
    task.body["attachments"][0]["status"] = json!("ATTACHED");
    task.body["attachments"][0]["details"] = json!([
        { "name": "subnetId", "value": task.subnet },
        { "name": "networkInterfaceId", "value": format!("eni-{tail}") },
        { "name": "macAddress", "value": mac },
        { "name": "privateIPv4Address", "value": task.ip },
    ]);
    let interface = json!([{ "attachmentId": attachment, "privateIpv4Address": task.ip }]);
    if let Some(containers) = task.body["containers"].as_array_mut() {
        for container in containers {
            container["networkInterfaces"] = interface.clone();
        }
    }
    task.body["connectivity"] = json!("CONNECTED");
    task.stamp("connectivityAt", now);
    task.stamp("pullStartedAt", now);
}

/// Images are pulled: containers start, or cannot.
fn start(state: &mut State, id: &str) {
    if let Some((container, reason)) = obstacle(state, id) {
        fail_to_start(state, id, &container, reason);
        return;
    }
    let now = state.now;
    let Some(task) = state.ecs.task_mut(id) else { return };
    task.stamp("pullStoppedAt", now);
    for container in &mut task.containers {
        container.life = Life::Running;
        container.started = now;
    }
    let containers = task.containers.clone();
    for container in &containers {
        log_start(state, id, container);
    }
    let faults = state.ecs.image_faults.clone();
    let crash_after = state.assume.compute.crash_after;
    for container in &containers {
        if faults.get(container.image()) == Some(&ImageFault::Exits) {
            let event = EcsEvent::Exit { task: id.to_owned(), container: container.name.clone(), code: 1 };
            state.queue.push(now + crash_after, Event::Ecs(event));
        }
        health::begin(state, id, container);
    }
    enter(state, id, Phase::Activating, state.assume.compute.activation);
    register(state, id);
}

/// What keeps the task from starting: the container and its `reason`.
fn obstacle(state: &State, id: &str) -> Option<(String, String)> {
    let task = state.ecs.task(id)?;
    for container in &task.containers {
        let image = container.image();
        if state.ecs.image_faults.get(image) == Some(&ImageFault::CannotPull) {
            let reference = full_reference(image);
            let reason = format!(
                "CannotPullContainerError: pull image manifest has been retried 1 time(s): failed to resolve ref {reference}: {reference}: not found"
            );
            return Some((container.name.clone(), reason));
        }
    }
    for container in &task.containers {
        let options = &container.spec["logConfiguration"]["options"];
        let group = text(options, "awslogs-group");
        let creates = text(options, "awslogs-create-group") == "true";
        if text(&container.spec["logConfiguration"], "logDriver") == "awslogs"
            && state.ecs.launch_faults.contains(&LaunchFault::LogsDenied)
        {
            let reason = "ResourceInitializationError: failed to validate logger args: create stream has been retried 1 times: failed to \
                          create Cloudwatch log stream: operation error CloudWatch Logs: CreateLogStream, https response error \
                          StatusCode: 400, AccessDeniedException: User is not authorized to perform: logs:CreateLogStream : exit \
                          status 1";
            return Some((container.name.clone(), reason.to_owned()));
        }
        if text(&container.spec["logConfiguration"], "logDriver") == "awslogs" && !creates && !state.logs.group_exists(group) {
            let reason = "ResourceInitializationError: failed to validate logger args: create stream has been retried 1 times: failed to \
                          create Cloudwatch log stream: operation error CloudWatch Logs: CreateLogStream, https response error \
                          StatusCode: 400, ResourceNotFoundException: The specified log group does not exist. : exit status 1";
            return Some((container.name.clone(), reason.to_owned()));
        }
    }
    None
}

/// `jaegertracing/all-in-one:latest` as the registry's client words it.
fn full_reference(image: &str) -> String {
    let first = image.split('/').next().unwrap_or_default();
    let tagged = if super::json::last_part(image).contains(':') { image.to_owned() } else { format!("{image}:latest") };
    if image.contains('/') && (first.contains('.') || first.contains(':')) {
        tagged
    } else if image.contains('/') {
        format!("docker.io/{tagged}")
    } else {
        format!("docker.io/library/{tagged}")
    }
}

fn fail_to_start(state: &mut State, id: &str, container: &str, reason: String) {
    if let Some(task) = state.ecs.task_mut(id)
        && let Some(container) = task.containers.iter_mut().find(|known| known.name == container)
    {
        container.reason = reason.starts_with("CannotPull").then(|| reason.clone());
    }
    if reason.starts_with("ResourceInitializationError")
        && let Some(arn) = state.ecs.task(id).and_then(|task| task.service_arn.clone())
    {
        events::complain(state, &arn, &format!("was unable to place a task. Reason: {reason}."));
    }
    stop(state, id, Stop { code: "TaskFailedToStart", reason });
}

/// The line that a container writes when it starts.
fn log_start(state: &mut State, id: &str, container: &Container) {
    let options = &container.spec["logConfiguration"]["options"];
    if text(&container.spec["logConfiguration"], "logDriver") != "awslogs" {
        return;
    }
    let group = owned(options, "awslogs-group");
    let stream = format!("{}/{}/{id}", text(options, "awslogs-stream-prefix"), container.name);
    let line = match state.ecs.image_faults.get(container.image()) {
        Some(ImageFault::Exits) => format!("{}: fatal: cannot start, exiting with code 1", container.name),
        _ => format!("{}: started {}", container.name, container.image()),
    };
    let now = state.now;
    state.logs.append(&group, &stream, now, &line);
}

/// Registers the task's address with its target groups and its name with Cloud Map.
pub(super) fn register(state: &mut State, id: &str) {
    let Some(task) = state.ecs.task_mut(id) else { return };
    task.registered = true;
    let task = task.clone();
    let service_arn = task.service_arn.clone().unwrap_or_default();
    for (group, port) in &task.targets {
        elbv2::register_target(state, group, &task.ip, *port, &task.zone);
        events::say(state, &service_arn, &format!("registered 1 targets in (target-group {group})"));
    }
    if let Some(registry) = &task.registry {
        let healthy = !task.containers.iter().any(|container| container.essential() && container.has_check());
        let service = super::json::last_part(&service_arn).to_owned();
        let definition = super::json::last_part(text(&task.body, "taskDefinitionArn"));
        let attributes = BTreeMap::from(
            [
                ("AWS_INSTANCE_IPV4", task.ip.as_str()),
                ("AVAILABILITY_ZONE", task.zone.as_str()),
                ("AWS_INIT_HEALTH_STATUS", if healthy { "HEALTHY" } else { "UNHEALTHY" }),
                ("ECS_CLUSTER_NAME", super::json::last_part(text(&task.body, "clusterArn"))),
                ("ECS_SERVICE_NAME", service.as_str()),
                ("ECS_TASK_DEFINITION_FAMILY", definition.split(':').next().unwrap_or_default()),
                ("REGION", state.region.as_str()),
            ]
            .map(|(name, value)| (name.to_owned(), value.to_owned())),
        );
        cloudmap::register(state, registry, id, attributes, healthy);
    }
}

/// Takes the task's address and name off again.
fn deregister(state: &mut State, id: &str) {
    let Some(task) = state.ecs.task_mut(id) else { return };
    if !std::mem::take(&mut task.registered) {
        return;
    }
    let task = task.clone();
    let service_arn = task.service_arn.clone().unwrap_or_default();
    for (group, port) in &task.targets {
        elbv2::deregister_target(state, group, &task.ip, *port);
        events::say(state, &service_arn, &format!("deregistered 1 targets in (target-group {group})"));
    }
    if !task.targets.is_empty() {
        let service = super::json::last_part(&service_arn);
        let message = format!("(service {service}, taskSet {}) has begun draining connections on 1 tasks.", task.deployment);
        events::emit(state, &service_arn, message);
    }
    if let Some(registry) = &task.registry {
        cloudmap::deregister(state, registry, id);
    }
}

/// Everything is set up: the task is RUNNING.
fn activated(state: &mut State, id: &str) {
    let now = state.now;
    let Some(task) = state.ecs.task_mut(id) else { return };
    task.phase = Phase::Running;
    task.step += 1;
    task.running_since = Some(now);
    task.stamp("startedAt", now);
    task.touch();
    failures::reached_running(state, id);
    wake_scheduler(state, id);
}

/// Begins to stop a task. A task that is stopping already is left alone.
pub(super) fn stop(state: &mut State, id: &str, why: Stop) {
    let now = state.now;
    let Some(task) = state.ecs.task_mut(id) else { return };
    if task.stopping || task.phase > Phase::Running {
        return;
    }
    task.stopping = true;
    task.body["stopCode"] = json!(why.code);
    task.body["stoppedReason"] = json!(why.reason);
    task.stamp("stoppingAt", now);
    let containers_run = task.containers.iter().any(Container::runs);
    let essential_exited = why.code == "EssentialContainerExited";
    let registered = task.registered;
    deregister(state, id);
    if !containers_run && !essential_exited {
        if let Some(task) = state.ecs.task_mut(id) {
            task.stamp("executionStoppedAt", now);
        }
        let after = state.assume.compute.deprovision;
        enter(state, id, Phase::Deprovisioning, after);
    } else if registered && !essential_exited {
        let after = state.assume.compute.drain_poll;
        enter(state, id, Phase::Deactivating, after);
    } else {
        terminate(state, id);
    }
    failures::stopped(state, id);
    wake_scheduler(state, id);
}

/// Looks whether the task's targets are drained; then its containers are told to stop.
fn drained(state: &mut State, id: &str) {
    let Some(task) = state.ecs.task(id) else { return };
    let gone = |(group, port): &(String, u16)| {
        state.elbv2.target_state(group, &task.ip, *port).is_none_or(|target| target.state == "unused")
    };
    if task.targets.iter().all(gone) {
        terminate(state, id);
    } else {
        let after = state.assume.compute.drain_poll;
        schedule(state, id, after);
    }
}

/// SIGTERM to every container.
fn terminate(state: &mut State, id: &str) {
    if let Some(task) = state.ecs.task_mut(id) {
        for container in task.containers.iter_mut().filter(|container| container.life == Life::Running) {
            container.life = Life::Terminating;
        }
    }
    let after = state.assume.compute.stop;
    enter(state, id, Phase::Stopping, after);
}

fn exit_containers(state: &mut State, id: &str) {
    let now = state.now;
    let Some(task) = state.ecs.task_mut(id) else { return };
    task.stamp("executionStoppedAt", now);
    for container in task.containers.iter_mut().filter(|container| container.life == Life::Terminating) {
        container.life = Life::Stopped;
        // 128 and SIGTERM's number.
        container.exit_code = Some(143);
    }
}

fn stopped(state: &mut State, id: &str) {
    let now = state.now;
    let Some(task) = state.ecs.task_mut(id) else { return };
    task.stamp("stoppedAt", now);
    if has(&task.body["attachments"][0], "status") {
        task.body["attachments"][0]["status"] = json!("DELETED");
    }
}

/// A container exited by itself, and what it kept is gone; the task goes with it if the container is essential.
pub(super) fn on_exit(state: &mut State, id: &str, container: &str, code: i64) {
    let Some(task) = state.ecs.task_mut(id) else { return };
    let Some(container) = task.containers.iter_mut().find(|known| known.name == container) else { return };
    if container.life != Life::Running {
        return;
    }
    container.life = Life::Stopped;
    container.exit_code = Some(code);
    let essential = container.essential();
    task.touch();
    if essential {
        let reason = "Essential container in task exited".to_owned();
        stop(state, id, Stop { code: "EssentialContainerExited", reason });
    }
}

/// Whether a deployment or a task that is not STOPPED refers to the task definition.
pub(super) fn in_use(state: &State, definition_arn: &str) -> bool {
    let deployed = state.ecs.services.iter().flat_map(|service| &service.deployments);
    deployed.into_iter().any(|deployment| deployment.task_definition() == definition_arn)
        || state
            .ecs
            .tasks
            .iter()
            .any(|task| task.phase != Phase::Stopped && text(&task.body, "taskDefinitionArn") == definition_arn)
}
