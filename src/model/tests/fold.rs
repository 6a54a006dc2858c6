//! The fold against an oracle that knows no table: it only remembers what happened last to each step.

use super::*;
use crate::model::{Extent, FoldError, Outcome, RunStatus};

/// Where a step stands, from the last event alone.
fn after(event: StepEvent) -> StepState {
    match event {
        StepEvent::Started => StepState::Started,
        StepEvent::Succeeded | StepEvent::Approved | StepEvent::ObservedDone => StepState::Done,
        StepEvent::Failed => StepState::Failed,
        StepEvent::InDoubt => StepState::InDoubt,
        StepEvent::Left | StepEvent::ObservedNotDone | StepEvent::ObservedTakenBack => StepState::Pending,
        StepEvent::Held => StepState::Held,
        StepEvent::ObservedDiverged => StepState::Diverged,
        StepEvent::Skipped => StepState::Skipped,
    }
}

/// What the records say of one step, without the fold.
fn last<'a>(records: &'a [Record], step: &StepId) -> Option<&'a RecordBody> {
    records.iter().rev().map(|record| &record.body).find(|body| body.step() == Some(step))
}

fn state(records: &[Record], step: &StepId) -> StepState {
    last(records, step).and_then(StepEvent::of).map_or(StepState::Pending, after)
}

fn status(records: &[Record], plan: &Plan) -> RunStatus {
    let lasts: Vec<_> = plan.steps().filter_map(|(_, _, step)| last(records, &step.id)).collect();
    let any = |wanted: fn(&RecordBody) -> bool| lasts.iter().any(|body| wanted(body));
    if any(|body| matches!(body, RecordBody::StepFailed { failure, .. } if failure.kind == FailureKind::Stuck)) {
        RunStatus::Stuck
    } else if any(|body| matches!(StepEvent::of(body), Some(StepEvent::Failed | StepEvent::ObservedDiverged))) {
        RunStatus::Stopped
    } else if any(|body| matches!(body, RecordBody::StepHeld { .. })) {
        RunStatus::Held
    } else {
        RunStatus::Open
    }
}

