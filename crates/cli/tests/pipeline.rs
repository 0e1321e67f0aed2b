//! Tests on a real node that the ingest pipeline and the mapping accept only valid documents, and
//! that each stored document states every default value explicitly.

use std::time::Duration;

use opensearch_directives::document::{DecodeLimits, Document, Rejection, decode};
use opensearch_directives::{Clock as _, SystemClock};
use serde_json::{Value, json};

use crate::support::http;
use crate::support::in_hours;
use crate::support::instant;
use crate::support::node::{installed_index, shared_url};

/// Returns the cases of `pipeline_cases.json`, with dates relative to today in place of the
/// placeholders for dates.
fn pipeline_cases() -> Vec<Value> {
    let date = |days: i64| in_hours(24 * days)[..10].to_owned();
    let cases = include_str!("data/pipeline_cases.json")
        .replace("TOMORROW", &date(1))
        .replace("NEXTWEEK", &date(7));
    serde_json::from_str(&cases).unwrap()
}

/// Decodes a stored document as a proxy does, but accepts every time to live.
fn as_a_proxy(id: &str, source: &Value) -> Result<Document, Rejection> {
    let limits = DecodeLimits {
        now: SystemClock.now(),
        max_ttl: Duration::MAX,
    };
    decode(id, &source.to_string(), &limits).map(|document| document.to_document())
}

