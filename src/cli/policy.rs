//! `sidestep policy`: the IAM policy that a runbook needs. It asks nobody, unless it is to look at the account.

use super::about::About;
use super::args::{PolicyArgs, Use};
use super::context::Context;
use crate::model::{Error, Exit, Runbook};
use crate::plan::policy::{LONGEST, Place, Policy, policy};
use crate::stages::facts::{Facts, Wants};
use crate::stages::registry;
use crate::{capture, doctor, plan};

pub fn call(context: &Context, args: &PolicyArgs) -> Result<Exit, Error> {
    let mut about = About::find(context, &args.runbook, args.run.as_deref())?;
    let facts = if args.live { Some(context.runtime()?.block_on(read(context, &mut about))?) } else { None };
    let place = match &facts {
        Some(facts) => Place::read(facts),
        None => Place::named(&about.runbook, about.account()),
    };
    let purposes = args.uses.iter().flat_map(|of| of.purposes()).copied().collect();
    let policy = policy(&wants(&about.runbook), &purposes, &place);
    let internal = |error: serde_json::Error| Error::Internal { message: error.to_string() };
    context.out.data(&serde_json::to_string_pretty(&policy.document).map_err(internal)?);
    let length = policy.document.length().map_err(internal)?;
    tell(context, args, &about.runbook, &place, &policy, length);
    Ok(Exit::Done)
}

/// Everything that this program asks AWS for on behalf of a runbook: what [`crate::plan::policy::policy`] makes a policy of.
pub fn wants(runbook: &Runbook) -> Wants {
    let mut wants = registry::wants(runbook);
    plan::permits(&mut wants);
    doctor::permits(&mut wants);
    capture::permits(&mut wants);
    wants
}

/// What is there, with a client that can only read.
async fn read(context: &Context, about: &mut About) -> Result<Facts, Error> {
    let (aws, identity) = about.connect(context).await?;
    plan::observe_what_may_be(&aws, &about.runbook, &identity).await
}

fn tell(context: &Context, args: &PolicyArgs, runbook: &Runbook, place: &Place<'_>, policy: &Policy, length: usize) {
    let uses: Vec<&str> = args.uses.iter().map(|of| of.word()).collect();
    let out = &context.out;
    out.progress(&format!("For {} of runbook {} in {}: {length} characters.", uses.join(", "), runbook.name, place.words()));
    if !policy.wide.is_empty() {
        let why = if args.live {
            "The account does not say what is there, so:"
        } else {
            "Nothing was read of the account (`--live` reads it), so:"
        };
        out.progress(why);
        policy.wide.iter().for_each(|wide| out.progress(&format!("  - {wide}")));
    }
    if length > LONGEST {
        out.status(&format!(
            "A managed policy holds {LONGEST} characters: attach this one to a role as an inline policy (10240 in all), or make two of it \
             with `--for run` and `--for rollback`."
        ));
    }
}

impl Use {
    fn word(self) -> &'static str {
        match self {
            Self::Plan => "plan",
            Self::Run => "run",
            Self::Rollback => "rollback",
            Self::Doctor => "doctor",
            Self::Snapshot => "snapshot",
        }
    }
}
