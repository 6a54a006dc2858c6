//! What a report says, before it has a form. Serialized as it stands, this is the JSON form: members are only ever added.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde::{Serialize, Serializer};
use serde_json::Value;

use crate::model::{
    Actor, Adoption, Change, Direction, Disposition, Finding, Holder, Record, RecordBody, Remainder, RunId, StageId, StepId, Target,
};
use crate::ui::plan_json;

/// The record of a run. See the module's text.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// The run.
    pub run: RunId,
    /// The runbook's name.
    pub runbook: String,
    /// Where it stands, as `status` says it: `done`, `rolled-back`, `interrupted`.
    pub status: String,
    /// The same in a sentence.
    pub outcome: String,
    /// Where it applied.
    #[serde(serialize_with = "target")]
    pub target: Target,
    /// When the first record was written.
    pub started: Timestamp,
    /// When the last one was.
    pub updated: Timestamp,
    /// How many there are.
    pub records: u64,
    /// The process that holds the run right now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub held_by: Option<Holder>,
    /// How long it took.
    pub times: Times,
    /// The ways it went, forward and back.
    pub passages: Vec<Passage>,
    /// What the forward plan changes, before and after.
    pub resources: Vec<ResourceRow>,
    /// Every mutation that was begun.
    pub changes: Vec<ChangeRow>,
    /// What stands, what can be taken back and what cannot.
    pub remains: Remains,
    /// What people decided.
    pub decisions: Vec<Decision>,
    /// What was noticed while planning.
    pub findings: Vec<FindingRow>,
    /// Every plan that was in force.
    pub plans: Vec<PlanRow>,
    /// Requests to AWS.
    pub calls: Calls,
    /// The processes that worked on it.
    pub sessions: Vec<Session>,
    /// Everything that happened, by the time at which it began.
    pub timeline: Vec<Entry>,
}

/// A duration; for programs a number of seconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Took(pub SignedDuration);

impl Serialize for Took {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_f64(self.0.as_millis() as f64 / 1000.0)
    }
}

fn changes<S: Serializer>(changes: &[Change], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(changes.iter().map(plan_json::change))
}

fn target<S: Serializer>(target: &Target, serializer: S) -> Result<S::Ok, S::Error> {
    plan_json::target(target).serialize(serializer)
}

/// How long a run took.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Times {
    /// From the first record to the last.
    #[serde(rename = "elapsedSeconds")]
    pub elapsed: Took,
    /// The part of it in which a step was under way.
    #[serde(rename = "atWorkSeconds")]
    pub at_work: Took,
    /// The part of it in which no process held the run.
    #[serde(rename = "unattendedSeconds")]
    pub unattended: Took,
    /// How long the first plan was expected to take; absent where it did not say.
    #[serde(rename = "predictedSeconds", skip_serializing_if = "Option::is_none")]
    pub predicted: Option<Took>,
}

/// One way that a run went: forward with one plan or several, or back.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Passage {
    /// Which way.
    pub direction: Direction,
    /// Its stages, by its last plan.
    pub stages: Vec<StageRow>,
}

/// What became of a stage.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct StageRow {
    /// Its place, from 1.
    pub number: usize,
    /// Its name.
    pub stage: StageId,
    /// What became of it, in words.
    pub state: String,
    /// The first start of a step in it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<Timestamp>,
    /// The last end of one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<Timestamp>,
    /// How long a step of it was under way.
    #[serde(rename = "atWorkSeconds")]
    pub at_work: Took,
    /// How long the plan expected that.
    #[serde(rename = "predictedSeconds", skip_serializing_if = "Option::is_none")]
    pub predicted: Option<Took>,
    /// Its lanes.
    pub lanes: Vec<LaneRow>,
}

/// What became of a lane.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LaneRow {
    /// What it worked on.
    pub target: String,
    /// Steps that are done.
    pub done: usize,
    /// All steps.
    pub steps: usize,
    /// How long a step of it was under way.
    #[serde(rename = "atWorkSeconds")]
    pub at_work: Took,
}

