//! `sidestep report`: what happened in a run, from its journal alone, as a record to hand to others.

use std::path::Path;

use serde_json::json;

use super::args::{ReportArgs, ReportFormat};
use super::context::Context;
use super::files::Sort;
use crate::model::{Error, Exit, FoldError, RunId, RunView};
use crate::plan;
use crate::ui::report::{self, MARK, Report};

const REPORT: Sort = Sort { what: "report", format: MARK };

pub fn call(context: &Context, args: &ReportArgs) -> Result<Exit, Error> {
    if let Some(path) = &args.out {
        REPORT.may_be_written(path)?;
    }
    let wanted = args.run.run.as_deref();
    let journal = context.existing_journal(wanted)?;
    let run = context.run_to_show(&journal, wanted)?;
    // Who holds the run is asked first: one that leaves in between is in the records as having left.
    let live = journal.is_live(&run)?;
    let records = journal.records(&run)?;
    let damaged = |error: FoldError| Error::JournalDamaged { run: run.clone(), why: error.to_string() };
    let remains = plan::inventory(&RunView::fold(&records).map_err(damaged)?);
    let mut report = report::report(&records, live.as_ref(), &remains).map_err(damaged)?;
    for hint in &mut report.remains.next {
        *hint = context.located(hint);
    }
    let format = args.format.unwrap_or(if context.json() { ReportFormat::Json } else { ReportFormat::Markdown });
    let text = render(&report, format);
    match &args.out {
        Some(path) => {
            REPORT.write(path, &text)?;
            tell(context, &run, path);
        }
        None => context.out.data(&text),
    }
    Ok(Exit::Done)
}

fn render(of: &Report, format: ReportFormat) -> String {
    match format {
        ReportFormat::Markdown => report::markdown(of),
        ReportFormat::Html => report::html(of),
        ReportFormat::Json => report::json(of).to_string(),
    }
}

fn tell(context: &Context, run: &RunId, path: &Path) {
    let path = path.display().to_string();
    context.out.data(&if context.json() {
        json!({ "event": "report", "run": run, "path": path }).to_string()
    } else {
        format!("Wrote the report of run {run} to `{path}`.")
    });
}
