//! What services name and what somebody deletes: target groups, Cloud Map services, subnets.

use serde_json::{Value, json};
use sidestep::capture::{Captured, capture};
use sidestep::doctor::{self, Trouble};
use sidestep::drill::foreign;
use sidestep::model::{FailureKind, Outcome, Plan, RunId};
use sidestep::plan::observe;
use sidestep::sim::State;

use super::common::{deployed_by_others, done, lab, next_release, reference, service};
use super::findings;
use crate::support::{Lab, Stop, paused, worlds};

const GROUP: &str = "nexus-ai-jaeger-tg-staging";

/// The world in which the target group of the sidecars was deleted, with what runs in it.
fn deleted() -> Lab {
    let (_, world, runbook) = findings::all().find(|(id, ..)| *id == "service-target-group-gone").expect("it is tried");
    Lab::new(&world, &runbook, 1)
}

/// Somebody takes the rule that forwards to the sidecars' target group away, and the group.
fn delete_group(lab: &Lab) {
    let world = lab.world();
    let groups = world["elbv2"]["targetGroups"].as_array().expect("groups");
    let arn = &groups.iter().find(|group| group["TargetGroupName"] == GROUP).expect("it is there")["TargetGroupArn"];
    let text = arn.as_str().expect("an ARN");
    for rule in world["elbv2"]["rules"].as_array().expect("rules").iter().filter(|rule| rule.to_string().contains(text)) {
        lab.foreign("elasticloadbalancing:DeleteRule", &json!({ "RuleArn": rule["RuleArn"] }));
    }
    lab.foreign("elasticloadbalancing:DeleteTargetGroup", &json!({ "TargetGroupArn": arn }));
}

/// The same process over the account with a change in it.
fn over(lab: &Lab, change: impl FnOnce(&mut Value)) -> Lab {
    let mut left = lab.leave().expect("the journal is there");
    let mut world = left.state.save();
    change(&mut world);
    left.state = State::load(&world, 3).expect("a world");
    left.now = left.state.now();
    Lab::from(sidestep::drill::Lab::from_fork(&left, 0, &lab.runbook, &lab.run_id(), 5).expect("a process"))
}

async fn plan(lab: &Lab) -> Plan {
    lab.plan(&RunId::new("t1")).await.expect("it can be planned")
}

/// The causes that `sidestep doctor` names, as `id service`, and the whole of it as text.
async fn causes(lab: &Lab) -> (Vec<String>, String) {
    let trouble = lab.run.borrow().is_some().then(|| Trouble::of(&lab.view())).flatten();
    let identity = lab.aws.identity().await.expect("credentials");
    let evidence = doctor::read(&lab.aws, &lab.runbook, &identity, trouble).await.expect("it can be read");
    let found = doctor::examine(&evidence);
    let named = found.causes.iter().map(|cause| format!("{} {}", cause.id, cause.about)).collect();
    assert!(found.unseen.is_empty(), "nothing is for want of a permission: {:?}", found.unseen);
    (named, format!("{:?}", found.causes))
}

fn groups_of(world: &Value, name: &str) -> String {
    service(world, name)["loadBalancers"].to_string()
}

fn ended(lab: &Lab) -> (Outcome, String) {
    lab.view().ended.expect("it is over")
}

