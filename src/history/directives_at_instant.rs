//! Uses the records to reconstruct which directives existed at an instant, and to find out how each
//! directive ended.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use jiff::Timestamp;

use super::RecordKind;
use super::doubt::{Doubt, beyond_max_ttl, deletion};
use super::ledger::{
    Entry, Evidence, Gap, IndexFacts, IndexLedger, PastDocument, account, state_at,
};
use super::reader::{History, HistoryError, UnreadableRecord};
use super::record::Record;
use super::time_of_deletion::{NoticedDeletion, noticed_deletions};
use crate::admin::DirectivesApi;
use crate::clock::{Clock as _, SystemClock};
use crate::config::Config;
use crate::fleet::{NextOperation, PastVersion};
use opensearch_directives_core::DirectiveSet;
use opensearch_directives_core::document::{DecodeLimits, Document, Rejection, decode};

/// The directives of an index at an instant, as reconstructed from the records.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Past {
    /// The instant for which the directives were reconstructed.
    pub instant: Timestamp,
    /// The ledger of the index to which the configured name referred at the instant; `None` if no
    /// such index is known.
    pub ledger: Option<IndexLedger>,
    /// The documents that existed at the instant, ordered by id. The list includes revoked and
    /// expired directives.
    pub directives: Vec<PastDirective>,
    /// The reasons why the reconstructed directives may be wrong; empty if the history is complete
    /// up to the instant.
    pub doubts: Vec<Doubt>,
    /// The records that cannot be decoded. If the only record of an operation cannot be decoded,
    /// the history has a gap there, which is also listed in `doubts`.
    pub unreadable: Vec<UnreadableRecord>,
}

/// A directive that existed at an instant.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct PastDirective {
    /// The record of the operation that wrote the directive's document.
    pub record: Record,
    /// The document of the directive, or the reason why proxies rejected it; `None` if the record
    /// does not contain the document.
    pub document: Option<Result<Document, Rejection>>,
    /// The records of the operations on the directive after the instant. For a deletion that a
    /// recorder noticed, `deleted_after` and `timestamp` are the narrowest bounds of the deletion's
    /// time that all records together show.
    pub later: Vec<Record>,
    /// The next operation on the directive, with the `_seq_no`s that it can have.
    next: Option<NextOperation>,
    /// Whether the ledger shows that the directive was changed or deleted later, but no record
    /// shows when this happened.
    has_unrecorded_end: bool,
    is_lost: bool,
    replaced_at: Option<Timestamp>,
    is_of_former_index: bool,
    now: Timestamp,
}

/// How a directive ended.
#[derive(Clone, PartialEq, Debug)]
#[non_exhaustive]
pub enum End {
    /// The directive has not ended yet. The contained time is the time at which the directive will
    /// expire.
    Pending(Timestamp),
    /// The directive expired at the contained time.
    Expired(Timestamp),
    /// An operation ended the directive: a revocation, a deletion, or a change after which the
    /// directive no longer applied.
    Operation(Box<Record>),
    /// The index was deleted and created again, or restored, so a new index had replaced it before
    /// the contained time.
    IndexReplaced(Timestamp),
    /// The index was deleted at an unknown time, and not created again.
    IndexDeleted,
    /// The directive was deleted or replaced by an operation that is not recorded. The directive
    /// applied at most until the contained time.
    Unrecorded(Timestamp),
    /// The index lost the operation that wrote the directive, in a failover or in a restore.
    Lost,
}

impl Past {
    /// Builds the directive set that a proxy applied at the reconstructed instant. A proxy that
    /// verifies signatures may have rejected some directives of the returned set.
    #[must_use]
    pub fn set(&self) -> DirectiveSet {
        let live = self.directives.iter().filter_map(PastDirective::live);
        live.map(|document| document.directive.clone()).collect()
    }
}

impl PastDirective {
    /// Returns the document of the directive; `None` if the document was revoked or rejected, or is
    /// not known.
    #[must_use]
    pub fn live(&self) -> Option<&Document> {
        let document = self.document.as_ref()?.as_ref().ok()?;
        (!document.revoked).then_some(document)
    }

