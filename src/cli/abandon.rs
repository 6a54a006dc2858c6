//! `sidestep abandon`: gives a run up as it stands; nothing in AWS is touched, and its services are free for another run.

use super::args::AbandonArgs;
use super::context::Context;
use crate::journal::Store as _;
use crate::model::{Error, Exit, Outcome, RecordBody};

pub fn call(context: &Context, args: &AbandonArgs) -> Result<Exit, Error> {
    let wanted = args.run.run.as_deref();
    let journal = context.existing_journal(wanted)?;
    let run = journal.find(wanted, true)?;
    let view = journal.view(&run)?;
    if let Some((_, why)) = &view.ended {
        return Err(Error::NotApplicable { run, verb: "abandoned".to_owned(), why: format!("it is over: {why}"), hint: None });
    }
    let (by, at) = (context.actor(None), context.clock()?.now());
    let mut open = journal.acquire(&run, &by, at)?;
    let why = format!("{} (by {}@{})", args.reason, by.user, by.host);
    let ended = open.append(at, vec![RecordBody::RunEnded { outcome: Outcome::Abandoned, why }]);
    open.close("abandoned", at)?;
    ended?;
    let left = view.mutations.len();
    let words = if left == 0 { "it had changed nothing".to_owned() } else { format!("{left} changes stay as they are in AWS") };
    context.out.status(&format!(
        "Run {run} is abandoned; {words}. `{}` would still undo them.",
        context.command(&format!("rollback {run}"))
    ));
    Ok(Exit::Done)
}
