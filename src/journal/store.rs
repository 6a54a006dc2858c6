//! What the engine writes through, and the state directory's journal.

use std::path::{Path, PathBuf};

use jiff::Timestamp;

use super::db::{Db, FILE, Flush, unusable};
use super::lock::{RunLock, Taken};
use super::open_run::OpenRun;
use super::read::{self, RunSummary};
use super::request::{self, Request};
use super::writer::Writer;
use super::{claims, lost, place};
use crate::model::{Actor, Adoption, Error, Holder, Plan, Record, RecordBody, RunId, RunView};

/// What the engine writes through. [`OpenRun`] is the real one; a test double can fail or crash where it likes.
pub trait Store {
    /// Appends in one transaction, checking the fence; gives the records with their numbers. They are durable on return.
    ///
    /// # Errors
    /// [`Error::Internal`] when a record is not a legal next one, [`Error::Fenced`] when another process took over,
    /// [`Error::TargetTaken`] when a plan needs a service that another run claims, [`Error::JournalWrite`] when it cannot be
    /// written. Nothing is kept then, unless the message says that it is not known.
    fn append(&mut self, at: Timestamp, bodies: Vec<RecordBody>) -> Result<Vec<Record>, Error>;

    /// Requests from other terminals since the last call, in order; taking one marks it as taken.
    ///
    /// # Errors
    /// [`Error::JournalWrite`].
    fn take_requests(&mut self) -> Result<Vec<Request>, Error>;

    /// Whether this process still holds the run: asked right before a mutation is sent, for a laptop may have slept while a
    /// colleague took over.
    ///
    /// # Errors
    /// [`Error::Fenced`] when it does not.
    fn check(&mut self) -> Result<(), Error> {
        Ok(())
    }
}

/// The journal of a state directory.
pub struct Journal {
    pub(super) db: Db,
}

/// The lock file of a run. An id that could lead out of the directory is none of ours.
pub(super) fn lock_path(dir: &Path, run: &RunId) -> Result<PathBuf, Error> {
    let text = run.as_str();
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    if text.is_empty() || text.len() > 64 || !text.bytes().all(plain) {
        return Err(Error::Usage {
            message: format!("`{text}` is not a run id"),
            hint: Some("list the runs with `sidestep runs`".to_owned()),
        });
    }
    Ok(dir.join("locks").join(format!("{text}.lock")))
}

impl Journal {
    /// Opens the journal of a state directory to work with it, and makes what is missing: the directory (0700), the file (0600)
    /// and the newest schema.
    ///
    /// # Errors
    /// [`Error::JournalUnusable`] and [`Error::JournalNewer`].
    pub fn open(state_dir: &Path) -> Result<Self, Error> {
        Self::open_on(state_dir, &place::ask, Flush::Full)
    }

    /// The same, for rehearsals: a commit survives the process and not the machine, for it is not flushed to the disk.
    ///
    /// # Errors
    /// As [`Journal::open`].
    pub fn open_unflushed(state_dir: &Path) -> Result<Self, Error> {
        Self::open_on(state_dir, &place::ask, Flush::Off)
    }

    /// [`Journal::open`], told what the directory lies on.
    pub(super) fn open_on(state_dir: &Path, probe: place::Probe<'_>, flush: Flush) -> Result<Self, Error> {
        let dir = place::absolute(state_dir)?;
        place::prepare(&dir, probe)?;
        let file = dir.join(FILE);
        lost::refuse_without_files(&dir)?;
        place::make_file(&dir, &file)?;
        let db = Db::open(&dir, flush)?;
        db.check_fit_to_write()?;
        lost::refuse_without_records(&db)?;
        place::make_dir(&dir.join("locks"))?;
        Ok(Self { db })
    }

    /// Opens the journal to read it: `None` when there is none yet, and then nothing is created.
    ///
    /// # Errors
    /// As [`Journal::open`].
    pub fn open_existing(state_dir: &Path) -> Result<Option<Self>, Error> {
        let dir = place::absolute(state_dir)?;
        place::check(&dir, &place::ask)?;
        let file = dir.join(FILE);
        lost::refuse_without_files(&dir)?;
        match std::fs::symlink_metadata(&file) {
            Ok(_) => {}
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(unusable(&dir, format!("`{}` cannot be read: {}", file.display(), place::words(&error)))),
        }
        let db = Db::open_to_read(&dir)?;
        db.as_ref().map_or(Ok(()), lost::refuse_without_records)?;
        Ok(db.map(|db| Self { db }))
    }

