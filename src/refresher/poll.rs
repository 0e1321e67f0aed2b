//! Runs one poll within its time limit, catches a panic of the poll, and records the result in the
//! status.

use std::any::Any;
use std::panic::AssertUnwindSafe;

use futures_util::FutureExt as _;
use jiff::Timestamp;
use tokio::time::{Instant, timeout};
use tracing::{Instrument as _, debug, info, info_span, warn};

use super::Poller;
use super::liveness::Liveness;
use super::read_age::ReadAge;
use crate::error::{PollError, PollErrorKind};
use crate::http::chain;
use crate::source::{Polled, PublishedState};

impl Poller {
    /// Polls the source once, and publishes the snapshot if it is new.
    #[doc(hidden)]
    pub async fn poll(&mut self) -> Result<(), PollError> {
        let span = info_span!("poll", index = self.shared.client.index());
        let begin = Instant::now();
        // The poller catches a panic in any part of a poll, because the clock and the log
        // subscriber belong to the application and may panic.
        let guarded = AssertUnwindSafe(self.attempt()).catch_unwind();
        let result = match guarded.instrument(span.clone()).await {
            Ok(result) => result,
            Err(panic) => Err(PollError::panic(panic_text(panic.as_ref()))),
        };
        if let Err(error) = &result {
            span.in_scope(|| self.record_failure(error));
        }
        let mut report = self.source.report();
        self.shared.update(|progress| {
            progress.counters.poll_seconds += begin.elapsed();
            if result.is_err() {
                // A failed poll does not change the applied `_seq_no` in the status, because the
                // source may have read a snapshot that was not published.
                report.applied_seq_no = progress.source.applied_seq_no;
            }
            progress.source = report;
        });
        result
    }

    async fn attempt(&mut self) -> Result<(), PollError> {
        let now = self.clock.now();
        self.shared.update(|progress| {
            progress.last_attempt = Some(now);
            progress.liveness = Liveness::due_within(self.poll_timeout);
        });
        let age = self.shared.progress().read_age.map(ReadAge::now);
        let snapshot = self.shared.kept();
        let published = PublishedState {
            snapshot: &snapshot,
            generation: self.published_generation,
            age,
            now,
        };
        let (verifier, source) = (&self.shared.verifier, &mut self.source);
        let poll = async {
            verifier.renew().await;
            source.poll(published).await
        };
        let polled = timeout(self.poll_timeout, poll)
            .await
            .map_err(|_| PollError::deadline(self.poll_timeout))??;
        let Polled {
            generation,
            snapshot,
            read_at,
            age,
            origins,
        } = polled;
        // The age grows during the publish, which can take long.
        let read = ReadAge::noted_now(age);
        let now = self.clock.now();
        if let Some(snapshot) = &snapshot {
            self.withdraw_in_time(snapshot.set(), now, age);
        }
        let changed = match snapshot {
            Some(snapshot) => self.publish_if_new(snapshot, origins, (now, read)).await,
            None => false,
        };
        self.withdraw_in_time(self.shared.kept().set(), now, age);
        self.published_generation = Some(generation);
        self.record_success(read_at, read);
        // After a failed write of the last-good file, the next poll writes the file again, even if
        // the snapshot has not changed.
        if changed || self.shared.progress().last_good_error.is_some() {
            self.write_last_good().await;
        }
        Ok(())
    }

    /// Records a successful poll in the progress of the polls. `read` is the time since the index
    /// was read.
    fn record_success(&self, read_at: Timestamp, read: ReadAge) {
        let failures = self.shared.progress().consecutive_failures;
        if failures > 0 {
            info!(failures, "the poll succeeded after failures");
        }
        self.shared.update(|progress| {
            progress.last_success = Some(read_at);
            progress.read_age = Some(read);
            progress.last_error = None;
            progress.last_failure = None;
            progress.consecutive_failures = 0;
            progress.counters.polls_succeeded += 1;
        });
    }

    pub(super) fn record_failure(&self, error: &PollError) {
        let text = chain(error);
        // The first of several consecutive polls that fail with the same error is logged as a
        // warning, and the others only for debugging.
        if self.shared.progress().last_error.as_ref() == Some(&text) {
            debug!(error = text, "the poll failed again");
        } else {
            warn!(
                error = text,
                "the poll failed; the published directives stay in use"
            );
        }
        self.shared.update(|progress| {
            progress.last_error = Some(text);
            progress.last_failure = Some(error.clone());
            progress.consecutive_failures = progress.consecutive_failures.saturating_add(1);
            progress.counters.polls_failed += 1;
            error.count_in(&mut progress.counters.failures);
            if error.kind() == PollErrorKind::Panic {
                progress.counters.panics += 1;
            }
        });
    }
}

pub(super) fn panic_text(panic: &(dyn Any + Send)) -> String {
    panic
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "without a text".to_owned())
}
