//! Defines a gap: consecutive `_seq_no`s of an index without a record, and the evidence about the
//! operations with these `_seq_no`s.

use jiff::Timestamp;
use serde::Serialize;

/// Consecutive `_seq_no`s of operations that have no record in the history.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[non_exhaustive]
pub struct Gap {
    /// The first `_seq_no` of the gap.
    pub first: u64,
    /// The last `_seq_no` of the gap; `None` if the index no longer exists and its highest
    /// `_seq_no` is not known.
    pub last: Option<u64>,
    /// The last recorded operation before the gap.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub previous: Option<Neighbour>,
    /// The first recorded operation after the gap.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<Neighbour>,
    /// What is known about the operations without a record: for example, which directives they
    /// concern.
    pub evidence: Vec<Evidence>,
}

/// The recorded operation directly before or after a gap.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[non_exhaustive]
pub struct Neighbour {
    /// The `_seq_no` of the recorded operation.
    pub number: u64,
    /// The id of the directive that the recorded operation concerns.
    pub directive: String,
    /// The time of the recorded operation.
    pub at: Timestamp,
}

/// A fact that shows which directive the operations of a gap concern.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[serde(tag = "evidence", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Evidence {
    /// The index contains a document that was written by an operation of the gap.
    Visible {
        /// The id of the directive to which the document belongs.
        directive: String,
        /// The `_seq_no` of the operation that wrote the document.
        number: u64,
    },
    /// A recorder noticed that the document of a directive was absent. If several gaps contain the
    /// same deletion as evidence, the `_seq_no` of the deletion is in one of these gaps.
    Deletion {
        /// The id of the directive whose document was absent.
        directive: String,
        /// The time at which the recorder noticed the deletion.
        noticed_at: Timestamp,
    },
    /// The versions of a document before and after the gap show that operations on the document
    /// have no record.
    Versions {
        /// The id of the directive whose versions show the missing operations.
        directive: String,
        /// At least this many operations on the document have no record.
        operations: u64,
        /// Whether one of the operations without a record was a deletion. After a deletion, the
        /// versions of a document start again at 1.
        with_deletion: bool,
    },
    /// According to its last record, the directive exists, but the index does not contain its
    /// document.
    Vanished {
        /// The id of the directive whose document the index does not contain.
        directive: String,
    },
}

impl Evidence {
    /// Returns the id of the directive that this evidence concerns.
    #[must_use]
    pub fn directive(&self) -> &str {
        match self {
            Self::Visible { directive, .. }
            | Self::Deletion { directive, .. }
            | Self::Versions { directive, .. }
            | Self::Vanished { directive } => directive,
        }
    }
}

impl Gap {
    /// Returns how many operations the gap contains; `None` if the last `_seq_no` of the gap is not
    /// known.
    #[must_use]
    pub fn operations(&self) -> Option<u64> {
        Some(self.last?.saturating_sub(self.first).saturating_add(1))
    }

    /// Returns true if the given `_seq_no` belongs to the gap.
    #[must_use]
    pub fn contains(&self, number: u64) -> bool {
        number >= self.first && self.last.is_none_or(|last| number <= last)
    }

    /// Returns true if an operation of the gap may have happened at or before an instant.
    pub(in crate::history) fn may_precede(&self, instant: Timestamp) -> bool {
        let previous = self.previous.as_ref();
        previous.is_none_or(|previous| previous.at <= instant)
    }

    /// Removes the given `_seq_no`s from the gap, and returns the parts of the gap that remain.
    /// `accounted` must be in ascending order.
    pub(super) fn without(self, accounted: impl Iterator<Item = u64>) -> Vec<Self> {
        let mut parts = Vec::new();
        let mut rest = Some(self);
        for number in accounted {
            let Some(gap) = rest.take_if(|gap| gap.contains(number)) else {
                continue;
            };
            if number > gap.first {
                parts.push(Self {
                    last: Some(number - 1),
                    ..gap.clone()
                });
            }
            let is_last = gap.last == Some(number);
            let next = number.checked_add(1).filter(|_| !is_last);
            rest = next.map(|first| Self { first, ..gap });
        }
        parts.extend(rest);
        parts
    }
}
