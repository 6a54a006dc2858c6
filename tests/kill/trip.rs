//! One run on an account of its own: there and back again, killed all along.

use std::fmt::Write as _;

use serde_json::Value;

use crate::cli_support::{Desk, Running};
use crate::death::{Death, Tally, die};
use crate::goal::{Goal, effects_since, settled};
use crate::support::compare::{How, differences};

/// How often a process is killed in one direction, at most; the next comes to its end.
const MOST_KILLS: u64 = 9;

/// See the module's text.
pub struct Trip<'a> {
    goal: &'a Goal,
    desk: Desk,
    seed: u64,
    random: fastrand::Rng,
    tally: Tally,
    /// What was done, one line each.
    log: String,
}

/// Where a run stands, as far as it matters for what to call next.
enum Stands {
    /// Nothing is in the journal.
    Nowhere,
    /// On its way there.
    There,
    Done,
    /// On its way back.
    Back,
    RolledBack,
}

impl<'a> Trip<'a> {
    pub fn new(goal: &'a Goal, seed: u64) -> Self {
        let random = fastrand::Rng::with_seed(seed);
        Self { goal, desk: goal.desk(seed), seed, random, tally: Tally::default(), log: String::new() }
    }

    /// Goes to the end and back to the start, or turns on the way, and holds both against what they are without a kill.
    pub fn there_and_back(mut self) -> Tally {
        let kills = self.random.u64(4..=MOST_KILLS);
        let turns = self.seed.is_multiple_of(2);
        let there = if self.go_there(kills, turns) {
            let world = settled(&self.desk.sim);
            self.same(&self.goal.done, &world, How::AnotherRun);
            assert_eq!(effects_since(&self.desk.sim, 0), self.goal.there, "each mutation once: {}", self.story());
            Some(self.goal.there.len())
        } else {
            self.tally.turned += 1;
            None
        };
        self.go_back(kills);
        let world = settled(&self.desk.sim);
        self.same(&self.goal.start, &world, How::WentBack);
        match there {
            Some(there) => {
                assert_eq!(effects_since(&self.desk.sim, there), self.goal.back, "each mutation once: {}", self.story());
            }
            None => self.none_twice(),
        }
        assert_eq!(self.desk.sim.spans_lost(), 0, "spans lost: {}", self.story());
        std::mem::take(&mut self.tally)
    }

    /// Kills and takes up until it is there, or `false` where it turns after some of the kills.
    fn go_there(&mut self, kills: u64, turns: bool) -> bool {
        let turn_after = if turns { self.random.u64(1..=kills) } else { u64::MAX };
        loop {
            let (stands, run) = self.stands();
            let words = match stands {
                Stands::Done => return true,
                Stands::Nowhere => vec!["run", "--yes"],
                _ if self.tally.kills >= turn_after => return false,
                _ => vec!["resume", &run],
            };
            self.process(&words, self.tally.kills < kills);
        }
    }

    fn go_back(&mut self, kills: u64) {
        let most = self.tally.kills + kills;
        loop {
            let (stands, run) = self.stands();
            let words = match stands {
                Stands::RolledBack => return,
                Stands::Back if self.random.bool() => vec!["resume", &run],
                _ => vec!["rollback", &run, "--yes"],
            };
            self.process(&words, self.tally.kills < most);
        }
    }

    /// One process, which dies if it shall, and otherwise must come to its end.
    fn process(&mut self, words: &[&str], dies: bool) {
        let verb = words[0];
        let command = if verb == "run" { self.desk.live(words) } else { self.desk.command(words) };
        let start = || -> Running { self.desk.start(command) };
        if !dies {
            let _ = writeln!(self.log, "    {verb}, not killed");
            let ran = start().wait();
            assert_eq!(ran.code, Some(0), "{verb} ends: {}\n{}", ran.err, self.story());
            return;
        }
        let death = Death::drawn(&mut self.random, 2 * self.tally.held <= self.tally.kills);
        let died = die(&self.desk.sim, start, &self.goal.mutations(), death);
        if let Some(code) = died.ran.code {
            let _ = writeln!(self.log, "    {verb}, to be killed {death:?}, came to its end with exit code {code}");
            assert_eq!(code, 0, "{verb} ends: {}\n{}", died.ran.err, self.story());
            return;
        }
        self.tally.kills += 1;
        self.tally.held += u64::from(died.held);
        let how = if died.held { ", its effect stands, its answer was held" } else { "" };
        let last = died.last.as_deref().unwrap_or("none");
        let _ = writeln!(self.log, "    kill {}: {verb}, {death:?}; last request: {last}{how}", self.tally.kills);
    }

    /// Where the run stands, and which it is.
    fn stands(&self) -> (Stands, String) {
        let status = self.desk.status();
        let stands = match (status["status"].as_str(), status["direction"].as_str()) {
            (None, _) => Stands::Nowhere,
            (Some("done"), _) => Stands::Done,
            (Some("rolled-back"), _) => Stands::RolledBack,
            (_, Some("back")) => Stands::Back,
            _ => Stands::There,
        };
        (stands, status["run"].as_str().unwrap_or_default().to_owned())
    }

    fn same(&self, wanted: &Value, found: &Value, how: How) {
        let lines = differences(wanted, found, how);
        assert!(lines.is_empty(), "the worlds differ:\n{}\n{}", lines.join("\n"), self.story());
    }

    /// A run that turned made a part of the mutations of a whole one, each once at most.
    fn none_twice(&self) {
        let mut left: Vec<&String> = self.goal.there.iter().chain(&self.goal.back).collect();
        for line in effects_since(&self.desk.sim, 0) {
            let place = left.iter().position(|known| **known == line);
            let place = place.unwrap_or_else(|| panic!("`{line}` took effect too often: {}", self.story()));
            left.swap_remove(place);
        }
    }

    /// What was done, and how to do it again.
    fn story(&self) -> String {
        let status = self.desk.call(&["status"]);
        let replay = format!("SIDESTEP_SEED={} SIDESTEP_KILLS=1 cargo test --test kill", self.seed);
        format!("trip of seed {} (`{replay}`):\n{}{}{}", self.seed, self.log, status.out, status.err)
    }
}
