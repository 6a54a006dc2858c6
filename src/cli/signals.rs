//! Ctrl-C, SIGTERM and SIGHUP: the first asks the run to pause, the second stops it at once. Ctrl-Z: the screen is left in order.

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;

use crate::engine::Control;
use crate::model::{Actor, Error};
use crate::ui::lend_keys;

/// Listens from now on; what arrives goes to the engine.
pub fn listen(by: Actor) -> Result<mpsc::UnboundedReceiver<Control>, Error> {
    let (sender, receiver) = mpsc::unbounded_channel();
    let on = |kind| signal(kind).map_err(|error| Error::Internal { message: format!("cannot listen for signals: {error}") });
    let (interrupt, terminate, hangup) = (on(SignalKind::interrupt())?, on(SignalKind::terminate())?, on(SignalKind::hangup())?);
    tokio::spawn(forward(interrupt, terminate, hangup, by, sender));
    Ok(receiver)
}

async fn forward(
    mut interrupt: Signal,
    mut terminate: Signal,
    mut hangup: Signal,
    by: Actor,
    sender: mpsc::UnboundedSender<Control>,
) {
    let mut asked = false;
    loop {
        let how = tokio::select! {
            biased;
            _ = interrupt.recv() => "Ctrl-C",
            _ = terminate.recv() => "SIGTERM",
            _ = hangup.recv() => "SIGHUP",
        };
        // A closed terminal must never stop a run between a call and its record: a hangup only ever asks.
        let control =
            if asked && how != "SIGHUP" { Control::StopNow } else { Control::Pause { by: by.clone(), how: how.to_owned() } };
        asked = true;
        if sender.send(control).is_err() {
            return;
        }
    }
}

/// When the terminal stops this process (Ctrl-Z), takes away what moves on it first; it is drawn again when the process goes on.
/// Whatever is in flight at AWS meanwhile is not lost: the answer waits, or the step is looked at.
pub fn leave_terminal_when_stopped(bars: indicatif::MultiProgress) {
    use rustix::process::{Signal as Raw, getpid, kill_process};
    // Without the signal the process is stopped all the same, only with the block left on the screen.
    let Ok(mut stops) = signal(SignalKind::from_raw(Raw::TSTP.as_raw())) else { return };
    tokio::spawn(async move {
        while stops.recv().await.is_some() {
            let _ = bars.clear();
            lend_keys(|| {
                let _ = kill_process(getpid(), Raw::STOP);
            });
        }
    });
}

/// The process goes on after it was stopped.
pub struct WentOn(Option<Signal>);

impl WentOn {
    /// Listens from now on.
    pub fn listen() -> Self {
        let raw = rustix::process::Signal::CONT.as_raw();
        Self(signal(SignalKind::from_raw(raw)).ok())
    }

    /// The next time; never where it cannot be listened for.
    pub async fn next(&mut self) {
        match &mut self.0 {
            Some(signal) => drop(signal.recv().await),
            None => std::future::pending().await,
        }
    }
}
