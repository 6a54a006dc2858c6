//! [`sidestep::drill::Lab`] for tests: what must be there is expected.

use std::ops::{Deref, DerefMut};

use serde_json::Value;
use sidestep::drill;
use sidestep::drill::Stop;
use sidestep::journal::Journal;
use sidestep::model::{Failure, RunId, RunView, Runbook};
use sidestep::sim::{Millis, Sim, State};

/// Runs `course` on a paused clock.
pub fn paused<T>(course: impl Future<Output = T>) -> T {
    drill::paused(course).expect("a runtime")
}

/// An ECS call by another access key, at `now`.
pub fn foreign(sim: &Sim, now: Millis, operation: &str, input: &Value) -> Value {
    drill::foreign(sim, now, "us-west-2", operation, input).expect("AWS does it")
}

/// See the module's text.
pub struct Lab(drill::Lab);

impl Lab {
    /// A process that begins, over a world that begins.
    pub fn new(world: &Value, runbook: &Runbook, seed: u64) -> Self {
        Self::on(State::load(world, seed).expect("the world is one"), runbook, seed)
    }

    /// A process that begins, over a world as it stands.
    pub fn on(state: State, runbook: &Runbook, seed: u64) -> Self {
        Self(drill::Lab::on(state, runbook, seed).expect("a directory for the journal"))
    }

    pub fn journal(&self) -> Journal {
        self.0.journal().expect("the journal opens")
    }

    pub fn run_id(&self) -> RunId {
        self.0.run_id().expect("a run was started")
    }

    pub fn view(&self) -> RunView {
        self.0.view().expect("the journal folds")
    }

    pub fn foreign(&self, operation: &str, input: &Value) -> Value {
        self.0.foreign(operation, input).expect("AWS does it")
    }

    pub async fn abandon(&self) {
        self.0.abandon("the rest is done by another run").await.expect("the run can be abandoned");
    }

    pub fn beside(&self, by: &str, skew: Millis, seed: u64) -> Self {
        Self(self.0.beside(by, skew, seed).expect("a directory for the journal"))
    }
}

impl From<drill::Lab> for Lab {
    fn from(lab: drill::Lab) -> Self {
        Self(lab)
    }
}

impl Deref for Lab {
    type Target = drill::Lab;

    fn deref(&self) -> &drill::Lab {
        &self.0
    }
}

impl DerefMut for Lab {
    fn deref_mut(&mut self) -> &mut drill::Lab {
        &mut self.0
    }
}

/// What a test expects of a stop.
pub trait StopExt {
    /// The failure that stopped the run.
    fn failure(self) -> Failure;
}

impl StopExt for Stop {
    fn failure(self) -> Failure {
        match self {
            Self::Unclaimed(failure) | Self::Failed(_, failure) => failure,
            other => panic!("a failure was expected: {other:?}"),
        }
    }
}
