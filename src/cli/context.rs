//! What every verb starts from: the options, the terminal, the person.

use std::cell::Cell;
use std::io::IsTerminal as _;
use std::path::PathBuf;
use std::sync::Arc;

use serde_json::Value;

use super::args::{Common, Output};
use crate::aws::{Clock, ConnectOptions, WaitWatch};
use crate::journal::Journal;
use crate::model::{Actor, ApiWatch, Error, Finding, Plan, RunId, Severity};
use crate::ui::prompt::Terminal;
use crate::ui::text::shell_word;
use crate::ui::{Ask, Out, Style, calls, json, plan_view, progress_lines};

/// How a command of this program begins where one is named in a text.
const OPENING: &str = "`sidestep ";

/// See the module's text.
pub struct Context {
    pub common: Common,
    /// Shared with those who watch calls to AWS.
    pub out: Arc<Out>,
    /// For stdout.
    pub out_style: Style,
    /// For stderr.
    pub err_style: Style,
    /// Whether stderr goes to a terminal.
    pub err_terminal: bool,
    /// Whether a person can be asked: both ends are terminals.
    pub interactive: bool,
    /// Whether a line for programs was printed.
    has_lines: Cell<bool>,
}

impl Context {
    /// From the options and the process's environment.
    #[allow(clippy::disallowed_methods, reason = "here the environment is read and handed on")]
    pub fn of(common: Common) -> Self {
        let env = |name: &str| std::env::var(name).ok();
        let columns = rustix::termios::tcgetwinsize(rustix::stdio::stderr())
            .ok()
            .map(|size| usize::from(size.ws_col))
            .filter(|width| *width > 0);
        let (stdout, stderr) = (std::io::stdout().is_terminal(), std::io::stderr().is_terminal());
        let out = Out::standard();
        out.be_quiet(common.quiet);
        Self {
            out: Arc::new(out),
            out_style: Style::decide(stdout, columns, &env),
            err_style: Style::decide(stderr, columns, &env),
            err_terminal: stderr,
            interactive: stderr && std::io::stdin().is_terminal() && common.output == Output::Text,
            has_lines: Cell::new(false),
            common,
        }
    }

    /// Who is told of calls to AWS: with `--verbose`, stderr.
    pub fn api_watch(&self) -> Option<ApiWatch> {
        let (out, style) = (self.out.clone(), self.err_style);
        (self.common.verbose > 0).then(|| -> ApiWatch { Arc::new(move |call| out.status(&calls::line(call, &style))) })
    }

    /// Who is told of calls that are tried again for longer than a moment, where no step is under way: stderr, as how it goes.
    pub fn wait_watch(&self) -> WaitWatch {
        let (out, verbose) = (self.out.clone(), self.common.verbose > 0);
        Arc::new(move |progress| {
            // Otherwise each attempt is told already.
            if !verbose {
                progress_lines(progress, false).iter().for_each(|line| out.progress(&format!("  {line}")));
            }
        })
    }

    /// Shows a plan before it is carried out: it belongs to the question, if one is asked, and is the whole answer where there is
    /// nothing to do. Otherwise it is progress, of which only what was found is more than that.
    pub fn show_plan(&self, plan: &Plan, is_asked: bool) {
        let text = plan_view::render(plan, &self.err_style);
        if is_asked || plan.is_empty() || !self.common.quiet {
            self.out.status(&text);
        } else {
            self.show_findings(&plan.findings);
        }
    }

    /// Shows findings by themselves; where little is to be said, without those that are only notes.
    pub fn show_findings(&self, findings: &[Finding]) {
        let shown = findings.iter().filter(|finding| !self.common.quiet || finding.severity != Severity::Note);
        let shown: Vec<Finding> = shown.cloned().collect();
        if !shown.is_empty() {
            self.out.status(&plan_view::findings(&shown, &self.err_style));
        }
    }

    /// Whether bars may be drawn: somebody sits there who wants to see how it goes.
    pub fn has_bars(&self) -> bool {
        self.interactive && !self.common.quiet
    }

    /// Prints a line for programs; the first says which form the lines have.
    pub fn line(&self, event: Value) {
        let event = if self.has_lines.replace(true) { event } else { json::first(event) };
        self.out.data(&event.to_string());
    }

    /// Whether results are for programs.
    pub fn json(&self) -> bool {
        self.common.output == Output::Json
    }

    /// Who is at the keyboard.
    #[allow(clippy::disallowed_methods, reason = "the environment says who")]
    pub fn actor(&self, identity: Option<&str>) -> Actor {
        let user = ["USER", "LOGNAME", "USERNAME"].iter().find_map(|name| std::env::var(name).ok()).filter(|user| !user.is_empty());
        let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
        Actor {
            user: user.unwrap_or_else(|| format!("uid {}", rustix::process::getuid().as_raw())),
            host,
            identity: identity.map(str::to_owned),
        }
    }

    /// The one to ask, where somebody can be asked.
    pub fn ask(&self) -> Option<Box<dyn Ask>> {
        self.interactive.then(|| Box::new(Terminal::new(self.err_style)) as Box<dyn Ask>)
    }

    /// The journal, made if there is none.
    pub fn journal(&self) -> Result<Journal, Error> {
        Journal::open(&self.common.state)
    }

