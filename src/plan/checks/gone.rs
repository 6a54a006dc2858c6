//! What the services name and what somebody has deleted since, beside target groups ([`super::api_service`]). ECS goes on with the tasks
//! that run and says nothing; whoever deploys the service next is refused.

use super::{Check, Due, Scene, Theme};
use crate::stages::findings::{FindingKind, Seen};
use crate::stages::gone::{name_of, without_lost_network, without_lost_registries};

pub(super) const THEME: Theme = Theme {
    name: "What services name and what is gone",
    checks: &[
        Check {
            kind: FindingKind::must_repair("registry-gone", "the Cloud Map service that a service is registered with was deleted"),
            look: |scene| of_each(scene, registry_gone),
        },
        Check {
            kind: FindingKind::must_repair("network-gone", "a subnet or a security group of a service's tasks was deleted"),
            look: |scene| of_each(scene, network_gone),
        },
    ],
};

fn of_each(scene: &Scene<'_>, look: fn(&Scene<'_>, Due<'_>) -> Option<Seen>) -> Vec<Seen> {
    scene.due().filter_map(|due| look(scene, due)).collect()
}

fn registry_gone(scene: &Scene<'_>, due: Due<'_>) -> Option<Seen> {
    let lost = scene.facts.gone.registries(due.service).lost;
    let names: Vec<&str> = lost.iter().filter_map(|entry| entry["registryArn"].as_str()).map(name_of).collect();
    let found = format!("it is registered with Cloud Map service {}, which was deleted", names.join(", "));
    let consequence = "ECS refuses every update that leaves it there, and nobody finds its new tasks by name";
    (!lost.is_empty()).then(|| Seen::new(due.name, found, consequence, without_lost_registries(scene.facts, due.service)))
}

fn network_gone(scene: &Scene<'_>, due: Due<'_>) -> Option<Seen> {
    let lost = scene.facts.gone.network(due.service);
    let found = format!("its tasks are to run in {}, which was deleted", lost.join(", "));
    let by_hand =
        || format!("give it others: `aws ecs update-service … --network-configuration …`; see `{}`", scene.describe(due.name));
    let fix = without_lost_network(scene.facts, due.service).unwrap_or_else(by_hand);
    let consequence = "ECS refuses every update of it, starts no new task of it, and makes no service like it";
    (!lost.is_empty()).then(|| Seen::new(due.name, found, consequence, fix))
}
