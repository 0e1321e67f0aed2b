//! The state of the synchronisation with the index between two polls, and the transitions of this
//! state.
//!
//! ```text
//!            full read                      the primary shows the same documents
//!  Unread ─────────────▶ Following ┌──────────────────────────────────────────┐
//!                           │  ▲   │  Converging ──────────────────▶ Converged │
//!    a version or a view    │  │   │    ▲  │ each poll reads              │    │
//!    may be an older one,   │  │   │    └──┴──────────────────────────────┘    │
//!    and nobody can tell    │  │   │      the checkpoints moved: a read         │
//!                           │  │   └──────────────────────────────────────────┘
//!                           ▼  │ a read is committed: confirmed, or seen for long enough
//!                        Suspecting  (the published set stays published)
//! ```
//!
//! - `Unread`: no read has been completed yet, so the next poll reads all documents.
//! - `Following`: the replica is a complete view of the index. While the replica is *converging*,
//!   each poll reads the index even if the checkpoints are equal, because the primary may hold
//!   operations that no refresh has made visible yet. Once the replica has *converged*, equal
//!   checkpoints mean that the index has not changed.
//! - `Suspecting`: a poll observed a state of the index that may be older than the replica. Later
//!   polls accept the older state only if they observe it again for long enough, or if an authority
//!   confirms it. A poll that finds the index unchanged returns to `Following`.
//!
//! A poll that fails or is cancelled does not change the replica. A failed poll can change the
//! state only from `Following` to `Suspecting`.

use std::sync::Arc;

use jiff::Timestamp;
use tokio::time::Instant;

use super::convergence::{Convergence, FreshnessBound, LowWatermark};
use super::fetch::View;
use super::probe::ObservedVersion;
use super::replica::{Fingerprint, Replica};
use crate::rest::{Aggregates, ConcreteIndex, ShardCheckpoints};
use opensearch_directives_core::internal::SnapshotParts;
use opensearch_directives_core::{Revision, Snapshot};

/// As long as the low-water mark is unknown, a delta read begins this many `_seq_no`s below the
/// highest one.
pub(super) const LOOK_BACK: u64 = 100;

/// The state of the synchronisation with the index after all polls so far. The documentation of the
/// module `state` describes each state.
#[derive(Debug)]
pub(super) enum State {
    Unread,
    Following(Box<Known>),
    Suspecting {
        known: Box<Known>,
        sighting: Sighting,
    },
}

/// A version or a view that a poll has not accepted, because it may be older than the replica.
#[derive(Debug)]
pub(super) enum Sighting {
    /// The server has returned a version of the index that cannot be later than the last accepted
    /// view.
    Version(ObservedVersion),
    /// A read has returned a view that may be older than the last accepted view. If the observed
    /// version may also be older than the last accepted view, `version` contains the observed
    /// version.
    View {
        regression: PendingRegression,
        version: Option<ObservedVersion>,
    },
}

/// The fingerprint of a view that may be older than the last accepted view, and the instant at
/// which a poll first read this view.
#[derive(Clone, Copy, Debug)]
pub(super) struct PendingRegression {
    pub(super) fingerprint: Fingerprint,
    /// The end of the poll that first read the view with this fingerprint.
    pub(super) since: Instant,
}

impl State {
    /// Returns the last accepted view, or `None` before the first successful read.
    pub(super) fn known(&self) -> Option<&Known> {
        match self {
            Self::Unread => None,
            Self::Following(known) | Self::Suspecting { known, .. } => Some(known),
        }
    }

    pub(super) fn known_mut(&mut self) -> Option<&mut Known> {
        match self {
            Self::Unread => None,
            Self::Following(known) | Self::Suspecting { known, .. } => Some(known),
        }
    }

    /// Replaces the last accepted view, and forgets every version and view that was not accepted.
    pub(super) fn commit(&mut self, known: Known) {
        *self = Self::Following(Box::new(known));
    }

    /// Forgets every version and view that was not accepted, because a poll has found the last
    /// accepted view unchanged.
    pub(super) fn forget_sighting(&mut self) {
        *self = match std::mem::replace(self, Self::Unread) {
            Self::Suspecting { known, .. } => Self::Following(known),
            other => other,
        };
    }

    /// Returns the version of the index that an earlier poll has observed but not accepted.
    pub(super) fn suspected_version(&self) -> Option<&ObservedVersion> {
        match self {
            Self::Suspecting { sighting, .. } => match sighting {
                Sighting::Version(version) => Some(version),
                Sighting::View { version, .. } => version.as_ref(),
            },
            Self::Unread | Self::Following(_) => None,
        }
    }

    pub(super) fn pending_regression(&self) -> Option<PendingRegression> {
        match self {
            Self::Suspecting {
                sighting: Sighting::View { regression, .. },
                ..
            } => Some(*regression),
            _ => None,
        }
    }

    /// Records a version of the index that cannot be later than the last accepted view.
    pub(super) fn suspect_version(&mut self, version: ObservedVersion) {
        let pending = self.pending_regression();
        self.suspect(match pending {
            None => Sighting::Version(version),
            Some(regression) => Sighting::View {
                regression,
                version: Some(version),
            },
        });
    }

    /// Records a view that may be older than the last accepted view.
    pub(super) fn suspect_view(&mut self, regression: PendingRegression) {
        let version = self.suspected_version().cloned();
        self.suspect(Sighting::View {
            regression,
            version,
        });
    }

