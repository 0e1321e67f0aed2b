//! The answer of a search, borrowed from its body.
//!
//! Everything that tells whether an answer is complete is optional here: what an
//! answer does not say is not taken for granted.

use std::borrow::Cow;
use std::collections::HashMap;

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::value::RawValue;

/// Takes the documents of a read, one by one.
pub(crate) trait Collect: Send + 'static {
    /// `Err` ends the read.
    fn take(&mut self, hit: &Hit<'_>) -> Result<(), Incomplete>;
}

/// What a search answers.
#[derive(Debug, Deserialize)]
pub(crate) struct SearchAnswer<'a> {
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
    // Left out by `filter_path` when there are none.
    #[serde(borrow, default)]
    hits: Vec<Hit<'a>>,
}

#[derive(Debug, Deserialize)]
struct Total {
    value: u64,
    relation: Cow<'static, str>,
}

/// The answer to [`AGGREGATIONS`], as far as the server gives it.
#[derive(Debug, Deserialize)]
struct Aggregations {
    all: Option<AllDocuments>,
}

#[derive(Debug, Deserialize)]
struct AllDocuments {
    seq: Option<SeqNos>,
    updated: Option<Newest>,
}

#[derive(Debug, Deserialize)]
struct SeqNos {
    count: Option<u64>,
    max: Option<f64>,
    sum: Option<f64>,
}

#[derive(Debug, Deserialize)]
struct Newest {
    /// Milliseconds since 1970.
    value: Option<f64>,
}

/// What the searcher that gave an answer sees of the whole index, whatever the query.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) struct Aggregates {
    pub(crate) documents: u64,
    pub(crate) max_seq_no: Option<f64>,
    pub(crate) sum_seq_no: f64,
    /// The newest `updated_at`.
    pub(crate) updated_at: Option<Timestamp>,
}

impl Aggregations {
    /// `None` if the server left something out.
    fn of_all_documents(self) -> Option<Aggregates> {
        let all = self.all?;
        let seq = all.seq?;
        #[expect(clippy::cast_possible_truncation, reason = "saturates")]
        let instant = |millis: f64| Timestamp::from_millisecond(millis as i64).ok();
        Some(Aggregates {
            documents: seq.count?,
            max_seq_no: seq.max,
            sum_seq_no: seq.sum?,
            updated_at: all.updated.and_then(|newest| instant(newest.value?)),
        })
    }
}

/// The part of a search that asks for the [`Aggregates`].
pub(crate) const AGGREGATIONS: &str = r#"{"all":{"global":{},"aggs":{"seq":{"stats":{"field":"_seq_no"}},"updated":{"max":{"field":"updated_at"}}}}}"#;

/// A search's answer that every shard gave in time.
#[derive(Debug)]
pub(crate) struct Complete<'a> {
    pub(crate) total: u64,
    pub(crate) hits: Vec<Hit<'a>>,
    /// `None` if they were not asked for, or the server does not know them.
    pub(crate) aggregates: Option<Aggregates>,
}

/// One document.
#[derive(Debug, Deserialize)]
pub(crate) struct Hit<'a> {
    #[serde(borrow, rename = "_id")]
    pub(crate) id: Cow<'a, str>,
    #[serde(rename = "_seq_no")]
    pub(crate) seq_no: u64,
    /// Which primary gave that number: each failover raises it.
    #[serde(rename = "_primary_term")]
    pub(crate) primary_term: Option<u64>,
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
    /// What came is not what the cluster's own sum over the same view says.
    #[error("the documents that came are not those that the cluster counts")]
    Fingerprint,
    /// The name stands for another index than at the begin of the poll.
    #[error("the index was replaced during the poll")]
    Replaced,
    /// A field that shows whether the answer is complete is missing.
    #[error("the answer does not say {0}")]
    Unsaid(&'static str),
}

impl<'a> SearchAnswer<'a> {
    /// What the answer says, if every shard gave its part in time.
    pub(crate) fn complete(self) -> Result<Complete<'a>, Incomplete> {
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
        Ok(Complete {
            total: total.value,
            hits: hits.hits,
            aggregates: self.aggregations.and_then(Aggregations::of_all_documents),
        })
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
    #[serde(rename = "index.refresh_interval")]
    pub(crate) refresh_interval: Option<String>,
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use serde_json::{Value, json};

    use super::*;

