//! Reads the wall clock and osproxy's monotonic clock together, and converts expiries from the wall
//! clock to the monotonic clock.

use std::time::Duration;

use jiff::Timestamp;
use osproxy_core::{Clock, Instant};

/// The same moment on the wall clock and on osproxy's monotonic clock.
#[derive(Clone, Copy, Debug)]
pub(super) struct ClockPair {
    monotonic: Instant,
    wall: Timestamp,
}

impl ClockPair {
    /// Reads the wall clock and osproxy's monotonic clock.
    pub(super) fn read(clock: &dyn Clock) -> Self {
        // The monotonic clock is read first, so that the time between the two reads can only make a
        // converted expiry earlier.
        let monotonic = clock.now();
        let wall = clock.unix_nanos();
        Self {
            monotonic,
            // The conversion cannot fail, because the largest `u64` of nanoseconds since 1970 is a
            // time in the year 2554.
            wall: Timestamp::from_nanosecond(wall.into()).unwrap_or(Timestamp::MAX),
        }
    }

    /// Returns the time of the wall clock at which both clocks were read.
    pub(super) fn wall(&self) -> Timestamp {
        self.wall
    }

    /// Returns the time from the reading of the clocks to an instant of the wall clock, or zero if
    /// the instant has passed.
    pub(super) fn until(&self, then: Timestamp) -> Duration {
        let nanos = then.as_nanosecond() - self.wall.as_nanosecond();
        Duration::from_nanos(u64::try_from(nanos.max(0)).unwrap_or(u64::MAX))
    }

    /// Converts an instant of the wall clock to the same instant of osproxy's monotonic clock, to
    /// the nanosecond.
    ///
    /// If an expiry is beyond the range of [`Instant`], it becomes the last possible instant, so
    /// the directive expires earlier.
    pub(super) fn instant_of(&self, then: Timestamp) -> Instant {
        self.monotonic.saturating_add(self.until(then))
    }

    /// Returns by how much the wall clock and the monotonic clock have drifted apart since
    /// `earlier`, in either direction.
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
