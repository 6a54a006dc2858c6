//! Why tasks do not start, or do not stay.

use serde_json::Value;

use super::diagnosis;
use crate::aws::task_definition::{family_of, short_name};
use crate::doctor::evidence::Evidence;
use crate::doctor::patient::Patient;
use crate::doctor::sayings::{Saying, meaning};
use crate::model::Diagnosis;
use crate::stages::steps::{exited_containers, stop_reason, task_id};

/// Tasks stopped, and AWS says why. Those of the newest deployment that failed count: what went before may be repaired.
pub(super) fn tasks_fail(evidence: &Evidence<'_>) -> Vec<Diagnosis> {
    evidence.patients.iter().flat_map(|patient| of_patient(evidence, patient)).collect()
}

fn of_patient(evidence: &Evidence<'_>, patient: &Patient) -> Vec<Diagnosis> {
    let failing = patient.failing();
    let Some(deployment) = failing.first().map(|task| task["startedBy"].clone()) else { return Vec::new() };
    let mut causes: Vec<(&Saying, Vec<&Value>)> = Vec::new();
    for task in failing.into_iter().filter(|task| task["startedBy"] == deployment) {
        let Some(saying) = meaning(&stop_reason(task)) else { continue };
        match causes.iter_mut().find(|(known, _)| known.id == saying.id) {
            Some((_, tasks)) => tasks.push(task),
            None => causes.push((saying, vec![task])),
        }
    }
    let one = |(saying, tasks): (&Saying, Vec<&Value>)| {
        let newest = tasks[0];
        let definition = short_name(newest["taskDefinitionArn"].as_str().unwrap_or_default());
        let mut words = vec![format!("task {} ({definition}): {}", task_id(newest), stop_reason(newest))];
        if tasks.len() > 1 {
            words.push(format!("{} tasks of the deployment stopped so within the last hour", tasks.len()));
        }
        words.extend(rollout(patient));
        let next = remedies(evidence, patient, newest, saying.id);
        diagnosis(saying.id, &patient.name, saying.cause, words, next)
    };
    causes.into_iter().map(one).collect()
}

/// What the deployment says of itself, and the newest event about it.
fn rollout(patient: &Patient) -> Vec<String> {
    let reason = patient.primary()["rolloutStateReason"].as_str().map(|reason| format!("deployment: {reason}"));
    let event = patient.event(|message| meaning(message).is_some() || message.contains("unable to consistently start"));
    reason.into_iter().chain(event.map(|message| format!("service event: {message}"))).collect()
}

/// A container that is not essential has exited, and its task runs on without it: ECS calls the service steady, and starts it no more.
pub(super) fn container_exited(evidence: &Evidence<'_>) -> Vec<Diagnosis> {
    let look = |patient: &Patient| {
        let sidecar = evidence.subject.moved.get(&patient.name).map(|moved| moved.sidecar());
        let own = || evidence.facts.definition_of(&patient.name).into_iter().flat_map(|definition| definition.containers());
        let all = own().filter(|_| patient.shared).filter_map(|container| container["name"].as_str());
        let names: Vec<&str> = all.chain(sidecar).collect();
        let words: Vec<String> = patient.running.iter().flat_map(|task| exited_containers(task, names.iter().copied())).collect();
        if words.is_empty() {
            return None;
        }
        let again =
            format!("ecs update-service --cluster {} --service {} --force-new-deployment", evidence.facts.cluster, patient.name);
        let anew = match &evidence.trouble {
            // The run's own step deploys it again.
            Some(_) => evidence.go_on(),
            None => format!("have ECS start new tasks: {}", evidence.aws(&again)),
        };
        let next = vec![format!("read its last lines: {}", lines(evidence, patient)), anew];
        let cause = "a container that is not essential has exited, and ECS does not start it again while its task runs";
        Some(diagnosis("container-exited", &patient.name, cause, words, next))
    };
    evidence.patients.iter().filter_map(look).collect()
}

/// No task stopped and none runs: an event says why.
pub(super) fn tasks_wait(evidence: &Evidence<'_>) -> Vec<Diagnosis> {
    let look = |patient: &Patient| {
        if patient.is_steady() || !patient.failing().is_empty() {
            return None;
        }
        let is_placing = |message: &str| message.contains("unable to place") || message.contains("unable to assume");
        let said = patient.event(is_placing)?;
        let saying = meaning(said)?;
        let next = remedies(evidence, patient, &Value::Null, saying.id);
        Some(diagnosis(saying.id, &patient.name, saying.cause, vec![format!("service event: {said}")], next))
    };
    evidence.patients.iter().filter_map(look).collect()
}

/// Tasks are missing, and nothing says why any more: stopped tasks vanish after an hour.
pub(super) fn unexplained(evidence: &Evidence<'_>) -> Vec<Diagnosis> {
    let look = |patient: &Patient| {
        if patient.is_well() {
            return None;
        }
        let events = patient.service["events"].as_array().into_iter().flatten();
        let mut words: Vec<String> = events
            .filter_map(|event| event["message"].as_str())
            .take(3)
            .map(|message| format!("service event: {message}"))
            .collect();
        words.splice(..0, patient.primary()["rolloutStateReason"].as_str().map(|reason| format!("deployment: {reason}")));
        let name = &patient.name;
        let again = format!("ecs update-service --cluster {} --service {name} --force-new-deployment", evidence.facts.cluster);
        let next = match &evidence.trouble {
            Some(_) => vec![evidence.go_on()],
            None => vec![format!("have ECS try again, to see the reason: {}", evidence.aws(&again)), evidence.go_on()],
        };
        let cause = "the service does not run as it should, and no task is left that says why: stopped tasks vanish after an hour";
        Some(diagnosis("tasks-missing", name, cause, words, next))
    };
    evidence.patients.iter().filter_map(look).collect()
}

