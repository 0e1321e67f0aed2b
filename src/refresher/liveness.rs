//! Determines whether the refresher is running. The refresher announces the instant by which it
//! will start or end a poll. A refresher that has not done so by the announced instant, for example
//! because it hangs, is overdue.

use std::time::Duration;

use tokio::time::Instant;

use crate::clock::Clock;
use crate::status::RefresherState;

/// The refresher counts as overdue if it starts or ends a poll more than this duration after the
/// announced instant. Even on a busy runtime, a task is delayed by less than five seconds.
pub(crate) const GRACE: Duration = Duration::from_secs(5);

/// A century. `FAR` replaces a duration that is too long to be added to the current instant.
const FAR: Duration = Duration::from_secs(24 * 36_500 * 60 * 60);

/// The last sign of life of the refresher.
#[derive(Clone, Copy, Debug, Default)]
pub(super) enum Liveness {
    #[default]
    NotStarted,
    /// The refresher is overdue if it has not started or ended a poll by this instant: the
    /// announced instant plus `GRACE`.
    DueBy(Instant),
    /// The refresher has ended, because its future has completed or was dropped.
    Ended,
}

impl Liveness {
    /// Returns the state of a refresher that will start or end a poll within `time`.
    pub(super) fn due_within(time: Duration) -> Self {
        let now = Instant::now();
        let due = now.checked_add(time.saturating_add(GRACE));
        Self::DueBy(due.unwrap_or(now + FAR))
    }

    pub(super) fn has_ended(self) -> bool {
        matches!(self, Self::Ended)
    }

    pub(super) fn state(self, clock: &dyn Clock) -> RefresherState {
        match self {
            Self::NotStarted => RefresherState::NotStarted,
            Self::Ended => RefresherState::Stopped,
            Self::DueBy(due) => match Instant::now().checked_duration_since(due) {
                None | Some(Duration::ZERO) => RefresherState::Running,
                Some(late) => RefresherState::Overdue {
                    since: clock.now().saturating_sub(late).unwrap_or_default(),
                },
            },
        }
    }
}
