//! Journal records: what happened, appended and never changed. The state of a run is a fold over them ([`super::RunView`]).

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{ClaimChange, Noted, Plan, StageId, StepId};

/// A record in the journal of one run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// Position in the run's journal, from 1.
    pub seq: u64,
    /// When it was written, by the runner's clock (virtual in a rehearsal).
    pub at: Timestamp,
    /// What happened.
    pub body: RecordBody,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case", rename_all_fields = "camelCase")]
pub enum RecordBody {
    /// A plan became the one that the run executes: a new plan epoch.
    PlanAdopted {
        /// The plan.
        plan: Box<Plan>,
        /// Why.
        why: Adoption,
        /// Who agreed to it.
        by: Actor,
    },
    /// A process took up the run.
    SessionOpened {
        /// The process.
        holder: Holder,
    },
    /// The run was taken from a process that held it and did not let go, for example because it was stopped. From here on that
    /// one can write nothing; the session of the one that took it opens when nothing that the other sent can arrive any more.
    TakenOver {
        /// The process that held it.
        from: Holder,
        /// The process that took it.
        by: Holder,
        /// Why, in the operator's words.
        reason: String,
    },
    /// The process left the run in order (a crash leaves none of these).
    SessionClosed {
        /// Why it left, for a person.
        why: String,
        /// The requests that it sent to AWS, by action: `ecs:DescribeServices` → 61. Absent where it asked nothing, and in journals
        /// of versions that did not count.
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
        calls: BTreeMap<String, u64>,
    },
    /// A step is about to act. Durable before the call leaves.
    StepStarted {
        /// The step.
        step: StepId,
        /// 1 for the first time.
        attempt: u32,
        /// What is needed to recognise the effect and to undo it: tokens, what was there before.
        intent: Noted,
    },
    /// A step did what it should.
    StepSucceeded {
        /// The step.
        step: StepId,
        /// What later steps, and the undo, need: ARNs, ids, digests.
        output: Noted,
        /// The AWS call that did it, for mutations.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        call: Option<CallNote>,
    },
    /// A mutation was certainly not applied, or a wait or verification failed.
    StepFailed {
        /// The step.
        step: StepId,
        /// Why.
        failure: Failure,
    },
    /// A mutation may or may not have been applied.
    StepInDoubt {
        /// The step.
        step: StepId,
        /// What was seen.
        failure: Failure,
    },
    /// A step was looked at in AWS: after a crash, after doubt, or when a run is taken up again.
    StepObserved {
        /// The step.
        step: StepId,
        /// What was found.
        verdict: Verdict,
    },
    /// A wait was left before its end, because the run was asked to stop.
    StepLeft {
        /// The step.
        step: StepId,
    },
    /// A verification cannot open the way by itself: a person must decide.
    StepHeld {
        /// The step.
        step: StepId,
        /// What was found, as a short code: `none`, `no-traffic`, `not-provable`.
        result: String,
        /// The same for a person.
        why: String,
    },
    /// A person opened a held step.
    StepApproved {
        /// The step.
        step: StepId,
        /// Who.
        by: Actor,
        /// What they said.
        comment: String,
    },
    /// A step of the way back is passed over: what it would have undone stays. Later steps that rest on it are passed over too, each
    /// with a record of its own.
    StepSkipped {
        /// The step.
        step: StepId,
        /// Why, in words.
        reason: String,
        /// Who decided; nobody where a clean-up failed without which nothing is in danger.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        by: Option<Actor>,
    },
    /// A finding was accepted.
    FindingAccepted {
        /// Its id.
        finding: String,
        /// Who.
        by: Actor,
    },
    /// The run is to stop before a stage.
    HoldSet {
        /// The stage.
        stage: StageId,
        /// Who.
        by: Actor,
    },
    /// The hold before a stage is lifted.
    HoldCleared {
        /// The stage.
        stage: StageId,
        /// Who.
        by: Actor,
    },
    /// From here to the end of this session only these lanes run, with the stages that stand before them.
    LanesNamed {
        /// The lanes' targets.
        lanes: BTreeSet<String>,
        /// Who.
        by: Actor,
    },
    /// What becomes of the run's claim on a service: it tells runs that keep their state elsewhere.
    Claim {
        /// The service.
        service: String,
        /// What.
        change: ClaimChange,
    },
    /// The process that works on the run asks the person at its terminal; until the answer nothing goes on.
    Asked {
        /// The question.
        question: String,
        /// The stage that it is about.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        stage: Option<StageId>,
    },
    /// A question was answered: at the terminal, or from another one.
    Answered {
        /// The question.
        question: String,
        /// The answer.
        answer: String,
        /// Who.
        by: Actor,
    },
    /// What somebody asked of the run from another terminal does not apply any more when it is taken.
    RequestRefused {
        /// What: `approve`, `hold-before strip-sidecar`.
        request: String,
        /// Who asked.
        by: Actor,
        /// Why not.
        why: String,
    },
    /// Somebody asked the run to pause.
    PauseAsked {
        /// Who.
        by: Actor,
        /// How: `Ctrl-C`, `SIGTERM`, `sidestep pause`.
        how: String,
    },
    /// The run is over.
    RunEnded {
        /// How.
        outcome: Outcome,
        /// In words: the reason given, or what is left.
        why: String,
    },
}

