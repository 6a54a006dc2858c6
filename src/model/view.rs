//! The fold: from a run's records to where it stands. Resume, rollback, `status` and the report all read this and nothing else.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;

use super::{
    AWAIT_SERVING, Actor, Adoption, CallNote, ClaimView, Direction, Extent, Failure, FailureKind, GATE_BAKE, Holder,
    IllegalTransition, Noted, Outcome, Plan, Record, RecordBody, RunId, StageId, StepClass, StepEvent, StepId, StepPlan, StepState,
    Verdict, digest, next_state,
};

/// Where a run stands.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RunView {
    /// The run.
    pub id: RunId,
    /// The plan it executes now.
    pub plan: Plan,
    /// The forward plan in force: the same as `plan` unless the run goes back.
    pub forward: Plan,
    /// How many plans it has had: 1 at the start, one more for each amendment or rollback.
    pub epoch: u32,
    /// Why the present plan was adopted.
    pub adoption: Adoption,
    /// The steps of the present plan.
    pub steps: BTreeMap<StepId, StepView>,
    /// Every mutation that took effect and was not taken back, in order: what a rollback inverts.
    pub mutations: Vec<Mutation>,
    /// Mutations that a step of the way back has undone, with that step: they stand again when it is found not to stand.
    #[serde(skip)]
    undone: Vec<(StepId, Mutation)>,
    /// Where the steps of the forward plan stood when the run turned back: what is not undone meanwhile stays done.
    #[serde(skip)]
    pub(super) turned_from: BTreeMap<StepId, StepView>,
    /// Stages before which the run is to stop.
    pub holds: BTreeSet<StageId>,
    /// The targets whose lanes alone run in this session; all lanes where it is empty.
    pub lanes: BTreeSet<String>,
    /// Findings accepted, by id.
    pub accepted: BTreeSet<String>,
    /// What the process that holds the run asks the person at its terminal, and waits for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub asked: Option<String>,
    /// The claims that it made and has not taken away, by service.
    pub claims: BTreeMap<String, ClaimView>,
    /// The process that took the run up last.
    pub holder: Option<Holder>,
    /// Whether that process left in order.
    pub closed: bool,
    /// How it ended, if it did, and the reason given.
    pub ended: Option<(Outcome, String)>,
    /// When the first record was written.
    pub started_at: Timestamp,
    /// When the last record was written.
    pub updated_at: Timestamp,
    /// Number of the last record.
    pub last_seq: u64,
}

/// Where a step stands.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct StepView {
    /// Its state.
    pub state: StepState,
    /// Times it was started.
    pub attempts: u32,
    /// What the last attempt intended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub intent: Option<Noted>,
    /// What it gave, when done.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output: Option<Noted>,
    /// Why it failed or is in doubt, or what it is held for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trouble: Option<Failure>,
    /// Result and reason, when held.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub held: Option<(String, String)>,
    /// Why it was passed over, and who decided.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub skipped: Option<(String, Option<Actor>)>,
    /// When it was last started.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub started_at: Option<Timestamp>,
    /// When it last changed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub changed_at: Option<Timestamp>,
}

/// A mutation as the journal knows it, in whichever plan it was made.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Mutation {
    /// Number of the record that started it.
    pub seq: u64,
    /// The stage.
    pub stage: StageId,
    /// The lane's target.
    pub target: String,
    /// The step as planned.
    pub step: StepPlan,
    /// Which attempt.
    pub attempt: u32,
    /// What it intended, with what was there before.
    pub intent: Noted,
    /// What it gave; `None` while the outcome is not known.
    pub output: Option<Noted>,
    /// The call, where known.
    pub call: Option<CallNote>,
    /// When it was started.
    pub at: Timestamp,
    /// Whether it was made while going back: such a mutation is itself an undo and is never inverted.
    pub direction: Direction,
    /// The plan epoch it was made in.
    pub epoch: u32,
}

/// In a word, for lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum RunStatus {
    /// Not ended, nothing in the way: it runs, or can be resumed.
    Open,
    /// A step waits for a person.
    Held,
    /// A step failed or diverged.
    Stopped,
    /// A step of a rollback failed for good.
    Stuck,
    /// All stages done.
    Done,
    /// Rolled back.
    RolledBack,
    /// Given up.
    Abandoned,
}

