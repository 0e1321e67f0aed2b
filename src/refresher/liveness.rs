//! Whether the refresher runs, as everybody who reads the status can tell without its help.

use std::time::Duration;

use tokio::time::Instant;

use crate::clock::Clock;
use crate::status::RefresherState;

/// How late the refresher may be before it counts as overdue: longer than a busy runtime delays a
/// task.
pub(crate) const GRACE: Duration = Duration::from_secs(5);

/// A century.
const FAR: Duration = Duration::from_hours(24 * 36_500);

/// The last sign of life of the refresher.
#[derive(Clone, Copy, Debug, Default)]
pub(super) enum Liveness {
    #[default]
    NotStarted,
    /// It announced that it would do something by this instant.
    DueBy(Instant),
    /// Its future completed or was dropped.
    Ended,
}

impl Liveness {
    /// The refresher acts again within this time.
    pub(super) fn due_within(time: Duration) -> Self {
        let now = Instant::now();
        let due = now.checked_add(time.saturating_add(GRACE));
        // A time that cannot be represented is replaced by one that nobody awaits.
        Self::DueBy(due.unwrap_or(now + FAR))
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
