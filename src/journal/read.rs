//! Reading: records, the fold, and which runs there are.

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension as _};
use serde::{Deserialize, Serialize};

use super::db::Db;
use super::store::name;
use super::writer::Row;
use crate::model::{Error, Holder, Outcome, Record, RecordBody, RunId, RunStatus, RunView, Target};

/// A run in a list.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RunSummary {
    /// Its id.
    pub id: RunId,
    /// The runbook's name.
    pub runbook: String,
    /// What it is bound to.
    pub target: Target,
    /// In a word.
    pub status: RunStatus,
    /// When its first record was written.
    pub started_at: Timestamp,
    /// When its last record was written.
    pub updated_at: Timestamp,
    /// The process that works on it right now, if one does.
    pub live: Option<Holder>,
}

/// A run's line in the table of runs.
pub(super) struct RunRow {
    pub(super) id: RunId,
    pub(super) ended: Option<String>,
}

/// What a list needs of a run's first record; the rest of the plan is not looked at.
#[derive(Deserialize)]
struct Head {
    plan: PlanHead,
}

#[derive(Deserialize)]
struct PlanHead {
    runbook: String,
    target: Target,
}

/// How an outcome is written in the table of runs.
pub(super) fn outcome_text(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Done => "done",
        Outcome::RolledBack => "rolled-back",
        Outcome::Abandoned => "abandoned",
    }
}

fn status_of(ended: &str) -> Option<RunStatus> {
    Some(match ended {
        "done" => RunStatus::Done,
        "rolled-back" => RunStatus::RolledBack,
        "abandoned" => RunStatus::Abandoned,
        _ => return None,
    })
}

/// All runs, newest first.
pub(super) fn run_rows(conn: &Connection) -> rusqlite::Result<Vec<RunRow>> {
    let mut statement = conn.prepare_cached("SELECT id, ended FROM run ORDER BY number DESC")?;
    let rows = statement.query_map([], |row| Ok(RunRow { id: RunId::new(row.get::<_, String>(0)?), ended: row.get(1)? }))?;
    rows.collect()
}

/// The run's fence number, if there is such a run.
pub(super) fn fence(conn: &Connection, run: &RunId) -> rusqlite::Result<Option<u64>> {
    conn.prepare_cached("SELECT fence FROM run WHERE id = ?1")?
        .query_row([run.as_str()], |row| row.get::<_, i64>(0).map(i64::cast_unsigned))
        .optional()
}

/// The error of a process that wrote under `fence` and no longer may: it names who came after, where that is known.
pub(super) fn fenced(conn: &Connection, run: &RunId, fence: u64) -> Error {
    // Only for the words: a journal that cannot be read at this moment changes nothing about who may write. Who takes over puts
    // its lock in place shortly before it commits: whoever waits for the write lock finds its record.
    if conn.is_autocommit() {
        let _ = conn.execute_batch("BEGIN IMMEDIATE; COMMIT");
    }
    let last = successor(conn, run).ok().flatten().filter(|(holder, _)| holder.fence > fence);
    let (holder, why) = last.unzip();
    Error::Fenced { run: run.clone(), by: name(holder.as_ref()), why: why.flatten() }
}

/// Who holds the run by its last record about that, and why, if it was taken over.
fn successor(conn: &Connection, run: &RunId) -> rusqlite::Result<Option<(Holder, Option<String>)>> {
    let sql = "SELECT body FROM run JOIN record ON key BETWEEN number << 32 AND number << 32 | 0xffffffff
               WHERE id = ?1 AND json_extract(body, '$.type') = ?2 ORDER BY key DESC LIMIT 1";
    let last = |kind: &str| -> rusqlite::Result<Option<RecordBody>> {
        let body: Option<String> = conn.prepare_cached(sql)?.query_row((run.as_str(), kind), |row| row.get(0)).optional()?;
        Ok(body.and_then(|body| serde_json::from_str(&body).ok()))
    };
    let opened = match last("session-opened")? {
        Some(RecordBody::SessionOpened { holder }) => Some(holder),
        _ => None,
    };
    let taken = match last("taken-over")? {
        Some(RecordBody::TakenOver { by, reason, .. }) => Some((by, reason)),
        _ => None,
    };
    Ok(match (opened, taken) {
        (Some(opened), Some((taken, _))) if opened.fence > taken.fence => Some((opened, None)),
        (_, Some((taken, reason))) => Some((taken, Some(reason))),
        (Some(opened), None) => Some((opened, None)),
        (None, None) => None,
    })
}

