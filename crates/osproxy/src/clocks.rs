//! From the time of day to the monotonic clock of osproxy.

use std::time::Duration;

use jiff::Timestamp;
use osproxy_core::{Clock, Instant};

/// Both clocks of osproxy, read together.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reading {
    monotonic: Instant,
    wall: Timestamp,
}

impl Reading {
    pub(super) fn take(clock: &dyn Clock) -> Self {
        // In this order: what passes between the two makes an expiry earlier, never later.
        let monotonic = clock.now();
        let wall = clock.unix_nanos();
        Self {
            monotonic,
            // Not an error: it ends in the year 2554.
            wall: Timestamp::from_nanosecond(wall.into()).unwrap_or(Timestamp::MAX),
        }
    }

    /// The time of day.
    pub(super) fn wall(&self) -> Timestamp {
        self.wall
    }

    /// How long it is until then; nought if that has passed.
    pub(super) fn until(&self, then: Timestamp) -> Duration {
        let nanos = then.as_nanosecond() - self.wall.as_nanosecond();
        Duration::from_nanos(u64::try_from(nanos.max(0)).unwrap_or(u64::MAX))
    }

    /// When the monotonic clock shows what will then be the time of day, to the
    /// nanosecond: the only way to an [`Instant`] that there is. One that is too far
    /// away becomes the last that there is, which is earlier.
    pub(super) fn instant_of(&self, then: Timestamp) -> Instant {
        self.monotonic.saturating_add(self.until(then))
    }

    /// By how much the time of day has moved against the monotonic clock since.
    pub(super) fn drift_since(&self, earlier: &Self) -> Duration {
        let wall = self.wall.as_nanosecond() - earlier.wall.as_nanosecond();
        let passed = self
            .monotonic
            .saturating_duration_since(earlier.monotonic)
            .as_nanos();
        let drift = i128::try_from(passed).map_or(u128::MAX, |passed| wall.abs_diff(passed));
        Duration::from_nanos(u64::try_from(drift).unwrap_or(u64::MAX))
    }
}
