//! What a checkpoint costs: the outcome of one step and the intent of the next, appended to the journal, held against a bare
//! `INSERT` and commit of the same bytes into the same sort of file.
//!
//! The two are timed in pairs, one right after the other and in turn first, so that what the disk does meanwhile falls on both.
//! Run with `cargo bench --bench journal`; `PAIRS=200` before it makes it shorter.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use rusqlite::Connection;
use serde_json::{Value, json};
use sidestep::journal::{Journal, OpenRun, Store as _};
use sidestep::model::{
    Actor, CallNote, Direction, Lane, LaneId, Outcome, Plan, RecordBody, RunId, StageId, StagePlan, StepClass, StepId, StepPlan,
    Target, Wave,
};

/// Steps of a run: a little more than the migration of one service has.
const STEPS: usize = 41;
/// What a checkpoint may cost, as a multiple of the bare commit.
const GOAL: f64 = 1.2;

type Outcomes<T> = Result<T, Box<dyn std::error::Error>>;

fn main() -> Outcomes<()> {
    // Some runners pass `--bench`; there is nothing to choose.
    let pairs = std::env::var("PAIRS").ok().and_then(|text| text.parse().ok()).unwrap_or(2_000);
    // Beside the build's own files, for /tmp is often memory, where a flush costs nothing.
    let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))?;
    let (mut checkpoints, mut bare) = (Vec::new(), Vec::new());

    let journal = Journal::open(&dir.path().join("state"))?;
    let other = bare_file(&dir.path().join("bare.db"))?;
    let mut bytes = 0;
    for number in 0.. {
        if checkpoints.len() >= pairs {
            break;
        }
        bytes = one_run(&journal, number, &other, &mut checkpoints, &mut bare)?;
    }
    report(checkpoints, bare, bytes);
    Ok(())
}

/// Takes one run through its steps; each checkpoint is timed beside a bare commit. Gives the bytes of one checkpoint.
fn one_run(
    journal: &Journal,
    number: usize,
    other: &Connection,
    checkpoints: &mut Vec<Duration>,
    bare: &mut Vec<Duration>,
) -> Outcomes<usize> {
    let at = Timestamp::from_second(1_767_225_600)?;
    let plan = plan(&format!("run{number}"));
    let by = Actor { user: "bench".into(), host: "bench".into(), identity: None };
    let mut run = journal.create(&plan, &by, at, &[])?;
    let steps: Vec<_> = plan.steps().map(|(_, _, step)| step.id.clone()).collect();
    run.append(at, vec![started(&steps[0])])?;
    let mut size = 0;
    for pair in steps.windows(2) {
        let bodies = vec![succeeded(&pair[0]), started(&pair[1])];
        let text = serde_json::to_string(&bodies)? + &at.to_string() + &at.to_string();
        size = text.len();
        if checkpoints.len().is_multiple_of(2) {
            checkpoints.push(checkpoint(&mut run, at, bodies)?);
            bare.push(insert(other, &text)?);
        } else {
            bare.push(insert(other, &text)?);
            checkpoints.push(checkpoint(&mut run, at, bodies)?);
        }
    }
    run.append(at, vec![RecordBody::RunEnded { outcome: Outcome::Done, why: String::new() }])?;
    run.close("done", at)?;
    Ok(size)
}

fn checkpoint(run: &mut OpenRun, at: Timestamp, bodies: Vec<RecordBody>) -> Outcomes<Duration> {
    let start = Instant::now();
    let records = run.append(at, bodies)?;
    let elapsed = start.elapsed();
    // What the caller does with the records, and letting go of them, is not part of it.
    drop(records);
    Ok(elapsed)
}

fn insert(conn: &Connection, text: &str) -> Outcomes<Duration> {
    let start = Instant::now();
    conn.prepare_cached("INSERT INTO entry (text) VALUES (?1)")?.execute([text])?;
    Ok(start.elapsed())
}

/// The plainest file with the same settings as the journal's.
fn bare_file(path: &Path) -> Outcomes<Connection> {
    let conn = Connection::open(path)?;
    conn.pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(()))?;
    conn.pragma_update(None, "synchronous", "FULL")?;
    conn.pragma_update(None, "fullfsync", "ON")?;
    conn.execute_batch("CREATE TABLE entry (number INTEGER PRIMARY KEY, text TEXT NOT NULL) STRICT")?;
    Ok(conn)
}

