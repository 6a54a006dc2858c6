//! Every hint of a way back that is stuck leads out: each is followed, the hints that come of it as well, until the run has gone back, has
//! gone back as far as that leads, or is given up. A way that meets the same trouble again by the same hint goes in a circle.

use std::collections::BTreeSet;
use std::pin::Pin;

use serde_json::{Value, json};
use sidestep::drill::foreign;
use sidestep::model::{Direction, Extent, StageId, StepId};
use sidestep::session::other_way_back;
use sidestep::ui::advice;

use super::common::{deployed_by_others, done, lab, next_release, service};
use super::gone::group_goes_under_way;
use super::stuck::web;
use crate::support::{Lab, Stop, paused, worlds};

/// What a hint says to do.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Way {
    Back {
        to: Option<String>,
        onto_newest: bool,
    },
    Skip(String),
    Forward,
    Abandon,
    /// It stays as it is.
    Leave,
}

impl Way {
    /// What this command is; `hint` is for the message.
    fn of(command: &str, hint: &str) -> Self {
        let words: Vec<&str> = command.split_whitespace().collect();
        let after = |option: &str| words.iter().position(|word| *word == option).and_then(|at| words.get(at + 1)).copied();
        match words[..2] {
            ["sidestep", "abandon"] => Self::Abandon,
            ["sidestep", "resume"] => Self::Forward,
            ["sidestep", "report"] => Self::Leave,
            ["sidestep", "rollback"] => match after("--skip") {
                Some(step) => Self::Skip(step.to_owned()),
                None => Self::Back { to: after("--to").map(str::to_owned), onto_newest: words.contains(&"--onto-newest") },
            },
            _ => panic!("a hint that nobody can follow: {hint}"),
        }
    }

    fn extent(&self) -> Extent {
        match self {
            Self::Back { to, .. } => Extent { to: to.as_deref().map(StageId::new), ..Extent::default() },
            _ => Extent::default(),
        }
    }

    async fn follow(&self, lab: &Lab) -> Option<Stop> {
        match self {
            Self::Back { onto_newest, .. } => Some(lab.take_back(self.extent(), *onto_newest).await),
            Self::Skip(step) => Some(lab.roll_back_without(&StepId::new(step.as_str()), "a person has decided it").await),
            Self::Forward => {
                // It is planned anew, as `resume` does after a part of the way back.
                let mut on = again(lab);
                let runbook = on.runbook.clone();
                done(on.amend(&runbook).await);
                None
            }
            Self::Abandon => {
                lab.abandon().await;
                None
            }
            Self::Leave => {
                assert!(lab.view().ended.is_some(), "a run that is not over is not left");
                None
            }
        }
    }
}

/// The commands that are printed after this stop, but for those that hold only once somebody has repaired something.
async fn ways(lab: &Lab, way: &Way, stop: &Stop) -> Vec<Way> {
    let Stop::Failed(step, failure) = stop else { panic!("{way:?} ends in neither a way out nor a stop with hints: {stop:?}") };
    let view = lab.view();
    let ran = view.plan.direction == Direction::Back && view.troubled().any(|(known, _)| known.id == *step);
    let hints = match ran {
        true => advice::after_trouble(&view, step, failure).unwrap_or_default(),
        false => advice::no_way_back(&view, other_way_back(&lab.aws, &view, &way.extent()).await.as_ref()),
    };
    let now = hints.iter().filter(|hint| !hint.starts_with("when ") && hint.contains('`'));
    now.map(|hint| Way::of(hint.split('`').nth(1).expect("a command"), hint)).collect()
}

fn again(lab: &Lab) -> Lab {
    let mut left = lab.leave().expect("the journal is there");
    left.now = lab.clock.now_millis();
    Lab::from(sidestep::drill::Lab::from_fork(&left, 0, &lab.runbook, &lab.run_id(), 5).expect("a process"))
}

/// The ways that were followed, each with where it stopped.
type Path = Vec<(Way, String)>;

/// Follows a way, and every hint that comes of it.
fn lead_out<'a>(
    lab: &'a Lab,
    way: Way,
    path: &'a Path,
    known: &'a mut BTreeSet<(String, Way)>,
) -> Pin<Box<dyn Future<Output = ()> + 'a>> {
    Box::pin(async move {
        let stop = match way.follow(lab).await {
            None | Some(Stop::RolledBack) => return,
            // So far as was asked, but for what a person leaves.
            Some(Stop::Partly) if path.iter().any(|(way, _)| matches!(way, Way::Skip(_))) || matches!(way, Way::Skip(_)) => return,
            // So far it leads; the rest is another way.
            Some(Stop::Partly) => return Box::pin(lead_out(lab, Way::Back { to: None, onto_newest: false }, path, known)).await,
            Some(stop) => stop,
        };
        let at = match &stop {
            // What still stands tells a step further from a circle.
            Stop::Failed(step, failure) => {
                let causes = failure.causes.first().map_or("", |cause| cause.split(" (request").next().unwrap_or_default());
                let view = lab.view();
                let standing = view.mutations.iter().filter(|made| made.direction == Direction::Forward).count();
                format!("{step}: {} {causes}, with {standing} changes standing", failure.message)
            }
            other => format!("{other:?}"),
        };
        assert!(path.len() < 10, "no end of it: {path:#?}");
        assert!(!path.iter().any(|before| *before == (way.clone(), at.clone())), "a circle: {path:#?} and again {way:?} {at}");
        let mut path = path.clone();
        path.push((way.clone(), at.clone()));
        let next = ways(lab, &way, &stop).await;
        assert!(!next.is_empty() || lab.view().ended.is_some(), "{at}: no hint leads anywhere");
        for way in next {
            if known.insert((at.clone(), way.clone())) || path.iter().any(|(before, _)| *before == way) {
                let fork = again(lab);
                lead_out(&fork, way, &path, known).await;
            }
        }
    })
}

