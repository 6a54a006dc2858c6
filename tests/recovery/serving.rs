//! "Rolled back" and "done" are said of what was seen to serve, not of a word.

use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use sidestep::doctor::{self, Trouble};
use sidestep::drill::{PointKind, Recorder};
use sidestep::model::{Event, Failure, FailureKind, RecordBody, StepId};
use sidestep::plan::inventory;
use sidestep::sim::{Fault, ImageFault, LaunchFault, Millis, RequestFaultKind, State};

use super::common::{back_to, done, lab, reference, same, service};
use crate::support::compare::How;
use crate::support::{Lab, Stop, paused, worlds};

const HOUR: Millis = 60 * 60_000;
const OTEL_IMAGE: &str = "public.ecr.aws/aws-observability/aws-otel-collector:latest";

fn image(lab: &Lab, image: &str, fault: Option<ImageFault>) {
    lab.sim.with(|state| state.add_fault(Fault::Image { image: image.to_owned(), fault }));
}

/// The failure of a step whose id ends so.
#[track_caller]
fn failed_at(stop: Stop, step: &str) -> Failure {
    match stop {
        Stop::Failed(at, failure) if at.as_str().ends_with(step) => failure,
        other => panic!("it was to stop at {step}: {other:?}"),
    }
}

#[track_caller]
fn rolled_back(stop: &Stop) {
    assert!(matches!(stop, Stop::RolledBack), "{stop:?}");
}

/// The API's circuit breaker gives up and does not roll back: AWS's record says STOPPED, and the service stays on the new revision.
/// The process was killed while the answer to its update was held, and when it goes back reads are stale.
async fn given_up_on(stale_reads: u32) -> Lab {
    let lab = lab();
    let mut configuration = service(&lab.world(), worlds::API)["deploymentConfiguration"].clone();
    configuration["deploymentCircuitBreaker"] = json!({ "enable": true, "rollback": false });
    let input = json!({ "cluster": worlds::CLUSTER, "service": worlds::API, "deploymentConfiguration": configuration });
    lab.foreign("UpdateService", &input);
    assert!(matches!(lab.run_before(&["retarget-api-env"]).await, Stop::Before(..)));
    image(&lab, worlds::API_IMAGE, Some(ImageFault::CannotPull));
    let taken = Arc::new(Mutex::new(None));
    let slot = Arc::clone(&taken);
    lab.record(Recorder {
        distinct: false,
        wanted: Box::new(|point| point.kind == PointKind::AfterEffect && point.of == "UpdateService"),
        take: Box::new(move |fork| _ = slot.lock().expect("nobody panics here").get_or_insert(fork)),
    });
    assert!(matches!(lab.resume().await, Stop::Failed(..)));
    let fork = taken.lock().expect("nobody panics here").take().expect("the update took effect");
    let dead = Lab::from(sidestep::drill::Lab::from_fork(&fork, 0, &lab.runbook, &lab.run_id(), 5).expect("a process"));
    dead.live(HOUR).await;
    let world = dead.world();
    let records = world["ecs"]["serviceDeployments"].as_array().expect("records");
    let newest = records.iter().rfind(|record| record["serviceArn"].as_str().is_some_and(|arn| arn.ends_with(worlds::API)));
    assert_eq!(newest.expect("the API's")["status"], "STOPPED");
    dead.fault("DescribeServices", 1, RequestFaultKind::Stale { reads: stale_reads });
    dead
}

#[test]
fn a_deployment_that_ecs_gave_up_on_is_in_force_all_the_same() {
    for stale_reads in [0, 3, 6, 12] {
        paused(async {
            let lab = given_up_on(stale_reads).await;
            let uses = service(&lab.world(), worlds::API)["taskDefinition"].clone();
            // As long as no task can start, the way back cannot end, and nothing that is in use is taken away.
            let stop = lab.roll_back(None).await;
            assert!(matches!(stop, Stop::Failed(..)), "{stale_reads} stale reads: {stop:?}");
            let world = lab.world();
            let definitions = world["ecs"]["taskDefinitions"].as_array().expect("task definitions");
            let used = definitions.iter().find(|known| known["taskDefinition"]["taskDefinitionArn"] == uses);
            assert_eq!(used.expect("it is there")["taskDefinition"]["status"], "ACTIVE", "{stale_reads} stale reads");
            image(&lab, worlds::API_IMAGE, None);
            rolled_back(&lab.resume().await);
            let now = lab.settled().await;
            assert_ne!(service(&now, worlds::API)["taskDefinition"], uses);
            assert_eq!(service(&now, worlds::API)["runningCount"], 2);
            assert_eq!(service(&now, worlds::JAEGER), &Value::Null);
        });
    }
}

