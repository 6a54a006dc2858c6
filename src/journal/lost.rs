//! What is gone from a state directory. Its files belong together, and without one of them the others tell less than was, or
//! nothing: such a directory is refused, and left as it is, before anybody takes it for one in which less happened.
//!
//! | what is found | what it means |
//! | --- | --- |
//! | no `journal.db`, beside lock files, a log or an index | the journal was removed |
//! | an empty `journal.db` beside lock files | its content was lost |
//! | `journal.db-shm` without `journal.db-wal` | the log was removed: SQLite makes it first and takes it away last |
//! | a lock file that names a session which the journal does not have | the log was lost, with the records of that session |
//! | no `locks` beside a run that nobody has left in order | nobody can tell whether a process still works on the run |

use std::path::Path;

use super::db::{Db, FILE, unusable};
use super::lock;
use super::read;
use crate::model::{Error, RunId};

/// Looks at the directory before the journal in it is opened.
///
/// # Errors
/// [`Error::JournalUnusable`].
pub(super) fn refuse_without_files(dir: &Path) -> Result<(), Error> {
    let there = |suffix: &str| dir.join(format!("{FILE}{suffix}")).exists();
    let had_runs = || std::fs::read_dir(dir.join("locks")).is_ok_and(|mut locks| locks.next().is_some());
    let file = std::fs::symlink_metadata(dir.join(FILE));
    if file.is_err_and(|error| error.kind() == std::io::ErrorKind::NotFound) {
        if had_runs() || there("-wal") || there("-shm") {
            return Err(lost(dir, format!("{FILE} is gone, although runs were journaled here")));
        }
        return Ok(());
    }
    let found = std::fs::metadata(dir.join(FILE));
    if found.as_ref().is_ok_and(|found| !found.is_file() && !found.is_dir()) {
        return Err(unusable(dir, format!("{FILE} is a pipe, a socket or a device, not a file")));
    }
    // SQLite takes a file of one byte for empty too.
    let empty = found.is_ok_and(|found| found.is_file() && found.len() <= 1);
    if empty && had_runs() {
        return Err(lost(dir, format!("{FILE} is empty, although runs were journaled here: its content is lost")));
    }
    // Twice: another process may open or close the journal meanwhile.
    let without_log = || there("-shm") && !there("-wal");
    if without_log() && without_log() {
        return Err(lost(dir, format!("{FILE}-wal is gone, and with it the newest records")));
    }
    Ok(())
}

/// Looks at an open journal: whether it has what the lock files speak of, and they are there.
///
/// # Errors
/// [`Error::JournalUnusable`], [`Error::JournalDamaged`].
pub(super) fn refuse_without_records(db: &Db) -> Result<(), Error> {
    let locks = db.dir.join("locks");
    let Ok(entries) = std::fs::read_dir(&locks) else { return refuse_without_locks(db, &locks) };
    for entry in entries.flatten() {
        let path = entry.path();
        let Some(run) = path.file_name().and_then(|name| name.to_str()).and_then(|name| name.strip_suffix(".lock")) else {
            continue;
        };
        let Some(holder) = lock::journaled(&path) else { continue };
        let run = RunId::new(run);
        let known = read::fence(&db.conn, &run).map_err(|error| db.unreadable(&error))?;
        if known.is_none_or(|fence| fence < holder.fence) {
            let why = format!(
                "the records of run `{run}` since {} took it up are gone: {FILE}-wal was lost",
                super::store::name(Some(&holder))
            );
            return Err(lost(&db.dir, why));
        }
    }
    Ok(())
}

/// Without lock files nobody knows whether a process works on a run; one that was left in order has none.
fn refuse_without_locks(db: &Db, locks: &Path) -> Result<(), Error> {
    let rows = read::run_rows(&db.conn).map_err(|error| db.unreadable(&error))?;
    for row in rows.iter().filter(|row| row.ended.is_none()) {
        let view = read::fold(&row.id, &read::records(db, &row.id)?)?;
        if let Some(holder) = view.holder.as_ref().filter(|_| !view.closed) {
            let (run, who) = (&row.id, super::store::name(Some(holder)));
            return Err(Error::JournalUnusable {
                path: db.dir.display().to_string(),
                why: format!("the directory `locks` is gone: whether {who} still works on run `{run}` cannot be told"),
                hint: Some(format!(
                    "see to it that no process does (`pgrep -a sidestep`), then make it anew, `mkdir -m 700 {}`, and run the same \
                     command again",
                    locks.display()
                )),
            });
        }
    }
    Ok(())
}

fn lost(dir: &Path, why: String) -> Error {
    Error::JournalUnusable {
        path: dir.display().to_string(),
        why,
        hint: Some(format!(
            "put it back (all of {FILE}, {FILE}-wal and `locks`, from one moment) and run the same command again; if it is lost for \
             good, keep the directory as it is and name another one with `--state DIR`: `sidestep plan` shows what stands in AWS"
        )),
    }
}
