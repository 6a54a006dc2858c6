//! Crash points. A tap under the HTTP client and around the journal sees the four instants between which a process can die:
//! before a request is sent, after its effect and before its answer, before a commit, after it. At each it can take a [`Fork`]:
//! the world and the journal's files as they are at that instant, from which another process goes on.

use std::collections::{BTreeMap, HashSet};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use jiff::Timestamp;

use super::watch::SharedWatch;
use super::weather::JournalFault;
use crate::journal::{OpenRun, Request, Store};
use crate::model::{Error, Record, RecordBody, RunView, StageId};
use crate::sim::{Millis, Sim, SimClock, SimConnector, State};

/// Which instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum PointKind {
    /// A request is about to be sent.
    BeforeRequest,
    /// A request has taken effect; nobody has seen its answer.
    AfterEffect,
    /// Records are about to be written.
    BeforeCommit,
    /// Records are durable; nothing has followed from them.
    AfterCommit,
}

/// A crash point.
#[derive(Clone, Debug)]
pub struct Point {
    /// Its number in the run, from 0.
    pub number: usize,
    /// Which instant.
    pub kind: PointKind,
    /// The operation, or the records.
    pub of: String,
    /// Commits before it.
    pub commits: usize,
    /// The stage under way; none before the first step of a plan.
    pub stage: Option<StageId>,
}

impl std::fmt::Display for Point {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "point {} ({:?} {}, after {} commits)", self.number, self.kind, self.of, self.commits)
    }
}

/// Everything that outlives a process that dies at a point.
#[derive(Clone)]
pub struct Fork {
    /// Where.
    pub point: Point,
    /// The account.
    pub state: State,
    /// When.
    pub now: Millis,
    /// The journal's files.
    pub files: Arc<Files>,
}

impl Fork {
    /// Where a process came to its own end.
    pub(super) fn left(state: State, now: Millis, dir: &Path) -> std::io::Result<Self> {
        let files = Arc::new(read_files(dir)?);
        let point = Point { number: 0, kind: PointKind::AfterCommit, of: "the end".to_owned(), commits: 0, stage: None };
        Ok(Self { point, state, now, files })
    }
}

/// The journal's files by name.
pub type Files = BTreeMap<String, Vec<u8>>;

/// Where forks are taken and what becomes of them.
pub struct Recorder {
    /// Points with the same journal and world count as one.
    pub distinct: bool,
    /// Whether the point of this number is wanted.
    pub wanted: Box<dyn FnMut(&Point) -> bool + Send>,
    /// Takes the fork.
    pub take: Box<dyn FnMut(Fork) + Send>,
}

/// How many crash points there were.
#[derive(Clone, Debug, Default)]
pub struct Counted {
    /// In all.
    pub points: usize,
    /// By the stage under way, in the order of first meeting.
    pub by_stage: Vec<(Option<StageId>, usize)>,
}

struct Tapped {
    recorder: Recorder,
    sim: Sim,
    clock: SimClock,
    dir: PathBuf,
    files: Arc<Files>,
    commits: usize,
    last: Option<(Millis, usize, u64)>,
    seen: HashSet<u64>,
    stage: Option<StageId>,
    counted: Counted,
    /// The journal's files could not be read: forks would be of no use.
    unread: Option<std::io::Error>,
}

/// See the module's text. Clones are handles on the same tap.
#[derive(Clone, Default)]
pub struct Tap(Arc<Mutex<Option<Tapped>>>);

impl std::fmt::Debug for Tap {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Tap")
    }
}

impl Tap {
    fn locked(&self) -> MutexGuard<'_, Option<Tapped>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// From now on points are counted.
    pub fn open(&self, sim: Sim, clock: SimClock, dir: &Path, recorder: Recorder) {
        let mut tapped = Tapped {
            recorder,
            sim,
            clock,
            dir: dir.to_owned(),
            files: Arc::default(),
            commits: 0,
            last: None,
            seen: HashSet::new(),
            stage: None,
            counted: Counted::default(),
            unread: None,
        };
        tapped.read_files();
        *self.locked() = Some(tapped);
    }

    /// No more points are counted; how many there were.
    ///
    /// # Errors
    /// When the journal's files could not be read at some point.
    pub fn close(&self) -> Result<Counted, Error> {
        match self.locked().take() {
            None => Ok(Counted::default()),
            Some(Tapped { unread: Some(error), dir, .. }) => Err(Error::Internal {
                message: format!("the journal in `{}` could not be copied at a crash point: {error}", dir.display()),
            }),
            Some(tapped) => Ok(tapped.counted),
        }
    }

    /// Reads the journal's files anew: something was written that is no point.
    pub fn refresh(&self) {
        if let Some(tapped) = self.locked().as_mut() {
            tapped.read_files();
            tapped.commits += 1;
        }
    }

    /// A stage is under way from here on.
    fn enter(&self, stage: Option<StageId>) {
        if let (Some(tapped), Some(stage)) = (self.locked().as_mut(), stage) {
            tapped.stage = Some(stage);
        }
    }

    fn point(&self, kind: PointKind, of: impl FnOnce() -> String) {
        if let Some(tapped) = self.locked().as_mut() {
            tapped.point(kind, of());
        }
    }
}

impl Tapped {
    /// How many mutations took effect: each request that may have is an instant of its own.
    fn effects(&self) -> u64 {
        self.sim.calls().iter().filter(|(action, _)| !is_read(action)).map(|(_, times)| times).sum()
    }

    fn read_files(&mut self) {
        match read_files(&self.dir) {
            Ok(files) => self.files = Arc::new(files),
            Err(error) => self.unread = Some(error),
        }
    }

