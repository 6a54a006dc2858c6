//! Virtual time as clients and simulator share it.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_smithy_async::time::TimeSource;
use tokio::time::Instant;

use super::Millis;

/// A clock that starts at a world's time and follows tokio's: on a paused runtime it jumps with it, on a running one it may go
/// faster by a factor. Clones show the same time.
#[derive(Clone, Debug)]
pub struct SimClock(Arc<Mutex<Reading>>);

#[derive(Debug)]
struct Reading {
    /// Virtual time at `since`, epoch milliseconds.
    base: Millis,
    since: Instant,
    running: bool,
    speed: f64,
}

impl Reading {
    fn now(&self) -> Millis {
        if !self.running {
            return self.base;
        }
        let elapsed = self.since.elapsed().as_millis();
        let scaled = if self.speed == 1.0 { elapsed as Millis } else { (elapsed as f64 * self.speed) as Millis };
        self.base + scaled
    }

    fn rebase(&mut self, base: Millis) {
        self.base = base;
        self.since = now();
    }
}

/// Where this clock takes tokio's time from.
#[allow(clippy::disallowed_methods, reason = "the simulator's one clock is made from tokio's")]
fn now() -> Instant {
    Instant::now()
}

impl SimClock {
    /// A clock that shows `start` (epoch milliseconds) now and goes `speed` times as fast as tokio's. Make it inside the runtime
    /// whose time it shall follow.
    pub fn new(start: Millis, speed: f64) -> Self {
        let speed = if speed.is_finite() && speed > 0.0 { speed } else { 1.0 };
        Self(Arc::new(Mutex::new(Reading { base: start, since: now(), running: true, speed })))
    }

    fn with<R>(&self, f: impl FnOnce(&mut Reading) -> R) -> R {
        f(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Virtual now, epoch milliseconds.
    pub fn now_millis(&self) -> Millis {
        self.with(|reading| reading.now())
    }

    /// How long tokio must sleep for `millis` of virtual time to pass.
    pub fn real(&self, millis: Millis) -> Duration {
        let speed = self.with(|reading| reading.speed);
        Duration::from_secs_f64(millis.max(0) as f64 / 1000.0 / speed)
    }

    /// Waits for `millis` of virtual time.
    #[allow(clippy::disallowed_methods, reason = "the simulator's one place that sleeps")]
    pub async fn sleep(&self, millis: Millis) {
        tokio::time::sleep(self.real(millis)).await;
    }

    /// Stops the clock until [`Self::resume`], and shows that time from now on: what passed while nobody looked is taken back.
    pub fn pause_at(&self, millis: Millis) {
        self.with(|reading| {
            reading.rebase(millis);
            reading.running = false;
        });
    }

    /// Stops the clock until [`Self::resume`].
    pub fn pause(&self) {
        self.with(|reading| {
            let now = reading.now();
            reading.rebase(now);
            reading.running = false;
        });
    }

    /// Lets a stopped clock go on.
    pub fn resume(&self) {
        self.with(|reading| {
            let now = reading.now();
            reading.rebase(now);
            reading.running = true;
        });
    }

    /// Sets the clock forward, stopped or not.
    pub fn advance(&self, millis: Millis) {
        self.with(|reading| {
            let now = reading.now();
            reading.rebase(now + millis.max(0));
        });
    }
}

impl TimeSource for SimClock {
    fn now(&self) -> SystemTime {
        UNIX_EPOCH + Duration::from_millis(self.now_millis().max(0).unsigned_abs())
    }
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "tests of the clock let tokio's time pass, which is paused")]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn it_follows_tokios_time_by_its_factor() {
        let clock = SimClock::new(1_000_000, 4.0);
        tokio::time::sleep(Duration::from_secs(2)).await;
        assert_eq!(clock.now_millis(), 1_008_000);
        assert_eq!(clock.real(8_000), Duration::from_secs(2));
    }

    #[tokio::test(start_paused = true)]
    async fn a_stopped_clock_moves_only_by_hand() {
        let clock = SimClock::new(0, 1.0);
        clock.pause();
        tokio::time::sleep(Duration::from_secs(9)).await;
        clock.advance(500);
        assert_eq!(clock.now_millis(), 500);
        clock.resume();
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert_eq!(clock.now_millis(), 1_500);
    }
}
