//! One operator's process over a simulated account: plans, runs, is killed, is taken up again.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use serde_json::Value;
use tempfile::TempDir;
use tokio::sync::mpsc::{self, UnboundedSender};

use super::tap::{Files, Fork, Recorder, Tap, Watched, Wire};
use super::watch::SharedWatch;
use crate::aws::{Access, Aws, Clock};
use crate::engine::{Control, Ending, Engine, StageStop};
use crate::journal::{Journal, OpenRun, Store as _, lay_out};
use crate::model::{
    Actor, Adoption, Direction, Error, Event, Extent, Failure, FailureKind, Outcome, Plan, RecordBody, RunId, RunView, Runbook,
    StageId, StepId,
};
use crate::sim::{Fault, Handled, Millis, RequestFault, RequestFaultKind, Sim, SimClock, SimConnector, State};
use crate::{plan, session};

/// Runs `course` on a paused clock.
///
/// # Errors
/// When the operating system gives no runtime.
pub fn paused<T>(course: impl Future<Output = T>) -> Result<T, Error> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    let runtime = runtime.map_err(|error| Error::Internal { message: format!("no runtime: {error}") })?;
    Ok(runtime.block_on(course))
}

/// Where a process stops by itself.
#[derive(Debug)]
pub enum Stop {
    /// All stages are done.
    Done,
    /// Back at the start.
    RolledBack,
    /// A part of the way back is gone.
    Partly,
    /// The lanes that were named have nothing more to do in this stage.
    LanesDone(StageId),
    /// Nothing was planned.
    NothingToDo,
    /// The plan is blocked by findings that nobody accepted.
    Blocked(Vec<String>),
    /// It was over before: there is nothing to resume.
    Over(Outcome),
    /// Before a stage.
    Before(StageId, StageStop),
    /// A verification needs a person.
    Held(StepId, String),
    /// Somebody asked.
    Paused,
    /// Its services could not be claimed.
    Unclaimed(Failure),
    /// A step failed.
    Failed(StepId, Failure),
    /// The journal, or AWS before anything was planned.
    Error(Error),
}

impl Stop {
    /// What sort of failure stopped it, if one did.
    pub fn kind(&self) -> Option<FailureKind> {
        match self {
            Self::Unclaimed(failure) | Self::Failed(_, failure) => Some(failure.kind),
            _ => None,
        }
    }
}

type Watcher = Box<dyn FnMut(&RunView, &Event, &UnboundedSender<Control>)>;

/// See the module's text.
pub struct Lab {
    /// The account.
    pub sim: Sim,
    /// Its clock.
    pub clock: SimClock,
    /// The way there.
    pub aws: Aws,
    /// What is run.
    pub runbook: Runbook,
    /// Who runs it.
    pub by: Actor,
    /// Where crash points are counted.
    pub tap: Tap,
    /// The run this lab works on, once there is one.
    pub run: RefCell<Option<RunId>>,
    /// Told what happens, with a line to the engine.
    pub watcher: RefCell<Watcher>,
    /// Blockers that the operator accepts.
    pub accepted: Vec<String>,
    /// Whether the operator opens a step that waits for a person.
    pub approves: bool,
    /// Who looks on, and lets things happen meanwhile.
    watch: Option<SharedWatch>,
    dir: TempDir,
    seed: u64,
}

/// A directory in memory where there is one: the journal is copied at every commit.
fn directory() -> Result<TempDir, Error> {
    let memory = Path::new("/dev/shm");
    let made = if memory.is_dir() { tempfile::tempdir_in(memory).or_else(|_| tempfile::tempdir()) } else { tempfile::tempdir() };
    made.map_err(|error| unusable(&std::env::temp_dir(), &error))
}

fn unusable(path: &Path, error: &std::io::Error) -> Error {
    Error::JournalUnusable {
        path: path.display().to_string(),
        why: error.to_string(),
        hint: Some("set TMPDIR to a directory that can be written".to_owned()),
    }
}

