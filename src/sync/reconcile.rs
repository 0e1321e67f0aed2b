//! Brings the replica up to date by a reconciliation. A reconciliation reads the changed documents,
//! and counts the `_seq_no`s of all documents in ranges. A reconciliation divides only the ranges
//! of `_seq_no`s in which the index and the replica have different counts. All requests of a
//! reconciliation use one point in time.
//!
//! For the same index, history and primary term, a `_seq_no` identifies one version of a document.
//! A replica with the same `_seq_no`s as the index therefore contains the same documents. A full
//! read replaces the reconciliation if the index, the history or the primary is new, if the primary
//! may have assigned `_seq_no`s again, or if the server cannot aggregate `_seq_no`.

use std::sync::Arc;

use tokio::time::Instant;
use tracing::debug;

use super::IndexSynchronizer;
use super::apply_delta::ChangeSet;
use super::fetch::{ANOTHER_PRIMARY, ReadKind, View, apply, resolve, weight};
use super::histogram_plan::first_query;
use super::probe::ObservedVersion;
use super::seq_no_reconciliation::{Difference, Omissions, Reconciliation, Step};
use super::state::Known;
use crate::rest::{
    Aggregates, Bucket, ChangesAndCounts, FirstRead, FrozenView, HistogramQuery, ReadError,
    Session, off_the_runtime,
};
use crate::safeguard_switches::Safeguard;

/// The reason why a poll makes a reconciliation.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Trigger {
    /// Documents were deleted, or a delta read did not return all changes.
    Difference,
    /// The periodic reconcile is due, which is the safety net behind the checks of each poll.
    Periodic,
}

/// The jitter of the interval between periodic reconciles, in percent.
const JITTER_PERCENT: u32 = 20;
/// A periodic reconcile decodes this many accepted documents again, to notice whether the role now
/// hides fields.
const SAMPLE: usize = 2;
/// The maximum number of `_seq_no`s in one request for documents. If a reconciliation must request
/// more documents by `_seq_no` than this, the poll makes a full read instead.
const MAX_LISTED: usize = 1_000;
/// The number of consecutive unfinished reconciliations after which the next poll makes a full
/// read. The full read lets polls succeed even if the server cannot serve reconciliations. After a
/// single unfinished reconciliation, the next poll tries a reconciliation again, because perhaps
/// only the node failed.
const MAX_UNFINISHED: u8 = 2;

/// The reason in the status if the histograms of the server contradict each other.
const CONTRADICTION: &str = "the histograms of `_seq_no` contradict each other";

/// The first response of a reconciliation, and the last accepted view with which it is compared.
struct Comparison {
    known: Known,
    changes: ChangeSet,
    aggregates: Aggregates,
    /// The highest primary term of all documents in the index.
    term: Option<u64>,
    /// The `_seq_no`s of the replica that the first response replaces, in ascending order. The
    /// first response replaces the replica's documents from a certain `_seq_no` on, because it
    /// contains all documents from this `_seq_no` on.
    replaced: Vec<u64>,
    /// True if this reconciliation is a periodic reconcile. A periodic reconcile also compares the
    /// sums of all histograms, because the index may contain `_seq_no`s that the replica lacks. A
    /// reconciliation that is not periodic compares only the counts after the first histogram.
    is_periodic: bool,
    /// The query for the first histogram, and the buckets in the response; `None` if the first
    /// response contains every document.
    counted: Option<(HistogramQuery, Vec<Bucket>)>,
}

/// The reason why a reconciliation ends without a new view.
enum Stop {
    /// A full read must follow, for the reason in the string.
    FullRead(&'static str),
    Failed(ReadError),
}

impl From<ReadError> for Stop {
    fn from(error: ReadError) -> Self {
        Self::Failed(error)
    }
}

impl IndexSynchronizer {
    /// Schedules the next periodic reconcile, one interval with jitter from now.
    pub(super) fn schedule_reconcile(&mut self) {
        let percent = self.random.u32(100 - JITTER_PERCENT..=100 + JITTER_PERCENT);
        self.reconcile_at = Instant::now() + self.reconcile_interval * percent / 100;
    }

