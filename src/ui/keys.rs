//! Ctrl-C without its `^C`: the terminal writes that by itself, below the bars, where nothing ever takes it away.

use rustix::process::getpgrp;
use rustix::stdio::stdin;
use rustix::termios::{LocalModes, OptionalActions, tcgetattr, tcgetpgrp, tcsetattr};

/// While this lives, the terminal does not show control keys. A process that is killed leaves it so, which does no harm.
#[derive(Debug)]
pub struct SilentKeys {
    /// Whether the terminal showed them before, and shall again.
    showed: bool,
}

impl SilentKeys {
    /// At the process's terminal; where there is none, nothing happens.
    pub fn begin() -> Self {
        let silenced = in_foreground() && set(false);
        Self { showed: silenced }
    }
}

/// Around a time in which the process is stopped and the shell has the terminal (Ctrl-Z): the keys are given back, and taken again.
pub fn lend_keys(stopped: impl FnOnce()) {
    let silenced = in_foreground() && set(true);
    stopped();
    if silenced && in_foreground() {
        set(false);
    }
}

impl Drop for SilentKeys {
    fn drop(&mut self) {
        if self.showed && in_foreground() {
            set(true);
        }
    }
}

/// A process in the background that touches the terminal's settings is stopped by the kernel.
fn in_foreground() -> bool {
    tcgetpgrp(stdin()).is_ok_and(|group| group == getpgrp())
}

/// Switches the showing of control keys; `true` if that changed something.
fn set(show: bool) -> bool {
    let Ok(mut settings) = tcgetattr(stdin()) else { return false };
    if settings.local_modes.contains(LocalModes::ECHOCTL) == show {
        return false;
    }
    settings.local_modes.set(LocalModes::ECHOCTL, show);
    tcsetattr(stdin(), OptionalActions::Now, &settings).is_ok()
}
