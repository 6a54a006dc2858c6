//! Runs that are stopped by a person: paused in each wait, held before a stage, abandoned, taken part of the way back.

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::rc::Rc;
use std::sync::{Arc, Mutex};

use sidestep::drill::{PointKind, Recorder};
use sidestep::engine::Control;
use sidestep::journal::{Journal, Request};
use sidestep::model::{Actor, Event, Extent, Outcome, RecordBody, StepClass};

use super::common::{as_reference, back_to, done, lab, reference, same};
use crate::support::compare::How;
use crate::support::{Lab, Stop, paused, worlds};

fn somebody() -> Actor {
    Actor { user: "bob".to_owned(), host: "bastion".to_owned(), identity: None }
}

/// Pauses the lab's runs in each wait, the first time it is begun; gives the waits.
fn pause_in_each_wait(lab: &Lab) -> Rc<RefCell<BTreeSet<String>>> {
    let paused = Rc::new(RefCell::new(BTreeSet::new()));
    let noted = Rc::clone(&paused);
    *lab.watcher.borrow_mut() = Box::new(move |view, event, line| {
        let Event::Record(record) = event else { return };
        let RecordBody::StepStarted { step, .. } = &record.body else { return };
        let waits = view.plan.step(step).is_some_and(|step| step.class != StepClass::Mutation);
        if waits && noted.borrow_mut().insert(step.to_string()) {
            line.send(Control::Pause { by: somebody(), how: "Ctrl-C".to_owned() }).expect("the engine listens");
        }
    });
    paused
}

#[test]
fn paused_in_each_wait_and_resumed() {
    paused(async {
        let lab = lab();
        let waits = pause_in_each_wait(&lab);
        let mut stop = lab.run().await;
        let mut times = 0;
        while matches!(stop, Stop::Paused) {
            times += 1;
            assert!(times < 100, "it comes to an end");
            lab.live(7_000 * times).await;
            stop = lab.resume().await;
        }
        done(stop);
        assert!(times >= 10, "paused {times} times");
        assert_eq!(waits.borrow().len(), usize::try_from(times).expect("few"), "a pause in each wait: {waits:?}");
        as_reference(&lab).await;
    });
}

#[test]
fn a_rollback_paused_in_each_wait() {
    paused(async {
        let lab = lab();
        done(lab.run().await);
        pause_in_each_wait(&lab);
        let mut stop = lab.roll_back(None).await;
        let mut times = 0;
        while matches!(stop, Stop::Paused) {
            times += 1;
            assert!(times < 100, "it comes to an end");
            stop = lab.resume().await;
        }
        assert!(matches!(stop, Stop::RolledBack), "{stop:?}");
        assert!(times >= 5, "paused {times} times");
        same(&reference().start, &lab.settled().await, How::WentBack);
        assert_eq!(lab.spans_lost(), 0);
    });
}

#[test]
fn stopped_at_once_in_the_middle_of_each_mutation() {
    paused(async {
        let lab = lab();
        let seen = RefCell::new(BTreeSet::new());
        *lab.watcher.borrow_mut() = Box::new(move |view, event, line| {
            let Event::Record(record) = event else { return };
            let RecordBody::StepStarted { step, .. } = &record.body else { return };
            let acts = view.plan.step(step).is_some_and(|step| step.class == StepClass::Mutation);
            if acts && seen.borrow_mut().insert(step.clone()) {
                line.send(Control::StopNow).expect("the engine listens");
            }
        });
        let mut stop = lab.run().await;
        let mut times = 0;
        while matches!(stop, Stop::Paused) {
            times += 1;
            assert!(times < 100, "it comes to an end");
            stop = lab.resume().await;
        }
        done(stop);
        assert_eq!(times, 10, "once in each mutation");
        as_reference(&lab).await;
    });
}

#[test]
fn a_finished_run_is_rolled_back() {
    paused(async {
        let lab = lab();
        done(lab.run().await);
        lab.live(3_600_000).await;
        back_to(&lab, &reference().start).await;
        assert!(matches!(lab.resume().await, Stop::Over(Outcome::RolledBack)));
    });
}

#[test]
fn part_of_the_way_back_and_forward_again() {
    paused(async {
        let mut lab = lab();
        done(lab.run().await);
        let stop = lab.roll_back(Some("create-service")).await;
        assert!(matches!(stop, Stop::Partly), "{stop:?}");
        let world = lab.settled().await;
        let jaeger = super::common::service(&world, worlds::JAEGER);
        assert_eq!(jaeger["runningCount"], 1, "create-service stays done");
        assert!(jaeger["serviceRegistries"].as_array().is_none_or(Vec::is_empty), "register-dns is undone");
        let runbook = worlds::shipped("");
        done(lab.amend(&runbook).await);
        same(&reference().done, &lab.settled().await, How::BackAndForth);
        assert_eq!(lab.spans_lost(), 0);
        back_to(&lab, &reference().start).await;
    });
}

