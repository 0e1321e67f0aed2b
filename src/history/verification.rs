//! Verifies a history: finds the `_seq_no`s of the index that have no record, and looks for signs
//! that a record was changed, removed or forged.

use std::collections::HashMap;
use std::time::Duration;

use jiff::Timestamp;
use serde::Serialize;

use super::ledger::{Entry, IndexLedger, Number, account};
use super::reader::{
    FoundRecords, History, HistoryError, RecordFilter, StreamState, UnreadableRecord,
};
use super::record::Record;
use super::{RecordKind, stream_name};
use crate::clock::{Clock as _, SystemClock};

/// The maximum number of attempts to read all records. A search may not return the newest records
/// immediately, so one attempt may not be enough.
const ATTEMPTS: usize = 4;
const PAUSE: Duration = Duration::from_secs(1);

/// The result of verifying a history: the ledgers of its indices, and the signs that a record was
/// changed, removed or forged.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[non_exhaustive]
pub struct Verification {
    /// The configured name of the index.
    pub index: String,
    /// The name of the data stream that contains the history.
    pub history: String,
    /// The time at which the history was verified.
    pub verified_at: Timestamp,
    /// The ledger of each index to which the configured name has referred. The ledger of the
    /// current index comes last.
    pub indices: Vec<IndexLedger>,
    /// The state of the history's data stream.
    pub stream: StreamState,
    /// The `_seq_no`s for which two records contradict each other.
    pub contradictions: Vec<Contradiction>,
    /// The records that cannot be decoded.
    pub unreadable: Vec<UnreadableRecord>,
}

/// A `_seq_no` for which two records contain different operations. If two records with the same
/// `_seq_no` contradict each other, one of them is forged, because an index assigns a `_seq_no`
/// only once in each primary term.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize)]
#[non_exhaustive]
pub struct Contradiction {
    /// The uuid of the index that assigned the `_seq_no`.
    pub index_uuid: String,
    /// The primary term in which the `_seq_no` was assigned.
    pub primary_term: u64,
    /// The `_seq_no` for which two records contradict each other.
    pub seq_no: u64,
}

impl Verification {
    /// Returns true if every operation on every index is recorded.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.indices.iter().all(IndexLedger::is_complete)
    }

    /// Returns true if there is no sign that a record was changed, removed or forged.
    #[must_use]
    pub fn is_intact(&self) -> bool {
        self.stream.is_intact() && self.contradictions.is_empty() && self.unreadable.is_empty()
    }

    /// Returns true if only the newest operations of the current index are not recorded. A recorder
    /// may still be writing the records of the newest operations.
    #[must_use]
    pub fn lacks_only_the_newest(&self) -> bool {
        let mut indices = self.indices.iter().filter(|ledger| !ledger.is_complete());
        let (Some(ledger), None) = (indices.next(), indices.next()) else {
            return false;
        };
        match &ledger.gaps[..] {
            [gap] => ledger.is_current && gap.next.is_none() && gap.last == ledger.highest,
            _ => false,
        }
    }
}

impl History {
    /// Compares the records of the history with the index, and looks for signs that a record was
    /// changed, removed or forged.
    ///
    /// # Errors
    /// Returns an error if the history or the index cannot be read completely.
    pub async fn verify(&self) -> Result<Verification, HistoryError> {
        Ok(self.verify_records().await?.0)
    }

    /// Verifies the history, and also returns the verified records, without their documents.
    ///
    /// # Errors
    /// Returns the same errors as [`verify`](Self::verify).
    pub async fn verify_records(&self) -> Result<(Verification, Vec<Record>), HistoryError> {
        let stream = self.stream_state().await?;
        let facts = self.index_facts().await?;
        let FoundRecords {
            records,
            unreadable,
            ..
        } = self.all_records(&stream, false).await?;
        let mut entries: Vec<Entry> = records.iter().map(Entry::from).collect();
        if let Some(facts) = &facts {
            // The verification ignores operations that happened after the index was read.
            let newest = self.highest_number(&facts.uuid).await?;
            entries.retain(|entry| {
                entry.index_uuid != facts.uuid
                    || entry.exact().is_none_or(|(_, number)| {
                        facts.max_seq_no.is_some_and(|max| number <= max)
                            || newest.is_none_or(|newest| number > newest)
                    })
            });
        }
        let verification = Verification {
            index: self.client.index().to_owned(),
            history: stream_name(self.client.index()),
            verified_at: SystemClock.now(),
            indices: account(&entries, facts.as_ref()),
            stream,
            contradictions: contradictions(&records),
            unreadable,
        };
        Ok((verification, records))
    }

    /// Reads all records of the history. Returns an error if the role hides records from this user.
    pub(super) async fn all_records(
        &self,
        stream: &StreamState,
        with_documents: bool,
    ) -> Result<FoundRecords, HistoryError> {
        let filter = RecordFilter::default();
        let mut attempt = 0;
        loop {
            let found = self.search(&filter, with_documents).await?;
            attempt += 1;
            // At first, a search may find fewer records than the statistics count, because the
            // newest records may become visible on a replica shard later than on the primary.
            if found.read < stream.records() && attempt < ATTEMPTS {
                tokio::time::sleep(PAUSE).await;
                continue;
            }
            self.check_visible(found.read, stream.records())?;
            return Ok(found);
        }
    }
}

impl From<&Record> for Entry {
    fn from(record: &Record) -> Self {
        let exact = record.primary_term.zip(record.seq_no);
        let window = record.seq_no_after.zip(record.seq_no_until);
        Self {
            index_uuid: record.index_uuid.clone(),
            number: match (exact, window) {
                (Some((term, number)), _) => Number::Exact { term, number },
                (None, Some((after, until))) => Number::Within { after, until },
                (None, None) => Number::Unknown,
            },
            version: record.version,
            directive: record.directive.clone(),
            at: record.timestamp,
            deletes: record.kind == RecordKind::Deleted,
        }
    }
}

/// Finds the `_seq_no`s for which two records contain different directives or versions.
pub(super) fn contradictions(records: &[Record]) -> Vec<Contradiction> {
    let mut first: HashMap<(&str, u64, u64), &Record> = HashMap::new();
    let mut all = Vec::new();
    for record in records {
        let Some(operation) = record.operation() else {
            continue;
        };
        let key = (
            operation.index_uuid,
            operation.primary_term,
            operation.seq_no,
        );
        let known = first.entry(key).or_insert(record);
        let versions = known.version.zip(record.version);
        if known.directive != record.directive || versions.is_some_and(|(one, other)| one != other)
        {
            all.push(Contradiction {
                index_uuid: record.index_uuid.clone(),
                primary_term: operation.primary_term,
                seq_no: operation.seq_no,
            });
        }
    }
    all.sort();
    all.dedup();
    all
}
