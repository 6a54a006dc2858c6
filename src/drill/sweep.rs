//! The crash sweep: a run dies at each crash point, and is resumed, or rolled back. The verdict is the world's, not the exit
//! code's.
//!
//! One run that nothing interrupts gives the goal, and the points. A second one, the same to the letter, is forked at each point
//! wanted; workers take the forks up while it goes on.

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError, mpsc};

use serde_json::Value;

use super::compare::{How, differences_to, effects, normal};
use super::lab::{Lab, Stop, paused};
use super::tap::{Counted, Fork, Point, Recorder};
use crate::model::{Error, Outcome, RunId, Runbook, StageId};
use crate::sim::{Millis, State};

/// What is swept.
#[derive(Clone)]
pub struct Case {
    /// For people.
    pub name: String,
    /// The account before the run.
    pub start: State,
    /// What is run.
    pub runbook: Runbook,
    /// Blockers that the operator accepts.
    pub accepted: Vec<String>,
    /// What the process does that dies.
    pub course: Course,
    /// Of everything random in the run.
    pub seed: u64,
}

/// What the process does that dies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Course {
    /// It runs.
    Forward,
    /// The run is finished, and it goes back.
    Back,
    /// The run is finished, and it takes back one target's lanes, to do them again afterwards.
    LaneBack(String),
}

/// Which points to try.
#[derive(Clone, Copy, Debug)]
pub enum Choice {
    /// All that differ in journal or world.
    All,
    /// Also those whose journal and world are as at another point: time has passed in between.
    Every,
    /// So many of those that differ, drawn by a seed, one from each stretch of the run.
    Sample(usize, u64),
    /// Those of these that differ.
    Where(fn(&Point) -> bool),
    /// The one of this number: how a failure is replayed.
    One(usize),
}

/// How often the process dies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Depth {
    /// Once.
    Once,
    /// Once more, at one point of the resume or the rollback, drawn by the first point's number.
    Twice,
    /// Once more, at every point of the resume or the rollback that differs in journal or world.
    Pairs,
}

/// What is done after a crash.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Way {
    /// `sidestep resume`.
    Resume,
    /// `sidestep rollback`.
    RollBack,
}

const WAYS: [Way; 2] = [Way::Resume, Way::RollBack];

/// What came of the tries of one way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tries {
    /// How many.
    pub tried: usize,
    /// Of these, how many did not end as they must.
    pub failed: usize,
}

/// The points of one stage.
#[derive(Clone, Debug, Default)]
pub struct Row {
    /// The stage under way; none before the first.
    pub stage: Option<StageId>,
    /// Crash points.
    pub points: usize,
    /// Of these, how many differ in journal or world, with the run in the journal.
    pub distinct: usize,
    /// Resumed from there.
    pub resumed: Tries,
    /// Rolled back from there.
    pub rolled_back: Tries,
}

/// A try that did not end as it must.
#[derive(Clone, Debug)]
pub struct Failed {
    /// Where the process died first.
    pub point: Point,
    /// What was tried, in words.
    pub what: String,
    /// How the world differs, or why the run stopped.
    pub lines: Vec<String>,
}

/// What came of a sweep.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    /// By stage, in the order of the run.
    pub rows: Vec<Row>,
    /// The points that were tried.
    pub points: Vec<Point>,
    /// Every failure.
    pub failures: Vec<Failed>,
}

impl Tally {
    /// All stages in one row.
    pub fn total(&self) -> Row {
        let mut total = Row::default();
        for row in &self.rows {
            total.points += row.points;
            total.distinct += row.distinct;
            for (sum, tries) in [(&mut total.resumed, row.resumed), (&mut total.rolled_back, row.rolled_back)] {
                sum.tried += tries.tried;
                sum.failed += tries.failed;
            }
        }
        total
    }

    fn row(&mut self, stage: &Option<StageId>) -> &mut Row {
        let at = self.rows.iter().position(|row| row.stage == *stage).unwrap_or_else(|| {
            self.rows.push(Row { stage: stage.clone(), ..Row::default() });
            self.rows.len() - 1
        });
        &mut self.rows[at]
    }

