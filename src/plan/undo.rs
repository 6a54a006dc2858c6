//! The way back: a plan of inverse steps, derived from what the journal says was done. Not from the forward plan: an amended run
//! did things that its last plan no longer names.
//!
//! | # | a mutation that stands | its inverse |
//! | --- | --- | --- |
//! | 1 | in a stage, or for a target, that stays | none |
//! | 2 | its outcome is not known | none: it must be settled first, which the engine does before it asks for this plan |
//! | 3 | several updates of one service in one stage | one: back to what the first of them replaced |
//! | 4 | an update of a service that this run created and that goes as well | it leaves its registry and runs no task any more, and nobody waits for a rollout of it; before that it is looked at whether anybody else uses it |
//! | 5 | a redeploy | none: it replaced nothing |
//! | 6 | an update of a service that has moved on since, where the operator asked for it | one for all of them, on what the service runs now ([`super::newest`]) |
//! | 7 | a revision that an earlier way back registered and that nothing runs | it is deregistered |
//! | 8 | an update that replaced a revision to which ECS lets nobody return | one to what stands for it ([`super::returns`]) |
//! | 9 | anything else | the step's own, in reverse order of making |

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::newest::{MovedOn, Newest};
use super::returns::{self, Instead, Returns};
use super::serving::Serving;
use super::users::Own;
use crate::aws::task_definition::short_name;
use crate::model::{
    Direction, Disposition, Extent, Finding, Input, Lane, LaneId, Mutation, Outlook, Plan, Resource, RunView, StageId, StagePlan,
    StepClass, StepId, StepPlan, Wave,
};
use crate::stages::registry;
use crate::stages::step::{Step, UndoStep};

pub(super) const UPDATE: &str = "ecs.update-service";
pub(super) const CREATE: &str = "ecs.create-service";
pub(super) const REGISTER_EDITED: &str = "ecs.register-edited-task-definition";

/// The mutations that are to be undone, in the order of their making: the last goes first.
pub(super) fn going<'a>(view: &'a RunView, extent: &Extent) -> Vec<&'a Mutation> {
    let order: Vec<&StageId> = view.forward.stages.iter().map(|stage| &stage.id).collect();
    let keep = extent.to.as_ref().and_then(|to| order.iter().position(|stage| *stage == to)).map_or(0, |position| position + 1);
    let goes = |made: &Mutation| {
        order.iter().position(|known| **known == made.stage).is_none_or(|position| position >= keep)
            && (extent.lanes.is_empty() || extent.lanes.contains(&made.target))
    };
    let mut mutations: Vec<&Mutation> =
        view.mutations.iter().filter(|mutation| mutation.output.is_some() && goes(mutation)).collect();
    let used: BTreeSet<&str> = mutations
        .iter()
        .filter(|mutation| mutation.step.action == UPDATE)
        .filter_map(|mutation| mutation.output.as_ref()?["set"]["taskDefinition"].as_str())
        .collect();
    let leftover = |mutation: &Mutation| {
        let made = mutation.output.as_ref().and_then(|output| output["taskDefinition"].as_str());
        mutation.step.action == REGISTER_EDITED && made.is_some_and(|made| !used.contains(made))
    };
    // An undo is not undone; but what it registered and did not come to use is left over.
    mutations.retain(|mutation| mutation.direction == Direction::Forward || leftover(mutation));
    // It goes when what runs is settled, so it counts as made first.
    mutations.sort_by_key(|mutation| (mutation.direction == Direction::Forward, mutation.seq));
    mutations
}

