//! One SQLite connection: its settings, set and checked, and its errors in words a reader can act on.

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, OpenFlags};

use super::schema;
use crate::model::Error;

/// The journal's file in the state directory.
pub(super) const FILE: &str = "journal.db";

/// How long a statement waits for another process's commit. A commit takes milliseconds on a disk that is well, and seconds on one
/// that is busy: a `status` in another terminal must not end a run there. Who waits here holds up the whole run, signals
/// included, so what is longer than that is an error to show.
const BUSY: Duration = Duration::from_secs(10);

/// When a commit returns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Flush {
    /// When it is on the disk.
    Full,
    /// When the operating system has it: it survives the process, not the machine.
    Off,
}

/// A connection to the journal's file.
pub(super) struct Db {
    /// The connection.
    pub(super) conn: Connection,
    /// The state directory, absolute.
    pub(super) dir: PathBuf,
    /// The file in it.
    file: PathBuf,
    /// The file that was opened, by device and inode.
    inode: Option<(u64, u64)>,
    /// Its log, likewise: it stays the same for as long as anybody has the file open.
    log: Option<(u64, u64)>,
    /// How this connection commits.
    pub(super) flush: Flush,
}

impl Db {
    /// Opens a file that exists: settings, then the check of what it is, then the schema.
    pub(super) fn open(dir: &Path, flush: Flush) -> Result<Self, Error> {
        let (conn, _) = Self::connect(dir)?;
        Self::finish(dir, flush, conn)
    }

    /// The same to read: `None` where another process has made the file and not yet the schema. Whoever makes it should not have
    /// to wait for one who looks.
    pub(super) fn open_to_read(dir: &Path) -> Result<Option<Self>, Error> {
        let (conn, version) = Self::connect(dir)?;
        if version == 0 { Ok(None) } else { Self::finish(dir, Flush::Full, conn).map(Some) }
    }

    /// A connection, and the version of the schema that the file has.
    fn connect(dir: &Path) -> Result<(Connection, usize), Error> {
        let file = dir.join(FILE);
        let fail = |error: rusqlite::Error| unusable(dir, words(&error));
        // No SQLITE_OPEN_CREATE: the file is made beforehand with the right mode. No URI: the path is taken as it is.
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let conn = Connection::open_with_flags(&file, flags).map_err(fail)?;
        conn.busy_timeout(BUSY).map_err(fail)?;
        conn.set_prepared_statement_cache_capacity(32);
        // Before anything is set: another program's database is left as it was.
        let version = schema::recognise(&conn, dir)?;
        Ok((conn, version))
    }

    fn finish(dir: &Path, flush: Flush, mut conn: Connection) -> Result<Self, Error> {
        settle(&conn, dir, flush)?;
        schema::migrate(&mut conn, dir, schema::MIGRATIONS)?;
        let file = dir.join(FILE);
        let (inode, log) = (inode(&file), inode(&log_of(&file)));
        Ok(Self { conn, dir: dir.to_owned(), inode, log, file, flush })
    }

    /// Refuses a file that may only be read, or that is damaged in any page or index; asked before a run is written to.
    pub(super) fn check_fit_to_write(&self) -> Result<(), Error> {
        let fail = |error: rusqlite::Error| unusable(&self.dir, words(&error));
        if self.conn.is_readonly(rusqlite::MAIN_DB).map_err(fail)? {
            return Err(unusable(&self.dir, format!("{FILE} may be read but not written")));
        }
        let said: String = self.conn.query_row("PRAGMA quick_check(1)", [], |row| row.get(0)).map_err(fail)?;
        if said == "ok" { Ok(()) } else { Err(unusable(&self.dir, format!("{FILE} is damaged: {said}"))) }
    }

    /// Whether the path still leads to the file that is open. SQLite would go on writing to one that was removed.
    fn in_place(&self) -> bool {
        self.inode.is_some() && inode(&self.file) == self.inode
    }

    /// Refuses to go on with a file that is not at its path any more.
    pub(super) fn check_in_place(&self) -> Result<(), Error> {
        if !self.in_place() {
            return Err(self.not_written("the file was removed or replaced while the run was under way".to_owned()));
        }
        if self.log.is_some() && inode(&log_of(&self.file)) != self.log {
            let why = format!("{FILE}-wal, its newest records, was removed or replaced while the run was under way");
            return Err(self.not_written(why));
        }
        Ok(())
    }