    fn note(&mut self, fork: &Fork, way: Way, tried: usize, failures: Vec<Failed>) {
        let row = self.row(&fork.point.stage);
        let tries = match way {
            Way::Resume => &mut row.resumed,
            Way::RollBack => &mut row.rolled_back,
        };
        tries.tried += tried;
        tries.failed += failures.len();
        self.failures.extend(failures);
    }
}

/// How long nobody works on the run after a crash, in turn.
const AWAY: [Millis; 4] = [0, 2_000, 45_000, 15 * 60_000];
const WORKERS: usize = 2;

/// What the run that nothing interrupts gives.
struct Goal {
    run: RunId,
    /// In its normal form.
    start: Value,
    /// In its normal form.
    done: Value,
    effects: Vec<String>,
    lost: i64,
    points: Vec<Point>,
    counted: Counted,
}

pub(super) fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Sweeps a case. `progress` is told how many points are done, and of how many.
///
/// # Errors
/// [`Error::DrillUnfit`] when the run does not come to its end even without a crash; otherwise what the operating system refuses.
pub fn sweep(case: &Case, choice: Choice, depth: Depth, progress: &(dyn Fn(usize, usize) + Sync)) -> Result<Tally, Error> {
    let goal = goal(case, choice)?;
    let wanted = choose(&goal.points, choice);
    let tally = Mutex::new(Tally::default());
    {
        let mut tally = locked(&tally);
        for (stage, points) in &goal.counted.by_stage {
            tally.row(stage).points = *points;
        }
        for point in &goal.points {
            tally.row(&point.stage).distinct += 1;
        }
        tally.points = goal.points.iter().filter(|point| wanted.contains(&point.number)).cloned().collect();
    }
    let (send, receive) = mpsc::sync_channel::<Fork>(WORKERS);
    let receive = Mutex::new(receive);
    let done = Mutex::new(0);
    #[cfg(test)]
    let flaw = crate::flaw::get();
    let recording = std::thread::scope(|scope| {
        for _ in 0..WORKERS {
            let (receive, tally, goal, done, of) = (&receive, &tally, &goal, &done, wanted.len());
            scope.spawn(move || {
                #[cfg(test)]
                crate::flaw::set(flaw);
                // The lock is let go before the fork is worked on.
                let next = || locked(receive).recv();
                while let Ok(fork) = next() {
                    for way in WAYS {
                        let (tried, failures) = try_fork(&fork, way, goal, case, depth);
                        locked(tally).note(&fork, way, tried, failures);
                    }
                    let mut done = locked(done);
                    *done += 1;
                    progress(*done, of);
                }
            });
        }
        let wanted_here = wanted.clone();
        let recorder = Recorder {
            distinct: false,
            wanted: Box::new(move |point| wanted_here.contains(&point.number)),
            // The workers outlive the run: they end when this end of the channel is gone.
            take: Box::new(move |fork| drop(send.send(fork))),
        };
        paused(recorded(case, recorder)).and_then(|counted| counted)
    });
    recording?;
    let tally = tally.into_inner().unwrap_or_else(PoisonError::into_inner);
    let tried = done.into_inner().unwrap_or_else(PoisonError::into_inner);
    if tried != wanted.len() {
        let message = format!("two runs of one seed differ: {tried} of {} crash points were met again", wanted.len());
        return Err(Error::Internal { message });
    }
    Ok(tally)
}

fn lab(case: &Case) -> Result<Lab, Error> {
    operated(Lab::on(case.start.clone(), &case.runbook, case.seed)?, case)
}

/// The operator of a drill accepts what was accepted, and opens what waits for a person.
fn operated(mut lab: Lab, case: &Case) -> Result<Lab, Error> {
    lab.accepted.clone_from(&case.accepted);
    lab.approves = true;
    Ok(lab)
}

