//! One operator's process over a simulated account: plans, runs, is killed, is taken up again.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use serde_json::Value;
use sidestep::aws::{Access, Aws, Clock, Identity};
use sidestep::engine::{Control, Ending, Engine, StageStop};
use sidestep::journal::{Journal, OpenRun, Store as _};
use sidestep::model::{
    Actor, Error, Event, Failure, FailureKind, Outcome, Plan, RecordBody, RunId, RunView, Runbook, StageId, StepId,
};
use sidestep::sim::{Fault, Handled, Millis, RequestFault, RequestFaultKind, Sim, SimClock, SimConnector, State};
use sidestep::{plan, session};
use tempfile::TempDir;
use tokio::sync::mpsc::{self, UnboundedSender};

use super::tap::{Fork, Recorder, Tap, Watched, Wire};

/// Runs `course` on a paused clock.
pub fn paused<T>(course: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().expect("a runtime");
    runtime.block_on(course)
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
    /// Nothing was planned.
    NothingToDo,
    /// It was over before: there is nothing to resume.
    Over(Outcome),
    Before(StageId, StageStop),
    Held(StepId, String),
    Paused,
    Failed(StepId, Failure),
    Error(Error),
}

impl Stop {
    pub fn failure(self) -> Failure {
        match self {
            Self::Failed(_, failure) => failure,
            other => panic!("a failure was expected: {other:?}"),
        }
    }

    pub fn kind(&self) -> Option<FailureKind> {
        match self {
            Self::Failed(_, failure) => Some(failure.kind),
            _ => None,
        }
    }
}

type Watcher = Box<dyn FnMut(&RunView, &Event, &UnboundedSender<Control>)>;

/// See the module's text.
pub struct Lab {
    pub sim: Sim,
    pub clock: SimClock,
    pub aws: Aws,
    pub runbook: Runbook,
    pub by: Actor,
    pub tap: Tap,
    /// The run this lab works on, once there is one.
    pub run: RefCell<Option<RunId>>,
    /// Told what happens, with a line to the engine.
    pub watcher: RefCell<Watcher>,
    dir: TempDir,
    seed: u64,
}

/// A directory in memory where there is one: the journal flushes at every commit.
fn directory() -> TempDir {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() }.expect("a directory for the journal")
}

fn lost(sums: &Value) -> i64 {
    sums["lost"].as_object().expect("lost spans by reason").values().filter_map(Value::as_i64).sum()
}

/// An ECS call by another access key, at `now`.
pub fn foreign(sim: &Sim, now: Millis, operation: &str, input: &Value) -> Value {
    let request = http::Request::post("https://ecs.us-west-2.amazonaws.com/")
        .header("content-type", "application/x-amz-json-1.1")
        .header("x-amz-target", format!("AmazonEC2ContainerServiceV20141113.{operation}"))
        .header(
            "authorization",
            "AWS4-HMAC-SHA256 Credential=AKIASOMEBODYEXAMPLE/20250101/us-west-2/ecs/aws4_request, SignedHeaders=host, Signature=0",
        )
        .body(bytes::Bytes::from(input.to_string()))
        .expect("a request");
    match sim.handle(now, request) {
        Handled::Respond(answer) if answer.status() == 200 => serde_json::from_slice(answer.body()).expect("JSON"),
        other => panic!("{operation} by somebody else: {other:?}"),
    }
}

impl Lab {
    /// A process that begins, over a world that begins.
    pub fn new(world: &Value, runbook: &Runbook, seed: u64) -> Self {
        Self::on(State::load(world, seed).expect("the world is one"), runbook, seed)
    }

    /// A process that begins, over a world as it stands.
    pub fn on(state: State, runbook: &Runbook, seed: u64) -> Self {
        let now = state.now();
        Self::over(state, now, runbook, seed, directory())
    }

    /// A process that begins where another was killed, `later` afterwards.
    pub fn from_fork(fork: &Fork, later: Millis, runbook: &Runbook, run: &RunId, seed: u64) -> Self {
        let dir = directory();
        for (name, content) in fork.files.iter() {
            std::fs::write(dir.path().join(name), content).expect("the directory can be written");
        }
        let lab = Self::over(fork.state.clone(), fork.now + later, runbook, seed, dir);
        *lab.run.borrow_mut() = Some(run.clone());
        lab
    }

