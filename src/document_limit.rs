//! Limits the number of documents in a replica, and warns before the limit is reached.
//!
//! Only documents that can still apply to a request count against `max_documents`. Documents that
//! have ended or are revoked do not count against `max_documents`, because they may stay in the
//! index for years. A second bound limits the number of all documents in the index, so that the
//! memory of a replica is bounded, too.

use jiff::Timestamp;
use tracing::warn;

use opensearch_directives_core::DirectiveSet;

/// The bound on the number of all stored documents, as a multiple of `max_documents`.
pub const STORED_FACTOR: usize = 5;
/// The store logs a warning if the number of documents reaches this percentage of its bound.
const WARN_AT: usize = 80;
/// After a warning, the number of documents must fall below this percentage of its bound before the
/// store logs another warning. This percentage is lower than `WARN_AT`, so that a number of
/// documents that moves around `WARN_AT` does not fill the log with warnings.
const REARM_AT: usize = 70;

/// The numbers of documents that one complete read found.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct DocumentCount {
    /// The number of documents that have neither ended nor been revoked, including rejected ones.
    pub(crate) unfinished: usize,
    /// The number of all documents in the index.
    pub(crate) stored: usize,
}

impl DocumentCount {
    pub(crate) fn new(set: &DirectiveSet, rejected: usize, revoked: usize, now: Timestamp) -> Self {
        Self {
            unfinished: set.len() - set.states(now).expired + rejected,
            stored: set.len() + rejected + revoked,
        }
    }
}

/// Compares the number of documents of each complete read with `max_documents`.
#[derive(Debug)]
pub(crate) struct DocumentLimit {
    max: usize,
    count: DocumentCount,
    /// True from a logged warning until the number of documents falls below `REARM_AT` percent of
    /// its bound.
    warns: bool,
}

impl DocumentLimit {
    pub(crate) fn new(max: usize) -> Self {
        Self {
            max,
            count: DocumentCount::default(),
            warns: false,
        }
    }

    /// Returns the bound on the number of documents that have neither ended nor been revoked.
    pub(crate) fn max(&self) -> usize {
        self.max
    }

    /// Returns the bound on the number of all stored documents.
    pub(crate) fn max_stored(&self) -> usize {
        self.max.saturating_mul(STORED_FACTOR)
    }

    /// Returns the number of unfinished documents that the last accepted read found. A read is
    /// accepted if it finds no more unfinished documents than the bound permits.
    pub(crate) fn unfinished(&self) -> usize {
        self.count.unfinished
    }

    /// Returns true if the number of unfinished documents that a read found is within the bound.
    pub(crate) fn permits(&self, count: DocumentCount) -> bool {
        count.unfinished <= self.max
    }

    /// Records the numbers of documents that a read found. The method also logs a warning when the
    /// number of documents comes near a bound.
    pub(crate) fn note(&mut self, count: DocumentCount) {
        self.count = count;
        let warning = self.warning();
        if let (Some(warning), false) = (&warning, self.warns) {
            warn!("{warning}");
        }
        self.warns = warning.is_some() || self.warns && self.is_near(REARM_AT);
    }

    fn is_near(&self, percent: usize) -> bool {
        reaches(self.count.unfinished, percent, self.max)
            || reaches(self.count.stored, percent, self.max_stored())
    }

    /// Returns a warning if the last read found almost as many documents as a bound permits.
    pub(crate) fn warning(&self) -> Option<String> {
        let DocumentCount { unfinished, stored } = self.count;
        if reaches(unfinished, WARN_AT, self.max) {
            Some(format!(
                "{unfinished} documents have not ended, and polls fail above {} \
                 (`max_documents`); revoke or delete some, or raise `max_documents`",
                self.max
            ))
        } else if reaches(stored, WARN_AT, self.max_stored()) {
            Some(format!(
                "{stored} documents are stored, and polls fail above {}, {STORED_FACTOR} times \
                 `max_documents`; delete old ones with `directives prune --ended-before 90d`",
                self.max_stored()
            ))
        } else {
            None
        }
    }
}

/// Returns true if `count` documents are at least `percent` percent of `bound`.
fn reaches(count: usize, percent: usize, bound: usize) -> bool {
    count.saturating_mul(100) >= bound.saturating_mul(percent)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn warning(unfinished: usize, stored: usize) -> Option<String> {
        let mut limit = DocumentLimit::new(100);
        limit.note(DocumentCount { unfinished, stored });
        limit.warning()
    }

    #[test]
    fn the_warning_begins_at_four_fifths_of_either_bound() {
        assert_eq!(warning(79, 79), None);
        let text = warning(80, 80).unwrap();
        assert!(text.starts_with("80 documents have not ended"), "{text}");
        assert_eq!(warning(0, 399), None);
        let text = warning(0, 400).unwrap();
        assert!(text.contains("prune"), "{text}");
    }

    #[test]
    fn ended_documents_do_not_count_against_the_bound() {
        let limit = DocumentLimit::new(100);
        let count = |unfinished, stored| DocumentCount { unfinished, stored };
        assert!(limit.permits(count(100, 500)));
        assert!(!limit.permits(count(101, 101)));
        assert_eq!(limit.max_stored(), 500);
    }

    #[test]
    fn a_count_that_moves_around_the_mark_warns_once() {
        let mut limit = DocumentLimit::new(100);
        let mut note = |unfinished| {
            limit.note(DocumentCount {
                unfinished,
                stored: unfinished,
            });
            limit.warns
        };
        assert!(note(80) && note(79) && note(70));
        assert!(!note(69));
    }
}
