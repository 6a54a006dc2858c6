//! `sidestep rollback`: the way back, planned from the journal, shown, and run by the same engine.

use super::args::RollbackArgs;
use super::context::Context;
use super::drive::Drive;
use super::ending::tell_end;
use super::holds::{plan_stages, stages_named};
use super::screen::Screen;
use super::{account, signals};
use crate::journal::Request;
use crate::model::{Adoption, Direction, Error, Exit, Outcome, StageId};

pub fn call(context: &Context, args: &RollbackArgs) -> Result<Exit, Error> {
    let wanted = args.run.run.as_deref();
    let journal = context.existing_journal(wanted)?;
    let run = journal.find(wanted, true)?;
    let view = journal.view(&run)?;
    let to: Option<StageId> = stages_named(plan_stages(&view.forward), &args.to.iter().cloned().collect::<Vec<_>>())?.pop();
    if matches!(view.ended, Some((Outcome::RolledBack, _))) {
        let why = "it is rolled back already".to_owned();
        return Err(Error::NotApplicable { run, verb: "rolled back".to_owned(), why, hint: None });
    }
    if journal.is_live(&run)?.is_some() {
        if args.onto_newest {
            // What would be changed must be shown to whom it is asked of.
            let why = "a process is at work on it, and what --onto-newest would change is to be read first".to_owned();
            let hint = Some(format!("pause it with `{}`, then try again", context.command(&format!("pause {run}"))));
            return Err(Error::NotApplicable { run, verb: "rolled back onto the newest revisions".to_owned(), why, hint });
        }
        let by = context.actor(None);
        journal.post(&run, Request::Rollback { by, to }, context.clock()?.now())?;
        context.out.status(&format!(
            "Asked the process that holds run {run} to go back. Watch it with `{}`.",
            context.command(&format!("status {run}"))
        ));
        return Ok(Exit::Done);
    }
    context.runtime()?.block_on(async {
        let aws = account::connect_bound(context, &view).await?;
        let identity = aws.identity().await?;
        let by = context.actor(Some(&identity.arn));
        let ask = context.ask().filter(|_| !args.yes);
        if ask.is_none() && !args.yes {
            return Err(Error::NobodyToAsk);
        }
        let open = journal.acquire(&run, &by, aws.clock.now())?;
        let screen = Screen::for_run(context);
        let control = signals::listen(by.clone())?;
        let mut drive = Drive::new(context, &aws, open, &screen, ask, by.clone(), control);
        let under_way = view.plan.direction == Direction::Back && !view.all_done();
        let (result, view) = if under_way && to.is_none() && !args.onto_newest {
            // Already on its way: go on where it stopped.
            drive.run().await
        } else {
            match drive.plan_back(to.as_ref(), args.onto_newest).await {
                Err(error) => drive.leave(error),
                Ok(plan) if drive.agree_back(&plan) => drive.roll_back(plan, to, by).await,
                Ok(_) => {
                    context.out.status("Nothing was changed.");
                    drive.leave_quietly()
                }
            }
        };
        tell_end(context, &view, &result);
        if let (Adoption::Rollback { to: Some(stage) }, true) = (&view.adoption, result.is_ok() && view.all_done()) {
            context.out.status(&format!(
                "Run {run} is as after {stage}. Go forward again with `{}`, or undo the rest with `{}`.",
                context.command(&format!("resume {run}")),
                context.command(&format!("rollback {run}"))
            ));
        }
        result
    })
}
