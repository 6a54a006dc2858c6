//! Reads that show a service as it was before the run's own change, for longer than anybody has seen AWS do it: they are not believed.

use std::cell::Cell;
use std::rc::Rc;

use sidestep::model::{Event, RecordBody};
use sidestep::sim::{Fault, RequestFault, RequestFaultKind};

use super::common::{as_reference, back_to, done, lab, reference};
use crate::support::{Lab, Stop, paused};

/// More readings than a rollout waits for, or a look at what is in doubt.
const LONG: RequestFaultKind = RequestFaultKind::Stale { reads: 15 };

fn times(lab: &Lab, action: &str) -> usize {
    lab.sim.ledger().iter().filter(|effect| effect.action == action).count()
}

#[test]
fn a_rollback_takes_back_what_reads_do_not_show() {
    // The API on the revision before the last, which is in use; and the shared service without its registry.
    for before in [None, Some("retarget-api-env")] {
        paused(async {
            let lab = lab();
            match before {
                None => done(lab.run().await),
                Some(stage) => assert!(matches!(lab.run_before(&[stage]).await, Stop::Before(..))),
            }
            lab.live(3_600_000).await;
            let updates = times(&lab, "UpdateService");
            lab.fault("DescribeServices", 1, LONG);
            back_to(&lab, &reference().start).await;
            let ledger = lab.sim.ledger();
            let restored = ledger.iter().filter(|effect| effect.action == "UpdateService").nth(updates).expect("an update");
            let goes = ledger.iter().find(|effect| effect.action == "DeregisterTaskDefinition").expect("a revision goes");
            assert!(goes.sequence > restored.sequence, "a revision in use was deregistered");
        });
    }
}

#[test]
fn a_rollback_deletes_a_service_that_reads_do_not_show() {
    paused(async {
        let lab = lab();
        assert!(matches!(lab.run_before(&["register-dns"]).await, Stop::Before(..)));
        lab.fault("DescribeServices", 1, LONG);
        back_to(&lab, &reference().start).await;
    });
}

#[test]
fn a_rollout_is_not_lost_because_reads_do_not_show_it() {
    for (action, nth) in [("ecs:CreateService", 1), ("ecs:UpdateService", 1), ("ecs:UpdateService", 2), ("ecs:UpdateService", 3)] {
        paused(async {
            let lab = lab();
            lab.fault(action, nth, LONG);
            done(lab.run().await);
            as_reference(&lab).await;
        });
    }
}

#[test]
fn what_is_in_doubt_is_found_in_lists_and_records() {
    for (action, nth) in [("ecs:CreateService", 1), ("ecs:UpdateService", 2)] {
        paused(async {
            let lab = lab();
            lab.fault(action, nth, RequestFaultKind::DropAfter);
            let (sim, met) = (lab.sim.clone(), Rc::new(Cell::new(0)));
            let seen = Rc::clone(&met);
            *lab.watcher.borrow_mut() = Box::new(move |_, event, _| {
                if let Event::Record(record) = event
                    && matches!(record.body, RecordBody::StepInDoubt { .. })
                {
                    seen.set(seen.get() + 1);
                    let fault = RequestFault { action: "DescribeServices".to_owned(), nth: 1, times: 1, kind: LONG };
                    sim.with(|state| state.add_fault(Fault::Request(fault)));
                }
            });
            done(lab.run().await);
            assert_eq!(met.get(), 1, "it was in doubt");
            as_reference(&lab).await;
        });
    }
}