fn connected(wire: Wire, runbook: &Runbook, now: Millis, seed: u64) -> Aws {
    let epoch = SystemTime::UNIX_EPOCH + Duration::from_millis(now.unsigned_abs());
    let region = runbook.target["region"].as_str().unwrap_or_default();
    Aws::embedded(wire, region, Access::ReadWrite, Clock::starting_at(epoch), seed)
}

fn lost(sums: &Value) -> i64 {
    sums["lost"].as_object().into_iter().flat_map(|reasons| reasons.values()).filter_map(Value::as_i64).sum()
}

/// A call by another access key, at `now`; AWS's answer. The operation is one of ECS, or has its service before it:
/// `logs:DeleteLogGroup`, `servicediscovery:RegisterInstance`. Of `elasticloadbalancing`, whose wire is XML, only texts are sent, and
/// nothing of the answer is given.
///
/// # Errors
/// AWS's refusal, as text.
pub fn foreign(sim: &Sim, now: Millis, region: &str, operation: &str, input: &Value) -> Result<Value, String> {
    let (service, operation) = operation.split_once(':').unwrap_or(("ecs", operation));
    let prefix = match service {
        "logs" => "Logs_20140328",
        "servicediscovery" => "Route53AutoNaming_v20170314",
        _ => "AmazonEC2ContainerServiceV20141113",
    };
    let credential = format!("Credential=AKIASOMEBODYEXAMPLE/20250101/{region}/{service}/aws4_request");
    let is_query = service == "elasticloadbalancing";
    let request = http::Request::post(format!("https://{service}.{region}.amazonaws.com/"))
        .header("authorization", format!("AWS4-HMAC-SHA256 {credential}, SignedHeaders=host, Signature=0"));
    let request = if is_query {
        let mut form = form_urlencoded::Serializer::new(String::new());
        form.append_pair("Action", operation).append_pair("Version", "2015-12-01");
        form.extend_pairs(input.as_object().into_iter().flatten().filter_map(|(name, value)| Some((name, value.as_str()?))));
        request.header("content-type", "application/x-www-form-urlencoded").body(bytes::Bytes::from(form.finish()))
    } else {
        request
            .header("content-type", "application/x-amz-json-1.1")
            .header("x-amz-target", format!("{prefix}.{operation}"))
            .body(bytes::Bytes::from(input.to_string()))
    };
    match sim.handle(now, request.map_err(|error| error.to_string())?) {
        Handled::Respond(answer) if answer.status() == 200 && (is_query || answer.body().is_empty()) => Ok(Value::Null),
        Handled::Respond(answer) if answer.status() == 200 => {
            serde_json::from_slice(answer.body()).map_err(|error| error.to_string())
        }
        other => Err(format!("{operation} by somebody else: {other:?}")),
    }
}

impl Lab {
    /// A process that begins, over a world as it stands. Inside the runtime of [`paused`].
    ///
    /// # Errors
    /// When there is no directory for its journal.
    pub fn on(state: State, runbook: &Runbook, seed: u64) -> Result<Self, Error> {
        let now = state.now();
        Self::over(state, now, runbook, seed, directory()?)
    }

    /// A process that begins where another was killed, `later` afterwards.
    ///
    /// # Errors
    /// When its journal cannot be written.
    pub fn from_fork(fork: &Fork, later: Millis, runbook: &Runbook, run: &RunId, seed: u64) -> Result<Self, Error> {
        Self::from_files(fork.state.clone(), fork.now + later, &fork.files, runbook, run, seed)
    }

    /// A process that begins at `now` over a world, with a run in its journal.
    ///
    /// # Errors
    /// As [`Lab::from_fork`].
    pub fn from_files(state: State, now: Millis, files: &Files, runbook: &Runbook, run: &RunId, seed: u64) -> Result<Self, Error> {
        let dir = directory()?;
        lay_out(files, dir.path()).map_err(|error| unusable(dir.path(), &error))?;
        let lab = Self::over(state, now, runbook, seed, dir)?;
        *lab.run.borrow_mut() = Some(run.clone());
        Ok(lab)
    }

