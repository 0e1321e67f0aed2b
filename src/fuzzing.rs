//! Entry points for fuzz targets. Built by `cargo fuzz` only.

use crate::rest::{Complete, SearchResponse};

/// Parses bytes as the response of a search. A response counts as complete only if it says so
/// itself.
pub fn search_answer(body: &[u8]) {
    let Ok(response) = serde_json::from_slice::<SearchResponse<'_>>(body) else {
        return;
    };
    let Ok(Complete { hits, .. }) = response.complete() else {
        return;
    };
    // `serde_json::Value` refuses more than the typed parser does, for example invalid UTF-8 in a
    // field that is ignored.
    let Ok(value) = serde_json::from_slice::<serde_json::Value>(body) else {
        return;
    };
    assert_eq!(value["timed_out"], false);
    assert_eq!(value["_shards"]["failed"], 0);
    assert_eq!(value["_shards"]["total"], value["_shards"]["successful"]);
    assert_ne!(value["_shards"]["total"], 0);
    assert_eq!(value["hits"]["total"]["relation"], "eq");
    assert_eq!(
        hits.len(),
        value["hits"]["hits"].as_array().map_or(0, Vec::len)
    );
}