#[test]
fn a_sidecar_that_has_exited_is_not_back() {
    paused(async {
        let lab = Lab::on(worlds::other_start(worlds::OTEL), &worlds::other(worlds::OTEL, ""), 1);
        let start = Lab::on(worlds::other_start(worlds::OTEL), &lab.runbook, 1).settled().await;
        done(lab.run().await);
        let world = lab.world();
        let used = world["ecs"]["taskDefinitions"].to_string();
        assert!(used.contains(OTEL_IMAGE), "the image of the world");
        image(&lab, OTEL_IMAGE, Some(ImageFault::Exits));
        let failure = failed_at(lab.roll_back(None).await, "strip-sidecar/nexus-ai-api-staging/serving");
        assert_eq!(failure.kind, FailureKind::Rollout);
        assert!(failure.causes[0].contains("has exited with 1"), "{failure:?}");
        assert_eq!(service(&lab.world(), "nexus-ai-otel-staging")["runningCount"], 1, "the shared service stays");
        assert_eq!(lab.spans_lost(), 0, "the API still sends there");
        for trouble in [Trouble::of(&lab.view()), None] {
            let goes_on = if trouble.is_some() { "`sidestep rollback " } else { "--force-new-deployment" };
            let identity = lab.aws.identity().await.expect("credentials");
            let evidence = doctor::read(&lab.aws, &lab.runbook, &identity, trouble).await.expect("it can be read");
            let found = doctor::examine(&evidence);
            let first = &found.causes[0];
            assert_eq!((first.id.as_str(), first.about.as_str()), ("container-exited", worlds::API), "{found:?}");
            assert!(first.next.iter().any(|next| next.contains(goes_on)), "{:?}", first.next);
            let api = found.services.iter().find(|service| service.service == worlds::API).expect("the API is looked at");
            assert!(!api.well, "{api:?}");
        }
        // A rollback that is taken up again does not find it well either, and deploys it again once it can work.
        assert!(matches!(lab.resume().await, Stop::Failed(..)));
        image(&lab, OTEL_IMAGE, None);
        rolled_back(&lab.resume().await);
        same(&start, &lab.settled().await, How::WentBack);
        assert_eq!(lab.spans_lost(), 0);
    });
}

/// Whoever knows better goes on without: the sidecar was dead before the run, say. What was restored is no remainder.
#[test]
fn what_is_not_seen_to_serve_may_be_left_so() {
    paused(async {
        let lab = Lab::on(worlds::other_start(worlds::OTEL), &worlds::other(worlds::OTEL, ""), 1);
        done(lab.run().await);
        image(&lab, OTEL_IMAGE, Some(ImageFault::Exits));
        let mut stop = lab.roll_back(None).await;
        for stage in ["strip-sidecar", "retarget-api-env"] {
            let step = format!("undo/{stage}/nexus-ai-api-staging/serving");
            failed_at(stop, &step);
            // The shared service cannot start either, and goes all the same.
            stop = lab.roll_back_without(&StepId::new(&step), "it never ran").await;
        }
        rolled_back(&stop);
        let (_, why) = lab.view().ended.expect("it is over");
        assert_eq!(why, "rolled back to the start; not seen to serve, as a person decided: nexus-ai-api-staging");
        assert_eq!(inventory(&lab.view()), []);
    });
}

