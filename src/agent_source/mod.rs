//! Reads the snapshot that another agent publishes, instead of reading the index.
//!
//! An agent returns the snapshot that it has published, so every agent in a chain passes on the
//! same revision, digest and signatures. Each store in a chain of agents verifies the signatures
//! with its own trusted keys. An agent also returns the age of its snapshot, which counts from the
//! read of the index, however many agents are in between.
//!
//! After the first whole snapshot, an agent sends only the differences from the previous snapshot.
//! Between two polls, a long poll (`long_poll.rs`) waits until the agent has a new snapshot.

mod long_poll;
mod response;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use tokio::time::Instant;
use tracing::{info, warn};

use crate::clock::Clock;
use crate::config::Config;
use crate::document_limit::{DocumentCount, DocumentLimit};
use crate::http::{Client, Method, Request, RequestError, chain, malformed};
use crate::rest::{ReadError, ReadFailure, off_the_runtime, weight_of};
use crate::signatures::Verifier;
use crate::source::{PauseFuture, Polled, PublishedState, SnapshotSource, SourceReport};
use crate::status::{PollStrategy, ProbeMethod, ReadCounters};
use long_poll::LongPolls;
use opensearch_directives_core::SnapshotErrorKind;
use opensearch_directives_core::internal::DeltaBase;
pub(crate) use response::AgentError;
use response::{Decoding, Received};

/// The URL path at which an agent serves its snapshot.
const PATH: &str = "/v1/snapshot";
/// The time after which the source sends the parameter `since` again to an agent of an earlier
/// version that has refused it.
const UPGRADE_CHECK_INTERVAL: Duration = Duration::from_secs(10 * 60);

/// A source of snapshots that polls one agent, or several agents of the same index.
#[derive(Debug)]
pub(crate) struct AgentSource {
    client: Client,
    clock: Arc<dyn Clock>,
    verifier: Arc<Verifier>,
    /// The generation of the trusted keys and the signature policy with which the last snapshot was
    /// decoded.
    trust_generation: u64,
    limit: DocumentLimit,
    clear_after: Option<Duration>,
    /// The number of snapshots that the source has accepted from the agent so far.
    generation: u64,
    /// The agent's tag for the last received snapshot; empty before the first snapshot.
    tag: String,
    /// The content of the last received snapshot, to which the next differences are applied.
    base: Option<Arc<DeltaBase>>,
    /// The instant until which the source requests no differences; `None` if the agent has not
    /// refused a request for differences.
    without_delta_until: Option<Instant>,
    long_polls: LongPolls,
    counters: ReadCounters,
}

/// The part of a request that tells the agent which snapshot this store already has.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Known {
    Nothing,
    /// The request contains the agent's tag for the last received snapshot.
    Tag,
}

impl AgentSource {
    pub(crate) fn new(config: &Config, client: Client, verifier: Arc<Verifier>, seed: u64) -> Self {
        Self {
            client,
            clock: Arc::clone(&config.clock),
            trust_generation: verifier.generation(),
            verifier,
            limit: DocumentLimit::new(config.max_documents),
            clear_after: config.clear_after,
            generation: 0,
            tag: String::new(),
            base: None,
            without_delta_until: None,
            long_polls: LongPolls::new(seed),
            counters: ReadCounters::default(),
        }
    }

    /// Polls the agent, which sends its snapshot only if the store has published another one.
    async fn read(&mut self, published: PublishedState<'_>) -> Result<Polled, ReadError> {
        let began = Instant::now();
        // A directive set has no age before the first complete read, or after it was emptied.
        let age = published
            .age
            .filter(|_| published.snapshot.revision().is_some());
        let trust_generation = self.verifier.generation();
        // New trusted keys or a new policy can change which directives are accepted.
        let is_trusted_anew = trust_generation != self.trust_generation;
        let is_ours = self.is_ours(published.generation) && !is_trusted_anew;
        let age = || age.map(|age| age.saturating_add(began.elapsed()));
        let mut received = self.receive(is_ours).await?;
        if received.is_delta_from_earlier_read(age()) {
            info!("another agent sent differences from an earlier read; requesting its snapshot");
            received = self.request(Known::Nothing).await?;
        }
        let age = age();
        let is_known = received.content.as_ref().is_some_and(|content| {
            let snapshot = &content.snapshot;
            content.is_delta
                || snapshot.is_same_as(published.snapshot)
                || is_trusted_anew && snapshot.revision() == published.snapshot.revision()
        });
        self.check(&received, is_known, is_ours, age)?;
        if let Some(content) = &received.content {
            self.check_count(content.count)?;
            self.limit.note(content.count);
        }
        self.trust_generation = trust_generation;
        Ok(self.accept(received.no_older_than(age)))
    }

