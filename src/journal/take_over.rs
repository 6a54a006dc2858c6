//! Taking a run from a process that holds it and does not let go: stopped, asleep, hung, or alive and not wanted any more.
//!
//! ```text
//!   raise the fence, put a new lock file in place,     one transaction: from here on the old holder writes nothing, and sends
//!   journal who took it from whom, and why             no change, for it looks right before each
//!            │
//!   wait until nothing it sent before can arrive        the caller's; it has the clock
//!            │
//!   open the session                                    only now is the run looked at and gone on with
//! ```

use std::cell::Cell;
use std::path::Path;

use jiff::Timestamp;
use rusqlite::Connection;

use super::db::{Db, words};
use super::lock::RunLock;
use super::open_run::OpenRun;
use super::read;
use super::store::{Journal, Store as _, lock_path, this_process};
use super::writer::Writer;
use crate::model::{Actor, Error, Holder, RecordBody, RunId};

/// A holder that goes on may write between our reading and our transaction; it does so a few times a second at most.
const TRIES: usize = 20;

/// A run that was taken from its holder and not gone on with yet.
pub struct TakenOver {
    open: OpenRun,
    holder: Holder,
}

impl TakenOver {
    /// Opens the session, once nothing that the old holder sent can arrive any more.
    ///
    /// # Errors
    /// [`Error::Fenced`] when yet another process took over meanwhile, [`Error::JournalWrite`].
    pub fn open(mut self, at: Timestamp) -> Result<OpenRun, Error> {
        self.open.append(at, vec![RecordBody::SessionOpened { holder: self.holder }])?;
        Ok(self.open)
    }
}

impl Journal {
    /// Takes the run from `from`, the process that [`Journal::is_live`] found to hold it.
    ///
    /// # Errors
    /// [`Error::RunNotFound`], [`Error::Fenced`] when a third process came first, [`Error::JournalWrite`] (also when the old
    /// holder was stopped in the middle of a write), [`Error::JournalDamaged`], [`Error::JournalUnusable`],
    /// [`Error::TargetTaken`].
    pub fn take_over(&self, run: &RunId, from: &Holder, by: &Actor, reason: &str, at: Timestamp) -> Result<TakenOver, Error> {
        let Some(before) = self.fence(run)? else { return Err(self.not_found(run.as_str())?) };
        let holder = this_process(by, before + 1);
        let path = lock_path(&self.db.dir, run)?;
        let (mut lock, beside) = RunLock::beside(&path).map_err(|error| self.lock_failed(&path, &error))?;
        let taken = self.sign(&mut lock, &holder).and_then(|()| {
            let taken = RecordBody::TakenOver { from: from.clone(), by: holder.clone(), reason: reason.to_owned() };
            self.displace(run, &holder, lock, (&beside, &path), at, &taken)
        });
        if taken.is_err() {
            // Unless it is in its place already; there it stays, free: the old holder has lost its lock in any case.
            let _ = std::fs::remove_file(&beside);
        }
        Ok(TakenOver { open: taken?, holder })
    }

    /// Raises the fence to the holder's number, puts the lock of ours in the place of the old one, and says so in the journal: in
    /// one transaction, so that of several who try the last one has it all, and the old holder can be told who came.
    fn displace(
        &self,
        run: &RunId,
        holder: &Holder,
        mut lock: RunLock,
        (beside, path): (&Path, &Path),
        at: Timestamp,
        taken: &RecordBody,
    ) -> Result<OpenRun, Error> {
        for _ in 0..TRIES {
            let db = Db::open(&self.db.dir, self.db.flush)?;
            let history = read::rows(&db.conn, run, 1).map_err(|error| db.unreadable(&error))?;
            let view = read::fold(run, &read::parse_all(run, &history)?)?;
            let (known, stale) = (view.last_seq, Cell::new(false));
            let enter = |tx: &Connection| {
                let failed = |error: rusqlite::Error| self.db.not_written(words(&error));
                // A holder that is not stopped may have written since.
                stale.set(!read::rows(tx, run, known + 1).map_err(failed)?.is_empty());
                let sql = "UPDATE run SET fence = ?2 WHERE id = ?1 AND fence = ?2 - 1";
                if stale.get() || tx.execute(sql, (run.as_str(), holder.fence.cast_signed())).map_err(failed)? == 0 {
                    return Err(read::fenced(tx, run, holder.fence - 1));
                }
                std::fs::rename(beside, path).map_err(|error| self.lock_failed(path, &error))?;
                self.reclaim(tx, &view)
            };
            let writer = Writer::new(db, run.clone(), holder.fence);
            match OpenRun::begin(writer, lock, history, &enter, at, vec![taken.clone()]) {
                Ok(open) => return Ok(open),
                Err((_, again)) if stale.get() => lock = again,
                Err((error, ours)) => {
                    ours.release();
                    return Err(error);
                }
            }
        }
        Err(self.db.not_written("its holder writes too often for the run to be taken from it".to_owned()))
    }
}
