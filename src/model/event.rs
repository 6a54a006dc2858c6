//! What the engine tells those who show a run: records as they become durable, and passing progress that is not kept.

use jiff::Timestamp;
use serde::Serialize;

use super::{Record, StepId};

/// One thing to show.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum Event {
    /// A record; it is durable before anyone sees it.
    Record(Record),
    /// How a wait is going. Lost when not shown at once.
    Progress {
        /// The step that waits.
        step: StepId,
        /// When, by the runner's clock.
        at: Timestamp,
        /// What was seen.
        progress: Progress,
    },
}

/// What a waiting step sees.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case", rename_all_fields = "camelCase")]
pub enum Progress {
    /// A rollout as DescribeServices shows our deployment.
    Rollout {
        /// Tasks wanted.
        desired: i64,
        /// Tasks of our deployment that are pending.
        pending: i64,
        /// Tasks of our deployment that run.
        running: i64,
        /// Tasks in a row that failed.
        failed: i64,
        /// Tasks of older deployments that still run.
        old: i64,
        /// The revision of our deployment, as `family:number`; empty where it is not known.
        revision: String,
        /// The revision that it replaces; empty where there is none.
        replaces: String,
    },
    /// A time of watching goes by.
    Countdown {
        /// Seconds left.
        left_s: u64,
        /// What is seen meanwhile, in a few words.
        seen: String,
    },
    /// A service event that was not there before, as AWS words it.
    ServiceEvent {
        /// AWS's text.
        message: String,
    },
    /// Targets of a target group.
    Targets {
        /// Healthy ones among those waited for.
        healthy: usize,
        /// Those waited for.
        total: usize,
        /// Targets that drain.
        draining: usize,
    },
    /// Tasks of a service that are seen to serve.
    Serving {
        /// Those that serve.
        serving: usize,
        /// Those wanted.
        desired: usize,
    },
    /// Cloud Map instances.
    Instances {
        /// Healthy ones.
        healthy: usize,
        /// All.
        total: usize,
    },
    /// A call is tried again after a while.
    Retry {
        /// The operation.
        operation: String,
        /// AWS's error code, or what happened.
        why: String,
        /// Seconds until then.
        after_s: u64,
    },
    /// What a container logged last, at a failure. Its lines may hold anything: they are for a terminal, and never serialized.
    Log {
        /// The log group.
        group: String,
        /// The log stream.
        stream: String,
        /// The container.
        container: String,
        /// The lines, oldest first.
        #[serde(skip_serializing)]
        lines: Vec<String>,
    },
    /// Anything else worth a line.
    Note {
        /// The text.
        message: String,
    },
}