/// Prints medians, their ratio and the tails.
fn report(checkpoints: Vec<Duration>, bare: Vec<Duration>, bytes: usize) {
    let mut ratios: Vec<f64> = checkpoints.iter().zip(&bare).map(|(one, other)| one.as_secs_f64() / other.as_secs_f64()).collect();
    ratios.sort_by(f64::total_cmp);
    let (checkpoint, insert) = (Tails::of(checkpoints), Tails::of(bare));
    let ratio = checkpoint.median / insert.median;
    println!("{} pairs, about {bytes} bytes each", ratios.len());
    println!("checkpoint (outcome + next intent)  {checkpoint}");
    println!("bare INSERT + commit                {insert}");
    println!("ratio of medians                    {ratio:.2}");
    println!("median of the pairs' ratios         {:.2}", ratios.get(ratios.len() / 2).copied().unwrap_or(f64::NAN));
    println!("goal: at most {GOAL} times: {}", if ratio <= GOAL { "met" } else { "missed" });
}

/// Milliseconds.
struct Tails {
    median: f64,
    p90: f64,
    p99: f64,
}

impl Tails {
    fn of(mut times: Vec<Duration>) -> Self {
        times.sort();
        let part = |of_hundred: usize| times.get(times.len() * of_hundred / 100).map_or(f64::NAN, |time| time.as_secs_f64() * 1e3);
        Self { median: part(50), p90: part(90), p99: part(99) }
    }
}

impl std::fmt::Display for Tails {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "median {:.3} ms   p90 {:.3} ms   p99 {:.3} ms", self.median, self.p90, self.p99)
    }
}

fn started(step: &StepId) -> RecordBody {
    let intent = json!({ "clientToken": "0f4c2d9a-8e51-4a77-9a51-0c5f1de9b0aa", "before": service("nexus-ai-api-dev:1") });
    RecordBody::StepStarted { step: step.clone(), attempt: 1, intent: intent.into() }
}

fn succeeded(step: &StepId) -> RecordBody {
    let call = CallNote { operation: "UpdateService".into(), request_id: Some("6d2a8c6e-0d05-4c0e-b7cf-3f1de2b6c1aa".into()) };
    let output = json!({ "deployment": "ecs-svc/0412345678901234567", "service": service("nexus-ai-api-dev:2") });
    RecordBody::StepSucceeded { step: step.clone(), output: output.into(), call: Some(call) }
}

/// About what a step notes of a service.
fn service(revision: &str) -> Value {
    json!({
        "taskDefinition": format!("arn:aws:ecs:us-west-2:111122223333:task-definition/{revision}"),
        "loadBalancers": [{ "containerName": "api", "containerPort": 8000,
            "targetGroupArn": "arn:aws:elasticloadbalancing:us-west-2:111122223333:targetgroup/nexus-ai-api-dev/0123456789abcdef" }],
        "serviceRegistries": [],
        "desiredCount": 2,
    })
}

fn plan(run: &str) -> Plan {
    let lane = LaneId::of(&StageId::new("retarget"), "api");
    let steps = (0..STEPS)
        .map(|number| StepPlan {
            id: StepId::of(&lane, &format!("step-{number}")),
            action: "ecs.update-service".into(),
            class: StepClass::Mutation,
            title: "update nexus-ai-api-dev".into(),
            params: json!({ "cluster": "nexus-ai-cluster-dev", "to": service("nexus-ai-api-dev:2") }).into(),
            inputs: BTreeMap::new(),
            expected_s: None,
            deadline_s: None,
        })
        .collect();
    Plan {
        run: RunId::new(run),
        direction: Direction::Forward,
        runbook: "bench".into(),
        runbook_digest: String::new(),
        runbook_path: None,
        variables: BTreeMap::new(),
        sensitive: BTreeSet::new(),
        target: Target {
            account: "111122223333".into(),
            region: "us-west-2".into(),
            endpoint: None,
            cluster: "nexus-ai-cluster-dev".into(),
            services: vec!["nexus-ai-api-dev".into()],
            environment: "dev".into(),
            identity: String::new(),
        },
        stages: vec![StagePlan {
            id: StageId::new("retarget"),
            kind: "retarget-api-env".into(),
            resources: Vec::new(),
            waves: vec![Wave { lanes: vec![Lane { id: lane, target: "api".into(), steps }] }],
            warnings: Vec::new(),
            confirm: false,
            blocked_by: Vec::new(),
            way_back: String::new(),
        }],
        findings: Vec::new(),
        outlook: Default::default(),
        closing: BTreeMap::new(),
    }
}
