//! Asks whether anything changed, for a few hundred bytes whatever the index holds.
//!
//! The shard's statistics tell its highest `_seq_no`, which every write and every
//! deletion raises at once, whether or not a search can see it yet.

use std::collections::{BTreeMap, HashMap};

use serde::Deserialize;
use serde_json::Map;

use super::{ConcreteIndex, ReadError, Source};
use crate::http::{Method, Request, RequestError, chain, malformed, segment};
use crate::rest::{Aggregates, Incomplete};

const FILTER_PATH: &str = "indices.*.uuid,indices.*.shards.*.routing.primary,\
                           indices.*.shards.*.routing.node,indices.*.shards.*.docs.count,\
                           indices.*.shards.*.commit.user_data.history_uuid,\
                           indices.*.shards.*.seq_no.max_seq_no,\
                           indices.*.shards.*.seq_no.global_checkpoint";

/// Where the primary copy of each shard stands: unchanged, if nothing was written.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct ShardCheckpoints {
    pub(crate) index: String,
    pub(crate) uuid: String,
    primaries: Vec<Primary>,
}

#[derive(Clone, PartialEq, Eq, Debug)]
struct Primary {
    node: String,
    /// Another one after a restore into the same index.
    history: String,
    /// -1 before the first write.
    max_seq_no: i64,
    /// All up to this one are written, on all copies that count; below the highest while
    /// writes are under way.
    global_checkpoint: i64,
    documents: u64,
}

/// What the statistics say.
#[derive(Debug)]
pub(crate) enum Probe {
    Checkpoints(ShardCheckpoints),
    /// This time not enough to go by, and why. What a search says counts instead.
    Unclear(&'static str),
    /// The server does not give them, and why.
    Unsupported(String),
}

#[derive(Debug, Deserialize)]
struct StatsAnswer {
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

    fn mark(self) -> Option<Primary> {
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

/// What a search sees of the whole index.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Summary {
    pub(crate) of: Aggregates,
    /// Whether the primary said so.
    pub(crate) primary: bool,
}

impl ShardCheckpoints {
    /// The `_seq_no` up to which everything is written on all copies, of an index of one
    /// shard; `None` before the first.
    pub(crate) fn checkpoint(&self) -> Option<u64> {
        match self.primaries.as_slice() {
            [primary] => u64::try_from(primary.global_checkpoint).ok(),
            _ => None,
        }
    }

    /// The highest `_seq_no` that was given, of an index of one shard; `None` before the
    /// first.
    pub(crate) fn max_seq_no(&self) -> Option<u64> {
        match self.primaries.as_slice() {
            [primary] => u64::try_from(primary.max_seq_no).ok(),
            _ => None,
        }
    }

    /// Whether no write is under way: every number that was given is written.
    pub(crate) fn is_at_rest(&self) -> bool {
        self.primaries
            .iter()
            .all(|primary| primary.global_checkpoint == primary.max_seq_no)
    }

    /// How many shards have a primary.
    pub(crate) fn shards(&self) -> u32 {
        u32::try_from(self.primaries.len()).unwrap_or(u32::MAX)
    }

    /// How many documents the primaries hold.
    pub(crate) fn documents(&self) -> u64 {
        self.primaries.iter().map(|primary| primary.documents).sum()
    }

    /// Whether the index was not restored in its place in between.
    pub(crate) fn is_of_the_history_of(&self, other: &Self) -> bool {
        let histories = |mark: &Self| -> Vec<String> {
            let primaries = mark.primaries.iter();
            primaries.map(|primary| primary.history.clone()).collect()
        };
        self.uuid == other.uuid && histories(self) == histories(other)
    }

    /// Whether every copy that counts holds all that was given at the other one.
    pub(crate) fn holds_all_of(&self, other: &Self) -> bool {
        self.primaries.len() == other.primaries.len()
            && self
                .primaries
                .iter()
                .zip(&other.primaries)
                .all(|(new, old)| new.global_checkpoint >= old.max_seq_no)
    }

