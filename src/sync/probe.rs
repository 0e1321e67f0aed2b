//! Observes the current version of the index at the beginning of a poll, with the cheapest request
//! that the server permits.

use tracing::debug;

use super::IndexSynchronizer;
use super::fetch::View;
use super::state::Known;
use crate::rest::{Aggregates, ConcreteIndex, Probe, ReadError, Session, ShardCheckpoints};
use crate::status::ProbeMethod;

/// The version of the index that a poll has observed at its beginning.
#[derive(Clone, Debug)]
pub(super) enum ObservedVersion {
    /// The observed version consists of the checkpoints in the index statistics. The index
    /// statistics count all operations, even those that no search returns yet.
    Checkpoints(ShardCheckpoints),
    /// The observed version consists of the aggregates of a search, because the index statistics
    /// are not available. `aggregates` is `None` if the server does not support aggregates.
    Searched {
        index: ConcreteIndex,
        aggregates: Option<Aggregates>,
    },
}

impl ObservedVersion {
    /// Returns the name and the uuid of the concrete index that the poll has observed.
    pub(super) fn identity(&self) -> (&str, &str) {
        match self {
            Self::Checkpoints(checkpoints) => (&checkpoints.index, &checkpoints.uuid),
            Self::Searched { index, .. } => (&index.name, &index.uuid),
        }
    }

    /// Returns true if `self` can be a later version of the same index than `other`.
    pub(super) fn follows(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Checkpoints(now), Self::Checkpoints(before)) => now.follows(before),
            _ => self.identity() == other.identity(),
        }
    }

    /// Returns true if `self` can be later than the last accepted view of the same index.
    pub(super) fn follows_known(&self, known: &Known) -> bool {
        match (self, &known.checkpoints) {
            (Self::Checkpoints(now), Some(before)) => now.follows(before),
            _ => self.identity() == known.index.identity(),
        }
    }

    /// Returns whether `self` and the last accepted view have the same history uuid. Equal history
    /// uuids mean that no OpenSearch snapshot was restored into the index since the last accepted
    /// view was read. Returns `None` without checkpoints, because only checkpoints contain the
    /// history uuid.
    pub(super) fn shares_history_with(&self, known: &Known) -> Option<bool> {
        match (self, &known.checkpoints) {
            (Self::Checkpoints(now), Some(before)) => Some(now.shares_history_with(before)),
            _ => None,
        }
    }

    /// Returns true if the observed aggregates of the primary differ from the fingerprint of
    /// `view`. Returns `false` if the observed version consists of checkpoints, because checkpoints
    /// contain no aggregates.
    pub(super) fn differs_from(&self, view: &View) -> bool {
        match self {
            Self::Checkpoints(_) => false,
            Self::Searched { aggregates, .. } => aggregates
                .as_ref()
                .is_some_and(|all| !view.replica.fingerprint().agrees_with(all)),
        }
    }

    pub(super) fn checkpoints(&self) -> Option<&ShardCheckpoints> {
        match self {
            Self::Checkpoints(checkpoints) => Some(checkpoints),
            Self::Searched { .. } => None,
        }
    }

    pub(super) fn into_checkpoints(self) -> Option<ShardCheckpoints> {
        match self {
            Self::Checkpoints(checkpoints) => Some(checkpoints),
            Self::Searched { .. } => None,
        }
    }
}

impl IndexSynchronizer {
    /// Observes the current version of the index with the index statistics or with a search.
    pub(super) async fn observe(
        &mut self,
        session: &Session,
    ) -> Result<ObservedVersion, ReadError> {
        if self.degradations.strategy().probe == ProbeMethod::Statistics {
            match session.probe().await? {
                Probe::Checkpoints(checkpoints) => {
                    return Ok(ObservedVersion::Checkpoints(checkpoints));
                }
                Probe::Unclear(why) => debug!(
                    why,
                    "this response lacks statistics; observing the version by a search"
                ),
                Probe::Unsupported(why) => {
                    self.degradations.probe_by(ProbeMethod::Search);
                    self.degradations.note("the index's statistics", &why);
                    self.degradations
                        .without_delta_reads("a failover cannot be detected without statistics");
                }
            }
        }
        let index = session.resolve_index().await?;
        if self.degradations.strategy().probe == ProbeMethod::None {
            let aggregates = None;
            return Ok(ObservedVersion::Searched { index, aggregates });
        }
        // The poll requests the aggregates from the primary, to detect whether the shard copy that
        // it reads is behind the primary.
        let summary = session.summary_of_primary(&index).await?;
        let aggregates = summary.map(|summary| summary.of);
        if aggregates.is_none() {
            self.degradations.probe_by(ProbeMethod::None);
            self.degradations
                .without_delta_reads("the server does not return exact aggregates of `_seq_no`");
        }
        Ok(ObservedVersion::Searched { index, aggregates })
    }
}
