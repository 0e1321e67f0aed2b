//! Corrects the gaps by other known facts: which `_seq_no`s come from an earlier index, and which
//! `_seq_no`s were assigned again.

use std::collections::BTreeSet;

use super::VisibleDocument;
use super::entry::{Entry, Placed};
use super::gap::Gap;
use super::index_ledger::Inherited;

/// Removes the `_seq_no`s of inherited operations from the gaps. Inherited operations are not
/// missing, because the history contains their records for the earlier index.
pub(super) fn without_inherited(
    gaps: Vec<Gap>,
    inherited: &Inherited,
    entries: &[Entry],
) -> Vec<Gap> {
    let recorded: BTreeSet<u64> = entries
        .iter()
        .filter(|entry| entry.index_uuid == inherited.from)
        .filter_map(|entry| Some(entry.exact()?.1))
        .filter(|number| *number <= inherited.up_to)
        .collect();
    gaps.into_iter()
        .flat_map(|gap| {
            let last = gap.last.unwrap_or(u64::MAX);
            let numbers = recorded.range(gap.first..=last).copied();
            gap.without(numbers)
        })
        .collect()
}

/// Adds a gap for each visible document whose `_seq_no` was assigned twice: the `_seq_no` has
/// records only in other primary terms than the document's term. The later one of the two
/// operations with the same `_seq_no` has no record.
pub(super) fn add_reassigned(
    gaps: &mut Vec<Gap>,
    placed: &[Placed<'_>],
    documents: &[VisibleDocument],
    highest: Option<u64>,
) {
    let recorded: BTreeSet<(u64, u64)> = placed
        .iter()
        .filter_map(|one| one.entry.exact().map(|(term, number)| (number, term)))
        .collect();
    for document in documents {
        let number = document.number;
        let mut terms = recorded.range((number, 0)..=(number, u64::MAX)).peekable();
        let is_other = terms.peek().is_some() && terms.all(|(_, term)| *term != document.term);
        if is_other && highest.is_some_and(|highest| number <= highest) {
            gaps.push(Gap {
                first: number,
                last: Some(number),
                previous: None,
                next: None,
                evidence: Vec::new(),
            });
        }
    }
    gaps.sort_by_key(|gap| gap.first);
}
