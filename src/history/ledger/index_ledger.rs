//! Defines the ledger of one index. The ledger shows which numbers have a record, which have none,
//! and which were assigned again.

use jiff::Timestamp;
use serde::Serialize;

use super::gap::Gap;

/// The ledger of one index: the result of comparing the numbers of the index with the records.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[non_exhaustive]
pub struct IndexLedger {
    /// The uuid of the index.
    pub uuid: String,
    /// Whether the configured name refers to this index now; `false` if the index no longer exists.
    pub is_current: bool,
    /// The time at which the index was created; `None` if the index no longer exists.
    pub created_at: Option<Timestamp>,
    /// The next index has replaced this index at this time or earlier; `None` if there is no next
    /// index.
    pub replaced_at: Option<Timestamp>,
    /// The times of the first and of the last recorded operation.
    pub recorded_between: Option<(Timestamp, Timestamp)>,
    /// The number of recorded operations whose numbers are known or explained. So
    /// `deletions_by_absence` is included, but `deletions_in_gaps` is not.
    pub recorded: u64,
    /// The highest number that the index has assigned. If the index no longer exists, this is its
    /// highest recorded number.
    pub highest: Option<u64>,
    /// If this index was restored or cloned from an earlier index, the operations that both indices
    /// contain.
    pub inherited: Option<Inherited>,
    /// How many deletions explain a missing number, although recorders noticed them without their
    /// numbers.
    pub deletions_by_absence: u64,
    /// The number of deletions that recorders noticed without their numbers, and that explain no
    /// missing number, because more numbers are missing. The numbers of these deletions are in the
    /// gaps.
    pub deletions_in_gaps: u64,
    /// The gaps: the numbers without a record.
    pub gaps: Vec<Gap>,
    /// The changes of the primary term. The primary term changes when the primary shard is started
    /// again or moved.
    pub term_changes: Vec<TermChange>,
    /// The directives whose versions show that an operation has no record, although no number is
    /// missing between their records.
    pub version_jumps: Vec<VersionJump>,
    /// The first and the last number of the recorded operations that the index has lost. The
    /// numbers of the lost operations are higher than the highest number of the index.
    pub lost: Option<(u64, u64)>,
}

/// The operations that an index contains because it was restored or cloned from an earlier index.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[non_exhaustive]
pub struct Inherited {
    /// The uuid of the earlier index.
    pub from: String,
    /// The highest number of an operation that both indices contain.
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
    /// The first recorded number of the new term.
    pub number: u64,
    /// The time of the operation with the number `number`.
    pub at: Timestamp,
    /// The first and the last of the recorded numbers that the new term assigned again. The index
    /// lost the operations of the old term with these numbers.
    pub lost: Option<(u64, u64)>,
}

/// Two consecutive records of a directive whose versions are not consecutive, although every number
/// between the two operations has a record.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[non_exhaustive]
pub struct VersionJump {
    /// The directive's id.
    pub directive: String,
    /// The number of the first recorded operation after the versions jump.
    pub before_number: Option<u64>,
    /// Whether the index assigned numbers again between the two operations. If numbers were
    /// assigned again, an operation may have no record. If no number was assigned again, the writer
    /// itself chose the versions.
    pub across_reassigned_numbers: bool,
}

impl IndexLedger {
    /// Returns the earliest time at which the index is known to have existed.
    pub(super) fn start(&self) -> Option<Timestamp> {
        let first = self.recorded_between.map(|(first, _)| first);
        self.created_at.or(first)
    }

    /// Returns true if the numbers and the versions show no operation without a record.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        let missing = |jump: &VersionJump| jump.across_reassigned_numbers;
        self.gaps.is_empty() && !self.version_jumps.iter().any(missing)
    }
}
