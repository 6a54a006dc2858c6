//! The journal: what every run did, appended and never changed, in one SQLite file of the state directory.
//!
//! ```text
//!   <state>/journal.db          runs, records, claims on services, requests from other terminals
//!   <state>/locks/<run>.lock    locked by the process that works on the run, for as long as it lives
//!
//!   Journal ── create / acquire ──▶ OpenRun (a Store) ── append ──▶ one transaction, one durable commit:
//!      │                               │                              fence still ours? → records → claims
//!      ├─ runs, records, view, find    ├─ view: the fold, kept as records are appended
//!      └─ post ── request ────────────▶└─ take_requests
//! ```
//!
//! Who may write is decided three times over. The lock of the operating system says at once whether the holder of a run is
//! alive: it goes with the process, however that ends. The fence is a counter that each take-over raises: an append under an
//! older number is refused in its own transaction, so a process that lost its lock without noticing (the lock file was
//! removed, a laptop slept) writes nothing more. Claims keep two unfinished runs off the same service.
//!
//! A process that is stopped or hung keeps its lock. A take-over raises the fence and, in the same transaction, puts a lock file
//! of its own in the place of the old one: the old process holds a file that no path leads to any more, and a third meets the
//! new holder. The old process finds that out when it asks next (a [`Sentry`] asks for it every second, and first of all when
//! it is continued), and can neither append nor send a change.
//!
//! What belongs together and is not together any more is refused (`lost`): a journal, its log or its lock files that were removed
//! must not pass for a directory in which less happened.
//!
//! Everything here is synchronous and reads no clock: a commit runs in line with its caller, and times are handed in.

mod claims;
mod copy;
mod db;
mod lock;
mod lost;
mod open_run;
mod place;
mod read;
mod request;
mod schema;
mod sentry;
mod store;
mod take_over;
mod writer;

#[cfg(test)]
mod tests;

pub use copy::{files, lay_out};
pub use open_run::OpenRun;
pub use read::RunSummary;
pub use request::Request;
pub use sentry::Sentry;
pub use store::{Journal, Store};
pub use take_over::TakenOver;
