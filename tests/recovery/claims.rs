//! Two operators with separate state: of runs that meet over a service exactly one goes on, and nothing is left of any claim.

use std::cell::Cell;

use serde_json::{Value, json};
use sidestep::model::{ClaimChange, Event, FailureKind, RecordBody};
use sidestep::sim::{Millis, Refusal, RequestFaultKind};

use super::common::{as_reference, done, lab, reference, same, service};
use crate::support::compare::{How, effects};
use crate::support::{Lab, Stop, StopExt as _, paused, worlds};

const NEXT: &str = "register-task-definition";
const THEIRS: &str = "sidestep:claim:zzzz";

/// The claims in a world, by service and key.
fn claims(world: &Value) -> Vec<String> {
    let services = world["ecs"]["services"].as_array().into_iter().flatten();
    let tags = services.flat_map(|service| {
        let tags = service["tags"].as_array().into_iter().flatten();
        tags.map(move |tag| {
            format!("{} {}", service["serviceName"].as_str().unwrap_or_default(), tag["key"].as_str().unwrap_or(""))
        })
    });
    tags.filter(|line| line.contains("sidestep:claim:")).map(|line| line.replace("sidestep:claim:", "")).collect()
}

fn changes(lab: &Lab) -> Vec<ClaimChange> {
    let records = lab.journal().records(&lab.run_id()).expect("records").into_iter();
    let change = records.filter_map(|record| match record.body {
        RecordBody::Claim { change, .. } => Some(change),
        _ => None,
    });
    change.collect()
}

/// Somebody else's claim on the API service, since `since`.
fn claimed_by_others(lab: &Lab, since: &str) {
    let arn = service(&lab.world(), worlds::API)["serviceArn"].clone();
    let tags = json!([{ "key": THEIRS, "value": format!("carol@laptop {since}") }]);
    lab.foreign("TagResource", &json!({ "resourceArn": arn, "tags": tags }));
}

fn let_go_by_others(lab: &Lab) {
    let arn = service(&lab.world(), worlds::API)["serviceArn"].clone();
    lab.foreign("UntagResource", &json!({ "resourceArn": arn, "tagKeys": [THEIRS] }));
}

/// Whether it was stopped by a claim, and by whose.
fn stopped_by(stop: &Stop, other: &Lab) -> bool {
    match stop {
        // It was seen when planning.
        Stop::Blocked(ids) => ids.iter().any(|id| id == "claimed"),
        Stop::Unclaimed(failure) => {
            assert_eq!(failure.kind, FailureKind::Claimed, "{failure:?}");
            let of = format!("run `{}` of {}@", other.run_id(), other.by.user);
            assert!(failure.message.contains(&of), "{} names {of}", failure.message);
            true
        }
        _ => false,
    }
}

/// Bob begins `later` than Alice, by a clock that is wrong by `skew`; exactly one of them comes past stage 1.
fn one_of_two_goes_on(begin: impl FnOnce() -> (Lab, Lab), later: Millis, what: &str) -> bool {
    paused(async {
        let (alice, bob) = begin();
        let bobs = async {
            bob.live(later).await;
            bob.run_before(&[NEXT]).await
        };
        let (one, two) = tokio::join!(alice.run_before(&[NEXT]), bobs);
        let (wins, loses, stop) = match (&one, &two) {
            (Stop::Before(..), stop) => (&alice, &bob, stop),
            (stop, Stop::Before(..)) => (&bob, &alice, stop),
            both => panic!("{what}: nobody goes on: {both:?}"),
        };
        assert!(stopped_by(stop, wins), "{what}: {one:?} {two:?}");
        let world = alice.world();
        let left = claims(&world);
        assert!(!left.is_empty() && left.iter().all(|claim| claim.ends_with(wins.run_id().as_str())), "{what}: {left:?}");
        let made = alice.sim.ledger().iter().filter(|effect| effect.action == "CreateLogGroup").count();
        assert_eq!(made, 1, "{what}");
        // It yielded to whoever was earlier, and left nothing behind.
        if let Stop::Unclaimed(_) = stop {
            assert!(loses.view().claims.is_empty(), "{what}");
        }
        wins.abandon().await;
        assert_eq!(claims(&alice.world()), Vec::<String>::new(), "{what}");
        matches!(one, Stop::Before(..))
    })
}