fn came_to_its_end(stop: Stop) -> Result<(), Error> {
    let causes = match stop {
        Stop::Done | Stop::RolledBack | Stop::Partly => return Ok(()),
        Stop::Error(error) => return Err(error),
        Stop::Failed(step, failure) => {
            let mut causes = vec![format!("step `{step}`: {}", failure.message)];
            causes.extend(failure.causes);
            causes
        }
        Stop::NothingToDo => vec!["there is nothing to do".to_owned()],
        Stop::Blocked(ids) => vec![format!("the plan is blocked by {}", ids.join(", "))],
        other => vec![format!("it stops: {other:?}")],
    };
    Err(Error::DrillUnfit { causes })
}

/// The course whose points are swept, with nothing in its way; gives how many points it had.
async fn recorded(case: &Case, recorder: Recorder) -> Result<Counted, Error> {
    let lab = lab(case)?;
    if case.course != Course::Forward {
        came_to_its_end(lab.run().await)?;
    }
    lab.record(recorder);
    let stop = match &case.course {
        Course::Forward => lab.run().await,
        Course::Back => lab.roll_back(None).await,
        Course::LaneBack(lane) => lab.roll_back_lanes(&[lane]).await,
    };
    came_to_its_end(stop)?;
    lab.tap.close()
}

fn goal(case: &Case, choice: Choice) -> Result<Goal, Error> {
    let points = Arc::new(Mutex::new(Vec::new()));
    let noted = Arc::clone(&points);
    let recorder = Recorder {
        distinct: !matches!(choice, Choice::Every | Choice::One(_)),
        wanted: Box::new(move |point| {
            // Before the run is in the journal there is nothing to take up, and nothing was sent that changes anything.
            if point.commits > 0 {
                locked(&noted).push(point.clone());
            }
            false
        }),
        take: Box::new(|_| {}),
    };
    paused(async {
        let counted = recorded(case, recorder).await?;
        let lab = lab(case)?;
        came_to_its_end(lab.run().await)?;
        if let Course::LaneBack(lane) = &case.course {
            came_to_its_end(lane_again(&lab, lane).await)?;
        }
        let done = lab.settled().await;
        let untouched = Lab::on(case.start.clone(), &case.runbook, case.seed)?;
        let points = std::mem::take(&mut *locked(&points));
        Ok(Goal {
            run: lab.run_id()?,
            start: normal(&untouched.settled().await, How::WentBack),
            effects: effects(&lab.sim.ledger(), &done),
            lost: lab.spans_lost(),
            done: normal(&done, How::Whole),
            points,
            counted,
        })
    })?
}

fn choose(points: &[Point], choice: Choice) -> BTreeSet<usize> {
    let mut numbers: Vec<usize> = points.iter().map(|point| point.number).collect();
    match choice {
        Choice::All | Choice::Every => {}
        Choice::Where(fits) => numbers = points.iter().filter(|point| fits(point)).map(|point| point.number).collect(),
        Choice::Sample(count, seed) => {
            let mut random = fastrand::Rng::with_seed(seed);
            let stretch = numbers.len().div_ceil(count.max(1)).max(1);
            numbers = numbers.chunks(stretch).map(|chunk| chunk[random.usize(..chunk.len())]).collect();
        }
        Choice::One(number) => numbers.retain(|known| *known == number),
    }
    numbers.into_iter().collect()
}

/// Takes a fork up in one way; how many tries that were, and those that failed.
fn try_fork(fork: &Fork, way: Way, goal: &Goal, case: &Case, depth: Depth) -> (usize, Vec<Failed>) {
    let mut failures = Vec::new();
    let mut tried = 0;
    let mut attempt = |what: String, from: &Fork, way: Way| {
        tried += 1;
        let lines =
            catch_unwind(AssertUnwindSafe(|| taken_up(from, way, goal, case))).unwrap_or_else(|_| vec!["it panicked".to_owned()]);
        if !lines.is_empty() {
            failures.push(Failed { point: fork.point.clone(), what, lines });
        }
    };
    if depth == Depth::Once {
        attempt(format!("{way:?} from {}", fork.point), fork, way);
        return (tried, failures);
    }
    match second_crashes(fork, way, goal, case, depth) {
        Ok(seconds) => {
            for second in seconds {
                for then in WAYS {
                    let what = format!("{then:?} from {}, after {way:?} from {}", second.point, fork.point);
                    attempt(what, &second, then);
                }
            }
        }
        Err(error) => {
            let what = format!("{way:?} from {}", fork.point);
            failures.push(Failed { point: fork.point.clone(), what, lines: vec![error.to_string()] });
        }
    }
    (tried, failures)
}

