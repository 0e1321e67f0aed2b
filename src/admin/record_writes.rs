//! Records the executed writes of a plan in the history of the index, if the index has a history.
//!
//! A write is recorded only after it was executed, so it succeeds even if the client cannot record
//! it. The report of the writes names each executed write that was not recorded.

use std::collections::HashMap;

use serde_json::{Map, Value};

use super::bulk::{OperationNumbers, parts};
use super::directives_api::{DirectivesApi, Stored};
use super::error::WriteError;
use super::execute::{Executed, Outcome};
use super::planned_write::{Action, PlannedWrite};
use crate::error::chain;
use crate::history::{
    Appended, Before, Entry, Operation, Record, RecordKind, RecordedBy, Seen, Stream, record_of,
};
use crate::http::BULK_BYTES;
use crate::rest::Probe;
use opensearch_directives_core::document::{DecodeLimits, encode};

/// Says which executed writes are recorded in the history of the index.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct HistoryReport {
    /// The number of executed writes that the history contains, including those that a recorder has
    /// recorded.
    pub recorded: usize,
    /// The executed writes that this client could not record.
    pub unrecorded: Vec<Unrecorded>,
    /// The error that prevented the client from finding out whether the index has a history;
    /// otherwise `None`.
    pub unclear: Option<WriteError>,
}

/// A write that was executed but not recorded.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Unrecorded {
    /// The id of the directive whose write was not recorded.
    pub id: String,
    /// The reason why the write was not recorded.
    pub reason: String,
}

/// Who deletes a directive and why, for the record of the deletion. Writes other than deletions
/// store their author and their reason in the document.
#[derive(Clone, Debug, Default)]
pub(super) struct Attribution {
    by: Option<String>,
    reason: Option<String>,
}

/// The uuid of the index and the history uuid of its shard; two `_seq_no`s are comparable only if
/// both uuids are equal.
type Identity = (String, String);

/// Whether the index had a history before the first write of the plan, and which uuids the index
/// had.
#[derive(Debug)]
pub(super) enum Ledger {
    Absent,
    Unclear(WriteError),
    Open {
        stream: Stream,
        identity: Result<Identity, String>,
    },
}

impl DirectivesApi {
    /// Finds out whether the index has a history. If the index has a history, the method also
    /// requests the uuids of the index.
    pub(super) async fn open_ledger(&self) -> Ledger {
        let stream = Stream::of(self.client.clone());
        match stream.exists().await {
            Ok(false) => Ledger::Absent,
            Ok(true) => {
                let identity = self.identity().await;
                Ledger::Open { stream, identity }
            }
            Err(error) => Ledger::Unclear(error.into()),
        }
    }

    /// Returns the uuid of the index and the history uuid of its shard, or the reason why they are
    /// not known.
    async fn identity(&self) -> Result<Identity, String> {
        match self.session().probe().await {
            Ok(Probe::Checkpoints(checkpoints)) => match checkpoints.history_uuid() {
                Some(history) => Ok((checkpoints.uuid.clone(), history.to_owned())),
                None => Err("the index has several shards, each with its own numbers".to_owned()),
            },
            Ok(Probe::Unclear(reason)) => Err(reason.to_owned()),
            Ok(Probe::Unsupported(reason)) => Err(reason),
            Err(error) => Err(chain(&error)),
        }
    }

    /// Records the executed writes of a plan in the history. Returns `None` if the index has no
    /// history.
    pub(super) async fn record(
        &self,
        ledger: Ledger,
        plan: &[PlannedWrite],
        executed: &[Executed],
    ) -> Option<HistoryReport> {
        let mut report = HistoryReport::default();
        let written: Vec<(&PlannedWrite, Option<OperationNumbers>)> = plan
            .iter()
            .zip(executed)
            .filter(|(_, executed)| matches!(executed.outcome, Outcome::Written))
            .map(|(planned, executed)| (planned, executed.numbers))
            // An update that changed nothing is not an operation, so it is not recorded.
            .filter(|(planned, numbers)| numbers.is_some() || planned.is_delete())
            .collect();
        let (stream, identity) = match ledger {
            Ledger::Absent => return None,
            _ if written.is_empty() => return Some(report),
            Ledger::Unclear(error) => {
                report.unclear = Some(error);
                return Some(report);
            }
            Ledger::Open { stream, identity } => (stream, identity),
        };
        match self.same_identity(identity).await {
            Ok(identity) => {
                let entries = self.entries(&identity, &written).await;
                self.append(&stream, entries, &mut report).await;
            }
            Err(reason) => {
                let missing = written.iter().map(|(planned, _)| Unrecorded {
                    id: planned.id.clone(),
                    reason: reason.clone(),
                });
                report.unrecorded.extend(missing);
            }
        }
        Some(report)
    }

    /// Checks whether the index still has the uuids that it had before the writes, because the
    /// `_seq_no`s of two indices cannot be compared.
    async fn same_identity(&self, before: Result<Identity, String>) -> Result<Identity, String> {
        let unknown = |reason| format!("the uuid of the index is not known: {reason}");
        let before = before.map_err(unknown)?;
        let after = self.identity().await.map_err(unknown)?;
        if before == after {
            Ok(after)
        } else {
            Err("the index was created again or restored during the write".to_owned())
        }
    }