    /// The same, where it is not known whether there is a run in the journal yet: the latest one is taken up, if there is one.
    ///
    /// # Errors
    /// As [`Lab::from_fork`], and when the journal cannot be read.
    pub fn over_files(fork: &Fork, later: Millis, runbook: &Runbook, seed: u64) -> Result<Self, Error> {
        let lab = Self::from_fork(fork, later, runbook, &RunId::new("none"), seed)?;
        let latest = lab.journal()?.runs()?.into_iter().next();
        *lab.run.borrow_mut() = latest.map(|run| run.id);
        Ok(lab)
    }

    /// Another operator's process with a state directory of its own, on the same account at the same time. Its clock is wrong by
    /// `skew`.
    ///
    /// # Errors
    /// As [`Lab::on`].
    pub fn beside(&self, by: &str, skew: Millis, seed: u64) -> Result<Self, Error> {
        let mut lab = Self::within(self.sim.clone(), self.clock.clone(), skew, &self.runbook, seed, directory()?);
        lab.by.user = by.to_owned();
        Ok(lab)
    }

    fn over(state: State, now: Millis, runbook: &Runbook, seed: u64, dir: TempDir) -> Result<Self, Error> {
        Ok(Self::within(Sim::new(state), SimClock::new(now, 1.0), 0, runbook, seed, dir))
    }

    fn within(sim: Sim, clock: SimClock, skew: Millis, runbook: &Runbook, seed: u64, dir: TempDir) -> Self {
        let tap = Tap::default();
        let wire = Wire { inner: SimConnector::with_clock(sim.clone(), clock.clone()), tap: tap.clone(), watch: None };
        let aws = connected(wire, runbook, clock.now_millis() + skew, seed);
        let by = Actor { user: "operator".to_owned(), host: "simulator".to_owned(), identity: None };
        let watcher: Watcher = Box::new(|_, _, _| {});
        Self {
            sim,
            clock,
            aws,
            runbook: runbook.clone(),
            by,
            tap,
            run: RefCell::new(None),
            watcher: RefCell::new(watcher),
            accepted: Vec::new(),
            approves: false,
            watch: None,
            dir,
            seed,
        }
    }

    /// The same process under the eyes of `watch`, on a clock that is wrong by `skew`.
    #[must_use]
    pub fn watched_by(mut self, watch: SharedWatch, skew: Millis) -> Self {
        let inner = SimConnector::with_clock(self.sim.clone(), self.clock.clone());
        let wire = Wire { inner, tap: self.tap.clone(), watch: Some(watch.clone()) };
        self.aws = connected(wire, &self.runbook, self.clock.now_millis() + skew, self.seed);
        self.watch = Some(watch);
        self
    }

    /// Everything that outlives the process, as it is now.
    ///
    /// # Errors
    /// When the journal's files cannot be read.
    pub fn leave(&self) -> Result<Fork, Error> {
        let now = self.clock.now_millis();
        let state = self.sim.with(|state| state.clone());
        Fork::left(state, now, self.dir.path()).map_err(|error| unusable(self.dir.path(), &error))
    }

    /// Where its journal stands.
    pub fn state_dir(&self) -> PathBuf {
        self.dir.path().to_owned()
    }

    /// Its journal.
    ///
    /// # Errors
    /// As [`Journal::open`].
    pub fn journal(&self) -> Result<Journal, Error> {
        Journal::open_unflushed(self.dir.path())
    }

    /// The run it works on.
    ///
    /// # Errors
    /// [`Error::NoOpenRun`] when none was started.
    pub fn run_id(&self) -> Result<RunId, Error> {
        let none = || Error::NoOpenRun { state_dir: self.dir.path().display().to_string() };
        self.run.borrow().clone().ok_or_else(none)
    }

    /// Where its run stands.
    ///
    /// # Errors
    /// As [`Journal::view`].
    pub fn view(&self) -> Result<RunView, Error> {
        self.journal()?.view(&self.run_id()?)
    }

    /// From now on crash points are counted and forks taken.
    pub fn record(&self, recorder: Recorder) {
        self.tap.open(self.sim.clone(), self.clock.clone(), self.dir.path(), recorder);
    }

