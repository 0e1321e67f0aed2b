//! Decides, by three bounds, whether a view shows every operation that the primary has assigned.

use std::time::Duration;

use tokio::time::Instant;

use crate::rest::ShardCheckpoints;

/// How many refreshes of the index a view may lag behind the primary.
const REFRESHES: u32 = 3;
/// The shortest and the longest time in which a view converges.
const CONVERGES_WITHIN: (Duration, Duration) = (Duration::from_secs(1), Duration::from_mins(1));

/// Whether a view contains all that the primary held at its checkpoints: a search shows a write
/// only after the next refresh.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Convergence {
    /// The view has converged: the primary confirmed it, or there are no checkpoints to wait for.
    Converged,
    /// From this instant on, polls ask the primary for confirmation. Until then each poll reads.
    Converging { until: Instant },
    /// The index is refreshed only on request, so each poll reads.
    Unrefreshed,
}

impl Convergence {
    /// The initial state for checkpoints that were observed now.
    pub(super) fn from_now(refresh_interval: Option<Duration>) -> Self {
        visible_within(refresh_interval)
            .and_then(|within| Instant::now().checked_add(within))
            .map_or(Self::Unrefreshed, |until| Self::Converging { until })
    }
}

/// How long a copy may take to show what it holds; `None` if the index is refreshed only on
/// request.
pub(super) fn visible_within(refresh_interval: Option<Duration>) -> Option<Duration> {
    let interval = refresh_interval?;
    let (shortest, longest) = CONVERGES_WITHIN;
    let within = interval.saturating_mul(REFRESHES);
    Some(within.clamp(shortest, longest.max(interval)))
}

/// Proves that a later view is newer.
///
/// A view contains operations up to the highest number that was assigned when it was read. Once
/// every in-sync copy holds those, a view that shows a number assigned after that moment
/// contains all of them too: it is newer, whatever it lacks.
#[derive(Clone, Copy, Default, Debug)]
pub(super) struct FreshnessBound {
    /// The highest number that was assigned when the view had been read.
    assigned: Option<u64>,
    /// The highest number that was assigned when every in-sync copy held all of those.
    held_everywhere: Option<u64>,
}

impl FreshnessBound {
    /// Creates the bound for a view; these checkpoints were observed after it was read.
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

    /// Takes later checkpoints of the same primaries into account.
    pub(super) fn observe_checkpoint(&mut self, checkpoints: &ShardCheckpoints) {
        if self.held_everywhere.is_none()
            && self.assigned.is_some()
            && checkpoints.checkpoint() >= self.assigned
        {
            self.held_everywhere = checkpoints.max_seq_no();
        }
    }

    /// Whether a view with this highest number is certainly newer.
    pub(super) fn is_before(&self, max_seq_no: Option<u64>) -> bool {
        self.held_everywhere.is_some() && max_seq_no > self.held_everywhere
    }
}

/// The highest `_seq_no` below which a view lacks nothing: delta reads search above it.
///
/// It only selects what to read. Whether the result is complete is decided by fingerprints.
#[derive(Clone, Copy, Default, Debug)]
pub(super) struct LowWatermark {
    reached: Option<u64>,
    /// A checkpoint of the primary, and when every copy shows it.
    next: Option<(Instant, u64)>,
}

impl LowWatermark {
    /// Creates the mark for a view that was read now, from the checkpoints before it.
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

    /// Creates the mark after the primary showed the same documents as a view at these checkpoints.
    pub(super) fn converged(checkpoints: &ShardCheckpoints) -> Self {
        Self {
            reached: checkpoints.checkpoint(),
            next: None,
        }
    }

    /// The mark: all operations up to this number were seen. `None` if that is not known for any
    /// number.
    pub(super) fn reached(&self) -> Option<u64> {
        self.reached
    }
}
