//! A task and its containers: what is kept of them while they start, run and stop.

use std::sync::Arc;

use serde_json::{Value, json};

use super::super::Millis;
use super::super::jaeger::Served;
use super::super::sender::Transport;
use super::json::{epoch, has, list, number, owned, text};

/// `lastStatus` of a task, in the order in which a task goes through them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::sim) enum Phase {
    /// The network interface is being made.
    Provisioning,
    /// Images are being pulled.
    Pending,
    /// Containers run; targets and names are being set up.
    Activating,
    /// Runs.
    Running,
    /// Targets drain.
    Deactivating,
    /// Containers were told to stop.
    Stopping,
    /// The network interface is being removed.
    Deprovisioning,
    /// Gone, still described for an hour.
    Stopped,
}

impl Phase {
    const ALL: [(Self, &'static str); 8] = [
        (Self::Provisioning, "PROVISIONING"),
        (Self::Pending, "PENDING"),
        (Self::Activating, "ACTIVATING"),
        (Self::Running, "RUNNING"),
        (Self::Deactivating, "DEACTIVATING"),
        (Self::Stopping, "STOPPING"),
        (Self::Deprovisioning, "DEPROVISIONING"),
        (Self::Stopped, "STOPPED"),
    ];

    /// AWS's word.
    pub(super) fn word(self) -> &'static str {
        Self::ALL.iter().find(|(phase, _)| *phase == self).map_or("STOPPED", |(_, word)| word)
    }

    /// From AWS's word.
    pub(super) fn parse(word: &str) -> Option<Self> {
        Self::ALL.iter().find(|(_, known)| *known == word).map(|(phase, _)| *phase)
    }
}

/// `healthStatus` of a task or container.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::sim) enum Health {
    /// No check, or none has ended yet.
    Unknown,
    /// The check passes.
    Healthy,
    /// The check failed as often as it may.
    Unhealthy,
}

impl Health {
    /// AWS's word.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Unknown => "UNKNOWN",
            Self::Healthy => "HEALTHY",
            Self::Unhealthy => "UNHEALTHY",
        }
    }

    /// From AWS's word.
    pub(super) fn parse(word: &str) -> Self {
        match word {
            "HEALTHY" => Self::Healthy,
            "UNHEALTHY" => Self::Unhealthy,
            _ => Self::Unknown,
        }
    }
}

/// Where a container is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::sim) enum Life {
    /// Not started.
    Waiting,
    /// Runs and serves.
    Running,
    /// Was told to stop: serves and sends no more.
    Terminating,
    /// Exited.
    Stopped,
}

/// A container of a task.
#[derive(Clone, Debug)]
pub(in crate::sim) struct Container {
    /// Its name in the task definition.
    pub(in crate::sim) name: String,
    /// Its container definition.
    pub(in crate::sim) spec: Arc<Value>,
    /// Where it is in its life.
    pub(in crate::sim) life: Life,
    /// Its health check's verdict.
    pub(super) health: Health,
    /// When it started.
    pub(in crate::sim) started: Millis,
    /// Failed checks in a row.
    pub(super) failures: i64,
    /// Set when it exited.
    pub(super) exit_code: Option<i64>,
    /// Why it did not start or was stopped.
    pub(super) reason: Option<String>,
    /// Whether its HTTP API was asked.
    pub(super) served: Served,
}

impl Container {
    /// A container that has not started.
    pub(super) fn waiting(spec: Value) -> Self {
        Self {
            name: owned(&spec, "name"),
            spec: Arc::new(spec),
            life: Life::Waiting,
            health: Health::Unknown,
            started: 0,
            failures: 0,
            exit_code: None,
            reason: None,
            served: Served::default(),
        }
    }

    /// Whether it runs and serves.
    pub(in crate::sim) fn runs(&self) -> bool {
        self.life == Life::Running
    }

    /// Whether the task stops when it does; a container is essential unless its definition says otherwise.
    pub(super) fn essential(&self) -> bool {
        self.spec["essential"].as_bool().unwrap_or(true)
    }

    /// Whether its definition has a health check.
    pub(super) fn has_check(&self) -> bool {
        has(&self.spec, "healthCheck")
    }

    /// Its image, as the definition words it.
    pub(in crate::sim) fn image(&self) -> &str {
        text(&self.spec, "image")
    }

    /// Whether its definition opens the port; a mapping that names no protocol is of TCP.
    pub(in crate::sim) fn listens_on(&self, transport: Transport, port: u16) -> bool {
        list(&self.spec, "portMappings").iter().any(|mapping| {
            let protocol = Some(text(mapping, "protocol")).filter(|word| !word.is_empty()).unwrap_or("tcp");
            protocol == transport.words()[0] && number(mapping, "containerPort") == Some(i64::from(port))
        })
    }