    /// Lets the world live on for `millis`, while nobody works on it.
    pub async fn live(&self, millis: Millis) {
        self.aws.clock.sleep(self.clock.real(millis)).await;
        let now = self.clock.now_millis();
        self.sim.with(|state| state.advance(now));
    }

    /// The world as it is now.
    pub fn world(&self) -> Value {
        let now = self.clock.now_millis();
        self.sim.with(|state| {
            state.advance(now);
            state.save()
        })
    }

    /// The world when everything under way has come to rest: nothing is started, stopped or checked any more. ECS waits for up to 27
    /// minutes until it tries again to start what failed, so no fixed time tells; what never comes to rest is given as it is after
    /// two hours.
    pub async fn settled(&self) -> Value {
        const MOST: usize = 12;
        let mut before = self.world();
        for _ in 0..MOST {
            self.live(super::compare::REST).await;
            let world = self.world();
            let rests = super::compare::at_rest(&before, &world);
            before = world;
            if rests {
                break;
            }
        }
        before
    }

    /// Spans that were sent and arrived nowhere.
    pub fn spans_lost(&self) -> i64 {
        let now = self.clock.now_millis();
        let spans = self.sim.with(|state| {
            state.advance(now);
            state.spans()
        });
        lost(&spans["total"])
    }

    /// Somebody else does something to the account, with another access key.
    ///
    /// # Errors
    /// AWS's refusal, as text.
    pub fn foreign(&self, operation: &str, input: &Value) -> Result<Value, String> {
        foreign(&self.sim, self.clock.now_millis(), &self.aws.region, operation, input)
    }

    /// The `nth` request to `action` from now meets `kind`.
    pub fn fault(&self, action: &str, nth: u32, kind: RequestFaultKind) {
        self.sim.with(|state| state.add_fault(Fault::Request(RequestFault { action: action.to_owned(), nth, times: 1, kind })));
    }

    // ----- what a process does -----

    /// Reads and plans.
    ///
    /// # Errors
    /// As [`plan::observe`].
    pub async fn plan(&self, run: &RunId) -> Result<Plan, Error> {
        let identity = self.aws.identity().await?;
        let facts = plan::observe(&self.aws, &self.runbook, &identity).await?;
        Ok(plan::make(&self.runbook, &facts, run))
    }

    /// `sidestep run --yes`.
    pub async fn run(&self) -> Stop {
        self.run_before(&[]).await
    }

    /// `sidestep run --yes --pause-before …`.
    pub async fn run_before(&self, stages: &[&str]) -> Stop {
        let journal = match self.journal() {
            Ok(journal) => journal,
            Err(error) => return Stop::Error(error),
        };
        let mut random = fastrand::Rng::with_seed(self.seed);
        let id = RunId::generate(|n| random.usize(..n));
        let plan = match self.plan(&id).await {
            Ok(plan) => plan,
            Err(error) => return Stop::Error(error),
        };
        let blockers: Vec<String> = plan.blockers(&self.accepted).map(|finding| finding.id.clone()).collect();
        if !blockers.is_empty() {
            return Stop::Blocked(blockers);
        }
        if plan.is_empty() {
            return Stop::NothingToDo;
        }
        *self.run.borrow_mut() = Some(id);
        let mut open = match journal.create(&plan, &self.by, self.aws.clock.now(), &self.accepted) {
            Ok(open) => open,
            Err(error) => return Stop::Error(error),
        };
        self.tap.refresh();
        for stage in stages {
            let hold = RecordBody::HoldSet { stage: StageId::new(*stage), by: self.by.clone() };
            if let Err(error) = open.append(self.aws.clock.now(), vec![hold]) {
                return Stop::Error(error);
            }
        }
        self.go(open).await
    }

    /// `sidestep resume --yes`.
    pub async fn resume(&self) -> Stop {
        self.resume_lanes(&[]).await
    }

