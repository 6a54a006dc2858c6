//! The harness of the tests: [`sidestep::drill`] with what a test expects unwrapped, and worlds to try things on.

// Each test binary uses its own part of this.
#![allow(dead_code, unused_imports)]

mod lab;
pub mod worlds;

pub use lab::{Lab, StopExt, foreign, paused};
pub use sidestep::drill::{Case, Choice, Course, Depth, Fork, Point, PointKind, Stop, Tap, compare, sweep};
