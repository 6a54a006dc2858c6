//! Questions to the operator. Each says where it applies and as whom; none has a default that changes anything; a closed terminal,
//! Escape or an unreadable answer is the cautious answer: no, or pause.
//!
//! There are two kinds. Before a run is under way in this process, [`Ask`] asks and waits. While it is under way somebody may
//! answer from another terminal as well: such a question is a [`Menu`], a text and the answers to it, and whoever drives the run
//! reads the line that is typed beside whatever else can happen.

mod menu;
mod menus;
mod terminal;

use crate::model::{Plan, RunId};

pub use menu::{Menu, Picked};
pub use menus::{FailureChoice, HeldChoice, Offers, Trouble, failure, held, stage};
pub use terminal::{Dialog, Questions, Terminal, is_production};

/// Asks the operator, and waits for the answer.
pub trait Ask: Send {
    /// Whether to start the plan, which was shown before.
    fn confirm_start(&mut self, plan: &Plan) -> bool;

    /// Whether a run goes on by an amended plan, which was shown before.
    fn confirm_amended(&mut self, plan: &Plan) -> bool;

    /// Whether to start a rollback's plan, which was shown before.
    fn confirm_rollback(&mut self, plan: &Plan) -> bool;

    /// Whether to take a run from a process that is not seen to be stopped.
    fn confirm_take_over(&mut self, run: &RunId, holder: &str) -> bool;
}

#[cfg(test)]
mod tests;
