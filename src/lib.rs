//! `sidestep` moves a tracing sidecar out of ECS tasks into one shared ECS service, as a runbook of checkpointed stages.
//!
//! The map, with what may import what:
//!
//! | module | holds | imports of ours |
//! | --- | --- | --- |
//! | [`model`] | pure values: ids, plan, records, the transition table, the fold, errors, exit codes | nothing |
//! | [`runbook`] | HCL to a resolved runbook; problems with file, line and caret | `model` |
//! | [`journal`] | the store: SQLite, schema, lock and fence | `model` |
//! | [`ui`] | how things are shown and asked | `model` |
//! | [`aws`] | the only place that names `aws_sdk_*` | `model` |
//! | [`stages`] | one file per stage kind: its steps, what they observe, apply and invert | `model`, `aws` |
//! | [`plan`] | observe, then plan; the inverse plan; the policy that allows them | `model`, `aws`, `stages`, `runbook` |
//! | [`engine`] | dispatcher, executor, control requests | `model`, `journal`, `aws`, `stages`' step trait |
//! | [`doctor`] | why it does not work: what AWS knows of the services, and what lies behind it; log lines as they come | `model`, `aws`, `stages`, `plan` |
//! | [`session`] | the records that take a run back, amend or end it, without a terminal | `model`, `journal`, `aws`, `engine`, `plan` |
//! | [`capture`] | what a runbook can see of the live account, as a world file, with secrets masked | `model`, `aws`, `stages` |
//! | [`sim`] | simulated AWS | nothing of ours |
//! | [`drill`] | runs on simulated accounts, interrupted wherever they can be, with exact verdicts | `model`, `journal`, `aws`, `plan`, `engine`, `session`, `sim` |
//! | [`cli`] | one file per verb; ties them together | everything |

// No ambient clock, randomness or output: clippy.toml says what to use instead.
#![warn(clippy::disallowed_methods, clippy::disallowed_macros)]
// Input never makes it panic: where a value is certainly there, the spot says why.
#![warn(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
#![warn(clippy::allow_attributes_without_reason)]

pub mod aws;
pub mod capture;
pub mod cli;
pub mod doctor;
pub mod drill;
pub mod engine;
#[cfg(test)]
mod flaw;
pub mod journal;
pub mod model;
pub mod plan;
pub mod runbook;
pub mod session;
pub mod sim;
pub mod stages;
pub mod ui;
