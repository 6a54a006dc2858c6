//! Files that are no journal any more, and records that no run could have written.

use rusqlite::Connection;

use super::*;
use crate::journal::Store as _;
use crate::journal::db::FILE;
use crate::model::Error;

/// A closed journal with one run of many records; everything stands in the main file.
fn written() -> (TempDir, std::path::PathBuf) {
    let (dir, journal) = state();
    let mut run = start(&journal, "r7k2", "api");
    let update = step("api", "update");
    run.append(at(1), vec![RecordBody::StepStarted { step: update.clone(), attempt: 1, intent: json!("x".repeat(60_000)).into() }])
        .expect("an intent");
    run.append(at(2), vec![succeeded(&update)]).expect("an outcome");
    let state = journal.state_dir().to_owned();
    drop((run, journal));
    assert!(!state.join("journal.db-wal").exists(), "closing brings all into the main file");
    (dir, state)
}

fn why<T>(result: Result<T, Error>) -> String {
    match result {
        Err(Error::JournalUnusable { why, .. }) => why,
        Err(other) => panic!("another error: {other:?}"),
        Ok(_) => panic!("it was taken"),
    }
}

#[test]
fn text_in_place_of_the_file_is_told() {
    let (_dir, state) = written();
    std::fs::write(state.join(FILE), "this is no database, however long it may be. ".repeat(100)).expect("overwritten");
    for said in [why(Journal::open(&state)), why(Journal::open_existing(&state))] {
        assert_eq!(said, "journal.db is not an SQLite database (file is not a database)");
    }
}

#[test]
fn a_file_cut_short_is_told() {
    let (_dir, state) = written();
    let file = std::fs::OpenOptions::new().write(true).open(state.join(FILE)).expect("a file");
    file.set_len(4_096 * 3 + 100).expect("cut");
    for said in [why(Journal::open(&state)), why(Journal::open_existing(&state))] {
        assert!(said.contains("is damaged"), "{said}");
    }
}

#[test]
fn a_file_cut_to_nothing_is_told_and_not_begun_anew() {
    let (_dir, state) = written();
    std::fs::write(state.join(FILE), "").expect("emptied");
    for said in [why(Journal::open(&state)), why(Journal::open_existing(&state))] {
        assert!(said.contains("its content is lost"), "{said}");
    }
}

#[test]
fn a_page_of_rubbish_is_found_before_a_run_is_written_to() {
    use std::os::unix::fs::FileExt as _;
    let (_dir, state) = written();
    let root: i64 = {
        let conn = Connection::open(state.join(FILE)).expect("a connection");
        conn.query_row("SELECT rootpage FROM sqlite_schema WHERE name = 'record'", [], |row| row.get(0)).expect("a page")
    };
    let file = std::fs::OpenOptions::new().write(true).open(state.join(FILE)).expect("a file");
    let offset = u64::try_from(root - 1).expect("positive") * 4_096;
    file.write_all_at(&[0xa5; 4_096], offset).expect("overwritten");
    assert!(why(Journal::open(&state)).contains("is damaged"));
    // The read side finds it when it comes to it.
    let journal = Journal::open_existing(&state).expect("opened").expect("a journal");
    assert!(why(journal.records(&RunId::new("r7k2"))).contains("is damaged"));
}

/// Damages the stored records with `sql`, past the triggers that refuse it.
fn tampered(sql: &str) -> (TempDir, Journal) {
    let (dir, state) = written();
    let conn = Connection::open(state.join(FILE)).expect("a connection");
    conn.execute_batch("DROP TRIGGER record_never_changes; DROP TRIGGER record_never_goes; PRAGMA foreign_keys = OFF;")
        .expect("free");
    conn.execute_batch(sql).expect("damaged");
    drop(conn);
    // It knows of the session, which not all of these leave in the journal: that is another error.
    std::fs::remove_file(state.join("locks/r7k2.lock")).expect("removed");
    (dir, Journal::open(&state).expect("a journal"))
}

#[test]
fn records_that_no_run_could_have_written_are_told() {
    let cases = [
        ("DELETE FROM record WHERE key & 0xffffffff = 1", "record 1 does not adopt a plan"),
        ("DELETE FROM record WHERE key & 0xffffffff = 2", "record 3 follows record 1"),
        (
            "UPDATE record SET body = '{\"type\":\"step-left\",\"step\":\"no/such/step\"}' WHERE key & 0xffffffff = 4",
            "`no/such/step`",
        ),
        ("UPDATE record SET body = '{}' WHERE key & 0xffffffff = 4", "record 4: missing field `type`"),
        ("UPDATE record SET body = '{\"type\":\"sung\"}' WHERE key & 0xffffffff = 4", "record 4: unknown variant `sung`"),
        ("UPDATE record SET body = 'cut shor' WHERE key & 0xffffffff = 3", "record 3: expected value"),
        ("UPDATE record SET at = 'yesterday' WHERE key & 0xffffffff = 3", "record 3: `yesterday` is not a time"),
        ("DELETE FROM record", "record 1 does not adopt a plan"),
        ("DELETE FROM claim; UPDATE run SET id = 'm4q9'", "its first plan is for run `r7k2`"),
    ];
    for (sql, expected) in cases {
        let (_dir, journal) = tampered(sql);
        let id = journal.find(None, true).expect("a run");
        let results = [journal.view(&id).map(|_| ()), journal.acquire(&id, &bob(), at(9)).map(|_| ())];
        for result in results {
            let Err(Error::JournalDamaged { run, why }) = &result else { panic!("{sql}: {result:?}") };
            assert_eq!(run, &id);
            assert!(why.contains(expected), "{sql}: {why}");
        }
        assert_eq!(journal.is_live(&id).expect("looked"), None, "a refused take-over lets go");
    }
}
