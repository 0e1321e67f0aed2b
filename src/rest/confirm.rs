//! Asks those who must know whether what looks like a step back is one.

use std::collections::HashMap;

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::json;

use super::{ConcreteIndex, ReadError, Source};
use crate::http::{Exception, Method, Request, malformed, segment};
use crate::rest::Incomplete;

/// How many documents one request asks the primary for.
const IDS: usize = 1_000;

/// Which state of the cluster a node knows.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct ClusterVersion {
    cluster_uuid: String,
    version: u64,
}

impl ClusterVersion {
    /// Whether it is of the same cluster and older.
    pub(crate) fn is_before(&self, other: &Self) -> bool {
        self.cluster_uuid == other.cluster_uuid && self.version < other.version
    }
}

/// What is there of some documents.
#[derive(Debug)]
pub(crate) struct RealTime {
    /// The `_seq_no` of each; those that are not there are left out.
    pub(crate) numbers: HashMap<String, u64>,
    /// Whether the primary said so.
    pub(crate) primary: bool,
}

#[derive(Debug, Deserialize)]
struct Gets {
    #[serde(default)]
    docs: Vec<Get>,
}

#[derive(Debug, Deserialize)]
struct Get {
    #[serde(rename = "_id")]
    id: String,
    #[serde(rename = "_seq_no")]
    seq_no: Option<u64>,
    /// Not there if the shard did not answer.
    found: Option<bool>,
    error: Option<Exception>,
}

impl Get {
    /// Whether this document may not be read: the cluster answers 200 all the same if the
    /// permission for the index is missing and only the one for the cluster is there.
    fn is_forbidden(&self) -> bool {
        let error = self.error.as_ref();
        error.is_some_and(|error| error.is("security_exception"))
    }
}

impl Source {
    /// The version of the state that the elected cluster manager has; a node that has
    /// none refuses. `None` if we may not ask, or the server does not say.
    pub(crate) async fn cluster_version(&self) -> Result<Option<ClusterVersion>, ReadError> {
        #[derive(Deserialize)]
        struct Said {
            cluster_uuid: Option<String>,
            version: Option<u64>,
        }
        let request = Request::new(Method::Get, "/_cluster/state/version")
            .query("filter_path", "cluster_uuid,version");
        let operation = request.operation();
        let body = match self.ask(request).await {
            Ok(body) => body,
            Err(error) if error.is_unsupported() => return Ok(None),
            Err(error) => return Err(self.failed(error)),
        };
        let said: Said = serde_json::from_slice(&body)
            .map_err(|error| self.failed(malformed(operation, error)))?;
        Ok(said
            .cluster_uuid
            .zip(said.version)
            .map(|(cluster_uuid, version)| ClusterVersion {
                cluster_uuid,
                version,
            }))
    }

    /// The `_seq_no` of documents by what the primary knows now, searchable or not;
    /// what any copy knows where a cluster forbids to choose. `None` if we may not ask.
    pub(crate) async fn in_real_time(
        &self,
        index: &ConcreteIndex,
        ids: impl IntoIterator<Item = &str>,
    ) -> Result<Option<RealTime>, ReadError> {
        let ids: Vec<&str> = ids.into_iter().collect();
        let mut numbers = HashMap::with_capacity(ids.len());
        let mut primary = true;
        for ids in ids.chunks(IDS) {
            let Some((answer, of_the_primary)) = self.gets(index, ids).await? else {
                return Ok(None);
            };
            if answer.docs.iter().any(Get::is_forbidden) {
                return Ok(None);
            }
            primary &= of_the_primary;
            if answer.docs.len() != ids.len() {
                let read = answer.docs.len() as u64;
                let total = ids.len() as u64;
                return Err(self.incomplete(Incomplete::Hits { read, total }));
            }
            for get in answer.docs {
                match (get.found, get.seq_no) {
                    (Some(true), Some(seq_no)) => {
                        numbers.insert(get.id, seq_no);
                    }
                    (Some(false), _) => {}
                    _ => return Err(self.incomplete(Incomplete::Unsaid("found"))),
                }
            }
        }
        Ok(Some(RealTime { numbers, primary }))
    }

    /// What is there of these documents, and whether the primary says so.
    async fn gets(
        &self,
        index: &ConcreteIndex,
        ids: &[&str],
    ) -> Result<Option<(Gets, bool)>, ReadError> {
        let path = format!("/{}/_mget", segment(&index.name));
        let request = Request::new(Method::Post, path)
            .query("_source", "false")
            .query(
                "filter_path",
                "docs._id,docs._seq_no,docs.found,docs.error.type",
            )
            .json(json!({ "ids": ids }).to_string());
        let operation = request.operation();
        let of_the_primary = request.clone().query("preference", "_primary");
        let (answer, primary) = match self.ask(of_the_primary).await {
            // A cluster can forbid to choose it.
            Err(error) if error.is_unsupported() => (self.ask(request).await, false),
            answer => (answer, true),
        };
        let body = match answer {
            Ok(body) => body,
            Err(error) if error.is_unsupported() => return Ok(None),
            Err(error) => return Err(self.failed(error)),
        };
        serde_json::from_slice(&body)
            .map(|gets| Some((gets, primary)))
            .map_err(|error| self.failed(malformed(operation, error)))
    }

    /// What time the node that is asked has; `None` if we may not ask.
    pub(crate) async fn cluster_time(&self) -> Result<Option<Timestamp>, ReadError> {
        #[derive(Deserialize)]
        struct NodesStats {
            #[serde(default)]
            nodes: HashMap<String, NodeStats>,
        }
        #[derive(Deserialize)]
        struct NodeStats {
            timestamp: i64,
        }
        let request = Request::new(Method::Get, "/_nodes/_local/stats/breaker")
            .query("filter_path", "nodes.*.timestamp");
        let operation = request.operation();
        let body = match self.ask(request).await {
            Ok(body) => body,
            Err(error) if error.is_unsupported() => return Ok(None),
            Err(error) => return Err(self.failed(error)),
        };
        let answer: NodesStats = serde_json::from_slice(&body)
            .map_err(|error| self.failed(malformed(operation, error)))?;
        Ok(answer
            .nodes
            .into_values()
            .find_map(|node| Timestamp::from_millisecond(node.timestamp).ok()))
    }
}
