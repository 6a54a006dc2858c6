//! The plan: the sealed list of stages, waves, lanes and steps. It is data, stored whole in the journal, so that a resumed run
//! does what was agreed to and not what a newer program would plan.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{LaneId, Noted, RunId, StageId, StepId, digest};

/// Which way a plan goes. A rollback is a plan of inverse steps run by the same engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Direction {
    /// Towards the runbook's goal.
    Forward,
    /// Back to what was before.
    Back,
}

/// What to do, in order, and what it rests on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// The run that will execute it: its id is part of the tags that steps set, so it is drawn when planning.
    pub run: RunId,
    /// Which way it goes.
    pub direction: Direction,
    /// The runbook's name.
    pub runbook: String,
    /// SHA-256 of the runbook's text.
    pub runbook_digest: String,
    /// The absolute path of the runbook's file, by which a run taken up again finds it; `None` for a runbook that is part of the
    /// program, and in plans of versions that did not note it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub runbook_path: Option<String>,
    /// The resolved variables.
    pub variables: BTreeMap<String, Value>,
    /// Those of them whose values are not shown.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub sensitive: BTreeSet<String>,
    /// The account, Region, endpoint and services the plan is for.
    pub target: Target,
    /// The stages in order, also those with nothing to do.
    pub stages: Vec<StagePlan>,
    /// What was noticed while planning.
    pub findings: Vec<Finding>,
    /// What it takes, roughly.
    #[serde(default)]
    pub outlook: Outlook,
    /// Values for the closing words: names, addresses and commands, as `plan/` knows them.
    pub closing: BTreeMap<String, Value>,
}

/// What carrying a plan out takes, roughly: for people, never for a decision.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Outlook {
    /// Expected duration in seconds; 0: nothing is known.
    pub seconds: u64,
    /// Expected number of AWS calls.
    pub calls: u64,
    /// What becomes of capacity, one sentence each.
    pub capacity: Vec<String>,
    /// The duration by stage, in seconds, of those that take more than moments. Absent in plans of versions that did not tell them
    /// apart.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub stages: BTreeMap<StageId, u64>,
}

/// What a plan is bound to. Resume and rollback refuse another one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Target {
    /// Twelve digits.
    pub account: String,
    /// For example `us-west-2`.
    pub region: String,
    /// The endpoint override, if there is one.
    pub endpoint: Option<String>,
    /// The ECS cluster's name.
    pub cluster: String,
    /// Services that the run changes; one unfinished run at a time may hold each.
    pub services: Vec<String>,
    /// The environment's name, as the runbook's `target` block gives it.
    pub environment: String,
    /// The ARN of the caller that planned.
    pub identity: String,
}

/// A stage of the plan.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StagePlan {
    /// Its name in the runbook.
    pub id: StageId,
    /// Its kind.
    pub kind: String,
    /// What it changes, or finds already so.
    pub resources: Vec<Resource>,
    /// Groups of lanes that run one after the other; lanes within a wave run side by side. Empty when nothing is to do.
    pub waves: Vec<Wave>,
    /// What the operator must know before it starts, for example what is lost for good.
    pub warnings: Vec<String>,
    /// Whether the operator is asked again before it starts (at a terminal).
    pub confirm: bool,
    /// How a rollback takes it back, and what it cannot bring back.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub way_back: String,
    /// Findings, by id, that keep the stage or a part of it out of the plan.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub blocked_by: Vec<String>,
}

/// Lanes that run side by side.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Wave {
    /// The lanes.
    pub lanes: Vec<Lane>,
}

/// The steps for one target, in order.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Lane {
    /// `stage/target`.
    pub id: LaneId,
    /// What it works on: a service's name, or the resource's.
    pub target: String,
    /// The steps, in order.
    pub steps: Vec<StepPlan>,
}

/// The action of a gate that waits for a person before a stage.
pub const GATE_APPROVE: &str = "gate.approve";
/// The action of a gate that watches a stage's services for a time after it.
pub const GATE_BAKE: &str = "gate.bake";
/// The action that asks the shared service whether spans arrive.
pub const AWAIT_ARRIVAL: &str = "spans.await-arrival";
/// The action that looks for it in what the shared service logs.
pub const AWAIT_LINES: &str = "spans.await-lines";
/// The action that waits until a service is seen to serve.
pub const AWAIT_SERVING: &str = "ecs.await-serving";

/// What sort of step it is; decides what the engine may do with one whose outcome is not known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StepClass {
    /// Exactly one AWS mutation.
    Mutation,
    /// Reads until something is so, fails, or a deadline passes.
    Wait,
    /// Reads once (or for a short while) and judges; may hold the run for a person.
    Verify,
}

/// A step of the plan.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StepPlan {
    /// `stage/target/name`.
    pub id: StepId,
    /// The action in the step registry, for example `ecs.create-service`.
    pub action: String,
    /// What sort of step it is.
    pub class: StepClass,
    /// What it does, as a short imperative phrase: `register nexus-ai-jaeger-dev`.
    pub title: String,
    /// The action's parameters.
    pub params: Noted,
    /// Parameters that are known only when earlier steps are done.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub inputs: BTreeMap<String, Input>,
    /// How long it usually takes, in seconds; where that is worth telling. For the operator, never for a decision of the engine.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected_s: Option<u64>,
    /// Longest time the step may take, in seconds; waits only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deadline_s: Option<u64>,
}

