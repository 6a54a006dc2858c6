//! The one transition table. A run's state is a fold of its records through [`next_state`]; anything else is refused.
//!
//! ```text
//!                 started            succeeded
//!   pending ───────────────▶ started ─────────▶ done
//!      ▲                     │  │  │              │ observed: taken back
//!      │ observed: not done  │  │  └── in doubt ──┼──▶ in-doubt ── observed ──▶ done | pending | diverged
//!      ├─────────────────────┘  ├───── failed ────┼──▶ failed ─── started ──▶ started
//!      │ left                   └───── held ──────┼──▶ held ───── approved ─▶ done
//!      └──────────────────────────────────────────┘
//!
//!   started, of a wait ── approved ──▶ done
//!   pending | failed | held | diverged ── skipped ──▶ skipped, for as long as this plan is in force
//! ```

use serde::{Deserialize, Serialize};

use super::{RecordBody, StepClass, Verdict};

/// Where a step stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StepState {
    /// Not begun, or found not done.
    Pending,
    /// Its intent is durable; its outcome is not.
    Started,
    /// Its effect stands.
    Done,
    /// It certainly has no effect (mutations), or it failed.
    Failed,
    /// Its outcome is not known.
    InDoubt,
    /// A person must decide.
    Held,
    /// Something else than planned is there.
    Diverged,
    /// Passed over, on the way back: what it would have undone stays.
    Skipped,
}

impl StepState {
    /// Whether nothing more is to be done about the step.
    pub fn is_over(self) -> bool {
        matches!(self, Self::Done | Self::Skipped)
    }
}

/// What can happen to a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StepEvent {
    /// See [`RecordBody::StepStarted`].
    Started,
    /// See [`RecordBody::StepSucceeded`].
    Succeeded,
    /// See [`RecordBody::StepFailed`].
    Failed,
    /// See [`RecordBody::StepInDoubt`].
    InDoubt,
    /// See [`RecordBody::StepLeft`].
    Left,
    /// See [`RecordBody::StepHeld`].
    Held,
    /// See [`RecordBody::StepApproved`].
    Approved,
    /// See [`RecordBody::StepSkipped`].
    Skipped,
    /// See [`Verdict::Done`].
    ObservedDone,
    /// See [`Verdict::NotDone`].
    ObservedNotDone,
    /// See [`Verdict::TakenBack`].
    ObservedTakenBack,
    /// See [`Verdict::Diverged`].
    ObservedDiverged,
}

/// An event that cannot happen in this state: the journal is damaged, or the engine is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a {class:?} step that is {state:?} cannot be {event:?}")]
pub struct IllegalTransition {
    /// The step's class.
    pub class: StepClass,
    /// Its state.
    pub state: StepState,
    /// What was to happen.
    pub event: StepEvent,
}

/// The state after `event`.
///
/// # Errors
/// [`IllegalTransition`] for everything that is not in the table.
pub fn next_state(class: StepClass, state: StepState, event: StepEvent) -> Result<StepState, IllegalTransition> {
    use StepEvent as E;
    use StepState as S;
    let mutation = class == StepClass::Mutation;
    let verify = class == StepClass::Verify;
    let next = match (state, event) {
        (S::Pending | S::Failed, E::Started) => S::Started,
        // A wait or a verification changes nothing: begun anew after a crash, or asked again while held.
        (S::Started, E::Started) if !mutation => S::Started,
        (S::Held, E::Started) if verify => S::Started,

        (S::Started, E::Succeeded) => S::Done,
        (S::Started, E::Failed) => S::Failed,
        (S::Started, E::InDoubt) if mutation => S::InDoubt,
        (S::Started, E::Left) if !mutation => S::Pending,
        (S::Started, E::Held) if verify => S::Held,
        (S::Held, E::Approved) if verify => S::Done,
        // A person ends a time of watching early.
        (S::Started, E::Approved) if class == StepClass::Wait => S::Done,

        // Looking at a mutation: in doubt, or again when a run is taken up.
        (S::Started | S::InDoubt | S::Diverged | S::Done, E::ObservedDone) if mutation => S::Done,
        (S::Started | S::InDoubt | S::Diverged, E::ObservedNotDone) if mutation => S::Pending,
        (S::Started | S::InDoubt | S::Diverged | S::Done, E::ObservedTakenBack) if mutation => S::Pending,
        (S::Started | S::InDoubt | S::Diverged | S::Done, E::ObservedDiverged) if mutation => S::Diverged,
        // What had been waited for or verified was taken back: begun anew. A person's answer to what was found before would
        // open a gate for something else.
        (S::Done | S::Failed, E::ObservedTakenBack) if !mutation => S::Pending,
        (S::Held, E::ObservedTakenBack) if verify => S::Pending,

        // Never one whose outcome is not known: what it did would be forgotten.
        (S::Pending | S::Failed, E::Skipped) => S::Skipped,
        (S::Held, E::Skipped) if verify => S::Skipped,
        (S::Diverged, E::Skipped) if mutation => S::Skipped,

        _ => return Err(IllegalTransition { class, state, event }),
    };
    Ok(next)
}

impl StepEvent {
    /// The step event that a record stands for, if it is about a step.
    pub fn of(body: &RecordBody) -> Option<Self> {
        Some(match body {
            RecordBody::StepStarted { .. } => Self::Started,
            RecordBody::StepSucceeded { .. } => Self::Succeeded,
            RecordBody::StepFailed { .. } => Self::Failed,
            RecordBody::StepInDoubt { .. } => Self::InDoubt,
            RecordBody::StepLeft { .. } => Self::Left,
            RecordBody::StepHeld { .. } => Self::Held,
            RecordBody::StepApproved { .. } => Self::Approved,
            RecordBody::StepSkipped { .. } => Self::Skipped,
            RecordBody::StepObserved { verdict, .. } => match verdict {
                Verdict::Done { .. } => Self::ObservedDone,
                Verdict::NotDone { .. } => Self::ObservedNotDone,
                Verdict::TakenBack { .. } => Self::ObservedTakenBack,
                Verdict::Diverged { .. } => Self::ObservedDiverged,
            },
            RecordBody::PlanAdopted { .. }
            | RecordBody::SessionOpened { .. }
            | RecordBody::TakenOver { .. }
            | RecordBody::SessionClosed { .. }
            | RecordBody::FindingAccepted { .. }
            | RecordBody::HoldSet { .. }
            | RecordBody::HoldCleared { .. }
            | RecordBody::LanesNamed { .. }
            | RecordBody::Claim { .. }
            | RecordBody::Asked { .. }
            | RecordBody::Answered { .. }
            | RecordBody::RequestRefused { .. }
            | RecordBody::PauseAsked { .. }
            | RecordBody::RunEnded { .. } => return None,
        })
    }
}
