//! Reads the snapshot that another agent publishes, instead of reading the index.
//!
//! An agent returns its published snapshot and the time since the index was read, so the revision
//! and the digest pass through a chain of agents unchanged. Each agent reports the time since the
//! index was read, regardless of the number of agents in between. The signatures of directives also
//! pass through a chain unchanged, and each store verifies them with its own trusted keys.

use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use serde_json::value::RawValue;
use tokio::time::Instant;

use crate::clock::Clock;
use crate::config::Config;
use crate::document_limit::{DocumentCount, DocumentLimit};
use crate::http::{Client, Method, Request, malformed};
use crate::rest::{PollErrorKind, ReadError, ReadFailure, off_the_runtime};
use crate::signatures::{Trust, Verifier};
use crate::source::{Polled, PublishedState, SnapshotSource, SourceReport};
use crate::status::{PollStrategy, ProbeMethod, ReadCounters};
use opensearch_directives_core::internal::visible_beginning;
use opensearch_directives_core::{Snapshot, SnapshotError, SnapshotErrorKind};

/// The endpoint of an agent's snapshot.
const PATH: &str = "/v1/snapshot";

/// The response of an agent.
#[derive(Deserialize)]
struct Response<'a> {
    /// The index or alias that the first agent of the chain polls.
    index: String,
    age_seconds: f64,
    /// A string that identifies the snapshot. If a request contains the tag of the agent's current
    /// snapshot, the response contains no snapshot.
    tag: String,
    #[serde(borrow)]
    snapshot: Option<&'a RawValue>,
}

/// A response that was accepted.
#[derive(Debug)]
struct Received {
    tag: String,
    /// The snapshot; `None` if the tag in the request identifies the agent's current snapshot.
    snapshot: Option<Snapshot>,
    read_at: Timestamp,
    age: Duration,
}

/// The reason why a snapshot of another agent is refused.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AgentError {
    #[error(transparent)]
    Snapshot(#[from] SnapshotError),
    #[error("the response is not a snapshot in the format of this version")]
    Json(#[from] serde_json::Error),
    #[error("the agent polls the index {}; configure that index, or another agent", visible_beginning(.0, 255))]
    OtherIndex(String),
    #[error("the age of the snapshot is not a non-negative number of seconds")]
    Age,
    /// The response contains no snapshot, and its tag differs from the tag in the request.
    #[error(
        "the agent returned no snapshot, although this store does not have the agent's current snapshot"
    )]
    NotRequested,
    /// Another agent than before responded, and its snapshot is older than the published snapshot.
    #[error("the agent read the index earlier than the published snapshot was read")]
    Older,
    #[error("the index was read {age:.1?} ago, but sets are emptied after {clear_after:?}")]
    TooOld {
        age: Duration,
        clear_after: Duration,
    },
}

impl AgentError {
    pub(crate) fn kind(&self) -> PollErrorKind {
        match self {
            Self::Older | Self::TooOld { .. } => PollErrorKind::Stale,
            Self::Snapshot(error) if error.kind() == SnapshotErrorKind::TooManyDirectives => {
                PollErrorKind::TooManyDocuments
            }
            Self::OtherIndex(_) => PollErrorKind::NoIndex,
            _ => PollErrorKind::Incomplete,
        }
    }
}

/// A source that polls one agent, or several agents of the same index.
#[derive(Debug)]
pub(crate) struct AgentSource {
    client: Client,
    clock: Arc<dyn Clock>,
    verifier: Arc<Verifier>,
    /// The generation of the trusted keys and the policy with which the last snapshot was decoded.
    trust_generation: u64,
    limit: DocumentLimit,
    clear_after: Option<Duration>,
    /// The number of snapshots that were received.
    generation: u64,
    /// The tag of the last snapshot; empty before the first snapshot.
    tag: String,
    counters: ReadCounters,
}

impl AgentSource {
    pub(crate) fn new(config: &Config, client: Client, verifier: Arc<Verifier>) -> Self {
        Self {
            client,
            clock: Arc::clone(&config.clock),
            trust_generation: verifier.generation(),
            verifier,
            limit: DocumentLimit::new(config.max_documents),
            clear_after: config.clear_after,
            generation: 0,
            tag: String::new(),
            counters: ReadCounters::default(),
        }
    }

    /// Requests the agent's snapshot. The agent sends the snapshot only if it differs from the
    /// published snapshot.
    async fn read(&mut self, published: PublishedState<'_>) -> Result<Polled, ReadError> {
        // The published state has no age before the first complete read, or after the set was
        // emptied.
        let age = published
            .age
            .filter(|_| published.snapshot.revision().is_some());
        let trust_generation = self.verifier.generation();
        // With new keys or a new policy, the decision about every directive may change.
        let is_trusted_anew = trust_generation != self.trust_generation;
        let is_ours = self.generation > 0
            && published.generation == Some(self.generation)
            && !is_trusted_anew;
        let mut request = Request::new(Method::Get, PATH);
        if is_ours {
            request = request.query("known", &self.tag);
        }
        let sent_at = Instant::now();
        let received = self.exchange(request, sent_at).await?;
        let age = age.map(|age| age.saturating_add(sent_at.elapsed()));
        let is_known = received.snapshot.as_ref().is_some_and(|snapshot| {
            snapshot.is_same_as(published.snapshot)
                || is_trusted_anew && snapshot.revision() == published.snapshot.revision()
        });
        self.check(&received, is_known, is_ours, age)?;
        if let Some(snapshot) = &received.snapshot {
            let count = self.count(snapshot)?;
            self.limit.note(count);
        }
        self.trust_generation = trust_generation;
        if received.snapshot.is_some() {
            self.generation += 1;
            self.tag.clone_from(&received.tag);
            self.counters.full_reads += 1;
        } else {
            self.counters.unchanged += 1;
        }
        Ok(received.no_older_than(age).into_polled(self.generation))
    }

