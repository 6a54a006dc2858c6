//! Rollouts that fail, and people who deploy in between.

use std::cell::Cell;
use std::rc::Rc;

use serde_json::{Value, json};
use sidestep::engine::Control;
use sidestep::model::{Event, Failure, FailureKind, RecordBody};
use sidestep::sim::{Fault, ImageFault, LaunchFault, RequestFaultKind};
use sidestep::stages::steps::{last_log_lines, logged_service};
use sidestep::ui::progress_lines;

use super::common::{back_to, deployed_by_others, done, lab, own_template, reference, same, service};
use crate::support::compare::How;
use crate::support::{Lab, Stop, StopExt as _, paused, worlds};

fn image(lab: &Lab, image: &str, fault: Option<ImageFault>) {
    lab.sim.with(|state| state.add_fault(Fault::Image { image: image.to_owned(), fault }));
}

/// A run whose first deployment of Jaeger fails.
async fn stopped_by_the_image() -> (Lab, Failure) {
    let lab = lab();
    image(&lab, worlds::JAEGER_IMAGE, Some(ImageFault::CannotPull));
    let failure = lab.run().await.failure();
    assert_eq!(failure.kind, FailureKind::Rollout, "{failure:?}");
    (lab, failure)
}

#[test]
fn an_image_that_cannot_be_pulled_stops_the_run_with_the_reasons() {
    paused(async {
        let (lab, failure) = stopped_by_the_image().await;
        assert!(failure.causes.iter().any(|cause| cause.contains("CannotPullContainer")), "{failure:?}");
        // As long as the cause is there, it stops again.
        assert_eq!(lab.resume().await.kind(), Some(FailureKind::Rollout));
        image(&lab, worlds::JAEGER_IMAGE, None);
        done(lab.resume().await);
        same(&reference().done, &lab.settled().await, How::BackAndForth);
        assert_eq!(lab.spans_lost(), 0);
        back_to(&lab, &reference().start).await;
    });
}

#[test]
fn the_last_log_lines_are_those_of_the_task_that_failed() {
    paused(async {
        let lab = lab();
        image(&lab, worlds::JAEGER_IMAGE, Some(ImageFault::Exits));
        let Stop::Failed(step, failure) = lab.run().await else { panic!("a failure was expected") };
        assert!(!failure.may_pass(), "AWS declared it failed: {failure:?}");
        assert!(Failure { kind: FailureKind::Deadline, ..failure }.may_pass());
        let view = lab.view();
        let planned = view.plan.step(&step).expect("the plan has it");
        let (cluster, service) = logged_service(planned).expect("it waits for a service");
        let input = &planned.inputs["/deployment"];
        let deployment = view.output(&input.step).and_then(|output| output.pointer(&input.pointer)).and_then(Value::as_str);
        let said = async |service: &str, deployment| {
            let logged = last_log_lines(&lab.aws, cluster, service, deployment).await.expect("they can be read");
            logged.iter().flat_map(|logged| progress_lines(logged, true)).collect::<Vec<_>>()
        };
        let lines = said(service, deployment).await;
        let [line] = lines.as_slice() else { panic!("one container, one line: {lines:?}") };
        assert!(line.starts_with("log /ecs/") && line.ends_with("cannot start, exiting with code 1"), "{line}");
        // A service whose tasks run: one line for each container that logs.
        image(&lab, worlds::JAEGER_IMAGE, None);
        done(lab.resume().await);
        let lines = said(worlds::API, None).await;
        assert!(!lines.is_empty() && lines.iter().all(|line| line.contains(": started ")), "{lines:?}");
    });
}

#[test]
fn a_circuit_breakers_rollback_is_believed_whichever_deployment_ecs_then_shows() {
    for returns in [false, true] {
        paused(async {
            let lab = lab();
            lab.sim.with(|state| state.assumptions_mut().compute.rollback_returns_record = returns);
            assert!(matches!(lab.run_before(&["register-dns"]).await, Stop::Before(..)));
            image(&lab, worlds::JAEGER_IMAGE, Some(ImageFault::CannotPull));
            assert_eq!(lab.resume().await.kind(), Some(FailureKind::Rollout));
            lab.live(30 * 60_000).await;
            image(&lab, worlds::JAEGER_IMAGE, None);
            done(lab.resume().await);
            same(&reference().done, &lab.settled().await, How::BackAndForth);
            back_to(&lab, &reference().start).await;
        });
    }
}

