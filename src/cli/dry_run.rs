//! `sidestep run --dry-run`: plans on the live account with a client that can only read, then runs the plan on a simulated one that
//! is loaded with what was read: once through, once killed and taken up again, and all the way back. With `--resume` it does so for
//! what is left of a run, on a copy of its journal.

use jiff::SignedDuration;
use serde_json::{Value, json};

use super::args::RunArgs;
use super::context::{Context, live_seed};
use super::standing::standing;
use super::{account, plan, resume, runbooks};
use crate::aws::{Access, Aws, Identity};
use crate::capture::{Captured, capture};
use crate::drill::{AFTERMATH, Claim, Files, Proof, Stop, prove};
use crate::journal::{Journal, files, lay_out};
use crate::model::{Direction, Error, Exit, Failure, Plan, RunId, RunView, Runbook};
use crate::plan::inventory;
use crate::stages::facts::Facts;
use crate::ui::proof_view::{self, Verdict};
use crate::ui::text::{count, duration};
use crate::ui::{plan_view, summary};

/// What is random on the simulated account: the same account gives the same dry run.
const SEED: u64 = 1;

pub fn call(context: &Context, args: &RunArgs) -> Result<Exit, Error> {
    match &args.resume {
        None => from_the_start(context, args),
        Some(run) => of_what_is_left(context, args, Some(run.as_str()).filter(|run| !run.is_empty())),
    }
}

fn from_the_start(context: &Context, args: &RunArgs) -> Result<Exit, Error> {
    let runbook = runbooks::load(&args.runbook.runbook, &runbooks::sources(context, Vec::new())?)?;
    let (plan, captured) = context.runtime()?.block_on(async {
        let (aws, identity) = account::connect_for(context, &runbook, Access::ReadOnly).await?;
        let run = account::fresh_run(None, live_seed())?;
        let (plan, facts) = planned(context, &aws, &identity, &runbook, &run).await?;
        if context.json() {
            context.line(json!({ "event": "planned", "plan": plan_view::json(&plan) }));
        } else {
            context.out.data(&plan_view::render(&plan, &context.out_style));
        }
        plan::blocked(&plan, &args.accept)?;
        Ok::<_, Error>((plan, capture(&aws, &runbook, &facts).await?))
    })?;
    if plan.is_empty() {
        // The plan has said that there is nothing to do.
        return Ok(Exit::Done);
    }
    let accepted: Vec<String> = plan.blockers(&[]).map(|finding| finding.id.clone()).collect();
    let claim = Claim { world: &captured.world, runbook: &runbook, accepted: &accepted, begun: None, seed: SEED };
    let proof = prove(&claim)?;
    if proof.view.forward.stages != plan.stages {
        context.out.status("note: the account changed between the plan above and the reading that was rehearsed on");
    }
    finish(context, &captured, &proof)
}

async fn planned(
    context: &Context,
    aws: &Aws,
    identity: &Identity,
    runbook: &Runbook,
    run: &RunId,
) -> Result<(Plan, Facts), Error> {
    let facts = account::facts(context, aws, identity, runbook).await?;
    Ok((crate::plan::make(runbook, &facts, run), facts))
}

fn of_what_is_left(context: &Context, args: &RunArgs, wanted: Option<&str>) -> Result<Exit, Error> {
    let (view, files) = copied(context, wanted)?;
    if let Some((_, why)) = &view.ended {
        let hint = Some(format!("to try another, run `{}`", context.command("run --dry-run")));
        let why = format!("it is over: {why}");
        return Err(Error::NotApplicable { run: view.id.clone(), verb: "resumed".to_owned(), why, hint });
    }
    let runbook = resume::journaled_runbook(&view)?;
    let reads_as_then = runbook.digest == view.forward.runbook_digest;
    if !reads_as_then {
        let words = "has another text now: tried is the plan as it was agreed to, and findings are not read again";
        context.out.status(&format!("note: runbook `{}` {words}", runbook.name));
    }
    let (news, captured) = context.runtime()?.block_on(async {
        let aws = account::connect_bound(context, &view, Access::ReadOnly).await?;
        let identity = aws.identity().await?;
        let (now, facts) = planned(context, &aws, &identity, &runbook, &view.id).await?;
        let looks = reads_as_then && view.plan.direction == Direction::Forward;
        let news = if looks { resume::news(&view, &now).0 } else { Vec::new() };
        Ok::<_, Error>((news, capture(&aws, &runbook, &facts).await?))
    })?;
    let findings: Vec<_> = news.into_iter().filter(|finding| !finding.is_accepted(&args.accept)).collect();
    if !findings.is_empty() {
        return Err(plan::refused(findings, None));
    }
    let accepted: Vec<String> = view.accepted.iter().cloned().collect();
    let begun = Some((&view.id, &files));
    let claim = Claim { world: &captured.world, runbook: &runbook, accepted: &accepted, begun, seed: SEED };
    finish(context, &captured, &prove(&claim)?)
}

