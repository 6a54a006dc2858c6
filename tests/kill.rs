//! The real process under SIGKILL: `simulate` and `run` are two processes that talk over HTTP on one time scale; the runner is
//! killed again and again, and taken up until the run is done, or gone back.
//!
//! Most kills strike while the simulator holds an answer whose effect stands: the runner cannot know of it, and nobody else can
//! tell the next one. The verdict is the world's and the ledger's: as after a run that nothing interrupts, each mutation made once.
//!
//! `SIDESTEP_KILLS` sets how many kills there are, `SIDESTEP_SEED` what is drawn; a failure names the seed that replays it.

#[allow(dead_code, reason = "each test uses some of it")]
mod cli_support;
mod support;

#[path = "kill/death.rs"]
mod death;
#[path = "kill/goal.rs"]
mod goal;
#[path = "kill/trip.rs"]
mod trip;

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use death::Tally;
use goal::Goal;
use trip::Trip;

/// Trips that are under way at a time: they mostly wait.
const SIDE_BY_SIDE: usize = 2;

/// Rings when its thread fails, so that the others begin nothing new.
struct Alarm<'a>(&'a AtomicBool);

impl Drop for Alarm<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.store(true, Ordering::Relaxed);
        }
    }
}

fn number(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).map_or(otherwise, |text| text.parse().unwrap_or_else(|_| panic!("{name}={text} is not a number")))
}

#[test]
fn a_killed_process_is_one_command_away_from_the_goal_and_from_the_start() {
    let (wanted, seed) = (number("SIDESTEP_KILLS", 30), number("SIDESTEP_SEED", 1));
    let goal = Goal::reached();
    let (sum, next, failed) = (Mutex::new(Tally::default()), AtomicU64::new(seed), AtomicBool::new(false));
    let enough = || sum.lock().is_ok_and(|sum| sum.kills >= wanted && sum.mostly_held());
    std::thread::scope(|scope| {
        for _ in 0..SIDE_BY_SIDE {
            scope.spawn(|| {
                let _alarm = Alarm(&failed);
                while !enough() && !failed.load(Ordering::Relaxed) {
                    let tally = Trip::new(&goal, next.fetch_add(1, Ordering::Relaxed)).there_and_back();
                    *sum.lock().expect("nobody fails while adding") += tally;
                }
            });
        }
    });
    let sum = sum.into_inner().expect("nobody fails while adding");
    let trips = next.into_inner() - seed;
    println!(
        "seed {seed}: {} kills, {} while an answer was held; {trips} trips there and back, {} turned on the way: all as without a kill",
        sum.kills, sum.held, sum.turned
    );
    assert!(sum.kills >= wanted && sum.mostly_held(), "{sum:?}");
}