/// A resource of the forward plan.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ResourceRow {
    /// The stage.
    pub stage: StageId,
    /// What it is, in AWS's words.
    #[serde(rename = "type")]
    pub kind: String,
    /// Its name.
    pub name: String,
    /// What was to become of it.
    pub disposition: Disposition,
    /// Member by member: before, and as planned.
    #[serde(serialize_with = "changes")]
    pub changes: Vec<Change>,
    /// How it stands by the journal.
    pub now: Standing,
}

/// How a resource stands by the journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Standing {
    /// It was as wanted, or is not the run's to change.
    AsItWas,
    /// Everything planned for it stands.
    AsPlanned,
    /// A part of that stands.
    InPart,
    /// It was changed, and taken back.
    TakenBack,
    /// The run has not changed it.
    NotReached,
}

/// A mutation that was begun.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ChangeRow {
    /// Number of the record that began it.
    pub seq: u64,
    /// When.
    pub at: Timestamp,
    /// Which way the run went.
    pub direction: Direction,
    /// The stage.
    pub stage: StageId,
    /// The lane's target.
    pub target: String,
    /// The step.
    pub step: StepId,
    /// What it does.
    pub title: String,
    /// Which attempt.
    pub attempt: u32,
    /// What became of it.
    pub fate: Fate,
    /// More of that, in words; may be empty.
    pub why: String,
    /// The AWS operation, where one was answered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub operation: Option<String>,
    /// AWS's request id, where one arrived.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
    /// What AWS calls what came of it.
    pub identifiers: Vec<Identifier>,
    /// What it replaced, and what it gave.
    pub effects: Vec<Effect>,
}

/// What became of a mutation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fate {
    /// It took effect, and that stands.
    Stands,
    /// It took effect, and the run has undone it.
    Undone,
    /// It took effect, and was found taken back by AWS or by others.
    TakenBack,
    /// It took effect; it undid something.
    Undid,
    /// What it was to do was so already: nothing was sent.
    AlreadySo,
    /// It certainly took no effect.
    NoEffect,
    /// Whether it took effect is not known.
    Unknown,
}

/// A name that AWS gave.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Identifier {
    /// Of what: `task definition`.
    pub of: &'static str,
    /// The ARN or id.
    pub id: String,
}

/// What a mutation replaced, and what it gave.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Effect {
    /// Of what.
    pub of: String,
    /// Before.
    pub before: String,
    /// After.
    pub after: String,
}

/// What stands in AWS, and what can become of it.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Remains {
    /// What the run made or changed, and that stands.
    pub standing: Vec<Remainder>,
    /// How a rollback would take it back, by stage.
    pub way_back: Vec<WayBack>,
    /// What nothing brings back.
    pub for_good: Vec<String>,
    /// Claims that are on services, or could not be removed.
    pub claims: Vec<String>,
    /// What a person can do next, with exact commands.
    pub next: Vec<String>,
}

/// How a stage is taken back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct WayBack {
    /// The stage.
    pub stage: StageId,
    /// In words.
    pub how: String,
}

/// What a person decided.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Decision {
    /// When it was noted.
    pub at: Timestamp,
    /// Who.
    pub by: Actor,
    /// What.
    pub what: String,
    /// In their own words; may be empty.
    pub comment: String,
}

/// A finding, and who accepted it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FindingRow {
    /// As the plan has it.
    pub finding: Finding,
    /// Who accepted it, and when.
    pub accepted: Option<Accepted>,
}

impl Serialize for FindingRow {
    /// As `plan --output json` has it, with who accepted it.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut value = plan_json::finding(&self.finding);
        if let Some(accepted) = &self.accepted {
            value["accepted"] = serde_json::json!(accepted);
        }
        value.serialize(serializer)
    }
}

