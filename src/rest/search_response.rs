//! Decodes a search response without copying the documents, and checks that every shard responded
//! in time.
//!
//! The decoder treats the fields that prove that a response is complete as optional, so that a
//! response without one of them is reported as incomplete rather than as invalid JSON.

use std::borrow::Cow;

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use super::histogram::{RawHistogram, whole_number};
use super::incomplete::Incomplete;

/// Receives the documents that a read has found, one after the other.
pub(crate) trait Collect: Send + 'static {
    /// Receives the number of documents of the whole read, before the first document of each page.
    fn expect(&mut self, _documents: usize) {}

    /// Receives one document that the read has found. If the collector returns an error, the whole
    /// read fails with this error.
    fn take(&mut self, hit: &Hit<'_>) -> Result<(), Incomplete>;
}

/// The decoded JSON of a search response that may be incomplete.
#[derive(Debug, Deserialize)]
pub(crate) struct SearchResponse<'a> {
    timed_out: Option<bool>,
    #[serde(rename = "_shards")]
    shards: Option<Shards>,
    #[serde(borrow)]
    hits: Option<Hits<'a>>,
    aggregations: Option<Aggregations>,
    #[serde(borrow)]
    pub(crate) pit_id: Option<Cow<'a, str>>,
}

#[derive(Debug, Deserialize)]
struct Shards {
    total: Option<u64>,
    successful: Option<u64>,
    failed: Option<u64>,
}

#[derive(Debug, Deserialize)]
struct Hits<'a> {
    total: Option<Total>,
    // With `filter_path`, the server omits the field `hits.hits` if there are no hits.
    #[serde(borrow, default)]
    hits: Vec<Hit<'a>>,
}

#[derive(Debug, Deserialize)]
struct Total {
    value: u64,
    relation: Cow<'static, str>,
}

/// The aggregations over all documents of the index, and the aggregations over the documents that
/// the query selects.
#[derive(Debug, Deserialize)]
struct Aggregations {
    all: Option<AllDocuments>,
    h: Option<RawHistogram>,
}

#[derive(Debug, Deserialize)]
struct AllDocuments {
    seq: Option<SeqNos>,
    updated: Option<Newest>,
    newest: Option<TopHits>,
    h: Option<RawHistogram>,
}

#[derive(Debug, Deserialize)]
struct TopHits {
    hits: Option<TopHitList>,
}

#[derive(Debug, Deserialize)]
struct TopHitList {
    #[serde(default)]
    hits: Vec<TopHit>,
}

#[derive(Debug, Deserialize)]
struct TopHit {
    #[serde(rename = "_primary_term")]
    primary_term: Option<u64>,
}

#[derive(Debug, Deserialize)]
struct SeqNos {
    count: Option<u64>,
    max: Option<f64>,
    sum: Option<f64>,
}

#[derive(Debug, Deserialize)]
struct Newest {
    /// The newest `updated_at`, in milliseconds since 1970.
    value: Option<f64>,
}

/// The aggregates over all documents of the index, whatever documents the query selects. The
/// aggregates and the hits of one response describe the same state of the index.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Aggregates {
    pub(crate) documents: u64,
    pub(crate) max_seq_no: Option<u64>,
    pub(crate) sum_seq_no: u64,
    /// The newest `updated_at` of all documents.
    pub(crate) updated_at: Option<Timestamp>,
}

impl Aggregations {
    fn take_histogram(&mut self) -> Option<RawHistogram> {
        let of_all = self.all.as_mut().and_then(|all| all.h.take());
        of_all.or_else(|| self.h.take())
    }

    fn newest_term(&self) -> Option<u64> {
        let newest = self.all.as_ref()?.newest.as_ref()?;
        newest.hits.as_ref()?.hits.first()?.primary_term
    }

