//! The checks of a plan, for what is there already: of a service that was moved they say what its move rests on now.

use std::collections::BTreeSet;

use super::checks::{self, Scene};
use crate::model::{Finding, Runbook};
use crate::stages::facts::Facts;
use crate::stages::registry;
use crate::stages::subject::Subject;

/// What a runbook is about, as these facts have it.
pub fn subject<'a>(runbook: &'a Runbook, facts: &Facts) -> Subject<'a> {
    let mut subject = Subject::default();
    for decl in &runbook.stages {
        if let Some(kind) = registry::kind(&decl.kind) {
            kind.subject(decl, facts, &mut subject);
        }
    }
    for decl in &runbook.off {
        if let Some(kind) = registry::kind(&decl.kind) {
            kind.offers(decl, facts, &mut subject);
        }
    }
    subject
}

/// What the checks find, whether or not anything is still to be done.
pub fn standing(runbook: &Runbook, facts: &Facts) -> Vec<Finding> {
    let mut subject = subject(runbook, facts);
    for retarget in subject.moved.values_mut().filter_map(|moved| moved.retarget.as_mut()) {
        retarget.due = true;
    }
    for shared in &mut subject.shared {
        shared.due = true;
    }
    // What a stage would repair is not repaired by it now.
    subject.openings.retain(|stage| !stage.on);
    subject.health_paths.retain(|stage| !stage.on);
    checks::run(&Scene { facts, subject: &subject, account_named: true })
}

/// The log groups that a runbook's tasks write to.
pub fn log_groups(runbook: &Runbook) -> Vec<String> {
    let wants = registry::wants(runbook);
    let written = wants.log_writers.into_iter().map(|(group, ..)| group);
    let all: BTreeSet<String> = wants.log_groups.into_iter().chain(written).collect();
    all.into_iter().collect()
}
