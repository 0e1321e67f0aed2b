//! Replaces the published snapshot with a new one, or with an empty one when the published one
//! becomes too old.

use std::panic::AssertUnwindSafe;
use std::time::Duration;

use jiff::Timestamp;
use tokio::time::Instant;
use tracing::{info, warn};

use super::Poller;
use super::poll::panic_text;
use crate::error::PollError;
use opensearch_directives_core::{DirectiveSet, Snapshot};

/// The maximum number of rejections that are logged for each snapshot. The status contains all
/// rejections.
const LOGGED_REJECTIONS: usize = 100;

impl Poller {
    /// Publishes a snapshot unless it equals the published one. Returns whether the snapshot was
    /// published.
    pub(super) fn publish_if_new(&mut self, snapshot: Snapshot, now: Timestamp) -> bool {
        if self.shared.kept().is_same_as(&snapshot) {
            return false;
        }
        announce(&snapshot);
        let rejections = snapshot.rejections().len() as u64;
        self.outlet.publish(snapshot);
        self.shared.update(|progress| {
            progress.last_change = Some(now);
            progress.counters.publishes += 1;
            progress.counters.rejections += rejections;
        });
        true
    }

    /// Sets the instant from which no directive of the set applies, so that `clear_after` holds
    /// even if the refresher publishes no more sets. `age` is the time since the set was read.
    pub(super) fn withdraw_in_time(&self, set: &DirectiveSet, now: Timestamp, age: Duration) {
        if let Some(clear_after) = self.clear_after {
            let at = now.saturating_add(clear_after.saturating_sub(age));
            set.withdraw_at(at.unwrap_or(Timestamp::MAX));
        }
    }

    /// Returns the instant at which the published set becomes too old; `None` if no limit is
    /// configured, or if the published snapshot has no revision.
    pub(super) fn clear_at(&self) -> Option<Instant> {
        let clear_after = self.clear_after?;
        self.shared.kept().revision().as_ref()?;
        let read_age = self.shared.progress().read_age?;
        read_age.reaches(clear_after)
    }

    /// Publishes an empty set. A panic is caught and recorded.
    pub(super) fn clear(&mut self) {
        let guarded = std::panic::catch_unwind(AssertUnwindSafe(|| self.publish_empty()));
        if let Err(panic) = guarded {
            self.record_failure(&PollError::panic(panic_text(panic.as_ref())));
        }
    }

    fn publish_empty(&mut self) {
        warn!(
            clear_after = ?self.clear_after,
            "the published directives are too old; emptying the set"
        );
        self.published_generation = None;
        self.outlet.publish(Snapshot::default());
        let now = self.clock.now();
        self.shared.update(|progress| {
            progress.last_change = Some(now);
            progress.counters.publishes += 1;
        });
    }
}

/// Logs a snapshot before it is published.
fn announce(snapshot: &Snapshot) {
    let rejections = snapshot.rejections();
    for rejection in rejections.iter().take(LOGGED_REJECTIONS) {
        warn!(id = rejection.id(), reason = %rejection, "a document is rejected");
    }
    if let Some(more) = rejections.len().checked_sub(LOGGED_REJECTIONS)
        && more > 0
    {
        warn!(
            more,
            "further documents are rejected; the status lists all of them"
        );
    }
    info!(
        directives = snapshot.set().len(),
        rejected = rejections.len(),
        digest = %snapshot.digest(),
        "publishing a new set"
    );
}
