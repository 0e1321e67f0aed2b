//! Polls the index, and keeps a local replica of the index up to date. A poll reads the changes into
//! a new replica, and checks that the new replica is complete and not older than the previous one.
//!
//! ```text
//! observe ──▶ unchanged
//!    └──▶ confirm node ──▶ fetch (delta, else reconcile, else full) ──▶ check regressions
//!         ──▶ confirm node ──▶ still the same index? ──▶ hidden documents or fields? ──▶ commit
//! ```
//!
//! | file | job |
//! |---|---|
//! | `state.rs` | the states between two polls and their transitions |
//! | `probe.rs` | observes the current version of the index |
//! | `unchanged.rs` | decides whether a poll can end without a read |
//! | `fetch.rs` | reads a new view and compares it with the cluster's own aggregates |
//! | `reconcile.rs`, `seq_no_reconciliation.rs`, `histogram_plan.rs` | find out which documents were deleted or missed, without reading all documents |
//! | `older_observation_rules.rs`, `older_observation.rs` | decide whether a poll accepts an observation that may be older than the known state |
//! | `assigned_times.rs` | remembers when the index had assigned which `_seq_no`s, so that the recorder can date deletions |
//! | `clock_skew.rs` | measures by how much the local clock is ahead of a node's clock |
//! | `manager_contact.rs` | tracks whether a node has contact with the cluster manager |
//! | `convergence.rs` | compares a view with the operations that the primary has acknowledged |
//! | `hidden_documents.rs` | detects documents that the role hides |
//! | `hidden_fields.rs` | detects fields that the role hides or masks |
//! | `document_limit_check.rs` | makes a poll fail if the index contains too many documents that have not ended, or too many in total |
//! | `commit.rs` | replaces the state at the end of a successful read |
//! | `unavailable_features.rs` | records features that are refused, and tries them again later |
//! | `last_authors.rs`, `change_log_details.rs` | tell the log who wrote each published directive, and with which `_seq_no` |
//! | `document_decoder.rs` | decides whether a document is a directive, revoked or rejected |
//! | `replica.rs`, `replica_builder.rs`, `apply_delta.rs`, `signs_of_older_view.rs` | hold the replica, create a new replica from a read, and compare two replicas |
//!
//! A poll replaces the replica only at its end, and only if the poll succeeded.

mod apply_delta;
mod assigned_times;
mod change_log_details;
mod clock_skew;
mod commit;
mod convergence;
mod document_decoder;
mod document_limit_check;
mod fetch;
mod hidden_documents;
mod hidden_fields;
mod histogram_plan;
mod last_authors;
mod manager_contact;
mod older_observation;
mod older_observation_rules;
mod probe;
mod reconcile;
mod replica;
mod replica_builder;
mod seq_no_reconciliation;
mod signs_of_older_view;
mod state;
mod unavailable_features;
mod unchanged;

use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use tokio::time::Instant;
use tracing::debug;

use crate::clock::Clock;
use crate::config::Config;
use crate::document_limit::DocumentLimit;
use crate::history::HistoryFeed;
use crate::http::Client;
use crate::poll_pauses::LONGEST;
use crate::rest::{
    ConcreteIndex, Incomplete, IndexReader, Probe, ReadError, Session, ShardCheckpoints,
};
use crate::safeguard_switches::{Safeguard, Safeguards, Tuning};
use crate::signatures::Verifier;
use crate::source::{Polled, PublishedState, SnapshotSource, SourceReport};
use crate::status::ReadCounters;
use opensearch_directives_core::Snapshot;
use opensearch_directives_core::document::DecodeLimits;

use assigned_times::AssignedTimes;
use document_decoder::DocumentDecoder;
use hidden_fields::LastGood;
use histogram_plan::Limits;
use manager_contact::ManagerContact;
use probe::ObservedVersion;
use state::{Known, LOOK_BACK, State};
use unavailable_features::Degradations;

pub(crate) use change_log_details::Origins;

