//! The account of one index: what is recorded, what is missing, and what happened to its numbers.

use jiff::Timestamp;
use serde::Serialize;

use super::gap::Gap;

/// The account of one index.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[non_exhaustive]
pub struct IndexLedger {
    /// The uuid of the index.
    pub uuid: String,
    /// Whether the name refers to this index now. Otherwise the index no longer exists.
    pub is_current: bool,
    /// The time at which the index was created; `None` if it no longer exists.
    pub created_at: Option<Timestamp>,
    /// The time from which on the name referred to the next index, at the latest; `None` if there is
    /// no next one.
    pub replaced_at: Option<Timestamp>,
    /// The times of the first and of the last recorded operation.
    pub recorded_between: Option<(Timestamp, Timestamp)>,
    /// The number of recorded operations.
    pub recorded: u64,
    /// The highest number that was assigned, or for an index that no longer exists the highest
    /// recorded one.
    pub highest: Option<u64>,
    /// The earlier index from which this one was restored or cloned, and the highest number that
    /// comes from it.
    pub inherited: Option<Inherited>,
    /// The deletions that recorders noticed, and that explain exactly as many numbers.
    pub deletions_by_absence: u64,
    /// The numbers without a record.
    pub gaps: Vec<Gap>,
    /// The changes of the primary term: the primary shard was started again or moved.
    pub term_changes: Vec<TermChange>,
    /// Directives whose versions show an operation without a record, although no number is missing.
    pub version_jumps: Vec<VersionJump>,
    /// The recorded numbers above the highest number of the index: the index lost these operations.
    pub lost: Option<(u64, u64)>,
}

/// An index that contains operations of an earlier one.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[non_exhaustive]
pub struct Inherited {
    /// The uuid of the earlier index.
    pub from: String,
    /// The highest number that both have in common.
    pub up_to: u64,
}

/// A change of the primary term, which a restart, a failover or a restore causes.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[non_exhaustive]
pub struct TermChange {
    /// The term before.
    pub from: u64,
    /// The term after.
    pub to: u64,
    /// The first recorded number of the new term, and its time.
    pub number: u64,
    /// The time of the operation with this number.
    pub at: Timestamp,
    /// The recorded numbers of the old term from which on the new term assigned numbers again. The
    /// index lost these operations.
    pub lost: Option<(u64, u64)>,
}

/// A directive whose versions do not follow each other, although every number in between is
/// recorded.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[non_exhaustive]
pub struct VersionJump {
    /// The directive's id.
    pub directive: String,
    /// The number of the recorded operation after the jump.
    pub before_number: Option<u64>,
    /// Whether numbers were assigned again in between, so that an operation may be missing. Otherwise
    /// the writer chose the versions.
    pub across_reassigned_numbers: bool,
}

impl IndexLedger {
    /// When the index existed at the latest.
    pub(super) fn start(&self) -> Option<Timestamp> {
        let first = self.recorded_between.map(|(first, _)| first);
        self.created_at.or(first)
    }

    /// Whether every operation has a record, as far as numbers and versions show it.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        let missing = |jump: &VersionJump| jump.across_reassigned_numbers;
        self.gaps.is_empty() && !self.version_jumps.iter().any(missing)
    }
}