    /// The state directory, absolute.
    pub fn state_dir(&self) -> &Path {
        &self.db.dir
    }

    /// All runs, newest first.
    ///
    /// # Errors
    /// [`Error::JournalUnusable`], [`Error::JournalDamaged`].
    pub fn runs(&self) -> Result<Vec<RunSummary>, Error> {
        let rows = self.rows()?;
        rows.iter().map(|row| read::summary(&self.db, row, self.is_live(&row.id)?)).collect()
    }

    /// The records of a run, in order.
    ///
    /// # Errors
    /// [`Error::RunNotFound`], [`Error::JournalDamaged`], [`Error::JournalUnusable`].
    pub fn records(&self, run: &RunId) -> Result<Vec<Record>, Error> {
        let records = read::records(&self.db, run)?;
        if records.is_empty() && self.fence(run)?.is_none() {
            return Err(self.not_found(run.as_str())?);
        }
        Ok(records)
    }

    /// Where a run stands.
    ///
    /// # Errors
    /// As [`Journal::records`].
    pub fn view(&self, run: &RunId) -> Result<RunView, Error> {
        read::fold(run, &self.records(run)?)
    }

    /// The run that is meant by `wanted`: an id, or a prefix that fits one run only. A prefix that fits several means the one
    /// among them that is unfinished, if there is just one. `None` means the unfinished run.
    ///
    /// With `unfinished_only` a run that is over is found only by what fits no other, so that the caller can say why it is not
    /// the one to work on.
    ///
    /// # Errors
    /// [`Error::RunNotFound`], [`Error::RunAmbiguous`], [`Error::NoOpenRun`].
    pub fn find(&self, wanted: Option<&str>, unfinished_only: bool) -> Result<RunId, Error> {
        let rows = self.rows()?;
        let unfinished = || rows.iter().filter(|row| row.ended.is_none());
        let Some(wanted) = wanted else {
            let mut open = unfinished();
            return match (open.next(), open.next()) {
                (Some(one), None) => Ok(one.id.clone()),
                (None, _) => Err(Error::NoOpenRun { state_dir: self.db.dir.display().to_string() }),
                _ => Err(ambiguous(None, unfinished())),
            };
        };
        if let Some(row) = rows.iter().find(|row| row.id.as_str() == wanted) {
            return Ok(row.id.clone());
        }
        let fits = |row: &&read::RunRow| !wanted.is_empty() && row.id.as_str().starts_with(wanted);
        let all: Vec<_> = rows.iter().filter(fits).collect();
        let open: Vec<_> = unfinished().filter(fits).collect();
        match (all.as_slice(), open.as_slice()) {
            ([], _) => Err(self.not_found(wanted)?),
            ([one], _) => Ok(one.id.clone()),
            (_, [one]) if unfinished_only => Ok(one.id.clone()),
            (_, [_, _, ..]) if unfinished_only => Err(ambiguous(Some(wanted), open.into_iter())),
            _ => Err(ambiguous(Some(wanted), all.into_iter())),
        }
    }

    /// Whether no run has this id yet; a planner draws until one is free.
    ///
    /// # Errors
    /// [`Error::JournalUnusable`].
    pub fn is_free(&self, run: &RunId) -> Result<bool, Error> {
        self.fence(run).map(|fence| fence.is_none())
    }

    /// Looks whether another unfinished run of this directory changes one of the plan's services, before anybody is asked anything.
    ///
    /// # Errors
    /// [`Error::TargetTaken`] when one does, [`Error::JournalWrite`] when the file cannot be read.
    pub fn is_untaken(&self, plan: &Plan) -> Result<(), Error> {
        claims::free(&self.db.conn, &self.db.dir, &plan.run, &plan.target)
    }