/// Polls the index and keeps a local replica of its documents.
#[derive(Debug)]
pub(crate) struct IndexSynchronizer {
    reader: IndexReader,
    clock: Arc<dyn Clock>,
    max_ttl: Duration,
    document_limit: DocumentLimit,
    reconcile_interval: Duration,
    random: fastrand::Rng,
    safeguards: Safeguards,
    verifier: Arc<Verifier>,
    /// The generation of the trusted keys and the signature policy with which the replica was
    /// decoded.
    trust_generation: u64,
    state: State,
    /// The content of the last-good file that an earlier process wrote; `None` after the first
    /// successful read.
    last_good: Option<LastGood>,
    /// True if a poll since the last successful read observed a version that cannot be a later
    /// version of the index in the replica. After such a poll, the next read is a full read,
    /// because another primary may have assigned the same `_seq_no`s again. `was_overtaken` stays
    /// true until the next successful read, even if the next poll observes the former primary
    /// again.
    was_overtaken: bool,
    /// The number of successful reads so far, each of which has replaced the replica.
    generation: u64,
    manager: ManagerContact,
    degradations: Degradations,
    counters: ReadCounters,
    /// The measured clock skew in seconds; `None` until the first measurement.
    clock_skew: Option<f64>,
    /// The instant from which the next poll makes a periodic reconcile.
    reconcile_at: Instant,
    /// The feed that passes each accepted view to the recorder; `None` if there is no recorder.
    history: Option<HistoryFeed>,
    /// Which `_seq_no`s the index had assigned at the time of each poll, for the recorder.
    assigned_times: AssignedTimes,
    reconcile_limits: Limits,
    look_back: u64,
    /// The number of consecutive reconciliations that began but were not completed.
    unfinished_reconciles: u8,
}

impl IndexSynchronizer {
    pub(crate) fn new(config: &Config, client: Client, verifier: Arc<Verifier>, seed: u64) -> Self {
        let document_limit = DocumentLimit::new(config.max_documents);
        Self {
            reader: IndexReader::new(client, &config.instance, document_limit.max_stored()),
            clock: Arc::clone(&config.clock),
            max_ttl: config.max_ttl,
            document_limit,
            reconcile_interval: config.reconcile_interval.min(LONGEST),
            random: fastrand::Rng::with_seed(seed),
            safeguards: Safeguards::all(),
            trust_generation: verifier.generation(),
            verifier,
            state: State::Unread,
            last_good: None,
            was_overtaken: false,
            generation: 0,
            manager: ManagerContact::default(),
            degradations: Degradations::new(config.reconcile_interval),
            counters: ReadCounters::default(),
            clock_skew: None,
            reconcile_at: Instant::now(),
            history: None,
            assigned_times: AssignedTimes::default(),
            reconcile_limits: Limits::new(Limits::DEFAULT_FIRST_BUCKETS),
            look_back: LOOK_BACK,
            unfinished_reconciles: 0,
        }
    }

    /// Connects a recorder, to which the synchronizer passes each view that a poll accepts.
    pub(crate) fn with_history(mut self, feed: HistoryFeed) -> Self {
        self.reader = self.reader.with_versions();
        self.history = Some(feed);
        self
    }

    /// Sets the sizes of requests and the safeguards, for tests with small requests or without a
    /// safeguard.
    pub(crate) fn with_tuning(mut self, tuning: Tuning) -> Self {
        self.reader = self.reader.with_tuning(tuning.page_size, tuning.safeguards);
        self.reconcile_limits = Limits::new(tuning.first_buckets);
        self.look_back = tuning.look_back;
        self.safeguards = tuning.safeguards;
        self
    }

    fn checks(&self, safeguard: Safeguard) -> bool {
        self.safeguards.include(safeguard)
    }

    /// Runs one poll: finds out whether the index has changed, and reads the changes.
    ///
    /// If the node that serves the poll fails, the whole poll is repeated on another node. Another
    /// node cannot continue a poll after a failure, because a node confirms only its own data and
    /// not the data that the failed node returned.
    async fn synchronize(&mut self) -> Result<(), ReadError> {
        let mut session = self.reader.session();
        let result = self.run(&mut session).await;
        let lost_its_node = session.has_lost_its_node();
        session.close().await;
        if result.is_err() && lost_its_node {
            debug!("the node failed during the poll; repeating the poll on another node");
            let mut session = self.reader.session();
            let result = self.run(&mut session).await;
            session.close().await;
            return result;
        }
        result
    }

