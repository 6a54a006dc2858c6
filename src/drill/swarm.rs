//! The fault swarm: run after run, each in its own weather, drawn from its seed.
//!
//! ```text
//!   seed ─▶ weather ─▶ life: run, or take up again ─▶ killed, stopped, paused, over ─┐
//!                        ▲   invariants at every change                              │
//!                        └───────────────── as long as the weather lasts ────────────┘
//!                      calm ─▶ resume, or roll back, a few times at most ─▶ verdict on the world
//! ```
//!
//! *Safety* first: no invariant is broken whatever happens. Then *liveness*: once nothing goes wrong any more, a few commands bring
//! the run to its end. Where nobody else had a hand in the account, the world is then exactly what it should be.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::{Value, json};

use super::compare::{How, differences_to, normal};
use super::hands::Place;
use super::invariants::{Said, Ties};
use super::lab::{Lab, Stop, foreign, paused};
use super::tap::{Fork, Recorder};
use super::watch::SharedWatch;
use super::weather::{self, Kind, Life, Weather};
use crate::model::{Claim, ClaimView, Direction, Error, FailureKind, Outcome, Runbook};
use crate::plan::inventory;
use crate::sim::{Sim, State};

/// How a run ended after the weather.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Ended {
    /// All stages done.
    Done,
    /// Back at the start.
    RolledBack,
    /// Stopped before somebody else's change: a person must decide.
    ForAPerson,
}

/// One run of a swarm.
#[derive(Clone, Debug)]
pub struct Trial {
    /// Its seed.
    pub seed: u64,
    /// What could strike.
    pub kinds: Vec<Kind>,
    /// How often the process was started.
    pub lives: usize,
    /// How often the invariants were checked.
    pub looks: usize,
    /// How it ended, or what is wrong.
    pub ended: Result<Ended, String>,
}

/// What came of a swarm.
#[derive(Clone, Debug, Default)]
pub struct Herd {
    /// Runs.
    pub runs: usize,
    /// Processes started.
    pub lives: usize,
    /// Checks of the invariants.
    pub looks: usize,
    /// By how they ended.
    pub ended: BTreeMap<Ended, usize>,
    /// In how many runs each kind could strike.
    pub kinds: BTreeMap<Kind, usize>,
    /// Runs in which something is wrong, by seed.
    pub failures: BTreeMap<u64, String>,
}

/// A circuit breaker of an API service.
const BREAKERS: [Option<bool>; 3] = [None, Some(false), Some(true)];
/// So many commands bring a run to its end once nothing goes wrong any more.
const PATIENCE: usize = 6;
const WORKERS: usize = 2;

/// What every run of a swarm starts from, once for each sort of circuit breaker that an API service can have.
pub struct Ground {
    runbook: Runbook,
    accepted: Vec<String>,
    starts: Vec<Start>,
}

struct Start {
    state: State,
    /// Its world at rest, in its normal form.
    start: Value,
    /// The world after the run, in its normal form.
    done: Value,
}

impl Ground {
    /// From a world that can be come back to.
    ///
    /// # Errors
    /// [`Error::DrillUnfit`] when the run does not come to its end even with nothing in its way.
    pub fn new(state: &State, runbook: &Runbook, accepted: &[String]) -> Result<Self, Error> {
        let mut starts = Vec::new();
        for breaker in BREAKERS {
            let state = with_breaker(state, runbook, breaker).map_err(|why| Error::DrillUnfit { causes: vec![why] })?;
            starts.push(start(state, runbook, accepted)?);
        }
        Ok(Self { runbook: runbook.clone(), accepted: accepted.to_vec(), starts })
    }
}

