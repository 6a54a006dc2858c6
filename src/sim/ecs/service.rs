//! A service and its deployments: what is kept of them, and how they are shown.
//!
//! A service's `body` is what is asked for. Each deployment holds a copy of the part that a deployment rolls out (its *spec*);
//! a rollback copies the spec of the earlier deployment back into the body. So a rollback restores load balancers, registries and
//! network settings together with the task definition, as AWS does.

use serde_json::{Value, json};

use super::super::Millis;
use super::Ecs;
use super::json::{epoch, has, list, number, pick, text};
use super::task::{Phase, Task};

/// The members that a service revision captures and a deployment rolls out.
pub(super) const SPEC: [&str; 11] = [
    "taskDefinition",
    "loadBalancers",
    "serviceRegistries",
    "networkConfiguration",
    "platformVersion",
    "platformFamily",
    "launchType",
    "capacityProviderStrategy",
    "serviceConnectConfiguration",
    "volumeConfigurations",
    "vpcLatticeConfigurations",
];

/// Those of [`SPEC`] that AWS shows on a deployment but not on a service.
pub(super) const NOT_ON_SERVICE: [&str; 3] = ["serviceConnectConfiguration", "volumeConfigurations", "vpcLatticeConfigurations"];

/// Those of [`SPEC`] that AWS shows on a deployment.
pub(super) const ON_DEPLOYMENT: [&str; 9] = [
    "taskDefinition",
    "networkConfiguration",
    "platformVersion",
    "platformFamily",
    "launchType",
    "capacityProviderStrategy",
    "serviceConnectConfiguration",
    "volumeConfigurations",
    "vpcLatticeConfigurations",
];

/// `rolloutState` of a deployment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rollout {
    InProgress,
    Completed,
    Failed,
}

impl Rollout {
    /// AWS's word.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::InProgress => "IN_PROGRESS",
            Self::Completed => "COMPLETED",
            Self::Failed => "FAILED",
        }
    }
}

/// A deployment. The first of a service's list is PRIMARY, the others are ACTIVE.
#[derive(Clone, Debug)]
pub(super) struct Deployment {
    /// `ecs-svc/` and 19 digits.
    pub(super) id: String,
    pub(super) rollout: Rollout,
    /// What it rolls out: the members of [`SPEC`].
    pub(super) spec: Value,
    /// ARN of its service revision.
    pub(super) revision: String,
    /// ARN of the service deployment that rolls it out.
    pub(super) service_deployment: String,
    /// ARN of the one that the service shows as its current one while this is PRIMARY, where that is another.
    pub(super) shown_record: Option<String>,
    /// How many of its tasks are to run; of a PRIMARY one the service's desired count.
    pub(super) desired: i64,
    /// Failed tasks in a row.
    pub(super) failed: i64,
    /// Of these, how many never reached RUNNING since one last did: they throttle launches.
    pub(super) start_failures: u32,
    /// No launch before.
    pub(super) launch_after: Millis,
    /// Its PRIMARY role is a rollback: a failure cannot roll back once more.
    pub(super) rolling_back: bool,
    /// The deployment as AWS prints it, the shown part of its spec included; state and counts are laid over it.
    pub(super) body: Value,
}

/// A service.
#[derive(Clone, Debug)]
pub(super) struct Service {
    pub(super) arn: String,
    pub(super) name: String,
    pub(super) cluster_arn: String,
    /// `ACTIVE`, `DRAINING`, `INACTIVE`.
    pub(super) status: String,
    pub(super) desired: i64,
    /// PRIMARY first.
    pub(super) deployments: Vec<Deployment>,
    /// Newest first, as AWS prints them.
    pub(super) events: Vec<Value>,
    /// When the service last said that it is steady; `None` while it is not.
    pub(super) steady_since: Option<Millis>,
    /// The scheduler's next look.
    pub(super) next_look: Option<Millis>,
    /// What DescribeServices may still show after a change.
    pub(super) before: Option<Before>,
    /// Everything else as AWS prints it.
    pub(super) body: Value,
}

/// A service as it was before its last change.
#[derive(Clone, Debug)]
pub(super) struct Before {
    /// It may be shown until then.
    pub(super) until: Millis,
    /// `None`: the service was not there.
    pub(super) view: Option<Value>,
}

