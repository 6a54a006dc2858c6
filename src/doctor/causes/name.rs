//! Whether the shared service is there, and answers for its name.

use super::diagnosis;
use crate::doctor::evidence::{Evidence, NameSeen};
use crate::doctor::patient::Patient;
use crate::model::Diagnosis;

/// The command after which a runbook makes what is missing.
fn make(evidence: &Evidence<'_>) -> Vec<String> {
    match &evidence.trouble {
        Some(_) => vec![evidence.go_on()],
        None => vec!["see what would make it with `sidestep plan`, then `sidestep run`".to_owned()],
    }
}

fn shared<'a>(evidence: &'a Evidence<'_>, service: &str) -> Option<&'a Patient> {
    evidence.patients.iter().find(|patient| patient.name == service)
}

/// Applications send to a service that is not there.
pub(super) fn service_missing(evidence: &Evidence<'_>) -> Vec<Diagnosis> {
    if !evidence.is_used() {
        return Vec::new();
    }
    let absent = evidence.subject.shared.iter().filter(|known| shared(evidence, &known.name).is_none());
    let one = |known: &crate::stages::subject::Shared<'_>| {
        let words = format!("{} send to it, and cluster {} has no such service", evidence.senders(), evidence.facts.cluster);
        diagnosis("service-missing", &known.name, "the shared service is not there", vec![words], make(evidence))
    };
    absent.map(one).collect()
}

/// The shared service is on its way out.
pub(super) fn service_going(evidence: &Evidence<'_>) -> Vec<Diagnosis> {
    let going = evidence.patients.iter().filter(|patient| patient.service["status"] == "DRAINING");
    let one = |patient: &Patient| {
        let wait = format!("ecs wait services-inactive --cluster {} --services {}", evidence.facts.cluster, patient.name);
        let next = vec![format!("wait until it is gone: {}", evidence.aws(&wait)), evidence.go_on()];
        diagnosis(
            "service-draining",
            &patient.name,
            "the service was deleted and is going",
            vec!["its status is DRAINING".to_owned()],
            next,
        )
    };
    going.map(one).collect()
}

/// Somebody has set it to no tasks.
pub(super) fn service_at_zero(evidence: &Evidence<'_>) -> Vec<Diagnosis> {
    let idle = |patient: &&Patient| patient.service["status"] == "ACTIVE" && patient.service["desiredCount"] == 0;
    let one = |patient: &Patient| {
        let wanted = evidence.subject.shared.iter().find(|known| known.name == patient.name).map_or(1, |known| known.desired);
        let words =
            format!("ecs update-service --cluster {} --service {} --desired-count {wanted}", evidence.facts.cluster, patient.name);
        let next = vec![evidence.aws(&words), evidence.go_on()];
        diagnosis(
            "service-at-zero",
            &patient.name,
            "the service is set to run no task",
            vec!["its desired count is 0".to_owned()],
            next,
        )
    };
    evidence.patients.iter().filter(idle).map(one).collect()
}

/// The names that matter now: applications use them, or their service is registered under them.
fn names<'a, 'e>(evidence: &'e Evidence<'a>) -> impl Iterator<Item = &'e NameSeen<'a>> {
    evidence.names.iter().filter(|seen| evidence.is_used() || is_registered(evidence, seen))
}

fn is_registered(evidence: &Evidence<'_>, seen: &NameSeen<'_>) -> bool {
    let registries = shared(evidence, &seen.name.service).map(|patient| &patient.service["serviceRegistries"]);
    let mut entries = registries.and_then(|list| list.as_array()).into_iter().flatten();
    entries.any(|entry| entry["registryArn"] == seen.text("Arn") && !seen.text("Arn").is_empty())
}

/// There is no such name.
pub(super) fn missing(evidence: &Evidence<'_>) -> Vec<Diagnosis> {
    let unread = evidence.unseen.iter().any(|unseen| unseen.action.starts_with("servicediscovery:List"));
    let absent = names(evidence).filter(|seen| seen.found.is_none() && !unread);
    let one = |seen: &NameSeen<'_>| {
        let words =
            format!("{} send to {}, and the namespace {} has no such name", evidence.senders(), seen.host(), seen.name.namespace);
        diagnosis(
            "name-missing",
            &seen.host(),
            "the name that the applications send to does not exist",
            vec![words],
            make(evidence),
        )
    };
    absent.map(one).collect()
}

