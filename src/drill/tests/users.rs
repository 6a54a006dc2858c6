//! Somebody else begins to use the run's name: the way back stops before it touches that, and the watch finds one that does not.

use super::*;
use crate::drill::hands::Place;
use crate::drill::weather::{Happening, Life};
use crate::model::FailureKind;
use crate::plan::inventory;

/// Takes a run back while somebody else uses its name: how that stops, how much is named as left, and the promise that broke.
fn taken_back(flaw: Option<Flaw>, seed: u64) -> (Stop, usize, Option<String>) {
    let course = async {
        let lab = Lab::on(start(), &runbook(), 11).expect("a lab");
        let place = Place {
            region: lab.aws.region.clone(),
            cluster: "nexus-ai-cluster-staging".to_owned(),
            log_group: "/ecs/nexus-ai-jaeger-staging".to_owned(),
        };
        let watch = SharedWatch::new(invariants::Ties::of(&runbook()), place, seed);
        let lab = lab.watched_by(watch.clone(), 0);
        assert!(matches!(lab.run().await, Stop::Done));
        let records = lab.journal().and_then(|journal| journal.records(&lab.run_id()?)).expect("its records");
        let life = Life { happenings: vec![(0, Happening::Uses)], ..Life::default() };
        watch.begin(lab.clock.now_millis(), &records, &life);
        let stop = lab.roll_back(None).await;
        (stop, inventory(&lab.view().expect("the journal folds")).len(), watch.verdict().1)
    };
    with(flaw, || paused(course).expect("a runtime"))
}

#[test]
fn what_somebody_else_uses_is_left_alone() {
    let mut ways = std::collections::BTreeSet::new();
    for seed in 1.. {
        if ways.len() == 2 {
            // By a service, and by an instance.
            return;
        }
        let (stop, left, broken) = taken_back(None, seed);
        let Stop::Failed(step, failure) = &stop else { panic!("{stop:?}") };
        assert!(step.as_str().starts_with("undo/register-dns/") && failure.kind == FailureKind::Stuck, "{stop:?}");
        ways.insert(failure.causes.concat().contains("instance"));
        assert!(left > 0, "what is left is named");
        assert_eq!(broken, None);
        let (_, _, broken) = taken_back(Some(Flaw::NobodyElse), seed);
        assert!(broken.as_ref().is_some_and(|what| what.starts_with("what-others-use-stays")), "{broken:?}");
    }
}
