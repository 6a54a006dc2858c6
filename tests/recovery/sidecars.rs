//! The shipped runbooks for other sidecars than Jaeger: collectors and daemons that pass on what they get, without load balancer, UI or
//! an API to ask.

use serde_json::{Value, json};
use sidestep::doctor;
use sidestep::model::{Disposition, Examination, FailureKind, RunId, StepId};
use sidestep::sim::State;

use super::case;
use super::common::{back_to, definition, deployed_by_others, done, next_release, service};
use crate::support::{Case, Course, Depth, Lab, Stop, StopExt, paused, worlds};
use worlds::{API, OTEL, XRAY};

const VARIABLE: &str = "AWS_XRAY_DAEMON_ADDRESS";
const SHARED: &str = "xray.nexus-ai.local:2000";
const FRONTEND: &str = "nexus-ai-frontend-staging";
const SPANS: &str = "retarget-api-env/nexus-ai-api-staging/spans";

/// Both ways of each.
pub fn cases() -> [Case; 4] {
    let there = |name| case(name, worlds::other_start(name), worlds::other(name, ""));
    let back = |name| Case { course: Course::Back, ..there(name) };
    [there(XRAY), back(XRAY), there(OTEL), back(OTEL)]
}

fn lab_of(state: State, name: &str, more: &str) -> Lab {
    let mut lab = Lab::on(state, &worlds::other(name, more), 1);
    lab.approves = true;
    lab
}

fn lab(name: &str, more: &str) -> Lab {
    lab_of(worlds::other_start(name), name, more)
}

async fn untouched(name: &str) -> Value {
    lab(name, "").settled().await
}

/// The container that serves, as the API runs it.
fn api(lab: &Lab) -> Value {
    definition(&lab.world(), API)["containerDefinitions"][0].clone()
}

fn variable(container: &Value, name: &str) -> Option<String> {
    let mut pairs = container["environment"].as_array().into_iter().flatten();
    pairs.find(|pair| pair["name"] == name).and_then(|pair| pair["value"].as_str().map(str::to_owned))
}

/// The built-in world with its security group let nobody in on 2000, but by `rules`.
fn with_rules(rules: &[&str]) -> Value {
    let mut world = worlds::other_world(XRAY);
    let list = world["ec2"]["securityGroups"][1]["IpPermissions"].as_array_mut().expect("rules");
    list.retain(|rule| rule["FromPort"] != 2000 || rules.iter().any(|protocol| rule["IpProtocol"] == **protocol));
    world
}

#[test]
fn each_moves_without_losing_a_span_and_comes_back() {
    for (name, sidecar) in [(XRAY, "xray-daemon"), (OTEL, "otel-collector")] {
        paused(async {
            let start = untouched(name).await;
            let lab = lab(name, "");
            done(lab.run().await);
            assert_eq!(lab.spans_lost(), 0, "{name}");
            let spans = lab.sim.with(|state| state.spans());
            assert_eq!(spans["total"]["retained"], spans["total"]["sent"], "who passes spans on loses none when it goes: {spans}");
            let containers = definition(&lab.world(), API)["containerDefinitions"].as_array().map(Vec::len);
            assert_eq!(containers, Some(1), "{sidecar} is gone");
            let again = lab.plan(&RunId::new("t2")).await.expect("it can be planned");
            assert!(again.is_empty() && again.stages.iter().flat_map(|stage| &stage.resources).all(is_so), "{again:?}");
            back_to(&lab, &start).await;
        });
    }
}

fn is_so(resource: &sidestep::model::Resource) -> bool {
    resource.disposition == Disposition::AlreadySo
}

#[test]
fn a_crash_anywhere_is_recovered_from() {
    for case in cases() {
        super::check(&case, super::choice(1), Depth::Once);
    }
}

