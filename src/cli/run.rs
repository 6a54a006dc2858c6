//! `sidestep run`: plan, ask, carry out.

use super::args::{ResumeArgs, RunArgs, RunId, TakeOverArgs};
use super::context::{Context, live_seed};
use super::drive::Drive;
use super::ending::tell_end;
use super::holds::{hold, stages_named};
use super::screen::Screen;
use super::{account, dry_run, plan, resume, runbooks, signals};
use crate::aws::Access;
use crate::model::{Error, Exit, Runbook, StageId};
use crate::ui::plan_view;

pub fn call(context: &Context, args: &RunArgs) -> Result<Exit, Error> {
    if args.dry_run {
        return dry_run::call(context, args);
    }
    if let Some(run) = &args.resume {
        let resume = ResumeArgs {
            run: RunId { run: (!run.is_empty()).then(|| run.clone()) },
            yes: args.yes,
            pause_before: args.pause_before.clone(),
            replan: false,
            runbook: None,
            accept: args.accept.clone(),
            lanes: Vec::new(),
            take_over: TakeOverArgs::default(),
        };
        return resume::call(context, &resume);
    }
    let runbook = runbooks::load(&args.runbook.runbook, &runbooks::sources(context, Vec::new())?)?;
    let holds = stages_named(runbook.stages.iter().map(|stage| &stage.id), &args.pause_before)?;
    context.runtime()?.block_on(start(context, args, &runbook, &holds))
}

async fn start(context: &Context, args: &RunArgs, runbook: &Runbook, holds: &[StageId]) -> Result<Exit, Error> {
    let journal = context.journal()?;
    let (aws, identity) = account::connect_for(context, runbook, Access::ReadWrite).await?;
    let run = account::fresh_run(Some(&journal), live_seed())?;
    let plan = account::plan(context, &aws, &identity, runbook, &run).await?;
    context.out.status(&plan_view::render(&plan, &context.err_style));
    // Of a run in this directory the journal knows more than its claim tells.
    journal.is_untaken(&plan)?;
    plan::blocked(&plan, &args.accept).map_err(|error| match error {
        Error::Blocked { findings } => plan::refused(findings, None),
        other => other,
    })?;
    if plan.is_empty() {
        // The plan has said that there is nothing to do.
        return Ok(Exit::Done);
    }
    let mut ask = context.ask().filter(|_| !args.yes);
    let agreed = match &mut ask {
        Some(ask) => ask.confirm_start(&plan),
        None if args.yes => true,
        None => return Err(Error::NobodyToAsk),
    };
    if !agreed {
        context.out.status("Nothing was changed.");
        return Ok(Exit::Done);
    }
    let by = context.actor(Some(&identity.arn));
    let accepted: Vec<String> = plan.blockers(&[]).map(|finding| finding.id.clone()).collect();
    let mut open = journal.create(&plan, &by, aws.clock.now(), &accepted)?;
    hold(&mut open, holds, &by, aws.clock.now())?;
    let screen = Screen::for_run(context);
    let control = signals::listen(by.clone())?;
    let drive = Drive::new(context, &aws, open, &screen, ask, by, control);
    let (result, view) = drive.run().await;
    tell_end(context, &view, &result);
    result
}
