//! Why it does not work: what AWS knows of the services that a runbook is about, and what most likely lies behind it.
//!
//! ```text
//!   facts (plan), checks (plan) ──┐
//!   tasks, targets, instances ────┴─▶ Evidence ──▶ causes, one after the other ──▶ Examination
//!          reads AWS                    values          pure, the deepest first      what is shown
//! ```
//!
//! Reading and judging are apart: a cause looks at an [`Evidence`] and at nothing else. [`likely`] is the one place that knows what AWS's
//! words for a task's end mean.

mod causes;
mod evidence;
mod patient;
mod permits;
mod sayings;
mod tail;

pub use causes::examine;
pub use evidence::{Evidence, Trouble, last_lines, read};
pub use permits::permits;
pub use sayings::{lacks_permission, likely};
pub use tail::{Line, Tail};
