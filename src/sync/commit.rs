//! Stores the view that a successful poll has read as the last accepted view, and counts the read.

use tokio::time::Instant;
use tracing::{debug, warn};

use super::IndexSynchronizer;
use super::convergence::{Convergence, FreshnessBound, LowWatermark};
use super::fetch::{ReadKind, View};
use super::probe::ObservedVersion;
use super::state::Known;
use crate::history::Observed;
use crate::rest::ShardCheckpoints;

impl IndexSynchronizer {
    /// Replaces the last accepted view with the view that this poll has read. `began` is the
    /// instant at which the poll began.
    pub(super) fn commit(
        &mut self,
        observed: ObservedVersion,
        after: Option<ShardCheckpoints>,
        mut view: View,
        began: Instant,
    ) {
        self.report_to_recorder(&observed, after.as_ref(), &mut view);
        let before = self.state.known();
        let followed = before.filter(|known| observed.follows_known(known));
        let low_watermark =
            followed.map_or_else(LowWatermark::default, |known| known.low_watermark);
        let contained = followed.and_then(|known| known.contained_seq_no);
        let lags = observed.differs_from(&view);
        let lagged = before.is_some_and(|known| known.lags);
        let checkpoints = observed.into_checkpoints();
        let same = before.filter(|known| checkpoints.is_some() && known.checkpoints == checkpoints);
        // A write during the poll, or a change of the trusted keys, explains why the new view has
        // another directive set than the last accepted view. Only an unexplained difference between
        // the directive sets counts as a correction of a mistake of earlier polls.
        let is_explained = after != checkpoints || self.is_trust_outdated();
        let corrects = !is_explained && same.is_some_and(|known| known.is_corrected_by(&view));
        let earlier = same.map(|known| known.convergence);
        let full_read_term = match view.read {
            ReadKind::Full => view.term,
            ReadKind::Delta | ReadKind::Reconcile => before.and_then(|known| known.full_read_term),
        };
        let convergence = convergence(checkpoints.as_ref(), earlier, &view, began);
        let overdue = matches!(earlier, Some(Convergence::Converging { .. }))
            && convergence != Convergence::Converged
            && Some(convergence) != earlier;
        if overdue || lags && lagged {
            debug!("this shard copy lags behind the primary; the next poll reads another copy");
            self.reader.switch_copy();
        }
        self.count_read(view.read, corrects);
        self.was_overtaken = false;
        self.last_good = None;
        self.generation += 1;
        let low_watermark = low_watermark.after_view(checkpoints.as_ref(), convergence, began);
        let contained = contained.max(low_watermark.reached());
        self.state.commit(Known {
            low_watermark,
            contained_seq_no: contained.map(|mark| view.replica.contiguous_after(mark)),
            freshness_bound: FreshnessBound::after_read(
                after.as_ref(),
                view.replica.fingerprint().max_seq_no,
            ),
            index: view.index,
            checkpoints,
            checkpoints_after: after,
            replica: view.replica,
            updated_at: view.updated_at,
            term: view.term,
            full_read_term,
            convergence,
            lags,
        });
    }

    /// Passes the view that the poll has read to the recorder, if there is a recorder. The poll
    /// does not wait until the recorder has processed the view.
    fn report_to_recorder(
        &self,
        observed: &ObservedVersion,
        after: Option<&ShardCheckpoints>,
        view: &mut View,
    ) {
        let (Some(feed), Some(documents)) = (&self.history, view.seen.take()) else {
            return;
        };
        if documents.is_empty() && !view.is_full() {
            return;
        }
        let before = self.state.known();
        let before = before.filter(|known| observed.follows_known(known));
        let complete_until = before.and_then(Known::applied_seq_no);
        let checkpoints = observed.checkpoints();
        let observed = Observed {
            index_uuid: view.index.uuid.clone(),
            history_uuid: checkpoints
                .and_then(ShardCheckpoints::history_uuid)
                .map(str::to_owned),
            is_full: view.is_full(),
            complete_until,
            not_assigned_at: complete_until
                .and_then(|number| self.assigned_times.before_assigning_above(number)),
            max_seq_no: after.and_then(ShardCheckpoints::max_seq_no),
        };
        feed.observe(observed, documents);
    }

    fn count_read(&mut self, read: ReadKind, corrects: bool) {
        if corrects {
            self.counters.corrections += 1;
            warn!("a reconcile found a difference that the incremental polls had missed");
        }
        match read {
            ReadKind::Delta => self.counters.delta_reads += 1,
            ReadKind::Reconcile => self.counters.reconciles += 1,
            ReadKind::Full => self.counters.full_reads += 1,
        }
    }
}

/// Decides whether a view contains all operations that the primary held when the poll observed
/// `checkpoints`.
///
/// The poll must have observed `checkpoints` before it read the view. If the previous poll observed
/// the same checkpoints, `earlier` is the convergence that the previous poll determined.
fn convergence(
    checkpoints: Option<&ShardCheckpoints>,
    earlier: Option<Convergence>,
    view: &View,
    began: Instant,
) -> Convergence {
    let Some(checkpoints) = checkpoints else {
        return Convergence::Converged;
    };
    match earlier {
        // The deadline `until` stays unchanged, because it counts from the poll that first observed
        // these checkpoints.
        Some(Convergence::Converging { until }) if began < until => {
            Convergence::Converging { until }
        }
        Some(Convergence::Converging { .. })
            if !view.is_aggregated
                && checkpoints.is_at_rest()
                && view.replica.fingerprint().documents == checkpoints.documents() =>
        {
            Convergence::Converged
        }
        _ => Convergence::from_now(view.index.refresh_interval),
    }
}
