//! A simulated AWS account: the embedded simulator that rehearsals, tests and `sidestep simulate` run against.
//!
//! It knows AWS and nothing of sidestep: no import of the engine, the stages or the clients. AWS's names and messages stand
//! here a second time on purpose, so that a slip on one side is seen by the other.
//!
//! ```text
//!   SDK client ─ HttpClient (connector) ─┐
//!   aws cli, boto3 ─ HTTP (server) ──────┴─▶ wire ─▶ ecs | logs | cloudmap | elbv2 | ec2 | sts | … ─▶ State
//!                                                                                  ▲
//!                                            queue: what happens later (tasks, health checks, drains) ─┘
//! ```
//!
//! One [`State`] behind one lock; it is advanced to "now" by its event queue whenever somebody looks. No background task.

pub mod assumptions;
mod clock;
mod cloudmap;
pub mod connector;
mod ec2;
mod ecs;
mod elbv2;
mod faults;
mod handle;
mod iam;
mod images;
mod jaeger;
mod limits;
mod logs;
mod queue;
mod route53;
mod scaling;
mod sender;
pub mod server;
mod shape;
mod state;
mod sts;
mod traffic;
mod unseen;
mod values;
mod web;
mod wire;
mod world;

pub use clock::SimClock;
pub use connector::SimConnector;
pub use ecs::ImageFault;
pub use faults::{Fault, LaunchFault, Refusal, RequestFault, RequestFaultKind};
pub use handle::{Handled, RequestNote, Sim};
pub use state::{ApiError, Call, Effect, Millis, State};

#[cfg(test)]
mod tests;
