//! Who looks on while a run is under way: checks the invariants after every request that changed something, and lets happen what the
//! weather brings.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::Value;

use super::hands::{Hands, Place, Use, others_use_it};
use super::invariants::{Said, Scene, Ties, broken};
use super::weather::{Happening, JournalFault, Life};
use crate::model::{ClaimChange, Record, RecordBody};
use crate::sim::{Fault, ImageFault, Millis, Sim};

/// The access key of the simulator's operator.
pub(super) const OPERATOR: &str = "ASIAREHEARSALEXAMPLE";

/// What began so long ago is seen by whoever looks: an instance is listed seconds after it was registered.
const SEEN_AFTER: Millis = 10_000;

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
    hands: Hands,
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
    /// When somebody else began to use the run's name.
    used_since: Option<Millis>,
    /// The run is about to look for users of what it made.
    looking: bool,
    /// Effects in the ledger when it last did so, where somebody else used it, and how.
    warned: Option<(usize, Use)>,
    /// Health checks have failed without a cause.
    unwell: bool,
}

impl SharedWatch {
    /// Nothing is seen yet.
    pub(super) fn new(ties: Ties, place: Place, seed: u64) -> Self {
        Self(Arc::new(Mutex::new(Watch {
            ties,
            hands: Hands { place, random: fastrand::Rng::with_seed(seed) },
            started: 0,
            tokens: BTreeSet::new(),
            happenings: Vec::new(),
            journal: None,
            appended: 0,
            seen: 0,
            looks: 0,
            broken: None,
            used_since: None,
            looking: false,
            warned: None,
            unwell: false,
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
        watch.looking = false;
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
                watch.note_users(sim, now);
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

    /// A process has come to its end at `now`, and this is what the run says of itself.
    pub(super) fn said(&self, sim: &Sim, now: Millis, said: Said) {
        sim.with(|state| state.advance(now));
        self.locked().check(sim, Some(said));
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
            if let RecordBody::StepStarted { step, intent, .. } = &record.body {
                self.started += 1;
                self.looking |= step.as_str().contains("/unused");
                for name in ["token", "creatorRequestId"] {
                    self.tokens.extend(intent[name].as_str().map(str::to_owned));
                }
            }
        }
    }

    /// The run looks for users of what it made: from here on it knows of those who are there.
    fn note_users(&mut self, sim: &Sim, now: Millis) {
        if std::mem::take(&mut self.looking) {
            let world = sim.with(|state| {
                state.advance(now);
                state.save()
            });
            let settled = self.used_since.is_some_and(|since| now - since >= SEEN_AFTER);
            self.warned = others_use_it(&world, &self.ties).filter(|_| settled).map(|how| (sim.effects(), how));
        }
    }

    fn look(&mut self, sim: &Sim) {
        let effects = sim.effects();
        if effects == self.seen || self.broken.is_some() {
            return;
        }
        self.seen = effects;
        self.check(sim, None);
    }

    fn check(&mut self, sim: &Sim, said: Option<Said>) {
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
            warned: self.warned,
            said,
            unwell: self.unwell,
        };
        self.broken = self.broken.take().or_else(|| broken(&scene));
    }

    fn happen(&mut self, sim: &Sim, now: Millis, what: Happening) {
        // A hand that AWS refuses has changed nothing.
        let _ = match what {
            Happening::Fault(fault) => {
                self.unwell |= matches!(fault, Fault::Image { fault: Some(ImageFault::Unhealthy), .. });
                sim.with(|state| {
                    state.advance(now);
                    state.add_fault(fault);
                });
                Ok(Value::Null)
            }
            Happening::Deploys => self.hands.deploy(sim, now, &self.ties),
            Happening::Deletes => self.hands.delete(sim, now, &self.ties),
            Happening::Uses => {
                let used = self.hands.use_it(sim, now, &self.ties);
                self.used_since = self.used_since.or(used.is_ok().then_some(now));
                used
            }
        };
    }
}
