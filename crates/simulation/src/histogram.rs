//! Executes `histogram` aggregations on `_seq_no`, with two peculiarities of OpenSearch. OpenSearch
//! drops a whole bucket if the start of the bucket is outside `hard_bounds`. OpenSearch refuses a
//! request whose histogram has too many buckets.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::Value;

/// The default of `search.max_buckets`, the largest number of buckets in a response of OpenSearch.
pub(crate) const MAX_BUCKETS: usize = 65_535;

/// Returns the histogram of `numbers` as JSON. Each bucket of the histogram contains only the
/// fields that `filter_path` selects. Returns `None` if the histogram has more buckets than the
/// server permits.
pub(crate) fn histogram(
    aggregation: &Value,
    numbers: impl Iterator<Item = u64>,
    filter_path: &str,
    max_buckets: usize,
) -> Option<String> {
    let histogram = &aggregation["histogram"];
    assert_eq!(histogram["field"], "_seq_no");
    let interval = histogram["interval"].as_u64().unwrap();
    let least = histogram["min_doc_count"].as_u64().unwrap();
    let bound = |name: &str, of: &str| histogram[name][of].as_u64();
    let mut buckets: BTreeMap<u64, (u64, u64)> = BTreeMap::new();
    for number in numbers {
        let (count, sum) = buckets.entry(number - number % interval).or_default();
        *count += 1;
        *sum += number;
    }
    // OpenSearch drops a whole bucket even if only the start of the bucket is outside
    // `hard_bounds`.
    let min = bound("hard_bounds", "min").unwrap_or(0);
    let max = bound("hard_bounds", "max").unwrap_or(u64::MAX);
    buckets.retain(|key, _| (min..=max).contains(key));
    if least == 0 {
        let from = bound("extended_bounds", "min").or(buckets.keys().next().copied());
        let to = bound("extended_bounds", "max").or(buckets.keys().last().copied());
        if let (Some(from), Some(to)) = (from, to) {
            for key in (from / interval..=to / interval).map(|nth| nth * interval) {
                buckets.entry(key).or_default();
            }
        }
    }
    if buckets.len() > max_buckets {
        return None;
    }
    let selected = |field: &str| filter_path.contains(&format!(".buckets.{field}"));
    let mut json = String::from(r#"{"buckets":["#);
    for (nth, (key, (count, sum))) in buckets.iter().enumerate() {
        let mut fields = Vec::new();
        if selected("key") {
            fields.push(format!(r#""key":{key}.0"#));
        }
        if selected("doc_count") {
            fields.push(format!(r#""doc_count":{count}"#));
        }
        if selected("s.value") && aggregation["aggs"]["s"]["sum"]["field"] == "_seq_no" {
            fields.push(format!(r#""s":{{"value":{sum}.0}}"#));
        }
        let comma = if nth > 0 { "," } else { "" };
        let _ = write!(json, "{comma}{{{}}}", fields.join(","));
    }
    json.push_str("]}");
    Some(json)
}

/// Returns true if a query on `_seq_no` selects the documents whose `_seq_no` is `number`.
pub(crate) fn selects(query: &Value, number: u64) -> bool {
    if let Some(clauses) = query["bool"]["should"].as_array() {
        return clauses.iter().any(|clause| selects(clause, number));
    }
    if let Some(numbers) = query["terms"]["_seq_no"].as_array() {
        return numbers.iter().any(|one| one.as_u64() == Some(number));
    }
    if query.is_null() {
        return true;
    }
    let range = &query["range"]["_seq_no"];
    assert!(range.is_object(), "the model does not know {query}");
    let bound = |name: &str| range[name].as_u64();
    bound("gt").is_none_or(|bound| number > bound)
        && bound("gte").is_none_or(|bound| number >= bound)
        && bound("lt").is_none_or(|bound| number < bound)
}
