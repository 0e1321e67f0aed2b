//! Records the writes of a test, and finds steps back in the directive sets that stores publish. A
//! store takes a step back if it publishes an older state after a newer one.
//!
//! An operation is a write or a deletion of one document id. Each operation has a higher number
//! than the previous operation on the same document id. The tenant of each written directive
//! contains the number of its operation, so that a published set shows which operations it
//! contains.

use std::sync::{Mutex, MutexGuard};

use opensearch_directives::DirectiveSet;
use serde_json::{Value, json};

use super::in_hours;

/// The record of all operations that the writers of a test have sent, for each document id.
#[derive(Debug)]
pub struct Ledger {
    entries: Vec<Mutex<Entry>>,
    expires_at: String,
}

/// The numbers of the operations that writers sent for one document id.
#[derive(Clone, Default, Debug)]
struct Entry {
    /// The number of the last operation that a writer sent for this document id.
    sent: u64,
    /// The number of the last deletion that a writer sent for this document id.
    deletion: u64,
    /// The number of the last operation that the cluster did not acknowledge, or 0. The cluster may
    /// have lost an operation that it did not acknowledge, but a store may already have published
    /// this operation.
    uncertain: u64,
}

/// What an observer has seen of one document id in the directive sets of one store.
#[derive(Clone, Copy, Default, Debug)]
pub struct Observed {
    /// The highest number of an operation on the document id that a set of the store has contained
    /// so far.
    number: u64,
    /// True if the store's current set contains a directive with the document id.
    is_present: bool,
}

/// A write or a deletion of one document id that a writer is about to send.
#[derive(Clone, Debug)]
pub struct Operation {
    pub slot: usize,
    pub number: u64,
    pub deletes: bool,
}

impl Ledger {
    pub fn new(ids: usize) -> Self {
        Self {
            entries: (0..ids).map(|_| Mutex::default()).collect(),
            expires_at: in_hours(1),
        }
    }

    pub fn ids(&self) -> usize {
        self.entries.len()
    }

    pub fn next(&self, slot: usize, deletes: bool) -> Operation {
        let mut entry = self.entry(slot);
        entry.sent += 1;
        if deletes {
            entry.deletion = entry.sent;
        }
        Operation {
            slot,
            number: entry.sent,
            deletes,
        }
    }

    /// Records that the cluster did not acknowledge the operation, so that the cluster may have
    /// lost it.
    pub fn is_uncertain(&self, operation: &Operation) {
        let mut entry = self.entry(operation.slot);
        entry.uncertain = entry.uncertain.max(operation.number);
    }

    /// Returns the lines of a `_bulk` request that sends an operation. The operation's number is
    /// the external version of the document, so a repeated or delayed operation cannot undo a later
    /// operation on the same document.
    pub fn lines(&self, operation: &Operation) -> String {
        let meta = json!({
            "_id": id(operation.slot),
            "version": operation.number,
            "version_type": "external",
        });
        if operation.deletes {
            return format!("{}\n", json!({ "delete": meta }));
        }
        let document = json!({
            "level": "Shape",
            "tenant": tenant(operation.number),
            "expires_at": self.expires_at,
        });
        format!("{}\n{document}\n", json!({ "index": meta }))
    }

    /// Compares a set of a store with what `observed` says about the store's earlier sets, and
    /// updates `observed`. Returns a description of every step back of the store.
    pub fn record(&self, observed: &mut [Observed], set: &DirectiveSet) -> Vec<String> {
        let mut numbers = vec![None; self.ids()];
        for directive in set.iter() {
            let tenant = directive.tenant.unwrap_or_default();
            let number: u64 = tenant.trim_start_matches("v-").parse().unwrap();
            let slot: usize = directive.id.trim_start_matches("d-").parse().unwrap();
            numbers[slot] = Some(number);
        }
        let mut steps = Vec::new();
        for (slot, (before, now)) in observed.iter_mut().zip(numbers).enumerate() {
            if let Err(step) = self.entry(slot).follow(before, now) {
                steps.push(format!("{}: {step}", id(slot)));
            }
        }
        steps
    }

    fn entry(&self, slot: usize) -> MutexGuard<'_, Entry> {
        self.entries[slot].lock().unwrap()
    }
}

impl Entry {
    fn follow(&self, observed: &mut Observed, now: Option<u64>) -> Result<(), String> {
        let before = *observed;
        observed.is_present = now.is_some();
        let Some(number) = now else {
            if before.is_present && self.deletion <= before.number && self.uncertain == 0 {
                return Err(format!(
                    "v-{} is gone, and nobody deleted it",
                    before.number
                ));
            }
            return Ok(());
        };
        observed.number = number.max(before.number);
        if number > self.sent {
            return Err(format!("v-{number} was never written"));
        }
        if number > before.number || (number == before.number && before.is_present) {
            return Ok(());
        }
        // A set with an older version can be correct if the cluster did not acknowledge a later
        // operation, because the cluster may have lost the later operation.
        if self.uncertain > number {
            return Ok(());
        }
        if before.is_present {
            return Err(format!("v-{number} after v-{}", before.number));
        }
        Err(format!(
            "v-{number} after it was gone, when v-{} had been seen",
            before.number
        ))
    }
}

fn id(slot: usize) -> String {
    format!("d-{slot:04}")
}

fn tenant(number: u64) -> String {
    format!("v-{number}")
}

/// Returns the id and the tenant of each directive in a set, in the order of the set.
pub fn content(set: &DirectiveSet) -> Vec<(String, String)> {
    set.iter()
        .map(|directive| {
            let tenant = directive.tenant.unwrap_or_default();
            (directive.id.to_owned(), tenant.to_owned())
        })
        .collect()
}

/// Returns the id and the tenant of each document in the response to a search for all documents,
/// ordered by id.
pub fn listing(response: &Value) -> Vec<(String, String)> {
    let hits = response["hits"]["hits"].as_array().unwrap();
    assert_eq!(response["hits"]["total"]["value"], hits.len());
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let mut content: Vec<(String, String)> = hits
        .iter()
        .map(|hit| (text(&hit["_id"]), text(&hit["_source"]["tenant"])))
        .collect();
    content.sort();
    content
}

#[test]
fn a_ledger_distinguishes_steps_back_from_progress() {
    let ledger = Ledger::new(1);
    let mut observed = Observed::default();
    let mut sees = |number| ledger.entry(0).follow(&mut observed, number).is_ok();
    assert!(sees(None));
    assert!(!sees(Some(1)), "never written");
    for deletes in [false, false, true, false] {
        ledger.next(0, deletes);
    }
    assert!(sees(Some(2)));
    assert!(!sees(Some(1)), "an older version");
    assert!(sees(Some(2)));
    assert!(sees(None), "deleted by 3");
    assert!(!sees(Some(2)), "and back");
    assert!(sees(Some(4)));
    assert!(!sees(None), "not deleted since");
    ledger.is_uncertain(&ledger.next(0, false));
    assert!(sees(Some(5)));
    assert!(sees(Some(4)), "5 was lost");
}
