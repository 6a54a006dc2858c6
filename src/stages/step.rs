//! What a step is to the engine: three small traits. The engine journals and orders; a step knows one thing of AWS.
//!
//! A **mutation** is prepared (read what is there, decide, give the intent to be journaled), applied (exactly one AWS call) and,
//! in doubt or on resume, observed. A **wait** is polled until it is over. Both say how they look; neither writes the journal.

use std::time::Duration;

use async_trait::async_trait;
use serde_json::{Value, json};

use crate::aws::{Aws, CallError};
use crate::model::{CallNote, Failure, FailureKind, Mutation, Progress, RunId, StepClass, StepId, Verdict};

/// The tag that names the run which made a resource.
pub const TAG_RUN: &str = "sidestep:run";
/// The tag that names the step which made it.
pub const TAG_STEP: &str = "sidestep:step";
/// The tag that names the attempt: a random text, new each time.
pub const TAG_TOKEN: &str = "sidestep:token";

/// What a step works with.
pub struct Context<'a> {
    /// The way to AWS.
    pub aws: &'a Aws,
    /// The run.
    pub run: &'a RunId,
    /// The step.
    pub step: &'a StepId,
    /// 1 for the first time.
    pub attempt: u32,
    /// The caller's ARN, as the plan noted it.
    pub identity: &'a str,
    /// Tells what is seen meanwhile.
    pub report: &'a dyn Fn(Progress),
}

/// What preparing found.
#[derive(Clone, Debug, PartialEq)]
pub enum Prepared {
    /// Act, with this intent.
    Act(Value),
    /// The effect is there already and nothing needs to be sent: the output, with the reason in `found`.
    Already(Value),
}

/// What applying gave.
#[derive(Clone, Debug, PartialEq)]
pub struct Applied {
    /// What later steps and the undo need.
    pub output: Value,
    /// The call.
    pub call: CallNote,
}

/// Why a step cannot go on.
#[derive(Clone, Debug, PartialEq)]
pub enum StepError {
    /// A call failed; its class says whether it was applied.
    Call(CallError),
    /// Something else failed, certainly without effect.
    Failed(Failure),
    /// What is there is not what was planned from.
    Diverged(Vec<String>),
}

/// What a wait sees.
#[derive(Clone, Debug, PartialEq)]
pub enum Polled {
    /// Over.
    Done(Value),
    /// Look again after this long.
    Again(Duration),
    /// It will not come to a good end.
    Failed(Failure),
    /// It cannot be decided without a person: a short code, and words.
    Held(String, String),
}

/// A step of an inverse plan, before it has an id.
#[derive(Clone, Debug, PartialEq)]
pub struct UndoStep {
    /// Its name in the lane.
    pub name: &'static str,
    /// The action.
    pub action: &'static str,
    /// What sort of step it is.
    pub class: StepClass,
    /// See [`crate::model::StepPlan::title`].
    pub title: String,
    /// The parameters.
    pub params: Value,
    /// For waits.
    pub deadline_s: Option<u64>,
    /// Parameters taken from the output of an earlier step of the same undo: pointer here, that step's name, pointer there.
    pub inputs: Vec<(&'static str, &'static str, &'static str)>,
}

/// What a mutation leaves behind when it is not undone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Left {
    /// What it is, in AWS's words.
    pub kind: &'static str,
    /// Its name.
    pub name: String,
    /// The AWS CLI's command that removes it or puts it back, without the options that say where.
    pub remove: String,
}

