//! The transition table, whole, and what must hold for it whatever it says.

use std::collections::BTreeSet;

use super::*;

/// One line per legal transition; all that is not listed is refused.
fn grid(class: StepClass) -> String {
    let pairs = STATES.iter().flat_map(|state| EVENTS.iter().map(move |event| (*state, *event)));
    let lines: Vec<_> = pairs
        .clone()
        .filter_map(|(state, event)| {
            let next = next_state(class, state, event).ok()?;
            Some(format!("  {state:?} + {event:?} = {next:?}"))
        })
        .collect();
    format!("{class:?}: {} of {} are legal\n{}", lines.len(), pairs.count(), lines.join("\n"))
}

#[test]
fn the_whole_table() {
    insta::assert_snapshot!(CLASSES.map(grid).join("\n"), @r"
    Mutation: 23 of 96 are legal
      Pending + Started = Started
      Pending + Skipped = Skipped
      Started + Succeeded = Done
      Started + Failed = Failed
      Started + InDoubt = InDoubt
      Started + ObservedDone = Done
      Started + ObservedNotDone = Pending
      Started + ObservedTakenBack = Pending
      Started + ObservedDiverged = Diverged
      Done + ObservedDone = Done
      Done + ObservedTakenBack = Pending
      Done + ObservedDiverged = Diverged
      Failed + Started = Started
      Failed + Skipped = Skipped
      InDoubt + ObservedDone = Done
      InDoubt + ObservedNotDone = Pending
      InDoubt + ObservedTakenBack = Pending
      InDoubt + ObservedDiverged = Diverged
      Diverged + Skipped = Skipped
      Diverged + ObservedDone = Done
      Diverged + ObservedNotDone = Pending
      Diverged + ObservedTakenBack = Pending
      Diverged + ObservedDiverged = Diverged
    Wait: 11 of 96 are legal
      Pending + Started = Started
      Pending + Skipped = Skipped
      Started + Started = Started
      Started + Succeeded = Done
      Started + Failed = Failed
      Started + Left = Pending
      Started + Approved = Done
      Done + ObservedTakenBack = Pending
      Failed + Started = Started
      Failed + Skipped = Skipped
      Failed + ObservedTakenBack = Pending
    Verify: 15 of 96 are legal
      Pending + Started = Started
      Pending + Skipped = Skipped
      Started + Started = Started
      Started + Succeeded = Done
      Started + Failed = Failed
      Started + Left = Pending
      Started + Held = Held
      Done + ObservedTakenBack = Pending
      Failed + Started = Started
      Failed + Skipped = Skipped
      Failed + ObservedTakenBack = Pending
      Held + Started = Started
      Held + Approved = Done
      Held + Skipped = Skipped
      Held + ObservedTakenBack = Pending
    ");
}

#[test]
fn an_illegal_transition_says_what_was_tried() {
    let error = next_state(StepClass::Mutation, StepState::InDoubt, StepEvent::Started).expect_err("it must be looked at first");
    assert_eq!(error.to_string(), "a Mutation step that is InDoubt cannot be Started");
}

/// States that a step of `class` can come to.
fn reachable(class: StepClass, from: StepState) -> BTreeSet<String> {
    let mut seen = BTreeSet::new();
    let mut open = vec![from];
    while let Some(state) = open.pop() {
        if seen.insert(format!("{state:?}")) {
            open.extend(EVENTS.iter().filter_map(|event| next_state(class, state, *event).ok()));
        }
    }
    seen
}

#[test]
fn from_wherever_a_step_comes_to_it_can_still_be_done_unless_it_was_skipped() {
    for class in CLASSES {
        assert_eq!(reachable(class, StepState::Skipped), BTreeSet::from(["Skipped".to_owned()]), "{class:?}");
        let reached = reachable(class, StepState::Pending);
        let others = STATES.iter().filter(|state| **state != StepState::Skipped && reached.contains(&format!("{state:?}")));
        for state in others {
            assert!(reachable(class, *state).contains("Done"), "{class:?} {state:?}");
        }
    }
}

#[test]
fn a_mutation_is_never_sent_again_before_somebody_looked() {
    for state in [StepState::Started, StepState::InDoubt, StepState::Diverged, StepState::Done] {
        assert!(next_state(StepClass::Mutation, state, StepEvent::Started).is_err(), "{state:?}");
    }
}

#[test]
fn what_may_have_taken_effect_is_not_skipped() {
    for class in CLASSES {
        for state in [StepState::Started, StepState::InDoubt, StepState::Done] {
            assert!(next_state(class, state, StepEvent::Skipped).is_err(), "{class:?} {state:?}");
        }
    }
}

#[test]
fn only_a_verification_is_held_and_only_what_is_held_or_watches_is_approved() {
    for class in CLASSES {
        for state in STATES {
            let held = next_state(class, state, StepEvent::Held);
            assert_eq!(held.is_ok(), class == StepClass::Verify && state == StepState::Started, "{class:?} {state:?}");
            let approved = next_state(class, state, StepEvent::Approved);
            let opens =
                (class, state) == (StepClass::Verify, StepState::Held) || (class, state) == (StepClass::Wait, StepState::Started);
            assert_eq!(approved.is_ok(), opens, "{class:?} {state:?}");
        }
    }
}

#[test]
fn what_only_reads_is_never_in_doubt() {
    for class in [StepClass::Wait, StepClass::Verify] {
        let states = reachable(class, StepState::Pending);
        assert!(!states.contains("InDoubt") && !states.contains("Diverged"), "{class:?}: {states:?}");
    }
}

#[test]
fn every_record_about_a_step_stands_for_one_event_and_no_other_record_does() {
    let step = StepId::new("a/b/c");
    for event in EVENTS {
        let body = body(&step, event, 1, FailureKind::Rejected);
        assert_eq!((StepEvent::of(&body), body.step()), (Some(event), Some(&step)));
    }
    let others = [
        adopted(plan(), Adoption::Start),
        RecordBody::SessionClosed { why: String::new(), calls: Default::default() },
        RecordBody::PauseAsked { by: alice(), how: "Ctrl-C".into() },
        RecordBody::HoldSet { stage: StageId::new("a"), by: alice() },
    ];
    for body in others {
        assert_eq!((StepEvent::of(&body), body.step()), (None, None));
    }
}
