//! What shall go wrong, and when: faults of single requests, counted from when they are added, and faults of images, capacity and
//! permissions, which last until they are taken away.
//!
//! | fault | takes effect | answered |
//! | --- | --- | --- |
//! | `drop-before` | no | connection closed |
//! | `drop-after` | yes | connection closed |
//! | `hold` | no | never |
//! | `late` | yes | late |
//! | `lands-late` | yes, but only later | connection closed |
//! | `throttle`, `expire`, `error-500` | no | with that error |
//! | `refuse` | no | with a refusal that AWS gives to sound requests: see [`Refusal`] |
//! | `stale` | yes | and the next reads of ECS show the state before the last write |
//!
//! An operation can also be denied to all callers, as by IAM, until that is taken away.
//!
//! [`State::heal`] takes all of them away; over HTTP it is `{"clear": true}`.

use std::collections::BTreeSet;

use serde_json::Value;

use super::values::{number, text};
use super::wire::Service;
use super::{ApiError, ImageFault, Millis, State, ecs, elbv2};

/// Something to go wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// With requests.
    Request(RequestFault),
    /// With an image, from now on; `None` heals it.
    Image {
        /// The image as task definitions name it.
        image: String,
        /// What is wrong.
        fault: Option<ImageFault>,
    },
    /// With permissions, from now on: nobody may do this.
    Deny {
        /// As IAM spells it: `ecs:UpdateService`.
        action: String,
        /// `false` heals it.
        on: bool,
    },
    /// With what tasks need to start, from now on.
    Launch {
        /// What.
        fault: LaunchFault,
        /// `false` heals it.
        on: bool,
    },
}

/// A fault of single requests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestFault {
    /// `UpdateService`, `ecs:UpdateService` (as IAM spells it), or `*`.
    pub action: String,
    /// Which matching request from now, 1 the next.
    pub nth: u32,
    /// How many matching requests in a row, usually 1.
    pub times: u32,
    /// What happens to them.
    pub kind: RequestFaultKind,
}

/// What happens to a request; see the module's table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RequestFaultKind {
    /// The connection breaks before anything happened.
    DropBefore,
    /// The connection breaks after it took effect.
    DropAfter,
    /// Nothing happens and no answer comes.
    Hold,
    /// The answer comes late.
    Late {
        /// By how much, virtual.
        millis: Millis,
    },
    /// The connection breaks at once, and the request takes effect later all the same.
    LandsLate {
        /// How much later, virtual.
        millis: Millis,
    },
    /// AWS says "Rate exceeded".
    Throttle,
    /// Reads of ECS are stale.
    Stale {
        /// How many.
        reads: u32,
    },
    /// The credentials have expired.
    Expire,
    /// AWS fails with status 500.
    Error500,
    /// AWS refuses a sound request.
    Refuse(Refusal),
}

/// What AWS says to sound requests now and then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Of RegisterTaskDefinition: two at once in one family.
    ConcurrentRevision,
    /// Of CloudWatch Logs: two changes of one log group at once.
    OperationAborted,
    /// Of Cloud Map's DeleteService: instances remain.
    ResourceInUse,
    /// Of anything that tags what it makes, where tagging is not permitted.
    TagsNotPermitted,
}

impl Refusal {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::ConcurrentRevision, Self::OperationAborted, Self::ResourceInUse, Self::TagsNotPermitted];

    /// The name used in `POST /_sim/faults`, after `refuse-`.
    pub fn name(self) -> &'static str {
        match self {
            Self::ConcurrentRevision => "refuse-concurrent-revision",
            Self::OperationAborted => "refuse-operation-aborted",
            Self::ResourceInUse => "refuse-resource-in-use",
            Self::TagsNotPermitted => "refuse-tags",
        }
    }

    /// AWS's answer.
    pub(super) fn error(self) -> ApiError {
        match self {
            Self::ConcurrentRevision => {
                ApiError::new("ClientException", "Too many concurrent attempts to create a new revision of the specified family.")
            }
            Self::OperationAborted => ApiError::new(
                "OperationAbortedException",
                "A conflicting operation is currently in progress against this resource. Please try again.",
            ),
            Self::ResourceInUse => ApiError::new(
                "ResourceInUse",
                "Service contains registered instances; delete the instances before deleting the service",
            ),
            Self::TagsNotPermitted => ApiError::new(
                "AccessDeniedException",
                "User: arn:aws:iam::111122223333:user/operator is not authorized to perform: ecs:TagResource because no identity-based \
                 policy allows the ecs:TagResource action",
            ),
        }
    }
}