/// The plan that takes a run back: all of it or some lanes, to the start or so far that a stage and what stands above it in the
/// runbook stay done. What is in `newest` is undone on what the service runs now, and what is in `returns` is not returned to. Empty
/// when there is nothing to undo.
pub fn undo(view: &RunView, extent: &Extent, newest: &Newest, returns: &Returns) -> Plan {
    let order: Vec<&StageId> = view.forward.stages.iter().map(|stage| &stage.id).collect();
    let mutations = going(view, extent);
    let created: BTreeSet<&str> =
        mutations.iter().filter(|mutation| mutation.step.action == CREATE).filter_map(|mutation| service(mutation)).collect();

    let own = Own::of(view);
    let (serving, standing) = (Serving::of(view, &created), standing_copies(view));
    let mut ways = Ways { serving, created, returns, standing, copies: BTreeMap::new() };
    let mut stages: BTreeMap<usize, BTreeMap<String, LaneOfUndo>> = BTreeMap::new();
    for mutation in mutations.iter().rev() {
        let position = order.iter().position(|stage| **stage == mutation.stage).unwrap_or(usize::MAX);
        let lane = stages
            .entry(position)
            .or_default()
            .entry(mutation.target.clone())
            .or_insert_with(|| LaneOfUndo::new(&mutation.stage, &mutation.target));
        let earlier_update = mutations.iter().any(|other| {
            other.seq < mutation.seq
                && other.stage == mutation.stage
                && other.step.action == UPDATE
                && service(other) == service(mutation)
        });
        match service(mutation).filter(|_| mutation.step.action == UPDATE).and_then(|name| newest.get(name)) {
            Some(moved_on) => lane.add_onto_newest(mutation, moved_on, &ways.serving),
            None => lane.add(mutation, &mut ways, earlier_update),
        }
        // An update of a service that goes stops its tasks already.
        let stops = mutations
            .iter()
            .find(|made| mutation.step.action == UPDATE && made.step.action == CREATE && service(made) == service(mutation));
        let at_the_service = stops.and_then(|created| own.look(created)).map(|look| UndoStep { name: "unused-service", ..look });
        for look in [at_the_service, own.look(mutation)].into_iter().flatten() {
            lane.begin_with(look);
        }
    }
    let stages = stages.into_values().rev().filter_map(stage_plan).collect();
    let findings: Vec<Finding> = newest.values().map(MovedOn::finding).collect();
    Plan {
        direction: Direction::Back,
        stages,
        findings,
        outlook: Outlook::default(),
        closing: BTreeMap::new(),
        ..view.forward.clone()
    }
}

pub(super) fn service(mutation: &Mutation) -> Option<&str> {
    mutation.step.params["service"].as_str()
}

/// The copies that earlier ways back have put services on.
fn standing_copies(view: &RunView) -> BTreeMap<String, String> {
    let output = |made: &Mutation, pointer: &str| {
        made.output.as_ref().and_then(|output| output.pointer(pointer)).and_then(Value::as_str).map(str::to_owned)
    };
    let back = || view.took_effect().filter(|made| made.direction == Direction::Back);
    let used: BTreeSet<String> = back().filter_map(|made| output(made, "/set/taskDefinition")).collect();
    let made = view.took_effect().filter_map(|made| {
        let copy = output(made, "/taskDefinition").filter(|copy| used.contains(copy))?;
        Some((made.step.params["copyOf"].as_str()?.to_owned(), copy))
    });
    made.collect()
}

/// What the undo of any update goes by.
struct Ways<'a> {
    created: BTreeSet<&'a str>,
    serving: Serving,
    returns: &'a Returns,
    /// By what they are copies of: revisions that services were put back to before.
    standing: BTreeMap<String, String>,
    /// The steps that register copies, by what they are copies of: each is made once, where it is needed first.
    copies: BTreeMap<String, StepId>,
}

/// The inverse steps of one lane, and the mutations that they undo.
struct LaneOfUndo {
    stage: StageId,
    target: String,
    lane: LaneId,
    steps: Vec<StepPlan>,
    resources: Vec<Resource>,
    /// Mutations whose undo is part of a later step: noted there, so that a second rollback does not meet them again.
    pending: Vec<u64>,
}

impl LaneOfUndo {
    fn new(stage: &StageId, target: &str) -> Self {
        Self {
            stage: stage.clone(),
            target: target.to_owned(),
            lane: LaneId::new(format!("undo/{stage}/{target}")),
            steps: Vec::new(),
            resources: Vec::new(),
            pending: Vec::new(),
        }
    }

