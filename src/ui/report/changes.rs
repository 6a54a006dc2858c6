//! Every mutation that the run began: what became of it, what AWS calls what came of it, and what it replaced.
//!
//! Of a step's parameters only names are read here: they can hold settings of containers.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::model::{Direction, Failure, Plan, Record, RecordBody, RunView, StepClass, StepId, StepPlan, Verdict};

use super::value::{ChangeRow, Effect, Fate, Identifier};

/// The mutations, in the order in which they were begun; `view` is where the records lead to.
pub(super) fn rows(records: &[Record], view: &RunView) -> Vec<ChangeRow> {
    let mut plan: Option<&Plan> = None;
    let mut rows: Vec<ChangeRow> = Vec::new();
    // The newest attempt of each step.
    let mut newest: BTreeMap<&StepId, usize> = BTreeMap::new();
    for record in records {
        if let RecordBody::PlanAdopted { plan: adopted, .. } = &record.body {
            plan = Some(adopted);
        }
        if let RecordBody::StepStarted { step, attempt, intent } = &record.body
            && let Some(row) = plan.and_then(|plan| begun(plan, record, step, *attempt, intent))
        {
            newest.insert(step, rows.len());
            rows.push(row);
        } else if let Some(at) = record.body.step().and_then(|step| newest.get(step)) {
            let step = plan.and_then(|plan| plan.step(&rows[*at].step));
            became(&mut rows[*at], &record.body, step, records);
        }
    }
    for row in rows.iter_mut().filter(|row| row.fate == Fate::Stands && row.direction == Direction::Forward) {
        if !view.mutations.iter().any(|made| made.seq == row.seq) {
            row.fate = Fate::Undone;
        }
    }
    rows
}

fn begun(plan: &Plan, record: &Record, step: &StepId, attempt: u32, intent: &Value) -> Option<ChangeRow> {
    let (stage, lane, planned) = plan.steps().find(|(_, _, planned)| planned.id == *step)?;
    (planned.class == StepClass::Mutation).then(|| ChangeRow {
        seq: record.seq,
        at: record.at,
        direction: plan.direction,
        stage: stage.id.clone(),
        target: lane.target.clone(),
        step: step.clone(),
        title: planned.title.clone(),
        attempt,
        fate: if intent["already"] == true { Fate::AlreadySo } else { Fate::Unknown },
        why: String::new(),
        operation: None,
        request_id: None,
        identifiers: Vec::new(),
        effects: Vec::new(),
    })
}

fn became(row: &mut ChangeRow, body: &RecordBody, step: Option<&StepPlan>, records: &[Record]) {
    let took_effect = if row.direction == Direction::Back { Fate::Undid } else { Fate::Stands };
    let intent = || {
        let started = usize::try_from(row.seq).ok().and_then(|seq| records.get(seq - 1)).map(|record| &record.body);
        match started {
            Some(RecordBody::StepStarted { intent, .. }) => (**intent).clone(),
            _ => Value::Null,
        }
    };
    match body {
        RecordBody::StepSucceeded { output, call, .. } => {
            if row.fate == Fate::AlreadySo {
                row.why = output["found"].as_str().unwrap_or_default().to_owned();
                return;
            }
            row.effects = step.map(|step| effects(step, &intent(), output)).unwrap_or_default();
            row.fate = took_effect;
            row.why = String::new();
            row.identifiers = identifiers(output);
            if let Some(call) = call {
                row.operation = Some(call.operation.clone());
                row.request_id.clone_from(&call.request_id);
            }
        }
        RecordBody::StepObserved { verdict: Verdict::Done { output }, .. } if row.fate == Fate::Unknown => {
            row.effects = step.map(|step| effects(step, &intent(), output)).unwrap_or_default();
            row.fate = took_effect;
            row.why = "no answer arrived; its effect was found".to_owned();
            row.identifiers = identifiers(output);
        }
        RecordBody::StepFailed { failure, .. } => failed(row, Fate::NoEffect, failure),
        RecordBody::StepInDoubt { failure, .. } => failed(row, Fate::Unknown, failure),
        RecordBody::StepObserved { verdict: Verdict::NotDone { why }, .. } => {
            (row.fate, row.why) = (Fate::NoEffect, why.clone());
        }
        RecordBody::StepObserved { verdict: Verdict::TakenBack { why }, .. } => {
            (row.fate, row.why) = (Fate::TakenBack, why.clone());
        }
        RecordBody::StepObserved { verdict: Verdict::Diverged { differences }, .. } => row.why = differences.join("; "),
        _ => {}
    }
}

