//! The crash sweep: a run dies at each crash point, and is resumed, or rolled back. The verdict is the world's, not the exit
//! code's.
//!
//! One run that nothing interrupts gives the goal, and the points. A second one, the same to the letter, is forked at each point
//! wanted; workers take the forks up while it goes on.

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, mpsc};

use serde_json::Value;
use sidestep::model::{Outcome, RunId, Runbook};
use sidestep::sim::{Millis, State};

use super::compare::{How, differences, effects};
use super::tap::{Fork, Point, Recorder};
use super::{Lab, Stop, paused};

/// What is swept.
pub struct Case {
    pub name: &'static str,
    pub start: State,
    pub runbook: Runbook,
    pub course: Course,
}

/// What the process does that dies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Course {
    /// It runs.
    Forward,
    /// The run is finished, and it goes back.
    Back,
    /// The run is finished, and it takes back one lane, to do it again afterwards.
    LaneBack(&'static str),
}

/// How long nobody works on the run after a crash, in turn.
const AWAY: [Millis; 4] = [0, 2_000, 45_000, 15 * 60_000];
const SEED: u64 = 11;
const WORKERS: usize = 2;

/// What the run that nothing interrupts gives.
struct Goal {
    course: Course,
    run: RunId,
    start: Value,
    done: Value,
    effects: Vec<String>,
    lost: i64,
    points: Vec<Point>,
    counted: usize,
}

/// What came of a sweep.
#[derive(Debug, Default)]
pub struct Tally {
    pub counted: usize,
    pub distinct: usize,
    pub tried: usize,
    pub failures: Vec<String>,
}

/// Which points to try.
#[derive(Clone, Copy, Debug)]
pub enum Choice {
    All,
    /// Also those whose journal and world are as at another point: time has passed in between.
    Every,
    /// So many, drawn by a seed.
    Sample(usize, u64),
    /// The one of this number: how a failure is replayed.
    One(usize),
}

/// How often the process dies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Depth {
    Once,
    /// Once more, during the resume or the rollback.
    Twice,
}

/// Sweeps a case.
pub fn sweep(case: &Case, choice: Choice, depth: Depth) -> Tally {
    let goal = Arc::new(goal(case, choice));
    let wanted = choose(&goal.points, choice);
    let tally = Arc::new(Mutex::new(Tally { counted: goal.counted, distinct: goal.points.len(), ..Tally::default() }));
    let (send, receive) = mpsc::sync_channel::<Fork>(WORKERS);
    let receive = Arc::new(Mutex::new(receive));
    let workers: Vec<_> = (0..WORKERS)
        .map(|_| {
            let (receive, tally, goal, runbook) =
                (Arc::clone(&receive), Arc::clone(&tally), Arc::clone(&goal), case.runbook.clone());
            std::thread::spawn(move || {
                loop {
                    let next = receive.lock().expect("no panic under the lock").recv();
                    let Ok(fork) = next else { return };
                    let failures = try_fork(&fork, &goal, &runbook, depth);
                    let mut tally = tally.lock().expect("no panic under the lock");
                    tally.tried += WAYS.len();
                    tally.failures.extend(failures);
                }
            })
        })
        .collect();
    let wanted_here = wanted.clone();
    let recorder = Recorder {
        distinct: false,
        wanted: Box::new(move |point| wanted_here.contains(&point.number)),
        take: Box::new(move |fork| send.send(fork).expect("the workers live")),
    };
    paused(recorded(case, recorder));
    for worker in workers {
        worker.join().expect("a worker ends");
    }
    let tally = std::mem::take(&mut *tally.lock().expect("no panic under the lock"));
    assert_eq!(tally.tried, WAYS.len() * wanted.len(), "two runs of one seed have the same points");
    tally
}

fn lab(case: &Case) -> Lab {
    Lab::on(case.start.clone(), &case.runbook, SEED)
}

/// The course whose points are swept, with nothing in its way; gives how many points it had.
async fn recorded(case: &Case, recorder: Recorder) -> usize {
    let lab = lab(case);
    if case.course != Course::Forward {
        let stop = lab.run().await;
        assert!(matches!(stop, Stop::Done), "{}: {stop:?}", case.name);
    }
    lab.record(recorder);
    let stop = match case.course {
        Course::Forward => lab.run().await,
        Course::Back => lab.roll_back(None).await,
        Course::LaneBack(lane) => lab.roll_back_lanes(&[lane]).await,
    };
    assert!(matches!(stop, Stop::Done | Stop::RolledBack | Stop::Partly), "{}: {stop:?}", case.name);
    lab.tap.close().0
}

fn goal(case: &Case, choice: Choice) -> Goal {
    let points = Arc::new(Mutex::new(Vec::new()));
    let noted = Arc::clone(&points);
    let recorder = Recorder {
        distinct: !matches!(choice, Choice::Every),
        wanted: Box::new(move |point| {
            // Before the run is in the journal there is nothing to take up, and nothing was sent that changes anything.
            if point.commits > 0 {
                noted.lock().expect("no panic under the lock").push(point.clone());
            }
            false
        }),
        take: Box::new(|_| {}),
    };
    paused(async {
        let counted = recorded(case, recorder).await;
        let lab = lab(case);
        let stop = lab.run().await;
        assert!(matches!(stop, Stop::Done), "{}: {stop:?}", case.name);
        if let Course::LaneBack(lane) = case.course {
            let stop = lane_again(&lab, lane).await;
            assert!(matches!(stop, Stop::Done), "{}: {stop:?}", case.name);
        }
        let done = lab.settled().await;
        let untouched = Lab::on(case.start.clone(), &case.runbook, SEED);
        let points = points.lock().expect("no panic under the lock").clone();
        Goal {
            course: case.course,
            run: lab.run_id(),
            start: untouched.settled().await,
            effects: effects(&lab.sim.ledger(), &done),
            lost: lab.spans_lost(),
            done,
            points,
            counted,
        }
    })
}

