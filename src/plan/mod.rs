//! Observe, then plan. Observing reads AWS and nothing else; planning is pure and synchronous, so that the same facts always
//! give the same plan. Going back is planned too: from the journal's mutations, by the steps' own inverses, or, where others have
//! deployed since and the operator asks for it, on what is there now.

pub mod checks;
mod closing;
mod estimate;
mod inventory;
mod left_out;
mod make;
mod newest;
mod observe;
pub mod policy;
mod returns;
pub mod sealed;
mod serving;
mod standing;
mod undo;
mod users;

pub use crate::stages::findings::CLAIMED;
pub use inventory::inventory;
pub use left_out::{leave_out, left_out};
pub use make::{check, make};
pub use newest::{MOVED_ON, Newest, read_newest};
pub use observe::{observe, observe_what_may_be, permits};
pub use returns::{Returns, read_returns};
pub use standing::{log_groups, standing, subject};
pub use undo::undo;
