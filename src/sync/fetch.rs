//! Fetches a new view of the index after a poll has noticed a change. A poll first tries a delta
//! read, then a reconciliation, and finally a full read of all documents.

use std::sync::Arc;

use jiff::Timestamp;
use tracing::debug;

use super::IndexSynchronizer;
use super::apply_delta::ChangeSet;
use super::probe::ObservedVersion;
use super::reconcile::Trigger;
use super::replica::Replica;
use super::replica_builder::ReplicaBuilder;
use super::signs_of_older_view::Regression;
use super::state::Known;
use crate::history::{Keeping, SeenDocument};
use crate::rest::{
    Aggregates, ConcreteIndex, DeltaRead, FullRead, Incomplete, ReadError, Session,
    off_the_runtime, weight_of,
};
use crate::safeguard_switches::Safeguard;

/// A new view of the index, as one read has returned it. If the server supports aggregates, the
/// poll has checked that the view is complete by comparing it with the aggregates.
#[derive(Debug)]
pub(super) struct View {
    pub(super) index: ConcreteIndex,
    pub(super) replica: Arc<Replica>,
    /// The newest `updated_at` of all documents in the view.
    pub(super) updated_at: Option<Timestamp>,
    /// The highest primary term of all documents in the view.
    pub(super) term: Option<u64>,
    pub(super) read: ReadKind,
    /// True if the server can aggregate `_seq_no`. The primary can confirm a view only if the
    /// server can aggregate `_seq_no`.
    pub(super) is_aggregated: bool,
    /// The possible regressions in this view; `None` if the poll has not determined them yet.
    pub(super) regressions: Option<Vec<Regression>>,
    /// The documents that the read has returned, for the recorder; `None` if there is no recorder.
    pub(super) seen: Option<Vec<SeenDocument>>,
}

/// The reason for a full read, in the log, if the primary term is new.
pub(super) const ANOTHER_PRIMARY: &str =
    "another primary took over and may have assigned `_seq_no`s again";

impl View {
    /// Returns true if a full read returned this view.
    pub(super) fn is_full(&self) -> bool {
        self.read == ReadKind::Full
    }
}

/// The kind of read that returned a view.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum ReadKind {
    Delta,
    Reconcile,
    Full,
}

/// The outcome of a delta read and of the check that it has returned all changes.
enum Delta {
    View(View),
    /// The replica still differs from the index after the delta read, because the index has changes
    /// that a delta read does not return, for example deletions.
    Different,
    /// The server cannot perform the delta read, or the delta read cannot find all changes, so a
    /// full read is necessary.
    Insufficient,
}

impl IndexSynchronizer {
    /// Fetches a new view of the index, with a delta read or a reconciliation if possible, and with
    /// a full read if not.
    pub(super) async fn fetch(
        &mut self,
        session: &mut Session,
        observed: &ObservedVersion,
        reconcile: bool,
    ) -> Result<View, ReadError> {
        let base = self
            .state
            .known()
            .filter(|_| !self.is_trust_outdated() && !self.was_overtaken)
            // With a recorder, a full read replaces the periodic reconciliation, because the
            // recorder needs the documents, and a reconciliation mainly reads their `_seq_no`s.
            .filter(|_| !reconcile || self.history.is_none())
            // A new primary may have assigned the same `_seq_no`s again. Without checkpoints a full
            // read is necessary, because only checkpoints show whether a new primary has taken over
            // since the last accepted view was read.
            .filter(|known| {
                known.checkpoints.is_some() && matches!(observed, ObservedVersion::Checkpoints(_))
            });
        if let Some(known) = base.cloned() {
            let trigger = if reconcile {
                Some(Trigger::Periodic)
            } else if self.history.is_none() && has_fewer_documents(observed, &known) {
                Some(Trigger::Difference)
            } else {
                match self.fetch_delta(session, known.clone()).await? {
                    Delta::View(view) => return Ok(view),
                    Delta::Different => self.history.is_none().then_some(Trigger::Difference),
                    Delta::Insufficient => None,
                }
            };
            if let Some(trigger) = trigger
                && let Some(view) = self
                    .fetch_differences(session, observed, known, trigger)
                    .await?
            {
                return Ok(view);
            }
        }
        self.fetch_everything(session, observed).await
    }

    /// Makes a delta read and applies the changes to the last accepted view. Returns the new view
    /// only if the delta read has certainly returned all changes.
    async fn fetch_delta(&mut self, session: &Session, known: Known) -> Result<Delta, ReadError> {
        if !self.permits_delta_reads(&known.index) {
            return Ok(Delta::Insufficient);
        }
        let changes = ChangeSet::new(self.decoder(&known.index));
        let changes = Keeping::new(changes, self.history.is_some());
        let read = session.read_delta(&known.index, known.delta_after(self.look_back), changes);
        let (Keeping { inner, seen }, documents, aggregates, term) = match read.await? {
            DeltaRead::Documents {
                collector,
                documents,
                aggregates,
                term,
            } => (collector, documents, aggregates, term),
            DeltaRead::TooMany => return Ok(Delta::Insufficient),
            DeltaRead::Unsupported => {
                self.degradations
                    .without_delta_reads("the server does not search or aggregate `_seq_no`");
                return Ok(Delta::Insufficient);
            }
        };
        let changes = inner;
        if let Some(reason) = self.reason_for_full_read(&known, &changes, term) {
            debug!(reason, "reading everything");
            return Ok(Delta::Insufficient);
        }
        let regressions = changes.regressions_from(&known.replica);
        let replica = apply(changes, &known.replica).await;
        if self.is_complete(&replica, &known, &aggregates) {
            return Ok(Delta::View(View {
                index: known.index,
                replica,
                updated_at: aggregates.updated_at,
                term: known.term.max(term),
                read: ReadKind::Delta,
                is_aggregated: true,
                regressions: Some(regressions),
                seen,
            }));
        }
        if documents == 0 && !replica.fingerprint().reaches(&aggregates) {
            self.degradations
                .without_delta_reads("a range query on `_seq_no` finds nothing");
        }
        debug!("the delta read did not return all changes");
        Ok(Delta::Different)
    }

