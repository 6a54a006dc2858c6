//! Revisions to which ECS lets no service return: deregistered before the run, in the middle of it, or deleted.

use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use sidestep::drill::{PointKind, Recorder};
use sidestep::model::FailureKind;
use sidestep::sim::State;

use super::common::{back_to, done, lab, reference, service};
use crate::support::{Depth, Lab, Stop, foreign, paused, worlds};

fn definition<'a>(world: &'a Value, arn: &Value) -> &'a Value {
    let all = world["ecs"]["taskDefinitions"].as_array().expect("task definitions");
    let found = all.iter().find(|known| known["taskDefinition"]["taskDefinitionArn"] == *arn);
    &found.expect("it is there")["taskDefinition"]
}

/// What a service runs.
fn runs(world: &Value) -> &Value {
    &service(world, worlds::API)["taskDefinition"]
}

fn deregister(lab: &Lab, arn: &Value) {
    lab.foreign("DeregisterTaskDefinition", &json!({ "taskDefinition": arn }));
}

/// The shipped world, in which what the API runs is INACTIVE.
fn inactive() -> State {
    let lab = lab();
    deregister(&lab, runs(&lab.world()));
    lab.sim.with(|state| state.clone())
}

/// The API runs the content of this revision, under whatever number, and serves.
#[track_caller]
fn runs_content_of(world: &Value, original: &Value) {
    let now = definition(world, runs(world));
    assert_eq!(now["status"], "ACTIVE");
    assert_eq!(now["containerDefinitions"], original["containerDefinitions"]);
    let api = service(world, worlds::API);
    assert_eq!((&api["runningCount"], &api["deployments"][0]["rolloutState"]), (&json!(2), &json!("COMPLETED")));
    assert_eq!(service(world, worlds::JAEGER), &Value::Null, "the shared service is gone");
}

fn ended(lab: &Lab) -> String {
    lab.view().ended.expect("it is over").1
}

#[test]
fn what_ran_inactive_is_come_back_to_as_a_copy() {
    paused(async {
        let lab = Lab::on(inactive(), &worlds::shipped(""), 1);
        let before = lab.world();
        let original = definition(&before, runs(&before)).clone();
        assert_eq!(original["status"], "INACTIVE");
        done(lab.run().await);
        let stop = lab.roll_back(None).await;
        assert!(matches!(stop, Stop::RolledBack), "{stop:?}");
        let now = lab.settled().await;
        runs_content_of(&now, &original);
        assert_eq!(lab.spans_lost(), 0);
        let copy = runs(&now).as_str().and_then(|arn| arn.rsplit('/').next()).expect("a revision");
        let says = format!("nexus-ai-api-staging runs {copy}, a copy of nexus-ai-api-staging:2, which is INACTIVE");
        assert!(ended(&lab).contains(&says), "{}", ended(&lab));
    });
}

/// Every crash point of a run on such an account leads to the goal or back.
#[test]
fn a_crash_does_not_matter_where_the_base_is_inactive() {
    let case = super::case("inactive base", inactive(), worlds::shipped(""));
    super::check(&case, super::choice(4), Depth::Once);
}

#[test]
fn what_was_deregistered_meanwhile_is_come_back_to_as_a_copy() {
    for between in [false, true] {
        paused(async {
            let lab = lab();
            let before = lab.world();
            let base = runs(&before).clone();
            let original = definition(&before, &base).clone();
            assert!(matches!(lab.run_before(&["strip-sidecar"]).await, Stop::Before(..)));
            let intermediate = runs(&lab.world()).clone();
            done(lab.resume().await);
            // Somebody cleans up: the base, and the revision that the run itself made on its way.
            deregister(&lab, &base);
            if between {
                deregister(&lab, &intermediate);
            }
            let stop = lab.roll_back(None).await;
            assert!(matches!(stop, Stop::RolledBack), "{between}: {stop:?}");
            let now = lab.settled().await;
            runs_content_of(&now, &original);
            let family =
                |known: &&Value| known["taskDefinition"]["family"] == worlds::API && known["taskDefinition"]["status"] == "ACTIVE";
            let active: Vec<&Value> = now["ecs"]["taskDefinitions"].as_array().expect("a list").iter().filter(family).collect();
            let ours = active.iter().filter(|known| known["tags"].to_string().contains("sidestep:run")).count();
            assert_eq!(ours, 1, "the copy that runs, and nothing else of the run: {active:?}");
        });
    }
}

