//! What the loop and the store share: what is published, and how the polling goes.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use tokio::time::Instant;

use crate::clock::Clock;
use crate::config::Config;
use crate::http::Client;
use crate::status::{Counters, ProbedBy, ReadPlan, Rejected, Staleness, Status};
use opensearch_directives_core::DirectiveStates;
use opensearch_directives_core::Snapshot;
use opensearch_directives_core::internal::Published;

use super::publishing::Subscription;

/// What the loop and the store share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) published: Published<Snapshot>,
    /// What new subscriptions are made of.
    pub(crate) subscription: Subscription,
    pub(super) client: Client,
    instance: String,
    stale_after: Duration,
    clock: Arc<dyn Clock>,
    progress: Mutex<Progress>,
}

/// How the polling goes. Written by the loop only.
#[derive(Debug, Default)]
pub(super) struct Progress {
    pub(super) last_attempt: Option<Timestamp>,
    pub(super) last_success: Option<Timestamp>,
    /// How old the published set's read is, by a clock that never jumps.
    pub(super) read_age: Option<ReadAge>,
    pub(super) last_change: Option<Timestamp>,
    pub(super) last_error: Option<String>,
    pub(super) last_good_error: Option<String>,
    pub(super) consecutive_failures: u32,
    pub(super) next_poll_in: Duration,
    pub(super) clock_skew: Option<f64>,
    pub(super) reading: ReadPlan,
    pub(super) counters: Counters,
}

impl Progress {
    /// Counts a read of another agent.
    pub(super) fn count_taken(&mut self, whole: bool) {
        let reads = &mut self.counters.reads;
        if whole {
            reads.full_reads += 1;
        } else {
            reads.unchanged += 1;
        }
        self.reading.probe = ProbedBy::Agent;
        self.reading.delta = false;
    }
}

/// How old a read was at an instant.
#[derive(Clone, Copy, Debug)]
pub(super) struct ReadAge {
    noted_at: Instant,
    then: Duration,
}

impl ReadAge {
    pub(super) fn noted_now(then: Duration) -> Self {
        Self {
            noted_at: Instant::now(),
            then,
        }
    }

    pub(super) fn now(self) -> Duration {
        self.then.saturating_add(self.noted_at.elapsed())
    }

    /// When it is this old, or was.
    pub(super) fn reaches(self, age: Duration) -> Option<Instant> {
        self.noted_at.checked_add(age.saturating_sub(self.then))
    }
}

impl Shared {
    pub(super) fn new(
        config: &Config,
        client: Client,
        published: Published<Snapshot>,
        subscription: Subscription,
    ) -> Self {
        Self {
            published,
            subscription,
            client,
            instance: config.instance.clone(),
            stale_after: config.stale_after,
            clock: Arc::clone(&config.clock),
            progress: Mutex::default(),
        }
    }

    pub(crate) fn status(&self) -> Status {
        // Progress first: what it tells of a publish is then already in the snapshot.
        let progress = self.progress();
        let snapshot = self.published.snapshot();
        let age = progress.read_age.map(ReadAge::now);
        Status {
            instance: self.instance.clone(),
            index: self.client.index().to_owned(),
            revision: snapshot.revision().cloned(),
            digest: snapshot.digest(),
            directives: snapshot.set().len(),
            revoked: snapshot.revoked(),
            rejected: snapshot
                .rejections()
                .iter()
                .map(|rejection| Rejected {
                    id: rejection.id.clone(),
                    reason: rejection.to_string(),
                })
                .collect(),
            last_attempt: progress.last_attempt,
            last_success: progress.last_success,
            last_change: progress.last_change,
            last_error: progress.last_error.clone(),
            age_seconds: age.map(|age| age.as_secs_f64()),
            staleness: match age.filter(|_| snapshot.revision().is_some()) {
                None => Staleness::Dark,
                Some(age) if age > self.stale_after => Staleness::Stale,
                Some(_) => Staleness::Fresh,
            },
            consecutive_failures: progress.consecutive_failures,
            next_poll_in_seconds: progress.next_poll_in.as_secs_f64(),
            clock_skew_seconds: progress.clock_skew,
            reading: progress.reading.clone(),
            nodes: self.client.nodes(),
            last_good_error: progress.last_good_error.clone(),
            counters: Counters {
                requests: self.client.requests(),
                bytes_received: self.client.bytes_received(),
                ..progress.counters
            },
        }
    }

    pub(crate) fn states(&self) -> DirectiveStates {
        self.published.snapshot().set().states(self.clock.now())
    }

    pub(super) fn progress(&self) -> MutexGuard<'_, Progress> {
        // No step under the lock leaves it half changed.
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