    /// Returns the reason why a full read must follow a delta read; `None` if the delta read is
    /// sufficient.
    fn reason_for_full_read(
        &self,
        known: &Known,
        changes: &ChangeSet,
        term: Option<u64>,
    ) -> Option<&'static str> {
        if known.needs_full_read(term, false) && self.checks(Safeguard::PrimaryTerm) {
            return Some(ANOTHER_PRIMARY);
        }
        changes
            .is_incomplete_since(&known.replica)
            .then_some("a changed document lacks fields, which the role may hide")
    }

    pub(super) fn permits_delta_reads(&mut self, index: &ConcreteIndex) -> bool {
        if index.shards != 1 {
            self.degradations
                .without_delta_reads("the index has several shards, each with its own numbers");
        }
        self.degradations.strategy().delta
    }

    /// Returns true if the replica contains the same documents as the index, according to the
    /// aggregates of the cluster.
    fn is_complete(&self, replica: &Replica, known: &Known, aggregates: &Aggregates) -> bool {
        let agrees = replica.fingerprint().agrees_with(aggregates)
            // After the index was restored from an OpenSearch snapshot, older documents may have
            // the same `_seq_no`s, so that only `updated_at` differs.
            && aggregates.updated_at >= known.updated_at;
        agrees || !self.checks(Safeguard::Fingerprint)
    }

    /// Fetches a new view of the index with a full read. Returns an error if the configured name no
    /// longer refers to the index whose version the poll observed.
    async fn fetch_everything(
        &mut self,
        session: &mut Session,
        observed: &ObservedVersion,
    ) -> Result<View, ReadError> {
        let index = resolve(session, observed).await?;
        let collector = ReplicaBuilder::new(self.decoder(&index));
        let collector = Keeping::new(collector, self.history.is_some());
        let FullRead {
            collector:
                Keeping {
                    inner: collector,
                    seen,
                },
            aggregates,
            term,
            live,
        } = session.read_all(&index, collector).await?;
        if live {
            self.degradations
                .note("a point in time", "the server does not open one");
        }
        let newest = collector.updated_at();
        let is_aggregated = aggregates.is_some();
        let weight = weight_of(collector.documents());
        let replica = off_the_runtime(weight, || collector.finish())
            .await
            .map_err(|what| session.incomplete(what))?;
        let updated_at = if let Some(aggregates) = aggregates {
            let agrees = replica.fingerprint().agrees_with(&aggregates);
            if !agrees && self.checks(Safeguard::OneView) {
                return Err(session.incomplete(Incomplete::Fingerprint));
            }
            aggregates.updated_at
        } else {
            self.degradations
                .without_delta_reads("the server does not return exact aggregates of `_seq_no`");
            newest
        };
        Ok(View {
            index,
            replica: Arc::new(replica),
            updated_at,
            term,
            read: ReadKind::Full,
            is_aggregated,
            regressions: None,
            seen,
        })
    }
}

/// Returns true if the primary counts fewer documents than the last accepted view contains. A lower
/// count means that documents were deleted, and a delta read would not show the deletions.
fn has_fewer_documents(observed: &ObservedVersion, known: &Known) -> bool {
    match observed {
        ObservedVersion::Checkpoints(checkpoints) => {
            checkpoints.documents() < known.replica.fingerprint().documents
        }
        ObservedVersion::Searched { .. } => false,
    }
}

/// Resolves the configured name to a concrete index. Returns an error if the configured name no
/// longer refers to the index whose version the poll observed, or if a shard of the index has no
/// primary.
pub(super) async fn resolve(
    session: &Session,
    observed: &ObservedVersion,
) -> Result<ConcreteIndex, ReadError> {
    let index = session.resolve_index().await?;
    if index.identity() != observed.identity() {
        return Err(session.incomplete(Incomplete::Replaced));
    }
    if let ObservedVersion::Checkpoints(checkpoints) = observed
        && let Some(failed) = index.shards.checked_sub(checkpoints.shards())
        && failed > 0
    {
        return Err(session.incomplete(Incomplete::FailedShards {
            failed: failed.into(),
            total: index.shards.into(),
        }));
    }
    Ok(index)
}

/// Applies the changes to `replica` and returns the new replica. Returns `replica` itself if there
/// is nothing to change, or if the new replica would be too large.
pub(super) async fn apply(changes: ChangeSet, replica: &Arc<Replica>) -> Arc<Replica> {
    let before = Arc::clone(replica);
    if changes.is_empty() {
        return before;
    }
    off_the_runtime(weight(replica), move || {
        changes.apply_to(&before).map_or(before, Arc::new)
    })
    .await
}

/// Converts the size of a replica into a number of bytes: decoding a response of so many bytes
/// takes about as long as iterating over the replica.
pub(super) fn weight(replica: &Replica) -> usize {
    weight_of(usize::try_from(replica.fingerprint().documents).unwrap_or(usize::MAX))
}
