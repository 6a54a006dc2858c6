//! A run as lines: one per transition. Off a terminal this is all there is; on one, [`super::LiveScreen`] prints the same lines
//! above its bars.
//!
//! ```text
//!   event ─▶ heading, when a new stage begins
//!         ─▶ the record's own line (phrases)
//!         ─▶ progress: messages once, numbers when they change and not too often
//!   tick ──▶ numbers that waited, then a heartbeat after a silence
//! ```
//!
//! All times are those of the events, so a rehearsal's are virtual. The view given with a record is the one *after* it.

mod phrases;

pub(super) use phrases::{title, who};

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};

use crate::model::{Direction, Event, Plan, Progress, Record, RecordBody, RunView, StageId, StepClass, StepId};

use super::progress;
use super::style::{Sign, Style};
use super::text;

/// Nothing was said for so long: a heartbeat is due.
const SILENCE: SignedDuration = SignedDuration::from_secs(10);
/// Numbers of one step are shown at most this often.
const PROGRESS_EVERY: SignedDuration = SignedDuration::from_secs(5);
/// Service events of one run that are remembered, so as not to be shown twice.
const EVENTS_REMEMBERED: usize = 1000;

/// What a printer of lines says besides the end of each step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LineOptions {
    /// The start of each wait and verification. Off where a bar shows it, or where time is virtual.
    pub starts: bool,
    /// Moving numbers: tasks running, targets healthy.
    pub numbers: bool,
    /// What containers logged at a failure. Only where the lines go to a terminal: they may hold anything.
    pub logs: bool,
}

/// Whether an event tells of something that went otherwise than it should: that is said also where little is to be said.
pub fn is_trouble(event: &Event) -> bool {
    match event {
        Event::Record(record) => phrases::is_trouble(record),
        Event::Progress { .. } => false,
    }
}

/// Turns events into lines.
#[derive(Debug)]
pub struct LinePrinter {
    style: Style,
    options: LineOptions,
    /// The stage last announced, and in which plan epoch.
    stage: Option<(u32, StageId)>,
    /// The plan epoch whose beginning it saw.
    adopted: Option<u32>,
    running: BTreeMap<StepId, Running>,
    seen: BTreeSet<(StepId, String)>,
    spoke_at: Option<Timestamp>,
}

/// A step under way.
#[derive(Debug)]
struct Running {
    title: String,
    since: Timestamp,
    /// The newest numbers, shown or not.
    latest: Option<Progress>,
    shown: Option<Progress>,
    shown_at: Option<Timestamp>,
}

impl LinePrinter {
    /// For logs and pipes: everything is a line, but for what containers logged.
    pub fn new(style: Style) -> Self {
        Self::with(style, LineOptions { starts: true, numbers: true, logs: false })
    }

    /// For a rehearsal: hours pass in a moment, so only what happened is a line.
    pub fn for_rehearsal(style: Style) -> Self {
        Self::with(style, LineOptions { starts: false, numbers: false, logs: false })
    }

    /// The same; whether its lines go to a terminal, where what containers logged may be shown.
    pub fn on_terminal(mut self, terminal: bool) -> Self {
        self.options.logs = terminal;
        self
    }

    /// With these options.
    pub fn with(style: Style, options: LineOptions) -> Self {
        Self { style, options, stage: None, adopted: None, running: BTreeMap::new(), seen: BTreeSet::new(), spoke_at: None }
    }

    /// From now on the lines have this width.
    pub(super) fn fit(&mut self, width: usize) {
        self.style.width = width;
    }

    /// The lines for one event; often none. `view` is the run after the event.
    pub fn event(&mut self, view: &RunView, event: &Event) -> Vec<String> {
        let (at, lines) = match event {
            Event::Record(record) => (record.at, self.record(view, record)),
            Event::Progress { step, at, progress } => (*at, self.progress(view, step, *at, progress)),
        };
        self.spoke(at, lines)
    }

