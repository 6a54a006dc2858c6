//! The steps themselves, by the AWS resource that they change or look at.

mod edited_revision;
mod instances;
pub(crate) mod log_group;
pub(crate) mod name;
mod revision;
mod rollout;
mod service;
mod service_update;
mod spans;
mod targets;
pub(crate) mod tasks;

pub use edited_revision::{RegisterEdited, VerifyRevision};
pub use instances::{AwaitInstances, AwaitNoInstances};
pub use log_group::{CreateLogGroup, DeleteLogGroup, PutRetention};
pub use name::{CreateName, DeleteName};
pub use revision::{Deregister, Register};
pub use rollout::{AwaitInactive, AwaitRollout};
pub use service::{CreateService, DeleteService};
pub use service_update::UpdateService;
pub use spans::{SpansArrive, TrafficBefore};
pub use targets::{AwaitNoTargets, AwaitOwnTargets};

pub(super) use service_update::same as same_list;