/// The run's own revision, between the base and the last, is not needed by a way back that goes to the base.
#[test]
fn an_intermediate_revision_that_is_gone_does_not_matter() {
    paused(async {
        let lab = lab();
        assert!(matches!(lab.run_before(&["strip-sidecar"]).await, Stop::Before(..)));
        let intermediate = runs(&lab.world()).clone();
        done(lab.resume().await);
        deregister(&lab, &intermediate);
        lab.foreign("DeleteTaskDefinitions", &json!({ "taskDefinitions": [intermediate] }));
        back_to(&lab, &reference().start).await;
    });
}

/// A part of the way back leads to the run's own revision: a copy of it serves as well.
#[test]
fn a_part_of_the_way_back_goes_to_a_copy_too() {
    paused(async {
        let lab = lab();
        assert!(matches!(lab.run_before(&["strip-sidecar"]).await, Stop::Before(..)));
        let world = lab.world();
        let intermediate = definition(&world, runs(&world)).clone();
        done(lab.resume().await);
        deregister(&lab, &intermediate["taskDefinitionArn"]);
        let stop = lab.roll_back(Some("retarget-api-env")).await;
        assert!(matches!(stop, Stop::Partly), "{stop:?}");
        let world = lab.settled().await;
        assert_eq!(definition(&world, runs(&world))["containerDefinitions"], intermediate["containerDefinitions"]);
        back_to(&lab, &reference().start).await;
    });
}

/// Where the base is deleted, no part of the way back is begun: the plan knows.
#[test]
fn a_base_that_is_deleted_is_said_before_anything_changes() {
    paused(async {
        let lab = lab();
        let base = runs(&lab.world()).clone();
        done(lab.run().await);
        deregister(&lab, &base);
        lab.foreign("DeleteTaskDefinitions", &json!({ "taskDefinitions": [base] }));
        let changes = lab.sim.ledger().len();
        let stop = lab.roll_back(None).await;
        assert_eq!(stop.kind(), Some(FailureKind::Stuck), "{stop:?}");
        assert_eq!(lab.sim.ledger().len(), changes);
        // The strip alone can still be undone.
        let stop = lab.roll_back(Some("retarget-api-env")).await;
        assert!(matches!(stop, Stop::Partly), "{stop:?}");
    });
}

/// It is deregistered when the way back is on its way: taken up again, it is planned anew.
#[test]
fn a_base_that_goes_while_the_way_back_is_under_way_is_copied_then() {
    paused(async {
        let lab = lab();
        let before = lab.world();
        let original = definition(&before, runs(&before)).clone();
        done(lab.run().await);
        let sim = lab.sim.clone();
        let clock = lab.clock.clone();
        let base = original["taskDefinitionArn"].clone();
        let mut due = true;
        *lab.watcher.borrow_mut() = Box::new(move |view, _, _| {
            if view.goes_back() && std::mem::take(&mut due) {
                let input = json!({ "taskDefinition": base });
                foreign(&sim, clock.now_millis(), "DeregisterTaskDefinition", &input);
            }
        });
        let stop = lab.roll_back(None).await;
        assert_eq!(stop.kind(), Some(FailureKind::Stuck), "{stop:?}");
        let stop = lab.roll_back(None).await;
        assert!(matches!(stop, Stop::RolledBack), "{stop:?}");
        runs_content_of(&lab.settled().await, &original);
    });
}