    /// The lines due because time passed: numbers held back, or a heartbeat. Call it about once a second.
    pub fn tick(&mut self, at: Timestamp) -> Vec<String> {
        let mut lines = self.late_numbers(at);
        if lines.is_empty() {
            lines.extend(self.heartbeat(at));
        }
        self.spoke(at, lines)
    }

    fn spoke(&mut self, at: Timestamp, lines: Vec<String>) -> Vec<String> {
        if !lines.is_empty() || self.spoke_at.is_none() {
            self.spoke_at = Some(at);
        }
        lines
    }

    fn record(&mut self, view: &RunView, record: &Record) -> Vec<String> {
        if matches!(record.body, RecordBody::PlanAdopted { .. }) {
            self.adopted = Some(view.epoch);
        }
        let mut lines = self.headings(view, record);
        if let RecordBody::StepStarted { step, attempt, .. } = &record.body {
            lines.extend(self.started(view, record.at, step, *attempt));
            return lines;
        }
        let since = record.body.step().and_then(|step| self.since(view, step));
        lines.extend(phrases::record(view, record, since, &self.style));
        if let Some(step) = record.body.step() {
            self.running.remove(step);
        }
        if matches!(record.body, RecordBody::PlanAdopted { .. } | RecordBody::SessionClosed { .. } | RecordBody::RunEnded { .. }) {
            self.running.clear();
        }
        lines
    }

    /// When a step was started: as this printer saw it, or as the journal knows.
    fn since(&self, view: &RunView, step: &StepId) -> Option<Timestamp> {
        let known = view.steps.get(step).and_then(|step| step.started_at);
        self.running.get(step).map(|running| running.since).or(known)
    }

    /// Announces the stage that a record's step is in, and before it the stages that had nothing to do.
    fn headings(&mut self, view: &RunView, record: &Record) -> Vec<String> {
        let plan = &view.plan;
        let reached = match (&record.body, record.body.step()) {
            (_, Some(step)) => match stage_of(plan, step) {
                Some(position) => position,
                None => return Vec::new(),
            },
            (RecordBody::RunEnded { .. }, None) if view.all_done() => plan.stages.len(),
            _ => return Vec::new(),
        };
        let announced = self.announced(view);
        if announced.is_some_and(|position| reached <= position) {
            return Vec::new();
        }
        // Who joins a run on its way does not repeat what was passed before.
        let first = if self.adopted == Some(view.epoch) { 0 } else { reached };
        let from = announced.map_or(first, |position| position + 1);
        let mut lines: Vec<String> = (from..reached)
            .filter(|position| plan.stages[*position].waves.is_empty())
            .map(|position| format!("{}: nothing to do", heading(plan, position)))
            .collect();
        if let Some(stage) = plan.stages.get(reached) {
            lines.push(self.style.paint(super::style::Tone::Strong, &heading(plan, reached)));
            self.stage = Some((view.epoch, stage.id.clone()));
        }
        lines
    }

    /// Position of the stage last announced, if that was in the present plan.
    fn announced(&self, view: &RunView) -> Option<usize> {
        match &self.stage {
            Some((epoch, id)) if *epoch == view.epoch => view.plan.stages.iter().position(|stage| stage.id == *id),
            _ => None,
        }
    }

    fn started(&mut self, view: &RunView, at: Timestamp, step: &StepId, attempt: u32) -> Vec<String> {
        let title = phrases::title(view, step);
        let class = view.plan.step(step).map(|plan| plan.class);
        let running = Running { title: title.clone(), since: at, latest: None, shown: None, shown_at: None };
        self.running.insert(step.clone(), running);
        if attempt > 1 {
            // A wait that was left is no failed attempt.
            let again = if class == Some(StepClass::Mutation) { format!("attempt {attempt}") } else { "taken up again".to_owned() };
            return vec![phrases::line(&self.style, Sign::Again, &format!("{title}: {again}"))];
        }
        if !self.options.starts || class == Some(StepClass::Mutation) {
            return Vec::new();
        }
        vec![phrases::line(&self.style, Sign::Idle, &title)]
    }

