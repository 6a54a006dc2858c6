//! The policy that `sidestep policy` prints: every call of every replay is allowed by it, on what it touched, and nothing of it is for
//! nothing.

#[path = "policy/iam.rs"]
mod iam;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, OnceLock};

use serde_json::{Value, json};
use sidestep::cli::wants;
use sidestep::doctor::{self, Tail};
use sidestep::drill::Recorder;
use sidestep::model::{RunId, Runbook};
use sidestep::plan::policy::{Place, policy};
use sidestep::sim::{Fault, ImageFault, RequestFaultKind, State};
use sidestep::stages::facts::{Facts, Purpose};
use sidestep::stages::steps::last_log_lines;
use sidestep::{capture, plan};

use super::common::{done, next_release, service};
use crate::support::{Fork, Lab, PointKind, Stop, paused, worlds};
use iam::{Ask, At, allowing, grants};
use sidestep::aws::READ_ONLY_OPERATIONS;

const OURS: &str = "ASIAREHEARSALEXAMPLE";

/// What was asked of AWS, by what it was asked for.
#[derive(Default)]
struct Book {
    asked: BTreeMap<Purpose, BTreeSet<Ask>>,
}

/// A lab whose calls are entered in a book.
struct Reading<'a> {
    lab: &'a Lab,
    from: usize,
}

impl<'a> Reading<'a> {
    fn of(lab: &'a Lab) -> Self {
        Self { lab, from: lab.sim.requests().len() }
    }

    /// Enters the calls made since.
    fn enter(&mut self, book: &mut Book, purpose: Purpose) {
        let world = self.lab.world();
        let text = |member: &str| world[member].as_str().expect("a world says where it is").to_owned();
        let at = At { account: text("account"), region: text("region") };
        let requests = self.lab.sim.requests();
        let ours = requests[self.from..].iter().filter(|request| request.caller == OURS);
        book.asked.entry(purpose).or_default().extend(ours.flat_map(|request| at.asks(request)));
        self.from = requests.len();
    }
}

/// What each purpose takes beside itself: whoever runs plans first.
fn purposes(purpose: Purpose) -> BTreeSet<Purpose> {
    match purpose {
        Purpose::Rollback => BTreeSet::from([purpose]),
        _ => BTreeSet::from([Purpose::Plan, purpose]),
    }
}

fn document(runbook: &Runbook, facts: Option<&Facts>, purposes: &BTreeSet<Purpose>) -> Value {
    let place = facts.map_or_else(|| Place::named(runbook, None), Place::read);
    serde_json::to_value(policy(&wants(runbook), purposes, &place).document).expect("JSON")
}

async fn facts(lab: &Lab) -> Facts {
    let identity = lab.aws.identity().await.expect("credentials");
    plan::observe(&lab.aws, &lab.runbook, &identity).await.expect("the account can be read")
}

/// What is replayed, and where.
struct Ground {
    world: Value,
    start: State,
    runbook: Runbook,
    cluster: &'static str,
    api: &'static str,
    jaeger: &'static str,
    log_group: &'static str,
    api_image: &'static str,
}

const REPAIRS: &str = "open_otlp_ports = true\nset_health_path = true\njaeger_base_path = \"/jaeger\"\n";

/// The system that needs every stage there is.
fn ground() -> Ground {
    Ground {
        world: worlds::dev_world(),
        start: worlds::dev_start(),
        runbook: worlds::for_dev(REPAIRS),
        cluster: "nexus-ai-cluster-dev",
        api: "nexus-ai-api-dev",
        jaeger: "nexus-ai-jaeger-dev",
        log_group: "/ecs/nexus-ai-jaeger-dev",
        api_image: "111122223333.dkr.ecr.us-east-1.amazonaws.com/nexus-ai-api:latest",
    }
}

