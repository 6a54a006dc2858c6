//! Traffic: every container that is told where to send spans sends one a second, and each is accounted for.
//!
//! ```text
//!   a container that is told of tracing, by OpenTelemetry's variables or the X-Ray SDK's, while it runs ([`Sender`])
//!        │ one span a second
//!        ├─ localhost ─▶ a container of the same task that opens the port and runs
//!        └─ a name ─▶ resolved, remembered for its TTL ─▶ security groups ─▶ a task that opens the port and runs
//!                                                                                   │
//!                             lost, with the reason                  arrived: kept in that container's memory, or passed on at once
//! ```
//!
//! Besides, an application makes a span of each request that is served by it ([`emit`]); while it is idle it makes no other.
//!
//! Nothing happens per span. Whether spans arrive changes only when an event happens or a remembered name expires; so
//! [`State::advance`] asks for the account up to each event before it lets it happen, and the spans in between are counted at
//! once. Spans kept by a container that no longer runs are arrived, but not *retained*. An image that passes them on ([`images`]) keeps
//! none, so they stay; what an X-Ray daemon logs of it is written when somebody reads the logs ([`State::write_span_logs`]).

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::ecs::Task;
use super::ecs::json::{last_part, owned, text};
use super::images;
use super::sender::{PERIOD, Sender};
use super::{Millis, State};

/// How long an X-Ray daemon of the simulator collects segments for one batch.
const BATCH: Millis = 10_000;

/// A container of a task.
pub(super) type ContainerKey = (String, String);

/// Why a span is lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Lost {
    NoReceiver,
    NameDoesNotResolve,
    BlockedBySecurityGroup,
    ReceiverNotRunning,
    ReceiverHasNoRole,
}

impl Lost {
    fn word(self) -> &'static str {
        match self {
            Self::NoReceiver => "no-receiver",
            Self::NameDoesNotResolve => "name-does-not-resolve",
            Self::BlockedBySecurityGroup => "blocked-by-security-group",
            Self::ReceiverNotRunning => "receiver-not-running",
            Self::ReceiverHasNoRole => "receiver-has-no-role",
        }
    }
}

/// The spans of all tasks.
#[derive(Clone, Debug, Default)]
pub(super) struct Traffic {
    /// Everything before is accounted for.
    until: Millis,
    /// The stages, in the order of their marks.
    labels: Vec<String>,
    /// Index of the stage that spans count for now.
    current: usize,
    /// No known sender has a span before.
    next: Millis,
    /// Whether nobody uses the applications: spans come of single requests only.
    idle: bool,
    /// By stage (index of its label) and sending task.
    ledger: BTreeMap<(usize, String), Entry>,
    /// What each sending container remembers of its endpoint's name.
    names: BTreeMap<ContainerKey, Name>,
    /// What each receiving container keeps, or has passed on: by the name of the service that sent.
    pub(super) stores: BTreeMap<ContainerKey, Store>,
    /// Until when those that log what they pass on have written of it.
    logged: BTreeMap<ContainerKey, Millis>,
}

/// Spans of one task in one stage.
#[derive(Clone, Debug, Default)]
struct Entry {
    service: String,
    sent: u64,
    /// By receiving container.
    arrived: BTreeMap<ContainerKey, u64>,
    /// Of these, what was passed on at once.
    passed_on: BTreeMap<ContainerKey, u64>,
    lost: BTreeMap<Lost, u64>,
}

/// A name that was resolved, or was not.
#[derive(Clone, Debug)]
struct Name {
    host: String,
    addresses: Vec<String>,
    expires: Millis,
}

/// What a receiving container keeps in memory.
#[derive(Clone, Debug, Default)]
pub(super) struct Store {
    /// By service name: runs of spans, one a second, ordered by their first.
    pub(super) services: BTreeMap<String, Vec<Run>>,
}

/// Spans of one task, one a second from `first`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Run {
    /// The sending task.
    pub(super) task: String,
    pub(super) first: Millis,
    pub(super) count: u64,
}

