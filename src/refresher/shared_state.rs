//! The state that the polling loop writes and the store reads: the published snapshot, and the
//! times, errors and counters of the polls.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::watch;

use crate::clock::Clock;
use crate::config::Config;
use crate::error::{PollError, StartError};
use crate::http::Client;
use crate::signatures::Verifier;
use crate::source::SourceReport;
use crate::status::{Counters, Staleness, Status};
use crate::time_limit::within;
use opensearch_directives_core::internal::{HitCounters, HitTotals, Published};
use opensearch_directives_core::{Digest, DirectiveSet, DirectiveStates, Hits, Revision, Snapshot};

use super::liveness::Liveness;
use super::outlet::Served;
use super::read_age::ReadAge;
use super::subscription::Subscription;

/// The state that the polling loop writes and the store reads.
#[derive(Debug)]
pub struct Shared {
    pub(crate) published: Published<Served>,
    /// The subscription from which the store clones every new subscription.
    pub(crate) subscription: Subscription,
    /// The hit counters of the directives; `None` if the store does not count matches.
    pub(super) hit_counters: Option<Arc<HitCounters>>,
    pub(super) client: Client,
    pub(super) verifier: Arc<Verifier>,
    instance: String,
    stale_after: Duration,
    clear_after: Option<Duration>,
    max_documents: usize,
    clock: Arc<dyn Clock>,
    /// The progress of the polls, which the polling loop and the off switch update. The status
    /// reads all fields of the progress at once, so that they are consistent.
    progress: watch::Sender<Progress>,
}

/// The times, the errors and the counters of the polls so far.
#[derive(Debug, Default)]
pub(crate) struct Progress {
    pub(super) last_attempt: Option<Timestamp>,
    pub(super) last_success: Option<Timestamp>,
    /// The age of the published directive set, measured with the monotonic clock.
    pub(super) read_age: Option<ReadAge>,
    pub(super) last_change: Option<Timestamp>,
    pub(super) last_error: Option<String>,
    /// The error of the last poll, for a caller of `ready`; `None` if the last poll succeeded.
    pub(super) last_failure: Option<PollError>,
    pub(super) last_good_error: Option<String>,
    pub(super) consecutive_failures: u32,
    pub(super) next_poll_in: Duration,
    pub(super) liveness: Liveness,
    pub(super) source: SourceReport,
    /// The warning that the ingest pipeline and the store permit different times to live.
    pub(super) max_ttl_warning: Option<String>,
    pub(super) counters: Counters,
}

/// The values whose change an instance reports to the fleet immediately. The reporter compares
/// these values with those of the last report.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct ReportKey {
    revision: Option<Revision>,
    applied_seq_no: Option<u64>,
    digest: Digest,
    rejected: usize,
    is_off: bool,
    staleness: Staleness,
}

impl Progress {
    /// Returns true if a complete read or the last-good file has been published.
    fn is_ready(&self) -> bool {
        self.read_age.is_some()
    }
}

/// Returns the lower of two ages of the served snapshot: the age according to the last successful
/// poll, and the age of the read that returned the snapshot, whose poll may not have ended.
fn least_age(polled: Option<Duration>, served: &Served) -> Option<Duration> {
    let read = served.read_age();
    polled
        .map(|age| read.map_or(age, |read| read.min(age)))
        .or(read)
}

impl Shared {
    pub(super) fn new(
        config: &Config,
        client: Client,
        verifier: Arc<Verifier>,
        published: Published<Served>,
        subscription: Subscription,
    ) -> Self {
        Self {
            published,
            subscription,
            hit_counters: config.count_hits.then(Arc::default),
            client,
            verifier,
            instance: config.instance.clone(),
            stale_after: config.effective_stale_after(),
            clear_after: config.clear_after,
            max_documents: config.max_documents,
            clock: Arc::clone(&config.clock),
            progress: watch::Sender::default(),
        }
    }

    /// Returns the published snapshot, or an empty snapshot if the published one is older than
    /// `clear_after` and the polling loop has not replaced it yet.
    #[must_use]
    pub fn snapshot(&self) -> Arc<Snapshot> {
        let polled = self.polled_age();
        let served = self.published.snapshot();
        self.of_age(least_age(polled, &served), served.shown())
    }

