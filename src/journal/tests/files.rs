//! The state directory and its files: who may read them, where they may lie, which versions they may have.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use rusqlite::Connection;

use super::*;
use crate::journal::Store as _;
use crate::journal::db::{self, FILE, Flush};
use crate::journal::place::{self, FileSystem};
use crate::journal::schema::{self, APPLICATION_ID, MIGRATIONS};
use crate::model::Error;

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap_or_else(|error| panic!("{}: {error}", path.display())).permissions().mode() & 0o777
}

/// The reason in a refusal.
fn why<T>(result: Result<T, Error>) -> String {
    match result {
        Err(Error::JournalUnusable { why, hint, .. }) => {
            assert!(hint.is_some_and(|hint| hint.contains("--state DIR")));
            why
        }
        Err(other) => panic!("another error: {other:?}"),
        Ok(_) => panic!("it was taken"),
    }
}

#[test]
fn only_the_owner_may_read_what_is_made() {
    let (_dir, journal) = state();
    let run = start(&journal, "r7k2", "api");
    let state = journal.state_dir();
    for dir in [state.to_owned(), state.join("locks")] {
        assert_eq!(mode(&dir), 0o700, "{}", dir.display());
    }
    for file in ["journal.db", "journal.db-wal", "journal.db-shm", "locks/r7k2.lock"] {
        assert_eq!(mode(&state.join(file)), 0o600, "{file}");
    }
    drop(run);
}

#[test]
fn a_looser_mode_is_tightened_and_a_given_directory_is_left_as_it_is() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    std::fs::set_permissions(dir.path(), std::fs::Permissions::from_mode(0o755)).expect("a mode");
    drop(Journal::open(dir.path()).expect("a journal"));
    std::fs::set_permissions(dir.path().join(FILE), std::fs::Permissions::from_mode(0o644)).expect("a mode");
    let journal = Journal::open(dir.path()).expect("a journal");
    let _run = start(&journal, "r7k2", "api");
    assert_eq!((mode(dir.path()), mode(&dir.path().join(FILE)), mode(&dir.path().join("journal.db-wal"))), (0o755, 0o600, 0o600));
}

#[test]
fn looking_for_a_journal_creates_nothing() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    assert!(Journal::open_existing(&dir.path().join("deep/state")).expect("no error").is_none());
    assert!(Journal::open_existing(dir.path()).expect("no error").is_none());
    assert_eq!(std::fs::read_dir(dir.path()).expect("a directory").count(), 0);
}

#[test]
fn who_looks_while_another_makes_the_journal_leaves_the_making_to_it() {
    let (_dir, journal) = state();
    let file = journal.state_dir().join(FILE);
    drop(journal);
    std::fs::write(&file, "").expect("a file");
    assert!(Journal::open_existing(file.parent().expect("a directory")).expect("no error").is_none());
    assert_eq!(std::fs::metadata(&file).expect("a file").len(), 0);
}

#[test]
#[allow(clippy::disallowed_methods, reason = "another process's commit is slow: the two must overlap")]
fn a_commit_waits_for_another_one_on_a_slow_disk() {
    let (_dir, journal) = state();
    let mut run = start(&journal, "r7k2", "api");
    let slow = Connection::open(journal.state_dir().join(FILE)).expect("a connection");
    slow.execute_batch("BEGIN IMMEDIATE").expect("the lock");
    let committing = std::thread::spawn(move || {
        std::thread::sleep(std::time::Duration::from_millis(2_500));
        slow.execute_batch("COMMIT").expect("a commit");
    });
    run.append(at(1), vec![started(&step("api", "update"))]).expect("a record");
    committing.join().expect("no panic");
}

#[test]
fn a_relative_directory_is_told_by_its_absolute_path() {
    let here = std::env::current_dir().expect("a directory");
    assert_eq!(place::absolute(Path::new("state")).expect("a path"), here.join("state"));
    let (dir, journal) = state();
    assert_eq!(journal.state_dir(), dir.path().join("state"));
}