    fn add(&mut self, mutation: &Mutation, ways: &mut Ways<'_>, earlier_update: bool) {
        let is_update = mutation.step.action == UPDATE;
        if (is_update && earlier_update) || mutation.intent["mode"] == "redeploy" {
            self.pending.push(mutation.seq);
            return;
        }
        let mut steps = match registry::step(&mutation.step.action) {
            Some(Step::Mutation(step)) => step.undo(mutation),
            _ => Vec::new(),
        };
        if is_update && service(mutation).is_some_and(|name| ways.created.contains(name)) {
            detach_only(&mut steps);
        }
        let copied = if is_update { self.returning(mutation, ways, &mut steps) } else { None };
        ways.serving.add_to(mutation, &mut steps);
        if steps.is_empty() {
            self.pending.push(mutation.seq);
            return;
        }
        self.pending.push(mutation.seq);
        self.resources.push(resource(mutation, &steps));
        let from = self.steps.len();
        self.append(mutation, steps);
        if let Some(copy) = copied {
            let input = Input { step: copy, pointer: "/taskDefinition".to_owned() };
            for step in &mut self.steps[from..] {
                let pointers = ["/set/taskDefinition", "/want/taskDefinition"].into_iter();
                for pointer in pointers.filter(|pointer| step.params.pointer(pointer).is_some()) {
                    step.inputs.insert(pointer.to_owned(), input.clone());
                }
            }
        }
    }

    /// Where ECS lets nobody return to what an update replaced, its undo goes elsewhere. Gives the step that registers the copy that it
    /// goes to, which is in this lane now or in one before it.
    fn returning(&mut self, mutation: &Mutation, ways: &mut Ways<'_>, steps: &mut [UndoStep]) -> Option<StepId> {
        let before = steps.iter().find_map(|step| step.params["set"]["taskDefinition"].as_str()).map(str::to_owned)?;
        for step in steps.iter_mut() {
            // An earlier part of the way back may have left the service on a copy of what this run had made of it.
            let stands = step.params["expect"]["taskDefinition"].as_str().and_then(|made| ways.standing.get(made));
            if let Some(copy) = stands.cloned() {
                step.params["expect"]["taskDefinition"] = json!(copy);
            }
        }
        let (name, instead) = (service(mutation)?, ways.returns.instead_of(&before)?);
        let to = match instead {
            Instead::Of(other) => {
                for member in ["set", "want"] {
                    for step in steps.iter_mut().filter(|step| step.params[member].get("taskDefinition").is_some()) {
                        step.params[member]["taskDefinition"] = json!(other);
                    }
                }
                short_name(other).to_owned()
            }
            Instead::CopyOf(of) => format!("a copy of {}", short_name(of)),
        };
        for step in steps.iter_mut() {
            step.title = step.title.replace(short_name(&before), &to);
        }
        let Instead::CopyOf(of) = instead else { return None };
        if let Some(copy) = ways.copies.get(of) {
            return Some(copy.clone());
        }
        self.append(mutation, returns::copy(of, &mutation.step.params["cluster"], name));
        let copy = self.steps.iter().rfind(|step| step.params["copyOf"] == *of)?.id.clone();
        ways.copies.insert(of.clone(), copy.clone());
        Some(copy)
    }

    /// The last update of the service is undone together with all earlier ones, in any stage.
    fn add_onto_newest(&mut self, mutation: &Mutation, moved_on: &MovedOn, serving: &Serving) {
        if moved_on.undoes.last() != Some(&mutation.seq) {
            return;
        }
        self.pending.extend(&moved_on.undoes);
        self.resources.push(moved_on.resource());
        let mut steps = moved_on.steps();
        serving.add_to(mutation, &mut steps);
        self.append(mutation, steps);
    }

    /// Puts a look before everything else in the lane.
    fn begin_with(&mut self, look: UndoStep) {
        let taken = self.steps.iter().any(|step| step.id == StepId::of(&self.lane, look.name));
        let name = if taken { format!("{}-{}", look.name, self.steps.len()) } else { look.name.to_owned() };
        let step = StepPlan {
            id: StepId::of(&self.lane, &name),
            action: look.action.to_owned(),
            class: look.class,
            title: look.title,
            params: look.params.into(),
            inputs: BTreeMap::new(),
            expected_s: None,
            deadline_s: look.deadline_s,
        };
        self.steps.insert(0, step);
    }

