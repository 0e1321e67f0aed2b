//! Finds the newest OpenSearch snapshot (a backup) that contains the index.

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;

use crate::admin::{DirectivesApi, WriteError};
use crate::http::{Method, Request, segment};

/// The diagnosis searches at most this many snapshot repositories, because each repository needs a
/// separate request. Few clusters have more than ten snapshot repositories.
const MAX_REPOSITORIES: usize = 10;

/// The snapshot repositories of the cluster, and the newest snapshot of the index in them.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub struct SnapshotState {
    /// The names of all snapshot repositories of the cluster.
    pub repositories: Vec<String>,
    /// The time at which the newest successful snapshot that contains the index ended; `None` if no
    /// such snapshot was found.
    pub newest: Option<Timestamp>,
}

impl DirectivesApi {
    /// Searches the snapshot repositories of the cluster for the newest snapshot of an index.
    ///
    /// # Errors
    /// Returns an error if the cluster does not respond, or if the user's role does not permit
    /// reading snapshots.
    pub async fn snapshots_of(&self, index: &str) -> Result<SnapshotState, WriteError> {
        #[derive(Deserialize)]
        struct Snapshots {
            #[serde(default)]
            snapshots: Vec<One>,
        }
        #[derive(Deserialize)]
        struct One {
            #[serde(default)]
            indices: Vec<String>,
            state: Option<String>,
            end_time_in_millis: Option<i64>,
        }
        let repositories: Value = self.json(Request::new(Method::Get, "/_snapshot")).await?;
        let names = repositories
            .as_object()
            .into_iter()
            .flat_map(|all| all.keys());
        let repositories: Vec<String> = names.cloned().collect();
        let mut newest = None;
        for repository in repositories.iter().take(MAX_REPOSITORIES) {
            let path = format!("/_snapshot/{}/_all", segment(repository));
            let found: Snapshots = self.json(Request::new(Method::Get, path)).await?;
            let ends = found
                .snapshots
                .into_iter()
                .filter(|one| one.state.as_deref() == Some("SUCCESS"))
                .filter(|one| one.indices.iter().any(|name| name == index))
                .filter_map(|one| Timestamp::from_millisecond(one.end_time_in_millis?).ok());
            newest = newest.into_iter().chain(ends).max();
        }
        Ok(SnapshotState {
            repositories,
            newest,
        })
    }
}