#[test]
fn what_is_no_directory_or_cannot_be_made_is_refused_in_words() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let file = dir.path().join("file");
    std::fs::write(&file, "text").expect("a file");
    assert!(why(Journal::open(&file)).ends_with("is not a directory"));
    assert!(why(Journal::open_existing(&file)).ends_with("is not a directory"));
    assert!(why(Journal::open(&file.join("below"))).contains("is not a directory"));
    // Not even root can make a directory there.
    let refused = why(Journal::open(Path::new("/proc/sidestep-state")));
    assert!(refused.contains("cannot be created") && !refused.contains("os error"), "{refused}");

    let taken = dir.path().join("taken");
    std::fs::create_dir_all(taken.join(FILE)).expect("a directory in the way");
    assert!(why(Journal::open(&taken)).contains("cannot be opened"));
}

#[test]
fn a_file_that_may_only_be_read_is_refused_in_words() {
    let (_dir, journal) = state();
    let file = journal.state_dir().join(FILE);
    let conn = Connection::open_with_flags(file, rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY).expect("a connection");
    let refused = conn.execute("INSERT INTO run (id, fence) VALUES ('x', 1)", []).expect_err("read only");
    assert_eq!(db::words(&refused), "journal.db cannot be written (attempt to write a readonly database)");
}

#[test]
fn a_network_file_system_is_refused_before_anything_is_made() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let state = dir.path().join("state");
    let fuse = 0x6573_5546;
    let cases: [(u64, Option<&str>, Option<&str>); 9] = [
        (0x6969, None, Some("NFS")),
        (0xff53_4d42, None, Some("CIFS")),
        (0xfe53_4d42, None, Some("SMB")),
        (0x0102_1997, None, Some("9P")),
        (fuse, Some("fuse.sshfs"), Some("fuse.sshfs")),
        (fuse, Some("fuse.mount-s3"), Some("fuse.mount-s3")),
        (fuse, Some("fuseblk"), None),
        (fuse, None, None),
        (0xef53, None, None),
    ];
    for (magic, name, refused) in cases {
        let probe = |_: &Path| Ok(FileSystem { magic, name: name.map(str::to_owned) });
        match refused {
            Some(word) => {
                let why = why(Journal::open_on(&state, &probe, Flush::Full));
                assert!(why.contains("network file system") && why.contains(word), "{why}");
                assert!(!state.exists());
            }
            None => {
                drop(Journal::open_on(&state, &probe, Flush::Full).map_err(|error| format!("{magic:x}: {error}")).expect("taken"));
                std::fs::remove_dir_all(&state).expect("removed");
            }
        }
    }
}

#[test]
fn a_mount_is_found_by_its_device() {
    let list = "22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw\n\
                36 22 0:52 / /home/a\\040b/mnt rw,nosuid - fuse.sshfs host:/dir rw,user_id=1000\n";
    assert_eq!(place::mount_type_in(list, "0:52").as_deref(), Some("fuse.sshfs"));
    assert_eq!(place::mount_type_in(list, "8:1").as_deref(), Some("ext4"));
    assert_eq!(place::mount_type_in(list, "9:9"), None);
}

#[test]
fn a_file_of_any_older_version_migrates_and_keeps_its_content() {
    for version in 0..MIGRATIONS.len() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let mut conn = Connection::open(dir.path().join(FILE)).expect("a file");
        schema::migrate(&mut conn, dir.path(), &MIGRATIONS[..version]).expect("an older file");
        if version > 0 {
            conn.execute("INSERT INTO run (id, fence, ended) VALUES ('r7k2', 3, 'done')", []).expect("a run");
        }
        drop(conn);
        let journal = match version {
            0 => Journal::open(dir.path()).expect("made"),
            _ => Journal::open_existing(dir.path()).expect("migrated").expect("a journal"),
        };
        assert_eq!(objects(&journal.db.conn), objects(&state().1.db.conn), "from version {version}");
        let version_now: i64 = journal.db.conn.pragma_query_value(None, "user_version", |row| row.get(0)).expect("a version");
        assert_eq!(usize::try_from(version_now), Ok(MIGRATIONS.len()));
        assert_eq!(journal.is_free(&RunId::new("r7k2")).expect("looked"), version == 0);
    }
}