/// What to do about a cause, with exact commands.
fn remedies(evidence: &Evidence<'_>, patient: &Patient, task: &Value, id: &str) -> Vec<String> {
    let role = || role(evidence, patient);
    let attach = |policy: &str| {
        let arn = format!("arn:aws:iam::aws:policy/service-role/{policy}");
        evidence.aws(&format!("iam attach-role-policy --role-name {} --policy-arn {arn}", role()))
    };
    let definition = short_name(task["taskDefinitionArn"].as_str().unwrap_or_default()).to_owned();
    let mut next = match id {
        "image-missing" => setting(evidence, patient, "image", "an image that exists"),
        "registry-limit" => setting(evidence, patient, "image", "an image in a registry of your own (ECR)"),
        "registry-unreachable" => {
            let finding = evidence.findings.iter().find(|finding| finding.id == "no-way-to-registry");
            let subnets = evidence.facts.subnets_of(&patient.name).join(",");
            let tables = format!("ec2 describe-route-tables --filters Name=association.subnet-id,Values={subnets}");
            let usual = "give the subnets a NAT gateway, or put the image into ECR with VPC endpoints".to_owned();
            vec![finding.map_or(usual, |finding| finding.fix.clone()), format!("see their routes: {}", evidence.aws(&tables))]
        }
        "registry-refuses" | "logs-denied" | "setup-denied" => {
            vec![format!("allow it for the execution role: {}", attach("AmazonECSTaskExecutionRolePolicy"))]
        }
        "log-group-missing" => groups(evidence, patient)
            .iter()
            .map(|group| format!("make it: {}", evidence.aws(&format!("logs create-log-group --log-group-name {group}"))))
            .collect(),
        "role-not-assumable" => {
            vec![format!("see its trust policy: {}", evidence.aws(&format!("iam get-role --role-name {}", role())))]
        }
        "addresses-used-up" => {
            let subnets = evidence.facts.subnets_of(&patient.name).join(" ");
            vec![format!("see what is free: {}", evidence.aws(&format!("ec2 describe-subnets --subnet-ids {subnets}")))]
        }
        "out-of-memory" => setting(evidence, patient, "memory", "more memory"),
        "container-exits" => vec![format!("read its last lines: {}", lines(evidence, patient))],
        "container-check-fails" => {
            let words = format!(
                "ecs describe-task-definition --task-definition {definition} --query taskDefinition.containerDefinitions[].healthCheck"
            );
            vec![
                format!("see what the check asks for: {}", evidence.aws(&words)),
                format!("read its lines: {}", lines(evidence, patient)),
            ]
        }
        "no-capacity" => vec![
            "wait: ECS tries again by itself, more and more seldom".to_owned(),
            "or ask for less: smaller cpu and memory, or subnets in more Availability Zones".to_owned(),
        ],
        _ => {
            let words = format!("ecs describe-services --cluster {} --services {}", evidence.facts.cluster, patient.name);
            vec![format!("see more: {}", evidence.aws(&words))]
        }
    };
    // What a run is amended by is its own way on.
    if !next.iter().any(|words| words.contains("`sidestep resume ")) {
        next.push(evidence.go_on());
    }
    next
}

/// How another value is given to a member of the task definition that the runbook registers.
fn setting(evidence: &Evidence<'_>, patient: &Patient, member: &str, what: &str) -> Vec<String> {
    let runs = patient.service["taskDefinition"].as_str().map(family_of).unwrap_or_default();
    let Some(definition) = evidence.subject.definitions.iter().find(|definition| definition.family == runs) else {
        return vec![format!("deploy the service with {what}")];
    };
    let pointer = match (member, definition.images.keys().next()) {
        ("image", Some(container)) => format!("/container/{container}/image"),
        _ => format!("/{member}"),
    };
    let named = definition.decl.setting(&pointer);
    let variable = definition.decl.variables.get(&pointer).and_then(|variables| variables.first());
    match (evidence.forward(), variable) {
        (Some(trouble), Some(variable)) => {
            vec![format!("name {what} and go on: `sidestep resume {} --var {variable}=…`", trouble.run)]
        }
        _ if evidence.trouble.is_none() => vec![format!("name {what} with {named}, then `sidestep run`")],
        _ => vec![format!("name {what} with {named}")],
    }
}

/// The name of the execution role of what the service runs.
fn role(evidence: &Evidence<'_>, patient: &Patient) -> String {
    let arn = evidence.facts.definition_of(&patient.name).and_then(|definition| definition.body["executionRoleArn"].as_str());
    arn.and_then(|arn| arn.rsplit('/').next()).unwrap_or("ROLE").to_owned()
}

/// The log groups that it writes to.
fn groups(evidence: &Evidence<'_>, patient: &Patient) -> Vec<String> {
    let containers = evidence.facts.definition_of(&patient.name).into_iter().flat_map(|definition| definition.containers());
    let mut groups: Vec<String> = containers
        .filter_map(|container| container["logConfiguration"]["options"]["awslogs-group"].as_str())
        .map(str::to_owned)
        .collect();
    groups.dedup();
    groups
}

/// The command that shows what it logs.
fn lines(evidence: &Evidence<'_>, patient: &Patient) -> String {
    match groups(evidence, patient).first() {
        _ if patient.shared => "`sidestep logs --since 1h`".to_owned(),
        Some(group) => evidence.aws(&format!("logs tail {group} --since 1h")),
        None => "the service writes no log to CloudWatch Logs".to_owned(),
    }
}
