//! Requests the name, the version and the distribution of the cluster, which the diagnosis shows to
//! the operator.

use serde::Deserialize;

use super::directives_api::DirectivesApi;
use super::error::WriteError;
use crate::http::{Method, Request};

/// The name, the version and the distribution that the cluster reports.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct ClusterInfo {
    /// The name of the cluster, from its setting `cluster.name`.
    pub name: String,
    /// The version number of the search server, such as `2.19.0`.
    pub version: String,
    /// The server's distribution, such as `opensearch`; `None` if the response names no
    /// distribution.
    pub distribution: Option<String>,
}

impl DirectivesApi {
    /// Requests the cluster's name, version and distribution.
    ///
    /// # Errors
    /// Returns an error if the cluster does not respond, or if the response does not come from a
    /// search server.
    pub async fn cluster_info(&self) -> Result<ClusterInfo, WriteError> {
        #[derive(Deserialize)]
        struct Info {
            cluster_name: String,
            version: Version,
        }
        #[derive(Deserialize)]
        struct Version {
            number: String,
            distribution: Option<String>,
        }
        let info: Info = self.json(Request::new(Method::Get, "/")).await?;
        Ok(ClusterInfo {
            name: info.cluster_name,
            version: info.version.number,
            distribution: info.version.distribution,
        })
    }
}
