//! Questions to the operator. Each says where it applies and as whom; none has a default that changes anything; a closed terminal,
//! Escape or an unreadable answer is the cautious answer: no, or pause.

mod terminal;

use std::collections::VecDeque;

use crate::model::{Plan, StagePlan, StepPlan};

pub use terminal::{Dialog, Questions, Terminal};

/// What becomes of a step that is held for a person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HeldChoice {
    /// Go on all the same; the comment is journaled.
    Approve(String),
    /// Leave it as it is.
    Pause,
    /// Undo what was done.
    RollBack,
}

/// What to do about a failure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FailureChoice {
    /// Give the wait another deadline.
    KeepWaiting,
    /// Do the step again.
    Retry,
    /// Undo what was done.
    RollBack,
    /// Take only the run's own changes back, on what others have deployed since; shown before it begins.
    OntoNewest,
    /// Pass the step over, for this reason: what it would have undone stays.
    Skip(String),
    /// Give the run up as it stands, for this reason.
    Abandon(String),
    /// Leave it as it is.
    Pause,
    /// Show the last log lines, then ask again.
    ShowLog,
}

/// Which of the choices about a failure there are, beside those that there always are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Offers {
    /// [`FailureChoice::KeepWaiting`]: the failure is a wait that can still come to a good end.
    pub wait: bool,
    /// [`FailureChoice::ShowLog`]: there are log lines to show.
    pub log: bool,
    /// [`FailureChoice::RollBack`]: the run goes forward.
    pub roll_back: bool,
    /// [`FailureChoice::OntoNewest`]: the way back met what somebody else deployed.
    pub onto_newest: bool,
    /// [`FailureChoice::Skip`] and [`FailureChoice::Abandon`]: the run goes back.
    pub skip: bool,
}

impl Offers {
    /// What was not offered cannot be chosen.
    fn allow(self, choice: &FailureChoice) -> bool {
        match choice {
            FailureChoice::KeepWaiting => self.wait,
            FailureChoice::RollBack => self.roll_back,
            FailureChoice::OntoNewest => self.onto_newest,
            FailureChoice::Skip(_) | FailureChoice::Abandon(_) => self.skip,
            FailureChoice::ShowLog => self.log,
            FailureChoice::Retry | FailureChoice::Pause => true,
        }
    }
}

/// Asks the operator.
pub trait Ask: Send {
    /// Whether to start the plan, which was shown before.
    fn confirm_start(&mut self, plan: &Plan) -> bool;

    /// Whether to start a stage that is confirmed by itself.
    fn confirm_stage(&mut self, stage: &StagePlan, plan: &Plan) -> bool;

    /// What becomes of a step that cannot open the way by itself.
    fn approve_held(&mut self, plan: &Plan, step: &StepPlan, result: &str, why: &str) -> HeldChoice;

    /// What to do about a failure.
    fn on_failure(&mut self, plan: &Plan, headline: &str, causes: &[String], offers: Offers) -> FailureChoice;

    /// Whether to start a rollback's plan, which was shown before.
    fn confirm_rollback(&mut self, plan: &Plan) -> bool;
}

/// Answers from a list, for tests: each question takes the next answer of its kind, and says no or pause when there is none.
#[derive(Clone, Debug, Default)]
pub struct Scripted {
    /// Answers to yes-or-no questions, in order.
    pub yes: VecDeque<bool>,
    /// Answers about held steps.
    pub held: VecDeque<HeldChoice>,
    /// Answers about failures.
    pub failures: VecDeque<FailureChoice>,
    /// What was asked: `start`, `stage strip-sidecar`, `held …`, `failure …`, `rollback`.
    pub asked: Vec<String>,
}

impl Scripted {
    fn next_yes(&mut self, question: String) -> bool {
        self.asked.push(question);
        self.yes.pop_front().unwrap_or(false)
    }
}

impl Ask for Scripted {
    fn confirm_start(&mut self, _: &Plan) -> bool {
        self.next_yes("start".to_owned())
    }

    fn confirm_stage(&mut self, stage: &StagePlan, _: &Plan) -> bool {
        self.next_yes(format!("stage {}", stage.id))
    }

    fn approve_held(&mut self, _: &Plan, step: &StepPlan, result: &str, _: &str) -> HeldChoice {
        self.asked.push(format!("held {} {result}", step.id));
        self.held.pop_front().unwrap_or(HeldChoice::Pause)
    }

    fn on_failure(&mut self, _: &Plan, headline: &str, _: &[String], offers: Offers) -> FailureChoice {
        self.asked.push(format!("failure {headline}"));
        self.failures.pop_front().filter(|choice| offers.allow(choice)).unwrap_or(FailureChoice::Pause)
    }

    fn confirm_rollback(&mut self, _: &Plan) -> bool {
        self.next_yes("rollback".to_owned())
    }
}

#[cfg(test)]
mod tests;
