//! Finds the documents that an index contained at an instant.

use std::collections::{BTreeMap, HashMap};

use jiff::Timestamp;

use super::entry::{Entry, Placed, in_order};
use super::version_chain::surviving;
use super::{IndexFacts, uuids};

/// The documents that an index contained at an instant.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(in crate::history) struct PastState<'a> {
    /// The uuid of the index to which the configured name referred at the instant; `None` if no
    /// index existed yet.
    pub(in crate::history) index_uuid: Option<&'a str>,
    /// The documents that existed at the instant.
    pub(in crate::history) documents: Vec<PastDocument>,
    /// Whether the next index may already have replaced this index at the instant. The time of the
    /// replacement is uncertain if only the first recorded operation of the next index is known,
    /// and not its creation time.
    pub(in crate::history) may_be_replaced: bool,
}

/// A document that existed at an instant. The fields of a past document refer to an operation by
/// its position in the list of entries.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(in crate::history) struct PastDocument {
    /// The position of the operation that wrote the document.
    pub(in crate::history) written_by: usize,
    /// The positions of the operations on the directive after the instant, in the order in which
    /// the index performed them. `followed_by` does not contain operations that the index lost.
    pub(in crate::history) followed_by: Vec<usize>,
    /// Whether the index later lost the operation that wrote the document. A failover or a restore
    /// after the instant can lose an operation.
    pub(in crate::history) is_lost: bool,
}

/// Finds the documents that the index contained at an instant.
pub(in crate::history) fn state_at<'a>(
    entries: &'a [Entry],
    current: Option<&'a IndexFacts>,
    instant: Timestamp,
) -> PastState<'a> {
    let starts = starts(entries, current);
    let position = starts.iter().rposition(|index| index.from <= instant);
    let Some(position) = position else {
        return PastState {
            index_uuid: None,
            documents: Vec::new(),
            may_be_replaced: false,
        };
    };
    let uuid = starts[position].uuid;
    let of_index = entries
        .iter()
        .enumerate()
        .filter(|(_, entry)| entry.index_uuid == uuid);
    let last = of_index.clone().map(|(_, entry)| entry.at).max();
    let next = starts.get(position + 1);
    let now = in_order(of_index.clone());
    let then = in_order(of_index.filter(|(_, entry)| entry.at <= instant));
    PastState {
        index_uuid: Some(uuid),
        documents: documents(&then, &now),
        may_be_replaced: next.is_some_and(|next| !next.is_exact)
            && last.is_none_or(|last| last < instant),
    }
}

/// Returns a document for each directive whose last operation up to the instant was not a deletion.
/// `then` contains the operations up to the instant, and `now` contains all operations. Operations
/// that the index had lost before the instant are ignored.
fn documents(then: &[Placed<'_>], now: &[Placed<'_>]) -> Vec<PastDocument> {
    let (then, now) = (surviving(then), surviving(now));
    let mut last: BTreeMap<&str, &Placed<'_>> = BTreeMap::new();
    for one in &then {
        last.insert(&one.entry.directive, one);
    }
    let mut chains: HashMap<&str, Vec<&Placed<'_>>> = HashMap::new();
    for one in &now {
        chains.entry(&one.entry.directive).or_default().push(one);
    }
    let present = last.into_iter().filter(|(_, one)| !one.entry.deletes);
    present
        .map(|(directive, one)| {
            let chain = chains.get(directive).map_or(&[][..], Vec::as_slice);
            let place = |other: &Placed<'_>| (other.term, other.number);
            let follows = |other: &&&Placed<'_>| {
                place(other) > place(one) || place(other) == place(one) && other.entry.deletes
            };
            PastDocument {
                written_by: one.index,
                followed_by: chain
                    .iter()
                    .filter(follows)
                    .map(|other| other.index)
                    .collect(),
                is_lost: !chain.iter().any(|other| place(other) == place(one)),
            }
        })
        .collect()
}

/// An index, and the time from which the configured name referred to it.
struct Start<'a> {
    uuid: &'a str,
    from: Timestamp,
    /// Whether `from` is the time at which the index was created. If `is_exact` is false, `from` is
    /// the time of the first recorded operation on the index.
    is_exact: bool,
}

/// Returns the indices in the order in which the configured name referred to them.
fn starts<'a>(entries: &'a [Entry], current: Option<&'a IndexFacts>) -> Vec<Start<'a>> {
    let mut all: Vec<Start<'a>> = Vec::new();
    let mut previous_end = None;
    for uuid in uuids(entries, current) {
        let times = entries
            .iter()
            .filter(|entry| entry.index_uuid == uuid)
            .map(|entry| entry.at);
        let created = current
            .filter(|facts| facts.uuid == uuid)
            .map(|facts| facts.created_at);
        // A restored index contains operations that are older than the restore. Only an operation
        // after the last operation on the earlier index shows that the configured name referred to
        // the restored index.
        let first = times
            .clone()
            .filter(|at| previous_end.is_none_or(|end| *at > end))
            .min();
        previous_end = times.max().max(previous_end);
        if let Some(start) = created.or(first).or(previous_end) {
            all.push(Start {
                uuid,
                from: start,
                is_exact: created.is_some(),
            });
        }
    }
    all
}
