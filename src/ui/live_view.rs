//! The moving part of a terminal, as lines: the stages with their states and times, and under the one that is under way its lanes,
//! its steps and what is seen of them. A function of the journal's view and of what passes by; nothing here draws.
//!
//! It always fits: what is least needed goes first.
//!
//! | rows are short | what is folded |
//! | --- | --- |
//! | 1 | the steps of the stage that are done or still to come, to counts |
//! | 2 | stages that are done, and those still to come, to a line each |
//! | 3 | lanes, to those that fit and a count of the others |
//! | 4 | what is seen of each step, and the last lines |

use std::collections::BTreeMap;

use dialoguer::console::measure_text_width;
use jiff::{SignedDuration, Timestamp};

use crate::model::{Direction, Lane, Progress, RunView, StagePlan, StepId, StepPlan, StepState};

use super::lines::{title, who};
use super::progress;
use super::status_view::{StageState, stage_state};
use super::style::{Sign, Style, Tone};
use super::text;

/// The width of a bar.
const BAR: usize = 12;

/// What was seen of the steps under way, the newest of each kind.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    steps: BTreeMap<StepId, SeenStep>,
}

#[derive(Clone, Debug, Default)]
struct SeenStep {
    /// What can be counted: a rollout, instances, a time that goes by.
    counted: Option<Progress>,
    targets: Option<Progress>,
    said: Option<Progress>,
}

impl Seen {
    /// Notes what a step saw.
    pub fn note(&mut self, step: &StepId, progress: &Progress) {
        let seen = self.steps.entry(step.clone()).or_default();
        match progress {
            Progress::Targets { .. } => seen.targets = Some(progress.clone()),
            Progress::Rollout { .. } | Progress::Serving { .. } | Progress::Instances { .. } | Progress::Countdown { .. } => {
                seen.counted = Some(progress.clone());
            }
            Progress::Note { .. } | Progress::Retry { .. } => seen.said = Some(progress.clone()),
            // These scroll by.
            Progress::ServiceEvent { .. } | Progress::Log { .. } => {}
        }
    }

    /// A step began anew, or is over.
    pub fn forget(&mut self, step: &StepId) {
        self.steps.remove(step);
    }
}

/// How much room there is, and what turns.
#[derive(Clone, Copy, Debug)]
pub struct Frame {
    /// Rows of the terminal.
    pub rows: usize,
    /// Counts up with each drawing.
    pub turn: usize,
    /// Whether this process only looks on.
    pub looks_on: bool,
}

/// The lines, none wider than the style's width less one, and fewer than the terminal's rows.
pub fn render(view: &RunView, seen: &Seen, now: Timestamp, frame: Frame, style: &Style) -> Vec<String> {
    let most = frame.rows.saturating_sub(2).max(3);
    let scene = Scene { view, seen, now, frame, style };
    let mut lines = Vec::new();
    for fold in 0..=4 {
        lines = scene.lines(fold, most);
        if lines.len() <= most {
            break;
        }
    }
    lines.truncate(most);
    lines.iter().map(|line| text::shorten(line, style.width.saturating_sub(1), style)).collect()
}

struct Scene<'a> {
    view: &'a RunView,
    seen: &'a Seen,
    now: Timestamp,
    frame: Frame,
    style: &'a Style,
}

