//! How things are shown and asked. Steps and errors carry facts; only this module makes sentences of them.
//!
//! ```text
//!   Plan ─────────▶ plan_view ─────┐
//!   RunView, Event ▶ lines ─ bars ─┤
//!                  ▶ live_view ┘   │
//!                 ▶ json           ├──▶ text ──▶ Out ──▶ stdout (data), stderr (status)
//!   RunView ──────▶ status, summary┤
//!   records ──────▶ report ────────┤
//!   Error ────────▶ error ─────────┘
//!   questions ────▶ prompt (an `Ask`) ──▶ answers
//! ```
//!
//! Views are functions from values to text: they read no clock and write nowhere. [`Out`] is the one printer; a closed pipe or
//! terminal never stops a run. Nothing depends on colour: a sign or a word always says the same.

pub mod advice;
pub mod bars;
pub mod calls;
pub mod closing;
pub mod doctor_view;
pub mod error;
pub mod json;
mod keys;
pub mod lines;
pub mod live_view;
mod out;
mod plan_json;
pub mod plan_view;
mod progress;
pub mod prompt;
pub mod proof_view;
mod remains_view;
pub mod report;
pub mod runs_view;
pub mod status_view;
mod style;
pub mod summary;
pub mod sweep_view;
pub mod text;

#[cfg(test)]
pub(crate) mod fixtures;

pub use bars::LiveScreen;
pub use keys::lend_keys;
pub use lines::{LineOptions, LinePrinter, is_trouble};
pub use out::Out;
pub use progress::said as progress_lines;
pub use prompt::Ask;
pub use style::Style;
