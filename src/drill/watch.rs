//! Who looks on while a run is under way: checks the invariants after every request that changed something, and lets happen what the
//! weather brings.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::{Value, json};

use super::invariants::{Scene, Ties, broken};
use super::lab::foreign;
use super::weather::{Happening, JournalFault, Life};
use crate::model::{ClaimChange, Record, RecordBody};
use crate::sim::{Millis, Sim};

/// The access key of the simulator's operator.
pub(super) const OPERATOR: &str = "ASIAREHEARSALEXAMPLE";

/// Clones look on together.
#[derive(Clone)]
pub struct SharedWatch(Arc<Mutex<Watch>>);

impl std::fmt::Debug for SharedWatch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SharedWatch")
    }
}

struct Watch {
    ties: Ties,
    region: String,
    cluster: String,
    log_group: String,
    /// Mutations that the journal says were started.
    started: usize,
    tokens: BTreeSet<String>,
    /// What is to come, by time.
    happenings: Vec<(Millis, Happening)>,
    journal: Option<(usize, JournalFault)>,
    appended: usize,
    /// Effects in the ledger at the last look.
    seen: usize,
    looks: usize,
    broken: Option<String>,
    random: fastrand::Rng,
}

/// Where things are, for somebody else's hand.
pub(super) struct Place {
    pub(super) region: String,
    pub(super) cluster: String,
    pub(super) log_group: String,
}

impl SharedWatch {
    /// Nothing is seen yet.
    pub(super) fn new(ties: Ties, place: Place, seed: u64) -> Self {
        Self(Arc::new(Mutex::new(Watch {
            ties,
            region: place.region,
            cluster: place.cluster,
            log_group: place.log_group,
            started: 0,
            tokens: BTreeSet::new(),
            happenings: Vec::new(),
            journal: None,
            appended: 0,
            seen: 0,
            looks: 0,
            broken: None,
            random: fastrand::Rng::with_seed(seed),
        })))
    }

    fn locked(&self) -> MutexGuard<'_, Watch> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A process begins at `now`, with what its journal says already, and meets `life`.
    pub(super) fn begin(&self, now: Millis, records: &[Record], life: &Life) {
        let mut watch = self.locked();
        (watch.started, watch.tokens) = (0, BTreeSet::new());
        watch.note(records);
        // What was to come for an earlier process comes all the same.
        watch.happenings.extend(life.happenings.iter().map(|(after, what)| (now + after, what.clone())));
        watch.happenings.sort_by_key(|(at, _)| *at);
        watch.journal = life.journal;
        watch.appended = 0;
    }

    /// Nothing more happens.
    pub(super) fn calm(&self) {
        let mut watch = self.locked();
        watch.happenings.clear();
        watch.journal = None;
    }

    /// How often it looked, and the first broken promise.
    pub(super) fn verdict(&self) -> (usize, Option<String>) {
        let watch = self.locked();
        (watch.looks, watch.broken.clone())
    }

    /// Lets happen what is due.
    pub(super) fn before_request(&self, sim: &Sim, now: Millis) {
        loop {
            let mut watch = self.locked();
            if watch.happenings.first().is_none_or(|(at, _)| *at > now) {
                return;
            }
            let (_, what) = watch.happenings.remove(0);
            watch.happen(sim, now, what);
        }
    }

    /// Checks, if anything changed.
    pub(super) fn look(&self, sim: &Sim) {
        self.locked().look(sim);
    }

    /// Records are durable.
    pub(super) fn committed(&self, records: &[Record]) {
        self.locked().note(records);
    }

    /// Whether the next append fails.
    pub(super) fn journal_fault(&self) -> Option<JournalFault> {
        let mut watch = self.locked();
        watch.appended += 1;
        let appended = watch.appended;
        watch.journal.filter(|(at, _)| *at == appended).map(|(_, fault)| fault)
    }
}