async fn back(book: &mut Book, lab: &Lab) {
    let mut reading = Reading::of(lab);
    let stop = lab.roll_back(None).await;
    assert!(matches!(stop, Stop::RolledBack), "{stop:?}");
    reading.enter(book, Purpose::Rollback);
}

async fn planned(book: &mut Book, lab: &Lab) {
    let mut reading = Reading::of(lab);
    lab.plan(&RunId::new("r0000")).await.expect("it can be planned");
    reading.enter(book, Purpose::Plan);
}

/// A plan, a run, a look at what it made, its way back.
async fn whole(book: &mut Book, lab: &Lab) {
    planned(book, lab).await;
    let mut reading = Reading::of(lab);
    done(lab.run().await);
    reading.enter(book, Purpose::Run);
    planned(book, lab).await;
    look(book, lab).await;
    back(book, lab).await;
}

/// An examination, the logs, and a capture.
async fn look(book: &mut Book, lab: &Lab) {
    let mut reading = Reading::of(lab);
    let identity = lab.aws.identity().await.expect("credentials");
    let evidence = doctor::read(&lab.aws, &lab.runbook, &identity, None).await.expect("it can be read");
    doctor::examine(&evidence);
    for group in plan::log_groups(&lab.runbook) {
        Tail::of(&group, 0).next(&lab.aws, &mut |_| {}).await.expect("the lines can be read");
    }
    reading.enter(book, Purpose::Doctor);
    let facts = facts(lab).await;
    capture::capture(&lab.aws, &lab.runbook, &facts).await.expect("it can be captured");
    reading.enter(book, Purpose::Snapshot);
}

/// Whoever runs, takes back or examines may look at the last lines of a service's tasks.
async fn last_lines(book: &mut Book, lab: &Lab, ground: &Ground, service: &str) {
    for purpose in [Purpose::Run, Purpose::Rollback, Purpose::Doctor] {
        let mut reading = Reading::of(lab);
        last_log_lines(&lab.aws, ground.cluster, service, None).await.expect("the lines can be read");
        reading.enter(book, purpose);
    }
}

/// A run, and its way back, that die right after each kind of mutation has taken effect, and are taken up again.
fn crashes(ground: &Ground) -> Book {
    let mut book = Book::default();
    let forks = |is_back: bool| {
        let taken: Arc<Mutex<Vec<Fork>>> = Arc::default();
        let (slot, mut seen) = (Arc::clone(&taken), BTreeSet::new());
        let run = paused(async {
            let lab = Lab::on(ground.start.clone(), &ground.runbook, 1);
            if is_back {
                done(lab.run().await);
            }
            lab.record(Recorder {
                distinct: false,
                wanted: Box::new(move |point| {
                    let is_read = READ_ONLY_OPERATIONS.iter().any(|read| point.of.ends_with(read));
                    // What speaks in forms tells its address alone: it changes something where something is repaired.
                    let repairs = ["open-ports", "set-health-path"];
                    let mends = point.stage.as_ref().is_some_and(|stage| repairs.contains(&stage.as_str()));
                    point.kind == PointKind::AfterEffect
                        && !is_read
                        && (mends || !point.of.contains("://"))
                        && seen.insert((point.of.clone(), point.stage.clone()))
                }),
                take: Box::new(move |fork| slot.lock().expect("nobody panics here").push(fork)),
            });
            if is_back {
                _ = lab.roll_back(None).await
            } else {
                _ = lab.run().await
            }
            lab.run_id()
        });
        (run, std::mem::take(&mut *taken.lock().expect("nobody panics here")))
    };
    for (is_back, ways) in [(false, [Purpose::Run, Purpose::Rollback].as_slice()), (true, &[Purpose::Rollback])] {
        let (run, forks) = forks(is_back);
        assert!(forks.len() > 5, "{}", forks.len());
        for (fork, way) in forks.iter().flat_map(|fork| ways.iter().map(move |way| (fork, *way))) {
            paused(async {
                let lab = sidestep::drill::Lab::from_fork(fork, 0, &ground.runbook, &run, 5).expect("a process");
                let lab = Lab::from(lab);
                let mut reading = Reading::of(&lab);
                _ = if way == Purpose::Run { lab.resume().await } else { lab.roll_back(None).await };
                reading.enter(&mut book, way);
            });
        }
    }
    book
}

