//! The load balancer in front of the shared service's UI.

use super::{Check, Scene, Theme};
use crate::aws::{ListenerRule, TargetGroup};
use crate::stages::findings::{FindingKind, Seen};
use crate::stages::port::Port;
use crate::stages::reach::covers;
use crate::stages::spans_arrive;
use crate::stages::subject::{HealthPath, Shared};

pub(super) const THEME: Theme = Theme {
    name: "Load balancer",
    checks: &[
        Check {
            kind: FindingKind::must_repair("target-type-unsupported", "the target group holds instances, not addresses"),
            look: |scene| of_each(scene, target_type),
        },
        Check {
            kind: FindingKind::must_repair("target-group-elsewhere", "the target group is in another VPC than the services"),
            look: |scene| of_each(scene, elsewhere),
        },
        Check {
            kind: FindingKind::must_repair(
                "target-group-detached",
                "no listener forwards to the target group through a load balancer",
            ),
            look: |scene| of_each(scene, detached),
        },
        Check {
            kind: FindingKind::blocker("zone-not-on-balancer", "a subnet's Availability Zone is not enabled on the load balancer"),
            look: |scene| of_each(scene, zones),
        },
        Check {
            kind: FindingKind::blocker("balancer-port-closed", "no security group of the shared service lets the load balancer in"),
            look: |scene| of_each(scene, closed),
        },
        Check {
            kind: FindingKind::blocker("health-path-unanswered", "the health check asks for a path outside the UI's base path"),
            look: |scene| of_each(scene, health_path),
        },
        Check {
            kind: FindingKind::warning(
                "health-path-redirects",
                "the health check asks for the base path itself, which newer versions redirect",
            ),
            look: |scene| of_each(scene, health_redirects),
        },
        Check {
            kind: FindingKind::warning(
                "ui-path-unanswered",
                "a listener rule's path is not one that the UI answers under its base path",
            ),
            look: |scene| of_each(scene, ui_path),
        },
        Check {
            kind: FindingKind::note("ui-unreachable", "no listener rule forwards to the target group"),
            look: |scene| of_each(scene, no_rule),
        },
        Check {
            kind: FindingKind::note("target-group-port", "the target group's own port is another than the container's"),
            look: |scene| of_each(scene, group_port),
        },
    ],
};

/// A shared service that is still to be put behind a load balancer.
struct Front<'a> {
    scene: &'a Scene<'a>,
    shared: &'a Shared<'a>,
    group: &'a TargetGroup,
    port: Port,
}

impl<'a> Front<'a> {
    /// The stage that moves the group's health check before the service comes: one of the run, or one that is switched off.
    fn mover(&self, on: bool) -> Option<&'a HealthPath<'a>> {
        let comes = self.shared.decl.span.range.start;
        self.scene
            .subject
            .health_paths
            .iter()
            .find(|stage| stage.on == on && stage.decl.span.range.start < comes && stage.group.as_ref() == Some(&self.group.arn))
    }

    /// The path that health checks ask for when the service comes.
    fn health_path(&self) -> String {
        let moved = self.mover(true).map(|stage| stage.path.clone());
        moved.or_else(|| self.group.health_path.clone()).unwrap_or_default()
    }

    /// How the health check comes to ask for what is under `base`: by the stage for it, if there is one, or else by other means.
    fn how_to_move(&self, base: &str, otherwise: String) -> String {
        match self.mover(false) {
            Some(stage) => format!(
                "set {} to true: stage `{}` moves it to {base}/ before the service comes, and a rollback moves it back",
                stage.decl.setting("/enabled"),
                stage.decl.id
            ),
            None => otherwise,
        }
    }

    /// What to set for another base path.
    fn base_path_setting(&self) -> Option<String> {
        let retargets = self.scene.subject.moved.values().filter_map(|moved| moved.retarget.as_ref());
        let mut ours = retargets.filter(|retarget| retarget.receiver.as_ref().is_some_and(|to| to.service == self.shared.name));
        ours.next().map(|retarget| retarget.decl.setting(&format!("/verify/{}/base_path", spans_arrive::NAME)))
    }

    /// The path before the UI's own, as the runbook says where it verifies.
    fn base_path(&self) -> String {
        let receivers = self.scene.subject.moved.values().filter_map(|moved| moved.retarget.as_ref()?.receiver.as_ref());
        let path =
            receivers.filter(|receiver| receiver.service == self.shared.name).map(|receiver| receiver.base_path.as_str()).next();
        path.unwrap_or_default().trim_end_matches('/').to_owned()
    }

