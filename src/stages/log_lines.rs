//! The verification `log_lines`: the gate before a sidecar goes, for a receiver that keeps no spans and has no API to ask. What a
//! runbook says of it, and the two steps that it becomes.

use serde::Deserialize;
use serde_json::json;

use super::kind::{LaneBuilder, Seconds, later};
use super::spans_arrive::{Rollout, Sender, address_problems, two_minutes, variable};
use crate::model::{AWAIT_LINES, Problem, StageDecl, StepClass, StepId};

/// The block's name.
pub const NAME: &str = "log_lines";

/// The block `verify "log_lines"`.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LogLines {
    /// The shared ECS service that receives.
    pub service: String,
    /// What a line has in it that the service writes only when it has received spans; empty: nothing that it logs tells, and nothing
    /// is verified by it.
    contains: String,
    /// What a person is to look at where the lines prove nothing.
    #[serde(default)]
    look: String,
    /// An address of the application; asking for it makes a span.
    #[serde(default)]
    probe: String,
    #[serde(default = "two_minutes")]
    within: Seconds,
}

impl LogLines {
    /// What is wrong with the block.
    pub fn check(&self, decl: &StageDecl) -> Vec<Problem> {
        address_problems(decl, NAME, "probe", &self.probe)
    }

    /// Adds the step that looks whether spans flow before anything changes.
    pub fn before(&self, lane: &mut LaneBuilder, sender: &Sender<'_>) -> Option<StepId> {
        if self.contains.is_empty() {
            return None;
        }
        let params = json!({ "cluster": sender.cluster, "service": sender.service, "sidecar": sender.sidecar,
            "shared": { "cluster": sender.cluster, "service": self.service }, "contains": self.contains });
        let title = "look whether spans flow now".to_owned();
        Some(lane.step("traffic", "spans.look-at-lines", StepClass::Verify, title, params, Vec::new()))
    }

    /// Adds the step that waits until they arrive. `before`: the step that looked whether they flowed.
    pub fn arrive(&self, decl: &StageDecl, lane: &mut LaneBuilder, sender: &Sender<'_>, rollout: Rollout, before: Option<&StepId>) {
        if self.contains.is_empty() {
            return;
        }
        let params = json!({
            "shared": { "cluster": sender.cluster, "service": self.service },
            "contains": self.contains,
            "several": !sender.others.is_empty(),
            "look": self.look,
            "probe": self.probe,
            "withinS": self.within.0,
            "logGroups": sender.log_groups(),
            "variables": { "probe": variable(decl, NAME, "probe") },
        });
        let mut inputs = vec![("/since", rollout.since)];
        if let Some(before) = before {
            inputs.push(("/traffic", later(before, "/traffic")));
            inputs.push(("/others", later(before, "/others")));
        }
        let title = "see in the logs that spans arrive".to_owned();
        lane.step("spans", AWAIT_LINES, StepClass::Verify, title, params, inputs);
    }
}