    async fn exchange(&self, request: Request, sent_at: Instant) -> Result<Received, ReadError> {
        let operation = request.operation();
        let index = self.client.index();
        let body = self
            .client
            .send(request)
            .await
            .map_err(|error| ReadError::of_request(index, error))?;
        let (bytes, max_stored) = (body.len(), self.limit.max_stored());
        let trust = self.verifier.trust();
        let (clock, expected) = (Arc::clone(&self.clock), index.to_owned());
        // The source adds the transit time of the response, so a reported age may be too high but
        // never too low.
        let parse = move || {
            let elapsed = sent_at.elapsed();
            let limits = (max_stored, trust.as_deref());
            parse(&body, &expected, limits, elapsed, clock.now())
        };
        off_the_runtime(bytes, parse)
            .await
            .map_err(|error| match error {
                AgentError::Snapshot(error) if error.kind() == SnapshotErrorKind::NotASnapshot => {
                    ReadError::of_request(index, malformed(operation, error))
                }
                AgentError::Json(error) => {
                    ReadError::of_request(index, malformed(operation, error))
                }
                error => self.refused(error),
            })
    }

    /// Counts the documents of a snapshot. Returns an error if more documents than `max_documents`
    /// have not ended.
    fn count(&self, snapshot: &Snapshot) -> Result<DocumentCount, ReadError> {
        let (rejected, revoked) = (snapshot.rejections().len(), snapshot.revoked());
        let count = DocumentCount::new(snapshot.set(), rejected, revoked, self.clock.now());
        if self.limit.permits(count) {
            return Ok(count);
        }
        let failure = ReadFailure::TooManyDocuments {
            documents: count.unfinished as u64,
            max_documents: self.limit.max(),
        };
        Err(ReadError::new(self.client.index(), failure))
    }

    /// Returns an error if the snapshot has reached `clear_after`, or if it is older than the
    /// published snapshot. If both snapshots are known to show the same state of the index
    /// (`is_known`), an older read is accepted.
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
        match &received.snapshot {
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
}

impl SnapshotSource for AgentSource {
    fn poll<'a>(
        &'a mut self,
        published: PublishedState<'a>,
    ) -> BoxFuture<'a, Result<Polled, ReadError>> {
        self.read(published).boxed()
    }

    fn report(&self) -> SourceReport {
        SourceReport {
            recorder: None,
            applied_seq_no: None,
            counters: self.counters,
            strategy: PollStrategy {
                probe: ProbeMethod::Agent,
                delta: false,
                notes: Vec::new(),
            },
            clock_skew: None,
            unfinished: (self.generation > 0).then(|| self.limit.unfinished()),
            warnings: self.limit.warning().into_iter().collect(),
        }
    }
}

impl Received {
    /// Replaces the snapshot's age by the given age if the given age is lower, because the age of
    /// the later read counts if two agents have equal snapshots.
    fn no_older_than(self, age: Option<Duration>) -> Self {
        match age.filter(|age| *age < self.age) {
            Some(age) => Self {
                read_at: self.read_at
                    + SignedDuration::try_from(self.age.saturating_sub(age)).unwrap_or_default(),
                age,
                ..self
            },
            None => self,
        }
    }

    fn into_polled(self, generation: u64) -> Polled {
        Polled {
            origins: None,
            generation,
            snapshot: self.snapshot,
            read_at: self.read_at,
            age: self.age,
        }
    }
}

fn parse(
    body: &[u8],
    index: &str,
    (max_stored, trust): (usize, Option<&Trust>),
    elapsed: Duration,
    now: Timestamp,
) -> Result<Received, AgentError> {
    let response: Response<'_> = serde_json::from_slice(body)?;
    if response.index != index {
        return Err(AgentError::OtherIndex(response.index));
    }
    let age = Duration::try_from_secs_f64(response.age_seconds)
        .map_err(|_| AgentError::Age)?
        .checked_add(elapsed)
        .ok_or(AgentError::Age)?;
    let read_at = SignedDuration::try_from(age)
        .ok()
        .and_then(|age| now.checked_sub(age).ok())
        .ok_or(AgentError::Age)?;
    let snapshot = response
        .snapshot
        .map(|json| {
            Snapshot::from_json_if(json.get(), max_stored, read_at, |document, uuid| {
                Trust::check_with(trust, document, uuid)
            })
        })
        .transpose()?;
    Ok(Received {
        tag: response.tag,
        snapshot,
        read_at,
        age,
    })
}

#[cfg(test)]
#[path = "agent_source_tests.rs"]
mod tests;
