//! Opens and closes a point in time (PIT). A point in time is a fixed view of the index, which
//! later writes do not change. All pages of a full read, or all requests of a reconciliation, read
//! the same point in time.

use opensearch::{CreatePitParts, DeletePitParts};
use tracing::debug;

use super::index_resolution::ConcreteIndex;
use super::poll_session::{CLOSE_TIMEOUT, Session};
use super::read_error::ReadError;
use crate::http::{Client, Method, Request, RequestError, chain, malformed};

/// The time for which the server keeps a point in time open after each request that uses it.
pub(super) const KEEP_ALIVE: &str = "1m";

/// The id with which a search refers to a point in time. If the response to a search in a point in
/// time contains a new id, later searches must use the new id.
pub(super) type PointInTimeId = String;

/// The outcome of a request to open a point in time.
pub(super) enum Opened {
    Open(PointInTimeId),
    /// The server cannot open a point in time: it does not support points in time, it has reached
    /// its limit on open points in time, or the role does not permit them.
    Unavailable,
}

impl Session {
    /// Opens a point in time on the shard copy that this instance prefers. The session closes the
    /// point in time at the end of the poll.
    pub(super) async fn open_point_in_time(
        &mut self,
        index: &ConcreteIndex,
        has_alternative: bool,
    ) -> Result<Opened, ReadError> {
        #[derive(serde::Deserialize)]
        struct Response {
            pit_id: PointInTimeId,
        }
        let path = CreatePitParts::Index(&[&index.name]).url();
        let request = Request::new(Method::Post, path)
            .query("keep_alive", KEEP_ALIVE)
            .query("allow_partial_pit_creation", "false")
            .query("preference", self.preference());
        let operation = request.operation();
        let body = match self.try_send(request).await {
            Err(error) if has_alternative && is_unavailable(&error) => {
                return Ok(Opened::Unavailable);
            }
            body => body.map_err(|error| self.failed(error))?,
        };
        let Response { pit_id } = serde_json::from_slice(&body)
            .map_err(|error| self.failed(malformed(operation, error)))?;
        self.hold(pit_id.clone());
        Ok(Opened::Open(pit_id))
    }
}

/// Returns true if the error says that the server cannot open a point in time, either permanently
/// or temporarily. A server that has reached its limit on open points in time responds with status
/// 429. Managed OpenSearch services set a low limit on open points in time.
fn is_unavailable(error: &RequestError) -> bool {
    error.is_unsupported() || error.status() == Some(429)
}

/// Closes a point in time, so that the server frees the memory for it. If the request to close a
/// point in time fails, the server closes the point in time itself after one minute.
pub(super) async fn close(client: Client, id: PointInTimeId) {
    let request = Request::new(Method::Delete, DeletePitParts::None.url())
        .json(serde_json::json!({ "pit_id": [id] }).to_string());
    match tokio::time::timeout(CLOSE_TIMEOUT, client.send(request)).await {
        Ok(Ok(_)) => {}
        Ok(Err(error)) => debug!(error = chain(&error), "cannot close the point in time"),
        Err(_) => debug!("closing the point in time took too long"),
    }
}
