//! Decides whether a view contains every operation to which the primary has assigned a `_seq_no`,
//! and whether a later view is certainly newer.

use std::time::Duration;

use tokio::time::Instant;

use crate::rest::ShardCheckpoints;

/// A view may lag behind the primary by this many refreshes of the index.
const REFRESHES: u32 = 3;
/// The shortest and the longest time that a view has to converge.
const CONVERGES_WITHIN: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));

/// The state of convergence: whether a view contains all operations that the primary held when its
/// checkpoints were observed. A search returns a write only after the next refresh, so a view can
/// lack recent operations.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Convergence {
    /// The view has converged, because the primary confirmed the view or because there are no
    /// checkpoints to wait for.
    Converged,
    /// Until the contained instant, each poll reads the index even if the checkpoints are
    /// unchanged. After the instant, polls request a confirmation of the view from the primary.
    Converging { until: Instant },
    /// The index refreshes only on request, so each poll reads the index even if the checkpoints
    /// are unchanged.
    Unrefreshed,
}

impl Convergence {
    /// Returns the initial convergence for checkpoints that were just observed.
    pub(super) fn from_now(refresh_interval: Option<Duration>) -> Self {
        visible_within(refresh_interval)
            .and_then(|within| Instant::now().checked_add(within))
            .map_or(Self::Unrefreshed, |until| Self::Converging { until })
    }
}

/// Returns the time after which a search on a shard copy certainly returns every operation that the
/// copy holds; `None` if the index refreshes only on request.
pub(super) fn visible_within(refresh_interval: Option<Duration>) -> Option<Duration> {
    let interval = refresh_interval?;
    let (shortest, longest) = CONVERGES_WITHIN;
    let within = interval.saturating_mul(REFRESHES);
    Some(within.clamp(shortest, longest.max(interval)))
}

/// A bound on `_seq_no` that belongs to one view. If another view contains a document above the
/// bound, the other view is certainly newer.
///
/// A view contains no operation above the highest `_seq_no` that was assigned when the view was
/// read. At some later moment, every in-sync copy holds all operations of the view. If another view
/// contains a `_seq_no` that was assigned after that moment, the copy behind the other view also
/// holds all operations of the view. The other view is therefore newer, and documents that are
/// missing from it were deleted.
#[derive(Clone, Copy, Default, Debug)]
pub(super) struct FreshnessBound {
    /// The highest `_seq_no` that was assigned when the read of the view ended.
    assigned: Option<u64>,
    /// The highest assigned `_seq_no` at the moment when every in-sync copy held all operations up
    /// to `assigned`.
    held_everywhere: Option<u64>,
}

impl FreshnessBound {
    /// Creates the bound for a view from the checkpoints that were observed after the read.
    pub(super) fn after_read(checkpoints: Option<&ShardCheckpoints>) -> Self {
        let mut bound = Self {
            assigned: checkpoints.and_then(ShardCheckpoints::max_seq_no),
            held_everywhere: None,
        };
        if let Some(checkpoints) = checkpoints {
            bound.observe_checkpoint(checkpoints);
        }
        bound
    }

    /// Updates the bound with later checkpoints of the same primaries.
    pub(super) fn observe_checkpoint(&mut self, checkpoints: &ShardCheckpoints) {
        if self.held_everywhere.is_none()
            && self.assigned.is_some()
            && checkpoints.checkpoint() >= self.assigned
        {
            self.held_everywhere = checkpoints.max_seq_no();
        }
    }

    /// Returns true if another view, whose highest `_seq_no` is `max_seq_no`, is certainly newer
    /// than the view of this bound.
    pub(super) fn is_before(&self, max_seq_no: Option<u64>) -> bool {
        self.held_everywhere.is_some() && max_seq_no > self.held_everywhere
    }
}

/// The `_seq_no` up to which a view contains every operation. A delta read searches for documents
/// above the low-water mark.
///
/// The low-water mark only limits the documents that a delta read requests. The fingerprints decide
/// whether the result of a delta read is complete.
#[derive(Clone, Copy, Default, Debug)]
pub(super) struct LowWatermark {
    reached: Option<u64>,
    /// A checkpoint of the primary, and the instant from which searches on every copy return all
    /// operations up to the checkpoint.
    next: Option<(Instant, u64)>,
}

impl LowWatermark {
    /// Returns the low-water mark for a view that was just read, given the checkpoints that were
    /// observed before the read.
    pub(super) fn after_view(
        self,
        checkpoints: Option<&ShardCheckpoints>,
        convergence: Convergence,
    ) -> Self {
        let mut watermark = self;
        if let Some((at, checkpoint)) = self.next {
            if Instant::now() < at {
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

    /// Returns the low-water mark for a view that a search on the primary confirmed at the given
    /// checkpoints.
    pub(super) fn converged(checkpoints: &ShardCheckpoints) -> Self {
        Self {
            reached: checkpoints.checkpoint(),
            next: None,
        }
    }

    /// Returns the `_seq_no` up to which all operations were read, or `None` if it is not known.
    pub(super) fn reached(&self) -> Option<u64> {
        self.reached
    }
}
