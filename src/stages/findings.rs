//! What sorts of findings there are: those that planning a stage comes upon, here; those of checks, beside the checks.

use crate::model::{Finding, Severity};

/// A sort of finding.
#[derive(Debug)]
pub struct FindingKind {
    /// Stable; `--accept` takes it.
    pub id: &'static str,
    /// How much it matters.
    pub severity: Severity,
    /// See [`Finding::must_repair`].
    pub must_repair: bool,
    /// When it appears, for the documentation: a clause.
    pub about: &'static str,
}

/// A finding without its sort.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// The resource it is about.
    pub resource: String,
    /// What was found.
    pub found: String,
    /// What would happen.
    pub consequence: String,
    /// The command or the change that repairs it.
    pub fix: String,
}

impl Seen {
    /// What was found of a resource.
    pub fn new(resource: &str, found: String, consequence: &str, fix: String) -> Self {
        Self { resource: resource.to_owned(), found, consequence: consequence.to_owned(), fix }
    }
}

impl FindingKind {
    /// A blocker because of which something is left out of the plan.
    pub const fn must_repair(id: &'static str, about: &'static str) -> Self {
        Self { id, severity: Severity::Blocker, must_repair: true, about }
    }

    /// A blocker that can be accepted.
    pub const fn blocker(id: &'static str, about: &'static str) -> Self {
        Self { id, severity: Severity::Blocker, must_repair: false, about }
    }

    /// Something that may go wrong.
    pub const fn warning(id: &'static str, about: &'static str) -> Self {
        Self { id, severity: Severity::Warning, must_repair: false, about }
    }

    /// Something worth knowing.
    pub const fn note(id: &'static str, about: &'static str) -> Self {
        Self { id, severity: Severity::Note, must_repair: false, about }
    }

    /// The finding.
    pub fn finding(&self, seen: Seen) -> Finding {
        let Seen { resource, found, consequence, fix } = seen;
        Finding {
            id: self.id.to_owned(),
            severity: self.severity,
            resource,
            found,
            consequence,
            fix,
            must_repair: self.must_repair,
        }
    }
}

/// Another run has claimed a service.
pub const CLAIMED: FindingKind =
    FindingKind::must_repair("claimed", "another run has claimed a service that this one would change");
/// "Already so" is not said while the rollout that makes it so is unfinished.
pub const CHANGE_UNFINISHED: FindingKind = FindingKind::must_repair(
    "change-unfinished",
    "what the runbook wants of a service is asked of ECS already, and it is not so yet: a rollout is under way, or tasks are missing",
);
/// The credentials end too soon.
pub const CREDENTIALS_SHORT_LIVED: FindingKind =
    FindingKind::warning("credentials-short-lived", "the credentials end before the run is expected to");
/// The name is taken by something else.
pub const NAME_FOREIGN: FindingKind =
    FindingKind::must_repair("name-foreign", "the Cloud Map name exists with other records or of another type");
/// No namespace.
pub const NAMESPACE_MISSING: FindingKind =
    FindingKind::must_repair("namespace-missing", "there is no private DNS namespace of the runbook's name");
/// Several namespaces.
pub const NAMESPACE_AMBIGUOUS: FindingKind =
    FindingKind::must_repair("namespace-ambiguous", "several private DNS namespaces have the runbook's name");
/// The variable has another value.
pub const ENDPOINT_UNEXPECTED: FindingKind = FindingKind::must_repair(
    "endpoint-unexpected",
    "no container has the variable to retarget, or one has another value than expected",
);
/// No role for logs.
pub const NO_EXECUTION_ROLE: FindingKind =
    FindingKind::must_repair("no-execution-role", "a container writes logs, and there is no execution role to write them with");
/// No role for calls to AWS.
pub const NO_TASK_ROLE: FindingKind =
    FindingKind::warning("no-task-role", "the task is to have the role of the service that it is like, and that has none");
/// The sidecar cannot go.
pub const SIDECAR_NEEDED: FindingKind = FindingKind::must_repair(
    "sidecar-needed",
    "the sidecar is the only essential container, or volumes, the proxy or the log router depend on it",
);
/// A registry names the sidecar.
pub const SIDECAR_REGISTERED: FindingKind =
    FindingKind::must_repair("sidecar-registered", "the service's registry names the sidecar's container");
/// No target group of that name.
pub const TARGET_GROUP_MISSING: FindingKind = FindingKind::must_repair(
    "target-group-missing",
    "there is no target group of the runbook's name, or the sidecar's was deleted",
);
/// No entry to find the target group through.
pub const TARGET_GROUP_UNKNOWN: FindingKind = FindingKind::must_repair(
    "target-group-unknown",
    "the sidecar has no load-balancer entry through which its target group is found",
);
/// A service of the name is going.
pub const SERVICE_DRAINING: FindingKind =
    FindingKind::must_repair("service-draining", "a service of the shared service's name is DRAINING");
/// A service of the name is somebody else's.
pub const SERVICE_FOREIGN: FindingKind =
    FindingKind::must_repair("service-foreign", "a service of the shared service's name runs another task definition family");
/// Rules that a stage would add to.
pub const RULES_UNREAD: FindingKind =
    FindingKind::must_repair("rules-unread", "the security groups to which a stage would add rules may not be read");
/// A container answers elsewhere.
pub const PATH_UNANSWERED: FindingKind = FindingKind::must_repair(
    "health-path-refused",
    "a container in the target group would not answer the path to which a stage would move the health check",
);
/// The codes do not fit.
pub const HEALTH_CODES_UNFIT: FindingKind = FindingKind::must_repair(
    "health-codes-unfit",
    "the health check that a stage would move does not take the status 200, with which the new path is answered",
);
/// What a container answers is not known.
pub const PATH_UNKNOWN: FindingKind = FindingKind::blocker(
    "health-path-unknown",
    "it cannot be read what a container in the target group answers to the path to which a stage would move the health check",
);

/// All of the above.
pub const ALL: &[&FindingKind] = &[
    &CLAIMED,
    &CHANGE_UNFINISHED,
    &CREDENTIALS_SHORT_LIVED,
    &NAME_FOREIGN,
    &NAMESPACE_MISSING,
    &NAMESPACE_AMBIGUOUS,
    &ENDPOINT_UNEXPECTED,
    &NO_EXECUTION_ROLE,
    &NO_TASK_ROLE,
    &SIDECAR_NEEDED,
    &SIDECAR_REGISTERED,
    &TARGET_GROUP_MISSING,
    &TARGET_GROUP_UNKNOWN,
    &SERVICE_DRAINING,
    &SERVICE_FOREIGN,
    &RULES_UNREAD,
    &PATH_UNANSWERED,
    &HEALTH_CODES_UNFIT,
    &PATH_UNKNOWN,
];
