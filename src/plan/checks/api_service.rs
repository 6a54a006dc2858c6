//! The services that are changed: whether a rolling update of ours can work on them, and what it does to them.

use serde_json::Value;

use super::{Check, Due, Scene, Theme};
use crate::aws::task_definition::short_name;
use crate::plan::estimate::room;
use crate::stages::findings::{FindingKind, Seen};
use crate::stages::gone::{name_of, without_lost_balancers};
use crate::stages::kind::LANE_CONCURRENCY;

/// What all of these lead to.
const REFUSED: &str = "a rolling update of it would fail or be refused by ECS";

pub(super) const THEME: Theme = Theme {
    name: "API services",
    checks: &[
        Check {
            kind: FindingKind::must_repair("service-not-active", "a service to change is DRAINING"),
            look: |scene| of_each(scene, not_active),
        },
        Check {
            kind: FindingKind::must_repair(
                "controller-unsupported",
                "its deployments are made by CodeDeploy or an external controller",
            ),
            look: |scene| of_each(scene, controller),
        },
        Check {
            kind: FindingKind::must_repair(
                "express-unsupported",
                "it is an Express service, whose task definitions ECS makes itself",
            ),
            look: |scene| of_each(scene, express),
        },
        Check {
            kind: FindingKind::must_repair("strategy-unsupported", "its deployment strategy is blue/green, linear or canary"),
            look: |scene| of_each(scene, strategy),
        },
        Check {
            kind: FindingKind::must_repair("scheduling-unsupported", "it is a DAEMON service"),
            look: |scene| of_each(scene, scheduling),
        },
        Check {
            kind: FindingKind::must_repair("network-mode-unsupported", "its tasks do not have addresses of their own (awsvpc)"),
            look: |scene| of_each(scene, network_mode),
        },
        Check {
            kind: FindingKind::must_repair("deployment-in-flight", "a deployment of it is in flight"),
            look: |scene| of_each(scene, in_flight),
        },
        Check {
            kind: FindingKind::must_repair("rollout-impossible", "its percents let ECS neither start a task nor stop one"),
            look: |scene| of_each(scene, rollout_impossible),
        },
        Check {
            kind: FindingKind::warning("service-unsteady", "it does not run as many tasks as it should"),
            look: |scene| of_each(scene, unsteady),
        },
        Check {
            kind: FindingKind::warning("rollout-interrupts", "its percents let a rollout stop the only task before another runs"),
            look: |scene| of_each(scene, rollout_interrupts),
        },
        Check {
            kind: FindingKind::must_repair("service-target-group-gone", "it names a target group that is not there any more"),
            look: |scene| scene.due().flat_map(|due| group_gone(scene, &due, false)).collect(),
        },
        Check {
            kind: FindingKind::note(
                "sidecar-target-group-gone",
                "the sidecar's target group is not there any more, and the sidecar's entry goes with the sidecar",
            ),
            look: |scene| scene.due().flat_map(|due| group_gone(scene, &due, true)).collect(),
        },
        Check {
            kind: FindingKind::note(
                "base-inactive",
                "the revision that it runs was deregistered, and ECS lets no service return to it",
            ),
            look: |scene| of_each(scene, base_inactive),
        },
        Check {
            kind: FindingKind::note("no-circuit-breaker", "it has no deployment circuit breaker"),
            look: |scene| of_each(scene, no_circuit_breaker),
        },
        Check {
            kind: FindingKind::note("breaker-without-rollback", "its circuit breaker does not roll back"),
            look: |scene| of_each(scene, breaker_without_rollback),
        },
        Check {
            kind: FindingKind::note("autoscaled", "Application Auto Scaling owns its desired count"),
            look: |scene| of_each(scene, autoscaled),
        },
        Check { kind: FindingKind::note("rollout-peak", "what runs at most while its rollouts are under way"), look: rollout_peak },
        Check {
            kind: FindingKind::warning("family-shared", "another service runs the same task definition family"),
            look: |scene| of_each(scene, family_shared),
        },
    ],
};

/// Looks at each service that is still to be changed.
fn of_each(scene: &Scene<'_>, look: fn(&Scene<'_>, Due<'_>) -> Option<Seen>) -> Vec<Seen> {
    scene.due().filter_map(|due| look(scene, due)).collect()
}

fn not_active(scene: &Scene<'_>, due: Due<'_>) -> Option<Seen> {
    let status = due.service["status"].as_str().filter(|status| *status != "ACTIVE")?;
    let fix = format!("see `{}`: a service that is going cannot be changed", scene.describe(due.name));
    Some(Seen::new(due.name, format!("its status is {status}"), REFUSED, fix))
}

fn controller(_scene: &Scene<'_>, due: Due<'_>) -> Option<Seen> {
    let kind = due.service["deploymentController"]["type"].as_str().filter(|kind| *kind != "ECS")?;
    let fix = "deploy it with that controller instead".to_owned();
    Some(Seen::new(due.name, format!("its deployment controller is {kind}"), REFUSED, fix))
}

