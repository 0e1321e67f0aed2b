//! Tests that the requests for histograms are equal to requests that real nodes have accepted.
//! These tests also check that the decoder refuses a histogram that does not fit the request.

#![allow(clippy::unwrap_used, reason = "tests")]

use super::*;

fn prefix(buckets: u64, interval: u64, sums: bool) -> HistogramQuery {
    HistogramQuery {
        scope: Scope::Prefix { buckets },
        interval,
        sums,
    }
}

fn ranges(ranges: &[(u64, u64)], interval: u64, sums: bool) -> HistogramQuery {
    let ranges = ranges.iter().map(|&(start, end)| start..end);
    HistogramQuery {
        scope: Scope::Ranges(ranges.collect()),
        interval,
        sums,
    }
}

fn decode(query: &HistogramQuery, buckets: &Value) -> Option<Vec<Bucket>> {
    let raw = serde_json::from_value(json!({ "buckets": buckets })).unwrap();
    query.decode(raw)
}

fn bucket(start: u64, count: u64, sum: u64) -> Bucket {
    Bucket { start, count, sum }
}

#[test]
fn a_prefix_is_requested_in_whole_buckets_without_keys() {
    let query = prefix(127, 1_024, false);
    assert_eq!(query.end(), 130_048);
    assert_eq!(
        query.aggregation(),
        json!({"histogram": {
            "field": "_seq_no", "interval": 1_024, "min_doc_count": 0,
            "hard_bounds": {"min": 0, "max": 130_047},
            "extended_bounds": {"min": 0, "max": 130_047},
        }})
    );
    assert_eq!(query.query(), None);
    assert_eq!(query.filter_path("h"), "h.buckets.doc_count");
    let query = prefix(2, 8, true);
    assert_eq!(
        query.aggregation()["aggs"],
        json!({"s": {"sum": {"field": "_seq_no"}}})
    );
    assert_eq!(
        query.filter_path("h"),
        "h.buckets.doc_count,h.buckets.s.value"
    );
}

#[test]
fn ranges_are_requested_without_empty_buckets() {
    let query = ranges(&[(8, 16), (32, 64)], 4, false);
    assert_eq!(
        query.aggregation(),
        json!({"histogram": {"field": "_seq_no", "interval": 4, "min_doc_count": 1}})
    );
    assert_eq!(
        query.query().unwrap(),
        json!({"bool": {"should": [
            {"range": {"_seq_no": {"gte": 8, "lt": 16}}},
            {"range": {"_seq_no": {"gte": 32, "lt": 64}}},
        ]}})
    );
    assert_eq!(query.filter_path("h"), "h.buckets.key,h.buckets.doc_count");
    // If each bucket of a query covers a single `_seq_no`, the response needs no counts and no
    // sums.
    let numbers = ranges(&[(8, 16)], 1, true);
    assert_eq!(numbers.filter_path("h"), "h.buckets.key");
    assert_eq!(numbers.aggregation().get("aggs"), None);
}

#[test]
fn the_buckets_of_a_prefix_are_known_by_their_positions() {
    let counts = json!([{"doc_count": 3}, {"doc_count": 0}, {"doc_count": 1}]);
    assert_eq!(
        decode(&prefix(3, 8, false), &counts).unwrap(),
        [bucket(0, 3, 0), bucket(16, 1, 0)]
    );
    // The decoder must refuse a response with too few buckets, because the positions of the buckets
    // would be wrong.
    assert_eq!(decode(&prefix(4, 8, false), &counts), None);
    let sums = json!([{"doc_count": 2, "s": {"value": 9.0}}]);
    assert_eq!(
        decode(&prefix(1, 8, true), &sums).unwrap(),
        [bucket(0, 2, 9)]
    );
    assert_eq!(decode(&prefix(3, 8, true), &counts), None);
}

#[test]
fn the_buckets_of_ranges_must_be_in_the_ranges() {
    let query = ranges(&[(8, 16), (32, 64)], 4, false);
    let of = |keys: &[f64]| {
        let buckets = keys.iter().map(|key| json!({"key": key, "doc_count": 2}));
        decode(&query, &buckets.collect())
    };
    assert_eq!(
        of(&[8.0, 60.0]).unwrap(),
        [bucket(8, 2, 0), bucket(60, 2, 0)]
    );
    assert_eq!(of(&[]).unwrap(), []);
    for keys in [
        &[4.0][..],
        &[16.0],
        &[64.0],
        &[9.0],
        &[12.5],
        &[-4.0],
        &[12.0, 8.0],
        &[8.0, 8.0],
    ] {
        assert_eq!(of(keys), None, "{keys:?}");
    }
    let numbers = ranges(&[(8, 16)], 1, false);
    let keys = json!([{"key": 9.0}, {"key": 15.0}]);
    assert_eq!(
        decode(&numbers, &keys).unwrap(),
        [bucket(9, 1, 0), bucket(15, 1, 0)]
    );
}

#[test]
fn a_sum_that_may_be_rounded_is_refused() {
    let of = |sum: f64| {
        let sums = json!([{"doc_count": 2, "s": {"value": sum}}]);
        decode(&prefix(1, 8, true), &sums)
    };
    assert_eq!(of(EXACT - 1.0).unwrap(), [bucket(0, 2, (1 << 49) - 1)]);
    for sum in [EXACT, EXACT * 4.0, -1.0, 0.5] {
        assert_eq!(of(sum), None, "{sum}");
    }
}
