//! A terminal whose errors are swallowed. indicatif panics in places when its terminal fails (taking bars away for a question,
//! for one), and a terminal that was closed must not stop a run.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use indicatif::TermLike;

/// Any terminal, without its errors; once one failed it is left alone.
#[derive(Debug)]
pub(super) struct Steady {
    inner: Box<dyn TermLike>,
    broken: AtomicBool,
}

impl Steady {
    pub(super) fn over(inner: Box<dyn TermLike>) -> Self {
        Self { inner, broken: AtomicBool::new(false) }
    }

    /// Columns and rows.
    pub(super) fn size(&self) -> (u16, u16) {
        (self.width(), self.height())
    }

    /// Takes away a block that now takes `rows`, and leaves the cursor where the last row of one of `expected` would be.
    pub(super) fn wipe(&self, rows: usize, expected: usize) {
        let wipe = |inner: &dyn TermLike| {
            inner.move_cursor_up(rows.saturating_sub(1))?;
            for row in 0..rows {
                inner.clear_line()?;
                if row + 1 < rows {
                    inner.move_cursor_down(1)?;
                }
            }
            inner.move_cursor_up(rows.saturating_sub(expected))?;
            inner.flush()
        };
        let _ = self.swallow(wipe);
    }

    fn swallow(&self, act: impl FnOnce(&dyn TermLike) -> io::Result<()>) -> io::Result<()> {
        if !self.broken.load(Ordering::Relaxed) && act(&*self.inner).is_err() {
            self.broken.store(true, Ordering::Relaxed);
        }
        Ok(())
    }
}

impl TermLike for Steady {
    fn width(&self) -> u16 {
        // A terminal that is gone has no size; indicatif divides by it.
        self.inner.width().max(1)
    }

    fn height(&self) -> u16 {
        self.inner.height().max(1)
    }

    fn move_cursor_up(&self, n: usize) -> io::Result<()> {
        self.swallow(|inner| inner.move_cursor_up(n))
    }

    fn move_cursor_down(&self, n: usize) -> io::Result<()> {
        self.swallow(|inner| inner.move_cursor_down(n))
    }

    fn move_cursor_right(&self, n: usize) -> io::Result<()> {
        self.swallow(|inner| inner.move_cursor_right(n))
    }

    fn move_cursor_left(&self, n: usize) -> io::Result<()> {
        self.swallow(|inner| inner.move_cursor_left(n))
    }

    fn write_line(&self, text: &str) -> io::Result<()> {
        self.swallow(|inner| inner.write_line(text))
    }

    fn write_str(&self, text: &str) -> io::Result<()> {
        self.swallow(|inner| inner.write_str(text))
    }

    fn clear_line(&self) -> io::Result<()> {
        self.swallow(|inner| inner.clear_line())
    }

    fn flush(&self) -> io::Result<()> {
        self.swallow(|inner| inner.flush())
    }
}

/// One terminal, held by indicatif and by the screen.
#[derive(Debug)]
pub(super) struct Shared(pub(super) Arc<Steady>);

impl TermLike for Shared {
    fn width(&self) -> u16 {
        self.0.width()
    }

    fn height(&self) -> u16 {
        self.0.height()
    }

    fn move_cursor_up(&self, n: usize) -> io::Result<()> {
        self.0.move_cursor_up(n)
    }

    fn move_cursor_down(&self, n: usize) -> io::Result<()> {
        self.0.move_cursor_down(n)
    }

    fn move_cursor_right(&self, n: usize) -> io::Result<()> {
        self.0.move_cursor_right(n)
    }

    fn move_cursor_left(&self, n: usize) -> io::Result<()> {
        self.0.move_cursor_left(n)
    }

    fn write_line(&self, text: &str) -> io::Result<()> {
        self.0.write_line(text)
    }

    fn write_str(&self, text: &str) -> io::Result<()> {
        self.0.write_str(text)
    }

    fn clear_line(&self) -> io::Result<()> {
        self.0.clear_line()
    }

    fn flush(&self) -> io::Result<()> {
        self.0.flush()
    }
}