    /// Starts a run: takes its lock, claims the plan's services and writes the first records (the plan, the findings that were
    /// accepted, the session).
    ///
    /// # Errors
    /// [`Error::TargetTaken`] when another unfinished run changes one of the services, [`Error::NotApplicable`] when the plan
    /// was started before, and what [`Store::append`] gives.
    pub fn create(&self, plan: &Plan, by: &Actor, at: Timestamp, accepted: &[String]) -> Result<OpenRun, Error> {
        let run = &plan.run;
        if !self.is_free(run)? {
            return Err(Error::NotApplicable {
                run: run.clone(),
                verb: "started".to_owned(),
                why: "a run of this id is in the journal already".to_owned(),
                hint: Some(format!("see it with `sidestep status {run}`, or plan anew")),
            });
        }
        let holder = this_process(by, 1);
        let mut lock = self.lock(run)?;
        self.sign(&mut lock, &holder)?;
        let mut bodies = vec![RecordBody::PlanAdopted { plan: Box::new(plan.clone()), why: Adoption::Start, by: by.clone() }];
        bodies.extend(accepted.iter().map(|id| RecordBody::FindingAccepted { finding: id.clone(), by: by.clone() }));
        bodies.push(RecordBody::SessionOpened { holder });

        let db = Db::open(&self.db.dir, self.db.flush)?;
        let path = db.dir.join(FILE).display().to_string();
        let enter = |tx: &rusqlite::Connection| {
            let entered = tx.execute("INSERT INTO run (id, fence) VALUES (?1, 1)", [run.as_str()]);
            let failed = |error| Error::JournalWrite { path: path.clone(), why: super::db::words(&error), at: None };
            entered.map(|_| ()).map_err(failed)
        };
        OpenRun::begin(Writer::new(db, run.clone(), 1), lock, Vec::new(), &enter, at, bodies).map_err(|(error, lock)| {
            // Unless it is not known whether the run is there: then its lock file stays with it.
            if matches!(self.is_free(run), Ok(true)) {
                lock.remove();
            }
            error
        })
    }

    /// Takes up a run: its lock, the next fence number, and its services again if it had ended.
    ///
    /// # Errors
    /// [`Error::RunHeld`] when a live process holds it, [`Error::RunNotFound`], [`Error::JournalDamaged`],
    /// [`Error::TargetTaken`], and what [`Store::append`] gives.
    pub fn acquire(&self, run: &RunId, by: &Actor, at: Timestamp) -> Result<OpenRun, Error> {
        if self.fence(run)?.is_none() {
            return Err(self.not_found(run.as_str())?);
        }
        let mut lock = self.lock(run)?;
        // Read under the lock: whoever had the run a moment ago may have written.
        let db = Db::open(&self.db.dir, self.db.flush)?;
        let before = self.fence(run)?.unwrap_or_default();
        let fence = before + 1;
        let holder = this_process(by, fence);
        self.sign(&mut lock, &holder)?;
        let history = read::rows(&db.conn, run, 1).map_err(|error| db.unreadable(&error))?;
        let view = read::fold(run, &read::parse_all(run, &history)?)?;

        let path = db.dir.join(FILE).display().to_string();
        let enter = |tx: &rusqlite::Connection| {
            let sql = "UPDATE run SET fence = ?2 WHERE id = ?1 AND fence = ?3";
            let raised = tx
                .execute(sql, (run.as_str(), fence.cast_signed(), before.cast_signed()))
                .map_err(|error| Error::JournalWrite { path: path.clone(), why: super::db::words(&error), at: None })?;
            // The lock file was removed and another process took the run up in these moments: what was read here is old.
            if raised == 0 {
                return Err(read::fenced(tx, run, before));
            }
            self.reclaim(tx, &view)
        };
        let opened = vec![RecordBody::SessionOpened { holder }];
        OpenRun::begin(Writer::new(db, run.clone(), fence), lock, history, &enter, at, opened).map_err(|(error, lock)| {
            lock.release();
            error
        })
    }

    /// The services of a run that had ended, again.
    pub(super) fn reclaim(&self, tx: &rusqlite::Connection, view: &RunView) -> Result<(), Error> {
        if view.ended.is_some() {
            claims::take(tx, &self.db.dir, &view.id, &view.plan.target)?;
            claims::take(tx, &self.db.dir, &view.id, &view.forward.target)?;
        }
        Ok(())
    }

    /// The process that holds the run's lock right now, if one does.
    ///
    /// # Errors
    /// [`Error::JournalUnusable`] when the lock file cannot be looked at.
    pub fn is_live(&self, run: &RunId) -> Result<Option<Holder>, Error> {
        let path = lock_path(&self.db.dir, run)?;
        let found = RunLock::look(&path).map_err(|error| self.lock_failed(&path, &error))?;
        let Some(said) = found else { return Ok(None) };
        if said.is_some() {
            return Ok(said);
        }
        // Locked a moment ago and not signed yet: the journal knows who came last.
        let last = self.view(run).ok().and_then(|view| view.holder);
        Ok(Some(last.unwrap_or_else(nobody_known)))
    }