    /// Finds out how the directive ended. The method calls `applies` with each later document of
    /// the directive and the time at which this document was written. `applies` returns whether the
    /// directive still had the effect in which the caller is interested. The function `applies`
    /// does not need to check the expiry or a revocation, because `end` checks both.
    #[must_use]
    pub fn end(&self, applies: impl Fn(&Document, Timestamp) -> bool) -> End {
        let Some(document) = self.live() else {
            return End::Operation(Box::new(self.record.clone()));
        };
        let mut expires_at = document.directive.expires_at;
        for record in &self.later {
            if record.timestamp >= expires_at {
                if record.deleted_after.is_some_and(|after| after < expires_at) {
                    // The directive may have been deleted before it expired, but no record shows
                    // it.
                    return End::Unrecorded(expires_at);
                }
                break;
            }
            let later = document_of(record, record.timestamp);
            match later {
                Some(Ok(later)) if !later.revoked && applies(&later, record.timestamp) => {
                    expires_at = later.directive.expires_at;
                }
                // If the record does not contain the document, it is not known whether the
                // directive still applied after the operation. The search for the directive's end
                // continues with the next record.
                None if record.kind != RecordKind::Deleted => {}
                _ => return End::Operation(Box::new(record.clone())),
            }
        }
        let end = expires_at.min(self.now);
        if self.is_lost {
            return End::Lost;
        }
        match self.replaced_at {
            Some(at) if self.is_of_former_index && at < end => return End::IndexReplaced(at),
            // If the directive expired before the index was deleted, the expiry ended the
            // directive.
            None if self.is_of_former_index && expires_at > self.now => return End::IndexDeleted,
            _ => {}
        }
        if self.has_unrecorded_end {
            End::Unrecorded(end)
        } else if expires_at <= self.now {
            End::Expired(expires_at)
        } else {
            End::Pending(expires_at)
        }
    }

    /// Returns the version of the directive, which serves to find the instances that applied it;
    /// `None` if the `_seq_no` of the operation that wrote it is not known.
    #[must_use]
    pub fn version(&self) -> Option<PastVersion<'_>> {
        let record = &self.record;
        Some(PastVersion {
            next: self.next,
            ..PastVersion::new(&record.index_uuid, &record.directive, record.seq_no?)
        })
    }
}

impl History {
    /// Reconstructs which directives existed at an instant.
    ///
    /// # Errors
    /// Returns an error if the history or the index cannot be read completely.
    pub async fn at(&self, instant: Timestamp) -> Result<Past, HistoryError> {
        let stream = self.stream_state().await?;
        let facts = self.index_facts().await?;
        let found = self.all_records(&stream, true).await?;
        let max_ttl = self.max_ttl().await?;
        let now = SystemClock.now();
        let mut past = past(&found.records, facts.as_ref(), instant, now, max_ttl);
        past.unreadable = found.unreadable;
        Ok(past)
    }

    /// Returns the longest time to live that proxies may permit. The result is the limit of the
    /// cluster or the default limit of proxies, whichever is higher. If the role does not permit
    /// reading the limit of the cluster, the result is the default limit of proxies.
    async fn max_ttl(&self) -> Result<Duration, HistoryError> {
        let api = DirectivesApi::new(self.client.clone());
        let limits = api.lifetime_limits().await?;
        let max_ttl = limits.map_or(Duration::ZERO, |limits| limits.max_ttl);
        Ok(max_ttl.max(Config::DEFAULT_MAX_TTL))
    }
}

