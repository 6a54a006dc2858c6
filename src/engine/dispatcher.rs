//! The dispatcher: the one `select!`, and one synchronous handler for each thing that can come out of it.
//!
//! Per stage, in all of its lanes or those named: look at what is not known (when a run is taken up), then run the waves; lanes of a wave side by side. A failed lane
//! lets steps in flight finish and lets no new step start.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use futures_util::stream::{FuturesUnordered, StreamExt as _};
use tokio::sync::{mpsc, watch};

use super::control::{Control, Ending, StageStop};
use super::lane::{LaneEnd, LaneRun, Message, Released};
use super::look;
use crate::aws::Aws;
use crate::journal::{Request, Store};
use crate::model::{
    Actor, Direction, Error, Event, Failure, FailureKind, Lane, Noted, Progress, RecordBody, RunView, StageId, StagePlan,
    StepClass, StepId, StepPlan, StepState, Verdict,
};
use crate::stages::registry;
use crate::stages::step::{Context, Step};
use crate::stages::steps::APPROVAL;

/// Between looks for requests from other terminals.
const REQUEST_INTERVAL: Duration = Duration::from_secs(1);

/// Who is shown what happens, with the run as it stands after it.
pub type Sink<'a> = dyn FnMut(&RunView, &Event) + 'a;

/// Executes the plan of one run.
pub struct Engine<'a, S: Store> {
    pub(super) aws: &'a Aws,
    pub(super) store: &'a mut S,
    pub(super) view: RunView,
    sink: &'a mut Sink<'a>,
    control: &'a mut mpsc::UnboundedReceiver<Control>,
    /// Stages that the operator confirmed, or that need no confirmation.
    confirmed: BTreeSet<StageId>,
    /// Whether stages that want a confirmation stop for one.
    asks: bool,
    /// Whether steps that are done are looked at again in the stage where the run is taken up.
    revisit: bool,
    /// Whether the services have been claimed, as far as that is permitted: from then on it is only looked whose they are.
    pub(super) claimed: bool,
    /// Why the run is to stop, once it is.
    stop: Option<Ending>,
    leave: watch::Sender<bool>,
    released: watch::Sender<Released>,
    /// Who approves what is to be approved, where nobody is there to do it: in a rehearsal.
    approver: Option<Actor>,
}

impl<'a, S: Store> Engine<'a, S> {
    /// An engine for the run of `view`. With `asks`, stages that want a confirmation end the call with
    /// [`Ending::BeforeStage`] until they are among `confirmed`.
    pub fn new(
        aws: &'a Aws,
        store: &'a mut S,
        view: RunView,
        sink: &'a mut Sink<'a>,
        control: &'a mut mpsc::UnboundedReceiver<Control>,
        confirmed: BTreeSet<StageId>,
        asks: bool,
    ) -> Self {
        let mut known: Vec<_> = view.took_effect().collect();
        known.sort_by_key(|mutation| mutation.seq);
        for mutation in known {
            if let Some(Step::Mutation(code)) = registry::step(&mutation.step.action) {
                code.remember(aws, mutation);
            }
        }
        let (leave, released) = (watch::Sender::new(false), watch::Sender::new(Released::new()));
        let (revisit, claimed, stop, approver) = (true, false, None, None);
        Self { aws, store, view, sink, control, confirmed, asks, revisit, claimed, stop, leave, released, approver }
    }

    /// In a rehearsal there is nobody to ask: stages that want an approval get it from this name.
    #[must_use]
    pub fn approving(mut self, by: Option<Actor>) -> Self {
        self.approver = by;
        self
    }

    /// With `false`, steps that are done are not looked at again: the operator only keeps waiting.
    #[must_use]
    pub fn revisiting(mut self, revisit: bool) -> Self {
        self.revisit = revisit;
        self
    }