#[test]
fn what_the_api_was_not_told_it_is_told_and_no_more_after_the_way_back() {
    paused(async {
        let lab = lab(XRAY, "");
        assert_eq!(variable(&api(&lab), VARIABLE), None);
        done(lab.run().await);
        assert_eq!(variable(&api(&lab), VARIABLE).as_deref(), Some(SHARED));
        // Somebody's pipeline takes what runs since: only what the run did is taken back.
        let theirs = |input: &mut Value| {
            next_release(input);
            input["taskRoleArn"] = json!("arn:aws:iam::111122223333:role/nexus-ai-ecs-task-staging");
        };
        deployed_by_others(&lab, API, theirs).await;
        assert_eq!(lab.roll_back(None).await.kind(), Some(FailureKind::Drift));
        let stop = lab.roll_back_onto_newest().await;
        assert!(matches!(stop, Stop::RolledBack), "{stop:?}");
        lab.live(600_000).await;
        let now = api(&lab);
        assert_eq!((variable(&now, VARIABLE), variable(&now, "RELEASE").as_deref()), (None, Some("2")), "{now}");
        assert_eq!(definition(&lab.world(), API)["containerDefinitions"].as_array().map(Vec::len), Some(2), "the sidecar is back");
        assert_eq!(lab.spans_lost(), 0);
    });
}

#[test]
fn an_address_that_the_api_was_told_is_changed_and_changed_back() {
    paused(async {
        let mut world = worlds::other_world(XRAY);
        let containers = &mut world["ecs"]["taskDefinitions"][1]["taskDefinition"]["containerDefinitions"];
        let told = json!({ "name": VARIABLE, "value": "tcp:127.0.0.1:2000 udp:127.0.0.1:2000" });
        containers[0]["environment"].as_array_mut().expect("an environment").push(told.clone());
        let start = || worlds::lived_in(&world, &[API]);
        let before = "daemon_address_before = \"tcp:127.0.0.1:2000 udp:127.0.0.1:2000\"\n";
        let lab = lab_of(start(), XRAY, before);
        done(lab.run().await);
        assert_eq!(variable(&api(&lab), VARIABLE).as_deref(), Some(SHARED));
        back_to(&lab, &lab_of(start(), XRAY, before).settled().await).await;
        assert_eq!(variable(&api(&lab), VARIABLE), told["value"].as_str().map(str::to_owned));
        // Without being told of it, it is not what is expected.
        let lab = lab_of(start(), XRAY, "");
        let plan = lab.plan(&RunId::new("t1")).await.expect("it can be planned");
        let found = plan.findings.iter().find(|finding| finding.id == "endpoint-unexpected").expect("it is found");
        assert!(found.fix.contains("variable `daemon_address_before`"), "{}", found.fix);
    });
}

#[test]
fn each_protocol_of_a_port_is_closed_and_opened_by_itself() {
    for (open, closed, consequence) in [
        (vec![], "TCP 2000 and UDP 2000", "every span would be lost"),
        (vec!["tcp"], "UDP 2000", "whatever is sent to UDP 2000 would be lost"),
        (vec!["udp"], "TCP 2000", "whatever is sent to TCP 2000 would be lost"),
    ] {
        paused(async {
            let world = with_rules(&open);
            let plan = lab_of(State::load(&world, 7).expect("a world"), XRAY, "").plan(&RunId::new("t1")).await;
            let plan = plan.expect("it can be planned");
            let found = plan.findings.iter().find(|finding| finding.id == "span-port-closed").expect("it is found");
            assert!(found.found.ends_with(&format!("in on {closed}")), "{}", found.found);
            assert!(found.consequence.ends_with(consequence), "{}", found.consequence);
            assert!(found.fix.starts_with("set variable `open_daemon_ports` to true"), "{}", found.fix);
            let start = || worlds::lived_in(&world, &[API]);
            let lab = lab_of(start(), XRAY, "open_daemon_ports = true\n");
            done(lab.run().await);
            assert_eq!(lab.spans_lost(), 0);
            let opened = lab.sim.ledger().iter().filter(|effect| effect.action == "AuthorizeSecurityGroupIngress").count();
            assert_eq!(opened, 2 - open.len(), "{open:?}");
            back_to(&lab, &lab_of(start(), XRAY, "").settled().await).await;
        });
    }
}

/// The built-in world with an API that nobody has used since its tasks were started.
async fn idle() -> State {
    let mut state = State::load(&worlds::other_world(XRAY), 7).expect("a world");
    state.set_idle(true);
    let lab = lab_of(state, XRAY, "");
    lab.foreign("UpdateService", &json!({ "cluster": worlds::CLUSTER, "service": API, "forceNewDeployment": true }));
    lab.live(15 * 60_000).await;
    lab.sim.with(|state| state.clone())
}