/// The run that is meant, and a copy of the journal that it stands in.
fn copied(context: &Context, wanted: Option<&str>) -> Result<(RunView, Files), Error> {
    let state_dir = context.state_dir();
    let none = || match wanted {
        Some(wanted) => Error::RunNotFound { wanted: wanted.to_owned(), state_dir: state_dir.clone(), known: Vec::new() },
        None => Error::NoOpenRun { state_dir: state_dir.clone() },
    };
    let files = files(&context.common.state)?.ok_or_else(none)?;
    let unusable = |error: std::io::Error| Error::JournalUnusable {
        path: std::env::temp_dir().display().to_string(),
        why: error.to_string(),
        hint: Some("set TMPDIR to a directory that can be written".to_owned()),
    };
    let directory = tempfile::tempdir().map_err(unusable)?;
    lay_out(&files, directory.path()).map_err(unusable)?;
    // What is wrong is wrong with the original.
    let original = |error: Error| match error {
        Error::RunNotFound { wanted, known, .. } => Error::RunNotFound { wanted, state_dir: state_dir.clone(), known },
        Error::NoOpenRun { .. } => Error::NoOpenRun { state_dir: state_dir.clone() },
        Error::JournalUnusable { why, hint, .. } => Error::JournalUnusable { path: state_dir.clone(), why, hint },
        other => other,
    };
    let journal = Journal::open(directory.path()).map_err(original)?;
    let run = journal.find(wanted, true).map_err(original)?;
    Ok((journal.view(&run).map_err(original)?, files))
}

fn finish(context: &Context, captured: &Captured, proof: &Proof) -> Result<Exit, Error> {
    let verdicts = verdicts(proof);
    if context.json() {
        context.line(line(captured, proof, &verdicts));
    } else {
        tell(context, captured, proof, &verdicts);
    }
    if let Some(error) = stopped(context, proof) {
        return Err(error);
    }
    if proof.holds() {
        return Ok(Exit::Done);
    }
    let first = verdicts.iter().find(|verdict| !verdict.good);
    let mut lines: Vec<String> = first.iter().map(|verdict| verdict.words.clone()).collect();
    lines.extend(first.into_iter().flat_map(|verdict| verdict.lines.iter().cloned()));
    let failed = verdicts.iter().filter(|verdict| !verdict.good).count();
    let replay = context.command("rehearse --world FILE --faults crashes");
    Err(Error::DrillFailed { failed, tried: verdicts.len(), first: lines, replay })
}

/// How the rehearsed run would stop, where it does not come to its end: with the words and the exit code of the run itself.
fn stopped(context: &Context, proof: &Proof) -> Option<Error> {
    let failure = |failure: &Failure| (failure.message.clone(), failure.causes.clone());
    let (headline, causes) = match &proof.stop {
        Stop::Done | Stop::RolledBack => return None,
        Stop::Failed(step, why) => {
            let (message, causes) = failure(why);
            let title = proof.view.plan.step(step).map_or_else(|| step.to_string(), |planned| planned.title.clone());
            (format!("the run would stop at `{title}`: {message}"), causes)
        }
        Stop::Unclaimed(why) => {
            let (message, causes) = failure(why);
            (format!("the run would stop before its first change: {message}"), causes)
        }
        Stop::Held(step, _) => {
            let why = proof.view.steps.get(step).and_then(|step| step.held.as_ref()).map(|(_, why)| why.clone());
            let title = proof.view.plan.step(step).map_or_else(|| step.to_string(), |planned| planned.title.clone());
            (format!("paused: the run would wait for a person at `{title}`"), why.into_iter().collect())
        }
        other => (format!("the run would stop: {other:?}"), Vec::new()),
    };
    let mut at = standing(context, &proof.view, "");
    at.meanwhile = None;
    at.next = vec!["this was a dry run: nothing was changed, and nothing remains of it".to_owned()];
    Some(match &proof.stop {
        Stop::Held(..) => Error::Paused { headline, causes, at },
        _ => Error::Stopped { headline, causes, at },
    })
}