/// Why records cannot be folded.
#[derive(Debug, thiserror::Error)]
pub enum FoldError {
    /// A journal begins with a plan.
    #[error("record 1 does not adopt a plan")]
    NoPlan,
    /// Records must follow one another.
    #[error("record {found} follows record {after}")]
    Gap {
        /// The last good one.
        after: u64,
        /// The next.
        found: u64,
    },
    /// A step that the plan does not have.
    #[error("record {seq} is about step `{step}`, which the plan does not have")]
    UnknownStep {
        /// The record.
        seq: u64,
        /// The step.
        step: StepId,
    },
    /// Not in the table.
    #[error("record {seq}, step `{step}`: {source}")]
    Illegal {
        /// The record.
        seq: u64,
        /// The step.
        step: StepId,
        /// The transition.
        source: IllegalTransition,
    },
    /// Nothing may follow the end.
    #[error("record {seq} follows the end of the run")]
    AfterEnd {
        /// The record.
        seq: u64,
    },
}

impl StepView {
    fn pending() -> Self {
        Self {
            state: StepState::Pending,
            attempts: 0,
            intent: None,
            output: None,
            trouble: None,
            held: None,
            skipped: None,
            started_at: None,
            changed_at: None,
        }
    }
}

impl RunView {
    /// Folds a whole journal.
    ///
    /// # Errors
    /// [`FoldError`] when the records are not a journal that this program could have written.
    pub fn fold<'a>(records: impl IntoIterator<Item = &'a Record>) -> Result<Self, FoldError> {
        let mut records = records.into_iter();
        let first = records.next().ok_or(FoldError::NoPlan)?;
        let RecordBody::PlanAdopted { plan, why, .. } = &first.body else { return Err(FoldError::NoPlan) };
        if first.seq != 1 {
            return Err(FoldError::Gap { after: 0, found: first.seq });
        }
        let mut view = Self {
            id: plan.run.clone(),
            plan: (**plan).clone(),
            forward: (**plan).clone(),
            epoch: 1,
            adoption: why.clone(),
            steps: plan.steps().map(|(_, _, step)| (step.id.clone(), StepView::pending())).collect(),
            mutations: Vec::new(),
            undone: Vec::new(),
            turned_from: BTreeMap::new(),
            holds: BTreeSet::new(),
            lanes: BTreeSet::new(),
            accepted: BTreeSet::new(),
            asked: None,
            claims: BTreeMap::new(),
            holder: None,
            closed: true,
            ended: None,
            started_at: first.at,
            updated_at: first.at,
            last_seq: 1,
        };
        for record in records {
            view.apply(record)?;
        }
        Ok(view)
    }

    /// Applies one more record.
    ///
    /// # Errors
    /// [`FoldError`]; the view is then not to be used any more.
    pub fn apply(&mut self, record: &Record) -> Result<(), FoldError> {
        if record.seq != self.last_seq + 1 {
            return Err(FoldError::Gap { after: self.last_seq, found: record.seq });
        }
        // A run that is over may be taken up again, to roll it back: a session opens, then a plan is adopted.
        let may_follow_the_end = matches!(
            record.body,
            RecordBody::SessionOpened { .. }
                | RecordBody::TakenOver { .. }
                | RecordBody::SessionClosed { .. }
                | RecordBody::PlanAdopted { .. }
        );
        if self.ended.is_some() && !may_follow_the_end {
            return Err(FoldError::AfterEnd { seq: record.seq });
        }
        self.last_seq = record.seq;
        self.updated_at = record.at;
        match &record.body {
            RecordBody::PlanAdopted { plan, why, .. } => self.adopt(plan, why),
            RecordBody::SessionOpened { holder } | RecordBody::TakenOver { by: holder, .. } => {
                self.holder = Some(holder.clone());
                self.closed = false;
                self.asked = None;
                self.lanes.clear();
            }
            RecordBody::LanesNamed { lanes, .. } => self.lanes.clone_from(lanes),
            RecordBody::Claim { service, change } => self.note_claim(service, change, record.at),
            RecordBody::SessionClosed { .. } => {
                self.closed = true;
                self.asked = None;
            }
            RecordBody::FindingAccepted { finding, .. } => {
                self.accepted.insert(finding.clone());
            }
            RecordBody::HoldSet { stage, .. } => {
                self.holds.insert(stage.clone());
            }
            RecordBody::HoldCleared { stage, .. } => {
                self.holds.remove(stage);
            }
            RecordBody::Asked { question, .. } => self.asked = Some(question.clone()),
            RecordBody::Answered { .. } => self.asked = None,
            RecordBody::PauseAsked { .. } | RecordBody::RequestRefused { .. } => {}
            RecordBody::RunEnded { outcome, why } => self.ended = Some((*outcome, why.clone())),
            body => self.apply_to_step(record, body)?,
        }
        Ok(())
    }

    /// A new plan: what is done stays done where the step is the same to the letter, and so is what it rests on.
    ///
    /// A step whose input comes from one that begins anew would be done with another value now; a wait or a verification after
    /// one that begins anew has seen something else. Both begin anew too.
    fn adopt(&mut self, plan: &Plan, why: &Adoption) {
        if self.plan.direction == Direction::Forward && plan.direction == Direction::Back {
            self.turned_from = std::mem::take(&mut self.steps);
        }
        // A plan made anew from what is found in the account does not need to know what was done; the old one does.
        let again = *why == Adoption::Forward;
        if again {
            self.steps = self.still_standing();
        }
        let before = if again { &self.forward } else { &self.plan };
        let mut steps = BTreeMap::new();
        let mut anew = BTreeSet::new();
        for (_, lane) in plan.lanes() {
            let mut lane_anew = false;
            for step in &lane.steps {
                let rests_on_new = step.inputs.values().any(|input| anew.contains(&input.step));
                let sees_new = lane_anew && step.class != StepClass::Mutation;
                let same = before.step(&step.id).is_some_and(|old| same_to_the_letter(old, step));
                // Who plans anew means to try again what was passed over.
                let kept = (self.steps.remove(&step.id))
                    .filter(|view| same && !rests_on_new && !sees_new && view.state != StepState::Skipped);
                if kept.is_none() {
                    anew.insert(step.id.clone());
                    lane_anew = true;
                }
                steps.insert(step.id.clone(), kept.unwrap_or_else(StepView::pending));
            }
        }
        self.steps = steps;
        self.plan = plan.clone();
        if plan.direction == Direction::Forward {
            self.forward = plan.clone();
        }
        self.epoch += 1;
        self.adoption = why.clone();
        self.lanes.clear();
        // A run that was over is taken up again, for example to roll back a migration that is done.
        self.ended = None;
    }

    fn apply_to_step(&mut self, record: &Record, body: &RecordBody) -> Result<(), FoldError> {
        let (Some(id), Some(event)) = (body.step(), StepEvent::of(body)) else { return Ok(()) };
        let unknown = || FoldError::UnknownStep { seq: record.seq, step: id.clone() };
        let (stage, lane, planned) = self.plan.steps().find(|(_, _, planned)| planned.id == *id).ok_or_else(unknown)?;
        let step = self.steps.get_mut(id).ok_or_else(unknown)?;
        let state = next_state(planned.class, step.state, event).map_err(|source| FoldError::Illegal {
            seq: record.seq,
            step: id.clone(),
            source,
        })?;
        step.state = state;
        step.changed_at = Some(record.at);
        step.held = None;
        match body {
            RecordBody::StepStarted { attempt, intent, .. } => {
                step.attempts = *attempt;
                step.intent = Some(intent.clone());
                step.started_at = Some(record.at);
                step.output = None;
                step.trouble = None;
            }
            RecordBody::StepSucceeded { output, .. } => {
                step.output = Some(output.clone());
                step.trouble = None;
            }
            RecordBody::StepFailed { failure, .. } | RecordBody::StepInDoubt { failure, .. } => {
                step.trouble = Some(failure.clone())
            }
            RecordBody::StepSkipped { reason, by, .. } => step.skipped = Some((reason.clone(), by.clone())),
            RecordBody::StepHeld { result, why, .. } => step.held = Some((result.clone(), why.clone())),
            RecordBody::StepApproved { by, comment, .. } => {
                step.output = Some(serde_json::json!({ "result": "approved", "by": by.user, "comment": comment }).into());
            }
            RecordBody::StepObserved { verdict, .. } => match verdict {
                Verdict::Done { output } => {
                    step.output = Some(output.clone().into());
                    step.trouble = None;
                }
                Verdict::NotDone { .. } | Verdict::TakenBack { .. } => {
                    step.output = None;
                    step.trouble = None;
                }
                Verdict::Diverged { differences } => {
                    step.trouble = Some(Failure {
                        kind: FailureKind::Drift,
                        message: "what is found is not what was left".to_owned(),
                        causes: differences.clone(),
                        code: None,
                        request_id: None,
                    });
                }
            },
            _ => {}
        }
        if planned.class == StepClass::Mutation {
            let made = || Mutation {
                seq: record.seq,
                stage: stage.id.clone(),
                target: lane.target.clone(),
                step: planned.clone(),
                attempt: 0,
                intent: Noted::default(),
                output: None,
                call: None,
                at: record.at,
                direction: self.plan.direction,
                epoch: self.epoch,
            };
            note_mutation(&mut self.mutations, made, id, body);
        }
        let again = matches!(event, StepEvent::ObservedTakenBack | StepEvent::ObservedDiverged);
        if state.is_over() {
            if state == StepState::Done {
                self.forget_undone(id);
            }
            // What was done anew after a person had decided that it need not be seen.
            for unseen in self.unseen_beside(id) {
                self.forget_undone(&unseen);
            }
        } else if again && self.plan.direction == Direction::Back {
            self.recall_undone(id);
        }
        Ok(())
    }

    /// The steps that look whether an undo serves and were passed over, of the undo that a step belongs to, where all its other steps
    /// are done: it stands, though nobody has seen it serve.
    fn unseen_beside(&self, id: &StepId) -> Vec<StepId> {
        let Some((_, lane, step)) = self.plan.steps().find(|(_, _, step)| step.id == *id) else { return Vec::new() };
        let together = || lane.steps.iter().filter(|known| known.undo_of().is_some() && known.undo_of() == step.undo_of());
        let (looks, others): (Vec<_>, Vec<_>) = together().partition(|known| known.action == AWAIT_SERVING);
        if others.iter().any(|known| self.state(&known.id) != StepState::Done) {
            return Vec::new();
        }
        looks.iter().filter(|known| self.state(&known.id) == StepState::Skipped).map(|known| known.id.clone()).collect()
    }

    /// What a step of a way back has undone does not stand any more.
    fn forget_undone(&mut self, id: &StepId) {
        let undone: Vec<u64> = self.plan.step(id).map(|step| step.undoes().collect()).unwrap_or_default();
        if undone.is_empty() {
            return;
        }
        let (gone, standing): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.mutations).into_iter().partition(|known| undone.contains(&known.seq));
        self.mutations = standing;
        self.undone.extend(gone.into_iter().map(|mutation| (id.clone(), mutation)));
    }

    /// An undo that is found not to stand has undone nothing: it is none, and what it had undone stands again.
    fn recall_undone(&mut self, id: &StepId) {
        let Some((_, lane, step)) = self.plan.steps().find(|(_, _, step)| step.id == *id) else { return };
        let together = |by: &StepId| {
            lane.steps.iter().any(|known| known.id == *by && known.undo_of().is_some() && known.undo_of() == step.undo_of())
        };
        let (again, undone): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.undone).into_iter().partition(|(by, _)| by == id || together(by));
        self.undone = undone;
        self.mutations.retain(|mutation| mutation.direction == Direction::Forward || mutation.step.id != *id);
        self.mutations.extend(again.into_iter().map(|(_, mutation)| mutation));
        self.mutations.sort_by_key(|mutation| mutation.seq);
    }

    /// Every mutation that took effect once, whether it stands or was undone; in no order.
    pub fn took_effect(&self) -> impl Iterator<Item = &Mutation> {
        let all = self.mutations.iter().chain(self.undone.iter().map(|(_, mutation)| mutation));
        all.filter(|mutation| mutation.output.is_some())
    }

    /// The state of a step; a step that the plan does not have is pending.
    pub fn state(&self, step: &StepId) -> StepState {
        self.steps.get(step).map_or(StepState::Pending, |view| view.state)
    }

    /// Whether every step of the stage is done or passed over.
    pub fn stage_done(&self, stage: &StageId) -> bool {
        self.plan
            .stages
            .iter()
            .filter(|plan| plan.id == *stage)
            .flat_map(|plan| plan.steps())
            .all(|step| self.state(&step.id).is_over())
    }

    /// The first stage that is not done.
    pub fn current_stage(&self) -> Option<&super::StagePlan> {
        self.plan.stages.iter().find(|stage| !self.stage_done(&stage.id))
    }

    /// Whether every step of the plan is done or passed over.
    pub fn all_done(&self) -> bool {
        self.current_stage().is_none()
    }

    /// How far a way back went that was to go only so far, and has: from here the run goes forward again, or back to its start. None
    /// where a whole way back is gone and only its end is not in the journal yet: that run goes nowhere but to its end.
    pub fn went_back_to(&self) -> Option<&Extent> {
        match &self.adoption {
            Adoption::Rollback(extent) if !extent.is_whole() && self.ended.is_none() && self.all_done() => Some(extent),
            _ => None,
        }
    }

    /// Whether the run is on its way back: also where all is undone and only the end is not in the journal yet. Not where it went as
    /// far back as was asked, and not once it is over: from there another way back is another plan.
    pub fn goes_back(&self) -> bool {
        self.plan.direction == Direction::Back && self.ended.is_none() && self.went_back_to().is_none()
    }

    /// The steps in a state that needs somebody: failed, in doubt, held, diverged.
    pub fn troubled(&self) -> impl Iterator<Item = (&StepPlan, &StepView)> {
        self.plan.steps().filter_map(|(_, _, step)| {
            let view = self.steps.get(&step.id)?;
            matches!(view.state, StepState::Failed | StepState::InDoubt | StepState::Held | StepState::Diverged)
                .then_some((step, view))
        })
    }

    /// The step that a person can open: one that is held, or a time of watching under way.
    pub fn to_approve(&self) -> Option<&StepPlan> {
        let held = self.troubled().find(|(_, view)| view.state == StepState::Held).map(|(step, _)| step);
        let baking = |step: &StepPlan| step.action == GATE_BAKE && self.state(&step.id) == StepState::Started;
        held.or_else(|| self.plan.steps().map(|(_, _, step)| step).find(|step| baking(step)))
    }

    /// In a word.
    pub fn status(&self) -> RunStatus {
        if let Some((outcome, _)) = &self.ended {
            return match outcome {
                Outcome::Done => RunStatus::Done,
                Outcome::RolledBack => RunStatus::RolledBack,
                Outcome::Abandoned => RunStatus::Abandoned,
            };
        }
        let mut status = RunStatus::Open;
        for (_, step) in self.troubled() {
            match step.state {
                StepState::Held if status == RunStatus::Open => status = RunStatus::Held,
                StepState::Failed if step.trouble.as_ref().is_some_and(|trouble| trouble.kind == FailureKind::Stuck) => {
                    return RunStatus::Stuck;
                }
                StepState::Failed | StepState::Diverged => status = RunStatus::Stopped,
                _ => {}
            }
        }
        status
    }

    /// Whether the way back met, in this step, what somebody else made of a service.
    pub fn moved_on(&self, step: &StepId, failure: &Failure) -> bool {
        self.plan.direction == Direction::Back
            && failure.kind == FailureKind::Drift
            && self.plan.step(step).is_some_and(StepPlan::restores)
    }

    /// The output of a step that is done.
    pub fn output(&self, step: &StepId) -> Option<&Value> {
        self.steps.get(step).and_then(|view| view.output.as_deref())
    }
}

