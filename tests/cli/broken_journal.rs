//! A journal that is broken, gone, or cannot be written any more: a clear message, the right exit code, AWS left as the message
//! says it is, and one command from the end once the cause is repaired.

use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::PathBuf;
use std::process::Command;

use insta::assert_snapshot;

use crate::cli_support::{BINARY, Desk, Ran, until};

/// A desk with a run that paused before a stage; everything stands in the main file.
fn paused_before(stage: &str) -> Desk {
    let desk = Desk::new();
    let ran = desk.end(desk.live(&["run", "--yes", "--pause-before", stage]));
    assert_eq!(ran.code, Some(6), "{}", ran.err);
    desk
}

fn journal(desk: &Desk) -> PathBuf {
    desk.dir.path().join("state/journal.db")
}

/// What must hold of every refusal: an exit code that is documented, one message, nothing of Rust's own, nothing changed.
fn refused(desk: &Desk, words: &[&str], before: &[String]) -> Ran {
    let ran = desk.call(words);
    assert!(matches!(ran.code, Some(2 | 5)), "{words:?}: {ran:?}");
    assert!(ran.err.starts_with("error: ") && ran.err.contains("hint: "), "{words:?}: {}", ran.err);
    for foreign in ["panicked", "unwrap", "RUST_BACKTRACE", "Err(", "SqliteFailure"] {
        assert!(!ran.err.contains(foreign), "{}", ran.err);
    }
    assert_eq!(desk.sim.effects(), before, "{words:?}");
    ran
}

#[test]
fn cut_anywhere_it_is_refused_and_nothing_is_changed() {
    let desk = paused_before("register-task-definition");
    let whole = std::fs::read(journal(&desk)).expect("a file");
    let before = desk.sim.effects();
    let page = 4096;
    // Behind it there is nothing to lose.
    let last = whole.iter().rposition(|byte| *byte != 0).expect("content");
    for length in [0, 1, 15, 16, 99, 100, 1_000, page, page + 1, 2 * page, 5 * page + 100, whole.len() - page, last] {
        std::fs::write(journal(&desk), &whole[..length]).expect("cut");
        let ran = refused(&desk, &["resume", "--yes"], &before);
        // A record that was cut is the run's, anything else the file's.
        assert!(ran.err.contains("journal.db") || ran.err.contains("the journal of run"), "{length}: {}", ran.err);
        assert_eq!(std::fs::metadata(journal(&desk)).expect("a file").len(), length as u64, "{length}: it is left as it is");
    }
    // A backup put back is the run as it was.
    std::fs::write(journal(&desk), &whole).expect("restored");
    let ran = desk.call(&["resume", "--yes"]);
    assert_eq!(ran.code, Some(0), "{}", ran.err);
}

#[test]
fn bytes_changed_anywhere_are_found_or_harmless() {
    let desk = paused_before("register-task-definition");
    let whole = std::fs::read(journal(&desk)).expect("a file");
    let before = desk.sim.effects();
    // The magic, the page size, the versions, the schema's format, the text encoding, our id; then the head of every page.
    let header = [0, 7, 16, 18, 19, 21, 44, 56, 68];
    let pages = (0..whole.len() / 4096).map(|page| page * 4096 + if page == 0 { 100 } else { 0 });
    let mut found = 0;
    for place in header.into_iter().chain(pages) {
        let mut bytes = whole.clone();
        bytes[place] ^= 0xff;
        std::fs::write(journal(&desk), &bytes).expect("changed");
        let looked = desk.call(&["status"]);
        assert!(matches!(looked.code, Some(0 | 2 | 5)), "{place}: {looked:?}");
        // Before anything is changed every page is looked at: what is wrong there stops it.
        let ran = desk.call(&["resume", "--yes", "--pause-before", "register-task-definition"]);
        assert!(matches!(ran.code, Some(2 | 5 | 6)) && !ran.err.contains("panicked"), "{place}: {ran:?}");
        found += usize::from(ran.code != Some(6));
        assert_eq!(desk.sim.effects(), before, "{place}");
        for side in ["-wal", "-shm"] {
            let _ = std::fs::remove_file(journal(&desk).with_file_name(format!("journal.db{side}")));
        }
    }
    assert!(found > 10, "only {found} were found");
}

#[test]
fn a_log_that_is_spoilt_gives_the_run_up_to_there() {
    let desk = Desk::new();
    let running = desk.frozen_in_stage_3();
    running.signal(rustix::process::Signal::KILL);
    running.wait();
    let log = journal(&desk).with_file_name("journal.db-wal");
    let length = std::fs::metadata(&log).expect("the log is there as the kill left it").len();
    let file = File::options().write(true).open(&log).expect("a file");
    // The last commit is lost, as on a drive that lies about what it has written: what it said is looked up at AWS.
    file.write_all_at(&[0xa5; 64], length - 64).expect("spoilt");
    desk.sim.thaw();
    finishes(&desk);
}

