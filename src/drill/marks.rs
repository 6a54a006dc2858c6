//! Tells the simulator which stage is running, so that spans are counted by stage.

use std::cell::RefCell;

use crate::model::{Event, RunView, StageId};
use crate::sim::Sim;

/// See the module's text.
pub struct Marks {
    sim: Sim,
    last: RefCell<Option<StageId>>,
}

impl Marks {
    /// Of an account.
    pub fn on(sim: &Sim) -> Self {
        Self { sim: sim.clone(), last: RefCell::new(None) }
    }

    /// Something happened; `view` is the run after it.
    pub fn event(&self, view: &RunView, event: &Event) {
        let Event::Record(record) = event else { return };
        let Some(step) = record.body.step() else { return };
        let Some(stage) = view.plan.steps().find(|(_, _, planned)| planned.id == *step).map(|(stage, _, _)| &stage.id) else {
            return;
        };
        let mut last = self.last.borrow_mut();
        if last.as_ref() != Some(stage) {
            self.sim.with(|state| state.mark(stage.as_str()));
            *last = Some(stage.clone());
        }
    }
}
