//! The record of a run, to be handed to others: what happened, who decided, what changed in AWS, and what can still be taken back.
//!
//! ```text
//!   records ──▶ Report ──┬─▶ json
//!   (the whole journal)  └─▶ Document ──┬─▶ markdown
//!                                       └─▶ html, one page that needs nothing else
//! ```
//!
//! A [`Report`] holds what the journal says, as it says it. Whatever of that is text was written by AWS, by operators or by whoever
//! could write the file: each form escapes all of it. Parameters of steps are in none of them.

mod calls;
mod changes;
mod course;
mod decisions;
mod document;
mod html;
mod markdown;
mod page;
mod plain;
mod remains;
mod resources;
mod sections;
mod stages;
mod value;

#[cfg(test)]
mod tests;

use serde_json::{Value, json};

use crate::model::{Direction, FoldError, Holder, Record, Remainder, RunView};

use super::{status_view, text};
use value::PlanRow;
pub use value::Report;

/// What every form bears, so that a report can be told from another file: JSON as its `format`, a page as its generator, Markdown in
/// a comment at its end.
pub const MARK: &str = "sidestep-report";

/// What the journal says of a run. `records` are all of its records, `live` the process that holds it right now, `remains` what stands
/// in AWS of what the run did.
///
/// # Errors
/// [`FoldError`] when the records are not a journal.
pub fn report(records: &[Record], live: Option<&Holder>, remains: &[Remainder]) -> Result<Report, FoldError> {
    let view = RunView::fold(records)?;
    let course = course::follow(records, &view, live);
    Ok(Report {
        run: view.id.clone(),
        runbook: view.plan.runbook.clone(),
        status: status_view::code(status_view::word(&view, live)),
        outcome: outcome(&view, live),
        target: view.plan.target.clone(),
        started: view.started_at,
        updated: view.updated_at,
        records: view.last_seq,
        held_by: live.cloned(),
        times: stages::times(records, &course, &view),
        passages: stages::passages(records, &view),
        resources: resources::rows(records, &view),
        changes: changes::rows(records, &view),
        remains: remains::rows(&view, live, remains),
        decisions: decisions::rows(records),
        findings: decisions::findings(records),
        plans: plans(records),
        calls: calls::sum(records, &course),
        sessions: course.sessions,
        timeline: course.timeline,
    })
}

/// The report as Markdown, for a terminal, a ticket or a repository.
pub fn markdown(report: &Report) -> String {
    markdown::render(&sections::of(report))
}

/// The report as one HTML page: it loads nothing and runs no script.
pub fn html(report: &Report) -> String {
    html::render(&sections::of(report))
}

/// The report for programs: `{"format": "sidestep-report", "version": 1, …}`; members are only ever added.
pub fn json(report: &Report) -> Value {
    let mut value = json!(report);
    value["format"] = json!(MARK);
    value["version"] = json!(1);
    value
}

/// How far it is, and what there is to say of that: `6 of 6 stages done: all stages are done`.
fn outcome(view: &RunView, live: Option<&Holder>) -> String {
    let stages = &view.plan.stages;
    let over = stages.iter().filter(|stage| view.stage_done(&stage.id)).count();
    let what = if view.plan.direction == Direction::Back { "undone" } else { "done" };
    let explained = status_view::explained(view, live);
    format!("{over} of {} {what}{explained}", text::count(stages.len(), "stage", "stages"))
}

/// Every plan that the run had, in order.
fn plans(records: &[Record]) -> Vec<PlanRow> {
    records.iter().filter_map(PlanRow::of).zip(1..).map(|(plan, epoch)| PlanRow { epoch, ..plan }).collect()
}
