//! What the black-box tests stand on: a desk with a state directory, a simulated account served by a second process, and the real
//! binary between them.
//!
//! Nothing here waits for a time to pass: a test polls what the simulator did (`/_sim/…`) or what `status --output json` says. Where
//! a run must be met in the middle of a wait, the simulated world is frozen, so that the wait lasts as long as it is looked at.

#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic, reason = "a test says what it expects by failing")]
#![allow(clippy::disallowed_methods, reason = "two real processes are watched from outside: their time is the machine's")]

mod redact;
mod sim;
mod terminal;

pub use redact::redacted;
pub use sim::Sim;
pub use terminal::Terminal;

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

/// The binary under test.
pub const BINARY: &str = env!("CARGO_BIN_EXE_sidestep");
/// Virtual seconds for each second of the wall clock, in both processes.
pub const SPEED: u32 = 240;
/// How long anything may take on a slow machine before the test gives it up.
const PATIENCE: Duration = Duration::from_secs(300);

/// Tries until there is an answer.
pub fn until<T>(what: &str, look: impl FnMut() -> Option<T>) -> T {
    until_or(what, look, String::new)
}

/// Tries until there is an answer; where none comes, says also what was there instead.
fn until_or<T>(what: &str, mut look: impl FnMut() -> Option<T>, instead: impl Fn() -> String) -> T {
    let begun = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(begun.elapsed() < PATIENCE, "{what}: not within {PATIENCE:?}{}", instead());
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// A file of this repository.
pub fn file(path: &str) -> String {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path).display().to_string()
}

/// One operator's machine: a home, a state directory, credentials, and the endpoint of a simulated account.
pub struct Desk {
    pub sim: Sim,
    pub dir: TempDir,
    /// How many commands were started.
    started: AtomicUsize,
}

/// A command that has ended.
#[derive(Debug)]
pub struct Ran {
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
}

/// A command that runs.
pub struct Running {
    child: Child,
    out: PathBuf,
    err: PathBuf,
}

impl Desk {
    /// With the built-in world.
    pub fn new() -> Self {
        Self::at(Sim::serve(&[]))
    }

    /// With a world file.
    pub fn with_world(path: &str) -> Self {
        Self::at(Sim::serve(&["--world", path]))
    }

    pub fn at(sim: Sim) -> Self {
        Self::within(tempfile::tempdir().expect("a directory"), sim)
    }

    /// With the state in this directory.
    pub fn within(dir: TempDir, sim: Sim) -> Self {
        Self { sim, dir, started: AtomicUsize::new(0) }
    }

    pub fn path(&self, name: &str) -> String {
        self.dir.path().join(name).display().to_string()
    }

    /// Writes a file and gives its path.
    pub fn write(&self, name: &str, text: &str) -> String {
        std::fs::write(self.dir.path().join(name), text).expect("a file");
        self.path(name)
    }