fn with_breaker(state: &State, runbook: &Runbook, breaker: Option<bool>) -> Result<State, String> {
    let Some(rollback) = breaker else { return Ok(state.clone()) };
    let ties = Ties::of(runbook);
    let now = state.now();
    let region = state.region().to_owned();
    let world = state.save();
    let sim = Sim::new(state.clone());
    for service in world["ecs"]["services"].as_array().into_iter().flatten() {
        if !ties.services.iter().any(|name| service["serviceName"] == **name) {
            continue;
        }
        let mut configuration = service["deploymentConfiguration"].clone();
        configuration["deploymentCircuitBreaker"] = json!({ "enable": true, "rollback": rollback });
        let input = json!({ "cluster": service["clusterArn"], "service": service["serviceName"], "deploymentConfiguration": configuration });
        foreign(&sim, now, &region, "UpdateService", &input)?;
    }
    Ok(sim.with(|state| {
        state.advance(now + 2 * super::compare::REST);
        state.clone()
    }))
}

fn start(state: State, runbook: &Runbook, accepted: &[String]) -> Result<Start, Error> {
    paused(async {
        let untouched = Lab::on(state.clone(), runbook, 1)?;
        let mut lab = Lab::on(state.clone(), runbook, 1)?;
        lab.accepted = accepted.to_vec();
        lab.approves = true;
        match lab.run().await {
            Stop::Done => Ok(Start {
                state,
                start: normal(&untouched.settled().await, How::WentBack),
                done: normal(&lab.settled().await, How::BackAndForth),
            }),
            Stop::Error(error) => Err(error),
            other => Err(Error::DrillUnfit { causes: vec![format!("it stops: {other:?}")] }),
        }
    })?
}

/// Runs a swarm: `runs` runs from `seed` on. `progress` is told how many are done.
pub fn swarm(ground: &Ground, seed: u64, runs: u64, progress: &(dyn Fn(u64) + Sync)) -> Herd {
    let next = AtomicU64::new(0);
    let herd = Mutex::new(Herd::default());
    std::thread::scope(|scope| {
        for _ in 0..WORKERS {
            scope.spawn(|| {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= runs {
                        return;
                    }
                    let trial = trial(ground, seed + number);
                    let mut herd = herd.lock().unwrap_or_else(PoisonError::into_inner);
                    herd.note(trial);
                    progress(herd.runs as u64);
                }
            });
        }
    });
    herd.into_inner().unwrap_or_else(PoisonError::into_inner)
}

impl Herd {
    fn note(&mut self, trial: Trial) {
        self.runs += 1;
        self.lives += trial.lives;
        self.looks += trial.looks;
        for kind in trial.kinds {
            *self.kinds.entry(kind).or_default() += 1;
        }
        match trial.ended {
            Ok(ended) => *self.ended.entry(ended).or_default() += 1,
            Err(why) => drop(self.failures.insert(trial.seed, why)),
        }
    }
}

/// Runs one run of a swarm.
pub fn trial(ground: &Ground, seed: u64) -> Trial {
    let course = || paused(Course::new(ground, seed)?.run()).and_then(|trial| trial);
    let wrong = |why: String| Trial { seed, kinds: Vec::new(), lives: 0, looks: 0, ended: Err(why) };
    match catch_unwind(AssertUnwindSafe(course)) {
        Ok(Ok(trial)) => trial,
        Ok(Err(error)) => wrong(format!("{error} {}", error.causes().join("; "))),
        Err(_) => wrong("it panicked".to_owned()),
    }
}

/// One run on its way.
struct Course<'a> {
    ground: &'a Ground,
    start: &'a Start,
    seed: u64,
    weather: Weather,
    watch: SharedWatch,
    /// The image of the shared service.
    image: String,
    lives: usize,
}

impl<'a> Course<'a> {
    fn new(ground: &'a Ground, seed: u64) -> Result<Self, Error> {
        let start = &ground.starts[usize::try_from(seed % ground.starts.len() as u64).unwrap_or(0)];
        let body = |kind: &str| {
            ground.runbook.stages.iter().find(|stage| stage.kind == kind).map(|stage| stage.body.clone()).unwrap_or_default()
        };
        let word = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let place = Place {
            region: start.state.region().to_owned(),
            cluster: word(&ground.runbook.target["cluster"]),
            log_group: word(&body("log_group")["name"]),
        };
        let containers = body("task_definition")["container"].clone();
        let image = containers.as_object().and_then(|known| known.values().next()).map(|known| word(&known["image"]));
        Ok(Self {
            ground,
            start,
            seed,
            weather: Weather::draw(seed),
            watch: SharedWatch::new(Ties::of(&ground.runbook), place, seed),
            image: image.unwrap_or_default(),
            lives: 0,
        })
    }

