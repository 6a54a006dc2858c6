//! One lane: its steps in order. It asks the dispatcher to make records durable and never writes itself.
//!
//! The outcome of a step and the intent of the next share one commit where nothing has to be read in between, so that a
//! checkpoint costs about one durable write.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::sync::{mpsc, oneshot, watch};

use super::look;
use crate::aws::{Aws, Class, heard};
use crate::model::{Actor, Failure, FailureKind, Lane, Noted, Progress, RecordBody, RunId, StepId, StepPlan, StepView, Verdict};
use crate::stages::registry;
use crate::stages::step::{Applied, Context, MutationStep, Polled, Prepared, Step, StepError, WaitStep};

/// Attempts of one mutation within one call of the engine, when looking shows that it did not take effect.
const ATTEMPTS: u32 = 3;
/// The longest a wait may last when the plan says nothing.
const DEADLINE: Duration = Duration::from_secs(30 * 60);

/// From a lane to the dispatcher.
pub(super) enum Message {
    /// Make these durable. Answered when they are; `false` means: the step in them was not started, stop.
    Write { bodies: Vec<RecordBody>, done: oneshot::Sender<bool> },
    /// Passing news.
    Progress { step: StepId, progress: Progress },
}

/// How a lane ends.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum LaneEnd {
    /// Every step is done.
    Done,
    /// Asked to stop.
    Stopped,
    /// A verification needs a person.
    Held { step: StepId, result: String, why: String },
    /// A step failed.
    Failed { step: StepId, failure: Failure },
}

/// What a lane needs.
pub(super) struct LaneRun<'a> {
    pub(super) aws: &'a Aws,
    pub(super) run: RunId,
    pub(super) identity: String,
    pub(super) lane: Lane,
    /// The steps' states when the lane begins.
    pub(super) views: BTreeMap<StepId, StepView>,
    /// Outputs of steps that are done, this lane's and earlier stages'.
    pub(super) outputs: BTreeMap<StepId, Noted>,
    pub(super) messages: mpsc::UnboundedSender<Message>,
    /// Turns true when waits are to be left.
    pub(super) leave: watch::Receiver<bool>,
    /// Times of watching that a person ended early.
    pub(super) released: watch::Receiver<Released>,
}

/// Steps whose wait a person ended early, with who and what they said.
pub(super) type Released = BTreeMap<StepId, (Actor, String)>;

/// Why a wait does not go on.
enum Interrupted {
    /// The run is asked to stop.
    Left,
    /// A person ended it.
    Released(Actor, String),
}

/// The dispatcher is gone: so is everything else.
struct Gone;

/// How one step ends.
enum StepEnd {
    Done { output: Noted, record: RecordBody },
    Lane(LaneEnd),
}

