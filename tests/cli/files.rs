//! Outputs that cannot be written and inputs that are no files: one clear message, the right exit code, nothing changed, no waiting.

use std::fs::File;
use std::io::Read as _;
use std::os::unix::fs::FileTypeExt as _;
use std::os::unix::net::UnixListener;
use std::process::{Command, Stdio};

use insta::assert_snapshot;

use crate::cli_support::{BINARY, Desk, file, until};

fn staging() -> String {
    file("runbooks/worlds/nexus-ai-staging.tfvars")
}

/// Exit code and stderr of a command whose stdout has no room.
fn into_full(mut command: Command) -> (Option<i32>, String) {
    let full = File::options().write(true).open("/dev/full").expect("a device");
    let ran = command.stdout(full).stderr(Stdio::piped()).output().expect("it starts");
    (ran.status.code(), String::from_utf8(ran.stderr).expect("text"))
}

fn pipe(desk: &Desk, name: &str) -> String {
    let path = desk.path(name);
    let made = Command::new("mkfifo").arg(&path).status().expect("mkfifo");
    assert!(made.success());
    path
}

#[test]
fn data_that_finds_no_room_is_no_success() {
    let desk = Desk::new();
    for words in [&["plan"][..], &["plan", "--output", "json"], &["snapshot", "--out", "world.json"], &["simulate"]] {
        let command = if words == ["simulate"] { desk.command(words) } else { desk.live(words) };
        let (code, err) = into_full(command);
        assert_eq!(code, Some(2), "{words:?}: {err}");
        assert!(err.contains("No space left on device"), "{words:?}: {err}");
    }
    let ran = desk.end(desk.live(&["run", "--yes", "--pause-before", "create-service"]));
    assert_eq!(ran.code, Some(6), "{}", ran.err);
    let run = desk.run_id();
    let variables = staging();
    let on_the_desk: [&[&str]; 12] = [
        &["status"],
        &["status", "--output", "json"],
        &["runs"],
        &["report"],
        &["report", "--output", "json"],
        &["policy", "--var-file", &variables],
        &["check", "--var-file", &variables],
        &["man"],
        &["completions", "bash"],
        &["rehearse"],
        &["--help"],
        &["--version"],
    ];
    for words in on_the_desk {
        let (code, err) = into_full(desk.command(words));
        assert_eq!(code, Some(2), "{words:?}: {err}");
        assert!(err.contains("error: cannot write to stdout: what was to be printed is not all there"), "{words:?}: {err}");
        assert!(err.contains("hint: make room, or send stdout elsewhere, and run the same command again"), "{words:?}: {err}");
    }
    let report = desk.path("report.md");
    let (code, _) = into_full(desk.command(&["report", &run, "--out", &report]));
    assert_eq!(code, Some(2));
    assert!(std::fs::metadata(report).is_ok_and(|found| found.len() > 0), "the file itself is whole");
    // A run goes on to its end all the same: what is lost are the lines about it.
    let (code, err) = into_full(desk.command(&["resume", "--yes", "--output", "json"]));
    assert_eq!(code, Some(2), "{err}");
    assert!(err.contains("where the run is with `sidestep status`"), "{err}");
    assert_eq!(desk.status()["status"], "done");
}

#[test]
fn another_exit_code_is_not_hidden_by_output_that_was_lost() {
    let desk = Desk::new();
    let (code, err) = into_full(desk.live(&["plan", "--var", "namespace_name=other.local"]));
    assert_eq!(code, Some(4), "{err}");
    assert!(err.contains("error: cannot write to stdout"), "{err}");
}

#[test]
fn a_reader_that_leaves_ends_it_quietly() {
    let desk = Desk::new();
    for words in [&["man"][..], &["completions", "bash"], &["--help"], &["check", "--var-file", &staging()]] {
        let mut command = desk.command(words);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts");
        drop(child.stdout.take());
        let mut err = String::new();
        child.stderr.take().expect("a pipe").read_to_string(&mut err).expect("text");
        assert_eq!((child.wait().expect("it ends").code(), err.as_str()), (Some(0), ""), "{words:?}");
    }
}

