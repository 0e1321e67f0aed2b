//! Lets a test switch off a single check of a poll, to prove that other tests notice the missing
//! check. Production code never switches off a check. The checks themselves are in `sync/` and
//! `rest/`.

/// A check that a refresher needs to keep a promise.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum Safeguard {
    /// Compares count, sum and maximum of `_seq_no` after a delta read.
    Fingerprint,
    /// Checks whether a view may be older than the known view.
    Regressions,
    /// Sends all requests of one poll to one node.
    OneNode,
    /// Reads everything after a write in a higher primary term.
    PrimaryTerm,
    /// Checks that all pages of a full read belong to one view.
    OneView,
    /// Checks the cluster state version again after a read.
    ConfirmAfterRead,
    /// Reads with every poll until the view has converged with the primary.
    Convergence,
    /// Compares the number of documents in a view with the statistics.
    HiddenDocuments,
    /// Resolves the name again at the end of a poll.
    SameIndex,
}

impl Safeguard {
    /// All safeguards.
    pub const ALL: [Self; 9] = [
        Self::Fingerprint,
        Self::Regressions,
        Self::OneNode,
        Self::PrimaryTerm,
        Self::OneView,
        Self::ConfirmAfterRead,
        Self::Convergence,
        Self::HiddenDocuments,
        Self::SameIndex,
    ];
}

/// The safeguards of one refresher.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Safeguards {
    left_out: u16,
}

impl Safeguards {
    /// All safeguards, as in production.
    #[must_use]
    pub const fn all() -> Self {
        Self { left_out: 0 }
    }

    /// Returns these safeguards without the given one.
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
