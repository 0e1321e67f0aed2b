//! Defines the trait of the wall clock, so that tests can replace the clock. The module also
//! defines the system clock, whose time never goes back within a process.

use std::fmt;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

use jiff::Timestamp;

/// A clock that tells a store the time of day. An application passes the clock to the store, so a
/// test can pass a clock whose time the test controls.
///
/// A closure that returns a timestamp also implements `Clock`:
///
/// ```
/// use std::sync::Arc;
/// use opensearch_directives::{Clock, Config};
/// use jiff::Timestamp;
///
/// # let config = Config::for_url("http://127.0.0.1:9200".parse()?);
/// let noon: Timestamp = "2030-01-01T12:00:00Z".parse()?;
/// let config = config.with_clock(Arc::new(move || noon));
/// assert_eq!(config.clock.now(), noon);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub trait Clock: Send + Sync {
    /// Returns the current instant according to this clock.
    fn now(&self) -> Timestamp;
}

impl<F: Fn() -> Timestamp + Send + Sync> Clock for F {
    fn now(&self) -> Timestamp {
        self()
    }
}

/// Prints only the name of the trait, because a closure that is used as a clock does not implement
/// `Debug`.
impl fmt::Debug for dyn Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("dyn Clock")
    }
}

/// The operating system's wall clock, except that `SystemClock` never goes back within one process,
/// so an expired directive stays expired.
///
/// If somebody sets the wall clock back by more than a tenth of a second, `SystemClock` continues
/// from its last value at the rate of the monotonic clock. If somebody sets the wall clock forward,
/// `SystemClock` moves forward, too. If the wall clock was set forward by mistake and then
/// corrected, `SystemClock` stays ahead until the process is restarted or the wall clock has caught
/// up.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(
        clippy::disallowed_methods,
        reason = "the system clock also needs real monotonic time"
    )]
    fn now(&self) -> Timestamp {
        static FORWARD: LazyLock<(Forward, Instant)> =
            LazyLock::new(|| (Forward::new(wall()), Instant::now()));
        let (forward, started) = &*FORWARD;
        forward.at(wall(), || started.elapsed())
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the one place that reads the wall clock"
)]
fn wall() -> Timestamp {
    Timestamp::now()
}

/// `Forward` updates its stored time at most once in this many milliseconds.
const NOTED_AFTER: i64 = 100;

/// A wall clock that never goes back.
#[derive(Debug)]
struct Forward {
    started: Timestamp,
    /// The largest time by which the wall clock has been ahead of the monotonic clock since the
    /// start, in milliseconds.
    ahead: AtomicI64,
    /// The latest time that the clock has stored, in milliseconds since 1970. The clock updates
    /// `latest` about ten times a second. Most calls of `at` only load `latest` and do not write to
    /// it.
    latest: AtomicI64,
}

impl Forward {
    fn new(started: Timestamp) -> Self {
        Self {
            started,
            ahead: AtomicI64::new(0),
            latest: AtomicI64::new(started.as_millisecond()),
        }
    }

    /// Returns the time of a clock that never goes back, computed from the wall clock and from the
    /// monotonic time since the start.
    fn at(&self, wall: Timestamp, elapsed: impl FnOnce() -> Duration) -> Timestamp {
        let since = wall.as_millisecond() - self.latest.load(Ordering::Relaxed);
        if (0..NOTED_AFTER).contains(&since) {
            return wall;
        }
        self.note(wall, elapsed())
    }

    fn note(&self, wall: Timestamp, elapsed: Duration) -> Timestamp {
        // Adding the elapsed time fails only if the sum exceeds the largest representable time.
        let steady = self
            .started
            .saturating_add(elapsed)
            .unwrap_or(Timestamp::MAX);
        let ahead = wall.as_millisecond() - steady.as_millisecond();
        let ahead = self.ahead.fetch_max(ahead, Ordering::Relaxed).max(ahead);
        let expected = steady
            .saturating_add(Duration::from_millis(ahead.unsigned_abs()))
            .unwrap_or(Timestamp::MAX);
        let now = wall.max(expected);
        self.latest
            .fetch_max(now.as_millisecond(), Ordering::Relaxed);
        now
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    const NOON: &str = "2030-01-01T12:00:00Z";

    /// Returns the time that `forward` shows when the monotonic clock has advanced by `elapsed`
    /// seconds and the wall clock by `wall` seconds.
    fn now(forward: &Forward, elapsed: u64, wall: i64) -> i64 {
        let noon: Timestamp = NOON.parse().unwrap();
        let wall = noon + jiff::SignedDuration::from_secs(wall);
        let now = forward.at(wall, || Duration::from_secs(elapsed));
        now.duration_since(noon).as_secs()
    }

    #[test]
    fn p4_the_time_does_not_go_back_if_the_wall_clock_is_set_back() {
        let forward = Forward::new(NOON.parse().unwrap());
        assert_eq!(now(&forward, 10, 10), 10);
        // After the wall clock was set back by an hour, the time continues from its last value.
        assert_eq!(now(&forward, 11, -3589), 11);
        assert_eq!(now(&forward, 60, -3540), 60);
        // After the wall clock was set forward by two hours, the time moves forward, too.
        assert_eq!(now(&forward, 61, 7261), 7261);
        assert_eq!(now(&forward, 62, 62), 7262);
        assert_eq!(now(&forward, 3600, 3600), 10800);
        // The time stays ahead of the corrected wall clock until the wall clock has caught up.
        assert_eq!(now(&forward, 3700, 10950), 10950);
    }

    #[test]
    fn a_steady_wall_clock_is_returned_unchanged() {
        let forward = Forward::new(NOON.parse().unwrap());
        let noon: Timestamp = NOON.parse().unwrap();
        for step in 0..1000_i64 {
            let passed = jiff::SignedDuration::from_nanos(step * 20_123_457);
            let now = forward.at(noon + passed, || passed.unsigned_abs());
            assert_eq!(now, noon + passed);
        }
    }

    #[test]
    fn the_system_clock_is_the_wall_clock() {
        let (before, now, after) = (wall(), SystemClock.now(), wall());
        assert!(before <= now, "{before} {now}");
        assert!(now.duration_since(after).as_secs() < 1);
    }
}
