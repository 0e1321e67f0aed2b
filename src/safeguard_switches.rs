//! Lets a test switch off a single check of a poll, to prove that the tests detect the missing
//! check. Production code never switches off a check. The checks are implemented in `sync/` and
//! `rest/`.

/// A check that each poll makes. If one of these checks were missing, the refresher would break one
/// of its guarantees.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum Safeguard {
    /// Compares count, sum and maximum of `_seq_no` after a delta read.
    Fingerprint,
    /// Checks whether a new view of the index may be older than the replica.
    Regressions,
    /// Sends all requests of one poll to one node.
    OneNode,
    /// Makes a full read if the newest write has a higher primary term than the replica, and the
    /// replica is not final.
    PrimaryTerm,
    /// Checks that all pages of a full read belong to one view of the index.
    OneView,
    /// Checks the observed version, and requests the version of the cluster state, before a read.
    ConfirmNode,
    /// Requests the version of the cluster state again after a read.
    ConfirmAfterRead,
    /// Accepts an observation that no authority confirms only if it persists.
    Persistence,
    /// Reads the index in every poll until the replica has converged with the primary.
    Convergence,
    /// Compares the number of documents in a view with the index statistics, to detect hidden
    /// documents.
    HiddenDocuments,
    /// Resolves the index name again at the end of a poll.
    SameIndex,
    /// A reconciliation divides the ranges of `_seq_no`s that differ until it compares single
    /// numbers, and then compares the fingerprint of the result.
    ReconcileLevels,
    /// Makes a full read instead of a reconciliation if the newest write has a higher primary term
    /// than the replica, and the replica is not final. Makes a full read instead of a periodic
    /// reconcile if the primary term has risen since the last full read.
    ReconcileTerm,
    /// Sends all requests of a reconciliation in one point in time, and compares the fingerprint
    /// of the result.
    ReconcileView,
    /// Makes a full read after a poll observed a version that cannot be a later version of the
    /// known index, even if a later poll observes the former primary again.
    Overtaken,
    /// Lets the primary confirm that the replica has converged.
    ConfirmConvergence,
}

impl Safeguard {
    /// All safeguards; each safeguard occurs once.
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

/// The sizes of requests and the safeguards of a refresher. Only tests change these values.
#[derive(Clone, Copy, Debug)]
pub struct Tuning {
    /// The number of documents in one page.
    pub page_size: usize,
    /// The number of buckets of the first histogram of a reconciliation. A histogram with fewer
    /// buckets leads to more rounds of a reconciliation.
    pub first_buckets: u64,
    /// While the low-water mark is unknown, a delta read begins this many numbers below the highest
    /// `_seq_no`.
    pub look_back: u64,
    /// The checks that the refresher makes.
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
