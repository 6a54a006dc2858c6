//! `sidestep status`: where a run stands, from its journal alone.

use super::args::RunId;
use super::context::Context;
use crate::model::{Direction, Error, Exit};
use crate::plan;
use crate::ui::status_view;

pub fn call(context: &Context, args: &RunId) -> Result<Exit, Error> {
    let journal = context.existing_journal(args.run.as_deref())?;
    let run = context.run_to_show(&journal, args.run.as_deref())?;
    let view = journal.view(&run)?;
    let live = journal.is_live(&run)?;
    let remains = match view.plan.direction {
        Direction::Back => plan::inventory(&view),
        Direction::Forward => Vec::new(),
    };
    let text = if context.json() {
        let mut value = status_view::json(&view, live.as_ref(), &remains);
        for hint in value["next"].as_array_mut().into_iter().flatten() {
            *hint = context.located(hint.as_str().unwrap_or_default()).into();
        }
        value.to_string()
    } else {
        // An ended or sleeping run's times are compared with its own last record, not with this machine's clock.
        let now = if live.is_some() { context.clock()?.now().max(view.updated_at) } else { view.updated_at };
        context.located(&status_view::render(&view, live.as_ref(), &remains, now, &context.out_style))
    };
    context.out.data(&text);
    Ok(Exit::Done)
}