/// Answers that are lost, so that the account is asked what became of the request.
async fn lost_answers(book: &mut Book, ground: &Ground) {
    let lab = Lab::on(ground.start.clone(), &ground.runbook, 1);
    let mut reading = Reading::of(&lab);
    for nth in [1, 2] {
        lab.fault("UpdateService", nth, RequestFaultKind::DropAfter);
    }
    done(lab.run().await);
    reading.enter(book, Purpose::Run);
    for nth in [1, 3] {
        lab.fault("UpdateService", nth, RequestFaultKind::DropAfter);
    }
    back(book, &lab).await;
}

/// Rollouts that fail, forward and on the way back.
async fn failing_rollouts(book: &mut Book, ground: &Ground) {
    let lab = Lab::on(ground.start.clone(), &ground.runbook, 1);
    let image = |image: &str, fault| lab.sim.with(|state| state.add_fault(Fault::Image { image: image.to_owned(), fault }));
    let mut reading = Reading::of(&lab);
    image(worlds::JAEGER_IMAGE, Some(ImageFault::Exits));
    assert!(matches!(lab.run().await, Stop::Failed(..)));
    reading.enter(book, Purpose::Run);
    image(worlds::JAEGER_IMAGE, None);
    image(ground.api_image, Some(ImageFault::CannotPull));
    let mut reading = Reading::of(&lab);
    let stop = lab.resume().await;
    assert!(matches!(stop, Stop::Failed(..)), "{stop:?}");
    reading.enter(book, Purpose::Run);
    let stop = lab.roll_back(None).await;
    assert!(matches!(stop, Stop::Failed(..)), "{stop:?}");
    reading.enter(book, Purpose::Rollback);
    image(ground.api_image, None);
    let mut reading = Reading::of(&lab);
    let stop = lab.resume().await;
    assert!(matches!(stop, Stop::RolledBack), "{stop:?}");
    reading.enter(book, Purpose::Rollback);
}

/// Rollouts that AWS takes back by itself, so that its records are asked where the service went.
async fn rolled_back_by_aws(book: &mut Book, ground: &Ground) {
    let lab = Lab::on(ground.start.clone(), &ground.runbook, 1);
    let image = |fault| lab.sim.with(|state| state.add_fault(Fault::Image { image: ground.api_image.to_owned(), fault }));
    let mut configuration = service(&lab.world(), ground.api)["deploymentConfiguration"].clone();
    configuration["deploymentCircuitBreaker"] = json!({ "enable": true, "rollback": true });
    lab.foreign(
        "UpdateService",
        &json!({ "cluster": ground.cluster, "service": ground.api, "deploymentConfiguration": configuration }),
    );
    assert!(matches!(lab.run_before(&["retarget-api-env"]).await, Stop::Before(..)));
    for (purpose, ends) in [(Purpose::Run, "Done"), (Purpose::Rollback, "RolledBack")] {
        let mut reading = Reading::of(&lab);
        image(Some(ImageFault::CannotPull));
        let stop = if purpose == Purpose::Run { lab.resume().await } else { lab.roll_back(None).await };
        assert!(matches!(stop, Stop::Failed(..)), "{stop:?}");
        image(None);
        let stop = lab.resume().await;
        assert_eq!(format!("{stop:?}"), ends);
        reading.enter(book, purpose);
    }
}

