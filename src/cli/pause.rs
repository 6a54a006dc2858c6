//! `sidestep pause`: asks the process that works on a run to finish what is in flight and leave.

use super::args::RunId;
use super::context::Context;
use super::steer;
use crate::journal::Request;
use crate::model::{Error, Exit};

pub fn call(context: &Context, args: &RunId) -> Result<Exit, Error> {
    let journal = context.existing_journal(args.run.as_deref())?;
    let run = journal.find(args.run.as_deref(), true)?;
    steer::ask(context, &journal, &run, Request::Pause { by: context.actor(None) })?;
    context.out.status(&format!("Asked run {run} to pause. Go on later with `{}`.", context.command(&format!("resume {run}"))));
    Ok(Exit::Done)
}
