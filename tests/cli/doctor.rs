//! `doctor` and `logs` as an operator meets them. Which cause is named for which trouble is tried in tests/recovery.

use insta::assert_snapshot;
use rustix::process::Signal;
use serde_json::{Value, json};

use crate::cli_support::{Desk, until};

const JAEGER: &str = "nexus-ai-jaeger-staging";

fn document(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

#[test]
fn a_run_that_failed_is_looked_into_with_nothing_given() {
    let desk = Desk::new();
    let well = desk.end(desk.live(&["doctor"]));
    assert_eq!(well.code, Some(0), "{}{}", well.out, well.err);
    assert!(well.out.ends_with("Nothing is wrong that can be seen.\n"), "{}", well.out);
    desk.sim.fault(&json!({ "image": "jaegertracing/all-in-one:1.99", "fault": "cannot-pull" }));
    let mut command = desk.live(&["run", "--yes"]);
    command.args(["--var", "jaeger_image=jaegertracing/all-in-one:1.99"]);
    assert_eq!(desk.end(command).code, Some(5));
    let found = desk.call(&["doctor"]);
    assert_eq!(found.code, Some(4), "{}{}", found.out, found.err);
    let shown: Vec<String> = desk
        .shown(&found.out)
        .lines()
        // How far AWS got with the last deployment differs from one time to the next.
        .filter(|line| !line.contains("evidence") && !line.starts_with("            "))
        .map(|line| line.split(" tasks run").next().unwrap_or(line).to_owned())
        .collect();
    assert_snapshot!(shown.join("\n"), @r"
    Account 111122223333, Region us-west-2, cluster nexus-ai-cluster-staging; run RUN stands in stage create-service

      nexus-ai-jaeger-staging  not well  0 of 1
      nexus-ai-api-staging     well      2 of 2

    Most likely: the image's name or tag does not exist (image-missing)
      about     nexus-ai-jaeger-staging
      next      name an image that exists and go on: `sidestep resume RUN --var jaeger_image=…`
    ");
    let told = document(&desk.call(&["doctor", "--output", "json"]).out);
    assert_eq!((&told["healthy"], &told["run"]), (&json!(false), &json!(desk.run_id())));
    let first = &told["causes"][0];
    assert_eq!((&first["id"], &first["about"]), (&json!("image-missing"), &json!(JAEGER)));
    assert!(first["evidence"].to_string().contains("CannotPullContainerError"), "{first}");
    let resumed = desk.call(&["resume", "--yes", "--var", "jaeger_image=jaegertracing/all-in-one:1.60"]);
    assert_eq!(resumed.code, Some(0), "{}", resumed.err);
    let after = desk.call(&["doctor"]);
    assert_eq!(after.code, Some(0), "the finished run says what it is about: {}{}", after.out, after.err);
}

#[test]
fn what_containers_log_is_not_printed_where_it_may_be_kept() {
    let desk = Desk::new();
    desk.sim.fault(&json!({ "image": "jaegertracing/all-in-one:latest", "fault": "exits" }));
    assert_eq!(desk.end(desk.live(&["run", "--yes"])).code, Some(5));
    for output in ["text", "json"] {
        let found = desk.call(&["doctor", "--output", output]);
        assert_eq!(found.code, Some(4), "{}{}", found.out, found.err);
        assert!(!format!("{}{}", found.out, found.err).contains("exiting with code"), "{}{}", found.out, found.err);
    }
    let mut seen = desk.sit(desk.command(&["doctor"]), 160, 60);
    assert_eq!(seen.wait(), Some(4));
    assert!(seen.has_shown().contains("exiting with code 1"), "{}", seen.has_shown());
}

#[test]
fn log_lines_are_shown_as_the_aws_cli_shows_them() {
    let desk = Desk::new();
    let none = desk.end(desk.live(&["logs"]));
    assert_eq!(none.code, Some(4), "{}", none.err);
    assert!(none.err.contains("log group `/ecs/nexus-ai-jaeger-staging` does not exist"), "{}", none.err);
    assert!(none.err.contains("`sidestep plan`"), "{}", none.err);
    assert_eq!(desk.end(desk.live(&["run", "--yes"])).code, Some(0));
    let shown = desk.call(&["logs", "--since", "2d"]);
    assert_eq!(shown.code, Some(0), "{}", shown.err);
    let line = shown.out.lines().next().expect("a line");
    let words: Vec<&str> = line.splitn(3, ' ').collect();
    assert!(words[0].ends_with("000+00:00") && words[0].len() == "2026-01-02T03:04:05.678000+00:00".len(), "{line}");
    assert!(words[1].starts_with("jaeger/jaeger/"), "{line}");
    let lines = desk.call(&["logs", "--since", "2d", "--output", "json"]);
    assert_eq!(lines.out.lines().count(), shown.out.lines().count());
}

#[test]
fn followed_lines_come_once_until_ctrl_c() {
    let desk = Desk::new();
    assert_eq!(desk.end(desk.live(&["run", "--yes"])).code, Some(0));
    let running = desk.start(desk.command(&["logs", "--follow", "--since", "2d"]));
    let count = || running.out().lines().count();
    let before = until("the lines that are there", || Some(count()).filter(|count| *count > 0));
    let input = json!({ "cluster": "nexus-ai-cluster-staging", "service": JAEGER, "forceNewDeployment": true });
    desk.sim.foreign("UpdateService", &input);
    until("the new task's line", || (count() > before).then_some(()));
    running.signal(Signal::INT);
    let ran = running.wait();
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    let mut lines: Vec<&str> = ran.out.lines().collect();
    let all = lines.len();
    lines.sort_unstable();
    lines.dedup();
    assert_eq!(lines.len(), all, "a line came twice: {}", ran.out);
}
