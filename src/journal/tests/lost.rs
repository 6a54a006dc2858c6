//! A state directory from which something was removed: it is told, and left as it is.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::*;
use crate::journal::db::FILE;
use crate::journal::{Store as _, files, lay_out};
use crate::model::Error;

/// Why it is refused, by everyone who opens it; nothing in it has changed afterwards.
fn refused(state: &Path) -> (String, String) {
    let before = content(state);
    let told = |result: Result<(), Error>| match result {
        Err(Error::JournalUnusable { why, hint, .. }) => (why, hint.unwrap_or_default()),
        other => panic!("{other:?}"),
    };
    let opened = told(Journal::open(state).map(|_| ()));
    assert_eq!(told(Journal::open_existing(state).map(|_| ())), opened);
    // Whoever opens it last has SQLite bring its log into the file: no file is made, and the lock files are as they were.
    let kept = |files: BTreeMap<PathBuf, Vec<u8>>| {
        let (journal, others): (BTreeMap<_, _>, BTreeMap<_, _>) =
            files.into_iter().partition(|(path, _)| path.to_string_lossy().contains(FILE));
        (journal.into_keys().filter(|path| path.ends_with(FILE)).collect::<Vec<_>>(), others)
    };
    assert!(kept(content(state)) == kept(before), "something was made or changed");
    opened
}

/// Every file below, with its content.
fn content(dir: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in std::fs::read_dir(dir).expect("a directory").flatten() {
        let path = entry.path();
        match path.is_dir() {
            true => found.extend(content(&path)),
            false => _ = found.insert(path.clone(), std::fs::read(&path).expect("a file")),
        }
    }
    found
}

/// The state directory as the death of its process would leave it, elsewhere.
fn left_behind(state: &Path) -> (TempDir, PathBuf) {
    let dir = tempfile::tempdir().expect("a directory");
    let copy = dir.path().join("state");
    for (path, bytes) in content(state) {
        let to = copy.join(path.strip_prefix(state).expect("below"));
        std::fs::create_dir_all(to.parent().expect("a directory")).expect("made");
        std::fs::write(to, bytes).expect("copied");
    }
    (dir, copy)
}

fn remove(state: &Path, names: &[&str]) {
    for name in names {
        std::fs::remove_file(state.join(name)).unwrap_or_else(|error| panic!("{name}: {error}"));
    }
}

/// A run whose first session was left in order and whose second one is under way.
fn taken_up_again() -> (TempDir, Journal, OpenRun) {
    let (dir, journal) = state();
    start(&journal, "r7k2", "api").close("paused", at(1)).expect("closed");
    let path = journal.state_dir().to_owned();
    drop(journal);
    let journal = Journal::open(&path).expect("a journal");
    let run = journal.acquire(&RunId::new("r7k2"), &bob(), at(2)).expect("taken up");
    (dir, journal, run)
}

#[test]
fn a_journal_that_was_removed_is_not_begun_anew() {
    let (_dir, journal) = state();
    start(&journal, "r7k2", "api").close("paused", at(1)).expect("closed");
    let path = journal.state_dir().to_owned();
    drop(journal);
    std::fs::remove_file(path.join(FILE)).expect("removed");
    let (why, hint) = refused(&path);
    assert_eq!(why, "journal.db is gone, although runs were journaled here");
    assert!(hint.contains("put it back") && hint.contains("--state DIR"), "{hint}");
    assert!(matches!(files(&path), Err(Error::JournalUnusable { .. })), "nor copied as none");

    // Under way, with its log still there and no lock file.
    let (_dir, journal, run) = taken_up_again();
    let (_copy, path) = left_behind(journal.state_dir());
    remove(&path, &[FILE, "locks/r7k2.lock"]);
    assert_eq!(refused(&path).0, "journal.db is gone, although runs were journaled here");
    drop(run);
}

