//! Looking at a wait of a run that another process carries out: one look of its step, without the journal.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::look;
use crate::aws::Aws;
use crate::model::{Progress, RunView, StepId, StepState};
use crate::stages::registry;
use crate::stages::step::{Context, Step};

/// What the waits under way see now, by AWS. What may make a request to the application itself is left alone, and what cannot be
/// read says nothing.
pub async fn look_on(aws: &Aws, view: &RunView) -> Vec<(StepId, Progress)> {
    let seen = Mutex::new(Vec::new());
    for (_, _, step) in view.plan.steps().filter(|(_, _, step)| view.state(&step.id) == StepState::Started) {
        if step.is_gate() || step.action.starts_with("spans.") {
            continue;
        }
        let Some(Step::Wait(code)) = registry::step(&step.action) else { continue };
        let Ok(params) = look::resolve(step, |id| view.output(id)) else { continue };
        let Ok(mut waiter) = code.begin(&params) else { continue };
        let report = |progress: Progress| {
            // Service events and log lines are for who carries the run out: shown here they would come again with each look.
            if !matches!(progress, Progress::ServiceEvent { .. } | Progress::Log { .. }) {
                seen.lock().unwrap_or_else(PoisonError::into_inner).push((step.id.clone(), progress));
            }
        };
        let identity = &view.plan.target.identity;
        let cx = Context { aws, run: &view.id, step: &step.id, attempt: 1, identity, report: &report };
        // A look of nobody who waits: how long it was waited decides nothing here.
        let _ = waiter.poll(&cx, Duration::ZERO).await;
    }
    seen.into_inner().unwrap_or_else(PoisonError::into_inner)
}