impl LaneRun<'_> {
    pub(super) async fn run(mut self) -> LaneEnd {
        // A dispatcher that is gone ends everything; nobody looks at this value.
        self.steps().await.unwrap_or(LaneEnd::Stopped)
    }

    async fn steps(&mut self) -> Result<LaneEnd, Gone> {
        let mut carried: Vec<RecordBody> = Vec::new();
        for step in self.lane.steps.clone() {
            if self.views.get(&step.id).is_some_and(|view| view.state.is_over()) {
                continue;
            }
            let code = registry::step(&step.action);
            if matches!(code, Some(Step::Mutation(_))) && !carried.is_empty() {
                // What follows reads first: the outcome must not wait for that.
                self.write(std::mem::take(&mut carried)).await?;
            }
            let listener = reporter(self.messages.clone(), step.id.clone());
            let end = match code {
                Some(Step::Mutation(code)) => heard(listener, self.mutate(&step, code.as_ref())).await?,
                Some(Step::Wait(code)) => heard(listener, self.wait(&step, code.as_ref(), std::mem::take(&mut carried))).await?,
                None => {
                    StepEnd::Lane(self.refuse(&step, format!("this version does not know the action `{}`", step.action)).await?)
                }
            };
            match end {
                StepEnd::Done { output, record } => {
                    self.outputs.insert(step.id.clone(), output);
                    carried.push(record);
                }
                StepEnd::Lane(LaneEnd::Failed { failure, .. }) if step.is_harmless() && is_final(failure.kind) => {
                    self.pass_over(&step, &failure).await?;
                }
                StepEnd::Lane(end) => return Ok(end),
            }
        }
        if !carried.is_empty() {
            self.write(carried).await?;
        }
        Ok(LaneEnd::Done)
    }

    /// Leaves a clean-up undone: nothing is in danger without it, and going back matters more.
    async fn pass_over(&self, step: &StepPlan, failure: &Failure) -> Result<(), Gone> {
        let why = failure.causes.first().map(|cause| format!(": {cause}")).unwrap_or_default();
        let reason = format!("{}{why}", failure.message);
        self.write(vec![RecordBody::StepSkipped { step: step.id.clone(), reason, by: None }]).await.map(|_| ())
    }

    async fn write(&self, bodies: Vec<RecordBody>) -> Result<bool, Gone> {
        let (done, answer) = oneshot::channel();
        self.messages.send(Message::Write { bodies, done }).map_err(|_| Gone)?;
        answer.await.map_err(|_| Gone)
    }

    fn params(&self, step: &StepPlan) -> Result<Value, Failure> {
        look::resolve(step, |id| self.outputs.get(id).map(|output| &**output))
            .map_err(|missing| Failure::of(FailureKind::Mismatch, format!("the output of step `{missing}` is not known")))
    }

    fn attempt(&self, step: &StepPlan) -> u32 {
        self.views.get(&step.id).map_or(0, |view| view.attempts) + 1
    }

    /// Records a step that failed before it acted.
    async fn fail_unstarted(&self, step: &StepPlan, attempt: u32, failure: Failure) -> Result<LaneEnd, Gone> {
        let started = RecordBody::StepStarted { step: step.id.clone(), attempt, intent: json!({ "prepared": false }).into() };
        let failed = RecordBody::StepFailed { step: step.id.clone(), failure: failure.clone() };
        if !self.write(vec![started, failed]).await? {
            return Ok(LaneEnd::Stopped);
        }
        Ok(LaneEnd::Failed { step: step.id.clone(), failure })
    }

    async fn refuse(&self, step: &StepPlan, message: String) -> Result<LaneEnd, Gone> {
        self.fail_unstarted(step, self.attempt(step), Failure::of(FailureKind::Mismatch, message)).await
    }

    // ----- mutations -----

    async fn mutate(&mut self, step: &StepPlan, code: &dyn MutationStep) -> Result<StepEnd, Gone> {
        let params = match self.params(step) {
            Ok(params) => params,
            Err(failure) => return Ok(StepEnd::Lane(self.fail_unstarted(step, self.attempt(step), failure).await?)),
        };
        let first = self.attempt(step);
        for attempt in first..first + ATTEMPTS {
            let report = reporter(self.messages.clone(), step.id.clone());
            let cx = Context { aws: self.aws, run: &self.run, step: &step.id, attempt, identity: &self.identity, report: &report };
            let intent = match self.prepare(step, code, &cx, &params).await? {
                Ok(intent) => intent,
                Err(end) => return Ok(end),
            };
            let started = RecordBody::StepStarted { step: step.id.clone(), attempt, intent: intent.clone().into() };
            if !self.write(vec![started]).await? {
                return Ok(StepEnd::Lane(LaneEnd::Stopped));
            }
            match self.apply(step, code, &cx, &params, &intent).await? {
                Some(end) => return Ok(end),
                None => continue,
            }
        }
        let failure = Failure::of(FailureKind::Unreachable, format!("{} did not take effect in {ATTEMPTS} attempts", step.title));
        Ok(StepEnd::Lane(self.fail_unstarted(step, first + ATTEMPTS, failure).await?))
    }

    /// Reads and decides; the intent, or how the step ends without one.
    async fn prepare(
        &self,
        step: &StepPlan,
        code: &dyn MutationStep,
        cx: &Context<'_>,
        params: &Value,
    ) -> Result<Result<Value, StepEnd>, Gone> {
        let failure = match self.unless_left(look::prepare(code, cx, params)).await {
            None => return Ok(Err(StepEnd::Lane(LaneEnd::Stopped))),
            Some(Ok(Prepared::Act(intent))) => return Ok(Ok(intent)),
            Some(Ok(Prepared::Already(output))) => {
                let started = RecordBody::StepStarted {
                    step: step.id.clone(),
                    attempt: cx.attempt,
                    intent: json!({ "already": true }).into(),
                };
                if !self.write(vec![started]).await? {
                    return Ok(Err(StepEnd::Lane(LaneEnd::Stopped)));
                }
                return Ok(Err(done(step, output, None)));
            }
            Some(Err(error)) => failure_of(error),
        };
        Ok(Err(StepEnd::Lane(self.fail_unstarted(step, cx.attempt, failure).await?)))
    }

    /// Sends the call. `None`: it certainly did not take effect, and may be tried again.
    async fn apply(
        &self,
        step: &StepPlan,
        code: &dyn MutationStep,
        cx: &Context<'_>,
        params: &Value,
        intent: &Value,
    ) -> Result<Option<StepEnd>, Gone> {
        // Not left half-way: a mutation in flight is finished and recorded even when the run is asked to stop.
        let error = match code.apply(cx, params, intent).await {
            Ok(Applied { output, call }) => return Ok(Some(done(step, output, Some(call)))),
            Err(error) => error,
        };
        let in_doubt = matches!(&error, StepError::Call(call) if call.class == Class::Unknown);
        let failure = failure_of(error);
        if !in_doubt {
            self.write(vec![RecordBody::StepFailed { step: step.id.clone(), failure: failure.clone() }]).await?;
            return Ok(Some(StepEnd::Lane(LaneEnd::Failed { step: step.id.clone(), failure })));
        }
        self.write(vec![RecordBody::StepInDoubt { step: step.id.clone(), failure: failure.clone() }]).await?;
        let verdict = match self.unless_left(look::settle(code, cx, params, intent)).await {
            None => return Ok(Some(StepEnd::Lane(LaneEnd::Stopped))),
            Some(Ok(verdict)) => verdict,
            // Still in doubt: resume looks again.
            Some(Err(_)) => return Ok(Some(StepEnd::Lane(LaneEnd::Failed { step: step.id.clone(), failure }))),
        };
        if let Verdict::Done { output } = verdict {
            // The observation is the record of its success; it travels on like any other outcome.
            let record = RecordBody::StepObserved { step: step.id.clone(), verdict: Verdict::Done { output: output.clone() } };
            return Ok(Some(StepEnd::Done { output: output.into(), record }));
        }
        self.write(vec![RecordBody::StepObserved { step: step.id.clone(), verdict: verdict.clone() }]).await?;
        Ok(match verdict {
            Verdict::Done { .. } | Verdict::NotDone { .. } => None,
            Verdict::TakenBack { why } => {
                let failure = Failure::of(FailureKind::Rollout, format!("{}: taken back", step.title)).because([why]);
                Some(StepEnd::Lane(LaneEnd::Failed { step: step.id.clone(), failure }))
            }
            Verdict::Diverged { differences } => {
                let failure =
                    Failure::of(FailureKind::Drift, format!("{}: something else is there", step.title)).because(differences);
                Some(StepEnd::Lane(LaneEnd::Failed { step: step.id.clone(), failure }))
            }
        })
    }

    /// Runs something that only reads, unless the run is asked to stop meanwhile.
    async fn unless_left<T>(&self, reading: impl Future<Output = T>) -> Option<T> {
        let mut leave = self.leave.clone();
        tokio::select! {
            biased;
            _ = leave.wait_for(|leave| *leave) => None,
            value = reading => Some(value),
        }
    }

    // ----- waits and verifications -----

    /// Looks, or sleeps, unless the run is asked to stop or a person ends this wait.
    async fn unless_ended<T>(&self, step: &StepId, waiting: impl Future<Output = T>) -> Result<T, Interrupted> {
        let (mut leave, mut released) = (self.leave.clone(), self.released.clone());
        tokio::select! {
            biased;
            _ = leave.wait_for(|leave| *leave) => Err(Interrupted::Left),
            Ok(known) = released.wait_for(|known| known.contains_key(step)) => {
                let (by, comment) = known.get(step).cloned().ok_or(Interrupted::Left)?;
                Err(Interrupted::Released(by, comment))
            }
            value = waiting => Ok(value),
        }
    }

    async fn interrupted(&self, step: &StepPlan, why: Interrupted) -> Result<StepEnd, Gone> {
        match why {
            Interrupted::Left => self.left(step).await,
            Interrupted::Released(by, comment) => {
                let output = json!({ "result": "approved", "by": by.user, "comment": comment }).into();
                Ok(StepEnd::Done { output, record: RecordBody::StepApproved { step: step.id.clone(), by, comment } })
            }
        }
    }

    async fn wait(&mut self, step: &StepPlan, code: &dyn WaitStep, mut carried: Vec<RecordBody>) -> Result<StepEnd, Gone> {
        let attempt = self.attempt(step);
        let begun = self.params(step).map_err(StepError::Failed).and_then(|params| code.begin(&params));
        carried.push(RecordBody::StepStarted { step: step.id.clone(), attempt, intent: json!({}).into() });
        if !self.write(carried).await? {
            return Ok(StepEnd::Lane(LaneEnd::Stopped));
        }
        let mut waiter = match begun {
            Ok(waiter) => waiter,
            Err(error) => return Ok(StepEnd::Lane(self.fail(step, failure_of(error)).await?)),
        };
        let report = reporter(self.messages.clone(), step.id.clone());
        let cx = Context { aws: self.aws, run: &self.run, step: &step.id, attempt, identity: &self.identity, report: &report };
        let deadline = (!waiter.ends_by_itself()).then(|| step.deadline_s.map_or(DEADLINE, Duration::from_secs));
        let began = self.aws.clock.elapsed();
        loop {
            let waited = self.aws.clock.elapsed().saturating_sub(began);
            let polled = match self.unless_ended(&step.id, waiter.poll(&cx, waited)).await {
                Err(why) => return self.interrupted(step, why).await,
                Ok(polled) => polled,
            };
            let again = match polled {
                Ok(Polled::Done(output)) => return Ok(done(step, output, None)),
                Ok(Polled::Again(after)) => after,
                Ok(Polled::Failed(failure)) => return Ok(StepEnd::Lane(self.fail(step, failure).await?)),
                Ok(Polled::Held(result, why)) => return self.held(step, result, why).await,
                Err(error) => return Ok(StepEnd::Lane(self.fail(step, failure_of(error)).await?)),
            };
            if let Some(deadline) = deadline
                && self.aws.clock.elapsed().saturating_sub(began) >= deadline
            {
                let failure = waiter.overdue(&cx, deadline).await;
                return Ok(StepEnd::Lane(self.fail(step, failure).await?));
            }
            if let Err(why) = self.unless_ended(&step.id, self.aws.clock.sleep(again)).await {
                return self.interrupted(step, why).await;
            }
        }
    }

    async fn fail(&self, step: &StepPlan, failure: Failure) -> Result<LaneEnd, Gone> {
        self.write(vec![RecordBody::StepFailed { step: step.id.clone(), failure: failure.clone() }]).await?;
        Ok(LaneEnd::Failed { step: step.id.clone(), failure })
    }

    async fn left(&self, step: &StepPlan) -> Result<StepEnd, Gone> {
        self.write(vec![RecordBody::StepLeft { step: step.id.clone() }]).await?;
        Ok(StepEnd::Lane(LaneEnd::Stopped))
    }

    async fn held(&self, step: &StepPlan, result: String, why: String) -> Result<StepEnd, Gone> {
        self.write(vec![RecordBody::StepHeld { step: step.id.clone(), result: result.clone(), why: why.clone() }]).await?;
        Ok(StepEnd::Lane(LaneEnd::Held { step: step.id.clone(), result, why }))
    }
}