    /// Runs the plan from where it stands, until it is done or something stops it. Gives the run as it stands then.
    ///
    /// # Errors
    /// When the journal cannot be written or another process took over: nothing more was sent to AWS.
    pub async fn run(mut self) -> Result<(Ending, RunView), Error> {
        let ending = self.stages().await?;
        Ok((ending, self.view))
    }

    /// Takes the run's claims away: it is given up as it stands.
    ///
    /// # Errors
    /// As [`Engine::run`].
    pub async fn give_up_claims(mut self) -> Result<(), Error> {
        self.let_go().await
    }

    /// Looks at every step whose outcome is not known, so that a plan of the way back can be made of what is known. With `again`
    /// also whether what a way back did still stands: one that was left half-way may have been overtaken by others.
    ///
    /// # Errors
    /// As [`Engine::run`].
    pub async fn settle_unknown(mut self, again: bool) -> Result<(Option<Ending>, RunView), Error> {
        let stages = self.view.plan.stages.clone();
        let again = again && self.view.plan.direction == Direction::Back;
        for stage in &stages {
            let lanes: Vec<&Lane> = stage.lanes().collect();
            if let Some(ending) = self.look_at(&lanes, again, true).await? {
                return Ok((Some(ending), self.view));
            }
        }
        Ok((None, self.view))
    }

    async fn stages(&mut self) -> Result<Ending, Error> {
        loop {
            // Also when nothing is left: who asked in the last moment to go back is not told that all is done.
            self.take_requests()?;
            let stop = self.stop.take();
            let Some(stage) = self.view.current_stage().cloned() else {
                let asked = stop.filter(|stop| matches!(stop, Ending::RollbackAsked { .. }));
                // A run that has gone back only so far is not over: its services stay claimed.
                if asked.is_none() && self.view.went_back_to().is_none() {
                    self.let_go().await?;
                }
                return Ok(asked.unwrap_or(Ending::Complete));
            };
            if let Some(stop) = stop {
                return Ok(stop);
            }
            let wanted: Vec<&Lane> = stage.lanes().filter(|lane| self.view.is_wanted(&stage, lane)).collect();
            if wanted.iter().all(|lane| self.view.lane_done(lane)) {
                return Ok(Ending::LanesDone { stage: stage.id });
            }
            let begun = stage.steps().any(|step| self.view.state(&step.id) != StepState::Pending);
            if !begun && let Some(why) = self.stops_before(&stage) {
                return Ok(Ending::BeforeStage { stage: stage.id, why });
            }
            if let Some(ending) = self.see_to_claims().await? {
                return Ok(ending);
            }
            if begun {
                let here: Vec<&Lane> = wanted.iter().copied().filter(|lane| !self.view.went_further(&stage, lane)).collect();
                if let Some(ending) = self.look_at(&here, self.revisit, false).await? {
                    return Ok(ending);
                }
            }
            for wave in &stage.waves {
                let lanes = wave.lanes.iter().filter(|lane| wanted.iter().any(|known| known.id == lane.id));
                if let Some(ending) = self.wave(lanes).await? {
                    return Ok(ending);
                }
            }
        }
    }

    fn stops_before(&self, stage: &StagePlan) -> Option<StageStop> {
        if self.view.holds.contains(&stage.id) {
            return Some(StageStop::Hold);
        }
        (self.asks && stage.confirm && !self.confirmed.contains(&stage.id)).then_some(StageStop::Confirm)
    }

    // ----- looking -----

    /// Looks at the steps of a stage's lanes in order: those in doubt, and with `revisit` also whether what was done still stands.
    /// With `past_drift` it goes on past what is somebody else's: a rollback leaves that alone.
    async fn look_at(&mut self, lanes: &[&Lane], revisit: bool, past_drift: bool) -> Result<Option<Ending>, Error> {
        for lane in lanes {
            for (index, step) in lane.steps.iter().enumerate() {
                if step.class != StepClass::Mutation {
                    continue;
                }
                let state = self.view.state(&step.id);
                let doubtful = matches!(state, StepState::Started | StepState::InDoubt | StepState::Diverged);
                if !(doubtful || (revisit && state == StepState::Done)) {
                    continue;
                }
                let verdict = match self.verdict(step, doubtful).await {
                    Ok(verdict) => verdict,
                    Err(failure) => return Ok(Some(Ending::Failed { step: step.id.clone(), failure })),
                };
                if let Some(ending) = self.note_verdict(lane, index, verdict)?
                    && !past_drift
                {
                    return Ok(Some(ending));
                }
            }
        }
        Ok(None)
    }

