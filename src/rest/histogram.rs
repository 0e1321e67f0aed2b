//! Encodes and decodes `histogram` aggregations on `_seq_no`. A `histogram` aggregation counts the
//! documents in ranges of `_seq_no`s.

use std::ops::Range;

use serde::Deserialize;
use serde_json::{Value, json};

/// A query that counts the documents in buckets of equal width, where a bucket is a range of
/// `_seq_no`s.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct HistogramQuery {
    pub(crate) scope: Scope,
    /// The number of `_seq_no`s that one bucket covers. Each bucket begins at a multiple of
    /// `interval`.
    pub(crate) interval: u64,
    /// True if the query also requests the sum of the `_seq_no`s in each bucket.
    pub(crate) sums: bool,
}

/// The ranges of `_seq_no`s in which a histogram counts the documents.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Scope {
    /// The histogram consists of this number of buckets, which begin at the `_seq_no` zero. The
    /// response to a `Prefix` query contains all buckets in order, even the empty ones, so the
    /// position of a bucket replaces its key.
    Prefix { buckets: u64 },
    /// The histogram covers these ranges of whole buckets, in ascending order and without overlap.
    /// The response to a `Ranges` query contains only the buckets that contain documents.
    Ranges(Vec<Range<u64>>),
}

/// A bucket of a histogram that contains at least one document, with the number and the sum of the
/// `_seq_no`s in the bucket.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Bucket {
    /// The lowest `_seq_no` that the bucket covers.
    pub(crate) start: u64,
    pub(crate) count: u64,
    /// The sum of the `_seq_no`s in the bucket; zero if the query did not request the sum.
    pub(crate) sum: u64,
}

/// A histogram of a response before it is checked and decoded. The query decides which fields the
/// buckets of the histogram have.
#[derive(Default, Debug, Deserialize)]
pub(crate) struct RawHistogram {
    #[serde(default)]
    buckets: Vec<RawBucket>,
}

#[derive(Debug, Deserialize)]
struct RawBucket {
    key: Option<f64>,
    doc_count: Option<u64>,
    s: Option<RawSum>,
}

#[derive(Debug, Deserialize)]
struct RawSum {
    value: Option<f64>,
}

impl HistogramQuery {
    /// Returns the first `_seq_no` after the last bucket of this query.
    pub(crate) fn end(&self) -> u64 {
        match &self.scope {
            Scope::Prefix { buckets } => buckets.saturating_mul(self.interval),
            Scope::Ranges(ranges) => ranges.last().map_or(0, |range| range.end),
        }
    }

    /// Returns true if each bucket in the response stands for a single `_seq_no`. A response with
    /// one bucket for each `_seq_no` needs only the keys of the buckets, without counts and sums.
    fn lists_numbers(&self) -> bool {
        self.interval == 1 && matches!(self.scope, Scope::Ranges(_))
    }

    pub(super) fn aggregation(&self) -> Value {
        let mut histogram = json!({ "field": "_seq_no", "interval": self.interval });
        match &self.scope {
            // `hard_bounds` must contain only whole buckets, because OpenSearch drops a bucket
            // without an error if `hard_bounds` begins inside the bucket.
            Scope::Prefix { .. } => {
                let bounds = json!({ "min": 0, "max": self.end().saturating_sub(1) });
                histogram["min_doc_count"] = 0.into();
                histogram["hard_bounds"] = bounds.clone();
                histogram["extended_bounds"] = bounds;
            }
            Scope::Ranges(_) => histogram["min_doc_count"] = 1.into(),
        }
        let mut aggregation = json!({ "histogram": histogram });
        if self.sums && !self.lists_numbers() {
            aggregation["aggs"] = json!({ "s": { "sum": { "field": "_seq_no" } } });
        }
        aggregation
    }

    /// Returns the search query that selects the documents whose `_seq_no`s are in the scope of the
    /// histogram. Returns `None` for `Scope::Prefix`, because the bounds of the aggregation already
    /// restrict the histogram.
    pub(super) fn query(&self) -> Option<Value> {
        let Scope::Ranges(ranges) = &self.scope else {
            return None;
        };
        let range = |range: &Range<u64>| json!({ "range": { "_seq_no": { "gte": range.start, "lt": range.end } } });
        let ranges: Vec<Value> = ranges.iter().map(range).collect();
        Some(json!({ "bool": { "should": ranges } }))
    }

