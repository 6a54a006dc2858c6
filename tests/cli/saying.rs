//! How much is said: `--quiet`, `--verbose`, and without colour.

use std::process::{Command, Stdio};

use serde_json::json;

use crate::cli_support::{BINARY, Desk, Ran};

/// Lines of stderr that are neither findings, a summary nor an error: how it goes.
fn progress(ran: &Ran) -> Vec<&str> {
    let lines = ran.err.lines().take_while(|line| !line.starts_with("Summary of run"));
    lines.filter(|line| ["stage ", "  ✓", "  ▸", "run "].iter().any(|start| line.starts_with(start))).collect()
}

#[test]
fn a_quiet_rehearsal_says_what_was_found_and_how_it_ended() {
    let desk = Desk::new();
    let (loud, quiet) = (desk.call(&["rehearse"]), desk.call(&["rehearse", "--quiet"]));
    assert_eq!((loud.code, quiet.code), (Some(0), Some(0)), "{}", quiet.err);
    assert!(progress(&loud).len() > 20, "{}", loud.err);
    assert_eq!(progress(&quiet), [""; 0]);
    assert_eq!(quiet.out, loud.out, "results are the same");
    let warnings = |ran: &Ran| ran.err.lines().filter(|line| line.starts_with("  warning ")).count();
    assert!(warnings(&quiet) > 0 && warnings(&quiet) == warnings(&loud), "{}", quiet.err);
    assert!(quiet.err.contains("6 of 6 stages done"), "{}", quiet.err);
}

#[test]
fn a_quiet_run_says_how_it_ended() {
    let desk = Desk::new();
    let ran = desk.end(desk.live(&["run", "--yes", "-q"]));
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    assert_eq!(progress(&ran), [""; 0]);
    assert!(!ran.err.contains("Stage 1/6"), "the plan is not asked about: {}", ran.err);
    assert!(ran.err.contains("6 of 6 stages done") && ran.out.contains("To verify:"), "{}{}", ran.err, ran.out);
}

#[test]
fn quiet_keeps_no_trouble_to_itself() {
    let desk = Desk::new();
    desk.sim.fault(&json!({ "deny": "ecs:UpdateService" }));
    let ran = desk.end(desk.live(&["run", "--yes", "-q", "--accept", "permission-missing"]));
    assert_eq!(ran.code, Some(5), "{}", ran.err);
    assert!(ran.err.lines().any(|line| line.starts_with("  ✗ ")), "the step that failed: {}", ran.err);
    assert!(ran.err.contains("error: ") && ran.err.contains("hint: "), "{}", ran.err);
}

#[test]
fn verbose_names_every_request_by_its_id() {
    let desk = Desk::new();
    let mut command = desk.live(&["plan", "--verbose"]);
    // Planning waits for nothing: on the machine's own clock no request is given up because the machine is busy.
    command.env("SIDESTEP_TIME_SCALE", "1");
    let ran = desk.end(command);
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    let told: Vec<&str> = ran.err.lines().filter(|line| line.starts_with("aws: ")).collect();
    let asked = desk.sim.requests();
    assert_eq!(told.len(), asked.len(), "{told:#?}");
    for request in &asked {
        let action = request["action"].as_str().and_then(|action| action.rsplit(':').next()).expect("an action");
        let end = format!(", request {}", request["request_id"].as_str().expect("an id"));
        let its = told.iter().find(|line| line.ends_with(&end)).unwrap_or_else(|| panic!("{request}: {told:#?}"));
        // What is not there is refused with a code.
        let refused = its.contains(&format!(" {action}: {} ", request["status"]));
        assert!(refused && (request["status"] == 200) == its.contains(&format!(" {action}: 200 in ")), "{its}");
    }
    let plain = desk.end(desk.live(&["plan"]));
    assert_eq!(plain.err, "", "without it nothing of the kind is said");
}

