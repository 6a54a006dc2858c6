//! Requests and credentials that fail on the way.

use sidestep::model::FailureKind;
use sidestep::sim::RequestFaultKind;

use super::common::{as_reference, back_to, done, lab, reference};
use crate::support::{StopExt as _, paused};

/// Each mutation of the migration, with how often it is sent.
const MUTATIONS: [(&str, u32); 8] = [
    ("logs:CreateLogGroup", 1),
    ("logs:PutRetentionPolicy", 1),
    ("ecs:RegisterTaskDefinition", 3),
    ("ecs:CreateService", 1),
    ("servicediscovery:CreateService", 1),
    ("ecs:UpdateService", 3),
    ("ecs:TagResource", 1),
    ("ecs:UntagResource", 1),
];

/// The first attempt of every mutation meets `kind`; with `sent_again` the next request of that action is its second attempt.
fn every_mutation_meets(kind: RequestFaultKind, sent_again: bool) {
    paused(async {
        let lab = lab();
        for (action, times) in MUTATIONS {
            for time in 0..times {
                let nth = if sent_again { 2 * time + 1 } else { time + 1 };
                lab.fault(action, nth, kind);
            }
        }
        done(lab.run().await);
        as_reference(&lab).await;
        let struck = lab.sim.requests().iter().filter(|request| request.fault.is_some()).count();
        assert_eq!(struck, 12, "each mutation met the fault once");
    });
}

#[test]
fn connections_that_break_before_the_request_arrives() {
    every_mutation_meets(RequestFaultKind::DropBefore, true);
}

#[test]
fn connections_that_break_after_the_request_took_effect() {
    every_mutation_meets(RequestFaultKind::DropAfter, false);
}

#[test]
fn answers_of_status_500() {
    every_mutation_meets(RequestFaultKind::Error500, true);
}

#[test]
fn throttled_requests() {
    every_mutation_meets(RequestFaultKind::Throttle, true);
}

#[test]
fn answers_that_come_when_nobody_waits_any_more() {
    every_mutation_meets(RequestFaultKind::Late { millis: 60_000 }, false);
}

#[test]
fn requests_that_take_effect_after_their_connection_broke() {
    every_mutation_meets(RequestFaultKind::LandsLate { millis: 8_000 }, false);
}

#[test]
fn expired_credentials_stop_the_run_and_resume_goes_on() {
    for (action, nth) in [("*", 60), ("ecs:UpdateService", 2), ("*", 150)] {
        paused(async {
            let lab = lab();
            lab.fault(action, nth, RequestFaultKind::Expire);
            let failure = lab.run().await.failure();
            assert_eq!(failure.kind, FailureKind::Credentials, "{action} {nth}: {failure:?}");
            lab.live(3_600_000).await;
            done(lab.resume().await);
            as_reference(&lab).await;
        });
    }
}

#[test]
fn expired_credentials_in_the_middle_of_a_rollback() {
    paused(async {
        let lab = lab();
        done(lab.run().await);
        lab.fault("ecs:UpdateService", 2, RequestFaultKind::Expire);
        assert_eq!(lab.roll_back(None).await.failure().kind, FailureKind::Credentials);
        back_to(&lab, &reference().start).await;
    });
}
