//! Replaces the published snapshot with a new snapshot, or with an empty snapshot when the
//! published snapshot becomes too old.

use std::panic::AssertUnwindSafe;
use std::time::Duration;

use jiff::Timestamp;
use tokio::time::Instant;
use tracing::{info, warn};

use super::Poller;
use super::poll::panic_text;
use super::read_age::ReadAge;
use crate::error::PollError;
use crate::rest::{off_the_runtime, weight_of};
use crate::sync::Origins;
use opensearch_directives_core::{DirectiveSet, Snapshot};

/// The shortest pause between two searches of the whole directive set for starts and expiries. One
/// search logs all directives that have started or expired since the previous search.
const SHORTEST_PAUSE: Duration = Duration::from_secs(1);

impl Poller {
    /// Publishes `snapshot` if it differs from the published snapshot. `read` is the time since the
    /// snapshot was read. Returns true if the snapshot was published.
    pub(super) async fn publish_if_new(
        &mut self,
        snapshot: Snapshot,
        origins: Option<Origins>,
        (now, read): (Timestamp, ReadAge),
    ) -> bool {
        if self.shared.kept().is_same_as(&snapshot) {
            return false;
        }
        info!(
            directives = snapshot.set().len(),
            rejected = snapshot.rejections().len(),
            digest = %snapshot.digest(),
            "publishing a new set"
        );
        let snapshot = self.with_hit_counters(snapshot, now).await;
        let before = self.shared.kept();
        self.forget_applied_of_other_index(&before, &snapshot);
        self.outlet.publish(snapshot, Some(read.now()));
        self.note_publish(now);
        self.log_changes(&before, origins, now);
        true
    }

    /// Forgets the applied `_seq_no` if the new snapshot comes from another index, because the
    /// `_seq_no`s of two indices cannot be compared. The poll records the applied `_seq_no` of the
    /// new index only at the end of the poll.
    fn forget_applied_of_other_index(&self, before: &Snapshot, after: &Snapshot) {
        let uuid = |snapshot: &Snapshot| {
            let revision = snapshot.revision();
            revision.map(|revision| revision.uuid.clone())
        };
        if uuid(before) != uuid(after) {
            self.shared
                .update(|progress| progress.source.applied_seq_no = None);
        }
    }

    /// Records the time of a publish in the status, and increments the counter of publishes.
    fn note_publish(&self, now: Timestamp) {
        self.shared.update(|progress| {
            progress.last_change = Some(now);
            progress.counters.publishes += 1;
        });
    }

    /// Logs and counts the differences between a former snapshot and the published snapshot. The
    /// poller logs the changes only after the publish, because writing a log can be slow.
    pub(super) fn log_changes(
        &mut self,
        before: &Snapshot,
        origins: Option<Origins>,
        now: Timestamp,
    ) {
        let after = self.shared.kept();
        let (changes, rejections) = self.change_log.publish(before, &after, origins, now);
        self.shared.update(|progress| {
            progress.counters.changes += changes;
            progress.counters.rejections += rejections;
        });
    }

    /// Returns the instant at which the refresher must log the next start or expiry of a directive.
    /// Returns `None` if the clock panics, because the next poll reports the panic.
    pub(super) fn boundary_at(&self) -> Option<Instant> {
        let next = self.change_log.next()?;
        let now = std::panic::catch_unwind(AssertUnwindSafe(|| self.clock.now())).ok()?;
        let wait = Duration::try_from(next.duration_since(now)).unwrap_or_default();
        let at = Instant::now().checked_add(wait)?;
        // The pause between two searches for starts and expiries is kept even if the clock does not
        // advance or is adjusted. The pause counts from the last search and not from the call of
        // `boundary_at`, because each poll calls `boundary_at` again and would postpone the next
        // search.
        let pass = self.boundary_pass_at;
        Some(pass.map_or(at, |pass| at.max(pass + SHORTEST_PAUSE)))
    }

    /// Logs the directives that have started or expired since the last search for them. A panic of
    /// the application's clock or log subscriber is caught, and recorded as a failed poll.
    pub(super) fn log_boundary(&mut self) {
        self.boundary_pass_at = Some(Instant::now());
        let guarded = std::panic::catch_unwind(AssertUnwindSafe(|| {
            let (kept, now) = (self.shared.kept(), self.clock.now());
            let changes = self.change_log.advance(kept.set(), now);
            self.shared
                .update(|progress| progress.counters.changes += changes);
        }));
        if let Err(panic) = guarded {
            self.record_failure(&PollError::panic(panic_text(panic.as_ref())));
        }
    }

    /// Attaches the hit counters to the directive set of `snapshot`, if the store counts matches.
    pub(super) async fn with_hit_counters(&self, snapshot: Snapshot, now: Timestamp) -> Snapshot {
        let Some(counters) = self.shared.hit_counters.clone() else {
            return snapshot;
        };
        let weight = weight_of(snapshot.set().len());
        off_the_runtime(weight, move || snapshot.counted_by(&counters, now)).await
    }

    /// Sets the instant from which no directive of `set` applies any more, because the age of the
    /// set has reached `clear_after`. Each evaluation of a request checks this instant, so
    /// `clear_after` is in force even if the refresher no longer runs. `age` is the time since the
    /// set was read from the index.
    pub(super) fn withdraw_in_time(&self, set: &DirectiveSet, now: Timestamp, age: Duration) {
        if let Some(clear_after) = self.clear_after {
            let at = now.saturating_add(clear_after.saturating_sub(age));
            set.withdraw_at(at.unwrap_or(Timestamp::MAX));
        }
    }

    /// Returns the instant at which the age of the published set reaches `clear_after`; `None` if
    /// `clear_after` is not configured, or if the published snapshot has no revision.
    pub(super) fn clear_at(&self) -> Option<Instant> {
        let clear_after = self.clear_after?;
        self.shared.kept().revision().as_ref()?;
        let read_age = self.shared.progress().read_age?;
        read_age.reaches(clear_after)
    }

    /// Publishes an empty directive set, because the published set has reached the age
    /// `clear_after`. A panic of the application's clock or log subscriber is caught, and recorded
    /// as a failed poll.
    pub(super) fn clear(&mut self) {
        let guarded = std::panic::catch_unwind(AssertUnwindSafe(|| self.publish_empty()));
        if let Err(panic) = guarded {
            self.record_failure(&PollError::panic(panic_text(panic.as_ref())));
        }
    }

    fn publish_empty(&mut self) {
        warn!(
            clear_after = ?self.clear_after,
            "the last complete read is older than clear_after; publishing an empty set, so no \
             directive applies"
        );
        self.published_generation = None;
        let before = self.shared.kept();
        // The empty directive set is published before the clock is read, because the application's
        // clock may panic.
        self.outlet.publish(Snapshot::default(), None);
        let now = self.clock.now();
        self.note_publish(now);
        self.log_changes(&before, None, now);
    }
}
