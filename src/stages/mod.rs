//! What the migration does: one file per stage kind, and the steps they are made of.
//!
//! A stage kind is pure: it checks its block of the runbook, says what must be read, and turns facts into steps
//! ([`kind::StageKind`]). A step talks to AWS ([`step`]). The engine and the planner see both only through [`registry`].

mod api_service;
pub mod claim;
mod diff;
mod dns;
pub mod edit;
pub mod facts;
pub mod findings;
pub mod gates;
pub mod gone;
mod health_path;
pub mod kind;
mod log_group;
mod log_lines;
mod open_ports;
pub mod permits;
pub mod port;
pub mod reach;
pub mod registry;
mod retarget_env;
mod service;
pub mod span_api;
pub mod spans_arrive;
pub mod step;
pub mod steps;
mod strip_sidecar;
pub mod subject;
mod task_definition;
mod unedit;
mod verify;
