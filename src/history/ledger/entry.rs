//! The part of a record that the ledger needs: the index, the `_seq_no` and the directive of the
//! operation.

use std::collections::HashMap;

use jiff::Timestamp;

/// The `_seq_no` of an operation, which is known exactly, known as a range, or unknown.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::history) enum Number {
    /// The `_seq_no` of the operation, and the primary term in which the `_seq_no` was assigned.
    Exact { term: u64, number: u64 },
    /// A recorder noticed the deletion, because the document was absent. The `_seq_no` of the
    /// deletion is higher than `after`, and at most `until`.
    Within { after: u64, until: u64 },
    /// Neither the `_seq_no` of the deletion nor a complete range for this `_seq_no` is known.
    Unknown,
}

/// An operation on a directive, according to a record.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(in crate::history) struct Entry {
    pub(in crate::history) index_uuid: String,
    pub(in crate::history) number: Number,
    /// The `_version` of the document after the operation.
    pub(in crate::history) version: Option<u64>,
    pub(in crate::history) directive: String,
    /// The time of the operation, according to the record.
    pub(in crate::history) at: Timestamp,
    /// Whether the operation removed the document.
    pub(in crate::history) deletes: bool,
}

impl Entry {
    pub(in crate::history) fn exact(&self) -> Option<(u64, u64)> {
        match self.number {
            Number::Exact { term, number } => Some((term, number)),
            Number::Within { .. } | Number::Unknown => None,
        }
    }
}

/// An entry, and the values that determine its position in the order of operations.
#[derive(Clone, Copy, Debug)]
pub(in crate::history) struct Placed<'a> {
    pub(in crate::history) term: u64,
    /// The `_seq_no` of the operation; for a deletion without an exact `_seq_no`, that of the last
    /// operation before the deletion.
    pub(in crate::history) number: u64,
    /// The position of the entry in the unsorted list of entries.
    pub(in crate::history) index: usize,
    pub(in crate::history) entry: &'a Entry,
}

impl Placed<'_> {
    /// Returns the key by which the operations of one index are sorted. A deletion without an exact
    /// `_seq_no` is sorted directly after the last operation that is known to precede it.
    fn key(&self) -> (u64, u64, bool, &str) {
        let follows = self.entry.exact().is_none();
        (self.term, self.number, follows, &self.entry.directive)
    }
}

/// Sorts the operations of one index, and removes duplicates. An operation can have one record in
/// each backing index of the history. A deletion can also have two records, one with its `_seq_no`
/// and one without.
pub(in crate::history) fn in_order<'a>(
    entries: impl Iterator<Item = (usize, &'a Entry)>,
) -> Vec<Placed<'a>> {
    let (exact, observed): (Vec<_>, Vec<_>) =
        entries.partition(|(_, entry)| entry.exact().is_some());
    let mut all: Vec<Placed<'_>> = exact
        .into_iter()
        .filter_map(|(index, entry)| {
            let (term, number) = entry.exact()?;
            Some(Placed {
                term,
                number,
                index,
                entry,
            })
        })
        .collect();
    sort(&mut all);
    let mut of_directive: HashMap<&str, Vec<Placed<'_>>> = HashMap::new();
    for placed in &all {
        let known = of_directive.entry(&placed.entry.directive).or_default();
        known.push(*placed);
    }
    for (index, entry) in observed {
        let known = of_directive.get(entry.directive.as_str());
        let known = known.map_or(&[][..], Vec::as_slice);
        all.extend(place(index, entry, known));
    }
    sort(&mut all);
    all
}

fn sort(all: &mut Vec<Placed<'_>>) {
    all.sort_by(|one, other| one.key().cmp(&other.key()));
    all.dedup_by(|next, kept| next.key() == kept.key());
}

/// Places a deletion without an exact `_seq_no` after the last known operation that happened before
/// the deletion. Returns `None` if the last known operation before the deletion is the same
/// deletion, recorded with its `_seq_no`.
///
/// Every operation after the deletion is later than the record of the deletion, because the
/// document was still absent when the recorder made this record.
fn place<'a>(index: usize, entry: &'a Entry, known: &[Placed<'_>]) -> Option<Placed<'a>> {
    let is_before = |placed: &&Placed<'_>| match entry.number {
        Number::Within { until, .. } => placed.number <= until,
        Number::Exact { .. } | Number::Unknown => placed.entry.at <= entry.at,
    };
    let last = known.iter().rfind(is_before);
    if last.is_some_and(|last| last.entry.deletes) {
        return None;
    }
    let (term, number) = last.map_or((0, 0), |last| (last.term, last.number));
    Some(Placed {
        term,
        number,
        index,
        entry,
    })
}
