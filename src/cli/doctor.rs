//! `sidestep doctor`: why it does not work. It reads AWS and changes nothing.

use super::about::About;
use super::args::DoctorArgs;
use super::context::Context;
use crate::aws::Aws;
use crate::doctor::{self, Evidence, Trouble};
use crate::journal::Journal;
use crate::model::{Error, Examination, Exit, RunView};
use crate::ui::{doctor_view, progress_lines};

pub fn call(context: &Context, args: &DoctorArgs) -> Result<Exit, Error> {
    let mut about = About::find(context, &args.runbook, args.run.as_deref())?;
    context.runtime()?.block_on(examine(context, &mut about))
}

async fn examine(context: &Context, about: &mut About) -> Result<Exit, Error> {
    let (aws, identity) = about.connect(context).await?;
    let trouble = about.run.as_ref().map(|view| trouble(context, view)).transpose()?.flatten();
    let run = trouble.as_ref().map(|trouble| (trouble.run.to_string(), trouble.stage.clone()));
    let evidence = doctor::read(&aws, &about.runbook, &identity, trouble).await?;
    let mut found = doctor::examine(&evidence);
    for cause in &mut found.causes {
        for next in &mut cause.next {
            *next = context.located(next);
        }
    }
    let target = &about.runbook.target;
    let place = doctor_view::Place {
        runbook: about.runbook.name.clone(),
        account: identity.account.clone(),
        region: aws.region.clone(),
        cluster: target.get("cluster").and_then(|value| value.as_str()).unwrap_or_default().to_owned(),
        run,
    };
    if context.json() {
        context.out.data(&doctor_view::json(&place, &found).to_string());
    } else {
        context.out.data(&doctor_view::render(&place, &found, &context.out_style));
        show_lines(context, &aws, &evidence, &found).await;
    }
    Ok(if found.causes.is_empty() { Exit::Done } else { Exit::Blocked })
}

/// What stopped a run that is not finished and that nobody works on.
fn trouble(context: &Context, view: &RunView) -> Result<Option<Trouble>, Error> {
    let live = Journal::open_existing(&context.common.state)?.map(|journal| journal.is_live(&view.id)).transpose()?.flatten();
    if live.is_some() {
        context.out.progress(&format!("A process works on run {} right now: `sidestep status {}` shows it.", view.id, view.id));
        return Ok(None);
    }
    Ok(Trouble::of(view))
}

/// The last log lines of the service that the first cause is about: on a terminal alone, for they may hold anything.
async fn show_lines(context: &Context, aws: &Aws, evidence: &Evidence<'_>, found: &Examination) {
    let Some(cause) = found.causes.first().filter(|_| context.err_terminal) else { return };
    match doctor::last_lines(aws, evidence, &cause.about).await {
        Ok(logged) if logged.is_empty() => {}
        Ok(logged) => {
            context.out.status(&format!("\nThe last lines of `{}`:", cause.about));
            for words in logged.iter().flat_map(|logged| progress_lines(logged, true)) {
                context.out.status(&format!("  {words}"));
            }
        }
        Err(error) => context.out.status(&format!("\nThe logs of `{}` cannot be read: {}", cause.about, error.refusal())),
    }
}
