//! Evaluates records that a fuzz target generates, in the same way as the readers of a history.

use jiff::Timestamp;

use super::directives_at_instant::past;
use super::ledger::{Entry, IndexFacts, VisibleDocument, account};
use super::reader::{StreamState, decode_record};
use super::verification::contradictions;
use super::{Past, Record, UnreadableRecord, Verification};
use crate::config::Config;

/// The decoded records, and the results of their evaluation.
#[derive(Clone, Debug)]
pub struct EvaluatedHistory {
    /// The records that can be decoded, in the order of the fuzz target's input.
    pub records: Vec<Record>,
    /// The records that cannot be decoded.
    pub unreadable: Vec<UnreadableRecord>,
    /// The result of comparing the records with an index that contains their documents.
    pub verification: Verification,
    /// The directives that existed at the time of the first record.
    pub past: Past,
}

/// Evaluates records in the same way as the readers of a history. Each line of the input is the
/// JSON of a record.
#[must_use]
pub fn history_records(lines: &str) -> EvaluatedHistory {
    let (mut records, mut unreadable) = (Vec::new(), Vec::new());
    for (number, line) in lines.split('\n').enumerate() {
        match decode_record(&number.to_string(), line) {
            Ok(record) => records.push(record),
            Err(record) => unreadable.push(record),
        }
    }
    let now = Timestamp::UNIX_EPOCH;
    let facts = facts(&records);
    let instant = records.first().map_or(now, |first| first.timestamp);
    let entries: Vec<Entry> = records.iter().map(Entry::from).collect();
    // The ledger must also work if the current index is unknown.
    let former = account(&entries, None);
    let mut indices = account(&entries, facts.as_ref());
    indices.extend(former);
    let stream = StreamState {
        backing: Vec::new(),
        deleted_generations: Vec::new(),
    };
    EvaluatedHistory {
        verification: Verification {
            index: "directives".to_owned(),
            history: "directives-history".to_owned(),
            verified_at: now,
            indices,
            stream,
            contradictions: contradictions(&records),
            unreadable: unreadable.clone(),
        },
        past: past(
            &records,
            facts.as_ref(),
            instant,
            now,
            Config::DEFAULT_MAX_TTL,
        ),
        records,
        unreadable,
    }
}

/// Returns the facts of an index that contains the documents of all records. The highest `_seq_no`
/// of this index is that of the last record in the input, although other records can have higher
/// `_seq_no`s.
fn facts(records: &[Record]) -> Option<IndexFacts> {
    let first = records.first()?;
    let visible = |record: &Record| {
        record.document.as_ref()?;
        Some(VisibleDocument {
            directive: record.directive.clone(),
            term: record.primary_term?,
            number: record.seq_no?,
            updated_at: Some(record.timestamp),
        })
    };
    Some(IndexFacts {
        uuid: first.index_uuid.clone(),
        created_at: first.recorded_at,
        max_seq_no: records.last().and_then(|last| last.seq_no),
        documents: records.iter().filter_map(visible).collect(),
    })
}