    /// Leaves a request for the process that works on the run; its number, for [`Journal::is_taken`].
    ///
    /// # Errors
    /// [`Error::NotApplicable`] when no process does: then the caller can take up the run itself. [`Error::RunNotFound`],
    /// [`Error::JournalWrite`].
    pub fn post(&self, run: &RunId, request: Request, at: Timestamp) -> Result<i64, Error> {
        if self.fence(run)?.is_none() {
            return Err(self.not_found(run.as_str())?);
        }
        if self.is_live(run)?.is_none() {
            return Err(Error::NotApplicable {
                run: run.clone(),
                verb: request.participle().to_owned(),
                why: "no process works on it".to_owned(),
                hint: Some(format!("see where it stands with `sidestep status {run}`, or go on with `sidestep resume {run}`")),
            });
        }
        let body = serde_json::to_string(&request)
            .map_err(|error| Error::Internal { message: format!("a request cannot be written as JSON: {error}") })?;
        let left = request::leave(&self.db.conn, run, &body, at).map_err(|error| self.db.unwritable(&error))?;
        left.ok_or_else(|| Error::Internal { message: format!("run `{run}` was deleted") })
    }

    /// Whether the process that works on the run has seen to a request.
    ///
    /// # Errors
    /// [`Error::JournalDamaged`].
    pub fn is_taken(&self, request: i64) -> Result<bool, Error> {
        request::is_taken(&self.db.conn, request).map_err(|error| self.db.unreadable(&error))
    }

    /// Takes the run's lock, or says who has it.
    fn lock(&self, run: &RunId) -> Result<RunLock, Error> {
        let path = lock_path(&self.db.dir, run)?;
        place::make_dir(&self.db.dir.join("locks"))?;
        match RunLock::take(&path).map_err(|error| self.lock_failed(&path, &error))? {
            Taken::Ours(lock) => Ok(lock),
            Taken::Theirs(who) => Err(Error::RunHeld { run: run.clone(), holder: name(who.as_ref()) }),
        }
    }

    pub(super) fn sign(&self, lock: &mut RunLock, holder: &Holder) -> Result<(), Error> {
        lock.sign(holder).map_err(|error| self.lock_failed(lock.path(), &error))
    }

    fn rows(&self) -> Result<Vec<read::RunRow>, Error> {
        read::run_rows(&self.db.conn).map_err(|error| self.db.unreadable(&error))
    }

    pub(super) fn fence(&self, run: &RunId) -> Result<Option<u64>, Error> {
        read::fence(&self.db.conn, run).map_err(|error| self.db.unreadable(&error))
    }

    pub(super) fn not_found(&self, wanted: &str) -> Result<Error, Error> {
        let known = self.rows()?.iter().take(10).map(|row| row.id.to_string()).collect();
        Ok(Error::RunNotFound { wanted: wanted.to_owned(), state_dir: self.db.dir.display().to_string(), known })
    }

    pub(super) fn lock_failed(&self, path: &Path, error: &std::io::Error) -> Error {
        unusable(&self.db.dir, format!("the lock `{}` cannot be taken: {}", path.display(), place::words(error)))
    }
}

fn ambiguous<'a>(wanted: Option<&str>, rows: impl Iterator<Item = &'a read::RunRow>) -> Error {
    Error::RunAmbiguous { wanted: wanted.map(str::to_owned), candidates: rows.map(|row| row.id.to_string()).collect() }
}

pub(super) fn this_process(by: &Actor, fence: u64) -> Holder {
    Holder { actor: by.clone(), pid: std::process::id(), fence }
}

/// A holder as people say it; a process that has not said yet who it is, is a stranger.
pub(super) fn name(holder: Option<&Holder>) -> String {
    let known = |holder: &Holder| format!("{}@{} (pid {})", holder.actor.user, holder.actor.host, holder.pid);
    holder.map_or_else(|| "another process".to_owned(), known)
}

fn nobody_known() -> Holder {
    Holder { actor: Actor { user: "unknown".to_owned(), host: "unknown".to_owned(), identity: None }, pid: 0, fence: 0 }
}
