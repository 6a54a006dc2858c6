//! What another terminal asks of the process that works on a run.

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension as _};
use serde::{Deserialize, Serialize};

use crate::model::{Actor, Extent, RunId, StageId, StepId};

/// A wish from another terminal. It is made to the process that works on the run at the time and lapses with it: a pause asked
/// of one that then crashed must not stop the next.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "request", rename_all = "kebab-case", rename_all_fields = "camelCase")]
pub enum Request {
    /// Finish what is in flight, start nothing more, and leave the run resumable.
    Pause {
        /// Who asks.
        by: Actor,
    },
    /// Open a step that is held for a person.
    Approve {
        /// Who opens it.
        by: Actor,
        /// What they say.
        comment: String,
        /// The step; `None`: the one that is held.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        step: Option<StepId>,
    },
    /// Stop before a stage.
    HoldBefore {
        /// The stage.
        stage: StageId,
        /// Who asks.
        by: Actor,
    },
    /// Lift the hold before a stage.
    ClearHold {
        /// The stage.
        stage: StageId,
        /// Who asks.
        by: Actor,
    },
    /// Go on, where the process that works on the run asks the person at its terminal.
    GoOn {
        /// Who answers.
        by: Actor,
    },
    /// Stop going forward and go back.
    Rollback {
        /// Who asks.
        by: Actor,
        /// How much of the run.
        #[serde(flatten)]
        extent: Extent,
    },
}

impl Request {
    /// The word for what is asked, as in "run `r7k2` cannot be *paused*".
    pub(super) fn participle(&self) -> &'static str {
        match self {
            Self::Pause { .. } => "paused",
            Self::Approve { .. } => "approved",
            Self::HoldBefore { .. } | Self::ClearHold { .. } => "held",
            Self::GoOn { .. } => "resumed",
            Self::Rollback { .. } => "rolled back",
        }
    }
}

/// Leaves a request for the process that holds the run now. Gives its number; none where there is no such run.
pub(super) fn leave(conn: &Connection, run: &RunId, body: &str, at: Timestamp) -> rusqlite::Result<Option<i64>> {
    let sql = "INSERT INTO request (run, fence, at, body) SELECT id, fence, ?2, ?3 FROM run WHERE id = ?1 RETURNING number";
    conn.prepare_cached(sql)?.query_row((run.as_str(), at.to_string(), body), |row| row.get(0)).optional()
}

/// Whether a request was taken.
pub(super) fn is_taken(conn: &Connection, number: i64) -> rusqlite::Result<bool> {
    let sql = "SELECT taken FROM request WHERE number = ?1";
    Ok(conn.prepare_cached(sql)?.query_row([number], |row| row.get::<_, i64>(0)).optional()?.is_some_and(|taken| taken != 0))
}

/// The requests that wait for the holder with this fence number, oldest first; they are marked as taken.
///
/// A request of a kind that this program does not know (left by a newer one) is marked and passed over.
pub(super) fn take(conn: &Connection, run: &RunId, fence: u64) -> rusqlite::Result<Vec<Request>> {
    let waiting = "SELECT max(number) FROM request WHERE run = ?1 AND fence = ?2 AND taken = 0";
    let last: Option<i64> =
        conn.prepare_cached(waiting)?.query_row((run.as_str(), fence.cast_signed()), |row| row.get(0)).optional()?.flatten();
    let Some(last) = last else { return Ok(Vec::new()) };

    let sql = "UPDATE request SET taken = 1 WHERE run = ?1 AND fence = ?2 AND taken = 0 AND number <= ?3 RETURNING number, body";
    let mut statement = conn.prepare_cached(sql)?;
    let rows = statement.query_map((run.as_str(), fence.cast_signed(), last), |row| Ok((row.get(0)?, row.get(1)?)))?;
    let mut taken: Vec<(i64, String)> = rows.collect::<rusqlite::Result<_>>()?;
    // RETURNING promises no order.
    taken.sort_by_key(|(number, _)| *number);
    Ok(taken.iter().filter_map(|(_, body)| serde_json::from_str(body).ok()).collect())
}
