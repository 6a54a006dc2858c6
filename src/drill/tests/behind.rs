//! A store that lags behind what it says, for the flaws of the journal: [`Flaw::LateIntent`] and [`Flaw::LateOutcome`].

use jiff::Timestamp;

use crate::flaw::{self, Flaw};
use crate::model::{Record, RecordBody};

/// Records that were said to be durable and are not.
#[derive(Default)]
pub(in crate::drill) struct Behind {
    held: Vec<RecordBody>,
    /// Appends still to be held.
    left: usize,
    /// Records of the next real append that were given out before.
    given: usize,
}

impl Behind {
    /// Keeps records back and gives them out as if they were durable; or gives all there are, to be written now.
    pub(in crate::drill) fn hold(
        &mut self,
        last: u64,
        at: Timestamp,
        mut bodies: Vec<RecordBody>,
    ) -> Result<Vec<Record>, Vec<RecordBody>> {
        let begins = |wanted: fn(&RecordBody) -> bool| self.held.is_empty() && bodies.iter().any(wanted);
        match flaw::get() {
            Some(Flaw::LateIntent) if begins(|body| matches!(body, RecordBody::StepStarted { .. })) => self.left = 1,
            // The outcome, and the intent of what follows from it.
            Some(Flaw::LateOutcome) if begins(|body| matches!(body, RecordBody::StepSucceeded { .. })) => self.left = 2,
            _ => {}
        }
        if self.left > 0 {
            self.left -= 1;
            let first = last + self.held.len() as u64 + 1;
            let records = bodies.iter().zip(first..).map(|(body, seq)| Record { seq, at, body: body.clone() }).collect();
            self.held.extend(bodies);
            return Ok(records);
        }
        self.given = self.held.len();
        let mut all = std::mem::take(&mut self.held);
        all.append(&mut bodies);
        Err(all)
    }

    /// Those of the records written now that nobody has yet.
    pub(in crate::drill) fn news(&mut self, mut records: Vec<Record>) -> Vec<Record> {
        records.drain(..std::mem::take(&mut self.given));
        records
    }
}