    /// Whether it can follow the other one in the life of one index: the same index,
    /// history and primaries, none of which went back.
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

    fn of(answer: StatsAnswer) -> Result<Self, &'static str> {
        let mut indices = answer.indices.into_iter();
        let (Some((index, stats)), None) = (indices.next(), indices.next()) else {
            return Err("they are not of one index");
        };
        let uuid = stats.uuid.ok_or("they do not say the uuid")?;
        let mut primaries = Vec::with_capacity(stats.shards.len());
        for copies in stats.shards.into_values() {
            let mut of_shard = copies.into_iter().filter(ShardCopy::is_primary);
            let (Some(primary), None) = (of_shard.next(), of_shard.next()) else {
                return Err("a shard has no primary, or two");
            };
            primaries.push(primary.mark().ok_or("they leave something out")?);
        }
        if primaries.is_empty() {
            return Err("they are of no shard");
        }
        Ok(Self {
            index,
            uuid,
            primaries,
        })
    }
}

impl Source {
    /// Where the primaries stand.
    pub(crate) async fn probe(&self) -> Result<Probe, ReadError> {
        let path = format!("/{}/_stats/docs", segment(self.client.index()));
        let request = Request::new(Method::Get, path)
            .query("level", "shards")
            .query("filter_path", FILTER_PATH);
        let operation = request.operation();
        let body = match self.ask(request).await {
            Ok(body) => body,
            Err(error) if error.is_unsupported() => {
                return Ok(Probe::Unsupported(chain(&error)));
            }
            Err(error) => return Err(self.failed(error)),
        };
        let answer: StatsAnswer = serde_json::from_slice(&body)
            .map_err(|error| self.failed(malformed(operation, error)))?;
        if answer.indices.len() > 1 {
            return Err(ReadError::NotOneIndex {
                index: self.client.index().to_owned(),
                indices: answer.indices.into_keys().collect(),
            });
        }
        Ok(ShardCheckpoints::of(answer).map_or_else(Probe::Unclear, Probe::Checkpoints))
    }

    /// What a search on our own copy sees of the whole index, in one small answer; `None`
    /// if the server does not sum up sequence numbers.
    pub(crate) async fn summary(
        &self,
        index: &ConcreteIndex,
    ) -> Result<Option<Aggregates>, ReadError> {
        let request = Self::summary_request(index);
        let request = self.on_our_copy(request);
        self.sum_up(request).await
    }

    /// [`summary`](Self::summary) of the primary; of our own copy where a cluster forbids
    /// to choose.
    pub(crate) async fn summary_of_primary(
        &self,
        index: &ConcreteIndex,
    ) -> Result<Option<Summary>, ReadError> {
        let request = Self::summary_request(index).query("preference", "_primary");
        match self.sum_up(request).await {
            Err(ReadError::Request { source, .. }) if source.is_unsupported() => {
                let sum = self.summary(index).await?;
                Ok(sum.map(|of| Summary { of, primary: false }))
            }
            answer => Ok(answer?.map(|of| Summary { of, primary: true })),
        }
    }

    fn summary_request(index: &ConcreteIndex) -> Request {
        let path = format!("/{}/_search", segment(&index.name));
        Self::search(&path, 0, true, Map::new())
    }

    async fn sum_up(&self, request: Request) -> Result<Option<Aggregates>, ReadError> {
        /// Takes nothing, for nothing comes.
        #[derive(Debug)]
        struct Nothing;
        impl crate::rest::Collect for Nothing {
            fn take(&mut self, _hit: &crate::rest::Hit<'_>) -> Result<(), Incomplete> {
                Ok(())
            }
        }
        match self.ask(request).await {
            Ok(body) => Ok(self.take(body, Nothing, None).await?.aggregates),
            Err(error) if is_refused_query(&error) => Ok(None),
            Err(error) => Err(self.failed(error)),
        }
    }
}

/// Whether the server understood the request and does not know what it asks for.
pub(super) fn is_refused_query(error: &RequestError) -> bool {
    error.status() == Some(400) && error.is_unsupported()
}