/// Runs without anybody who approves; the result that the gate was held with, and why.
async fn held(state: State, more: &str, accepted: &[&str]) -> (String, String) {
    let mut lab = Lab::on(state, &worlds::other(XRAY, more), 1);
    lab.accepted = accepted.iter().map(|id| (*id).to_owned()).collect();
    let stop = lab.run().await;
    let Stop::Held(step, _) = &stop else { panic!("{stop:?}") };
    assert!(step.as_str().ends_with("/spans"), "{step}");
    assert_eq!(definition(&lab.world(), API)["containerDefinitions"].as_array().map(Vec::len), Some(2), "the sidecar stays");
    lab.view().steps[step].held.clone().expect("it is held")
}

#[test]
fn the_gate_tells_what_the_daemons_logs_say() {
    paused(async {
        let (result, why) = held(worlds::lived_in(&with_rules(&[]), &[API]), "", &["span-port-closed"]).await;
        assert_eq!(result, "none");
        assert_eq!(
            why,
            "`nexus-ai-xray-staging` has not logged `Successfully sent batch of` within 2 min, although the sidecars had before it: \
             to strip the sidecar now would lose traces. See in the X-Ray console that there are traces of the API that began after \
             its rollout"
        );
        let idle = idle().await;
        let (result, why) = held(idle.clone(), "", &[]).await;
        assert!(
            result == "no-traffic" && why.contains("idle, or that is not what they log, which proves nothing. See in"),
            "{why}"
        );
        let asked = lab_of(idle, XRAY, "probe_url = \"http://nexus-ai-alb-staging-459449098.us-west-2.elb.amazonaws.com/api/x\"\n");
        done(asked.run().await);
        let both = format!("api_services = [\"{API}\", \"{FRONTEND}\"]\n");
        let (result, why) = held(worlds::other_start(XRAY), &both, &[]).await;
        assert!(result == "not-provable" && why.contains("not whose spans these are, and several services are pointed"), "{why}");
        let mut unreadable = worlds::other_world(XRAY);
        unreadable["iam"] = json!({ "denied": [{ "actions": ["logs:GetLogEvents"] }] });
        let (result, why) = held(State::load(&unreadable, 7).expect("a world"), "", &[]).await;
        assert!(result == "not-provable" && why.contains("the logs of `nexus-ai-xray-staging` may not be read:"), "{why}");
        // Somebody else uses the shared daemon already when the API is pointed at it.
        let lab = Lab::on(worlds::other_start(XRAY), &worlds::other(XRAY, ""), 1);
        assert!(matches!(lab.run_before(&["retarget-api-env"]).await, Stop::Before(..)));
        deployed_by_others(&lab, FRONTEND, |input| {
            input["containerDefinitions"][0]["environment"] = json!([{ "name": VARIABLE, "value": SHARED }]);
        })
        .await;
        let stop = lab.resume().await;
        assert!(matches!(&stop, Stop::Held(_, result) if result == "not-provable"), "{stop:?}");
        let (_, why) = lab.view().steps[&StepId::new(SPANS)].held.clone().expect("it is held");
        assert!(why.contains("somebody else sent there before the rollout already"), "{why}");
    });
}

/// Looks, as `sidestep doctor` does.
async fn examined(lab: &Lab) -> Examination {
    let identity = lab.aws.identity().await.expect("credentials");
    let evidence = doctor::read(&lab.aws, &lab.runbook, &identity, None).await.expect("it can be read");
    doctor::examine(&evidence)
}

#[test]
fn the_doctor_knows_their_ports_and_their_own_default() {
    paused(async {
        let lab = lab(XRAY, "");
        done(lab.run().await);
        assert_eq!(examined(&lab).await.causes, []);
        let mut closed = lab.settled().await;
        let rules = closed["ec2"]["securityGroups"][1]["IpPermissions"].as_array_mut().expect("rules");
        rules.retain(|rule| rule["IpProtocol"] != "udp");
        let found = examined(&Lab::new(&closed, &worlds::other(XRAY, ""), 1)).await;
        assert_eq!(found.causes[0].id, "span-port-closed", "{found:?}");
        assert!(found.causes[0].evidence[0].ends_with("in on UDP 2000"), "{found:?}");
        let forgetful = |input: &mut Value| {
            let environment = input["containerDefinitions"][0]["environment"].as_array_mut().expect("an environment");
            environment.retain(|pair| pair["name"] != VARIABLE);
        };
        deployed_by_others(&lab, API, forgetful).await;
        let found = examined(&lab).await;
        assert_eq!(found.causes[0].id, "sidecar-gone", "{found:?}");
        let words =
            "AWS_XRAY_DAEMON_ADDRESS of container `api` is not set, which means `127.0.0.1:2000`, and the task definition has";
        assert!(found.causes[0].evidence[0].starts_with(words), "{found:?}");
    });
}

