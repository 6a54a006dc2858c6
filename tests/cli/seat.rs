//! A person at the terminal, and another one at a second terminal.

use insta::assert_snapshot;

use crate::cli_support::{Desk, Terminal};

/// A run at a terminal, where its plan is agreed to.
fn started(desk: &Desk, columns: u16, rows: u16) -> Terminal {
    let mut terminal = desk.sit(desk.live(&["run"]), columns, rows);
    terminal.until_shows("Start run");
    terminal.types("y\r");
    terminal
}

fn stage_5(terminal: &Terminal) {
    terminal.until_shows("Start stage retarget-api-env in staging?");
    terminal.until_shows("Enter alone is 2.");
}

#[test]
fn a_stage_that_is_confirmed_here_and_one_from_another_terminal() {
    let desk = Desk::new();
    let mut terminal = started(&desk, 100, 40);
    stage_5(&terminal);
    let asked = desk.shown(&desk.call(&["status"]).out);
    assert!(asked.contains("asks          Start stage retarget-api-env in staging?"), "{asked}");
    terminal.types("9\n");
    terminal.until_shows("`9` is none of 1 to 2.");
    terminal.types("1\n");
    terminal.until_shows("Start stage strip-sidecar in staging?");
    let told = desk.call(&["resume"]);
    assert_eq!(told.code, Some(0), "{}", told.err);
    assert!(told.err.contains("to go on (it asked: Start stage strip-sidecar in staging?)"), "{}", told.err);
    assert_eq!(terminal.wait(), Some(0), "{}", terminal.shows());
    let shown = desk.shown(&terminal.has_shown());
    assert!(shown.contains("alice@HOST answered `Start stage retarget-api-env in staging?`: start it"), "{shown}");
    assert!(shown.contains("alice@HOST answered `Start stage strip-sidecar in staging?`: go on, from another terminal"), "{shown}");
    // What moved is gone; what happened is there, once.
    assert!(!shown.contains("Ctrl-C pauses"), "{shown}");
    assert_eq!(shown.matches("✓ create the name jaeger.nexus-ai.local").count(), 1, "{shown}");
    assert!(shown.contains("Summary of run RUN: 6 of 6 stages done in T"), "{shown}");
}

#[test]
fn ctrl_c_at_a_question_pauses_and_enter_alone_starts_nothing() {
    let desk = Desk::new();
    let mut terminal = started(&desk, 80, 24);
    stage_5(&terminal);
    terminal.types("\u{3}");
    assert_eq!(terminal.wait(), Some(6), "{}", terminal.shows());
    let mut terminal = desk.sit(desk.command(&["resume"]), 80, 24);
    stage_5(&terminal);
    terminal.types("\n");
    assert_eq!(terminal.wait(), Some(6), "{}", terminal.shows());
    assert_eq!(desk.sim.count("UpdateService"), 1, "the name only");
    assert_eq!(desk.status()["status"], "paused");
}

#[test]
fn the_way_back_is_asked_for_from_another_terminal_while_a_question_stands() {
    let desk = Desk::new();
    let mut terminal = started(&desk, 100, 40);
    stage_5(&terminal);
    let told = desk.call(&["rollback"]);
    assert_eq!(told.code, Some(0), "{}", told.err);
    assert_eq!(terminal.wait(), Some(7), "{}", terminal.shows());
    assert_eq!(desk.sim.count("DeleteService"), 2, "the service and its name: {:?}", desk.sim.effects());
}

