//! The harness of the black-box tests: a simulated account, the real engine over a real journal, and crashes wherever wanted.
//!
//! ```text
//!   world file ─▶ sim::State ─▶ Wire (SimConnector, watched) ─▶ aws::Aws ─▶ plan ─▶ Engine ─▶ Watched (OpenRun) ─▶ journal files
//!                                  │                                                     │
//!                                  └────────── Tap: a Fork at each crash point ◀─────────┘
//!   Fork (world and journal files at that instant) ─▶ Lab, taken up anew: resume, or roll back ─▶ compare::Verdict
//! ```

// Each test binary uses its own part of this.
#![allow(dead_code, unused_imports)]

pub mod compare;
pub mod lab;
pub mod sweep;
pub mod tap;
pub mod worlds;

pub use lab::{Lab, Stop, paused};
pub use tap::{Fork, Point, PointKind, Tap};
