//! The journal's files as they are at one instant, for whoever wants to try something with a run and leave it as it is. Nothing is
//! written to the state directory, no lock is taken, and SQLite does not open the files: even a reader of it would.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use super::db::{FILE, unusable};
use super::{lost, place};
use crate::model::Error;

/// Tries: a run that is under way writes a few times a minute.
const TRIES: usize = 20;

/// The files by name; `None` where there is no journal.
///
/// # Errors
/// [`Error::JournalUnusable`] when they cannot be read, or change while they are.
pub fn files(state_dir: &Path) -> Result<Option<BTreeMap<String, Vec<u8>>>, Error> {
    let dir = place::absolute(state_dir)?;
    lost::refuse_without_files(&dir)?;
    let read = || -> io::Result<BTreeMap<String, Vec<u8>>> {
        let mut files = BTreeMap::new();
        for name in [format!("{FILE}-wal"), FILE.to_owned()] {
            match std::fs::read(dir.join(&name)) {
                Ok(content) => _ = files.insert(name, content),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        Ok(files)
    };
    let read = || read().map_err(|error| unusable(&dir, place::words(&error)));
    let mut before = read()?;
    for _ in 0..TRIES {
        if !before.contains_key(FILE) {
            return Ok(None);
        }
        // What two readings agree on was there in between.
        let now = read()?;
        if now == before {
            return Ok(Some(now));
        }
        before = now;
    }
    Err(unusable(&dir, "it is being written to all the time".to_owned()))
}

/// Puts such files into an empty directory, as a state directory of their own in which nobody works on a run.
///
/// # Errors
/// When something cannot be written.
pub fn lay_out(files: &BTreeMap<String, Vec<u8>>, dir: &Path) -> io::Result<()> {
    std::fs::create_dir(dir.join("locks"))?;
    files.iter().try_for_each(|(name, content)| std::fs::write(dir.join(name), content))
}