impl Run {
    /// The times of its spans within a span of time, both ends included.
    pub(super) fn times(&self, from: Millis, to: Millis) -> impl DoubleEndedIterator<Item = Millis> + use<> {
        let last = self.first + (self.count as Millis - 1) * PERIOD;
        let skipped = (from - self.first).max(0).div_euclid(PERIOD) + i64::from((from - self.first).max(0) % PERIOD != 0);
        let (first, to) = (self.first + skipped * PERIOD, to.min(last));
        let count = if first > to { 0 } else { (to - first) / PERIOD + 1 };
        (0..count).map(move |index| first + index * PERIOD)
    }
}

impl Traffic {
    /// Nothing was sent before `now`.
    pub(super) fn begin(&mut self, now: Millis) {
        self.until = now;
        self.next = now;
        if self.labels.is_empty() {
            self.labels.push("start".to_owned());
        }
    }

    /// A task's containers are gone, and what they kept and remembered with them.
    pub(super) fn forget(&mut self, task: &str) {
        self.stores.retain(|(keeper, _), _| keeper != task);
        self.logged.retain(|(keeper, _), _| keeper != task);
        self.names.retain(|(sender, _), _| sender != task);
    }

    fn keep(&mut self, receiver: &ContainerKey, service: &str, run: Run) {
        let runs = self.stores.entry(receiver.clone()).or_default().services.entry(service.to_owned()).or_default();
        let next = |known: &Run| known.task == run.task && known.first + known.count as Millis * PERIOD == run.first;
        match runs.iter_mut().rev().find(|known| next(known)) {
            Some(known) => known.count += run.count,
            None => runs.push(run),
        }
    }
}

/// Accounts for every span sent before `at`. The world must be as it was since the last account.
pub(super) fn account(state: &mut State, at: Millis) {
    let traffic = &state.ecs.traffic;
    // Most events fall between two spans. A container that started since the last account sends its first span a period later.
    if at <= traffic.next && at - traffic.until < PERIOD {
        return;
    }
    let from = traffic.until;
    let mut next = at + PERIOD;
    let senders = if traffic.idle { Vec::new() } else { senders(state) };
    for sender in senders {
        send(state, &sender, from, at);
        next = next.min(sender.first_from(at));
    }
    let traffic = &mut state.ecs.traffic;
    traffic.until = traffic.until.max(at);
    traffic.next = next;
}

fn senders(state: &State) -> Vec<Sender> {
    let tasks = state.ecs.tasks.iter().flat_map(|task| task.containers.iter().map(move |container| (task, container)));
    tasks.filter(|(_, container)| container.runs()).filter_map(|(task, container)| Sender::of(task, container)).collect()
}

/// Accounts for the spans of one container in `[from, to)`.
fn send(state: &mut State, sender: &Sender, from: Millis, to: Millis) {
    let mut next = sender.first_from(from);
    while next < to {
        let (fate, holds_until) = fate(state, sender, next);
        let end = sender.first_from(to.min(holds_until.max(next + 1)));
        let count = ((end - next) / PERIOD) as u64;
        note(state, sender, fate, next, count);
        next = end;
    }
}

/// An application serves one request, which makes a span; one that is told no receiver makes none.
pub(super) fn emit(state: &mut State, key: &ContainerKey) {
    let now = state.now;
    account(state, now);
    if let Some(sender) = senders(state).into_iter().find(|sender| sender.key == *key) {
        let (fate, _) = fate(state, &sender, now);
        note(state, &sender, fate, now, 1);
    }
}

fn note(state: &mut State, sender: &Sender, fate: Result<ContainerKey, Lost>, first: Millis, count: u64) {
    let service = state.ecs.task(&sender.key.0).map(|task| task.service_name().to_owned()).unwrap_or_default();
    let passes_on = fate.as_ref().is_ok_and(|(task, name)| {
        let receiver = state.ecs.task(task).and_then(|task| task.containers.iter().find(|known| known.name == *name));
        receiver.is_some_and(|container| images::of(container).is_some_and(|image| image.passes_on))
    });
    let traffic = &mut state.ecs.traffic;
    let entry = traffic.ledger.entry((traffic.current, sender.key.0.clone())).or_default();
    entry.service = service;
    entry.sent += count;
    match fate {
        Ok(receiver) => {
            *entry.arrived.entry(receiver.clone()).or_default() += count;
            if passes_on {
                *entry.passed_on.entry(receiver.clone()).or_default() += count;
            }
            traffic.keep(&receiver, &sender.service, Run { task: sender.key.0.clone(), first, count });
        }
        Err(lost) => *entry.lost.entry(lost).or_default() += count,
    }
}