#[test]
fn of_two_that_begin_at_about_the_same_time_exactly_one_goes_on() {
    let (mut alice_won, mut bob_won) = (0, 0);
    for skew in [-2_500, 0, 2_500] {
        for later in (skew / 25 + 100..7_000).step_by(420) {
            let begin = || {
                let alice = lab();
                let bob = alice.beside("bob", skew, 2);
                (alice, bob)
            };
            match one_of_two_goes_on(begin, later, &format!("{later} ms later, clock wrong by {skew} ms")) {
                true => alice_won += 1,
                false => bob_won += 1,
            }
        }
    }
    assert!(alice_won > 0 && bob_won > 0, "both orders were tried: {alice_won} and {bob_won}");
}

#[test]
fn runs_that_share_one_of_their_services_agree_on_who_goes_on() {
    for later in (0..7_000).step_by(700) {
        let begin = || {
            let alice = Lab::on(worlds::two_apis(), &worlds::for_two_apis(), 1);
            let mut bob = alice.beside("bob", 0, 2);
            bob.runbook = worlds::shipped(&format!("api_services = [\"{}\"]\n", worlds::SECOND_API));
            (alice, bob)
        };
        one_of_two_goes_on(begin, later, &format!("{later} ms later"));
    }
}

#[test]
fn a_run_that_meets_a_claim_can_be_gone_on_with_when_that_is_over() {
    paused(async {
        let alice = lab();
        let bob = alice.beside("bob", 0, 2);
        let bobs = async {
            bob.live(30_000).await;
            bob.run().await
        };
        let (one, two) = tokio::join!(alice.run(), bobs);
        done(one);
        assert!(stopped_by(&two, &alice), "{two:?}");
        same(&reference().done, &alice.settled().await, How::AnotherRun);
        assert!(matches!(bob.run().await, Stop::NothingToDo));
        assert_eq!(claims(&alice.world()), Vec::<String>::new());
    });
}

/// A claim that appears when the new revision of the API is registered, before the service is updated.
fn appears_before_the_update(lab: &Lab, since: &'static str) {
    let sim = lab.beside("carol", 0, 3);
    // Otherwise the update might come before anybody can see it.
    sim.sim.with(|state| (state.assumptions().compute.stale_min, state.assumptions().compute.stale_max) = (0, 0));
    let once = Cell::new(false);
    *lab.watcher.borrow_mut() = Box::new(move |_, event, _| {
        let Event::Record(record) = event else { return };
        if let RecordBody::StepSucceeded { step, .. } = &record.body
            && step.as_str().ends_with("nexus-ai-api-staging/register")
            && !once.replace(true)
        {
            claimed_by_others(&sim, since);
        }
    });
}

#[test]
fn an_earlier_claim_that_appears_stops_the_run_at_its_next_step_and_a_later_one_does_not() {
    paused(async {
        let lab = lab();
        appears_before_the_update(&lab, "2001-01-01T00:00:00Z");
        let stop = lab.run().await;
        let Stop::Failed(step, failure) = stop else { panic!("{stop:?}") };
        assert_eq!((step.as_str(), failure.kind), ("retarget-api-env/nexus-ai-api-staging/update", FailureKind::Claimed));
        assert!(failure.message.contains("run `zzzz` of carol@laptop"), "{failure:?}");
        assert!(failure.causes[0].contains("--tag-keys sidestep:claim:zzzz"), "{failure:?}");
        // It is half-way, so it goes on claiming; and nobody goes on or back meanwhile.
        assert_eq!(claims(&lab.world()).len(), 2);
        assert_eq!(lab.resume().await.kind(), Some(FailureKind::Claimed));
        assert_eq!(lab.roll_back(None).await.kind(), Some(FailureKind::Claimed));
        let_go_by_others(&lab);
        assert!(matches!(lab.resume().await, Stop::RolledBack));
        same(&reference().start, &lab.settled().await, How::WentBack);
    });
    paused(async {
        let lab = lab();
        appears_before_the_update(&lab, "2101-01-01T00:00:00Z");
        done(lab.run().await);
        assert_eq!(claims(&lab.world()), [format!("{} zzzz", worlds::API)], "theirs is not touched");
        let_go_by_others(&lab);
        same(&reference().done, &lab.settled().await, How::Whole);
    });
}

#[test]
fn whose_claim_was_taken_away_stops_before_whoever_came_after() {
    paused(async {
        let lab = lab();
        let stop = lab.run_before(&["create-service"]).await;
        assert!(matches!(stop, Stop::Before(..)), "{stop:?}");
        // Taken for dead.
        let arn = service(&lab.world(), worlds::API)["serviceArn"].clone();
        let key = format!("sidestep:claim:{}", lab.run_id());
        let untag = json!({ "resourceArn": arn, "tagKeys": [key] });
        lab.foreign("UntagResource", &untag);
        claimed_by_others(&lab, "2101-01-01T00:00:00Z");
        lab.live(10_000).await;
        assert_eq!(lab.resume().await.kind(), Some(FailureKind::Claimed));
        let_go_by_others(&lab);
        lab.live(10_000).await;
        // Nobody is there any more: it claims again.
        done(lab.resume().await);
        same(&reference().done, &lab.settled().await, How::Whole);
    });
}

