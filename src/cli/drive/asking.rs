//! A question on the way, answered by whoever is first: the person at this terminal, somebody at another one, or a signal.
//!
//! The question and its answer are journaled, so that `status` shows elsewhere what the run waits for, and the record who decided.

use std::io;

use super::super::signals::WentOn;
use super::Drive;
use crate::aws::Clock;
use crate::engine::{Control, hold_applies};
use crate::journal::{Request, Store as _};
use crate::model::{Actor, Error, Extent, RecordBody, StageId};
use crate::ui::prompt::{Menu, Picked};
use crate::ui::text;

/// Between looks for what other terminals ask.
const REQUEST_INTERVAL: std::time::Duration = std::time::Duration::from_secs(1);
/// Between looks at the keyboard.
const KEY_INTERVAL: std::time::Duration = std::time::Duration::from_millis(100);
/// More is no answer.
const LONGEST_LINE: usize = 4096;

/// An answer.
pub(super) enum Reply<T> {
    /// One of the menu's, given here.
    Here(T),
    /// Go on, from another terminal.
    GoOn,
    /// Approved, from another terminal.
    Approve(Actor, String),
    /// Go back, from another terminal.
    RollBack(Extent, Actor),
    /// Pause, from another terminal or by a signal: how, and who asked.
    Paused(String),
}

impl Drive<'_> {
    /// Puts a question and waits for its answer.
    pub(super) async fn ask_menu<T: Clone>(&mut self, menu: &Menu<T>, stage: Option<&StageId>) -> Result<Reply<T>, Error> {
        let question = menu.question.clone();
        self.append(vec![RecordBody::Asked { question: question.clone(), stage: stage.cloned() }])?;
        self.screen.rest();
        self.context.out.status(&self.context.located(&menu.render(&self.context.err_style)));
        let (mut keyboard, mut went_on) = (Keyboard::open(&self.aws.clock), WentOn::listen());
        let (reply, answer, by) = loop {
            tokio::select! {
                biased;
                Some(control) = self.control.recv() => {
                    let (by, how) = match control {
                        Control::Pause { by, how } => (by, how),
                        Control::StopNow => (self.by.clone(), "stopped at once".to_owned()),
                    };
                    break (Reply::Paused(how.clone()), how, by);
                }
                // The shell had the terminal meanwhile, and wrote below the question.
                () = went_on.next() => self.context.out.status(&self.context.located(&menu.render(&self.context.err_style))),
                line = keyboard.line() => match line.map_or_else(|_| menu.cautious(), |line| menu.pick(&line)) {
                    Picked::Answer(answer, words) => break (Reply::Here(answer), words, self.by.clone()),
                    Picked::Unclear(words) => self.context.out.status(&words),
                },
                () = self.aws.clock.sleep(REQUEST_INTERVAL) => {
                    if let Some(answered) = self.answered_elsewhere()? {
                        break answered;
                    }
                }
            }
        };
        self.append(vec![RecordBody::Answered { question, answer, by }])?;
        Ok(reply)
    }

    /// What other terminals ask meanwhile; the first that is an answer.
    fn answered_elsewhere<T>(&mut self) -> Result<Option<(Reply<T>, String, Actor)>, Error> {
        for request in self.open.take_requests()? {
            match request {
                Request::GoOn { by } => return Ok(Some((Reply::GoOn, "go on, from another terminal".to_owned(), by))),
                Request::Approve { by, comment, .. } if self.open.view().to_approve().is_some() => {
                    return Ok(Some((Reply::Approve(by.clone(), comment), "approved, from another terminal".to_owned(), by)));
                }
                Request::Approve { by, .. } => {
                    let (request, why) = ("approve".to_owned(), "no step of it waits for an approval".to_owned());
                    self.append(vec![RecordBody::RequestRefused { request, by, why }])?;
                }
                Request::Pause { by } => {
                    let how = format!("`sidestep pause` by {}@{}", by.user, by.host);
                    return Ok(Some((Reply::Paused(how), "pause, from another terminal".to_owned(), by)));
                }
                Request::Rollback { by, extent } => {
                    let answer = format!("roll back {extent}, from another terminal");
                    return Ok(Some((Reply::RollBack(extent, by.clone()), answer, by)));
                }
                Request::HoldBefore { stage, by } => match hold_applies(self.open.view(), &stage) {
                    Ok(()) => self.append(vec![RecordBody::HoldSet { stage, by }])?,
                    Err(why) => {
                        self.append(vec![RecordBody::RequestRefused { request: format!("hold-before {stage}"), by, why }])?;
                    }
                },
                Request::ClearHold { stage, by } => self.append(vec![RecordBody::HoldCleared { stage, by }])?,
            }
        }
        Ok(None)
    }

    /// A line of text; none where it is empty, or nobody is there.
    pub(super) async fn ask_reason(&mut self, question: &str) -> Option<String> {
        self.screen.rest();
        self.context.out.status(&format!("{question} (an empty line: not after all)"));
        let mut keyboard = Keyboard::open(&self.aws.clock);
        let line = tokio::select! {
            biased;
            _ = self.control.recv() => return None,
            line = keyboard.line() => line.ok()?,
        };
        Some(text::clean(&line)).filter(|line| !line.is_empty())
    }
}

/// Lines typed at the process's terminal.
struct Keyboard<'a> {
    clock: &'a Clock,
    typed: Vec<u8>,
}

impl<'a> Keyboard<'a> {
    fn open(clock: &'a Clock) -> Self {
        // A key pressed minutes ago must not agree to anything.
        let _ = rustix::termios::tcflush(io::stdin(), rustix::termios::QueueSelector::IFlush);
        Self { clock, typed: Vec::new() }
    }

    /// The next line; an error when the terminal is gone. Dropped and called again, it loses nothing.
    async fn line(&mut self) -> io::Result<String> {
        loop {
            if let Some(end) = self.typed.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.typed.drain(..=end).collect();
                return Ok(String::from_utf8_lossy(&line).into_owned());
            }
            if !has_typed()? {
                self.clock.sleep(KEY_INTERVAL).await;
                continue;
            }
            // The terminal hands out whole lines, and only when there is one: this does not block.
            let mut buffer = [0; 256];
            let read = rustix::io::read(io::stdin(), &mut buffer)?;
            if read == 0 || self.typed.len() > LONGEST_LINE {
                return Err(io::Error::from(io::ErrorKind::UnexpectedEof));
            }
            self.typed.extend_from_slice(&buffer[..read]);
        }
    }
}

fn has_typed() -> io::Result<bool> {
    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    let stdin = io::stdin();
    let mut polled = [PollFd::new(&stdin, PollFlags::IN)];
    poll(&mut polled, Some(&Timespec::default()))?;
    Ok(!polled[0].revents().is_empty())
}