fn choose(points: &[Point], choice: Choice) -> BTreeSet<usize> {
    let mut numbers: Vec<usize> = points.iter().map(|point| point.number).collect();
    match choice {
        Choice::All | Choice::Every => {}
        Choice::Sample(count, seed) => {
            // One from each stretch of the run, so that no stage is left out.
            let mut random = fastrand::Rng::with_seed(seed);
            let stretch = numbers.len().div_ceil(count.max(1)).max(1);
            numbers = numbers.chunks(stretch).map(|chunk| chunk[random.usize(..chunk.len())]).collect();
        }
        Choice::One(number) => numbers.retain(|known| *known == number),
    }
    numbers.into_iter().collect()
}

/// What is done after a crash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Resume,
    RollBack,
}

const WAYS: [Way; 2] = [Way::Resume, Way::RollBack];

fn try_fork(fork: &Fork, goal: &Goal, runbook: &Runbook, depth: Depth) -> Vec<String> {
    let mut failures = Vec::new();
    let mut attempt = |what: String, course: &dyn Fn() -> Vec<String>| {
        let lines = catch_unwind(AssertUnwindSafe(course)).unwrap_or_else(|_| vec!["it panicked".to_owned()]);
        if !lines.is_empty() {
            failures.push(format!("{what}: {}", lines.join("\n    ")));
        }
    };
    for way in WAYS {
        match depth {
            Depth::Once => attempt(format!("{way:?} from {}", fork.point), &|| taken_up(fork, way, goal, runbook)),
            Depth::Twice => {
                let Some(second) = second_crash(fork, way, goal, runbook) else { continue };
                for then in WAYS {
                    let what = format!("{then:?} from {}, after {way:?} from {}", second.point, fork.point);
                    attempt(what, &|| taken_up(&second, then, goal, runbook));
                }
            }
        }
    }
    failures
}

fn away(fork: &Fork) -> Millis {
    AWAY[fork.point.number % AWAY.len()]
}

fn lab_of(fork: &Fork, goal: &Goal, runbook: &Runbook) -> Lab {
    Lab::from_fork(fork, away(fork), runbook, &goal.run, SEED + 1 + fork.point.number as u64)
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
fn taken_up(fork: &Fork, way: Way, goal: &Goal, runbook: &Runbook) -> Vec<String> {
    paused(async {
        let lab = lab_of(fork, goal, runbook);
        let mut stop = go(&lab, way).await;
        if let (Course::LaneBack(lane), Way::Resume) = (goal.course, way) {
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
                let mut lines = differences(&goal.done, &found, How::Whole);
                lines.extend(other_lines(&goal.effects, &effects(&lab.sim.ledger(), &found)));
                lines
            }
            // Resumed on its way back, it goes on going back.
            Stop::RolledBack | Stop::Over(Outcome::RolledBack) => differences(&goal.start, &found, How::WentBack),
            other => vec![format!("{other:?}")],
        };
        lines.extend(more_lost(&lab, goal));
        lines
    })
}

/// Takes a run up and lets that process die too, at a point drawn by the first one's number; none when it comes to its end
/// before.
fn second_crash(fork: &Fork, way: Way, goal: &Goal, runbook: &Runbook) -> Option<Fork> {
    let mut random = fastrand::Rng::with_seed(fork.point.number as u64);
    let number = random.usize(..goal.counted - fork.point.number.min(goal.counted - 1));
    let taken = Arc::new(Mutex::new(None));
    let slot = Arc::clone(&taken);
    paused(async {
        let lab = lab_of(fork, goal, runbook);
        lab.record(Recorder {
            distinct: false,
            wanted: Box::new(move |point| point.number == number),
            take: Box::new(move |fork| *slot.lock().expect("no panic under the lock") = Some(fork)),
        });
        go(&lab, way).await;
    });
    let mut taken = taken.lock().expect("no panic under the lock");
    taken.take()
}

fn more_lost(lab: &Lab, goal: &Goal) -> Option<String> {
    let lost = lab.spans_lost();
    (lost > goal.lost).then(|| format!("{lost} spans lost, {} without a crash", goal.lost))
}

/// Lines that are in one list and not in the other, each as often as it is.
fn other_lines(wanted: &[String], found: &[String]) -> Vec<String> {
    let count = |list: &[String], line: &String| list.iter().filter(|known| *known == line).count();
    let all: BTreeSet<&String> = wanted.iter().chain(found).collect();
    all.into_iter()
        .filter_map(|line| {
            let (wanted, found) = (count(wanted, line), count(found, line));
            (wanted != found).then(|| format!("{line}: took effect {found} times, not {wanted}"))
        })
        .collect()
}