    /// The value of an environment variable of its definition.
    pub(in crate::sim) fn env(&self, name: &str) -> Option<&str> {
        list(&self.spec, "environment").iter().find(|pair| text(pair, "name") == name).map(|pair| text(pair, "value"))
    }

    /// Whether an environment variable of its definition begins so.
    pub(in crate::sim) fn has_env(&self, start: &str) -> bool {
        list(&self.spec, "environment").iter().any(|pair| text(pair, "name").starts_with(start))
    }

    /// Whether others come to it: it opens ports, or sends spans of its own.
    pub(in crate::sim) fn serves(&self) -> bool {
        !list(&self.spec, "portMappings").is_empty() || self.env("OTEL_EXPORTER_OTLP_ENDPOINT").is_some()
    }

    /// Whether its HTTP API was asked before.
    pub(in crate::sim) fn served(&self) -> bool {
        self.served.get()
    }

    /// Notes that its HTTP API was asked.
    pub(in crate::sim) fn note_served(&self) {
        self.served.set();
    }

    fn status(&self, phase: Phase) -> &'static str {
        match self.life {
            Life::Waiting if phase >= Phase::Deprovisioning => "STOPPED",
            Life::Waiting => "PENDING",
            Life::Running | Life::Terminating => "RUNNING",
            Life::Stopped => "STOPPED",
        }
    }
}

/// A task.
#[derive(Clone, Debug)]
pub(in crate::sim) struct Task {
    /// 32 hexadecimal digits.
    pub(in crate::sim) id: String,
    /// Its service; `None` for a task that no service started.
    pub(in crate::sim) service_arn: Option<String>,
    /// The deployment it counts for.
    pub(super) deployment: String,
    pub(super) phase: Phase,
    /// `desiredStatus` is STOPPED.
    pub(super) stopping: bool,
    pub(super) health: Health,
    /// Private address; empty while the network interface is being made.
    pub(in crate::sim) ip: String,
    pub(super) subnet: String,
    pub(super) zone: String,
    pub(in crate::sim) groups: Vec<String>,
    pub(in crate::sim) containers: Vec<Container>,
    /// Target groups with the port registered there.
    pub(super) targets: Vec<(String, u16)>,
    /// Cloud Map service.
    pub(super) registry: Option<String>,
    /// Whether targets and name were registered and not yet taken off.
    pub(super) registered: bool,
    /// Since when it is RUNNING.
    pub(super) running_since: Option<Millis>,
    /// Whether it was healthy once: then its end is no failed start of its deployment.
    pub(super) succeeded: bool,
    /// Counts changes of phase: an event scheduled for an earlier one is void.
    pub(super) step: u32,
    /// The task as AWS prints it; phase, health and containers are laid over it.
    pub(super) body: Value,
}

impl Task {
    /// `…:task/cluster/id`.
    pub(super) fn arn(&self) -> &str {
        text(&self.body, "taskArn")
    }

    /// Its subnet's id.
    pub(in crate::sim) fn subnet(&self) -> &str {
        &self.subnet
    }

    /// `service:NAME`, or what its starter gave.
    pub(in crate::sim) fn group(&self) -> &str {
        text(&self.body, "group")
    }

    /// Counts toward the desired count: neither stopped nor told to stop.
    pub(super) fn wanted(&self) -> bool {
        !self.stopping && self.phase <= Phase::Running
    }

    /// Its containers have not all exited: it takes a place of maximumPercent.
    pub(super) fn occupies(&self) -> bool {
        self.phase < Phase::Deprovisioning
    }

    /// Notes a change: AWS counts versions.
    pub(super) fn touch(&mut self) {
        let version = number(&self.body, "version").unwrap_or(0);
        self.body["version"] = json!(version + 1);
    }

    /// Notes a time.
    pub(super) fn stamp(&mut self, member: &str, at: Millis) {
        self.body[member] = epoch(at);
    }

    /// The task as AWS prints it.
    pub(super) fn render(&self) -> Value {
        let mut shown = self.body.clone();
        shown["lastStatus"] = json!(self.phase.word());
        shown["desiredStatus"] = json!(if self.stopping { "STOPPED" } else { "RUNNING" });
        shown["healthStatus"] = json!(self.health.word());
        for container in &self.containers {
            let Some(item) = shown["containers"]
                .as_array_mut()
                .and_then(|items| items.iter_mut().find(|item| text(item, "name") == container.name))
            else {
                continue;
            };
            item["lastStatus"] = json!(container.status(self.phase));
            item["healthStatus"] = json!(container.health.word());
            if let Some(code) = container.exit_code {
                item["exitCode"] = json!(code);
            }
            if let Some(reason) = &container.reason {
                item["reason"] = json!(reason);
            }
        }
        shown
    }
}
