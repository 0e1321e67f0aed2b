//! Detects that the data stream of the history was deleted or created again, even while the
//! recorder has nothing to send. A new data stream lacks the records of the deleted data stream.

use std::collections::HashSet;
use std::time::Duration;

use tokio::time::Instant;

/// The interval between two checks of an existing stream, and the interval while the stream does
/// not exist.
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

/// The result of checking whether the data stream exists and is still the same.
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

    /// Schedules the next check of the data stream.
    pub(super) fn postpone(&mut self) {
        let interval = if self.is_missing {
            INTERVAL_WHILE_MISSING
        } else {
            INTERVAL
        };
        self.next_check = Instant::now() + interval;
    }

    /// Compares the current backing indices of the stream with those of the last check. `backing`
    /// is `None` if the stream does not exist.
    pub(super) fn observe(&mut self, backing: Option<HashSet<String>>) -> StreamChange {
        let was_missing = std::mem::replace(&mut self.is_missing, backing.is_none());
        self.postpone();
        let Some(now) = backing else {
            self.backing = None;
            return StreamChange::Missing;
        };
        // A rollover adds a backing index, and a retention policy removes the oldest ones. If no
        // backing index of the last check exists any longer, a new stream has therefore replaced
        // the former stream.
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