#[test]
fn a_plan_names_the_group_that_is_gone_and_the_command_that_repairs_the_service() {
    paused(async {
        let lab = deleted();
        let plan = plan(&lab).await;
        let finding = plan.findings.iter().find(|finding| finding.id == "service-target-group-gone").expect("it is found");
        assert!(finding.resource == worlds::API && finding.must_repair, "{finding:?}");
        assert!(finding.found.contains("jaeger:16686 names target group `nexus-ai-jaeger-tg-staging`"), "{finding:?}");
        let kept = finding.fix.split('\'').nth(1).expect("a list in quotes");
        assert!(finding.fix.contains("update-service") && finding.fix.contains("--load-balancers"), "{finding:?}");
        let entries: Value = serde_json::from_str(kept).expect("JSON");
        assert_eq!(entries.as_array().map(Vec::len), Some(1));
        let missing = plan.findings.iter().find(|finding| finding.id == "target-group-missing").expect("it is found");
        assert!(missing.found.contains("was deleted"), "{missing:?}");
        assert!(matches!(lab.run().await, Stop::Blocked(_)));
        // What the finding says is a repair.
        lab.foreign("UpdateService", &json!({ "cluster": worlds::CLUSTER, "service": worlds::API, "loadBalancers": entries }));
        lab.live(60_000).await;
        let repaired = self::plan(&lab).await;
        assert!(!repaired.findings.iter().any(|finding| finding.id == "service-target-group-gone"), "{:?}", repaired.findings);
    });
}

#[test]
fn the_doctor_has_the_group_as_the_cause() {
    paused(async {
        let lab = deleted();
        let (causes, text) = causes(&lab).await;
        assert!(causes.contains(&format!("target-group-gone {}", worlds::API)), "{causes:?}");
        assert!(text.contains("aws ecs update-service") && text.contains(GROUP), "{text}");
    });
}

#[test]
fn a_capture_of_such_an_account_is_complete() {
    paused(async {
        let lab = deleted();
        let identity = lab.aws.identity().await.expect("credentials");
        let facts = observe(&lab.aws, &lab.runbook, &identity).await.expect("the account can be read");
        let Captured { world, missing } = capture(&lab.aws, &lab.runbook, &facts).await.expect("it can be captured");
        assert!(missing.is_empty(), "nothing is for want of a permission");
        assert_eq!(world["elbv2"]["targetGroups"].as_array().map(Vec::len), Some(2), "those that are there");
        let again = plan(&Lab::new(&world, &lab.runbook, 1)).await;
        assert!(again.findings.iter().any(|finding| finding.id == "service-target-group-gone"));
    });
}

/// The run has taken the sidecar out, and its target group goes: back, the entry is left out, and that is said.
#[test]
fn the_way_back_leaves_out_an_entry_whose_group_was_deleted() {
    paused(async {
        let lab = lab();
        let before = lab.world();
        done(lab.run().await);
        delete_group(&lab);
        let stop = lab.roll_back(None).await;
        assert!(matches!(stop, Stop::RolledBack), "{stop:?}");
        let now = lab.settled().await;
        let (then, api) = (service(&before, worlds::API), service(&now, worlds::API));
        assert_eq!(api["taskDefinition"], then["taskDefinition"]);
        assert_eq!((&api["runningCount"], &api["deployments"][0]["rolloutState"]), (&json!(2), &json!("COMPLETED")));
        assert!(groups_of(&before, worlds::API).contains(GROUP) && !groups_of(&now, worlds::API).contains(GROUP));
        assert_eq!(service(&now, worlds::JAEGER), &Value::Null, "it is gone, though it was in that group too");
        assert_eq!(lab.spans_lost(), 0);
        // The plan of the way back, its step and the last words say so.
        let view = lab.view();
        let note = view.plan.findings.iter().find(|finding| finding.id == "target-group-gone").expect("a note");
        assert!(note.resource == GROUP && note.found.contains(worlds::API), "{note:?}");
        assert!(view.plan.steps().any(|(_, _, step)| step.title.contains(&format!("without jaeger:16686 in {GROUP}"))));
        let (outcome, why) = ended(&lab);
        assert_eq!(outcome, Outcome::RolledBack);
        assert!(why.contains(&format!("target group {GROUP} is gone, and its load-balancer entry was left out")), "{why}");
    });
}

