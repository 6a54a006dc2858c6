//! A new plan keeps what is done only where it is the same, and so is what it rests on.

use std::collections::BTreeSet;

use super::*;

/// How a step of the new plan differs from the old.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Edit {
    Same,
    Retitled,
    Params,
    Action,
    Gone,
}

fn edits() -> impl Strategy<Value = Vec<Edit>> {
    let one = prop_oneof![
        6 => Just(Edit::Same),
        1 => Just(Edit::Retitled),
        1 => Just(Edit::Params),
        1 => Just(Edit::Action),
        1 => Just(Edit::Gone),
    ];
    proptest::collection::vec(one, 9)
}

/// [`plan`] with each step edited.
fn edited(edits: &[Edit]) -> Plan {
    let mut plan = plan();
    let mut edits = edits.iter();
    for lane in plan.stages.iter_mut().flat_map(|stage| &mut stage.waves).flat_map(|wave| &mut wave.lanes) {
        lane.steps.retain_mut(|step| {
            let edit = *edits.next().expect("one for each step");
            match edit {
                Edit::Retitled => {
                    step.title.push_str(" again");
                    step.deadline_s = Some(60);
                }
                Edit::Params => step.params = json!({ "image": "b" }).into(),
                Edit::Action => step.action.push_str("-v2"),
                Edit::Same | Edit::Gone => {}
            }
            edit != Edit::Gone
        });
    }
    plan
}

/// The steps that begin anew, found by asking again and again until nothing more is added.
/// What was passed over is to be tried again.
fn anew(plan: &Plan, edits: &[Edit], before: &RunView) -> BTreeSet<StepId> {
    let all = super::plan();
    let changed = |id: &StepId| {
        let position = all.steps().position(|(_, _, step)| step.id == *id).expect("a step");
        matches!(edits[position], Edit::Params | Edit::Action) || before.state(id) == StepState::Skipped
    };
    let mut anew: BTreeSet<StepId> =
        plan.steps().filter(|(_, _, step)| changed(&step.id)).map(|(_, _, step)| step.id.clone()).collect();
    loop {
        let before = anew.len();
        for (_, lane) in plan.lanes() {
            for (place, step) in lane.steps.iter().enumerate() {
                let fed = step.inputs.values().any(|input| anew.contains(&input.step));
                let follows = step.class != StepClass::Mutation && lane.steps[..place].iter().any(|one| anew.contains(&one.id));
                if fed || follows {
                    anew.insert(step.id.clone());
                }
            }
        }
        if anew.len() == before {
            return anew;
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(192))]

    #[test]
    fn steps_are_kept_exactly_where_nothing_under_them_changed(choices in choices(), edits in edits()) {
        let mut records = course(&choices);
        let before = RunView::fold(&records).expect("a legal course");
        let new = edited(&edits);
        let seq = records.len() as u64 + 1;
        records.push(record(seq, adopted(new.clone(), Adoption::Amendment { changes: vec!["image".into()] })));
        let view = RunView::fold(&records).expect("a legal course");

        let anew = anew(&new, &edits, &before);
        prop_assert_eq!(view.steps.len(), new.steps().count());
        for (_, _, step) in new.steps() {
            if anew.contains(&step.id) {
                prop_assert_eq!((view.state(&step.id), view.steps[&step.id].attempts), (StepState::Pending, 0), "{}", step.id);
            } else {
                prop_assert_eq!(json!(view.steps[&step.id]), json!(before.steps[&step.id]), "{}", step.id);
            }
        }
        // What was made is still to be undone, whatever the new plan says of it.
        prop_assert_eq!(&view.mutations, &before.mutations);
        prop_assert_eq!((view.epoch, &view.plan, &view.forward), (2, &new, &new));
    }
}

#[test]
fn a_plan_that_goes_back_leaves_the_forward_plan_in_force() {
    let records = course(&[(0, 0, false), (0, 0, false)]);
    let mut view = RunView::fold(&records).expect("a legal course");
    let mut back = plan();
    back.direction = Direction::Back;
    for step in
        back.stages.iter_mut().flat_map(|stage| &mut stage.waves).flat_map(|wave| &mut wave.lanes).flat_map(|lane| &mut lane.steps)
    {
        step.id = StepId::new(format!("undo/{}", step.id));
        step.inputs.clear();
    }
    let undo = back.steps().next().map(|(_, _, step)| step.id.clone()).expect("a step");
    let next = view.last_seq + 1;
    view.apply(&record(next, adopted(back.clone(), Adoption::Rollback(crate::model::Extent::default())))).expect("adopted");
    view.apply(&record(next + 1, body(&undo, StepEvent::Started, next + 1, FailureKind::Rejected))).expect("started");
    assert_eq!((&view.plan, &view.forward), (&back, &plan()));
    assert_eq!(view.adoption, Adoption::Rollback(crate::model::Extent::default()));
    // An undo is a mutation too, told apart by its direction and epoch.
    let made: Vec<_> = view.mutations.iter().map(|made| (made.step.id.as_str(), made.direction, made.epoch)).collect();
    assert_eq!(made, [("first/shared/change", Direction::Forward, 1), ("undo/first/shared/change", Direction::Back, 2)]);
    assert!(!view.all_done());
}
