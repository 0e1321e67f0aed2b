//! Records the operations that the polls of the index show. A recorder does not delay the polls.
//!
//! ```text
//! poll ── Observation ──▶ known documents ── what changed ──▶ queue ── batches ──▶ data stream
//!   (never waits)                             (bounded)          (again after a failure)
//! ```
//!
//! If the recorder is slower than the polls, the feed drops an observation. The next complete
//! observation contains the changes of a dropped observation. The status counts the operations that
//! the recorder could not see or could not record. If another recorder or the `directives` command
//! has already recorded an operation, the operation counts as recorded.

mod absent_documents;
mod known_documents;
mod last_records;
mod observation_feed;
mod queue;
mod recent_deletions;
mod sending;
mod status;
mod stream_watch;

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use jiff::Timestamp;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until, timeout};
use tracing::{debug, info, warn};

use super::append_records::{Appended, Entry, Stream};
use super::build_record::RecordedBy;
use crate::clock::Clock;
use crate::config::Config;
use crate::http::{Client, chain};
use crate::poll_pauses::Backoff;
use crate::time_limit::until;

use known_documents::Documents;
use last_records::last_documents;
pub(crate) use observation_feed::{HistoryFeed, Keeping, Observed, SeenDocument};
use observation_feed::{NeedsFullFrom, Observation};
use queue::Queue;
use sending::{SendError, Sending, send, sent};
pub use status::RecorderStatus;
use status::SharedCounts;
use stream_watch::{StreamChange, StreamWatch};

/// The maximum number of observations that wait until the recorder processes them.
const WAITING_OBSERVATIONS: usize = 4;
/// The first pause and the longest pause of the recorder after a failed request to the stream.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// When the recorder ends, it still sends queued records for at most this time.
const LAST_SENDING: Duration = Duration::from_secs(2);

/// Records the operations of one index.
#[derive(Debug)]
pub(crate) struct Recorder {
    stream: Stream,
    clock: Arc<dyn Clock>,
    name: String,
    max_ttl: Duration,
    observations: mpsc::Receiver<Observation>,
    documents: Documents,
    queue: Queue,
    backoff: Backoff,
    /// After a failed request to the stream, the recorder sends no records before this instant.
    paused_until: Instant,
    counts: SharedCounts,
    needs_full_from: NeedsFullFrom,
    watch: StreamWatch,
    last_warning: Option<String>,
}

impl Recorder {
    /// Creates a recorder, and the feed through which the polls pass their observations to it.
    pub(crate) fn new(config: &Config, client: Client, seed: u64) -> (Self, HistoryFeed) {
        let (sender, observations) = mpsc::channel(WAITING_OBSERVATIONS);
        let counts = SharedCounts::default();
        let needs_full_from = NeedsFullFrom::default();
        let recorder = Self {
            stream: Stream::of(client),
            clock: Arc::clone(&config.clock),
            name: format!("recorder {}", config.instance),
            max_ttl: config.max_ttl,
            observations,
            documents: Documents::default(),
            queue: Queue::default(),
            backoff: Backoff::new(FIRST_PAUSE, LONGEST_PAUSE, seed),
            paused_until: Instant::now(),
            counts: Arc::clone(&counts),
            needs_full_from: needs_full_from.clone(),
            watch: StreamWatch::new(),
            last_warning: None,
        };
        let clock = Arc::clone(&config.clock);
        let feed = HistoryFeed::new(sender, counts, clock, needs_full_from);
        (recorder, feed)
    }

    /// Records operations until the feed is dropped. A panic of the recorder ends only the
    /// recording, and not the polls.
    pub(crate) async fn run(&mut self) {
        let guarded = AssertUnwindSafe(self.record()).catch_unwind().await;
        self.note_panic(guarded.is_err());
    }

    fn note_panic(&mut self, has_panicked: bool) {
        if has_panicked {
            let error = "the recorder panicked; it records nothing until the process is restarted";
            warn!("{error}");
            self.note(|counts| counts.last_error = Some(error.to_owned()));
        }
    }

