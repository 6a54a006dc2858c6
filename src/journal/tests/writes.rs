//! What is appended is there, in order, or nothing of it is.

use rusqlite::Connection;

use super::*;
use crate::journal::Store as _;
use crate::journal::writer::{Row, enter};
use crate::model::{Adoption, Error, Outcome, RunStatus, StepState};

#[test]
fn a_run_begins_with_its_plan_the_accepted_findings_and_a_session() {
    let (_dir, journal) = state();
    let run = journal.create(&plan("r7k2", "api"), &alice(), at(0), &["span-port-closed".into()]).expect("a run");
    let records = journal.records(run.run()).expect("records");
    assert_eq!(records.iter().map(|record| record.seq).collect::<Vec<_>>(), [1, 2, 3]);
    let RecordBody::PlanAdopted { plan: kept, why, by } = &records[0].body else { panic!("{:?}", records[0]) };
    assert_eq!(**kept, plan("r7k2", "api"));
    assert_eq!((why, by), (&Adoption::Start, &alice()));
    assert!(matches!(&records[1].body, RecordBody::FindingAccepted { finding, .. } if finding == "span-port-closed"));
    let RecordBody::SessionOpened { holder } = &records[2].body else { panic!("{:?}", records[2]) };
    assert_eq!((holder.fence, holder.pid), (1, std::process::id()));
}

#[test]
fn the_view_kept_while_writing_is_the_fold_of_the_file() {
    let (_dir, journal) = state();
    let mut run = start(&journal, "r7k2", "api");
    let (update, wait) = (step("api", "update"), step("api", "wait"));
    run.append(at(1), vec![started(&update)]).expect("an intent");
    let both = run.append(at(2), vec![succeeded(&update), started(&wait)]).expect("outcome and next intent");
    assert_eq!(both.iter().map(|record| record.seq).collect::<Vec<_>>(), [4, 5]);
    let read = journal.view(run.run()).expect("a view");
    assert_eq!(serde_json::to_value(&read).expect("json"), serde_json::to_value(run.view()).expect("json"));
    assert_eq!((read.state(&update), read.state(&wait)), (StepState::Done, StepState::Started));
}

#[test]
fn an_illegal_record_is_refused_and_nothing_beside_it_is_kept() {
    let (_dir, journal) = state();
    let mut run = start(&journal, "r7k2", "api");
    let (update, wait) = (step("api", "update"), step("api", "wait"));
    // The first is legal, the second is not: a pending step cannot succeed.
    let refused = run.append(at(1), vec![started(&update), succeeded(&wait)]);
    assert!(matches!(&refused, Err(Error::Internal { message }) if message.contains("cannot be Succeeded")), "{refused:?}");
    assert_eq!(run.view().state(&update), StepState::Pending);
    assert_eq!(journal.records(run.run()).expect("records").len(), 2);
    // And the run can go on.
    assert_eq!(run.append(at(2), vec![started(&update)]).expect("a legal record")[0].seq, 3);
}

#[test]
fn appending_nothing_writes_nothing() {
    let (_dir, journal) = state();
    let mut run = start(&journal, "r7k2", "api");
    assert!(run.append(at(1), Vec::new()).expect("nothing").is_empty());
    assert_eq!(journal.records(run.run()).expect("records").len(), 2);
}

#[test]
fn a_full_disk_ends_in_a_readable_error_and_keeps_the_run_as_it_was() {
    let (_dir, journal) = state();
    let mut run = start(&journal, "r7k2", "api");
    // SQLite itself reports the disk as full once the file may not grow any more.
    let conn = &run.writer().db.conn;
    let pages: i64 = conn.pragma_query_value(None, "page_count", |row| row.get(0)).expect("pages");
    conn.pragma_update_and_check(None, "max_page_count", pages, |_| Ok(())).expect("a limit");
    let update = step("api", "update");
    let big = RecordBody::StepStarted { step: update.clone(), attempt: 1, intent: json!("x".repeat(100_000)).into() };
    let refused = run.append(at(1), vec![big]);
    let Err(Error::JournalWrite { why, .. }) = &refused else { panic!("{refused:?}") };
    assert!(why.contains("the disk is full"), "{why}");
    assert_eq!(run.view().state(&update), StepState::Pending);
    assert_eq!(journal.records(run.run()).expect("records").len(), 2);
}

#[test]
fn a_commit_that_fails_after_it_took_effect_is_found_by_reading() {
    let (_dir, journal) = state();
    let mut run = start(&journal, "r7k2", "api");
    run.writer().enter = |conn, run, fence, rows| enter(conn, run, fence, rows).and(Err(io_error()));
    let update = step("api", "update");
    let kept = run.append(at(1), vec![started(&update)]).expect("it is there");
    assert_eq!(kept[0].seq, 3);
    assert_eq!(journal.records(run.run()).expect("records").last(), kept.last());
    assert_eq!(run.view().state(&update), StepState::Started);
    // The same where the end of the run gives its claims up in the same transaction.
    run.writer().enter = enter;
    run.writer().commit = |conn| conn.execute_batch("COMMIT").and(Err(io_error()));
    let ended = run.append(at(2), vec![RecordBody::RunEnded { outcome: Outcome::Abandoned, why: String::new() }]);
    assert_eq!(journal.records(run.run()).expect("records").last(), ended.expect("it is there").last());
}