/// The stored records from number `from` on.
pub(super) fn rows(conn: &Connection, run: &RunId, from: u64) -> rusqlite::Result<Vec<Row>> {
    let sql = "SELECT key & 0xffffffff, at, body
               FROM run JOIN record ON key BETWEEN number << 32 | ?2 AND number << 32 | 0xffffffff
               WHERE id = ?1 ORDER BY key";
    let mut statement = conn.prepare_cached(sql)?;
    let rows = statement.query_map((run.as_str(), from.cast_signed()), |row| {
        Ok(Row { seq: row.get::<_, i64>(0)?.cast_unsigned(), at: row.get(1)?, body: row.get(2)? })
    })?;
    rows.collect()
}

/// The records of a run, in order; none when there is no such run.
pub(super) fn records(db: &Db, run: &RunId) -> Result<Vec<Record>, Error> {
    let rows = rows(&db.conn, run, 1).map_err(|error| db.unreadable(&error))?;
    parse_all(run, &rows)
}

/// The records that are stored as `rows`.
pub(super) fn parse_all(run: &RunId, rows: &[Row]) -> Result<Vec<Record>, Error> {
    rows.iter().map(|row| parse(run, row)).collect()
}

/// The fold over `records`.
pub(super) fn fold(run: &RunId, records: &[Record]) -> Result<RunView, Error> {
    let view = RunView::fold(records).map_err(|error| damaged(run, error.to_string()))?;
    if view.id == *run { Ok(view) } else { Err(damaged(run, format!("its first plan is for run `{}`", view.id))) }
}

/// What a list says of a run. A run that is over is not folded: its end is in the table of runs.
pub(super) fn summary(db: &Db, row: &RunRow, live: Option<Holder>) -> Result<RunSummary, Error> {
    let run = &row.id;
    let (first, updated) = first_and_last(&db.conn, run).map_err(|error| db.unreadable(&error))?;
    let Some(first) = first else { return Err(damaged(run, "it has no record".to_owned())) };
    let head: Head = serde_json::from_str(&first.body).map_err(|error| damaged(run, format!("record 1: {error}")))?;
    let status = match &row.ended {
        Some(ended) => status_of(ended).ok_or_else(|| damaged(run, format!("it ended in an unknown way: {ended}")))?,
        None => fold(run, &records(db, run)?)?.status(),
    };
    Ok(RunSummary {
        id: run.clone(),
        runbook: head.plan.runbook,
        target: head.plan.target,
        status,
        started_at: time(run, 1, &first.at)?,
        updated_at: time(run, 1, updated.as_deref().unwrap_or(&first.at))?,
        live,
    })
}

fn first_and_last(conn: &Connection, run: &RunId) -> rusqlite::Result<(Option<Row>, Option<String>)> {
    let first = conn
        .prepare_cached("SELECT at, body FROM run JOIN record ON key = number << 32 | 1 WHERE id = ?1")?
        .query_row([run.as_str()], |row| Ok(Row { seq: 1, at: row.get(0)?, body: row.get(1)? }))
        .optional()?;
    let last = conn
        .prepare_cached(
            "SELECT at FROM run JOIN record ON key BETWEEN number << 32 AND number << 32 | 0xffffffff
             WHERE id = ?1 ORDER BY key DESC LIMIT 1",
        )?
        .query_row([run.as_str()], |row| row.get(0))
        .optional()?;
    Ok((first, last))
}

fn parse(run: &RunId, row: &Row) -> Result<Record, Error> {
    let body = serde_json::from_str(&row.body).map_err(|error| damaged(run, format!("record {}: {error}", row.seq)))?;
    Ok(Record { seq: row.seq, at: time(run, row.seq, &row.at)?, body })
}

fn time(run: &RunId, seq: u64, text: &str) -> Result<Timestamp, Error> {
    text.parse().map_err(|_| damaged(run, format!("record {seq}: `{text}` is not a time")))
}

/// The journal of one run says something that this program could not have written.
pub(super) fn damaged(run: &RunId, why: String) -> Error {
    Error::JournalDamaged { run: run.clone(), why }
}
