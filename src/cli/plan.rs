//! `sidestep plan`: reads AWS and changes nothing.

use super::account;
use super::args::PlanArgs;
use super::context::{Context, live_seed};
use super::runbooks;
use crate::aws::Access;
use crate::model::{Error, Exit, Finding, Plan, Runbook, Where};
use crate::plan::CLAIMED;
use crate::ui::plan_view;

pub fn call(context: &Context, args: &PlanArgs) -> Result<Exit, Error> {
    let runbook = runbooks::load(&args.runbook.runbook, &runbooks::sources(context, Vec::new())?)?;
    context.runtime()?.block_on(show(context, &runbook))
}

/// Plans with a client that can only read, and prints the plan.
async fn show(context: &Context, runbook: &Runbook) -> Result<Exit, Error> {
    let (aws, identity) = account::connect_for(context, runbook, Access::ReadOnly).await?;
    let run = account::fresh_run(None, live_seed())?;
    let plan = account::plan(context, &aws, &identity, runbook, &run).await?;
    print(context, &plan);
    blocked(&plan, &[])?;
    Ok(Exit::Done)
}

/// Prints a plan as data.
pub fn print(context: &Context, plan: &Plan) {
    let text = if context.json() { plan_view::json(plan).to_string() } else { plan_view::render(plan, &context.out_style) };
    context.out.data(&text);
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
