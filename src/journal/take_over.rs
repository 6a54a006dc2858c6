//! Taking a run from a process that holds it and does not let go: stopped, asleep, hung, or alive and not wanted any more.
//!
//! ```text
//!   raise the fence, put a new lock file in place      one transaction: from here on the old holder writes nothing, and sends
//!            │                                          no change, for it looks right before each
//!   journal who took it from whom, and why
//!            │
//!   wait until nothing it sent before can arrive        the caller's; it has the clock
//!            │
//!   open the session                                    only now is the run looked at and gone on with
//! ```

use jiff::Timestamp;
use rusqlite::{Transaction, TransactionBehavior};

use super::db::{Db, words};
use super::lock::RunLock;
use super::open_run::OpenRun;
use super::read;
use super::store::{Journal, Store as _, lock_path, this_process};
use super::writer::Writer;
use crate::model::{Actor, Error, Holder, RecordBody, RunId};

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
        let db = Db::open(&self.db.dir, self.db.flush)?;
        let lock = self.displace(&db, run, &holder)?;
        // Read only now: nobody else can append any more.
        let history = read::rows(&db.conn, run, 1).map_err(|error| db.unreadable(&error))?;
        let view = read::fold(run, &read::parse_all(run, &history)?)?;
        let taken = RecordBody::TakenOver { from: from.clone(), by: holder.clone(), reason: reason.to_owned() };
        let writer = Writer::new(db, run.clone(), holder.fence);
        let open = OpenRun::begin(writer, lock, history, &|tx| self.reclaim(tx, &view), at, vec![taken]);
        let open = open.map_err(|(error, lock)| {
            lock.release();
            error
        })?;
        Ok(TakenOver { open, holder })
    }

    /// Raises the fence to the holder's number and puts a lock of ours in the place of the old one. Both under the file's write
    /// lock, so that of several who try the last one has both.
    fn displace(&self, db: &Db, run: &RunId, holder: &Holder) -> Result<RunLock, Error> {
        let path = lock_path(&db.dir, run)?;
        let mut lock = RunLock::beside(&path).map_err(|error| self.lock_failed(&path, &error))?;
        let displaced = self.sign(&mut lock, holder).and_then(|()| {
            let failed = |error: rusqlite::Error| db.not_written(words(&error));
            let tx = Transaction::new_unchecked(&db.conn, TransactionBehavior::Immediate).map_err(failed)?;
            let sql = "UPDATE run SET fence = ?2 WHERE id = ?1 AND fence = ?2 - 1";
            let raised = tx.execute(sql, (run.as_str(), holder.fence.cast_signed())).map_err(failed)?;
            if raised == 0 {
                return Err(read::fenced(&tx, run, holder.fence - 1));
            }
            lock.put_in_place(&path).map_err(|error| self.lock_failed(&path, &error))?;
            tx.commit().map_err(failed)
        });
        match displaced {
            Ok(()) => Ok(lock),
            Err(error) => {
                // In its place already, the file stays there, free: the old holder has lost its lock in any case.
                if lock.path() != path {
                    lock.remove();
                }
                Err(error)
            }
        }
    }
}