    /// `sidestep resume --yes --lane …`.
    pub async fn resume_lanes(&self, lanes: &[&str]) -> Stop {
        match self.view() {
            Ok(RunView { ended: Some((outcome, _)), .. }) => return Stop::Over(outcome),
            Ok(_) => {}
            Err(error) => return Stop::Error(error),
        }
        match self.take_up() {
            Ok(mut open) => {
                // As `resume` does: forward again where only some lanes went back, and a hold has served.
                let again = session::forward_again(open.view(), self.by.clone());
                if let Err(error) = self.watched(&mut open).append(self.aws.clock.now(), again.into_iter().collect()) {
                    return Stop::Error(error);
                }
                let reached = open.view().current_stage().map(|stage| stage.id.clone());
                let mut lifted: Vec<RecordBody> = (open.view().holds.iter())
                    .filter(|stage| Some(*stage) == reached.as_ref())
                    .map(|stage| RecordBody::HoldCleared { stage: stage.clone(), by: self.by.clone() })
                    .collect();
                if !lanes.is_empty() {
                    let lanes = lanes.iter().map(|lane| (*lane).to_owned()).collect();
                    lifted.push(RecordBody::LanesNamed { lanes, by: self.by.clone() });
                }
                if let Err(error) = self.watched(&mut open).append(self.aws.clock.now(), lifted) {
                    return Stop::Error(error);
                }
                self.go(open).await
            }
            Err(error) => Stop::Error(error),
        }
    }

    /// `sidestep resume --yes` with another runbook or other variables.
    pub async fn amend(&mut self, runbook: &Runbook) -> Stop {
        self.runbook = runbook.clone();
        let mut open = match self.take_up() {
            Ok(open) => open,
            Err(error) => return Stop::Error(error),
        };
        let plan = match self.plan(&open.view().id.clone()).await {
            Ok(plan) => plan,
            Err(error) => return Stop::Error(error),
        };
        let changes = session::changes(&open.view().forward, &plan);
        let record = session::amended(plan, changes, self.by.clone());
        if let Err(error) = self.watched(&mut open).append(self.aws.clock.now(), vec![record]) {
            return Stop::Error(error);
        }
        self.go(open).await
    }

    /// `sidestep rollback --yes [--to STAGE]`.
    pub async fn roll_back(&self, to: Option<&str>) -> Stop {
        self.take_back(Extent { to: to.map(StageId::new), ..Extent::default() }, false).await
    }

    /// `sidestep rollback --yes --lane …`.
    pub async fn roll_back_lanes(&self, lanes: &[&str]) -> Stop {
        self.take_back(Extent { to: None, lanes: lanes.iter().map(|lane| (*lane).to_owned()).collect() }, false).await
    }

    /// `sidestep rollback --yes --onto-newest`.
    pub async fn roll_back_onto_newest(&self) -> Stop {
        self.take_back(Extent::default(), true).await
    }

    /// The same, so far and in these lanes.
    pub async fn take_back(&self, extent: Extent, onto_newest: bool) -> Stop {
        let mut open = match self.take_up() {
            Ok(open) => open,
            Err(error) => return Stop::Error(error),
        };
        let goes_on = open.view().goes_back()
            && open.view().adoption == Adoption::Rollback(extent.clone())
            && !onto_newest
            && !session::plans_back_anew(open.view());
        if !goes_on && let Err(stop) = self.turn_back(&mut open, extent, onto_newest).await {
            return stop;
        }
        self.go(open).await
    }

    /// `sidestep rollback --yes --skip STEP --reason …`.
    pub async fn roll_back_without(&self, step: &StepId, reason: &str) -> Stop {
        let mut open = match self.take_up() {
            Ok(open) => open,
            Err(error) => return Stop::Error(error),
        };
        let records = match session::skipped(open.view(), step, reason, &self.by) {
            Ok(records) => records,
            Err(message) => return Stop::Error(Error::Internal { message }),
        };
        if let Err(error) = self.watched(&mut open).append(self.aws.clock.now(), records) {
            return Stop::Error(error);
        }
        self.go(open).await
    }