#[test]
fn where_tagging_is_not_permitted_the_run_says_so_and_goes_on() {
    paused(async {
        let lab = lab();
        lab.fault("ecs:TagResource", 1, RequestFaultKind::Refuse(Refusal::TagsNotPermitted));
        done(lab.run().await);
        let changes = changes(&lab);
        assert!(
            matches!(&changes[..], [ClaimChange::Writing { .. }, ClaimChange::Refused { why }] if why.contains("ecs:TagResource")),
            "{changes:?}"
        );
        let found = lab.settled().await;
        same(&reference().done, &found, How::Whole);
        let others = reference().effects.iter().filter(|effect| !effect.contains("agResource"));
        assert!(effects(&lab.sim.ledger(), &found).iter().eq(others), "everything else was done");
    });
}

#[test]
fn a_claim_that_cannot_be_removed_is_named_with_the_command_that_removes_it() {
    paused(async {
        let lab = lab();
        lab.fault("ecs:UntagResource", 1, RequestFaultKind::Refuse(Refusal::TagsNotPermitted));
        done(lab.run().await);
        let run = lab.run_id();
        let Some(ClaimChange::Left { why, remove }) = changes(&lab).pop() else { panic!("{:?}", changes(&lab)) };
        let arn = service(&lab.world(), worlds::API)["serviceArn"].clone();
        let untag = format!(
            "aws ecs untag-resource --resource-arn {} --tag-keys sidestep:claim:{run} --region",
            arn.as_str().expect("an ARN")
        );
        assert!(why.contains("ecs:TagResource") && remove.starts_with(&untag), "{why} {remove}");
        assert_eq!(claims(&lab.world()), [format!("{} {run}", worlds::API)]);
        // It is the same run's, so it goes with its way back.
        let stop = lab.roll_back(None).await;
        assert!(matches!(stop, Stop::RolledBack), "{stop:?}");
        same(&reference().start, &lab.settled().await, How::WentBack);
    });
}

#[test]
fn claims_outlast_a_pause_and_go_with_the_run() {
    paused(async {
        let lab = lab();
        let stop = lab.run_before(&["create-service"]).await;
        assert!(matches!(stop, Stop::Before(..)), "{stop:?}");
        let own = vec![format!("{} {}", worlds::API, lab.run_id())];
        assert_eq!(claims(&lab.settled().await), own);
        done(lab.resume().await);
        assert_eq!(claims(&lab.world()), Vec::<String>::new());
        as_reference(&lab).await;
        // A part of the way back leaves the run unfinished.
        let stop = lab.roll_back(Some("register-dns")).await;
        assert!(matches!(stop, Stop::Partly), "{stop:?}");
        assert_eq!(claims(&lab.world()), own);
        lab.abandon().await;
        assert_eq!(claims(&lab.world()), Vec::<String>::new());
    });
}

#[test]
fn a_claim_that_reads_do_not_show_goes_with_the_run_all_the_same() {
    paused(async {
        let lab = lab();
        // The claim is the last that was done to the service: an older reading is one without it.
        assert!(matches!(lab.run_before(&["create-service"]).await, Stop::Before(..)));
        assert_eq!(claims(&lab.settled().await).len(), 1);
        lab.fault("DescribeServices", 1, RequestFaultKind::Stale { reads: 30 });
        lab.abandon().await;
        assert_eq!(claims(&lab.settled().await), Vec::<String>::new());
    });
}

#[test]
fn nothing_to_do_is_no_reason_to_claim() {
    paused(async {
        let first = lab();
        done(first.run().await);
        // Reads may show for a moment what was before, the claim too.
        first.live(10_000).await;
        let before = first.sim.ledger().len();
        let second = first.beside("bob", 0, 2);
        assert!(matches!(second.run().await, Stop::NothingToDo));
        assert_eq!(first.sim.ledger().len(), before);
    });
}

#[test]
fn credentials_that_expire_while_claiming_are_no_claim_and_no_harm() {
    paused(async {
        let lab = lab();
        lab.fault("ecs:TagResource", 1, RequestFaultKind::Expire);
        assert_eq!(lab.run().await.failure().kind, FailureKind::Credentials);
        lab.live(3_600_000).await;
        done(lab.resume().await);
        as_reference(&lab).await;
    });
}
