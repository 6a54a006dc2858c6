//! Whether the applications send where they should.

use super::{Aim, diagnosis, of_findings};
use crate::doctor::evidence::Evidence;
use crate::model::Diagnosis;

pub(super) fn overridden(evidence: &Evidence<'_>) -> Vec<Diagnosis> {
    if !evidence.is_used() {
        return Vec::new();
    }
    let cause = "another variable goes before the one that names the shared service";
    let mut all = of_findings(evidence, "traces-endpoint-overrides", None, cause);
    all.extend(of_findings(evidence, "endpoint-from-secret", None, "the variable comes from a secret, which has another value"));
    all
}

pub(super) fn protocol(evidence: &Evidence<'_>) -> Vec<Diagnosis> {
    if !evidence.is_used() {
        return Vec::new();
    }
    of_findings(evidence, "protocol-port-mismatch", None, "the exporter speaks another protocol than the port that it sends to")
}

/// How the variable gets the value that it should have.
fn set_right(evidence: &Evidence<'_>, aim: &Aim<'_>) -> Vec<String> {
    let name = &aim.set.variable;
    match evidence.forward() {
        Some(trouble) => vec![
            format!("see what was changed meanwhile with `sidestep status {}`", trouble.run),
            format!("deploy `{}` with {name} = {}, then `sidestep resume {} --replan`", aim.service, aim.set.to, trouble.run),
        ],
        None => vec![format!("deploy `{}` with {name} = {}", aim.service, aim.set.to), evidence.go_on()],
    }
}

/// The variable has neither the value before nor the one after.
pub(super) fn elsewhere(evidence: &Evidence<'_>) -> Vec<Diagnosis> {
    let aims = evidence.aims();
    let lost = aims.iter().filter(|aim| !aim.is_moved() && aim.value != aim.set.from);
    let one = |aim: &Aim<'_>| {
        let words = format!("{}; before the migration it is `{}`, after it `{}`", aim.words(), aim.set.from, aim.set.to);
        let cause = "the application sends somewhere else than to its sidecar or to the shared service";
        diagnosis("endpoint-elsewhere", aim.service, cause, vec![words], set_right(evidence, aim))
    };
    lost.map(one).collect()
}

/// The variable still names the sidecar, which is gone.
pub(super) fn sidecar_gone(evidence: &Evidence<'_>) -> Vec<Diagnosis> {
    let aims = evidence.aims();
    let gone = |aim: &&Aim<'_>| aim.value == aim.set.from && !has_sidecar(evidence, aim.service);
    let one = |aim: &Aim<'_>| {
        let sidecar = evidence.subject.moved.get(aim.service).map(|moved| moved.sidecar()).unwrap_or_default();
        let words = format!("{}, and the task definition has no container `{sidecar}`", aim.words());
        let cause = "the application sends to its sidecar, which is gone";
        diagnosis("sidecar-gone", aim.service, cause, vec![words], set_right(evidence, aim))
    };
    aims.iter().filter(gone).map(one).collect()
}

/// Something else than the variables still points at a sidecar that is gone.
pub(super) fn sidecar_addressed(evidence: &Evidence<'_>) -> Vec<Diagnosis> {
    let found =
        of_findings(evidence, "sidecar-still-addressed", None, "something in the task still points at the sidecar, which is gone");
    found.into_iter().filter(|diagnosis| !has_sidecar(evidence, &diagnosis.about)).collect()
}

fn has_sidecar(evidence: &Evidence<'_>, service: &str) -> bool {
    let sidecar = evidence.subject.moved.get(service).map(|moved| moved.sidecar()).unwrap_or_default();
    evidence.facts.definition_of(service).is_none_or(|definition| definition.container(sidecar).is_some())
}
