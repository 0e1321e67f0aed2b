//! Tests that a search response counts as complete only if no field is missing that proves the
//! completeness.

#![allow(clippy::unwrap_used, reason = "tests")]
use serde_json::{Value, json};

use super::*;

const COMPLETE: &str = r#"{"timed_out":false,"_shards":{"total":1,"successful":1,"skipped":0,
    "failed":0},"hits":{"total":{"value":1,"relation":"eq"},"hits":[
    {"_id":"a","_seq_no":3,"_source":{"level":"Shape"}}]}}"#;

fn complete(json: &str) -> Result<u64, Incomplete> {
    let response: SearchResponse<'_> = serde_json::from_str(json).unwrap();
    response.complete().map(|response| response.total)
}

#[test]
fn p1_a_response_is_complete_only_if_it_states_so() {
    assert_eq!(complete(COMPLETE), Ok(1));
    for (from, to, error) in [
        (
            "\"timed_out\":false",
            "\"timed_out\":true",
            Incomplete::TimedOut,
        ),
        ("\"timed_out\":false,", "", Incomplete::Missing("timed_out")),
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
            Incomplete::Missing("hits.total"),
        ),
    ] {
        assert!(COMPLETE.contains(from), "{from}");
        assert_eq!(
            complete(&COMPLETE.replacen(from, to, 1)),
            Err(error),
            "{from}"
        );
    }
    assert_eq!(complete("{}"), Err(Incomplete::Missing("timed_out")));
}

/// Returns a complete search response, of which a test then changes a part.
fn value() -> Value {
    serde_json::from_str(COMPLETE).unwrap()
}

#[test]
fn p1_a_response_without_a_required_part_is_not_complete() {
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
            let mut response = value();
            let object = response.pointer_mut(path).unwrap().as_object_mut().unwrap();
            object.remove(name).unwrap();
            if null {
                object.insert(name.into(), Value::Null);
            }
            let found = complete(&response.to_string());
            assert_eq!(found, Err(Incomplete::Missing(error)), "{response}");
        }
    }
}

/// Each response that this test decodes has one field that is missing or has an invalid value.
#[test]
fn a_response_of_another_shape_is_refused() {
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
            let mut response = value();
            response.pointer_mut(path).unwrap()[name] = wrong;
            let response = response.to_string();
            // The decoder may either refuse a field with a wrong value, or treat the field as
            // absent, so that the response counts as incomplete.
            let read = serde_json::from_str::<SearchResponse<'_>>(&response);
            assert!(read.is_err() || complete(&response).is_err(), "{response}");
        }
    }
    for (path, name) in [
        ("/hits/total", "value"),
        ("/hits/total", "relation"),
        ("/hits/hits/0", "_id"),
        ("/hits/hits/0", "_seq_no"),
        ("/hits/hits/0", "_source"),
    ] {
        let mut response = value();
        let object = response.pointer_mut(path).unwrap().as_object_mut().unwrap();
        object.remove(name).unwrap();
        let response = response.to_string();
        assert!(
            serde_json::from_str::<SearchResponse<'_>>(&response).is_err(),
            "{response}"
        );
    }
    // The decoder refuses a response with a repeated field, because JSON does not define which of
    // the values is valid.
    let twice = COMPLETE.replacen('{', "{\"timed_out\":true,", 1);
    assert!(serde_json::from_str::<SearchResponse<'_>>(&twice).is_err());
}

#[test]
fn shards_that_did_not_respond_are_counted() {
    for (total, successful, failed, counted) in [
        (5, 3, 2, 2),
        (5, 3, 0, 2),
        (5, 5, 1, 1),
        (5, 0, 0, 5),
        (5, 4, 3, 3),
    ] {
        let mut response = value();
        response["_shards"] = json!({"total": total, "successful": successful, "failed": failed});
        let error = Incomplete::FailedShards {
            failed: counted,
            total,
        };
        assert_eq!(complete(&response.to_string()), Err(error));
    }
}

#[test]
fn a_document_is_passed_on_unchanged() {
    let source = r#"{ "level" : "\u0053hape","tenant":{"a":[1.50]} }"#;
    let response = COMPLETE
        .replace(r#"{"level":"Shape"}"#, &format!(" {source} "))
        .replace(
            r#""_id":"a""#,
            r#""_index":"i","_id":"\u00fc\"","sort":[1.0,"x"]"#,
        )
        .replace("\"_seq_no\":3", "\"_seq_no\":18446744073709551615");
    let response: SearchResponse<'_> = serde_json::from_str(&response).unwrap();
    let Complete { total, hits, .. } = response.complete().unwrap();
    assert_eq!((total, hits.len()), (1, 1));
    assert_eq!(hits[0].id, "ü\"");
    assert_eq!(hits[0].seq_no, u64::MAX);
    assert_eq!(hits[0].source.get(), source);
    assert_eq!(hits[0].sort.map(RawValue::get), Some("[1.0,\"x\"]"));
}

#[test]
fn an_empty_page_may_lack_the_list_of_hits() {
    for hits in [json!({}), json!({"hits": []})] {
        let mut response = value();
        response["hits"] = hits;
        response["hits"]["total"] = json!({"value": 0, "relation": "eq"});
        assert_eq!(complete(&response.to_string()), Ok(0));
    }
}

#[test]
fn every_truncation_is_refused() {
    for end in 0..COMPLETE.len() {
        assert!(serde_json::from_str::<SearchResponse<'_>>(&COMPLETE[..end]).is_err());
    }
}

fn aggregates(max: f64, sum: f64) -> Option<Aggregates> {
    let mut response = value();
    let seq = json!({"count": 2, "max": max, "sum": sum});
    response["aggregations"] = json!({"all": {"seq": seq}});
    let response = response.to_string();
    let response: SearchResponse<'_> = serde_json::from_str(&response).unwrap();
    response.complete().unwrap().aggregates
}

/// A rounded sum counts as missing, because two states of the index with different documents can
/// have the same rounded sum.
#[test]
fn p1_aggregates_that_may_be_rounded_count_as_missing() {
    let exact = 562_949_953_421_311.0;
    let found = aggregates(7.0, exact).unwrap();
    assert_eq!(found.max_seq_no, Some(7));
    assert_eq!(found.sum_seq_no, (1 << 49) - 1);
    for (max, sum) in [(7.0, exact + 1.0), (exact + 1.0, 9.0), (7.0, -1.0)] {
        assert_eq!(aggregates(max, sum), None, "{max} {sum}");
    }
}
