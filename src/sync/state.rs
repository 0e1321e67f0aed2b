//! What is known of the index: one view of it, and where the primary stood then.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::time::Instant;

use super::replica::Replica;
use crate::rest::Aggregates;
use crate::rest::{ConcreteIndex, ShardCheckpoints};
use opensearch_directives_core::Revision;
use opensearch_directives_core::Snapshot;
use opensearch_directives_core::internal::SnapshotParts;

/// How many refreshes of the index a view may lag behind the primary.
const REFRESHES: u32 = 3;
/// The shortest and the longest time in which a view settles.
const SETTLES_WITHIN: (Duration, Duration) = (Duration::from_secs(1), Duration::from_mins(1));
/// How far below the highest `_seq_no` changes are looked for while it is not known up to
/// which one all were seen.
const LOOK_BACK: u64 = 100;

/// One view of the index, complete.
#[derive(Clone, Debug)]
pub(super) struct Known {
    pub(super) index: ConcreteIndex,
    /// Where the primaries stood before the view was read; `None` if they do not tell.
    pub(super) mark: Option<ShardCheckpoints>,
    pub(super) replica: Arc<Replica>,
    /// The newest `updated_at` of all documents.
    pub(super) updated_at: Option<Timestamp>,
    pub(super) settling: Convergence,
    pub(super) cursor: LowWatermark,
    pub(super) shown: FreshnessBound,
    /// Where the primaries stood when the view had been read.
    pub(super) end: Option<ShardCheckpoints>,
    /// The highest primary term that a document was written in.
    pub(super) term: Option<u64>,
    /// Whether the primary showed other documents when it was asked last.
    pub(super) lags: bool,
}

/// What proves a later view to be newer.
///
/// A view holds operations up to the highest number that was given when it was read. Once
/// every copy holds those, a view that shows a number given after that moment holds them
/// too: it is newer, whatever is gone in it.
#[derive(Clone, Copy, Default, Debug)]
pub(super) struct FreshnessBound {
    /// The highest number that was given when the view had been read.
    up_to: Option<u64>,
    /// The highest number that was given when every copy held all of those.
    held_at: Option<u64>,
}

impl FreshnessBound {
    /// For a view that had been read at the mark.
    pub(super) fn at(mark: Option<&ShardCheckpoints>) -> Self {
        let mut shown = Self {
            up_to: mark.and_then(ShardCheckpoints::max_seq_no),
            held_at: None,
        };
        if let Some(mark) = mark {
            shown.look(mark);
        }
        shown
    }

    /// Takes notice of where the primary stands later.
    pub(super) fn look(&mut self, mark: &ShardCheckpoints) {
        if self.held_at.is_none() && self.up_to.is_some() && mark.checkpoint() >= self.up_to {
            self.held_at = mark.max_seq_no();
        }
    }

    /// Whether a view with this highest number is newer for certain.
    pub(super) fn is_before(&self, max_seq_no: Option<u64>) -> bool {
        self.held_at.is_some() && max_seq_no > self.held_at
    }
}

/// Whether the view is all that the primary held at the mark: a search sees a write only
/// after the next refresh.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Convergence {
    /// It is, as the primary confirmed, or as no mark says otherwise.
    Settled,
    /// To be asked from then on. Until then each poll reads.
    At(Instant),
    /// The index does not refresh by itself: each poll reads.
    Never,
}

impl Convergence {
    /// For a mark seen now.
    pub(super) fn from_now(refresh_interval: Option<Duration>) -> Self {
        refreshed_within(refresh_interval)
            .and_then(|within| Instant::now().checked_add(within))
            .map_or(Self::Never, Self::At)
    }
}

/// How long a copy may take to show what it holds; `None` if it does not refresh by itself.
pub(super) fn refreshed_within(refresh_interval: Option<Duration>) -> Option<Duration> {
    let interval = refresh_interval?;
    let (least, most) = SETTLES_WITHIN;
    let within = interval.saturating_mul(REFRESHES);
    Some(within.clamp(least, most.max(interval)))
}

/// Up to which `_seq_no` a view has seen everything: changes are looked for above.
///
/// Only where to look. Whether what was found is all, the fingerprints tell.
#[derive(Clone, Copy, Default, Debug)]
pub(super) struct LowWatermark {
    seen: Option<u64>,
    /// What the primary had written, and when every copy shows it.
    next: Option<(Instant, u64)>,
}

impl LowWatermark {
    /// After a view that was read now, for the mark before it.
    pub(super) fn after_view(self, mark: Option<&ShardCheckpoints>, settling: Convergence) -> Self {
        let mut cursor = self;
        if let Some((at, checkpoint)) = self.next {
            if Instant::now() < at {
                return cursor;
            }
            cursor.seen = cursor.seen.max(Some(checkpoint));
        }
        cursor.next = match (mark.and_then(ShardCheckpoints::checkpoint), settling) {
            (Some(checkpoint), Convergence::At(at)) => Some((at, checkpoint)),
            _ => None,
        };
        cursor
    }

    /// After the primary showed the same as a view that was read for the mark.
    pub(super) fn settled(mark: &ShardCheckpoints) -> Self {
        Self {
            seen: mark.checkpoint(),
            next: None,
        }
    }

    /// All numbers up to it were seen; `None` if that is not known of any.
    pub(super) fn seen(&self) -> Option<u64> {
        self.seen
    }
}

impl Known {
    /// Above which `_seq_no` to look for changes; `None`: among all.
    pub(super) fn look_above(&self) -> Option<u64> {
        let highest = self.replica.fingerprint().max_seq_no?;
        match self.cursor.seen() {
            Some(seen) => Some(seen.min(highest)),
            None => highest.checked_sub(LOOK_BACK),
        }
    }

    /// Whether the cluster sums up the same documents.
    pub(super) fn agrees_with(&self, aggregates: &Aggregates) -> bool {
        self.replica.fingerprint().agrees_with(aggregates)
            // To the millisecond, as the cluster counts.
            && self.updated_at.map(Timestamp::as_millisecond)
                == aggregates.updated_at.map(Timestamp::as_millisecond)
    }

    /// Whether every copy that counts holds at the mark all that this view can show: then
    /// none of them can say anything older in real time.
    pub(super) fn is_held_at(&self, mark: &ShardCheckpoints) -> bool {
        self.end.as_ref().is_some_and(|end| mark.holds_all_of(end))
    }

    /// What to publish of it.
    pub(super) fn snapshot(&self, read_at: Timestamp) -> Snapshot {
        let fingerprint = self.replica.fingerprint();
        let mut revision = Revision::new(&self.index.name, &self.index.uuid);
        revision.documents = fingerprint.documents;
        revision.max_seq_no = fingerprint.max_seq_no;
        revision.sum_seq_no = fingerprint.sum_seq_no;
        revision.updated_at = self.updated_at;
        Snapshot::from(SnapshotParts {
            set: self.replica.set(),
            digest: self.replica.digest(),
            revision: Some(revision),
            rejections: self.replica.rejections(),
            revoked: self.replica.revoked(),
            read_at: Some(read_at),
        })
    }
}
