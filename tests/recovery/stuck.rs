//! A way back that meets resistance ends honestly: with what is left, who made it, why it is there, and what would remove it; or at the
//! start, where what resisted was gone already.

use serde_json::{Value, json};
use sidestep::model::{Failure, FailureKind, Outcome, Remainder, RunStatus, StepId};
use sidestep::plan::inventory;

use super::common::{back_to, done, lab, reference, same, service};
use crate::support::compare::How;
use crate::support::{Lab, Stop, paused, worlds};

const HOST: &str = "jaeger.nexus-ai.local";
const WEB: &str = "nexus-ai-web-staging";

/// A service of others, like the API but for its environment and logs; gives its revision.
pub(super) async fn web(lab: &Lab, environment: Value, log_group: &str) -> Value {
    let world = lab.world();
    let like = service(&world, worlds::API);
    let found = lab.foreign("DescribeTaskDefinition", &json!({ "taskDefinition": like["taskDefinition"] }));
    let mut container = found["taskDefinition"]["containerDefinitions"][0].clone();
    container["name"] = json!("web");
    container["environment"] = environment;
    container["logConfiguration"]["options"]["awslogs-group"] = json!(log_group);
    container["logConfiguration"]["options"]["awslogs-stream-prefix"] = json!("web");
    let mut input = json!({ "family": WEB, "containerDefinitions": [container] });
    for member in ["cpu", "memory", "networkMode", "executionRoleArn", "requiresCompatibilities"] {
        input[member] = found["taskDefinition"][member].clone();
    }
    let made = lab.foreign("RegisterTaskDefinition", &input);
    let revision = made["taskDefinition"]["taskDefinitionArn"].clone();
    lab.foreign(
        "CreateService",
        &json!({ "cluster": worlds::CLUSTER, "serviceName": WEB, "taskDefinition": revision, "desiredCount": 1, "launchType": "FARGATE",
            "networkConfiguration": like["networkConfiguration"] }),
    );
    lab.live(10 * 60_000).await;
    revision
}

/// What others made is gone again.
async fn web_goes(lab: &Lab, revision: &Value) {
    lab.foreign("DeleteService", &json!({ "cluster": worlds::CLUSTER, "service": WEB, "force": true }));
    lab.foreign("DeregisterTaskDefinition", &json!({ "taskDefinition": revision }));
    lab.live(10 * 60_000).await;
}

#[track_caller]
fn stuck(stop: Stop) -> (StepId, Failure) {
    match stop {
        Stop::Failed(step, failure) if failure.kind == FailureKind::Stuck => (step, failure),
        other => panic!("stuck was expected: {other:?}"),
    }
}

fn left(lab: &Lab) -> Vec<Remainder> {
    inventory(&lab.view())
}

fn names(remains: &[Remainder]) -> Vec<String> {
    remains.iter().map(|remainder| format!("{} {}", remainder.kind, remainder.name)).collect()
}

fn mutations(lab: &Lab) -> usize {
    lab.sim.ledger().len()
}

#[test]
fn what_others_use_stays_until_they_do_not() {
    paused(async {
        let lab = lab();
        done(lab.run().await);
        let theirs = web(&lab, json!([{ "name": "TRACES", "value": format!("http://{HOST}:4318/v1") }]), "/ecs/web").await;
        let before = lab.settled().await;
        let (step, failure) = stuck(lab.roll_back(None).await);
        assert_eq!(step.as_str(), format!("undo/register-dns/{HOST}/unused"));
        let cause = failure.causes.first().expect("who uses it is named");
        for words in [WEB, "container `web`", "TRACES", HOST] {
            assert!(cause.contains(words), "{words}: {failure:?}");
        }
        assert!(!cause.contains("4318"), "a value may hold more than the host: {cause}");
        // The API is back; the name, the service and its logs are as they were.
        let world = lab.settled().await;
        assert_eq!(service(&world, worlds::API)["taskDefinition"], service(&reference().start, worlds::API)["taskDefinition"]);
        assert_eq!(service(&world, worlds::JAEGER)["runningCount"], 1);
        for part in ["/servicediscovery/services", "/servicediscovery/instances", "/logs/logGroups"] {
            let counted = |world: &Value| world.pointer(part).map(|list| list.as_array().map_or(0, Vec::len));
            assert_eq!(counted(&world), counted(&before), "{part}");
        }
        let remains = left(&lab);
        let jaeger = format!("task definition {}:1", worlds::JAEGER);
        let expected =
            [format!("DNS name {HOST}"), format!("service {}", worlds::JAEGER), jaeger, format!("log group {}", worlds::LOG_GROUP)];
        assert_eq!(names(&remains), expected);
        assert!(remains[0].why.contains(WEB) && remains[0].remove.starts_with("aws servicediscovery delete-service --id srv-"));
        assert!(remains[1].why.contains("not been reached"), "{:?}", remains[1]);
        assert_eq!(lab.view().status(), RunStatus::Stuck);
        // Asked again while they are there, nothing is touched.
        let count = mutations(&lab);
        stuck(lab.roll_back(None).await);
        assert_eq!(mutations(&lab), count);
        web_goes(&lab, &theirs).await;
        back_to(&lab, &reference().start).await;
        assert_eq!(left(&lab), []);
    });
}

