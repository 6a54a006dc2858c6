//! `sidestep hold-before`: a run stops before a stage; or does not, after all.

use super::args::HoldBeforeArgs;
use super::context::Context;
use super::holds::{hold, plan_stages, stages_named};
use super::steer;
use crate::engine::hold_applies;
use crate::journal::{Request, Store as _};
use crate::model::{Error, Exit, RecordBody};

pub fn call(context: &Context, args: &HoldBeforeArgs) -> Result<Exit, Error> {
    let wanted = args.run.run.as_deref();
    let journal = context.existing_journal(wanted)?;
    let run = journal.find(wanted, true)?;
    let view = journal.view(&run)?;
    let Some(stage) = stages_named(plan_stages(&view.forward), std::slice::from_ref(&args.stage))?.pop() else {
        return Err(Error::Internal { message: "a stage that was named is none".to_owned() });
    };
    let applies = match args.lift {
        true if view.holds.contains(&stage) => Ok(()),
        true => Err("there is no hold before it".to_owned()),
        false => hold_applies(&view, &stage),
    };
    let verb = if args.lift { "let go on" } else { "held" };
    applies.map_err(|why| Error::NotApplicable {
        run: run.clone(),
        verb: format!("{verb} before `{stage}`"),
        why,
        hint: Some(format!("see where it stands with `{}`", context.command(&format!("status {run}")))),
    })?;
    let (by, at) = (context.actor(None), context.clock()?.now());
    if journal.is_live(&run)?.is_some() {
        let stage = stage.clone();
        let request = if args.lift { Request::ClearHold { stage, by } } else { Request::HoldBefore { stage, by } };
        steer::ask(context, &journal, &run, request)?;
    } else {
        let mut open = journal.acquire(&run, &by, at)?;
        let noted = match args.lift {
            true => open.append(at, vec![RecordBody::HoldCleared { stage: stage.clone(), by }]).map(|_| ()),
            false => hold(&mut open, std::slice::from_ref(&stage), &by, at),
        };
        open.close("a hold before a stage was noted", at)?;
        noted?;
    }
    context.out.status(&match args.lift {
        true => format!("Run {run} does not stop before stage {stage} any more."),
        false => format!(
            "Run {run} will stop before stage {stage}. Go on from there with `{}`.",
            context.command(&format!("resume {run}"))
        ),
    });
    Ok(Exit::Done)
}