#[tokio::test]
async fn the_pipeline_accepts_valid_documents_and_refuses_all_others() {
    let url = shared_url();
    let index = installed_index(&url, "pipeline").await;
    let cases = pipeline_cases();
    assert!(cases.len() > 250);
    let mut wrong = Vec::new();
    for case in &cases {
        let (method, path) = match case["id"].as_str() {
            Some(id) => ("PUT", format!("{url}/{index}/_doc/{id}")),
            None => ("POST", format!("{url}/{index}/_doc")),
        };
        http::send("DELETE", &path, None).await;
        let (status, response) = http::send(method, &path, Some(&case["body"])).await;
        let reason = response["error"]["caused_by"]["reason"]
            .as_str()
            .unwrap_or_default();
        let named = match case["field"].as_str() {
            Some(field) => reason.starts_with(&format!("{field}: ")),
            None => true,
        };
        if status != case["status"] || !named {
            wrong.push(format!("{}: {status} {reason}", case["name"]));
        } else if status == 201 {
            // A proxy must accept every document that the ingest pipeline has stored.
            let source = http::get(&path).await.1["_source"].clone();
            if let Err(rejection) = as_a_proxy("case", &source) {
                wrong.push(format!("{}: a proxy says {rejection}", case["name"]));
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "{} of {}:\n{}",
        wrong.len(),
        cases.len(),
        wrong.join("\n")
    );
}

/// A directive that the test has written through the ingest pipeline into a new index.
struct Written {
    url: String,
    index: String,
}

impl Written {
    async fn new(prefix: &str, body: Value) -> Self {
        let url = shared_url();
        let index = installed_index(&url, prefix).await;
        let written = Self { url, index };
        assert_eq!(http::put(&written.document(), &body).await.0, 201);
        written
    }

    fn document(&self) -> String {
        format!("{}/{}/_doc/a?refresh=true", self.url, self.index)
    }

    async fn source(&self) -> Value {
        let path = format!("{}/{}/_doc/a", self.url, self.index);
        http::get(&path).await.1["_source"].clone()
    }

    /// Sends an `_update` request for the directive. Returns the status of the response, and the
    /// reason if the ingest pipeline refused the update.
    async fn update(&self, body: &Value) -> (u16, String) {
        let path = format!("{}/{}/_update/a?refresh=true", self.url, self.index);
        let (status, response) = http::send("POST", &path, Some(body)).await;
        let reason = &response["error"]["caused_by"]["reason"];
        (status, reason.as_str().unwrap_or_default().to_owned())
    }
}

#[tokio::test]
async fn a_short_draft_is_stored_explicitly() {
    let draft = json!({"level": "Shape", "tenant": "acme", "endpoint": "Search"});
    let written = Written::new("explicit", draft).await;
    let source = written.source().await;
    for (field, value) in [
        ("targets", json!(["tenant", "endpoint"])),
        ("sample_per_mille", json!(1000)),
        ("starts_at", source["created_at"].clone()),
        ("revoked", json!(false)),
        ("updated_by", json!("unknown")),
    ] {
        assert_eq!(source[field], value, "{field}");
    }
    let document = as_a_proxy("a", &source).unwrap();
    assert_eq!(document.directive.starts_at, None, "it applies at once");
    let updated_at = document.audit.updated_at.unwrap();
    let ttl = document.directive.expires_at.duration_since(updated_at);
    assert_eq!(ttl.as_secs(), 900, "the default of the cluster");
}

#[tokio::test]
async fn a_script_that_removes_a_target_or_a_rate_does_not_widen_a_directive() {
    let draft = json!({
        "level": "Shape", "tenant": "acme", "sample_per_mille": 1, "ttl_secs": 600,
    });
    let written = Written::new("narrow", draft).await;
    let before = written.source().await;
    for (fields, named) in [
        ("tenant", "tenant"),
        ("targets", "targets"),
        ("sample_per_mille", "sample_per_mille"),
        ("starts_at", "starts_at"),
        ("expires_at", "expires_at"),
        ("revoked", "revoked"),
        // If an update removes the tenant and the list of targets, the ingest pipeline must report
        // that the list of targets is missing. The remaining fields show the pipeline that the
        // document is a stored one and not a draft.
        ("tenant targets", "targets"),
    ] {
        let script: String = fields
            .split(' ')
            .map(|field| format!("ctx._source.remove('{field}');"))
            .collect();
        let script = json!({"script": {"source": script}});
        let (status, reason) = written.update(&script).await;
        assert_eq!(status, 400, "{fields}: {reason}");
        assert!(reason.starts_with(&format!("{named}: ")), "{reason}");
        let path = format!("{}/{}/_update_by_query", written.url, written.index);
        let (status, _) = http::send("POST", &path, Some(&script)).await;
        assert_eq!(status, 400, "{fields}");
    }
    assert_eq!(written.source().await, before);
    // The ingest pipeline must accept a partial update that adds a target, because an additional
    // target narrows the directive.
    let (status, reason) = written.update(&json!({"doc": {"index": "orders"}})).await;
    assert_eq!(status, 200, "{reason}");
    let targets = &written.source().await["targets"];
    assert_eq!(*targets, json!(["tenant", "index"]));
}

#[tokio::test]
async fn revoking_by_either_field_revokes() {
    for (update, revoked_at) in [
        (json!({"revoked": true, "author": "bob"}), None),
        (
            json!({"revoked_at": "2030-01-01T00:00:00Z"}),
            Some("2030-01-01T00:00:00Z"),
        ),
    ] {
        let draft = json!({"level": "Shape", "ttl_secs": 600});
        let written = Written::new("revoke", draft).await;
        let (status, reason) = written.update(&json!({ "doc": update })).await;
        assert_eq!(status, 200, "{reason}");
        let source = written.source().await;
        assert_eq!(source["revoked"], true);
        let time = revoked_at.map_or(source["updated_at"].clone(), Value::from);
        assert_eq!(source["revoked_at"], time);
        assert!(as_a_proxy("a", &source).unwrap().revoked);
        // A partial update must not be able to reactivate a revoked directive.
        let back = json!({"doc": {"revoked": false}});
        written.update(&back).await;
        assert_eq!(written.source().await["revoked"], true);
    }
}

#[tokio::test]
async fn no_write_keeps_the_name_of_the_former_author() {
    let draft = json!({"level": "Shape", "ttl_secs": 600, "updated_by": "ann"});
    let written = Written::new("names", draft).await;
    assert_eq!(written.source().await["updated_by"], "ann");
    let (status, reason) = written.update(&json!({"doc": {"level": "Off"}})).await;
    assert_eq!(status, 200, "{reason}");
    assert_eq!(written.source().await["updated_by"], "unknown");
    let by_bob = json!({"doc": {"level": "Shape", "author": "bob"}});
    let (status, reason) = written.update(&by_bob).await;
    assert_eq!(status, 200, "{reason}");
    let source = written.source().await;
    assert_eq!(source["updated_by"], "bob");
    assert!(source.get("author").is_none());
    // The ingest pipeline must accept a stored document that a client writes back unchanged.
    assert_eq!(http::put(&written.document(), &source).await.0, 200);
    assert_eq!(written.source().await["updated_by"], "unknown");
}

#[tokio::test]
async fn an_id_that_no_path_can_carry_is_refused_by_the_cluster() {
    let url = shared_url();
    let index = installed_index(&url, "ids").await;
    for id in [".", "..", "a\tb", "a\nb", "a\u{7f}", "a\u{85}"] {
        let action = json!({"index": {"_index": index, "_id": id}});
        let document = json!({"level": "Shape", "ttl_secs": 600});
        let (_, response) = http::send_lines(&url, format!("{action}\n{document}\n")).await;
        let error = &response["items"][0]["index"]["error"]["caused_by"]["reason"];
        let error = error.as_str().unwrap_or_default();
        assert!(error.starts_with("id: "), "{id:?}: {response}");
    }
}

#[tokio::test]
async fn the_pipeline_makes_the_expiry_absolute_by_the_clusters_clock() {
    let body = json!({"level": "Shape", "ttl_secs": 90, "updated_at": "2001-01-01T00:00:00Z"});
    let written = Written::new("stamps", body).await;
    let source = written.source().await;
    let ttl = instant(&source["expires_at"]).duration_since(instant(&source["updated_at"]));
    assert_eq!(ttl.as_secs(), 90);
    assert_eq!(source["created_at"], source["updated_at"]);
    assert!(source.get("ttl_secs").is_none());
}

#[tokio::test]
async fn the_index_has_the_settings_of_the_template() {
    let url = shared_url();
    let index = installed_index(&url, "settings").await;
    let (_, response) = http::get(&format!("{url}/{index}?flat_settings=true")).await;
    let there = &response[&index];
    for (setting, value) in [
        ("index.number_of_shards", "1"),
        ("index.auto_expand_replicas", "0-1"),
        ("index.refresh_interval", "1s"),
        ("index.default_pipeline", "directives"),
        ("index.mapping.coerce", "false"),
    ] {
        assert_eq!(there["settings"][setting], value, "{setting}");
    }
    assert_eq!(there["mappings"]["dynamic"], "strict");
}
