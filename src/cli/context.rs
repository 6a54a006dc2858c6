//! What every verb starts from: the options, the terminal, the person.

use std::io::IsTerminal as _;
use std::path::PathBuf;

use super::args::{Common, Output};
use crate::aws::{Clock, ConnectOptions};
use crate::journal::Journal;
use crate::model::{Actor, Error};
use crate::ui::prompt::Terminal;
use crate::ui::{Ask, Out, Style};

/// See the module's text.
pub struct Context {
    pub common: Common,
    pub out: Out,
    /// For stdout.
    pub out_style: Style,
    /// For stderr.
    pub err_style: Style,
    /// Whether a person can be asked: both ends are terminals.
    pub interactive: bool,
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
        Self {
            out: Out::standard(),
            out_style: Style::decide(stdout, columns, &env),
            err_style: Style::decide(stderr, columns, &env),
            interactive: stderr && std::io::stdin().is_terminal() && common.output == Output::Text,
            common,
        }
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
        let state = &self.common.state;
        if state.as_os_str() == "state" {
            format!("sidestep {words}")
        } else {
            format!("sidestep {words} --state {}", state.display())
        }
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
