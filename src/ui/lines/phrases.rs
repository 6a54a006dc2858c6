//! The line, or lines, of each kind of record.

use jiff::Timestamp;

use crate::model::{
    Actor, Adoption, ClaimChange, Direction, Failure, FailureKind, Outcome, Plan, Record, RecordBody, RunView, StageId, StepId,
    Verdict,
};

use super::heading;
use crate::ui::style::{Sign, Style, Tone};
use crate::ui::text;

/// The lines of `record`, which left `view`. `since`: when its step was started.
pub(super) fn record(view: &RunView, record: &Record, since: Option<Timestamp>, style: &Style) -> Vec<String> {
    let step_line = |step: &StepId, sign: Sign, what: &str| {
        let elapsed = since.map(|since| elapsed(since, record.at)).unwrap_or_default();
        vec![line(style, sign, &format!("{}{what}{elapsed}", title(view, step)))]
    };
    match &record.body {
        RecordBody::PlanAdopted { plan, why, by } => adopted(plan, why, by, style),
        RecordBody::SessionOpened { holder } if holder.fence > 1 => {
            vec![wide(style, &format!("taken up by {} (pid {})", who(&holder.actor), holder.pid))]
        }
        RecordBody::TakenOver { from, by, reason } => {
            let (from, by) = (format!("{} (pid {})", who(&from.actor), from.pid), format!("{} (pid {})", who(&by.actor), by.pid));
            vec![wide(style, &format!("taken over by {by} from {from}: {}", text::clean(reason)))]
        }
        // The first session is the run's own start, a step's start is announced by the printer.
        RecordBody::SessionOpened { .. } | RecordBody::StepStarted { .. } => Vec::new(),
        RecordBody::SessionClosed { why, .. } => vec![wide(style, &format!("left: {}", text::clean(why)))],
        RecordBody::StepSucceeded { step, .. } => step_line(step, Sign::Done, ""),
        RecordBody::StepFailed { step, failure } => step_line(step, Sign::Failed, &format!(": {}", failed(failure))),
        RecordBody::StepInDoubt { step, failure } => {
            step_line(step, Sign::Doubt, &format!(": the outcome is not known, looking at AWS ({})", failed(failure)))
        }
        RecordBody::StepObserved { step, verdict } => observed(view, step, verdict, style),
        RecordBody::StepLeft { step } => step_line(step, Sign::Left, ": left, to be taken up again"),
        RecordBody::StepHeld { step, why, .. } => {
            step_line(step, Sign::Held, &format!(": held, a person must decide: {}", text::clean(why)))
        }
        RecordBody::StepApproved { step, by, comment } => {
            let said = if comment.is_empty() { String::new() } else { format!(": {}", text::clean(comment)) };
            vec![line(style, Sign::Done, &format!("{}: approved by {}{said}", title(view, step), who(by)))]
        }
        RecordBody::StepSkipped { step, reason, by } => {
            let what = match by {
                Some(by) => format!(": skipped by {}: {}", who(by), text::clean(reason)),
                None => format!(": left as it is, nothing depends on it: {}", text::clean(reason)),
            };
            vec![line(style, Sign::Left, &format!("{}{what}", title(view, step)))]
        }
        RecordBody::FindingAccepted { finding, by } => {
            vec![wide(style, &format!("finding {} accepted by {}", text::clean(finding), who(by)))]
        }
        RecordBody::HoldSet { stage, by } => {
            vec![wide(style, &format!("will stop before {}, as {} asked", stage_name(view, stage), who(by)))]
        }
        RecordBody::HoldCleared { stage, by } => {
            vec![wide(style, &format!("{} lets it go on to {}", who(by), stage_name(view, stage)))]
        }
        RecordBody::LanesNamed { lanes, by } => {
            let names = lanes.iter().map(|lane| text::clean(lane)).collect::<Vec<_>>().join(", ");
            vec![wide(style, &format!("only the lanes of {names}, as {} asked", who(by)))]
        }
        RecordBody::Claim { service, change } => claim(service, change, style),
        // The question is on the screen where it is asked.
        RecordBody::Asked { .. } => Vec::new(),
        RecordBody::Answered { question, answer, by } => {
            vec![wide(style, &format!("{} answered `{}`: {}", who(by), text::clean(question), text::clean(answer)))]
        }
        RecordBody::RequestRefused { request, by, why } => {
            vec![wide(style, &format!("`{}`, as {} asked, does not apply: {}", text::clean(request), who(by), text::clean(why)))]
        }
        RecordBody::PauseAsked { by, how } => {
            vec![wide(style, &format!("pause asked for by {} ({}): no further step starts", who(by), text::clean(how)))]
        }
        RecordBody::RunEnded { outcome, why } => vec![ended(view, *outcome, why, style)],
    }
}

/// Whether a record tells of something that went otherwise than it should: more than how it goes.
pub(super) fn is_trouble(record: &Record) -> bool {
    match &record.body {
        RecordBody::StepFailed { .. }
        | RecordBody::StepInDoubt { .. }
        | RecordBody::StepHeld { .. }
        | RecordBody::StepSkipped { .. }
        | RecordBody::TakenOver { .. } => true,
        RecordBody::StepObserved { verdict, .. } => matches!(verdict, Verdict::TakenBack { .. } | Verdict::Diverged { .. }),
        RecordBody::Claim { change, .. } => matches!(change, ClaimChange::Refused { .. } | ClaimChange::Left { .. }),
        _ => false,
    }
}