fn failed(row: &mut ChangeRow, fate: Fate, failure: &Failure) {
    row.fate = fate;
    row.why = std::iter::once(&failure.message).chain(&failure.causes).cloned().collect::<Vec<_>>().join(": ");
    row.request_id.clone_from(&failure.request_id);
}

/// The members of an output that name something.
const NAMES: &[(&str, &str)] = &[
    ("taskDefinition", "task definition"),
    ("service", "service"),
    ("serviceId", "Cloud Map service"),
    ("registryArn", "service registry"),
    ("name", "log group"),
    ("deployment", "deployment"),
];

fn identifiers(output: &Value) -> Vec<Identifier> {
    let named = |(member, of): &(&str, &'static str)| Some(Identifier { of, id: output[*member].as_str()?.to_owned() });
    NAMES.iter().filter_map(named).collect()
}

/// What was there before the step and after it, as its intent and its output have it.
fn effects(step: &StepPlan, intent: &Value, output: &Value) -> Vec<Effect> {
    let param = |name: &str| step.params[name].as_str().unwrap_or_default().to_owned();
    let effect = |of: String, before: &str, after: &str| vec![Effect { of, before: before.to_owned(), after: after.to_owned() }];
    const NONE: &str = "not there";
    match step.action.as_str() {
        "logs.create-log-group" => effect(format!("log group {}", param("name")), NONE, "created"),
        "logs.delete-log-group" => effect(format!("log group {}", param("name")), "there", "deleted"),
        "logs.put-retention" => {
            let days = |value: &Value| value.as_u64().map_or("never expires".to_owned(), |days| format!("{days} days"));
            let of = format!("retention of log group {}", param("name"));
            effect(of, &days(&intent["replaced"]), &days(&step.params["days"]))
        }
        "ecs.register-task-definition" | "ecs.register-edited-task-definition" => {
            let arn = output["taskDefinition"].as_str().map(short).unwrap_or_default();
            let (family, number) = arn.rsplit_once(':').unwrap_or((arn, ""));
            let before =
                intent["newest"].as_u64().filter(|newest| *newest > 0).map_or("none".to_owned(), |newest| newest.to_string());
            effect(format!("newest revision of {family}"), &before, number)
        }
        "ecs.deregister-task-definition" => {
            effect(format!("task definition {}", short(&param("taskDefinition"))), "ACTIVE", "INACTIVE")
        }
        "ecs.create-service" if intent["mode"] == "create" => effect(format!("service {}", param("service")), NONE, "created"),
        "ecs.delete-service" => effect(format!("service {}", param("service")), "there", "deleted"),
        "ecs.update-service" => {
            let (replaced, set) = (&intent["replaced"], &output["set"]);
            let members = set.as_object().into_iter().flatten();
            let member = |(name, after): (&String, &Value)| Effect {
                of: format!("{name} of service {}", param("service")),
                before: words(&replaced[name.as_str()]),
                after: words(after),
            };
            members.filter(|(name, after)| replaced[name.as_str()] != **after).map(member).collect()
        }
        "servicediscovery.create-service" => effect(format!("Cloud Map service {}", param("name")), NONE, "created"),
        "servicediscovery.delete-service" => effect(format!("Cloud Map service {}", param("name")), "there", "deleted"),
        _ => Vec::new(),
    }
}

/// The part of an ARN that people call the thing by: `family:3`, `targetgroup/name/id`.
pub(super) fn short(arn: &str) -> &str {
    let resource = arn.strip_prefix("arn:").and_then(|rest| rest.splitn(5, ':').nth(4)).unwrap_or(arn);
    resource.strip_prefix("task-definition/").unwrap_or(resource)
}

/// A member of a service in words.
fn words(value: &Value) -> String {
    match value {
        Value::Null => "none".to_owned(),
        Value::String(text) => short(text).to_owned(),
        Value::Array(entries) if entries.is_empty() => "none".to_owned(),
        Value::Array(entries) => entries.iter().map(entry).collect::<Vec<_>>().join(", "),
        other => other.to_string(),
    }
}

/// A load balancer, or a service registry.
fn entry(value: &Value) -> String {
    let text = |member: &str| value[member].as_str().map(short);
    match (text("targetGroupArn"), text("registryArn")) {
        (Some(group), _) => format!("{}:{} in {group}", text("containerName").unwrap_or("?"), value["containerPort"]),
        (None, Some(registry)) => registry.to_owned(),
        _ => words(value),
    }
}