/// What becomes of a span sent at `at`, and until when that holds unless an event happens.
fn fate(state: &mut State, sender: &Sender, at: Millis) -> (Result<ContainerKey, Lost>, Millis) {
    if matches!(sender.host.as_str(), "localhost" | "127.0.0.1" | "[::1]") {
        let Some(task) = state.ecs.task(&sender.key.0) else { return (Err(Lost::NoReceiver), Millis::MAX) };
        return (received(state, task, sender), Millis::MAX);
    }
    let (addresses, expires) = if sender.host.parse::<std::net::Ipv4Addr>().is_ok() {
        (vec![sender.host.clone()], Millis::MAX)
    } else {
        resolve(state, sender, at)
    };
    let Some(address) = addresses.first() else { return (Err(Lost::NameDoesNotResolve), expires) };
    (deliver(state, sender, address), expires)
}

/// What the name resolves to, remembered for its TTL; a name that does not resolve is remembered, too.
fn resolve(state: &mut State, sender: &Sender, at: Millis) -> (Vec<String>, Millis) {
    if let Some(name) = state.ecs.traffic.names.get(&sender.key)
        && name.host == sender.host
        && at < name.expires
    {
        return (name.addresses.clone(), name.expires);
    }
    let vpc = state.ecs.task(&sender.key.0).and_then(|task| state.ec2.subnet(task.subnet())).map(|subnet| subnet.vpc_id);
    let found = state.cloudmap.resolve(&vpc.unwrap_or_default(), &sender.host).filter(|(addresses, _)| !addresses.is_empty());
    let (addresses, ttl) = found.unwrap_or((Vec::new(), state.assume.compute.negative_dns_ttl));
    let expires = at + Millis::from(ttl.max(1)) * 1000;
    let name = Name { host: sender.host.clone(), addresses: addresses.clone(), expires };
    state.ecs.traffic.names.insert(sender.key.clone(), name);
    (addresses, expires)
}

fn deliver(state: &State, sender: &Sender, address: &str) -> Result<ContainerKey, Lost> {
    let Some(receiver) = state.ecs.task_at(address) else { return Err(Lost::ReceiverNotRunning) };
    let Some(from) = state.ecs.task(&sender.key.0) else { return Err(Lost::NoReceiver) };
    let way = (sender.transport, sender.port);
    if receiver.id != from.id && !state.ec2.lets_through(&from.ip, &from.groups, &receiver.ip, &receiver.groups, way) {
        return Err(Lost::BlockedBySecurityGroup);
    }
    received(state, receiver, sender)
}

/// The container of the task that takes in what comes on the port.
fn received(state: &State, task: &Task, sender: &Sender) -> Result<ContainerKey, Lost> {
    let opens = |container: &&super::ecs::Container| container.listens_on(sender.transport, sender.port);
    let mut opening = task.containers.iter().filter(opens).peekable();
    if opening.peek().is_none() {
        return Err(Lost::NoReceiver);
    }
    let Some(container) = opening.find(|container| container.runs()) else { return Err(Lost::ReceiverNotRunning) };
    // What it passes on it signs as the task's role.
    let signs = images::of(container).is_some_and(|image| image.calls_aws);
    if signs && !state.ecs.has_task_role(task) {
        return Err(Lost::ReceiverHasNoRole);
    }
    Ok((task.id.clone(), container.name.clone()))
}

/// Sums of entries.
#[derive(Default)]
struct Sums {
    sent: u64,
    arrived: u64,
    retained: u64,
    lost: BTreeMap<Lost, u64>,
}

impl Sums {
    fn add(&mut self, entry: &Entry, runs: impl Fn(&ContainerKey) -> bool) {
        self.sent += entry.sent;
        for (receiver, count) in &entry.arrived {
            self.arrived += count;
            let passed_on = entry.passed_on.get(receiver).copied().unwrap_or(0);
            self.retained += if runs(receiver) { *count } else { passed_on };
        }
        for (reason, count) in &entry.lost {
            *self.lost.entry(*reason).or_default() += count;
        }
    }