/// What keeps tasks from starting, whatever their image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum LaunchFault {
    /// Fargate has no room: no task starts, and after one event there is silence.
    NoCapacity,
    /// The execution role may not write logs.
    LogsDenied,
}

/// How late an answer is when a `late` fault does not say: later than clients use to wait.
const LATE: Millis = 60_000;

/// How late a request lands when a `lands-late` fault does not say.
const LANDS_LATE: Millis = 5_000;

impl RequestFaultKind {
    /// The name used in `POST /_sim/faults`.
    pub fn name(self) -> &'static str {
        match self {
            Self::DropBefore => "drop-before",
            Self::DropAfter => "drop-after",
            Self::Hold => "hold",
            Self::Late { .. } => "late",
            Self::LandsLate { .. } => "lands-late",
            Self::Throttle => "throttle",
            Self::Stale { .. } => "stale",
            Self::Expire => "expire",
            Self::Error500 => "error-500",
            Self::Refuse(refusal) => refusal.name(),
        }
    }
}

impl Fault {
    /// Reads `{"action": A, "nth": N, "fault": F}`, `{"image": I, "fault": F}`, `{"launch": "no-capacity" | "logs-denied", "on": B}`
    /// or `{"deny": "ecs:UpdateService", "on": B}`.
    /// Optional members: `times` (default 1), `seconds`
    /// of `late` (default 60) and `lands-late` (default 5), `reads` of `stale` (default 3).
    pub fn from_json(value: &Value) -> Result<Self, String> {
        if let Some(launch) = text(value, "launch") {
            let fault = match launch {
                "no-capacity" => LaunchFault::NoCapacity,
                "logs-denied" => LaunchFault::LogsDenied,
                other => return Err(format!("unknown fault `{other}` of launches")),
            };
            return Ok(Self::Launch { fault, on: value["on"] != false });
        }
        if let Some(action) = text(value, "deny") {
            if !action.contains(':') {
                return Err(format!("`deny` must be an action as IAM spells it (`ecs:UpdateService`), not `{action}`"));
            }
            return Ok(Self::Deny { action: action.to_owned(), on: value["on"] != false });
        }
        let fault = text(value, "fault").ok_or("a fault needs the member `fault`")?;
        if let Some(image) = text(value, "image") {
            return Ok(Self::Image { image: image.to_owned(), fault: image_fault(fault)? });
        }
        let action = text(value, "action").ok_or("a fault needs `action` or `image`")?.to_owned();
        let count = |name: &str, default: u32| match value.get(name) {
            None => Ok(default),
            Some(_) => number(value, name)
                .and_then(|n| u32::try_from(n).ok())
                .filter(|n| *n > 0)
                .ok_or_else(|| format!("`{name}` must be a whole number from 1")),
        };
        let kind = match fault {
            "drop-before" => RequestFaultKind::DropBefore,
            "drop-after" => RequestFaultKind::DropAfter,
            "hold" => RequestFaultKind::Hold,
            "late" => RequestFaultKind::Late { millis: seconds(value, LATE)? },
            "lands-late" => RequestFaultKind::LandsLate { millis: seconds(value, LANDS_LATE)? },
            "throttle" => RequestFaultKind::Throttle,
            "stale" => RequestFaultKind::Stale { reads: count("reads", 3)? },
            "expire" => RequestFaultKind::Expire,
            "error-500" => RequestFaultKind::Error500,
            other => match Refusal::ALL.into_iter().find(|refusal| refusal.name() == other) {
                Some(refusal) => RequestFaultKind::Refuse(refusal),
                None => return Err(format!("unknown fault `{other}` of a request")),
            },
        };
        Ok(Self::Request(RequestFault { action, nth: count("nth", 1)?, times: count("times", 1)?, kind }))
    }
}