/// How many tasks of a deployment (or service) are where.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) running: i64,
    pub(super) pending: i64,
}

impl Counts {
    fn of<'a>(tasks: impl Iterator<Item = &'a Task>) -> Self {
        let mut counts = Self::default();
        for task in tasks {
            match task.phase {
                Phase::Running => counts.running += 1,
                Phase::Provisioning | Phase::Pending | Phase::Activating if !task.stopping => counts.pending += 1,
                _ => {}
            }
        }
        counts
    }
}

impl Deployment {
    /// The load balancers that it rolls out.
    pub(super) fn load_balancers(&self) -> &[Value] {
        list(&self.spec, "loadBalancers")
    }

    /// ARN of the task definition that it rolls out.
    pub(super) fn task_definition(&self) -> &str {
        text(&self.spec, "taskDefinition")
    }

    /// Sets state and reason.
    pub(super) fn set(&mut self, rollout: Rollout, reason: String, now: Millis) {
        self.rollout = rollout;
        self.body["rolloutStateReason"] = json!(reason);
        self.body["updatedAt"] = epoch(now);
    }

    fn render(&self, primary: bool, counts: Counts) -> Value {
        let mut shown = self.body.clone();
        shown["id"] = json!(self.id);
        shown["status"] = json!(if primary { "PRIMARY" } else { "ACTIVE" });
        shown["desiredCount"] = json!(self.desired);
        shown["pendingCount"] = json!(counts.pending);
        shown["runningCount"] = json!(counts.running);
        shown["failedTasks"] = json!(self.failed);
        shown["rolloutState"] = json!(self.rollout.word());
        shown
    }
}

impl Service {
    /// Whether it is ACTIVE.
    pub(super) fn active(&self) -> bool {
        self.status == "ACTIVE"
    }

    /// The deployment that is being or was rolled out last.
    pub(super) fn primary(&self) -> Option<&Deployment> {
        self.deployments.first()
    }

    /// The deployment of this id.
    pub(super) fn deployment_mut(&mut self, id: &str) -> Option<&mut Deployment> {
        self.deployments.iter_mut().find(|deployment| deployment.id == id)
    }

    /// Whether DescribeServices is settled: one deployment, completed.
    pub(super) fn rolled_out(&self) -> bool {
        self.deployments.len() == 1 && self.deployments[0].rollout == Rollout::Completed
    }

    /// A percentage of its deploymentConfiguration.
    pub(super) fn percent(&self, member: &str, default: i64) -> i64 {
        number(&self.body["deploymentConfiguration"], member).unwrap_or(default)
    }

    /// Makes a spec the service's own, as it is after a rollback.
    pub(super) fn adopt_spec(&mut self, spec: &Value) {
        for member in SPEC {
            if NOT_ON_SERVICE.contains(&member) {
                continue;
            }
            if has(spec, member) {
                self.body[member] = spec[member].clone();
            } else {
                super::json::remove(&mut self.body, member);
            }
        }
    }

    /// What a deployment started now would roll out. Members that AWS does not show on a service carry on from the deployment
    /// before.
    pub(super) fn spec(&self) -> Value {
        let mut spec = pick(&self.body, &SPEC);
        if let Some(primary) = self.primary() {
            for member in NOT_ON_SERVICE {
                if has(&primary.spec, member) {
                    spec[member] = primary.spec[member].clone();
                }
            }
        }
        spec
    }
}

impl Ecs {
    /// The tasks of a service, STOPPED ones included.
    pub(super) fn tasks_of<'a>(&'a self, service_arn: &'a str) -> impl Iterator<Item = &'a Task> {
        self.tasks.iter().filter(move |task| task.service_arn.as_deref() == Some(service_arn))
    }

    /// How many tasks of a deployment are where.
    pub(super) fn counts(&self, service_arn: &str, deployment: &str) -> Counts {
        Counts::of(self.tasks_of(service_arn).filter(|task| task.deployment == deployment))
    }