    async fn verdict(&mut self, step: &StepPlan, doubtful: bool) -> Result<Verdict, Failure> {
        let Some(Step::Mutation(code)) = registry::step(&step.action) else {
            return Err(Failure::of(FailureKind::Mismatch, format!("this version does not know the action `{}`", step.action)));
        };
        let view = self.view.steps.get(&step.id);
        let intent = view.and_then(|view| view.intent.clone()).unwrap_or_default();
        let output = view.and_then(|view| view.output.clone()).unwrap_or_default();
        let attempt = view.map_or(1, |view| view.attempts);
        let params = look::resolve(step, |id| self.view.output(id))
            .map_err(|missing| Failure::of(FailureKind::Mismatch, format!("the output of step `{missing}` is not known")))?;
        let notes = std::cell::RefCell::new(Vec::new());
        let report = |progress: Progress| notes.borrow_mut().push(progress);
        let identity = self.view.plan.target.identity.clone();
        let cx = Context { aws: self.aws, run: &self.view.id, step: &step.id, attempt, identity: &identity, report: &report };
        let found = if doubtful {
            look::settle(code.as_ref(), &cx, &params, &intent).await
        } else {
            look::revisit(code.as_ref(), &cx, &params, &intent, &output).await
        };
        found.map_err(super::lane::failure_of)
    }

    /// Records what looking found, if it is news.
    fn note_verdict(&mut self, lane: &Lane, index: usize, verdict: Verdict) -> Result<Option<Ending>, Error> {
        let step = &lane.steps[index];
        let before = self.view.steps.get(&step.id);
        let unchanged = matches!((&verdict, before), (Verdict::Done { output }, Some(view))
            if view.state == StepState::Done && view.output.as_deref() == Some(output));
        if unchanged {
            return Ok(None);
        }
        let mut bodies = vec![RecordBody::StepObserved { step: step.id.clone(), verdict: verdict.clone() }];
        if matches!(verdict, Verdict::TakenBack { .. }) {
            // What followed rested on it.
            let why = format!("it follows `{}`, which was taken back", step.id);
            for later in &lane.steps[index + 1..] {
                if self.view.state(&later.id) == StepState::Done {
                    let verdict = Verdict::TakenBack { why: why.clone() };
                    bodies.push(RecordBody::StepObserved { step: later.id.clone(), verdict });
                }
            }
        }
        self.append(bodies)?;
        Ok(match verdict {
            Verdict::Diverged { differences } => {
                let failure =
                    Failure::of(FailureKind::Drift, format!("{}: something else is there", step.title)).because(differences);
                Some(Ending::Failed { step: step.id.clone(), failure })
            }
            _ => None,
        })
    }

    // ----- running -----

    /// Runs those of a wave's lanes that are not done; the strongest reason to stop, if there is one.
    async fn wave(&mut self, wave: impl Iterator<Item = &Lane>) -> Result<Option<Ending>, Error> {
        let (messages, mut inbox) = mpsc::unbounded_channel();
        let mut lanes = FuturesUnordered::new();
        for lane in wave {
            if !self.view.lane_done(lane) {
                lanes.push(self.lane(lane, messages.clone()).run());
            }
        }
        drop(messages);
        let clock = self.aws.clock.clone();
        let mut tick = Box::pin(clock.sleep(REQUEST_INTERVAL));
        while !lanes.is_empty() {
            // `biased`: a random choice of branch would make two runs of one seed differ.
            tokio::select! {
                biased;
                Some(control) = self.control.recv() => {
                    if self.on_control(control)? {
                        // Whatever is in flight is in doubt, as after a crash.
                        return Ok(self.stop.take());
                    }
                }
                Some(message) = inbox.recv() => self.on_message(message)?,
                Some(end) = lanes.next() => self.on_lane_end(end)?,
                () = &mut tick => {
                    self.take_requests()?;
                    tick = Box::pin(clock.sleep(REQUEST_INTERVAL));
                }
            }
        }
        Ok(self.stop.take())
    }

