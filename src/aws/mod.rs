//! The only place that names `aws_sdk_*`. Everything above speaks in operations, JSON and [`CallError`].
//!
//! ```text
//!   stages, plan ── read / mutate (operation, resource, input) ──▶ Aws ──▶ retry ──▶ wire ──▶ SDK client ──▶ AWS or simulator
//!                                                                   │        │
//!                                                   ServiceWatch ───┘        └── CallError: rejected or unknown, from one table
//! ```
//!
//! ECS, CloudWatch Logs and Cloud Map speak JSON: requests and answers pass through whole, as AWS documents them, so that a
//! member which this SDK version does not know is never lost. The SDK still finds the endpoint, signs, times out and reads errors.

mod bounded;
mod capture;
mod clock;
mod connect;
mod ec2;
mod elb;
mod error;
mod foreign;
mod fresh;
mod governance;
mod guard;
mod patience;
mod plain_http;
mod retry;
mod rules;
mod tally;
pub mod task_definition;
mod tell;
mod watch;
mod wire;
mod xml;

pub use bounded::MOST_ANSWER;
pub use capture::{Parameters, numbered};
pub use clock::{Clock, time_asleep};
pub use connect::{Access, Aws, ConnectOptions, Identity};
pub use ec2::{RouteTable, SecurityGroup, SecurityRule, Subnet, VpcDns};
pub use elb::{ListenerRule, LoadBalancer, TargetGroup, TargetHealth};
pub use error::{CallError, Class, Reason};
pub use fresh::DeploymentRecord;
pub use governance::{Decision, Scaling};
pub use guard::{READ_ONLY_OPERATIONS, Refused, Slept};
pub use patience::{WaitWatch, heard};
#[cfg(test)]
pub(crate) use plain_http::scripted;
pub use plain_http::{HttpFailure, HttpReply, host_of, names_a_user, shown_url};
pub use retry::{ATTEMPT_TIMEOUT, SETTLE_WINDOW, STALENESS};
pub use rules::{GroupRule, Ingress, describable};
pub use wire::Answer;
