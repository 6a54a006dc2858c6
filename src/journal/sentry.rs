//! Whether a run is still held, asked beside the engine that works on it.

use std::path::PathBuf;

use super::db::{Db, inode};
use super::read;
use crate::model::{Error, RunId};

/// Looks, over a connection of its own, whether the process still holds its run.
pub struct Sentry {
    pub(super) db: Db,
    pub(super) run: RunId,
    pub(super) fence: u64,
    /// The lock file's path, and the file that this process has locked.
    pub(super) lock: (PathBuf, Option<(u64, u64)>),
}

impl Sentry {
    /// Whether the run is still this process's.
    ///
    /// # Errors
    /// [`Error::Fenced`] when another process took over, [`Error::JournalWrite`] when the journal or the lock file went away,
    /// [`Error::JournalUnusable`] when it cannot be read.
    pub fn check(&self) -> Result<(), Error> {
        self.db.check_in_place()?;
        let fence = read::fence(&self.db.conn, &self.run).map_err(|error| self.db.unreadable(&error))?;
        let (path, held) = &self.lock;
        let found = inode(path);
        if fence == Some(self.fence) && held.is_some() && found == *held {
            Ok(())
        } else if fence == Some(self.fence) && found.is_none() {
            Err(self.db.without_lock(path))
        } else {
            Err(read::fenced(&self.db.conn, &self.run, self.fence))
        }
    }
}