    fn progress(&mut self, view: &RunView, step: &StepId, at: Timestamp, progress: &Progress) -> Vec<String> {
        let title = phrases::title(view, step);
        if progress::is_message(progress) {
            return self.message(step, &title, progress);
        }
        let since = view.steps.get(step).and_then(|step| step.started_at).unwrap_or(at);
        let running =
            self.running.entry(step.clone()).or_insert(Running { title, since, latest: None, shown: None, shown_at: None });
        running.latest = Some(progress.clone());
        let worse = progress::is_worse(running.shown.as_ref(), progress);
        if self.options.numbers && (worse || running.due(at)) { vec![running.show(at, &self.style)] } else { Vec::new() }
    }

    /// Service events and notes are said once; a retry each time.
    fn message(&mut self, step: &StepId, title: &str, progress: &Progress) -> Vec<String> {
        if self.seen.len() >= EVENTS_REMEMBERED {
            self.seen.clear();
        }
        let mut said = progress::said(progress, self.options.logs);
        let (sign, each_time) = if matches!(progress, Progress::Retry { .. }) { (Sign::Again, true) } else { (Sign::Idle, false) };
        said.retain(|words| each_time || self.seen.insert((step.clone(), words.clone())));
        let whole =
            |words: String| if matches!(progress, Progress::ServiceEvent { .. }) { words } else { format!("{title}: {words}") };
        said.into_iter().map(|words| phrases::line(&self.style, sign, &whole(words))).collect()
    }

    fn late_numbers(&mut self, at: Timestamp) -> Vec<String> {
        if !self.options.numbers {
            return Vec::new();
        }
        let style = self.style;
        self.running.values_mut().filter(|running| running.due(at)).map(|running| running.show(at, &style)).collect()
    }

    /// After a silence: the step that has been under way longest, and how many others there are.
    fn heartbeat(&mut self, at: Timestamp) -> Option<String> {
        if at.duration_since(self.spoke_at?) < SILENCE {
            return None;
        }
        let oldest = self.running.values().min_by_key(|running| running.since)?;
        let mut words = format!("{}: {} so far", oldest.title, text::glue(&text::between(oldest.since, at)));
        if let Some(latest) = &oldest.latest {
            words.push_str(&format!(", {}", progress::words(latest)));
        }
        let others = self.running.len() - 1;
        if others > 0 {
            words.push_str(&format!(" (and {} under way)", text::count(others, "other step", "other steps")));
        }
        Some(phrases::line(&self.style, Sign::Idle, &words))
    }
}

impl Running {
    /// Whether numbers changed since they were shown, and that is long enough ago.
    fn due(&self, at: Timestamp) -> bool {
        self.latest.is_some()
            && self.latest != self.shown
            && self.shown_at.is_none_or(|shown| at.duration_since(shown) >= PROGRESS_EVERY)
    }

    fn show(&mut self, at: Timestamp, style: &Style) -> String {
        self.shown.clone_from(&self.latest);
        self.shown_at = Some(at);
        let numbers = self.latest.as_ref().map(progress::words).unwrap_or_default();
        let elapsed = phrases::elapsed(self.since, at);
        phrases::line(style, Sign::Idle, &format!("{}: {numbers}{elapsed}", self.title))
    }
}

/// Position of the stage that has this step.
pub(super) fn stage_of(plan: &Plan, step: &StepId) -> Option<usize> {
    plan.stages.iter().position(|stage| stage.steps().any(|each| each.id == *step))
}

/// `stage 3/6 create-service`; in a rollback `undo 1/4 strip-sidecar`.
pub(super) fn heading(plan: &Plan, position: usize) -> String {
    let word = match plan.direction {
        Direction::Forward => "stage",
        Direction::Back => "undo",
    };
    let id = plan.stages.get(position).map_or("?", |stage| stage.id.as_str());
    format!("{word} {}/{} {id}", position + 1, plan.stages.len())
}

#[cfg(test)]
mod tests;
