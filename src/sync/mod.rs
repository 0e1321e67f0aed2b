//! One poll's question: is the index still what is known of it, and if not, what now?
//!
//! ```text
//! position ──▶ unchanged
//!     └──▶ confirm ──▶ view (changes, else everything) ──▶ judge ──▶ same index still? ──▶ known
//! ```
//!
//! | file | does |
//! |---|---|
//! | `position.rs` | where the index stands, by the cheapest way that the server gives |
//! | `view.rs` | a new view, checked against the cluster's own sum of it |
//! | `order.rs` | is it a step back? |
//! | `known.rs` | what is known, and whether the primary had more |
//!
//! What is known is replaced at the end of a poll or not at all: a poll that fails, or
//! is cut off anywhere, leaves it as it was.

mod change_set;
mod fetch;
mod probe;
mod regressions;
mod replica;
mod replica_builder;
mod staleness;
mod state;

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::time::{Instant, timeout};
use tracing::{debug, warn};

use crate::clock::Clock;
use crate::config::Config;
use crate::http::{Client, chain};
use crate::rest::Incomplete;
use crate::rest::{ClusterVersion, Probe, ReadError, ShardCheckpoints, Source};
use crate::status::{ReadCounters, ReadPlan};
use opensearch_directives_core::Snapshot;
use opensearch_directives_core::document::DecodeLimits;

use fetch::View;
use probe::ObservedVersion;
use replica::Fingerprint;
use state::{Convergence, FreshnessBound, Known, LowWatermark};

/// How much earlier or later everything is read again, in parts of a hundred.
const JITTER_PERCENT: u32 = 20;
/// From which difference on a clock is worth a warning, in seconds.
const SKEW_THAT_MATTERS: f64 = 1.0;
/// How long measuring it may hold up a poll.
const SKEW_TIMEOUT: Duration = Duration::from_secs(1);
/// How long the nodes may go without having shown that they are in touch with the
/// elected cluster manager.
const CONFIRM_AFTER: Duration = Duration::from_mins(1);

/// Reads the index, and knows what it read.
#[derive(Debug)]
pub(crate) struct IndexSynchronizer {
    pub(crate) source: Source,
    clock: Arc<dyn Clock>,
    max_ttl: Duration,
    reconcile_interval: Duration,
    random: fastrand::Rng,
    known: Option<Known>,
    /// How often that was replaced.
    generation: u64,
    /// What the server gives, as far as it is known; looked at anew at each reconcile.
    plan: ReadPlan,
    counters: ReadCounters,
    clock_skew: Option<f64>,
    /// When everything is read again; `None`: now.
    reconcile_at: Option<Instant>,
    confirm_at: Option<Instant>,
    /// The place of the node that showed it last.
    confirmed: Option<usize>,
    /// The newest state of the cluster that was seen.
    cluster: Option<ClusterVersion>,
    /// Since when the cluster shows an older one.
    behind_since: Option<Instant>,
    /// Since when it tells none, though it did before.
    untold_since: Option<Instant>,
    /// One that does not follow what is known, seen while nobody could be asked about it.
    unconfirmed: Option<ObservedVersion>,
    /// A view that may be a step back, seen while nobody could be asked about it.
    doubted: Option<PendingRegression>,
    #[cfg(test)]
    pub(crate) flaw: Option<Flaw>,
}

/// A view that may be a step back.
#[derive(Clone, Copy, Debug)]
struct PendingRegression {
    fingerprint: Fingerprint,
    /// When it was seen first.
    since: Instant,
}

/// What a refresher can be made to leave out, to see that it is missed.
#[cfg(test)]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Flaw {
    /// Takes changes for all changes.
    NoFingerprint,
    /// Takes every view for a newer one.
    NoOrder,
    /// Lets one node answer for another.
    AnyNode,
    /// Does not see that a number was given twice.
    NoTerm,
    /// Takes pages for pages of one view.
    AnyView,
    /// Does not ask under which state of the cluster a view was read.
    NoDate,
}

impl IndexSynchronizer {
    pub(crate) fn new(config: &Config, client: Client, seed: u64) -> Self {
        Self {
            source: Source::new(client, &config.instance, config.max_documents),
            clock: Arc::clone(&config.clock),
            max_ttl: config.max_ttl,
            reconcile_interval: config.reconcile_interval,
            random: fastrand::Rng::with_seed(seed),
            known: None,
            generation: 0,
            plan: ReadPlan::default(),
            counters: ReadCounters::default(),
            clock_skew: None,
            reconcile_at: None,
            confirm_at: None,
            confirmed: None,
            cluster: None,
            behind_since: None,
            untold_since: None,
            unconfirmed: None,
            doubted: None,
            #[cfg(test)]
            flaw: None,
        }
    }