    async fn run(mut self) -> Result<Trial, Error> {
        let mut left = self.first_life().await?;
        for _ in 1..self.weather.lives {
            if self.over(&left)? {
                break;
            }
            left = self.another_life(left).await?;
        }
        let ended = self.calm(left).await?;
        let (looks, broken) = self.watch.verdict();
        let ended = match broken {
            Some(what) => Err(what),
            None => ended,
        };
        Ok(Trial { seed: self.seed, kinds: self.weather.kinds.clone(), lives: self.lives, looks, ended })
    }

    async fn first_life(&mut self) -> Result<Fork, Error> {
        let mut state = self.start.state.clone();
        state.reseed(self.seed);
        self.weather.manners(state.assumptions());
        let life = self.weather.life(&self.image);
        weather::arm(&mut state, &life);
        let lab = Lab::on(state, &self.ground.runbook, self.seed)?;
        self.live(lab, &life).await
    }

    async fn another_life(&mut self, mut left: Fork) -> Result<Fork, Error> {
        let life = self.weather.life(&self.image);
        weather::arm(&mut left.state, &life);
        let lab = self.taken_up(&left, &life)?;
        self.live(lab, &life).await
    }

    fn taken_up(&self, left: &Fork, life: &Life) -> Result<Lab, Error> {
        let seed = self.seed.wrapping_mul(31).wrapping_add(self.lives as u64);
        Lab::over_files(left, life.away, &self.ground.runbook, seed)
    }

    /// One process, from its start to its death or end.
    async fn live(&mut self, lab: Lab, life: &Life) -> Result<Fork, Error> {
        let lab = self.dressed(lab, life)?;
        let taken = Arc::new(Mutex::new(None));
        if let Some(number) = life.crash {
            let slot = Arc::clone(&taken);
            lab.record(Recorder {
                distinct: false,
                wanted: Box::new(move |point| point.number == number),
                take: Box::new(move |fork| *slot.lock().unwrap_or_else(PoisonError::into_inner) = Some(fork)),
            });
        }
        let stop = go(&lab, life.back).await;
        let killed = taken.lock().unwrap_or_else(PoisonError::into_inner).take();
        match killed {
            Some(fork) => Ok(fork),
            None => {
                self.note_end(&lab, &stop);
                lab.leave()
            }
        }
    }

    fn dressed(&mut self, lab: Lab, life: &Life) -> Result<Lab, Error> {
        self.lives += 1;
        let records = match lab.run_id() {
            Ok(run) => lab.journal()?.records(&run)?,
            Err(_) => Vec::new(),
        };
        self.watch.begin(lab.clock.now_millis(), &records, life);
        let mut lab = lab.watched_by(self.watch.clone(), life.skew);
        lab.accepted.clone_from(&self.ground.accepted);
        lab.approves = true;
        Ok(lab)
    }

    /// What a run says of itself is held against the account.
    fn note_end(&self, lab: &Lab, stop: &Stop) {
        let said = match stop {
            Stop::Done => Said::Done,
            Stop::RolledBack => Said::RolledBack,
            _ => return,
        };
        self.watch.said(&lab.sim, lab.clock.now_millis(), said);
    }

    fn over(&self, left: &Fork) -> Result<bool, Error> {
        let lab = self.taken_up(left, &Life::default())?;
        Ok(lab.run_id().is_ok() && lab.view()?.ended.is_some())
    }

