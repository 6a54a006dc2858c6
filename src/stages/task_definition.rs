//! Stage kind `task_definition`: a new task definition, with role and platform taken from a service that it is like.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Value, json};

use super::diff;
use super::facts::{self, Facts, Roles, Wants};
use super::findings::{NO_EXECUTION_ROLE, NO_TASK_ROLE, Seen};
use super::kind::{Known, LaneBuilder, Planning, StageKind, checked, later, settings, stage_plan};
use super::permits;
use super::port::Port;
use super::subject::{Definition, Subject};
use crate::aws::task_definition::normalised;
use crate::model::{Change, Disposition, Problem, Resource, StageDecl, StagePlan, StepClass, digest};

/// See the module's text.
pub struct TaskDefinition;

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    family: String,
    like_service: String,
    cpu: u64,
    memory: u64,
    #[serde(default)]
    execution_role_arn: String,
    #[serde(default)]
    task_role_arn: String,
    /// Whether the task has the role of `like_service`'s, where no other is given.
    #[serde(default)]
    task_role_like_service: bool,
    #[serde(default)]
    tags: BTreeMap<String, String>,
    container: BTreeMap<String, Container>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Container {
    image: String,
    #[serde(default = "yes")]
    essential: bool,
    #[serde(default)]
    environment: BTreeMap<String, String>,
    /// Variables whose values are read when a task starts, from these ARNs or names of SSM parameters.
    #[serde(default)]
    secrets: BTreeMap<String, String>,
    #[serde(default)]
    ports: Vec<Port>,
    #[serde(default)]
    command: Vec<String>,
    log: Option<Log>,
    health_check: Option<HealthCheck>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Log {
    group: String,
    stream_prefix: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct HealthCheck {
    command: Vec<String>,
    #[serde(default = "thirty")]
    interval: u64,
    #[serde(default = "five")]
    timeout: u64,
    #[serde(default = "three")]
    retries: u64,
    #[serde(default)]
    start_period: u64,
}

impl Container {
    /// Its health check; one without a command is none.
    fn health_check(&self) -> Option<&HealthCheck> {
        self.health_check.as_ref().filter(|check| !check.command.is_empty())
    }
}

impl Settings {
    /// Whether the task role is that of `like_service`.
    fn takes_task_role(&self) -> bool {
        self.task_role_arn.is_empty() && self.task_role_like_service
    }
}

fn yes() -> bool {
    true
}
fn thirty() -> u64 {
    30
}
fn five() -> u64 {
    5
}
fn three() -> u64 {
    3
}

/// Fargate's sizes: CPU units, and the memory in MiB from, to, in steps of.
const FARGATE: &[(u64, u64, u64, u64)] = &[
    (256, 512, 512, 512),
    (256, 1024, 2048, 1024),
    (512, 1024, 4096, 1024),
    (1024, 2048, 8192, 1024),
    (2048, 4096, 16384, 1024),
    (4096, 8192, 30720, 1024),
    (8192, 16384, 61440, 4096),
    (16384, 32768, 122_880, 8192),
];

/// What is wrong with a Fargate size, and what to write instead.
fn wrong_size(cpu: u64, memory: u64) -> Option<(&'static str, String, String)> {
    let rows: Vec<_> = FARGATE.iter().filter(|row| row.0 == cpu).collect();
    if rows.is_empty() {
        let known = "256, 512, 1024, 2048, 4096, 8192 or 16384";
        return Some(("/cpu", format!("Fargate has no task of {cpu} CPU units"), format!("write {known}")));
    }
    let fits = rows.iter().any(|(_, from, to, step)| (*from..=*to).contains(&memory) && (memory - from).is_multiple_of(*step));
    if fits {
        return None;
    }
    let (from, to) = (rows[0].1, rows.last().map_or(0, |row| row.2));
    let step = rows.last().map_or(0, |row| row.3);
    let hint = format!("with cpu {cpu}, memory is {from} to {to} in steps of {step}");
    Some(("/memory", format!("Fargate has no task of {cpu} CPU units with {memory} MiB"), hint))
}

impl StageKind for TaskDefinition {
    fn kind(&self) -> &'static str {
        "task_definition"
    }

    fn check(&self, decl: &StageDecl) -> Vec<Problem> {
        let settings: Settings = match settings(decl) {
            Ok(settings) => settings,
            Err(problems) => return problems,
        };
        let mut problems = Vec::new();
        if let Some((pointer, message, hint)) = wrong_size(settings.cpu, settings.memory) {
            problems.push(decl.problem_at(pointer, message, Some(hint)));
        }
        if !settings.container.values().any(|container| container.essential) {
            problems.push(decl.problem_at("/container", "no container is essential", Some("write essential = true".to_owned())));
        }
        for (name, container) in &settings.container {
            if container.image.trim().is_empty() {
                problems.push(decl.problem_at(
                    &format!("/container/{name}/image"),
                    format!("container `{name}` has no image"),
                    None,
                ));
            }
            if let Some(check) = container.health_check() {
                let at = format!("/container/{name}/health_check");
                if !matches!(check.command.first().map(String::as_str), Some("CMD" | "CMD-SHELL")) {
                    let hint = Some("write [\"CMD-SHELL\", \"…\"]".to_owned());
                    problems.push(decl.problem_at(
                        &format!("{at}/command"),
                        "a health check's command begins with CMD or CMD-SHELL",
                        hint,
                    ));
                }
                for (member, value, from, to) in [
                    ("interval", check.interval, 5, 300),
                    ("timeout", check.timeout, 2, 60),
                    ("retries", check.retries, 1, 10),
                    ("start_period", check.start_period, 0, 300),
                ] {
                    if !(from..=to).contains(&value) {
                        problems.push(decl.problem_at(
                            &format!("{at}/{member}"),
                            format!("{member} is {from} to {to}, not {value}"),
                            None,
                        ));
                    }
                }
            }
        }
        problems
    }

    fn wants(&self, decl: &StageDecl, wants: &mut Wants) {
        let settings: Settings = checked(decl);
        permits::registers(wants, &facts::Resource::Family(settings.family.clone()));
        let roles = match (settings.execution_role_arn.is_empty(), settings.takes_task_role()) {
            (true, false) => Some(Roles::Execution),
            (false, true) => Some(Roles::Task),
            (true, true) => Some(Roles::All),
            (false, false) => None,
        };
        if let Some(roles) = roles {
            wants.permit("iam:PassRole", facts::Resource::RolesOf(settings.like_service.clone(), roles));
        }
        for role in [&settings.execution_role_arn, &settings.task_role_arn].into_iter().filter(|role| !role.is_empty()) {
            wants.permit("iam:PassRole", facts::Resource::Role(role.clone()));
        }
        for log in settings.container.values().filter_map(|container| container.log.as_ref()) {
            permits::reads_logs(wants, &log.group);
            wants.log_writers.insert((log.group.clone(), settings.execution_role_arn.clone(), settings.like_service.clone()));
        }
        wants.families.insert(settings.family);
        wants.services.insert(settings.like_service);
    }

    fn subject<'a>(&self, decl: &'a StageDecl, _facts: &Facts, subject: &mut Subject<'a>) {
        let Settings { family, cpu, memory, container, .. } = checked(decl);
        let ports = container.values().flat_map(|container| container.ports.iter().copied()).collect();
        let images = container.into_iter().map(|(name, container)| (name, container.image)).collect();
        subject.definitions.push(Definition { decl, family, cpu, memory, ports, images });
    }

    fn way_back(&self) -> &'static str {
        "deregisters the revision; its number stays used"
    }

    fn plan(&self, decl: &StageDecl, planning: &mut Planning<'_>) -> StagePlan {
        let settings: Settings = checked(decl);
        let family = settings.family.clone();
        let content = content(decl, &settings, planning);
        planning.sketch.containers.insert(family.clone(), settings.container.keys().cloned().collect());
        let newest = planning.facts.newest.get(&family);
        if let Some(found) = newest.filter(|found| found.content_digest() == digest(&normalised(&content))) {
            planning.sketch.revisions.insert(family.clone(), Known::Now(json!(found.arn())));
            let resource = Resource {
                kind: "task definition".to_owned(),
                name: family,
                disposition: Disposition::AlreadySo,
                changes: Vec::new(),
            };
            return stage_plan(decl, vec![resource], Vec::new());
        }
        let mut lane = LaneBuilder::new(decl, &family);
        let used_by: Vec<&str> = vec![&family];
        let params = json!({ "family": family, "content": content, "tags": settings.tags, "cluster": planning.facts.cluster, "usedBy": used_by });
        let title = format!("register {family}");
        let register = lane.step("register", "ecs.register-task-definition", StepClass::Mutation, title, params, Vec::new());
        let revision = later(&register, "/taskDefinition");
        let inputs = vec![("/taskDefinition", revision.clone())];
        let title = "check what was registered".to_owned();
        lane.step("verify", "ecs.verify-task-definition", StepClass::Verify, title, json!({ "content": content }), inputs);
        planning.sketch.revisions.insert(family.clone(), revision);
        let disposition = if newest.is_some() { Disposition::Update } else { Disposition::Create };
        let changes = changes(newest.map(|found| normalised(&found.register_input())).as_ref(), &content);
        let resource = Resource { kind: "task definition".to_owned(), name: family, disposition, changes };
        stage_plan(decl, vec![resource], lane.build().into_iter().collect())
    }
}