/// The log group is there already, with a retention or without one; and the caller is a role's session.
async fn adopted(book: &mut Book, ground: &Ground, retention: Option<u64>) {
    let mut world = ground.world.clone();
    let arn = format!("arn:aws:logs:{}:111122223333:log-group:{}", world["region"].as_str().expect("a Region"), ground.log_group);
    let mut group = json!({ "logGroupName": ground.log_group, "arn": format!("{arn}:*"), "logGroupArn": arn });
    group["creationTime"] = json!(1_760_000_000_000_i64);
    if let Some(days) = retention {
        group["retentionInDays"] = json!(days);
    }
    world["logs"]["logGroups"].as_array_mut().expect("log groups").push(group);
    world["sts"]["callerIdentity"]["Arn"] = json!("arn:aws:sts::111122223333:assumed-role/deployer/alice");
    let lab = Lab::on(worlds::dev_lived_in(&world), &ground.runbook, 1);
    whole(book, &lab).await;
}

/// One run goes a part of the way and is given up; another goes on.
async fn in_two_runs(book: &mut Book, ground: &Ground) {
    let first = Lab::on(ground.start.clone(), &ground.runbook, 1);
    assert!(matches!(first.run_before(&["register-dns"]).await, Stop::Before(..)));
    first.abandon().await;
    first.settled().await;
    let second = Lab::on(first.sim.with(|state| state.clone()), &ground.runbook, 2);
    let mut reading = Reading::of(&second);
    done(second.run().await);
    reading.enter(book, Purpose::Run);
    // What the first one made is not its to take away: it is given up there.
    assert!(matches!(second.roll_back(None).await, Stop::Failed(..)));
    second.abandon().await;
    reading.enter(book, Purpose::Rollback);
}

/// Others deploy after the run, and its changes are taken back on what they deployed.
async fn onto_newest(book: &mut Book, ground: &Ground) {
    let lab = Lab::on(ground.start.clone(), &ground.runbook, 1);
    done(lab.run().await);
    let runs = service(&lab.world(), ground.api)["taskDefinition"].clone();
    let found = lab.foreign("DescribeTaskDefinition", &json!({ "taskDefinition": runs }))["taskDefinition"].clone();
    let mut input = json!({});
    for member in [
        "family",
        "containerDefinitions",
        "cpu",
        "memory",
        "networkMode",
        "executionRoleArn",
        "taskRoleArn",
        "requiresCompatibilities",
    ] {
        input[member] = found[member].clone();
    }
    next_release(&mut input);
    let theirs = lab.foreign("RegisterTaskDefinition", &input)["taskDefinition"]["taskDefinitionArn"].clone();
    lab.foreign("UpdateService", &json!({ "cluster": ground.cluster, "service": ground.api, "taskDefinition": theirs }));
    lab.live(10 * 60_000).await;
    let mut reading = Reading::of(&lab);
    let stop = lab.roll_back_onto_newest().await;
    assert!(matches!(stop, Stop::RolledBack), "{stop:?}");
    reading.enter(book, Purpose::Rollback);
}

/// Everything that was asked of AWS for the system that needs every stage there is, and what was read of it.
fn book() -> &'static (Book, Ground, Facts) {
    static BOOK: OnceLock<(Book, Ground, Facts)> = OnceLock::new();
    BOOK.get_or_init(|| {
        let ground = ground();
        // Threads of their own: most tests wait for this one book, and a test's runtime may be running in this thread.
        let (courses, falls) = std::thread::scope(|threads| {
            let (courses, falls) = (threads.spawn(|| courses(&ground)), threads.spawn(|| crashes(&ground)));
            let whole = "every replay comes to its end";
            (courses.join().expect(whole), falls.join().expect(whole))
        });
        let (mut book, facts) = courses;
        for (purpose, asks) in falls.asked {
            book.asked.entry(purpose).or_default().extend(asks);
        }
        (book, ground, facts)
    })
}

