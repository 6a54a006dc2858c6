//! Every message as the operator reads it. [`samples!`] has no wildcard: a variant without a sample here does not compile, and a
//! sample without a snapshot does not pass.

use std::sync::Arc;

use super::*;
use crate::model::{AwsRefusal, Remainder, RunId, SourceFile, SourceSpan, StageId, Where};
use crate::ui::fixtures;

macro_rules! samples {
    ($($variant:ident => $sample:expr;)*) => {
        /// One error of each variant, with its name.
        fn samples() -> Vec<(&'static str, Error)> {
            fn name(error: &Error) -> &'static str {
                match error { $(Error::$variant { .. } => stringify!($variant),)* }
            }
            let samples = vec![$((stringify!($variant), $sample)),*];
            for (wanted, sample) in &samples {
                assert_eq!(*wanted, name(sample), "the sample of {wanted} is of another variant");
            }
            samples
        }
    };
}

fn run() -> RunId {
    RunId::new("r7k2")
}

fn text(words: &str) -> String {
    words.to_owned()
}

fn at() -> Where {
    Where {
        run: run(),
        state: text("stages 1-4 done, stage 5 not done; the service runs revision 2 as before"),
        meanwhile: None,
        next: vec![
            text("after fixing the image, run `sidestep resume r7k2`"),
            text("to undo stages 4-1, run `sidestep rollback r7k2`"),
        ],
    }
}

