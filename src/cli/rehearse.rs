//! `sidestep rehearse`: the whole migration on the embedded simulator, through the real engine, journal and AWS clients, on
//! virtual time.

use std::path::Path;
use std::time::{Duration, SystemTime};

use serde_json::json;
use tokio::sync::mpsc;

use super::args::{Faults, RehearseArgs};
use super::context::Context;
use super::drive::Drive;
use super::ending::tell_end;
use super::screen::Screen;
use super::world::WorldFile;
use super::{account, crashes, plan, runbooks, swarm};
use crate::aws::{Access, Aws, Clock};
use crate::drill::{AFTERMATH, Marks};
use crate::journal::Journal;
use crate::model::{Actor, Error, Event, Exit, RunView, Runbook};
use crate::sim::{Sim, SimConnector, State};
use crate::ui::{plan_view, summary};

pub fn call(context: &Context, args: &RehearseArgs) -> Result<Exit, Error> {
    fitting(args)?;
    let file = WorldFile::read(args.world.as_deref(), args.runbook.as_deref())?;
    // It must be one before anything in it is believed.
    let state = file.load(args.seed)?;
    let runbook = fitting_runbook(context, args, &file)?;
    file.tell_missing(context);
    match args.faults {
        Faults::None => {}
        Faults::Crashes => return crashes::call(context, args, &runbook, &file),
        Faults::All => return swarm::call(context, args, &runbook, &file),
    }
    let directory = tempfile::tempdir().map_err(|error| Error::JournalUnusable {
        path: std::env::temp_dir().display().to_string(),
        why: error.to_string(),
        hint: Some("set TMPDIR to a directory that can be written".to_owned()),
    })?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .start_paused(true)
        .build()
        .map_err(|error| Error::Internal { message: format!("no runtime: {error}") })?;
    runtime.block_on(rehearse(context, args, &runbook, state, directory.path()))
}

/// The runbook that is named, or else the one that the world was captured for, or else the default. A world brings its variables
/// along; what is given on the command line goes over them.
fn fitting_runbook(context: &Context, args: &RehearseArgs, file: &WorldFile) -> Result<Runbook, Error> {
    let wanted = args.runbook.as_deref().or(file.runbook.as_deref()).unwrap_or(runbooks::DEFAULT);
    let runbook = match runbooks::load(wanted, &runbooks::sources(context, file.variables.clone())?) {
        Err(Error::FileUnreadable { what, path, why, .. }) if args.runbook.is_none() => {
            let hint = format!("`{}` was captured for it; name the runbook on the command line", file.path);
            return Err(Error::FileUnreadable { what, path, why, hint: Some(hint) });
        }
        loaded => loaded?,
    };
    file.fits(&runbook)?;
    Ok(runbook)
}

/// Options that want another `--faults` are refused: nobody shall think that they did something.
fn fitting(args: &RehearseArgs) -> Result<(), Error> {
    let wants = |message: &str, faults: &str| {
        Err(Error::Usage { message: message.to_owned(), hint: Some(format!("add `--faults {faults}`")) })
    };
    if args.faults != Faults::Crashes && (args.point.is_some() || args.way_back) {
        return wants("`--point` and `--way-back` are about crashes", "crashes");
    }
    if args.faults != Faults::All && args.runs.is_some() {
        return wants("`--runs` is about a swarm of faults", "all");
    }
    Ok(())
}

async fn rehearse(
    context: &Context,
    args: &RehearseArgs,
    runbook: &Runbook,
    state: State,
    directory: &Path,
) -> Result<Exit, Error> {
    let start = state.now();
    let sim = Sim::new(state);
    let connector = SimConnector::new(sim.clone());
    let epoch = SystemTime::UNIX_EPOCH + Duration::from_millis(u64::try_from(start).unwrap_or(0));
    let clock = Clock::starting_at(epoch);
    let aws = Aws::embedded(connector.clone(), runbooks::target(runbook, "region"), Access::ReadWrite, clock, args.seed);
    let aws = aws.watched(context.api_watch());
    let identity = aws.identity().await?;
    let id = account::fresh_run(None, args.seed)?;
    let plan = account::plan(context, &aws, &identity, runbook, &id).await?;
    plan::blocked(&plan, &args.accept)?;
    if !context.json() {
        context.show_findings(&plan.findings);
    }
    if plan.is_empty() {
        context.out.status(&plan_view::render(&plan, &context.err_style));
        return Ok(Exit::Done);
    }
    let by = Actor { user: "rehearsal".to_owned(), host: "simulator".to_owned(), identity: Some(identity.arn) };
    let journal = Journal::open(directory)?;
    let accepted: Vec<String> = plan.blockers(&[]).map(|finding| finding.id.clone()).collect();
    let open = journal.create(&plan, &by, aws.clock.now(), &accepted)?;
    let screen = Screen::for_rehearsal(context);
    let (_keep, control) = mpsc::unbounded_channel();
    let mut drive = Drive::new(context, &aws, open, &screen, None, by.clone(), control);
    drive.approver = Some(by);
    let marks = Marks::on(&sim);
    drive.also = Box::new(move |view: &RunView, event: &Event| marks.event(view, event));
    let (result, view) = drive.run().await;
    sim.with(|state| state.mark("after"));
    aws.clock.sleep(Duration::from_millis(AFTERMATH.unsigned_abs())).await;
    tell(context, &sim, &connector, start, &view, &result);
    result.map_err(rehearsed)
}

/// Nothing of a rehearsal remains: the commands that would go on with a run have nothing to work on.
fn rehearsed(mut error: Error) -> Error {
    if let Error::Stopped { at, .. } | Error::Paused { at, .. } | Error::Stuck { at, .. } = &mut error {
        at.meanwhile = None;
        at.next = vec![
            "this was a rehearsal, and nothing remains of it: a real run would stop here too, to be resumed or rolled back"
                .to_owned(),
        ];
    }
    error
}

fn tell(context: &Context, sim: &Sim, connector: &SimConnector, start: i64, view: &RunView, result: &Result<Exit, Error>) {
    let now = connector.clock().now_millis();
    let spans = sim.with(|state| {
        state.advance(now);
        state.spans()
    });
    let elapsed = jiff::SignedDuration::from_millis(now - start - AFTERMATH);
    if context.json() {
        let line = json!({ "event": "rehearsal", "calls": sim.calls(), "virtualSeconds": elapsed.as_secs(), "spans": spans });
        context.line(line);
        return;
    }
    tell_end(context, view, result);
    let rows = summary::SpanRow::read(&spans);
    context.out.data(&format!("\n{}", summary::rehearsal(&sim.calls(), elapsed, &rows, &context.out_style)));
}