/// The register input.
fn content(decl: &StageDecl, settings: &Settings, planning: &mut Planning<'_>) -> Value {
    let like = planning.facts.definition_of(&settings.like_service);
    let inherited = |member: &str| like.map_or(Value::Null, |definition| definition.body[member].clone());
    let mut content = json!({
        "family": settings.family,
        "networkMode": "awsvpc",
        "requiresCompatibilities": ["FARGATE"],
        "cpu": settings.cpu.to_string(),
        "memory": settings.memory.to_string(),
        "containerDefinitions": settings.container.iter().map(|(name, container)| definition(name, container, &planning.facts.region)).collect::<Vec<_>>(),
    });
    let role =
        if settings.execution_role_arn.is_empty() { inherited("executionRoleArn") } else { json!(settings.execution_role_arn) };
    let platform = inherited("runtimePlatform");
    let task_role = match settings.task_role_arn.as_str() {
        "" if settings.takes_task_role() => inherited("taskRoleArn"),
        "" => Value::Null,
        given => json!(given),
    };
    for (member, value) in [("executionRoleArn", role), ("runtimePlatform", platform), ("taskRoleArn", task_role)] {
        if !value.is_null() {
            content[member] = value;
        }
    }
    if settings.takes_task_role() && content["taskRoleArn"].is_null() {
        let found = format!("the task definition of `{}` has no task role, and none is given", settings.like_service);
        let fix = format!("give one with {}", decl.setting("/task_role_arn"));
        planning.raise(
            &NO_TASK_ROLE,
            Seen::new(&settings.family, found, "what runs there could not call AWS, unless it has keys of its own", fix),
        );
    }
    if content["executionRoleArn"].is_null() && settings.container.values().any(|container| container.log.is_some()) {
        let found = format!("the task definition of `{}` has no execution role, and none is given", settings.like_service);
        let fix = format!("give one with {}", decl.setting("/execution_role_arn"));
        planning.raise(&NO_EXECUTION_ROLE, Seen::new(&settings.family, found, "Fargate cannot write the containers' logs", fix));
    }
    content
}

