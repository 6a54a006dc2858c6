//! Stages named on the command line, and the holds before them.

use crate::journal::{OpenRun, Store as _};
use crate::model::{Actor, Error, Plan, RecordBody, StageId};
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
                let hint = match near_miss(name, names.iter().copied()) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => format!("the stages are {}", names.join(", ")),
                };
                Error::Usage { message: format!("the runbook has no stage `{name}`"), hint: Some(hint) }
            })
        })
        .collect()
}

/// The stages of a plan.
pub fn plan_stages(plan: &Plan) -> impl Iterator<Item = &StageId> {
    plan.stages.iter().map(|stage| &stage.id)
}