    /// `sidestep abandon`.
    ///
    /// # Errors
    /// As [`Journal::acquire`].
    pub async fn abandon(&self, why: &str) -> Result<(), Error> {
        let mut open = self.take_up()?;
        let view = open.view().clone();
        let mut sink = |_: &RunView, _: &Event| {};
        let (_line, mut control) = mpsc::unbounded_channel();
        let mut store = self.watched(&mut open);
        let engine = Engine::new(&self.aws, &mut store, view, &mut sink, &mut control, BTreeSet::new(), false);
        engine.give_up_claims().await?;
        let ended = RecordBody::RunEnded { outcome: Outcome::Abandoned, why: why.to_owned() };
        open.append(self.aws.clock.now(), vec![ended])?;
        open.close(why, self.aws.clock.now())
    }

    fn take_up(&self) -> Result<OpenRun, Error> {
        let open = self.journal()?.acquire(&self.run_id()?, &self.by, self.aws.clock.now())?;
        self.tap.refresh();
        Ok(open)
    }

    fn watched<'a>(&self, open: &'a mut OpenRun) -> Watched<'a> {
        Watched {
            open,
            tap: self.tap.clone(),
            watch: self.watch.clone(),
            #[cfg(test)]
            behind: super::tests::behind::Behind::default(),
        }
    }

    async fn turn_back(&self, open: &mut OpenRun, extent: Extent, onto_newest: bool) -> Result<(), Stop> {
        let view = open.view().clone();
        let mut store = self.watched(open);
        let mut sink = |_: &RunView, _: &Event| {};
        let (_line, mut control) = mpsc::unbounded_channel();
        let engine = Engine::new(&self.aws, &mut store, view, &mut sink, &mut control, BTreeSet::new(), false);
        let plan = match session::plan_back(engine, &self.aws, &extent, onto_newest).await {
            Ok(Ok(plan)) => plan,
            Ok(Err((step, failure))) => return Err(Stop::Failed(step, failure)),
            Err(error) => return Err(Stop::Error(error)),
        };
        let record = session::turned_back(plan, extent, self.by.clone());
        store.append(self.aws.clock.now(), vec![record]).map(|_| ()).map_err(Stop::Error)
    }

    /// Drives the run to where it stops by itself, and leaves it in order.
    async fn go(&self, mut open: OpenRun) -> Stop {
        let stop = match self.until_over(&mut open).await {
            Ok(stop) => stop,
            Err(error) => Stop::Error(error),
        };
        match open.close("it came to its end", self.aws.clock.now()) {
            Ok(()) => stop,
            Err(error) => Stop::Error(error),
        }
    }

    async fn until_over(&self, open: &mut OpenRun) -> Result<Stop, Error> {
        loop {
            let (line, mut control) = mpsc::unbounded_channel();
            let view = open.view().clone();
            let mut sink = |view: &RunView, event: &Event| (self.watcher.borrow_mut())(view, event, &line);
            let mut store = self.watched(open);
            let engine = Engine::new(&self.aws, &mut store, view, &mut sink, &mut control, BTreeSet::new(), false)
                .approving(Some(self.by.clone()));
            let (ending, _) = engine.run().await?;
            return Ok(match ending {
                Ending::Complete => {
                    let back = store.open.view().plan.direction == Direction::Back;
                    let Some(record) = session::ended(store.open.view()) else { return Ok(Stop::Partly) };
                    store.append(self.aws.clock.now(), vec![record])?;
                    if back { Stop::RolledBack } else { Stop::Done }
                }
                Ending::BeforeStage { stage, why } => Stop::Before(stage, why),
                Ending::LanesDone { stage } => Stop::LanesDone(stage),
                Ending::Held { step, .. } if self.approves => {
                    let comment = "approved in the drill".to_owned();
                    store.append(self.aws.clock.now(), vec![RecordBody::StepApproved { step, by: self.by.clone(), comment }])?;
                    continue;
                }
                Ending::Held { step, result, .. } => Stop::Held(step, result),
                Ending::Paused { .. } => Stop::Paused,
                Ending::RollbackAsked { extent, .. } => match self.turn_back(open, extent, false).await {
                    Ok(()) => continue,
                    Err(stop) => stop,
                },
                Ending::Unclaimed { failure } => Stop::Unclaimed(failure),
                Ending::Failed { step, failure } => Stop::Failed(step, failure),
            });
        }
    }
}