#[test]
fn what_is_skipped_stays_and_is_named_at_the_end() {
    paused(async {
        let lab = lab();
        done(lab.run().await);
        let theirs = web(&lab, json!([{ "name": "TRACES", "value": format!("http://{HOST}:4318") }]), "/ecs/web").await;
        let jaeger = service(&lab.settled().await, worlds::JAEGER).clone();
        let mut stop = lab.roll_back(None).await;
        let mut skipped = Vec::new();
        while let Stop::Failed(step, failure) = &stop {
            assert_eq!(failure.kind, FailureKind::Stuck, "{failure:?}");
            let (step, reason) = (step.clone(), "the web service keeps it");
            skipped.push(step.to_string());
            assert!(skipped.len() < 10, "{skipped:?}");
            stop = lab.roll_back_without(&step, reason).await;
        }
        assert!(matches!(stop, Stop::RolledBack), "{stop:?}");
        // The name, the service that answers for it, and the group that its logs go to.
        let parts: Vec<&str> = skipped.iter().filter_map(|step| step.split('/').nth(1)).collect();
        assert_eq!(parts, ["register-dns", "create-service", "create-log-group"]);
        let world = lab.settled().await;
        let now = service(&world, worlds::JAEGER);
        for member in ["taskDefinition", "desiredCount", "runningCount", "serviceRegistries", "loadBalancers"] {
            assert_eq!(now[member], jaeger[member], "{member}");
        }
        let view = lab.view();
        let Some((Outcome::RolledBack, why)) = &view.ended else { panic!("{:?}", view.ended) };
        let said = format!("rolled back except DNS name {HOST}, service {}, log group {}", worlds::JAEGER, worlds::LOG_GROUP);
        assert!(why.starts_with(&said), "{why}");
        // Its revision is in use: that is said, and was no reason to stop.
        assert!(why.ends_with(&format!("nothing depends on it: task definition {}:1", worlds::JAEGER)), "{why}");
        let remains = left(&lab);
        assert!(remains[0].why.contains("skipped by operator@simulator: the web service keeps it"), "{:?}", remains[0]);
        let harmless: Vec<bool> = remains.iter().map(|remainder| remainder.harmless).collect();
        assert_eq!(harmless, [false, false, true, false], "{remains:?}");
        // When they are gone, what is left goes as well.
        web_goes(&lab, &theirs).await;
        back_to(&lab, &reference().start).await;
    });
}

#[test]
fn an_instance_that_others_registered_keeps_the_name() {
    paused(async {
        let lab = lab();
        done(lab.run().await);
        let id = lab.world()["servicediscovery"]["services"]
            .as_array()
            .and_then(|list| list.iter().find(|service| service["Name"] == "jaeger"))
            .map(|service| service["Id"].clone())
            .expect("the name is there");
        let theirs = json!({ "ServiceId": id, "InstanceId": "theirs", "Attributes": { "AWS_INSTANCE_IPV4": "192.0.2.7" } });
        lab.foreign("servicediscovery:RegisterInstance", &theirs);
        lab.live(60_000).await;
        let (_, failure) = stuck(lab.roll_back(None).await);
        assert_eq!(failure.causes, ["instance theirs is registered under the name"]);
        assert_eq!(
            service(&lab.world(), worlds::JAEGER)["serviceRegistries"].as_array().map(Vec::len),
            Some(1),
            "still in its registry"
        );
        lab.foreign("servicediscovery:DeregisterInstance", &json!({ "ServiceId": id, "InstanceId": "theirs" }));
        lab.live(120_000).await;
        back_to(&lab, &reference().start).await;
    });
}

#[test]
fn instances_that_never_leave() {
    paused(async {
        let lab = lab();
        done(lab.run().await);
        let hours = 10 * 3_600_000;
        lab.sim.with(|state| state.assumptions_mut().control.instance_deregistration = (hours, hours));
        let (step, failure) = stuck(lab.roll_back(None).await);
        assert!(failure.message.contains("still registered after 10 min"), "{failure:?}");
        assert!(failure.causes.iter().any(|cause| cause.starts_with("instance ")), "{failure:?}");
        // Left where it is, all else is undone.
        let stop = lab.roll_back_without(&step, "AWS support is asked").await;
        assert!(matches!(stop, Stop::RolledBack), "{stop:?}");
        assert_eq!(names(&left(&lab)), [format!("DNS name {HOST}")]);
        let mut world = lab.settled().await;
        for list in ["services", "instances", "instancesHealth", "tags"] {
            let part = world["servicediscovery"].as_object_mut().expect("an object");
            match reference().start["servicediscovery"].get(list) {
                Some(before) => part.insert(list.to_owned(), before.clone()),
                None => part.remove(list),
            };
        }
        same(&reference().start, &world, How::WentBack);
        // Ten hours later they are gone, and so is the rest.
        lab.live(hours).await;
        back_to(&lab, &reference().start).await;
    });
}

