//! How long a run took and its stages took, against what the plan expected.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};

use crate::model::{Direction, Lane, Plan, Record, RecordBody, RunView, StageId, StagePlan, StepId, StepState};
use crate::ui::status_view::{StageState, but_for, stage_state};

use super::course::Course;
use super::value::{LaneRow, Passage, SessionEnd, StageRow, Times, Took};

/// From a moment to a later one.
type Span = (Timestamp, Timestamp);

/// When a step was under way: from each start to the record that ended it, or to the last sign of life of its process.
fn spans(records: &[Record]) -> BTreeMap<StepId, Vec<Span>> {
    let mut spans: BTreeMap<StepId, Vec<Span>> = BTreeMap::new();
    let mut open: BTreeMap<StepId, Timestamp> = BTreeMap::new();
    let mut last = None;
    for record in records {
        match (&record.body, record.body.step()) {
            (RecordBody::StepStarted { step, .. }, _) => {
                open.insert(step.clone(), record.at);
            }
            (RecordBody::SessionOpened { .. } | RecordBody::TakenOver { .. }, _) => {
                let ended = last.unwrap_or(record.at);
                for (step, from) in std::mem::take(&mut open) {
                    spans.entry(step).or_default().push((from, ended));
                }
            }
            (_, Some(step)) => {
                if let Some(from) = open.remove(step) {
                    spans.entry(step.clone()).or_default().push((from, record.at));
                }
            }
            _ => {}
        }
        last = Some(record.at);
    }
    for (step, from) in open {
        spans.entry(step).or_default().push((from, last.unwrap_or(from)));
    }
    spans
}

/// How long at least one of the spans lasted.
fn union(spans: impl Iterator<Item = Span>) -> Took {
    let mut spans: Vec<Span> = spans.filter(|(from, to)| from < to).collect();
    spans.sort_unstable();
    let mut sum = SignedDuration::ZERO;
    let mut covered: Option<Timestamp> = None;
    for (from, to) in spans {
        let from = covered.map_or(from, |covered| from.max(covered));
        if from < to {
            sum += to.duration_since(from);
            covered = Some(to);
        }
    }
    Took(sum)
}

/// How long the whole run took.
pub(super) fn times(records: &[Record], course: &Course, view: &RunView) -> Times {
    let first = records.iter().find_map(|record| match &record.body {
        RecordBody::PlanAdopted { plan, .. } => Some(plan.outlook.seconds),
        _ => None,
    });
    let gaps =
        course.sessions.windows(2).filter(|pair| pair[0].end != SessionEnd::TakenOver).map(|pair| (pair[0].to, pair[1].from));
    Times {
        elapsed: Took(view.updated_at.duration_since(view.started_at)),
        at_work: union(spans(records).into_values().flatten()),
        unattended: union(gaps),
        predicted: first.filter(|seconds| *seconds > 0).map(seconds),
    }
}

fn seconds(seconds: u64) -> Took {
    Took(SignedDuration::from_secs(i64::try_from(seconds).unwrap_or(i64::MAX)))
}

/// The ways that the run went. A plan that goes on in the same direction is the same way.
pub(super) fn passages(records: &[Record], view: &RunView) -> Vec<Passage> {
    let mut passages = Vec::new();
    let mut begun = 0;
    let mut before: Option<RunView> = None;
    for (at, record) in records.iter().enumerate() {
        let turns =
            |view: &RunView| matches!(&record.body, RecordBody::PlanAdopted { plan, .. } if plan.direction != view.plan.direction);
        if let Some(known) = before.as_ref().filter(|known| turns(known)) {
            passages.push(passage(&records[begun..at], known));
            begun = at;
        }
        match &mut before {
            // What cannot be folded was found out before.
            Some(known) => _ = known.apply(record),
            None => before = RunView::fold(std::iter::once(record)).ok(),
        }
    }
    passages.push(passage(&records[begun..], view));
    passages
}

fn passage(records: &[Record], view: &RunView) -> Passage {
    let spans = spans(records);
    let plans: Vec<&Plan> = records
        .iter()
        .filter_map(|record| match &record.body {
            RecordBody::PlanAdopted { plan, .. } => Some(&**plan),
            _ => None,
        })
        .collect();
    let way = Way { view, plans, spans };
    let stages = view.plan.stages.iter().zip(1..).map(|(stage, number)| way.stage(stage, number)).collect();
    Passage { direction: view.plan.direction, stages }
}

/// What is known of a way.
struct Way<'a> {
    /// As it stood at its end.
    view: &'a RunView,
    /// Its plans, in order. A later one does not hold what was done by then.
    plans: Vec<&'a Plan>,
    /// When its steps were under way.
    spans: BTreeMap<StepId, Vec<Span>>,
}

impl Way<'_> {
    fn stage(&self, stage: &StagePlan, number: usize) -> StageRow {
        let mut lanes: Vec<LaneRow> = Vec::new();
        let mut all: BTreeSet<Span> = BTreeSet::new();
        for target in self.targets(&stage.id) {
            let spans = self.worked(&stage.id, target);
            let planned = stage.lanes().find(|lane| lane.target == target);
            let of = |wanted: fn(StepState) -> bool| {
                planned.map(|lane| lane.steps.iter().filter(|step| wanted(self.view.state(&step.id))).count())
            };
            lanes.push(LaneRow {
                target: target.to_owned(),
                done: of(|state| state == StepState::Done).unwrap_or_default(),
                steps: of(|_| true).unwrap_or_default(),
                at_work: union(spans.iter().copied()),
            });
            all.extend(spans);
        }
        let state = match stage_state(self.view, stage) {
            StageState::Done if self.view.plan.direction == Direction::Back => format!("undone{}", but_for(self.view, stage)),
            // It was done under an earlier plan, and the present one has found it so.
            StageState::AlreadySo if !all.is_empty() => StageState::Done.word().to_owned(),
            state => state.word().to_owned(),
        };
        StageRow {
            number,
            stage: stage.id.clone(),
            state,
            from: all.iter().map(|(from, _)| *from).min(),
            to: all.iter().map(|(_, to)| *to).max(),
            at_work: union(all.into_iter()),
            predicted: self.plans.iter().find_map(|plan| plan.outlook.stages.get(&stage.id)).copied().map(seconds),
            lanes,
        }
    }

    fn lanes<'s>(&'s self, stage: &'s StageId) -> impl Iterator<Item = &'s Lane> {
        self.plans.iter().flat_map(|plan| plan.lanes()).filter(move |(known, _)| known.id == *stage).map(|(_, lane)| lane)
    }

    /// What the lanes of a stage work on, by any of the plans.
    fn targets<'s>(&'s self, stage: &'s StageId) -> Vec<&'s str> {
        let mut targets: Vec<&str> = Vec::new();
        for lane in self.lanes(stage) {
            if !targets.contains(&lane.target.as_str()) {
                targets.push(&lane.target);
            }
        }
        targets
    }

    /// When a step for a target was under way.
    fn worked(&self, stage: &StageId, target: &str) -> BTreeSet<Span> {
        let lanes = self.lanes(stage).filter(|lane| lane.target == target);
        lanes.flat_map(|lane| &lane.steps).filter_map(|step| self.spans.get(&step.id)).flatten().copied().collect()
    }
}
