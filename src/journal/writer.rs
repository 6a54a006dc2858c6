//! The one way into the journal: one transaction that checks the fence, inserts records, keeps claims in step, and commits once.

use rusqlite::Connection;

use super::db::{Db, words};
use super::{claims, read};
use crate::model::{Error, Outcome, Record, RecordBody, RunId, RunView};

/// Enters records if the run still has this fence number; says whether it has. A value, so that a test can make its end ambiguous.
pub(super) type Enter = fn(&Connection, &RunId, u64, &[Row]) -> rusqlite::Result<bool>;

/// Ends a transaction. A value for the same reason.
pub(super) type Commit = fn(&Connection) -> rusqlite::Result<()>;

/// What goes before the records in the same transaction.
pub(super) type First<'a> = &'a dyn Fn(&Connection) -> Result<(), Error>;

/// Writes for one run, under one fence number.
pub(super) struct Writer {
    /// The connection; this process's own for this run.
    pub(super) db: Db,
    /// The run.
    pub(super) run: RunId,
    /// The fence number that the run must still have.
    pub(super) fence: u64,
    /// How records are entered.
    pub(super) enter: Enter,
    /// How a transaction of several statements ends.
    pub(super) commit: Commit,
    /// Set when it could not be found out whether something was kept: nothing is written after that.
    broken: Option<String>,
}

/// A record as it is stored.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Row {
    pub(super) seq: u64,
    pub(super) at: String,
    pub(super) body: String,
}

/// Room for a usual record, so that its text is not moved while it grows.
const USUAL_BODY: usize = 1024;

impl Row {
    fn of(record: &Record, at: String) -> Result<Self, Error> {
        let failed = |why: String| Error::Internal { message: format!("record {} cannot be written as JSON: {why}", record.seq) };
        let mut body = Vec::with_capacity(USUAL_BODY);
        serde_json::to_writer(&mut body, &record.body).map_err(|error| failed(error.to_string()))?;
        let body = String::from_utf8(body).map_err(|error| failed(error.to_string()))?;
        Ok(Self { seq: record.seq, at, body })
    }
}

/// The records as they are stored.
fn rows_of(records: &[Record]) -> Result<Vec<Row>, Error> {
    let mut rows: Vec<Row> = Vec::with_capacity(records.len());
    for (index, record) in records.iter().enumerate() {
        // What is appended together mostly has one time.
        let at = match index.checked_sub(1).and_then(|before| Some((records.get(before)?, rows.last()?))) {
            Some((before, row)) if before.at == record.at => row.at.clone(),
            _ => record.at.to_string(),
        };
        rows.push(Row::of(record, at)?);
    }
    Ok(rows)
}

impl Writer {
    pub(super) fn new(db: Db, run: RunId, fence: u64) -> Self {
        Self { db, run, fence, enter, commit: |conn| run_cached(conn, "COMMIT"), broken: None }
    }

    /// Writes `records`, and what follows from them for claims, in one transaction. `after` is the run as it stands with them.
    /// When this returns `Ok`, they are on the disk as the rows given back; after an error they are not, but for one that says
    /// it is not known.
    pub(super) fn write(&mut self, first: Option<First<'_>>, records: &[Record], after: &RunView) -> Result<Vec<Row>, Error> {
        self.usable()?;
        let rows = rows_of(records)?;
        let Self { db, run, fence, enter, commit, .. } = self;
        // A statement is a transaction of its own: most appends need no other.
        let written = if first.is_none() && !changes_claims(records) {
            enter(&db.conn, run, *fence, &rows)
        } else {
            let tx = Tx::begin(&db.conn).map_err(|error| db.unwritable(&error))?;
            first.map_or(Ok(()), |first| first(tx.conn))?;
            let entered = enter(tx.conn, run, *fence, &rows).map_err(|error| db.unwritable(&error))?;
            if !entered {
                return Err(read::fenced(tx.conn, run, *fence));
            }
            keep_in_step(tx.conn, db, records, after)?;
            commit(tx.conn).map(|()| true)
        };
        match written {
            Ok(true) => {}
            Ok(false) => return Err(read::fenced(&self.db.conn, &self.run, self.fence)),
            Err(error) => self.look_again(&error, &rows)?,
        }
        Ok(rows)
    }

    /// Whether this process may still write: the file is in place and nothing is in doubt.
    pub(super) fn usable(&self) -> Result<(), Error> {
        if let Some(why) = &self.broken {
            return Err(self.db.not_written(why.clone()));
        }
        self.db.check_in_place()
    }

    /// After an end of a transaction that reported an error: the file is opened anew and read, never assumed.
    ///
    /// Should records that were not found here surface later (a flush that failed may still have reached the disk), they do no
    /// harm: an intent whose call never left is looked at on resume and found not done.
    fn look_again(&mut self, error: &rusqlite::Error, rows: &[Row]) -> Result<(), Error> {
        let said = words(error);
        match self.reread(rows) {
            Ok(found) if found == rows => Ok(()),
            Ok(found) if found.is_empty() => {
                Err(self.db.not_written(format!("{said}; the file was read again: nothing of this was kept")))
            }
            Ok(_) => Err(read::fenced(&self.db.conn, &self.run, self.fence)),
            Err(second) => {
                let second = second.causes().join("; ");
                let why = format!("{said}; reading it again failed too: {second}. What was kept shows when the run is resumed");
                self.broken = Some(why.clone());
                Err(self.db.not_written(why))
            }
        }
    }

