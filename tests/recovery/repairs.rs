//! The two stages that repair what the migration finds: closed ports, and a health check that asks where Jaeger would not answer. On the
//! system that needs both, whose tasks are in one security group.

use http::Request;
use serde_json::{Value, json};
use sidestep::drill;
use sidestep::model::{FailureKind, Runbook};
use sidestep::sim::{Fault, Handled, RequestFaultKind, State};

use super::case;
use super::common::{back_to, done, same};
use crate::support::compare::{How, differences};
use crate::support::{Case, Choice, Course, Depth, Lab, Stop, StopExt, paused, worlds};

const BALANCER: &str = "nexus-ai-alb-dev-4091711398.us-east-1.elb.amazonaws.com";
const GROUP: &str = "sg-6c01342a81931c9a7";
const AUTHORIZE: &str = "AuthorizeSecurityGroupIngress";
const REVOKE: &str = "RevokeSecurityGroupIngress";
const MODIFY: &str = "ModifyTargetGroup";

const PORTS: &str = "open_otlp_ports = true\n";
const PATH: &str = "set_health_path = true\njaeger_base_path = \"/jaeger\"\n";

/// Both stages switched on.
fn both() -> Runbook {
    worlds::for_dev(&format!("{PORTS}{PATH}"))
}

fn start() -> State {
    worlds::dev_start()
}

fn lab_of(runbook: &Runbook) -> Lab {
    Lab::on(start(), runbook, 1)
}

/// The world that a run began with, at rest.
async fn untouched() -> Value {
    lab_of(&both()).settled().await
}

/// The effects of an operation in the ledger.
fn count(lab: &Lab, action: &str) -> usize {
    lab.sim.ledger().iter().filter(|effect| effect.action == action).count()
}

fn ports_open(world: &Value) -> Vec<u64> {
    let groups = world["ec2"]["securityGroups"].as_array().into_iter().flatten();
    let rules = groups.flat_map(|group| group["IpPermissions"].as_array().into_iter().flatten());
    let ports: Vec<u64> = rules.filter_map(|rule| rule["FromPort"].as_u64()).filter(|port| *port > 4000 && *port < 5000).collect();
    ports
}

fn health_path(world: &Value) -> String {
    let mut groups = world["elbv2"]["targetGroups"].as_array().into_iter().flatten();
    let group = groups.find(|group| group["TargetGroupName"] == "nexus-ai-jaeger-tg-dev").expect("Jaeger's target group");
    group["HealthCheckPath"].as_str().expect("a path").to_owned()
}

/// Somebody else's request to EC2 or ELB.
fn by_others(lab: &Lab, service: &str, form: &str) -> String {
    let credential = format!("Credential=AKIASOMEBODYEXAMPLE/20250101/us-east-1/{service}/aws4_request");
    let request = Request::post(format!("https://{service}.us-east-1.amazonaws.com/"))
        .header("content-type", "application/x-www-form-urlencoded")
        .header("authorization", format!("AWS4-HMAC-SHA256 {credential}, SignedHeaders=host, Signature=0"))
        .body(bytes::Bytes::from(form.to_owned()))
        .expect("a request");
    match lab.sim.handle(lab.clock.now_millis(), request) {
        Handled::Respond(answer) if answer.status() == 200 => String::from_utf8_lossy(answer.body()).into_owned(),
        other => panic!("{form}: {other:?}"),
    }
}

fn open_by_others(lab: &Lab, port: u16) {
    let rule = format!(
        "IpPermissions.1.IpProtocol=tcp&IpPermissions.1.FromPort={port}&IpPermissions.1.ToPort={port}&IpPermissions.1.Groups.1.GroupId={GROUP}"
    );
    by_others(lab, "ec2", &format!("Action={AUTHORIZE}&Version=2016-11-15&GroupId={GROUP}&{rule}"));
}

fn path_by_others(lab: &Lab, path: &str) {
    let world = lab.world();
    let mut groups = world["elbv2"]["targetGroups"].as_array().into_iter().flatten();
    let group = groups.find(|group| group["TargetGroupName"] == "nexus-ai-jaeger-tg-dev").expect("Jaeger's target group");
    let arn = group["TargetGroupArn"].as_str().expect("an ARN").replace(':', "%3A").replace('/', "%2F");
    let path = path.replace('/', "%2F");
    let form = format!("Action={MODIFY}&Version=2015-12-01&TargetGroupArn={arn}&HealthCheckPath={path}");
    by_others(lab, "elasticloadbalancing", &form);
}