/// The run has changed the endpoint alone: the API still names the group when it goes back.
#[test]
fn the_way_back_takes_out_what_the_service_itself_still_names() {
    paused(async {
        let lab = lab();
        assert!(matches!(lab.run_before(&["strip-sidecar"]).await, Stop::Before(..)));
        delete_group(&lab);
        let (causes, text) = causes(&lab).await;
        assert!(causes.contains(&format!("target-group-gone {}", worlds::API)), "{causes:?}");
        assert!(text.contains(GROUP), "{text}");
        let stop = lab.roll_back(None).await;
        assert!(matches!(stop, Stop::RolledBack), "{stop:?}");
        let now = lab.settled().await;
        assert!(!groups_of(&now, worlds::API).contains(GROUP));
        assert_eq!(service(&now, worlds::API)["runningCount"], 2);
    });
}

/// Forward, the stage that takes the sidecar out repairs the service.
#[test]
fn taking_the_sidecar_out_takes_the_entry_out() {
    paused(async {
        let lab = lab();
        assert!(matches!(lab.run_before(&["strip-sidecar"]).await, Stop::Before(..)));
        delete_group(&lab);
        let found = plan(&lab).await.findings;
        let own = found.iter().find(|finding| finding.id == "sidecar-target-group-gone").expect("it is found");
        assert!(!found.iter().any(|finding| finding.id == "service-target-group-gone"), "{own:?}");
        let stop = lab.resume().await;
        assert!(matches!(stop, Stop::Done), "{stop:?}");
        assert!(!groups_of(&lab.settled().await, worlds::API).contains(GROUP));
    });
}

/// A run that is done, whose group goes between the plan of the way back and its step.
pub(super) async fn group_goes_under_way() -> Lab {
    let lab = lab();
    done(lab.run().await);
    let (sim, clock) = (lab.sim.clone(), lab.clock.clone());
    let world = lab.world();
    let group = world["elbv2"]["targetGroups"].as_array().and_then(|groups| {
        groups.iter().find(|group| group["TargetGroupName"] == GROUP).map(|group| group["TargetGroupArn"].clone())
    });
    let group = group.expect("it is there");
    let rule = world["elbv2"]["rules"].as_array().and_then(|rules| {
        let forwards = |rule: &&Value| rule.to_string().contains(group.as_str().expect("an ARN"));
        rules.iter().find(forwards).map(|rule| rule["RuleArn"].clone())
    });
    let mut due = true;
    *lab.watcher.borrow_mut() = Box::new(move |view, _, _| {
        if view.goes_back() && std::mem::take(&mut due) {
            for (operation, input) in [
                ("elasticloadbalancing:DeleteRule", json!({ "RuleArn": rule })),
                ("elasticloadbalancing:DeleteTargetGroup", json!({ "TargetGroupArn": group })),
            ] {
                foreign(&sim, clock.now_millis(), "us-west-2", operation, &input).expect("AWS does it");
            }
        }
    });
    lab
}

/// ECS refuses the step, and taken up again the way back is planned without the entry.
#[test]
fn a_group_that_goes_while_the_way_back_is_under_way() {
    paused(async {
        let lab = group_goes_under_way().await;
        let stop = lab.roll_back(None).await;
        assert_eq!(stop.kind(), Some(FailureKind::Rejected), "{stop:?}");
        let stop = lab.roll_back(None).await;
        assert!(matches!(stop, Stop::RolledBack), "{stop:?}");
        assert!(!groups_of(&lab.settled().await, worlds::API).contains(GROUP));
    });
}

/// Others deployed since, and the group is gone besides.
#[test]
fn onto_the_newest_revision_it_is_left_out_too() {
    paused(async {
        let lab = lab();
        done(lab.run().await);
        deployed_by_others(&lab, worlds::API, next_release).await;
        delete_group(&lab);
        let stop = lab.roll_back_onto_newest().await;
        assert!(matches!(stop, Stop::RolledBack), "{stop:?}");
        let now = lab.settled().await;
        assert!(!groups_of(&now, worlds::API).contains(GROUP));
        assert_eq!(service(&now, worlds::API)["runningCount"], 2);
    });
}

