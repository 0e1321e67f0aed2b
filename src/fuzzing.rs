//! Entry points for the fuzz targets in `fuzz/`. Only `cargo fuzz` compiles this file.

use crate::rest::{Complete, SearchResponse};

/// Parses bytes as the response of a search. If the parser accepts the response as complete, the
/// function checks that every part of the JSON confirms the completeness.
pub fn search_response(body: &[u8]) {
    let Ok(response) = serde_json::from_slice::<SearchResponse<'_>>(body) else {
        return;
    };
    let Ok(Complete { hits, .. }) = response.complete() else {
        return;
    };
    // `serde_json::Value` refuses more input than the typed parser, for example invalid UTF-8 in an
    // ignored field.
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
