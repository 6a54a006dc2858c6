//! The one clock. Whatever sleeps or asks for the time does it here, so that a rehearsal's hour takes milliseconds.
//!
//! Three settings: real time; virtual time (tokio's paused clock, with a starting point given by the simulated world); and
//! scaled time, where a simulator in another process runs N times faster and every wait is divided by the same N.

use std::time::{Duration, SystemTime};

use aws_smithy_async::time::TimeSource;
use jiff::Timestamp;
use tokio::time::Instant;

/// See the module's text.
#[derive(Clone, Debug)]
pub struct Clock {
    /// What the clock showed when it was made.
    epoch: SystemTime,
    /// When it was made.
    start: Instant,
    /// Seconds on this clock for one second of tokio's.
    scale: f64,
}

impl Clock {
    /// Real time, `scale` times faster (1 for a live account). Over the years a real clock may be set: `now` follows tokio's
    /// monotonic clock from the moment of creation, so that a run's records never go back in time.
    #[allow(clippy::disallowed_methods, reason = "the one place where the wall clock is read")]
    pub fn real(scale: f64) -> Self {
        Self { epoch: SystemTime::now(), start: Instant::now(), scale }
    }

    /// Virtual time that begins at `epoch`; meant for a runtime whose clock is paused.
    #[allow(clippy::disallowed_methods, reason = "a clock is made from tokio's")]
    pub fn starting_at(epoch: SystemTime) -> Self {
        Self { epoch, start: Instant::now(), scale: 1.0 }
    }

    /// The time now.
    pub fn now(&self) -> Timestamp {
        Timestamp::try_from(self.system_now()).unwrap_or(Timestamp::UNIX_EPOCH)
    }

    /// Sleeps for `duration` of this clock.
    #[allow(clippy::disallowed_methods, reason = "the one place that sleeps")]
    pub async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(self.to_real(duration)).await;
    }

    /// A duration of this clock in tokio's time.
    pub fn to_real(&self, duration: Duration) -> Duration {
        duration.div_f64(self.scale)
    }

    /// A duration of tokio's in this clock's time.
    pub fn from_real(&self, duration: Duration) -> Duration {
        duration.mul_f64(self.scale)
    }

    /// Time on this clock since it was made: never goes back.
    pub fn elapsed(&self) -> Duration {
        self.from_real(self.start.elapsed())
    }

    fn system_now(&self) -> SystemTime {
        self.epoch + self.elapsed()
    }
}

/// How long the machine has been suspended since it was started: the clock that goes on in its sleep, less the one that stands
/// still. A process that was suspended does not notice by its own timers. It is no time of day and is never written down.
pub fn time_asleep() -> Duration {
    let read = |clock| {
        let now = rustix::time::clock_gettime(clock);
        Duration::new(u64::try_from(now.tv_sec).unwrap_or(0), u32::try_from(now.tv_nsec).unwrap_or(0))
    };
    #[cfg(target_os = "linux")]
    let awake_and_asleep = read(rustix::time::ClockId::Boottime);
    // Elsewhere the monotonic clock itself goes on: then a sleep is not seen here, and the lock and the fence must do.
    #[cfg(not(target_os = "linux"))]
    let awake_and_asleep = read(rustix::time::ClockId::Monotonic);
    awake_and_asleep.saturating_sub(read(rustix::time::ClockId::Monotonic))
}

impl TimeSource for Clock {
    fn now(&self) -> SystemTime {
        self.system_now()
    }
}
