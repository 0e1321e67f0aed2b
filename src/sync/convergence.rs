//! Decides whether a view contains every operation to which the primary has assigned a `_seq_no`.
//! The freshness bound decides whether the view of a later read is certainly newer than the last
//! accepted view.

use std::time::Duration;

use tokio::time::Instant;

use crate::rest::ShardCheckpoints;

/// A view is at most this many refreshes of the index behind the primary.
const REFRESHES: u32 = 3;
/// The lower and the upper bound of the time after which a search certainly returns every operation
/// that a shard copy holds.
const CONVERGES_WITHIN: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));

/// Whether a view contains all operations that the primary held when the poll observed the
/// primary's checkpoints. A search returns a write only after the next refresh, so a view can lack
/// recent operations.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Convergence {
    /// The view has converged: the primary has confirmed the view, or there are no checkpoints with
    /// which a poll could compare the view.
    Converged,
    /// Before the instant `until`, each poll reads the index even if the checkpoints are unchanged.
    /// From the instant `until` on, a poll asks the primary to confirm the view.
    Converging { until: Instant },
    /// The index refreshes only on request, so each poll reads the index even if the checkpoints
    /// are unchanged.
    Unrefreshed,
}

impl Convergence {
    /// Returns the convergence of a view that a poll has read just now.
    pub(super) fn from_now(refresh_interval: Option<Duration>) -> Self {
        visible_within(refresh_interval)
            .and_then(|within| Instant::now().checked_add(within))
            .map_or(Self::Unrefreshed, |until| Self::Converging { until })
    }
}

/// Returns the time after which a search on a shard copy certainly returns every operation that the
/// copy holds. Returns `None` if the index refreshes only on request.
pub(super) fn visible_within(refresh_interval: Option<Duration>) -> Option<Duration> {
    let interval = refresh_interval?;
    let (shortest, longest) = CONVERGES_WITHIN;
    let within = interval.saturating_mul(REFRESHES);
    Some(within.clamp(shortest, longest.max(interval)))
}

/// The freshness bound of one view: a `_seq_no` above which another view is certainly newer. If a
/// second view contains a document above the freshness bound of a first view, the second view is
/// certainly newer than the first view.
///
/// A view contains no operation above the highest `_seq_no` that the primary had assigned when the
/// view was read. Some time after the read of a first view, every in-sync copy holds all operations
/// of the first view. A second view with a `_seq_no` that the primary assigned even later therefore
/// comes from a shard copy that holds all operations of the first view. If such a second view lacks
/// a document of the first view, the document was deleted.
///
/// After a failover, only the checkpoints of the new primary may set the freshness bound. While a
/// new primary resynchronises its copies, a copy can hold a new operation before it holds all older
/// operations. Every in-sync copy is resynchronised once the global checkpoint of the new primary
/// has reached the operations of the first view. A resynchronised copy no longer holds the
/// operations that the failover has lost.
#[derive(Clone, Default, Debug)]
pub(super) struct FreshnessBound {
    /// The highest `_seq_no` that the primary had assigned, according to the first checkpoints that
    /// were observed after the view was read.
    assigned: Option<u64>,
    /// The first checkpoints of the current primary which show that every in-sync copy holds all
    /// operations up to `assigned`.
    held_everywhere: Option<ShardCheckpoints>,
}

impl FreshnessBound {
    /// Creates the freshness bound of a view from the checkpoints that were observed after the view
    /// was read. `highest` is the highest `_seq_no` of the view.
    pub(super) fn after_read(checkpoints: Option<&ShardCheckpoints>, highest: Option<u64>) -> Self {
        let mut bound = Self::default();
        if let Some(checkpoints) = checkpoints {
            bound.observe_checkpoint(checkpoints, highest);
        }
        bound
    }

    /// Updates the freshness bound of a view with newly observed checkpoints. The checkpoints must
    /// have been observed after the view was read, and must belong to the same history of the
    /// index. `highest` is the highest `_seq_no` of the view.
    pub(super) fn observe_checkpoint(
        &mut self,
        checkpoints: &ShardCheckpoints,
        highest: Option<u64>,
    ) {
        if self.assigned.is_none() {
            self.assigned = checkpoints.max_seq_no().max(highest);
        }
        let held = self.held_everywhere.take();
        self.held_everywhere = held
            .filter(|held| checkpoints.follows(held))
            .or_else(|| self.is_reached(checkpoints).then(|| checkpoints.clone()));
    }

    fn is_reached(&self, checkpoints: &ShardCheckpoints) -> bool {
        self.assigned.is_some() && checkpoints.checkpoint() >= self.assigned
    }

    /// Returns true if a second view is certainly newer than the view to which this freshness bound
    /// belongs. `max_seq_no` is the highest `_seq_no` of the second view.
    pub(super) fn is_before(&self, max_seq_no: Option<u64>) -> bool {
        let held = self.held_everywhere.as_ref();
        held.is_some_and(|held| max_seq_no > held.max_seq_no())
    }
}

/// The low-water mark: a view contains every operation up to this `_seq_no`. A delta read searches
/// for documents above the low-water mark.
///
/// The low-water mark only decides which documents a delta read requests. The fingerprints decide
/// whether the result of the delta read is complete.
#[derive(Clone, Copy, Default, Debug)]
pub(super) struct LowWatermark {
    reached: Option<u64>,
    /// The next value of the low-water mark, and the instant from which this value is valid. From
    /// the instant in `next` on, a search on any shard copy returns all operations up to the
    /// `_seq_no` in `next`.
    next: Option<(Instant, u64)>,
}

impl LowWatermark {
    /// Returns the low-water mark for a view that a poll has read. The poll must have observed
    /// `checkpoints` before it read the view. `began` is the instant at which the poll began: the
    /// poll may have read the view long before it ended.
    pub(super) fn after_view(
        self,
        checkpoints: Option<&ShardCheckpoints>,
        convergence: Convergence,
        began: Instant,
    ) -> Self {
        let mut watermark = self;
        if let Some((at, checkpoint)) = self.next {
            if began < at {
                return watermark;
            }
            watermark.reached = watermark.reached.max(Some(checkpoint));
        }
        let checkpoint = checkpoints.and_then(ShardCheckpoints::checkpoint);
        watermark.next = match (checkpoint, convergence) {
            (Some(checkpoint), Convergence::Converging { until }) => Some((until, checkpoint)),
            _ => None,
        };
        watermark
    }

    /// Returns the low-water mark for a view that a search on the primary has confirmed.
    /// `checkpoints` must come from the primary that has confirmed the view.
    pub(super) fn converged(checkpoints: &ShardCheckpoints) -> Self {
        Self {
            reached: checkpoints.checkpoint(),
            next: None,
        }
    }

    /// Returns the `_seq_no` up to which the polls have read all operations, or `None` if this
    /// number is not known yet.
    pub(super) fn reached(&self) -> Option<u64> {
        self.reached
    }
}

#[cfg(test)]
#[path = "convergence_tests.rs"]
mod tests;
