//! A realistic six-stage plan, and journals told as stories, for the tests of the views.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::model::{
    Actor, Adoption, Change, Direction, Disposition, Event, Failure, FailureKind, Finding, Holder, Lane, LaneId, Outcome, Outlook,
    Plan, Progress, Record, RecordBody, Resource, RunId, RunView, Severity, StageId, StagePlan, StepClass, StepId, StepPlan,
    Target, Verdict, Wave,
};

pub(crate) const API: &str = "nexus-ai-api-staging";
pub(crate) const JAEGER: &str = "nexus-ai-jaeger-staging";

pub(crate) fn start() -> Timestamp {
    "2026-01-02T03:04:05Z".parse().expect("a time")
}

pub(crate) fn alice() -> Actor {
    Actor { user: "alice".to_owned(), host: "bastion".to_owned(), identity: None }
}

pub(crate) fn holder(fence: u64) -> Holder {
    Holder { actor: alice(), pid: 4711, fence }
}

pub(crate) fn target() -> Target {
    Target {
        account: "111122223333".to_owned(),
        region: "us-west-2".to_owned(),
        endpoint: None,
        cluster: "nexus-ai-cluster-staging".to_owned(),
        services: vec![API.to_owned()],
        environment: "staging".to_owned(),
        identity: "arn:aws:sts::111122223333:assumed-role/deployer/alice".to_owned(),
    }
}

fn step(lane: &LaneId, name: &str, class: StepClass, title: &str) -> StepPlan {
    let action = match class {
        StepClass::Mutation => "ecs.update-service",
        StepClass::Wait => "ecs.wait-rollout",
        StepClass::Verify => "spans.await-arrival",
    };
    StepPlan {
        id: StepId::of(lane, name),
        action: action.to_owned(),
        class,
        title: title.to_owned(),
        params: json!({}).into(),
        inputs: BTreeMap::new(),
        expected_s: None,
        deadline_s: (class == StepClass::Wait).then_some(1800),
    }
}

fn lane(stage: &str, target: &str, steps: &[(&str, StepClass, &str)]) -> Lane {
    let id = LaneId::of(&StageId::new(stage), target);
    let steps = steps.iter().map(|(name, class, title)| step(&id, name, *class, title)).collect();
    Lane { id, target: target.to_owned(), steps }
}

fn change(path: &str, from: Option<Value>, to: Option<Value>) -> Change {
    Change { path: path.to_owned(), from, to }
}

fn resource(kind: &str, name: &str, disposition: Disposition, changes: Vec<Change>) -> Resource {
    Resource { kind: kind.to_owned(), name: name.to_owned(), disposition, changes }
}

fn stage(id: &str, kind: &str, resources: Vec<Resource>, lanes: Vec<Lane>) -> StagePlan {
    let waves = if lanes.is_empty() { Vec::new() } else { vec![Wave { lanes }] };
    StagePlan {
        id: StageId::new(id),
        kind: kind.to_owned(),
        resources,
        waves,
        warnings: Vec::new(),
        confirm: false,
        blocked_by: Vec::new(),
        way_back: String::new(),
    }
}

fn log_group() -> StagePlan {
    use StepClass::Mutation;
    let name = "/ecs/nexus-ai-jaeger-staging";
    let changes = vec![
        change("retentionInDays", None, Some(json!(7))),
        change("tags", None, Some(json!({ "Environment": "staging", "Project": "nexus-ai" }))),
    ];
    stage(
        "create-log-group",
        "log_group",
        vec![resource("log group", name, Disposition::Create, changes)],
        vec![lane(
            "create-log-group",
            name,
            &[
                ("create", Mutation, "create log group /ecs/nexus-ai-jaeger-staging"),
                ("retention", Mutation, "keep its logs for 7 days"),
            ],
        )],
    )
}

fn task_definition() -> StagePlan {
    let changes = vec![
        change("cpu", None, Some(json!("1024"))),
        change("memory", None, Some(json!("2048"))),
        change("containerDefinitions[jaeger].image", None, Some(json!("jaegertracing/all-in-one:latest"))),
    ];
    stage(
        "register-task-definition",
        "task_definition",
        vec![resource("task definition", JAEGER, Disposition::Create, changes)],
        vec![lane("register-task-definition", JAEGER, &[("register", StepClass::Mutation, "register nexus-ai-jaeger-staging")])],
    )
}

