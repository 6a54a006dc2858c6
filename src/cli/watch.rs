//! `sidestep status --watch`: the screen of a run that another process carries out, read-only.
//!
//! The journal is read again and again; with `--live` AWS is asked as well how the waits under way stand. It ends when nobody
//! works on the run or reads the output any more: then `status` says where it stands.

use std::time::Duration;

use jiff::Timestamp;
use tokio::signal::unix::{SignalKind, signal};

use super::account;
use super::context::Context;
use super::screen::Screen;
use crate::aws::{Access, Aws, Clock};
use crate::engine::look_on;
use crate::journal::Journal;
use crate::model::{Error, Event, Record, RecordBody, RunId, RunView, StepState};

/// Between looks into the journal, on the machine's clock.
const JOURNAL_INTERVAL: Duration = Duration::from_millis(250);
/// Between looks at AWS: these come on top of the run's own.
const AWS_INTERVAL: Duration = Duration::from_secs(6);

/// Shows the run until nobody works on it any more, or Ctrl-C.
pub fn until_it_stands(context: &Context, journal: &Journal, run: &RunId, live: bool) -> Result<(), Error> {
    context.runtime()?.block_on(async {
        let view = journal.view(run)?;
        let aws = if live { Some(account::connect_bound(context, &view, Access::ReadOnly).await?) } else { None };
        let screen = Screen::for_run(context);
        let on = |kind| signal(kind).map_err(|error| Error::Internal { message: format!("cannot listen for signals: {error}") });
        let (mut interrupt, mut terminate) = (on(SignalKind::interrupt())?, on(SignalKind::terminate())?);
        let watching = watch(context, journal, run, &screen, aws.as_ref());
        tokio::pin!(watching);
        let watched = tokio::select! {
            biased;
            watched = &mut watching => watched,
            _ = interrupt.recv() => Ok(()),
            _ = terminate.recv() => Ok(()),
        };
        screen.finish();
        watched
    })
}

async fn watch(context: &Context, journal: &Journal, run: &RunId, screen: &Screen<'_>, aws: Option<&Aws>) -> Result<(), Error> {
    let (clock, machine) = (context.clock()?, Clock::real(1.0));
    let mut view = joined(screen, &journal.records(run)?)?;
    let mut looked = None;
    loop {
        let live = journal.is_live(run)?.is_some();
        let mut news = Vec::new();
        if journal.view(run)?.last_seq != view.last_seq {
            news = journal.records(run)?.into_iter().filter(|record| record.seq > view.last_seq).collect();
        }
        for record in news {
            view.apply(&record).map_err(|error| Error::Internal { message: error.to_string() })?;
            screen.event(&view, &Event::Record(record));
        }
        if !live || view.ended.is_some() || context.out.broken() {
            return Ok(());
        }
        if let Some(aws) = aws.filter(|_| looked.is_none_or(|at| clock.elapsed().saturating_sub(at) >= AWS_INTERVAL)) {
            for (step, progress) in look_on(aws, &view).await {
                screen.event(&view, &Event::Progress { step, at: now(&clock, &view), progress });
            }
            looked = Some(clock.elapsed());
        }
        screen.stand(&view, now(&clock, &view));
        machine.sleep(JOURNAL_INTERVAL).await;
    }
}

/// Never before the last record: the other process may have another clock.
fn now(clock: &Clock, view: &RunView) -> Timestamp {
    clock.now().max(view.updated_at)
}

/// The run as it stands, with the starts of the steps under way told once more: who joins does not know of them.
fn joined(screen: &Screen<'_>, records: &[Record]) -> Result<RunView, Error> {
    let view = RunView::fold(records).map_err(|error| Error::Internal { message: error.to_string() })?;
    for (_, _, step) in view.plan.steps().filter(|(_, _, step)| view.state(&step.id) == StepState::Started) {
        let begun = |record: &&Record| matches!(&record.body, RecordBody::StepStarted { step: known, .. } if *known == step.id);
        if let Some(record) = records.iter().rev().find(begun) {
            screen.event(&view, &Event::Record(record.clone()));
        }
    }
    Ok(view)
}