    fn lane(&self, lane: &Lane, messages: mpsc::UnboundedSender<Message>) -> LaneRun<'a> {
        let views = lane.steps.iter().filter_map(|step| Some((step.id.clone(), self.view.steps.get(&step.id)?.clone()))).collect();
        let outputs: BTreeMap<StepId, Noted> =
            self.view.steps.iter().filter_map(|(id, view)| Some((id.clone(), view.output.clone()?))).collect();
        LaneRun {
            aws: self.aws,
            run: self.view.id.clone(),
            identity: self.view.plan.target.identity.clone(),
            lane: lane.clone(),
            views,
            outputs,
            messages,
            leave: self.leave.subscribe(),
            released: self.released.subscribe(),
        }
    }

    fn on_message(&mut self, message: Message) -> Result<(), Error> {
        match message {
            Message::Progress { step, progress } => {
                let event = Event::Progress { step, at: self.aws.clock.now(), progress };
                (self.sink)(&self.view, &event);
            }
            Message::Write { bodies, done } => {
                let go = self.stop.is_none();
                let bodies: Vec<RecordBody> = if go { bodies } else { without_new_step(bodies) };
                let started: Vec<StepId> = bodies.iter().filter_map(started_step).cloned().collect();
                if !bodies.is_empty() {
                    self.append(bodies)?;
                }
                // A mutation leaves as soon as this is answered.
                if started.iter().any(|step| self.view.plan.step(step).is_some_and(|step| step.class == StepClass::Mutation)) {
                    self.store.check()?;
                    self.aws.note_lease();
                }
                // A lane that is gone needs no answer.
                let _ = done.send(go || !started.is_empty());
            }
        }
        Ok(())
    }

    fn on_lane_end(&mut self, end: LaneEnd) -> Result<(), Error> {
        match (end, self.approver.clone()) {
            (LaneEnd::Done | LaneEnd::Stopped, _) => {}
            (LaneEnd::Held { step, result, .. }, Some(by)) if result == APPROVAL => {
                let comment = "a rehearsal has nobody to ask".to_owned();
                self.append(vec![RecordBody::StepApproved { step, by, comment }])?;
            }
            (LaneEnd::Held { step, result, why }, _) => self.stop_for(Ending::Held { step, result, why }, false),
            (LaneEnd::Failed { step, failure }, _) => self.stop_for(Ending::Failed { step, failure }, false),
        }
        Ok(())
    }

    /// Lets no new step start; with `leave`, waits are left as well.
    fn stop_for(&mut self, ending: Ending, leave: bool) {
        self.stop = Some(match self.stop.take() {
            Some(before) => before.or(ending),
            None => ending,
        });
        if leave {
            self.leave.send_replace(true);
        }
    }

    /// `true`: stop now, dropping what is in flight.
    fn on_control(&mut self, control: Control) -> Result<bool, Error> {
        match control {
            Control::Pause { by, how } => {
                self.append(vec![RecordBody::PauseAsked { by, how: how.clone() }])?;
                self.stop_for(Ending::Paused { how }, true);
            }
            Control::StopNow => {
                self.stop_for(Ending::Paused { how: "stopped at once".to_owned() }, true);
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn take_requests(&mut self) -> Result<(), Error> {
        for request in self.store.take_requests()? {
            match request {
                Request::Pause { by } => {
                    let how = format!("`sidestep pause` by {}@{}", by.user, by.host);
                    self.append(vec![RecordBody::PauseAsked { by, how: "`sidestep pause`".to_owned() }])?;
                    self.stop_for(Ending::Paused { how }, true);
                }
                Request::Rollback { by, extent } => self.stop_for(Ending::RollbackAsked { extent, by }, true),
                Request::HoldBefore { stage, by } => match hold_applies(&self.view, &stage) {
                    Ok(()) => self.append(vec![RecordBody::HoldSet { stage, by }])?,
                    Err(why) => self.refuse(format!("hold-before {stage}"), by, why)?,
                },
                Request::ClearHold { stage, by } if self.view.holds.contains(&stage) => {
                    self.append(vec![RecordBody::HoldCleared { stage, by }])?;
                }
                Request::ClearHold { stage, by } => {
                    self.refuse(format!("hold-before {stage} --lift"), by, "there is no hold before it".to_owned())?;
                }
                Request::Approve { by, comment, step } => self.approve(by, comment, step)?,
                Request::GoOn { by } => self.refuse("resume".to_owned(), by, "it is under way already".to_owned())?,
            }
        }
        Ok(())
    }

    /// Opens a step that is held, or ends a time of watching.
    fn approve(&mut self, by: Actor, comment: String, step: Option<StepId>) -> Result<(), Error> {
        let Some(step) = step.or_else(|| self.view.to_approve().map(|step| step.id.clone())) else {
            return self.refuse("approve".to_owned(), by, "no step of it waits for a person".to_owned());
        };
        match self.view.state(&step) {
            StepState::Held => self.append(vec![RecordBody::StepApproved { step, by, comment }]),
            StepState::Started => {
                self.released.send_modify(|known| drop(known.insert(step, (by, comment))));
                Ok(())
            }
            _ => self.refuse("approve".to_owned(), by, "the step that it was meant for does not wait any more".to_owned()),
        }
    }

    /// What was asked does not apply: that is on record, and shown where the run is watched.
    fn refuse(&mut self, request: String, by: Actor, why: String) -> Result<(), Error> {
        self.append(vec![RecordBody::RequestRefused { request, by, why }])
    }

    /// Makes records durable, folds them, and only then shows them.
    pub(super) fn append(&mut self, bodies: Vec<RecordBody>) -> Result<(), Error> {
        let records = self.store.append(self.aws.clock.now(), bodies)?;
        for record in records {
            self.view.apply(&record).map_err(|error| Error::Internal { message: error.to_string() })?;
            (self.sink)(&self.view, &Event::Record(record));
        }
        Ok(())
    }
}

/// Whether a run can still be stopped before a stage; if not, why.
///
/// # Errors
/// In words, why not.
pub fn hold_applies(view: &RunView, stage: &StageId) -> Result<(), String> {
    let Some(planned) = view.plan.stages.iter().find(|known| known.id == *stage) else {
        return Err(match view.plan.direction {
            Direction::Back => "the run goes back, and that stage is not on its way".to_owned(),
            Direction::Forward => format!("its plan has no stage `{stage}`"),
        });
    };
    if view.stage_done(stage) {
        return Err(format!("stage `{stage}` is done"));
    }
    if planned.steps().any(|step| view.state(&step.id) != StepState::Pending) {
        return Err(format!("stage `{stage}` has begun"));
    }
    Ok(())
}

fn started_step(body: &RecordBody) -> Option<&StepId> {
    match body {
        RecordBody::StepStarted { step, .. } => Some(step),
        _ => None,
    }
}

/// What may still be written when no step may start: outcomes, but no start; and nothing that would follow such a start.
fn without_new_step(bodies: Vec<RecordBody>) -> Vec<RecordBody> {
    bodies.into_iter().take_while(|body| !matches!(body, RecordBody::StepStarted { .. })).collect()
}