/// What is asked where no process dies, and what is read at the start. Each course has its own place in memory: together they are more
/// than a thread's stack holds.
fn courses(ground: &Ground) -> (Book, Facts) {
    let mut book = Book::default();
    let facts = paused(async {
        let lab = Lab::on(ground.start.clone(), &ground.runbook, 1);
        let facts = facts(&lab).await;
        Box::pin(whole(&mut book, &lab)).await;
        let running = Lab::on(ground.start.clone(), &ground.runbook, 1);
        done(running.run().await);
        for service in [ground.jaeger, ground.api] {
            last_lines(&mut book, &running, ground, service).await;
        }
        Box::pin(lost_answers(&mut book, ground)).await;
        Box::pin(failing_rollouts(&mut book, ground)).await;
        Box::pin(rolled_back_by_aws(&mut book, ground)).await;
        Box::pin(in_two_runs(&mut book, ground)).await;
        Box::pin(onto_newest(&mut book, ground)).await;
        for retention in [None, Some(14)] {
            Box::pin(adopted(&mut book, ground, retention)).await;
        }
        facts
    });
    (book, facts)
}

/// What `sidestep policy` prints unless it is told otherwise.
fn usual() -> BTreeSet<Purpose> {
    [Purpose::Plan, Purpose::Run, Purpose::Rollback].into()
}

/// The usual policy, and one for each purpose.
fn all() -> Vec<BTreeSet<Purpose>> {
    let single = [Purpose::Plan, Purpose::Run, Purpose::Rollback, Purpose::Doctor, Purpose::Snapshot].map(purposes);
    std::iter::once(usual()).chain(single).collect()
}

impl Book {
    fn of<'a>(&'a self, purposes: &'a BTreeSet<Purpose>) -> impl Iterator<Item = &'a Ask> {
        self.asked.iter().filter(|(purpose, _)| purposes.contains(purpose)).flat_map(|(_, asks)| asks)
    }

    /// What a policy denies of what was asked for these purposes.
    fn denied(&self, policy: &Value, purposes: &BTreeSet<Purpose>) -> Vec<String> {
        let denied = self.of(purposes).filter(|ask| allowing(policy, ask).is_empty());
        denied.map(|ask| format!("{} on {} {:?}", ask.action, ask.resource, ask.context)).collect()
    }
}

#[test]
fn every_call_is_allowed_on_what_it_touched() {
    let (book, ground, facts) = book();
    for purposes in all() {
        let live = document(&ground.runbook, Some(facts), &purposes);
        assert_eq!(book.denied(&live, &purposes), [""; 0], "{purposes:?}, with what the account says");
        let named = document(&ground.runbook, None, &purposes);
        let mut denied = book.denied(&named, &purposes);
        // Where the API logs to only the account says, and whoever reads any log group reads too much: its last lines are not shown.
        denied.retain(|denied| !(denied.starts_with("logs:GetLogEvents") && denied.contains(ground.api)));
        assert_eq!(denied, [""; 0], "{purposes:?}, by names alone");
    }
}

#[test]
fn nothing_is_allowed_that_is_never_used() {
    let (book, ground, facts) = book();
    for (purposes, facts) in all().into_iter().flat_map(|purposes| [None, Some(facts)].map(|facts| (purposes.clone(), facts))) {
        let policy = document(&ground.runbook, facts, &purposes);
        let used: BTreeSet<_> = book.of(&purposes).flat_map(|ask| allowing(&policy, ask)).collect();
        let unused: Vec<_> = grants(&policy).difference(&used).cloned().collect();
        assert_eq!(unused, [], "{purposes:?}, {}", if facts.is_some() { "live" } else { "by names" });
    }
}

