//! Compares the `_seq_no`s that an index has assigned with the records of the history, and finds
//! the gaps. A gap consists of `_seq_no`s without a record.
//!
//! OpenSearch assigns the next `_seq_no` of the index to every write and every deletion of any
//! client. If nobody recorded an operation, no record contains the `_seq_no` of this operation. No
//! API of OpenSearch returns the operation with a given `_seq_no`, so the ledger can only collect
//! evidence about an operation without a record.

mod entry;
mod explained_numbers;
mod gap;
mod gap_corrections;
mod index_ledger;
mod missing_numbers;
mod past_state;
mod version_chain;

use std::collections::{BTreeMap, HashMap};

use jiff::Timestamp;

use entry::{Placed, in_order};
use explained_numbers::without_noticed_deletions;
use gap_corrections::{add_reassigned, without_inherited};
use missing_numbers::Walk;

pub(super) use entry::{Entry, Number};
pub use gap::{Evidence, Gap, Neighbour};
pub use index_ledger::{IndexLedger, Inherited, TermChange, VersionJump};
pub(super) use past_state::{PastDocument, state_at};

/// The facts about the current index that the ledger compares with the records. The facts about the
/// current index come from the index itself, and not from the records of the history.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct IndexFacts {
    pub(super) uuid: String,
    pub(super) created_at: Timestamp,
    /// The highest `_seq_no` that was assigned; `None` before the first write.
    pub(super) max_seq_no: Option<u64>,
    /// The documents of the index. Each entry of `documents` contains the primary term and the
    /// `_seq_no` of the operation that wrote the document.
    pub(super) documents: Vec<VisibleDocument>,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct VisibleDocument {
    pub(super) directive: String,
    pub(super) term: u64,
    pub(super) number: u64,
    pub(super) updated_at: Option<Timestamp>,
}

/// Returns a ledger for every index that occurs in the entries, and for the current index. The
/// ledger of the current index comes last. The ledgers of the other indices are ordered by the time
/// of their last recorded operation.
pub(super) fn account(entries: &[Entry], current: Option<&IndexFacts>) -> Vec<IndexLedger> {
    let mut ledgers: Vec<IndexLedger> = Vec::new();
    let by_operation = by_operation(entries);
    for uuid in uuids(entries, current) {
        let of_index = entries.iter().enumerate();
        let placed = in_order(of_index.filter(|(_, entry)| entry.index_uuid == uuid));
        let facts = current.filter(|facts| facts.uuid == uuid);
        let earlier: Vec<&str> = ledgers.iter().map(|ledger| ledger.uuid.as_str()).collect();
        let inherited = inherited(&placed, facts, &by_operation, &earlier);
        let ledger = account_one(uuid, &placed, facts, inherited, entries);
        if let Some(former) = ledgers.last_mut() {
            former.replaced_at = ledger.start();
        }
        ledgers.push(ledger);
    }
    ledgers
}

/// Returns the uuids of all indices in the entries and of the current index. The current index
/// comes last, and the other indices are ordered by the time of their last recorded operation.
pub(super) fn uuids<'a>(entries: &'a [Entry], current: Option<&'a IndexFacts>) -> Vec<&'a str> {
    let mut last: BTreeMap<&str, Timestamp> = BTreeMap::new();
    for entry in entries {
        let newest = last.entry(&entry.index_uuid).or_insert(entry.at);
        *newest = entry.at.max(*newest);
    }
    let current = current.map(|facts| facts.uuid.as_str());
    let mut uuids: Vec<&str> = last.keys().copied().collect();
    uuids.sort_by_key(|uuid| last.get(uuid));
    uuids.retain(|uuid| Some(*uuid) != current);
    uuids.extend(current);
    uuids
}

type OperationKey<'a> = (u64, u64, &'a str, Timestamp);

/// Returns, for each operation, the uuids of the indices for which it is recorded.
fn by_operation(entries: &[Entry]) -> HashMap<OperationKey<'_>, Vec<&str>> {
    let mut all: HashMap<OperationKey<'_>, Vec<&str>> = HashMap::new();
    for entry in entries.iter().filter(|entry| !entry.deletes) {
        if let Some((term, number)) = entry.exact() {
            let key = (term, number, entry.directive.as_str(), entry.at);
            all.entry(key).or_default().push(&entry.index_uuid);
        }
    }
    all
}

/// Finds the earlier index from which an index was restored or cloned. An index was restored or
/// cloned from an earlier index if both contain the same operation with the same time.
fn inherited(
    placed: &[Placed<'_>],
    facts: Option<&IndexFacts>,
    by_operation: &HashMap<OperationKey<'_>, Vec<&str>>,
    earlier: &[&str],
) -> Option<Inherited> {
    let recorded = placed.iter().map(|one| {
        (
            one.term,
            one.number,
            one.entry.directive.as_str(),
            one.entry.at,
        )
    });
    let visible = facts.into_iter().flat_map(|facts| {
        facts.documents.iter().filter_map(|one| {
            Some((
                one.term,
                one.number,
                one.directive.as_str(),
                one.updated_at?,
            ))
        })
    });
    recorded
        .chain(visible)
        .filter_map(|key| {
            let recorded_in = by_operation.get(&key)?;
            let from = earlier
                .iter()
                .rev()
                .find(|uuid| recorded_in.contains(uuid))?;
            Some((key.1, *from))
        })
        .max()
        .map(|(up_to, from)| Inherited {
            from: from.to_owned(),
            up_to,
        })
}

fn account_one(
    uuid: &str,
    placed: &[Placed<'_>],
    facts: Option<&IndexFacts>,
    inherited: Option<Inherited>,
    entries: &[Entry],
) -> IndexLedger {
    let mut walk = Walk::default();
    for one in placed.iter().filter(|one| one.entry.exact().is_some()) {
        walk.step(one);
    }
    let highest = match facts {
        Some(facts) => facts.max_seq_no,
        None => walk.expected.checked_sub(1),
    };
    let lost = walk.end(facts);
    let mut gaps = walk.gaps;
    if let Some(inherited) = &inherited {
        gaps = without_inherited(gaps, inherited, entries);
    }
    let (mut gaps, by_absence) = without_noticed_deletions(gaps, placed, &walk.term_changes);
    let documents = facts.map(|facts| facts.documents.as_slice());
    add_reassigned(&mut gaps, placed, documents.unwrap_or_default(), highest);
    let chains = version_chain::Chains {
        placed,
        documents,
        term_changes: &walk.term_changes,
        accounted: &by_absence,
    };
    let version_jumps = chains.explain(&mut gaps);
    let is_without_number = |one: &&Placed<'_>| one.entry.exact().is_none();
    let without_number = placed.iter().filter(is_without_number).count();
    let times = placed.iter().map(|one| one.entry.at);
    IndexLedger {
        uuid: uuid.to_owned(),
        is_current: facts.is_some(),
        created_at: facts.map(|facts| facts.created_at),
        replaced_at: None,
        recorded_between: times.clone().min().zip(times.max()),
        recorded: walk.recorded.saturating_add(by_absence.len() as u64),
        highest,
        inherited,
        deletions_by_absence: by_absence.len() as u64,
        deletions_in_gaps: without_number.saturating_sub(by_absence.len()) as u64,
        gaps,
        term_changes: walk.term_changes,
        version_jumps,
        lost,
    }
}

#[cfg(test)]
mod model_tests;
#[cfg(test)]
mod tests;
