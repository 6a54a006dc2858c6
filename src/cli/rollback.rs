//! `sidestep rollback`: the way back, planned from the journal, shown, and run by the same engine.

use super::args::RollbackArgs;
use super::context::Context;
use super::drive::Drive;
use super::ending::tell_end_and_record;
use super::holds::{lanes_named, plan_stages, stages_named};
use super::screen::Screen;
use super::steer;
use super::take_over::{TakeUp, reason_has_a_use, take_up};
use super::{account, signals};
use crate::aws::Access;
use crate::journal::{Journal, OpenRun, Request, RunSummary, Store as _};
use crate::model::{Actor, Adoption, Error, Exit, Extent, Outcome, RunStatus, StepId};
use crate::plan::inventory;
use crate::session::{self, not_alone};

pub fn call(context: &Context, args: &RollbackArgs) -> Result<Exit, Error> {
    reason_has_a_use(&args.take_over, &["--skip"], args.skip.is_some())?;
    let wanted = args.run.run.as_deref();
    let journal = context.existing_journal(wanted)?;
    let run = journal.find(wanted, true).map_err(|error| named(context, &journal, error))?;
    let view = journal.view(&run)?;
    let to = stages_named(plan_stages(&view.forward), &args.to.iter().cloned().collect::<Vec<_>>())?.pop();
    let extent = Extent { to, lanes: lanes_named(&view, &args.lanes)? };
    if matches!(view.ended, Some((Outcome::RolledBack, _))) && inventory(&view).is_empty() {
        let why = "it is rolled back already".to_owned();
        return Err(Error::NotApplicable { run, verb: "rolled back".to_owned(), why, hint: None });
    }
    if let Some(why) = not_alone(&view, &extent) {
        let whole = context.command(&format!("rollback {run}"));
        let hint = Some(format!("go back in all lanes with `{whole}`, or part of the way by adding `--to STAGE` to it"));
        return Err(Error::NotApplicable { run, verb: "rolled back".to_owned(), why, hint });
    }
    if !args.take_over.take_over && journal.is_live(&run)?.is_some() {
        if args.onto_newest || args.skip.is_some() {
            // What is chosen is to be chosen by somebody who sees it.
            let why = "a process is at work on it, and this is to be decided while it stands still".to_owned();
            let hint = Some(format!("pause it with `{}`, then try again", context.command(&format!("pause {run}"))));
            return Err(Error::NotApplicable { run, verb: "rolled back this way".to_owned(), why, hint });
        }
        let by = context.actor(None);
        steer::ask(context, &journal, &run, Request::Rollback { by, extent })?;
        context.out.status(&format!(
            "Asked the process that holds run {run} to go back. Watch it with `{}`.",
            context.command(&format!("status {run}"))
        ));
        return Ok(Exit::Done);
    }
    context.runtime()?.block_on(async {
        let aws = account::connect_bound(context, &view, Access::ReadWrite).await?;
        let identity = aws.identity().await?;
        let by = context.actor(Some(&identity.arn));
        let mut ask = context.ask().filter(|_| !args.yes);
        if ask.is_none() && !args.yes {
            return Err(Error::NobodyToAsk);
        }
        let what = TakeUp { context, journal: &journal, run: &run, by: &by, aws: &aws };
        let mut open = take_up(&what, &args.take_over, ask.as_deref_mut(), args.yes).await?;
        // Whoever had the run a moment ago may have gone on. What is passed over below may be all that was left.
        let view = open.view().clone();
        if let Err(error) = skip(context, args, &mut open, &by, aws.clock.now()) {
            open.close_after(&error.to_string(), aws.calls_made(), aws.clock.now())?;
            return Err(error);
        }
        let screen = Screen::for_run(context);
        let control = signals::listen(by.clone())?;
        let mut drive = Drive::new(context, &aws, open, &screen, ask, by.clone(), control);
        let under_way = view.goes_back();
        let same = view.adoption == Adoption::Rollback(extent.clone()) && !args.onto_newest;
        let goes_on = args.skip.is_some() || (same && !session::plans_back_anew(&view));
        let (result, view) = if under_way && goes_on {
            // Already on its way: go on where it stopped.
            drive.run().await
        } else {
            match drive.plan_back(&extent, args.onto_newest).await {
                Err(error) => drive.leave(error),
                Ok(plan) if plan.is_empty() && !extent.lanes.is_empty() => {
                    context.out.status("Nothing that this run did there is left to take back.");
                    drive.leave_quietly()
                }
                Ok(plan) if drive.agree_back(&plan) => drive.roll_back(plan, extent, by).await,
                Ok(_) => {
                    context.out.status("Nothing was changed.");
                    drive.leave_quietly()
                }
            }
        };
        tell_end_and_record(context, &view, &result);
        result
    })
}

/// No run is unfinished: then the newest that is done may well be meant. It is taken back when it is named, and not before.
fn named(context: &Context, journal: &Journal, error: Error) -> Error {
    let done = |run: &RunSummary| run.status == RunStatus::Done;
    match (&error, journal.runs().ok().and_then(|runs| runs.into_iter().find(done))) {
        (Error::NoOpenRun { .. }, Some(run)) => {
            let hint = Some(format!("to take it back, name it: `{}`", context.command(&format!("rollback {}", run.id))));
            let why = "it is done".to_owned();
            Error::NotApplicable { run: run.id, verb: "rolled back without being named".to_owned(), why, hint }
        }
        _ => error,
    }
}

/// Passes over the step that was named.
fn skip(context: &Context, args: &RollbackArgs, open: &mut OpenRun, by: &Actor, at: jiff::Timestamp) -> Result<(), Error> {
    let (Some(step), Some(reason)) = (&args.skip, &args.take_over.reason) else { return Ok(()) };
    let records = session::skipped(open.view(), &StepId::new(step.as_str()), reason, by).map_err(|why| {
        let failed: Vec<String> = open.view().troubled().map(|(step, _)| format!("`{}`", step.id)).collect();
        let run = open.run().clone();
        let hint = match failed.is_empty() {
            true => format!("see where it stands with `{}`", context.command(&format!("status {run}"))),
            false => format!("what can be skipped is {}", failed.join(", ")),
        };
        Error::NotApplicable { run, verb: format!("rolled back without step `{step}`"), why, hint: Some(hint) }
    })?;
    open.append(at, records).map(|_| ())
}