    fn over(state: State, now: Millis, runbook: &Runbook, seed: u64, dir: TempDir) -> Self {
        let sim = Sim::new(state);
        let clock = SimClock::new(now, 1.0);
        let tap = Tap::default();
        let wire = Wire { inner: SimConnector::with_clock(sim.clone(), clock.clone()), tap: tap.clone() };
        let epoch = SystemTime::UNIX_EPOCH + Duration::from_millis(now.unsigned_abs());
        let region = runbook.target["region"].as_str().unwrap_or_default();
        let aws = Aws::embedded(wire, region, Access::ReadWrite, Clock::starting_at(epoch), seed);
        let by = Actor { user: "alice".to_owned(), host: "bastion".to_owned(), identity: None };
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
            dir,
            seed,
        }
    }

    pub fn state_dir(&self) -> PathBuf {
        self.dir.path().to_owned()
    }

    pub fn journal(&self) -> Journal {
        Journal::open(self.dir.path()).expect("the journal opens")
    }

    pub fn run_id(&self) -> RunId {
        self.run.borrow().clone().expect("a run was started")
    }

    pub fn view(&self) -> RunView {
        self.journal().view(&self.run_id()).expect("the journal folds")
    }

    /// From now on crash points are counted and forks taken.
    pub fn record(&self, recorder: Recorder) {
        self.tap.open(self.sim.clone(), self.clock.clone(), self.dir.path(), recorder);
    }

    /// Lets the world live on for `millis`, while nobody works on it.
    pub async fn live(&self, millis: Millis) {
        tokio::time::sleep(self.clock.real(millis)).await;
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

    /// The world when everything under way has come to rest.
    pub async fn settled(&self) -> Value {
        self.live(super::compare::REST).await;
        self.world()
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
    pub fn foreign(&self, operation: &str, input: &Value) -> Value {
        foreign(&self.sim, self.clock.now_millis(), operation, input)
    }

    /// The next request to `action` meets `kind`.
    pub fn fault(&self, action: &str, nth: u32, kind: RequestFaultKind) {
        self.sim.with(|state| state.add_fault(Fault::Request(RequestFault { action: action.to_owned(), nth, times: 1, kind })));
    }

    // ----- what a process does -----

    async fn identity(&self) -> Result<Identity, Error> {
        Ok(self.aws.identity().await?)
    }

    /// Reads and plans.
    pub async fn plan(&self, run: &RunId) -> Result<Plan, Error> {
        let identity = self.identity().await?;
        let facts = plan::observe(&self.aws, &self.runbook, &identity).await?;
        Ok(plan::make(&self.runbook, &facts, run))
    }

    /// `sidestep run --yes`.
    pub async fn run(&self) -> Stop {
        self.run_before(&[]).await
    }

    /// `sidestep run --yes --pause-before …`.
    pub async fn run_before(&self, stages: &[&str]) -> Stop {
        let journal = self.journal();
        let mut random = fastrand::Rng::with_seed(self.seed);
        let id = RunId::generate(|n| random.usize(..n));
        let plan = match self.plan(&id).await {
            Ok(plan) => plan,
            Err(error) => return Stop::Error(error),
        };
        if plan.is_empty() {
            return Stop::NothingToDo;
        }
        let blockers: Vec<_> = plan.blockers(&[]).collect();
        assert!(blockers.is_empty(), "the plan is blocked: {blockers:?}");
        *self.run.borrow_mut() = Some(id);
        let mut open = match journal.create(&plan, &self.by, self.aws.clock.now(), &[]) {
            Ok(open) => open,
            Err(error) => return Stop::Error(error),
        };
        self.tap.refresh();
        for stage in stages {
            let hold = RecordBody::HoldSet { stage: StageId::new(*stage), by: self.by.clone() };
            open.append(self.aws.clock.now(), vec![hold]).expect("a hold can be set");
        }
        self.go(open).await
    }

    /// `sidestep resume --yes`.
    pub async fn resume(&self) -> Stop {
        if let Some((outcome, _)) = self.view().ended {
            return Stop::Over(outcome);
        }
        match self.take_up() {
            Ok(mut open) => {
                // As `resume` does: a hold has served when the run is taken up again.
                let reached = open.view().current_stage().map(|stage| stage.id.clone());
                let lifted: Vec<RecordBody> = (open.view().holds.iter())
                    .filter(|stage| Some(*stage) == reached.as_ref())
                    .map(|stage| RecordBody::HoldCleared { stage: stage.clone(), by: self.by.clone() })
                    .collect();
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
        let plan = match self.plan(&self.run_id()).await {
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
        self.go_back(to, false).await
    }

    /// `sidestep rollback --yes --onto-newest`.
    pub async fn roll_back_onto_newest(&self) -> Stop {
        self.go_back(None, true).await
    }

    async fn go_back(&self, to: Option<&str>, onto_newest: bool) -> Stop {
        let mut open = match self.take_up() {
            Ok(open) => open,
            Err(error) => return Stop::Error(error),
        };
        let to = to.map(StageId::new);
        let under_way = open.view().plan.direction == sidestep::model::Direction::Back && !open.view().all_done();
        if !(under_way && to.is_none() && !onto_newest)
            && let Err(stop) = self.turn_back(&mut open, to, onto_newest).await
        {
            return stop;
        }
        self.go(open).await
    }

    /// `sidestep abandon`.
    pub fn abandon(&self) {
        let mut open = self.take_up().expect("the run can be taken up");
        let why = "the rest is done by another run".to_owned();
        let ended = RecordBody::RunEnded { outcome: Outcome::Abandoned, why: why.clone() };
        open.append(self.aws.clock.now(), vec![ended]).expect("a run can be abandoned");
        open.close(&why, self.aws.clock.now()).expect("it is left in order");
    }

    fn take_up(&self) -> Result<OpenRun, Error> {
        let open = self.journal().acquire(&self.run_id(), &self.by, self.aws.clock.now())?;
        self.tap.refresh();
        Ok(open)
    }

    fn watched<'a>(&self, open: &'a mut OpenRun) -> Watched<'a> {
        Watched { open, tap: self.tap.clone() }
    }

    async fn turn_back(&self, open: &mut OpenRun, to: Option<StageId>, onto_newest: bool) -> Result<(), Stop> {
        let view = open.view().clone();
        let mut store = self.watched(open);
        let mut sink = |_: &RunView, _: &Event| {};
        let (_line, mut control) = mpsc::unbounded_channel();
        let engine = Engine::new(&self.aws, &mut store, view, &mut sink, &mut control, BTreeSet::new(), false);
        let plan = match session::plan_back(engine, &self.aws, to.as_ref(), onto_newest).await {
            Ok(Ok(plan)) => plan,
            Ok(Err((step, failure))) => return Err(Stop::Failed(step, failure)),
            Err(error) => return Err(Stop::Error(error)),
        };
        let record = session::turned_back(plan, to, self.by.clone());
        store.append(self.aws.clock.now(), vec![record]).map(|_| ()).map_err(Stop::Error)
    }

    /// Drives the run to where it stops by itself, and leaves it in order.
    async fn go(&self, mut open: OpenRun) -> Stop {
        let stop = match self.until_over(&mut open).await {
            Ok(stop) => stop,
            Err(error) => Stop::Error(error),
        };
        match open.close("the test goes on", self.aws.clock.now()) {
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
            let engine = Engine::new(&self.aws, &mut store, view, &mut sink, &mut control, BTreeSet::new(), false);
            let (ending, _) = engine.run().await?;
            return Ok(match ending {
                Ending::Complete => {
                    let back = store.open.view().plan.direction == sidestep::model::Direction::Back;
                    let Some(record) = session::ended(store.open.view()) else { return Ok(Stop::Partly) };
                    store.append(self.aws.clock.now(), vec![record])?;
                    if back { Stop::RolledBack } else { Stop::Done }
                }
                Ending::BeforeStage { stage, why } => Stop::Before(stage, why),
                Ending::Held { step, result, .. } => Stop::Held(step, result),
                Ending::Paused { .. } => Stop::Paused,
                Ending::RollbackAsked { to, .. } => match self.turn_back(open, to, false).await {
                    Ok(()) => continue,
                    Err(stop) => stop,
                },
                Ending::Failed { step, failure } => Stop::Failed(step, failure),
            });
        }
    }
}