fn express(_scene: &Scene<'_>, due: Due<'_>) -> Option<Seen> {
    let fix = "change it through the Express service's own settings".to_owned();
    let found = "ECS manages its resources itself (an Express service)".to_owned();
    (due.service["resourceManagementType"] == "ECS").then(|| Seen::new(due.name, found, REFUSED, fix))
}

fn strategy(_scene: &Scene<'_>, due: Due<'_>) -> Option<Seen> {
    let strategy = due.service["deploymentConfiguration"]["strategy"].as_str().filter(|kind| *kind != "ROLLING")?;
    let found = format!("its deployment strategy is {strategy}");
    let consequence =
        "two full copies of it would run, its tasks would move between target groups, and hooks may wait for a person";
    Some(Seen::new(due.name, found, consequence, "only ROLLING is supported: set it for the migration".to_owned()))
}

fn scheduling(_scene: &Scene<'_>, due: Due<'_>) -> Option<Seen> {
    let kind = due.service["schedulingStrategy"].as_str().filter(|kind| *kind != "REPLICA")?;
    Some(Seen::new(due.name, format!("its scheduling strategy is {kind}"), REFUSED, "only REPLICA is supported".to_owned()))
}

fn network_mode(_scene: &Scene<'_>, due: Due<'_>) -> Option<Seen> {
    let mode = &due.definition?.body["networkMode"];
    let words = format!("its tasks use the network mode {}", mode.as_str().unwrap_or("bridge"));
    let fix = "run it with the network mode awsvpc first".to_owned();
    let consequence = "a service made like it could not have an A record";
    (*mode != "awsvpc").then(|| Seen::new(due.name, words, consequence, fix))
}

fn in_flight(scene: &Scene<'_>, due: Due<'_>) -> Option<Seen> {
    let deployments = due.service["deployments"].as_array()?;
    let fix = format!("wait until `{}` shows one deployment", scene.describe(due.name));
    (deployments.len() > 1).then(|| Seen::new(due.name, "a deployment of it is in flight".to_owned(), REFUSED, fix))
}

fn rollout_impossible(_scene: &Scene<'_>, due: Due<'_>) -> Option<Seen> {
    let (desired, extra, spare) = room(due.service);
    let configuration = &due.service["deploymentConfiguration"];
    let found = format!(
        "with {desired} tasks, a minimum of {} % and a maximum of {} % a rollout may neither add a task nor stop one",
        configuration["minimumHealthyPercent"], configuration["maximumPercent"]
    );
    let fix = "raise its maximumPercent (200 is usual), or lower its minimumHealthyPercent".to_owned();
    (desired > 0 && extra + spare == 0).then(|| Seen::new(due.name, found, "the rollout would never get on", fix))
}

fn unsteady(scene: &Scene<'_>, due: Due<'_>) -> Option<Seen> {
    let count = |name: &str| due.service[name].as_u64().unwrap_or(0);
    let (desired, running, pending) = (count("desiredCount"), count("runningCount"), count("pendingCount"));
    let found = format!("{running} of {desired} tasks run, {pending} are starting");
    let fix = format!("see its events: `{} --query 'services[0].events[:5]'`", scene.describe(due.name));
    let consequence = "whether a rollout makes it worse could not be told from what is wrong already";
    (running != desired || pending > 0).then(|| Seen::new(due.name, found, consequence, fix))
}

fn rollout_interrupts(_scene: &Scene<'_>, due: Due<'_>) -> Option<Seen> {
    let (desired, extra, spare) = room(due.service);
    let found = format!("of its {desired} tasks a rollout may stop all before a new one runs, and may add none");
    let fix = "raise its maximumPercent to 200 for the migration".to_owned();
    (desired > 0 && extra == 0 && spare == desired)
        .then(|| Seen::new(due.name, found, "it would not serve for a while in each rollout", fix))
}

fn breaker(service: &Value) -> &Value {
    &service["deploymentConfiguration"]["deploymentCircuitBreaker"]
}

/// Entries of target groups that are gone: those that the run itself takes out before it rolls anything out with them, or the others.
fn group_gone(scene: &Scene<'_>, due: &Due<'_>, goes: bool) -> Vec<Seen> {
    let lost = scene.facts.gone.balancers(due.service).lost;
    let retargets = due.moved.retarget.as_ref().is_some_and(|retarget| retarget.due);
    let stripped = |entry: &Value| !retargets && entry["containerName"] == *due.moved.sidecar();
    let told = lost.iter().filter(|entry| stripped(entry) == goes);
    let seen = |entry: &Value| {
        let name = name_of(entry["targetGroupArn"].as_str().unwrap_or_default());
        let of = format!("{}:{}", entry["containerName"].as_str().unwrap_or_default(), entry["containerPort"]);
        let found = format!("its load-balancer entry {of} names target group `{name}`, which is not there any more");
        if goes {
            let consequence = "the entry goes with the sidecar, and does not come back with it";
            return Seen::new(due.name, found, consequence, "nothing".to_owned());
        }
        let take_out = without_lost_balancers(scene.facts, due.service);
        let fix = format!("make the target group anew, or take the entry out: `{take_out}`");
        Seen::new(due.name, found, "ECS cannot register new tasks there: every rollout of the service would fail", fix)
    };
    told.map(seen).collect()
}