/// What a browser gets at an address: status, content type, where it is led, body.
fn get(lab: &Lab, url: &str) -> (u16, String, Option<String>, String) {
    let request = Request::get(url).body(bytes::Bytes::new()).expect("a request");
    let Handled::Respond(answer) = lab.sim.handle(lab.clock.now_millis(), request) else { panic!("{url}: no answer") };
    let header = |name: &str| answer.headers().get(name).map(|value| value.to_str().expect("text").to_owned());
    let body = String::from_utf8_lossy(answer.body()).into_owned();
    (answer.status().as_u16(), header("content-type").unwrap_or_default(), header("location"), body)
}

/// Does what a browser does with the UI's address: loads the page, then its script and style sheet from where the page says. Whether
/// all of it is the UI's.
fn ui_loads(lab: &Lab, path: &str) -> bool {
    let (mut status, mut kind, location, mut page) = get(lab, &format!("http://{BALANCER}{path}"));
    if let (307, Some(to)) = (status, location) {
        (status, kind, _, page) = get(lab, &format!("http://{BALANCER}{to}"));
    }
    assert!(status == 200 && kind.starts_with("text/html"), "{path}: {status} {kind}");
    let quoted = |after: &str| page.split(after).nth(1).and_then(|rest| rest.split('"').next()).map(str::to_owned);
    let base = quoted("<base href=\"").expect("a base address");
    [("src=\"./", "text/javascript"), ("<link rel=\"stylesheet\" href=\"./", "text/css")].iter().all(|(before, wanted)| {
        let file = quoted(before).expect("a file");
        let (status, kind, _, _) = get(lab, &format!("http://{BALANCER}{base}{file}"));
        status == 200 && kind.starts_with(wanted)
    })
}

#[test]
fn the_system_that_needs_both_migrates_shows_its_ui_and_comes_back() {
    paused(async {
        let lab = lab_of(&both());
        let start = untouched().await;
        assert!(!ui_loads(&lab, "/jaeger/"), "before, the page is there and finds none of its files");
        let stop = lab.run_before(&["strip-sidecar"]).await;
        assert!(matches!(stop, Stop::Before(..)), "{stop:?}");
        // Two sidecars and the shared one take turns.
        let turns: Vec<bool> = (0..6).map(|_| ui_loads(&lab, "/jaeger/")).collect();
        assert!(turns.contains(&false), "the sidecars answer as they did: {turns:?}");
        done(lab.resume().await);
        assert_eq!(lab.spans_lost(), 0, "spans lost");
        let world = lab.settled().await;
        assert_eq!((ports_open(&world), health_path(&world).as_str()), (vec![4317, 4318], "/jaeger/"));
        assert!((0..6).all(|_| ui_loads(&lab, "/jaeger/") && ui_loads(&lab, "/jaeger")), "the UI loads");
        assert_eq!(get(&lab, &format!("http://{BALANCER}/jaeger/static/gone.js")).0, 404);
        let (_, _, _, services) = get(&lab, &format!("http://{BALANCER}/jaeger/api/services"));
        assert!(services.contains("\"api\""), "and shows traces: {services}");
        back_to(&lab, &start).await;
        assert_eq!((ports_open(&lab.world()), health_path(&lab.world()).as_str()), (Vec::new(), "/"));
        assert_eq!([AUTHORIZE, REVOKE, MODIFY].map(|action| count(&lab, action)), [2, 2, 2]);
    });
}

#[test]
fn jaeger_2_redirects_to_its_ui() {
    paused(async {
        let image = "jaeger_image = \"jaegertracing/jaeger:2.20.0\"\n";
        let lab = lab_of(&worlds::for_dev(&format!("{PORTS}{PATH}{image}")));
        done(lab.run().await);
        lab.settled().await;
        let (status, _, location, _) = get(&lab, &format!("http://{BALANCER}/jaeger"));
        assert_eq!((status, location.as_deref()), (307, Some("/jaeger/")));
        assert!(ui_loads(&lab, "/jaeger") && ui_loads(&lab, "/jaeger/"));
    });
}

