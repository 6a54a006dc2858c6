//! Looking before acting: what became of a mutation whose outcome is not known, and whether what was done still stands.

use std::time::Duration;

use serde_json::Value;

use crate::aws::SETTLE_WINDOW;
use crate::model::{Progress, StepPlan, Verdict};
use crate::stages::step::{Context, MutationStep, StepError};

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
    let began = cx.aws.clock.elapsed();
    let mut told = false;
    loop {
        let verdict = step.observe(cx, params, intent).await?;
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

/// A step's parameters with those that earlier steps give.
///
/// # Errors
/// The name of the step whose output is missing.
pub(super) fn resolve(step: &StepPlan, output: impl Fn(&crate::model::StepId) -> Option<Value>) -> Result<Value, String> {
    let mut params = step.params.clone();
    for (pointer, input) in &step.inputs {
        let value = output(&input.step).ok_or_else(|| input.step.to_string())?;
        let value = value.pointer(&input.pointer).cloned().unwrap_or(Value::Null);
        crate::stages::kind::place(&mut params, pointer, value);
    }
    Ok(params)
}