    /// Looks whether the index changed, and reads what did.
    ///
    /// One node answers all of it: what is true of one that is in touch with the others
    /// may not be so of one that was cut off. If it goes away in the middle, another one
    /// is asked all of it.
    pub(crate) async fn poll(&mut self) -> Result<(), ReadError> {
        self.source.begin();
        #[cfg(test)]
        {
            self.source.any_node = self.flaw == Some(Flaw::AnyNode);
            self.source.any_view = self.flaw == Some(Flaw::AnyView);
        }
        let result = self.poll_one_node().await;
        if result.is_err() && self.source.has_lost_its_node() {
            debug!("the node went away during the poll; beginning again at another");
            self.source.close().await;
            self.source.begin();
            return self.poll_one_node().await;
        }
        result
    }

    async fn poll_one_node(&mut self) -> Result<(), ReadError> {
        let reconcile = self.reconcile_at.is_none_or(|at| Instant::now() >= at);
        if reconcile {
            self.plan = ReadPlan::default();
        }
        let position = self.position().await?;
        if let (ObservedVersion::Checkpoints(mark), Some(known)) = (&position, &mut self.known)
            && known
                .mark
                .as_ref()
                .is_some_and(|before| mark.follows(before))
        {
            known.shown.look(mark);
        }
        self.confirm(&position, reconcile).await?;
        if !reconcile && self.is_unchanged(&position).await? {
            self.counters.unchanged += 1;
            return Ok(());
        }
        let view = self.view(&position, reconcile).await?;
        self.judge(&position, &view).await?;
        self.date(&position, &view).await?;
        let end = self.end(&position).await?;
        if reconcile {
            self.measure_skew().await;
        }
        self.know(position, end.as_ref(), view, reconcile);
        Ok(())
    }

    /// How often what is known was replaced: the same number, the same knowledge.
    pub(crate) fn generation(&self) -> u64 {
        self.generation
    }

    /// What is known, as something to publish; `None` before the first complete read.
    pub(crate) fn snapshot(&self, read_at: Timestamp) -> Option<Snapshot> {
        Some(self.known.as_ref()?.snapshot(read_at))
    }

    /// Gives back what a poll that was cut off holds on the server.
    pub(crate) async fn close(&self) {
        self.source.close().await;
    }

    /// How it reads, and why not in the cheapest way.
    pub(crate) fn plan(&self) -> &ReadPlan {
        &self.plan
    }

    pub(crate) fn counters(&self) -> ReadCounters {
        self.counters
    }

    /// By how many seconds our clock is ahead of the cluster's, as measured last.
    pub(crate) fn clock_skew(&self) -> Option<f64> {
        self.clock_skew
    }

    /// Whether what is known is what is there, all of it.
    async fn is_unchanged(&mut self, position: &ObservedVersion) -> Result<bool, ReadError> {
        let Some(known) = &self.known else {
            return Ok(false);
        };
        let mark = match position {
            ObservedVersion::Checkpoints(mark) => mark,
            ObservedVersion::Seen { index, aggregates } => {
                let same = aggregates
                    .as_ref()
                    .is_some_and(|all| known.agrees_with(all));
                return Ok(same && known.index.identity() == index.identity());
            }
        };
        if known.mark.as_ref() != Some(mark) {
            return Ok(false);
        }
        match known.settling {
            Convergence::Settled => return Ok(true),
            Convergence::Never => return Ok(false),
            Convergence::At(at) if Instant::now() < at => return Ok(false),
            Convergence::At(_) => {}
        }
        let settled = mark.is_at_rest()
            && match self.source.summary_of_primary(&known.index).await? {
                Some(sum) if sum.primary => known.agrees_with(&sum.of),
                sum => {
                    known.replica.fingerprint().documents == mark.documents()
                        && sum.is_none_or(|sum| known.agrees_with(&sum.of))
                }
            };
        if settled && let Some(known) = &mut self.known {
            known.settling = Convergence::Settled;
            known.cursor = LowWatermark::settled(mark);
        }
        Ok(settled)
    }