#[test]
fn a_newer_version_is_refused_and_left_alone() {
    let desk = paused_before("register-task-definition");
    // `PRAGMA user_version`: four bytes at offset 60, big-endian.
    let file = File::options().write(true).open(journal(&desk)).expect("a file");
    file.write_all_at(&99_u32.to_be_bytes(), 60).expect("changed");
    let bytes = std::fs::read(journal(&desk)).expect("bytes");
    let before = desk.sim.effects();
    for words in [&["resume", "--yes"][..], &["rollback", "--yes"], &["status"], &["runs"]] {
        let ran = refused(&desk, words, &before);
        assert_eq!(ran.code, Some(2), "{words:?}");
    }
    assert_eq!(std::fs::read(journal(&desk)).expect("bytes"), bytes);
    let ran = desk.end(desk.live(&["run", "--yes"]));
    assert_snapshot!(desk.ending(&ran), @r#"
    exit 2
    error: the journal `DIR/state/journal.db` was written by a newer sidestep
      Caused by: its schema is version 99, this program knows up to 2

    hint: use the newer sidestep, or another directory with `--state DIR`
    "#);
}

#[test]
fn removed_from_beside_its_locks_it_is_told_and_nothing_is_begun_anew() {
    let desk = paused_before("register-task-definition");
    let before = desk.sim.effects();
    std::fs::rename(journal(&desk), desk.dir.path().join("kept")).expect("moved");
    for words in [&["status"][..], &["runs"], &["report"], &["resume", "--yes"], &["rollback", "--yes"], &["doctor"]] {
        let ran = refused(&desk, words, &before);
        assert!(ran.err.contains("journal.db is gone, although runs were journaled here"), "{words:?}: {}", ran.err);
    }
    let ran = desk.end(desk.live(&["run", "--yes"]));
    assert_snapshot!(desk.ending(&ran), @r#"
    exit 2
    error: cannot use the journal in `DIR/state`
      Caused by: journal.db is gone, although runs were journaled here

    hint: put it back (all of journal.db, journal.db-wal and `locks`, from one moment) and run the same command again; if it is lost for good, keep the directory as it is and name another one with `--state DIR`: `sidestep plan` shows what stands in AWS
    "#);
    assert_eq!(desk.sim.effects(), before);
    assert!(!journal(&desk).exists());
    std::fs::rename(desk.dir.path().join("kept"), journal(&desk)).expect("moved back");
    let ran = desk.call(&["resume", "--yes"]);
    assert_eq!(ran.code, Some(0), "{}", ran.err);
}

/// A run that was killed in stage 3, its files as the kill left them.
fn killed() -> Desk {
    let desk = Desk::new();
    let running = desk.frozen_in_stage_3();
    running.signal(rustix::process::Signal::KILL);
    running.wait();
    desk
}

#[test]
fn without_its_log_it_is_refused_and_with_it_goes_on() {
    let desk = killed();
    let before = desk.sim.effects();
    let log = journal(&desk).with_file_name("journal.db-wal");
    std::fs::rename(&log, desk.dir.path().join("kept")).expect("moved");
    for words in [&["status"][..], &["resume", "--yes"], &["rollback", "--yes"]] {
        let ran = refused(&desk, words, &before);
        assert!(
            ran.err.contains("is gone, and with it the newest records") || ran.err.contains("its content is lost"),
            "{}",
            ran.err
        );
    }
    std::fs::rename(desk.dir.path().join("kept"), &log).expect("moved back");
    desk.sim.thaw();
    finishes(&desk);
}

#[test]
fn without_its_locks_it_is_refused_until_somebody_has_looked() {
    let desk = killed();
    let before = desk.sim.effects();
    let locks = desk.dir.path().join("state/locks");
    std::fs::remove_dir_all(&locks).expect("removed");
    for words in [&["status"][..], &["resume", "--yes"], &["rollback", "--yes"]] {
        let ran = refused(&desk, words, &before);
        assert!(ran.err.contains("the directory `locks` is gone: whether alice@"), "{}", ran.err);
        assert!(ran.err.contains(&format!("`mkdir -m 700 {}`", locks.display())), "{}", ran.err);
    }
    std::fs::create_dir(&locks).expect("as the hint says");
    desk.sim.thaw();
    finishes(&desk);
}

#[test]
fn a_lock_removed_while_a_run_is_under_way_stops_it_before_the_next_change() {
    let (desk, ran) = journal_goes(|desk| std::fs::remove_dir_all(desk.dir.path().join("state/locks")).expect("removed"));
    assert_eq!(ran.code, Some(5), "{}", ran.err);
    assert!(ran.err.contains("was removed while the run was under way: nothing kept another process from the run"), "{}", ran.err);
    assert_eq!(desk.sim.effects().last().map(String::as_str), Some("CreateService"), "nothing was changed after it went");
    let ran = desk.call(&["status"]);
    let hint = format!("mkdir -m 700 {}", desk.path("state/locks"));
    if ran.code != Some(0) {
        assert!(ran.err.contains(&hint), "{}", ran.err);
        std::fs::create_dir(desk.dir.path().join("state/locks")).expect("as the hint says");
    }
    finishes(&desk);
}

/// A run that is frozen in the middle, whose journal goes away under it, and that then may go on.
fn journal_goes(how: impl FnOnce(&Desk)) -> (Desk, Ran) {
    let desk = Desk::new();
    let running = desk.frozen_in_stage_3();
    how(&desk);
    desk.sim.thaw();
    let ran = running.wait();
    (desk, ran)
}

#[test]
fn deleted_while_a_run_is_under_way_stops_it_before_the_next_change() {
    let (desk, ran) = journal_goes(|desk| std::fs::remove_dir_all(desk.dir.path().join("state")).expect("removed"));
    // The journal that knew the run's id is gone.
    let run = ran.err.split("Summary of run ").nth(1).and_then(|rest| rest.split(':').next()).expect("a run");
    assert_snapshot!(desk.ending(&ran).replace(run, "RUN"), @r#"
    exit 5
    Summary of run RUN: 2 of 6 stages done in T
      ✓ 1/6 create-log-group          done  (T)
      ✓ 2/6 register-task-definition  done  (T)
      ▸ 3/6 create-service            not done
      · 4/6 register-dns              not run: create-service is not done
      · 5/6 retarget-api-env          not run: register-dns is not done
      · 6/6 strip-sidecar             not run: retarget-api-env is not done
    error: the journal `DIR/state/journal.db` cannot be written: the run stopped at once
      Caused by: the file was removed or replaced while the run was under way

    state: stages 1-2 done, stage 3 (create-service) not done
    meanwhile: ECS goes on with the rollout of `nexus-ai-jaeger-staging` by itself
    hint: once the journal is in its place and can be written, run `sidestep resume RUN`
    hint: to go back, run `sidestep rollback RUN`
    "#);
    assert_eq!(desk.sim.effects().last().map(String::as_str), Some("CreateService"), "nothing was changed after it went");
}

#[test]
fn replaced_while_a_run_is_under_way_stops_it_and_put_back_it_goes_on() {
    let (desk, ran) = journal_goes(|desk| {
        std::fs::rename(desk.dir.path().join("state"), desk.dir.path().join("away")).expect("moved");
        std::fs::create_dir(desk.dir.path().join("state")).expect("a directory");
        std::fs::copy(desk.dir.path().join("away/journal.db"), desk.dir.path().join("state/journal.db")).expect("a copy");
    });
    assert_eq!(ran.code, Some(5), "{}", ran.err);
    assert!(ran.err.contains("the file was removed or replaced while the run was under way"), "{}", ran.err);
    std::fs::remove_dir_all(desk.dir.path().join("state")).expect("removed");
    std::fs::rename(desk.dir.path().join("away"), desk.dir.path().join("state")).expect("moved back");
    finishes(&desk);
}

/// Resumes to the end, with every change made once.
fn finishes(desk: &Desk) {
    let ran = desk.call(&["resume", "--yes"]);
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    let made = ["CreateLogGroup", "CreateService", "RegisterTaskDefinition", "UpdateService"].map(|action| desk.sim.count(action));
    assert_eq!(made, [1, 2, 3, 3], "{:?}", desk.sim.effects());
}

/// The same command where no file may grow beyond so many blocks of 512 bytes: to SQLite it is a disk that is full.
fn with_room(desk: &Desk, command: &Command, blocks: u32) -> Command {
    let mut shell = Command::new("/bin/sh");
    shell.current_dir(desk.dir.path()).env_clear().stdin(std::process::Stdio::null());
    shell.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
    // The signal of a file that grows too much is ignored: then the write fails with an error, as on a full disk.
    let limits = format!("trap '' XFSZ; ulimit -f {blocks}; exec \"$0\" \"$@\"");
    shell.arg("-c").arg(limits).arg(BINARY).args(command.get_args());
    shell
}

#[test]
fn a_disk_that_fills_stops_the_run_with_words_and_with_room_it_goes_on() {
    let mut stopped_at = Vec::new();
    for blocks in [120, 200, 280] {
        let desk = Desk::new();
        let command = desk.live(&["run", "--yes"]);
        let ran = desk.end(with_room(&desk, &command, blocks));
        assert!(matches!(ran.code, Some(2 | 5)), "{blocks}: {ran:?}");
        assert!(!ran.err.contains("panicked"), "{}", ran.err);
        let effects = desk.sim.effects().len();
        stopped_at.push(effects);
        if effects == 0 {
            continue;
        }
        assert!(ran.err.contains("cannot be written: the run stopped at once"), "{}", ran.err);
        assert!(ran.err.contains("state: ") && ran.err.contains("sidestep resume"), "{}", ran.err);
        until("the journal can be read", || desk.status()["run"].as_str().map(|_| ()));
        finishes(&desk);
    }
    assert!(stopped_at.iter().any(|effects| *effects > 0), "none stopped in the middle: {stopped_at:?}");
}

#[test]
fn a_place_that_cannot_be_written_is_refused_before_anything_is_made() {
    let desk = Desk::new();
    // Not even root can write there.
    let ran = desk.end(desk.live(&["run", "--yes", "--state", "/proc/sidestep-state"]));
    assert_eq!((ran.code, desk.sim.effects().len()), (Some(2), 0), "{}", ran.err);
    assert!(ran.err.contains("cannot be created") && ran.err.contains("--state DIR"), "{}", ran.err);
}
