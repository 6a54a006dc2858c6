//! The last words of any run.

use super::context::Context;
use crate::model::{Direction, Error, Exit, Outcome, RunView};
use crate::plan;
use crate::ui::{closing, status_view, summary};

/// The same, and of a run that is over, how it is told to others.
pub fn tell_end_and_record(context: &Context, view: &RunView, result: &Result<Exit, Error>) {
    tell_end(context, view, result);
    if view.ended.is_some() && !context.json() {
        let report = context.command(&format!("report {}", view.id));
        context.out.status(&format!("\nThe record of it, for a ticket or an archive: `{report}`"));
    }
}

/// What was done, and after a migration that is done, what to look at.
pub fn tell_end(context: &Context, view: &RunView, result: &Result<Exit, Error>) {
    if context.json() {
        return;
    }
    context.out.status(&format!("\n{}\n", summary::render(view, &context.err_style)));
    let remains = if view.plan.direction == Direction::Back { plan::inventory(view) } else { Vec::new() };
    if matches!(view.ended, Some((Outcome::RolledBack, _))) && !remains.is_empty() {
        context.out.status(&format!("{}\n", status_view::left(&remains, &context.err_style)));
    }
    let done = matches!(view.ended, Some((Outcome::Done, _)));
    if done && result.is_ok() {
        context.out.data(&context.located(&closing::render(&view.forward.closing, &context.out_style)));
    }
    if let (Some(extent), Ok(_)) = (view.went_back_to(), result) {
        let run = &view.id;
        context.out.status(&format!(
            "Run {run} went back {extent}. Go forward again with `{}`, or undo the rest with `{}`.",
            context.command(&format!("resume {run}")),
            context.command(&format!("rollback {run}"))
        ));
    }
}