    /// The journal, if there is one; otherwise the error that no run is known.
    pub fn existing_journal(&self, wanted: Option<&str>) -> Result<Journal, Error> {
        let state_dir = self.state_dir();
        Journal::open_existing(&self.common.state)?.ok_or_else(|| match wanted {
            Some(wanted) => Error::RunNotFound { wanted: wanted.to_owned(), state_dir, known: Vec::new() },
            None => Error::NoOpenRun { state_dir },
        })
    }

    /// The run that a verb shows which changes nothing: the one that is named, or the unfinished one; the newest where nothing is
    /// unfinished, for that is what the operator asks about.
    pub fn run_to_show(&self, journal: &Journal, wanted: Option<&str>) -> Result<RunId, Error> {
        match journal.find(wanted, false) {
            Err(Error::NoOpenRun { state_dir }) => match journal.runs()?.into_iter().next() {
                Some(newest) => Ok(newest.id),
                None => Err(Error::NoOpenRun { state_dir }),
            },
            found => found,
        }
    }

    /// The state directory's absolute path, for messages.
    pub fn state_dir(&self) -> String {
        let path: PathBuf = std::path::absolute(&self.common.state).unwrap_or_else(|_| self.common.state.clone());
        path.display().to_string()
    }

    /// How to reach AWS, with the Region that the runbook or the run names unless one is given.
    pub fn connect_options(&self, region: &str) -> ConnectOptions {
        ConnectOptions {
            profile: self.common.profile.clone(),
            region: self.common.region.clone().or_else(|| (!region.is_empty()).then(|| region.to_owned())),
            endpoint_url: self.common.endpoint_url.clone(),
        }
    }

    /// The clock for a live account, or for a simulator whose clock goes faster.
    #[allow(clippy::disallowed_methods, reason = "the factor is shared by way of the environment")]
    pub fn clock(&self) -> Result<Clock, Error> {
        let scale = match std::env::var("SIDESTEP_TIME_SCALE") {
            Err(_) => 1.0,
            Ok(text) => match text.parse::<f64>() {
                Ok(scale) if scale.is_finite() && scale > 0.0 => scale,
                _ => {
                    return Err(Error::Usage {
                        message: format!("SIDESTEP_TIME_SCALE is `{text}`, not a positive number"),
                        hint: Some("unset it, unless a simulator runs beside with the same --speed".to_owned()),
                    });
                }
            },
        };
        Ok(Clock::real(scale))
    }

    /// A command of this program, as the operator would have to type it here.
    pub fn command(&self, words: &str) -> String {
        format!("sidestep {words}{}", self.options(words))
    }

    /// The options without which the command would not find the run, or the account, that this one did.
    fn options(&self, words: &str) -> String {
        let verb = words.split_whitespace().next().unwrap_or_default();
        let mut options = String::new();
        let journal = [
            "run",
            "resume",
            "rollback",
            "pause",
            "hold-before",
            "approve",
            "abandon",
            "status",
            "runs",
            "report",
            "doctor",
            "logs",
            "policy",
        ]
        .contains(&verb);
        if journal && self.common.state.as_os_str() != "state" && !words.contains("--state") {
            options.push_str(&format!(" --state {}", shell_word(&self.common.state.to_string_lossy())));
        }
        let connects = ["plan", "run", "resume", "rollback", "doctor", "logs"].contains(&verb) || words.contains("--live");
        if let Some(profile) = self.common.profile.as_ref().filter(|_| connects && !words.contains("--profile")) {
            options.push_str(&format!(" --profile {}", shell_word(profile)));
        }
        options
    }

    /// A text in which each `` `sidestep …` `` is as the operator would have to type it here.
    pub fn located(&self, text: &str) -> String {
        let mut located = String::new();
        let mut rest = text;
        while let Some(start) = rest.find(OPENING) {
            let (before, command) = rest.split_at(start + OPENING.len());
            let Some(end) = command.find('`').filter(|end| !command[..*end].contains('\n')) else { break };
            let words = &command[..end];
            located.push_str(before);
            located.push_str(words);
            located.push_str(&self.options(words));
            located.push('`');
            rest = &command[end + 1..];
        }
        located.push_str(rest);
        located
    }

    /// A tokio runtime on this thread.
    pub fn runtime(&self) -> Result<tokio::runtime::Runtime, Error> {
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| Error::Internal { message: format!("no runtime: {error}") })
    }
}

/// A seed for a live run's tokens and jitter.
pub fn live_seed() -> u64 {
    // The operating system's randomness, by way of the standard library's hasher keys.
    use std::hash::{BuildHasher as _, Hasher as _};
    std::collections::hash_map::RandomState::new().build_hasher().finish()
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::cli::args::Cli;

    fn located(options: &[&str], text: &str) -> String {
        let words = ["sidestep", "runs"].iter().chain(options);
        Context::of(Cli::try_parse_from(words).expect("options").common).located(text)
    }

    #[test]
    fn commands_in_a_text_find_what_this_one_found() {
        let text = "to go on, run `sidestep resume r7k2`; to see, `sidestep status r7k2`, not `aws` or `sidestep";
        assert_eq!(located(&[], text), text);
        assert_eq!(
            located(&["--state", "a b", "--profile", "ops"], text),
            "to go on, run `sidestep resume r7k2 --state 'a b' --profile ops`; to see, `sidestep status r7k2 --state 'a b'`, \
             not `aws` or `sidestep"
        );
    }

    #[test]
    fn what_a_command_says_already_is_left() {
        let text = "`sidestep resume r7k2 --state here` `sidestep rehearse`";
        assert_eq!(located(&["--state", "there"], text), text);
    }
}