    fn render(&self, mut head: Value) -> Value {
        head["sent"] = json!(self.sent);
        head["arrived"] = json!(self.arrived);
        head["retained"] = json!(self.retained);
        head["lost"] = self.lost.iter().map(|(reason, count)| (reason.word().to_owned(), json!(count))).collect();
        head
    }
}

impl State {
    /// The spans so far: `total`, `labels` (by stage, in their order) and `tasks` (by stage and task), each with `sent`, `arrived`,
    /// `retained` and `lost` (an object from reason to number).
    pub fn spans(&self) -> Value {
        let traffic = &self.ecs.traffic;
        let runs = |(task, name): &ContainerKey| {
            let container = self.ecs.task(task).and_then(|task| task.containers.iter().find(|known| known.name == *name));
            container.is_some_and(|container| container.runs())
        };
        let mut total = Sums::default();
        let mut labels: Vec<Sums> = traffic.labels.iter().map(|_| Sums::default()).collect();
        let mut tasks = Vec::new();
        for ((label, task), entry) in &traffic.ledger {
            total.add(entry, runs);
            labels[*label].add(entry, runs);
            let mut sums = Sums::default();
            sums.add(entry, runs);
            tasks.push(sums.render(json!({ "label": traffic.labels[*label], "task": task, "service": entry.service })));
        }
        let labels: Vec<Value> =
            labels.iter().zip(&traffic.labels).map(|(sums, label)| sums.render(json!({ "label": label }))).collect();
        json!({ "total": total.render(json!({})), "labels": labels, "tasks": tasks })
    }

    /// Writes what running X-Ray daemons have logged by now of the segments that they passed on, and have not written yet: a line for
    /// all of [`BATCH`].
    pub(super) fn write_span_logs(&mut self) {
        let now = self.now;
        account(self, now);
        let mut lines = Vec::new();
        for task in &self.ecs.tasks {
            for container in task.containers.iter().filter(|container| images::of(container).is_some_and(|image| image.logs)) {
                let options = &container.spec["logConfiguration"]["options"];
                if text(&container.spec["logConfiguration"], "logDriver") != "awslogs" || !container.runs() {
                    continue;
                }
                let key = (task.id.clone(), container.name.clone());
                let store = self.ecs.traffic.stores.get(&key);
                let runs: Vec<&Run> = store.into_iter().flat_map(|store| store.services.values().flatten()).collect();
                let Some(first) = runs.iter().map(|run| run.first).min() else { continue };
                let mut at = self.ecs.traffic.logged.get(&key).copied().unwrap_or(first - first.rem_euclid(BATCH));
                while at + BATCH <= now {
                    let segments: usize = runs.iter().map(|run| run.times(at, at + BATCH - 1).count()).sum();
                    at += BATCH;
                    if segments > 0 {
                        let group = owned(options, "awslogs-group");
                        let stream = format!("{}/{}/{}", text(options, "awslogs-stream-prefix"), container.name, task.id);
                        lines.push((group, stream, at, segments));
                    }
                }
                self.ecs.traffic.logged.insert(key, at);
            }
        }
        for (group, stream, at, segments) in lines {
            let line = format!("[Info] Successfully sent batch of {segments} segments (0.021 seconds)");
            self.logs.append(&group, &stream, at, &line);
        }
    }

    /// Whether nobody uses the applications from now on: then spans come of single requests only.
    pub fn set_idle(&mut self, idle: bool) {
        let now = self.now;
        account(self, now);
        let traffic = &mut self.ecs.traffic;
        // Nothing is made up for afterwards.
        traffic.until = traffic.until.max(now);
        traffic.next = now;
        traffic.idle = idle;
    }

    /// From now on spans count for the stage `label`; one that was marked before is taken up again.
    pub fn mark(&mut self, label: &str) {
        let now = self.now;
        account(self, now);
        let traffic = &mut self.ecs.traffic;
        let known = traffic.labels.iter().position(|known| known == label);
        traffic.current = known.unwrap_or(traffic.labels.len());
        if known.is_none() {
            traffic.labels.push(label.to_owned());
        }
    }
}

impl Task {
    /// The name of its service, or its group when no service started it.
    pub(super) fn service_name(&self) -> &str {
        self.service_arn.as_deref().map_or_else(|| self.group(), last_part)
    }
}