    fn suspect(&mut self, sighting: Sighting) {
        // Before the first successful read, the state stays `Unread`, because there is no accepted
        // view that could be newer.
        *self = match std::mem::replace(self, Self::Unread) {
            Self::Unread => Self::Unread,
            Self::Following(known) | Self::Suspecting { known, .. } => {
                Self::Suspecting { known, sighting }
            }
        };
    }
}

/// The last accepted view of the index, and the bounds by which a poll recognises whether another
/// view is newer or older.
#[derive(Clone, Debug)]
pub(super) struct Known {
    pub(super) index: ConcreteIndex,
    /// The checkpoints that the poll observed before it read the view; `None` if the index
    /// statistics are not available.
    pub(super) checkpoints: Option<ShardCheckpoints>,
    /// The checkpoints that the poll observed after it had read the view; `None` if the index
    /// statistics are not available.
    pub(super) checkpoints_after: Option<ShardCheckpoints>,
    pub(super) replica: Arc<Replica>,
    /// The newest `updated_at` of all documents in the view.
    pub(super) updated_at: Option<Timestamp>,
    /// The highest primary term that the last full read or a later read has returned.
    pub(super) term: Option<u64>,
    /// The highest primary term of all documents that the last full read returned.
    pub(super) full_read_term: Option<u64>,
    pub(super) convergence: Convergence,
    pub(super) low_watermark: LowWatermark,
    /// The view contained every operation up to this `_seq_no` when it was read. The low-water mark
    /// may reach `contained_seq_no` only later, when the view has converged.
    pub(super) contained_seq_no: Option<u64>,
    pub(super) freshness_bound: FreshnessBound,
    /// True if the shard copy from which the view was read has other documents than the primary.
    pub(super) lags: bool,
}

impl Known {
    /// Returns the `_seq_no` above which a delta read searches, or `None` if the delta read must
    /// return all documents.
    ///
    /// A delta read always returns the documents above the global checkpoint, because a failover
    /// may lose their operations and assign the same `_seq_no`s again.
    pub(super) fn delta_after(&self, look_back: u64) -> Option<u64> {
        let highest = self.replica.fingerprint().max_seq_no?;
        if let Some(reached) = self.low_watermark.reached() {
            return Some(reached.min(highest));
        }
        let held = self.checkpoints.as_ref()?.checkpoint()?;
        Some(held.min(highest.checked_sub(look_back)?))
    }

    /// Returns the `_seq_no` up to which the view certainly contains every operation.
    pub(super) fn applied_seq_no(&self) -> Option<u64> {
        self.low_watermark.reached().max(self.contained_seq_no)
    }

    /// Returns true if a later view of the unchanged index has another directive set although
    /// `self` had converged.
    pub(super) fn is_corrected_by(&self, view: &View) -> bool {
        self.convergence == Convergence::Converged && self.replica.digest() != view.replica.digest()
    }

    /// Returns true if the aggregates of the cluster are equal to the fingerprint and the newest
    /// `updated_at` of the view.
    pub(super) fn agrees_with(&self, aggregates: &Aggregates) -> bool {
        self.replica.fingerprint().agrees_with(aggregates)
            // The comparison ignores fractions of a millisecond, because the cluster returns
            // `updated_at` in milliseconds.
            && self.updated_at.map(Timestamp::as_millisecond)
                == aggregates.updated_at.map(Timestamp::as_millisecond)
    }

    /// Returns true if every in-sync copy holds all operations that the view can contain. A copy
    /// that holds all operations of the view cannot return an older version of a document in
    /// response to `_mget`.
    pub(super) fn is_held_everywhere(&self, checkpoints: &ShardCheckpoints) -> bool {
        self.checkpoints_after
            .as_ref()
            .is_some_and(|after| checkpoints.holds_all_of(after))
    }

    /// Returns true if the view is final: no later primary can assign the `_seq_no`s of this view
    /// again, or lose a deletion that this view contains.
    ///
    /// A new primary can lose only operations above the global checkpoint, and assigns only numbers
    /// above the global checkpoint. A view is therefore final if the global checkpoint before its
    /// read had reached every operation that was assigned before the end of its read.
    pub(super) fn is_final(&self) -> bool {
        let (Some(before), Some(after)) = (&self.checkpoints, &self.checkpoints_after) else {
            return false;
        };
        before.holds_all_of(after) && self.replica.fingerprint().max_seq_no <= before.checkpoint()
    }

    /// Returns true if a full read must follow after the poll has read a document with the primary
    /// term `term`, because a new primary may have assigned `_seq_no`s again.
    ///
    /// If the view is final, the full read is postponed until the next periodic reconcile. The
    /// postponed full read is a safety net in case a shard copy has returned operations that the
    /// primary did not have.
    pub(super) fn needs_full_read(&self, term: Option<u64>, is_periodic: bool) -> bool {
        if is_periodic {
            term.max(self.term) > self.full_read_term
        } else {
            term > self.term && !self.is_final()
        }
    }

    /// Creates the snapshot of this view, which the refresher publishes.
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
            signatures: self.replica.signatures(),
            revision: Some(revision),
            rejections: self.replica.rejections(),
            revoked: self.replica.revoked(),
            read_at: Some(read_at),
        })
    }
}
