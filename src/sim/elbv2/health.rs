//! Health of targets, by address.
//!
//! ```text
//!   register ─▶ initial ──healthy threshold passes──▶ healthy ◀─┐ threshold passes
//!                  └──────unhealthy threshold fails──▶ unhealthy ┘ threshold fails
//!   deregister ─▶ draining ──deregistration delay──▶ gone          (what was never used is gone at once)
//! ```
//!
//! A target is checked only while its state may change: while it is initial, or when what it answers speaks against its state.
//! Whether that is so is looked at again after everything that happened elsewhere ([`look_again`]), so an account at rest costs
//! nothing.

use serde_json::Value;

use super::{Group, Target, TargetState, member};
use crate::sim::ecs::{self, Probe};
use crate::sim::queue::Event;
use crate::sim::values::Object;
use crate::sim::{Millis, State};

/// What happens later in ELB.
#[derive(Clone, Debug)]
pub(in crate::sim) enum ElbEvent {
    /// A target is checked.
    Check { group: String, id: String, port: u16, generation: u64 },
    /// A draining target is gone.
    Drained { group: String, id: String, port: u16, generation: u64 },
}

/// Lets an event happen.
pub(in crate::sim) fn on_event(state: &mut State, event: ElbEvent) {
    match event {
        ElbEvent::Check { group, id, port, generation } => check(state, &group, &id, port, generation),
        ElbEvent::Drained { group, id, port, generation } => {
            if let Some(group) = state.elbv2.group_mut(&group) {
                group.targets.retain(|target| target.id != id || target.port != port || target.generation != generation);
            }
        }
    }
}

/// ECS registers a task's address; health checks begin (they ask [`ecs::probe`]), the first after one interval, so that a good
/// target is healthy after threshold × interval `[F]`. What is registered already stays as it is.
pub(in crate::sim) fn register_target(state: &mut State, group_arn: &str, ip: &str, port: u16, zone: &str) {
    let generation = state.elbv2.generation + 1;
    let Some(group) = state.elbv2.group(group_arn) else { return };
    if group.target(ip, port).is_some_and(|known| known.state.state != "draining") {
        return;
    }
    let anchor = state.now + group.interval();
    let unused = unused(state, group, zone);
    let checked = unused.is_none();
    let target = Target {
        id: ip.to_owned(),
        port,
        zone: zone.to_owned(),
        state: unused
            .unwrap_or_else(|| TargetState::new("initial", "Elb.RegistrationInProgress", "Target registration is in progress")),
        passes: 0,
        fails: 0,
        anchor,
        checking: checked,
        generation,
        extra: Object::new(),
    };
    state.elbv2.generation = generation;
    let Some(group) = state.elbv2.group_mut(group_arn) else { return };
    group.targets.retain(|known| known.id != ip || known.port != port);
    group.targets.push(target);
    if checked {
        schedule(state, anchor, group_arn, ip, port, generation);
    }
}

/// ECS takes a task's address off; it drains for the group's deregistration delay, then is gone.
pub(in crate::sim) fn deregister_target(state: &mut State, group_arn: &str, ip: &str, port: u16) {
    let now = state.now;
    let Some(group) = state.elbv2.group_mut(group_arn) else { return };
    let delay = group.deregistration_delay();
    let Some(target) = group.target_mut(ip, port) else { return };
    if target.state.state == "draining" {
        return;
    }
    if target.state.state == "unused" {
        group.targets.retain(|target| target.id != ip || target.port != port);
        return;
    }
    target.state = draining();
    let event = ElbEvent::Drained { group: group_arn.to_owned(), id: ip.to_owned(), port, generation: target.generation };
    state.queue.push(now + delay, Event::Elb(event));
}

fn draining() -> TargetState {
    TargetState::new("draining", "Target.DeregistrationInProgress", "Target deregistration is in progress")
}

/// Why a target of this zone is not used at all, if so.
fn unused(state: &State, group: &Group, zone: &str) -> Option<TargetState> {
    let Some(balancer) = state.elbv2.balancer_of(group) else {
        let text = "Target group is not configured to receive traffic from the load balancer";
        return Some(TargetState::new("unused", "Target.NotInUse", text));
    };
    let zones = balancer.get("AvailabilityZones").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    let enabled = zones.is_empty() || zones.iter().any(|entry| entry.get("ZoneName").and_then(Value::as_str) == Some(zone));
    if !enabled {
        let text = "Target is in an Availability Zone that is not enabled for the load balancer";
        return Some(TargetState::new("unused", "Target.NotInUse", text));
    }
    if group.object.get("HealthCheckEnabled") == Some(&Value::Bool(false)) {
        let text = "Health checks are not enabled for the target group";
        return Some(TargetState::new("unavailable", "Target.HealthCheckDisabled", text));
    }
    None
}

/// After loading: spreads the checks of the targets over the interval, and goes on with what was under way.
pub(in crate::sim) fn settle(state: &mut State) {
    let now = state.now;
    let mut pending = Vec::new();
    for group in &mut state.elbv2.groups {
        let interval = group.interval();
        let (arn, delay) = (group.arn().to_owned(), group.deregistration_delay());
        for target in &mut group.targets {
            target.anchor = now + state.rng.i64(0..interval);
            state.elbv2.generation += 1;
            target.generation = state.elbv2.generation;
            let (id, port, generation) = (target.id.clone(), target.port, target.generation);
            match target.state.state.as_str() {
                "initial" => {
                    target.checking = true;
                    pending.push((target.anchor, ElbEvent::Check { group: arn.clone(), id, port, generation }));
                }
                "draining" => pending.push((now + delay, ElbEvent::Drained { group: arn.clone(), id, port, generation })),
                _ => {}
            }
        }
    }
    for (at, event) in pending {
        state.queue.push(at, Event::Elb(event));
    }
    look_again(state);
}