#[test]
fn no_statement_can_be_spared() {
    let (book, ground, facts) = book();
    for (purposes, facts) in all().into_iter().flat_map(|purposes| [None, Some(facts)].map(|facts| (purposes.clone(), facts))) {
        let policy = document(&ground.runbook, facts, &purposes);
        // Without a statement, that is denied which no other one allows.
        let alone = |ask: &Ask| {
            let mut sids: BTreeSet<String> = allowing(&policy, ask).into_iter().map(|(sid, ..)| sid).collect();
            if sids.len() == 1 { sids.pop_first() } else { None }
        };
        let needed: BTreeSet<String> = book.of(&purposes).filter_map(alone).collect();
        let there: BTreeSet<String> = grants(&policy).into_iter().map(|(sid, ..)| sid).collect();
        assert_eq!(there.difference(&needed).collect::<Vec<_>>(), [""; 0], "{purposes:?}");
    }
}

fn is_read(action: &str) -> bool {
    READ_ONLY_OPERATIONS.contains(&action.rsplit(':').next().expect("an operation"))
}

#[test]
fn who_only_looks_may_change_nothing() {
    let (book, ground, facts) = book();
    let usual = usual();
    let changes: BTreeSet<&Ask> = book.of(&usual).filter(|ask| !is_read(&ask.action)).collect();
    let kinds: BTreeSet<&str> = changes.iter().map(|ask| ask.action.as_str()).collect();
    assert!(kinds.len() >= 20, "every sort of change is among them: {kinds:?}");
    for purpose in [Purpose::Plan, Purpose::Doctor, Purpose::Snapshot] {
        for facts in [None, Some(facts)] {
            let policy = document(&ground.runbook, facts, &purposes(purpose));
            let writes: Vec<_> = grants(&policy).into_iter().filter(|(_, action, _)| !is_read(action)).collect();
            assert_eq!(writes, [], "{purpose:?}");
            assert!(changes.iter().all(|ask| allowing(&policy, ask).is_empty()), "{purpose:?}");
        }
    }
}

/// A plan asks IAM whether the caller may: of a caller with this policy it must hear yes.
#[test]
fn a_plan_finds_nothing_missing_from_the_policy() {
    let (_, ground, facts) = book();
    let questions = paused(async {
        let lab = Lab::on(ground.start.clone(), &ground.runbook, 1);
        lab.plan(&RunId::new("r0000")).await.expect("it can be planned");
        let simulated = lab.sim.requests().into_iter().filter(|request| request.action == "iam:SimulatePrincipalPolicy");
        let caller = lab.aws.identity().await.expect("credentials").arn;
        simulated.flat_map(|request| iam::simulated(&request, &caller)).collect::<Vec<_>>()
    });
    assert!(questions.len() > 30, "{questions:?}");
    for facts in [None, Some(facts)] {
        let policy = document(&ground.runbook, facts, &usual());
        let denied: Vec<_> = questions.iter().filter(|ask| allowing(&policy, ask).is_empty()).collect();
        assert!(denied.is_empty(), "{denied:#?}");
    }
}

#[test]
fn iam_takes_it() {
    let (_, ground, facts) = book();
    for (purposes, facts) in all().into_iter().flat_map(|purposes| [None, Some(facts)].map(|facts| (purposes.clone(), facts))) {
        let policy = document(&ground.runbook, facts, &purposes);
        assert_eq!(policy["Version"], "2012-10-17");
        let statements = policy["Statement"].as_array().expect("statements");
        let sids: BTreeSet<&str> = statements.iter().map(|statement| statement["Sid"].as_str().expect("a Sid")).collect();
        assert_eq!(sids.len(), statements.len(), "each Sid once");
        assert!(sids.iter().all(|sid| sid.starts_with("Sidestep") && sid.chars().all(|letter| letter.is_ascii_alphanumeric())));
        for (sid, action, resource) in grants(&policy) {
            assert!(!action.contains('*') && !resource.contains(['<', '$', '{', ' ']), "{sid}: {action} on {resource}");
            let parts = resource.splitn(6, ':').count();
            assert!(resource == "*" || (parts == 6 && resource.starts_with("arn:aws:")), "{sid}: {resource}");
        }
    }
}

