//! What a dry run does: the whole migration on an account as it was read, once more with the process killed in the middle and taken
//! up again, and all the way back. A run that was begun goes on from its journal instead.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use jiff::Timestamp;
use serde_json::Value;

use super::compare::{How, differences_to, effects, normal};
use super::lab::{Lab, Stop, paused};
use super::marks::Marks;
use super::sweep::{locked, other_lines};
use super::tap::{Files, Fork, Point, PointKind, Recorder};
use super::world::lived_in;
use crate::model::{Direction, Error, Outcome, RunId, RunView, Runbook, StageId, StagePlan};
use crate::sim::{Millis, State};

/// How long the world goes on after the last step, so that what the end state does to spans is seen.
pub const AFTERMATH: Millis = 60_000;

/// What is to be proven.
#[derive(Clone)]
pub struct Claim<'a> {
    /// The account, as a world file.
    pub world: &'a Value,
    /// What is run there.
    pub runbook: &'a Runbook,
    /// Blockers that the operator accepts.
    pub accepted: &'a [String],
    /// A run that was begun, with the files of its journal.
    pub begun: Option<(&'a RunId, &'a Files)>,
    /// Of everything random.
    pub seed: u64,
}

/// What came of it.
#[derive(Debug)]
pub struct Proof {
    /// Where the run that nothing interrupts stops by itself.
    pub stop: Stop,
    /// The run as it stands then.
    pub view: RunView,
    /// Each stage that it worked in, with the virtual time it took.
    pub stages: Vec<(StageId, Millis)>,
    /// From its begin to its end.
    pub took: Millis,
    /// AWS calls by operation.
    pub calls: BTreeMap<String, u64>,
    /// The simulator's account of spans.
    pub spans: Value,
    /// The same with a crash; none where there was nothing to interrupt.
    pub crash: Option<Crashed>,
    /// The way back from there; none where it was gone already.
    pub back: Option<WayBack>,
}

/// A run that was killed and taken up again.
#[derive(Debug)]
pub struct Crashed {
    /// Where.
    pub point: Point,
    /// How it ended otherwise than without the crash; none: it did not.
    pub lines: Vec<String>,
}

/// A run taken back.
#[derive(Debug)]
pub struct WayBack {
    /// The run as it stands then.
    pub view: RunView,
    /// How long it took.
    pub took: Millis,
    /// Spans that were lost meanwhile.
    pub lost: i64,
    /// Whether the account was held against what it was at the start. Of a run that was begun before, that is not known.
    pub compared: bool,
    /// How it ended otherwise than it must; none: it did not.
    pub lines: Vec<String>,
}

impl Proof {
    /// Whether the run came to its end, a crash made no difference, and the way back led back.
    pub fn holds(&self) -> bool {
        let whole = |lines: &[String]| lines.is_empty();
        self.comes_to_its_end()
            && self.crash.as_ref().is_none_or(|crash| whole(&crash.lines))
            && self.back.as_ref().is_none_or(|back| whole(&back.lines))
    }

    /// Whether the run came to its end by itself.
    pub fn comes_to_its_end(&self) -> bool {
        matches!(self.stop, Stop::Done | Stop::RolledBack)
    }
}

/// A course that nothing interrupted, and what is held against it.
struct Course {
    proof: Proof,
    /// The world at its end, in its normal form.
    done: Value,
    effects: Vec<String>,
    lost: i64,
    forks: Vec<Fork>,
}

/// Tries it.
///
/// # Errors
/// When the world cannot be loaded, nothing can be planned on it, or the operating system refuses something.
pub fn prove(claim: &Claim<'_>) -> Result<Proof, Error> {
    let mut course = paused(course(claim))??;
    // In the middle of the way, where most is half done.
    let middle = course.forks.len() / 2;
    if course.proof.comes_to_its_end() && middle < course.forks.len() {
        let fork = course.forks.swap_remove(middle);
        course.proof.crash = Some(paused(crashed(claim, &fork, &course))??);
    }
    Ok(course.proof)
}

fn begin(claim: &Claim<'_>) -> Result<Lab, Error> {
    let state = State::load(claim.world, claim.seed).map_err(|message| Error::Internal { message })?;
    let mut lab = match claim.begun {
        None => Lab::on(state, claim.runbook, claim.seed)?,
        Some((run, files)) => {
            let now = state.now();
            Lab::from_files(state, now, files, claim.runbook, run, claim.seed)?
        }
    };
    lab.accepted = claim.accepted.to_vec();
    Ok(lab)
}