#[test]
fn where_no_line_tells_a_person_says_it_before_the_sidecar_goes() {
    paused(async {
        let asked = async |more: &str| {
            let plan = lab(OTEL, more).plan(&RunId::new("t1")).await.expect("it can be planned");
            let strip = plan.stages.last().expect("a stage");
            strip.steps().next().filter(|step| step.action == "gate.approve").map(|step| step.params["message"].to_string())
        };
        assert!(asked("").await.is_some_and(|message| message.contains("that there are traces of the API")));
        assert_eq!(asked("arrival_line = \"Traces\"\n").await, None);
        let lab = Lab::on(worlds::other_start(OTEL), &worlds::other(OTEL, "arrival_line = \"Traces\"\n"), 1);
        let stop = lab.run().await;
        assert!(matches!(&stop, Stop::Held(step, result) if step.as_str() == SPANS && result == "no-traffic"), "{stop:?}");
    });
}

#[test]
fn a_daemon_whose_task_has_no_role_is_told_of_and_held() {
    paused(async {
        let mut world = worlds::other_world(XRAY);
        for known in world["ecs"]["taskDefinitions"].as_array_mut().into_iter().flatten() {
            known["taskDefinition"].as_object_mut().expect("a task definition").remove("taskRoleArn");
        }
        let lab = lab_of(State::load(&world, 7).expect("a world"), XRAY, "");
        let plan = lab.plan(&RunId::new("t1")).await.expect("it can be planned");
        let found = plan.findings.iter().find(|finding| finding.id == "no-task-role").expect("it is found");
        assert!(found.fix.contains("variable `task_role_arn`"), "{}", found.fix);
        let spans = lab.sim.with(|state| {
            state.advance(state.now() + 60_000);
            state.spans()
        });
        assert_eq!(
            spans["total"]["lost"]["receiver-has-no-role"], spans["total"]["sent"],
            "the sidecars could not either: {spans}"
        );
    });
}

#[test]
fn a_health_check_that_wants_a_shell_fails_in_an_image_without_one() {
    paused(async {
        let shell = "collector_health_check = [\"CMD-SHELL\", \"curl -f http://127.0.0.1:13133/ || exit 1\"]\n";
        let failure = lab(OTEL, shell).run().await.failure();
        assert_eq!(failure.kind, FailureKind::Rollout, "{failure:?}");
        // Another image has no program for one, and gets none.
        let other = lab(OTEL, "collector_image = \"otel/opentelemetry-collector-contrib:0.130.0\"\n");
        done(other.run().await);
        let shared = definition(&other.world(), "nexus-ai-otel-staging");
        assert_eq!(shared["containerDefinitions"][0].get("healthCheck"), None, "{shared}");
        assert_eq!(service(&other.world(), "nexus-ai-otel-staging")["runningCount"], 1);
    });
}

#[test]
fn the_collectors_configuration_comes_from_a_variable_or_a_parameter() {
    let container = |more: &str| {
        let runbook = worlds::other(OTEL, more);
        let stage = runbook.stages.iter().find(|stage| stage.kind == "task_definition").expect("a stage").body.clone();
        stage["container"]["otel-collector"].clone()
    };
    let given = container("collector_config = \"receivers: {}\"\n");
    assert_eq!(given["environment"], json!({ "AOT_CONFIG_CONTENT": "receivers: {}" }));
    paused(async {
        let more = "collector_config_parameter = \"collector-config\"\ncollector_config = \"\"\n";
        let lab = lab(OTEL, more);
        done(lab.run().await);
        let shared = definition(&lab.world(), "nexus-ai-otel-staging");
        let secrets = &shared["containerDefinitions"][0]["secrets"];
        assert_eq!(*secrets, json!([{ "name": "AOT_CONFIG_CONTENT", "valueFrom": "collector-config" }]));
        let plan = self::lab(OTEL, "collector_config = \"endpoint: localhost:4318\"\n").plan(&RunId::new("t1")).await;
        let plan = plan.expect("it can be planned");
        assert!(plan.findings.iter().any(|finding| finding.id == "receives-on-loopback"), "{:?}", plan.findings);
    });
}
