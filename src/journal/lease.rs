//! A clock that goes on while the machine sleeps.

use std::time::Duration;

/// Time since the machine was started, with the time it slept.
///
/// A process that was suspended does not notice by its own timers: they stood still too. What it read before may be old, and
/// a colleague may have taken over the run. Whoever is about to change something compares two readings of this clock: a gap
/// that its own work does not explain means to look again first. It is no time of day and is never written down.
pub fn boot_time() -> Duration {
    #[cfg(target_os = "linux")]
    let clock = rustix::time::ClockId::Boottime;
    // There the monotonic clock goes on during sleep.
    #[cfg(not(target_os = "linux"))]
    let clock = rustix::time::ClockId::Monotonic;
    let now = rustix::time::clock_gettime(clock);
    Duration::new(u64::try_from(now.tv_sec).unwrap_or(0), u32::try_from(now.tv_nsec).unwrap_or(0))
}
