//! The answer of a search, borrowed from its body.
//!
//! Everything that tells whether an answer is complete is optional here: what an
//! answer does not say is not taken for granted.

use std::borrow::Cow;
use std::collections::HashMap;

use serde::Deserialize;
use serde_json::value::RawValue;

/// What a search answers.
#[derive(Debug, Deserialize)]
pub(crate) struct SearchAnswer<'a> {
    timed_out: Option<bool>,
    #[serde(rename = "_shards")]
    shards: Option<Shards>,
    #[serde(borrow)]
    hits: Option<Hits<'a>>,
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
    // Left out by `filter_path` when there are none.
    #[serde(borrow, default)]
    hits: Vec<Hit<'a>>,
}

#[derive(Debug, Deserialize)]
struct Total {
    value: u64,
    relation: Cow<'static, str>,
}

/// One document.
#[derive(Debug, Deserialize)]
pub(crate) struct Hit<'a> {
    #[serde(borrow, rename = "_id")]
    pub(crate) id: Cow<'a, str>,
    #[serde(rename = "_seq_no")]
    pub(crate) seq_no: u64,
    #[serde(borrow, rename = "_source")]
    pub(crate) source: &'a RawValue,
    /// Where the next page begins.
    #[serde(borrow)]
    pub(crate) sort: Option<&'a RawValue>,
}

/// Why an answer of status 200 is not a complete one.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Incomplete {
    /// The search ran out of time.
    #[error("the search timed out on the server (timed_out)")]
    TimedOut,
    /// Some shards did not answer.
    #[error("{failed} of {total} shards failed")]
    FailedShards {
        /// How many.
        failed: u64,
        /// Of how many.
        total: u64,
    },
    /// Nothing was asked: an alias without an index, for one.
    #[error("no shard was asked (zero shards)")]
    NoShards,
    /// The total is only a lower bound.
    #[error("the total is only a lower bound")]
    LowerBound,
    /// There were fewer or more documents than the total.
    #[error("{read} documents came of a total of {total}")]
    Hits {
        /// How many came.
        read: u64,
        /// How many there are.
        total: u64,
    },
    /// The total changed from one page to the next.
    #[error("the total changed between two pages, from {before} to {after}")]
    TotalChanged {
        /// On the pages before.
        before: u64,
        /// On this page.
        after: u64,
    },
    /// A document came twice.
    #[error("a document came twice")]
    Repeated,
    /// A field that shows whether the answer is complete is missing.
    #[error("the answer does not say {0}")]
    Unsaid(&'static str),
}

impl<'a> SearchAnswer<'a> {
    /// The total and the documents of an answer that every shard gave in time.
    pub(crate) fn complete(self) -> Result<(u64, Vec<Hit<'a>>), Incomplete> {
        match self.timed_out {
            Some(false) => {}
            Some(true) => return Err(Incomplete::TimedOut),
            None => return Err(Incomplete::Unsaid("timed_out")),
        }
        let shards = self.shards.ok_or(Incomplete::Unsaid("_shards"))?;
        let total = shards.total.ok_or(Incomplete::Unsaid("_shards.total"))?;
        let failed = shards.failed.ok_or(Incomplete::Unsaid("_shards.failed"))?;
        let successful = shards
            .successful
            .ok_or(Incomplete::Unsaid("_shards.successful"))?;
        if total == 0 {
            return Err(Incomplete::NoShards);
        }
        if failed > 0 || successful != total {
            return Err(Incomplete::FailedShards {
                failed: failed.max(total.saturating_sub(successful)),
                total,
            });
        }
        let hits = self.hits.ok_or(Incomplete::Unsaid("hits"))?;
        let total = hits.total.ok_or(Incomplete::Unsaid("hits.total"))?;
        if total.relation != "eq" {
            return Err(Incomplete::LowerBound);
        }
        Ok((total.value, hits.hits))
    }
}

/// What tells one index from another: `GET /{index}/_settings?flat_settings=true`.
pub(crate) type SettingsAnswer = HashMap<String, IndexSettings>;

#[derive(Debug, Deserialize)]
pub(crate) struct IndexSettings {
    pub(crate) settings: Identity,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Identity {
    #[serde(rename = "index.uuid")]
    pub(crate) uuid: String,
    #[serde(rename = "index.number_of_shards")]
    pub(crate) shards: String,
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    const COMPLETE: &str = r#"{"timed_out":false,"_shards":{"total":1,"successful":1,"skipped":0,
        "failed":0},"hits":{"total":{"value":1,"relation":"eq"},"hits":[
        {"_id":"a","_seq_no":3,"_source":{"level":"Shape"}}]}}"#;

    fn complete(json: &str) -> Result<u64, Incomplete> {
        let answer: SearchAnswer<'_> = serde_json::from_str(json).unwrap();
        answer.complete().map(|(total, _)| total)
    }

    #[test]
    fn p1_only_an_answer_that_says_it_is_complete_is() {
        assert_eq!(complete(COMPLETE), Ok(1));
        for (from, to, error) in [
            (
                "\"timed_out\":false",
                "\"timed_out\":true",
                Incomplete::TimedOut,
            ),
            ("\"timed_out\":false,", "", Incomplete::Unsaid("timed_out")),
            ("\"total\":1", "\"total\":0", Incomplete::NoShards),
            (
                "\"failed\":0",
                "\"failed\":1",
                Incomplete::FailedShards {
                    failed: 1,
                    total: 1,
                },
            ),
            (
                "\"successful\":1",
                "\"successful\":0",
                Incomplete::FailedShards {
                    failed: 1,
                    total: 1,
                },
            ),
            ("\"eq\"", "\"gte\"", Incomplete::LowerBound),
            (
                "\"total\":{\"value\":1,\"relation\":\"eq\"},",
                "",
                Incomplete::Unsaid("hits.total"),
            ),
        ] {
            assert!(COMPLETE.contains(from), "{from}");
            assert_eq!(
                complete(&COMPLETE.replacen(from, to, 1)),
                Err(error),
                "{from}"
            );
        }
        assert_eq!(complete("{}"), Err(Incomplete::Unsaid("timed_out")));
    }

    #[test]
    fn every_truncation_is_refused() {
        for end in 0..COMPLETE.len() {
            assert!(serde_json::from_str::<SearchAnswer<'_>>(&COMPLETE[..end]).is_err());
        }
    }
}