#[test]
fn no_api_task_is_replaced_while_the_path_moves() {
    paused(async {
        let lab = lab_of(&both());
        let tasks = |world: &Value| {
            let running = world["ecs"]["tasks"].as_array().cloned().unwrap_or_default();
            let of_api = running.into_iter().filter(|task| task["group"] == "service:nexus-ai-api-dev");
            of_api.filter(|task| task["lastStatus"] == "RUNNING").map(|task| task["taskArn"].to_string()).collect::<Vec<_>>()
        };
        let before = tasks(&lab.world());
        let stop = lab.run_before(&["create-service"]).await;
        assert!(matches!(stop, Stop::Before(..)), "{stop:?}");
        let world = lab.settled().await;
        assert_eq!((tasks(&world), health_path(&world).as_str()), (before, "/jaeger/"));
    });
}

#[test]
fn what_is_open_already_stays_as_it_is() {
    paused(async {
        let lab = Lab::on(worlds::start(), &worlds::shipped(PORTS), 1);
        let start = Lab::on(worlds::start(), &worlds::shipped(PORTS), 1).settled().await;
        done(lab.run().await);
        back_to(&lab, &start).await;
        assert_eq!([AUTHORIZE, REVOKE].map(|action| count(&lab, action)), [0, 0]);
    });
    // A range that holds one of the two.
    paused(async {
        let lab = lab_of(&worlds::for_dev(PORTS));
        let range = "IpPermissions.1.IpProtocol=tcp&IpPermissions.1.FromPort=4318&IpPermissions.1.ToPort=4400&IpPermissions.1.IpRanges.1.CidrIp=10.0.0.0%2F16";
        by_others(&lab, "ec2", &format!("Action={AUTHORIZE}&Version=2016-11-15&GroupId={GROUP}&{range}"));
        let start = lab.settled().await;
        done(lab.run().await);
        assert_eq!(ports_open(&lab.world()), [4318, 4317]);
        assert_eq!(count(&lab, AUTHORIZE), 2, "theirs, and one of ours");
        back_to(&lab, &start).await;
        assert_eq!(ports_open(&lab.world()), [4318]);
    });
}

#[test]
fn a_port_that_somebody_opens_meanwhile_stays_open() {
    paused(async {
        let lab = lab_of(&worlds::for_dev(PORTS));
        let stop = lab.run_before(&["open-ports"]).await;
        assert!(matches!(stop, Stop::Before(..)), "{stop:?}");
        open_by_others(&lab, 4318);
        done(lab.resume().await);
        assert_eq!(count(&lab, AUTHORIZE), 2, "theirs, and the one that was missing");
        assert!(matches!(lab.roll_back(None).await, Stop::RolledBack));
        assert_eq!((ports_open(&lab.world()), count(&lab, REVOKE)), (vec![4318], 1));
    });
}

#[test]
fn a_rule_that_somebody_made_in_place_of_ours_is_theirs() {
    paused(async {
        let lab = lab_of(&worlds::for_dev(PORTS));
        done(lab.run().await);
        let rule = format!(
            "IpPermissions.1.IpProtocol=tcp&IpPermissions.1.FromPort=4317&IpPermissions.1.ToPort=4317&IpPermissions.1.Groups.1.GroupId={GROUP}"
        );
        by_others(&lab, "ec2", &format!("Action={REVOKE}&Version=2016-11-15&GroupId={GROUP}&{rule}"));
        open_by_others(&lab, 4317);
        assert!(matches!(lab.roll_back(None).await, Stop::RolledBack));
        assert_eq!(ports_open(&lab.world()), [4317]);
    });
}

