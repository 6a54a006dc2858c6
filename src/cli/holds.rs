//! Stages and lanes named on the command line, and the holds before stages.

use std::collections::BTreeSet;

use crate::journal::{OpenRun, Store as _};
use crate::model::{Actor, Error, Plan, RecordBody, RunView, StageId};
use crate::runbook::near_miss;

/// Journals holds before stages.
pub fn hold(open: &mut OpenRun, stages: &[StageId], by: &Actor, at: jiff::Timestamp) -> Result<(), Error> {
    if stages.is_empty() {
        return Ok(());
    }
    let bodies = stages.iter().map(|stage| RecordBody::HoldSet { stage: stage.clone(), by: by.clone() }).collect();
    open.append(at, bodies).map(|_| ())
}

/// The stages that were named on the command line; each must be one of the runbook's.
pub fn stages_named<'a>(known: impl Iterator<Item = &'a StageId>, wanted: &[String]) -> Result<Vec<StageId>, Error> {
    let known: Vec<&StageId> = known.collect();
    wanted
        .iter()
        .map(|name| {
            known.iter().find(|stage| stage.as_str() == name).map(|stage| (*stage).clone()).ok_or_else(|| {
                let names: Vec<&str> = known.iter().map(|stage| stage.as_str()).collect();
                unknown(format!("the runbook has no stage `{name}`"), name, "stages", &names)
            })
        })
        .collect()
}

/// The targets that were named on the command line; each must be one that the run has a lane for, or did something for.
pub fn lanes_named(view: &RunView, wanted: &[String]) -> Result<BTreeSet<String>, Error> {
    let mut known = view.forward.targets();
    let others = view.plan.targets().into_iter().chain(view.mutations.iter().map(|made| made.target.as_str()));
    for target in others {
        if !known.contains(&target) {
            known.push(target);
        }
    }
    wanted
        .iter()
        .map(|name| {
            known
                .iter()
                .find(|target| **target == name)
                .map(|target| (*target).to_owned())
                .ok_or_else(|| unknown(format!("no stage of run `{}` has a lane for `{name}`", view.id), name, "lanes", &known))
        })
        .collect()
}

/// The error for a name that is none of the known ones.
fn unknown(message: String, name: &str, kind: &str, known: &[&str]) -> Error {
    let hint = match near_miss(name, known.iter().copied()) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("the {kind} are {}", known.join(", ")),
    };
    Error::Usage { message, hint: Some(hint) }
}

/// The stages of a plan.
pub fn plan_stages(plan: &Plan) -> impl Iterator<Item = &StageId> {
    plan.stages.iter().map(|stage| &stage.id)
}
