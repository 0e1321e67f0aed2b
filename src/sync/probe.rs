//! Where the index stands, by the cheapest way that the server gives.

use tracing::{debug, info};

use super::IndexSynchronizer;
use super::fetch::View;
use super::state::Known;
use crate::rest::Aggregates;
use crate::rest::{ConcreteIndex, Probe, ReadError, ShardCheckpoints};
use crate::status::ProbedBy;

/// Where the index stood when a poll began.
#[derive(Clone, Debug)]
pub(super) enum ObservedVersion {
    /// By its statistics: what is written, searchable or not.
    Checkpoints(ShardCheckpoints),
    /// By a search, where there are no statistics; no sum where there is none either.
    Seen {
        index: ConcreteIndex,
        aggregates: Option<Aggregates>,
    },
}

impl ObservedVersion {
    /// Name and uuid of the concrete index.
    pub(super) fn identity(&self) -> (&str, &str) {
        match self {
            Self::Checkpoints(mark) => (&mark.index, &mark.uuid),
            Self::Seen { index, .. } => (&index.name, &index.uuid),
        }
    }

    /// Whether it can follow the other one in the life of one index.
    pub(super) fn follows(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Checkpoints(now), Self::Checkpoints(before)) => now.follows(before),
            _ => self.identity() == other.identity(),
        }
    }

    /// Whether it can follow what is known in the life of one index.
    pub(super) fn follows_known(&self, known: &Known) -> bool {
        match (self, &known.mark) {
            (Self::Checkpoints(now), Some(before)) => now.follows(before),
            _ => self.identity() == known.index.identity(),
        }
    }

    /// Whether the index was restored in its place since.
    pub(super) fn is_restored_since(&self, known: &Known) -> bool {
        match (self, &known.mark) {
            (Self::Checkpoints(now), Some(before)) => !now.is_of_the_history_of(before),
            _ => false,
        }
    }

    /// Whether the primary showed other documents than the view; not known by a mark.
    pub(super) fn differs_from(&self, view: &View) -> bool {
        match self {
            Self::Checkpoints(_) => false,
            Self::Seen { aggregates, .. } => aggregates
                .as_ref()
                .is_some_and(|all| !view.replica.fingerprint().agrees_with(all)),
        }
    }

    pub(super) fn into_mark(self) -> Option<ShardCheckpoints> {
        match self {
            Self::Checkpoints(mark) => Some(mark),
            Self::Seen { .. } => None,
        }
    }
}

impl IndexSynchronizer {
    /// Where the index stands now.
    pub(super) async fn position(&mut self) -> Result<ObservedVersion, ReadError> {
        if self.plan.probe == ProbedBy::Statistics {
            match self.source.probe().await? {
                Probe::Checkpoints(mark) => return Ok(ObservedVersion::Checkpoints(mark)),
                Probe::Unclear(why) => debug!(why, "the statistics are not enough this time"),
                Probe::Unsupported(why) => {
                    self.plan.probe = ProbedBy::Search;
                    self.without("the index's statistics", &why);
                    self.without_changes("without statistics, a failover is not seen");
                }
            }
        }
        let index = self.source.index().await?;
        if self.plan.probe == ProbedBy::Nothing {
            let aggregates = None;
            return Ok(ObservedVersion::Seen { index, aggregates });
        }
        // The primary's, so that a copy that lags behind it is seen to.
        let sum = self.source.summary_of_primary(&index).await?;
        let aggregates = sum.map(|sum| sum.of);
        if aggregates.is_none() {
            self.plan.probe = ProbedBy::Nothing;
            self.without_changes("the server does not sum up `_seq_no`");
        }
        Ok(ObservedVersion::Seen { index, aggregates })
    }

    /// Notes what polls do without until everything is read again.
    pub(super) fn without(&mut self, what: &str, why: &str) {
        let note = format!("without {what}: {why}");
        if !self.plan.notes.contains(&note) {
            info!("polling {note}");
            self.plan.notes.push(note);
        }
    }

    /// Notes that changes cannot be read alone.
    pub(super) fn without_changes(&mut self, why: &str) {
        self.plan.delta = false;
        self.without("reading changes alone", why);
    }
}
