//! A run on a terminal: the lines of [`LinePrinter`] scroll by, and below them stands the block of [`live_view`].
//!
//! No thread draws here: the screen moves when it is told of an event or of time ([`LiveScreen::tick`]). The block is one bar of
//! indicatif with several lines, so that lines printed meanwhile come above it.

mod steady;

use std::sync::Arc;

use dialoguer::console::Term;
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle, TermLike};
use jiff::Timestamp;

use crate::model::{Event, Progress, RecordBody, RunView, StepId, StepState};

use super::keys::SilentKeys;
use super::lines::{LineOptions, LinePrinter};
use super::live_view::{self, Frame, Seen};
use super::style::Style;
use steady::Steady;

/// Redraws per second at most.
const REFRESH_HZ: u8 = 10;

/// The moving part of a terminal.
pub struct LiveScreen {
    style: Style,
    lines: LinePrinter,
    terminal: Arc<Steady>,
    multi: MultiProgress,
    block: Option<ProgressBar>,
    view: Option<RunView>,
    seen: Seen,
    turn: usize,
    looks_on: bool,
    /// The lines drawn last, and the width they were drawn at.
    drawn: (Vec<String>, usize),
    /// On the process's own terminal; given back when the screen is left.
    keys: Option<SilentKeys>,
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
        let terminal = Arc::new(Steady::over(terminal));
        let shared = Box::new(steady::Shared(Arc::clone(&terminal)));
        let target = match hz {
            Some(hz) => ProgressDrawTarget::term_like_with_hz(shared, hz),
            None => ProgressDrawTarget::term_like(shared),
        };
        Self {
            style,
            lines: LinePrinter::with(style, LineOptions { starts: false, numbers: false, logs: true }),
            terminal,
            multi: MultiProgress::with_draw_target(target),
            block: None,
            view: None,
            seen: Seen::default(),
            turn: 0,
            looks_on: false,
            drawn: (Vec::new(), 0),
            keys: None,
        }
    }

    /// The bars, for [`super::Out::share_with`].
    pub fn bars(&self) -> MultiProgress {
        self.multi.clone()
    }

    /// Shows an event; `view` is the run after it.
    pub fn event(&mut self, view: &RunView, event: &Event) {
        self.measure();
        for line in self.lines.event(view, event) {
            self.say(&line);
        }
        let at = match event {
            Event::Record(record) => {
                if let Some(step) = record.body.step() {
                    self.seen.forget(step);
                }
                // What is over is told by the lines; what a question needs is the screen to itself.
                let over = matches!(record.body, RecordBody::RunEnded { .. } | RecordBody::SessionClosed { .. });
                self.view = (!over && view.asked.is_none()).then(|| view.clone());
                record.at
            }
            Event::Progress { step, at, progress } => {
                self.seen.note(step, progress);
                *at
            }
        };
        self.draw(at);
    }

    /// Whether a step is under way on the screen.
    pub fn shows(&self, step: &StepId) -> bool {
        self.view.as_ref().is_some_and(|view| view.state(step) == StepState::Started)
    }

    /// What is seen of a step without being told by the run itself.
    pub fn see(&mut self, step: &StepId, progress: &Progress) {
        self.seen.note(step, progress);
    }

    /// The run as it stands, shown without a record of its own: where somebody looks on.
    pub fn show(&mut self, view: &RunView, at: Timestamp) {
        self.measure();
        self.looks_on = true;
        self.view = Some(view.clone());
        self.draw(at);
    }

    /// Time passed: moves what moves.
    pub fn tick(&mut self, at: Timestamp) {
        self.measure();
        self.draw(at);
    }

    /// Takes the block away while `ask` uses the terminal.
    pub fn suspend<R>(&self, ask: impl FnOnce() -> R) -> R {
        self.multi.suspend(ask)
    }

    /// Prints a line above the block. A terminal that is gone is not an error here. Not by indicatif's own `println`: that fills
    /// lines with blanks, which a terminal that is made narrower breaks into more lines.
    pub fn say(&self, line: &str) {
        self.multi.suspend(|| {
            let _ = self.terminal.write_line(line);
            let _ = self.terminal.flush();
        });
    }

    /// Takes the block away; it comes back with the next event.
    pub fn rest(&mut self) {
        self.view = None;
        self.clear();
    }

    /// Leaves a clean screen: only the lines remain.
    pub fn finish(&mut self) {
        self.rest();
        self.keys = None;
    }

    /// A terminal may be made wider or narrower at any time.
    fn measure(&mut self) {
        let (columns, _) = self.terminal.size();
        let width = Style::fitting(usize::from(columns));
        if width == self.style.width {
            return;
        }
        self.style.width = width;
        self.lines.fit(width);
        // What stands there was broken into more rows by the terminal, if it is narrower now. indicatif counts as before: so the block
        // is taken away here, and as many rows are left below as indicatif will go up.
        let (lines, before) = std::mem::take(&mut self.drawn);
        if usize::from(columns) < before && !lines.is_empty() {
            let columns = usize::from(columns).max(1);
            let rows: usize = lines.iter().map(|line| dialoguer::console::measure_text_width(line).div_ceil(columns).max(1)).sum();
            self.terminal.wipe(rows, lines.len());
        }
    }

    fn draw(&mut self, at: Timestamp) {
        let Some(view) = &self.view else {
            self.clear();
            return;
        };
        self.turn = self.turn.wrapping_add(1);
        let (columns, rows) = self.terminal.size();
        let frame = Frame { rows: usize::from(rows), turn: self.turn, looks_on: self.looks_on };
        let lines = live_view::render(view, &self.seen, at, frame, &self.style);
        let block = self.block.get_or_insert_with(|| self.multi.add(plain_bar()));
        block.set_message(lines.join("\n"));
        block.tick();
        self.drawn = (lines, usize::from(columns));
    }

    fn clear(&mut self) {
        if let Some(block) = self.block.take() {
            block.finish_and_clear();
            self.multi.remove(&block);
        }
        self.drawn.0.clear();
        let _ = self.multi.clear();
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

#[cfg(test)]
mod tests;