impl Scene<'_> {
    fn lines(&self, fold: u8, most: usize) -> Vec<String> {
        let stages = &self.view.plan.stages;
        let mut lines = vec![self.head()];
        let states: Vec<StageState> = stages.iter().map(|stage| stage_state(self.view, stage)).collect();
        let over = |state: &StageState| matches!(state, StageState::Done | StageState::AlreadySo);
        let begun = states.iter().take_while(|state| over(state)).count();
        let under_way = begun..states.len().min(begun + 1);
        let tail = states.len() - under_way.end;
        let room = most.saturating_sub(4);
        if fold >= 2 && begun > 1 {
            lines.push(self.line(Sign::Done, 2, &format!("{} {}", text::count(begun, "stage", "stages"), self.done())));
        } else {
            lines.extend((0..begun).map(|at| self.stage(at, states[at])));
        }
        for at in under_way.clone() {
            lines.push(self.stage(at, states[at]));
            lines.extend(self.work(&stages[at], fold, room));
        }
        if fold >= 2 && tail > 1 {
            lines.push(self.line(Sign::Idle, 2, &format!("{} to come", text::count(tail, "stage", "stages"))));
        } else {
            lines.extend((under_way.end..states.len()).map(|at| self.stage(at, states[at])));
        }
        if fold < 4 {
            lines.extend(self.foot());
        }
        lines
    }

    fn done(&self) -> &'static str {
        if self.view.plan.direction == Direction::Back { "undone" } else { "done" }
    }

    fn line(&self, sign: Sign, indent: usize, words: &str) -> String {
        format!("{}{} {words}", " ".repeat(indent), self.style.sign(sign))
    }

    /// The run, where it is, and the time against what was expected.
    fn head(&self) -> String {
        let view = self.view;
        let back = view.plan.direction == Direction::Back;
        let began = if back { view.steps.values().filter_map(|step| step.started_at).min() } else { Some(view.started_at) };
        let elapsed = text::between(began.unwrap_or(view.updated_at), self.now.max(view.updated_at));
        let expected = match view.plan.outlook.seconds {
            0 => String::new(),
            seconds => format!(" of about {} min", seconds.div_ceil(60)),
        };
        let what = if back { "rolling back run" } else { "run" };
        let target = &view.plan.target;
        let place = format!("{}  {} {}", text::clean(&target.environment), target.account, target.region);
        let left = self.style.paint(Tone::Strong, &format!("{what} {}", view.id));
        format!("{left}  {elapsed}{expected}  {place}")
    }

    fn stage(&self, at: usize, state: StageState) -> String {
        let stages = &self.view.plan.stages;
        let stage = &stages[at];
        let widest = stages.iter().map(|stage| stage.id.as_str().chars().count()).max().unwrap_or(0);
        let words = match state {
            StageState::Done | StageState::UnderWay => String::new(),
            StageState::NotBegun if self.view.holds.contains(&stage.id) => "stops before it, as asked".to_owned(),
            StageState::NotBegun => String::new(),
            other => other.word().to_owned(),
        };
        let name = text::pad(stage.id.as_str(), widest);
        let took = self.took(stage, state);
        let words = if words.is_empty() || took.is_empty() { words } else { format!("  {words}") };
        let line = format!("{}/{} {name}  {took}{words}", at + 1, stages.len());
        self.line(state.sign(), 2, line.trim_end())
    }

    /// Time in a stage, and where it is under way what was expected of its waits.
    fn took(&self, stage: &StagePlan, state: StageState) -> String {
        let steps = || stage.steps().filter_map(|step| self.view.steps.get(&step.id));
        let Some(from) = steps().filter_map(|step| step.started_at).min() else { return String::new() };
        let last = steps().filter_map(|step| step.changed_at).max().unwrap_or(from);
        let to = if state == StageState::UnderWay { self.now.max(last) } else { last };
        text::between(from, to)
    }

    /// The lanes and steps of the stage under way.
    fn work(&self, stage: &StagePlan, fold: u8, room: usize) -> Vec<String> {
        let lanes: Vec<&Lane> = stage.work().collect();
        let gates = stage.lanes().filter(|lane| lane.is_gate() && lane.steps.iter().any(|step| self.is_under_way(step)));
        let gates: Vec<String> = gates.flat_map(|lane| self.steps(lane, fold)).collect();
        let mut lines = match lanes.as_slice() {
            [lane] => self.steps(lane, fold),
            lanes => self.lanes(lanes, fold, room.saturating_sub(gates.len())),
        };
        lines.extend(gates);
        lines
    }

    fn is_under_way(&self, step: &StepPlan) -> bool {
        !matches!(self.view.state(&step.id), StepState::Pending | StepState::Done | StepState::Skipped)
    }

    /// Every lane on a line of its own, as far as there is room; the others are counted.
    fn lanes(&self, lanes: &[&Lane], fold: u8, room: usize) -> Vec<String> {
        let done = lanes.iter().filter(|lane| self.view.lane_done(lane)).count();
        let busy: Vec<&&Lane> = lanes.iter().filter(|lane| lane.steps.iter().any(|step| self.is_under_way(step))).collect();
        let begun = |lane: &Lane| lane.steps.iter().any(|step| self.view.state(&step.id) != StepState::Pending);
        let between = lanes.iter().filter(|lane| begun(lane) && !self.view.lane_done(lane)).count() - busy.len();
        let to_come = lanes.len() - done - busy.len() - between;
        let mut head = format!("{} {done} of {} lanes {}", self.bar(done, lanes.len()), lanes.len(), self.done());
        if to_come > 0 {
            head.push_str(&format!(", {to_come} to come"));
        }
        let mut lines = vec![format!("      {head}")];
        let shown = if fold >= 3 { busy.len().min((room / 2).saturating_sub(1)) } else { busy.len() };
        for lane in &busy[..shown] {
            for step in lane.steps.iter().filter(|step| self.is_under_way(step)) {
                lines.extend(self.step(step, fold, 6));
            }
        }
        if busy.len() > shown {
            lines.push(self.line(
                Sign::Busy,
                6,
                &format!("{} under way", text::count(busy.len() - shown, "more lane", "more lanes")),
            ));
        }
        lines
    }

    /// The steps of one lane: those done and those to come are counted where there is little room.
    fn steps(&self, lane: &Lane, fold: u8) -> Vec<String> {
        if fold == 0 {
            return lane.steps.iter().flat_map(|step| self.step(step, fold, 6)).collect();
        }
        let count = |wanted: &dyn Fn(StepState) -> bool| lane.steps.iter().filter(|step| wanted(self.view.state(&step.id))).count();
        let (done, to_come) = (count(&StepState::is_over), count(&|state| state == StepState::Pending));
        let mut lines = Vec::new();
        if done > 0 {
            lines.push(self.line(Sign::Done, 6, &format!("{} {}", text::count(done, "step", "steps"), self.done())));
        }
        lines.extend(lane.steps.iter().filter(|step| self.is_under_way(step)).flat_map(|step| self.step(step, fold, 6)));
        if to_come > 0 {
            lines.push(self.line(Sign::Idle, 6, &format!("{} to come", text::count(to_come, "step", "steps"))));
        }
        lines
    }

    fn step(&self, plan: &StepPlan, fold: u8, indent: usize) -> Vec<String> {
        let state = self.view.state(&plan.id);
        let title = title(self.view, &plan.id);
        let Some(step) = self.view.steps.get(&plan.id) else { return Vec::new() };
        let sign = match state {
            StepState::Pending => Sign::Idle,
            StepState::Started => return self.running(plan, step.started_at.unwrap_or(self.now), &title, fold, indent),
            StepState::Done => Sign::Done,
            StepState::Failed | StepState::Diverged => Sign::Failed,
            StepState::InDoubt => Sign::Doubt,
            StepState::Held => Sign::Held,
            StepState::Skipped => Sign::Left,
        };
        let took = match (state, step.started_at, step.changed_at) {
            (StepState::Done, Some(from), Some(to)) => format!("  {}", text::between(from, to)),
            _ => String::new(),
        };
        vec![self.line(sign, indent, &format!("{title}{took}"))]
    }

    /// A step under way: time against what is usual and against its deadline, and what is seen of it.
    fn running(&self, plan: &StepPlan, since: Timestamp, title: &str, fold: u8, indent: usize) -> Vec<String> {
        let elapsed = self.now.duration_since(since).max(SignedDuration::ZERO);
        let mut moving = format!("  {}", text::duration(elapsed));
        if let Some(expected) = plan.expected_s {
            moving.push_str(&format!(" of about {}", text::limit(expected)));
        }
        let width = self.style.width.saturating_sub(1);
        let room = |moving: &str| width.saturating_sub(indent + 2 + measure_text_width(moving));
        if let Some(deadline) = plan.deadline_s {
            let left = i64::try_from(deadline).unwrap_or(i64::MAX).saturating_sub(elapsed.as_secs());
            // A deadline that is far away is a promise, and left out where there is no room; one that is near is news.
            let words = if left < 120 {
                self.style.paint(Tone::Warn, &format!(", {} left", text::limit(left.max(0).unsigned_abs())))
            } else {
                format!(", up to {}", text::limit(deadline))
            };
            if left < 120 || room(&format!("{moving}{words}")) >= title.chars().count() {
                moving.push_str(&words);
            }
        }
        // The title stands still and is known from the plan: what moves is the last to be cut.
        let title = text::shorten(title, room(&moving).max(16), self.style);
        let mut lines = vec![format!("{}{} {title}{moving}", " ".repeat(indent), self.spinner())];
        if fold < 4 {
            let seen = self.seen.steps.get(&plan.id);
            lines.extend(
                seen.into_iter()
                    .flat_map(|seen| self.what_is_seen(plan, seen))
                    .map(|words| format!("{}{words}", " ".repeat(indent + 4))),
            );
        }
        lines
    }

    fn what_is_seen(&self, plan: &StepPlan, seen: &SeenStep) -> Vec<String> {
        let mut lines = Vec::new();
        if let Some(counted) = &seen.counted {
            let bar = match counted {
                Progress::Rollout { desired, running, .. } => self.bar(size(*running), size(*desired)),
                Progress::Instances { healthy, total } => self.bar(*healthy, *total),
                Progress::Countdown { left_s, .. } => {
                    let whole = usize::try_from(plan.expected_s.unwrap_or(*left_s)).unwrap_or(1);
                    self.bar(whole.saturating_sub(usize::try_from(*left_s).unwrap_or(0)), whole)
                }
                _ => String::new(),
            };
            lines.push(format!("{bar} {}", progress::words(counted)));
            if let Progress::Rollout { revision, replaces, .. } = counted
                && !revision.is_empty()
            {
                let replaced = if replaces.is_empty() { String::new() } else { format!(", replaces {}", text::clean(replaces)) };
                lines.push(format!("{}{replaced}", text::clean(revision)));
            }
        }
        if let Some(Progress::Targets { healthy, total, draining }) = &seen.targets
            && total + draining > 0
        {
            let bar = self.bar(*healthy, *total);
            lines.extend(seen.targets.iter().map(|targets| format!("{bar} {}", progress::words(targets))));
        }
        lines.extend(seen.said.iter().map(progress::words));
        lines
    }

    /// What a person can do from here.
    fn foot(&self) -> Vec<String> {
        let run = &self.view.id;
        if let Some(question) = &self.view.asked {
            let holder = self.view.holder.as_ref().map(|holder| who(&holder.actor)).unwrap_or_default();
            return vec![self.line(Sign::Held, 2, &format!("{holder} is asked: {}", text::clean(question)))];
        }
        let words = match self.frame.looks_on {
            true => format!("  Ctrl-C leaves the run alone; to pause it: sidestep pause {run}"),
            false => format!("  Ctrl-C pauses after the present step; elsewhere: sidestep status {run} --watch"),
        };
        vec![self.style.paint(Tone::Faint, &words)]
    }

    fn bar(&self, done: usize, whole: usize) -> String {
        let full = (done.min(whole) * BAR).checked_div(whole).unwrap_or(0);
        let (on, off) = if self.style.unicode { ("\u{2588}", "\u{2591}") } else { ("#", "-") };
        format!("{}{}", on.repeat(full), self.style.paint(Tone::Faint, &off.repeat(BAR - full)))
    }

    fn spinner(&self) -> &'static str {
        const FINE: [&str; 10] = ["⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠧", "⠇", "⠏"];
        const PLAIN: [&str; 4] = ["|", "/", "-", "\\"];
        if self.style.unicode { FINE[self.frame.turn % FINE.len()] } else { PLAIN[self.frame.turn % PLAIN.len()] }
    }
}

fn size(number: i64) -> usize {
    usize::try_from(number).unwrap_or(0)
}

#[cfg(test)]
mod tests;