    /// The service as AWS prints it, tags included.
    pub(super) fn render_service(&self, service: &Service) -> Value {
        let counts = Counts::of(self.tasks_of(&service.arn));
        let mut shown = service.body.clone();
        shown["serviceArn"] = json!(service.arn);
        shown["serviceName"] = json!(service.name);
        shown["clusterArn"] = json!(service.cluster_arn);
        shown["status"] = json!(service.status);
        shown["desiredCount"] = json!(service.desired);
        shown["runningCount"] = json!(counts.running);
        shown["pendingCount"] = json!(counts.pending);
        shown["events"] = json!(service.events);
        let deployments = service.deployments.iter().enumerate();
        shown["deployments"] = deployments
            .map(|(index, deployment)| deployment.render(index == 0, self.counts(&service.arn, &deployment.id)))
            .collect();
        if let Some(primary) = service.primary() {
            shown["currentServiceDeployment"] = json!(primary.shown_record.as_ref().unwrap_or(&primary.service_deployment));
        }
        let revisions = service.deployments.iter().map(|deployment| self.revision_summary(service, deployment));
        shown["currentServiceRevisions"] = revisions.collect();
        shown
    }

    /// Requested, running and pending tasks of a deployment's service revision.
    pub(super) fn revision_summary(&self, service: &Service, deployment: &Deployment) -> Value {
        let counts = self.counts(&service.arn, &deployment.id);
        json!({
            "arn": deployment.revision,
            "requestedTaskCount": deployment.desired,
            "runningTaskCount": counts.running,
            "pendingTaskCount": counts.pending,
        })
    }

    /// Index of the service that is called `name` (or has it as ARN) in the cluster.
    pub(super) fn service_index(&self, cluster_arn: &str, name: &str) -> Option<usize> {
        let wanted = super::json::last_part(name);
        self.services.iter().position(|service| service.cluster_arn == cluster_arn && service.name == wanted)
    }

    /// The service of this ARN.
    pub(super) fn service(&self, arn: &str) -> Option<&Service> {
        self.services.iter().find(|service| service.arn == arn)
    }

    /// The service of this ARN.
    pub(super) fn service_mut(&mut self, arn: &str) -> Option<&mut Service> {
        self.services.iter_mut().find(|service| service.arn == arn)
    }

    /// The task of this id.
    pub(in crate::sim) fn task(&self, id: &str) -> Option<&Task> {
        self.tasks.iter().find(|task| task.id == id)
    }

    /// The task of this id.
    pub(super) fn task_mut(&mut self, id: &str) -> Option<&mut Task> {
        self.tasks.iter_mut().find(|task| task.id == id)
    }

    /// The task that has this private address and has not given it back.
    pub(in crate::sim) fn task_at(&self, ip: &str) -> Option<&Task> {
        self.tasks.iter().find(|task| task.ip == ip && task.phase != Phase::Stopped)
    }

    /// The cluster of this name or ARN.
    pub(super) fn cluster(&self, name: &str) -> Option<&Value> {
        let wanted = super::json::last_part(if name.is_empty() { "default" } else { name });
        self.clusters.iter().find(|cluster| text(cluster, "clusterName") == wanted)
    }

    /// Whether a task has a role of its own.
    pub(in crate::sim) fn has_task_role(&self, task: &super::Task) -> bool {
        let definition = self.definition(super::json::text(&task.body, "taskDefinitionArn"));
        definition.is_some_and(|definition| super::json::has(&definition.body, "taskRoleArn"))
    }

    /// A task definition, by ARN, `family:revision`, or family alone for the newest ACTIVE one.
    pub(super) fn definition(&self, name: &str) -> Option<&super::task_definitions::Definition> {
        let wanted = super::json::last_part(name);
        if wanted.contains(':') {
            return self.definitions.iter().find(|definition| super::json::last_part(definition.arn()) == wanted);
        }
        let of_family = self.definitions.iter().filter(|definition| definition.family() == wanted && definition.active());
        of_family.max_by_key(|definition| definition.revision())
    }

    /// The definitions of a task definition's containers.
    pub(super) fn container_definitions(&self, definition_arn: &str) -> Vec<Value> {
        self.definition(definition_arn).map_or_else(Vec::new, |definition| list(&definition.body, "containerDefinitions").to_vec())
    }
}