/// Exactly one AWS mutation.
#[async_trait(?Send)]
pub trait MutationStep {
    /// Reads what is there and decides what to send. May be called again; changes nothing.
    async fn prepare(&self, cx: &Context<'_>, params: &Value) -> Result<Prepared, StepError>;

    /// Sends the one call.
    async fn apply(&self, cx: &Context<'_>, params: &Value, intent: &Value) -> Result<Applied, StepError>;

    /// Looks whether an attempt of this intent took effect. [`Verdict::NotDone`] is trusted by the engine only after the settle
    /// window.
    async fn observe(&self, cx: &Context<'_>, params: &Value, intent: &Value) -> Result<Verdict, StepError>;

    /// Looks whether a step that was done still stands; called for the stage in which a run is taken up again.
    async fn revisit(&self, cx: &Context<'_>, params: &Value, intent: &Value, output: &Value) -> Result<Verdict, StepError> {
        let _ = output;
        Ok(match self.observe(cx, params, intent).await? {
            Verdict::NotDone { why } => Verdict::TakenBack { why },
            other => other,
        })
    }

    /// Tells the way to AWS what the journal says of a mutation that took effect, where a read may be older than that.
    fn remember(&self, aws: &Aws, mutation: &Mutation) {
        let _ = (aws, mutation);
    }

    /// The steps that undo it, in order; none when it leaves nothing behind.
    fn undo(&self, mutation: &Mutation) -> Vec<UndoStep>;

    /// What it leaves behind while it is not undone; nothing where that is part of something else.
    fn left(&self, mutation: &Mutation) -> Option<Left> {
        let _ = mutation;
        None
    }
}

/// A wait, or a verification.
#[async_trait(?Send)]
pub trait WaitStep {
    /// Begins to wait.
    fn begin(&self, params: &Value) -> Result<Box<dyn Waiter>, StepError>;
}

/// One wait under way, with what it remembers between looks.
#[async_trait(?Send)]
pub trait Waiter {
    /// Looks once. `waited` is the time since the wait began.
    async fn poll(&mut self, cx: &Context<'_>, waited: Duration) -> Result<Polled, StepError>;

    /// Whether it comes to an end of its own: then no deadline cuts it off before it can say what it found.
    fn ends_by_itself(&self) -> bool {
        false
    }

    /// The failure to record when the deadline passes, with what is known by then.
    async fn overdue(&mut self, cx: &Context<'_>, deadline: Duration) -> Failure {
        let _ = cx;
        Failure::of(FailureKind::Deadline, format!("not so after {}", spell(deadline)))
    }
}

/// A deadline in words: `30 min`, `90 s`.
pub fn spell(deadline: Duration) -> String {
    match deadline.as_secs() {
        seconds if seconds >= 60 && seconds % 60 == 0 => format!("{} min", seconds / 60),
        seconds => format!("{seconds} s"),
    }
}

/// A step, by what it is.
pub enum Step {
    /// Changes something.
    Mutation(Box<dyn MutationStep>),
    /// Waits or verifies.
    Wait(Box<dyn WaitStep>),
}

impl Failure {
    /// A failure of ours, without an AWS code.
    pub fn of(kind: FailureKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), causes: Vec::new(), code: None, request_id: None }
    }

    /// The same with causes.
    pub fn because(mut self, causes: impl IntoIterator<Item = String>) -> Self {
        self.causes.extend(causes);
        self
    }
}

impl From<CallError> for StepError {
    fn from(error: CallError) -> Self {
        Self::Call(error)
    }
}

impl StepError {
    /// A parameter that the plan should hold is not there: a plan of another version, or a mistake of ours.
    pub fn missing(what: &str) -> Self {
        Self::Failed(Failure::of(FailureKind::Mismatch, format!("the plan's step lacks `{what}`")))
    }
}

/// The text at `pointer` of a step's parameters.
///
/// # Errors
/// [`StepError::Failed`] naming what is missing.
pub fn text<'a>(params: &'a Value, pointer: &str) -> Result<&'a str, StepError> {
    params.pointer(pointer).and_then(Value::as_str).ok_or_else(|| StepError::missing(pointer))
}

/// The tags that mark a resource as this run's, as key and value pairs.
pub fn ownership(cx: &Context<'_>, token: &str) -> [(&'static str, String); 3] {
    [(TAG_RUN, cx.run.to_string()), (TAG_STEP, cx.step.to_string()), (TAG_TOKEN, token.to_owned())]
}

/// The tags of a step's parameters (an object) with the ownership tags, as ECS and Cloud Map take them; `key` and `value` are
/// the member names.
pub fn tag_list(tags: &Value, owned: &[(&'static str, String)], key: &str, value: &str) -> Value {
    let mut list: Vec<Value> = Vec::new();
    for (name, text) in tags.as_object().into_iter().flatten() {
        list.push(json!({ key: name, value: text }));
    }
    for (name, text) in owned {
        list.push(json!({ key: name, value: text }));
    }
    Value::Array(list)
}