    /// Reconciles the last accepted view with the index and returns the new view, or `None` if a
    /// full read must follow.
    pub(super) async fn fetch_differences(
        &mut self,
        session: &mut Session,
        observed: &ObservedVersion,
        known: Known,
        trigger: Trigger,
    ) -> Result<Option<View>, ReadError> {
        if !self.permits_delta_reads(&known.index) || !self.degradations.permits_reconciles() {
            return Ok(None);
        }
        let found = if self.unfinished_reconciles >= MAX_UNFINISHED {
            Err(Stop::FullRead("the last reconciles failed"))
        } else {
            // The reconciliation counts as unfinished from its beginning, because the poll may be
            // cut off before the reconciliation ends.
            self.unfinished_reconciles += 1;
            self.reconcile(session, observed, known, trigger).await
        };
        session.close_point_in_time().await;
        let view = match found {
            Ok(view) => Some(view),
            Err(Stop::FullRead(reason)) => {
                debug!(reason, "reading everything");
                None
            }
            Err(Stop::Failed(error)) => return Err(error),
        };
        self.unfinished_reconciles = 0;
        Ok(view)
    }

    async fn reconcile(
        &mut self,
        session: &mut Session,
        observed: &ObservedVersion,
        mut known: Known,
        trigger: Trigger,
    ) -> Result<View, Stop> {
        if trigger == Trigger::Periodic {
            // The settings of the index may have changed since the last read, so the poll requests
            // the settings again.
            known.index = resolve(session, observed).await?;
        }
        let Some(mut view) = session.freeze_view(&known.index).await? else {
            return Err(self.unsupported("the server does not open a point in time"));
        };
        let view = &mut view;
        let mut comparison = self.read_changes(session, view, known, trigger).await?;
        self.check_changes(&comparison)?;
        let difference = match comparison.counted.take() {
            Some(counted) => {
                self.descend(session, view, &mut comparison, counted)
                    .await?
            }
            None => Difference::default(),
        };
        let comparison = self
            .read_added(session, view, comparison, &difference.added)
            .await?;
        self.check_changes(&comparison)?;
        self.apply_differences(comparison, &difference.removed)
            .await
    }

    /// Records that the server does not support reconciliations, so that later polls make no
    /// reconciliation for some time.
    fn unsupported(&mut self, reason: &'static str) -> Stop {
        self.degradations.without_reconciles(reason);
        Stop::FullRead(reason)
    }

    /// Reads the changed documents and the first histogram with the first request of a
    /// reconciliation.
    async fn read_changes(
        &mut self,
        session: &mut Session,
        view: &mut FrozenView,
        known: Known,
        trigger: Trigger,
    ) -> Result<Comparison, Stop> {
        let is_periodic = trigger == Trigger::Periodic;
        let again = if is_periodic {
            known
                .replica
                .numbers_to_read_again(SAMPLE, &mut self.random)
        } else {
            Vec::new()
        };
        if again.len() > MAX_LISTED {
            return Err(Stop::FullRead("many rejected documents must be read again"));
        }
        // The first response contains every document whose `_seq_no` is at least `from`.
        let after = known.delta_after(0);
        let from = after.map_or(0, |after| after.saturating_add(1));
        let query = (from > 0).then(|| first_query(from, true, &self.reconcile_limits));
        let changes = ChangeSet::new(self.decoder(&known.index));
        let read = session.read_changes_and_counts(view, from, &again, query.as_ref(), changes);
        let ChangesAndCounts {
            collector,
            aggregates,
            term,
            counted,
        } = match read.await? {
            FirstRead::Read(read) => read,
            FirstRead::TooMany => return Err(Stop::FullRead("many documents changed")),
            FirstRead::Unsupported => {
                return Err(self.unsupported("the server does not return histograms of `_seq_no`"));
            }
        };
        Ok(Comparison {
            changes: collector,
            aggregates,
            term,
            replaced: known.replica.seq_nos_from(from),
            is_periodic,
            counted: query.map(|query| (query, counted)),
            known,
        })
    }