#[test]
fn verbose_tells_what_is_tried_again_and_with_which_code_it_was_refused() {
    let desk = Desk::new();
    desk.sim.fault(&json!({ "action": "DescribeClusters", "nth": 1, "fault": "throttle" }));
    let ran = desk.end(desk.live(&["plan", "-v"]));
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    let told: Vec<&str> = ran.err.lines().filter(|line| line.contains("DescribeClusters")).collect();
    assert_eq!(told.len(), 3, "{told:#?}");
    assert!(told[0].starts_with("aws: ECS DescribeClusters: 400 ThrottlingException in "), "{}", told[0]);
    assert!(
        told[1].starts_with("aws: DescribeClusters is tried again in ") && told[1].ends_with(", try 2 of at most 12"),
        "{}",
        told[1]
    );
    assert!(told[2].starts_with("aws: ECS DescribeClusters: 200 in "), "{}", told[2]);
}

#[test]
fn quiet_and_verbose_are_two_wishes() {
    let ran = Desk::new().call(&["rehearse", "-q", "-v"]);
    assert_eq!(ran.code, Some(2));
    assert!(ran.err.contains("'--quiet' cannot be used with '--verbose...'"), "{}", ran.err);
}

/// What a command prints on a terminal: `script` (of util-linux, in every Debian) gives it one.
fn on_a_terminal(words: &str, environment: &[(&str, &str)]) -> String {
    let mut command = Command::new("script");
    command.args(["--quiet", "--return", "--command", &format!("{BINARY} {words}"), "/dev/null"]);
    command.env_clear().envs([("TERM", "xterm-256color"), ("LANG", "C.UTF-8"), ("PATH", "/usr/bin:/bin"), ("SHELL", "/bin/sh")]);
    let output = command.envs(environment.iter().copied()).stdin(Stdio::null()).output().expect("`script` runs");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn without_colour_no_escape_goes_to_a_terminal() {
    const ESCAPE: char = '\u{1b}';
    for words in ["rehearse", "run --help", "rehearse --no-such-option", "check"] {
        let plain = on_a_terminal(words, &[("NO_COLOR", "1")]);
        assert!(plain.len() > 50 && !plain.contains(ESCAPE), "{words}: {plain:?}");
        let colourful = on_a_terminal(words, &[]);
        assert!(colourful.contains(ESCAPE), "{words}: the terminal would have taken colour: {colourful:?}");
    }
}

/// Minutes without a word look like a program that hangs.
#[test]
fn a_call_that_is_throttled_for_long_is_told() {
    let desk = Desk::new();
    let throttled = |action: &str, times: u32| {
        (1..=times).for_each(|nth| desk.sim.fault(&json!({ "action": action, "nth": nth, "fault": "throttle" })));
    };
    let told =
        |text: &str, operation: &str| text.lines().filter(|line| line.contains(&format!("{operation} is tried again in "))).count();
    throttled("DescribeClusters", 6);
    let ran = desk.end(desk.live(&["plan"]));
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    assert!((3..=6).contains(&told(&ran.err, "DescribeClusters")), "{}", ran.err);
    throttled("DescribeClusters", 6);
    let ran = desk.end(desk.live(&["plan", "--quiet"]));
    assert_eq!((ran.code, told(&ran.err, "DescribeClusters")), (Some(0), 0), "{}", ran.err);
    // In a step it is the step's news.
    throttled("CreateLogGroup", 6);
    let ran = desk.end(desk.live(&["run", "--yes", "--output", "json", "--pause-before", "register-task-definition"]));
    assert_eq!(ran.code, Some(6), "{}", ran.err);
    let lines = ran.out.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).expect("a line of JSON"));
    let retries: Vec<serde_json::Value> = lines.filter(|line| line["kind"] == "retry").collect();
    assert!((3..=6).contains(&retries.len()), "{}", ran.out);
    for line in &retries {
        assert_eq!((&line["event"], &line["operation"]), (&json!("progress"), &json!("CreateLogGroup")), "{line}");
        assert!(line["step"].as_str().is_some_and(|step| step.starts_with("create-log-group/")), "{line}");
    }
    assert_eq!(told(&ran.err, "CreateLogGroup"), 0, "{}", ran.err);
}
