//! `sidestep runs`: what runs there are.

use super::context::Context;
use crate::journal::Journal;
use crate::model::{Error, Exit};
use crate::ui::runs_view::{self, RunRow};

pub fn call(context: &Context) -> Result<Exit, Error> {
    let runs = match Journal::open_existing(&context.common.state)? {
        Some(journal) => journal.runs()?,
        None => Vec::new(),
    };
    let rows: Vec<RunRow> = runs
        .into_iter()
        .map(|run| RunRow {
            id: run.id,
            runbook: run.runbook,
            target: run.target,
            status: run.status,
            started: run.started_at,
            updated: run.updated_at,
            live: run.live,
        })
        .collect();
    let text = if context.json() {
        runs_view::json(&rows).to_string()
    } else {
        runs_view::render(&rows, &context.state_dir(), &context.out_style)
    };
    context.out.data(&text);
    Ok(Exit::Done)
}