/// One plan, run, look and way back, and what was read before.
fn one_course(start: State, runbook: &Runbook) -> (Book, Facts) {
    let mut book = Book::default();
    let facts = paused(async {
        let lab = Lab::on(start, runbook, 1);
        let facts = facts(&lab).await;
        whole(&mut book, &lab).await;
        facts
    });
    (book, facts)
}

/// What its policy denies of one course.
fn of_one_course(start: State, runbook: &Runbook) -> Vec<String> {
    let (book, facts) = one_course(start, runbook);
    let denied = |facts: Option<&Facts>| {
        all().into_iter().flat_map(|purposes| book.denied(&document(runbook, facts, &purposes), &purposes)).collect::<Vec<_>>()
    };
    assert_eq!(denied(None), denied(Some(&facts)));
    denied(None)
}

#[test]
fn it_goes_by_the_names_that_variables_give() {
    let named = "aws_account_id = \"111122223333\"\njaeger_name = \"tracing\"\nlog_group_name = \"/tracing/all\"\n\
                 jaeger_dns_name = \"spans\"\nexecution_role_arn = \"arn:aws:iam::111122223333:role/tracing/execution\"\n";
    let runbook = worlds::shipped(named);
    assert_eq!(of_one_course(worlds::start(), &runbook), [""; 0]);
    let text = document(&runbook, None, &usual()).to_string();
    for name in [
        "arn:aws:ecs:us-west-2:111122223333:service/nexus-ai-cluster-staging/tracing\"",
        "arn:aws:logs:us-west-2:111122223333:log-group:/tracing/all:*\"",
    ] {
        assert!(text.contains(name), "{name}: {text}");
    }
    assert!(!text.contains(worlds::JAEGER) && !text.contains(":*:"), "{text}");
    let narrow = "task_role_arn = \"arn:aws:iam::111122223333:role/tracing\"\n";
    let by_names = document(&worlds::shipped(&format!("{named}{narrow}")), None, &usual()).to_string();
    assert!(by_names.contains("iam::111122223333:role/*"), "the API's roles are not known: {by_names}");
}

#[test]
fn several_services_and_another_order_of_stages() {
    assert_eq!(of_one_course(worlds::two_apis(), &worlds::for_two_apis()), [""; 0]);
    assert_eq!(of_one_course(worlds::start(), &worlds::dns_first()), [""; 0]);
}

#[test]
fn a_target_group_that_is_named() {
    let from_sidecar = "from_sidecar   = var.sidecar_name";
    let runbook = worlds::rewritten(|text| text.replace(from_sidecar, "target_group = \"nexus-ai-jaeger-tg-staging\""), "");
    assert_eq!(of_one_course(worlds::start(), &runbook), [""; 0]);
}

/// The program's own log lines tell what it received: they are read, and the application's before.
#[test]
fn other_sidecars() {
    for name in [worlds::OTEL, worlds::XRAY] {
        let runbook = worlds::other(name, "");
        let (book, facts) = one_course(worlds::other_start(name), &runbook);
        for purposes in all() {
            let live = document(&runbook, Some(&facts), &purposes);
            assert_eq!(book.denied(&live, &purposes), [""; 0], "{name}, {purposes:?}, with what the account says");
            let mut denied = book.denied(&document(&runbook, None, &purposes), &purposes);
            denied.retain(|denied| !(denied.starts_with("logs:GetLogEvents") && denied.contains(worlds::API)));
            assert_eq!(denied, [""; 0], "{name}, {purposes:?}, by names alone");
        }
    }
}

/// A stage that is left out needs nothing.
#[test]
fn stages_that_are_off_are_not_in_it() {
    let policy = document(&worlds::shipped(""), None, &usual()).to_string();
    for action in ["ec2:AuthorizeSecurityGroupIngress", "ec2:CreateTags", "elasticloadbalancing:ModifyTargetGroup"] {
        assert!(!policy.contains(action), "{action}");
    }
}