    /// What a new connection finds where `rows` should be. What it finds is made durable before it is believed: a page that a
    /// failed flush left in memory reads well and may be gone after a power cut.
    fn reread(&mut self, rows: &[Row]) -> Result<Vec<Row>, Error> {
        self.db = Db::open(&self.db.dir, self.db.flush)?;
        let from = rows.first().map_or(0, |row| row.seq);
        let found = read::rows(&self.db.conn, &self.run, from).map_err(|error| self.db.unreadable(&error))?;
        if !found.is_empty() {
            let busy: i64 = self
                .db
                .conn
                .query_row("PRAGMA wal_checkpoint(FULL)", [], |row| row.get(0))
                .map_err(|error| self.db.unreadable(&error))?;
            if busy != 0 {
                return Err(self.db.not_written("another process keeps it from being flushed".to_owned()));
            }
        }
        Ok(found)
    }
}

/// A transaction that is rolled back unless it was committed. Unlike rusqlite's own it uses prepared statements: an append is
/// short enough for the parsing of two words to show.
struct Tx<'a> {
    conn: &'a Connection,
}

impl<'a> Tx<'a> {
    fn begin(conn: &'a Connection) -> rusqlite::Result<Self> {
        run_cached(conn, "BEGIN IMMEDIATE")?;
        Ok(Self { conn })
    }
}

impl Drop for Tx<'_> {
    fn drop(&mut self) {
        if !self.conn.is_autocommit() {
            // Where even this fails, SQLite rolls back when the connection is closed or the file is opened next.
            let _ = self.conn.execute_batch("ROLLBACK");
        }
    }
}

fn run_cached(conn: &Connection, sql: &str) -> rusqlite::Result<()> {
    conn.prepare_cached(sql)?.execute([]).map(|_| ())
}

/// The usual [`Enter`]: the fence stands in the statement that writes, so there is no second look-up.
pub(super) fn enter(conn: &Connection, run: &RunId, fence: u64, rows: &[Row]) -> rusqlite::Result<bool> {
    const ONE: &str = "INSERT INTO record (key, at, body)
        SELECT number << 32 | ?3, ?4, ?5 FROM run WHERE id = ?1 AND fence = ?2";
    const TWO: &str = "INSERT INTO record (key, at, body)
        SELECT number << 32 | column1, column2, column3 FROM run, (VALUES (?3, ?4, ?5), (?6, ?7, ?8)) WHERE id = ?1 AND fence = ?2";
    let more: String;
    let sql = match rows.len() {
        0 => return Ok(true),
        1 => ONE,
        2 => TWO,
        count => {
            let values: Vec<_> = (1..=count).map(|row| format!("(?{}, ?{}, ?{})", 3 * row, 3 * row + 1, 3 * row + 2)).collect();
            more = TWO.replace("(?3, ?4, ?5), (?6, ?7, ?8)", &values.join(", "));
            &more
        }
    };
    let mut statement = conn.prepare_cached(sql)?;
    statement.raw_bind_parameter(1, run.as_str())?;
    statement.raw_bind_parameter(2, fence.cast_signed())?;
    for (row, at) in rows.iter().zip((3..).step_by(3)) {
        statement.raw_bind_parameter(at, row.seq.cast_signed())?;
        statement.raw_bind_parameter(at + 1, row.at.as_str())?;
        statement.raw_bind_parameter(at + 2, row.body.as_str())?;
    }
    Ok(statement.raw_execute()? == rows.len())
}

/// Whether records change what a run claims, or that it is over: see [`keep_in_step`].
fn changes_claims(records: &[Record]) -> bool {
    records.iter().any(|record| adopts(&record.body) || may_end(&record.body))
}

fn adopts(body: &RecordBody) -> bool {
    matches!(body, RecordBody::PlanAdopted { .. })
}

fn may_end(body: &RecordBody) -> bool {
    matches!(body, RecordBody::RunEnded { .. } | RecordBody::SessionClosed { .. })
}

/// Claims and the column `ended` follow from the records: taken with a plan, given up at the end.
fn keep_in_step(tx: &Connection, db: &Db, records: &[Record], after: &RunView) -> Result<(), Error> {
    let any = |matches: fn(&RecordBody) -> bool| records.iter().any(|record| matches(&record.body));
    let (adopted, may_be_over) = (any(adopts), any(may_end));
    if adopted && after.ended.is_none() {
        set_ended(tx, &after.id, None).map_err(|error| db.unwritable(&error))?;
        claims::take(tx, &db.dir, &after.id, &after.plan.target)?;
        claims::take(tx, &db.dir, &after.id, &after.forward.target)?;
    }
    if may_be_over && let Some((outcome, _)) = &after.ended {
        set_ended(tx, &after.id, Some(*outcome))
            .and_then(|()| claims::release(tx, &after.id))
            .map_err(|error| db.unwritable(&error))?;
    }
    Ok(())
}

fn set_ended(tx: &Connection, run: &RunId, outcome: Option<Outcome>) -> rusqlite::Result<()> {
    let text = outcome.map(read::outcome_text);
    tx.prepare_cached("UPDATE run SET ended = ?2 WHERE id = ?1")?.execute((run.as_str(), text)).map(|_| ())
}
