//! Lets a test switch off a single check of a poll, to prove that the tests detect the missing
//! check. Production code never switches off a check. The checks are implemented in `sync/` and
//! `rest/`.

/// A check that each poll makes. Without any one of the safeguards, the refresher would break one
/// of its guarantees.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum Safeguard {
    /// After a delta read, the poll compares the count, the sum and the maximum of all `_seq_no`s
    /// in the index with those of the replica.
    Fingerprint,
    /// The poll checks whether a new view of the index may be older than the replica.
    Regressions,
    /// The poll sends all its requests to one node.
    OneNode,
    /// The poll makes a full read if the newest write has a higher primary term than the replica,
    /// and the new primary may have assigned some `_seq_no`s of the replica again.
    PrimaryTerm,
    /// The poll checks that all pages of a full read belong to one view of the index.
    OneView,
    /// Before a read, the poll confirms that its node is current: it checks the observed version
    /// and requests the version of the cluster state.
    ConfirmNode,
    /// After a read, the poll requests the version of the cluster state again, because the node may
    /// have lost contact with the cluster manager.
    ConfirmAfterRead,
    /// If no authority, such as the cluster manager, confirms an observation, the poll accepts the
    /// observation only if later polls repeat it.
    Persistence,
    /// Each poll reads the index until the replica has converged with the primary.
    Convergence,
    /// The poll compares the number of documents in a view with the index statistics, to detect
    /// hidden documents.
    HiddenDocuments,
    /// The poll resolves the index name again at its end, to detect that another index has replaced
    /// the index.
    SameIndex,
    /// A reconcile divides the ranges of `_seq_no`s that differ until it compares single numbers,
    /// and then compares the fingerprint of the new replica with the aggregates of the cluster.
    ReconcileLevels,
    /// The poll makes a full read instead of a reconcile if the newest write has a higher primary
    /// term than the replica, and the new primary may have assigned some `_seq_no`s of the replica
    /// again. The poll also makes a full read instead of a periodic reconcile if the primary term
    /// has risen since the last full read.
    ReconcileTerm,
    /// A reconcile sends all its requests in one point in time (a frozen view of the index), and
    /// compares the fingerprint of the new replica with the aggregates of the cluster.
    ReconcileView,
    /// After a poll has observed a version that cannot follow the known version of the index, the
    /// store makes a full read, even if a later poll observes the former primary again.
    Overtaken,
    /// The replica counts as converged only after the primary has confirmed its convergence.
    ConfirmConvergence,
}

impl Safeguard {
    /// All safeguards of a poll; each safeguard occurs once.
    pub const ALL: [Self; 16] = [
        Self::Fingerprint,
        Self::Regressions,
        Self::OneNode,
        Self::PrimaryTerm,
        Self::OneView,
        Self::ConfirmNode,
        Self::ConfirmAfterRead,
        Self::Persistence,
        Self::Convergence,
        Self::HiddenDocuments,
        Self::SameIndex,
        Self::ReconcileLevels,
        Self::ReconcileTerm,
        Self::ReconcileView,
        Self::Overtaken,
        Self::ConfirmConvergence,
    ];
}

/// The sizes of a refresher's requests, and the safeguards that the refresher uses. Only tests
/// change the values of a `Tuning`.
#[derive(Clone, Copy, Debug)]
pub struct Tuning {
    /// The number of documents that the refresher requests in one page.
    pub page_size: usize,
    /// The number of buckets in the first histogram of a reconcile. A first histogram with fewer
    /// buckets leads to more rounds of a reconcile.
    pub first_buckets: u64,
    /// While the low-water mark is unknown, a delta read begins this many numbers below the highest
    /// `_seq_no`.
    pub look_back: u64,
    /// The safeguards that the refresher uses in each poll.
    pub safeguards: Safeguards,
}

/// The safeguards that are switched on in one refresher.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Safeguards {
    left_out: u16,
}

impl Safeguards {
    /// Returns the safeguards of production, in which every safeguard is switched on.
    #[must_use]
    pub const fn all() -> Self {
        Self { left_out: 0 }
    }

    /// Returns a copy of `self` in which the given safeguard is switched off.
    #[must_use]
    pub const fn without(self, safeguard: Safeguard) -> Self {
        Self {
            left_out: self.left_out | 1 << safeguard as u8,
        }
    }

    pub(crate) const fn include(self, safeguard: Safeguard) -> bool {
        self.left_out & 1 << safeguard as u8 == 0
    }
}