    async fn run(&mut self, session: &mut Session) -> Result<(), ReadError> {
        let began = Instant::now();
        let began_at = self.clock.now();
        let trust_generation = self.verifier.generation();
        // After a change of the trusted keys or the signature policy, the poll must decode and
        // check every document again.
        let feed = self.history.as_ref();
        let reconcile = began >= self.reconcile_at
            || self.is_trust_outdated()
            || feed.is_some_and(HistoryFeed::needs_everything);
        self.degradations.begin_poll(reconcile);
        let observed = self.observe(session).await?;
        let known = self.state.known();
        let overtaken = known.is_some_and(|known| !observed.follows_known(known));
        self.was_overtaken |= overtaken && self.checks(Safeguard::Overtaken);
        self.confirm_node_is_current(session, &observed, reconcile)
            .await?;
        self.observe_checkpoint(&observed);
        self.note_assigned(&observed, began_at);
        if !reconcile && self.is_unchanged(session, &observed).await? {
            self.counters.unchanged += 1;
            self.state.forget_sighting();
            self.degradations.end_poll();
            return Ok(());
        }
        let view = self.fetch(session, &observed, reconcile).await?;
        let count = self.check_document_limit(session, &view).await?;
        self.check_regressions(session, &observed, &view, began)
            .await?;
        self.confirm_after_read(session, &observed, &view).await?;
        let after = self.revalidate(session, &observed).await?;
        self.check_hidden_documents(session, &observed, after.as_ref(), &view)
            .await?;
        self.check_hidden_fields(session, &observed, &view).await?;
        if reconcile {
            self.measure_clock_skew(session).await;
        }
        self.document_limit.note(count);
        self.commit(observed, after, view, began);
        self.trust_generation = trust_generation;
        self.degradations.end_poll();
        if reconcile {
            self.schedule_reconcile();
        }
        Ok(())
    }

    /// Updates the freshness bound of the last accepted view with the observed checkpoints. The
    /// checkpoints may also come from a new primary that continues the history of the index.
    /// Without an update of the freshness bound, no view of a new primary would be certainly newer
    /// than the last accepted view, so under continuous writes each poll would fail until the
    /// writes pause.
    fn observe_checkpoint(&mut self, observed: &ObservedVersion) {
        if let (ObservedVersion::Checkpoints(checkpoints), Some(known)) =
            (observed, self.state.known_mut())
            && checkpoints.uuid == known.index.uuid
            && observed.shares_history_with(known) != Some(false)
        {
            let highest = known.replica.fingerprint().max_seq_no;
            known
                .freshness_bound
                .observe_checkpoint(checkpoints, highest);
        }
    }

    /// Checks after a read that the configured name still refers to the index that the poll has
    /// read. Returns the checkpoints after the read, or `None` if the poll uses searches instead of
    /// the index statistics.
    async fn revalidate(
        &self,
        session: &Session,
        observed: &ObservedVersion,
    ) -> Result<Option<ShardCheckpoints>, ReadError> {
        let (same, checkpoints) = match observed {
            ObservedVersion::Checkpoints(before) => match session.probe().await? {
                Probe::Checkpoints(now) => (now.follows(before), Some(now)),
                Probe::Unclear(_) | Probe::Unsupported(_) => (false, None),
            },
            ObservedVersion::Searched { .. } => {
                let now = session.resolve_index().await?;
                (now.identity() == observed.identity(), None)
            }
        };
        if !same && self.checks(Safeguard::SameIndex) {
            return Err(session.incomplete(Incomplete::Replaced));
        }
        Ok(checkpoints)
    }

    /// Returns true if the trusted keys or the signature policy have changed since the replica was
    /// decoded.
    fn is_trust_outdated(&self) -> bool {
        self.trust_generation != self.verifier.generation()
    }

    /// Creates the decoder for the documents of a read that begins now.
    fn decoder(&self, index: &ConcreteIndex) -> DocumentDecoder {
        let limits = DecodeLimits {
            now: self.clock.now(),
            max_ttl: self.max_ttl,
        };
        DocumentDecoder::new(limits, &index.uuid, self.verifier.trust())
    }
}

impl SnapshotSource for IndexSynchronizer {
    fn poll<'a>(
        &'a mut self,
        published: PublishedState<'a>,
    ) -> BoxFuture<'a, Result<Polled, ReadError>> {
        async move {
            let (began, read_at) = (Instant::now(), self.clock.now());
            self.synchronize().await?;
            let known = self.state.known();
            Ok(Polled {
                generation: self.generation,
                snapshot: known
                    .filter(|_| published.generation != Some(self.generation))
                    .map(|known| known.snapshot(read_at)),
                read_at,
                age: began.elapsed(),
                origins: known.map(|known| Origins::of(&known.replica)),
            })
        }
        .boxed()
    }

    fn recall(&mut self, last_good: &Snapshot) {
        self.last_good = LastGood::of(last_good);
    }

    fn report(&self) -> SourceReport {
        SourceReport {
            counters: self.counters,
            strategy: self.degradations.strategy().clone(),
            clock_skew: self.clock_skew,
            applied_seq_no: self.state.known().and_then(Known::applied_seq_no),
            unfinished: self.state.known().map(|_| self.document_limit.unfinished()),
            warnings: self.document_limit.warning().into_iter().collect(),
            recorder: self.history.as_ref().map(HistoryFeed::status),
        }
    }
}
