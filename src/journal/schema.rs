//! The schema, versioned: an ordered list of migrations, and the check that a file is ours and not newer than we are.

use std::path::Path;

use rusqlite::{Connection, TransactionBehavior};

use super::db::{FILE, unusable, words};
use crate::model::Error;

/// Marks the file as ours in SQLite's header: `SdSt`.
pub(super) const APPLICATION_ID: i64 = 0x5364_5374;

/// One migration per version, in order; a file's `user_version` is the number of those it has. None is ever changed once it
/// was released: files out there have run it.
pub(super) const MIGRATIONS: &[&str] = &[RUNS_AND_RECORDS, REQUESTS];

/// The column `ended` repeats the outcome of the last record, so that a list of runs need not fold those that are over. All
/// else about a run is a fold over its records.
///
/// A record's key is its run's number and its own in one integer. So an append goes to the end of one B-tree, and a commit
/// writes about one page; with (run, seq) as the key, it was a quarter dearer.
const RUNS_AND_RECORDS: &str = "
    CREATE TABLE run (
        number INTEGER PRIMARY KEY,
        id     TEXT NOT NULL UNIQUE,
        fence  INTEGER NOT NULL,
        ended  TEXT
    ) STRICT;

    CREATE TABLE record (
        key  INTEGER PRIMARY KEY,  -- run.number << 32 | seq
        at   TEXT NOT NULL,
        body TEXT NOT NULL
    ) STRICT;

    -- For people with a SQLite shell.
    CREATE VIEW journal AS
    SELECT run.id AS run, record.key & 0xffffffff AS seq, record.at, record.body
    FROM run JOIN record ON record.key BETWEEN run.number << 32 AND run.number << 32 | 0xffffffff;

    CREATE TRIGGER record_never_changes BEFORE UPDATE ON record
    BEGIN SELECT RAISE(ABORT, 'a record is never changed'); END;

    CREATE TRIGGER record_never_goes BEFORE DELETE ON record
    BEGIN SELECT RAISE(ABORT, 'a record is never deleted'); END;

    -- One unfinished run per service. An endpoint that is not overridden is the empty text: NULLs would not collide.
    CREATE TABLE claim (
        account  TEXT NOT NULL,
        region   TEXT NOT NULL,
        endpoint TEXT NOT NULL,
        cluster  TEXT NOT NULL,
        service  TEXT NOT NULL,
        run      TEXT NOT NULL REFERENCES run (id),
        PRIMARY KEY (account, region, endpoint, cluster, service)
    ) STRICT, WITHOUT ROWID;

    CREATE INDEX claim_by_run ON claim (run);
";

/// A request is made to the process that works on the run at the time: it carries that process's fence number.
const REQUESTS: &str = "
    CREATE TABLE request (
        number INTEGER PRIMARY KEY,
        run    TEXT NOT NULL REFERENCES run (id),
        fence  INTEGER NOT NULL,
        at     TEXT NOT NULL,
        body   TEXT NOT NULL,
        taken  INTEGER NOT NULL DEFAULT 0
    ) STRICT;

    CREATE INDEX request_waiting ON request (run, fence) WHERE taken = 0;
";

/// Refuses a file that is not a journal of ours, or of a newer version; gives its version, 0 where it is empty.
pub(super) fn recognise(conn: &Connection, dir: &Path) -> Result<usize, Error> {
    let fail = |error: rusqlite::Error| unusable(dir, words(&error));
    // One transaction, so that all three are of one moment: another process may be making the schema right now.
    let tx = conn.unchecked_transaction().map_err(fail)?;
    let number = |name: &str| tx.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
    let (id, version) = (number("application_id").map_err(fail)?, number("user_version").map_err(fail)?);
    let tables: i64 = tx.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0)).map_err(fail)?;
    tx.commit().map_err(fail)?;
    if id != APPLICATION_ID && (id != 0 || version != 0 || tables != 0) {
        return Err(unusable(dir, format!("{FILE} is an SQLite database of another program")));
    }
    let known = MIGRATIONS.len();
    match usize::try_from(version) {
        Ok(version) if version <= known => Ok(version),
        _ => Err(Error::JournalNewer {
            path: dir.join(FILE).display().to_string(),
            found: u32::try_from(version).unwrap_or(u32::MAX),
            known: u32::try_from(known).unwrap_or(u32::MAX),
        }),
    }
}

/// Runs the migrations that the file does not have, all in one transaction.
pub(super) fn migrate(conn: &mut Connection, dir: &Path, migrations: &[&str]) -> Result<(), Error> {
    let fail = |error: rusqlite::Error| unusable(dir, words(&error));
    if version(conn).map_err(fail)? >= migrations.len() {
        return Ok(());
    }
    let tx = conn.transaction_with_behavior(TransactionBehavior::Immediate).map_err(fail)?;
    // Asked again under the lock: another process may have come first.
    let from = version(&tx).map_err(fail)?;
    for migration in migrations.iter().skip(from) {
        tx.execute_batch(migration).map_err(fail)?;
    }
    if from < migrations.len() {
        tx.pragma_update(None, "application_id", APPLICATION_ID).map_err(fail)?;
        tx.pragma_update(None, "user_version", i64::try_from(migrations.len()).unwrap_or(i64::MAX)).map_err(fail)?;
    }
    tx.commit().map_err(fail)
}

fn version(conn: &Connection) -> rusqlite::Result<usize> {
    conn.pragma_query_value(None, "user_version", |row| row.get::<_, i64>(0)).map(|version| usize::try_from(version).unwrap_or(0))
}
