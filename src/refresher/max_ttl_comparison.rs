//! Compares the longest time to live that the ingest pipeline permits with the `max_ttl` of the
//! store. The refresher compares the limit of the pipeline with `max_ttl` between two polls.

use std::cmp::Ordering;
use std::panic::AssertUnwindSafe;
use std::time::Duration;

use futures_util::FutureExt as _;
use tokio::time::{Instant, timeout};
use tracing::{debug, warn};

use super::Poller;
use crate::config::Config;
use crate::http::{Client, chain};
use crate::poll_pauses::LONGEST;
use crate::rest::IndexReader;

/// The longest time by which one comparison with the ingest pipeline may delay the next poll.
const TIMEOUT: Duration = Duration::from_secs(1);

/// Compares the longest time to live that the ingest pipeline permits with the `max_ttl` of the
/// store, and remembers the pipeline's limit.
#[derive(Debug)]
pub(super) struct MaxTtlComparison {
    reader: IndexReader,
    max_ttl: Duration,
    interval: Duration,
    /// The instant from which the refresher compares the pipeline's limit again.
    next: Instant,
    /// The longest time to live that the ingest pipeline permitted at the last comparison; `None`
    /// if the pipeline had no limit, or if the role does not permit reading the pipeline.
    pipeline: Option<Duration>,
}

impl MaxTtlComparison {
    pub(super) fn new(config: &Config, client: Client) -> Self {
        Self {
            // The maximum number of documents is zero, because the comparison reads only the ingest
            // pipeline and no documents.
            reader: IndexReader::new(client, &config.instance, 0),
            max_ttl: config.max_ttl,
            interval: config.reconcile_interval.min(LONGEST),
            next: Instant::now(),
            pipeline: None,
        }
    }

    /// Reads the ingest pipeline if a comparison with `max_ttl` is due. Returns `None` if the
    /// warning in the status stays as it is, `Some(None)` if the warning must be removed, and
    /// `Some(Some(…))` with a new warning. If the role does not permit reading the ingest pipeline,
    /// there is no warning.
    async fn compare_if_due(&mut self) -> Option<Option<String>> {
        let now = Instant::now();
        if now < self.next {
            return None;
        }
        self.next = now + self.interval;
        let session = self.reader.session();
        let read = timeout(TIMEOUT, session.pipeline_max_ttl()).await;
        session.close().await;
        match read {
            Ok(Ok(pipeline)) if pipeline == self.pipeline => None,
            Ok(Ok(pipeline)) => {
                self.pipeline = pipeline;
                let warning = pipeline.and_then(|pipeline| difference(pipeline, self.max_ttl));
                if let Some(warning) = &warning {
                    warn!("{warning}");
                }
                Some(warning)
            }
            Ok(Err(error)) => {
                debug!(error = chain(&error), "cannot read the pipeline's bounds");
                None
            }
            Err(_) => {
                debug!("reading the pipeline's bounds took too long");
                None
            }
        }
    }
}

impl Poller {
    /// Compares the pipeline's limit with the `max_ttl` of the store if a comparison is due, and
    /// shows a difference as a warning in the status. The function catches a panic, because the log
    /// subscriber of the application may panic.
    pub(super) async fn compare_max_ttl(&mut self) {
        let Some(bound) = &mut self.max_ttl_comparison else {
            return;
        };
        let compared = AssertUnwindSafe(bound.compare_if_due()).catch_unwind();
        if let Ok(Some(warning)) = compared.await {
            self.shared
                .update(|progress| progress.max_ttl_warning = warning);
        }
    }
}

/// Returns a warning that describes how the pipeline's limit differs from the `max_ttl` of the
/// store, and the remedy. Returns `None` if the pipeline's limit is equal to `max_ttl`.
fn difference(pipeline: Duration, ours: Duration) -> Option<String> {
    let (pipeline_secs, our_secs) = (pipeline.as_secs(), ours.as_secs());
    match pipeline.cmp(&ours) {
        Ordering::Greater => Some(format!(
            "the ingest pipeline permits a time to live of {pipeline_secs} s, and this reader rejects \
             directives beyond `max_ttl` ({our_secs} s); raise `max_ttl` here, or lower the \
             pipeline's with `directives init --max-ttl`"
        )),
        Ordering::Less => Some(format!(
            "this reader accepts a time to live of `max_ttl` ({our_secs} s), and the ingest \
             pipeline permits only {pipeline_secs} s; lower `max_ttl` here, so that a document that \
             bypassed the pipeline is rejected"
        )),
        Ordering::Equal => None,
    }
}
