//! The way of a span from an application to the shared service. A fault here shows on no screen of AWS: every rollout is green.

use super::of_findings;
use crate::doctor::evidence::Evidence;
use crate::model::Diagnosis;

/// Findings about names, each with the cause in one line.
const NAMES: &[(&str, &str)] = &[
    ("vpc-dns-off", "the VPC's resolver does not answer the names of private zones"),
    ("namespace-elsewhere", "the namespace's names are not answered in the applications' VPC"),
];
/// Findings about security groups.
const CLOSED: &[(&str, &str)] = &[
    ("span-port-closed", "no security group lets the applications in to the shared service where spans go"),
    ("egress-closed", "no security group lets the applications out to the shared service"),
];

pub(super) fn names_not_answered(evidence: &Evidence<'_>) -> Vec<Diagnosis> {
    told(evidence, NAMES)
}

pub(super) fn closed(evidence: &Evidence<'_>) -> Vec<Diagnosis> {
    told(evidence, CLOSED)
}

fn told(evidence: &Evidence<'_>, of: &[(&str, &str)]) -> Vec<Diagnosis> {
    if !evidence.is_used() {
        return Vec::new();
    }
    of.iter().flat_map(|(id, cause)| of_findings(evidence, id, None, cause)).collect()
}
