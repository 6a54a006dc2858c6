//! The table of causes, the deepest first: what keeps a task from starting also leaves its target group without a healthy target, its
//! name without an instance, and the applications without a receiver.

mod balancer;
mod endpoint;
mod gone;
mod name;
mod run;
mod start;
mod way;

use super::evidence::{Evidence, Trouble};
use crate::model::{Diagnosis, Examination};
use crate::stages::subject::Set;

/// A cause that is looked for.
type Look = fn(&Evidence<'_>) -> Vec<Diagnosis>;

/// In the order in which they are told.
const CAUSES: &[Look] = &[
    run::refused,
    gone::target_group,
    gone::network,
    name::service_missing,
    name::service_going,
    name::service_at_zero,
    balancer::path_unanswered,
    balancer::port_closed,
    balancer::unused,
    start::tasks_fail,
    start::container_exited,
    start::tasks_wait,
    balancer::check_fails,
    start::unexplained,
    name::missing,
    gone::registry,
    name::not_registered,
    name::other_record,
    way::names_not_answered,
    name::without_instances,
    name::unhealthy,
    endpoint::overridden,
    endpoint::protocol,
    endpoint::elsewhere,
    endpoint::sidecar_gone,
    endpoint::sidecar_addressed,
    way::closed,
];

/// What only says that something deeper is wrong with the same service: left out where that is told.
const SYMPTOMS: &[&str] = &["balancer-check-fails", "tasks-missing"];

/// Judges what was read.
pub fn examine(evidence: &Evidence<'_>) -> Examination {
    let mut causes: Vec<Diagnosis> = CAUSES.iter().flat_map(|look| look(evidence)).collect();
    let deeper: Vec<String> =
        causes.iter().filter(|cause| !SYMPTOMS.contains(&cause.id.as_str())).map(|cause| cause.about.clone()).collect();
    causes.retain(|cause| !SYMPTOMS.contains(&cause.id.as_str()) || !deeper.contains(&cause.about));
    if let Some(trouble) = &evidence.trouble {
        // What the run stopped at comes before what else is wrong.
        causes.sort_by_key(|cause| !(trouble.services.contains(&cause.about) || cause.about == trouble.stage));
    }
    if causes.is_empty() {
        causes.extend(run::stopped(evidence));
    }
    let conditions =
        evidence.patients.iter().map(|patient| patient.condition(causes.iter().any(|cause| cause.about == patient.name)));
    Examination { services: conditions.collect(), unseen: evidence.unseen.clone(), causes }
}

impl Evidence<'_> {
    /// A command of the AWS CLI for this account.
    fn aws(&self, words: &str) -> String {
        let endpoint = self.facts.endpoint.as_ref().map(|url| format!(" --endpoint-url {url}")).unwrap_or_default();
        format!("`aws {words} --region {}{endpoint}`", self.facts.region)
    }

    /// How to go on once the cause is gone.
    fn go_on(&self) -> String {
        match &self.trouble {
            Some(trouble) => {
                let verb = if trouble.goes_back { "rollback" } else { "resume" };
                format!("when that is repaired, run `sidestep {verb} {}`", trouble.run)
            }
            None => "then look again with `sidestep doctor`".to_owned(),
        }
    }

    /// The run that stands on its way forward: other variables can be given to it.
    fn forward(&self) -> Option<&Trouble> {
        self.trouble.as_ref().filter(|trouble| !trouble.goes_back)
    }

    /// The service's variables that a receiver's name was given to, with the container that has it.
    fn aims(&self) -> Vec<Aim<'_>> {
        let mut aims = Vec::new();
        for (service, moved) in &self.subject.moved {
            let (Some(retarget), Some(definition)) = (&moved.retarget, self.facts.definition_of(service)) else { continue };
            for set in &retarget.sets {
                for container in definition.containers().filter(|container| container["name"] != retarget.sidecar) {
                    let pairs = container["environment"].as_array().into_iter().flatten();
                    let value = pairs.filter(|pair| pair["name"] == set.variable).find_map(|pair| pair["value"].as_str());
                    // A program that is not told takes the one before by itself.
                    let told = value.is_some();
                    let value = value.or_else(|| set.adding.adds_to(container, &set.variable).then_some(set.from.as_str()));
                    let container = container["name"].as_str().unwrap_or_default();
                    aims.extend(value.map(|value| Aim { service, container, set, value, told }));
                }
            }
        }
        aims
    }

    /// Whether any application sends to the shared service.
    fn is_used(&self) -> bool {
        self.aims().iter().any(Aim::is_moved)
    }

    /// The services that receive what the applications send: those whose name they use.
    fn senders(&self) -> String {
        let mut names: Vec<&str> = self.aims().iter().filter(|aim| aim.is_moved()).map(|aim| aim.service).collect();
        names.dedup();
        names.join(", ")
    }
}

/// Where a container sends to.
struct Aim<'a> {
    service: &'a str,
    container: &'a str,
    set: &'a Set,
    value: &'a str,
    /// Whether it is told; else it takes the value by itself.
    told: bool,
}

impl Aim<'_> {
    /// What the container says.
    fn words(&self) -> String {
        let is = if self.told { "is" } else { "is not set, which means" };
        format!("{} of container `{}` {is} `{}`", self.set.variable, self.container, self.value)
    }

    /// Whether that is the shared service.
    fn is_moved(&self) -> bool {
        self.value == self.set.to
    }
}

/// A diagnosis of this evidence.
fn diagnosis(id: &str, about: &str, cause: &str, evidence: Vec<String>, next: Vec<String>) -> Diagnosis {
    Diagnosis { id: id.to_owned(), about: about.to_owned(), cause: cause.to_owned(), evidence, next }
}

/// Each finding of this sort as a diagnosis about `about`, or about its own resource.
fn of_findings(evidence: &Evidence<'_>, id: &str, about: Option<&str>, cause: &str) -> Vec<Diagnosis> {
    let found = evidence.findings.iter().filter(|finding| finding.id == id);
    let one = |finding: &crate::model::Finding| {
        let words = format!("{}: {}", finding.resource, finding.found);
        let about = about.unwrap_or(&finding.resource);
        diagnosis(id, about, cause, vec![words], vec![finding.fix.clone(), evidence.go_on()])
    };
    found.map(one).collect()
}
