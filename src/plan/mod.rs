//! Observe, then plan. Observing reads AWS and nothing else; planning is pure and synchronous, so that the same facts always
//! give the same plan. Going back is planned too: from the journal's mutations, by the steps' own inverses.

mod closing;
mod make;
mod observe;
mod undo;

pub use make::{check, make};
pub use observe::observe;
pub use undo::undo;
