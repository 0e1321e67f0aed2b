//! Uses the records to reconstruct which directives existed at an instant, and to find out how each
//! directive ended.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use super::RecordKind;
use super::ledger::{Entry, Gap, IndexFacts, IndexLedger, PastDocument, account, state_at};
use super::reader::{History, HistoryError, UnreadableRecord};
use super::record::Record;
use crate::admin::DirectivesApi;
use crate::clock::{Clock as _, SystemClock};
use crate::config::Config;
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
    /// the operation is in a gap, and the gap is one of the doubts.
    pub unreadable: Vec<UnreadableRecord>,
}

/// A reason why the reconstructed state is not certain.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[serde(tag = "doubt", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Doubt {
    /// Some operations have no record, and at least one of them may have happened before the
    /// instant.
    Gap(Gap),
    /// The content of the directive is not known, because its document was replaced before a
    /// recorder could read it.
    UnknownDocument {
        /// The directive's id.
        directive: String,
        /// The `_seq_no` of the operation that wrote the document.
        seq_no: Option<u64>,
    },
    /// At the instant, the remaining lifetime of the directive was longer than the longest time to
    /// live of the proxies today. A proxy that had the same limit at the instant rejected the
    /// directive, but a proxy with a higher limit applied it.
    BeyondMaxTtl {
        /// The directive's id.
        directive: String,
        /// The expiry that the document contains.
        expires_at: Timestamp,
    },
    /// A new index has replaced the index after the last recorded operation, and possibly before
    /// the instant.
    Replaced,
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
    /// The records of the operations on the directive after the instant.
    pub later: Vec<Record>,
    is_lost: bool,
    replaced_at: Option<Timestamp>,
    is_of_former_index: bool,
    now: Timestamp,
}

/// How a directive ended.
#[derive(Clone, PartialEq, Debug)]
#[non_exhaustive]
pub enum End {
    /// The directive has not ended yet. The value is the time at which it will expire.
    Pending(Timestamp),
    /// The directive expired. The value is the time of its expiry.
    Expired(Timestamp),
    /// An operation ended the directive: a revocation, a deletion, or a change after which the
    /// directive no longer applied.
    Operation(Box<Record>),
    /// The index was deleted and created again, or restored. The value is the time at which the new
    /// index replaced the old index; `None` if this time is not known.
    IndexReplaced(Option<Timestamp>),
    /// The index lost the operation that wrote the directive, in a failover or in a restore.
    Lost,
}

impl Past {
    /// Builds the directive set that a proxy applied at the instant. A proxy that verifies
    /// signatures may have rejected some directives of this set.
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
    /// does not need to check the expiry or a revocation, because this method checks both.
    #[must_use]
    pub fn end(&self, applies: impl Fn(&Document, Timestamp) -> bool) -> End {
        let Some(document) = self.live() else {
            return End::Operation(Box::new(self.record.clone()));
        };
        let mut expires_at = document.directive.expires_at;
        for record in &self.later {
            if record.timestamp >= expires_at {
                break;
            }
            let later = document_of(record, record.timestamp);
            match later {
                Some(Ok(later)) if !later.revoked && applies(&later, record.timestamp) => {
                    expires_at = later.directive.expires_at;
                }
                // The record does not contain the document, so it is not known whether the
                // directive still applied after this operation. The search for the end continues
                // with the next record.
                None if record.kind != RecordKind::Deleted => {}
                _ => return End::Operation(Box::new(record.clone())),
            }
        }
        let end = expires_at.min(self.now);
        if self.is_lost {
            End::Lost
        } else if self.is_of_former_index && self.replaced_at.is_none_or(|at| at < end) {
            End::IndexReplaced(self.replaced_at)
        } else if expires_at <= self.now {
            End::Expired(expires_at)
        } else {
            End::Pending(expires_at)
        }
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
    let entries: Vec<Entry> = records.iter().map(Entry::from).collect();
    let state = state_at(&entries, facts, instant);
    let ledger = account(&entries, facts)
        .into_iter()
        .find(|ledger| Some(&*ledger.uuid) == state.index_uuid);
    let context = Context {
        records,
        instant,
        now,
        replaced_at: ledger.as_ref().and_then(|ledger| ledger.replaced_at),
        is_of_former_index: ledger.as_ref().is_some_and(|ledger| !ledger.is_current),
    };
    let documents = state.documents.iter();
    let directives: Vec<PastDirective> = documents.map(|one| context.directive(one)).collect();
    let gaps = ledger.iter().flat_map(|ledger| &ledger.gaps);
    let mut doubts: Vec<Doubt> = gaps
        .filter(|gap| gap.may_precede(instant))
        .map(|gap| Doubt::Gap(gap.clone()))
        .collect();
    let unknown = directives.iter().filter(|one| one.document.is_none());
    doubts.extend(unknown.map(|directive| Doubt::UnknownDocument {
        directive: directive.record.directive.clone(),
        seq_no: directive.record.seq_no,
    }));
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
    instant: Timestamp,
    now: Timestamp,
    replaced_at: Option<Timestamp>,
    is_of_former_index: bool,
}

impl Context<'_> {
    fn directive(&self, document: &PastDocument) -> PastDirective {
        let record = self.records[document.written_by].clone();
        let later = document
            .followed_by
            .iter()
            .map(|position| self.records[*position].clone());
        PastDirective {
            document: document_of(&record, self.instant),
            later: later.collect(),
            record,
            is_lost: document.is_lost,
            replaced_at: self.replaced_at,
            is_of_former_index: self.is_of_former_index,
            now: self.now,
        }
    }
}

/// Returns a doubt for each directive whose remaining lifetime at the instant exceeded the longest
/// time to live of today. Such a lifetime is only a doubt, because the limit may have been higher
/// at the instant.
fn beyond_max_ttl(
    directives: &[PastDirective],
    instant: Timestamp,
    max_ttl: Duration,
) -> impl Iterator<Item = Doubt> {
    let latest = SignedDuration::try_from(max_ttl).ok();
    let latest = latest.and_then(|max_ttl| instant.checked_add(max_ttl).ok());
    directives.iter().filter_map(move |one| {
        let expires_at = one.live()?.directive.expires_at;
        latest
            .is_some_and(|latest| expires_at > latest)
            .then(|| Doubt::BeyondMaxTtl {
                directive: one.record.directive.clone(),
                expires_at,
            })
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