/// Everything in the schema.
fn objects(conn: &Connection) -> Vec<(String, Option<String>)> {
    let mut statement = conn.prepare("SELECT name, sql FROM sqlite_schema ORDER BY name").expect("a query");
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).expect("rows");
    rows.collect::<rusqlite::Result<_>>().expect("rows")
}

#[test]
fn a_failed_migration_leaves_the_file_as_it_was() {
    let (_dir, mut journal) = state();
    let before = objects(&journal.db.conn);
    let dir = journal.state_dir().to_owned();
    let next: Vec<&str> = MIGRATIONS.iter().copied().chain(["CREATE TABLE extra (id INTEGER)", "no SQL at all"]).collect();
    assert!(schema::migrate(&mut journal.db.conn, &dir, &next).is_err());
    assert_eq!(objects(&journal.db.conn), before);
    drop(Journal::open(&dir).expect("still usable"));
}

#[test]
fn a_newer_file_is_refused_and_left_alone() {
    let (_dir, journal) = state();
    let dir = journal.state_dir().to_owned();
    let newer = MIGRATIONS.len() + 1;
    journal.db.conn.pragma_update(None, "user_version", i64::try_from(newer).expect("small")).expect("set");
    drop(journal);
    for refused in [Journal::open(&dir).map(|_| ()), Journal::open_existing(&dir).map(|_| ())] {
        let Err(Error::JournalNewer { path, found, known }) = refused else { panic!("{refused:?}") };
        assert_eq!(path, dir.join(FILE).display().to_string());
        assert_eq!((found as usize, known as usize), (newer, MIGRATIONS.len()));
    }
}

#[test]
fn another_programs_database_is_refused_and_not_touched() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let file = dir.path().join(FILE);
    let conn = Connection::open(&file).expect("a database");
    conn.execute_batch("CREATE TABLE guests (name TEXT); INSERT INTO guests VALUES ('Ann');").expect("a table");
    drop(conn);
    let before = std::fs::read(&file).expect("bytes");
    assert!(why(Journal::open(dir.path())).contains("another program"));
    assert!(why(Journal::open_existing(dir.path())).contains("another program"));
    assert_eq!(std::fs::read(&file).expect("bytes"), before);
}

#[test]
fn every_connection_is_set_to_flush_each_commit() {
    let (_dir, journal) = state();
    let mut run = start(&journal, "r7k2", "api");
    for conn in [&journal.db.conn, &run.writer().db.conn] {
        let number = |name: &str| conn.pragma_query_value(None, name, |row| row.get::<_, i64>(0)).expect("a setting");
        assert_eq!((number("synchronous"), number("foreign_keys"), number("application_id")), (2, 1, APPLICATION_ID));
        let mode: String = conn.pragma_query_value(None, "journal_mode", |row| row.get(0)).expect("a mode");
        assert_eq!(mode, "wal");
    }
}

#[test]
#[allow(clippy::disallowed_methods, reason = "several threads at once are the point")]
fn many_who_open_a_new_directory_at_once_all_succeed() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let state = dir.path().join("state");
    let all: Vec<_> = (0..6)
        .map(|_| {
            let state = state.clone();
            std::thread::spawn(move || Journal::open(&state).map(|_| ()).map_err(|error| error.causes()))
        })
        .collect();
    for one in all {
        assert_eq!(one.join().expect("no panic"), Ok(()));
    }
}
