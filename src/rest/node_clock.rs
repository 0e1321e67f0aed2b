//! Requests the wall-clock time of a node from `_nodes/stats`, to compare it with the local clock.

use std::collections::HashMap;

use jiff::Timestamp;
use opensearch::nodes::NodesStatsParts;
use serde::Deserialize;

use super::poll_session::Session;
use super::read_error::ReadError;
use crate::http::{Method, Request};

impl Session {
    /// Requests the current wall-clock time of the node that serves this poll. Returns `None` if
    /// the role does not permit the request for the node's statistics.
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
        .with_small_response()
        .query("filter_path", "nodes.*.timestamp");
        let response: Option<Response> = self.send_if_supported(request).await?;
        let mut nodes = response
            .into_iter()
            .flat_map(|response| response.nodes.into_values());
        Ok(nodes.find_map(|node| Timestamp::from_millisecond(node.timestamp).ok()))
    }
}