    async fn record(&mut self) {
        let mut sending: Option<(Vec<String>, Sending)> = None;
        loop {
            if sending.is_none() && Instant::now() >= self.paused_until {
                sending = self.next_batch();
            }
            let wake_at = self.wake_at().filter(|_| sending.is_none());
            tokio::select! {
                observation = self.observations.recv() => match observation {
                    Some(observation) => {
                        self.learn(&observation).await;
                        self.absorb(observation);
                    }
                    None => return,
                },
                result = sent(&mut sending) => {
                    if let Some((ids, _)) = sending.take() {
                        self.settle(&ids, result);
                    }
                }
                () = until(wake_at) => {}
                () = sleep_until(self.watch.next_check()) => self.check_stream().await,
            }
        }
    }

    /// Checks whether the stream was deleted or created again. After the stream was created again,
    /// the recorder records all current documents, as it does at its start.
    async fn check_stream(&mut self) {
        let backing = match self.stream.backing_indices().await {
            Ok(backing) => backing,
            Err(error) => {
                let error = chain(&error);
                debug!(error, "cannot check the stream of the history");
                return self.watch.postpone();
            }
        };
        match self.watch.observe(backing) {
            StreamChange::Same => {}
            StreamChange::Missing => {
                let reason = SendError::NoStream(self.stream.name().to_owned()).to_string();
                self.warn_once(&reason);
                self.note(|counts| counts.last_error = Some(reason));
            }
            StreamChange::Created => {
                info!("the history was created again; recording all present directives");
                self.last_warning = None;
                self.documents = Documents::forgotten();
                self.needs_full_from.set(self.documents.needs_full_from());
                self.note(|counts| counts.last_error = None);
            }
        }
    }

    /// Sends the queued records within a time limit. If a record cannot be sent, the next recorder
    /// records the operation, unless the document changes again before that recorder reads it. If
    /// sending panics, only the sending ends, and not the caller of this method.
    pub(crate) async fn finish(&mut self) {
        let guarded = AssertUnwindSafe(self.send_rest()).catch_unwind().await;
        self.note_panic(guarded.is_err());
    }

    async fn send_rest(&mut self) {
        while let Ok(observation) = self.observations.try_recv() {
            self.absorb(observation);
        }
        self.queue.release();
        self.paused_until = Instant::now();
        let rest = async {
            while let Some((ids, sending)) = self.next_batch() {
                self.settle(&ids, sending.await);
                if self.paused_until > Instant::now() {
                    // The stream accepts no records now, so the remaining records are not sent.
                    return;
                }
            }
        };
        // After a timeout, which is no error, the status counts the remaining records as pending.
        let _ = timeout(LAST_SENDING, rest).await;
    }

    /// Before the first observation of an index is compared, reads the last records of the history.
    /// If the history cannot be read, the recorder sends records of all documents, and reads the
    /// history later to find out which documents were deleted before.
    async fn learn(&mut self, observation: &Observation) {
        let Some(history_uuid) = self.documents.needs_last_records(observation) else {
            return;
        };
        match last_documents(&self.stream, observation, history_uuid).await {
            Ok(last) => {
                let already_recorded = self.documents.learn(observation, last);
                self.note(|counts| counts.already_recorded += already_recorded);
            }
            Err(error) => {
                self.documents.learn_later(observation);
                let error = chain(&error);
                warn!(
                    error,
                    "cannot read the last records, and will try again; documents that were deleted \
                     before this start are not recorded until then, and versions that were \
                     replaced before this start are not counted"
                );
            }
        }
    }

    /// Compares the observation of a poll with the known documents, and queues a record for each
    /// operation.
    fn absorb(&mut self, observation: Observation) {
        let by = self.recorded_by(observation.seen_at);
        let (queue, documents) = (&mut self.queue, &mut self.documents);
        let unseen = documents.absorb(observation, &by, |entry| queue.push(entry));
        self.needs_full_from.set(documents.needs_full_from());
        self.refill();
        self.note(|counts| counts.unseen += unseen);
    }

