//! A run that this process works on: it holds the lock and may append.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::claims;
use super::db::Db;
use super::lock::RunLock;
use super::read;
use super::request::{self, Request};
use super::sentry::Sentry;
use super::store::Store;
use super::writer::{First, Row, Writer};
use crate::model::{Error, Record, RecordBody, RunId, RunView};

/// A run held by this process. Dropping it lets the lock go, as a crash would; [`OpenRun::close`] leaves in order.
pub struct OpenRun {
    writer: Writer,
    lock: RunLock,
    /// Every record as it is in the file: what the view is folded from anew after a write that failed.
    history: Vec<Row>,
    view: RunView,
    /// How many services the run claimed when it last wrote.
    claims: u64,
}

impl OpenRun {
    /// Takes up a run whose records so far are `history`, and writes `bodies` as the first of this session.
    pub(super) fn begin(
        mut writer: Writer,
        mut lock: RunLock,
        history: Vec<Row>,
        first: First<'_>,
        at: Timestamp,
        bodies: Vec<RecordBody>,
    ) -> Result<Self, (Error, RunLock)> {
        let opened = read::parse_all(&writer.run, &history).and_then(|mut records| {
            records.extend(number(history.len(), at, bodies));
            let view = read::fold(&writer.run, &records)?;
            let written = writer.write(Some(first), &records[history.len()..], &view)?;
            let claims = claims::count(&writer.db.conn, &writer.run).map_err(|error| writer.db.unreadable(&error))?;
            Ok((written, view, claims))
        });
        match opened {
            Ok((written, view, claims)) => {
                let mut history = history;
                history.extend(written);
                lock.note_journaled();
                Ok(Self { writer, lock, history, view, claims })
            }
            Err(error) => Err((error, lock)),
        }
    }

    /// The run.
    pub fn run(&self) -> &RunId {
        &self.writer.run
    }

    /// Where the run stands: the fold over all that is in the file, kept as records are appended.
    pub fn view(&self) -> &RunView {
        &self.view
    }

    /// The fence number that this process writes under.
    pub fn fence(&self) -> u64 {
        self.writer.fence
    }

    /// Whether the run is still this process's, to be asked right before a change is sent to AWS: the lock file is the one we
    /// hold, the fence and the claims are ours, the journal's file is in place.
    ///
    /// # Errors
    /// [`Error::Fenced`] when another process took over, [`Error::JournalWrite`] when the journal or the lock file went away.
    pub fn check(&mut self) -> Result<(), Error> {
        self.writer.usable()?;
        let (fence, claims) = self.standing().map_err(|error| self.writer.db.unreadable(&error))?;
        if self.lock.is_ours() && fence == Some(self.writer.fence) && claims == self.claims {
            Ok(())
        } else if self.lock.is_gone() && fence == Some(self.writer.fence) {
            Err(self.writer.db.without_lock(self.lock.path()))
        } else {
            Err(read::fenced(&self.writer.db.conn, &self.writer.run, self.writer.fence))
        }
    }

    fn standing(&self) -> rusqlite::Result<(Option<u64>, u64)> {
        let (conn, run) = (&self.writer.db.conn, &self.writer.run);
        Ok((read::fence(conn, run)?, claims::count(conn, run)?))
    }

    /// Watches over the holding of the run beside whatever borrows this.
    ///
    /// # Errors
    /// [`Error::JournalUnusable`].
    pub fn sentry(&self) -> Result<Sentry, Error> {
        let db = Db::open(&self.writer.db.dir, self.writer.db.flush)?;
        let lock = (self.lock.path().to_owned(), self.lock.inode());
        Ok(Sentry { db, run: self.writer.run.clone(), fence: self.writer.fence, lock })
    }

    /// Leaves the run in order, without having asked AWS anything: says why in the journal and lets the lock go.
    ///
    /// # Errors
    /// As [`Store::append`]. The lock is let go in any case.
    pub fn close(self, why: &str, at: Timestamp) -> Result<(), Error> {
        self.close_after(why, BTreeMap::new(), at)
    }

    /// The same, with the requests that were sent to AWS meanwhile.
    ///
    /// # Errors
    /// As [`OpenRun::close`].
    pub fn close_after(mut self, why: &str, calls: BTreeMap<String, u64>, at: Timestamp) -> Result<(), Error> {
        let left = self.append(at, vec![RecordBody::SessionClosed { why: why.to_owned(), calls }]);
        self.lock.release();
        left.map(|_| ())
    }

    /// Folds `records` into the view, so that an illegal one is found before anything is written.
    fn advance(&mut self, records: &[Record]) -> Result<(), Error> {
        for record in records {
            if let Err(error) = self.view.apply(record) {
                self.step_back()?;
                return Err(Error::Internal { message: format!("a record was refused before it was written: {error}") });
            }
        }
        Ok(())
    }

    /// Makes the view what the file says again.
    fn step_back(&mut self) -> Result<(), Error> {
        self.view = read::fold(&self.writer.run, &read::parse_all(&self.writer.run, &self.history)?)?;
        Ok(())
    }

    /// The connection and how it commits, for tests that make it fail.
    #[cfg(test)]
    pub(super) fn writer(&mut self) -> &mut Writer {
        &mut self.writer
    }
}

impl Store for OpenRun {
    fn append(&mut self, at: Timestamp, bodies: Vec<RecordBody>) -> Result<Vec<Record>, Error> {
        if bodies.is_empty() {
            return Ok(Vec::new());
        }
        let claims_may_change =
            bodies.iter().any(|body| matches!(body, RecordBody::PlanAdopted { .. } | RecordBody::RunEnded { .. }));
        let records = number(self.history.len(), at, bodies);
        self.advance(&records)?;
        match self.writer.write(None, &records, &self.view) {
            Ok(written) => self.history.extend(written),
            Err(error) => {
                self.step_back()?;
                return Err(error);
            }
        }
        if claims_may_change {
            let db: &Db = &self.writer.db;
            self.claims = claims::count(&db.conn, &self.writer.run).map_err(|error| db.unreadable(&error))?;
        }
        Ok(records)
    }

    fn take_requests(&mut self) -> Result<Vec<Request>, Error> {
        let db = &self.writer.db;
        request::take(&db.conn, &self.writer.run, self.writer.fence).map_err(|error| db.unwritable(&error))
    }

    fn check(&mut self) -> Result<(), Error> {
        Self::check(self)
    }
}

/// Numbers that follow `done` records.
fn number(done: usize, at: Timestamp, bodies: Vec<RecordBody>) -> Vec<Record> {
    let first = u64::try_from(done).unwrap_or(u64::MAX) + 1;
    (first..).zip(bodies).map(|(seq, body)| Record { seq, at, body }).collect()
}