/// What becomes of a claim; that one is about to be written or removed is no news.
fn claim(service: &str, change: &ClaimChange, style: &Style) -> Vec<String> {
    let service = text::clean(service);
    let warning = |words: String| vec![text::wrap(&words, style.width, &format!("{} ", style.paint(Tone::Warn, "warning:")), 2)];
    match change {
        ClaimChange::Writing { .. } | ClaimChange::Removing => Vec::new(),
        ClaimChange::Held => {
            vec![wide(style, &format!("{service} is claimed: runs of sidestep elsewhere leave it alone, nobody else is held off"))]
        }
        ClaimChange::Refused { why } => {
            warning(format!("{service} is not claimed, so a run elsewhere would not know of this one ({})", text::clean(why)))
        }
        ClaimChange::Removed => vec![wide(style, &format!("{service} is no longer claimed"))],
        // A command is one line, to be copied whole.
        ClaimChange::Left { why, remove } => {
            let mut lines = warning(format!("the claim on {service} could not be removed ({}); remove it with", text::clean(why)));
            lines.push(format!("  {}", text::clean(remove)));
            lines
        }
    }
}

/// The end of a line: two blanks and a duration that is never torn apart.
pub(super) fn elapsed(from: Timestamp, to: Timestamp) -> String {
    format!("  ({})", text::glue(&text::between(from, to)))
}

/// One line about a step, wrapped under itself.
pub(super) fn line(style: &Style, sign: Sign, words: &str) -> String {
    text::wrap_keeping(words, style.width, &format!("  {} ", style.sign(sign)), 6)
}

/// One line about the run.
fn wide(style: &Style, words: &str) -> String {
    text::wrap(words, style.width, "", 2)
}

/// A step's title; with its lane's target in front where its stage has several lanes and the title does not name it.
pub(in crate::ui) fn title(view: &RunView, step: &StepId) -> String {
    let Some((stage, lane, plan)) = view.plan.steps().find(|(_, _, plan)| plan.id == *step) else {
        return step.to_string();
    };
    let lanes = stage.work().count();
    let title = text::clean(&plan.title);
    if lanes > 1 && !lane.is_gate() && !title.contains(&text::clean(&lane.target)) {
        format!("[{}] {title}", text::clean(&lane.target))
    } else {
        title
    }
}

pub(in crate::ui) fn who(actor: &Actor) -> String {
    text::clean(&format!("{}@{}", actor.user, actor.host))
}

fn failed(failure: &Failure) -> String {
    let message = text::clean(&failure.message);
    match &failure.code {
        // A rollout's message says it all; a request's is only half of it without AWS's code.
        Some(code) if failure.kind != FailureKind::Rollout && !message.contains(code.as_str()) => {
            format!("{message} ({})", text::clean(code))
        }
        _ => message,
    }
}

fn adopted(plan: &Plan, why: &Adoption, by: &Actor, style: &Style) -> Vec<String> {
    let size =
        format!("{}, {}", text::count(plan.stages.len(), "stage", "stages"), text::count(plan.steps().count(), "step", "steps"));
    match why {
        Adoption::Start => {
            let head = style.paint(Tone::Strong, &format!("run {}", plan.run));
            vec![wide(style, &format!("{head} {}: {size}, started by {}", plan.runbook, who(by)))]
        }
        Adoption::Amendment { changes } => {
            let mut lines = vec![wide(style, &format!("plan amended by {}: {size}", who(by)))];
            lines.extend(changes.iter().map(|change| text::wrap(&text::clean(change), style.width, "  ", 4)));
            lines
        }
        Adoption::Rollback(extent) => {
            vec![wide(style, &format!("rolling back {}, as {} asked: {size}", text::clean(&extent.to_string()), who(by)))]
        }
        Adoption::Forward => vec![wide(style, &format!("forward again, as {} asked: {size}", who(by)))],
    }
}

fn observed(view: &RunView, step: &StepId, verdict: &Verdict, style: &Style) -> Vec<String> {
    let title = title(view, step);
    match verdict {
        Verdict::Done { .. } => vec![line(style, Sign::Done, &format!("{title}: found done"))],
        Verdict::NotDone { why } => vec![line(style, Sign::Again, &format!("{title}: found not done: {}", text::clean(why)))],
        Verdict::TakenBack { why } => {
            vec![line(style, Sign::Again, &format!("{title}: was done, found taken back: {}", text::clean(why)))]
        }
        Verdict::Diverged { differences } => {
            let mut lines = vec![line(style, Sign::Failed, &format!("{title}: something else is there"))];
            lines.extend(differences.iter().map(|each| text::wrap(&text::clean(each), style.width, "      ", 8)));
            lines
        }
    }
}

/// `stage 5/6 retarget-api-env`, or just its name when the plan does not have it.
fn stage_name(view: &RunView, stage: &StageId) -> String {
    match view.plan.stages.iter().position(|each| each.id == *stage) {
        Some(position) => heading(&view.plan, position),
        None => format!("stage {stage}"),
    }
}

fn ended(view: &RunView, outcome: Outcome, why: &str, style: &Style) -> String {
    let how = match (outcome, view.plan.direction) {
        (Outcome::Done, Direction::Forward) => "done",
        // A rollback that went part of the way, as asked.
        (Outcome::Done, Direction::Back) => "went back as far as asked",
        (Outcome::RolledBack, _) => "rolled back",
        (Outcome::Abandoned, _) => "abandoned",
    };
    let elapsed = elapsed(view.started_at, view.updated_at);
    let why = if why.is_empty() { String::new() } else { format!(": {}", text::clean(why)) };
    let words = format!("run {} {how}{why}{elapsed}", view.id);
    text::wrap_keeping(&style.paint(Tone::Strong, &words), style.width, "", 2)
}