    /// Nothing goes wrong any more: how the run comes to its end.
    async fn calm(&mut self, mut left: Fork) -> Result<Result<Ended, String>, Error> {
        left.state.heal();
        self.watch.calm();
        let foreign = self.weather.kinds.iter().any(|kind| kind.foreign());
        let mut told = Vec::new();
        for attempt in 0..PATIENCE {
            let lab = self.taken_up(&left, &Life { away: 60_000, ..Life::default() })?;
            let lab = self.dressed(lab, &Life::default())?;
            // Who cannot go on goes back.
            let stop = go(&lab, attempt >= PATIENCE / 2).await;
            self.note_end(&lab, &stop);
            let stuck = stop.kind() == Some(FailureKind::Stuck);
            let drift = matches!(stop.kind(), Some(FailureKind::Drift | FailureKind::Stuck | FailureKind::Mismatch));
            match stop {
                Stop::Done | Stop::NothingToDo | Stop::Over(Outcome::Done) => {
                    return Ok(self.as_it_should(&lab, &self.start.done, How::BackAndForth, Ended::Done, foreign).await);
                }
                Stop::RolledBack | Stop::Over(Outcome::RolledBack) => {
                    return Ok(self.as_it_should(&lab, &self.start.start, How::WentBack, Ended::RolledBack, foreign).await);
                }
                other => told.push(format!("{other:?}")),
            }
            if foreign && attempt + 1 == PATIENCE && drift {
                let silent = stuck && inventory(&lab.view()?).is_empty();
                return Ok(if silent { Err("stuck, and nothing is named that is left".to_owned()) } else { Ok(Ended::ForAPerson) });
            }
            left = lab.leave()?;
        }
        Ok(if foreign { Ok(Ended::ForAPerson) } else { Err(format!("liveness: after {PATIENCE} commands: {}", told.join(" | "))) })
    }

    /// A revision that could not be deregistered is harmless, and so is a claim that could not be removed: they may stay, if the run
    /// says so.
    fn set_aside(&self, lab: &Lab, world: &mut Value) -> Result<(), String> {
        if lab.run_id().is_err() {
            return Ok(());
        }
        let view = lab.view().map_err(|error| error.to_string())?;
        for service in world["ecs"]["services"].as_array_mut().into_iter().flatten() {
            let claim = service["serviceName"].as_str().and_then(|name| view.claims.get(name));
            let tags = service["tags"].as_array_mut().filter(|_| claim.is_some_and(ClaimView::is_left));
            if let Some(tags) = tags {
                tags.retain(|tag| tag["key"] != Claim::key(&view.id));
            }
        }
        let told: Vec<String> = inventory(&view)
            .into_iter()
            .filter(|left| view.plan.direction == Direction::Back && left.kind == "task definition")
            .map(|left| left.name)
            .collect();
        if let Some(revisions) = world["ecs"]["taskDefinitions"].as_array_mut() {
            revisions.retain(|known| {
                let arn = known["taskDefinition"]["taskDefinitionArn"].as_str().unwrap_or_default();
                !told.iter().any(|name| arn.ends_with(&format!("/{name}")))
            });
        }
        Ok(())
    }

    /// Differences that are the weather's own doing.
    fn forgiven(&self, line: &str) -> bool {
        // Where tagging was not permitted the service has no tags, and the run has said so.
        let untagged = self.weather.has(Kind::Refusal) && line.starts_with("/ecs/services/") && line.contains("/tags: ");
        // Where a breaker's rollback takes a new deployment's id, the tasks keep that of the deployment that started them.
        let renamed = line.starts_with("/ecs/tasks/") && line.contains("/startedBy: ");
        untagged || renamed
    }

    async fn as_it_should(&self, lab: &Lab, wanted: &Value, how: How, ended: Ended, foreign: bool) -> Result<Ended, String> {
        let mut found = lab.settled().await;
        self.set_aside(lab, &mut found)?;
        let mut lines = if foreign { Vec::new() } else { differences_to(wanted, &found, how) };
        lines.retain(|line| !self.forgiven(line));
        if lines.is_empty() { Ok(ended) } else { Err(format!("{ended:?}, and the world is another: {}", lines.join("; "))) }
    }
}

async fn go(lab: &Lab, back: bool) -> Stop {
    if lab.run_id().is_err() {
        return lab.run().await;
    }
    if back { lab.roll_back(None).await } else { lab.resume().await }
}
