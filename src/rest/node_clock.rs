//! Requests the wall-clock time of a node from `_nodes/stats`, to compare it with the local clock.

use std::collections::HashMap;

use jiff::Timestamp;
use opensearch::nodes::NodesStatsParts;
use serde::Deserialize;

use super::error::ReadError;
use super::poll_session::Session;
use crate::http::{Method, Request, malformed};

impl Session {
    /// Requests the time on the session's node. Returns `None` if the role does not permit the
    /// request.
    pub(crate) async fn cluster_time(&self) -> Result<Option<Timestamp>, ReadError> {
        #[derive(Deserialize)]
        struct Response {
            #[serde(default)]
            nodes: HashMap<String, Node>,
        }
        #[derive(Deserialize)]
        struct Node {
            timestamp: i64,
        }
        let request = Request::new(
            Method::Get,
            NodesStatsParts::NodeIdMetric(&["_local"], &["breaker"]).url(),
        )
        .query("filter_path", "nodes.*.timestamp");
        let operation = request.operation();
        let body = match self.try_send(request).await {
            Ok(body) => body,
            Err(error) if error.is_unsupported() => return Ok(None),
            Err(error) => return Err(self.failed(error)),
        };
        let response: Response = serde_json::from_slice(&body)
            .map_err(|error| self.failed(malformed(operation, error)))?;
        let mut times = response.nodes.into_values();
        Ok(times.find_map(|node| Timestamp::from_millisecond(node.timestamp).ok()))
    }
}
