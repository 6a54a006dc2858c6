//! Others deployed since: the way back takes only the run's own changes back, on what runs now; forward, what they did is accepted.

use serde_json::{Value, json};
use sidestep::drill::foreign;
use sidestep::engine::Control;
use sidestep::model::{Event, FailureKind, RecordBody, StepClass};

use super::common::{
    definition, deployed_by_others, done, lab, next_release, own_template, reference, registered_by_others, same, service,
};
use crate::support::compare::How;
use crate::support::{Lab, Stop, StopExt as _, paused, worlds};

/// What the API would run if the migration had never been, and others had made `change`.
fn wanted(change: impl FnOnce(&mut Value)) -> Value {
    let mut wanted = definition(&reference().start, worlds::API);
    change(&mut wanted);
    wanted
}

/// The world is the start but for the API's own revision and what others registered; that revision holds what `wanted` does.
async fn is_start_but_for_the_api(lab: &Lab, wanted: &Value, theirs: &[&str]) {
    let mut found = lab.settled().await;
    let runs = definition(&found, worlds::API);
    for member in ["containerDefinitions", "cpu", "memory", "networkMode", "executionRoleArn"] {
        assert_eq!(runs[member], wanted[member], "{member}");
    }
    let start = &reference().start;
    let (now, then) = (&runs["taskDefinitionArn"], &definition(start, worlds::API)["taskDefinitionArn"]);
    // From here on the API's revision counts as the one at the start.
    let definitions = found["ecs"]["taskDefinitions"].as_array_mut().expect("task definitions");
    let arn = |known: &Value| known["taskDefinition"]["taskDefinitionArn"].as_str().unwrap_or_default().to_owned();
    let active: Vec<String> = definitions.iter().filter(|known| known["taskDefinition"]["status"] == "ACTIVE").map(arn).collect();
    for theirs in theirs {
        assert!(active.iter().any(|known| known == theirs), "{theirs} stays: it is not ours");
    }
    definitions.retain(|known| arn(known) != *now && !theirs.contains(&arn(known).as_str()));
    let text = found.to_string().replace(now.as_str().expect("an ARN"), then.as_str().expect("an ARN"));
    same(start, &serde_json::from_str(&text).expect("still JSON"), How::WentBack);
}

#[test]
fn only_the_runs_own_changes_are_taken_back_on_a_newer_revision() {
    paused(async {
        let lab = lab();
        done(lab.run().await);
        let theirs = deployed_by_others(&lab, worlds::API, next_release).await;
        // Without being asked for, nothing is touched.
        assert_eq!(lab.roll_back(None).await.kind(), Some(FailureKind::Drift));
        assert_eq!(service(&lab.settled().await, worlds::API)["taskDefinition"], theirs);
        let stop = lab.roll_back_onto_newest().await;
        assert!(matches!(stop, Stop::RolledBack), "{stop:?}");
        is_start_but_for_the_api(&lab, &wanted(next_release), &[&theirs]).await;
        assert_eq!(lab.spans_lost(), 0, "spans lost");
    });
}

#[test]
fn a_template_that_knows_nothing_of_the_migration_gets_its_sidecar_back() {
    paused(async {
        let lab = lab();
        done(lab.run().await);
        let theirs = deployed_by_others(&lab, worlds::API, own_template).await;
        let stop = lab.roll_back_onto_newest().await;
        assert!(matches!(stop, Stop::RolledBack), "{stop:?}");
        is_start_but_for_the_api(&lab, &wanted(own_template), &[&theirs]).await;
    });
}

#[test]
fn where_nobody_deployed_since_it_is_a_rollback_like_any_other() {
    paused(async {
        let lab = lab();
        done(lab.run().await);
        let stop = lab.roll_back_onto_newest().await;
        assert!(matches!(stop, Stop::RolledBack), "{stop:?}");
        same(&reference().start, &lab.settled().await, How::WentBack);
    });
}

#[test]
fn a_deployment_of_others_in_the_middle_of_the_way_back() {
    paused(async {
        let lab = lab();
        // Made before the migration: their template has the sidecar and its endpoint.
        let theirs = registered_by_others(&lab, worlds::API, next_release);
        done(lab.run().await);
        let sim = lab.sim.clone();
        let clock = lab.clock.clone();
        let arn = theirs.clone();
        let mut once = false;
        *lab.watcher.borrow_mut() = Box::new(move |view, event, _| {
            let Event::Record(record) = event else { return };
            let RecordBody::StepStarted { step, .. } = &record.body else { return };
            let waits = view.plan.step(step).is_some_and(|step| step.action == "ecs.await-rollout");
            if waits && !std::mem::replace(&mut once, true) {
                let input = json!({ "cluster": worlds::CLUSTER, "service": worlds::API, "taskDefinition": arn });
                foreign(&sim, clock.now_millis(), "us-west-2", "UpdateService", &input).expect("AWS does it");
            }
        });
        let failure = lab.roll_back(None).await.failure();
        assert_eq!(failure.kind, FailureKind::Rollout, "{failure:?}");
        lab.live(10 * 60_000).await;
        let stop = lab.roll_back_onto_newest().await;
        assert!(matches!(stop, Stop::RolledBack), "{stop:?}");
        is_start_but_for_the_api(&lab, &wanted(next_release), &[&theirs]).await;
    });
}

