//! `rehearse`: the whole migration in one process, on virtual time.

use insta::assert_snapshot;
use serde_json::Value;

use crate::cli_support::{Desk, Ran, file, redacted};

fn rehearse(words: &[&str]) -> Ran {
    let desk = Desk::new();
    desk.end(desk.command(&[&["rehearse"], words].concat()))
}

fn closed_port(words: &[&str]) -> Ran {
    let (world, variables) = (file("tests/worlds/nexus-ai-dev.json"), file("tests/worlds/nexus-ai-dev.tfvars"));
    rehearse(&[&["--world", &world, "--var-file", &variables], words].concat())
}

#[test]
fn the_built_in_world_is_migrated_without_losing_a_span() {
    let ran = rehearse(&[]);
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    let summary = ran.err.split("Summary of run").nth(1).expect("a summary");
    assert_snapshot!(redacted(summary.split_once(':').expect("a run").1.trim_start()), @r#"
    6 of 6 stages done in T
      ✓ 1/6 create-log-group          done  (T)
      ✓ 2/6 register-task-definition  done  (T)
      ✓ 3/6 create-service            done  (T)
      ✓ 4/6 register-dns              done  (T)
      ✓ 5/6 retarget-api-env          done  (T)
      ✓ 6/6 strip-sidecar             done  (T)
    "#);
    let total = ran.out.lines().find(|line| line.trim_start().starts_with("total ")).expect("a total");
    let numbers: Vec<u64> = total.split_whitespace().skip(1).map(|number| number.parse().expect("a number")).collect();
    assert!(numbers[0] > 1000 && numbers[0] == numbers[1] && numbers[3] == 0, "sent, arrived, retained, lost: {total}");
}

#[test]
fn each_shipped_runbook_is_rehearsed_on_a_world_of_its_own() {
    let file = file("runbooks/xray-daemon-sidecar-to-shared.hcl");
    for runbook in ["xray-daemon-sidecar-to-shared", "otel-collector-sidecar-to-shared", &file] {
        let ran = rehearse(&[runbook]);
        assert_eq!(ran.code, Some(0), "{runbook}: {}", ran.err);
        assert!(ran.err.contains("6 of 6 stages done"), "{}", ran.err);
        let total = ran.out.lines().find(|line| line.trim_start().starts_with("total ")).expect("a total");
        let numbers: Vec<u64> = total.split_whitespace().skip(1).map(|number| number.parse().expect("a number")).collect();
        assert!(numbers[0] > 1000 && numbers[..3] == [numbers[0]; 3] && numbers[3] == 0, "{runbook}: {total}");
    }
    let ran = rehearse(&["no-such-runbook"]);
    let names = "jaeger-sidecar-to-shared, otel-collector-sidecar-to-shared, xray-daemon-sidecar-to-shared";
    assert!(ran.err.contains(&format!("name a file, or a shipped runbook: {names}")), "{}", ran.err);
}

#[test]
fn the_same_seed_gives_the_same_to_the_letter() {
    let [one, two, other] = ["7", "7", "8"].map(|seed| rehearse(&["--seed", seed]));
    assert_eq!((&one.out, &one.err), (&two.out, &two.err));
    assert_ne!(one.err, other.err);
}

#[test]
fn programs_get_a_line_of_json_for_each_event() {
    let ran = rehearse(&["--output", "json"]);
    assert_eq!((ran.code, ran.err.as_str()), (Some(0), ""));
    let events: Vec<Value> = ran.out.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert!(events.len() > 60);
    let last = events.last().expect("an event");
    assert_eq!(last["event"], "rehearsal");
    assert_eq!(last["calls"]["ecs:CreateService"], 1);
    let lost = last["spans"]["labels"]
        .as_array()
        .expect("stages")
        .iter()
        .filter(|row| row["lost"].as_object().is_some_and(|l| !l.is_empty()));
    assert_eq!(lost.count(), 0);
}

#[test]
fn a_closed_port_stops_the_plan() {
    let ran = closed_port(&[]);
    assert_snapshot!(format!("exit {}\n{}", ran.code.expect("a code"), ran.err), @r#"
    exit 4
    error: 1 finding blocks this plan

      span-port-closed: sg-6c01342a81931c9a7
        found:       no rule of sg-6c01342a81931c9a7 lets the tasks of `nexus-ai-api-dev` (sg-6c01342a81931c9a7) in on TCP 4317 and 4318
        consequence: every rollout would be green and every span would be lost
        fix:         set variable `open_otlp_ports` to true: stage `open-ports` opens what is closed, and a rollback closes it again; or by hand: aws ec2 authorize-security-group-ingress --group-id sg-6c01342a81931c9a7 --protocol tcp --port 4317 --source-group sg-6c01342a81931c9a7 && aws ec2 authorize-security-group-ingress --group-id sg-6c01342a81931c9a7 --protocol tcp --port 4318 --source-group sg-6c01342a81931c9a7

    hint: repair what is named above; or, knowing the consequence, add `--accept span-port-closed`
    "#);
    assert_eq!(ran.out, "");
}

#[test]
fn with_the_closed_port_accepted_the_spans_are_lost_and_the_gate_stays_shut() {
    let ran = closed_port(&["--accept", "span-port-closed"]);
    assert_eq!(ran.code, Some(6));
    let summary = ran.err.split("Summary of run").nth(1).expect("a summary");
    assert_snapshot!(redacted(summary.split_once(':').expect("a run").1.trim_start()), @r#"
    4 of 6 stages done in T
      ✓ 1/6 create-log-group          done  (T)
      ✓ 2/6 register-task-definition  done  (T)
      ✓ 3/6 create-service            done  (T)
      ✓ 4/6 register-dns              done  (T)
      ‖ 5/6 retarget-api-env          not done: `see that spans arrive` waits for a person
      · 6/6 strip-sidecar             not run: retarget-api-env is not done
    paused: stage 5/6 `retarget-api-env` waits for a person: see that spans arrive
      Caused by: the shared Jaeger has no trace of `api` begun after the rollout within 2 min, although the sidecars had spans before it: to strip the sidecar now would lose traces

    state: stages 1-4 done, stage 5 (retarget-api-env) not done
    hint: this was a rehearsal, and nothing remains of it: a real run would stop here too, to be resumed or rolled back
    "#);
    let lost: Vec<&str> = ran.out.lines().filter(|line| line.contains(" lost during ")).collect();
    assert_eq!(lost.len(), 2, "{lost:?}");
    assert!(lost.iter().all(|line| line.ends_with("a security group blocks the port")), "{lost:?}");
    assert!(lost[0].contains("retarget-api-env") && !ran.out.contains("strip-sidecar"), "{}", ran.out);
}

#[test]
fn the_run_repairs_what_stands_in_its_way_where_it_may() {
    let ran = closed_port(&["--var", "open_otlp_ports=true", "--var", "set_health_path=true", "--var", "jaeger_base_path=/jaeger"]);
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    let summary = ran.err.split("Summary of run").nth(1).expect("a summary");
    assert_snapshot!(redacted(summary.split_once(':').expect("a run").1.trim_start()), @r#"
    8 of 8 stages done in T
      ✓ 1/8 create-log-group          done  (T)
      ✓ 2/8 register-task-definition  done  (T)
      ✓ 3/8 open-ports                done  (T)
      ✓ 4/8 set-health-path           done  (T)
      ✓ 5/8 create-service            done  (T)
      ✓ 6/8 register-dns              done  (T)
      ✓ 7/8 retarget-api-env          done  (T)
      ✓ 8/8 strip-sidecar             done  (T)
    "#);
    let total = ran.out.lines().find(|line| line.trim_start().starts_with("total ")).expect("a total");
    let numbers: Vec<u64> = total.split_whitespace().skip(1).map(|number| number.parse().expect("a number")).collect();
    assert!(numbers[0] > 1000 && numbers[0] == numbers[1] && numbers[3] == 0, "sent, arrived, retained, lost: {total}");
}

#[test]
fn a_crash_can_be_tried_alone() {
    let ran = rehearse(&["--faults", "crashes", "--point", "200"]);
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    assert_snapshot!(ran.out, @"
    The way there: point 200 (BeforeRequest DescribeTaskDefinition, after 13 commits), in create-service

    all 2 tries ended as they must: as without the crash, or back at the start
    ");
    let back = rehearse(&["--faults", "crashes", "--way-back", "--point", "100", "--output", "json"]);
    assert_eq!((back.code, back.err.as_str()), (Some(0), ""));
    let told: Value = serde_json::from_str(&back.out).expect("one line of JSON");
    assert_eq!((&told["event"], &told["back"], &told["failures"]), (&"crash-sweep".into(), &true.into(), &Value::Array(vec![])));
    let tried: u64 = told["stages"].as_array().expect("stages").iter().filter_map(|row| row["resumed"]["tried"].as_u64()).sum();
    assert_eq!(tried, 1);
}

#[test]
fn a_crash_point_that_is_not_there_is_said_to_be_so() {
    let ran = rehearse(&["--faults", "crashes", "--point", "100000"]);
    assert_snapshot!(format!("exit {}\n{}", ran.code.expect("a code"), ran.err.split_once("error").expect("an error").1), @r"
    exit 2
    : no crash point to try has the number 100000

    hint: points of the way back want `--way-back`; without `--point` the table shows what there is
    ");
    let ran = rehearse(&["--point", "3"]);
    assert_snapshot!(format!("exit {}\n{}", ran.code.expect("a code"), ran.err), @r"
    exit 2
    error: `--point` and `--way-back` are about crashes

    hint: add `--faults crashes`
    ");
}

#[test]
fn a_run_that_does_not_come_to_its_end_cannot_be_swept() {
    let ran = rehearse(&["--faults", "crashes", "--var", "rollout_timeout=10s"]);
    assert_snapshot!(format!("exit {}\n{}", ran.code.expect("a code"), ran.err.split_once("error").expect("an error").1), @r"
    exit 5
    : the drill has nothing to hold on to: even with nothing in its way the run does not come to its end
      Caused by: step `create-service/nexus-ai-jaeger-staging/rollout`: the rollout of `nexus-ai-jaeger-staging` is not complete after 10 s

    hint: see the whole run with `sidestep rehearse` and the same options
    ");
}
