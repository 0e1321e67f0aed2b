//! `GET /v1/snapshot`: returns the published snapshot, or its differences from an earlier snapshot.
//! Another agent can poll this path instead of the index, and publish the same snapshot. If the
//! request has the parameter `wait`, the agent waits until its snapshot differs from the client's;
//! without `wait`, the agent responds at once.

use std::time::Duration;

use axum::extract::{RawQuery, State};
use axum::http::header;
use axum::response::{IntoResponse as _, Response};
use opensearch_directives::Subscription;
use serde::Serialize;
use serde_json::value::RawValue;
use tokio::time::Instant;
use utoipa::ToSchema;

use super::expensive_responses::{AdmissionPermit, hold_until_sent};
use super::library_schemas;
use super::openapi::{Internal, InvalidField, NoSnapshot};
use super::problem::Problem;
use super::query::parameters;
use super::snapshot_cache::{Content, no_snapshot};
use super::state::Agent;
use super::waiting_client_limits::parse_wait;

/// The agent sends differences of at most this number of bytes without a permit for large
/// responses.
const MAX_SMALL_DELTA: usize = 64 << 10;

/// The response contains the snapshot with its age and tag. If the client has an earlier snapshot,
/// the response contains only the differences, the age and the tag. If the client already has this
/// snapshot, the response contains only the age and the tag.
#[derive(Serialize, ToSchema)]
pub(super) struct SnapshotResponse<'a> {
    /// The index or alias that the first agent of the chain polls.
    index: &'a str,
    /// The time since the first agent of the chain read the index. The agent measures this time at
    /// the end of the wait.
    #[schema(minimum = 0)]
    age_seconds: f64,
    /// The time for which the agent held the request. Only the response to a request with `wait`
    /// contains this field.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 0, nullable = false)]
    waited_seconds: Option<f64>,
    /// The tag that identifies the snapshot.
    #[schema(pattern = "^[0-9a-f]{32}$")]
    tag: &'a str,
    /// The snapshot, or null if `known` or `since` equals the tag, or if the response contains the
    /// differences.
    #[schema(required, value_type = Option<library_schemas::Snapshot>)]
    snapshot: Option<&'a RawValue>,
    /// The differences between the snapshot with the tag `since` and the current snapshot. The
    /// field is absent if the two snapshots are equal, or if the agent no longer remembers the
    /// earlier one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, value_type = Option<library_schemas::SnapshotDelta>)]
    delta: Option<&'a RawValue>,
}

/// The snapshot that the client already has, as stated in its request.
struct Client {
    tag: Option<String>,
    /// Whether the client can apply the differences between two snapshots.
    takes_delta: bool,
}

/// The age of the snapshot and the waiting time of the request, measured when the request stops
/// waiting.
struct Measured {
    age: Duration,
    waited: Option<Duration>,
}

/// The complete published state, for another agent
///
/// If a request has `wait`, and also has `since` or `known`, the agent waits for another snapshot.
/// The agent then responds as soon as its snapshot differs from the snapshot that the client has,
/// or else at the end of the wait. With `since`, the agent sends only the differences if it
/// remembers the snapshot with this tag. The differences contain the digest of the new snapshot. If
/// the client computes another digest after it has applied the differences, it requests the whole
/// snapshot. Only a publish changes the snapshot: it stays the same when a directive starts or
/// expires.
#[utoipa::path(get, path = "/v1/snapshot", operation_id = "snapshot",
    params(
        ("since" = Option<String>, Query, description = "The tag of the client's snapshot, if the client can apply differences"),
        ("known" = Option<String>, Query, description = "The tag of the client's snapshot, if the client needs the whole snapshot after a change; ignored together with `since`"),
        ("wait" = Option<String>, Query, description = "The time to wait for a change, at most a minute: 200ms, 30s, 1m",
            pattern = "^([1-9][0-9]{0,4}ms|[1-9]s|[1-5][0-9]s|60s|1m)$", example = "30s"),
    ),
    responses((status = 200, description = "The snapshot, the differences, or neither if the client has the current snapshot", body = SnapshotResponse<'_>),
        InvalidField, Internal, NoSnapshot))]
pub(super) async fn get(
    State(agent): State<Agent>,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    let [since, known, wait] = parameters(["since", "known", "wait"], query.as_deref())?;
    let wait = wait.as_deref().map(parse_wait).transpose()?;
    let client = Client {
        takes_delta: since.is_some(),
        tag: since.or(known),
    };
    let begun = Instant::now();
    // The handler subscribes before it loads the snapshot for the first time; otherwise it could
    // miss a publish between the load and the subscription.
    let subscription = agent.store.subscribe();
    if let Some(wait) = wait {
        agent
            .until_changed(&client, subscription, begun + wait)
            .await?;
    }
    // The agent measures the waiting time and the age of the snapshot before it loads the snapshot.
    // Because of this order, the age that the client computes may be too high, but is never too
    // low.
    let waited = wait.map(|_| begun.elapsed());
    let age = agent.store.age().ok_or_else(no_snapshot)?;
    agent.respond(&client, &Measured { age, waited }).await
}

impl Agent {
    /// Waits until the published snapshot differs from the client's snapshot, until the deadline
    /// passes, or until the agent stops.
    async fn until_changed(
        &self,
        client: &Client,
        mut subscription: Subscription,
        deadline: Instant,
    ) -> Result<(), Problem> {
        let mut slot = None;
        while client.has(&self.snapshots.tag().await?) && Instant::now() < deadline {
            if slot.is_none() {
                slot = Some(self.wait_slots.take()?);
            }
            tokio::select! {
                changed = subscription.changed() => if changed.is_err() {
                    return Ok(());
                },
                () = tokio::time::sleep_until(deadline) => {}
                () = self.wait_slots.ended() => return Ok(()),
            }
        }
        Ok(())
    }

    async fn respond(&self, client: &Client, measured: &Measured) -> Result<Response, Problem> {
        let tag = self.snapshots.tag().await?;
        if client.has(&tag) {
            return self.encode(&tag, None, measured, None);
        }
        let since = client.tag.as_deref().filter(|_| client.takes_delta);
        let (tag, content) = self.snapshots.content(since).await?;
        let is_small =
            matches!(&content, Content::Delta(json) if json.get().len() <= MAX_SMALL_DELTA);
        let permit = if is_small {
            None
        } else {
            Some(self.large_responses.permit().await?)
        };
        self.encode(&tag, Some(&content), measured, permit)
    }

    fn encode(
        &self,
        tag: &str,
        content: Option<&Content>,
        measured: &Measured,
        permit: Option<AdmissionPermit>,
    ) -> Result<Response, Problem> {
        let (snapshot, delta) = match content {
            None => (None, None),
            Some(Content::Whole(json)) => (Some(&**json), None),
            Some(Content::Delta(json)) => (None, Some(&**json)),
        };
        let body = serde_json::to_vec(&SnapshotResponse {
            index: self.store.index(),
            age_seconds: measured.age.as_secs_f64(),
            waited_seconds: measured.waited.map(|waited| waited.as_secs_f64()),
            tag,
            snapshot,
            delta,
        })?;
        let json = [(header::CONTENT_TYPE, "application/json")];
        Ok(match permit {
            Some(permit) => (json, hold_until_sent(permit, body)).into_response(),
            None => (json, body).into_response(),
        })
    }
}

impl Client {
    fn has(&self, tag: &str) -> bool {
        self.tag.as_deref() == Some(tag)
    }
}