/// The attempts at mutations that were made or may have been: of each attempt, was it certainly never made?
fn mutations(records: &[Record], plan: &Plan) -> Vec<(StepId, u64, bool)> {
    let mut kept: Vec<(StepId, u64, bool)> = Vec::new();
    for record in records {
        let Some(step) = record.body.step() else { continue };
        if plan.step(step).is_none_or(|step| step.class != StepClass::Mutation) {
            continue;
        }
        let latest = kept.iter().rposition(|(id, ..)| id == step);
        match (StepEvent::of(&record.body), latest) {
            (Some(StepEvent::Started), _) => kept.push((step.clone(), record.seq, false)),
            (Some(StepEvent::Succeeded | StepEvent::ObservedDone), Some(at)) => kept[at].2 = true,
            (Some(StepEvent::Failed | StepEvent::ObservedNotDone), Some(at)) if !kept[at].2 => {
                kept.remove(at);
            }
            _ => {}
        }
    }
    kept
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(192))]

    #[test]
    fn any_legal_course_folds_to_what_happened_last(choices in choices()) {
        let records = course(&choices);
        let view = RunView::fold(&records).expect("a legal course");
        let plan = plan();
        for (_, _, step) in plan.steps() {
            prop_assert_eq!(view.state(&step.id), state(&records, &step.id), "{}", step.id);
        }
        prop_assert_eq!(view.status(), status(&records, &plan));
        let all_done = plan.steps().all(|(_, _, step)| state(&records, &step.id).is_over());
        prop_assert_eq!(view.all_done(), all_done);
        for stage in &plan.stages {
            let done = stage.steps().all(|step| state(&records, &step.id).is_over());
            prop_assert_eq!(view.stage_done(&stage.id), done);
        }
        prop_assert_eq!(view.last_seq, records.len() as u64);
    }

    #[test]
    fn the_list_of_mutations_holds_all_that_were_or_may_have_been_made(choices in choices()) {
        let records = course(&choices);
        let view = RunView::fold(&records).expect("a legal course");
        let listed: Vec<_> = view
            .mutations
            .iter()
            .map(|made| (made.step.id.clone(), made.intent["token"].as_u64().expect("its number"), made.output.is_some()))
            .collect();
        prop_assert_eq!(listed, mutations(&records, &plan()));
    }

    #[test]
    fn trouble_output_and_hold_are_there_exactly_where_the_state_says(choices in choices()) {
        let view = RunView::fold(&course(&choices)).expect("a legal course");
        for (id, step) in &view.steps {
            let troubled = matches!(step.state, StepState::Failed | StepState::InDoubt | StepState::Diverged);
            // What was passed over keeps why it did not come to its end, if it was begun.
            if step.state != StepState::Skipped {
                prop_assert_eq!(step.trouble.is_some(), troubled, "{}: {:?}", id, step);
            }
            prop_assert_eq!(step.skipped.is_some(), step.state == StepState::Skipped, "{}: {:?}", id, step);
            prop_assert_eq!(step.held.is_some(), step.state == StepState::Held, "{}: {:?}", id, step);
            if step.state == StepState::Done {
                prop_assert!(step.output.is_some(), "{}: {:?}", id, step);
            }
            if matches!(step.state, StepState::Started | StepState::Pending) {
                prop_assert!(step.output.is_none(), "{}: {:?}", id, step);
            }
        }
    }

    #[test]
    fn it_does_not_matter_whether_records_were_folded_at_once_stepwise_or_after_being_stored(choices in choices()) {
        let records = course(&choices);
        let whole = RunView::fold(&records).expect("a legal course");
        let mut stepwise = RunView::fold(&records[..1]).expect("a plan");
        for record in &records[1..] {
            stepwise.apply(record).expect("a legal record");
        }
        prop_assert_eq!(shown(&stepwise), shown(&whole));
        let stored: Vec<String> = records.iter().map(|record| serde_json::to_string(record).expect("json")).collect();
        let read: Vec<Record> = stored.iter().map(|text| serde_json::from_str(text).expect("a record")).collect();
        prop_assert_eq!(&read, &records);
    }

    #[test]
    fn what_is_not_in_the_table_is_refused(choices in choices(), which in 0_usize..64) {
        let mut records = course(&choices);
        let plan = plan();
        let steps: Vec<_> = plan.steps().map(|(_, _, step)| step).collect();
        let step = steps[which % steps.len()];
        let now = state(&records, &step.id);
        let seq = records.len() as u64 + 1;
        for event in EVENTS.iter().filter(|event| next_state(step.class, now, **event).is_err()) {
            records.push(record(seq, body(&step.id, *event, seq, FailureKind::Rejected)));
            let refused = RunView::fold(&records);
            let named = matches!(&refused, Err(FoldError::Illegal { seq: at, step: id, .. }) if *at == seq && *id == step.id);
            prop_assert!(named, "{:?}", refused.map(|view| view.last_seq));
            records.pop();
        }
    }
}

fn journal(bodies: Vec<RecordBody>) -> Result<RunView, FoldError> {
    let all = std::iter::once(adopted(plan(), Adoption::Start)).chain(bodies);
    let records: Vec<_> = (1..).zip(all).map(|(seq, body)| record(seq, body)).collect();
    RunView::fold(&records)
}

#[test]
fn a_journal_begins_with_a_plan() {
    let closed = RecordBody::SessionClosed { why: String::new(), calls: Default::default() };
    assert!(matches!(RunView::fold(&[]), Err(FoldError::NoPlan)));
    assert!(matches!(RunView::fold(&[record(1, closed)]), Err(FoldError::NoPlan)));
    assert!(matches!(RunView::fold(&[record(2, adopted(plan(), Adoption::Start))]), Err(FoldError::Gap { after: 0, found: 2 })));
}

#[test]
fn numbers_follow_one_another() {
    for seq in [1, 3] {
        let records = [
            record(1, adopted(plan(), Adoption::Start)),
            record(seq, RecordBody::SessionClosed { why: String::new(), calls: Default::default() }),
        ];
        assert!(matches!(RunView::fold(&records), Err(FoldError::Gap { after: 1, found }) if found == seq));
    }
}

#[test]
fn a_step_that_the_plan_does_not_have_is_refused() {
    let stranger = journal(vec![RecordBody::StepLeft { step: StepId::new("no/such/step") }]);
    assert!(matches!(stranger, Err(FoldError::UnknownStep { seq: 2, .. })), "{:?}", stranger.map(|view| view.last_seq));
}

