//! Crash points. A tap under the HTTP client and around the journal sees the four instants between which a process can die:
//! before a request is sent, after its effect and before its answer, before a commit, after it. At each it can take a [`Fork`]:
//! the world and the journal's files as they are at that instant, from which another process goes on.

use std::collections::{BTreeMap, HashSet};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use jiff::Timestamp;
use sidestep::journal::{OpenRun, Request, Store};
use sidestep::model::{Error, Record, RecordBody};
use sidestep::sim::{Millis, Sim, SimClock, SimConnector, State};

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
}

impl std::fmt::Display for Point {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "point {} ({:?} {}, after {} commits)", self.number, self.kind, self.of, self.commits)
    }
}

/// Everything that outlives a process that dies at a point.
#[derive(Clone)]
pub struct Fork {
    pub point: Point,
    pub state: State,
    pub now: Millis,
    pub files: Arc<Files>,
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

struct Tapped {
    recorder: Recorder,
    sim: Sim,
    clock: SimClock,
    dir: PathBuf,
    files: Arc<Files>,
    commits: usize,
    next: usize,
    last: Option<(Millis, usize, u64)>,
    seen: HashSet<u64>,
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
    /// From now on points are counted.
    pub fn open(&self, sim: Sim, clock: SimClock, dir: &Path, recorder: Recorder) {
        let files = Arc::new(read_files(dir));
        let tapped =
            Tapped { recorder, sim, clock, dir: dir.to_owned(), files, commits: 0, next: 0, last: None, seen: HashSet::new() };
        *self.0.lock().expect("no panic under the tap") = Some(tapped);
    }

    /// No more points are counted; how many there were, and how many of them distinct.
    pub fn close(&self) -> (usize, usize) {
        let tapped = self.0.lock().expect("no panic under the tap").take();
        tapped.map_or((0, 0), |tapped| (tapped.next, tapped.seen.len()))
    }

    /// Reads the journal's files anew: something was written that is no point.
    pub fn refresh(&self) {
        if let Some(tapped) = self.0.lock().expect("no panic under the tap").as_mut() {
            tapped.files = Arc::new(read_files(&tapped.dir));
            tapped.commits += 1;
        }
    }

    fn point(&self, kind: PointKind, of: impl FnOnce() -> String) {
        if let Some(tapped) = self.0.lock().expect("no panic under the tap").as_mut() {
            tapped.point(kind, of());
        }
    }
}

impl Tapped {
    /// How many mutations took effect: each request that may have is an instant of its own.
    fn effects(&self) -> u64 {
        self.sim.calls().iter().filter(|(action, _)| !is_read(action)).map(|(_, times)| times).sum()
    }

    fn point(&mut self, kind: PointKind, of: String) {
        if kind == PointKind::AfterCommit {
            self.commits += 1;
            self.files = Arc::new(read_files(&self.dir));
        }
        let point = Point { number: self.next, kind, of, commits: self.commits };
        self.next += 1;
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
    (commits, world.to_string()).hash(&mut hasher);
    hasher.finish()
}

fn read_files(dir: &Path) -> Files {
    let mut files = Files::new();
    for entry in std::fs::read_dir(dir).expect("the state directory is there") {
        let path = entry.expect("an entry").path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        // The shared-memory index is rebuilt from the others; the locks die with their process.
        if path.is_file() && !name.ends_with("-shm") {
            files.insert(name, std::fs::read(&path).expect("a journal file can be read"));
        }
    }
    files
}

/// The simulator's HTTP client under a tap.
#[derive(Clone, Debug)]
pub struct Wire {
    pub inner: SimConnector,
    pub tap: Tap,
}

impl HttpConnector for Wire {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let of = || match request.headers().get("x-amz-target") {
            Some(target) => target.rsplit('.').next().unwrap_or(target).to_owned(),
            None => request.uri().to_owned(),
        };
        let of = of();
        self.tap.point(PointKind::BeforeRequest, || of.clone());
        // The connector lets the request happen before it gives the future of the answer.
        let answer = self.inner.call(request);
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
pub struct Watched<'a> {
    pub open: &'a mut OpenRun,
    pub tap: Tap,
}

impl Store for Watched<'_> {
    fn append(&mut self, at: Timestamp, bodies: Vec<RecordBody>) -> Result<Vec<Record>, Error> {
        let of = bodies.iter().map(word).collect::<Vec<_>>().join("+");
        self.tap.point(PointKind::BeforeCommit, || of.clone());
        let records = self.open.append(at, bodies)?;
        self.tap.point(PointKind::AfterCommit, || of);
        Ok(records)
    }

    fn take_requests(&mut self) -> Result<Vec<Request>, Error> {
        self.open.take_requests()
    }
}

/// A record in a word, with its step.
fn word(body: &RecordBody) -> String {
    let name = format!("{body:?}");
    let name = name.split([' ', '{', '(']).next().unwrap_or_default().to_owned();
    body.step().map_or_else(|| name.clone(), |step| format!("{name}[{step}]"))
}
