//! `sidestep approve`: a person opens a step that could not open the way by itself.

use super::args::ApproveArgs;
use super::context::Context;
use super::steer;
use crate::journal::{Request, Store as _};
use crate::model::{Error, Exit, RecordBody};

pub fn call(context: &Context, args: &ApproveArgs) -> Result<Exit, Error> {
    let wanted = args.run.run.as_deref();
    let journal = context.existing_journal(wanted)?;
    let run = journal.find(wanted, true)?;
    let view = journal.view(&run)?;
    let Some(step) = view.to_approve().cloned() else {
        let hint = Some(format!("see where it stands with `{}`", context.command(&format!("status {run}"))));
        return Err(Error::NotApplicable {
            run,
            verb: "approved".to_owned(),
            why: "no step of it waits for a person".to_owned(),
            hint,
        });
    };
    let (by, at) = (context.actor(None), context.clock()?.now());
    let comment = args.comment.clone();
    if journal.is_live(&run)?.is_some() {
        let title = step.title;
        steer::ask(context, &journal, &run, Request::Approve { by, comment, step: Some(step.id) })?;
        context.out.status(&format!("Approved: {title}. The process that holds run {run} goes on."));
        return Ok(Exit::Done);
    }
    let mut open = journal.acquire(&run, &by, at)?;
    let appended = open.append(at, vec![RecordBody::StepApproved { step: step.id, by, comment }]);
    open.close("approved", at)?;
    appended?;
    context.out.status(&format!("Approved: {}. Go on with `{}`.", step.title, context.command(&format!("resume {run}"))));
    Ok(Exit::Done)
}
