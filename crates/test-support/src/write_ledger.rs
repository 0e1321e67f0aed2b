//! Records the writes of a test, to compare them with the directives that stores publish.
//!
//! Each operation on an id, write or deletion, has a number, and they rise. A written
//! directive carries its number as its tenant, so that a step back shows in the set
//! itself, whatever the store says of it.

use std::sync::{Mutex, MutexGuard};

use opensearch_directives::DirectiveSet;
use serde_json::{Value, json};

use super::in_hours;

/// All ids with their operations.
#[derive(Debug)]
pub struct Ledger {
    entries: Vec<Mutex<Entry>>,
    expires_at: String,
}

/// The operations on one id.
#[derive(Clone, Default, Debug)]
struct Entry {
    /// The number of the last operation that was sent.
    sent: u64,
    /// The number of the last deletion that was sent.
    deletion: u64,
    /// The number of the last operation that the cluster may have lost: it was never acknowledged,
    /// although a store may have shown it.
    uncertain: u64,
}

/// The state of one id as a store has shown it.
#[derive(Clone, Copy, Default, Debug)]
pub struct Shown {
    /// The highest number that was shown so far.
    number: u64,
    /// Whether the directive is in the current set.
    there: bool,
}

/// An operation before it is sent.
#[derive(Clone, Debug)]
pub struct Operation {
    pub place: usize,
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

    pub fn next(&self, place: usize, deletes: bool) -> Operation {
        let mut entry = self.entry(place);
        entry.sent += 1;
        if deletes {
            entry.deletion = entry.sent;
        }
        Operation {
            place,
            number: entry.sent,
            deletes,
        }
    }

    /// Records that the cluster did not acknowledge the operation.
    pub fn is_uncertain(&self, operation: &Operation) {
        let mut entry = self.entry(operation.place);
        entry.uncertain = entry.uncertain.max(operation.number);
    }

    /// The lines of a `_bulk` request. The number is also the document's version, so an operation
    /// that is repeated or delayed does not undo a later one.
    pub fn lines(&self, operation: &Operation) -> String {
        let meta = json!({
            "_id": id(operation.place),
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

    /// Records the content of a set, and returns every step back in it.
    pub fn hold(&self, shown: &mut [Shown], set: &DirectiveSet) -> Vec<String> {
        let mut numbers = vec![None; self.ids()];
        for directive in set.iter() {
            let tenant = directive.tenant.unwrap_or_default();
            let number: u64 = tenant.trim_start_matches("v-").parse().unwrap();
            let place: usize = directive.id.trim_start_matches("d-").parse().unwrap();
            numbers[place] = Some(number);
        }
        let mut steps = Vec::new();
        for (place, (before, now)) in shown.iter_mut().zip(numbers).enumerate() {
            if let Err(step) = self.entry(place).follow(before, now) {
                steps.push(format!("{}: {step}", id(place)));
            }
        }
        steps
    }

    fn entry(&self, place: usize) -> MutexGuard<'_, Entry> {
        self.entries[place].lock().unwrap()
    }
}

impl Entry {
    fn follow(&self, shown: &mut Shown, now: Option<u64>) -> Result<(), String> {
        let before = *shown;
        shown.there = now.is_some();
        let Some(number) = now else {
            if before.there && self.deletion <= before.number && self.uncertain == 0 {
                return Err(format!(
                    "v-{} is gone, and nobody deleted it",
                    before.number
                ));
            }
            return Ok(());
        };
        shown.number = number.max(before.number);
        if number > self.sent {
            return Err(format!("v-{number} was never written"));
        }
        if number > before.number || (number == before.number && before.there) {
            return Ok(());
        }
        // Operations that were lost with a node are not in the index either.
        if self.uncertain > number {
            return Ok(());
        }
        if before.there {
            return Err(format!("v-{number} after v-{}", before.number));
        }
        Err(format!(
            "v-{number} after it was gone, when v-{} had been seen",
            before.number
        ))
    }
}

fn id(place: usize) -> String {
    format!("d-{place:04}")
}

fn tenant(number: u64) -> String {
    format!("v-{number}")
}

/// The content of a set: the ids with their tenants.
pub fn content(set: &DirectiveSet) -> Vec<(String, String)> {
    set.iter()
        .map(|directive| {
            let tenant = directive.tenant.unwrap_or_default();
            (directive.id.to_owned(), tenant.to_owned())
        })
        .collect()
}

/// The content of an index from the response of a search for all documents, ordered by id.
pub fn listing(answer: &Value) -> Vec<(String, String)> {
    let hits = answer["hits"]["hits"].as_array().unwrap();
    assert_eq!(answer["hits"]["total"]["value"], hits.len());
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let mut content: Vec<(String, String)> = hits
        .iter()
        .map(|hit| (text(&hit["_id"]), text(&hit["_source"]["tenant"])))
        .collect();
    content.sort();
    content
}

#[test]
fn a_ledger_tells_steps_back_from_steps() {
    let ledger = Ledger::new(1);
    let mut shown = Shown::default();
    let mut sees = |number| ledger.entry(0).follow(&mut shown, number).is_ok();
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
