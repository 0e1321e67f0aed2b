//! Encodes the published snapshot and its differences from earlier snapshots, each only once for
//! all clients.

use std::sync::Arc;

use axum::http::StatusCode;
use opensearch_directives::{OpenSearchDirectiveStore, Snapshot};
use serde_json::value::RawValue;
use tokio::sync::{Mutex, OwnedMutexGuard};

use super::expensive_responses::run_sized;
use super::problem::Problem;
use super::snapshot_history::History;

/// The maximum number of earlier snapshots for which the cache keeps the encoded differences. A
/// small maximum is sufficient, because nearly all clients have the previous snapshot.
const MAX_ENCODED: usize = 8;

/// A cache that contains the published snapshot and its differences from earlier snapshots, both
/// encoded as JSON.
///
/// After a publish, the cache keeps the replaced snapshot until the next client request arrives,
/// and then compares it with the new snapshot.
#[derive(Clone, Debug)]
pub(super) struct SnapshotCache {
    store: Arc<OpenSearchDirectiveStore>,
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    current: Option<Current>,
    history: History,
}

#[derive(Debug)]
struct Current {
    snapshot: Arc<Snapshot>,
    /// The number of times that the store had emptied its set before it published this snapshot.
    epoch: u64,
    tag: Arc<str>,
    /// The whole snapshot as JSON; `None` until the first client requests the whole snapshot.
    json: Option<Arc<RawValue>>,
    /// The encoded differences of this snapshot from earlier snapshots, each with the tag of the
    /// earlier snapshot.
    deltas: Vec<(Arc<str>, Arc<RawValue>)>,
}

/// What a response of `GET /v1/snapshot` contains: the whole snapshot, or its differences from an
/// earlier snapshot.
#[derive(Debug)]
pub(super) enum Content {
    Whole(Arc<RawValue>),
    Delta(Arc<RawValue>),
}

impl SnapshotCache {
    pub(super) fn new(store: Arc<OpenSearchDirectiveStore>) -> Self {
        Self {
            store,
            state: Arc::default(),
        }
    }

    /// Returns the tag of the published snapshot.
    pub(super) async fn tag(&self) -> Result<Arc<str>, Problem> {
        let (state, _) = self.current().await?;
        Ok(state
            .current
            .as_ref()
            .map(|it| Arc::clone(&it.tag))
            .unwrap_or_default())
    }

    /// Returns the whole published snapshot and its tag. If the cache remembers a snapshot with the
    /// tag `since`, returns only the differences from that snapshot.
    pub(super) async fn content(
        &self,
        since: Option<&str>,
    ) -> Result<(Arc<str>, Content), Problem> {
        let (mut state, snapshot) = self.current().await?;
        if let Some((tag, json)) = since.and_then(|since| state.encoded_delta(since)) {
            return Ok((tag, Content::Delta(json)));
        }
        let delta = since.and_then(|since| {
            let changes = state.history.changes_since(since)?;
            // If more than about half of the directives changed, the agent sends the whole
            // snapshot, because the differences would not be smaller.
            (changes.ids.len() <= snapshot.set().len() / 2 + 16).then_some((since, changes))
        });
        let size = match &delta {
            Some((_, changes)) => changes.ids.len(),
            None => snapshot.set().len(),
        };
        let delta = delta.map(|(since, changes)| (Arc::<str>::from(since), changes));
        // The closure owns the cache's lock, so it encodes the whole snapshot even if the client
        // disconnects in the meantime.
        run_sized(size, move || {
            let current = state.current.as_mut().ok_or_else(no_snapshot)?;
            let content = match delta {
                Some((since, changes)) => {
                    let json: Arc<RawValue> = snapshot.delta_json(&changes)?.into();
                    current.keep_delta(since, &json);
                    Content::Delta(json)
                }
                None => Content::Whole(current.whole()?),
            };
            Ok((Arc::clone(&current.tag), content))
        })
        .await?
    }

    /// Locks the cache, and returns the lock and the published snapshot. If a publish has replaced
    /// the cached snapshot, the function first records the changes from the cached snapshot to the
    /// new one, and then caches the new one.
    async fn current(&self) -> Result<(OwnedMutexGuard<State>, Arc<Snapshot>), Problem> {
        let mut state = Arc::clone(&self.state).lock_owned().await;
        // The off file turns off directives only in this agent. Other agents that poll this agent
        // still receive the directives while the off file exists.
        let (snapshot, epoch) = self.store.kept_snapshot_in_epoch();
        if snapshot.revision().is_none() {
            *state = State::default();
            return Err(no_snapshot());
        }
        let is_current = |current: &Current| Arc::ptr_eq(&current.snapshot, &snapshot);
        if state.current.as_ref().is_some_and(is_current) {
            return Ok((state, snapshot));
        }
        let size = snapshot.set().len();
        let compared = run_sized(size, move || {
            state.replace(&snapshot, epoch);
            (state, snapshot)
        });
        compared.await
    }
}

