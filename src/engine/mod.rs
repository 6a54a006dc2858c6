//! Executes a plan: forward or back, first time or resumed, live or rehearsed. It knows no stage by name and shows nothing.
//!
//! ```text
//!                    ┌────────────── dispatcher: the one select! ──────────────┐
//!   signals ────────▶│ control │ messages of lanes │ ended lanes │ tick        │
//!   other terminals ▶│   └──────────────┬──────────────────────────────────────│──▶ sink (what is shown)
//!                    │        handle: synchronous; commits, then answers       │
//!                    └───────▲─────────────────────────────────────┬───────────┘
//!                  records to be made durable               go on, or stop
//!                            │                                     ▼
//!                         lane: prepare ─ intent ─ apply ─ outcome ─ next step
//! ```
//!
//! Before each stage the run's claims are seen to (`claims`): a run that meets another's stops there.
//!
//! A lane never writes and never shows: it asks the dispatcher to make records durable, and goes on when that is done.

mod claims;
mod control;
mod dispatcher;
mod lane;
mod look;
mod onlooker;
mod watched;

pub use control::{Control, Ending, StageStop};
pub use dispatcher::{Engine, Sink, hold_applies};
pub use onlooker::look_on;
pub use watched::while_held;
