//! The time since a read of the index, measured with the monotonic clock.

use std::time::Duration;

use tokio::time::Instant;

/// The time since a read of the index. A `ReadAge` grows with the monotonic clock and needs no
/// update.
#[derive(Clone, Copy, Debug)]
pub(super) struct ReadAge {
    noted_at: Instant,
    then: Duration,
}

impl ReadAge {
    pub(super) fn noted_now(then: Duration) -> Self {
        Self {
            noted_at: Instant::now(),
            then,
        }
    }

    pub(super) fn now(self) -> Duration {
        self.then.saturating_add(self.noted_at.elapsed())
    }

    /// Returns the instant at which `age` will have passed since the read of the index.
    pub(super) fn reaches(self, age: Duration) -> Option<Instant> {
        self.noted_at.checked_add(age.saturating_sub(self.then))
    }
}
