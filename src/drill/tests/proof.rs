//! A dry run says so when a crash makes a difference.

use serde_json::Value;

use super::{WORLD, runbook, with};
use crate::drill::{Claim, Proof, prove};
use crate::flaw::Flaw;

fn proof(flaw: Option<Flaw>) -> Proof {
    let world: Value = serde_json::from_str(WORLD).expect("the shipped world is JSON");
    let runbook = runbook();
    let claim = Claim { world: &world, runbook: &runbook, accepted: &[], begun: None, seed: 11 };
    with(flaw, || prove(&claim)).expect("it can be tried")
}

#[test]
fn a_migration_that_holds_is_told_from_one_that_a_crash_breaks() {
    let sound = proof(None);
    assert!(sound.holds() && sound.comes_to_its_end(), "{sound:?}");
    let back = sound.back.as_ref().expect("it goes back");
    assert!(back.compared && back.took > 0 && back.lost == 0);
    let stages: Vec<&str> = sound.stages.iter().map(|(stage, _)| stage.as_str()).collect();
    assert_eq!(stages.len(), 6);
    assert!(sound.stages.iter().map(|(_, took)| took).sum::<i64>() <= sound.took);
    let labels = sound.spans["labels"].as_array().expect("stages");
    assert!(stages.iter().all(|stage| labels.iter().any(|row| row["label"] == **stage)), "{labels:?}");

    let broken = proof(Some(Flaw::LateOutcome));
    assert!(broken.comes_to_its_end() && !broken.holds());
    let crash = broken.crash.expect("it is killed");
    assert!(crash.lines.iter().any(|line| line.contains("UpdateService")), "{:?}", crash.lines);
}
