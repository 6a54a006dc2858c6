//! Where a run stands: stage by stage, what is in the way, and the exact next command.

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::model::{
    ClaimChange, ClaimView, Direction, GATE_BAKE, Holder, Outcome, Progress, Remainder, RunStatus, RunView, StagePlan, StepClass,
    StepId, StepPlan, StepState, StepView,
};

use super::advice;
use super::lines::{title, who};
use super::plan_json;
use super::progress;
use super::remains_view;
use super::style::{Sign, Style, Tone};
use super::text;

/// The whole status, without a newline at its end. `live` is the process that holds the run right now, `remains` what a way back has
/// not undone.
pub fn render(
    view: &RunView,
    live: Option<&Holder>,
    remains: &[Remainder],
    seen: &[(StepId, Progress)],
    now: Timestamp,
    style: &Style,
) -> String {
    let mut parts = vec![header(view, live, now, style), stages(view, seen, now, style)];
    let over = matches!(view.status(), RunStatus::Stuck | RunStatus::RolledBack | RunStatus::Abandoned);
    if over && !remains.is_empty() {
        parts.push(left(remains, style));
    }
    let mut hints = next_commands(view, live);
    if view.status() == RunStatus::RolledBack && !remains.is_empty() {
        hints.push(format!("to try again to undo what is left, run `sidestep rollback {}`", view.id));
    }
    if !hints.is_empty() {
        let hint = |hint: &String| format!("{} {hint}", style.paint(Tone::Strong, "hint:"));
        parts.push(hints.iter().map(hint).collect::<Vec<_>>().join("\n"));
    }
    parts.join("\n\n")
}

/// What is left in AWS, for the end of a run and for its status.
pub fn left(remains: &[Remainder], style: &Style) -> String {
    let head = style.paint(Tone::Strong, "Left in AWS:");
    std::iter::once(head).chain(remains.iter().flat_map(remains_view::lines)).collect::<Vec<_>>().join("\n")
}

/// The same for programs: `{"format": "sidestep-status", "version": 1, …}`; members are only ever added.
pub fn json(view: &RunView, live: Option<&Holder>, remains: &[Remainder], seen: &[(StepId, Progress)]) -> Value {
    let stage = |stage: &StagePlan| {
        json!({
            "id": stage.id,
            "state": code(stage_state(view, stage).word()),
            "steps": stage.steps().map(|step| step_json(view, step)).collect::<Vec<_>>(),
        })
    };
    let mut value = json!({
        "format": "sidestep-status",
        "version": 1,
        "run": view.id,
        "runbook": view.plan.runbook,
        "target": plan_json::target(&view.plan.target),
        "direction": view.plan.direction,
        "epoch": view.epoch,
        "status": code(word(view, live)),
        "started": view.started_at,
        "updated": view.updated_at,
        "records": view.last_seq,
        "stages": view.plan.stages.iter().map(stage).collect::<Vec<_>>(),
        "holds": view.holds,
        "accepted": view.accepted,
        "claims": view.claims,
        "remains": remains,
        "next": next_commands(view, live),
    });
    if let Some(question) = &view.asked {
        value["asked"] = json!(question);
    }
    if !seen.is_empty() {
        let each = |(step, seen): &(StepId, Progress)| json!({ "step": step, "seen": seen });
        value["seen"] = seen.iter().map(each).collect();
    }
    if let Some(holder) = live {
        value["heldBy"] = json!(holder);
    }
    if let Some((outcome, why)) = &view.ended {
        value["ended"] = json!({ "outcome": outcome, "why": why });
    }
    value
}

fn step_json(view: &RunView, step: &StepPlan) -> Value {
    let mut value = json!({ "id": step.id, "class": step.class, "title": step.title, "state": view.state(&step.id) });
    let Some(state) = view.steps.get(&step.id) else { return value };
    value["attempts"] = json!(state.attempts);
    if let Some(at) = state.started_at {
        value["started"] = json!(at);
    }
    if let Some(at) = state.changed_at {
        value["changed"] = json!(at);
    }
    if let Some(trouble) = &state.trouble {
        value["trouble"] = json!(trouble);
    }
    if let Some((reason, by)) = &state.skipped {
        value["skipped"] = json!({ "reason": reason, "by": by });
    }
    if let Some((result, why)) = &state.held {
        value["held"] = json!({ "result": result, "why": why });
    }
    value
}

/// The status in a word. `running` when a process holds it; without one, an open run is `paused` if the last process left in order
/// and `interrupted` if it did not.
pub fn word(view: &RunView, live: Option<&Holder>) -> &'static str {
    match (view.status(), live) {
        (RunStatus::Open, Some(_)) => "running",
        (RunStatus::Open, None) if view.closed => "paused",
        (RunStatus::Open, None) => "interrupted",
        (status, _) => ended_word(status),
    }
}