#[test]
fn a_rule_is_recognised_by_its_description_where_tagging_is_not_permitted() {
    paused(async {
        let lab = lab_of(&worlds::for_dev(PORTS));
        let start = untouched().await;
        let stop = lab.run_before(&["open-ports"]).await;
        assert!(matches!(stop, Stop::Before(..)), "{stop:?}");
        let deny = |on| lab.sim.with(|state| state.add_fault(Fault::Deny { action: "ec2:CreateTags".to_owned(), on }));
        deny(true);
        // Of the two requests for each port the first is refused; the second's answer is lost.
        lab.fault(AUTHORIZE, 2, RequestFaultKind::DropAfter);
        done(lab.resume().await);
        deny(false);
        let world = lab.world();
        let rules = world["ec2"]["securityGroupRules"].as_array().cloned().unwrap_or_default();
        assert_eq!(rules.len(), 2, "{rules:?}");
        assert!(rules.iter().all(|rule| rule["Tags"] == json!([])), "{rules:?}");
        let mark = format!("(sidestep run {})", lab.run_id());
        assert!(rules.iter().all(|rule| rule["Description"].to_string().contains(&mark)), "{rules:?}");
        back_to(&lab, &start).await;
    });
}

#[test]
fn an_attempt_that_lands_late_is_still_the_run_s_own() {
    // It lands right after the last look for it, and is seen only later: EC2 refuses the next attempt.
    for millis in [19_500, 25_000] {
        paused(async {
            let lab = lab_of(&worlds::for_dev(PORTS));
            let start = untouched().await;
            lab.fault(AUTHORIZE, 1, RequestFaultKind::LandsLate { millis });
            done(lab.run().await);
            assert_eq!(count(&lab, AUTHORIZE), 2, "{millis}: each rule once");
            back_to(&lab, &start).await;
        });
    }
}

#[test]
fn a_path_that_somebody_sets_meanwhile_stops_the_run() {
    paused(async {
        let lab = lab_of(&both());
        let stop = lab.run_before(&["set-health-path"]).await;
        assert!(matches!(stop, Stop::Before(..)), "{stop:?}");
        path_by_others(&lab, "/health");
        let failure = lab.resume().await.failure();
        assert_eq!(failure.kind, FailureKind::Drift, "{failure:?}");
        assert!(failure.causes.iter().any(|cause| cause.contains("/health")), "{failure:?}");
        assert!(matches!(lab.roll_back(None).await, Stop::RolledBack), "nothing of it is to be undone");
        assert_eq!(health_path(&lab.world()), "/health");
    });
}

#[test]
fn a_path_that_somebody_set_since_is_not_overwritten() {
    paused(async {
        let lab = lab_of(&both());
        done(lab.run().await);
        path_by_others(&lab, "/jaeger/search");
        let failure = lab.roll_back(None).await.failure();
        assert_eq!(failure.kind, FailureKind::Stuck, "{failure:?}");
        let left = sidestep::plan::inventory(&lab.view());
        let path = left.iter().find(|left| left.kind.starts_with("health check path")).expect("it is left");
        assert!(path.remove.contains("modify-target-group") && path.remove.contains("--health-check-path /"), "{path:?}");
        assert_eq!(health_path(&lab.world()), "/jaeger/search");
        // Who did it puts it right, and the rollback goes on.
        path_by_others(&lab, "/jaeger/");
        back_to(&lab, &untouched().await).await;
    });
}

/// A sidecar that answers under a path of its own, which the runbook does not know how to read.
fn sidecars_elsewhere() -> (State, Runbook) {
    let mut world = worlds::dev_world();
    for known in world["ecs"]["taskDefinitions"].as_array_mut().expect("task definitions") {
        for container in known["taskDefinition"]["containerDefinitions"].as_array_mut().expect("containers") {
            if container["name"] == "jaeger" {
                container["environment"]
                    .as_array_mut()
                    .expect("variables")
                    .push(json!({ "name": "QUERY_BASE_PATH", "value": "/traces" }));
            }
        }
    }
    let mut groups = world["elbv2"]["targetGroups"].as_array_mut().expect("target groups").iter_mut();
    let group = groups.find(|group| group["TargetGroupName"] == "nexus-ai-jaeger-tg-dev").expect("Jaeger's");
    group["HealthCheckPath"] = json!("/traces/");
    let runbook = worlds::rewritten_for_dev(
        |text| text.replace("variables = [\"QUERY_BASE_PATH\"]", "variables = []"),
        &format!("{PORTS}{PATH}"),
    );
    (worlds::dev_lived_in(&world), runbook)
}

