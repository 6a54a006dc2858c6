//! What stopped a run.

use super::diagnosis;
use crate::doctor::evidence::{Evidence, Trouble};
use crate::doctor::sayings::{lacks_permission, meaning, said};
use crate::model::{Diagnosis, Failure};

/// What AWS said, the outermost words first.
fn words(failure: &Failure) -> Vec<String> {
    let id = failure.request_id.as_ref().map(|id| format!("AWS's request id: {id}"));
    std::iter::once(failure.message.clone()).chain(failure.causes.iter().cloned()).chain(id).collect()
}

fn failed<'a>(evidence: &'a Evidence<'_>) -> Option<(&'a Trouble, &'a Failure)> {
    let trouble = evidence.trouble.as_ref()?;
    Some((trouble, trouble.failure.as_ref()?))
}

/// AWS refused a call of the run for want of a permission.
pub(super) fn refused(evidence: &Evidence<'_>) -> Vec<Diagnosis> {
    let look = || {
        let (trouble, failure) = failed(evidence).filter(|(_, failure)| lacks_permission(failure))?;
        let policy = format!("allow it for the caller: `sidestep policy --run {}` prints all that is needed", trouble.run);
        let next = vec![policy, evidence.go_on()];
        Some(diagnosis(
            "permission-missing",
            &trouble.stage,
            "AWS refuses the run a permission that it needs",
            words(failure),
            next,
        ))
    };
    look().into_iter().collect()
}

/// The run stopped, and nothing of the account says why.
pub(super) fn stopped(evidence: &Evidence<'_>) -> Option<Diagnosis> {
    let (trouble, failure) = failed(evidence)?;
    let cause = meaning(&said(failure))
        .map_or("the run stopped, and what can be read of the account does not say why", |saying| saying.cause);
    let next = vec![format!("see where it stands, and what there is to choose, with `sidestep status {}`", trouble.run)];
    Some(diagnosis("run-stopped", &trouble.stage, cause, words(failure), next))
}
