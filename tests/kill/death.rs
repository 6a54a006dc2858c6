//! How a process dies.

use std::collections::BTreeSet;
use std::ops::AddAssign;

use serde_json::{Value, json};

use crate::cli_support::{Ran, Running, Sim, until};

/// Longer than any process here lives: the answer is held until the process is killed.
const HELD_SECONDS: u32 = 86_400;

/// When a process is killed.
#[derive(Clone, Copy, Debug)]
pub enum Death {
    /// While the answer to a mutation is held whose effect stands, after so many that went well.
    AnswerHeld(usize),
    /// While a mutation lies there that has no effect, after so many that went well.
    Unheard(usize),
    /// So many virtual seconds after its first request: mostly in a wait.
    After(u32),
}

impl Death {
    /// Draws one; in any case one with a held answer, if `held`.
    pub fn drawn(random: &mut fastrand::Rng, held: bool) -> Self {
        let after = random.usize(..3);
        match random.u32(..4) {
            0 if !held => Self::Unheard(after),
            1 if !held => Self::After(random.u32(..240)),
            _ => Self::AnswerHeld(after),
        }
    }

    fn fault(self) -> Option<(&'static str, usize)> {
        match self {
            Self::AnswerHeld(after) => Some(("late", after)),
            Self::Unheard(after) => Some(("hold", after)),
            Self::After(_) => None,
        }
    }
}

/// What came of a process that was to die.
pub struct Died {
    /// How it ended; without an exit code it was killed.
    pub ran: Ran,
    /// Whether it was waiting for an answer whose effect stands.
    pub held: bool,
    /// The last request that it sent.
    pub last: Option<String>,
}

/// One process under observation.
struct Watched<'a> {
    sim: &'a Sim,
    /// Requests before it was started.
    before: usize,
    running: Running,
}

impl Watched<'_> {
    /// Waits for something, or for its end.
    fn until(&mut self, what: &str, mut reached: impl FnMut(&Sim, usize) -> bool) {
        until(what, || (reached(self.sim, self.before) || self.running.ended()).then_some(()));
    }
}

/// The latest request of a process that was started after so many.
fn latest(sim: &Sim, before: usize) -> Option<Value> {
    let mut requests = sim.requests();
    if requests.len() > before { requests.pop() } else { None }
}

/// Whether the process's latest request met the fault: then it waits for its answer, as it sends one request at a time.
fn struck(sim: &Sim, before: usize, fault: &str) -> bool {
    latest(sim, before).is_some_and(|request| request["fault"] == fault)
}

/// Lets a process go its way until it shall die, or comes to its end before.
pub fn die(sim: &Sim, start: impl FnOnce() -> Running, mutations: &BTreeSet<&str>, death: Death) -> Died {
    let before = sim.requests().len();
    let begun = sim.effects().len();
    let arm = |fault: &str| {
        for action in mutations {
            sim.fault(&json!({ "action": action, "fault": fault, "seconds": HELD_SECONDS }));
        }
    };
    if let Some((fault, 0)) = death.fault() {
        arm(fault);
    }
    let mut process = Watched { sim, before, running: start() };
    if let Some((fault, after @ 1..)) = death.fault() {
        process.until("mutations take effect", |sim, _| sim.effects().len() >= begun + after);
        arm(fault);
    }
    match death {
        // The ledger is short: the requests are looked through only when it has grown.
        Death::AnswerHeld(after) => process
            .until("a mutation takes effect", |sim, before| sim.effects().len() > begun + after && struck(sim, before, "late")),
        Death::Unheard(_) => process.until("a mutation is held up", |sim, before| struck(sim, before, "hold")),
        Death::After(seconds) => {
            process.until("it asks something", |sim, before| latest(sim, before).is_some());
            let from = sim.now();
            process.until("time passes", |sim, _| sim.now() - from >= i64::from(seconds));
        }
    }
    let ran = process.running.kill();
    sim.clear_faults();
    let last = latest(sim, before).and_then(|request| request["action"].as_str().map(str::to_owned));
    Died { held: ran.code.is_none() && struck(sim, before, "late"), last, ran }
}

/// What came of one trip, or of several.
#[derive(Debug, Default)]
pub struct Tally {
    /// Processes killed.
    pub kills: u64,
    /// Of these, while an answer was held whose effect stands.
    pub held: u64,
    /// Trips that turned back before they were there.
    pub turned: u64,
}

impl Tally {
    /// Whether at least half of the kills struck while an answer was held.
    pub fn mostly_held(&self) -> bool {
        2 * self.held >= self.kills
    }
}

impl AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.kills += other.kills;
        self.held += other.held;
        self.turned += other.turned;
    }
}
