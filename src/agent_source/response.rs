//! Decodes the response of an agent: a whole snapshot, the differences from the snapshot that this
//! store has, or neither if nothing has changed.

use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::document_limit::DocumentCount;
use crate::rest::PollErrorKind;
use crate::signatures::Trust;
use opensearch_directives_core::internal::{DeltaBase, visible_beginning};
use opensearch_directives_core::{Snapshot, SnapshotError, SnapshotErrorKind};

/// The factor by which the store multiplies the wait that the agent has measured. This factor is
/// slightly below 1, because the monotonic clocks of two hosts do not run at exactly the same rate,
/// and an age must never be too low.
const CERTAIN_WAIT: f64 = 0.999;

/// The JSON of an agent's response to the request for its snapshot, before the store has checked
/// it.
#[derive(Deserialize)]
struct Response<'a> {
    /// The name of the index or alias that the first agent of the chain polls.
    index: String,
    age_seconds: f64,
    /// The time in seconds for which the agent held the request; `None` if the store did not ask
    /// the agent to hold the request.
    waited_seconds: Option<f64>,
    /// A string that identifies the agent's current snapshot. If the request contains the tag of
    /// the current snapshot, the response contains no snapshot and no differences.
    tag: String,
    #[serde(borrow)]
    snapshot: Option<&'a RawValue>,
    /// The differences between the snapshot whose tag the request contains and the agent's current
    /// snapshot.
    #[serde(borrow)]
    delta: Option<&'a RawValue>,
}

/// The decoded response of an agent.
#[derive(Debug)]
pub(super) struct Received {
    pub(super) tag: String,
    /// The new snapshot; `None` if the store already has the agent's current snapshot.
    pub(super) content: Option<Content>,
    pub(super) read_at: Timestamp,
    pub(super) age: Duration,
    /// The age that the agent stated. The snapshot is at least as old, because `stated_age` does
    /// not contain the transit time.
    pub(super) stated_age: Duration,
}

impl Received {
    /// Returns true if the response contains differences whose result was certainly read from the
    /// index earlier than the published snapshot, whose age is `published_age`.
    ///
    /// The tag of a snapshot identifies only its content, and the content of an index can return to
    /// an earlier state: a directive was created and deleted again. So an agent that is behind may
    /// know the tag of the published snapshot as that of an earlier one, and send the differences
    /// that the published snapshot has already undone. An agent that is not behind never states an
    /// age above the age of the published snapshot.
    pub(super) fn is_delta_from_earlier_read(&self, published_age: Option<Duration>) -> bool {
        self.content.as_ref().is_some_and(|one| one.is_delta)
            && published_age.is_some_and(|age| self.stated_age > age)
    }