#[test]
fn a_commit_that_fails_before_it_took_effect_is_found_by_reading_too() {
    let (_dir, journal) = state();
    let mut run = start(&journal, "r7k2", "api");
    run.writer().enter = |_, _, _, _| Err(io_error());
    let update = step("api", "update");
    let refused = run.append(at(1), vec![started(&update)]);
    let Err(Error::JournalWrite { why, .. }) = &refused else { panic!("{refused:?}") };
    assert!(why.contains("nothing of this was kept"), "{why}");
    assert_eq!(run.view().state(&update), StepState::Pending);
    // The disk recovers: the same number is used, and there is no gap.
    run.writer().enter = enter;
    assert_eq!(run.append(at(2), vec![started(&update)]).expect("a record")[0].seq, 3);
    // The same for a transaction of several statements.
    run.writer().commit = |conn| conn.execute_batch("ROLLBACK").and(Err(io_error()));
    let refused = run.append(at(3), vec![RecordBody::RunEnded { outcome: Outcome::Abandoned, why: String::new() }]);
    assert!(matches!(&refused, Err(Error::JournalWrite { why, .. }) if why.contains("nothing of this was kept")), "{refused:?}");
    assert_eq!(run.view().ended, None);
}

#[test]
fn when_it_cannot_be_read_either_nothing_more_is_written() {
    let (dir, journal) = state();
    let mut run = start(&journal, "r7k2", "api");
    // The commit fails and takes the file with it: there is nothing to read again.
    thread_local!(static FILE: std::cell::RefCell<std::path::PathBuf> = const { std::cell::RefCell::new(std::path::PathBuf::new()) });
    let file = dir.path().join("state/journal.db");
    FILE.set(file.clone());
    fn lose(conn: &Connection, run: &RunId, fence: u64, rows: &[Row]) -> rusqlite::Result<bool> {
        FILE.with_borrow(|file| std::fs::rename(file, file.with_extension("away")).expect("moved"));
        enter(conn, run, fence, rows).and(Err(io_error()))
    }
    run.writer().enter = lose;
    let update = step("api", "update");
    let refused = run.append(at(1), vec![started(&update)]);
    let Err(Error::JournalWrite { why, .. }) = &refused else { panic!("{refused:?}") };
    assert!(why.contains("reading it again failed too"), "{why}");
    std::fs::rename(file.with_extension("away"), &file).expect("moved back");
    run.writer().enter = enter;
    assert!(matches!(run.append(at(2), vec![started(&update)]), Err(Error::JournalWrite { .. })));
    assert!(matches!(run.check(), Err(Error::JournalWrite { .. })));
}

#[test]
fn a_file_removed_under_a_run_stops_it() {
    let (dir, journal) = state();
    let mut run = start(&journal, "r7k2", "api");
    std::fs::remove_file(dir.path().join("state/journal.db")).expect("removed");
    let refused = run.append(at(1), vec![started(&step("api", "update"))]);
    let Err(Error::JournalWrite { why, .. }) = &refused else { panic!("{refused:?}") };
    assert!(why.contains("removed or replaced"), "{why}");
    assert!(matches!(run.check(), Err(Error::JournalWrite { .. })));
}

#[test]
fn a_record_is_neither_changed_nor_deleted() {
    let (_dir, journal) = state();
    let mut run = start(&journal, "r7k2", "api");
    for sql in ["UPDATE record SET at = ''", "DELETE FROM record"] {
        let refused = run.writer().db.conn.execute(sql, []);
        assert!(refused.as_ref().is_err_and(|error| error.to_string().contains("a record is never")), "{refused:?}");
    }
}

#[test]
fn the_end_is_kept_and_leaving_after_it_is_in_order() {
    let (_dir, journal) = state();
    let mut run = start(&journal, "r7k2", "api");
    run.append(at(1), vec![RecordBody::RunEnded { outcome: Outcome::Abandoned, why: "no time".into() }]).expect("the end");
    run.close("abandoned", at(2)).expect("closed");
    let id = RunId::new("r7k2");
    let view = journal.view(&id).expect("a view");
    assert!(view.closed);
    assert_eq!(view.status(), RunStatus::Abandoned);
    assert_eq!(journal.is_live(&id).expect("looked"), None);
}

fn io_error() -> rusqlite::Error {
    let code = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_IOERR_FSYNC);
    rusqlite::Error::SqliteFailure(code, Some("disk I/O error".into()))
}
