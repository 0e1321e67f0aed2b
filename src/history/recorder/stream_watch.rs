//! Detects that the data stream of the history was deleted or created again, also while the recorder
//! has nothing to send. A new stream lacks the records of the former one.

use std::collections::HashSet;
use std::time::Duration;

use tokio::time::Instant;

/// The interval between two checks, and the interval while the stream does not exist.
const INTERVAL: Duration = Duration::from_secs(30);
const INTERVAL_WHILE_MISSING: Duration = Duration::from_secs(3);

#[derive(Debug)]
pub(super) struct StreamWatch {
    /// The backing indices of the stream at the last check; `None` if the stream did not exist, or
    /// before the first check.
    backing: Option<HashSet<String>>,
    is_missing: bool,
    next_check: Instant,
}

/// The result of a check.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum StreamChange {
    Same,
    Missing,
    /// The stream exists again, or another stream has replaced it.
    Created,
}

impl StreamWatch {
    pub(super) fn new() -> Self {
        Self {
            backing: None,
            is_missing: false,
            next_check: Instant::now(),
        }
    }

    pub(super) fn next_check(&self) -> Instant {
        self.next_check
    }

    /// Schedules the next check.
    pub(super) fn postpone(&mut self) {
        let interval = if self.is_missing {
            INTERVAL_WHILE_MISSING
        } else {
            INTERVAL
        };
        self.next_check = Instant::now() + interval;
    }

    /// Compares the present backing indices with those of the last check. `backing` is `None` if
    /// the stream does not exist.
    pub(super) fn observe(&mut self, backing: Option<HashSet<String>>) -> StreamChange {
        let was_missing = std::mem::replace(&mut self.is_missing, backing.is_none());
        self.postpone();
        let Some(now) = backing else {
            self.backing = None;
            return StreamChange::Missing;
        };
        // A rollover adds a backing index, and a retention policy removes the oldest ones. So the
        // same stream always keeps at least one of its backing indices.
        let is_replaced = self
            .backing
            .as_ref()
            .is_some_and(|before| !before.is_empty() && before.is_disjoint(&now));
        self.backing = Some(now);
        if was_missing || is_replaced {
            StreamChange::Created
        } else {
            StreamChange::Same
        }
    }
}
