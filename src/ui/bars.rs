//! A run on a terminal: the lines of [`LinePrinter`] scroll by, and below them stand the steps under way and a line about the whole.
//!
//! No thread draws here: the screen moves when it is told of an event or of time ([`LiveScreen::tick`], some ten times a second).
//! A step is drawn only once it has taken a moment, so that quick calls do not flicker.

mod steady;

use std::collections::BTreeMap;

use dialoguer::console::Term;
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle, TermLike};
use jiff::{SignedDuration, Timestamp};

use crate::model::{Event, Progress, RecordBody, RunView, StepId};

use super::keys::SilentKeys;
use super::lines::{LineOptions, LinePrinter, heading};
use super::progress;
use super::style::Style;
use super::text;

/// A step is drawn once it has taken so long.
const DRAWN_AFTER: SignedDuration = SignedDuration::from_millis(400);
/// So much of a step's title is shown, however long its numbers are.
const TITLE_AT_LEAST: usize = 24;
/// Redraws per second at most.
const REFRESH_HZ: u8 = 10;

/// The moving part of a terminal.
pub struct LiveScreen {
    style: Style,
    lines: LinePrinter,
    multi: MultiProgress,
    rows: BTreeMap<StepId, Row>,
    /// The line about the whole run, always the last; drawn with the first step.
    whole: Option<ProgressBar>,
    run: Option<Whole>,
    frame: usize,
    /// On the process's own terminal; given back when the screen is left.
    keys: Option<SilentKeys>,
}

struct Row {
    title: String,
    since: Timestamp,
    note: String,
    bar: Option<ProgressBar>,
}

/// What the last line says.
struct Whole {
    stage: String,
    done: usize,
    steps: usize,
    since: Timestamp,
}

impl LiveScreen {
    /// On the process's stderr, which must be a terminal.
    pub fn on_terminal(style: Style) -> Self {
        let mut screen = Self::on(style, Box::new(Term::buffered_stderr()), Some(REFRESH_HZ));
        screen.keys = Some(SilentKeys::begin());
        screen
    }

    /// On any terminal, drawn at most `hz` times a second if given. Its errors are swallowed.
    pub fn on(style: Style, terminal: Box<dyn TermLike>, hz: Option<u8>) -> Self {
        let terminal = Box::new(steady::Steady::over(terminal));
        let target = match hz {
            Some(hz) => ProgressDrawTarget::term_like_with_hz(terminal, hz),
            None => ProgressDrawTarget::term_like(terminal),
        };
        Self {
            style,
            lines: LinePrinter::with(style, LineOptions { starts: false, numbers: false, logs: true }),
            multi: MultiProgress::with_draw_target(target),
            rows: BTreeMap::new(),
            whole: None,
            run: None,
            frame: 0,
            keys: None,
        }
    }

    /// The bars, for [`super::Out::share_with`].
    pub fn bars(&self) -> MultiProgress {
        self.multi.clone()
    }

    /// Shows an event; `view` is the run after it.
    pub fn event(&mut self, view: &RunView, event: &Event) {
        for line in self.lines.event(view, event) {
            self.say(&line);
        }
        match event {
            Event::Record(record) => {
                if let Some(step) = record.body.step() {
                    match &record.body {
                        RecordBody::StepStarted { .. } => self.begin(view, step, record.at),
                        _ => self.end(step),
                    }
                }
                if matches!(record.body, RecordBody::PlanAdopted { .. } | RecordBody::RunEnded { .. }) {
                    self.clear();
                }
                self.run = whole(view);
            }
            Event::Progress { step, at, progress } => {
                self.note(view, step, *at, progress);
                self.tick(*at);
            }
        }
    }

