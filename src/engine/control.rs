//! What can be asked of a run under way, and how one call of the engine ends.

use crate::model::{Actor, Extent, Failure, StageId, StepId};

/// Asked from the same process: signals.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Control {
    /// Finish what is in flight, leave waits, start nothing more.
    Pause {
        /// Who asked.
        by: Actor,
        /// How: `Ctrl-C`, `SIGTERM`.
        how: String,
    },
    /// Stop now: whatever is in flight is in doubt and will be looked at on resume.
    StopNow,
}

/// Why a run stands before a stage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StageStop {
    /// The operator is to confirm it.
    Confirm,
    /// Somebody asked to stop here.
    Hold,
}

/// How one call of the engine ends. A weaker reason never overrides a stronger one: they are ordered by strength.
#[derive(Clone, Debug, PartialEq)]
pub enum Ending {
    /// Every step of the plan is done.
    Complete,
    /// A stage is next, and something is to be said first.
    BeforeStage {
        /// The stage.
        stage: StageId,
        /// Why.
        why: StageStop,
    },
    /// The lanes that were named have nothing more to do, while others of the stage are not done.
    LanesDone {
        /// The stage.
        stage: StageId,
    },
    /// A verification needs a person.
    Held {
        /// The step.
        step: StepId,
        /// A short code.
        result: String,
        /// In words.
        why: String,
    },
    /// The services cannot be claimed: another run has one of them, or AWS cannot be asked.
    Unclaimed {
        /// Why.
        failure: Failure,
    },
    /// Somebody asked.
    Paused {
        /// How, and who: `Ctrl-C`, `sidestep pause by alice@bastion`.
        how: String,
    },
    /// Somebody asked from another terminal to go back.
    RollbackAsked {
        /// How much of the run.
        extent: Extent,
        /// Who.
        by: Actor,
    },
    /// A step failed; every lane is at rest.
    Failed {
        /// The step.
        step: StepId,
        /// Why.
        failure: Failure,
    },
}

impl Ending {
    fn strength(&self) -> u8 {
        match self {
            Self::Complete => 0,
            Self::BeforeStage { .. } | Self::LanesDone { .. } => 1,
            Self::Held { .. } => 2,
            Self::Paused { .. } => 3,
            Self::RollbackAsked { .. } => 4,
            Self::Unclaimed { .. } | Self::Failed { .. } => 5,
        }
    }

    /// The stronger of two.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        if other.strength() > self.strength() { other } else { self }
    }
}
