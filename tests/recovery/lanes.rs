//! Lanes by name: one that is in trouble does not hold up the others, and what was done for one service is taken back alone.

use std::collections::BTreeSet;

use serde_json::Value;
use sidestep::model::{Adoption, Extent, FailureKind, RecordBody, StepState};
use sidestep::session;
use sidestep::sim::{Fault, ImageFault};

use super::common::{Reference, back_to, done, same, service, uninterrupted};
use crate::support::compare::How;
use crate::support::{Case, Course, Depth, Lab, Stop, paused, worlds};

const BOTH: [&str; 2] = [worlds::API, worlds::SECOND_API];

/// One lane of a finished run is taken back and done again.
pub fn taken_back() -> Case {
    let course = Course::LaneBack(worlds::API.to_owned());
    Case { course, ..super::case("one lane back and forth", worlds::two_apis(), worlds::for_two_apis()) }
}

fn reference() -> &'static Reference {
    static REFERENCE: std::sync::OnceLock<Reference> = std::sync::OnceLock::new();
    // A thread of its own: a test's runtime may be running in this one.
    let made = || uninterrupted(worlds::two_apis(), &worlds::for_two_apis());
    REFERENCE.get_or_init(|| std::thread::spawn(made).join().expect("the run that nothing interrupts is done"))
}

fn lab() -> Lab {
    Lab::on(worlds::two_apis(), &worlds::for_two_apis(), 1)
}

fn second_image(lab: &Lab, fault: Option<ImageFault>) {
    lab.sim.with(|state| state.add_fault(Fault::Image { image: worlds::SECOND_IMAGE.to_owned(), fault }));
}

/// A run in which the rollout of the second API service fails in stage 5.
async fn second_fails() -> Lab {
    let lab = lab();
    second_image(&lab, Some(ImageFault::CannotPull));
    let stop = lab.run().await;
    assert_eq!(stop.kind(), Some(FailureKind::Rollout), "{stop:?}");
    let Stop::Failed(step, _) = stop else { unreachable!("it has a kind") };
    assert_eq!(step.as_str(), format!("retarget-api-env/{}/rollout", worlds::SECOND_API));
    lab
}

/// How often the run changed a service.
fn updates(lab: &Lab, name: &str) -> usize {
    let ledger = lab.sim.ledger();
    let ours = ledger.iter().filter(|effect| !effect.caller.contains("SOMEBODY"));
    ours.filter(|effect| effect.action == "UpdateService" && effect.resource.contains(name)).count()
}

fn balancers(world: &Value, name: &str) -> Option<usize> {
    service(world, name)["loadBalancers"].as_array().map(Vec::len)
}

fn lane_done(lab: &Lab, stage: &str, target: &str) -> bool {
    let view = lab.view();
    let mut lanes = view.plan.lanes().filter(|(known, lane)| known.id.as_str() == stage && lane.target == target);
    lanes.all(|(_, lane)| view.lane_done(lane))
}

#[test]
fn a_lane_in_trouble_does_not_hold_up_another() {
    paused(async {
        let lab = second_fails().await;
        let before = updates(&lab, worlds::SECOND_API);
        let stop = lab.resume_lanes(&[worlds::API]).await;
        assert!(matches!(&stop, Stop::LanesDone(stage) if stage.as_str() == "retarget-api-env"), "{stop:?}");
        assert!(lane_done(&lab, "retarget-api-env", worlds::API));
        assert!(!lane_done(&lab, "retarget-api-env", worlds::SECOND_API));
        assert_eq!(updates(&lab, worlds::SECOND_API), before, "the other lane is let be");
        assert_eq!(balancers(&lab.world(), worlds::API), Some(2), "the next stage waits for all lanes");
        // Named again, it has nothing to do; nothing is sent.
        let sent = lab.sim.ledger().len();
        let stop = lab.resume_lanes(&[worlds::API]).await;
        assert!(matches!(stop, Stop::LanesDone(_)), "{stop:?}");
        assert_eq!(lab.sim.ledger().len(), sent);

        second_image(&lab, None);
        done(lab.resume().await);
        same(&reference().done, &lab.settled().await, How::BackAndForth);
        assert_eq!(updates(&lab, worlds::API), 2, "each change of it once");
        assert_eq!(lab.spans_lost(), 0);
        back_to(&lab, &reference().start).await;
    });
}

#[test]
fn the_lane_named_goes_ahead_where_the_stage_is_done() {
    paused(async {
        let lab = second_fails().await;
        let stop = lab.resume_lanes(&[worlds::API]).await;
        assert!(matches!(stop, Stop::LanesDone(_)), "{stop:?}");
        second_image(&lab, None);
        // It ends stage 5 for all, and stage 6 begins with it alone.
        let stop = lab.resume_lanes(&[worlds::SECOND_API]).await;
        assert!(matches!(&stop, Stop::LanesDone(stage) if stage.as_str() == "strip-sidecar"), "{stop:?}");
        let world = lab.settled().await;
        assert_eq!(BOTH.map(|name| balancers(&world, name)), [Some(2), Some(1)], "one is stripped");
        done(lab.resume().await);
        same(&reference().done, &lab.settled().await, How::BackAndForth);
    });
}

