//! The steps themselves, by the AWS resource that they change or look at.

mod edited_revision;
mod gates;
mod health_path;
mod ingress;
mod instances;
mod lines;
mod log_group;
mod logs;
mod name;
mod probe;
mod revision;
mod rollout;
mod service;
mod service_update;
mod serving;
mod spans;
mod targets;
mod tasks;
mod users;

pub use edited_revision::{RegisterEdited, VerifyRevision, read_originals};
pub use gates::{APPROVAL, Approval, Bake};
pub use health_path::{SetHealthPath, WatchTargets};
pub use ingress::{Authorize, Revoke};
pub use instances::{AwaitInstances, AwaitNoInstances, healthy as healthy_instances, registered as registered_instances};
pub use lines::{LinesArrive, LinesBefore};
pub use log_group::{CreateLogGroup, DeleteLogGroup, PutRetention, find as find_log_group};
pub use logs::{last_lines as last_log_lines, service_of as logged_service};
pub use name::{CreateName, DeleteName, find as find_name, get as read_name};
pub use revision::{Deregister, Register};
pub use rollout::{AwaitInactive, AwaitRollout};
pub use service::{CreateService, DeleteService};
pub use service_update::{UpdateService, same as same_list};
pub use serving::{AwaitServing, Sight, exited as exited_containers, look as look_whether_it_serves};
pub use spans::{SpansArrive, TrafficBefore};
pub use targets::{AwaitNoTargets, AwaitOwnTargets, seen as targets_seen};
pub use tasks::{
    address as task_address, addresses as task_addresses, failed as task_failed, id as task_id, reason as stop_reason,
    running as running_tasks, stopped_of as stopped_tasks,
};
pub use users::LookForUsers;