/// A word as a code for programs: `rolled-back`.
pub(super) fn code(word: &str) -> String {
    word.replace(' ', "-")
}

/// The word for a status by itself.
pub(super) fn ended_word(status: RunStatus) -> &'static str {
    match status {
        RunStatus::Open => "unfinished",
        RunStatus::Held => "held",
        RunStatus::Stopped => "stopped",
        RunStatus::Stuck => "stuck",
        RunStatus::Done => "done",
        RunStatus::RolledBack => "rolled back",
        RunStatus::Abandoned => "abandoned",
    }
}

fn header(view: &RunView, live: Option<&Holder>, now: Timestamp, style: &Style) -> String {
    let target = &view.plan.target;
    let going = match view.plan.direction {
        Direction::Back if view.goes_back() => ", going back",
        _ => "",
    };
    let mut rows = vec![
        ("status", format!("{}{going}{}", word(view, live), explained(view, live))),
        ("environment", format!("{}, account {}, {}", target.environment, target.account, target.region)),
        ("started", format!("{} ({} ago)", text::time(view.started_at), text::between(view.started_at, now))),
        ("changed", format!("{} ({} ago)", text::time(view.updated_at), text::between(view.updated_at, now))),
    ];
    if let Some(endpoint) = &target.endpoint {
        rows.push(("endpoint", endpoint.clone()));
    }
    if let (Some(question), Some(_)) = (&view.asked, live) {
        rows.push(("asks", question.clone()));
    }
    if !view.holds.is_empty() {
        let holds: Vec<&str> = view.holds.iter().map(|stage| stage.as_str()).collect();
        rows.push(("stops before", holds.join(", ")));
    }
    if !view.lanes.is_empty() {
        rows.push(("lanes", format!("only {}", view.lanes.iter().cloned().collect::<Vec<_>>().join(", "))));
    }
    rows.extend(claims(view).map(|claims| ("claim", claims)));
    if !view.accepted.is_empty() {
        rows.push(("accepted", view.accepted.iter().cloned().collect::<Vec<_>>().join(", ")));
    }
    let mut lines = vec![style.paint(Tone::Strong, &format!("run {}: {}", view.id, view.plan.runbook))];
    lines.extend(
        rows.into_iter().map(|(name, value)| {
            text::wrap_keeping(&text::clean(&value), style.width, &format!("  {}  ", text::pad(name, 12)), 16)
        }),
    );
    lines.join("\n")
}

/// What the run has told runs elsewhere; of a run that is over only what is left.
fn claims(view: &RunView) -> Option<String> {
    let words = |(service, claim): (&String, &ClaimView)| match &claim.last {
        ClaimChange::Held => format!("held on {service} since {}", text::time(claim.since)),
        ClaimChange::Writing { .. } => format!("being written on {service}"),
        ClaimChange::Removing | ClaimChange::Removed => format!("being removed from {service}"),
        ClaimChange::Refused { why } => format!("none on {service}: {why}"),
        ClaimChange::Left { why, remove } => format!("left on {service}: {why}; remove it with `{remove}`"),
    };
    let claims: Vec<String> = view.claims.iter().map(words).collect();
    match (claims.is_empty(), view.ended.is_some()) {
        (true, true) => None,
        (true, false) => Some("none".to_owned()),
        (false, _) => Some(claims.join("; ")),
    }
}

pub(super) fn explained(view: &RunView, live: Option<&Holder>) -> String {
    if let Some(holder) = live {
        return format!(", held by {} (pid {})", who(&holder.actor), holder.pid);
    }
    if let Some((_, why)) = &view.ended {
        return if why.is_empty() { String::new() } else { format!(": {why}") };
    }
    if let Some(extent) = view.went_back_to() {
        return format!(": went back {extent}");
    }
    match (view.closed, &view.holder) {
        (false, Some(holder)) => format!(": {} (pid {}) ended without leaving in order", who(&holder.actor), holder.pid),
        _ => String::new(),
    }
}

/// What became of a stage so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum StageState {
    AlreadySo,
    Done,
    Troubled,
    Held,
    UnderWay,
    NotBegun,
}

impl StageState {
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::AlreadySo => "nothing to do",
            Self::Done => "done",
            Self::Troubled => "stopped",
            Self::Held => "held",
            Self::UnderWay => "under way",
            Self::NotBegun => "not begun",
        }
    }

    pub(super) fn sign(self) -> Sign {
        match self {
            Self::AlreadySo | Self::NotBegun => Sign::Idle,
            Self::Done => Sign::Done,
            Self::Troubled => Sign::Failed,
            Self::Held => Sign::Held,
            Self::UnderWay => Sign::Busy,
        }
    }
}