#[test]
fn what_somebody_else_removed_is_already_so() {
    paused(async {
        let lab = lab();
        done(lab.run().await);
        lab.foreign("logs:DeleteLogGroup", &json!({ "logGroupName": worlds::LOG_GROUP }));
        let jaeger = service(&lab.world(), worlds::JAEGER)["taskDefinition"].clone();
        lab.foreign("DeregisterTaskDefinition", &json!({ "taskDefinition": jaeger }));
        let stop = lab.roll_back(Some("retarget-api-env")).await;
        assert!(matches!(stop, Stop::Partly), "{stop:?}");
        lab.foreign("DeleteService", &json!({ "cluster": worlds::CLUSTER, "service": worlds::JAEGER, "force": true }));
        lab.live(10 * 60_000).await;
        let stop = lab.roll_back(None).await;
        assert!(matches!(stop, Stop::RolledBack), "{stop:?}");
        same(&reference().start, &lab.settled().await, How::WentBack);
    });
}

#[test]
fn another_run_has_marked_what_this_one_made() {
    paused(async {
        let lab = lab();
        done(lab.run().await);
        let arn = service(&lab.world(), worlds::JAEGER)["serviceArn"].clone();
        lab.foreign("TagResource", &json!({ "resourceArn": arn, "tags": [{ "key": "sidestep:run", "value": "zzzz" }] }));
        let (step, failure) = stuck(lab.roll_back(None).await);
        assert!(step.as_str().starts_with("undo/register-dns/") && step.as_str().ends_with("/unused-service"), "{step}");
        assert!(failure.causes.iter().any(|cause| cause.contains("run `zzzz`")), "{failure:?}");
        assert_eq!(service(&lab.settled().await, worlds::JAEGER)["runningCount"], 1, "it was not scaled down");
    });
}

#[test]
fn logs_of_others_keep_the_log_group() {
    paused(async {
        let lab = lab();
        done(lab.run().await);
        let theirs = web(&lab, json!([]), worlds::LOG_GROUP).await;
        let (step, failure) = stuck(lab.roll_back(None).await);
        assert_eq!(step.as_str(), format!("undo/create-log-group/{}/unused", worlds::LOG_GROUP));
        assert!(failure.causes.iter().any(|cause| cause.contains(WEB) && cause.contains("logs go there")), "{failure:?}");
        // Their service is gone, and what it wrote is still there.
        web_goes(&lab, &theirs).await;
        let (_, failure) = stuck(lab.roll_back(None).await);
        assert!(failure.causes.iter().all(|cause| cause.contains("log stream `web/web/")), "{failure:?}");
        let stop = lab.roll_back_without(&step, "their logs are kept").await;
        assert!(matches!(stop, Stop::RolledBack), "{stop:?}");
        assert_eq!(names(&left(&lab)), [format!("log group {}", worlds::LOG_GROUP)]);
    });
}

#[test]
fn only_what_failed_on_the_way_back_is_skipped() {
    paused(async {
        let lab = lab();
        done(lab.run().await);
        let forward = StepId::new("create-log-group/x/create");
        assert!(matches!(lab.roll_back_without(&forward, "because").await, Stop::Error(_)), "no such step");
        web(&lab, json!([{ "name": "TRACES", "value": HOST }]), "/ecs/web").await;
        let (step, _) = stuck(lab.roll_back(None).await);
        let later = lab.view().plan.stages.last().and_then(|stage| stage.steps().next().map(|step| step.id.clone()));
        let later = later.filter(|later| *later != step).expect("a step that was not reached");
        assert!(matches!(lab.roll_back_without(&later, "because").await, Stop::Error(_)), "it has not failed");
        assert_eq!(lab.view().status(), RunStatus::Stuck, "nothing was journaled");
    });
}

/// The shared service stays as it is, and nothing of the run's is deleted.
#[track_caller]
fn untouched(lab: &Lab, before: usize) {
    assert_eq!(mutations(lab), before, "{:#?}", lab.sim.ledger().iter().skip(before).collect::<Vec<_>>());
    assert_eq!(service(&lab.world(), worlds::JAEGER)["runningCount"], 1);
}