/// Begins to check the targets whose answer now speaks against their state.
pub(in crate::sim) fn look_again(state: &mut State) {
    let mut due = Vec::new();
    for group in &state.elbv2.groups {
        for target in group.targets.iter().filter(|target| !target.checking) {
            let speaks_against = match target.state.state.as_str() {
                "healthy" => verdict(state, group, target).is_err(),
                "unhealthy" => verdict(state, group, target).is_ok(),
                _ => false,
            };
            if speaks_against {
                due.push((
                    group.arn().to_owned(),
                    target.id.clone(),
                    target.port,
                    target.generation,
                    next_check(group, target, state.now),
                ));
            }
        }
    }
    for (arn, id, port, generation, at) in due {
        if let Some(target) = state.elbv2.group_mut(&arn).and_then(|group| group.target_mut(&id, port)) {
            target.checking = true;
        }
        schedule(state, at, &arn, &id, port, generation);
    }
}

fn schedule(state: &mut State, at: Millis, group: &str, id: &str, port: u16, generation: u64) {
    let event = ElbEvent::Check { group: group.to_owned(), id: id.to_owned(), port, generation };
    state.queue.push(at, Event::Elb(event));
}

/// The next time after `now` on the target's own rhythm.
fn next_check(group: &Group, target: &Target, now: Millis) -> Millis {
    let interval = group.interval();
    let behind = (now - target.anchor).max(-1);
    target.anchor + (behind.div_euclid(interval) + 1) * interval
}

fn check(state: &mut State, arn: &str, id: &str, port: u16, generation: u64) {
    let found = state.elbv2.group(arn).and_then(|group| Some((group, group.target(id, port)?)));
    let Some((group, target)) = found.filter(|(_, target)| target.generation == generation && target.state.state != "draining")
    else {
        return;
    };
    let verdict = verdict(state, group, target);
    let (enough_passes, enough_fails) = (group.setting("HealthyThresholdCount", 5), group.setting("UnhealthyThresholdCount", 2));
    let next = state.now + group.interval();
    let Some(target) = state.elbv2.group_mut(arn).and_then(|group| group.target_mut(id, port)) else { return };
    target.judge(verdict, enough_passes, enough_fails);
    if target.checking {
        schedule(state, next, arn, id, port, generation);
    }
}

impl Target {
    /// Counts one check and changes the state when there are enough of one kind. Checks stop when the state agrees with them.
    pub(super) fn judge(&mut self, verdict: Result<(), TargetState>, enough_passes: i64, enough_fails: i64) {
        match &verdict {
            Ok(()) => (self.passes, self.fails) = (self.passes + 1, 0),
            Err(_) => (self.passes, self.fails) = (0, self.fails + 1),
        }
        let before = self.state.state.clone();
        match verdict {
            Ok(()) if before != "healthy" && self.passes >= enough_passes => self.state = TargetState::healthy(),
            Err(why) if before == "unhealthy" || self.fails >= enough_fails => self.state = why,
            _ if before == "initial" => {
                self.state = TargetState::new("initial", "Elb.InitialHealthChecking", "Initial health checks in progress");
            }
            _ => {}
        }
        let agrees = match self.state.state.as_str() {
            "healthy" => self.fails == 0,
            "unhealthy" => self.passes == 0,
            _ => false,
        };
        self.checking = !agrees;
    }
}

/// What one check of the target would say now.
fn verdict(state: &State, group: &Group, target: &Target) -> Result<(), TargetState> {
    let balancer = state.elbv2.balancer_of(group);
    let from = balancer.and_then(|balancer| balancer.get("SecurityGroups")?.as_array()).into_iter().flatten();
    let from: Vec<String> = from.filter_map(Value::as_str).map(str::to_owned).collect();
    let path = match member(&group.object, "HealthCheckPath") {
        "" => "/",
        path => path,
    };
    let answer = ecs::probe(state, &from, &target.id, group.check_port(target.port), path);
    match answer {
        Probe::Status(_) if member(&group.object, "HealthCheckProtocol") == "TCP" => Ok(()),
        Probe::Status(code) if group.matches(code) => Ok(()),
        Probe::Status(code) => {
            let text = format!("Health checks failed with these codes: [{code}]");
            Err(TargetState::new("unhealthy", "Target.ResponseCodeMismatch", &text))
        }
        Probe::TimedOut => Err(TargetState::new("unhealthy", "Target.Timeout", "Request timed out")),
        Probe::Refused => Err(TargetState::new("unhealthy", "Target.FailedHealthChecks", "Health checks failed")),
    }
}

impl Group {
    fn interval(&self) -> Millis {
        self.setting("HealthCheckIntervalSeconds", 30).clamp(1, 300) * 1000
    }

    /// The port that checks go to.
    pub(super) fn check_port(&self, traffic: u16) -> u16 {
        member(&self.object, "HealthCheckPort").parse().unwrap_or(traffic)
    }

    /// Whether a status is among the matcher's: `200`, `200,301`, `200-399`.
    pub(super) fn matches(&self, code: u16) -> bool {
        let codes = self.object.get("Matcher").and_then(|matcher| matcher.get("HttpCode")?.as_str()).unwrap_or("200");
        codes.split(',').any(|part| match part.trim().split_once('-') {
            Some((from, to)) => from.parse().is_ok_and(|from: u16| code >= from) && to.parse().is_ok_and(|to: u16| code <= to),
            None => part.trim().parse() == Ok(code),
        })
    }
}
