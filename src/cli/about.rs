//! What a verb that only looks is about: a runbook with the variables given, or those of a run, so that nothing has to be given again.

use super::account;
use super::amend::noted;
use super::args::RunbookArgs;
use super::context::Context;
use super::runbooks::{self, DEFAULT};
use crate::aws::{Access, Aws, Identity};
use crate::journal::Journal;
use crate::model::{Error, RunView, Runbook};

/// See the module's text.
pub struct About {
    /// The runbook, resolved.
    pub runbook: Runbook,
    /// The run: the named one, or the one that is not finished, or the newest.
    pub run: Option<RunView>,
    /// Whether the variables are the run's, and so the account is.
    is_bound: bool,
}

impl About {
    /// Finds it. A run that is named gives its runbook and its variables, under those given now; so does the unfinished one,
    /// or else the newest, where neither a runbook nor variables are given.
    ///
    /// # Errors
    /// What is wrong with the runbook, the variables or the run's name.
    pub fn find(context: &Context, args: &RunbookArgs, run: Option<&str>) -> Result<Self, Error> {
        let run = find_run(context, run)?.map(|view| (view, run.is_some()));
        let nothing_given = context.common.vars.is_empty() && context.common.var_files.is_empty() && args.runbook == DEFAULT;
        match run {
            Some((view, named)) if named || nothing_given => {
                let journaled = runbooks::variables_as_hcl(&view.forward.variables);
                let sources = runbooks::sources(context, vec![("<the run's variables>".to_owned(), journaled)])?;
                let wanted = if args.runbook == DEFAULT { noted(&view.forward) } else { &args.runbook };
                Ok(Self { runbook: runbooks::load(wanted, &sources)?, run: Some(view), is_bound: true })
            }
            other => {
                let runbook = runbooks::load(&args.runbook, &runbooks::sources(context, Vec::new())?)?;
                let cluster = runbooks::target(&runbook, "cluster").to_owned();
                let run = other.map(|(view, _)| view).filter(|view| view.plan.target.cluster == cluster);
                Ok(Self { runbook, run, is_bound: false })
            }
        }
    }

    /// The account that the run is bound to, if the variables are the run's.
    pub fn account(&self) -> Option<&str> {
        self.run.as_ref().filter(|_| self.is_bound).map(|view| view.plan.target.account.as_str())
    }

    /// Connects with a client that can only read: to where the run is bound, if the variables are the run's. A run of another account
    /// is let go of.
    ///
    /// # Errors
    /// As [`account::connect_for`] and [`account::connect_bound`].
    pub async fn connect(&mut self, context: &Context) -> Result<(Aws, Identity), Error> {
        if let (true, Some(view)) = (self.is_bound, &self.run) {
            let aws = account::connect_bound(context, view, Access::ReadOnly).await?;
            let identity = aws.identity().await?;
            return Ok((aws, identity));
        }
        let (aws, identity) = account::connect_for(context, &self.runbook, Access::ReadOnly).await?;
        let here = |view: &RunView| {
            let bound = &view.plan.target;
            bound.account == identity.account && bound.region == aws.region && bound.endpoint == aws.endpoint_url
        };
        self.run = self.run.take().filter(here);
        Ok((aws, identity))
    }
}

/// The run that is named, or the one that is not finished, if there is exactly one; else the newest.
fn find_run(context: &Context, wanted: Option<&str>) -> Result<Option<RunView>, Error> {
    if let Some(wanted) = wanted {
        let journal = context.existing_journal(Some(wanted))?;
        return journal.view(&journal.find(Some(wanted), false)?).map(Some);
    }
    let Some(journal) = Journal::open_existing(&context.common.state)? else { return Ok(None) };
    match journal.find(None, true) {
        Ok(run) => journal.view(&run).map(Some),
        // The newest one that is over has said what it was about, too.
        Err(Error::NoOpenRun { .. }) => journal.runs()?.first().map(|newest| journal.view(&newest.id)).transpose(),
        Err(Error::RunAmbiguous { candidates, .. }) => {
            let runs = candidates.join(", ");
            context.out.progress(&format!("Several runs are unfinished ({runs}): name one with --run to have it looked into."));
            Ok(None)
        }
        Err(other) => Err(other),
    }
}
