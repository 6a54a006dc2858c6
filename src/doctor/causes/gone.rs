//! What a service names and what somebody has deleted: ECS deploys it no more.

use super::diagnosis;
use crate::doctor::evidence::Evidence;
use crate::doctor::patient::Patient;
use crate::model::Diagnosis;
use crate::stages::gone::{name_of, spoken, without_lost_balancers, without_lost_network, without_lost_registries};

fn of_each(evidence: &Evidence<'_>, look: impl Fn(&Patient) -> Option<Diagnosis>) -> Vec<Diagnosis> {
    evidence.patients.iter().filter_map(look).collect()
}

/// A run on its way back leaves out what is gone by itself; else it is taken out by hand.
fn next(evidence: &Evidence<'_>, by_hand: Option<String>) -> Vec<String> {
    let goes_back = evidence.trouble.as_ref().is_some_and(|trouble| trouble.goes_back);
    let by_hand = by_hand.filter(|_| !goes_back).map(|command| {
        let endpoint = evidence.facts.endpoint.as_ref().map(|url| format!(" --endpoint-url {url}")).unwrap_or_default();
        format!("take it out of the service: `{command}{endpoint}`")
    });
    let goes_on = match goes_back {
        true => format!("the way back leaves it out: {}", evidence.go_on()),
        false => evidence.go_on(),
    };
    by_hand.into_iter().chain([goes_on]).collect()
}

pub(super) fn target_group(evidence: &Evidence<'_>) -> Vec<Diagnosis> {
    of_each(evidence, |patient| {
        let lost = evidence.facts.gone.balancers(&patient.service).lost;
        let words = format!("its load-balancer entry is {}, and there is no such target group", spoken(&lost));
        let cause = "a target group that the service is in was deleted: ECS registers no new task there and refuses updates";
        let by_hand = without_lost_balancers(&evidence.facts, &patient.service);
        (!lost.is_empty()).then(|| diagnosis("target-group-gone", &patient.name, cause, vec![words], next(evidence, Some(by_hand))))
    })
}

pub(super) fn registry(evidence: &Evidence<'_>) -> Vec<Diagnosis> {
    of_each(evidence, |patient| {
        let lost = evidence.facts.gone.registries(&patient.service).lost;
        let arn = lost.first()?["registryArn"].as_str()?;
        let words = format!("its service registry is {}, and there is no such Cloud Map service", name_of(arn));
        let cause = "the Cloud Map service that the service is registered with was deleted: ECS refuses updates of it";
        let by_hand = without_lost_registries(&evidence.facts, &patient.service);
        Some(diagnosis("registry-gone", &patient.name, cause, vec![words], next(evidence, Some(by_hand))))
    })
}

pub(super) fn network(evidence: &Evidence<'_>) -> Vec<Diagnosis> {
    of_each(evidence, |patient| {
        let lost = evidence.facts.gone.network(&patient.service);
        if lost.is_empty() {
            return None;
        }
        let words = format!("its tasks are to run in {}, and there is no such subnet or security group", lost.join(", "));
        let cause = "a subnet or a security group of the service's tasks was deleted: ECS starts no new task and refuses updates";
        let mut next: Vec<String> = without_lost_network(&evidence.facts, &patient.service)
            .map(|command| format!("take it out of the service: `{command}`"))
            .into_iter()
            .collect();
        if next.is_empty() {
            next.push("give the service others with `aws ecs update-service … --network-configuration …`".to_owned());
        }
        next.push(evidence.go_on());
        Some(diagnosis("network-gone", &patient.name, cause, vec![words], next))
    })
}