/// What stands worst in a stage decides.
pub(super) fn stage_state(view: &RunView, stage: &StagePlan) -> StageState {
    let states: Vec<StepState> = stage.steps().map(|step| view.state(&step.id)).collect();
    let any = |wanted: &[StepState]| states.iter().any(|state| wanted.contains(state));
    if states.is_empty() {
        StageState::AlreadySo
    } else if states.iter().all(|state| state.is_over()) {
        StageState::Done
    } else if any(&[StepState::Failed, StepState::Diverged]) {
        StageState::Troubled
    } else if any(&[StepState::Held]) {
        StageState::Held
    } else if any(&[StepState::Started, StepState::InDoubt, StepState::Done]) {
        StageState::UnderWay
    } else {
        StageState::NotBegun
    }
}

fn stages(view: &RunView, seen: &[(StepId, Progress)], now: Timestamp, style: &Style) -> String {
    let total = view.plan.stages.len();
    let widest = view.plan.stages.iter().map(|stage| stage.id.as_str().chars().count()).max().unwrap_or(0);
    let mut lines = Vec::new();
    for (position, stage) in view.plan.stages.iter().enumerate() {
        let state = stage_state(view, stage);
        let steps = stage.steps().count();
        let done = stage.steps().filter(|step| view.state(&step.id) == StepState::Done).count();
        let words = match state {
            StageState::UnderWay | StageState::Troubled | StageState::Held => {
                format!("{}, {done} of {} done", state.word(), text::count(steps, "step", "steps"))
            }
            StageState::Done if view.plan.direction == Direction::Back => format!("undone{}", but_for(view, stage)),
            _ => state.word().to_owned(),
        };
        let name = text::pad(stage.id.as_str(), widest);
        lines.push(format!("  {} {}/{total} {name}  {words}", style.sign(state.sign()), position + 1));
        let in_full = matches!(state, StageState::UnderWay | StageState::Troubled | StageState::Held);
        if in_full || stage.steps().any(|each| view.state(&each.id) == StepState::Skipped) {
            for each in stage.steps() {
                lines.push(step(view, each, now, style));
                let seen = seen.iter().filter(|(step, _)| *step == each.id);
                lines.extend(seen.map(|(_, seen)| text::wrap(&progress::words(seen), style.width, "          AWS: ", 12)));
            }
        }
    }
    lines.join("\n")
}

fn step(view: &RunView, plan: &StepPlan, now: Timestamp, style: &Style) -> String {
    let title = title(view, &plan.id);
    let Some(step) = view.steps.get(&plan.id) else { return String::new() };
    let (sign, words) = match step.state {
        StepState::Pending => (Sign::Idle, String::new()),
        StepState::Started => (Sign::Busy, step.started_at.map(|at| text::between(at, now)).unwrap_or_default()),
        StepState::Done => (Sign::Done, String::new()),
        StepState::Failed | StepState::Diverged => (Sign::Failed, trouble(step)),
        StepState::InDoubt => (Sign::Doubt, format!("the outcome is not known ({})", trouble(step))),
        StepState::Held => (Sign::Held, step.held.as_ref().map(|(_, why)| text::clean(why)).unwrap_or_default()),
        StepState::Skipped => (Sign::Left, skipped(step)),
    };
    let words = if words.is_empty() { title } else { format!("{title}: {words}") };
    let mut lines = vec![text::wrap(&words, style.width, &format!("      {} ", style.sign(sign)), 10)];
    if let Some(trouble) = step.trouble.as_ref().filter(|_| step.state != StepState::Skipped) {
        lines.extend(trouble.causes.iter().map(|cause| text::wrap(&text::clean(cause), style.width, "          ", 12)));
    }
    lines.join("\n")
}

/// How much of a stage that is over was passed over: ` but for 2 steps`.
pub(super) fn but_for(view: &RunView, stage: &StagePlan) -> String {
    match stage.steps().filter(|step| view.state(&step.id) == StepState::Skipped).count() {
        0 => String::new(),
        n => format!(" but for {}", text::count(n, "step", "steps")),
    }
}

fn skipped(step: &StepView) -> String {
    match &step.skipped {
        Some((reason, Some(by))) => format!("skipped by {}: {}", who(by), text::clean(reason)),
        Some((reason, None)) => format!("left as it is, nothing depends on it: {}", text::clean(reason)),
        None => String::new(),
    }
}

fn trouble(step: &StepView) -> String {
    step.trouble.as_ref().map(|trouble| text::clean(&trouble.message)).unwrap_or_default()
}