    fn point(&mut self, kind: PointKind, of: String) {
        if kind == PointKind::AfterCommit {
            self.commits += 1;
            self.read_files();
        }
        let point = Point { number: self.counted.points, kind, of, commits: self.commits, stage: self.stage.clone() };
        self.counted.points += 1;
        match self.counted.by_stage.iter_mut().find(|(stage, _)| *stage == self.stage) {
            Some((_, points)) => *points += 1,
            None => self.counted.by_stage.push((self.stage.clone(), 1)),
        }
        let now = self.clock.now_millis();
        let instant = (now, self.commits, self.effects());
        if self.recorder.distinct {
            // Nothing can have changed between two points of one instant but by a commit or an effect.
            if self.last == Some(instant) {
                return;
            }
            self.last = Some(instant);
            let fingerprint = self.sim.with(|state| fingerprint(self.commits, state));
            if !self.seen.insert(fingerprint) {
                return;
            }
        }
        if (self.recorder.wanted)(&point) {
            let state = self.sim.with(|state| state.clone());
            (self.recorder.take)(Fork { point, state, now, files: Arc::clone(&self.files) });
        }
    }
}

fn is_read(action: &str) -> bool {
    let name = action.rsplit(':').next().unwrap_or(action);
    ["Describe", "List", "Get", "Filter"].iter().any(|prefix| name.starts_with(prefix))
}

/// Journal and world in a number; log events and the time of capture are nobody's concern.
fn fingerprint(commits: usize, state: &State) -> u64 {
    let mut world = state.save();
    if let Some(members) = world.as_object_mut() {
        members.remove("capturedAt");
    }
    if let Some(logs) = world["logs"].as_object_mut() {
        logs.retain(|name, _| name == "logGroups");
    }
    let mut hasher = DefaultHasher::new();
    (commits, world).hash(&mut hasher);
    hasher.finish()
}

fn read_files(dir: &Path) -> std::io::Result<Files> {
    let mut files = Files::new();
    for entry in std::fs::read_dir(dir)? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        // The shared-memory index is rebuilt from the others; the locks die with their process.
        if path.is_file() && !name.ends_with("-shm") {
            files.insert(name, std::fs::read(&path)?);
        }
    }
    Ok(files)
}

/// The simulator's HTTP client under a tap.
#[derive(Clone, Debug)]
pub(super) struct Wire {
    pub(super) inner: SimConnector,
    pub(super) tap: Tap,
    pub(super) watch: Option<SharedWatch>,
}

impl HttpConnector for Wire {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let of = || match request.headers().get("x-amz-target") {
            Some(target) => target.rsplit('.').next().unwrap_or(target).to_owned(),
            None => request.uri().to_owned(),
        };
        let of = of();
        if let Some(watch) = &self.watch {
            watch.before_request(self.inner.sim(), self.inner.clock().now_millis());
        }
        self.tap.point(PointKind::BeforeRequest, || of.clone());
        // The connector lets the request happen before it gives the future of the answer.
        let answer = self.inner.call(request);
        if let Some(watch) = &self.watch {
            watch.look(self.inner.sim());
        }
        self.tap.point(PointKind::AfterEffect, || of);
        answer
    }
}

impl HttpClient for Wire {
    fn http_connector(&self, _: &HttpConnectorSettings, _: &RuntimeComponents) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}

/// A run's store under a tap.
pub(super) struct Watched<'a> {
    pub(super) open: &'a mut OpenRun,
    pub(super) tap: Tap,
    pub(super) watch: Option<SharedWatch>,
    #[cfg(test)]
    pub(super) behind: super::tests::behind::Behind,
}

impl Store for Watched<'_> {
    fn append(&mut self, at: Timestamp, bodies: Vec<RecordBody>) -> Result<Vec<Record>, Error> {
        #[cfg(test)]
        let bodies = match self.behind.hold(self.open.view().last_seq, at, bodies) {
            Ok(records) => return Ok(records),
            Err(bodies) => bodies,
        };
        let of = bodies.iter().map(word).collect::<Vec<_>>().join("+");
        self.tap.enter(bodies.iter().rev().find_map(|body| stage_of(self.open.view(), body)));
        self.tap.point(PointKind::BeforeCommit, || of.clone());
        let fault = self.watch.as_ref().and_then(SharedWatch::journal_fault);
        if fault == Some(JournalFault::NotWritten) {
            return Err(not_written("the disk is full"));
        }
        let records = self.open.append(at, bodies)?;
        if let Some(watch) = &self.watch {
            watch.committed(&records);
        }
        #[cfg(test)]
        let records = self.behind.news(records);
        self.tap.point(PointKind::AfterCommit, || of);
        if fault == Some(JournalFault::Ambiguous) {
            return Err(not_written("the disk reports an error"));
        }
        Ok(records)
    }

    fn take_requests(&mut self) -> Result<Vec<Request>, Error> {
        self.open.take_requests()
    }

    fn check(&mut self) -> Result<(), Error> {
        self.open.check()
    }
}

fn not_written(why: &str) -> Error {
    Error::JournalWrite { path: "journal.db".to_owned(), why: why.to_owned(), at: None }
}

fn stage_of(view: &RunView, body: &RecordBody) -> Option<StageId> {
    let step = body.step()?;
    view.plan.steps().find(|(_, _, planned)| planned.id == *step).map(|(stage, _, _)| stage.id.clone())
}

/// A record in a word, with its step.
fn word(body: &RecordBody) -> String {
    let name = format!("{body:?}");
    let name = name.split([' ', '{', '(']).next().unwrap_or_default().to_owned();
    body.step().map_or_else(|| name.clone(), |step| format!("{name}[{step}]"))
}