fn base_inactive(_scene: &Scene<'_>, due: Due<'_>) -> Option<Seen> {
    let definition = due.definition.filter(|definition| !definition.is_active())?;
    let name = short_name(definition.arn());
    let found = format!("it runs {name}, which is INACTIVE: somebody deregistered it, as Terraform and other deploy tools do");
    let consequence = "the way back leads to a copy of it, which the run registers before the service leaves it: the same content under \
                       another number";
    let fix =
        format!("nothing, if that is well; or deploy an ACTIVE revision first, so that the way back leads to {name}'s successor");
    Some(Seen::new(due.name, found, consequence, fix))
}

fn no_circuit_breaker(_scene: &Scene<'_>, due: Due<'_>) -> Option<Seen> {
    let fix = "enable deploymentCircuitBreaker on the service if you want AWS to roll back by itself".to_owned();
    let consequence = "AWS would never call a rollout failed; the run's own deadline and failure rule do";
    let found = "it has no deployment circuit breaker".to_owned();
    (breaker(due.service)["enable"] != true).then(|| Seen::new(due.name, found, consequence, fix))
}

fn breaker_without_rollback(_scene: &Scene<'_>, due: Due<'_>) -> Option<Seen> {
    let breaker = breaker(due.service);
    let fix = "set rollback = true in its deploymentCircuitBreaker if you want AWS to go back by itself".to_owned();
    let found = "its circuit breaker stops a failed rollout and leaves it".to_owned();
    let consequence = "after a failed rollout the service stays between two revisions until the run is resumed or rolled back";
    (breaker["enable"] == true && breaker["rollback"] != true).then(|| Seen::new(due.name, found, consequence, fix))
}

fn autoscaled(scene: &Scene<'_>, due: Due<'_>) -> Option<Seen> {
    let scaling = scene.facts.scaling.get(due.name)?;
    let found = format!("Application Auto Scaling holds it between {} and {} tasks", scaling.least, scaling.most);
    let consequence = "its count may change while the run waits; the run never sets it";
    Some(Seen::new(due.name, found, consequence, "none needed; suspend scaling if you want a quiet migration".to_owned()))
}

fn rollout_peak(scene: &Scene<'_>) -> Vec<Seen> {
    let peak = |due: Due<'_>| {
        let (desired, extra, _) = room(due.service);
        let units = due.definition.and_then(|definition| definition.body["cpu"].as_str()?.parse::<u64>().ok()).unwrap_or(0);
        (desired, extra, extra * units)
    };
    let mut peaks: Vec<(u64, u64, u64)> = scene.due().map(peak).collect();
    let Some(first) = scene.due().next() else { return Vec::new() };
    // What runs side by side: a wave of lanes, at worst the greediest.
    peaks.sort_unstable_by_key(|(_, _, units)| std::cmp::Reverse(*units));
    peaks.truncate(LANE_CONCURRENCY);
    let sum = |part: fn(&(u64, u64, u64)) -> u64| peaks.iter().map(part).sum::<u64>();
    let (desired, extra, units) = (sum(|peak| peak.0), sum(|peak| peak.1), sum(|peak| peak.2));
    if extra == 0 {
        return Vec::new();
    }
    let vcpu = format!("{}.{}", units / 1024, units % 1024 * 10 / 1024);
    let found = format!("while a rollout is under way up to {extra} more tasks run beside {desired} ({vcpu} vCPU more)");
    let fix = "see that the account's Fargate quota and the subnets' addresses have room for it".to_owned();
    let resource = if peaks.len() == 1 { first.name.to_owned() } else { scene.facts.cluster.clone() };
    vec![Seen::new(&resource, found, "without room for them the rollout waits in silence", fix)]
}

fn family_shared(scene: &Scene<'_>, due: Due<'_>) -> Option<Seen> {
    let family = due.definition?.body["family"].as_str()?;
    let others: Vec<&str> = scene
        .facts
        .families
        .iter()
        .filter(|(other, theirs)| *theirs == family && *other != due.name)
        .map(|(other, _)| other.as_str())
        .collect();
    let found = format!("{} runs the family `{family}` too", others.join(", "));
    let consequence = "its next deployment of the newest revision would bring it the changed endpoint, or no sidecar";
    let fix = "move them together (name both in the list of services), or give them families of their own".to_owned();
    let all_moved = others.iter().all(|other| scene.subject.moved.contains_key(*other));
    (!others.is_empty() && !all_moved).then(|| Seen::new(due.name, found, consequence, fix))
}
