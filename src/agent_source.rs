//! Reads what another agent publishes, instead of the index.
//!
//! An agent gives the next what it has published, whole, and how long ago the index was
//! read for it. So the revision and the digest go down a chain unchanged, and the age
//! that each agent knows is that of the read of the index, however many are in between.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use serde_json::value::RawValue;
use tokio::time::Instant;

use crate::clock::Clock;
use crate::config::Config;
use crate::http::{Client, Method, Request, RequestError, malformed};
use crate::rest::{ReadError, UpstreamError, off_the_runtime};
use opensearch_directives_core::Digest;
use opensearch_directives_core::Revision;
use opensearch_directives_core::{Snapshot, SnapshotError};

/// Where an agent gives its snapshot.
const PATH: &str = "/v1/snapshot";

/// What an agent answers.
#[derive(Deserialize)]
struct Answer<'a> {
    /// The index or alias that is polled at the other end of the chain.
    index: String,
    age_seconds: f64,
    /// Stands for the snapshot: an agent that is told the tag need not send it.
    tag: String,
    #[serde(borrow)]
    snapshot: Option<&'a RawValue>,
}

/// What one read gave.
#[derive(Debug)]
pub(crate) struct Taken {
    /// `None`: what is published is what the agent has.
    pub(crate) snapshot: Option<Snapshot>,
    /// When the index was read for it, by our clock.
    pub(crate) read_at: Timestamp,
    /// How long ago that was.
    pub(crate) age: Duration,
}

/// Which snapshot a tag stands for.
#[derive(Debug)]
struct Known {
    tag: String,
    digest: Digest,
    revision: Option<Revision>,
}

/// Another agent, or several that poll the same index.
#[derive(Debug)]
pub(crate) struct UpstreamAgent {
    client: Client,
    clock: Arc<dyn Clock>,
    max_documents: usize,
    clear_after: Option<Duration>,
    known: Mutex<Option<Known>>,
}

impl UpstreamAgent {
    pub(crate) fn new(config: &Config, client: Client) -> Self {
        Self {
            client,
            clock: Arc::clone(&config.clock),
            max_documents: config.max_documents,
            clear_after: config.clear_after,
            known: Mutex::default(),
        }
    }

    /// Reads what the agent has published, unless it is what we have, too. `published` is
    /// that, and `age` how long ago the index was read for it.
    pub(crate) async fn read(
        &self,
        published: &Snapshot,
        age: Option<Duration>,
    ) -> Result<Taken, ReadError> {
        // That of the last complete read, unless there is none or it was emptied.
        let age = age.filter(|_| published.revision().is_some());
        let known = self.tag_of(published);
        let mut request = Request::new(Method::Get, PATH);
        if let Some(tag) = &known {
            request = request.query("known", tag);
        }
        let operation = request.operation();
        let asked = Instant::now();
        let body = self
            .client
            .send(request)
            .await
            .map_err(|error| self.failed(error))?;
        let (bytes, cap, clock) = (body.len(), self.max_documents, Arc::clone(&self.clock));
        let index = self.client.index().to_owned();
        // What the answer took on its way counts, too: rather too old than too young.
        let parse = move || parse(&body, &index, cap, asked.elapsed(), clock.now());
        let (tag, taken) = off_the_runtime(bytes, parse)
            .await
            .map_err(|error| match error {
                UpstreamError::Snapshot(SnapshotError::Json(error))
                | UpstreamError::Json(error) => self.failed(malformed(operation, error)),
                error => self.refused(error),
            })?;
        if let Some(clear_after) = self.clear_after.filter(|limit| taken.age >= *limit) {
            return Err(self.refused(UpstreamError::TooOld {
                age: taken.age,
                clear_after,
            }));
        }
        match &taken.snapshot {
            None if known.as_ref() != Some(&tag) => {
                return Err(self.refused(UpstreamError::Unasked));
            }
            None => {}
            Some(snapshot) => {
                let is_older =
                    age.is_some_and(|age| taken.age > age.saturating_add(asked.elapsed()));
                if is_older && !snapshot.is_same_as(published) {
                    return Err(self.refused(UpstreamError::Older));
                }
                *self.known() = Some(Known {
                    tag,
                    digest: snapshot.digest(),
                    revision: snapshot.revision().cloned(),
                });
            }
        }
        Ok(taken.no_older_than(age.map(|age| age.saturating_add(asked.elapsed()))))
    }

    /// The tag of what is published, if it came from here.
    fn tag_of(&self, published: &Snapshot) -> Option<String> {
        self.known()
            .as_ref()
            .filter(|known| {
                known.digest == published.digest()
                    && known.revision.as_ref() == published.revision()
            })
            .map(|known| known.tag.clone())
    }

    fn known(&self) -> std::sync::MutexGuard<'_, Option<Known>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn failed(&self, source: RequestError) -> ReadError {
        ReadError::Request {
            index: self.client.index().to_owned(),
            source: Box::new(source),
        }
    }

    fn refused(&self, source: UpstreamError) -> ReadError {
        ReadError::Upstream {
            index: self.client.index().to_owned(),
            source,
        }
    }
}

impl Taken {
    /// Of two agents that have the same, the one that has read it later counts.
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
}

fn parse(
    body: &[u8],
    index: &str,
    cap: usize,
    elapsed: Duration,
    now: Timestamp,
) -> Result<(String, Taken), UpstreamError> {
    let answer: Answer<'_> = serde_json::from_slice(body)?;
    if answer.index != index {
        return Err(UpstreamError::OtherIndex(answer.index));
    }
    let age = Duration::try_from_secs_f64(answer.age_seconds)
        .map_err(|_| UpstreamError::Age)?
        .checked_add(elapsed)
        .ok_or(UpstreamError::Age)?;
    let read_at = SignedDuration::try_from(age)
        .ok()
        .and_then(|age| now.checked_sub(age).ok())
        .ok_or(UpstreamError::Age)?;
    let snapshot = answer
        .snapshot
        .map(|json| Snapshot::from_json(json.get(), cap, read_at))
        .transpose()?;
    let taken = Taken {
        snapshot,
        read_at,
        age,
    };
    Ok((answer.tag, taken))
}

#[cfg(test)]
#[path = "agent_source_tests.rs"]
mod tests;
