//! `sidestep resume`: goes on with a run from its journal. Other variables, or another runbook, amend the plan: shown, agreed to,
//! and appended to the run as a new plan epoch. So does `--replan`, from what others have made of the account meanwhile.

use super::agree::{self, Said};
use super::amend::{self, Adopted, Amendment, noted};
use super::args::ResumeArgs;
use super::context::Context;
use super::drive::Drive;
use super::ending::tell_end_and_record;
use super::holds::{hold, lanes_named, plan_stages, stages_named};
use super::screen::Screen;
use super::standing::{standing, when_over};
use super::steer;
use super::take_over::{TakeUp, reason_has_a_use, take_up};
use super::{account, plan, runbooks, signals};
use crate::aws::{Access, Aws};
use crate::journal::{OpenRun, Request, Store as _};
use crate::model::{Actor, Direction, Error, Exit, Finding, Plan, RecordBody, RunView, Runbook, Severity, StageId};
use crate::runbook::VariableSources;
use crate::session::forward_again;
use crate::ui::Ask;
use crate::ui::text::shell_word;

pub fn call(context: &Context, args: &ResumeArgs) -> Result<Exit, Error> {
    reason_has_a_use(&args.take_over, &[], false)?;
    let journal = context.existing_journal(args.run.run.as_deref())?;
    let run = journal.find(args.run.run.as_deref(), true)?;
    let view = journal.view(&run)?;
    if let Some((_, why)) = &view.ended {
        let hint = Some(format!("to start another, run `{}`", context.command("run")));
        return Err(Error::NotApplicable { run, verb: "resumed".to_owned(), why: format!("it is over: {why}"), hint });
    }
    if let Some(question) = view.asked.as_ref().filter(|_| !args.take_over.take_over)
        && journal.is_live(&run)?.is_some()
    {
        // It stands at a question at somebody's terminal: this is an answer to it.
        steer::ask(context, &journal, &run, Request::GoOn { by: context.actor(None) })?;
        context.out.status(&format!("Told the process that holds run {run} to go on (it asked: {question})."));
        return Ok(Exit::Done);
    }
    let holds = stages_named(plan_stages(&view.forward), &args.pause_before)?;
    let amended = amend::runbook(context, &amendment(context, args), &view)?;
    if amended.is_none() {
        lanes_named(&view, &args.lanes)?;
    }
    context.runtime()?.block_on(async {
        let aws = account::connect_bound(context, &view, Access::ReadWrite).await?;
        let identity = aws.identity().await?;
        let by = context.actor(Some(&identity.arn));
        let mut ask = context.ask().filter(|_| !args.yes);
        let what = TakeUp { context, journal: &journal, run: &run, by: &by, aws: &aws };
        let mut open = take_up(&what, &args.take_over, ask.as_deref_mut(), args.yes).await?;
        let prepared = prepare(context, args, &aws, &mut open, amended.as_ref(), &by, &mut ask, &holds).await;
        if let Err(error) = prepared {
            // Left in order: nothing was sent.
            open.close_after(&error.to_string(), aws.calls_made(), aws.clock.now())?;
            return Err(error);
        }
        let screen = Screen::for_run(context);
        let control = signals::listen(by.clone())?;
        let (result, view) = Drive::new(context, &aws, open, &screen, ask, by, control).run().await;
        tell_end_and_record(context, &view, &result);
        result
    })
}

#[allow(clippy::too_many_arguments, reason = "one call site: a struct would only name them again")]
async fn prepare(
    context: &Context,
    args: &ResumeArgs,
    aws: &Aws,
    open: &mut OpenRun,
    amended: Option<&Runbook>,
    by: &Actor,
    ask: &mut Option<Box<dyn Ask>>,
    holds: &[StageId],
) -> Result<(), Error> {
    match amended {
        Some(runbook) => amend(context, args, aws, open, runbook, by, ask).await?,
        None => {
            if let Some(again) = forward_again(open.view(), by.clone()) {
                open.append(aws.clock.now(), vec![again])?;
            }
            read_again(context, args, aws, open, by).await?;
        }
    }
    // A hold has served when the run is taken up again, unless it is asked for anew.
    let now = aws.clock.now();
    let reached = open.view().current_stage().map(|stage| stage.id.clone());
    let lifted: Vec<RecordBody> = open
        .view()
        .holds
        .iter()
        .filter(|stage| Some(*stage) == reached.as_ref() && !holds.contains(stage))
        .map(|stage| RecordBody::HoldCleared { stage: stage.clone(), by: by.clone() })
        .collect();
    if !lifted.is_empty() {
        open.append(now, lifted)?;
    }
    hold(open, holds, by, now)?;
    let lanes = lanes_named(open.view(), &args.lanes)?;
    if !lanes.is_empty() {
        open.append(now, vec![RecordBody::LanesNamed { lanes, by: by.clone() }])?;
    }
    Ok(())
}