    /// The rules that forward to the group.
    fn rules(&self) -> impl Iterator<Item = &ListenerRule> {
        self.scene.facts.rules.iter().filter(|rule| rule.target_groups.contains(&self.group.arn))
    }
}

fn of_each(scene: &Scene<'_>, look: fn(&Front<'_>) -> Vec<Seen>) -> Vec<Seen> {
    let mut seen = Vec::new();
    for shared in scene.subject.shared.iter().filter(|shared| shared.due) {
        let Some((port, Some(arn))) = &shared.balancer else { continue };
        let Some(group) = scene.facts.target_groups.get(arn) else { continue };
        seen.extend(look(&Front { scene, shared, group, port: *port }));
    }
    seen
}

/// Findings that keep the service from being created are about the service.
fn target_type(front: &Front<'_>) -> Vec<Seen> {
    if front.group.target_type == "ip" {
        return Vec::new();
    }
    let found = format!("target group `{}` has the target type {}", front.group.name, front.group.target_type);
    let fix = "name a target group of the type ip".to_owned();
    vec![Seen::new(&front.shared.name, found, "ECS refuses tasks with addresses of their own in it", fix)]
}

fn elsewhere(front: &Front<'_>) -> Vec<Seen> {
    let (Some(theirs), Some(ours)) = (front.group.vpc.as_deref(), front.scene.facts.vpc_of(&front.shared.like)) else {
        return Vec::new();
    };
    if theirs == ours {
        return Vec::new();
    }
    let found = format!("target group `{}` is in {theirs}, the service would be in {ours}", front.group.name);
    let fix = "name a target group of the services' VPC".to_owned();
    vec![Seen::new(&front.shared.name, found, "its tasks could not be registered there", fix)]
}

fn detached(front: &Front<'_>) -> Vec<Seen> {
    if !front.group.load_balancers.is_empty() {
        return Vec::new();
    }
    let found = format!("target group `{}` belongs to no load balancer", front.group.name);
    let fix = "forward to it from a listener first".to_owned();
    vec![Seen::new(&front.shared.name, found, "ECS refuses it: it \"does not have an associated load balancer\"", fix)]
}

fn zones(front: &Front<'_>) -> Vec<Seen> {
    let facts = front.scene.facts;
    let mut seen = Vec::new();
    for balancer in front.group.load_balancers.iter().filter_map(|arn| facts.load_balancers.get(arn)) {
        let subnets = front.scene.subnets_of(&front.shared.name);
        let off = subnets.iter().filter_map(|id| facts.subnets.get(id)).filter(|subnet| !balancer.zones.contains(&subnet.zone));
        for subnet in off.filter(|_| !balancer.zones.is_empty()) {
            let found = format!(
                "{} of subnet {} is not enabled on the load balancer ({})",
                subnet.zone,
                subnet.id,
                balancer.zones.join(", ")
            );
            let fix = "enable the zone on the load balancer, or leave the subnet out of the service".to_owned();
            let consequence = "a task started there would stay unused in the target group, and the rollout would never complete";
            seen.push(Seen::new(&balancer.dns_name, found, consequence, fix));
        }
    }
    seen
}

fn closed(front: &Front<'_>) -> Vec<Seen> {
    let facts = front.scene.facts;
    let own = front.scene.groups_of(&front.shared.name);
    let mut seen = Vec::new();
    for balancer in front.group.load_balancers.iter().filter_map(|arn| facts.load_balancers.get(arn)) {
        // A network load balancer may have none: then its clients' addresses count, which nobody knows.
        let theirs = &balancer.security_groups;
        let known: Vec<_> = own.iter().filter_map(|id| facts.security_groups.get(id)).collect();
        if theirs.is_empty() || known.len() < own.len() || known.is_empty() {
            continue;
        }
        let open = known.iter().flat_map(|group| &group.ingress).any(|rule| {
            let covered = covers(rule, front.port);
            // Ranges and prefix lists may hold the load balancer's addresses: only what is certain is told.
            covered
                && (!rule.ranges.is_empty()
                    || !rule.prefix_lists.is_empty()
                    || rule.groups.iter().any(|group| theirs.contains(group)))
        });
        if !open {
            let found =
                format!("no rule of {} lets the load balancer ({}) in on {}", own.join(", "), theirs.join(", "), front.port);
            let fix = format!(
                "aws ec2 authorize-security-group-ingress --group-id {} --protocol tcp --port {} --source-group {}",
                own[0], front.port.number, theirs[0]
            );
            seen.push(Seen::new(
                &own[0],
                found,
                "the task would fail its load balancer's health checks and be replaced for ever",
                fix,
            ));
        }
    }
    seen
}

