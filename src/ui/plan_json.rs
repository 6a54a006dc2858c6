//! A plan as JSON for other programs. The form is a contract: `format` and `version` name it, members are only ever added, and a
//! member that does not apply is absent. Parameters of steps are left out: they are between the planner and the engine.

use serde_json::{Map, Value, json};

use crate::model::{Change, Finding, Lane, Plan, Resource, Severity, StagePlan, StepPlan, Target};

use super::plan_view::Counts;

/// `{"format": "sidestep-plan", "version": 1, …}`.
pub fn json(plan: &Plan) -> Value {
    let counts = Counts::of(plan);
    let mut value = json!({
        "format": "sidestep-plan",
        "version": 1,
        "run": plan.run,
        "direction": plan.direction,
        "runbook": plan.runbook,
        "runbookDigest": plan.runbook_digest,
        "digest": plan.digest(),
        "target": target(&plan.target),
        "nothingToDo": plan.is_empty(),
        "counts": {
            "create": counts.create,
            "change": counts.change,
            "remove": counts.remove,
            "adopted": counts.adopt,
            "foreign": counts.foreign,
            "alreadySo": counts.already,
        },
        "outlook": plan.outlook,
        "findings": plan.findings.iter().map(finding).collect::<Vec<_>>(),
        "stages": plan.stages.iter().map(stage).collect::<Vec<_>>(),
    });
    if let Some(url) = plan.closing.get("ui_url") {
        value["uiUrl"] = url.clone();
    }
    value
}

pub(super) fn target(target: &Target) -> Value {
    let mut value = json!({
        "account": target.account,
        "region": target.region,
        "cluster": target.cluster,
        "services": target.services,
        "environment": target.environment,
        "identity": target.identity,
    });
    if let Some(endpoint) = &target.endpoint {
        value["endpoint"] = json!(endpoint);
    }
    value
}

pub(super) fn finding(finding: &Finding) -> Value {
    let mut value = json!({
        "id": finding.id,
        "severity": finding.severity,
        "resource": finding.resource,
        "found": finding.found,
        "consequence": finding.consequence,
        "fix": finding.fix,
    });
    if finding.severity == Severity::Blocker {
        value["acceptable"] = json!(!finding.must_repair);
    }
    value
}

fn stage(stage: &StagePlan) -> Value {
    let mut value = json!({
        "id": stage.id,
        "kind": stage.kind,
        "confirm": stage.confirm,
        "warnings": stage.warnings,
        "resources": stage.resources.iter().map(resource).collect::<Vec<_>>(),
        "waves": stage.waves.iter().map(|wave| {
            json!({ "lanes": wave.lanes.iter().map(lane).collect::<Vec<_>>() })
        }).collect::<Vec<_>>(),
    });
    if !stage.way_back.is_empty() {
        value["wayBack"] = json!(stage.way_back);
    }
    if !stage.blocked_by.is_empty() {
        value["blockedBy"] = json!(stage.blocked_by);
    }
    value
}

fn resource(resource: &Resource) -> Value {
    json!({
        "type": resource.kind,
        "name": resource.name,
        "disposition": resource.disposition,
        "changes": resource.changes.iter().map(change).collect::<Vec<_>>(),
    })
}

pub(super) fn change(change: &Change) -> Value {
    let mut object = Map::new();
    object.insert("path".to_owned(), json!(change.path));
    for (name, value) in [("from", &change.from), ("to", &change.to)] {
        if let Some(value) = value {
            object.insert(name.to_owned(), value.clone());
        }
    }
    Value::Object(object)
}

fn lane(lane: &Lane) -> Value {
    json!({ "id": lane.id, "target": lane.target, "steps": lane.steps.iter().map(step).collect::<Vec<_>>() })
}

fn step(step: &StepPlan) -> Value {
    let mut value = json!({ "id": step.id, "action": step.action, "class": step.class, "title": step.title });
    if let Some(seconds) = step.deadline_s {
        value["deadlineSeconds"] = json!(seconds);
    }
    value
}