/// What can be asked of a process at work, from another terminal.
fn steer(view: &RunView) -> Vec<String> {
    let run = &view.id;
    let mut next = Vec::new();
    match (view.to_approve(), &view.asked) {
        (Some(step), _) if step.action == GATE_BAKE => {
            next.push(format!("to end the watch early, run `sidestep approve {run} --comment \"…\"`"));
        }
        (Some(_), _) => next.push(format!("to approve it, run `sidestep approve {run} --comment \"…\"`")),
        (None, Some(_)) => next.push(format!("to answer it with going on, run `sidestep resume {run}`")),
        (None, None) => {}
    }
    next.push(format!("to stop it after the present step, run `sidestep pause {run}`"));
    next
}

/// What a person can do next: exact commands.
pub(super) fn next_commands(view: &RunView, live: Option<&Holder>) -> Vec<String> {
    let run = &view.id;
    if live.is_some() && (view.status() == RunStatus::Open || view.asked.is_some()) {
        return steer(view);
    }
    let back = match view.plan.direction {
        Direction::Forward if !view.mutations.is_empty() => vec![format!("to undo what was done, run `sidestep rollback {run}`")],
        _ => Vec::new(),
    };
    if view.went_back_to().is_some() {
        return vec![
            format!("to go forward again, run `sidestep resume {run}`"),
            format!("to undo the rest, run `sidestep rollback {run}`"),
        ];
    }
    let trouble = |(plan, step): (&StepPlan, &StepView)| advice::after_trouble(view, &plan.id, step.trouble.as_ref()?);
    if let Some(next) = view.troubled().find_map(trouble).filter(|_| view.ended.is_none()) {
        return next;
    }
    let held = || view.troubled().find_map(|(plan, step)| Some(advice::after_held(view, &plan.id, &step.held.as_ref()?.0)));
    let first = match view.status() {
        RunStatus::Open => vec![format!("to go on, run `sidestep resume {run}`")],
        RunStatus::Held => held().unwrap_or_default(),
        RunStatus::Stopped => vec![format!("when the cause is repaired, run `sidestep resume {run}`")],
        RunStatus::Stuck => vec![format!("when what is in the way is gone, run `sidestep rollback {run}`")],
        RunStatus::Done => Vec::new(),
        RunStatus::RolledBack | RunStatus::Abandoned => return Vec::new(),
    };
    first.into_iter().chain(back).collect()
}

/// Why a run that is over, or stands, does not go on; for the summary.
pub(super) fn reason(view: &RunView) -> Option<String> {
    let in_the_way = view.troubled().find_map(|(plan, step)| {
        let title = title(view, &plan.id);
        Some(match step.state {
            StepState::Failed | StepState::Diverged => format!("`{title}` stopped: {}", trouble(step)),
            StepState::InDoubt => format!("the outcome of `{title}` is not known"),
            StepState::Held => format!("`{title}` waits for a person"),
            _ => return None,
        })
    });
    let ended = view.ended.as_ref().map(|(outcome, _)| match outcome {
        Outcome::Abandoned => "the run was abandoned".to_owned(),
        Outcome::RolledBack => "the run was rolled back".to_owned(),
        Outcome::Done => "the run ended".to_owned(),
    });
    let hold = || {
        let current = view.current_stage()?;
        view.holds.contains(&current.id).then(|| format!("the run was to stop before {}", current.id))
    };
    let left = || {
        let waiting = view.plan.steps().find(|(_, _, step)| {
            step.class != StepClass::Mutation
                && view.steps.get(&step.id).is_some_and(|s| s.state == StepState::Pending && s.attempts > 0)
        })?;
        Some(format!("the run was paused during `{}`", title(view, &waiting.2.id)))
    };
    let in_flight = || {
        let started = |step: &StepPlan| step.class == StepClass::Mutation && view.state(&step.id) == StepState::Started;
        let step = view.plan.steps().map(|(_, _, step)| step).find(|step| started(step))?;
        Some(format!("the run was left while `{}` was under way", title(view, &step.id)))
    };
    let others = || {
        let names: Vec<&str> = view.lanes.iter().map(String::as_str).collect();
        (!names.is_empty()).then(|| format!("only the lanes of {} were to run", text::clean(&names.join(", "))))
    };
    let unconfirmed = || {
        let current = view.current_stage()?;
        (current.confirm && stage_state(view, current) == StageState::NotBegun)
            .then(|| "it is confirmed first, and was not".to_owned())
    };
    ended.or(in_the_way).or_else(hold).or_else(left).or_else(in_flight).or_else(others).or_else(unconfirmed)
}

#[cfg(test)]
mod tests;