#[test]
fn stages_without_the_lane_named_run_whole_before_it() {
    paused(async {
        let lab = lab();
        let stop = lab.run_before(&["register-dns"]).await;
        assert!(matches!(stop, Stop::Before(..)), "{stop:?}");
        let stop = lab.resume_lanes(&[worlds::SECOND_API]).await;
        assert!(matches!(&stop, Stop::LanesDone(stage) if stage.as_str() == "retarget-api-env"), "{stop:?}");
        assert!(lab.view().stage_done(&sidestep::model::StageId::new("register-dns")));
        assert_eq!(BOTH.map(|name| updates(&lab, name)), [0, 1]);
        // A lane of a stage that is behind it has nothing to do, and nothing after it begins.
        let stop = lab.resume_lanes(&[worlds::JAEGER]).await;
        assert!(matches!(stop, Stop::LanesDone(_)), "{stop:?}");
        assert_eq!(BOTH.map(|name| updates(&lab, name)), [0, 1]);
        done(lab.resume().await);
        same(&reference().done, &lab.settled().await, How::Whole);
    });
}

#[test]
fn a_name_holds_for_one_session() {
    paused(async {
        let lab = second_fails().await;
        lab.resume_lanes(&[worlds::API]).await;
        let named: BTreeSet<String> = [worlds::API.to_owned()].into();
        assert_eq!(lab.view().lanes, named, "as it was asked");
        let records = lab.journal().records(&lab.run_id()).expect("records");
        let by = records.iter().find_map(|record| match &record.body {
            RecordBody::LanesNamed { lanes, by } if *lanes == named => Some(by.user.clone()),
            _ => None,
        });
        assert_eq!(by.as_deref(), Some("operator"));
        // All lanes again: the one in trouble fails anew.
        let stop = lab.resume().await;
        assert_eq!(stop.kind(), Some(FailureKind::Rollout), "{stop:?}");
        assert!(lab.view().lanes.is_empty());
    });
}

#[test]
fn one_lane_of_a_finished_run_is_taken_back_and_done_again() {
    paused(async {
        let lab = lab();
        done(lab.run().await);
        let stop = lab.roll_back_lanes(&[worlds::API]).await;
        assert!(matches!(stop, Stop::Partly), "{stop:?}");
        let world = lab.settled().await;
        for member in ["taskDefinition", "loadBalancers", "runningCount"] {
            assert_eq!(service(&world, worlds::API)[member], service(&reference().start, worlds::API)[member], "{member}");
            assert_eq!(
                service(&world, worlds::SECOND_API)[member],
                service(&reference().done, worlds::SECOND_API)[member],
                "{member}"
            );
        }
        assert_eq!(service(&world, worlds::JAEGER)["runningCount"], 1, "the shared service stays");
        let before = updates(&lab, worlds::SECOND_API);

        done(lab.resume().await);
        assert_eq!(lab.view().adoption, Adoption::Forward);
        same(&reference().done, &lab.settled().await, How::BackAndForth);
        assert_eq!(updates(&lab, worlds::SECOND_API), before, "what stood was not done again");
        assert_eq!(lab.spans_lost(), 0);
        back_to(&lab, &reference().start).await;
    });
}

#[test]
fn the_lane_in_trouble_is_taken_back_alone() {
    paused(async {
        let lab = second_fails().await;
        second_image(&lab, None);
        let stop = lab.roll_back_lanes(&[worlds::SECOND_API]).await;
        assert!(matches!(stop, Stop::Partly), "{stop:?}");
        let world = lab.settled().await;
        let runs = |world: &Value| service(world, worlds::SECOND_API)["taskDefinition"].clone();
        assert_eq!(runs(&world), runs(&reference().start));
        // The other lane goes on where it stood, with each of its changes made once.
        let stop = lab.resume_lanes(&[worlds::API]).await;
        assert!(matches!(&stop, Stop::LanesDone(stage) if stage.as_str() == "retarget-api-env"), "{stop:?}");
        assert_eq!(updates(&lab, worlds::API), 1);
        let view = lab.view();
        let second = view.plan.lanes().find(|(_, lane)| lane.target == worlds::SECOND_API).expect("its lane").1;
        assert!(second.steps.iter().all(|step| view.state(&step.id) == StepState::Pending), "it begins anew");
        done(lab.resume().await);
        same(&reference().done, &lab.settled().await, How::BackAndForth);
        assert_eq!(lab.spans_lost(), 0);
        back_to(&lab, &reference().start).await;
    });
}

#[test]
fn what_others_rest_on_is_not_taken_back_alone() {
    paused(async {
        let lab = lab();
        done(lab.run().await);
        let view = lab.view();
        let extent = |lanes: &[&str]| Extent { to: None, lanes: lanes.iter().map(|lane| (*lane).to_owned()).collect() };
        let targets = view.forward.targets();
        for target in &targets {
            let alone = BOTH.contains(target);
            assert_eq!(session::not_alone(&view, &extent(&[target])).is_none(), alone, "{target}");
        }
        assert!(session::not_alone(&view, &extent(&BOTH)).is_none());
        let why = session::not_alone(&view, &extent(&[worlds::JAEGER, worlds::API])).expect("the other API rests on it");
        assert!(why.contains(worlds::JAEGER), "{why}");
        // All together, they are the whole way.
        assert!(session::not_alone(&view, &extent(&targets)).is_none());
        let stop = lab.roll_back_lanes(&targets).await;
        assert!(matches!(stop, Stop::Partly), "{stop:?}");
        // The run could go forward again, so it still claims both: nothing else is left.
        lab.abandon().await;
        same(&reference().start, &lab.settled().await, How::WentBack);
        // And with nothing on it any more, the shared service can go.
        assert!(session::not_alone(&lab.view(), &extent(&[worlds::JAEGER])).is_none());
    });
}

#[test]
fn a_crash_while_a_lane_is_taken_back_is_recovered_from() {
    super::check(&taken_back(), super::choice(1), Depth::Once);
}
