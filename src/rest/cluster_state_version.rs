//! Requests the version of the cluster state, which the poll uses to detect a node that is cut off
//! from the cluster. A node that is cut off from the cluster returns an old version of the cluster
//! state or refuses the request.

use opensearch::cluster::ClusterStateParts;
use serde::Deserialize;

use super::poll_session::Session;
use super::read_error::ReadError;
use crate::http::{Method, Request};

/// The uuid of the cluster and the version of the cluster state that a node has reported.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct ClusterVersion {
    cluster_uuid: String,
    version: u64,
}

impl ClusterVersion {
    /// Returns true if both versions belong to the same cluster, and `self` is older than `other`.
    pub(crate) fn is_before(&self, other: &Self) -> bool {
        self.cluster_uuid == other.cluster_uuid && self.version < other.version
    }
}

impl Session {
    /// Requests the version of the cluster state from the elected cluster manager, through the node
    /// that serves the poll. A node without contact to a cluster manager responds with an error.
    ///
    /// Returns `None` if the role does not permit the request, or if the response contains no
    /// version.
    pub(crate) async fn cluster_version(&self) -> Result<Option<ClusterVersion>, ReadError> {
        #[derive(Deserialize)]
        struct Response {
            cluster_uuid: Option<String>,
            version: Option<u64>,
        }
        let request = Request::new(Method::Get, ClusterStateParts::Metric(&["version"]).url())
            .with_small_response()
            .query("filter_path", "cluster_uuid,version");
        let response: Option<Response> = self.send_if_supported(request).await?;
        let version = response.and_then(|response| response.cluster_uuid.zip(response.version));
        Ok(version.map(|(cluster_uuid, version)| ClusterVersion {
            cluster_uuid,
            version,
        }))
    }
}