fn health_path(front: &Front<'_>) -> Vec<Seen> {
    let (base, path) = (front.base_path(), front.health_path());
    if base.is_empty() || path.is_empty() || path == base || path.starts_with(&format!("{base}/")) {
        return Vec::new();
    }
    let found = format!("the health check of target group `{}` asks for {path}, the UI answers under {base}/", front.group.name);
    // The sidecars sit in the same group, and ECS replaces a task that any of its groups calls unhealthy.
    let by_hand = format!(
        "see that the sidecars answer {base}/ too; then `aws elbv2 modify-target-group --target-group-arn {} --health-check-path {base}/`",
        front.group.arn
    );
    let fix = front.how_to_move(&base, by_hand);
    vec![Seen::new(&front.group.name, found, "the task would be answered 404 and be replaced for ever", fix)]
}

fn health_redirects(front: &Front<'_>) -> Vec<Seen> {
    let (base, path) = (front.base_path(), front.health_path());
    let takes = front.group.matcher.as_deref().is_some_and(|codes| codes.contains("307") || codes.contains("200-3"));
    if base.is_empty() || path != base || takes {
        return Vec::new();
    }
    let found = format!("the health check of target group `{}` asks for {path} without a slash at the end", front.group.name);
    let by_hand = format!("aws elbv2 modify-target-group --target-group-arn {} --health-check-path {base}/", front.group.arn);
    let fix = front.how_to_move(&base, by_hand);
    vec![Seen::new(&front.group.name, found, "a version that answers 307 there would be replaced for ever", fix)]
}

/// The fixed part of a path pattern; empty where it takes every path.
fn fixed(pattern: &str) -> &str {
    pattern.split(['*', '?']).next().unwrap_or_default().trim_end_matches('/')
}

fn ui_path(front: &Front<'_>) -> Vec<Seen> {
    let base = front.base_path();
    let patterns: Vec<&str> = front.rules().flat_map(|rule| &rule.paths).map(String::as_str).collect();
    let Some(pattern) = patterns.iter().find(|pattern| !fixed(pattern).is_empty() && fixed(pattern) != base) else {
        return Vec::new();
    };
    if patterns.iter().any(|pattern| fixed(pattern) == base) {
        return Vec::new();
    }
    let path = fixed(pattern);
    let answers = if base.is_empty() { "without a base path".to_owned() } else { format!("under {base}") };
    let found = format!("a listener rule forwards `{pattern}`, and the UI answers {answers}");
    let fix = match (front.base_path_setting(), front.mover(false), front.mover(true)) {
        (Some(base), Some(stage), _) => format!(
            "set {base} to \"{path}\" and {} to true: stage `{}` moves the health check to {path}/ before the service comes",
            stage.decl.setting("/enabled"),
            stage.decl.id
        ),
        (Some(base), None, Some(_)) => format!("set {base} to \"{path}\""),
        // A health check that sidecars do not answer would have ECS replace API tasks: they share the group.
        _ => format!(
            "after the sidecars are gone: give the shared service the base path {path}, then the target group the health path {path}/; not before, for the sidecars share the group"
        ),
    };
    vec![Seen::new(&front.group.name, found, "the UI's page would load there and find none of its own files", fix)]
}

fn no_rule(front: &Front<'_>) -> Vec<Seen> {
    if front.rules().next().is_some() {
        return Vec::new();
    }
    let found = format!("no listener rule forwards to target group `{}`", front.group.name);
    let fix = "add one if people shall reach the UI through the load balancer".to_owned();
    vec![Seen::new(&front.group.name, found, "the UI has no address from outside", fix)]
}

fn group_port(front: &Front<'_>) -> Vec<Seen> {
    let Some(port) = front.group.port.and_then(|port| u16::try_from(port).ok()).filter(|port| *port != front.port.number) else {
        return Vec::new();
    };
    let found = format!("target group `{}` has the port {port}, the container {}", front.group.name, front.port.number);
    let consequence = "none for ECS, which registers the container's; whoever registers a target by hand gets the other";
    vec![Seen::new(&front.group.name, found, consequence, "none needed".to_owned())]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_has_a_fixed_part() {
        for (pattern, expected) in [("/jaeger*", "/jaeger"), ("/jaeger/*", "/jaeger"), ("/*", ""), ("*", ""), ("/a/b", "/a/b")] {
            assert_eq!(fixed(pattern), expected, "{pattern}");
        }
    }
}