/// Days later many revisions of the family are newer: the one whose registration was not answered is found all the same.
#[test]
fn a_lost_registration_is_found_among_however_many_newer_ones() {
    paused(async {
        let lab = lab();
        assert!(matches!(lab.run_before(&["retarget-api-env"]).await, Stop::Before(..)));
        let taken = Arc::new(Mutex::new(None));
        let slot = Arc::clone(&taken);
        lab.record(Recorder {
            distinct: false,
            wanted: Box::new(|point| point.kind == PointKind::AfterEffect && point.of == "RegisterTaskDefinition"),
            take: Box::new(move |fork| _ = slot.lock().expect("nobody panics here").get_or_insert(fork)),
        });
        done(lab.resume().await);
        let fork = taken.lock().expect("nobody panics here").take().expect("it took effect");
        let dead = Lab::from(sidestep::drill::Lab::from_fork(&fork, 0, &lab.runbook, &lab.run_id(), 5).expect("a process"));
        for release in 0..130 {
            dead.live(2_000).await;
            super::common::registered_by_others(&dead, worlds::API, |input| {
                input["containerDefinitions"][0]["environment"] = json!([{ "name": "RELEASE", "value": format!("{release}") }]);
            });
        }
        done(dead.resume().await);
        let ours = |lab: &Lab| {
            let ledger = lab.sim.ledger();
            ledger
                .iter()
                .filter(|effect| effect.action == "RegisterTaskDefinition" && effect.caller == "ASIAREHEARSALEXAMPLE")
                .count()
        };
        assert_eq!(ours(&dead), ours(&lab), "each once");
    });
}

/// The same process over the account without the sidecars' target group, which somebody deletes with the rules that forward to it.
fn without_the_group(lab: &Lab) -> Lab {
    const GROUP: &str = "targetgroup/nexus-ai-jaeger-tg-staging/";
    let mut left = lab.leave().expect("the journal is there");
    let mut world = left.state.save();
    for list in ["targetGroups", "rules"] {
        world["elbv2"][list].as_array_mut().expect("a list").retain(|entry| !entry.to_string().contains(GROUP));
    }
    for by_group in ["targetHealth", "targetGroupAttributes"] {
        world["elbv2"][by_group].as_object_mut().expect("by group").retain(|arn, _| !arn.contains(GROUP));
    }
    left.state = State::load(&world, 3).expect("a world");
    left.now = left.state.now();
    Lab::from(sidestep::drill::Lab::from_fork(&left, 0, &lab.runbook, &lab.run_id(), 5).expect("a process"))
}

fn names_the_group(world: &Value) -> bool {
    service(world, worlds::API)["loadBalancers"].to_string().contains("nexus-ai-jaeger-tg-staging")
}

#[test]
fn a_target_group_that_was_deleted_is_not_returned_to() {
    paused(async {
        let lab = lab();
        done(lab.run().await);
        lab.settled().await;
        let lab = without_the_group(&lab);
        let stop = lab.roll_back(None).await;
        assert!(matches!(stop, Stop::RolledBack), "{stop:?}");
        assert!(ended(&lab).contains("target group nexus-ai-jaeger-tg-staging is gone, and its load-balancer entry was left out"));
        let world = lab.settled().await;
        assert!(!names_the_group(&world));
        assert_eq!(service(&world, worlds::API)["runningCount"], 2);
        assert_eq!(lab.spans_lost(), 0);
    });
}

/// Only the strip is left, and that takes the entry out; or the way back, which takes it out as well.
#[test]
fn a_target_group_that_is_deleted_before_the_strip_shuts_no_way() {
    for back in [false, true] {
        paused(async {
            let lab = lab();
            assert!(matches!(lab.run_before(&["strip-sidecar"]).await, Stop::Before(..)));
            lab.settled().await;
            let lab = without_the_group(&lab);
            assert!(names_the_group(&lab.world()), "the service names it still");
            let stop = if back { lab.roll_back(None).await } else { lab.resume().await };
            assert!(matches!(stop, Stop::Done | Stop::RolledBack), "back {back}: {stop:?}");
            let world = lab.settled().await;
            assert!(!names_the_group(&world));
            assert_eq!(service(&world, worlds::API)["runningCount"], 2, "back {back}");
        });
    }
}

#[test]
fn the_doctor_names_a_target_group_that_is_gone() {
    paused(async {
        let lab = lab();
        assert!(matches!(lab.run_before(&["strip-sidecar"]).await, Stop::Before(..)));
        let lab = without_the_group(&lab);
        let identity = lab.aws.identity().await.expect("credentials");
        let evidence = sidestep::doctor::read(&lab.aws, &lab.runbook, &identity, None).await.expect("it can be read");
        let found = sidestep::doctor::examine(&evidence);
        assert_eq!(found.unseen, []);
        let told: Vec<(&str, &str)> = found.causes.iter().map(|cause| (cause.id.as_str(), cause.about.as_str())).collect();
        assert!(told.contains(&("target-group-gone", worlds::API)), "{told:?}");
    });
}