    /// Returns the search parameter `filter_path`, which selects the parts of the response that
    /// [`decode`](Self::decode) needs. `path` is the path of the histogram in the response.
    pub(super) fn filter_path(&self, path: &str) -> String {
        let mut parts = Vec::new();
        if matches!(self.scope, Scope::Ranges(_)) {
            parts.push("key");
        }
        if !self.lists_numbers() {
            parts.push("doc_count");
            if self.sums {
                parts.push("s.value");
            }
        }
        let parts: Vec<String> = parts
            .into_iter()
            .map(|part| format!("{path}.buckets.{part}"))
            .collect();
        parts.join(",")
    }

    /// Decodes the histogram of a search response into its non-empty buckets. Returns `None` if the
    /// response is not the histogram that this query requests.
    pub(super) fn decode(&self, raw: RawHistogram) -> Option<Vec<Bucket>> {
        if let Scope::Prefix { buckets } = self.scope
            && raw.buckets.len() as u64 != buckets
        {
            return None;
        }
        let mut decoded: Vec<Bucket> = Vec::with_capacity(raw.buckets.len());
        for (position, raw) in (0..).zip(raw.buckets) {
            let bucket = self.decode_bucket(position, &raw)?;
            let follows = decoded.last().is_none_or(|last| last.start < bucket.start);
            if !follows || !self.contains(bucket.start) {
                return None;
            }
            if bucket.count > 0 {
                decoded.push(bucket);
            }
        }
        Some(decoded)
    }

    fn decode_bucket(&self, position: u64, raw: &RawBucket) -> Option<Bucket> {
        let start = match self.scope {
            Scope::Prefix { .. } => position.checked_mul(self.interval)?,
            Scope::Ranges(_) => whole_number(raw.key?)?,
        };
        if self.lists_numbers() {
            let (count, sum) = (1, 0);
            return Some(Bucket { start, count, sum });
        }
        let count = raw.doc_count?;
        let sum = match &raw.s {
            Some(sum) if self.sums => whole_number(sum.value?)?,
            _ if self.sums => return None,
            _ => 0,
        };
        Some(Bucket { start, count, sum })
    }

    /// Returns true if a bucket of this query begins at the `_seq_no` `start`.
    fn contains(&self, start: u64) -> bool {
        start.is_multiple_of(self.interval)
            && match &self.scope {
                Scope::Prefix { .. } => start < self.end(),
                Scope::Ranges(ranges) => {
                    let after = ranges.partition_point(|range| range.start <= start);
                    let range = after.checked_sub(1).and_then(|nth| ranges.get(nth));
                    range.is_some_and(|range| range.contains(&start))
                }
            }
    }
}

/// Adds up the numbers that a cluster has reported. A sum that is too large for a `u64` becomes the
/// highest `u64`, because a malicious cluster can report any numbers.
pub(crate) fn saturating_sum(counts: impl Iterator<Item = u64>) -> u64 {
    counts.fold(0, u64::saturating_add)
}

/// Converts a floating-point number from an aggregation to a whole number. The cluster computes
/// aggregations with floating-point numbers, so it may have rounded a high number. Returns `None`
/// if the number may have been rounded, is negative or is not whole.
pub(crate) fn whole_number(number: f64) -> Option<u64> {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "it is a whole number in the exact range"
    )]
    ((0.0..EXACT).contains(&number) && number.fract() == 0.0).then_some(number as u64)
}

/// A whole number in an aggregation is exact if it is below this limit, 2^49. The cluster computes
/// sums of whole numbers exactly as long as they stay below 2^53. The limit of exact numbers is
/// 2^49 and not 2^53, because the JSON decoder needs one more decimal digit for the fraction of a
/// number like `17.0`.
const EXACT: f64 = 562_949_953_421_312.0;

#[cfg(test)]
#[path = "histogram_tests.rs"]
mod tests;