    /// Returns the snapshot of the last complete read, even if the off file hides its directives.
    pub(crate) fn kept_snapshot(&self) -> Arc<Snapshot> {
        self.kept_snapshot_in_epoch().0
    }

    /// Returns the snapshot of the last complete read, and how often the directive set was emptied
    /// before it.
    pub(crate) fn kept_snapshot_in_epoch(&self) -> (Arc<Snapshot>, u64) {
        let polled = self.polled_age();
        let served = self.published.snapshot();
        let age = least_age(polled, &served);
        (self.of_age(age, served.kept()), served.epoch())
    }

    /// Returns the age of the published set; `None` before the first complete read of the index.
    pub(crate) fn age(&self) -> Option<Duration> {
        // Reading the progress before the snapshot ensures that the snapshot is never older than
        // the returned age.
        let polled = self.polled_age();
        least_age(polled, &self.published.snapshot())
    }

    fn polled_age(&self) -> Option<Duration> {
        self.progress().read_age.map(ReadAge::now)
    }

    /// Returns the snapshot of the last complete read, even if it is older than `clear_after`.
    pub(super) fn kept(&self) -> Arc<Snapshot> {
        Arc::clone(self.published.snapshot().kept())
    }

    fn of_age(&self, age: Option<Duration>, snapshot: &Arc<Snapshot>) -> Arc<Snapshot> {
        match (age, self.clear_after) {
            (Some(age), Some(clear_after)) if age >= clear_after => Arc::default(),
            _ => Arc::clone(snapshot),
        }
    }

    /// Returns the published directive set. Once a set is older than `clear_after`, none of its
    /// directives applies.
    #[must_use]
    pub fn load(&self) -> Arc<DirectiveSet> {
        self.published.load()
    }

    /// Returns the current status of the store, such as its revision, its age and its last error.
    #[must_use]
    pub fn status(&self) -> Status {
        // Reading the progress before the snapshot ensures that the snapshot in the status is at
        // least as new as the progress.
        let progress = self.progress();
        let served = self.published.snapshot();
        let age = least_age(progress.read_age.map(ReadAge::now), &served);
        let snapshot = self.of_age(age, served.shown());
        Status {
            counters: self.counters(&progress),
            instance: self.instance.clone(),
            index: self.client.index().to_owned(),
            off: served.is_off(),
            revision: snapshot.revision().cloned(),
            applied_seq_no: progress.source.applied_seq_no,
            digest: snapshot.digest(),
            directives: snapshot.set().len(),
            revoked: snapshot.revoked(),
            rejected: snapshot.rejections().to_vec(),
            unfinished: progress.source.unfinished,
            max_documents: self.max_documents,
            warnings: {
                let source = progress.source.warnings.iter();
                source.chain(&progress.max_ttl_warning).cloned().collect()
            },
            last_attempt: progress.last_attempt,
            last_success: progress.last_success,
            last_change: progress.last_change,
            last_error: progress.last_error.clone(),
            age_seconds: age.map(|age| age.as_secs_f64()),
            staleness: self.staleness(age, &snapshot),
            refresher: progress.liveness.state(&*self.clock),
            consecutive_failures: progress.consecutive_failures,
            next_poll_in_seconds: progress.next_poll_in.as_secs_f64(),
            clock_skew_seconds: progress.source.clock_skew,
            reading: progress.source.strategy.clone(),
            nodes: self.client.nodes(),
            last_good_error: progress.last_good_error.clone(),
            trusted_keys: self.verifier.trusted_keys(),
            recorder: progress.source.recorder.clone(),
        }
    }

    fn counters(&self, progress: &Progress) -> Counters {
        let (credential_reloads, credential_reload_failures) = self.client.credential_reloads();
        let (trust_reloads, trust_reload_failures) = self.verifier.reloads();
        Counters {
            requests: self.client.requests(),
            bytes_received: self.client.bytes_received(),
            reads: progress.source.counters,
            credential_reloads: credential_reloads + trust_reloads,
            credential_reload_failures: credential_reload_failures + trust_reload_failures,
            signature_verifications: self.verifier.verifications(),
            ..progress.counters
        }
    }