/// Reconstructs from all records which directives existed at an instant.
pub(super) fn past(
    records: &[Record],
    facts: Option<&IndexFacts>,
    instant: Timestamp,
    now: Timestamp,
    max_ttl: Duration,
) -> Past {
    let mut entries: Vec<Entry> = records.iter().map(Entry::from).collect();
    let ledgers = account(&entries, facts);
    // The following code uses, as the time of a noticed deletion, the earliest time before which
    // the deletion must have happened.
    let deletions = noticed_deletions(records);
    for (position, deletion) in &deletions {
        entries[*position].at = deletion.until;
    }
    let state = state_at(&entries, facts, instant);
    let ledger = ledgers
        .into_iter()
        .find(|ledger| Some(&*ledger.uuid) == state.index_uuid);
    let gaps = ledger.iter().flat_map(|ledger| &ledger.gaps);
    let context = Context {
        records,
        deletions: &deletions,
        unrecorded: gaps.clone().flat_map(changed_without_record).collect(),
        instant,
        now,
        replaced_at: ledger.as_ref().and_then(|ledger| ledger.replaced_at),
        is_of_former_index: ledger.as_ref().is_some_and(|ledger| !ledger.is_current),
    };
    let documents = state.documents.iter();
    let directives: Vec<PastDirective> = documents.map(|one| context.directive(one)).collect();
    let mut doubts: Vec<Doubt> = gaps
        .filter(|gap| gap.may_precede(instant))
        .map(|gap| Doubt::Gap(gap.clone()))
        .collect();
    let unknown = directives.iter().filter(|one| one.document.is_none());
    doubts.extend(unknown.map(|directive| Doubt::UnknownDocument {
        directive: directive.record.directive.clone(),
        seq_no: directive.record.seq_no,
    }));
    doubts.extend(directives.iter().filter_map(|one| deletion(one, instant)));
    doubts.extend(beyond_max_ttl(&directives, instant, max_ttl));
    doubts.extend(state.may_be_replaced.then_some(Doubt::Replaced));
    Past {
        instant,
        ledger,
        directives,
        doubts,
        unreadable: Vec::new(),
    }
}

struct Context<'a> {
    records: &'a [Record],
    deletions: &'a HashMap<usize, NoticedDeletion>,
    /// The directives that changed after their last record.
    unrecorded: HashSet<&'a str>,
    instant: Timestamp,
    now: Timestamp,
    replaced_at: Option<Timestamp>,
    is_of_former_index: bool,
}

impl Context<'_> {
    fn directive(&self, document: &PastDocument) -> PastDirective {
        let record = self.records[document.written_by].clone();
        let later: Vec<Record> = document
            .followed_by
            .iter()
            .map(|position| self.later(*position))
            .collect();
        let next = document.followed_by.first();
        PastDirective {
            document: document_of(&record, self.instant),
            has_unrecorded_end: self.unrecorded.contains(&*record.directive),
            later,
            next: next.map(|position| self.next(*position)),
            record,
            is_lost: document.is_lost,
            replaced_at: self.replaced_at,
            is_of_former_index: self.is_of_former_index,
            now: self.now,
        }
    }

    fn next(&self, position: usize) -> NextOperation {
        match self.deletions.get(&position) {
            Some(deletion) => NextOperation {
                seq_nos: deletion.numbers,
                may_have_happened: deletion.after <= self.instant,
            },
            None => NextOperation {
                seq_nos: self.records[position].seq_no.map(|number| (number, number)),
                may_have_happened: false,
            },
        }
    }

    /// Returns the record of an operation after the instant. In the record of a noticed deletion,
    /// replaces the time and the highest possible `_seq_no` by the narrower bounds that all records
    /// together show.
    fn later(&self, position: usize) -> Record {
        let mut record = self.records[position].clone();
        if let Some(deletion) = self.deletions.get(&position) {
            record.timestamp = deletion.until;
            record.deleted_after = Some(deletion.after);
            if let Some((_, last)) = deletion.numbers {
                record.seq_no_until = Some(last);
            }
        }
        record
    }
}

/// Returns the directives whose last operation is not recorded, because it is in the given gap.
fn changed_without_record(gap: &Gap) -> impl Iterator<Item = &str> {
    gap.evidence.iter().filter_map(|evidence| match evidence {
        Evidence::Visible { directive, .. } | Evidence::Vanished { directive } => {
            Some(&**directive)
        }
        Evidence::Deletion { .. } | Evidence::Versions { .. } => None,
    })
}

/// Decodes the document of a record in the same way as a proxy decoded it at the instant `now`. The
/// function does not check the longest time to live, because the history does not contain the
/// limits of the past.
fn document_of(record: &Record, now: Timestamp) -> Option<Result<Document, Rejection>> {
    let source = record.document()?.to_string();
    let max_ttl = Duration::MAX;
    let limits = DecodeLimits { now, max_ttl };
    Some(decode(&record.directive, &source, &limits).map(|document| document.to_document()))
}

#[cfg(test)]
#[path = "directives_at_instant_tests.rs"]
mod tests;
