//! Drills: a run on a simulated account, interrupted wherever it can be, and an exact verdict on what became of the world.
//!
//! ```text
//!   sim::State ─▶ Wire (SimConnector, tapped) ─▶ aws::Aws ─▶ plan ─▶ Engine ─▶ Watched (OpenRun) ─▶ journal files
//!                    │                                                    │
//!                    └────────── Tap: a Fork at each crash point ◀────────┘
//!   Fork (world and journal files at that instant) ─▶ Lab, taken up anew: resume, or roll back ─▶ compare
//! ```
//!
//! Everything but the interruption is the product's own: planner, engine, journal, AWS clients. `rehearse --faults` runs drills
//! on the operator's world and runbook; the project's tests run them on theirs.

pub mod compare;
mod hands;
pub mod invariants;
mod lab;
mod marks;
mod proof;
mod swarm;
mod sweep;
mod tap;
mod watch;
mod weather;
mod world;

#[cfg(test)]
mod tests;

pub use lab::{Lab, Stop, foreign, paused};
pub use marks::Marks;
pub use proof::{AFTERMATH, Claim, Crashed, Proof, WayBack, prove};
pub use swarm::{Ended, Ground, Herd, Trial, swarm, trial};
pub use sweep::{Case, Choice, Course, Depth, Failed, Row, Tally, Tries, sweep};
pub use tap::{Counted, Files, Fork, Point, PointKind, Recorder, Tap};
pub use watch::SharedWatch;
pub use weather::{Kind, Weather};
pub use world::lived_in;
