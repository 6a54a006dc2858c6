//! `sidestep run`: plan, ask, carry out.

use std::path::Path;

use super::agree::{self, Said};
use super::args::{ResumeArgs, RunArgs, RunId, TakeOverArgs};
use super::context::{Context, live_seed};
use super::drive::Drive;
use super::ending::tell_end_and_record;
use super::holds::{hold, stages_named};
use super::inputs::{self, MOST_DATA};
use super::screen::Screen;
use super::{account, dry_run, plan, resume, runbooks, signals};
use crate::aws::Access;
use crate::journal::Journal;
use crate::model::{Error, Exit, Plan, Runbook, StageId};
use crate::plan::sealed::Sealed;
use crate::stages::facts::Facts;

pub fn call(context: &Context, args: &RunArgs) -> Result<Exit, Error> {
    if args.dry_run {
        return dry_run::call(context, args);
    }
    if let Some(run) = &args.resume {
        let resume = ResumeArgs {
            run: RunId { run: (!run.is_empty()).then(|| run.clone()) },
            yes: args.yes,
            confirm: args.confirm.clone(),
            pause_before: args.pause_before.clone(),
            replan: false,
            runbook: None,
            accept: args.accept.clone(),
            lanes: Vec::new(),
            take_over: TakeOverArgs::default(),
        };
        return resume::call(context, &resume);
    }
    let sealed = args.plan.as_deref().map(|path| SealedFile::read(context, path)).transpose()?;
    let runbook = match &sealed {
        Some(file) => runbooks::sealed(&file.sealed.plan, &file.sealed.runbook)?,
        None => runbooks::load(&args.runbook.runbook, &runbooks::sources(context, Vec::new())?)?,
    };
    let holds = stages_named(runbook.stages.iter().map(|stage| &stage.id), &args.pause_before)?;
    context.runtime()?.block_on(start(context, args, &runbook, sealed.as_ref(), &holds))
}

/// A sealed plan, and where it was read.
struct SealedFile {
    path: String,
    sealed: Sealed,
}

impl SealedFile {
    /// Reads it; what it says of variables stands.
    fn read(context: &Context, path: &Path) -> Result<Self, Error> {
        if !context.common.vars.is_empty() || !context.common.var_files.is_empty() {
            return Err(Error::Usage {
                message: "a sealed plan has its variables".to_owned(),
                hint: Some("leave --var and --var-file out, or plan anew with them: `sidestep plan --out FILE`".to_owned()),
            });
        }
        let text = inputs::read(path, "sealed plan", MOST_DATA)?;
        let path = path.display().to_string();
        match Sealed::read(&text) {
            Ok(sealed) => Ok(Self { path, sealed }),
            Err(why) => Err(Error::SealedPlanInvalid { path, why }),
        }
    }

    /// The plan, if all that it rests on is as it was; its findings are those of now.
    fn plan(&self, runbook: &Runbook, facts: &Facts, journal: &Journal) -> Result<Plan, Error> {
        let run = &self.sealed.plan.run;
        let outdated = |changes: Vec<String>| Error::SealedPlanOutdated { path: self.path.clone(), changes };
        if !journal.is_free(run)? {
            return Err(outdated(vec![format!("it was carried out already: see `sidestep status {run}`")]));
        }
        let changes = self.sealed.outdated(facts);
        if !changes.is_empty() {
            return Err(outdated(changes));
        }
        let now = crate::plan::make(runbook, facts, run);
        if !self.sealed.does_the_same(&now) {
            return Err(outdated(vec!["this version of sidestep plans otherwise".to_owned()]));
        }
        Ok(now)
    }
}

async fn start(
    context: &Context,
    args: &RunArgs,
    runbook: &Runbook,
    sealed: Option<&SealedFile>,
    holds: &[StageId],
) -> Result<Exit, Error> {
    let journal = context.journal()?;
    let (aws, identity) = match sealed {
        Some(file) => account::connect_as_planned(context, &file.sealed.plan).await?,
        None => account::connect_for(context, runbook, Access::ReadWrite).await?,
    };
    let facts = account::facts(context, &aws, &identity, runbook).await?;
    let plan = match sealed {
        Some(file) => file.plan(runbook, &facts, &journal)?,
        None => crate::plan::make(runbook, &facts, &account::fresh_run(Some(&journal), live_seed())?),
    };
    let mut ask = context.ask().filter(|_| !args.yes);
    context.show_plan(&plan, ask.is_some());
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
    let said = Said { yes: args.yes, confirm: args.confirm.clone() };
    if !agree::to_start(context, &plan, &said, &mut ask)?.ok_or(Error::NobodyToAsk)? {
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
    tell_end_and_record(context, &view, &result);
    result
}