    const COMPLETE: &str = r#"{"timed_out":false,"_shards":{"total":1,"successful":1,"skipped":0,
        "failed":0},"hits":{"total":{"value":1,"relation":"eq"},"hits":[
        {"_id":"a","_seq_no":3,"_source":{"level":"Shape"}}]}}"#;

    fn complete(json: &str) -> Result<u64, Incomplete> {
        let answer: SearchAnswer<'_> = serde_json::from_str(json).unwrap();
        answer.complete().map(|answer| answer.total)
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
            ("\"eq\"", "\"lte\"", Incomplete::LowerBound),
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

    /// The whole answer, so that a part of it can be taken away.
    fn value() -> Value {
        serde_json::from_str(COMPLETE).unwrap()
    }

    #[test]
    fn p1_what_an_answer_does_not_say_is_not_taken_for_granted() {
        for (path, name, error) in [
            ("", "timed_out", "timed_out"),
            ("", "_shards", "_shards"),
            ("/_shards", "total", "_shards.total"),
            ("/_shards", "failed", "_shards.failed"),
            ("/_shards", "successful", "_shards.successful"),
            ("", "hits", "hits"),
            ("/hits", "total", "hits.total"),
        ] {
            for null in [false, true] {
                let mut answer = value();
                let object = answer.pointer_mut(path).unwrap().as_object_mut().unwrap();
                object.remove(name).unwrap();
                if null {
                    object.insert(name.into(), Value::Null);
                }
                let found = complete(&answer.to_string());
                assert_eq!(found, Err(Incomplete::Unsaid(error)), "{answer}");
            }
        }
    }

    /// A part that every answer has, with a value that none has.
    #[test]
    fn an_answer_of_another_shape_is_refused() {
        for (path, name) in [
            ("", "timed_out"),
            ("", "_shards"),
            ("", "hits"),
            ("", "pit_id"),
            ("/_shards", "total"),
            ("/_shards", "failed"),
            ("/hits", "total"),
            ("/hits/total", "value"),
            ("/hits/total", "relation"),
            ("/hits", "hits"),
            ("/hits/hits/0", "_id"),
            ("/hits/hits/0", "_seq_no"),
        ] {
            for wrong in [json!(-1), json!(1.5), json!([[]]), json!({"a": []})] {
                let mut answer = value();
                answer.pointer_mut(path).unwrap()[name] = wrong;
                let answer = answer.to_string();
                // Some of them are read as nothing said, which is refused as well.
                let read = serde_json::from_str::<SearchAnswer<'_>>(&answer);
                assert!(read.is_err() || complete(&answer).is_err(), "{answer}");
            }
        }
        for (path, name) in [
            ("/hits/total", "value"),
            ("/hits/total", "relation"),
            ("/hits/hits/0", "_id"),
            ("/hits/hits/0", "_seq_no"),
            ("/hits/hits/0", "_source"),
        ] {
            let mut answer = value();
            let object = answer.pointer_mut(path).unwrap().as_object_mut().unwrap();
            object.remove(name).unwrap();
            let answer = answer.to_string();
            assert!(
                serde_json::from_str::<SearchAnswer<'_>>(&answer).is_err(),
                "{answer}"
            );
        }
        // Which of the two counts, nobody can tell.
        let twice = COMPLETE.replacen('{', "{\"timed_out\":true,", 1);
        assert!(serde_json::from_str::<SearchAnswer<'_>>(&twice).is_err());
    }

    #[test]
    fn shards_that_did_not_answer_are_counted() {
        for (total, successful, failed, counted) in [
            (5, 3, 2, 2),
            (5, 3, 0, 2),
            (5, 5, 1, 1),
            (5, 0, 0, 5),
            (5, 4, 3, 3),
        ] {
            let mut answer = value();
            answer["_shards"] = json!({"total": total, "successful": successful, "failed": failed});
            let error = Incomplete::FailedShards {
                failed: counted,
                total,
            };
            assert_eq!(complete(&answer.to_string()), Err(error));
        }
    }

    #[test]
    fn a_document_is_given_as_it_stands() {
        let source = r#"{ "level" : "\u0053hape","tenant":{"a":[1.50]} }"#;
        let answer = COMPLETE
            .replace(r#"{"level":"Shape"}"#, &format!(" {source} "))
            .replace(
                r#""_id":"a""#,
                r#""_index":"i","_id":"\u00fc\"","sort":[1.0,"x"]"#,
            )
            .replace("\"_seq_no\":3", "\"_seq_no\":18446744073709551615");
        let answer: SearchAnswer<'_> = serde_json::from_str(&answer).unwrap();
        let Complete { total, hits, .. } = answer.complete().unwrap();
        assert_eq!((total, hits.len()), (1, 1));
        assert_eq!(hits[0].id, "ü\"");
        assert_eq!(hits[0].seq_no, u64::MAX);
        assert_eq!(hits[0].source.get(), source);
        assert_eq!(hits[0].sort.map(RawValue::get), Some("[1.0,\"x\"]"));
    }

    #[test]
    fn an_empty_page_need_not_have_a_list() {
        for hits in [json!({}), json!({"hits": []})] {
            let mut answer = value();
            answer["hits"] = hits;
            answer["hits"]["total"] = json!({"value": 0, "relation": "eq"});
            assert_eq!(complete(&answer.to_string()), Ok(0));
        }
    }

    #[test]
    fn every_truncation_is_refused() {
        for end in 0..COMPLETE.len() {
            assert!(serde_json::from_str::<SearchAnswer<'_>>(&COMPLETE[..end]).is_err());
        }
    }
}