/// The newest of AWS's records is then the failed deployment's, which stood before the call.
#[test]
fn a_restore_that_never_arrived_is_sent_again_after_a_circuit_breakers_rollback() {
    let mut world = worlds::staging();
    let api = world["ecs"]["services"].as_array_mut().into_iter().flatten().find(|service| service["serviceName"] == worlds::API);
    let configuration = &mut api.expect("the API")["deploymentConfiguration"];
    configuration["deploymentCircuitBreaker"] = json!({ "enable": true, "rollback": true });
    let start = worlds::lived_in(&world, &[worlds::API]);
    for returns in [false, true] {
        paused(async {
            let fresh = || Lab::on(start.clone(), &worlds::shipped(""), 1);
            let (lab, untouched) = (fresh(), fresh().settled().await);
            lab.sim.with(|state| state.assumptions_mut().compute.rollback_returns_record = returns);
            assert!(matches!(lab.run_before(&["strip-sidecar"]).await, Stop::Before(..)));
            let denied = |on| lab.sim.with(|state| state.add_fault(Fault::Launch { fault: LaunchFault::LogsDenied, on }));
            denied(true);
            assert_eq!(lab.resume().await.kind(), Some(FailureKind::Rollout));
            denied(false);
            lab.live(30 * 60_000).await;
            lab.fault("UpdateService", 1, RequestFaultKind::DropBefore);
            back_to(&lab, &untouched).await;
        });
    }
}

/// Out of its registry a service would be rolled out anew, and could not be: it runs no task any more instead.
#[test]
fn a_shared_service_that_cannot_start_does_not_keep_its_name() {
    paused(async {
        let lab = lab();
        assert!(matches!(lab.run_before(&["retarget-api-env"]).await, Stop::Before(..)));
        image(&lab, worlds::JAEGER_IMAGE, Some(ImageFault::CannotPull));
        // Right after it has left its registry and before its name goes, nobody works on it for a while.
        lab.fault("servicediscovery:DeleteService", 1, RequestFaultKind::Expire);
        assert_eq!(lab.roll_back(None).await.kind(), Some(FailureKind::Credentials));
        lab.live(30 * 60_000).await;
        let jaeger = service(&lab.world(), worlds::JAEGER).clone();
        assert_eq!((&jaeger["desiredCount"], &jaeger["runningCount"]), (&json!(0), &json!(0)));
        back_to(&lab, &reference().start).await;
    });
}

#[test]
fn a_failed_first_deployment_is_rolled_back() {
    paused(async {
        let (lab, _) = stopped_by_the_image().await;
        back_to(&lab, &reference().start).await;
    });
}

#[test]
fn an_amendment_names_another_image() {
    paused(async {
        let wrong = "jaegertracing/all-in-one:1.999";
        let mut lab = Lab::on(worlds::start(), &worlds::shipped(&format!("jaeger_image = \"{wrong}\"\n")), 1);
        image(&lab, wrong, Some(ImageFault::CannotPull));
        assert_eq!(lab.run().await.kind(), Some(FailureKind::Rollout));
        let other = "jaegertracing/all-in-one:1.76.0";
        done(lab.amend(&worlds::shipped(&format!("jaeger_image = \"{other}\"\n"))).await);
        let world = lab.settled().await;
        let runs = &service(&world, worlds::JAEGER)["taskDefinition"];
        let definitions = world["ecs"]["taskDefinitions"].as_array().expect("task definitions");
        let definition =
            definitions.iter().find(|known| known["taskDefinition"]["taskDefinitionArn"] == *runs).expect("it is there");
        assert_eq!(definition["taskDefinition"]["containerDefinitions"][0]["image"], other);
        assert_eq!(lab.spans_lost(), 0);
        back_to(&lab, &reference().start).await;
    });
}

#[test]
fn an_api_rollout_without_a_circuit_breaker_fails_by_its_tasks_and_is_rolled_back() {
    paused(async {
        let lab = lab();
        let stop = lab.run_before(&["retarget-api-env"]).await;
        assert!(matches!(stop, Stop::Before(..)), "{stop:?}");
        image(&lab, worlds::API_IMAGE, Some(ImageFault::CannotPull));
        let failure = lab.resume().await.failure();
        assert_eq!(failure.kind, FailureKind::Rollout, "{failure:?}");
        assert!(failure.causes.iter().any(|cause| cause.contains("tasks in a row")), "{failure:?}");
        assert_eq!(service(&lab.world(), worlds::API)["runningCount"], 2, "the old tasks serve on");
        // Going back starts tasks too. As long as they cannot start, it stops as well, and the old ones serve.
        assert_eq!(lab.roll_back(None).await.kind(), Some(FailureKind::Rollout));
        assert_eq!(service(&lab.world(), worlds::API)["runningCount"], 2, "the old tasks serve on");
        image(&lab, worlds::API_IMAGE, None);
        back_to(&lab, &reference().start).await;
    });
}

