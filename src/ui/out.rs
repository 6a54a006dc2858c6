//! The one printer. stdout carries data, stderr status. A closed pipe or terminal is noticed and remembered, and never stops
//! anything: a run must not end between a call and its record because nobody is looking any more. Data that could not be written for
//! another reason, a disk that is full say, is told at the end: see [`Out::unwritten`].

use std::io::{Error, ErrorKind, Write};
use std::sync::{Mutex, MutexGuard, PoisonError};

use indicatif::MultiProgress;

/// Owns stdout and stderr.
pub struct Out {
    inner: Mutex<Inner>,
}

struct Inner {
    /// Whether progress is not written.
    quiet: bool,
    stdout: Stream,
    stderr: Stream,
    /// Bars on the same terminal: they are taken away while a line is written, and drawn again below it.
    bars: Option<MultiProgress>,
}

struct Stream {
    to: Box<dyn Write + Send>,
    broken: Option<Error>,
}

impl Stream {
    fn new(to: impl Write + Send + 'static) -> Self {
        Self { to: Box::new(to), broken: None }
    }

    fn write(&mut self, text: &str) {
        if self.broken.is_some() {
            return;
        }
        let newline = if text.ends_with('\n') { "" } else { "\n" };
        // One write per text, so that lines of two processes on one terminal do not mix.
        let whole = format!("{text}{newline}");
        self.broken = self.to.write_all(whole.as_bytes()).and_then(|()| self.to.flush()).err();
    }
}

impl Out {
    /// The process's own stdout and stderr.
    pub fn standard() -> Self {
        Self::new(std::io::stdout(), std::io::stderr())
    }

    /// Any two writers.
    pub fn new(stdout: impl Write + Send + 'static, stderr: impl Write + Send + 'static) -> Self {
        Self { inner: Mutex::new(Inner { quiet: false, stdout: Stream::new(stdout), stderr: Stream::new(stderr), bars: None }) }
    }

    /// Writes data to stdout, as whole lines. An empty text writes nothing.
    pub fn data(&self, text: &str) {
        self.lock().write(text, |inner| &mut inner.stdout);
    }

    /// Writes status to stderr, as whole lines. An empty text writes nothing.
    pub fn status(&self, text: &str) {
        self.lock().write(text, |inner| &mut inner.stderr);
    }

    /// Writes to stderr how it goes, as whole lines: nothing that is lost when it is not read. Where quiet is wanted, nothing.
    pub fn progress(&self, text: &str) {
        let mut inner = self.lock();
        if !inner.quiet {
            inner.write(text, |inner| &mut inner.stderr);
        }
    }

    /// Whether progress is left out from now on.
    pub fn be_quiet(&self, quiet: bool) {
        self.lock().quiet = quiet;
    }

    /// Bars that share the terminal from now on; `None` when they are gone.
    pub fn share_with(&self, bars: Option<MultiProgress>) {
        self.lock().bars = bars;
    }

    /// Whether stdout or stderr could not be written to.
    pub fn broken(&self) -> bool {
        let inner = self.lock();
        inner.stdout.broken.is_some() || inner.stderr.broken.is_some()
    }

    /// Why data could not be written to stdout, if any could not. A reader that has left, as `head` does, has what it wanted.
    pub fn unwritten(&self) -> Option<String> {
        let inner = self.lock();
        inner.stdout.broken.as_ref().filter(|error| error.kind() != ErrorKind::BrokenPipe).map(ToString::to_string)
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // A panic elsewhere while printing leaves nothing half done that matters here.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn write(&mut self, text: &str, stream: impl FnOnce(&mut Self) -> &mut Stream) {
        if text.is_empty() {
            return;
        }
        match self.bars.clone() {
            Some(bars) => bars.suspend(|| stream(self).write(text)),
            None => stream(self).write(text),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Result;
    use std::sync::Arc;

    use super::*;

    #[derive(Clone, Default)]
    struct Page(Arc<Mutex<Vec<u8>>>);

    impl Page {
        fn text(&self) -> String {
            String::from_utf8(self.0.lock().expect("not poisoned").clone()).expect("text")
        }
    }

    impl Write for Page {
        fn write(&mut self, bytes: &[u8]) -> Result<usize> {
            self.0.lock().expect("not poisoned").extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> Result<()> {
            Ok(())
        }
    }

    /// Takes `left` writes, then fails as a closed pipe or terminal does; counts the attempts.
    struct Closing(u32, ErrorKind, Arc<Mutex<u32>>);

    impl Write for Closing {
        fn write(&mut self, bytes: &[u8]) -> Result<usize> {
            *self.2.lock().expect("not poisoned") += 1;
            if self.0 == 0 {
                return Err(Error::from(self.1));
            }
            self.0 -= 1;
            Ok(bytes.len())
        }
        fn flush(&mut self) -> Result<()> {
            Ok(())
        }
    }

    #[test]
    fn data_and_status_go_their_own_ways_as_whole_lines() {
        let (data, status) = (Page::default(), Page::default());
        let out = Out::new(data.clone(), status.clone());
        out.data("{}");
        out.data("[]\n");
        out.status("stage 1/6");
        out.status("");
        assert_eq!(data.text(), "{}\n[]\n");
        assert_eq!(status.text(), "stage 1/6\n");
        assert!(!out.broken());
    }

    #[test]
    fn quiet_leaves_out_progress_and_nothing_else() {
        let (data, status) = (Page::default(), Page::default());
        let out = Out::new(data.clone(), status.clone());
        out.progress("stage 1/6");
        out.be_quiet(true);
        out.progress("stage 2/6");
        out.status("warning: …");
        out.data("{}");
        assert_eq!((status.text().as_str(), data.text().as_str()), ("stage 1/6\nwarning: …\n", "{}\n"));
    }

    #[test]
    fn a_closed_pipe_is_remembered_and_stops_nothing() {
        let (tries, status) = (Arc::new(Mutex::new(0)), Page::default());
        let out = Out::new(Closing(1, ErrorKind::BrokenPipe, tries.clone()), status.clone());
        for line in ["a", "b", "c"] {
            out.data(line);
            out.status(line);
        }
        assert!(out.broken());
        assert_eq!(out.unwritten(), None, "who has left wants no more");
        assert_eq!(status.text(), "a\nb\nc\n", "the other stream goes on");
        assert_eq!(*tries.lock().expect("not poisoned"), 2, "a broken stream is not tried again");
    }

    #[test]
    fn data_that_finds_no_room_is_remembered_and_status_is_not() {
        let full = || Closing(0, ErrorKind::StorageFull, Arc::default());
        let out = Out::new(full(), Page::default());
        assert_eq!(out.unwritten(), None);
        out.data("a");
        assert!(out.unwritten().is_some());
        let out = Out::new(Page::default(), full());
        out.status("a");
        assert!(out.broken() && out.unwritten().is_none());
    }

    #[test]
    fn lines_are_written_while_bars_are_hidden() {
        let status = Page::default();
        let out = Out::new(Page::default(), status.clone());
        out.share_with(Some(MultiProgress::with_draw_target(indicatif::ProgressDrawTarget::hidden())));
        out.status("a line");
        out.share_with(None);
        out.status("another");
        assert_eq!(status.text(), "a line\nanother\n");
    }
}
