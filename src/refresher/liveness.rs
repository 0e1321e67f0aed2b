//! Determines whether the refresher is running, overdue or stopped. The refresher announces the
//! instant by which it will start or end a poll. A refresher that starts or ends no poll by the
//! announced instant, for example because it hangs, is overdue.

use std::time::Duration;

use tokio::time::Instant;

use crate::clock::Clock;
use crate::poll_pauses::LONGEST;
use crate::status::RefresherState;

/// A refresher counts as overdue if it starts or ends no poll until this long after the announced
/// instant. Five seconds are enough, because even a busy runtime delays a task by less.
pub(crate) const GRACE: Duration = Duration::from_secs(5);

/// What is known about the refresher: not started, due by an instant, or ended.
#[derive(Clone, Copy, Debug, Default)]
pub(super) enum Liveness {
    #[default]
    NotStarted,
    /// The refresher counts as overdue if it starts or ends no poll by this instant, which is the
    /// announced instant plus `GRACE`.
    DueBy(Instant),
    /// The refresher has ended, because its future has completed or was dropped.
    Ended,
}

impl Liveness {
    /// Returns the `Liveness` of a refresher that has announced that it will start or end a poll
    /// within `time`.
    pub(super) fn due_within(time: Duration) -> Self {
        Self::DueBy(Instant::now() + time.min(LONGEST) + GRACE)
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