    /// Returns the aggregates over all documents, or `None` if an aggregate is missing or may have
    /// been rounded. A rounded sum is useless, because two states of the index with different
    /// documents can have the same rounded sum.
    fn of_all_documents(self) -> Option<Aggregates> {
        let all = self.all?;
        let seq = all.seq?;
        #[expect(clippy::cast_possible_truncation, reason = "saturates")]
        let instant = |millis: f64| Timestamp::from_millisecond(millis as i64).ok();
        Some(Aggregates {
            documents: seq.count?,
            max_seq_no: match seq.max {
                Some(max) => Some(whole_number(max)?),
                None => None,
            },
            sum_seq_no: whole_number(seq.sum?)?,
            updated_at: all.updated.and_then(|newest| instant(newest.value?)),
        })
    }
}

/// The content of a search response to which every shard has contributed in time.
#[derive(Debug)]
pub(crate) struct Complete<'a> {
    pub(crate) total: u64,
    pub(crate) hits: Vec<Hit<'a>>,
    /// The aggregates over all documents; `None` if the search did not request them, or if the
    /// server does not return them.
    pub(crate) aggregates: Option<Aggregates>,
    /// The histogram of the `_seq_no`s; `None` if the search did not request a histogram.
    pub(crate) histogram: Option<RawHistogram>,
    /// The primary term of the document with the highest `_seq_no`; `None` if the search did not
    /// request it.
    pub(crate) newest_term: Option<u64>,
}

/// One document in a search response.
#[derive(Debug, Deserialize)]
pub(crate) struct Hit<'a> {
    #[serde(borrow, rename = "_id")]
    pub(crate) id: Cow<'a, str>,
    #[serde(rename = "_seq_no")]
    pub(crate) seq_no: u64,
    /// The primary term in which the primary assigned `seq_no` to the document. Each failover
    /// raises the primary term.
    #[serde(rename = "_primary_term")]
    pub(crate) primary_term: Option<u64>,
    /// The `_version` of the document; `None` if the search did not request it.
    #[serde(rename = "_version")]
    pub(crate) version: Option<u64>,
    #[serde(borrow, rename = "_source")]
    pub(crate) source: &'a RawValue,
    /// The value of the search parameter `search_after` that requests the page after this document.
    #[serde(borrow)]
    pub(crate) sort: Option<&'a RawValue>,
}

impl Complete<'_> {
    /// Returns the value of the search parameter `search_after` that requests the next page; `None`
    /// if this page contains no documents.
    pub(crate) fn search_after(&self) -> Result<Option<Value>, serde_json::Error> {
        let sort = self.hits.last().and_then(|hit| hit.sort);
        sort.map(|sort| serde_json::from_str(sort.get()))
            .transpose()
    }
}

impl<'a> SearchResponse<'a> {
    /// Returns the content of the response, or an error if a shard did not respond in time.
    pub(crate) fn complete(self) -> Result<Complete<'a>, Incomplete> {
        match self.timed_out {
            Some(false) => {}
            Some(true) => return Err(Incomplete::TimedOut),
            None => return Err(Incomplete::Missing("timed_out")),
        }
        let shards = self.shards.ok_or(Incomplete::Missing("_shards"))?;
        let total = shards.total.ok_or(Incomplete::Missing("_shards.total"))?;
        let failed = shards.failed.ok_or(Incomplete::Missing("_shards.failed"))?;
        let successful = shards
            .successful
            .ok_or(Incomplete::Missing("_shards.successful"))?;
        if total == 0 {
            return Err(Incomplete::NoShards);
        }
        if failed > 0 || successful != total {
            return Err(Incomplete::FailedShards {
                failed: failed.max(total.saturating_sub(successful)),
                total,
            });
        }
        let hits = self.hits.ok_or(Incomplete::Missing("hits"))?;
        let total = hits.total.ok_or(Incomplete::Missing("hits.total"))?;
        if total.relation != "eq" {
            return Err(Incomplete::LowerBound);
        }
        let mut aggregations = self.aggregations;
        Ok(Complete {
            total: total.value,
            hits: hits.hits,
            histogram: aggregations.as_mut().and_then(Aggregations::take_histogram),
            newest_term: aggregations.as_ref().and_then(Aggregations::newest_term),
            aggregates: aggregations.and_then(Aggregations::of_all_documents),
        })
    }
}

#[cfg(test)]
#[path = "search_response_tests.rs"]
mod tests;
