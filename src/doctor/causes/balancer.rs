//! Why a target group has no healthy target.

use super::{diagnosis, of_findings};
use crate::doctor::evidence::Evidence;
use crate::doctor::patient::Patient;
use crate::doctor::sayings::meaning;
use crate::model::Diagnosis;
use crate::stages::steps::stop_reason;

/// Whether its load balancer finds fault with the service's tasks.
fn suffers(patient: &Patient) -> bool {
    let by_check = |words: &str| meaning(words).is_some_and(|saying| saying.id == "balancer-check-fails");
    patient.bad_targets().next().is_some()
        || patient.failing().iter().any(|task| by_check(&stop_reason(task)))
        || (!patient.is_steady() && patient.event(by_check).is_some())
}

/// What the load balancer says: of its own targets, and in the service's events.
fn said(patient: &Patient) -> Vec<String> {
    let target = |(targets, target): (&crate::doctor::patient::Targets, &crate::aws::TargetHealth)| {
        let port = target.port.unwrap_or_default();
        let words = target.description.as_deref().unwrap_or("no reason given");
        format!("target {}:{port} in {} is {}: {words}", target.ip, targets.group, target.state)
    };
    let mut said: Vec<String> = patient.bad_targets().map(target).collect();
    said.extend(patient.event(|message| message.contains("is unhealthy in")).map(|message| format!("service event: {message}")));
    said.extend(patient.failing().first().map(|task| format!("stopped task: {}", stop_reason(task))));
    said
}

/// The shared services whose targets are bad.
fn suffering<'a>(evidence: &'a Evidence<'_>) -> impl Iterator<Item = &'a Patient> {
    evidence.patients.iter().filter(|patient| patient.shared && suffers(patient))
}

/// What checks find explains it.
fn explained(evidence: &Evidence<'_>, id: &str, cause: &str) -> Vec<Diagnosis> {
    let of_patient = |patient: &Patient| {
        let mut found = of_findings(evidence, id, Some(&patient.name), cause);
        for diagnosis in &mut found {
            diagnosis.evidence.extend(said(patient));
        }
        found
    };
    suffering(evidence).flat_map(of_patient).collect()
}

pub(super) fn path_unanswered(evidence: &Evidence<'_>) -> Vec<Diagnosis> {
    explained(
        evidence,
        "health-path-unanswered",
        "the target group's health check asks for a path that the container does not answer",
    )
}

pub(super) fn port_closed(evidence: &Evidence<'_>) -> Vec<Diagnosis> {
    explained(evidence, "balancer-port-closed", "no security group lets the load balancer in to the container's port")
}

pub(super) fn unused(evidence: &Evidence<'_>) -> Vec<Diagnosis> {
    let mut all =
        explained(evidence, "zone-not-on-balancer", "the task is in an Availability Zone that the load balancer does not serve");
    all.extend(explained(evidence, "target-group-detached", "no listener forwards to the target group"));
    all
}

/// The check fails, and nothing that can be read explains it.
pub(super) fn check_fails(evidence: &Evidence<'_>) -> Vec<Diagnosis> {
    let look = |patient: &Patient| {
        patient.bad_targets().next()?;
        let group = patient.bad_targets().next().map(|(targets, _)| targets.group.clone()).unwrap_or_default();
        let cause = "the load balancer's health check does not succeed: its path, its port, or a security group";
        let show = evidence.aws(&format!("elbv2 describe-target-health --target-group-arn {group}"));
        let next = vec![format!("see it for yourself: {show}"), evidence.go_on()];
        Some(diagnosis("balancer-check-fails", &patient.name, cause, said(patient), next))
    };
    evidence.patients.iter().filter_map(look).collect()
}