fn seconds(value: &Value, default: Millis) -> Result<Millis, String> {
    match value.get("seconds") {
        None => Ok(default),
        Some(seconds) => {
            let seconds = seconds.as_f64().filter(|s| (0.0..=86_400.0).contains(s));
            seconds.map(|s| (s * 1000.0) as Millis).ok_or_else(|| "`seconds` must be a number from 0 to 86400".to_owned())
        }
    }
}

fn image_fault(name: &str) -> Result<Option<ImageFault>, String> {
    match name {
        "cannot-pull" => Ok(Some(ImageFault::CannotPull)),
        "exits" => Ok(Some(ImageFault::Exits)),
        "unhealthy" => Ok(Some(ImageFault::Unhealthy)),
        "none" => Ok(None),
        other => Err(format!("unknown fault `{other}` of an image")),
    }
}

/// The faults of requests that wait.
#[derive(Clone, Debug, Default)]
pub(super) struct Faults {
    armed: Vec<Armed>,
    denied: BTreeSet<String>,
}

#[derive(Clone, Debug)]
struct Armed {
    fault: RequestFault,
    seen: u32,
}

impl Faults {
    /// Whether an action is denied to all callers.
    pub(super) fn denies(&self, action: &str) -> bool {
        self.denied.contains(action)
    }
}

impl State {
    /// Lets something go wrong.
    pub fn add_fault(&mut self, fault: Fault) {
        match fault {
            Fault::Request(fault) => self.faults.armed.push(Armed { fault, seen: 0 }),
            Fault::Image { image, fault } => {
                ecs::set_image_fault(self, &image, fault);
                elbv2::look_again(self);
            }
            Fault::Deny { action, on: true } => drop(self.faults.denied.insert(action)),
            Fault::Deny { action, on: false } => drop(self.faults.denied.remove(&action)),
            Fault::Launch { fault, on: true } => drop(self.ecs.launch_faults.insert(fault)),
            Fault::Launch { fault, on: false } => drop(self.ecs.launch_faults.remove(&fault)),
        }
    }

    /// Takes every fault away.
    pub fn heal(&mut self) {
        self.faults = Faults::default();
        ecs::force_stale(self, 0);
        self.ecs.launch_faults.clear();
        let images: Vec<String> = self.ecs.image_faults.keys().cloned().collect();
        for image in images {
            self.add_fault(Fault::Image { image, fault: None });
        }
    }
}

/// Counts a request against the faults that wait and gives the one that strikes it, the oldest first.
pub(super) fn strike(state: &mut State, service: &str, operation: &str) -> Option<RequestFaultKind> {
    let mut struck = None;
    for armed in &mut state.faults.armed {
        let fault = &armed.fault;
        let matches = match fault.action.split_once(':') {
            Some((of, action)) => of == service && action == operation,
            None => fault.action == "*" || fault.action == operation,
        };
        if !matches {
            continue;
        }
        armed.seen += 1;
        if armed.seen >= fault.nth && struck.is_none() {
            struck = Some(fault.kind);
        }
    }
    state.faults.armed.retain(|armed| armed.seen < armed.fault.nth.saturating_add(armed.fault.times - 1));
    struck
}

/// The error of expired credentials.
pub(super) fn expired(service: Service) -> ApiError {
    match service {
        Service::Ecs | Service::Logs | Service::CloudMap | Service::Scaling => {
            ApiError::new("ExpiredTokenException", "The security token included in the request is expired")
        }
        Service::Elb | Service::Sts | Service::Iam | Service::Route53 => {
            ApiError::new("ExpiredToken", "The security token included in the request is expired").status(403)
        }
        Service::Ec2 => ApiError::new("RequestExpired", "Request has expired."),
    }
}

/// AWS's own failure.
pub(super) fn internal(service: Service) -> ApiError {
    let code = match service {
        Service::Ecs => "ServerException",
        Service::Logs => "InternalFailure",
        Service::CloudMap | Service::Elb | Service::Sts | Service::Iam | Service::Route53 | Service::Scaling => "InternalFailure",
        Service::Ec2 => "InternalError",
    };
    ApiError::new(code, "Service Unavailable. Please try again later.").status(500)
}
