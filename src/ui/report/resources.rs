//! What the forward plans were to change, member by member, and how each resource stands by the journal. A plan that was amended
//! on the way is planned from what the run had done by then: what was there before the run stands in the plan that named it first.

use std::collections::BTreeSet;

use crate::model::{
    Change, Direction, Disposition, Mutation, Plan, Record, RecordBody, Resource, RunView, StageId, StepClass, StepId,
};

use super::value::{ResourceRow, Standing};

/// One row for each resource of each stage.
pub(super) fn rows(records: &[Record], view: &RunView) -> Vec<ResourceRow> {
    let mut rows: Vec<ResourceRow> = Vec::new();
    for plan in records.iter().filter_map(forward) {
        for stage in &plan.stages {
            for resource in &stage.resources {
                let known =
                    rows.iter_mut().find(|row| row.stage == stage.id && (&row.kind, &row.name) == (&resource.kind, &resource.name));
                match known {
                    Some(row) => amend(row, resource),
                    None => rows.push(first(&stage.id, resource)),
                }
            }
        }
    }
    for row in &mut rows {
        row.now = standing(view, row);
    }
    // An amended plan may name what the first did not: in the order of the stages.
    let place = |row: &ResourceRow| view.forward.stages.iter().position(|stage| stage.id == row.stage);
    rows.sort_by_key(place);
    rows
}

fn forward(record: &Record) -> Option<&Plan> {
    match &record.body {
        RecordBody::PlanAdopted { plan, .. } if plan.direction == Direction::Forward => Some(plan),
        _ => None,
    }
}

fn first(stage: &StageId, resource: &Resource) -> ResourceRow {
    ResourceRow {
        stage: stage.clone(),
        kind: resource.kind.clone(),
        name: resource.name.clone(),
        disposition: resource.disposition,
        changes: resource.changes.clone(),
        now: Standing::NotReached,
    }
}

/// A later plan says anew what is to come; what was before, it does not know.
fn amend(row: &mut ResourceRow, resource: &Resource) {
    if row.disposition == Disposition::AlreadySo {
        row.disposition = resource.disposition;
    }
    for change in &resource.changes {
        match row.changes.iter_mut().find(|known| known.path == change.path) {
            Some(known) => known.to.clone_from(&change.to),
            // Of what the run made itself nothing was there before.
            None if row.disposition == Disposition::Create => row.changes.push(Change { from: None, ..change.clone() }),
            None => row.changes.push(change.clone()),
        }
    }
}

fn standing(view: &RunView, row: &ResourceRow) -> Standing {
    let lanes = || view.forward.lanes().filter(|(stage, _)| stage.id == row.stage).map(|(_, lane)| lane);
    let made = || view.took_effect().filter(|made| made.direction == Direction::Forward && made.stage == row.stage);
    // A lane is named for what it works on; where none is named for this resource, it is the stage's as a whole.
    let named = lanes().any(|lane| lane.target == row.name) || made().any(|made| made.target == row.name);
    let of_this = |target: &str| !named || target == row.name;
    let planned: BTreeSet<&StepId> = lanes()
        .filter(|lane| of_this(&lane.target))
        .flat_map(|lane| &lane.steps)
        .filter(|step| step.class == StepClass::Mutation)
        .map(|step| &step.id)
        .collect();
    let stands = |made: &&Mutation| view.mutations.iter().any(|known| known.seq == made.seq);
    let standing: BTreeSet<&StepId> =
        made().filter(|made| of_this(&made.target)).filter(stands).map(|made| &made.step.id).collect();
    if matches!(row.disposition, Disposition::AlreadySo | Disposition::Foreign) {
        Standing::AsItWas
    } else if !standing.is_empty() && planned.is_subset(&standing) {
        Standing::AsPlanned
    } else if !standing.is_empty() {
        Standing::InPart
    } else if made().any(|made| of_this(&made.target)) {
        Standing::TakenBack
    } else {
        Standing::NotReached
    }
}