/// Who accepted a finding, and when.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Accepted {
    /// Who.
    pub by: Actor,
    /// When.
    pub at: Timestamp,
}

/// A plan that was in force.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PlanRow {
    /// Its number, from 1.
    pub epoch: u32,
    /// When it was adopted.
    pub at: Timestamp,
    /// Who agreed to it.
    pub by: Actor,
    /// Why: `start`, `amendment`, `rollback`, `forward`.
    pub adoption: Adoption,
    /// Its digest.
    pub digest: String,
    /// Stages.
    pub stages: usize,
    /// Steps.
    pub steps: usize,
    /// The plan, as `plan --output json` has it.
    pub plan: Value,
}

/// Requests to AWS.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Calls {
    /// By action: `ecs:DescribeServices` → 61.
    pub by_action: BTreeMap<String, u64>,
    /// All of them.
    pub total: u64,
    /// How many the first plan expected; 0 where it did not say.
    pub predicted: u64,
    /// Sessions whose requests are not known: they did not leave in order, or an older version did not count.
    pub uncounted_sessions: usize,
}

/// A process that worked on the run.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Session {
    /// The process.
    pub holder: Holder,
    /// When it took the run up.
    pub from: Timestamp,
    /// Its last sign of life.
    pub to: Timestamp,
    /// How it left.
    pub end: SessionEnd,
    /// The requests that it sent, by action; absent where that is not known: it did not leave in order, or an older version did not
    /// count.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub calls: Option<BTreeMap<String, u64>>,
}

/// How a process left a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", content = "why", rename_all = "kebab-case")]
pub enum SessionEnd {
    /// In order; why.
    Left(String),
    /// It was taken from it.
    TakenOver,
    /// It ended without a word: killed, or the machine went down.
    Crashed,
    /// It holds the run now.
    Holds,
}

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Entry {
    /// Number of the record that began it.
    pub seq: u64,
    /// When it began.
    pub at: Timestamp,
    /// What sort of thing.
    pub kind: EntryKind,
    /// The step, for what is about one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub step: Option<StepId>,
    /// The stage that step is in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stage: Option<StageId>,
    /// What its lane works on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lane: Option<String>,
    /// Whether the stage has several lanes, so that a reader has to be told which.
    #[serde(skip)]
    pub among_several: bool,
    /// In words.
    pub what: String,
    /// More of it, line by line.
    pub details: Vec<String>,
    /// How long it took, if it has an end.
    #[serde(rename = "tookSeconds", skip_serializing_if = "Option::is_none")]
    pub took: Option<Took>,
}

/// What sort of thing happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum EntryKind {
    /// A plan was adopted.
    Plan,
    /// A process took the run up.
    TakenUp,
    /// A process left it in order.
    Left,
    /// A process ended without leaving in order.
    Crash,
    /// The run was taken from a process that held it.
    TakeOver,
    /// A step was under way when the journal ends.
    UnderWay,
    /// A step was done.
    Done,
    /// A step failed.
    Failed,
    /// A step's outcome was not known.
    InDoubt,
    /// A step was under way when its process ended.
    CutOff,
    /// A wait was left, to be taken up again.
    Paused,
    /// A step waits for a person, or did.
    Held,
    /// A step was looked at in AWS.
    LookedAt,
    /// A person was asked something at the terminal.
    Asked,
    /// A person decided, or asked for something.
    Decision,
    /// A claim on a service.
    Claim,
    /// The run's end.
    End,
}

impl PlanRow {
    /// The plan that a record takes into force; its number is for the caller to give.
    pub(super) fn of(record: &Record) -> Option<Self> {
        let RecordBody::PlanAdopted { plan, why, by } = &record.body else { return None };
        Some(Self {
            epoch: 0,
            at: record.at,
            by: by.clone(),
            adoption: why.clone(),
            digest: plan.digest(),
            stages: plan.stages.len(),
            steps: plan.steps().count(),
            plan: plan_json::json(plan),
        })
    }
}
