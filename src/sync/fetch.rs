//! A new view of the index: what is known with the changes applied, or everything.

use std::sync::Arc;

use jiff::Timestamp;
use tracing::debug;

use super::IndexSynchronizer;
use super::change_set::ChangeSet;
use super::probe::ObservedVersion;
use super::regressions::Regression;
use super::replica::Replica;
use super::replica_builder::ReplicaBuilder;
use super::state::Known;
use crate::rest::Incomplete;
use crate::rest::{Changes, ConcreteIndex, FullRead, ReadError, off_the_runtime, weight_of};

/// A new view, complete by the cluster's own sum.
#[derive(Debug)]
pub(super) struct View {
    pub(super) index: ConcreteIndex,
    pub(super) replica: Arc<Replica>,
    /// The newest `updated_at` of all documents.
    pub(super) updated_at: Option<Timestamp>,
    /// The highest primary term that a document was written in.
    pub(super) term: Option<u64>,
    /// Whether all documents were read for it.
    pub(super) everything: bool,
    /// What of it may be a step back, if that is known already.
    pub(super) suspects: Option<Vec<Regression>>,
}

impl IndexSynchronizer {
    /// A view that is not older than the position.
    pub(super) async fn view(
        &mut self,
        position: &ObservedVersion,
        everything: bool,
    ) -> Result<View, ReadError> {
        let base = self
            .known
            .as_ref()
            .filter(|known| !everything && position.follows_known(known))
            // Without statistics on both sides of it nobody sees whether another primary
            // took over in between, and gave numbers anew.
            .filter(|known| {
                known.mark.is_some() && matches!(position, ObservedVersion::Checkpoints(_))
            });
        if let Some(known) = base.cloned()
            && let Some(view) = self.with_changes(known).await?
        {
            return Ok(view);
        }
        self.everything(position).await
    }

    /// What is known with the changes applied; `None` if that is not all that changed, or
    /// cannot be told.
    async fn with_changes(&mut self, known: Known) -> Result<Option<View>, ReadError> {
        if known.index.shards != 1 {
            self.without_changes("the index has several shards, each counts for itself");
        }
        if !self.plan.delta {
            return Ok(None);
        }
        let after = known.look_above();
        let delta = ChangeSet::new(self.limits());
        let (delta, documents, aggregates, term) =
            match self.source.changes(&known.index, after, delta).await? {
                Changes::Documents {
                    collector,
                    documents,
                    aggregates,
                    term,
                } => (collector, documents, aggregates, term),
                Changes::TooMany => return Ok(None),
                Changes::Unsupported => {
                    self.without_changes("the server does not search `_seq_no`, or sum it up");
                    return Ok(None);
                }
            };
        let another_primary = term > known.term;
        #[cfg(test)]
        let another_primary = another_primary && self.flaw != Some(super::Flaw::NoTerm);
        if another_primary {
            debug!("another primary writes; it may have given numbers anew");
            return Ok(None);
        }
        let before = Arc::clone(&known.replica);
        let suspects = delta.suspects_against(&before);
        let replica = if delta.is_empty() {
            before
        } else {
            off_the_runtime(weight(&before), move || match delta.apply_to(&before) {
                Some(replica) => Arc::new(replica),
                None => before,
            })
            .await
        };
        let agrees = replica.fingerprint().agrees_with(&aggregates)
            // Older documents under the same numbers: restored in place.
            && aggregates.updated_at >= known.updated_at;
        #[cfg(test)]
        let agrees = agrees || self.flaw == Some(super::Flaw::NoFingerprint);
        if agrees {
            return Ok(Some(View {
                index: known.index,
                replica,
                updated_at: aggregates.updated_at,
                term: known.term,
                everything: false,
                suspects: Some(suspects),
            }));
        }
        if documents == 0 && !replica.fingerprint().reaches(&aggregates) {
            self.without_changes("the server finds nothing by a range of `_seq_no`");
        }
        debug!("more changed than was found; reading everything");
        Ok(None)
    }

    /// All documents of the index at the position.
    async fn everything(&mut self, position: &ObservedVersion) -> Result<View, ReadError> {
        let index = self.source.index().await?;
        if index.identity() != position.identity() {
            return Err(self.source.incomplete(Incomplete::Replaced));
        }
        if let ObservedVersion::Checkpoints(mark) = position
            && let Some(failed) = index.shards.checked_sub(mark.shards()).filter(|&n| n > 0)
        {
            return Err(self.source.incomplete(Incomplete::FailedShards {
                failed: failed.into(),
                total: index.shards.into(),
            }));
        }
        let collector = ReplicaBuilder::new(self.limits());
        let FullRead {
            collector,
            aggregates,
            term,
            live,
        } = self.source.read(&index, collector).await?;
        self.source.close().await;
        if live {
            self.without("a point in time", "the server does not open one");
        }
        let newest = collector.updated_at();
        let weight = weight_of(collector.documents());
        let replica = off_the_runtime(weight, || collector.finish())
            .await
            .map_err(|source| self.source.incomplete(source))?;
        let updated_at = if let Some(aggregates) = aggregates {
            let agrees = replica.fingerprint().agrees_with(&aggregates);
            #[cfg(test)]
            let agrees = agrees || self.flaw == Some(super::Flaw::AnyView);
            if !agrees {
                return Err(self.source.incomplete(Incomplete::Fingerprint));
            }
            aggregates.updated_at
        } else {
            self.without_changes("the server does not sum up `_seq_no`");
            newest
        };
        Ok(View {
            index,
            replica: Arc::new(replica),
            updated_at,
            term,
            everything: true,
            suspects: None,
        })
    }
}

/// What a walk over a view costs, counted like the bytes of an answer.
pub(super) fn weight(replica: &Replica) -> usize {
    weight_of(usize::try_from(replica.fingerprint().documents).unwrap_or(usize::MAX))
}