#[test]
fn a_log_that_was_removed_is_told() {
    let (_dir, journal, run) = taken_up_again();
    let (_copy, path) = left_behind(journal.state_dir());
    remove(&path, &["journal.db-wal"]);
    assert_eq!(refused(&path).0, "journal.db-wal is gone, and with it the newest records");
    // With its index: then the lock file knows of a session that the journal does not have.
    remove(&path, &["journal.db-shm"]);
    let words = format!("bob@bastion (pid {})", std::process::id());
    assert_eq!(refused(&path).0, format!("the records of run `r7k2` since {words} took it up are gone: journal.db-wal was lost"));
    drop(run);
    // What its process left in order is all in the main file: nothing is missed.
    drop(journal);
}

#[test]
fn without_lock_files_nobody_knows_who_works() {
    let (_dir, journal, run) = taken_up_again();
    let (_copy, path) = left_behind(journal.state_dir());
    std::fs::remove_dir_all(path.join("locks")).expect("removed");
    let (why, hint) = refused(&path);
    assert!(why.starts_with("the directory `locks` is gone: whether bob@bastion (pid "), "{why}");
    let made = format!("mkdir -m 700 {}", path.join("locks").display());
    assert!(hint.contains(&made), "{hint}");
    std::fs::create_dir(path.join("locks")).expect("as the hint says");
    Journal::open(&path).expect("opened").acquire(&RunId::new("r7k2"), &alice(), at(9)).expect("taken up");
    // One that was left in order is nobody's.
    run.close("paused", at(3)).expect("closed");
    let state = journal.state_dir().to_owned();
    drop(journal);
    std::fs::remove_dir_all(state.join("locks")).expect("removed");
    Journal::open(&state).expect("opened").acquire(&RunId::new("r7k2"), &alice(), at(9)).expect("taken up");
}

#[test]
fn what_goes_under_a_run_stops_it() {
    for (name, words) in [
        ("journal.db-wal", "journal.db-wal, its newest records, was removed or replaced while the run was under way"),
        ("locks/r7k2.lock", "locks/r7k2.lock` was removed while the run was under way: nothing kept another process from the run"),
    ] {
        let (_dir, journal, mut run) = taken_up_again();
        let sentry = run.sentry().expect("a sentry");
        run.check().expect("it is held");
        remove(journal.state_dir(), &[name]);
        for told in [run.check(), sentry.check()] {
            let Err(Error::JournalWrite { why, .. }) = told else { panic!("{name}: {told:?}") };
            assert!(why.ends_with(words), "{why}");
        }
        if name.ends_with("wal") {
            assert!(run.append(at(3), vec![started(&step("api", "update"))]).is_err(), "no record goes to a file that is gone");
        }
    }
}

/// A process that died between its lock and its first record left nothing that was lost.
#[test]
fn a_lock_without_a_run_is_no_loss() {
    let (_dir, journal) = state();
    start(&journal, "r7k2", "api").close("paused", at(1)).expect("closed");
    let words = serde_json::to_string(&crate::journal::store::this_process(&alice(), 1)).expect("JSON");
    for (name, text) in [("aaaa", String::new()), ("bbbb", words)] {
        std::fs::write(journal.state_dir().join(format!("locks/{name}.lock")), text).expect("a file");
    }
    Journal::open(journal.state_dir()).expect("opened");
}

#[test]
fn a_copy_is_a_state_directory_of_its_own() {
    let (_dir, journal, run) = taken_up_again();
    let copy = tempfile::tempdir().expect("a directory");
    lay_out(&files(journal.state_dir()).expect("read").expect("files"), copy.path()).expect("laid out");
    Journal::open(copy.path()).expect("opened").acquire(&RunId::new("r7k2"), &alice(), at(9)).expect("nobody holds it there");
    drop(run);
}

#[test]
fn a_journal_that_is_no_file_is_not_opened() {
    let dir = tempfile::tempdir().expect("a directory");
    std::os::unix::fs::symlink("/dev/zero", dir.path().join(FILE)).expect("a link");
    for told in [Journal::open(dir.path()).map(|_| ()), Journal::open_existing(dir.path()).map(|_| ())] {
        let Err(Error::JournalUnusable { why, .. }) = told else { panic!("{told:?}") };
        assert_eq!(why, "journal.db is a pipe, a socket or a device, not a file");
    }
}