fn verdicts(proof: &Proof) -> Vec<Verdict> {
    let mut all = Vec::new();
    if let Some(crash) = &proof.crash {
        let stage = crash.point.stage.as_ref().map(|stage| format!(" in {stage}")).unwrap_or_default();
        let good = crash.lines.is_empty();
        let end = if good { "it ended the same, each change made once" } else { "it did not end the same" };
        let words = format!("killed right after {} took effect{stage}, and taken up again: {end}", crash.point.of);
        all.push(Verdict { good, words, lines: crash.lines.clone() });
    }
    if let Some(back) = &proof.back {
        let good = back.lines.is_empty();
        let end = match (good, back.compared) {
            (true, true) => "the account was as at the start",
            (true, false) => "every change of the run was taken back",
            (false, _) => "it did not end as it must",
        };
        let lost = count(usize::try_from(back.lost).unwrap_or(0), "span", "spans");
        let took = duration(SignedDuration::from_millis(back.took));
        all.push(Verdict { good, words: format!("rolled back in {took}, {lost} lost: {end}"), lines: back.lines.clone() });
    }
    all
}

fn line(captured: &Captured, proof: &Proof, verdicts: &[Verdict]) -> Value {
    let seconds = |millis: i64| SignedDuration::from_millis(millis).as_secs();
    let stages: Vec<Value> =
        proof.stages.iter().map(|(stage, took)| json!({ "stage": stage, "virtualSeconds": seconds(*took) })).collect();
    let verdicts: Vec<Value> = verdicts
        .iter()
        .map(|verdict| json!({ "good": verdict.good, "what": verdict.words, "differences": verdict.lines }))
        .collect();
    let missing: Vec<Value> = captured.missing.iter().map(|missing| missing.to_json()).collect();
    json!({ "event": "dry-run", "holds": proof.holds(), "stages": stages, "virtualSeconds": seconds(proof.took),
        "calls": proof.calls, "spans": proof.spans, "tried": verdicts, "missing": missing })
}

fn tell(context: &Context, captured: &Captured, proof: &Proof, verdicts: &[Verdict]) {
    let style = &context.out_style;
    let (account, region) = (&proof.view.plan.target.account, &proof.view.plan.target.region);
    context.out.data(&format!("\nDry run on a simulated AWS, loaded with account {account}, Region {region} as it was read now"));
    if !captured.missing.is_empty() {
        context.out.data("It lacks what could not be read:");
        for lacking in &captured.missing {
            context.out.data(&super::world::missing(&lacking.operation, &lacking.resource, &lacking.why));
        }
    }
    let stages: Vec<(String, SignedDuration)> =
        proof.stages.iter().map(|(stage, took)| (stage.to_string(), SignedDuration::from_millis(*took))).collect();
    let total = SignedDuration::from_millis(proof.took);
    context.out.data(&format!("\n{}", proof_view::timeline(&stages, total, style)));
    let rows = summary::SpanRow::read(&proof.spans);
    let with_aftermath = SignedDuration::from_millis(proof.took + AFTERMATH);
    context.out.data(&format!("\n{}", summary::rehearsal(&proof.calls, with_aftermath, &rows, style)));
    context.out.data(&format!("\n{}", proof_view::verdicts(verdicts, style)));
    let left = proof.back.as_ref().map(|back| inventory(&back.view)).unwrap_or_default();
    if !left.is_empty() {
        let left: Vec<String> = left.iter().map(|left| format!("{} {}", left.kind, left.name)).collect();
        context.out.data(&format!("  a rollback leaves behind, and nothing depends on it: {}", left.join(", ")));
    }
    context.out.data("Nothing was changed: the account was only read, and the journal is as it was.");
}