/// Why a plan was adopted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Adoption {
    /// The run's first plan.
    Start,
    /// Variables or the runbook changed, and the operator agreed.
    Amendment {
        /// What changed: `jaeger_image: "a" → "b"`.
        changes: Vec<String>,
    },
    /// The run goes back.
    Rollback(Extent),
    /// A part of the way back is gone, and the forward plan that was in force before goes on: what was undone is done again.
    Forward,
}

/// How much of a run is taken back.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Extent {
    /// The stage to stop before: it and what stands above it in the runbook stay done. `None`: to the start.
    #[serde(default)]
    pub to: Option<StageId>,
    /// The targets whose lanes go back. Empty: all of them.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub lanes: BTreeSet<String>,
}

impl Extent {
    /// Whether it is the whole way, back to the start.
    pub fn is_whole(&self) -> bool {
        self.to.is_none() && self.lanes.is_empty()
    }
}

impl std::fmt::Display for Extent {
    /// Whereto: `to the start`, `as far as register-dns`, `for nexus-ai-api-dev to the start`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if !self.lanes.is_empty() {
            write!(f, "for {} ", self.lanes.iter().map(String::as_str).collect::<Vec<_>>().join(", "))?;
        }
        match &self.to {
            Some(stage) => write!(f, "as far as {stage}"),
            None => f.write_str("to the start"),
        }
    }
}

/// A person at a keyboard.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Actor {
    /// The login name.
    pub user: String,
    /// The host's name.
    pub host: String,
    /// The AWS caller's ARN, where it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identity: Option<String>,
}

/// A process that holds a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    /// Who started it.
    pub actor: Actor,
    /// Its process id.
    pub pid: u32,
    /// The fence counter it writes under: each take-over counts one up.
    pub fence: u64,
}

/// An AWS call, for the record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallNote {
    /// The operation: `UpdateService`.
    pub operation: String,
    /// AWS's request id, where an answer arrived.
    #[serde(rename = "requestId", alias = "request_id", default, skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
}

/// Why a step did not succeed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Failure {
    /// What sort of failure.
    pub kind: FailureKind,
    /// One line: what failed.
    pub message: String,
    /// The causes, outermost first: AWS's own words, events, stopped tasks' reasons. Never log lines or environment values.
    #[serde(default)]
    pub causes: Vec<String>,
    /// AWS's error code, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// AWS's request id, where there is one.
    #[serde(rename = "requestId", alias = "request_id", default, skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
}

impl Failure {
    /// Whether it can still come to a good end by itself: only what took too long. A rollout that AWS declared failed, took
    /// back or replaced, or that the failure rule gave up, ends in nothing good however long one waits.
    pub fn may_pass(&self) -> bool {
        self.kind == FailureKind::Deadline
    }
}

/// What sort of failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FailureKind {
    /// AWS refused the request.
    Rejected,
    /// Credentials are missing, wrong or expired.
    Credentials,
    /// Nothing answered: a time-out, a lost connection, a server fault.
    Unreachable,
    /// A rollout failed, was rolled back by AWS or superseded.
    Rollout,
    /// A deadline passed.
    Deadline,
    /// What is found is not what was left or planned from.
    Drift,
    /// Another run has claimed the service.
    Claimed,
    /// A verification found a difference.
    Mismatch,
    /// Something resists for good: a person must act.
    Stuck,
}

/// What looking at a step found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "found", rename_all = "kebab-case")]
pub enum Verdict {
    /// Its effect stands; the output is what the step would have returned.
    Done {
        /// See [`RecordBody::StepSucceeded`].
        output: Value,
    },
    /// Its effect is not there, and cannot arrive any more.
    NotDone {
        /// Why that is certain, for the record.
        why: String,
    },
    /// It was done, and is gone: AWS took it back or somebody removed it.
    TakenBack {
        /// What was found instead.
        why: String,
    },
    /// Something else is there.
    Diverged {
        /// Planned from, planned to, found: one line each.
        differences: Vec<String>,
    },
}

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// All stages are done.
    Done,
    /// Rolled back to the start.
    RolledBack,
    /// Given up by a person, as it stood.
    Abandoned,
}
