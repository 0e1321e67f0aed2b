//! Fuzz targets that decode responses of a cluster. The decoder must refuse a response that does
//! not state that it is complete.

use opensearch_directives::fuzzing::{search_response, statistics_response};
use serde_json::Value;

/// Returns the field `name` of a JSON object, or the element `offset` of a JSON array, because the
/// decoder also accepts an array in place of an object.
fn field<'a>(value: &'a Value, name: &str, offset: usize) -> &'a Value {
    match value {
        Value::Array(values) => values.get(offset).unwrap_or(&Value::Null),
        object => &object[name],
    }
}

/// Decodes the input as the response to a search, and checks that an accepted response is complete.
pub(crate) fn run_search(body: &[u8]) {
    let Some(documents) = search_response(body) else {
        return;
    };
    // The target checks only responses that `serde_json::Value` can parse, because the decoder also
    // accepts invalid UTF-8 in a field that it ignores.
    let Ok(value) = serde_json::from_slice::<Value>(body) else {
        return;
    };
    assert_eq!(field(&value, "timed_out", 0), &false);
    let shards = field(&value, "_shards", 1);
    let total = field(shards, "total", 0);
    assert_ne!(total, &0);
    assert_eq!(total, field(shards, "successful", 1));
    assert_eq!(field(shards, "failed", 2), &0);
    let hits = field(&value, "hits", 2);
    assert_eq!(field(field(hits, "total", 0), "relation", 1), &"eq");
    let found = field(hits, "hits", 1).as_array().map_or(0, Vec::len);
    assert_eq!(documents, found);
}

/// Decodes the input as the response to a request for the index statistics, and checks an accepted
/// response.
pub(crate) fn run_statistics(body: &[u8]) {
    let Some(statistics) = statistics_response(body) else {
        return;
    };
    assert_ne!(statistics.shards, 0);
    let Ok(value) = serde_json::from_slice::<Value>(body) else {
        return;
    };
    let indices = field(&value, "indices", 0)
        .as_object()
        .expect("there is an index");
    let (name, index) = indices.iter().next().expect("there is one index");
    assert_eq!((indices.len(), name), (1, &statistics.index));
    assert_eq!(field(index, "uuid", 0), statistics.uuid.as_str());
    let shards = field(index, "shards", 1)
        .as_object()
        .expect("there are shards");
    assert_eq!(shards.len(), statistics.shards as usize);
    let (mut documents, mut is_at_rest) = (0_u64, true);
    for copies in shards.values() {
        let copies = copies.as_array().expect("a shard has copies").iter();
        let primaries =
            copies.filter(|copy| field(field(copy, "routing", 0), "primary", 0) == true);
        let [primary] = &primaries.collect::<Vec<_>>()[..] else {
            panic!("a shard without exactly one primary was accepted: {shards:?}");
        };
        let count = field(field(primary, "docs", 1), "count", 0);
        let count = count.as_u64().expect("a count");
        documents = documents.saturating_add(count);
        let numbers = field(primary, "seq_no", 3);
        is_at_rest &= field(numbers, "max_seq_no", 0) == field(numbers, "global_checkpoint", 1);
    }
    assert_eq!(documents, statistics.documents);
    assert_eq!(is_at_rest, statistics.is_at_rest);
}