fn lab_of(fork: &Fork, goal: &Goal, case: &Case) -> Result<Lab, Error> {
    let away = AWAY[fork.point.number % AWAY.len()];
    let seed = case.seed + 1 + fork.point.number as u64;
    operated(Lab::from_fork(fork, away, &case.runbook, &goal.run, seed)?, case)
}

/// Takes a lane of a finished run back, and does it again.
async fn lane_again(lab: &Lab, lane: &str) -> Stop {
    match lab.roll_back_lanes(&[lane]).await {
        Stop::Partly => lab.resume().await,
        other => other,
    }
}

async fn go(lab: &Lab, way: Way) -> Stop {
    match way {
        Way::Resume => lab.resume().await,
        Way::RollBack => lab.roll_back(None).await,
    }
}

/// Takes a run up, goes one way to its end, and holds the world against what it should be then.
fn taken_up(fork: &Fork, way: Way, goal: &Goal, case: &Case) -> Vec<String> {
    let found = paused(async {
        let lab = lab_of(fork, goal, case)?;
        let mut stop = go(&lab, way).await;
        if let (Course::LaneBack(lane), Way::Resume) = (&case.course, way) {
            stop = match stop {
                // It died before anything was taken back, or resumed on its way back it went on going back.
                Stop::Over(Outcome::Done) => lane_again(&lab, lane).await,
                Stop::Partly => lab.resume().await,
                other => other,
            };
        }
        let found = lab.settled().await;
        let mut lines = match stop {
            Stop::Done | Stop::Over(Outcome::Done) if way == Way::Resume => {
                let mut lines = differences_to(&goal.done, &found, How::Whole);
                lines.extend(other_lines(&goal.effects, &effects(&lab.sim.ledger(), &found)));
                lines
            }
            // Resumed on its way back, it goes on going back.
            Stop::RolledBack | Stop::Over(Outcome::RolledBack) => differences_to(&goal.start, &found, How::WentBack),
            other => vec![format!("{other:?}")],
        };
        let lost = lab.spans_lost();
        if lost > goal.lost {
            lines.push(format!("{lost} spans lost, {} without a crash", goal.lost));
        }
        Ok::<_, Error>(lines)
    });
    found.and_then(|lines| lines).unwrap_or_else(|error| vec![error.to_string()])
}

/// Takes a run up and lets that process die too: at a drawn point, or at each that differs. None where it comes to its end
/// before.
fn second_crashes(fork: &Fork, way: Way, goal: &Goal, case: &Case, depth: Depth) -> Result<Vec<Fork>, Error> {
    let mut random = fastrand::Rng::with_seed(fork.point.number as u64);
    let left = goal.counted.points - fork.point.number.min(goal.counted.points - 1);
    let drawn = (depth == Depth::Twice).then(|| random.usize(..left));
    let taken = Arc::new(Mutex::new(Vec::new()));
    let slot = Arc::clone(&taken);
    paused(async {
        let lab = lab_of(fork, goal, case)?;
        lab.record(Recorder {
            distinct: drawn.is_none(),
            wanted: Box::new(move |point| drawn.is_none_or(|number| point.number == number)),
            take: Box::new(move |fork| locked(&slot).push(fork)),
        });
        go(&lab, way).await;
        lab.tap.close().map(|_| ())
    })??;
    let taken = std::mem::take(&mut *locked(&taken));
    Ok(taken)
}

/// Lines that are in one list and not in the other, each as often as it is.
pub(super) fn other_lines(wanted: &[String], found: &[String]) -> Vec<String> {
    let count = |list: &[String], line: &String| list.iter().filter(|known| *known == line).count();
    let all: BTreeSet<&String> = wanted.iter().chain(found).collect();
    all.into_iter()
        .filter_map(|line| {
            let (wanted, found) = (count(wanted, line), count(found, line));
            (wanted != found).then(|| format!("{line}: took effect {found} times, not {wanted}"))
        })
        .collect()
}