#[test]
fn a_half_migrated_world_is_finished_by_a_new_run() {
    paused(async {
        let first = lab();
        let stop = first.run_before(&["retarget-api-env"]).await;
        assert!(matches!(stop, Stop::Before(..)), "{stop:?}");
        first.abandon().await;
        let half = first.settled().await;

        let state = first.sim.with(|state| state.clone());
        let second = Lab::on(state, &worlds::shipped(""), 2);
        done(second.run().await);
        same(&reference().done, &second.settled().await, How::BackAndForth);

        let state = second.sim.with(|state| state.clone());
        let third = Lab::on(state, &worlds::shipped(""), 3);
        let stop = third.run().await;
        assert!(matches!(stop, Stop::NothingToDo), "{stop:?}");

        // The second run undoes what it did, and nothing of the first.
        back_to(&second, &half).await;
    });
}

#[test]
fn turned_back_from_another_terminal() {
    for step in [
        "create-service/nexus-ai-jaeger-staging/rollout",
        "retarget-api-env/nexus-ai-api-staging/rollout",
        "strip-sidecar/nexus-ai-api-staging/rollout",
        "strip-sidecar/nexus-ai-api-staging/drained",
    ] {
        paused(async {
            let lab = lab();
            let dir = lab.state_dir();
            let asked = Cell::new(false);
            *lab.watcher.borrow_mut() = Box::new(move |view, event, _| {
                let Event::Record(record) = event else { return };
                let RecordBody::StepStarted { step: begun, .. } = &record.body else { return };
                if begun.as_str() == step && !asked.replace(true) {
                    let other = Journal::open(&dir).expect("the journal opens a second time");
                    let request = Request::Rollback { by: somebody(), extent: Extent::default() };
                    other.post(&view.id, request, record.at).expect("a live run takes requests");
                }
            });
            let stop = lab.run().await;
            assert!(matches!(stop, Stop::RolledBack), "{step}: {stop:?}");
            same(&reference().start, &lab.settled().await, How::WentBack);
            assert_eq!(lab.spans_lost(), 0, "{step}: spans lost");
        });
    }
}

/// The way back begins the moment an update was sent: what is read then may be from before it.
#[test]
fn turned_back_right_after_each_mutation() {
    for nth in 1..=10 {
        paused(async {
            let lab = lab();
            let mut seen = 0;
            *lab.watcher.borrow_mut() = Box::new(move |view, event, line| {
                let Event::Record(record) = event else { return };
                let RecordBody::StepSucceeded { step, .. } = &record.body else { return };
                seen += i32::from(view.plan.step(step).is_some_and(|step| step.class == StepClass::Mutation));
                if seen == nth {
                    seen += 1;
                    line.send(Control::StopNow).expect("the engine listens");
                }
            });
            let stop = lab.run().await;
            assert!(matches!(stop, Stop::Paused), "{nth}: {stop:?}");
            *lab.watcher.borrow_mut() = Box::new(|_, _, _| {});
            back_to(&lab, &reference().start).await;
        });
    }
}

/// The state directory is lost while the last rollout is under way: another run does not say that nothing is to be done.
#[test]
fn a_lost_journal_does_not_make_an_unfinished_rollout_done() {
    paused(async {
        let lab = lab();
        assert!(matches!(lab.run_before(&["strip-sidecar"]).await, Stop::Before(..)));
        let taken = Arc::new(Mutex::new(None));
        let slot = Arc::clone(&taken);
        lab.record(Recorder {
            distinct: false,
            wanted: Box::new(|point| point.kind == PointKind::AfterEffect && point.of == "UpdateService"),
            take: Box::new(move |fork| _ = slot.lock().expect("nobody panics here").get_or_insert(fork)),
        });
        done(lab.resume().await);
        let fork = taken.lock().expect("nobody panics here").take().expect("it took effect");
        let dead = lab.run_id();
        let other = Lab::on(fork.state.clone(), &lab.runbook, 9);
        other.live(5_000).await;
        let Stop::Blocked(findings) = other.run().await else { panic!("the rollout is under way") };
        assert!(findings.contains(&"change-unfinished".to_owned()) && findings.contains(&"claimed".to_owned()), "{findings:?}");
        // When it is over, nothing is to be done; but the dead run's claim is told.
        other.live(20 * 60_000).await;
        let Stop::Blocked(findings) = other.run().await else { panic!("the claim of {dead} is there") };
        assert_eq!(findings, ["claimed"]);
    });
}