    /// The error of a run whose lock file is gone: another process could take the run up beside this one.
    pub(super) fn without_lock(&self, lock: &Path) -> Error {
        self.not_written(format!(
            "the lock `{}` was removed while the run was under way: nothing kept another process from the run",
            lock.display()
        ))
    }

    /// The error for a read that failed.
    pub(super) fn unreadable(&self, error: &rusqlite::Error) -> Error {
        unusable(&self.dir, words(error))
    }

    /// The error for a write that failed.
    pub(super) fn unwritable(&self, error: &rusqlite::Error) -> Error {
        self.not_written(words(error))
    }

    /// The same, in the caller's words.
    pub(super) fn not_written(&self, why: String) -> Error {
        Error::JournalWrite { path: self.file.display().to_string(), why, at: None }
    }
}

/// The write-ahead log of a database file.
fn log_of(file: &Path) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push("-wal");
    PathBuf::from(name)
}

/// Device and inode of a path, if it is there.
pub(super) fn inode(path: &Path) -> Option<(u64, u64)> {
    std::fs::metadata(path).ok().map(|found| (found.dev(), found.ino()))
}

/// The settings of a connection. None but the journal mode is stored in the file, so each connection sets and checks them.
fn settle(conn: &Connection, dir: &Path, flush: Flush) -> Result<(), Error> {
    let fail = |error: rusqlite::Error| unusable(dir, words(&error));
    let mode: String = conn.pragma_update_and_check(None, "journal_mode", "WAL", |row| row.get(0)).map_err(fail)?;
    if mode != "wal" {
        return Err(unusable(dir, format!("SQLite cannot keep a write-ahead log there (it answers `{mode}`)")));
    }
    // FULL: a commit is on the disk when it returns. `fullfsync` means the same where fsync alone does not flush the drive.
    let synchronous = match flush {
        Flush::Full => ("synchronous", "FULL", 2),
        Flush::Off => ("synchronous", "OFF", 0),
    };
    for (name, value, wanted) in [synchronous, ("foreign_keys", "ON", 1), ("fullfsync", "ON", 1)] {
        conn.pragma_update(None, name, value).map_err(fail)?;
        let is: i64 = conn.pragma_query_value(None, name, |row| row.get(0)).map_err(fail)?;
        if is != wanted {
            return Err(unusable(dir, format!("SQLite does not take the setting {name}={value}")));
        }
    }
    conn.pragma_update(None, "trusted_schema", "OFF").map_err(fail)?;
    // Without this, SQLite compiles the statement that looks for requests anew each time: with other values its partial index might
    // not serve.
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true).map_err(fail)?;
    Ok(())
}

/// The state directory cannot be used.
pub(super) fn unusable(dir: &Path, why: String) -> Error {
    Error::JournalUnusable {
        path: dir.display().to_string(),
        why,
        hint: Some("repair it, or name another directory with `--state DIR`".to_owned()),
    }
}

/// SQLite's error in words: what it means for this file first, SQLite's own text after it.
pub(super) fn words(error: &rusqlite::Error) -> String {
    let said = match error {
        rusqlite::Error::SqliteFailure(code, Some(text)) => {
            let plain = rusqlite::ffi::code_to_str(code.extended_code);
            if text == "not an error" { plain.to_owned() } else { text.clone() }
        }
        other => other.to_string(),
    };
    let means = match error.sqlite_error_code() {
        Some(ErrorCode::NotADatabase) => "is not an SQLite database",
        Some(ErrorCode::DatabaseCorrupt) => "is damaged",
        Some(ErrorCode::ReadOnly) => "cannot be written",
        Some(ErrorCode::CannotOpen | ErrorCode::PermissionDenied) => "cannot be opened",
        Some(ErrorCode::DiskFull) => "cannot grow: the disk is full",
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => "is kept locked by another process",
        Some(ErrorCode::SystemIoFailure) => "cannot be read or written: the disk reports an error",
        _ => return said,
    };
    format!("{FILE} {means} ({said})")
}