samples! {
    Usage => Error::Usage { message: text("`--pause-before` names no stage: `retarget`"), hint: Some(text("write `--pause-before retarget-api-env`")) };
    NobodyToAsk => Error::NobodyToAsk;
    NotConfirmed => Error::NotConfirmed {
        message: text("`--yes` alone does not start a run in prod"),
        environment: text("prod"),
    };
    FileUnreadable => Error::FileUnreadable {
        what: text("variable file"),
        path: text("terraform.tfvars"),
        why: text("No such file or directory (os error 2)"),
        hint: Some(text("name another with `--var-file FILE`")),
    };
    FileUnwritable => Error::FileUnwritable {
        what: text("world file"),
        path: text("runbook.hcl"),
        why: text("it is there already, and is no world file: only a world file is replaced"),
    };
    OutputUnwritable => Error::OutputUnwritable {
        why: text("No space left on device (os error 28)"),
        next: text("make room, or send stdout elsewhere, and run the same command again"),
    };
    WorldInvalid => Error::WorldInvalid {
        path: text("staging.json"),
        why: text("`region` is us-west-2, and runbook `r` is for eu-west-1"),
        hint: Some(text("capture the right account and Region, or set variable `aws_region`")),
    };
    SealedPlanInvalid => Error::SealedPlanInvalid {
        path: text("plan.json"),
        why: text("it was altered: its content does not have the digest that it was sealed with"),
    };
    SealedPlanOutdated => Error::SealedPlanOutdated {
        path: text("plan.json"),
        changes: vec![text("service nexus-ai-api-staging: desiredCount 2 → 4")],
    };
    RunNotFound => Error::RunNotFound { wanted: text("x9"), state_dir: text("/srv/state"), known: vec![text("r7k2"), text("m4xd")] };
    RunAmbiguous => Error::RunAmbiguous { wanted: Some(text("r7")), candidates: vec![text("r7k2"), text("r7mm")] };
    NoOpenRun => Error::NoOpenRun { state_dir: text("/srv/state") };
    NotApplicable => Error::NotApplicable {
        run: run(),
        verb: text("approved"),
        why: text("none of its steps is held"),
        hint: Some(text("see where it stands with `sidestep status r7k2`")),
    };
    RunbookInvalid => Error::RunbookInvalid { problems: problems() };
    RunbookRefuses => Error::RunbookRefuses {
        message: text("enable_jaeger is false: there is no Jaeger to move"),
        hint: Some(text("set it with `--var enable_jaeger=true`")),
    };
    RunbookChanged => Error::RunbookChanged { run: run(), changes: vec![text("jaeger_image: \"a\" → \"b\"")] };
    Blocked => Error::Blocked { findings: vec![fixtures::findings()[1].clone()] };
    Credentials => Error::Credentials {
        why: text("ExpiredTokenException: The security token included in the request is expired"),
        at: Some(Where { meanwhile: Some(text("ECS goes on with the rollout of `nexus-ai-api-staging`")), next: vec![text("refresh the credentials, then run `sidestep resume r7k2`")], ..at() }),
    };
    Unreachable => Error::Unreachable {
        operation: text("DescribeServices"),
        endpoint: text("http://127.0.0.1:4566"),
        why: text("connection refused"),
        at: None,
    };
    Refused => Error::Refused {
        refusal: AwsRefusal {
            operation: text("DescribeClusters"),
            resource: text("cluster nexus-ai-cluster-staging"),
            code: text("AccessDeniedException"),
            message: text("User: arn:aws:sts::111122223333:assumed-role/reader/alice is not authorized to perform: ecs:DescribeClusters"),
            request_id: Some(text("5f1e6a0e-0001")),
        },
        hint: Some(text("`sidestep policy` prints the permissions that are needed")),
    };
    NotFound => Error::NotFound {
        what: text("cluster"),
        name: text("nexus-ai-cluster-staging"),
        place: text("account 111122223333, us-east-1"),
        hint: Some(text("is the Region right? Choose another with `--region`")),
    };
    WrongTarget => Error::WrongTarget {
        run: run(),
        bound: text("account 111122223333, us-west-2"),
        found: text("account 444455556666, us-west-2"),
    };
    WrongPlace => Error::WrongPlace { expected: text("us-west-2"), found: text("us-east-1") };
    Stopped => Error::Stopped {
        headline: text("stage 5/6 `retarget-api-env` stopped: the rollout of `nexus-ai-api-staging` failed"),
        causes: fixtures::rollout_failure().causes,
        at: at(),
    };
    Paused => Error::Paused {
        headline: text("paused: Ctrl-C"),
        causes: vec![],
        at: Where { meanwhile: Some(text("ECS goes on with the rollout of `nexus-ai-api-staging`")), ..at() },
    };
    Stuck => Error::Stuck {
        headline: text("stage 6/6 `create-log-group` cannot be undone: somebody else uses log group /ecs/nexus-ai-jaeger-staging by now"),
        causes: vec![text("log stream `web/app/0412` is not this run's")],
        remains: vec![Remainder {
            kind: text("log group"),
            name: text("/ecs/nexus-ai-jaeger-staging"),
            stage: StageId::new("create-log-group"),
            made: "2026-01-02T03:04:05Z".parse().expect("a time"),
            why: text("somebody else uses log group /ecs/nexus-ai-jaeger-staging by now"),
            remove: text("aws logs delete-log-group --log-group-name /ecs/nexus-ai-jaeger-staging --region us-west-2"),
            harmless: false,
        }],
        at: Where { state: text("stages 6-2 undone, stage 1 not"), ..at() },
    };
    EndedRolledBack => Error::EndedRolledBack { run: run() };
    RunHeld => Error::RunHeld { run: run(), holder: text("alice@bastion (pid 4711)") };
    HolderRuns => Error::HolderRuns { run: run(), holder: text("alice@bastion (pid 4711)") };
    TargetTaken => Error::TargetTaken { service: text("nexus-ai-api-staging"), run: run(), holder: None };
    Claimed => Error::Claimed {
        headline: text("service `nexus-ai-api-staging` is claimed by run `s3m9` of bob@laptop, since 2026-11-22T17:00:00Z"),
        causes: vec![text("it is removed when that run is over; if that run is known to be dead, remove it with `aws ecs untag-resource …`")],
        at: None,
    };
    Fenced => Error::Fenced { run: run(), by: text("bob@bastion (pid 4712)"), why: Some(text("her laptop sleeps")) };
    JournalUnusable => Error::JournalUnusable {
        path: text("/srv/state"),
        why: text("Permission denied (os error 13)"),
        hint: Some(text("name another directory with `--state DIR`")),
    };
    JournalNewer => Error::JournalNewer { path: text("/srv/state/journal.sqlite"), found: 7, known: 3 };
    JournalDamaged => Error::JournalDamaged { run: run(), why: text("record 9 follows record 7") };
    JournalWrite => Error::JournalWrite { path: text("/srv/state/journal.sqlite"), why: text("database or disk is full"), at: Some(at()) };
    DrillUnfit => Error::DrillUnfit { causes: vec![text("step `create-service/nexus-ai-jaeger-staging/healthy`: the rollout failed")] };
    DrillFailed => Error::DrillFailed {
        failed: 2,
        tried: 154,
        first: vec![text("RollBack from point 101 (AfterEffect CreateService, after 9 commits)"), text("/ecs/services/1: absent → {}")],
        replay: text("sidestep rehearse --faults crashes --point 101"),
    };
    Internal => Error::Internal { message: text("a Wait step that is Done cannot be Held") };
}

