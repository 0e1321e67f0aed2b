//! The wall clock as an injectable trait, and the system clock behind it, which never goes back.

use std::fmt;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

use jiff::Timestamp;

/// Tells the time of day. Injected, so that a test can set it.
pub trait Clock: Send + Sync + fmt::Debug {
    /// The current instant.
    fn now(&self) -> Timestamp;
}

/// The operating system's wall clock, which within one process is never taken back: what
/// has expired stays so.
///
/// When the wall clock is set back by more than a tenth of a second, time goes on from
/// where it was, at the pace of the clock that never jumps. When it is set forward, it is
/// followed; if that was by mistake, only a restart of the process takes it back.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(
        clippy::disallowed_methods,
        reason = "beside the wall clock, which tests do not pause either"
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

/// By how much the wall clock may run ahead before it is noted, in milliseconds.
const NOTED_AFTER: i64 = 100;

/// A wall clock that only goes forward.
#[derive(Debug)]
struct Forward {
    started: Timestamp,
    /// By how much the wall clock was set forward since, in milliseconds.
    ahead: AtomicI64,
    /// The latest time that was noted, in milliseconds since 1970. On the way that every
    /// reader takes nothing else is looked at, and it is written ten times a second.
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

    /// The time, from what the wall clock says and the other clock since the start.
    fn at(&self, wall: Timestamp, elapsed: impl FnOnce() -> Duration) -> Timestamp {
        let since = wall.as_millisecond() - self.latest.load(Ordering::Relaxed);
        if (0..NOTED_AFTER).contains(&since) {
            return wall;
        }
        self.note(wall, elapsed())
    }

    fn note(&self, wall: Timestamp, elapsed: Duration) -> Timestamp {
        // An end of time that no clock shows.
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

    /// The time after so many seconds, when the wall clock then says so many more.
    fn now(forward: &Forward, elapsed: u64, wall: i64) -> i64 {
        let noon: Timestamp = NOON.parse().unwrap();
        let wall = noon + jiff::SignedDuration::from_secs(wall);
        let now = forward.at(wall, || Duration::from_secs(elapsed));
        now.duration_since(noon).as_secs()
    }

    #[test]
    fn p4_a_wall_clock_that_is_set_back_does_not_take_the_time_back() {
        let forward = Forward::new(NOON.parse().unwrap());
        assert_eq!(now(&forward, 10, 10), 10);
        // Back by an hour: it goes on from there.
        assert_eq!(now(&forward, 11, -3589), 11);
        assert_eq!(now(&forward, 60, -3540), 60);
        // And forward again, by two.
        assert_eq!(now(&forward, 61, 7261), 7261);
        assert_eq!(now(&forward, 62, 62), 7262);
        assert_eq!(now(&forward, 3600, 3600), 10800);
        // Until the wall clock itself is there.
        assert_eq!(now(&forward, 3700, 10950), 10950);
    }

    #[test]
    fn a_wall_clock_that_goes_evenly_is_taken_as_it_is() {
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
