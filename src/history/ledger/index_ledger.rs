//! Defines the ledger of one index. The ledger shows which `_seq_no`s have a record, which have
//! none, and which were assigned again.

use jiff::Timestamp;
use serde::Serialize;

use super::gap::Gap;

/// The ledger of one index: the result of comparing the `_seq_no`s of the index with the records.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[non_exhaustive]
pub struct IndexLedger {
    /// The uuid of the index to which the ledger belongs.
    pub uuid: String,
    /// Whether the configured name refers to this index now; `false` if the index no longer exists.
    pub is_current: bool,
    /// The time at which the index was created; `None` if the index no longer exists.
    pub created_at: Option<Timestamp>,
    /// The time by which the next index had replaced this index; `None` if there is no next index.
    pub replaced_at: Option<Timestamp>,
    /// The times of the first and of the last recorded operation.
    pub recorded_between: Option<(Timestamp, Timestamp)>,
    /// The number of recorded operations, including the deletions without a `_seq_no` that explain
    /// a missing `_seq_no`. The count includes `deletions_by_absence`, but not `deletions_in_gaps`.
    pub recorded: u64,
    /// The highest `_seq_no` that the index has assigned, or the highest recorded `_seq_no` if the
    /// index no longer exists.
    pub highest: Option<u64>,
    /// If this index was restored or cloned from an earlier index, the operations that both indices
    /// contain.
    pub inherited: Option<Inherited>,
    /// The number of deletions that recorders noticed without their `_seq_no`s, and that explain a
    /// missing `_seq_no`.
    pub deletions_by_absence: u64,
    /// The number of deletions that recorders noticed without their `_seq_no`s, and that explain no
    /// missing `_seq_no`, because more `_seq_no`s are missing. The `_seq_no`s of the deletions that
    /// `deletions_in_gaps` counts are in the gaps.
    pub deletions_in_gaps: u64,
    /// The gaps: the `_seq_no`s without a record.
    pub gaps: Vec<Gap>,
    /// The changes of the primary term. The primary term changes when the primary shard is started
    /// again or moved.
    pub term_changes: Vec<TermChange>,
    /// The directives whose versions show that an operation has no record, although no `_seq_no` is
    /// missing between their records.
    pub version_jumps: Vec<VersionJump>,
    /// The first and the last `_seq_no` of the recorded operations that the index has lost. The
    /// `_seq_no`s of the lost operations are higher than the highest `_seq_no` of the index.
    pub lost: Option<(u64, u64)>,
}

/// The operations that an index contains because it was restored or cloned from an earlier index.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[non_exhaustive]
pub struct Inherited {
    /// The uuid of the earlier index.
    pub from: String,
    /// The highest `_seq_no` of an operation that both indices contain.
    pub up_to: u64,
}

/// A change of the primary term, caused by a restart, a failover or a restore.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[non_exhaustive]
pub struct TermChange {
    /// The primary term before the change.
    pub from: u64,
    /// The primary term after the change.
    pub to: u64,
    /// The first recorded `_seq_no` of the new primary term.
    pub number: u64,
    /// The time of the operation with the `_seq_no` `number`.
    pub at: Timestamp,
    /// The first and the last of the recorded `_seq_no`s that the new primary term assigned again.
    /// The index lost the operations of the old primary term that had the same `_seq_no`s.
    pub lost: Option<(u64, u64)>,
}

/// Two consecutive records of a directive whose versions are not consecutive, although every
/// `_seq_no` between the two operations has a record.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[non_exhaustive]
pub struct VersionJump {
    /// The id of the directive whose versions are not consecutive.
    pub directive: String,
    /// The `_seq_no` of the first recorded operation after the jump of the versions.
    pub before_number: Option<u64>,
    /// Whether the index assigned `_seq_no`s again between the two recorded operations. If the
    /// index assigned `_seq_no`s again, an operation may have no record. If the index assigned no
    /// `_seq_no` again, the writer itself chose the versions.
    pub across_reassigned_numbers: bool,
}

impl IndexLedger {
    /// Returns the earliest time at which the index is known to have existed.
    pub(super) fn start(&self) -> Option<Timestamp> {
        let first = self.recorded_between.map(|(first, _)| first);
        self.created_at.or(first)
    }

    /// Returns true if the `_seq_no`s and the versions show no operation without a record.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        let missing = |jump: &VersionJump| jump.across_reassigned_numbers;
        self.gaps.is_empty() && !self.version_jumps.iter().any(missing)
    }
}