/// What exits beside an essential container leaves the task RUNNING and the rollout COMPLETED.
#[test]
fn a_shared_service_is_not_done_while_a_container_of_it_has_exited() {
    const HELPER: &str = "public.ecr.aws/example/helper:1";
    paused(async {
        let helper = format!("  container \"helper\" {{\n    image     = \"{HELPER}\"\n    essential = false\n  }}\n\n");
        let container = "  container \"jaeger\" {";
        let runbook = worlds::rewritten(|text| text.replace(container, &format!("{helper}{container}")), "");
        let lab = Lab::on(worlds::start(), &runbook, 1);
        image(&lab, HELPER, Some(ImageFault::Exits));
        let failure = failed_at(lab.run().await, "create-service/nexus-ai-jaeger-staging/serving");
        assert!(failure.causes[0].starts_with("container `helper` of task "), "{failure:?}");
        image(&lab, HELPER, None);
        // Its task would never start it again: the service is deployed once more.
        done(lab.resume().await);
        image(&lab, HELPER, Some(ImageFault::Exits));
        back_to(&lab, &reference().start).await;
    });
}

fn dev_repaired() -> Lab {
    let repairs = "open_otlp_ports = true\nset_health_path = true\njaeger_base_path = \"/jaeger\"\n";
    Lab::on(worlds::dev_start(), &worlds::for_dev(repairs), 1)
}

/// Sets a fault when a step of this id has succeeded.
fn fault_after(lab: &Lab, step: &'static str, faults: Vec<Fault>) {
    let sim = lab.sim.clone();
    let mut faults = Some(faults);
    *lab.watcher.borrow_mut() = Box::new(move |_, event, _| {
        if let Event::Record(record) = event
            && let RecordBody::StepSucceeded { step: done, .. } = &record.body
            && *done == StepId::new(step)
        {
            for fault in faults.take().into_iter().flatten() {
                sim.with(|state| state.add_fault(fault));
            }
        }
    });
}

#[test]
fn a_way_back_does_not_end_while_the_path_it_put_back_makes_tasks_restart() {
    const RESTORED: &str = "undo/set-health-path/nexus-ai-jaeger-tg-dev/restore-path";
    for launches in [true, false] {
        paused(async {
            let lab = dev_repaired();
            let start = Lab::on(worlds::dev_start(), &lab.runbook, 1).settled().await;
            done(lab.run().await);
            let unhealthy = Fault::Image { image: worlds::JAEGER_IMAGE.to_owned(), fault: Some(ImageFault::Unhealthy) };
            let no_launch = Fault::Launch { fault: LaunchFault::NoCapacity, on: true };
            fault_after(&lab, RESTORED, if launches { vec![unhealthy] } else { vec![unhealthy, no_launch] });
            let failure = failed_at(lab.roll_back(None).await, "undo/set-health-path/nexus-ai-jaeger-tg-dev/serving");
            assert_eq!(failure.kind, FailureKind::Deadline, "{failure:?}");
            *lab.watcher.borrow_mut() = Box::new(|_, _, _| {});
            lab.sim.with(State::heal);
            rolled_back(&lab.resume().await);
            let now = lab.settled().await;
            let api = service(&now, "nexus-ai-api-dev");
            assert_eq!((&api["runningCount"], &api["desiredCount"]), (&json!(2), &json!(2)));
            same(&start, &now, How::WentBack);
        });
    }
}

/// A part of the way back, too, ends only where what it put back serves.
#[test]
fn a_part_of_the_way_back_is_seen_to_serve() {
    paused(async {
        let lab = lab();
        done(lab.run().await);
        image(&lab, worlds::JAEGER_IMAGE, Some(ImageFault::Exits));
        assert!(matches!(lab.roll_back(Some("retarget-api-env")).await, Stop::Failed(..)));
        image(&lab, worlds::JAEGER_IMAGE, None);
        let stop = lab.roll_back(Some("retarget-api-env")).await;
        assert!(matches!(stop, Stop::Partly), "{stop:?}");
        let view = lab.view();
        let seen: Vec<&str> =
            view.plan.steps().map(|(_, _, step)| step.id.as_str()).filter(|id| id.ends_with("/serving")).collect();
        assert_eq!(seen, ["undo/strip-sidecar/nexus-ai-api-staging/serving"]);
        back_to(&lab, &reference().start).await;
    });
}