async fn amend(
    context: &Context,
    args: &ResumeArgs,
    aws: &Aws,
    open: &mut OpenRun,
    runbook: &Runbook,
    by: &Actor,
    ask: &mut Option<Box<dyn Ask>>,
) -> Result<(), Error> {
    let said = Said { yes: args.yes, confirm: args.confirm.clone() };
    let agree = |plan: &Plan| agree::to_amend(context, plan, &said, ask);
    let digest = open.view().forward.runbook_digest.clone();
    match amend::adopt(context, &amendment(context, args), aws, open, runbook, by, agree).await? {
        Adopted::Yes | Adopted::Unchanged => Ok(()),
        Adopted::Declined(changes) => Err(Error::Paused {
            headline: "paused: the amendment was not agreed to, the run is as it was".to_owned(),
            causes: changes,
            at: standing(context, open.view(), "to go on"),
        }),
        Adopted::NotAsked(changes) if digest != runbook.digest => Err(Error::RunbookChanged { run: open.run().clone(), changes }),
        Adopted::NotAsked(_) => Err(Error::NobodyToAsk),
    }
}

/// What the command line amends.
fn amendment(context: &Context, args: &ResumeArgs) -> Amendment {
    Amendment {
        vars: context.common.vars.clone(),
        var_files: context.common.var_files.clone(),
        runbook: args.runbook.clone(),
        replan: args.replan,
        accept: args.accept.clone(),
        lanes: args.lanes.clone(),
    }
}

/// A blocker that our own rollout under way would give.
const OUR_OWN: &[&str] = &["change-unfinished", "deployment-in-flight", "service-unsteady"];

/// AWS may have changed while the run stood still: what would block the remaining stages now, and did not when the run was agreed
/// to, stops it. Where the runbook does not read as it did when the run was agreed to, this cannot be known, and is said: the run
/// goes on with its journaled plan.
async fn read_again(context: &Context, args: &ResumeArgs, aws: &Aws, open: &mut OpenRun, by: &Actor) -> Result<(), Error> {
    let view = open.view();
    if view.plan.direction == Direction::Back {
        return Ok(());
    }
    let before = &view.forward;
    let wanted = noted(before);
    let why = match journaled_runbook(view) {
        Ok(runbook) if runbook.digest == before.runbook_digest => Ok(runbook),
        Ok(_) => Err(format!(
            "has another text now. To take the changes over, run `{}`",
            context.command(&format!("resume {} --runbook {}", view.id, shell_word(wanted)))
        )),
        Err(Error::FileUnreadable { why, .. }) => Err(format!("cannot be read: {why}")),
        Err(error) => Err(format!("does not read as it did: {error}")),
    };
    let runbook = match why {
        Ok(runbook) => runbook,
        Err(why) => {
            let words = "Going on with the plan as it was agreed to. Findings are not read again: runbook";
            context.out.status(&format!("{words} `{wanted}` {why}."));
            return Ok(());
        }
    };
    let identity = aws.identity().await?;
    let now = account::plan(context, aws, &identity, &runbook, &view.id).await?;
    let mut named = view.clone();
    named.lanes = lanes_named(view, &args.lanes)?;
    let (new, warnings) = news(&named, &now);
    context.show_findings(&warnings);
    let (accepted, findings): (Vec<_>, Vec<_>) = new.into_iter().partition(|finding| finding.is_accepted(&args.accept));
    if !findings.is_empty() {
        return Err(plan::refused(findings, Some(when_over(context, open.view()))));
    }
    if accepted.is_empty() {
        return Ok(());
    }
    let accepted = accepted.into_iter().map(|finding| RecordBody::FindingAccepted { finding: finding.id, by: by.clone() });
    open.append(aws.clock.now(), accepted.collect()).map(|_| ())
}

/// The runbook of a run, with the variables that it was started with; its text may be another now.
pub fn journaled_runbook(view: &RunView) -> Result<Runbook, Error> {
    let journaled = VariableSources {
        var_files: vec![("<the run's variables>".to_owned(), runbooks::variables_as_hcl(&view.forward.variables))],
        ..VariableSources::default()
    };
    runbooks::load(noted(&view.forward), &journaled)
}

/// What blocks a plan made now, or may go wrong, and was not found when the run was agreed to; first the blockers.
pub fn news(view: &RunView, now: &Plan) -> (Vec<Finding>, Vec<Finding>) {
    let new = now.findings.iter().filter(|finding| {
        let known = view.forward.findings.iter().any(|old| old.id == finding.id) || view.accepted.contains(&finding.id);
        finding.severity != Severity::Note && !known && !OUR_OWN.contains(&finding.id.as_str()) && concerns(view, &finding.resource)
    });
    new.cloned().partition(|finding| finding.severity == Severity::Blocker)
}

/// Whether a finding about this resource matters to the lanes that are to run: one about a service in another lane does not.
fn concerns(view: &RunView, resource: &str) -> bool {
    let mut lanes = view.plan.lanes().filter(|(_, lane)| lane.target == resource).peekable();
    lanes.peek().is_none() || lanes.any(|(stage, lane)| view.is_wanted(stage, lane))
}
