//! `sidestep abandon`: gives a run up as it stands. Nothing in AWS is touched but the claims on its services, which are free for
//! another run then.

use std::collections::{BTreeMap, BTreeSet};

use tokio::sync::mpsc;

use super::account;
use super::args::AbandonArgs;
use super::context::Context;
use super::screen::Screen;
use crate::aws::Access;
use crate::engine::Engine;
use crate::journal::{OpenRun, Store as _};
use crate::model::{Error, Event, Exit, Outcome, RecordBody, RunView};

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
    let freed = context.runtime()?.block_on(give_up_claims(context, &mut open, at));
    let at = context.clock()?.now();
    let calls = freed.clone().unwrap_or_default();
    let ended = freed.and_then(|_| open.append(at, vec![RecordBody::RunEnded { outcome: Outcome::Abandoned, why }]));
    open.close_after("abandoned", calls, at)?;
    ended?;
    let left = view.mutations.len();
    let words = if left == 0 { "it had changed nothing".to_owned() } else { format!("{left} changes stay as they are in AWS") };
    context.out.status(&format!(
        "Run {run} is abandoned; {words}. `{}` would still undo them.",
        context.command(&format!("rollback {run}"))
    ));
    Ok(Exit::Done)
}

/// Takes the run's claims away, and gives the requests that this took. Where AWS cannot be asked they stay, and it is said how they
/// go.
async fn give_up_claims(context: &Context, open: &mut OpenRun, at: jiff::Timestamp) -> Result<BTreeMap<String, u64>, Error> {
    let view = open.view().clone();
    if view.claims_held().is_empty() {
        return Ok(BTreeMap::new());
    }
    let screen = Screen::for_run(context);
    let mut sink = |view: &RunView, event: &Event| screen.event(view, event);
    let freed = match account::connect_bound(context, &view, Access::ReadWrite).await {
        Ok(aws) => {
            let (_line, mut control) = mpsc::unbounded_channel();
            Engine::new(&aws, open, view, &mut sink, &mut control, BTreeSet::new(), false)
                .give_up_claims()
                .await
                .map(|()| aws.calls_made())
        }
        Err(error) => {
            let why = std::iter::once(error.to_string()).chain(error.causes()).collect::<Vec<_>>().join(": ");
            let left = view.claims_held().into_iter().map(|service| view.claim_left(service, &why)).collect();
            let records = open.append(at, left)?;
            records.into_iter().for_each(|record| sink(open.view(), &Event::Record(record)));
            Ok(BTreeMap::new())
        }
    };
    screen.finish();
    freed
}
