//! Requests the index statistics (`_stats`), to find out whether the index has changed. The
//! response with the index statistics has only a few hundred bytes, and shows whether the index has
//! changed.
//!
//! The statistics of a shard contain the shard's highest `_seq_no`. Every write and every deletion
//! raises the highest `_seq_no` immediately, even before the change is visible to searches.

use std::collections::{BTreeMap, HashMap};

use opensearch::indices::IndicesStatsParts;
use serde::Deserialize;

use super::poll_session::Session;
use super::read_error::{ReadError, ReadFailure};
use crate::http::{Method, Request, chain, malformed};

const FILTER_PATH: &str = "indices.*.uuid,indices.*.shards.*.routing.primary,\
                           indices.*.shards.*.routing.node,indices.*.shards.*.docs.count,\
                           indices.*.shards.*.commit.user_data.history_uuid,\
                           indices.*.shards.*.seq_no.max_seq_no,\
                           indices.*.shards.*.seq_no.global_checkpoint";

/// The checkpoints of the primary of each shard, which a probe reads from the index statistics. If
/// nothing was written between two observations, the observed checkpoints are equal.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct ShardCheckpoints {
    pub(crate) index: String,
    pub(crate) uuid: String,
    primaries: Vec<Primary>,
}

#[derive(Clone, PartialEq, Eq, Debug)]
struct Primary {
    node: String,
    /// The history uuid of the shard, which changes when an OpenSearch snapshot is restored into
    /// the index.
    history: String,
    /// The highest `_seq_no` that the primary has assigned; -1 before the first write.
    max_seq_no: i64,
    /// The global checkpoint: all in-sync copies of the shard hold all operations up to this
    /// `_seq_no`. While writes are in progress, the global checkpoint is lower than `max_seq_no`.
    global_checkpoint: i64,
    documents: u64,
}

/// The outcome of a request for the checkpoints of the primaries.
#[derive(Debug)]
pub(crate) enum Probe {
    Checkpoints(ShardCheckpoints),
    /// The statistics lack a necessary part, which the string names, so the poll uses a search
    /// instead of the statistics.
    Unclear(&'static str),
    /// The server does not provide index statistics, or the role does not permit the request for
    /// them; the string contains the reason.
    Unsupported(String),
}

#[derive(Debug, Deserialize)]
struct StatsResponse {
    #[serde(default)]
    indices: HashMap<String, IndexStats>,
}

#[derive(Debug, Deserialize)]
struct IndexStats {
    uuid: Option<String>,
    #[serde(default)]
    shards: BTreeMap<String, Vec<ShardCopy>>,
}

#[derive(Debug, Deserialize)]
struct ShardCopy {
    routing: Option<Routing>,
    docs: Option<Docs>,
    commit: Option<Commit>,
    seq_no: Option<SeqNo>,
}

#[derive(Debug, Deserialize)]
struct Routing {
    primary: bool,
    node: String,
}

#[derive(Debug, Deserialize)]
struct Docs {
    count: u64,
}

#[derive(Debug, Deserialize)]
struct Commit {
    user_data: UserData,
}

#[derive(Debug, Deserialize)]
struct UserData {
    history_uuid: String,
}

#[derive(Debug, Deserialize)]
struct SeqNo {
    max_seq_no: i64,
    global_checkpoint: i64,
}

impl ShardCopy {
    fn is_primary(&self) -> bool {
        self.routing.as_ref().is_some_and(|routing| routing.primary)
    }

    fn checkpoints(self) -> Option<Primary> {
        let seq_no = self.seq_no?;
        Some(Primary {
            node: self.routing?.node,
            history: self.commit?.user_data.history_uuid,
            max_seq_no: seq_no.max_seq_no,
            global_checkpoint: seq_no.global_checkpoint,
            documents: self.docs?.count,
        })
    }
}

impl ShardCheckpoints {
    /// Returns the `_seq_no` up to which all in-sync copies of the shard hold every operation;
    /// `None` before the first write, or if the index has several shards.
    pub(crate) fn checkpoint(&self) -> Option<u64> {
        match self.primaries.as_slice() {
            [primary] => u64::try_from(primary.global_checkpoint).ok(),
            _ => None,
        }
    }

    /// Returns the highest `_seq_no` that the primary has assigned; `None` before the first write,
    /// or if the index has several shards.
    pub(crate) fn max_seq_no(&self) -> Option<u64> {
        match self.primaries.as_slice() {
            [primary] => u64::try_from(primary.max_seq_no).ok(),
            _ => None,
        }
    }

    /// Returns the history uuid of the shard, or `None` if the index has several shards.
    pub(crate) fn history_uuid(&self) -> Option<&str> {
        match self.primaries.as_slice() {
            [primary] => Some(&primary.history),
            _ => None,
        }
    }