fn service() -> StagePlan {
    use StepClass::{Mutation, Wait};
    stage(
        "create-service",
        "service",
        vec![resource("service", JAEGER, Disposition::Create, vec![change("desiredCount", None, Some(json!(1)))])],
        vec![lane(
            "create-service",
            JAEGER,
            &[
                ("create", Mutation, "create service nexus-ai-jaeger-staging"),
                ("rollout", Wait, "wait for the rollout of nexus-ai-jaeger-staging"),
                ("healthy", Wait, "wait until its task is healthy in nexus-ai-jaeger-tg-staging"),
            ],
        )],
    )
}

fn dns() -> StagePlan {
    use StepClass::{Mutation, Wait};
    stage(
        "register-dns",
        "dns",
        vec![
            resource("Cloud Map service", "jaeger.nexus-ai.local", Disposition::Create, vec![]),
            resource("namespace", "nexus-ai.local", Disposition::AlreadySo, vec![]),
        ],
        vec![lane(
            "register-dns",
            "jaeger.nexus-ai.local",
            &[
                ("create", Mutation, "create Cloud Map service jaeger.nexus-ai.local"),
                ("attach", Mutation, "attach it to nexus-ai-jaeger-staging"),
                ("instance", Wait, "wait for a healthy instance"),
            ],
        )],
    )
}

fn retarget_lane(target: &str) -> Lane {
    use StepClass::{Mutation, Verify, Wait};
    lane(
        "retarget-api-env",
        target,
        &[
            ("register", Mutation, &format!("register {target} with the new endpoint")),
            ("update", Mutation, &format!("point {target} at the new revision")),
            ("rollout", Wait, &format!("wait for the rollout of {target}")),
            ("spans", Verify, "check that spans arrive"),
        ],
    )
}

fn retarget(apis: &[&str]) -> StagePlan {
    let path = "containerDefinitions[api].environment[OTEL_EXPORTER_OTLP_ENDPOINT]";
    let endpoint = change(path, Some(json!("http://localhost:4318")), Some(json!("http://jaeger.nexus-ai.local:4318")));
    StagePlan {
        confirm: true,
        ..stage(
            "retarget-api-env",
            "retarget_env",
            apis.iter().map(|api| resource("service", api, Disposition::Update, vec![endpoint.clone()])).collect(),
            apis.iter().map(|api| retarget_lane(api)).collect(),
        )
    }
}

fn strip() -> StagePlan {
    use StepClass::{Mutation, Wait};
    let changes = vec![
        change("containerDefinitions[jaeger]", Some(json!({ "image": "jaegertracing/all-in-one:latest" })), None),
        change("loadBalancers[nexus-ai-jaeger-tg-staging]", Some(json!("jaeger:16686")), None),
    ];
    StagePlan {
        confirm: true,
        warnings: vec!["traces held in the sidecars' memory are lost when the sidecars go".to_owned()],
        ..stage(
            "strip-sidecar",
            "strip_container",
            vec![resource("service", API, Disposition::Update, changes)],
            vec![lane(
                "strip-sidecar",
                API,
                &[
                    ("register", Mutation, "register nexus-ai-api-staging without the sidecar"),
                    ("update", Mutation, "point nexus-ai-api-staging at the new revision"),
                    ("rollout", Wait, "wait for the rollout of nexus-ai-api-staging"),
                    ("drained", Wait, "wait until no sidecar is a target any more"),
                ],
            )],
        )
    }
}

fn closing() -> BTreeMap<String, Value> {
    let values = json!({
        "ui_url": "http://nexus-ai-alb-staging-1234567890.us-west-2.elb.amazonaws.com/jaeger/",
        "cluster": "nexus-ai-cluster-staging",
        "service": JAEGER,
        "region": "us-west-2",
        "log_group": "/ecs/nexus-ai-jaeger-staging",
        "namespace_id": "ns-nexusaistaging01",
        "target_group_arn":
            "arn:aws:elasticloadbalancing:us-west-2:111122223333:targetgroup/nexus-ai-jaeger-tg-staging/73e2d6bc24d8a067",
        "name": "Jaeger",
        "code": [
            "infrastructure/05-compute-ecs.tf: remove the container `jaeger` from the task definition",
            "infrastructure/05-compute-ecs.tf: set OTEL_EXPORTER_OTLP_ENDPOINT to http://jaeger.nexus-ai.local:4318",
            "infrastructure/07-services.tf: remove the `load_balancer` block of the container `jaeger`",
        ],
        "api_services": [API],
        "sidecar": "jaeger",
    });
    serde_json::from_value(values).expect("an object")
}