    /// Returns the number of matches of each directive; `None` if the store does not count matches.
    pub(crate) fn hits(&self) -> Option<Hits> {
        let is_hidden = self.snapshot().set().is_empty();
        Some(
            self.hit_counters
                .as_ref()?
                .hits(is_hidden, self.clock.now()),
        )
    }

    /// Returns the total number of matches; `None` if the store does not count matches.
    pub(crate) fn hit_totals(&self) -> Option<HitTotals> {
        let mut totals = self.hit_counters.as_ref()?.totals(self.clock.now());
        if self.snapshot().set().is_empty() {
            totals.unmatched = 0;
        }
        Some(totals)
    }

    fn staleness(&self, age: Option<Duration>, snapshot: &Snapshot) -> Staleness {
        match age.filter(|_| snapshot.revision().is_some()) {
            None => Staleness::Dark,
            Some(age) if age > self.stale_after => Staleness::Stale,
            Some(_) => Staleness::Fresh,
        }
    }

    /// Returns the values whose change an instance reports to the fleet immediately.
    pub(crate) fn report_key(&self) -> ReportKey {
        let progress = self.progress();
        let served = self.published.snapshot();
        let age = least_age(progress.read_age.map(ReadAge::now), &served);
        let snapshot = self.of_age(age, served.shown());
        ReportKey {
            revision: snapshot.revision().cloned(),
            applied_seq_no: progress.source.applied_seq_no,
            digest: snapshot.digest(),
            rejected: snapshot.rejections().len(),
            is_off: served.is_off(),
            staleness: self.staleness(age, &snapshot),
        }
    }

    /// Counts a written or failed report to the fleet, without notifying the receivers of
    /// [`polled`](Self::polled).
    pub(crate) fn count_report(&self, is_written: bool) {
        self.progress.send_if_modified(|progress| {
            let counters = &mut progress.counters;
            if is_written {
                counters.reports_written += 1;
            } else {
                counters.reports_failed += 1;
            }
            false
        });
    }

    /// Returns a receiver of the polls' progress that is notified at least once for each poll.
    pub(crate) fn polled(&self) -> watch::Receiver<Progress> {
        self.progress.subscribe()
    }

    pub(crate) fn index(&self) -> &str {
        self.client.index()
    }

    pub(crate) fn instance(&self) -> &str {
        &self.instance
    }

    /// Returns the seconds by which the store's clock is ahead of the cluster's clock; `None` if
    /// the difference has not been measured.
    pub(crate) fn clock_skew_seconds(&self) -> Option<f64> {
        self.progress().source.clock_skew
    }

    /// Returns the current time of the store's clock.
    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Waits until a snapshot is published, the refresher has ended, or `limit` has passed.
    pub(crate) async fn ready(&self, limit: Duration) -> Result<(), StartError> {
        let mut progress = self.progress.subscribe();
        let decided = async {
            let decided =
                |progress: &Progress| progress.is_ready() || progress.liveness.has_ended();
            // The channel cannot close while `ready` waits, because the sender is a field of
            // `self`.
            let _ = progress.wait_for(decided).await;
        };
        within(limit, decided).await;
        let progress = self.progress();
        if progress.is_ready() {
            return Ok(());
        }
        let state = progress.liveness.state(&*self.clock);
        Err(StartError::not_ready(
            limit,
            state,
            progress.last_failure.clone(),
        ))
    }

    pub(crate) fn states(&self) -> DirectiveStates {
        self.snapshot().set().states(self.clock.now())
    }

    pub(super) fn progress(&self) -> watch::Ref<'_, Progress> {
        self.progress.borrow()
    }

    pub(crate) fn reload_credentials(&self) {
        self.client.reload_credentials();
        self.verifier.expire();
    }

    pub(super) fn update(&self, change: impl FnOnce(&mut Progress)) {
        self.progress.send_modify(change);
    }
}