    /// Makes sure that the name stands for the index of the view also after it was read;
    /// gives where the primary stands then.
    async fn end(&self, position: &ObservedVersion) -> Result<Option<ShardCheckpoints>, ReadError> {
        let (same, mark) = match position {
            ObservedVersion::Checkpoints(before) => match self.source.probe().await? {
                Probe::Checkpoints(now) => (now.follows(before), Some(now)),
                Probe::Unclear(_) | Probe::Unsupported(_) => (false, None),
            },
            ObservedVersion::Seen { .. } => {
                let now = self.source.index().await?;
                (now.identity() == position.identity(), None)
            }
        };
        if !same {
            return Err(self.source.incomplete(Incomplete::Replaced));
        }
        Ok(mark)
    }

    /// Replaces what is known.
    fn know(
        &mut self,
        position: ObservedVersion,
        end: Option<&ShardCheckpoints>,
        view: View,
        reconcile: bool,
    ) {
        let before = self.known.take();
        let cursor = before
            .as_ref()
            .filter(|known| position.follows_known(known))
            .map_or_else(LowWatermark::default, |known| known.cursor);
        let lags = position.differs_from(&view);
        if lags && before.as_ref().is_some_and(|known| known.lags) {
            debug!("the copy that is read stays behind the primary; asking another");
            self.source.ask_another_copy();
        }
        let mark = position.into_mark();
        let same_mark = before
            .as_ref()
            .filter(|known| mark.is_some() && known.mark == mark);
        if let Some(known) = same_mark
            && known.settling == Convergence::Settled
            && known.replica.digest() != view.replica.digest()
        {
            self.counters.corrections += 1;
            warn!("reading everything showed what the polls before had not");
        }
        let settling = match (&mark, same_mark.map(|known| known.settling)) {
            (None, _) => Convergence::Settled,
            // Still the time that the mark was given; if that is up, the copy lags.
            (Some(_), Some(Convergence::At(at))) if Instant::now() < at => Convergence::At(at),
            (Some(_), Some(Convergence::At(_))) => {
                debug!("the copy that is read lags behind the primary; asking another");
                self.source.ask_another_copy();
                Convergence::from_now(view.index.refresh_interval)
            }
            (Some(_), _) => Convergence::from_now(view.index.refresh_interval),
        };
        if view.everything {
            self.counters.full_reads += 1;
        } else {
            self.counters.delta_reads += 1;
        }
        self.known = Some(Known {
            cursor: cursor.after_view(mark.as_ref(), settling),
            index: view.index,
            mark,
            replica: view.replica,
            updated_at: view.updated_at,
            settling,
            shown: FreshnessBound::at(end),
            end: end.cloned(),
            term: view.term,
            lags,
        });
        self.generation += 1;
        self.unconfirmed = None;
        self.doubted = None;
        if reconcile {
            let percent = self.random.u32(100 - JITTER_PERCENT..=100 + JITTER_PERCENT);
            self.reconcile_at = Instant::now().checked_add(self.reconcile_interval * percent / 100);
        }
    }

    /// Measures our clock against the cluster's. What cannot be measured is no failure of
    /// the poll.
    async fn measure_skew(&mut self) {
        let before = self.clock.now();
        let theirs = match timeout(SKEW_TIMEOUT, self.source.cluster_time()).await {
            Ok(Ok(Some(theirs))) => theirs,
            Ok(Ok(None)) => {
                return self.without("the cluster's time", "the server refuses to tell");
            }
            Ok(Err(error)) => return debug!(error = chain(&error), "no time of the cluster's"),
            Err(_) => return debug!("asking for the cluster's time took too long"),
        };
        // In the middle of the request, give or take half of it.
        let half = self.clock.now().duration_since(before) / 2;
        let ours = before.saturating_add(half).unwrap_or(before);
        let skew = ours.duration_since(theirs).as_secs_f64();
        let mattered = |skew: f64| skew.abs() > SKEW_THAT_MATTERS;
        if mattered(skew) && !self.clock_skew.is_some_and(mattered) {
            warn!(
                clock_skew_seconds = skew,
                "our clock differs from the cluster's: directives start and expire by ours"
            );
        }
        self.clock_skew = Some(skew);
    }

    fn limits(&self) -> DecodeLimits {
        DecodeLimits {
            now: self.clock.now(),
            max_ttl: self.max_ttl,
        }
    }
}