/// Keeps the list of mutations that stand (or may stand). `begun` gives one that is about to be made.
fn note_mutation(mutations: &mut Vec<Mutation>, begun: impl FnOnce() -> Mutation, id: &StepId, body: &RecordBody) {
    if let RecordBody::StepStarted { attempt, intent, .. } = body {
        mutations.push(Mutation { attempt: *attempt, intent: intent.clone(), ..begun() });
        return;
    }
    let Some(at) = mutations.iter().rposition(|mutation| mutation.step.id == *id) else { return };
    match body {
        RecordBody::StepSucceeded { output, call, .. } => {
            mutations[at].output = Some(output.clone());
            mutations[at].call.clone_from(call);
        }
        RecordBody::StepObserved { verdict: Verdict::Done { output }, .. } => mutations[at].output = Some(output.clone().into()),
        // One that has an output was made once, whatever is found later: it stays to be undone.
        RecordBody::StepFailed { .. } | RecordBody::StepObserved { verdict: Verdict::NotDone { .. }, .. }
            if mutations[at].output.is_none() =>
        {
            mutations.remove(at);
        }
        // Taken back by AWS: the mutation was made, and what it left behind (a revision, say) is still to be undone.
        _ => {}
    }
}

/// Whether two steps of one id do the same: title and deadline may differ.
fn same_to_the_letter(old: &StepPlan, new: &StepPlan) -> bool {
    let fingerprint = |step: &StepPlan| digest(&serde_json::json!([step.action, step.params, step.inputs]));
    old.class == new.class && fingerprint(old) == fingerprint(new)
}

impl RecordBody {
    /// The step that the record is about.
    pub fn step(&self) -> Option<&StepId> {
        match self {
            Self::StepStarted { step, .. }
            | Self::StepSucceeded { step, .. }
            | Self::StepFailed { step, .. }
            | Self::StepInDoubt { step, .. }
            | Self::StepObserved { step, .. }
            | Self::StepLeft { step }
            | Self::StepHeld { step, .. }
            | Self::StepApproved { step, .. }
            | Self::StepSkipped { step, .. } => Some(step),
            _ => None,
        }
    }
}