    /// Queues the latest version of each directive that changed while the queue was full.
    fn refill(&mut self) {
        if !self.queue.can_refill() {
            return;
        }
        let by = self.recorded_by(self.clock.now());
        let documents = &self.documents;
        self.queue.refill(|id| documents.entry_again(id, &by));
    }

    fn recorded_by(&self, at: Timestamp) -> RecordedBy {
        RecordedBy {
            name: self.name.clone(),
            at,
            max_ttl: self.max_ttl,
        }
    }

    fn next_batch(&mut self) -> Option<(Vec<String>, Sending)> {
        let entries = self.queue.batch();
        if entries.is_empty() {
            return None;
        }
        let ids = entries.iter().map(|entry| entry.id.clone()).collect();
        let stream = self.stream.clone();
        Some((ids, async move { send(&stream, entries).await }.boxed()))
    }

    /// Removes from the queue the records that the stream already contains or will never accept.
    fn settle(&mut self, ids: &[String], result: Result<Vec<Appended>, SendError>) {
        let results = match result {
            Ok(results) => results,
            Err(error) if error.is_too_large() && ids.len() > 1 => {
                debug!(
                    records = ids.len(),
                    "a server refused a batch of records as too large; sending smaller batches"
                );
                return self.queue.halve_batches();
            }
            Err(error) if error.is_too_large() => vec![Appended::Refused(chain(&error))],
            Err(error) => return self.pause(&chain(&error), error.retry_after()),
        };
        let (mut failure, mut counted) = (None, RecorderStatus::default());
        for (id, result) in ids.iter().zip(results) {
            match result {
                Appended::Now => counted.recorded += 1,
                Appended::Before => counted.already_recorded += 1,
                Appended::Refused(reason) => {
                    counted.lost += 1;
                    warn!(
                        record = id,
                        reason, "the history refused a record; it is lost"
                    );
                }
                Appended::Failed(reason) => {
                    failure.get_or_insert(reason);
                    continue;
                }
            }
            self.queue.remove(id);
        }
        self.refill();
        self.note(|counts| counts.add(&counted));
        if let Some(reason) = failure {
            return self.pause(&reason, None);
        }
        let _ = self.backoff.succeeded();
        if self.last_warning.take().is_some() {
            info!("the history accepts records again");
        }
        self.note(|counts| counts.last_error = None);
    }

    /// Postpones the next attempt to send records.
    fn pause(&mut self, reason: &str, retry_after: Option<Duration>) {
        self.paused_until = Instant::now() + self.backoff.failed(retry_after);
        self.warn_once(reason);
        self.note(|counts| {
            counts.failures += 1;
            counts.last_error = Some(reason.to_owned());
        });
    }

    /// Logs why the history accepts no records. A reason is logged as a warning only if it differs
    /// from the last one.
    fn warn_once(&mut self, reason: &str) {
        if self.last_warning.as_deref() == Some(reason) {
            debug!(reason, "the history still accepts no records");
        } else {
            warn!(
                reason,
                "the history accepts no records; the records wait in the queue"
            );
            self.last_warning = Some(reason.to_owned());
        }
    }

    /// Returns the instant at which the next record can be sent; `None` if the queue is empty.
    fn wake_at(&self) -> Option<Instant> {
        Some(self.queue.due_at()?.max(self.paused_until))
    }

    fn note(&mut self, change: impl FnOnce(&mut RecorderStatus)) {
        let pending = self.queue.len() as u64;
        let dropped = self.queue.take_lost();
        status::update(&self.counts, |counts| {
            change(counts);
            counts.pending = pending;
            counts.lost += dropped;
        });
    }
}

#[cfg(test)]
mod tests;
