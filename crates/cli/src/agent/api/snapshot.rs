//! `GET /v1/snapshot`: returns the published snapshot, so that another agent can publish the same
//! snapshot.

use std::sync::{Arc, Weak};

use axum::extract::{RawQuery, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use opensearch_directives::{OpenSearchDirectiveStore, Snapshot};
use serde::Serialize;
use serde_json::value::RawValue;
use tokio::sync::Mutex;
use utoipa::ToSchema;

use super::etag::content_tag;
use super::expensive_responses::{hold_until_sent, run_sized};
use super::library_schemas;
use super::openapi::{Internal, InvalidField, NoSnapshot};
use super::problem::Problem;
use super::query::parameters;
use super::state::Agent;

/// Encodes the published snapshot once after each publish, and returns the same bytes to all
/// clients.
#[derive(Clone, Debug)]
pub(super) struct SnapshotCache {
    store: Arc<OpenSearchDirectiveStore>,
    last: Arc<Mutex<Option<EncodedSnapshot>>>,
}

#[derive(Clone, Debug)]
struct EncodedSnapshot {
    /// A weak reference, so that a replaced snapshot is freed although the cache still refers to
    /// it.
    snapshot: Weak<Snapshot>,
    tag: Arc<str>,
    json: Arc<RawValue>,
}

/// The snapshot with its age and tag. If the client already has the snapshot, only the age and the
/// tag.
#[derive(Serialize, ToSchema)]
pub(super) struct SnapshotResponse<'a> {
    /// The index or alias that the first agent of the chain polls.
    index: &'a str,
    /// The time since the first agent of the chain read the index.
    #[schema(minimum = 0)]
    age_seconds: f64,
    /// The tag that identifies the snapshot.
    #[schema(pattern = "^[0-9a-f]{32}$")]
    tag: &'a str,
    /// The snapshot, or null if `known` equals the tag.
    #[schema(required, value_type = Option<library_schemas::Snapshot>)]
    snapshot: Option<&'a RawValue>,
}

impl SnapshotCache {
    pub(super) fn new(store: Arc<OpenSearchDirectiveStore>) -> Self {
        Self {
            store,
            last: Arc::default(),
        }
    }

    async fn current(&self) -> Result<EncodedSnapshot, Problem> {
        let mut last = Arc::clone(&self.last).lock_owned().await;
        // The off file turns directives off only in this agent. Agents that poll this agent still
        // receive the directives.
        let snapshot = self.store.kept_snapshot();
        if snapshot.revision().is_none() {
            return Err(Problem::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "there was no complete read yet, or the set was emptied because of its age",
            ));
        }
        if let Some(encoded) = last
            .as_ref()
            .filter(|last| std::ptr::eq(last.snapshot.as_ptr(), Arc::as_ptr(&snapshot)))
        {
            return Ok(encoded.clone());
        }
        // The closure owns the lock of the cache, so the encoding completes even if the client
        // disconnects.
        let encoded = run_sized(snapshot.set().len(), move || {
            let json: Arc<RawValue> = snapshot.to_json()?.into();
            let encoded = EncodedSnapshot {
                snapshot: Arc::downgrade(&snapshot),
                tag: content_tag(json.get().as_bytes()).into(),
                json,
            };
            Ok::<_, serde_json::Error>(last.insert(encoded).clone())
        });
        Ok(encoded.await??)
    }
}

/// The complete published state, for another agent
#[utoipa::path(get, path = "/v1/snapshot", operation_id = "snapshot",
    params(("known" = Option<String>, Query, description = "The tag of the client's snapshot")),
    responses((status = 200, description = "The snapshot, or null if the client already has it", body = SnapshotResponse<'_>),
        InvalidField, Internal, NoSnapshot))]
pub(super) async fn get(
    State(agent): State<Agent>,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    let [known] = parameters(["known"], query.as_deref())?;
    // The age is measured before the snapshot is loaded, so the reported age may be too high but
    // never too low.
    let status = agent.store.status();
    let encoded = agent.snapshots.current().await?;
    let json = [(header::CONTENT_TYPE, "application/json")];
    let is_new = known.as_deref() != Some(&*encoded.tag);
    let encode = || {
        serde_json::to_vec(&SnapshotResponse {
            index: &status.index,
            age_seconds: status.age_seconds.unwrap_or_default(),
            tag: &encoded.tag,
            snapshot: is_new.then_some(&*encoded.json),
        })
    };
    if is_new {
        let permit = agent.admission.permit().await?;
        return Ok((json, hold_until_sent(permit, encode()?)).into_response());
    }
    Ok((json, encode()?).into_response())
}