/// A parameter taken from the output of an earlier step.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Input {
    /// The step.
    pub step: StepId,
    /// JSON pointer into its output.
    pub pointer: String,
}

/// A resource in a stage, and what becomes of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Resource {
    /// What it is, in AWS's words: `log group`, `task definition`, `service`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Its name or ARN.
    pub name: String,
    /// What becomes of it.
    pub disposition: Disposition,
    /// The changes, member by member.
    #[serde(default)]
    pub changes: Vec<Change>,
}

/// What becomes of a resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Disposition {
    /// It does not exist and is created.
    Create,
    /// It exists and is changed; what it was is recorded and restored on rollback.
    Update,
    /// It exists, somebody else made it, it fits and is changed where needed; never deleted.
    Adopt,
    /// It is as wanted.
    AlreadySo,
    /// It exists and is not what is wanted, and we may not change it: the plan is blocked.
    Foreign,
    /// It is removed.
    Delete,
}

/// One changed member of a resource. Never holds the value of an environment variable other than the retargeted ones.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Change {
    /// The member's path in AWS's words: `containerDefinitions[api].environment[OTEL_EXPORTER_OTLP_ENDPOINT]`.
    pub path: String,
    /// The value before; `None` when it is added.
    pub from: Option<Value>,
    /// The value after; `None` when it is removed.
    pub to: Option<Value>,
}

/// How much a finding matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    /// Worth knowing.
    Note,
    /// May go wrong.
    Warning,
    /// Stops `run` unless the operator accepts it by id, where it can be accepted at all ([`Finding::must_repair`]).
    Blocker,
}

/// Something noticed while planning.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// A stable id, for example `span-port-closed`; `--accept` takes it.
    pub id: String,
    /// How much it matters.
    pub severity: Severity,
    /// The resource it is about.
    pub resource: String,
    /// What was found.
    pub found: String,
    /// What would happen.
    pub consequence: String,
    /// The command or the change that repairs it.
    pub fix: String,
    /// A blocker that `--accept` cannot take: because of it a stage, or a service in it, is left out of the plan, and what
    /// remains is not the migration that the runbook describes.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub must_repair: bool,
}

impl Plan {
    /// SHA-256 over the whole plan but the run's id and the place of the runbook's file: the same account state and runbook give
    /// the same digest.
    pub fn digest(&self) -> String {
        let mut value = serde_json::to_value(self).unwrap_or_default();
        if let Some(object) = value.as_object_mut() {
            object.remove("run");
            object.remove("runbook_path");
        }
        digest(&value)
    }

    /// Every lane with its stage, in order.
    pub fn lanes(&self) -> impl Iterator<Item = (&StagePlan, &Lane)> {
        self.stages.iter().flat_map(|stage| stage.lanes().map(move |lane| (stage, lane)))
    }

    /// Every step with its stage and lane, in order.
    pub fn steps(&self) -> impl Iterator<Item = (&StagePlan, &Lane, &StepPlan)> {
        self.lanes().flat_map(|(stage, lane)| lane.steps.iter().map(move |step| (stage, lane, step)))
    }

    /// The step of this id.
    pub fn step(&self, id: &StepId) -> Option<&StepPlan> {
        self.steps().find(|(_, _, step)| step.id == *id).map(|(_, _, step)| step)
    }

    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.steps().next().is_none()
    }

    /// Blockers that `accepted` does not lift.
    pub fn blockers<'a>(&'a self, accepted: &'a [String]) -> impl Iterator<Item = &'a Finding> {
        self.findings.iter().filter(|finding| finding.severity == Severity::Blocker && !finding.is_accepted(accepted))
    }
}

impl Finding {
    /// Whether it is among `accepted` and can be accepted.
    pub fn is_accepted(&self, accepted: &[String]) -> bool {
        !self.must_repair && accepted.contains(&self.id)
    }
}

impl StepPlan {
    /// Whether it puts a service that was there before the run back to what it was: where somebody else has changed that service
    /// since, the run's own changes can still be taken back on what it is now.
    pub fn restores(&self) -> bool {
        self.params["restore"] == true && self.params["orGone"] != true
    }

    /// The number of the record that started the mutation which this step of a way back helps to undo. Those of one mutation rest on
    /// one another; a step without a number concerns its whole lane.
    pub fn undo_of(&self) -> Option<u64> {
        self.params["undoOf"].as_u64()
    }

    /// Whether the way back goes on where this step fails: a clean-up without which nothing is in danger.
    pub fn is_harmless(&self) -> bool {
        self.params["harmless"] == true
    }

    /// Numbers of the records that started the mutations which are undone when this step of a way back is done.
    pub fn undoes(&self) -> impl Iterator<Item = u64> {
        self.params["undoes"].as_array().into_iter().flatten().filter_map(Value::as_u64)
    }
}

impl StagePlan {
    /// Every step of the stage, in order.
    pub fn steps(&self) -> impl Iterator<Item = &StepPlan> {
        self.lanes().flat_map(|lane| lane.steps.iter())
    }
}
