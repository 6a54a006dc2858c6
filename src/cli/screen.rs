//! How a run is shown: bars on a terminal, lines elsewhere, JSON lines for programs.

use std::cell::RefCell;

use super::context::Context;
use super::signals;
use crate::model::{Event, Progress, RunView, StepId};
use crate::ui::{LinePrinter, LiveScreen, is_trouble, json};

/// One of the three.
pub enum Screen<'a> {
    /// A terminal.
    Live(&'a Context, Box<RefCell<LiveScreen>>),
    /// Lines on stderr.
    Lines(&'a Context, RefCell<LinePrinter>),
    /// Lines on stderr in virtual time, where no heartbeat is due.
    Rehearsal(&'a Context, RefCell<LinePrinter>),
    /// JSON lines on stdout.
    Json(&'a Context),
}

impl<'a> Screen<'a> {
    /// For a live run.
    pub fn for_run(context: &'a Context) -> Self {
        if context.json() {
            return Self::Json(context);
        }
        if context.has_bars() {
            let screen = LiveScreen::on_terminal(context.err_style);
            context.out.share_with(Some(screen.bars()));
            signals::leave_terminal_when_stopped(screen.bars());
            return Self::Live(context, Box::new(RefCell::new(screen)));
        }
        Self::Lines(context, RefCell::new(LinePrinter::new(context.err_style).on_terminal(context.err_terminal)))
    }

    /// For a rehearsal: an hour passes in a moment, so bars would show nothing.
    pub fn for_rehearsal(context: &'a Context) -> Self {
        if context.json() {
            Self::Json(context)
        } else {
            Self::Rehearsal(context, RefCell::new(LinePrinter::for_rehearsal(context.err_style).on_terminal(context.err_terminal)))
        }
    }

    /// Shows an event; `view` is the run after it.
    pub fn event(&self, view: &RunView, event: &Event) {
        match self {
            Self::Live(_, screen) => screen.borrow_mut().event(view, event),
            Self::Lines(context, printer) | Self::Rehearsal(context, printer) => {
                let trouble = is_trouble(event);
                for line in printer.borrow_mut().event(view, event) {
                    if trouble { context.out.status(&line) } else { context.out.progress(&line) }
                }
            }
            Self::Json(context) => context.line(json::event(event)),
        }
    }

    /// The run as it stands, where somebody looks on.
    pub fn stand(&self, view: &RunView, at: jiff::Timestamp) {
        match self {
            Self::Live(_, screen) => screen.borrow_mut().show(view, at),
            _ => self.tick(at),
        }
    }

    /// Whether a step under way is on the screen.
    pub fn shows(&self, step: &StepId) -> bool {
        matches!(self, Self::Live(_, screen) if screen.borrow().shows(step))
    }

    /// What is seen of a step by looking, not told by the run.
    pub fn see(&self, step: &StepId, progress: &Progress) {
        if let Self::Live(_, screen) = self {
            screen.borrow_mut().see(step, progress);
        }
    }

    /// Whether it is a terminal that somebody sits at.
    pub fn is_live(&self) -> bool {
        match self {
            Self::Live(..) => true,
            Self::Lines(context, _) => context.interactive,
            Self::Rehearsal(..) | Self::Json(_) => false,
        }
    }

    /// Takes away what moves, until something happens again: a question is asked.
    pub fn rest(&self) {
        if let Self::Live(_, screen) = self {
            screen.borrow_mut().rest();
        }
    }

    /// Whether somebody watches time pass.
    pub fn ticks(&self) -> bool {
        matches!(self, Self::Live(..) | Self::Lines(..))
    }

    /// Time passed.
    pub fn tick(&self, at: jiff::Timestamp) {
        match self {
            Self::Live(_, screen) => screen.borrow_mut().tick(at),
            Self::Lines(context, printer) => {
                for line in printer.borrow_mut().tick(at) {
                    context.out.progress(&line);
                }
            }
            Self::Rehearsal(..) | Self::Json(_) => {}
        }
    }

    /// Asks something with the bars out of the way.
    pub fn suspend<R>(&self, ask: impl FnOnce() -> R) -> R {
        match self {
            Self::Live(_, screen) => screen.borrow().suspend(ask),
            Self::Lines(..) | Self::Rehearsal(..) | Self::Json(_) => ask(),
        }
    }

    /// Leaves a clean scrollback.
    pub fn finish(&self) {
        if let Self::Live(context, screen) = self {
            screen.borrow_mut().finish();
            context.out.share_with(None);
        }
    }
}
