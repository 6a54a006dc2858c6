//! From an HCL file and variables to a [`Runbook`](crate::model::Runbook), or to every problem at once.
//!
//! ```text
//! runbook.hcl ──parse──▶ blocks ──declare──▶ declarations ──check──▶ every name in every expression is known
//!                                                 │
//! tfvars, --var, environment ──variables──▶ values│of the right types   (tfvars in HCL, or in JSON: `json`)
//!                                                 ▼
//!                              locals (in order of need), then target and stages
//!                                                 ▼
//!                                              Runbook
//! ```
//!
//! This module knows blocks and expressions. It does not know stage kinds: those read a stage's evaluated body and point
//! at its values with [`StageDecl::problem_at`](crate::model::StageDecl::problem_at).
//!
//! Expressions are evaluated here, on the syntax tree that still knows where everything stands, and not by `hcl::eval`:
//! that gives errors without a place and stops at the first, prints null and lists into templates, and panics on an
//! overflow or a remainder by zero. A budget bounds every evaluation, so no file can make it run or grow without end.

mod body;
mod built_in;
mod check;
mod declare;
mod eval;
mod format;
mod functions;
mod json;
mod lexical;
mod names;
mod operators;
mod parse;
mod render;
mod resolve;
mod template;
mod types;
mod uses;
mod values;
mod variables;

#[cfg(test)]
mod tests;

pub use built_in::{World, built_in, built_in_names, built_in_world};
pub use names::near_miss;
pub use render::render_problem;
pub use resolve::{VariableSources, resolve};
