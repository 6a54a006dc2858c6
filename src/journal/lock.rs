//! The lock of a run: held by the operating system for as long as the process lives, however it ends. The file's text says
//! who holds it, for messages only; it decides nothing.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use super::db::inode;
use crate::model::Holder;

/// A lock that this process holds.
///
/// A process that is stopped keeps its lock. Who takes the run from it puts a file of its own, locked before, in the place of
/// the old one: the old lock is then on a file that no path leads to, and whoever asks next meets the new one.
pub(super) struct RunLock {
    file: File,
    path: PathBuf,
}

/// What came of trying to take a lock, or of looking at it.
pub(super) enum Taken {
    /// It is ours.
    Ours(RunLock),
    /// A live process holds it; it may not have said yet who it is.
    Theirs(Option<Holder>),
}

/// After the holder's words, once its session is in the journal.
const JOURNALED: &str = "\n";
/// More than a holder's words take, in bytes.
const LONGEST: u64 = 1 << 16;

/// A lock that is looked at is locked for some microseconds, shared; this many times we step aside for that.
const LOOKERS: usize = 10_000;

impl RunLock {
    /// Takes the lock, or says who has it. Never waits for a holder.
    pub(super) fn take(path: &Path) -> io::Result<Taken> {
        for _ in 0..LOOKERS {
            let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path)?;
            match file.try_lock() {
                Ok(()) => {
                    let lock = Self { file, path: path.to_owned() };
                    // Removed or replaced between opening and locking: what we hold is nobody's lock.
                    if lock.is_ours() {
                        return Ok(Taken::Ours(lock));
                    }
                }
                Err(TryLockError::Error(error)) => return Err(error),
                Err(TryLockError::WouldBlock) => match file.try_lock_shared() {
                    // Nobody holds it; somebody looks, as we do now.
                    Ok(()) => std::thread::yield_now(),
                    Err(TryLockError::Error(error)) => return Err(error),
                    Err(TryLockError::WouldBlock) => return Ok(Taken::Theirs(read(&file))),
                },
            }
        }
        Ok(Taken::Theirs(None))
    }

    /// A lock for `path` on a new file beside it, and that file's own path: the lock is good once the file is renamed to `path`.
    pub(super) fn beside(path: &Path) -> io::Result<(Self, PathBuf)> {
        let mut name = path.as_os_str().to_owned();
        name.push(format!(".{}", std::process::id()));
        let beside = PathBuf::from(name);
        // One that is there was left by a process that had our number.
        match std::fs::remove_file(&beside) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let file = OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(&beside)?;
        match file.try_lock() {
            Ok(()) => Ok((Self { file, path: path.to_owned() }, beside)),
            Err(TryLockError::Error(error)) => Err(error),
            Err(TryLockError::WouldBlock) => Err(io::ErrorKind::WouldBlock.into()),
        }
    }

    /// The file that is locked, by device and inode.
    pub(super) fn inode(&self) -> Option<(u64, u64)> {
        self.file.metadata().ok().map(|found| (found.dev(), found.ino()))
    }

    /// Who holds the lock at `path`: `None` when nobody does.
    pub(super) fn look(path: &Path) -> io::Result<Option<Option<Holder>>> {
        let file = match File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        match file.try_lock_shared() {
            Ok(()) => Ok(None),
            Err(TryLockError::Error(error)) => Err(error),
            Err(TryLockError::WouldBlock) => Ok(Some(read(&file))),
        }
    }

    /// Says in the file who holds it.
    pub(super) fn sign(&mut self, holder: &Holder) -> io::Result<()> {
        let text = serde_json::to_string(holder)?;
        self.file.set_len(0)?;
        self.file.rewind()?;
        self.file.write_all(text.as_bytes())
    }

    /// Says in the file that the journal has this session: whoever does not find it there later knows that the journal lost it.
    pub(super) fn note_journaled(&mut self) {
        // Where it cannot be said, nothing is known later: as before.
        let _ = self.file.write_all(JOURNALED.as_bytes());
    }

    /// The lock file.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Whether there is no file at the path any more.
    pub(super) fn is_gone(&self) -> bool {
        inode(&self.path).is_none()
    }

    /// Whether the path still leads to the file that we hold locked.
    pub(super) fn is_ours(&self) -> bool {
        let held = self.inode();
        held.is_some() && held == inode(&self.path)
    }

    /// Lets go, and takes our name off. The file stays: removing it would let two processes lock two files of one name.
    pub(super) fn release(self) {
        let _ = self.file.set_len(0);
    }

    /// Lets go and removes the file: only for a run that did not come to be.
    pub(super) fn remove(self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

/// The holder that a lock file names, live or dead, if its session is in the journal for certain.
pub(super) fn journaled(path: &Path) -> Option<Holder> {
    let mut text = String::new();
    File::open(path).ok()?.take(LONGEST).read_to_string(&mut text).ok()?;
    serde_json::from_str(text.strip_suffix(JOURNALED)?).ok()
}

/// The holder's own words, if they are there and whole.
fn read(mut file: &File) -> Option<Holder> {
    let mut text = String::new();
    file.read_to_string(&mut text).ok()?;
    serde_json::from_str(&text).ok()
}