impl State {
    /// Returns the tag of the current snapshot and the encoded differences from the snapshot with
    /// the tag `since`. Returns `None` if the cache does not contain the encoded differences,
    /// because no client has requested them yet. The function does not search the history for
    /// missing differences: a search for each of thousands of clients would take longer than
    /// encoding the differences once.
    fn encoded_delta(&self, since: &str) -> Option<(Arc<str>, Arc<RawValue>)> {
        let current = self.current.as_ref()?;
        let (_, json) = current.deltas.iter().find(|(tag, _)| **tag == *since)?;
        Some((Arc::clone(&current.tag), Arc::clone(json)))
    }

    fn replace(&mut self, snapshot: &Arc<Snapshot>, epoch: u64) {
        let tag: Arc<str> = snapshot.content_tag().into();
        let before = self.current.replace(Current {
            snapshot: Arc::clone(snapshot),
            epoch,
            tag: Arc::clone(&tag),
            json: None,
            deltas: Vec::new(),
        });
        let Some(before) = before else {
            return;
        };
        if before.epoch != epoch {
            // After the store has emptied its set, the next snapshot that it publishes may be older
            // than the earlier snapshots. A client that receives only differences does not check
            // whether the new snapshot is older than its own. The cache therefore forgets the
            // earlier snapshots when the store has emptied its set, so that clients receive the
            // whole new snapshot.
            self.history = History::default();
        } else if before.tag != tag {
            let changes = snapshot.changes_since(&before.snapshot, History::MAX_CHANGES);
            self.history.replace(before.tag, changes);
        }
    }
}

impl Current {
    fn whole(&mut self) -> Result<Arc<RawValue>, Problem> {
        if let Some(json) = &self.json {
            return Ok(Arc::clone(json));
        }
        let json: Arc<RawValue> = self.snapshot.to_json()?.into();
        self.json = Some(Arc::clone(&json));
        Ok(json)
    }

    fn keep_delta(&mut self, since: Arc<str>, json: &Arc<RawValue>) {
        if self.deltas.len() < MAX_ENCODED {
            self.deltas.push((since, Arc::clone(json)));
        }
    }
}

pub(super) fn no_snapshot() -> Problem {
    Problem::new(
        StatusCode::SERVICE_UNAVAILABLE,
        "there was no complete read yet, or the set was emptied because of its age",
    )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use opensearch_directives::internal::SnapshotParts;
    use opensearch_directives::status::Revision;

    use super::*;

    fn snapshot(max_seq_no: u64) -> Arc<Snapshot> {
        let mut revision = Revision::new("directives-1", "u");
        revision.max_seq_no = Some(max_seq_no);
        Arc::new(Snapshot::from(SnapshotParts {
            revision: Some(revision),
            ..SnapshotParts::default()
        }))
    }

    /// Returns true if the history contains the changes since the snapshot `earlier`, so that the
    /// agent can send only the differences.
    fn remembers(state: &State, earlier: &Snapshot) -> bool {
        let changes = state.history.changes_since(&earlier.content_tag());
        changes.is_some()
    }

    #[test]
    fn p3_no_differences_lead_to_a_snapshot_that_followed_an_empty_set() {
        let [one, two, three] = [1, 2, 3].map(snapshot);
        let mut state = State::default();
        state.replace(&one, 0);
        state.replace(&two, 0);
        assert!(remembers(&state, &one));
        // Between two client requests, the store empties its set and then reads an older set from
        // the index.
        state.replace(&one, 1);
        assert!(!remembers(&state, &two) && !remembers(&state, &one));
        state.replace(&three, 1);
        assert!(remembers(&state, &one) && !remembers(&state, &two));
    }

    #[test]
    fn encoded_differences_are_sent_to_all_clients_until_the_next_publish() {
        let [one, two, three] = [1, 2, 3].map(snapshot);
        let mut state = State::default();
        state.replace(&one, 0);
        state.replace(&two, 0);
        let since: Arc<str> = one.content_tag().into();
        assert!(state.encoded_delta(&since).is_none());
        let json: Arc<RawValue> = RawValue::from_string("{}".to_owned()).unwrap().into();
        state
            .current
            .as_mut()
            .unwrap()
            .keep_delta(Arc::clone(&since), &json);
        // If another client requests the same differences, the cache returns the encoded
        // differences and does not search the history again.
        state.history = History::default();
        let (tag, sent) = state.encoded_delta(&since).unwrap();
        assert_eq!(*tag, *two.content_tag());
        assert!(Arc::ptr_eq(&sent, &json));
        assert!(state.encoded_delta(&two.content_tag()).is_none());
        state.replace(&three, 0);
        assert!(state.encoded_delta(&since).is_none());
    }
}