/// Whether trying again by itself would not help: not a network or credentials that fail, which concern the whole run.
fn is_final(kind: FailureKind) -> bool {
    match kind {
        FailureKind::Rejected | FailureKind::Drift | FailureKind::Mismatch | FailureKind::Stuck => true,
        FailureKind::Credentials
        | FailureKind::Unreachable
        | FailureKind::Rollout
        | FailureKind::Deadline
        | FailureKind::Claimed => false,
    }
}

fn done(step: &StepPlan, output: Value, call: Option<crate::model::CallNote>) -> StepEnd {
    let output = Noted::from(output);
    let record = RecordBody::StepSucceeded { step: step.id.clone(), output: output.clone(), call };
    StepEnd::Done { output, record }
}

fn reporter(messages: mpsc::UnboundedSender<Message>, step: StepId) -> impl Fn(Progress) {
    move |progress| {
        // Nobody listens any more when the run is over.
        let _ = messages.send(Message::Progress { step: step.clone(), progress });
    }
}

pub(super) fn failure_of(error: StepError) -> Failure {
    match error {
        StepError::Call(call) => call.failure(),
        StepError::Failed(failure) => failure,
        StepError::Diverged(differences) => {
            Failure::of(FailureKind::Drift, "what is there is not what was planned from").because(differences)
        }
    }
}
