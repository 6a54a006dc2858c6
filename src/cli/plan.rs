//! `sidestep plan`: reads AWS and changes nothing.

use std::path::Path;

use super::account;
use super::args::PlanArgs;
use super::context::{Context, live_seed};
use super::files::Sort;
use super::runbooks;
use crate::aws::Access;
use crate::model::{Error, Exit, Finding, Plan, Runbook, Where};
use crate::plan::CLAIMED;
use crate::plan::sealed::{self, Sealed};
use crate::ui::plan_view;
use crate::ui::text::shell_word;

pub fn call(context: &Context, args: &PlanArgs) -> Result<Exit, Error> {
    let runbook = runbooks::load(&args.runbook.runbook, &runbooks::sources(context, Vec::new())?)?;
    args.out.as_deref().map_or(Ok(()), |out| SEALED_PLAN.may_be_written(out))?;
    context.runtime()?.block_on(show(context, &runbook, args.out.as_deref()))
}

/// A plan that waits to be carried out.
const SEALED_PLAN: Sort = Sort { what: "sealed plan", format: sealed::FORMAT };

/// Plans with a client that can only read, prints the plan, and seals it in `out`. One that is blocked is sealed too: what blocks it
/// may be accepted when it is carried out, or repaired, and then it does not fit any more.
async fn show(context: &Context, runbook: &Runbook, out: Option<&Path>) -> Result<Exit, Error> {
    let (aws, identity) = account::connect_for(context, runbook, Access::ReadOnly).await?;
    let run = account::fresh_run(None, live_seed())?;
    let facts = account::facts(context, &aws, &identity, runbook).await?;
    let plan = crate::plan::make(runbook, &facts, &run);
    let command = out.map(|out| format!("sidestep run --plan {}", shell_word(&out.display().to_string())));
    if let Some(out) = out {
        let by = context.actor(Some(&identity.arn));
        let words = format!("{}@{} ({})", by.user, by.host, identity.arn);
        let sealed = Sealed::new(plan.clone(), runbook, &facts, words, aws.clock.now());
        SEALED_PLAN.write(out, &sealed.text())?;
    }
    print(context, &plan, command.as_deref());
    if command.is_none() && !plan.is_empty() && !context.json() {
        context
            .out
            .data("Carry it out with `sidestep run` and the same options; `--out FILE` seals it, so that exactly it is run.");
    }
    blocked(&plan, &[])?;
    Ok(Exit::Done)
}

/// Prints a plan as data; `command` carries out exactly it.
fn print(context: &Context, plan: &Plan, command: Option<&str>) {
    if context.json() {
        let mut value = plan_view::json(plan);
        if let Some(command) = command {
            value["command"] = command.into();
        }
        context.out.data(&value.to_string());
        return;
    }
    context.out.data(&plan_view::render(plan, &context.out_style));
    if let Some(command) = command {
        context.out.data(&format!("Carry out exactly this plan with `{command}`."));
    }
}

/// The error of findings that block a run: another's claim is named before all others, for it goes by itself. `at` is where the run
/// stands, if one was begun.
pub fn refused(findings: Vec<Finding>, at: Option<Where>) -> Error {
    match findings.iter().find(|finding| finding.id == CLAIMED.id) {
        Some(claimed) => Error::Claimed { headline: claimed.found.clone(), causes: vec![claimed.fix.clone()], at },
        None => Error::Blocked { findings },
    }
}

/// The error of a plan whose blockers are not all accepted.
pub fn blocked(plan: &Plan, accepted: &[String]) -> Result<(), Error> {
    for id in accepted {
        if !plan.findings.iter().any(|finding| finding.id == *id) {
            let known: Vec<&str> = plan.findings.iter().map(|finding| finding.id.as_str()).collect();
            let hint = if known.is_empty() {
                "the plan has no finding".to_owned()
            } else {
                format!("its findings are {}", known.join(", "))
            };
            return Err(Error::Usage { message: format!("the plan has no finding `{id}` to accept"), hint: Some(hint) });
        }
    }
    let findings: Vec<_> = plan.blockers(accepted).cloned().collect();
    if findings.is_empty() { Ok(()) } else { Err(Error::Blocked { findings }) }
}