#[test]
fn a_failure_is_explained_and_mended_by_a_variable() {
    let desk = Desk::new();
    let mut command = desk.live(&["run"]);
    command.args(["--var", "jaeger_image=jaegertracing/all-in-one:nope"]);
    desk.sim.fault(&serde_json::json!({ "image": "jaegertracing/all-in-one:nope", "fault": "cannot-pull" }));
    let mut terminal = desk.sit(command, 100, 60);
    terminal.until_shows("Start run");
    terminal.types("y\r");
    terminal.until_shows("What now?");
    terminal.until_shows("Enter alone is");
    let shown = desk.shown(&terminal.has_shown());
    let from = shown.find("stage 3/6 `create-service` stopped").expect("the failure");
    assert_snapshot!(&shown[from..], @r"
    stage 3/6 `create-service` stopped: the rollout of `nexus-ai-jaeger-staging` failed (`wait for the
      rollout of nexus-ai-jaeger-staging`)
      Caused by: deployment ecs-svc/N failed: ECS deployment circuit breaker: tasks
        failed to start.
      Caused by: 3 tasks stopped: CannotPullContainerError: pull image manifest has been retried 1
        time(s): failed to resolve ref docker.io/jaegertracing/all-in-one:nope:
        docker.io/jaegertracing/all-in-one:nope: not found
      likely    the image's name or tag does not exist
      serving   nexus-ai-api-staging: 2 of 2 tasks run, 4 of 4 targets healthy
      serving   nexus-ai-jaeger-staging: 0 of 1 tasks run, 0 of 0 targets healthy
      spans     they go where they went before the run: no sender was changed
      AWS       nothing: no change of this run is under way
      state     stages 1-2 done, stage 3 (create-service) not done
    What now?
      1  try the step again
      2  change a variable, and plan what is left anew (shown before it begins)
      3  show the last log lines
      4  roll back what was done
      5  pause, to go on later
    Type a number and Enter; Enter alone is 5.
    ");
    terminal.types("2\n");
    terminal.until_shows("Which variable?");
    terminal.types("jaeger_image=jaegertracing/all-in-one:latest\n");
    terminal.until_shows("Go on by this plan with run");
    assert!(!terminal.shows().contains("Ctrl-C pauses"), "what moves is out of the way:\n{}", terminal.shows());
    terminal.types("y\r");
    stage_5(&terminal);
    terminal.types("1\n");
    terminal.until_shows("Start stage strip-sidecar in staging?");
    terminal.until_shows("Enter alone is 2.");
    terminal.types("1\n");
    assert_eq!(terminal.wait(), Some(0), "{}", terminal.shows());
    assert_eq!(desk.sim.count("CreateService"), 2, "the service was made once, and its name: {:?}", desk.sim.effects());
}

#[test]
fn the_screen_fits_every_size_and_follows_it() {
    let desk = Desk::new();
    let mut command = desk.live(&["run", "--yes"]);
    // As slowly as a person reads.
    command.env("SIDESTEP_TIME_SCALE", "4");
    desk.sim.freeze_after("CreateService");
    let mut terminal = desk.sit(command, 100, 40);
    terminal.until_shows("⠋ wait for the rollout of nexus-ai-jaeger-staging");
    for (columns, rows) in [(80, 24), (60, 20), (100, 12), (44, 10)] {
        terminal.resize(columns, rows);
        // It is drawn anew at its next turn: the spinner says so.
        for sign in ["⠙ ", "⠹ "] {
            terminal.until_shows(sign);
        }
        let shown = terminal.shows();
        let block: Vec<&str> = shown.lines().skip_while(|line| !line.starts_with("run ")).collect();
        assert!(block.len() < usize::from(rows), "{columns}x{rows}:\n{shown}");
        assert!(block.iter().any(|line| line.contains("3/6 create-service")), "{columns}x{rows}:\n{shown}");
    }
    terminal.types("\u{3}");
    assert_eq!(terminal.wait(), Some(6), "{}", terminal.shows());
    assert!(!terminal.shows().contains("Ctrl-C pauses"), "{}", terminal.shows());
}

#[test]
fn who_looks_on_sees_the_run_and_leaves_it_alone() {
    let desk = Desk::new();
    let running = desk.frozen_in_stage_3();
    // A frozen world shows for ever what was there before the last change.
    desk.sim.advance(20);
    let live = desk.call(&["status", "--live"]);
    assert!(desk.shown(&live.out).contains("of 1 tasks running"), "{}{}", live.out, live.err);
    let mut looks_on = desk.sit(desk.command(&["status", "--watch"]), 100, 30);
    looks_on.until_shows("wait for the rollout of nexus-ai-jaeger-staging");
    looks_on.until_shows("Ctrl-C leaves the run alone");
    assert_eq!(desk.call(&["hold-before", "register-dns"]).code, Some(0));
    looks_on.until_shows("stops before it, as asked");
    let refused = desk.call(&["hold-before", "create-log-group"]);
    assert_snapshot!(desk.ending(&refused), @r"
    exit 2
    error: run `RUN` cannot be held before `create-log-group`: stage `create-log-group` is done

    hint: see where it stands with `sidestep status RUN`
    ");
    let refused = desk.call(&["hold-before", "strip-sidecar", "--lift"]);
    assert_eq!(refused.code, Some(2), "{}", refused.err);
    looks_on.types("\u{3}");
    assert_eq!(looks_on.wait(), Some(0), "{}", looks_on.shows());
    let looks_on = desk.start(desk.command(&["status", "--watch"]));
    desk.sim.thaw();
    let ran = running.wait();
    assert_eq!(ran.code, Some(6), "{}", ran.err);
    assert!(ran.err.contains("paused: before stage 4/6 `register-dns`, as asked"), "{}", ran.err);
    let seen = looks_on.wait();
    assert_eq!(seen.code, Some(0), "{}", seen.err);
    assert!(seen.err.contains("✓ wait for the rollout of nexus-ai-jaeger-staging"), "{}", seen.err);
    assert!(seen.out.contains("status        ") && seen.out.contains("register-dns"), "{}", seen.out);
}

#[test]
fn in_production_the_environment_is_named() {
    let desk = Desk::new();
    let text = std::fs::read_to_string(crate::cli_support::file("runbooks/jaeger-sidecar-to-shared.hcl")).expect("the runbook");
    let path = desk.write("prod.hcl", &text.replace("environment = var.environment\n", "environment = \"production\"\n"));
    let ran = desk.end(desk.live(&["run", &path, "--yes"]));
    assert_snapshot!(desk.ending(&ran), @r"
    exit 2
    error: `--yes` alone starts nothing in production

    hint: if that is the environment that you mean, add `--confirm production`
    ");
    let ran = desk.end(desk.live(&["run", &path, "--yes", "--confirm", "staging"]));
    assert_eq!(ran.code, Some(2), "{}", ran.err);
    assert_eq!(desk.sim.effects(), Vec::<String>::new());
    let mut terminal = desk.sit(desk.live(&["run", &path]), 100, 40);
    terminal.until_shows("type the environment's name");
    terminal.types("prod\r");
    assert_eq!(terminal.wait(), Some(0), "{}", terminal.shows());
    assert!(terminal.shows().contains("Nothing was changed."), "{}", terminal.shows());
    let ran = desk.end(desk.live(&["run", &path, "--confirm", "production", "--pause-before", "create-service"]));
    assert_eq!(ran.code, Some(6), "{}", ran.err);
}
