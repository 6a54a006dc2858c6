//! An amendment: other variables, or another runbook, or what others have made of the account, planned anew, shown and agreed to.

use std::path::PathBuf;

use super::context::Context;
use super::holds::lanes_named;
use super::standing::when_over;
use super::{account, plan, runbooks};
use crate::aws::Aws;
use crate::journal::{OpenRun, Store as _};
use crate::model::{Actor, Direction, Error, Plan, RecordBody, RunView, Runbook, Severity};
use crate::session::{amended, changes};

/// What is to be another than the journaled plan has it.
#[derive(Clone, Debug, Default)]
pub struct Amendment {
    /// Variables given now.
    pub vars: Vec<(String, String)>,
    /// Files of variables given now.
    pub var_files: Vec<PathBuf>,
    /// A runbook given now.
    pub runbook: Option<String>,
    /// Whether what others changed is accepted.
    pub replan: bool,
    /// Blockers accepted now.
    pub accept: Vec<String>,
    /// The lanes that are to run.
    pub lanes: Vec<String>,
}

/// What became of an amendment.
pub enum Adopted {
    /// It is in force.
    Yes,
    /// It changes nothing.
    Unchanged,
    /// Somebody said no to these changes.
    Declined(Vec<String>),
    /// There was nobody to ask about these changes.
    NotAsked(Vec<String>),
}

/// The runbook for an amendment: when variables or a runbook are given, when what others changed is accepted, or when a part of the
/// way back was gone and forward is planned anew. Where it was gone in some lanes only, the plan that the other lanes stand in goes
/// on.
pub fn runbook(context: &Context, amendment: &Amendment, view: &RunView) -> Result<Option<Runbook>, Error> {
    let Amendment { vars, var_files, runbook, replan, .. } = amendment;
    let asked = *replan || runbook.is_some() || !vars.is_empty() || !var_files.is_empty();
    let gone = view.went_back_to();
    if !asked && gone.is_none_or(|extent| !extent.lanes.is_empty()) {
        return Ok(None);
    }
    if view.plan.direction == Direction::Back && gone.is_none() {
        let hint = Some(format!("finish it with `{}`, without variables", context.command(&format!("resume {}", view.id))));
        return Err(Error::NotApplicable {
            run: view.id.clone(),
            verb: if *replan { "planned anew" } else { "amended" }.to_owned(),
            why: "it is on its way back".to_owned(),
            hint,
        });
    }
    // What the run was started with, under what is given now.
    let journaled = runbooks::variables_as_hcl(&view.forward.variables);
    let sources = runbooks::sources_with(vec![("<the run's variables>".to_owned(), journaled)], var_files, vars)?;
    match runbooks::load(runbook.as_deref().unwrap_or(noted(&view.forward)), &sources) {
        Err(Error::FileUnreadable { what, path, why, .. }) if runbook.is_none() => {
            let hint = format!("if it moved, say where to: `{}`", context.command(&format!("resume {} --runbook FILE", view.id)));
            Err(Error::FileUnreadable { what, path, why, hint: Some(hint) })
        }
        loaded => loaded.map(Some),
    }
}

/// Where the runbook of a plan is found: its file, or its name for one that is part of the program.
pub fn noted(plan: &Plan) -> &str {
    plan.runbook_path.as_deref().unwrap_or(&plan.runbook)
}

/// Plans what is left anew, shows it, and takes it into force if `agree` says so; `None` from it: nobody can be asked.
pub async fn adopt(
    context: &Context,
    amendment: &Amendment,
    aws: &Aws,
    open: &mut OpenRun,
    runbook: &Runbook,
    by: &Actor,
    agree: impl FnOnce(&Plan) -> Result<Option<bool>, Error>,
) -> Result<Adopted, Error> {
    let before = open.view().forward.clone();
    let identity = aws.identity().await?;
    let new = account::plan(context, aws, &identity, runbook, open.run()).await?;
    let mut planned = open.view().clone();
    planned.forward = new.clone();
    lanes_named(&planned, &amendment.lanes)?;
    let changes = changes(&before, &new);
    if changes.is_empty() && open.view().plan.direction == Direction::Forward && !amendment.replan {
        return Ok(Adopted::Unchanged);
    }
    let heading = match open.view().plan.direction {
        _ if !changes.is_empty() => format!("Amended: {}", changes.join("; ")),
        Direction::Forward => "Planned anew from what is there now:".to_owned(),
        Direction::Back => "Planned anew from where the run went back to:".to_owned(),
    };
    context.out.status(&heading);
    context.show_plan(&new, context.interactive);
    let mut accepted: Vec<String> =
        open.view().accepted.iter().filter(|id| new.findings.iter().any(|finding| finding.id == **id)).cloned().collect();
    accepted.extend(amendment.accept.iter().cloned());
    plan::blocked(&new, &accepted).map_err(|error| match error {
        Error::Blocked { findings } => plan::refused(findings, Some(when_over(context, open.view()))),
        other => other,
    })?;
    match agree(&new)? {
        Some(true) => {}
        Some(false) => return Ok(Adopted::Declined(changes)),
        None => return Ok(Adopted::NotAsked(changes)),
    }
    let news =
        new.findings.iter().filter(|finding| finding.severity == Severity::Blocker && !open.view().accepted.contains(&finding.id));
    let mut bodies: Vec<RecordBody> =
        news.map(|finding| RecordBody::FindingAccepted { finding: finding.id.clone(), by: by.clone() }).collect();
    bodies.push(amended(new, changes, by.clone()));
    open.append(aws.clock.now(), bodies).map(|_| Adopted::Yes)
}