    /// The binary with this desk's environment and nothing of the machine's.
    pub fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(BINARY);
        command.current_dir(self.dir.path()).env_clear().stdin(Stdio::null()).args(words);
        let environment = [
            ("HOME", self.path("")),
            ("USER", "alice".to_owned()),
            ("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE".to_owned()),
            ("AWS_SECRET_ACCESS_KEY", "a secret".to_owned()),
            ("AWS_EC2_METADATA_DISABLED", "true".to_owned()),
            ("SIDESTEP_TIME_SCALE", SPEED.to_string()),
        ];
        command.envs(environment);
        command
    }

    /// The same on this desk's endpoint, with the staging variables; Jaeger is asked through the simulator, and no rollout is given
    /// up because the machine is slow.
    pub fn live(&self, words: &[&str]) -> Command {
        let mut command = self.live_without_jaeger(words);
        command.arg("--var").arg(format!("jaeger_url={}/_sim/jaeger", self.sim.endpoint));
        command
    }

    /// The same, where nothing says how Jaeger is reached.
    pub fn live_without_jaeger(&self, words: &[&str]) -> Command {
        let mut command = self.command(words);
        command.args(["--endpoint-url", &self.sim.endpoint, "--var-file", &file("runbooks/worlds/nexus-ai-staging.tfvars")]);
        command.args(["--var", "rollout_timeout=10h"]);
        command
    }

    /// Starts it at a terminal of this size, where a person sits.
    pub fn sit(&self, command: Command, columns: u16, rows: u16) -> Terminal {
        Terminal::start(command, columns, rows)
    }

    /// Runs it to its end.
    pub fn end(&self, command: Command) -> Ran {
        self.start(command).wait()
    }

    /// A verb on the state directory alone, or on what the run is bound to.
    pub fn call(&self, words: &[&str]) -> Ran {
        self.end(self.command(words))
    }

    /// Starts it; what it prints goes to files, so that it never waits for a reader.
    pub fn start(&self, mut command: Command) -> Running {
        let n = self.started.fetch_add(1, Ordering::Relaxed);
        let file = |kind: &str| {
            let path = self.dir.path().join(format!("{n}.{kind}"));
            (File::create(&path).expect("a file"), path)
        };
        let ((out, out_path), (err, err_path)) = (file("stdout"), file("stderr"));
        let child = command.stdout(out).stderr(err).spawn().expect("the binary starts");
        Running { child, out: out_path, err: err_path }
    }

    /// `status --output json`, or null while there is no run.
    pub fn status(&self) -> Value {
        let ran = self.call(&["status", "--output", "json"]);
        serde_json::from_str(&ran.out).unwrap_or(Value::Null)
    }

    /// The id of the newest run.
    pub fn run_id(&self) -> String {
        self.status()["run"].as_str().expect("a run").to_owned()
    }

    /// Waits until a step, named `stage/target/step`, is in a state.
    pub fn until_step(&self, wanted: &str, state: &str) {
        until_or(&format!("{wanted} is {state}"), || self.step_is(wanted, state).then_some(()), || self.said());
    }

    fn step_is(&self, wanted: &str, state: &str) -> bool {
        let status = self.status();
        let mut steps = status["stages"].as_array().into_iter().flatten().flat_map(|stage| stage["steps"].as_array()).flatten();
        steps.any(|step| step["id"] == wanted && step["state"] == state)
    }

    /// What every command on this desk has said on stderr so far.
    fn said(&self) -> String {
        let read = |n: usize| std::fs::read_to_string(self.dir.path().join(format!("{n}.stderr"))).unwrap_or_default();
        let texts = (0..self.started.load(Ordering::Relaxed)).map(|n| (n, read(n)));
        texts.filter(|(_, text)| !text.is_empty()).map(|(n, text)| format!("\ncommand {n} said:\n{text}")).collect()
    }

    /// Starts a run and freezes the world in the rollout that stage 3 waits for. The run's own clock goes slowly: it must not ask so
    /// often that it is throttled, as nothing refills in a frozen world.
    pub fn frozen_in_stage_3(&self) -> Running {
        let mut command = self.live(&["run", "--yes"]);
        command.env("SIDESTEP_TIME_SCALE", "4");
        self.sim.freeze_after("CreateService");
        let mut running = self.start(command);
        let rollout = "create-service/nexus-ai-jaeger-staging/rollout";
        let reached = || {
            let ended = running.ended();
            let started = self.step_is(rollout, "started");
            assert!(started || !ended, "it ended before its rollout began: {}", self.said());
            started.then_some(())
        };
        until_or("the rollout has started", reached, || self.said());
        running
    }

    /// A text with everything that differs from one test run to the next replaced.
    pub fn shown(&self, text: &str) -> String {
        let mut text =
            text.replace(&self.sim.endpoint, "http://ENDPOINT").replace(&self.path("").trim_end_matches('/').to_owned(), "DIR");
        if let Some(run) = self.status()["run"].as_str() {
            text = text.replace(run, "RUN");
        }
        redacted(&text)
    }

    /// Exit code and the end of stderr, from the summary or the message on.
    pub fn ending(&self, ran: &Ran) -> String {
        let heads = ["Summary of run", "error:", "paused:"];
        let lines: Vec<&str> = ran.err.lines().collect();
        let from = lines.iter().position(|line| heads.iter().any(|head| line.starts_with(head))).unwrap_or(0);
        format!("exit {}\n{}", ran.code.unwrap_or(-1), self.shown(&lines[from..].join("\n")))
    }

    /// The lines of one step each: done, failed, held, taken up again; without durations, moving numbers and AWS's own events.
    pub fn steps(&self, ran: &Ran) -> String {
        let signs = ["  ✓", "  ✗", "  ‖", "  ↻", "  ?", "  ·"];
        let mut lines: Vec<String> = Vec::new();
        for line in ran.err.lines().take_while(|line| !line.starts_with("Summary of run")) {
            if signs.iter().chain(&["stage ", "undo ", "run "]).any(|start| line.starts_with(start)) {
                lines.push(line.to_owned());
            } else if let (Some(last), true) = (lines.last_mut(), line.starts_with("      ")) {
                // Where a line is wrapped depends on how long it took.
                last.push_str(&format!(" {}", line.trim_start()));
            } else {
                lines.push("  ·".to_owned());
            }
        }
        lines.retain(|line| !line.starts_with("  ·"));
        let shown = self.shown(&lines.join("\n"));
        shown.lines().map(|line| line.trim_end_matches("(T)").trim_end()).collect::<Vec<_>>().join("\n")
    }
}

impl Running {
    /// Waits for its end.
    pub fn wait(mut self) -> Ran {
        let status: ExitStatus = until("the command ends", || self.child.try_wait().expect("a child"));
        Ran { code: status.code(), out: self.out(), err: self.err() }
    }

    pub fn out(&self) -> String {
        std::fs::read_to_string(&self.out).expect("stdout")
    }

    pub fn err(&self) -> String {
        std::fs::read_to_string(&self.err).expect("stderr")
    }

    /// Whether it has ended already.
    pub fn ended(&mut self) -> bool {
        self.child.try_wait().expect("a child").is_some()
    }

    pub fn signal(&self, signal: rustix::process::Signal) {
        rustix::process::kill_process(rustix::process::Pid::from_child(&self.child), signal).expect("a signal is sent");
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Ends it at once, by SIGKILL. An exit code tells that it had ended by itself.
    pub fn kill(mut self) -> Ran {
        self.child.kill().expect("it can be killed");
        self.wait()
    }

    /// Waits until it has said something on stderr.
    pub fn until_said(&self, words: &str) {
        until(&format!("it says `{words}`"), || self.err().contains(words).then_some(()));
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Only for a test that failed; one that ended is ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
