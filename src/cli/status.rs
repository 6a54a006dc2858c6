//! `sidestep status`: where a run stands, from its journal, and with `--live` from AWS as well.

use super::args::StatusArgs;
use super::context::Context;
use super::{account, watch};
use crate::aws::Access;
use crate::engine::look_on;
use crate::model::{Direction, Error, Exit, Progress, RunView, StepId};
use crate::plan;
use crate::ui::status_view;

pub fn call(context: &Context, args: &StatusArgs) -> Result<Exit, Error> {
    let journal = context.existing_journal(args.run.run.as_deref())?;
    let run = context.run_to_show(&journal, args.run.run.as_deref())?;
    if args.watch {
        watch::until_it_stands(context, &journal, &run, args.live)?;
    }
    let view = journal.view(&run)?;
    let live = journal.is_live(&run)?;
    let remains = match view.plan.direction {
        Direction::Back => plan::inventory(&view),
        Direction::Forward => Vec::new(),
    };
    let seen = if args.live && !args.watch { look(context, &view)? } else { Vec::new() };
    let text = if context.json() {
        let mut value = status_view::json(&view, live.as_ref(), &remains, &seen);
        for hint in value["next"].as_array_mut().into_iter().flatten() {
            *hint = context.located(hint.as_str().unwrap_or_default()).into();
        }
        value.to_string()
    } else {
        // An ended or sleeping run's times are compared with its own last record, not with this machine's clock.
        let now = if live.is_some() { context.clock()?.now().max(view.updated_at) } else { view.updated_at };
        context.located(&status_view::render(&view, live.as_ref(), &remains, &seen, now, &context.out_style))
    };
    context.out.data(&text);
    Ok(Exit::Done)
}

/// What the waits under way see now, by AWS.
fn look(context: &Context, view: &RunView) -> Result<Vec<(StepId, Progress)>, Error> {
    context.runtime()?.block_on(async {
        let aws = account::connect_bound(context, view, Access::ReadOnly).await?;
        Ok(look_on(&aws, view).await)
    })
}