    /// Returns true if no write is in progress: all in-sync copies hold every operation that has a
    /// `_seq_no`.
    pub(crate) fn is_at_rest(&self) -> bool {
        self.primaries
            .iter()
            .all(|primary| primary.global_checkpoint == primary.max_seq_no)
    }

    /// Returns the number of shards whose primary has reported its checkpoints.
    pub(crate) fn shards(&self) -> u32 {
        u32::try_from(self.primaries.len()).unwrap_or(u32::MAX)
    }

    /// Returns the number of documents that the primaries count, including documents that a role
    /// hides.
    pub(crate) fn documents(&self) -> u64 {
        // The sum of the document counts saturates, because a malicious cluster can report any
        // numbers.
        let documents = self.primaries.iter().map(|primary| primary.documents);
        documents.fold(0, u64::saturating_add)
    }

    /// Returns true if `self` and `other` belong to the same index and contain the same history
    /// uuids. Equal history uuids mean that no OpenSearch snapshot was restored into the index
    /// between the two observations.
    pub(crate) fn shares_history_with(&self, other: &Self) -> bool {
        let histories = |checkpoints: &Self| -> Vec<String> {
            let primaries = checkpoints.primaries.iter();
            primaries.map(|primary| primary.history.clone()).collect()
        };
        self.uuid == other.uuid && histories(self) == histories(other)
    }

    /// Returns true if all in-sync copies now hold every operation that had a `_seq_no` when
    /// `other` was observed.
    pub(crate) fn holds_all_of(&self, other: &Self) -> bool {
        self.primaries.len() == other.primaries.len()
            && self
                .primaries
                .iter()
                .zip(&other.primaries)
                .all(|(new, old)| new.global_checkpoint >= old.max_seq_no)
    }

    /// Returns true if `self` can be a later state of the index than `other`: the index, the
    /// history uuids and the nodes of the primaries are equal, and the highest `_seq_no` of no
    /// shard has become lower.
    pub(crate) fn follows(&self, other: &Self) -> bool {
        self.index == other.index
            && self.uuid == other.uuid
            && self.primaries.len() == other.primaries.len()
            && self
                .primaries
                .iter()
                .zip(&other.primaries)
                .all(|(new, old)| {
                    new.node == old.node
                        && new.history == old.history
                        && new.max_seq_no >= old.max_seq_no
                })
    }

    fn of(response: StatsResponse) -> Result<Self, &'static str> {
        let mut indices = response.indices.into_iter();
        let (Some((index, stats)), None) = (indices.next(), indices.next()) else {
            return Err("the response does not contain exactly one index");
        };
        let uuid = stats
            .uuid
            .ok_or("the response lacks the uuid of the index")?;
        let mut primaries = Vec::with_capacity(stats.shards.len());
        for copies in stats.shards.into_values() {
            let mut of_shard = copies.into_iter().filter(ShardCopy::is_primary);
            let (Some(primary), None) = (of_shard.next(), of_shard.next()) else {
                return Err("a shard has no primary, or two primaries");
            };
            primaries.push(
                primary
                    .checkpoints()
                    .ok_or("the statistics of a primary are incomplete")?,
            );
        }
        if primaries.is_empty() {
            return Err("the response contains no shard");
        }
        Ok(Self {
            index,
            uuid,
            primaries,
        })
    }
}

/// Decodes the response to a request for the index statistics. Returns `None` if the response does
/// not contain the checkpoints of exactly one index.
pub(crate) fn checkpoints_of(body: &[u8]) -> Option<ShardCheckpoints> {
    let response = serde_json::from_slice(body).ok()?;
    ShardCheckpoints::of(response).ok()
}

impl Session {
    /// Requests the checkpoints of the primaries from the index statistics.
    pub(crate) async fn probe(&self) -> Result<Probe, ReadError> {
        let path = IndicesStatsParts::IndexMetric(&[self.index_name()], &["docs"]).url();
        let request = Request::new(Method::Get, path)
            .with_small_response()
            .query("level", "shards")
            .query("filter_path", FILTER_PATH);
        let operation = request.operation();
        let body = match self.try_send(request).await {
            Ok(body) => body,
            Err(error) if error.is_unsupported() => {
                return Ok(Probe::Unsupported(chain(&error)));
            }
            Err(error) => return Err(self.failed(error)),
        };
        let response: StatsResponse = serde_json::from_slice(&body)
            .map_err(|error| self.failed(malformed(operation, error)))?;
        if response.indices.len() > 1 {
            return Err(self.error(ReadFailure::NotOneIndex {
                indices: response.indices.into_keys().collect(),
            }));
        }
        Ok(ShardCheckpoints::of(response).map_or_else(Probe::Unclear, Probe::Checkpoints))
    }
}