#[test]
fn only_regular_files_are_written() {
    let desk = Desk::new();
    let ran = desk.end(desk.live(&["run", "--yes", "--pause-before", "create-service"]));
    assert_eq!(ran.code, Some(6), "{}", ran.err);
    let before = desk.sim.effects();
    let fifo = pipe(&desk, "pipe");
    std::fs::create_dir(desk.path("directory")).expect("a directory");
    let _socket = UnixListener::bind(desk.path("socket")).expect("a socket");
    let shown = |command: Command| desk.ending(&desk.end(command));
    assert_snapshot!(shown(desk.command(&["report", "--out", "/dev/full"])), @r#"
    exit 2
    error: cannot write report `/dev/full`
      Caused by: it is a device: only a regular file is written
    "#);
    assert_snapshot!(shown(desk.command(&["report", "--out", &fifo])), @r#"
    exit 2
    error: cannot write report `DIR/pipe`
      Caused by: it is a named pipe: only a regular file is written
    "#);
    assert_snapshot!(shown(desk.live(&["plan", "--out", &desk.path("socket")])), @r#"
    exit 2
    error: cannot write sealed plan `DIR/socket`
      Caused by: it is a socket: only a regular file is written
    "#);
    assert_snapshot!(shown(desk.live(&["snapshot", "--out", &desk.path("directory")])), @r#"
    exit 2
    error: cannot write world file `DIR/directory`
      Caused by: it is a directory: only a regular file is written
    "#);
    // Pages of the manual are replaced, but no pipe in their place is.
    std::fs::create_dir(desk.path("pages")).expect("a directory");
    let page = pipe(&desk, "pages/sidestep.1");
    assert_snapshot!(shown(desk.command(&["man", "--out", &desk.path("pages")])), @r#"
    exit 2
    error: `DIR/pages/sidestep.1` cannot be written: it is a named pipe: only a regular file is written

    hint: name a directory that can be written, or leave `--out` out to print sidestep(1)
    "#);
    for path in [&fifo, &page] {
        assert!(std::fs::metadata(path).expect("it is there").file_type().is_fifo(), "it is left as it is");
    }
    assert_eq!(desk.sim.effects(), before);
}

#[test]
fn only_regular_files_are_read() {
    let desk = Desk::new();
    let fifo = pipe(&desk, "pipe");
    std::fs::create_dir(desk.path("directory")).expect("a directory");
    let _socket = UnixListener::bind(desk.path("socket")).expect("a socket");
    let shown = |words: &[&str]| desk.ending(&desk.call(words));
    assert_snapshot!(shown(&["check", "--var-file", &fifo]), @r#"
    exit 2
    error: cannot read variable file `DIR/pipe`
      Caused by: it is a named pipe, whose other end may never be opened: pipe the text in, and name it `-`
    "#);
    assert_snapshot!(shown(&["check", "/dev/zero"]), @r#"
    exit 2
    error: cannot read runbook `/dev/zero`
      Caused by: it is a device, not a file

    hint: name a file, or a shipped runbook: jaeger-sidecar-to-shared, otel-collector-sidecar-to-shared, xray-daemon-sidecar-to-shared
    "#);
    assert_snapshot!(shown(&["rehearse", "--world", &desk.path("socket")]), @r#"
    exit 2
    error: cannot read world file `DIR/socket`
      Caused by: it is a socket, not a file
    "#);
    assert_snapshot!(shown(&["run", "--plan", &desk.path("directory")]), @r#"
    exit 2
    error: cannot read sealed plan `DIR/directory`
      Caused by: it is a directory, not a file
    "#);
    // A sparse file: its length is what it says, and nothing of it is kept.
    let long = File::create(desk.path("long")).expect("a file");
    long.set_len(40 << 30).expect("it is sparse");
    assert_snapshot!(shown(&["run", "--plan", &desk.path("long")]), @r#"
    exit 2
    error: cannot read sealed plan `DIR/long`
      Caused by: it has more than 32 MiB
    "#);
    assert_snapshot!(shown(&["check", "--var-file", &desk.path("long")]), @r#"
    exit 2
    error: cannot read variable file `DIR/long`
      Caused by: it has more than 1 MiB
    "#);
    assert_eq!(desk.sim.requests().len(), 0, "nobody was asked anything");
}

/// What a shell's own pipes bring is read; the shell opens them before the command starts.
#[test]
fn a_pipe_that_is_open_already_is_read() {
    let desk = Desk::new();
    let said = |script: &str| {
        let mut shell = Command::new("bash");
        shell.arg("-c").arg(script).current_dir(desk.dir.path()).env_clear().env("PATH", "/usr/bin:/bin");
        shell.env("S", BINARY).env("V", staging());
        desk.ending(&desk.end(shell))
    };
    let whole = said(r#"exec "$S" check --var-file "$V""#);
    assert!(whole.starts_with("exit 0"), "{whole}");
    assert_eq!(said(r#""$S" check --var-file <(cat "$V")"#), whole);
    assert_eq!(said(r#"cat "$V" | "$S" check --var-file -"#), whole);
    assert_eq!(said(r#""$S" check --var-file /dev/stdin < "$V""#), whole);
    // It comes in two parts, and no more than so much is taken.
    assert_eq!(said(r#"(head -c 100 "$V"; sleep 0.3; tail -c +101 "$V") | "$S" check --var-file -"#), whole);
    let endless = said(r#"yes | "$S" check --var-file -"#);
    assert!(endless.starts_with("exit 2") && endless.contains("it has more than 1 MiB"), "{endless}");
}

#[test]
fn a_watcher_whose_reader_has_left_ends_and_the_run_goes_on() {
    let desk = Desk::new();
    let mut running = desk.frozen_in_stage_3();
    let mut command = desk.command(&["status", "--watch", "--output", "json"]);
    let mut watcher = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("it starts");
    drop(watcher.stdout.take());
    until("the watcher ends", || watcher.try_wait().expect("a child"));
    assert!(!running.ended());
    running.kill();
}