fn problems() -> Vec<Problem> {
    let file = Arc::new(SourceFile { path: text("terraform.tfvars"), text: text("jaeger_cpu = \"abc\"\n") });
    vec![
        Problem {
            message: text("variable `jaeger_cpu` wants a number, not \"abc\""),
            span: Some(SourceSpan { file, range: 13..18 }),
            hint: Some(text("write jaeger_cpu = 1024")),
        },
        Problem { message: text("variable `project_name` has no value"), span: None, hint: None },
    ]
}

/// Stands in for the runbook module's own rendering, which this module must not see.
fn problem(problem: &Problem) -> String {
    let place = problem.span.as_ref().map(|span| format!("{}:{}", span.file.path, span.start().line)).unwrap_or_default();
    format!("problem: {} {place}\n", problem.message)
}

#[test]
#[allow(clippy::too_many_lines, reason = "one message after the other, as they are shown")]
fn every_variant_has_its_message() {
    let shown: Vec<String> = samples()
        .iter()
        .map(|(name, error)| {
            format!("── {name}, exit code {}\n{}\n", error.exit().code(), render(error, &problem, &Style::plain()))
        })
        .collect();
    insta::assert_snapshot!(shown.join("\n"), @r#"
    ── Usage, exit code 2
    error: `--pause-before` names no stage: `retarget`

    hint: write `--pause-before retarget-api-env`

    ── NobodyToAsk, exit code 2
    error: not a terminal: nobody can confirm this run

    hint: read the plan with `sidestep plan`, then run again with `--yes`

    ── NotConfirmed, exit code 2
    error: `--yes` alone does not start a run in prod

    hint: if that is the environment that you mean, add `--confirm prod`

    ── FileUnreadable, exit code 2
    error: cannot read variable file `terraform.tfvars`
      Caused by: No such file or directory (os error 2)

    hint: name another with `--var-file FILE`

    ── FileUnwritable, exit code 2
    error: cannot write world file `runbook.hcl`
      Caused by: it is there already, and is no world file: only a world file is replaced

    ── OutputUnwritable, exit code 2
    error: cannot write to stdout: what was to be printed is not all there
      Caused by: No space left on device (os error 28)

    hint: make room, or send stdout elsewhere, and run the same command again

    ── WorldInvalid, exit code 3
    error: world file `staging.json` cannot be used
      Caused by: `region` is us-west-2, and runbook `r` is for eu-west-1

    hint: capture the right account and Region, or set variable `aws_region`

    ── SealedPlanInvalid, exit code 3
    error: `plan.json` is no sealed plan that can be carried out
      Caused by: it was altered: its content does not have the digest that it was sealed with

    hint: plan anew, read it, and seal it again: `sidestep plan … --out FILE`

    ── SealedPlanOutdated, exit code 4
    error: the sealed plan `plan.json` does not fit the account any more
      Caused by: service nexus-ai-api-staging: desiredCount 2 → 4

    hint: plan anew, read it, and seal it again: `sidestep plan … --out FILE`

    ── RunNotFound, exit code 2
    error: no run `x9`
      Caused by: searched /srv/state; it holds r7k2, m4xd

    hint: list the runs with `sidestep runs`, or name another directory with `--state DIR`

    ── RunAmbiguous, exit code 2
    error: several runs begin with `r7`
      Caused by: they are r7k2, r7mm

    hint: add the id of the one that is meant; `sidestep runs` tells them apart

    ── NoOpenRun, exit code 2
    error: there is no unfinished run
      Caused by: searched /srv/state

    hint: list the runs with `sidestep runs`; start one with `sidestep run`

    ── NotApplicable, exit code 2
    error: run `r7k2` cannot be approved: none of its steps is held

    hint: see where it stands with `sidestep status r7k2`

    ── RunbookInvalid, exit code 3
    error: 2 problems in the runbook or its variables

    problem: variable `jaeger_cpu` wants a number, not "abc" terraform.tfvars:1

    problem: variable `project_name` has no value

    ── RunbookRefuses, exit code 3
    error: enable_jaeger is false: there is no Jaeger to move

    hint: set it with `--var enable_jaeger=true`

    ── RunbookChanged, exit code 3
    error: the runbook of run `r7k2` has changed since it started
      Caused by: jaeger_image: "a" → "b"

    hint: to go on with the plan as it was agreed to, run `sidestep resume r7k2` without other variables
    hint: to go back, run `sidestep rollback r7k2`

    ── Blocked, exit code 4
    error: 1 finding blocks this plan

      span-port-closed: security group sg-0a1b2c3d4e5f60718
        found:       nothing lets TCP 4317 and 4318 in from the API's tasks
        consequence: every span is lost from stage 5 on, and no AWS API shows it
        fix:         aws ec2 authorize-security-group-ingress --group-id sg-0a1b2c3d4e5f60718 --protocol tcp --port 4317-4318 --source-group sg-0a1b2c3d4e5f60718

    hint: repair what is named above; or, knowing the consequence, add `--accept span-port-closed`

    ── Credentials, exit code 6
    error: AWS does not accept the credentials
      Caused by: ExpiredTokenException: The security token included in the request is expired

    state: stages 1-4 done, stage 5 not done; the service runs revision 2 as before
    meanwhile: ECS goes on with the rollout of `nexus-ai-api-staging`
    hint: refresh the credentials, then run `sidestep resume r7k2`

    ── Unreachable, exit code 5
    error: cannot reach AWS: DescribeServices got no usable answer
      Caused by: http://127.0.0.1:4566: connection refused

    hint: check the network, `--region` and `--endpoint-url`, and run the same command again

    ── Refused, exit code 5
    error: AWS refused DescribeClusters for cluster nexus-ai-cluster-staging
      Caused by: AccessDeniedException: User: arn:aws:sts::111122223333:assumed-role/reader/alice is not authorized to perform: ecs:DescribeClusters (request 5f1e6a0e-0001)

    hint: `sidestep policy` prints the permissions that are needed

    ── NotFound, exit code 4
    error: cluster `nexus-ai-cluster-staging` does not exist in account 111122223333, us-east-1

    hint: is the Region right? Choose another with `--region`

    ── WrongTarget, exit code 2
    error: run `r7k2` is bound to account 111122223333, us-west-2, this is account 444455556666, us-west-2

    hint: use the profile, Region and endpoint that the run was started with

    ── WrongPlace, exit code 2
    error: the runbook is for us-west-2, the credentials lead to us-east-1

    hint: choose another `--profile` or `--region`, or change the runbook's variables

    ── Stopped, exit code 5
    error: stage 5/6 `retarget-api-env` stopped: the rollout of `nexus-ai-api-staging` failed
      Caused by: deployment ecs-svc/0412 was rolled back by the circuit breaker
      Caused by: 3 tasks stopped: CannotPullContainerError

    state: stages 1-4 done, stage 5 not done; the service runs revision 2 as before
    hint: after fixing the image, run `sidestep resume r7k2`
    hint: to undo stages 4-1, run `sidestep rollback r7k2`

    ── Paused, exit code 6
    paused: Ctrl-C

    state: stages 1-4 done, stage 5 not done; the service runs revision 2 as before
    meanwhile: ECS goes on with the rollout of `nexus-ai-api-staging`
    hint: after fixing the image, run `sidestep resume r7k2`
    hint: to undo stages 4-1, run `sidestep rollback r7k2`

    ── Stuck, exit code 8
    error: stage 6/6 `create-log-group` cannot be undone: somebody else uses log group /ecs/nexus-ai-jaeger-staging by now
      Caused by: log stream `web/app/0412` is not this run's

    Left in AWS:
      log group /ecs/nexus-ai-jaeger-staging
        made:   in stage create-log-group, 2026-01-02 03:04:05Z
        why:    somebody else uses log group /ecs/nexus-ai-jaeger-staging by now
        remove: aws logs delete-log-group --log-group-name /ecs/nexus-ai-jaeger-staging --region us-west-2

    state: stages 6-2 undone, stage 1 not
    hint: after fixing the image, run `sidestep resume r7k2`
    hint: to undo stages 4-1, run `sidestep rollback r7k2`

    ── EndedRolledBack, exit code 7
    error: run `r7k2` was rolled back: the migration is not done

    hint: read what happened with `sidestep status r7k2`

    ── RunHeld, exit code 9
    error: run `r7k2` is held by alice@bastion (pid 4711)

    hint: watch it with `sidestep status r7k2`
    hint: ask it to pause with `sidestep pause r7k2`
    hint: if it is stopped, asleep or hung, take the run from it with `sidestep resume r7k2 --take-over --reason "…"`

    ── HolderRuns, exit code 9
    error: run `r7k2` is held by alice@bastion (pid 4711), which is not seen to be stopped

    hint: ask it to pause with `sidestep pause r7k2`, then go on without `--take-over`
    hint: to take the run from it all the same, add `--yes`: what it waits for is left

    ── TargetTaken, exit code 9
    error: service `nexus-ai-api-staging` is already being changed by run `r7k2`

    hint: finish it with `sidestep resume r7k2`, or go back with `sidestep rollback r7k2`
    hint: give it up as it stands with `sidestep abandon r7k2`

    ── Claimed, exit code 9
    error: service `nexus-ai-api-staging` is claimed by run `s3m9` of bob@laptop, since 2026-11-22T17:00:00Z
      Caused by: it is removed when that run is over; if that run is known to be dead, remove it with `aws ecs untag-resource …`

    hint: when that run is over, run the same command again

    ── Fenced, exit code 5
    error: run `r7k2` was taken over by bob@bastion (pid 4712); this one wrote nothing more
      Caused by: the reason given: her laptop sleeps

    hint: see who holds it with `sidestep status r7k2`

    ── JournalUnusable, exit code 2
    error: cannot use the journal in `/srv/state`
      Caused by: Permission denied (os error 13)

    hint: name another directory with `--state DIR`

    ── JournalNewer, exit code 2
    error: the journal `/srv/state/journal.sqlite` was written by a newer sidestep
      Caused by: its schema is version 7, this program knows up to 3

    hint: use the newer sidestep, or another directory with `--state DIR`

    ── JournalDamaged, exit code 5
    error: the journal of run `r7k2` is damaged
      Caused by: record 9 follows record 7

    hint: keep the file, and compare AWS with `sidestep status r7k2` from a backup

    ── JournalWrite, exit code 5
    error: the journal `/srv/state/journal.sqlite` cannot be written: the run stopped at once
      Caused by: database or disk is full

    state: stages 1-4 done, stage 5 not done; the service runs revision 2 as before
    hint: after fixing the image, run `sidestep resume r7k2`
    hint: to undo stages 4-1, run `sidestep rollback r7k2`

    ── DrillUnfit, exit code 5
    error: the drill has nothing to hold on to: even with nothing in its way the run does not come to its end
      Caused by: step `create-service/nexus-ai-jaeger-staging/healthy`: the rollout failed

    hint: see the whole run with `sidestep rehearse` and the same options

    ── DrillFailed, exit code 1
    error: 2 of 154 interrupted runs did not end as they must
      Caused by: RollBack from point 101 (AfterEffect CreateService, after 9 commits)
      Caused by: /ecs/services/1: absent → {}

    hint: replay the first with `sidestep rehearse --faults crashes --point 101`
    hint: this is a defect of sidestep: please report it with the world file and that command

    ── Internal, exit code 1
    error: internal error: a Wait step that is Done cannot be Held
    "#);
}

#[test]
fn several_blockers_are_all_shown() {
    let error = Error::Blocked { findings: fixtures::findings() };
    let shown = render(&error, &problem, &Style::plain());
    for finding in fixtures::findings() {
        assert!(shown.contains(&format!("  {}: {}", finding.id, finding.resource)), "{shown}");
        assert!(shown.contains(&finding.fix), "{shown}");
        assert!(shown.contains(&format!("--accept {}", finding.id)), "{shown}");
    }
}

#[test]
fn only_what_can_be_accepted_is_offered() {
    let mut findings = fixtures::findings();
    findings[0].must_repair = true;
    let hint = |findings: &[crate::model::Finding]| Error::Blocked { findings: findings.to_vec() }.hints().join("");
    assert_eq!(hint(&findings[..1]), "repair what is named above: `memory-only` cannot be accepted");
    assert_eq!(
        hint(&findings[..2]),
        "repair `memory-only`, which cannot be accepted; the rest too, or, knowing the consequence, add `--accept span-port-closed`"
    );
    findings[1].must_repair = true;
    assert_eq!(hint(&findings[..2]), "repair what is named above: `memory-only`, `span-port-closed` cannot be accepted");
    assert!(!findings[0].is_accepted(&["memory-only".to_owned()]));
}

#[test]
fn a_run_that_is_under_way_elsewhere_is_not_to_be_resumed() {
    let holder = Some(text("alice@bastion (pid 4711)"));
    let error = Error::TargetTaken { service: text("nexus-ai-api-staging"), run: run(), holder };
    insta::assert_snapshot!(render(&error, &problem, &Style::plain()), @r#"
    error: service `nexus-ai-api-staging` is already being changed by run `r7k2`
      Caused by: `r7k2` is under way: alice@bastion (pid 4711) holds it

    hint: watch it with `sidestep status r7k2`, and start this one when it is over
    hint: ask it to pause with `sidestep pause r7k2`, or to go back with `sidestep rollback r7k2`
    "#);
}

#[test]
fn no_run_was_named_and_several_are_unfinished() {
    let error = Error::RunAmbiguous { wanted: None, candidates: vec![text("r7k2"), text("r7mm")] };
    assert_eq!(error.to_string(), "several runs are unfinished, and none was named");
}

#[test]
fn foreign_words_stay_on_their_line() {
    let error =
        Error::FileUnreadable { what: text("runbook"), path: text("a\u{1b}[31m.hcl"), why: text("first\nsecond"), hint: None };
    assert_eq!(render(&error, &problem, &Style::plain()), "error: cannot read runbook `a[31m.hcl`\n  Caused by: first second");
}

#[test]
fn colour_marks_only_the_labels() {
    let colourful = Style { colour: true, ..Style::plain() };
    let shown = render(&Error::NobodyToAsk, &problem, &colourful);
    assert!(shown.starts_with("\u{1b}[1;31merror:\u{1b}[0m not a terminal"), "{shown:?}");
    assert_eq!(dialoguer::console::strip_ansi_codes(&shown), render(&Error::NobodyToAsk, &problem, &Style::plain()));
}