fn definition(name: &str, container: &Container, region: &str) -> Value {
    let mut value = json!({
        "name": name,
        "image": container.image,
        "essential": container.essential,
        "portMappings": container.ports.iter().map(|port| json!({ "containerPort": port.number, "hostPort": port.number, "protocol": port.protocol.word() })).collect::<Vec<_>>(),
        "environment": container.environment.iter().map(|(name, value)| json!({ "name": name, "value": value })).collect::<Vec<_>>(),
    });
    if !container.secrets.is_empty() {
        let secret = |(name, from): (&String, &String)| json!({ "name": name, "valueFrom": from });
        value["secrets"] = container.secrets.iter().map(secret).collect();
    }
    if !container.command.is_empty() {
        value["command"] = json!(container.command);
    }
    if let Some(log) = &container.log {
        value["logConfiguration"] = json!({ "logDriver": "awslogs",
            "options": { "awslogs-group": log.group, "awslogs-region": region, "awslogs-stream-prefix": log.stream_prefix } });
    }
    if let Some(check) = container.health_check() {
        value["healthCheck"] =
            json!({ "command": check.command, "interval": check.interval, "timeout": check.timeout, "retries": check.retries });
        if check.start_period > 0 {
            value["healthCheck"]["startPeriod"] = json!(check.start_period);
        }
    }
    value
}

/// What is new about it. Of its environment the names alone are told: what the operator puts there may be secret.
fn changes(newest: Option<&Value>, content: &Value) -> Vec<Change> {
    diff::changes(newest, &normalised(content), &|_| false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fargate_sizes() {
        for (cpu, memory) in [(256, 512), (256, 2048), (1024, 2048), (1024, 8192), (8192, 20480), (16384, 122_880)] {
            assert_eq!(wrong_size(cpu, memory), None, "{cpu}/{memory}");
        }
        assert_eq!(wrong_size(1000, 2048).map(|(at, ..)| at), Some("/cpu"));
        for (cpu, memory) in [(256, 1536), (256, 4096), (1024, 1024), (1024, 2500), (8192, 17408)] {
            assert_eq!(wrong_size(cpu, memory).map(|(at, ..)| at), Some("/memory"), "{cpu}/{memory}");
        }
        assert_eq!(
            wrong_size(1024, 1024).map(|(.., hint)| hint).as_deref(),
            Some("with cpu 1024, memory is 2048 to 8192 in steps of 1024")
        );
    }
}