    async fn entries(
        &self,
        identity: &Identity,
        written: &[(&PlannedWrite, Option<OperationNumbers>)],
    ) -> Vec<Entry> {
        let stored = self.read_back(written).await;
        let by = RecordedBy {
            name: self.recorded_by.clone(),
            at: self.now().await.unwrap_or_else(|_| self.limits().now),
            max_ttl: self.max_ttl(),
        };
        let entry = |(planned, numbers): &(&PlannedWrite, Option<OperationNumbers>)| {
            let stored = stored.get(planned.id.as_str());
            self.entry(identity, planned, *numbers, stored, &by)
        };
        written.iter().filter_map(entry).collect()
    }

    /// Reads the written documents again, because the ingest pipeline has added fields to them. If
    /// a written document cannot be read again, the record of its write contains no document.
    async fn read_back(
        &self,
        written: &[(&PlannedWrite, Option<OperationNumbers>)],
    ) -> HashMap<String, Stored> {
        let ids: Vec<&str> = written
            .iter()
            .filter(|(planned, _)| !planned.is_delete())
            .map(|(planned, _)| planned.id.as_str())
            .collect();
        if ids.is_empty() {
            return HashMap::new();
        }
        let stored = self.get_many(&ids).await.unwrap_or_default();
        let stored = stored.into_iter().flatten();
        stored.map(|one| (one.id.clone(), one)).collect()
    }

    fn entry(
        &self,
        (index_uuid, history_uuid): &Identity,
        planned: &PlannedWrite,
        numbers: Option<OperationNumbers>,
        stored: Option<&Stored>,
        by: &RecordedBy,
    ) -> Option<Entry> {
        let last = planned.before.as_ref().and_then(|before| before.version);
        // If the response to a deletion was lost, the deletion is recorded without its `_seq_no`.
        let (seq_no, primary_term) = match (numbers, last) {
            (Some(numbers), _) => (numbers.seq_no, numbers.primary_term),
            (None, Some(last)) => (last.seq_no, last.primary_term),
            (None, None) => return None,
        };
        let operation = Operation {
            index_uuid,
            history_uuid,
            primary_term,
            seq_no,
        };
        let same = |version: &super::Version| {
            (version.seq_no, version.primary_term) == (seq_no, primary_term)
        };
        // The record contains the stored document only if the document still has the version that
        // the recorded write created, because somebody else may have replaced the document since.
        let stored = stored.filter(|stored| stored.version.as_ref().is_some_and(same));
        let after = match stored {
            Some(stored) => Some(stored.source.get().to_owned()),
            None => planned.expected(&self.limits()),
        };
        let seen = Seen {
            directive: &planned.id,
            operation,
            version: numbers.and_then(|numbers| numbers.version),
            before: match &planned.before {
                Some(before) => Before::Stored(before.source.get()),
                None => Before::Absent,
            },
            after: after.as_deref(),
            not_before: None,
        };
        let mut record = record_of(&seen, by);
        if planned.is_delete() {
            self.attribute(&mut record, planned);
        } else if stored.is_none() {
            record.document = None;
        }
        if numbers.is_some() {
            Entry::of_operation(record)
        } else {
            Entry::of_unnumbered_deletion(record, seq_no, None)
        }
    }

    /// Adds the author and the reason of a deletion to its record, because a deleted document
    /// cannot contain them.
    fn attribute(&self, record: &mut Record, planned: &PlannedWrite) {
        record.kind = RecordKind::Deleted;
        record.by.clone_from(&planned.deletion.by);
        record.reason.clone_from(&planned.deletion.reason);
        record.authenticated_by.clone_from(&self.authenticated_as);
    }

    async fn append(&self, stream: &Stream, mut entries: Vec<Entry>, report: &mut HistoryReport) {
        let lengths: Vec<usize> = entries.iter().map(Entry::weight).collect();
        let mut from = 0;
        for length in parts(lengths.into_iter(), BULK_BYTES) {
            let part = &mut entries[from..from + length];
            from += length;
            let results = match stream.append(part, true).await {
                Ok(results) => results,
                Err(error) => vec![Appended::Failed(chain(&error)); length],
            };
            for (entry, result) in part.iter().zip(results) {
                match result {
                    Appended::Now | Appended::Before => report.recorded += 1,
                    Appended::Refused(reason) | Appended::Failed(reason) => {
                        let id = entry.record.directive.clone();
                        report.unrecorded.push(Unrecorded { id, reason });
                    }
                }
            }
        }
    }
}

impl PlannedWrite {
    /// Sets who deletes the directive and why, for the [history](crate::history) of the index. Only
    /// a deletion needs this method, because all other writes store the author and the reason in
    /// the document.
    #[must_use]
    pub fn deleted_by(mut self, by: Option<&str>, reason: Option<&str>) -> Self {
        self.deletion = Attribution {
            by: by.map(str::to_owned),
            reason: reason.map(str::to_owned),
        };
        self
    }

    /// Returns the JSON that the planned write should have stored, which the caller compares with
    /// the previous document to classify the operation.
    fn expected(&self, limits: &DecodeLimits) -> Option<String> {
        match &self.action {
            Action::Revoke(fields) | Action::Sign(fields) => {
                let before = self.before.as_ref()?.source.get();
                let mut document: Map<String, Value> = serde_json::from_str(before).ok()?;
                document.extend(fields.as_object().cloned().unwrap_or_default());
                serde_json::to_string(&document).ok()
            }
            Action::Index(..) => {
                let json = encode(self.after.as_ref()?, limits).ok()?;
                Some(json.get().to_owned())
            }
            Action::Delete | Action::Nothing => None,
        }
    }
}
