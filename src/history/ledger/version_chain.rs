//! Compares the `_version`s in consecutive records of each directive, to find out which directives
//! the operations of a gap concern.
//!
//! Each operation on a document raises its version by one. If the versions of two consecutive
//! records of a directive differ by more than one, operations on the directive are missing between
//! the two records.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::VisibleDocument;
use super::entry::{Number, Placed};
use super::gap::{Evidence, Gap};
use super::index_ledger::{TermChange, VersionJump};

/// The records of one index. The records of one directive, in the order of the operations, form a
/// chain.
pub(super) struct Chains<'a> {
    pub(super) placed: &'a [Placed<'a>],
    /// The documents that the index contains; `None` if the index no longer exists.
    pub(super) documents: Option<&'a [VisibleDocument]>,
    pub(super) term_changes: &'a [TermChange],
    /// The positions of the deletions that have no exact `_seq_no`, but explain a missing
    /// `_seq_no`.
    pub(super) accounted: &'a BTreeSet<usize>,
}

/// Operations on one directive that have no record. The `_seq_no`s of the missing operations are
/// higher than `after` and lower than `before`.
struct Missing {
    after: Option<u64>,
    before: Option<u64>,
    evidence: Evidence,
}

impl Chains<'_> {
    /// Adds to each gap the evidence about its operations. Returns the jumps of versions that no
    /// gap explains.
    pub(super) fn explain(&self, gaps: &mut [Gap]) -> Vec<VersionJump> {
        let mut jumps = Vec::new();
        for missing in self.missing() {
            let after = missing.after.map_or(0, |after| after.saturating_add(1));
            let before = missing.before.unwrap_or(u64::MAX);
            let start = gaps.partition_point(|gap| gap.last.is_some_and(|last| last < after));
            let mut is_explained = false;
            for gap in gaps[start..]
                .iter_mut()
                .take_while(|gap| gap.first < before)
            {
                gap.evidence.push(missing.evidence.clone());
                is_explained = true;
            }
            if let (false, Evidence::Versions { directive, .. }) = (is_explained, &missing.evidence)
            {
                jumps.push(VersionJump {
                    directive: directive.clone(),
                    before_number: missing.before,
                    across_reassigned_numbers: self.are_reassigned(after, before),
                });
            }
        }
        self.add_visible(gaps);
        jumps
    }

    /// Adds each document in the index to the evidence of the gap that contains the document's
    /// `_seq_no`.
    fn add_visible(&self, gaps: &mut [Gap]) {
        for document in self.documents.into_iter().flatten() {
            let number = document.number;
            let at = gaps.partition_point(|gap| gap.last.is_some_and(|last| last < number));
            if let Some(gap) = gaps.get_mut(at).filter(|gap| gap.contains(number)) {
                gap.evidence.push(Evidence::Visible {
                    directive: document.directive.clone(),
                    number,
                });
            }
        }
    }

    fn are_reassigned(&self, after: u64, before: u64) -> bool {
        let mut ranges = self.term_changes.iter().filter_map(|one| one.lost);
        ranges.any(|(first, last)| first < before && last >= after)
    }

    fn missing(&self) -> Vec<Missing> {
        let mut chains: BTreeMap<&str, Vec<&Placed<'_>>> = BTreeMap::new();
        let kept = surviving(self.placed);
        for one in &kept {
            chains.entry(&one.entry.directive).or_default().push(one);
        }
        let visible: Option<HashMap<&str, &VisibleDocument>> = self.documents.map(|documents| {
            let by_id = documents.iter().map(|one| (one.directive.as_str(), one));
            by_id.collect()
        });
        let mut all = Vec::new();
        for (directive, chain) in chains {
            all.extend(self.between(&chain));
            let Some((visible, last)) = visible.as_ref().zip(chain.last()) else {
                continue;
            };
            if !last.entry.deletes && !visible.contains_key(directive) {
                all.push(Missing {
                    after: Some(last.number),
                    before: None,
                    evidence: Evidence::Vanished {
                        directive: directive.to_owned(),
                    },
                });
            }
        }
        all
    }

    /// Returns the operations on one directive that have no record, although earlier and later
    /// operations on this directive have one.
    fn between(&self, chain: &[&Placed<'_>]) -> Vec<Missing> {
        let mut all = Vec::new();
        let mut version = Some(0);
        let mut previous: Option<&Placed<'_>> = None;
        for one in chain {
            let entry = one.entry;
            let directive = entry.directive.clone();
            let after = previous.map(|previous| previous.number);
            if entry.exact().is_none() {
                // A deletion raises the version of the document by one, even if the `_seq_no` of
                // the deletion is not known.
                version = version.map(|version: u64| version.saturating_add(1));
                let next = chain.iter().find(|next| next.number > one.number);
                let next = next.map(|next| next.number);
                let (after, before) = match entry.number {
                    Number::Within { after: low, until } => {
                        let end = until.saturating_add(1);
                        let before = next.map_or(end, |next| next.min(end));
                        (after.max(Some(low)), Some(before))
                    }
                    Number::Exact { .. } | Number::Unknown => (after, next),
                };
                if !self.accounted.contains(&one.index) {
                    all.push(Missing {
                        after,
                        before,
                        evidence: Evidence::Deletion {
                            directive,
                            noticed_at: entry.at,
                        },
                    });
                }
            } else {
                let was_deleted = previous.is_none_or(|previous| previous.entry.deletes);
                if let Some((operations, with_deletion)) =
                    operations_between(version, entry.version, was_deleted)
                {
                    all.push(Missing {
                        after,
                        before: Some(one.number),
                        evidence: Evidence::Versions {
                            directive,
                            operations,
                            with_deletion,
                        },
                    });
                }
                version = entry.version;
            }
            previous = Some(one);
        }
        all
    }
}

/// Returns how many operations on a document have no record between two recorded versions, and
/// whether one of these operations was a deletion. Returns `None` if no operation is missing, or if
/// a version is not known.
///
/// OpenSearch forgets the version of a deleted document after a minute, so the next document with
/// the same id has version 1.
fn operations_between(
    previous: Option<u64>,
    next: Option<u64>,
    was_deleted: bool,
) -> Option<(u64, bool)> {
    let (previous, next) = (previous?, next?);
    let missing = match (next > previous, was_deleted) {
        (true, _) => (next - previous - 1, false),
        (false, true) => (next.saturating_sub(1), false),
        // The deletion of the former document has no record, and neither do the operations that
        // raised the new document to its known version.
        (false, false) => (next.max(1), true),
    };
    (missing.0 > 0).then_some(missing)
}

/// Returns the operations that the index did not lose. An operation is lost if a later primary term
/// assigned the operation's `_seq_no`, or a lower `_seq_no`, again.
pub(super) fn surviving<'a>(placed: &[Placed<'a>]) -> Vec<Placed<'a>> {
    let mut kept = Vec::with_capacity(placed.len());
    let mut limit = u64::MAX;
    let mut lowest = u64::MAX;
    let mut term = None;
    for one in placed.iter().rev() {
        if term != Some(one.term) {
            term = Some(one.term);
            limit = limit.min(lowest);
        }
        if one.entry.exact().is_some() {
            lowest = lowest.min(one.number);
        }
        if one.number < limit {
            kept.push(*one);
        }
    }
    kept.reverse();
    kept
}