    /// Returns an error if the documents that the reconciliation has read show that a full read
    /// must follow.
    fn check_changes(&self, comparison: &Comparison) -> Result<(), Stop> {
        let Comparison { known, changes, .. } = comparison;
        if known.needs_full_read(comparison.term, comparison.is_periodic)
            && self.checks(Safeguard::PrimaryTerm)
            && self.checks(Safeguard::ReconcileTerm)
        {
            return Err(Stop::FullRead(ANOTHER_PRIMARY));
        }
        if changes.is_incomplete_since(&known.replica) {
            return Err(Stop::FullRead(
                "a document lacks fields, which the role may hide",
            ));
        }
        Ok(())
    }

    /// Compares the first histogram with the `_seq_no`s of the replica. Requests narrower
    /// histograms of the ranges that differ, until the single `_seq_no`s that differ are found.
    async fn descend(
        &mut self,
        session: &mut Session,
        view: &mut FrozenView,
        comparison: &mut Comparison,
        (query, counted): (HistogramQuery, Vec<Bucket>),
    ) -> Result<Difference, Stop> {
        let work = weight(&comparison.known.replica);
        let documents = comparison.aggregates.documents;
        let numbers = comparison
            .changes
            .seq_nos_after(&comparison.known.replica, &comparison.replaced);
        let omissions = Omissions {
            levels: !self.checks(Safeguard::ReconcileLevels),
            totals: !self.checks(Safeguard::ReconcileView),
        };
        let limits = self.reconcile_limits;
        let first = Reconciliation::new(numbers, documents, query, limits, omissions)
            .keeping_sums(comparison.is_periodic);
        let mut step = off_the_runtime(work, move || first.advance(&counted)).await;
        loop {
            match step {
                Step::Query(next) => {
                    let Some(counted) = session.count(view, next.query()).await? else {
                        return Err(self.unsupported(CONTRADICTION));
                    };
                    step = off_the_runtime(work, move || next.advance(&counted)).await;
                }
                Step::Done(difference) => return Ok(difference),
                Step::TooDifferent => return Err(Stop::FullRead("many documents differ")),
                Step::Inconsistent => return Err(self.unsupported(CONTRADICTION)),
            }
        }
    }

    /// Reads the documents that the replica lacks although their `_seq_no`s are below the range of
    /// the first response.
    async fn read_added(
        &self,
        session: &mut Session,
        view: &mut FrozenView,
        comparison: Comparison,
        added: &[u64],
    ) -> Result<Comparison, Stop> {
        if added.is_empty() {
            return Ok(comparison);
        }
        if added.len() > MAX_LISTED {
            return Err(Stop::FullRead("many documents were missed"));
        }
        let read = session.read_numbers(view, added, comparison.changes);
        match read.await? {
            Some((changes, documents, term)) if documents == added.len() as u64 => Ok(Comparison {
                changes,
                term: comparison.term.max(term),
                ..comparison
            }),
            _ => Err(Stop::FullRead(
                "the server does not return the documents that it counts",
            )),
        }
    }

    /// Applies the changes and the deletions to the replica, and checks the fingerprint of the new
    /// replica against the aggregates of the cluster.
    async fn apply_differences(
        &self,
        comparison: Comparison,
        removed: &[u64],
    ) -> Result<View, Stop> {
        let Comparison {
            known,
            mut changes,
            aggregates,
            term,
            replaced,
            ..
        } = comparison;
        changes.delete(&known.replica, &replaced);
        changes.delete(&known.replica, removed);
        let deletes = changes.deletes();
        let replica = apply(changes, &known.replica).await;
        let agrees = replica.fingerprint().agrees_with(&aggregates)
            // After a deletion, the latest `updated_at` may be earlier than before, because the
            // newest document may have been deleted.
            && (deletes || aggregates.updated_at >= known.updated_at);
        let compares = [
            Safeguard::Fingerprint,
            Safeguard::ReconcileLevels,
            Safeguard::ReconcileView,
        ];
        if !agrees && compares.into_iter().all(|safeguard| self.checks(safeguard)) {
            return Err(Stop::FullRead("the reconcile did not find all differences"));
        }
        Ok(View {
            index: known.index,
            updated_at: aggregates.updated_at,
            term: known.term.max(term),
            read: ReadKind::Reconcile,
            seen: None,
            is_aggregated: true,
            regressions: Arc::ptr_eq(&replica, &known.replica).then(Vec::new),
            replica,
        })
    }
}
