//! A service and its tasks as they are: whether it is well, and which of its tasks failed.

use serde_json::Value;

use crate::aws::TargetHealth;
use crate::aws::task_definition::{family_of, revision_of, short_name};
use crate::model::Condition;
use crate::stages::steps::{task_address, task_failed};

/// The targets of a group that a service is in.
pub(super) struct Targets {
    /// The group's ARN.
    pub(super) group: String,
    /// The container's port.
    pub(super) port: Option<i64>,
    /// Everybody's targets in it.
    pub(super) health: Vec<TargetHealth>,
}

/// See the module's text.
pub(super) struct Patient {
    pub(super) name: String,
    /// Whether it is a service that the runbook makes.
    pub(super) shared: bool,
    /// As DescribeServices gives it.
    pub(super) service: Value,
    pub(super) running: Vec<Value>,
    /// Those of the last hour, the newest first.
    pub(super) stopped: Vec<Value>,
    pub(super) targets: Vec<Targets>,
}

impl Patient {
    fn count(&self, member: &str) -> i64 {
        self.service[member].as_i64().unwrap_or(0)
    }

    fn deployments(&self) -> &[Value] {
        self.service["deployments"].as_array().map_or(&[], Vec::as_slice)
    }

    /// The deployment that ECS works for.
    pub(super) fn primary(&self) -> &Value {
        self.deployments().iter().find(|deployment| deployment["status"] == "PRIMARY").unwrap_or(&Value::Null)
    }

    /// Targets of its own tasks, in all its groups.
    pub(super) fn own_targets(&self) -> impl Iterator<Item = (&Targets, &TargetHealth)> {
        let own: Vec<&str> = self.running.iter().filter_map(task_address).collect();
        self.targets.iter().flat_map(move |targets| {
            let own = own.clone();
            let of_group = targets.health.iter().filter(move |target| {
                own.contains(&target.ip.as_str()) && (targets.port.is_none() || target.port.map(i64::from) == targets.port)
            });
            of_group.map(move |target| (targets, target))
        })
    }

    /// Own targets that the load balancer has found bad.
    pub(super) fn bad_targets(&self) -> impl Iterator<Item = (&Targets, &TargetHealth)> {
        self.own_targets().filter(|(_, target)| matches!(target.state.as_str(), "unhealthy" | "unused" | "unavailable"))
    }

    /// Whether all its tasks run, in one complete deployment.
    pub(super) fn is_steady(&self) -> bool {
        let primary = self.primary();
        self.service["status"] == "ACTIVE"
            && self.count("runningCount") >= self.count("desiredCount")
            && self.deployments().len() == 1
            && (primary["rolloutState"] == "COMPLETED" || primary["rolloutState"].is_null())
    }

    /// Whether nothing is wrong with it. A rollout under way of which nothing failed is well too.
    pub(super) fn is_well(&self) -> bool {
        self.service["status"] == "ACTIVE" && self.failing().is_empty() && self.bad_targets().next().is_none() && !self.has_failed()
    }

    fn has_failed(&self) -> bool {
        self.deployments().iter().any(|deployment| deployment["rolloutState"] == "FAILED")
            || (self.is_quiet() && self.count("runningCount") < self.count("desiredCount"))
    }

    /// Whether ECS works on nothing.
    fn is_quiet(&self) -> bool {
        self.deployments().iter().all(|deployment| deployment["rolloutState"] != "IN_PROGRESS")
    }

    /// The stopped tasks that say why it is as it is: none where it is steady, but for those of a newer revision than it runs, which
    /// was taken back.
    pub(super) fn failing(&self) -> Vec<&Value> {
        let runs = self.service["taskDefinition"].as_str().unwrap_or_default();
        let newer = |task: &Value| {
            let of = task["taskDefinitionArn"].as_str().unwrap_or_default();
            family_of(of) == family_of(runs) && revision_of(of) > revision_of(runs)
        };
        let steady = self.is_steady();
        self.stopped.iter().filter(|task| task_failed(task) && (!steady || newer(task))).collect()
    }

    /// The newest of its events that `fits`, within what was said since its deployment began.
    pub(super) fn event(&self, fits: impl Fn(&str) -> bool) -> Option<&str> {
        let since = self.primary()["createdAt"].as_f64().unwrap_or(0.0);
        let events =
            self.service["events"].as_array()?.iter().filter(|event| event["createdAt"].as_f64().is_none_or(|at| at >= since));
        events.filter_map(|event| event["message"].as_str()).find(|message| fits(message))
    }

    /// How it is, in words.
    pub(super) fn condition(&self, found_wrong: bool) -> Condition {
        let status = self.service["status"].as_str().unwrap_or("of an unknown status");
        let mut words = if status == "ACTIVE" {
            format!("{} of {} tasks run", self.count("runningCount"), self.count("desiredCount"))
        } else {
            format!("the service is {status}")
        };
        let revision = self.service["taskDefinition"].as_str().map(short_name).unwrap_or_default();
        if !revision.is_empty() {
            words.push_str(&format!(", {revision}"));
        }
        match self.primary()["rolloutState"].as_str() {
            Some("COMPLETED") if self.deployments().len() == 1 => words.push_str(", rollout complete"),
            Some("FAILED") => words.push_str(", rollout FAILED"),
            Some(_) => words.push_str(", a rollout is under way"),
            None => {}
        }
        let total = self.own_targets().count();
        if total > 0 {
            let healthy = self.own_targets().filter(|(_, target)| target.state == "healthy").count();
            words.push_str(&format!(", {healthy} of {total} targets healthy"));
        }
        Condition { service: self.name.clone(), well: !found_wrong && self.is_well(), words }
    }
}