/// The whole migration of a staging environment.
pub(crate) fn plan() -> Plan {
    Plan {
        run: RunId::new("r7k2"),
        direction: Direction::Forward,
        runbook: "jaeger-sidecar-to-shared".to_owned(),
        runbook_digest: "0".repeat(64),
        runbook_path: None,
        variables: BTreeMap::from([("project_name".to_owned(), json!("nexus-ai"))]),
        sensitive: BTreeSet::new(),
        target: target(),
        stages: vec![log_group(), task_definition(), service(), dns(), retarget(&[API]), strip()],
        findings: vec![],
        outlook: outlook(),
        closing: closing(),
    }
}

/// The same with a second API service in the fifth stage, each in a lane of its own.
pub(crate) fn plan_with_lanes() -> Plan {
    let mut plan = plan();
    plan.target.services.push("nexus-ai-worker-staging".to_owned());
    plan.stages[4] = retarget(&[API, "nexus-ai-worker-staging"]);
    plan
}

/// What a plan of the fixtures takes.
fn outlook() -> Outlook {
    let capacity = [
        "freed: 512 CPU units and 1024 MiB that 2 sidecars reserve in nexus-ai-api-staging, whose tasks keep their size (4096 CPU units, 8192 MiB)",
        "taken: 1024 CPU units and 2048 MiB by nexus-ai-jaeger-staging (1 task)",
    ];
    let stages = [("create-service", 100), ("register-dns", 140), ("retarget-api-env", 140), ("strip-sidecar", 140)];
    let stages = stages.into_iter().map(|(stage, seconds)| (StageId::new(stage), seconds)).collect();
    Outlook { seconds: 520, calls: 198, capacity: capacity.map(str::to_owned).to_vec(), stages }
}

/// A finding of each severity.
pub(crate) fn findings() -> Vec<Finding> {
    let finding = |id: &str, severity, resource: &str, found: &str, consequence: &str, fix: &str| Finding {
        id: id.to_owned(),
        severity,
        resource: resource.to_owned(),
        found: found.to_owned(),
        consequence: consequence.to_owned(),
        fix: fix.to_owned(),
        must_repair: false,
    };
    vec![
        finding(
            "memory-only",
            Severity::Note,
            "task definition nexus-ai-jaeger-staging",
            "Jaeger keeps traces in memory",
            "traces are lost when its task is replaced",
            "none needed; consider a storage backend",
        ),
        finding(
            "span-port-closed",
            Severity::Blocker,
            "security group sg-0a1b2c3d4e5f60718",
            "nothing lets TCP 4317 and 4318 in from the API's tasks",
            "every span is lost from stage 5 on, and no AWS API shows it",
            "aws ec2 authorize-security-group-ingress --group-id sg-0a1b2c3d4e5f60718 --protocol tcp --port 4317-4318 \
             --source-group sg-0a1b2c3d4e5f60718",
        ),
        finding(
            "no-circuit-breaker",
            Severity::Warning,
            "service nexus-ai-api-staging",
            "it has no deployment circuit breaker",
            "AWS never says that a rollout failed; only the deadline does",
            "enable the deployment circuit breaker with rollback",
        ),
    ]
}

/// The plan of a rollback of what a run did to the API.
pub(crate) fn back_plan() -> Plan {
    let undo = stage(
        "retarget-api-env",
        "retarget_env",
        vec![resource("service", API, Disposition::Update, vec![change("taskDefinition", Some(json!("3")), Some(json!("2")))])],
        vec![lane(
            "undo/retarget-api-env",
            API,
            &[
                ("update", StepClass::Mutation, "point nexus-ai-api-staging back at revision 2"),
                ("rollout", StepClass::Wait, "wait for the rollout of nexus-ai-api-staging"),
            ],
        )],
    );
    Plan { direction: Direction::Back, stages: vec![undo], ..plan() }
}

/// A plan with nothing to do: everything is as wanted.
pub(crate) fn empty_plan() -> Plan {
    let mut plan = plan();
    for stage in &mut plan.stages {
        stage.waves.clear();
        stage.warnings.clear();
        for resource in &mut stage.resources {
            resource.disposition = Disposition::AlreadySo;
            resource.changes.clear();
        }
    }
    plan
}

/// A journal as it grows: each addition moves the clock and gives the event to show.
pub(crate) struct Story {
    records: Vec<Record>,
    pub(crate) at: Timestamp,
}

impl Story {
    /// Begins with `plan` adopted and a session opened.
    pub(crate) fn of(plan: Plan) -> Self {
        let mut story = Self { records: Vec::new(), at: start() };
        story.then(0, RecordBody::PlanAdopted { plan: Box::new(plan), why: Adoption::Start, by: alice() });
        story.then(0, RecordBody::SessionOpened { holder: holder(1) });
        story
    }