/// The name is there, and the service is not registered under it.
pub(super) fn not_registered(evidence: &Evidence<'_>) -> Vec<Diagnosis> {
    let loose = |seen: &&NameSeen<'_>| {
        seen.found.is_some() && !is_registered(evidence, seen) && shared(evidence, &seen.name.service).is_some()
    };
    let one = |seen: &NameSeen<'_>| {
        let words = format!("service `{}` has no registry {}", seen.name.service, seen.text("Arn"));
        let cause = "the shared service is not registered under its name: nobody finds it there";
        diagnosis("service-not-registered", &seen.host(), cause, vec![words], make(evidence))
    };
    names(evidence).filter(loose).map(one).collect()
}

/// The name has records that do not lead to an address.
pub(super) fn other_record(evidence: &Evidence<'_>) -> Vec<Diagnosis> {
    let look = |seen: &NameSeen<'_>| {
        let records = seen.found.as_ref()?["DnsConfig"]["DnsRecords"].as_array()?;
        let kinds: Vec<&str> = records.iter().filter_map(|record| record["Type"].as_str()).collect();
        if kinds.is_empty() || kinds.contains(&"A") {
            return None;
        }
        let words = format!("Cloud Map service {} has records of the type {}", seen.text("Id"), kinds.join(", "));
        let next = vec![format!("choose another name with {}, then `sidestep plan`", seen.name.decl.setting("/name"))];
        Some(diagnosis(
            "name-foreign",
            &seen.host(),
            "the name has no A record: a plain host name does not resolve",
            vec![words],
            next,
        ))
    };
    names(evidence).filter_map(look).collect()
}

/// Nobody answers for the name, though the service runs.
pub(super) fn without_instances(evidence: &Evidence<'_>) -> Vec<Diagnosis> {
    let look = |seen: &NameSeen<'_>| {
        let patient = shared(evidence, &seen.name.service).filter(|patient| patient.is_steady() && !patient.running.is_empty())?;
        if !is_registered(evidence, seen) || seen.instances.as_ref().is_none_or(|instances| !instances.is_empty()) {
            return None;
        }
        let words = format!(
            "Cloud Map service {} has no instance, and {} of `{}` run: somebody took them out of it",
            seen.text("Id"),
            if patient.running.len() == 1 { "1 task".to_owned() } else { format!("{} tasks", patient.running.len()) },
            patient.name
        );
        let again =
            format!("ecs update-service --cluster {} --service {} --force-new-deployment", evidence.facts.cluster, patient.name);
        let next = vec![format!("have ECS register new tasks: {}", evidence.aws(&again)), evidence.go_on()];
        Some(diagnosis("name-without-instances", &seen.host(), "the name answers with no address", vec![words], next))
    };
    names(evidence).filter_map(look).collect()
}

/// All who answer for the name are bad.
pub(super) fn unhealthy(evidence: &Evidence<'_>) -> Vec<Diagnosis> {
    let look = |seen: &NameSeen<'_>| {
        let patient = shared(evidence, &seen.name.service).filter(|patient| patient.is_steady())?;
        let instances =
            seen.instances.as_ref().filter(|instances| !instances.is_empty() && instances.values().all(|healthy| !healthy))?;
        let ids: Vec<&str> = instances.keys().map(String::as_str).collect();
        let words = format!("Cloud Map service {}: no instance is HEALTHY ({})", seen.text("Id"), ids.join(", "));
        let next = vec![format!("see what `{}` says: `sidestep logs --since 1h`", patient.name), evidence.go_on()];
        Some(diagnosis(
            "name-unhealthy",
            &seen.host(),
            "none of the tasks that answer for the name passes its health check",
            vec![words],
            next,
        ))
    };
    names(evidence).filter_map(look).collect()
}
