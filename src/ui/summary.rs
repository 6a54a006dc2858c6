//! What is always said at the end: what was done, what was not and why, and how long it took. After a rehearsal also what it cost
//! and what became of the spans.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use serde_json::Value;

use crate::model::{Direction, RunView, StagePlan};

use super::status_view::{StageState, but_for, reason, stage_state};
use super::style::{Style, Tone};
use super::text::{self, Column};

/// The stages, each with what became of it, and why the rest was not run.
pub fn render(view: &RunView, style: &Style) -> String {
    let stages = &view.plan.stages;
    let finished = stages.iter().filter(|stage| view.stage_done(&stage.id)).count();
    let what = match view.plan.direction {
        Direction::Forward => "done",
        Direction::Back => "undone",
    };
    // A rollback is timed by itself, and not from the beginning of what it undoes.
    let began = match view.plan.direction {
        Direction::Forward => None,
        Direction::Back => view.steps.values().filter_map(|step| step.started_at).min(),
    };
    let elapsed = text::between(began.unwrap_or(view.started_at), view.updated_at);
    let head =
        format!("Summary of run {}: {finished} of {} {what} in {elapsed}", view.id, text::count(stages.len(), "stage", "stages"));
    let widest = stages.iter().map(|stage| stage.id.as_str().chars().count()).max().unwrap_or(0);
    let mut lines = vec![style.paint(Tone::Strong, &head)];
    let mut why = reason(view);
    for (position, stage) in stages.iter().enumerate() {
        let state = stage_state(view, stage);
        let words = match state {
            StageState::AlreadySo => "nothing to do".to_owned(),
            StageState::Done => format!("{what}{}  {}", but_for(view, stage), stage_time(view, stage)),
            StageState::NotBegun => format!("not run{}", said(&why)),
            _ => format!("not {what}{}", said(&why)),
        };
        let name = text::pad(stage.id.as_str(), widest);
        let first = format!("  {} {}/{} {name}  ", style.sign(state.sign()), position + 1, stages.len());
        lines.push(text::wrap_keeping(&words, style.width, &first, 8));
        if !matches!(state, StageState::Done | StageState::AlreadySo) {
            // Told in full once; the later ones did not run because this one is not done.
            why = Some(format!("{} is not {what}", stage.id));
        }
    }
    lines.join("\n")
}

fn said(why: &Option<String>) -> String {
    why.as_ref().map(|why| format!(": {why}")).unwrap_or_default()
}

/// From the first start of a step in the stage to its last change.
fn stage_time(view: &RunView, stage: &StagePlan) -> String {
    let steps = || stage.steps().filter_map(|step| view.steps.get(&step.id));
    let from: Option<Timestamp> = steps().filter_map(|step| step.started_at).min();
    let to: Option<Timestamp> = steps().filter_map(|step| step.changed_at).max();
    from.zip(to).map(|(from, to)| format!("({})", text::glue(&text::between(from, to)))).unwrap_or_default()
}

/// What became of the spans sent during one stage.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct SpanRow {
    /// The stage, or `start` for the time before the first.
    pub label: String,
    /// Spans sent.
    pub sent: u64,
    /// Spans that reached a receiver.
    pub arrived: u64,
    /// Spans still stored at the end.
    pub retained: u64,
    /// Spans lost, by reason.
    pub lost: BTreeMap<String, u64>,
}

impl SpanRow {
    /// The rows of `{"labels": [{"label": …, "sent": …, "arrived": …, "retained": …, "lost": {reason: n}}]}`; a row that cannot be
    /// read is left out.
    pub fn read(spans: &Value) -> Vec<Self> {
        let rows = spans.get("labels").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        rows.iter().filter_map(|row| serde_json::from_value(row.clone()).ok()).collect()
    }

    fn lost(&self) -> u64 {
        self.lost.values().sum()
    }
}

/// What a rehearsal adds: AWS calls by operation, virtual time, spans by stage.
pub fn rehearsal(calls: &BTreeMap<String, u64>, virtual_time: SignedDuration, spans: &[SpanRow], style: &Style) -> String {
    let total: u64 = calls.values().sum();
    let virtual_time = text::duration(virtual_time);
    let mut parts = vec![format!("Rehearsed on simulated AWS: {total} calls in {virtual_time} of virtual time")];
    if !calls.is_empty() {
        parts.push(format!("{}\n{}", style.paint(Tone::Strong, "AWS calls"), calls_table(calls, style)));
    }
    if !spans.is_empty() {
        parts.push(format!("{}\n{}", style.paint(Tone::Strong, "Spans"), spans_table(spans, style)));
    }
    parts.join("\n\n")
}

/// The most frequent first; in two columns where there is room.
fn calls_table(calls: &BTreeMap<String, u64>, style: &Style) -> String {
    let mut rows: Vec<(&String, &u64)> = calls.iter().collect();
    rows.sort_by_key(|(name, n)| (std::cmp::Reverse(**n), (*name).clone()));
    let cell = |(name, n): &(&String, &u64)| vec![text::clean(name), n.to_string()];
    let half = rows.len().div_ceil(2);
    if style.width < 80 || rows.len() < 4 {
        return text::table(&rows.iter().map(cell).collect::<Vec<_>>(), &[Column::Left, Column::Right], 2);
    }
    let two = |at: usize| {
        let mut cells = cell(&rows[at]);
        cells.extend(rows.get(half + at).map(cell).unwrap_or_default());
        cells
    };
    let columns = [Column::Left, Column::Right, Column::Left, Column::Right];
    text::table(&(0..half).map(two).collect::<Vec<_>>(), &columns, 2)
}

fn spans_table(spans: &[SpanRow], style: &Style) -> String {
    let mut rows = vec![["stage", "sent", "arrived", "retained", "lost"].map(str::to_owned).to_vec()];
    let row = |label: &str, sent: u64, arrived: u64, retained: u64, lost: u64| {
        vec![text::clean(label), sent.to_string(), arrived.to_string(), retained.to_string(), lost.to_string()]
    };
    rows.extend(spans.iter().map(|span| row(&span.label, span.sent, span.arrived, span.retained, span.lost())));
    let sum = |of: fn(&SpanRow) -> u64| spans.iter().map(of).sum::<u64>();
    rows.push(row("total", sum(|s| s.sent), sum(|s| s.arrived), sum(|s| s.retained), sum(SpanRow::lost)));
    let columns = [Column::Left, Column::Right, Column::Right, Column::Right, Column::Right];
    let mut lines = vec![text::table(&rows, &columns, 2)];
    for span in spans {
        for (reason, n) in span.lost.iter().filter(|(_, n)| **n > 0) {
            let words = format!("{n} lost during {}: {}", text::clean(&span.label), lost_reason(reason));
            lines.push(text::wrap(&words, style.width, "  ", 4));
        }
    }
    lines.join("\n")
}

/// A reason code in words; an unknown one as it is.
fn lost_reason(code: &str) -> String {
    match code {
        "no-receiver" => "nothing listens there".to_owned(),
        "name-does-not-resolve" => "the name does not resolve".to_owned(),
        "blocked-by-security-group" => "a security group blocks the port".to_owned(),
        "receiver-not-running" => "the receiver does not run".to_owned(),
        other => text::clean(other),
    }
}

#[cfg(test)]
mod tests;