async fn course(claim: &Claim<'_>) -> Result<Course, Error> {
    let lab = begin(claim)?;
    let marks = Marks::on(&lab.sim);
    *lab.watcher.borrow_mut() = Box::new(move |view, event, _| marks.event(view, event));
    let forks = Arc::new(Mutex::new(Vec::new()));
    let slot = Arc::clone(&forks);
    lab.record(Recorder {
        distinct: false,
        // The answer to a change is lost: the instant at which a tool that keeps no journal does it twice.
        wanted: Box::new(|point| point.kind == PointKind::AfterEffect && point.of == "UpdateService"),
        take: Box::new(move |fork| locked(&slot).push(fork)),
    });
    let began = lab.clock.now_millis();
    let stop = if claim.begun.is_some() { lab.resume().await } else { lab.run().await };
    let took = lab.clock.now_millis() - began;
    lab.tap.close()?;
    let stop = match stop {
        Stop::Error(error) => return Err(error),
        other => other,
    };
    let view = lab.view()?;
    *lab.watcher.borrow_mut() = Box::new(|_, _, _| {});
    lab.sim.with(|state| state.mark("after"));
    lab.live(AFTERMATH).await;
    let (calls, spans) = (lab.sim.calls(), lab.sim.with(|state| state.spans()));
    let found = lab.settled().await;
    let done = normal(&found, How::Whole);
    let effects = effects(&lab.sim.ledger(), &found);
    let lost = lab.spans_lost();
    let back = if view.plan.direction == Direction::Forward { Some(way_back(claim, &lab, &view).await?) } else { None };
    let stages = stage_times(&view, began);
    let proof = Proof { stop, view, stages, took, calls, spans, crash: None, back };
    let forks = std::mem::take(&mut *locked(&forks));
    Ok(Course { proof, done, effects, lost, forks })
}

/// The stages that were worked in, each from the first start of a step to its last change.
fn stage_times(view: &RunView, began: Millis) -> Vec<(StageId, Millis)> {
    let time = |stage: &StagePlan| {
        let steps = || stage.steps().filter_map(|step| view.steps.get(&step.id));
        let from = steps().filter_map(|step| step.started_at).map(Timestamp::as_millisecond).filter(|at| *at >= began).min()?;
        let to = steps().filter_map(|step| step.changed_at).map(Timestamp::as_millisecond).max()?;
        Some((stage.id.clone(), to - from))
    };
    view.plan.stages.iter().filter_map(time).collect()
}

async fn way_back(claim: &Claim<'_>, lab: &Lab, view: &RunView) -> Result<WayBack, Error> {
    let goal = match claim.begun {
        None => start_again(claim, view).await?,
        // Where it began is not known: the account was read in the middle of it.
        Some(_) => None,
    };
    lab.sim.with(|state| state.mark("rollback"));
    let lost = lab.spans_lost();
    let began = lab.clock.now_millis();
    let stop = lab.roll_back(None).await;
    let took = lab.clock.now_millis() - began;
    let found = lab.settled().await;
    let compared = goal.is_some();
    let lines = match (&stop, goal) {
        (Stop::RolledBack, Some(goal)) => differences_to(&goal, &found, How::WentBack),
        (Stop::RolledBack, None) => Vec::new(),
        (other, _) => words(other),
    };
    Ok(WayBack { view: lab.view()?, took, lost: lab.spans_lost() - lost, compared, lines })
}

/// The start, as it can be come back to: the tasks of the services that the run changed were started by the account itself, for a
/// captured task lacks members that its successors have. None where the account does not let that be made.
async fn start_again(claim: &Claim<'_>, view: &RunView) -> Result<Option<Value>, Error> {
    let there = |name: &&str| {
        let mut services = claim.world["ecs"]["services"].as_array().into_iter().flatten();
        services.any(|service| service["serviceName"] == **name && service["status"] == "ACTIVE")
    };
    let changed = view.mutations.iter().filter(|mutation| mutation.step.action == "ecs.update-service");
    let changed = changed.filter_map(|mutation| mutation.step.params["service"].as_str()).filter(there);
    let services: Vec<&str> = changed.collect::<BTreeSet<_>>().into_iter().collect();
    match lived_in(claim.world, claim.seed, &view.plan.target.cluster, &services) {
        Ok(state) => Ok(Some(normal(&Lab::on(state, claim.runbook, claim.seed)?.settled().await, How::WentBack))),
        Err(_) => Ok(None),
    }
}

async fn crashed(claim: &Claim<'_>, fork: &Fork, course: &Course) -> Result<Crashed, Error> {
    let lab = Lab::from_fork(fork, 0, claim.runbook, &course.proof.view.id, claim.seed.wrapping_add(1))?;
    let stop = lab.resume().await;
    let found = lab.settled().await;
    let mut lines = match &stop {
        Stop::Done | Stop::RolledBack | Stop::Over(Outcome::Done | Outcome::RolledBack) => {
            let mut lines = differences_to(&course.done, &found, How::Whole);
            lines.extend(other_lines(&course.effects, &effects(&lab.sim.ledger(), &found)));
            lines
        }
        other => words(other),
    };
    let lost = lab.spans_lost();
    if lost > course.lost {
        lines.push(format!("{lost} spans lost, {} without a crash", course.lost));
    }
    Ok(Crashed { point: fork.point.clone(), lines })
}

/// Where a run stopped, for people.
fn words(stop: &Stop) -> Vec<String> {
    match stop {
        Stop::Failed(step, failure) => {
            let mut words = vec![format!("step `{step}`: {}", failure.message)];
            words.extend(failure.causes.iter().cloned());
            words
        }
        Stop::Held(step, result) => vec![format!("step `{step}` waits for a person: {result}")],
        Stop::Error(error) => vec![error.to_string()],
        other => vec![format!("it stops: {other:?}")],
    }
}