#[test]
fn after_the_end_only_a_session_or_a_new_plan_may_follow() {
    let end = || RecordBody::RunEnded { outcome: Outcome::Done, why: String::new() };
    let holder = super::super::Holder { actor: alice(), pid: 1, fence: 2 };
    let may = [
        RecordBody::TakenOver { from: holder.clone(), by: holder.clone(), reason: String::new() },
        RecordBody::SessionOpened { holder },
        RecordBody::SessionClosed { why: String::new(), calls: Default::default() },
        adopted(plan(), Adoption::Rollback(crate::model::Extent::default())),
    ];
    for body in may {
        let text = format!("{body:?}");
        assert!(journal(vec![end(), body]).is_ok(), "{text}");
    }
    let change = StepId::new("first/shared/change");
    let may_not = [
        end(),
        body(&change, StepEvent::Started, 3, FailureKind::Rejected),
        RecordBody::HoldSet { stage: StageId::new("second"), by: alice() },
    ];
    for body in may_not {
        let text = format!("{body:?}");
        assert!(matches!(journal(vec![end(), body]), Err(FoldError::AfterEnd { seq: 3 })), "{text}");
    }
}

#[test]
fn an_end_is_shown_until_a_plan_takes_the_run_up_again() {
    let ends = [
        (Outcome::Done, RunStatus::Done),
        (Outcome::RolledBack, RunStatus::RolledBack),
        (Outcome::Abandoned, RunStatus::Abandoned),
    ];
    for (outcome, status) in ends {
        let end = RecordBody::RunEnded { outcome, why: "because".into() };
        assert_eq!(journal(vec![end.clone()]).expect("a journal").status(), status);
        let view = journal(vec![end, adopted(plan(), Adoption::Rollback(crate::model::Extent::default()))]).expect("a journal");
        assert_eq!((view.status(), view.ended), (RunStatus::Open, None));
    }
}

#[test]
fn sessions_holds_and_findings_are_kept() {
    let holder = super::super::Holder { actor: alice(), pid: 7, fence: 3 };
    let (one, two) = (StageId::new("first"), StageId::new("second"));
    let view = journal(vec![
        RecordBody::SessionOpened { holder: holder.clone() },
        RecordBody::FindingAccepted { finding: "span-port-closed".into(), by: alice() },
        RecordBody::HoldSet { stage: one.clone(), by: alice() },
        RecordBody::HoldSet { stage: two.clone(), by: alice() },
        RecordBody::HoldCleared { stage: one, by: alice() },
    ])
    .expect("a journal");
    assert_eq!((view.holder, view.closed), (Some(holder), false));
    assert_eq!(view.holds.iter().collect::<Vec<_>>(), [&two]);
    assert_eq!(view.accepted.iter().collect::<Vec<_>>(), ["span-port-closed"]);
}

/// A run that did one change, went back, and found its undo overtaken by somebody else.
#[test]
fn what_an_undo_had_undone_stands_again_when_it_is_found_not_to_stand() {
    let forward = plan();
    let (_, _, change) = forward.steps().find(|(_, _, step)| step.class == StepClass::Mutation).expect("a mutation");
    let change = change.id.clone();
    let mut back = plan();
    back.direction = Direction::Back;
    back.stages.truncate(1);
    let undo = StepId::new("undo/first/shared/change");
    let lane = &mut back.stages[0].waves[0].lanes[0];
    lane.steps.truncate(1);
    lane.steps[0].id = undo.clone();
    lane.steps[0].params = json!({ "undoes": [2] }).into();
    let mut records = vec![
        record(1, adopted(forward, Adoption::Start)),
        record(2, body(&change, StepEvent::Started, 2, FailureKind::Rejected)),
        record(3, body(&change, StepEvent::Succeeded, 3, FailureKind::Rejected)),
        record(4, adopted(back, Adoption::Rollback(Extent::default()))),
        record(5, body(&undo, StepEvent::Started, 5, FailureKind::Rejected)),
        record(6, body(&undo, StepEvent::Succeeded, 6, FailureKind::Rejected)),
    ];
    let standing = |records: &[Record]| -> Vec<u64> {
        RunView::fold(records).expect("it folds").mutations.iter().map(|mutation| mutation.seq).collect()
    };
    assert_eq!(standing(&records), [5], "undone");
    for event in [StepEvent::ObservedDiverged, StepEvent::ObservedTakenBack] {
        records.truncate(6);
        records.push(record(7, body(&undo, event, 7, FailureKind::Rejected)));
        assert_eq!(standing(&records), [2], "{event:?}: to be undone again, and the undo is none");
    }
}
