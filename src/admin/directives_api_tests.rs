//! Tests which stored documents count as revoked, and how the client reports a write whose outcome it
//! cannot find out.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::sync::Mutex;

use serde_json::{Value, json};

use super::*;
use crate::http::Response;
use crate::http::scripted_transport::{body_of, complete_search, json_response, scripted_client};
use opensearch_directives_core::document::is_revoked;

/// Returns a stored document with the given fields in addition to the required ones.
fn document(fields: &Value) -> Value {
    let mut document = json!({
        "targets": [], "level": "Shape", "sample_per_mille": 1000,
        "starts_at": "2030-01-01T12:00:00Z", "expires_at": "2030-01-01T12:20:00Z",
    });
    let fields = fields.as_object().unwrap().clone();
    document.as_object_mut().unwrap().extend(fields);
    document
}

fn stored(source: &Value) -> Stored {
    let source = serde_json::value::to_raw_value(source).unwrap();
    let limits = DecodeLimits {
        now: "2030-01-01T12:00:00Z".parse().unwrap(),
        max_ttl: Duration::from_secs(3600),
    };
    Stored::new("d", &source, None, &limits)
}

#[test]
fn revoke_and_a_reader_agree_on_which_documents_are_revoked() {
    let at = "2030-01-01T12:05:00Z";
    for (fields, expected) in [
        (json!({}), false),
        (json!({ "revoked": false }), false),
        (json!({ "revoked": true }), true),
        (json!({ "revoked_at": at }), true),
        (json!({ "revoked": false, "revoked_at": at }), true),
        (json!({ "revoked": "no", "revoked_at": at }), true),
        (json!({ "revoked": "no" }), false),
        (json!({ "revoked": null, "revoked_at": null }), false),
        (json!({ "revoked_at": "yesterday" }), false),
    ] {
        let document = document(&fields);
        assert_eq!(is_revoked(&document.to_string()), expected, "{document}");
        assert_eq!(stored(&document).is_revoked(), expected, "{document}");
    }
}

/// Responds like an index with the directive `d`, whose mapping is older than this client. After
/// the first bulk request, the cluster does not respond any more.
fn older_index_that_fails(bulks: &Mutex<usize>, path: &str) -> Response {
    let mut bulks = bulks.lock().unwrap();
    *bulks += usize::from(path.ends_with("/_bulk"));
    if *bulks > 1 {
        return json_response(503, &json!({ "error": "no node responds" }));
    }
    let not_found = json!({ "type": "index_not_found_exception", "reason": "no such index" });
    if path.ends_with("/_mget") {
        let document = document(&json!({ "revoked": false }));
        let hit = json!({
            "_id": "d", "found": true, "_seq_no": 1, "_primary_term": 1, "_source": document,
        });
        json_response(200, &json!({ "docs": [hit] }))
    } else if path.ends_with("/_bulk") {
        let reason = "mapping set to strict, dynamic introduction of [revoked] within [_doc] is \
                      not allowed";
        let error = json!({ "type": "strict_dynamic_mapping_exception", "reason": reason });
        let item = json!({ "update": { "status": 400, "error": error } });
        json_response(200, &json!({ "errors": true, "items": [item] }))
    } else if path.starts_with("/_nodes") {
        let noon: Timestamp = "2030-01-01T12:00:00Z".parse().unwrap();
        let node = json!({ "timestamp": noon.as_millisecond() });
        json_response(200, &json!({ "nodes": { "n": node } }))
    } else {
        json_response(404, &json!({ "error": not_found, "status": 404 }))
    }
}

#[tokio::test(start_paused = true)]
async fn a_repeated_write_whose_response_is_lost_reports_the_error_of_its_request() {
    let bulks = Arc::new(Mutex::new(0));
    let counted = Arc::clone(&bulks);
    let client =
        scripted_client(move |request| Ok(older_index_that_fails(&counted, &request.path)));
    let error = DirectivesApi::new(client)
        .revoke("d", None)
        .await
        .unwrap_err();
    assert_eq!(*bulks.lock().unwrap(), 2, "{error}");
    assert!(error.is_unreachable(), "{error}");
    assert!(!error.is_refused(), "{error}");
}

#[tokio::test(start_paused = true)]
async fn an_operator_reads_more_documents_than_a_reader_permits_by_default() {
    let total = 5 * Config::DEFAULT_MAX_DOCUMENTS + 1;
    let opened = Arc::new(Mutex::new(false));
    let noted = Arc::clone(&opened);
    let client = scripted_client(move |request| {
        let path = &request.path;
        Ok(if path.contains("/_settings") {
            json_response(
                200,
                &json!({ "directives": { "settings": {
                    "index.uuid": "u", "index.number_of_shards": "1",
                }}}),
            )
        } else if path.ends_with("/_search/point_in_time") {
            *noted.lock().unwrap() = true;
            json_response(200, &json!({ "pit_id": "p" }))
        } else if path.ends_with("/_search") && body_of(request).get("pit").is_none() {
            let hit = json!({ "_id": "d", "_seq_no": 1, "_source": document(&json!({})) });
            let mut page = complete_search(total);
            page["hits"]["hits"] = json!([hit]);
            json_response(200, &page)
        } else {
            json_response(503, &json!({ "error": "the test ends here" }))
        })
    });
    let error = DirectivesApi::new(client).list().await.unwrap_err();
    assert!(
        *opened.lock().unwrap(),
        "the other pages are not read: {error}"
    );
}
