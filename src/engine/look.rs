//! Looking before acting: what became of a mutation whose outcome is not known, and whether what was done still stands.

use std::time::Duration;

use serde_json::Value;

use crate::aws::{SETTLE_WINDOW, STALENESS};
use crate::model::{Progress, StepPlan, Verdict};
use crate::stages::step::{Context, MutationStep, Prepared, StepError};

/// Between looks while an effect may still land.
const INTERVAL: Duration = Duration::from_secs(2);

/// Looks whether an attempt took effect. "Not done" counts only when nothing can land any more: a lost request may still be on
/// its way, and reads may be stale.
pub(super) async fn settle(
    step: &dyn MutationStep,
    cx: &Context<'_>,
    params: &Value,
    intent: &Value,
) -> Result<Verdict, StepError> {
    #[cfg(test)]
    if crate::flaw::get() == Some(crate::flaw::Flaw::NoLook) {
        return Ok(Verdict::NotDone { why: "nobody looked".to_owned() });
    }
    let began = cx.aws.clock.elapsed();
    let mut told = false;
    loop {
        let mut verdict = found(step.observe(cx, params, intent).await)?;
        if contradicts(&verdict) {
            cx.aws.clock.sleep(STALENESS).await;
            verdict = found(step.observe(cx, params, intent).await)?;
        }
        let waited = cx.aws.clock.elapsed().saturating_sub(began);
        if !matches!(verdict, Verdict::NotDone { .. }) || waited >= SETTLE_WINDOW {
            return Ok(verdict);
        }
        if !told {
            let message = format!("looking for {} s whether the last attempt took effect", SETTLE_WINDOW.as_secs());
            (cx.report)(Progress::Note { message });
            told = true;
        }
        cx.aws.clock.sleep(INTERVAL).await;
    }
}

/// Looks whether a step that was done still stands. What says no is looked at again past the staleness window: the process may
/// have died a moment after the call.
pub(super) async fn revisit(
    step: &dyn MutationStep,
    cx: &Context<'_>,
    params: &Value,
    intent: &Value,
    output: &Value,
) -> Result<Verdict, StepError> {
    let first = found(step.revisit(cx, params, intent, output).await)?;
    if !contradicts(&first) {
        return Ok(first);
    }
    cx.aws.clock.sleep(STALENESS).await;
    found(step.revisit(cx, params, intent, output).await)
}

/// Prepares a mutation. That nothing needs to be sent is believed only past the staleness window: right after our own call a
/// read may show what was before it, which to an undo looks like the end.
pub(super) async fn prepare(step: &dyn MutationStep, cx: &Context<'_>, params: &Value) -> Result<Prepared, StepError> {
    let first = step.prepare(cx, params).await?;
    if !matches!(first, Prepared::Already(_)) {
        return Ok(first);
    }
    cx.aws.clock.sleep(STALENESS).await;
    step.prepare(cx, params).await
}

/// Something else than planned is there: that is a verdict like any other. As an error it would bar the way back, which leaves
/// alone what is somebody else's.
fn found(looked: Result<Verdict, StepError>) -> Result<Verdict, StepError> {
    match looked {
        Err(StepError::Diverged(differences)) => Ok(Verdict::Diverged { differences }),
        other => other,
    }
}

/// Whether a verdict takes something back that the journal says, so that a stale read must be ruled out.
fn contradicts(verdict: &Verdict) -> bool {
    matches!(verdict, Verdict::TakenBack { .. } | Verdict::Diverged { .. })
}

/// A step's parameters with those that earlier steps give.
///
/// # Errors
/// The name of the step whose output is missing.
pub(super) fn resolve<'o>(step: &StepPlan, output: impl Fn(&crate::model::StepId) -> Option<&'o Value>) -> Result<Value, String> {
    let mut params = Value::clone(&step.params);
    for (pointer, input) in &step.inputs {
        let value = output(&input.step).ok_or_else(|| input.step.to_string())?;
        let value = value.pointer(&input.pointer).cloned().unwrap_or(Value::Null);
        crate::stages::kind::place(&mut params, pointer, value);
    }
    Ok(params)
}