#[test]
fn a_name_that_others_gave_the_shared_service_is_seen() {
    paused(async {
        let lab = lab();
        assert!(matches!(lab.run_before(&["register-dns"]).await, Stop::Before(..)));
        let namespaces = lab.foreign("servicediscovery:ListNamespaces", &json!({}));
        let input = json!({ "Name": "traces", "NamespaceId": namespaces["Namespaces"][0]["Id"], "CreatorRequestId": "theirs",
            "DnsConfig": { "DnsRecords": [{ "Type": "A", "TTL": 10 }] } });
        let name = lab.foreign("servicediscovery:CreateService", &input);
        let registries = json!([{ "registryArn": name["Service"]["Arn"] }]);
        let input = json!({ "cluster": worlds::CLUSTER, "service": worlds::JAEGER, "serviceRegistries": registries });
        lab.foreign("UpdateService", &input);
        lab.live(10 * 60_000).await;
        web(&lab, json!([{ "name": "TRACES", "value": "http://traces.nexus-ai.local:4318" }]), "/ecs/web").await;
        let before = mutations(&lab);
        let (step, failure) = stuck(lab.roll_back(None).await);
        assert!(step.as_str().ends_with("/unused"), "{step}");
        assert!(failure.causes.iter().any(|cause| cause.contains("the name `traces`")), "{failure:?}");
        untouched(&lab, before);
    });
}

#[test]
fn whoever_uses_the_address_of_its_task_is_seen() {
    paused(async {
        let lab = lab();
        assert!(matches!(lab.run_before(&["register-dns"]).await, Stop::Before(..)));
        let world = lab.world();
        let tasks = world["ecs"]["tasks"].as_array().expect("tasks");
        let group = format!("service:{}", worlds::JAEGER);
        let task = tasks.iter().find(|task| task["group"] == *group).expect("it runs");
        let details = task["attachments"][0]["details"].as_array().expect("details");
        let address = details.iter().find(|detail| detail["name"] == "privateIPv4Address").expect("an address")["value"].clone();
        let address = address.as_str().expect("an address");
        let theirs = web(
            &lab,
            json!([{ "name": "JAVA_TOOL_OPTIONS", "value": format!("-Dotel.x=http://{address}:4317 -Xmx1g") }]),
            "/ecs/web",
        )
        .await;
        let before = mutations(&lab);
        let (_, failure) = stuck(lab.roll_back(None).await);
        assert!(failure.causes.iter().any(|cause| cause.contains(WEB) && cause.contains(address)), "{failure:?}");
        untouched(&lab, before);
        web_goes(&lab, &theirs).await;
        back_to(&lab, &reference().start).await;
    });
}

/// A copy of the journal from before the name was given knows nothing of who uses the service since.
#[test]
fn an_old_copy_of_the_journal_takes_nothing_away_that_is_used() {
    paused(async {
        let lab = lab();
        assert!(matches!(lab.run_before(&["register-dns"]).await, Stop::Before(..)));
        let mut copy = lab.leave().expect("the journal is there");
        done(lab.resume().await);
        copy.state = lab.sim.with(|state| state.clone());
        copy.now = lab.clock.now_millis();
        let copied = sidestep::drill::Lab::from_fork(&copy, 0, &lab.runbook, &lab.run_id(), 5).expect("a process");
        let copied = Lab::from(copied);
        let before = mutations(&copied);
        let (_, failure) = stuck(copied.roll_back(None).await);
        assert!(failure.causes.iter().any(|cause| cause.contains(worlds::API) && cause.contains(HOST)), "{failure:?}");
        untouched(&copied, before);
    });
}

#[test]
fn an_argument_that_names_the_host_is_a_use_too() {
    paused(async {
        let lab = lab();
        done(lab.run().await);
        let theirs = web(&lab, json!([]), "/ecs/web").await;
        let found = lab.foreign("DescribeTaskDefinition", &json!({ "taskDefinition": theirs }));
        let mut input = json!({ "family": WEB, "containerDefinitions": found["taskDefinition"]["containerDefinitions"] });
        for member in ["cpu", "memory", "networkMode", "executionRoleArn", "requiresCompatibilities"] {
            input[member] = found["taskDefinition"][member].clone();
        }
        input["containerDefinitions"][0]["command"] = json!(["serve", format!("--traces={}:4317.", HOST.to_uppercase())]);
        let made = lab.foreign("RegisterTaskDefinition", &input);
        let arn = &made["taskDefinition"]["taskDefinitionArn"];
        lab.foreign("UpdateService", &json!({ "cluster": worlds::CLUSTER, "service": WEB, "taskDefinition": arn }));
        lab.live(10 * 60_000).await;
        let (_, failure) = stuck(lab.roll_back(None).await);
        assert!(failure.causes.iter().any(|cause| cause.contains("command names jaeger.nexus-ai.local")), "{failure:?}");
    });
}