#[test]
fn targets_that_fall_are_seen_and_the_way_back_saves_them() {
    let (world, runbook) = sidecars_elsewhere();
    paused(async {
        let start = Lab::on(world.clone(), &runbook, 1).settled().await;
        let lab = Lab::on(world, &runbook, 1);
        let failure = lab.run().await.failure();
        assert_eq!(failure.kind, FailureKind::Mismatch, "{failure:?}");
        assert!(failure.causes.iter().any(|cause| cause.contains("roll back")), "{failure:?}");
        back_to(&lab, &start).await;
    });
}

#[test]
fn ports_can_still_be_opened_when_no_span_has_arrived() {
    paused(async {
        let mut lab = lab_of(&worlds::for_dev(""));
        lab.accepted = vec!["span-port-closed".to_owned()];
        let stop = lab.run().await;
        assert!(matches!(stop, Stop::Held(..)), "{stop:?}");
        let stop = lab.amend(&worlds::for_dev(PORTS)).await;
        done(stop);
        assert_eq!(ports_open(&lab.world()), [4317, 4318]);
        let start = untouched().await;
        let stop = lab.roll_back(None).await;
        assert!(matches!(stop, Stop::RolledBack), "{stop:?}");
        same(&start, &lab.settled().await, How::WentBack);
    });
}

/// A dry run of the way back, on a capture of the account as the run has left it.
#[test]
fn a_capture_knows_the_rules_that_a_run_has_added() {
    let runbook = both();
    paused(async {
        let lab = lab_of(&runbook);
        done(lab.run().await);
        let identity = lab.aws.identity().await.expect("an identity");
        let facts = sidestep::plan::observe(&lab.aws, &runbook, &identity).await.expect("the account can be read");
        let captured = sidestep::capture::capture(&lab.aws, &runbook, &facts).await.expect("it can be captured");
        let world = sidestep::capture::masked(&captured.world, &runbook);
        let state = State::load(&world, 1).expect("a capture is a world");
        let left = lab.leave().expect("the journal can be read");
        let again = drill::Lab::from_files(state, left.now, &left.files, &runbook, &lab.run_id(), 2).expect("a process");
        let stop = again.roll_back(None).await;
        assert!(matches!(stop, Stop::RolledBack), "{stop:?}");
        assert_eq!((ports_open(&again.world()), health_path(&again.world()).as_str()), (Vec::new(), "/"));
        let revoked = again.sim.ledger().iter().filter(|effect| effect.action == REVOKE).count();
        assert_eq!(revoked, 2, "found by the ids that the account gave");
    });
}

/// Two runs of the same runbook leave the same, but for their own marks.
#[test]
fn which_run_opened_a_port_is_told_by_the_rule() {
    let left = |seed: u64| {
        paused(async move {
            let lab = Lab::on(start(), &both(), seed);
            done(lab.run().await);
            (lab.run_id(), lab.settled().await)
        })
    };
    let ((one, first), (other, second)) = (left(1), left(2));
    assert_ne!(one, other);
    assert_ne!(differences(&first, &second, How::Whole), Vec::<String>::new());
    assert_eq!(differences(&first, &second, How::AnotherRun), Vec::<String>::new());
}

/// What the sweeps die in.
pub fn repaired() -> Case {
    case("both repairs, dev", start(), both())
}

fn of_a_repair(point: &drill::Point) -> bool {
    point.stage.as_ref().is_some_and(|stage| ["open-ports", "set-health-path"].contains(&stage.as_str()))
}

#[test]
fn a_crash_while_something_is_repaired_is_recovered_from() {
    let choice = match super::choice(6) {
        Choice::Sample(..) => Choice::Where(|point| of_a_repair(point) && point.number % 8 == 0),
        other => other,
    };
    super::check(&repaired(), choice, Depth::Once);
    let back = Case { name: "the way back of both repairs".to_owned(), course: Course::Back, ..repaired() };
    super::check(&back, super::choice(2), Depth::Once);
}

#[test]
#[ignore = "every crash point: minutes in a debug build"]
fn a_crash_everywhere_with_both_repairs_is_recovered_from() {
    super::check(&repaired(), Choice::All, Depth::Once);
    let back = Case { name: "the way back of both repairs".to_owned(), course: Course::Back, ..repaired() };
    super::check(&back, Choice::All, Depth::Once);
}