    /// Lowers the age of the snapshot to `age`, the age of an equal snapshot from another agent, if
    /// `age` is lower. If two agents have equal snapshots, the age of the later read of the index
    /// counts.
    pub(super) fn no_older_than(self, age: Option<Duration>) -> Self {
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

/// The new snapshot in the response of an agent, and whether the agent sent it as differences.
#[derive(Debug)]
pub(super) struct Content {
    pub(super) snapshot: Snapshot,
    /// The content of the snapshot, to which the store applies the next differences.
    pub(super) base: DeltaBase,
    pub(super) count: DocumentCount,
    /// True if the agent sent only the differences.
    pub(super) is_delta: bool,
}

/// The reason why the store refuses the snapshot of an agent.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AgentError {
    #[error(transparent)]
    Snapshot(#[from] SnapshotError),
    #[error("the differences to the snapshot of this store are refused")]
    Delta(#[source] SnapshotError),
    #[error("the response is not a snapshot in the format of this version")]
    Json(#[from] serde_json::Error),
    #[error("the agent polls the index {}; configure that index, or another agent", visible_beginning(.0, 255))]
    OtherIndex(String),
    #[error("the age of the snapshot is not a non-negative number of seconds")]
    Age,
    /// A cache between the store and the agent has returned the response to an earlier request.
    #[error(
        "the agent states that it held the request for {waited:.1?}, but the request took only \
         {took:.1?}; does a proxy in between cache responses?"
    )]
    Waited { waited: Duration, took: Duration },
    /// The response contains no snapshot, although its tag differs from the tag in the request.
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

/// The settings and the state that a store needs to decode the response of an agent.
#[derive(Debug)]
pub(super) struct Decoding {
    pub(super) index: String,
    pub(super) max_stored: usize,
    pub(super) trust: Option<Arc<Trust>>,
    /// The snapshot to which this store applies the differences in the response; `None` if the
    /// request contained no tag, because the agent then sends no differences.
    pub(super) base: Option<Arc<DeltaBase>>,
}

impl Decoding {
    /// Decodes the response of an agent to a request that the store sent `elapsed` before the time
    /// `now`.
    pub(super) fn decode(
        &self,
        body: &[u8],
        elapsed: Duration,
        now: Timestamp,
    ) -> Result<Received, AgentError> {
        let response: Response<'_> = serde_json::from_slice(body)?;
        if response.index != self.index {
            return Err(AgentError::OtherIndex(response.index));
        }
        // The agent measures the age of its snapshot at the end of the wait. The store adds the
        // transit time of the request and the response, so that the resulting age may be too high,
        // but never too low.
        let transit = transit_time(response.waited_seconds, elapsed)?;
        let stated_age =
            Duration::try_from_secs_f64(response.age_seconds).map_err(|_| AgentError::Age)?;
        let age = stated_age.checked_add(transit).ok_or(AgentError::Age)?;
        let read_at = SignedDuration::try_from(age)
            .ok()
            .and_then(|age| now.checked_sub(age).ok())
            .ok_or(AgentError::Age)?;
        Ok(Received {
            content: self.content(response.snapshot, response.delta, (read_at, now))?,
            tag: response.tag,
            read_at,
            age,
            stated_age,
        })
    }

    fn content(
        &self,
        snapshot: Option<&RawValue>,
        delta: Option<&RawValue>,
        (read_at, now): (Timestamp, Timestamp),
    ) -> Result<Option<Content>, AgentError> {
        let trust = self.trust.as_deref();
        let is_delta = snapshot.is_none();
        let (snapshot, base) = match (snapshot, delta) {
            (Some(json), _) => {
                Snapshot::receive(json.get(), self.max_stored, read_at, |document, uuid| {
                    Trust::check_with(trust, document, uuid)
                })?
            }
            (None, Some(json)) => {
                let base = self.base.as_ref().ok_or(AgentError::NotRequested)?;
                base.apply(json.get(), self.max_stored, read_at, |document, uuid| {
                    Trust::check_with(trust, document, uuid)
                })
                .map_err(AgentError::Delta)?
            }
            (None, None) => return Ok(None),
        };
        let (rejected, revoked) = (snapshot.rejections().len(), snapshot.revoked());
        let count = DocumentCount::new(snapshot.set(), rejected, revoked, now);
        Ok(Some(Content {
            snapshot,
            base,
            count,
            is_delta,
        }))
    }
}

/// Returns the longest time that can have passed since the agent measured the age of its snapshot.
fn transit_time(waited_seconds: Option<f64>, elapsed: Duration) -> Result<Duration, AgentError> {
    let Some(seconds) = waited_seconds else {
        return Ok(elapsed);
    };
    let waited = Duration::try_from_secs_f64(seconds).map_err(|_| AgentError::Age)?;
    let certain = waited.mul_f64(CERTAIN_WAIT);
    elapsed.checked_sub(certain).ok_or(AgentError::Waited {
        waited,
        took: elapsed,
    })
}

/// Returns true if the response of an agent contains the tag `tag`, but no snapshot and no
/// differences. A large response is not parsed, because it must contain a snapshot or differences.
pub(super) fn is_unchanged(body: &[u8], tag: &str) -> bool {
    const MAX_UNCHANGED_BYTES: usize = 4 << 10;
    body.len() <= MAX_UNCHANGED_BYTES
        && serde_json::from_slice::<Response<'_>>(body).is_ok_and(|response| {
            response.tag == tag && response.snapshot.is_none() && response.delta.is_none()
        })
}