    /// Returns true if the store has published the last snapshot that this source returned.
    fn is_ours(&self, published: Option<u64>) -> bool {
        self.generation > 0 && published == Some(self.generation)
    }

    /// Returns the response to the last long poll, or requests the snapshot if none has arrived.
    /// Requests the whole snapshot if received differences cannot be applied.
    async fn receive(&mut self, is_ours: bool) -> Result<Received, ReadError> {
        let arrived = self.long_polls.take().filter(|_| is_ours);
        if !is_ours {
            return self.request(Known::Nothing).await;
        }
        let mut result = None;
        if let Some(arrived) = arrived {
            let operation = format!("{} {PATH}", Method::Get);
            let decoded = self.decode(operation, arrived.body, arrived.sent_at, Known::Tag);
            match decoded.await {
                Ok(received) => {
                    self.long_polls.succeed(received.content.is_some());
                    return Ok(received);
                }
                Err(error) => {
                    self.long_polls.refuse(&error);
                    result = error.is_wrong_delta().then_some(Err(error));
                }
            }
        }
        let result = match result {
            Some(result) => result,
            None => self.request(Known::Tag).await,
        };
        match result {
            Err(error) if error.is_wrong_delta() => {
                warn!(error = chain(&error), "requesting the whole snapshot");
                self.request(Known::Nothing).await
            }
            result => result,
        }
    }

    /// Sends a request for the snapshot that the agent must not hold, and decodes the response.
    async fn request(&mut self, known: Known) -> Result<Received, ReadError> {
        let sent_at = Instant::now();
        let has_delta = self
            .without_delta_until
            .is_none_or(|until| sent_at >= until);
        let mut request = Request::new(Method::Get, PATH);
        match known {
            Known::Tag if has_delta => request = request.query("since", &self.tag),
            Known::Tag => return self.request_known().await,
            Known::Nothing => {}
        }
        let operation = request.operation();
        let body = match self.client.send(request).await {
            Err(error) if known == Known::Tag && error.status() == Some(400) => {
                self.note_earlier_version(&error);
                return self.request_known().await;
            }
            sent => sent.map_err(|error| ReadError::of_request(self.client.index(), error))?,
        };
        if known == Known::Tag {
            self.without_delta_until = None;
        }
        self.decode(operation, body, sent_at, known).await
    }

    /// Requests the snapshot from an agent of an earlier version, which refuses the parameter
    /// `since`. The request contains the older parameter `known` instead of `since`.
    async fn request_known(&self) -> Result<Received, ReadError> {
        let sent_at = Instant::now();
        let request = Request::new(Method::Get, PATH).query("known", &self.tag);
        let operation = request.operation();
        let body = self.client.send(request).await;
        let body = body.map_err(|error| ReadError::of_request(self.client.index(), error))?;
        self.decode(operation, body, sent_at, Known::Tag).await
    }

    fn note_earlier_version(&mut self, error: &RequestError) {
        if self.without_delta_until.is_none() {
            let error = chain(error);
            let text = "the agent is of an earlier version; polling without differences";
            info!(error, "{text}");
        }
        self.without_delta_until = Instant::now().checked_add(UPGRADE_CHECK_INTERVAL);
    }

