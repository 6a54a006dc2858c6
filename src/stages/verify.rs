//! How a stage is verified: the gate before what it prepares. A runbook names one way, or none.

use serde::Deserialize;

use super::kind::LaneBuilder;
use super::log_lines::{self, LogLines};
use super::port::Port;
use super::spans_arrive::{self, Rollout, Sender, SpansArrive};
use super::subject::Receiver;
use crate::model::{Problem, StageDecl, StepId};

/// The blocks `verify "…"` of a stage.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Verify {
    spans_arrive: Option<SpansArrive>,
    log_lines: Option<LogLines>,
}

impl Verify {
    /// What is wrong with the blocks.
    pub fn check(&self, decl: &StageDecl) -> Vec<Problem> {
        let mut problems = self.spans_arrive.as_ref().map(|verify| verify.check(decl)).unwrap_or_default();
        problems.extend(self.log_lines.iter().flat_map(|verify| verify.check(decl)));
        if self.spans_arrive.is_some() && self.log_lines.is_some() {
            let message = format!("a stage is verified in one way: \"{}\" or \"{}\"", spans_arrive::NAME, log_lines::NAME);
            problems.push(decl.problem_at("/verify", message, None));
        }
        problems
    }

    /// Who receives.
    pub fn receiver(&self) -> Option<Receiver> {
        let asked = self.spans_arrive.as_ref().map(|verify| Receiver {
            service: verify.service.clone(),
            port: Some(Port::tcp(verify.port)),
            base_path: verify.base_path.clone(),
        });
        let read = || {
            let verify = self.log_lines.as_ref()?;
            Some(Receiver { service: verify.service.clone(), port: None, base_path: String::new() })
        };
        asked.or_else(read)
    }

    /// Adds the step that looks whether spans flow before anything changes.
    pub fn before(&self, lane: &mut LaneBuilder, sender: &Sender<'_>) -> Option<StepId> {
        let asks = self.spans_arrive.as_ref().map(|verify| verify.before(lane, sender));
        asks.or_else(|| self.log_lines.as_ref()?.before(lane, sender))
    }

    /// Adds the gate. `before`: the step that looked whether spans flowed.
    pub fn arrive(&self, decl: &StageDecl, lane: &mut LaneBuilder, sender: &Sender<'_>, rollout: Rollout, before: Option<&StepId>) {
        if let Some(verify) = &self.spans_arrive {
            verify.arrive(decl, lane, sender, rollout, before);
        } else if let Some(verify) = &self.log_lines {
            verify.arrive(decl, lane, sender, rollout, before);
        }
    }
}