#[test]
fn an_api_rollout_that_failed_is_deployed_again_when_the_cause_is_gone() {
    paused(async {
        let lab = lab();
        lab.run_before(&["retarget-api-env"]).await;
        image(&lab, worlds::API_IMAGE, Some(ImageFault::CannotPull));
        assert_eq!(lab.resume().await.kind(), Some(FailureKind::Rollout));
        image(&lab, worlds::API_IMAGE, None);
        done(lab.resume().await);
        same(&reference().done, &lab.settled().await, How::BackAndForth);
        back_to(&lab, &reference().start).await;
    });
}

#[test]
fn a_foreign_deployment_stops_the_run_and_a_rollback_leaves_it_alone() {
    paused(async {
        let lab = lab();
        lab.run_before(&["retarget-api-env"]).await;
        let theirs = deployed_by_others(&lab, worlds::API, own_template).await;
        let failure = lab.resume().await.failure();
        assert_eq!(failure.kind, FailureKind::Drift, "{failure:?}");
        for words in ["planned from", "planned to", "found"] {
            assert!(failure.causes.iter().any(|cause| cause.contains(words)), "{words}: {failure:?}");
        }
        let stop = lab.roll_back(None).await;
        assert!(matches!(stop, Stop::RolledBack), "{stop:?}");
        let world = lab.settled().await;
        assert_eq!(service(&world, worlds::API)["taskDefinition"], theirs);
        assert_eq!(*service(&world, worlds::JAEGER), serde_json::Value::Null, "what the run made is gone");
    });
}

#[test]
fn a_rollback_does_not_overwrite_a_foreign_deployment_silently() {
    paused(async {
        let lab = lab();
        done(lab.run().await);
        let theirs = deployed_by_others(&lab, worlds::API, own_template).await;
        let failure = lab.roll_back(None).await.failure();
        assert_eq!(failure.kind, FailureKind::Drift, "{failure:?}");
        assert_eq!(service(&lab.settled().await, worlds::API)["taskDefinition"], theirs);
        assert_eq!(service(&lab.settled().await, worlds::JAEGER)["runningCount"], 1, "nothing further was taken away");
    });
}

#[test]
fn somebody_deleted_the_shared_service_before_the_way_back() {
    paused(async {
        let lab = lab();
        done(lab.run().await);
        // As a whole migration it is broken now; what the run made and is still there goes, the API gets its sidecar back.
        lab.foreign("DeleteService", &json!({ "cluster": worlds::CLUSTER, "service": worlds::JAEGER, "force": true }));
        lab.live(2_000).await;
        let stop = lab.roll_back(None).await;
        assert!(matches!(stop, Stop::RolledBack), "{stop:?}");
        same(&reference().start, &lab.settled().await, How::WentBack);
    });
}

#[test]
fn somebody_deleted_the_shared_service_while_an_update_of_it_is_in_doubt() {
    paused(async {
        let lab = lab();
        // The update that attaches the registry is lost, and so is every look at what became of it.
        lab.fault("ecs:UpdateService", 1, RequestFaultKind::DropBefore);
        let stopped = Rc::new(Cell::new(false));
        let seen = Rc::clone(&stopped);
        *lab.watcher.borrow_mut() = Box::new(move |_, event, line| {
            if let Event::Record(record) = event
                && matches!(record.body, RecordBody::StepInDoubt { .. })
                && !seen.replace(true)
            {
                line.send(Control::StopNow).expect("the engine listens");
            }
        });
        let stop = lab.run().await;
        assert!(matches!(stop, Stop::Paused) && stopped.get(), "{stop:?}");
        lab.foreign("DeleteService", &json!({ "cluster": worlds::CLUSTER, "service": worlds::JAEGER, "force": true }));
        lab.live(60_000).await;
        assert_eq!(lab.resume().await.kind(), Some(FailureKind::Drift), "forward, somebody must decide");
        back_to(&lab, &reference().start).await;
    });
}