    async fn decode(
        &self,
        operation: String,
        body: Bytes,
        sent_at: Instant,
        known: Known,
    ) -> Result<Received, ReadError> {
        let index = self.client.index();
        let decoding = Decoding {
            index: index.to_owned(),
            max_stored: self.limit.max_stored(),
            trust: self.verifier.trust(),
            base: self.base.clone().filter(|_| known == Known::Tag),
        };
        let clock = Arc::clone(&self.clock);
        let directives = decoding.base.as_ref().map_or(0, |base| base.directives());
        let weight = body.len().max(weight_of(directives));
        let decode = move || decoding.decode(&body, sent_at.elapsed(), clock.now());
        let decoded = off_the_runtime(weight, decode).await;
        decoded.map_err(|error| match error {
            AgentError::Snapshot(error) if error.kind() == SnapshotErrorKind::NotASnapshot => {
                ReadError::of_request(index, malformed(operation, error))
            }
            AgentError::Json(error) => ReadError::of_request(index, malformed(operation, error)),
            error => self.refused(error),
        })
    }

    /// Returns an error if more than `max_documents` documents of a snapshot have not ended.
    fn check_count(&self, count: DocumentCount) -> Result<(), ReadError> {
        if self.limit.permits(count) {
            return Ok(());
        }
        let (documents, max_documents) = (count.unfinished as u64, self.limit.max());
        let failure = ReadFailure::TooManyDocuments {
            documents,
            max_documents,
        };
        Err(ReadError::new(self.client.index(), failure))
    }

    /// Returns an error if the age of the new snapshot has reached `clear_after`, or if the new
    /// snapshot was read from the index earlier than the published one. If `is_known` is true, an
    /// earlier read is accepted: both snapshots then show the same state of the index, or the agent
    /// has sent differences from the published snapshot, which were compared before.
    fn check(
        &self,
        received: &Received,
        is_known: bool,
        is_ours: bool,
        published_age: Option<Duration>,
    ) -> Result<(), ReadError> {
        if let Some(clear_after) = self.clear_after.filter(|limit| received.age >= *limit) {
            let age = received.age;
            return Err(self.refused(AgentError::TooOld { age, clear_after }));
        }
        match &received.content {
            None if is_ours && received.tag == self.tag => Ok(()),
            None => Err(self.refused(AgentError::NotRequested)),
            Some(_) if !is_known && published_age.is_some_and(|age| received.age > age) => {
                Err(self.refused(AgentError::Older))
            }
            Some(_) => Ok(()),
        }
    }

    fn refused(&self, error: AgentError) -> ReadError {
        ReadError::new(self.client.index(), ReadFailure::Agent(error))
    }

    fn accept(&mut self, received: Received) -> Polled {
        let snapshot = received.content.map(|content| {
            self.generation += 1;
            self.tag = received.tag;
            self.base = Some(Arc::new(content.base));
            if content.is_delta {
                self.counters.delta_reads += 1;
            } else {
                self.counters.full_reads += 1;
            }
            content.snapshot
        });
        if snapshot.is_none() {
            self.counters.unchanged += 1;
        }
        Polled {
            origins: None,
            generation: self.generation,
            snapshot,
            read_at: received.read_at,
            age: received.age,
        }
    }
}

impl SnapshotSource for AgentSource {
    fn poll<'a>(
        &'a mut self,
        published: PublishedState<'a>,
    ) -> BoxFuture<'a, Result<Polled, ReadError>> {
        self.read(published).boxed()
    }

    fn pause(&mut self, generation: Option<u64>, pause: Duration) -> PauseFuture {
        let is_trusted_anew = self.verifier.generation() != self.trust_generation;
        let has_delta = self.without_delta_until.is_none();
        if self.is_ours(generation) && !is_trusted_anew && has_delta {
            return self
                .long_polls
                .pause(self.client.clone(), self.tag.clone(), pause);
        }
        Box::pin(std::future::pending())
    }

    fn report(&self) -> SourceReport {
        let earlier_version = self
            .without_delta_until
            .map(|_| "without long polls and delta reads: the agent is of an earlier version");
        let note = earlier_version.map(str::to_owned);
        let notes = note.or(self.long_polls.note());
        SourceReport {
            recorder: None,
            applied_seq_no: None,
            counters: self.counters,
            strategy: PollStrategy {
                probe: ProbeMethod::Agent,
                delta: earlier_version.is_none(),
                notes: notes.into_iter().collect(),
            },
            clock_skew: None,
            unfinished: (self.generation > 0).then(|| self.limit.unfinished()),
            warnings: self.limit.warning().into_iter().collect(),
        }
    }
}

#[cfg(test)]
mod tests;