    fn append(&mut self, mutation: &Mutation, steps: Vec<UndoStep>) {
        let suffix = if mutation.attempt > 1 || self.steps.iter().any(|step| step.id == StepId::of(&self.lane, steps[0].name)) {
            format!("-{}", mutation.seq)
        } else {
            String::new()
        };
        let last = steps.len() - 1;
        for (index, undo) in steps.into_iter().enumerate() {
            let id = |name: &str| StepId::of(&self.lane, &format!("{name}{suffix}"));
            let taken = |id: &StepId| self.steps.iter().any(|step| step.id == *id);
            let numbered = (2..).map(|number| id(&format!("{}-{number}", undo.name)));
            let own = std::iter::once(id(undo.name)).chain(numbered).find(|id| !taken(id)).unwrap_or_else(|| id(undo.name));
            let inputs = undo
                .inputs
                .iter()
                .map(|(here, step, there)| ((*here).to_owned(), Input { step: id(step), pointer: (*there).to_owned() }))
                .collect();
            let mut params = undo.params;
            params["undoOf"] = json!(mutation.seq);
            if index == last {
                // When this one is done, the mutations are undone. Not before: a way back that is planned anew would not wait any
                // more for what the next undo needs.
                params["undoes"] = json!(std::mem::take(&mut self.pending));
            }
            self.steps.push(StepPlan {
                id: own,
                action: undo.action.to_owned(),
                class: undo.class,
                title: undo.title,
                params: params.into(),
                inputs,
                expected_s: super::estimate::of_undo(undo.action),
                deadline_s: undo.deadline_s,
            });
        }
    }
}

/// A service that goes anyway is taken out of its registry, so that the name can go first, and runs no task any more: a rollout of it
/// without the registry need not complete, and with a broken image could not, so that the old tasks would stay registered. Its other
/// settings do not matter.
fn detach_only(steps: &mut Vec<UndoStep>) {
    steps.retain(|step| step.class == StepClass::Mutation && step.params["set"].get("serviceRegistries").is_some());
    for step in steps {
        let registries = step.params["set"]["serviceRegistries"].clone();
        step.params["set"] = json!({ "serviceRegistries": registries, "desiredCount": 0 });
        step.params["expect"] = json!({});
        step.params["orGone"] = json!(true);
        let name = step.params["service"].as_str().unwrap_or_default();
        step.title = format!("take {name} out of its service registry, and to 0 tasks");
    }
}

fn resource(mutation: &Mutation, steps: &[UndoStep]) -> Resource {
    let action = steps.first().map(|step| step.action).unwrap_or_default();
    let puts_back = ["logs.put-retention", "elb.set-health-path"].contains(&action);
    let disposition =
        if action == UPDATE && mutation.step.action == UPDATE || puts_back { Disposition::Update } else { Disposition::Delete };
    let output = mutation.output.as_deref().unwrap_or(&Value::Null);
    let (kind, name) = match mutation.step.action.as_str() {
        "logs.create-log-group" | "logs.put-retention" => ("log group", mutation.step.params["name"].clone()),
        "servicediscovery.create-service" => ("DNS name", mutation.step.params["name"].clone()),
        "ec2.authorize-ingress" => ("security group rule", output["rule"].clone()),
        "elb.set-health-path" => ("target group", mutation.step.params["name"].clone()),
        CREATE | UPDATE => ("service", mutation.step.params["service"].clone()),
        _ => ("task definition", output["taskDefinition"].clone()),
    };
    let name = name.as_str().unwrap_or(&mutation.target);
    let name = if kind == "task definition" { name.rsplit('/').next().unwrap_or(name) } else { name };
    Resource { kind: kind.to_owned(), name: name.to_owned(), disposition, changes: Vec::new() }
}

fn stage_plan(lanes: BTreeMap<String, LaneOfUndo>) -> Option<StagePlan> {
    let id = lanes.values().next().map(|lane| lane.stage.clone())?;
    let mut resources = Vec::new();
    let mut built = Vec::new();
    for lane in lanes.into_values() {
        resources.extend(lane.resources);
        if !lane.steps.is_empty() {
            built.push(Lane { id: lane.lane, target: lane.target, steps: lane.steps });
        }
    }
    let waves: Vec<Wave> =
        built.chunks(crate::stages::kind::LANE_CONCURRENCY).map(|lanes| Wave { lanes: lanes.to_vec() }).collect();
    (!waves.is_empty()).then_some(StagePlan {
        id,
        kind: "undo".to_owned(),
        resources,
        waves,
        warnings: Vec::new(),
        confirm: false,
        blocked_by: Vec::new(),
        way_back: String::new(),
    })
}