    /// `millis` later, `body`.
    pub(crate) fn after_millis(&mut self, millis: i64, body: RecordBody) -> Event {
        self.at = self.at.checked_add(SignedDuration::from_millis(millis)).expect("in range");
        let record = Record { seq: self.records.len() as u64 + 1, at: self.at, body };
        self.records.push(record.clone());
        Event::Record(record)
    }

    /// `seconds` later, `body`.
    pub(crate) fn then(&mut self, seconds: i64, body: RecordBody) -> Event {
        self.after_millis(seconds * 1000, body)
    }

    /// Passing progress, `seconds` later.
    pub(crate) fn sees(&mut self, seconds: i64, step: &StepId, progress: Progress) -> Event {
        self.at = self.at.checked_add(SignedDuration::from_secs(seconds)).expect("in range");
        Event::Progress { step: step.clone(), at: self.at, progress }
    }

    /// Starts and ends a step, `seconds` apart.
    pub(crate) fn does(&mut self, seconds: i64, step: &StepId) -> [Event; 2] {
        [self.then(0, started(step, 1)), self.then(seconds, succeeded(step))]
    }

    /// Does every step of the first `stages` stages: 1 s for a mutation, 82 s for a wait, 12 s for a verification.
    pub(crate) fn through(&mut self, stages: usize) -> Vec<Event> {
        let plan = self.view().plan;
        (1..=stages).flat_map(|number| self.through_stage(&plan, number)).collect()
    }

    /// Does every step of the stage numbered `number`, from 1.
    pub(crate) fn through_stage(&mut self, plan: &Plan, number: usize) -> Vec<Event> {
        let steps = plan.stages[number - 1].steps();
        steps
            .flat_map(|step| {
                let seconds = match step.class {
                    StepClass::Mutation => 1,
                    StepClass::Wait => 82,
                    StepClass::Verify => 12,
                };
                self.does(seconds, &step.id)
            })
            .collect()
    }

    /// The journal folded.
    pub(crate) fn view(&self) -> RunView {
        RunView::fold(&self.records).expect("a journal that the engine could have written")
    }

    /// The records so far.
    pub(crate) fn records(&self) -> Vec<Record> {
        self.records.clone()
    }

    /// The events so far, each with the view right after it.
    pub(crate) fn told(&self) -> Vec<(RunView, Event)> {
        (1..=self.records.len())
            .map(|n| {
                let view = RunView::fold(&self.records[..n]).expect("a journal");
                (view, Event::Record(self.records[n - 1].clone()))
            })
            .collect()
    }
}

/// The id of step `name` of the stage numbered `stage` (from 1), in its lane numbered `lane` (from 0).
pub(crate) fn id(plan: &Plan, stage: usize, lane: usize, name: &str) -> StepId {
    StepId::of(&plan.stages[stage - 1].waves[0].lanes[lane].id, name)
}

pub(crate) fn started(step: &StepId, attempt: u32) -> RecordBody {
    RecordBody::StepStarted { step: step.clone(), attempt, intent: json!({ "token": "t-1" }).into() }
}

pub(crate) fn succeeded(step: &StepId) -> RecordBody {
    RecordBody::StepSucceeded { step: step.clone(), output: json!({ "arn": "a" }).into(), call: None }
}

pub(crate) fn observed(step: &StepId, verdict: Verdict) -> RecordBody {
    RecordBody::StepObserved { step: step.clone(), verdict }
}

pub(crate) fn rollout_failure() -> Failure {
    Failure {
        kind: FailureKind::Rollout,
        message: "the rollout of `nexus-ai-api-staging` failed".to_owned(),
        causes: vec![
            "deployment ecs-svc/0412 was rolled back by the circuit breaker".to_owned(),
            "3 tasks stopped: CannotPullContainerError".to_owned(),
        ],
        code: None,
        request_id: None,
    }
}

pub(crate) fn ended(outcome: Outcome, why: &str) -> RecordBody {
    RecordBody::RunEnded { outcome, why: why.to_owned() }
}

pub(crate) fn left(why: &str) -> RecordBody {
    RecordBody::SessionClosed { why: why.to_owned(), calls: BTreeMap::new() }
}

/// Panics where a line of `text` is wider than `width` without a word that cannot be broken being the reason.
pub(crate) fn assert_fits(text: &str, width: usize) {
    for line in text.lines() {
        let longest = line.split_whitespace().map(|word| word.chars().count()).max().unwrap_or(0);
        // Such a word stands alone, behind at most a label.
        assert!(line.chars().count() <= width || longest + 20 > width, "wider than {width}: {line:?}");
    }
}