    /// Time passed: draws what is due, and moves what is drawn.
    pub fn tick(&mut self, at: Timestamp) {
        self.frame = self.frame.wrapping_add(1);
        let spinner = self.spinner();
        let mut drawn = false;
        for row in self.rows.values_mut() {
            let elapsed = at.duration_since(row.since);
            if row.bar.is_none() && elapsed < DRAWN_AFTER {
                continue;
            }
            let bar = row.bar.get_or_insert_with(|| match &self.whole {
                Some(whole) => self.multi.insert_before(whole, plain_bar()),
                None => self.multi.add(plain_bar()),
            });
            let mut moving = format!("  {}", text::duration(elapsed));
            if !row.note.is_empty() {
                moving.push_str(&format!("  {}", row.note));
            }
            // The title stands still and is known from the plan: what moves is the last to be cut.
            let width = self.style.width.saturating_sub(1);
            let room = width.saturating_sub(4 + moving.chars().count()).max(TITLE_AT_LEAST.min(width));
            let words = format!("  {spinner} {}{moving}", text::shorten(&row.title, room, &self.style));
            bar.set_message(text::shorten(&words, width, &self.style));
            bar.tick();
            drawn = true;
        }
        if drawn {
            self.draw_whole(at);
        }
    }

    /// Takes the bars away while `ask` uses the terminal.
    pub fn suspend<R>(&self, ask: impl FnOnce() -> R) -> R {
        self.multi.suspend(ask)
    }

    /// Prints a line above the bars. A terminal that is gone is not an error here.
    pub fn say(&self, line: &str) {
        let _ = self.multi.println(line);
    }

    /// Leaves a clean screen: only the lines remain.
    pub fn finish(&mut self) {
        self.clear();
        self.keys = None;
    }

    fn begin(&mut self, view: &RunView, step: &StepId, at: Timestamp) {
        let title = super::lines::title(view, step);
        self.rows.insert(step.clone(), Row { title, since: at, note: String::new(), bar: None });
    }

    fn end(&mut self, step: &StepId) {
        if let Some(bar) = self.rows.remove(step).and_then(|row| row.bar) {
            bar.finish_and_clear();
            self.multi.remove(&bar);
        }
        // Nothing under way: nothing to look at below the lines.
        if self.rows.is_empty() {
            self.clear();
        }
    }

    fn note(&mut self, view: &RunView, step: &StepId, at: Timestamp, progress: &Progress) {
        if progress::is_message(progress) && !matches!(progress, Progress::Retry { .. }) {
            return;
        }
        if !self.rows.contains_key(step) {
            self.begin(view, step, at);
        }
        if let Some(row) = self.rows.get_mut(step) {
            row.note = progress::words(progress);
        }
    }

    fn draw_whole(&mut self, at: Timestamp) {
        let Some(run) = &self.run else { return };
        let words = format!("  {}  {} of {} steps done  {}", run.stage, run.done, run.steps, text::between(run.since, at));
        let bar = self.whole.get_or_insert_with(|| self.multi.add(plain_bar()));
        bar.set_message(text::shorten(&words, self.style.width.saturating_sub(1), &self.style));
        bar.tick();
    }

    fn clear(&mut self) {
        let bars = self.rows.values_mut().filter_map(|row| row.bar.take()).chain(self.whole.take());
        for bar in bars {
            bar.finish_and_clear();
            self.multi.remove(&bar);
        }
        self.rows.clear();
        let _ = self.multi.clear();
    }

    fn spinner(&self) -> &'static str {
        const FINE: [&str; 10] = ["⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠧", "⠇", "⠏"];
        const PLAIN: [&str; 4] = ["|", "/", "-", "\\"];
        if self.style.unicode { FINE[self.frame % FINE.len()] } else { PLAIN[self.frame % PLAIN.len()] }
    }
}

impl Drop for LiveScreen {
    fn drop(&mut self) {
        self.clear();
    }
}

fn plain_bar() -> ProgressBar {
    let bar = ProgressBar::new_spinner();
    // The template is a constant of ours; should indicatif ever refuse it, its own default still shows the message.
    if let Ok(style) = ProgressStyle::with_template("{msg}") {
        bar.set_style(style);
    }
    bar
}

fn whole(view: &RunView) -> Option<Whole> {
    let current = view.current_stage()?;
    let position = view.plan.stages.iter().position(|stage| stage.id == current.id)?;
    Some(Whole {
        stage: heading(&view.plan, position),
        done: view.steps.values().filter(|step| step.state.is_over()).count(),
        steps: view.steps.len(),
        since: view.started_at,
    })
}

#[cfg(test)]
mod tests;
