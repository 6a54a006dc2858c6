//! A terminal with a person at it: a pseudo-terminal, and a screen that is read as a person would.

use std::fs::File;
use std::io::{Read, Write};
use std::num::NonZero;
use std::os::fd::{AsFd, OwnedFd};
use std::process::{Child, Command};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};

use super::until;

/// Lines that have scrolled away and are still there.
const SCROLLBACK: usize = 2000;

pub struct Terminal {
    child: Child,
    keyboard: File,
    master: OwnedFd,
    screen: Arc<Mutex<vt100::Parser>>,
    /// Reads what is printed.
    eye: JoinHandle<()>,
}

impl Terminal {
    /// Starts a command whose input and output is this terminal, and which it controls: Ctrl-C is a signal.
    pub fn start(command: Command, columns: u16, rows: u16) -> Self {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("a pseudo-terminal");
        grantpt(&master).expect("granted");
        unlockpt(&master).expect("unlocked");
        tcsetwinsize(master.as_fd(), size(columns, rows)).expect("a size");
        let name = ptsname(&master, Vec::new()).expect("a name").into_string().expect("text");
        let slave = || File::options().read(true).write(true).open(&name).expect("the terminal");
        let mut in_session = Command::new("setsid");
        in_session.args(["--ctty", "--wait"]).arg(command.get_program()).args(command.get_args());
        in_session.env_clear().env("TERM", "xterm").env("LANG", "C.UTF-8").env("PATH", "/usr/bin:/bin");
        in_session.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
        in_session.current_dir(command.get_current_dir().expect("a directory"));
        let child = in_session.stdin(slave()).stdout(slave()).stderr(slave()).spawn().expect("it starts");
        let screen = Arc::new(Mutex::new(vt100::Parser::new(some(rows), some(columns), SCROLLBACK)));
        let (mut reader, seen) = (File::from(master.try_clone().expect("a copy")), Arc::clone(&screen));
        // Ends when the terminal has no reader and writer any more.
        let eye = std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(read @ 1..) = reader.read(&mut buffer) {
                seen.lock().expect("not poisoned").process(&buffer[..read]);
            }
        });
        Self { child, keyboard: File::from(master.try_clone().expect("a copy")), master, screen, eye }
    }

    /// What is on the screen, without blanks at the ends of lines.
    pub fn shows(&self) -> String {
        let mut screen = self.screen.lock().expect("not poisoned");
        screen.screen_mut().set_scrollback(0);
        let (_, columns) = screen.screen().size();
        let lines: Vec<String> = screen.screen().rows(0, columns.get()).map(|line| line.trim_end().to_owned()).collect();
        lines.join("\n").trim_end().to_owned()
    }

    /// What is on the screen and what has scrolled away.
    pub fn has_shown(&self) -> String {
        let mut screen = self.screen.lock().expect("not poisoned");
        screen.screen_mut().set_scrollback(usize::MAX);
        let (rows, columns) = screen.screen().size();
        let mut lines: Vec<String> = Vec::new();
        let mut back = screen.screen().scrollback();
        loop {
            screen.screen_mut().set_scrollback(back);
            let page: Vec<String> = screen.screen().rows(0, columns.get()).map(|line| line.trim_end().to_owned()).collect();
            let new = back.min(usize::from(rows.get()));
            lines.extend(page.iter().take(if back == 0 { page.len() } else { new }).cloned());
            if back == 0 {
                return lines.join("\n").trim_end().to_owned();
            }
            back -= new;
        }
    }

    /// Waits until the screen shows these words.
    pub fn until_shows(&self, words: &str) {
        let shown = || self.shows().contains(words).then_some(());
        let begun = std::time::Instant::now();
        while shown().is_none() {
            assert!(begun.elapsed() < super::PATIENCE, "`{words}` is not shown:\n{}", self.shows());
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
    }

    /// Types text.
    pub fn types(&mut self, text: &str) {
        self.keyboard.write_all(text.as_bytes()).expect("a keyboard");
    }

    /// Makes the terminal another size.
    pub fn resize(&self, columns: u16, rows: u16) {
        self.screen.lock().expect("not poisoned").screen_mut().set_size(some(rows), some(columns));
        tcsetwinsize(self.master.as_fd(), size(columns, rows)).expect("a size");
    }

    /// Waits for the end of the command, and until all that it printed is on the screen; its exit code.
    pub fn wait(&mut self) -> Option<i32> {
        let status = until("the command ends", || self.child.try_wait().expect("a child"));
        until("the terminal is read to its end", || self.eye.is_finished().then_some(()));
        status.code()
    }
}

fn some(size: u16) -> NonZero<u16> {
    NonZero::new(size).expect("a size")
}

fn size(columns: u16, rows: u16) -> Winsize {
    Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
