//! Claims: one unfinished run per (account, Region, endpoint, cluster, service).

use std::path::Path;

use rusqlite::{Connection, OptionalExtension as _};

use super::db::words;
use super::lock::RunLock;
use super::store::{lock_path, name};
use crate::model::{Error, RunId, Target};

/// Takes the services of `target` for `run`, or says which run has one of them. To be called in a transaction.
pub(super) fn take(tx: &Connection, dir: &Path, run: &RunId, target: &Target) -> Result<(), Error> {
    free(tx, dir, run, target)?;
    target.services.iter().try_for_each(|service| put(tx, run, target, service)).map_err(|error| failed(dir, &error))
}

/// Says which unfinished run has one of the services, if it is not `run`.
pub(super) fn free(tx: &Connection, dir: &Path, run: &RunId, target: &Target) -> Result<(), Error> {
    for service in &target.services {
        let owner = owner(tx, target, service).map_err(|error| failed(dir, &error))?;
        if let Some((owner, ended)) = owner
            && owner != *run
            && !is_left_over(dir, &owner, ended)
        {
            let live = lock_path(dir, &owner).ok().and_then(|path| RunLock::look(&path).ok().flatten());
            let holder = live.map(|who| name(who.as_ref()));
            return Err(Error::TargetTaken { service: service.clone(), run: owner, holder });
        }
    }
    Ok(())
}

/// A run that is over can be taken up again, for a rollback, and claims its services anew. If that process died before it
/// adopted a plan, the claim stands for nothing.
fn is_left_over(dir: &Path, owner: &RunId, ended: bool) -> bool {
    ended && lock_path(dir, owner).is_ok_and(|path| matches!(RunLock::look(&path), Ok(None)))
}

fn owner(tx: &Connection, target: &Target, service: &str) -> rusqlite::Result<Option<(RunId, bool)>> {
    let sql = "SELECT run.id, run.ended IS NOT NULL FROM claim JOIN run ON run.id = claim.run
               WHERE account = ?1 AND region = ?2 AND endpoint = ?3 AND cluster = ?4 AND service = ?5";
    tx.prepare_cached(sql)?
        .query_row((&target.account, &target.region, endpoint(target), &target.cluster, service), |row| {
            Ok((RunId::new(row.get::<_, String>(0)?), row.get(1)?))
        })
        .optional()
}

fn put(tx: &Connection, run: &RunId, target: &Target, service: &str) -> rusqlite::Result<()> {
    let sql = "INSERT INTO claim (account, region, endpoint, cluster, service, run) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
               ON CONFLICT DO UPDATE SET run = excluded.run";
    tx.prepare_cached(sql)?
        .execute((&target.account, &target.region, endpoint(target), &target.cluster, service, run.as_str()))
        .map(|_| ())
}

/// Gives up all that `run` claims.
pub(super) fn release(tx: &Connection, run: &RunId) -> rusqlite::Result<()> {
    tx.prepare_cached("DELETE FROM claim WHERE run = ?1")?.execute([run.as_str()]).map(|_| ())
}

/// How many services `run` claims.
pub(super) fn count(conn: &Connection, run: &RunId) -> rusqlite::Result<u64> {
    conn.prepare_cached("SELECT count(*) FROM claim WHERE run = ?1")?
        .query_row([run.as_str()], |row| row.get(0))
        .map(i64::cast_unsigned)
}

fn endpoint(target: &Target) -> &str {
    target.endpoint.as_deref().unwrap_or_default()
}

fn failed(dir: &Path, error: &rusqlite::Error) -> Error {
    Error::JournalWrite { path: dir.join(super::db::FILE).display().to_string(), why: words(error), at: None }
}