impl Watch {
    fn note(&mut self, records: &[Record]) {
        for record in records {
            if let RecordBody::Claim { change: ClaimChange::Writing { .. } | ClaimChange::Removing, .. } = &record.body {
                self.started += 1;
            }
            if let RecordBody::StepStarted { intent, .. } = &record.body {
                self.started += 1;
                for name in ["token", "creatorRequestId"] {
                    self.tokens.extend(intent[name].as_str().map(str::to_owned));
                }
            }
        }
    }

    fn look(&mut self, sim: &Sim) {
        let effects = sim.effects();
        if effects == self.seen || self.broken.is_some() {
            return;
        }
        self.seen = effects;
        let ledger = sim.ledger();
        self.looks += 1;
        let world = sim.with(|state| state.save());
        let scene = Scene {
            world: &world,
            ledger: &ledger,
            caller: OPERATOR,
            ties: &self.ties,
            started: self.started,
            tokens: &self.tokens,
        };
        self.broken = broken(&scene);
    }

    fn happen(&mut self, sim: &Sim, now: Millis, what: Happening) {
        // A hand that AWS refuses has changed nothing.
        let _ = match what {
            Happening::Fault(fault) => {
                sim.with(|state| {
                    state.advance(now);
                    state.add_fault(fault);
                });
                Ok(Value::Null)
            }
            Happening::Deploys => self.deploy(sim, now),
            Happening::Deletes => self.delete(sim, now),
        };
    }

    /// As a pipeline does: a new revision from the one that runs, or the same once more.
    fn deploy(&mut self, sim: &Sim, now: Millis) -> Result<Value, String> {
        let Some(service) = self.ties.services.first().cloned() else { return Ok(Value::Null) };
        let mut input = json!({ "cluster": self.cluster, "service": service });
        if self.random.bool() {
            input["forceNewDeployment"] = json!(true);
        } else {
            input["taskDefinition"] = self.revised(sim, now, &service)?;
        }
        foreign(sim, now, &self.region, "UpdateService", &input)
    }

    fn revised(&self, sim: &Sim, now: Millis, service: &str) -> Result<Value, String> {
        let wanted = json!({ "cluster": self.cluster, "services": [service] });
        let found = foreign(sim, now, &self.region, "DescribeServices", &wanted)?;
        let arn = json!({ "taskDefinition": found["services"][0]["taskDefinition"] });
        let found = foreign(sim, now, &self.region, "DescribeTaskDefinition", &arn)?;
        let mut input = found["taskDefinition"].clone();
        if let Some(members) = input.as_object_mut() {
            for output in
                ["taskDefinitionArn", "revision", "status", "requiresAttributes", "compatibilities", "registeredAt", "registeredBy"]
            {
                members.remove(output);
            }
        }
        if let Some(environment) = input["containerDefinitions"][0]["environment"].as_array_mut() {
            environment.push(json!({ "name": "BUILD", "value": format!("{now}") }));
        }
        let made = foreign(sim, now, &self.region, "RegisterTaskDefinition", &input)?;
        Ok(made["taskDefinition"]["taskDefinitionArn"].clone())
    }

    fn delete(&mut self, sim: &Sim, now: Millis) -> Result<Value, String> {
        match self.random.u8(..3) {
            0 => {
                let input = json!({ "cluster": self.cluster, "service": self.ties.shared, "force": true });
                foreign(sim, now, &self.region, "DeleteService", &input)
            }
            1 => foreign(sim, now, &self.region, "logs:DeleteLogGroup", &json!({ "logGroupName": self.log_group })),
            _ => {
                let wanted = json!({ "cluster": self.cluster, "services": [self.ties.shared] });
                let found = foreign(sim, now, &self.region, "DescribeServices", &wanted)?;
                let arn = json!({ "taskDefinition": found["services"][0]["taskDefinition"] });
                foreign(sim, now, &self.region, "DeregisterTaskDefinition", &arn)
            }
        }
    }
}