#[test]
fn others_deploy_twice_and_the_first_inverse_is_not_left_behind() {
    paused(async {
        let lab = lab();
        done(lab.run().await);
        let first = deployed_by_others(&lab, worlds::API, next_release).await;
        *lab.watcher.borrow_mut() = Box::new(move |view, event, line| {
            let Event::Record(record) = event else { return };
            let RecordBody::StepSucceeded { step, .. } = &record.body else { return };
            if view.plan.step(step).is_some_and(|step| step.action == "ecs.register-edited-task-definition") {
                line.send(Control::StopNow).expect("the engine listens");
            }
        });
        assert!(matches!(lab.roll_back_onto_newest().await, Stop::Paused), "stopped when the inverse is registered");
        *lab.watcher.borrow_mut() = Box::new(|_, _, _| {});
        let later = |input: &mut Value| {
            let environment = input["containerDefinitions"][0]["environment"].as_array_mut().expect("an environment");
            environment.push(json!({ "name": "RELEASE_OF", "value": "later" }));
        };
        let second = deployed_by_others(&lab, worlds::API, later).await;
        let stop = lab.resume().await;
        assert_eq!(stop.kind(), Some(FailureKind::Drift), "{stop:?}");
        let stop = lab.roll_back_onto_newest().await;
        assert!(matches!(stop, Stop::RolledBack), "{stop:?}");
        let change = |input: &mut Value| {
            next_release(input);
            later(input);
        };
        is_start_but_for_the_api(&lab, &wanted(change), &[&first, &second]).await;
    });
}

#[test]
fn killed_in_each_mutation_of_the_inverse() {
    paused(async {
        let lab = lab();
        done(lab.run().await);
        let theirs = deployed_by_others(&lab, worlds::API, next_release).await;
        let mut seen = std::collections::BTreeSet::new();
        *lab.watcher.borrow_mut() = Box::new(move |view, event, line| {
            let Event::Record(record) = event else { return };
            let RecordBody::StepStarted { step, .. } = &record.body else { return };
            let acts = view.plan.step(step).is_some_and(|step| step.class == StepClass::Mutation);
            if acts && seen.insert(step.clone()) {
                line.send(Control::StopNow).expect("the engine listens");
            }
        });
        let mut stop = lab.roll_back_onto_newest().await;
        let mut times = 0;
        while matches!(stop, Stop::Paused) {
            times += 1;
            assert!(times < 100, "it comes to an end");
            stop = lab.resume().await;
        }
        assert!(matches!(stop, Stop::RolledBack), "{stop:?}");
        assert!(times > 8, "stopped {times} times");
        is_start_but_for_the_api(&lab, &wanted(next_release), &[&theirs]).await;
        let registered = lab.sim.ledger().iter().filter(|effect| effect.action == "RegisterTaskDefinition").count();
        assert_eq!(registered, 5, "three forward, theirs, and one inverse");
    });
}

#[test]
fn the_recorded_revision_was_deregistered() {
    paused(async {
        let lab = lab();
        done(lab.run().await);
        let recorded = definition(&reference().start, worlds::API)["taskDefinitionArn"].clone();
        lab.foreign("DeregisterTaskDefinition", &json!({ "taskDefinition": recorded }));
        // Back on what runs now, its content goes into a new revision.
        let stop = lab.roll_back_onto_newest().await;
        assert!(matches!(stop, Stop::RolledBack), "{stop:?}");
        let world = lab.settled().await;
        assert_eq!(definition(&world, worlds::API)["containerDefinitions"], wanted(|_| {})["containerDefinitions"]);
        assert_eq!(*service(&world, worlds::JAEGER), Value::Null);
    });
}

#[test]
fn what_was_edited_then_is_gone_for_good() {
    paused(async {
        let lab = lab();
        done(lab.run().await);
        deployed_by_others(&lab, worlds::API, next_release).await;
        // What the sidecar was taken out of: the run's own second revision.
        let taken_out_of = lab
            .view()
            .mutations
            .iter()
            .rfind(|mutation| mutation.step.action == "ecs.update-service")
            .map(|update| update.intent["replaced"]["taskDefinition"].clone())
            .expect("the last update replaced a revision");
        lab.foreign("DeregisterTaskDefinition", &json!({ "taskDefinition": taken_out_of }));
        lab.foreign("DeleteTaskDefinitions", &json!({ "taskDefinitions": [taken_out_of] }));
        let before = lab.settled().await;
        let failure = lab.roll_back_onto_newest().await.failure();
        assert_eq!(failure.kind, FailureKind::Stuck, "{failure:?}");
        assert!(failure.message.contains("gone from AWS for good"), "{failure:?}");
        same(&before, &lab.settled().await, How::Whole);
    });
}

#[test]
fn forward_what_others_deployed_is_accepted_and_the_rest_planned_anew() {
    paused(async {
        let mut lab = lab();
        lab.run_before(&["strip-sidecar"]).await;
        let theirs = deployed_by_others(&lab, worlds::API, next_release).await;
        assert_eq!(lab.resume().await.kind(), Some(FailureKind::Drift));
        done(lab.amend(&worlds::shipped("")).await);
        let world = lab.settled().await;
        let mut expected = definition(&reference().done, worlds::API);
        next_release(&mut expected);
        assert_eq!(definition(&world, worlds::API)["containerDefinitions"], expected["containerDefinitions"]);
        // The way back meets their revision: what the recorded one lacks is theirs.
        assert_eq!(lab.roll_back(None).await.kind(), Some(FailureKind::Drift));
        let stop = lab.roll_back_onto_newest().await;
        assert!(matches!(stop, Stop::RolledBack), "{stop:?}");
        is_start_but_for_the_api(&lab, &wanted(next_release), &[&theirs]).await;
    });
}