/// Goes back, as the operator does who knows nothing yet, and follows every hint.
fn every_hint_leads_out(name: &str, first: Way, lab: &Lab) -> impl Future<Output = ()> {
    println!("{name}");
    async move {
        let mut known = BTreeSet::new();
        lead_out(lab, first, &Vec::new(), &mut known).await;
    }
}

fn all_the_way() -> Way {
    Way::Back { to: None, onto_newest: false }
}

fn runs(lab: &Lab) -> Value {
    service(&lab.world(), worlds::API)["taskDefinition"].clone()
}

fn delete(lab: &Lab, arn: &Value) {
    lab.foreign("DeregisterTaskDefinition", &json!({ "taskDefinition": arn }));
    lab.foreign("DeleteTaskDefinitions", &json!({ "taskDefinitions": [arn] }));
}

/// A run that is done, with the base of the API's revisions and the one between.
async fn migrated() -> (Lab, Value, Value) {
    let lab = lab();
    let base = runs(&lab);
    assert!(matches!(lab.run_before(&["strip-sidecar"]).await, Stop::Before(..)));
    let between = runs(&lab);
    done(lab.resume().await);
    (lab, base, between)
}

#[test]
fn where_revisions_were_deleted_for_good() {
    paused(async {
        let (lab, base, _) = migrated().await;
        delete(&lab, &base);
        every_hint_leads_out("the base", all_the_way(), &lab).await;

        let (lab, base, between) = migrated().await;
        delete(&lab, &base);
        delete(&lab, &between);
        every_hint_leads_out("the base and the one between", all_the_way(), &lab).await;

        let (lab, _, between) = migrated().await;
        delete(&lab, &between);
        let part = Way::Back { to: Some("retarget-api-env".to_owned()), onto_newest: false };
        every_hint_leads_out("the one between, which a part of the way leads to", part, &lab).await;
    });
}

#[test]
fn where_others_have_deployed_since() {
    paused(async {
        let (lab, ..) = migrated().await;
        deployed_by_others(&lab, worlds::API, next_release).await;
        every_hint_leads_out("others have deployed", all_the_way(), &lab).await;

        let (lab, base, _) = migrated().await;
        deployed_by_others(&lab, worlds::API, next_release).await;
        delete(&lab, &base);
        every_hint_leads_out("others have deployed, and the base is deleted", all_the_way(), &lab).await;
    });
}

/// The base goes between the plan of the way back and its step: `operations` on it.
async fn goes_under_way(operations: &'static [&'static str]) -> Lab {
    let (lab, base, _) = migrated().await;
    let (sim, clock) = (lab.sim.clone(), lab.clock.clone());
    let mut due = true;
    *lab.watcher.borrow_mut() = Box::new(move |view, _, _| {
        if view.goes_back() && std::mem::take(&mut due) {
            for operation in operations {
                let input = json!({ "taskDefinition": base, "taskDefinitions": [base] });
                foreign(&sim, clock.now_millis(), "us-west-2", operation, &input).expect("AWS does it");
            }
        }
    });
    lab
}

#[test]
fn where_the_base_goes_while_the_way_back_is_under_way() {
    paused(async {
        let lab = goes_under_way(&["DeregisterTaskDefinition"]).await;
        every_hint_leads_out("deregistered", all_the_way(), &lab).await;
        let lab = goes_under_way(&["DeregisterTaskDefinition", "DeleteTaskDefinitions"]).await;
        every_hint_leads_out("deleted", all_the_way(), &lab).await;
    });
}

#[test]
fn where_the_target_group_goes_while_the_way_back_is_under_way() {
    paused(async {
        let lab = group_goes_under_way().await;
        every_hint_leads_out("the group", all_the_way(), &lab).await;
    });
}

#[test]
fn where_others_use_what_is_to_go() {
    paused(async {
        let (lab, ..) = migrated().await;
        let address = json!([{ "name": "TRACES", "value": "http://jaeger.nexus-ai.local:4318" }]);
        web(&lab, address, "/ecs/web").await;
        every_hint_leads_out("used by others", all_the_way(), &lab).await;
    });
}