/// The rule that forwarded to it is gone, and the group is not: ECS takes no group that no load balancer uses.
#[test]
fn a_group_that_no_listener_forwards_to_any_more_is_left_out() {
    paused(async {
        let lab = lab();
        done(lab.run().await);
        let rules = lab.world()["elbv2"]["rules"].as_array().expect("rules").clone();
        for rule in rules.iter().filter(|rule| rule.to_string().contains(GROUP)) {
            lab.foreign("elasticloadbalancing:DeleteRule", &json!({ "RuleArn": rule["RuleArn"] }));
        }
        let stop = lab.roll_back(None).await;
        assert!(matches!(stop, Stop::RolledBack), "{stop:?}");
        assert!(!groups_of(&lab.settled().await, worlds::API).contains(GROUP));
        assert!(ended(&lab).1.contains(GROUP), "{}", ended(&lab).1);
    });
}

/// Whoever may not look at target groups goes back all the same.
#[test]
fn a_way_back_without_the_permission_to_look_at_target_groups() {
    paused(async {
        let lab = lab();
        done(lab.run().await);
        let lab =
            over(&lab, |world| world["iam"]["denied"] = json!([{ "actions": ["elasticloadbalancing:DescribeTargetGroups"] }]));
        let stop = lab.roll_back(None).await;
        assert!(matches!(stop, Stop::RolledBack), "{stop:?}");
        let (then, now) = (&reference().start, lab.settled().await);
        for member in ["taskDefinition", "loadBalancers", "serviceRegistries"] {
            assert_eq!(service(&now, worlds::API)[member], service(then, worlds::API)[member], "{member}");
        }
    });
}

/// Nobody is registered under the API's name any more, and somebody deletes it.
#[test]
fn the_way_back_leaves_out_a_registry_that_was_deleted() {
    paused(async {
        let lab = lab();
        done(lab.run().await);
        let registry = service(&lab.world(), worlds::API)["serviceRegistries"][0]["registryArn"].clone();
        let id = registry.as_str().and_then(|arn| arn.rsplit('/').next()).expect("an id").to_owned();
        let listed = lab.foreign("servicediscovery:ListInstances", &json!({ "ServiceId": id }));
        for instance in listed["Instances"].as_array().expect("instances") {
            lab.foreign("servicediscovery:DeregisterInstance", &json!({ "ServiceId": id, "InstanceId": instance["Id"] }));
        }
        lab.live(5 * 60_000).await;
        lab.foreign("servicediscovery:DeleteService", &json!({ "Id": id }));
        let (causes, _) = causes(&lab).await;
        assert!(causes.contains(&format!("registry-gone {}", worlds::API)), "{causes:?}");
        let stop = lab.roll_back(None).await;
        assert!(matches!(stop, Stop::RolledBack), "{stop:?}");
        assert_eq!(service(&lab.settled().await, worlds::API)["serviceRegistries"], json!([]));
        assert!(ended(&lab).1.contains(&id), "{}", ended(&lab).1);
    });
}

#[test]
fn a_subnet_that_is_gone_is_no_missing_permission() {
    paused(async {
        let (_, world, runbook) = findings::all().find(|(id, ..)| *id == "network-gone").expect("it is tried");
        let lab = Lab::new(&world, &runbook, 1);
        let plan = plan(&lab).await;
        let finding = plan.findings.iter().find(|finding| finding.id == "network-gone").expect("it is found");
        assert!(finding.fix.contains("--network-configuration '{"), "{finding:?}");
        assert!(!plan.findings.iter().any(|finding| finding.id.contains("unread")), "{:?}", plan.findings);
        let (causes, _) = causes(&lab).await;
        assert!(causes.contains(&format!("network-gone {}", worlds::API)), "{causes:?}");
    });
}
