//! Tests `directives init` on clusters that already have other templates, availability zones or an
//! old index.

use std::time::Duration;

use opensearch_directives::document::{DecodeLimits, decode};
use opensearch_directives::{Clock as _, SystemClock};
use serde_json::{Value, json};

use crate::support::command::{Ran, run};
use crate::support::http::{self, bulk};
use crate::support::in_hours;
use crate::support::node::{shared_url, unique_index};

/// Runs `directives init` on a blocking thread, so that the test's tokio runtime can continue.
pub(crate) async fn init(url: &str, index: &str, args: &[&str]) -> Ran {
    let (url, index) = (url.to_owned(), index.to_owned());
    let args: Vec<String> = args.iter().map(|arg| (*arg).to_owned()).collect();
    let ran = tokio::task::spawn_blocking(move || {
        let mut all = vec!["init"];
        all.extend(args.iter().map(String::as_str));
        run(&url, &index, &all)
    });
    ran.await.unwrap()
}

async fn template(url: &str, name: &str, body: &Value) {
    let path = format!("{url}/_index_template/{name}");
    assert_eq!(http::put(&path, body).await.0, 200);
}

pub(crate) async fn index_of(url: &str, index: &str) -> Value {
    let (_, response) = http::get(&format!("{url}/{index}?flat_settings=true")).await;
    response[index].clone()
}

#[tokio::test]
async fn a_foreign_template_of_a_higher_priority_does_not_change_the_index() {
    let url = shared_url();
    let index = unique_index("foreign");
    let foreign = json!({
        "index_patterns": ["foreign-*"], "priority": 1000,
        "template": {"settings": {"index.number_of_shards": 3}},
    });
    let name = format!("{index}-theirs");
    template(&url, &name, &foreign).await;
    init(&url, &index, &[]).await.ok();
    let made = index_of(&url, &index).await;
    for (setting, value) in [
        ("index.number_of_shards", "1"),
        ("index.default_pipeline", "directives"),
    ] {
        assert_eq!(made["settings"][setting], value, "{setting}");
    }
    assert_eq!(made["mappings"]["dynamic"], "strict");
    // `init` must refuse an index with a final pipeline, because a final pipeline runs after the
    // project's ingest pipeline and could undo its checks.
    http::send("DELETE", &format!("{url}/{index}"), None).await;
    let mut foreign = foreign;
    foreign["template"]["settings"]["index.final_pipeline"] = "directives".into();
    template(&url, &name, &foreign).await;
    let ran = init(&url, &index, &[]).await;
    http::send("DELETE", &format!("{url}/_index_template/{name}"), None).await;
    assert_eq!(ran.code, 1);
    assert!(
        ran.stderr.contains("index.final_pipeline"),
        "{}",
        ran.stderr
    );
    assert!(ran.stderr.contains("higher priority"), "{}", ran.stderr);
}

#[tokio::test]
async fn a_template_of_equal_priority_is_refused_with_the_remedy() {
    let url = shared_url();
    let index = unique_index("equal");
    let name = format!("{index}-theirs");
    let equal = json!({
        "index_patterns": [format!("{index}*")], "priority": 500,
        "template": {"settings": {"index.number_of_shards": 3}},
    });
    template(&url, &name, &equal).await;
    let ran = init(&url, &index, &[]).await;
    assert_eq!(ran.code, 5);
    assert!(ran.stderr.contains("--template-priority"), "{}", ran.stderr);
    init(&url, &index, &["--template-priority", "501"])
        .await
        .ok();
    // A later run of `init` without `--template-priority` must keep the priority of the index
    // template.
    let again = init(&url, &index, &[]).await.ok();
    assert!(
        again.stdout.contains("keep   index template"),
        "{}",
        again.stdout
    );
    http::send("DELETE", &format!("{url}/_index_template/{name}"), None).await;
}

/// Returns version 1 of the index mapping. Documents stored with version 1 omit fields with default
/// values.
fn earlier_mapping() -> Value {
    let mut template: Value =
        serde_json::from_str(include_str!("../../../mappings/index-template.json")).unwrap();
    let mut mappings = template["template"]["mappings"].take();
    let properties = mappings["properties"].as_object_mut().unwrap();
    for field in ["targets", "revoked", "owner", "revoked_reason"] {
        properties.remove(field).unwrap();
    }
    mappings
}

#[tokio::test]
async fn an_index_of_an_earlier_version_is_converted_although_some_documents_have_expired() {
    let url = shared_url();
    let index = unique_index("earlier");
    let body = json!({"settings": {"number_of_shards": 1}, "mappings": earlier_mapping()});
    assert_eq!(http::put(&format!("{url}/{index}"), &body).await.0, 200);
    let documents = [
        (
            "live",
            json!({"tenant": "acme", "expires_at": in_hours(1), "created_at": in_hours(-1)}),
        ),
        (
            "slow",
            json!({"sample_per_mille": 1, "expires_at": in_hours(1), "created_at": in_hours(-1)}),
        ),
        (
            "later",
            json!({"starts_at": in_hours(1), "expires_at": in_hours(2), "created_at": in_hours(-1)}),
        ),
        (
            "expired",
            json!({"expires_at": in_hours(-1), "created_at": in_hours(-2)}),
        ),
        (
            "revoked",
            json!({"expires_at": in_hours(-1), "revoked_at": in_hours(-2)}),
        ),
    ];
    let mut lines = String::new();
    for (id, fields) in &documents {
        let mut document = fields.clone();
        document["level"] = "Shape".into();
        document["updated_by"] = "ann".into();
        lines.push_str(&format!(
            "{}\n{document}\n",
            json!({"index": {"_index": index, "_id": id}})
        ));
    }
    bulk(&url, lines).await;
    let warned = init(&url, &index, &[]).await.ok();
    assert!(
        warned.stdout.contains("5 documents not in the stored form"),
        "{}",
        warned.stdout
    );
    let dry = init(&url, &index, &["--upgrade", "--dry-run"]).await.ok();
    assert!(dry.stdout.contains("convert 5 documents"), "{}", dry.stdout);
    let ran = init(&url, &index, &["--upgrade"]).await.ok();
    assert!(ran.stdout.contains("convert 5 documents"), "{}", ran.stdout);
    let limits = DecodeLimits {
        now: SystemClock.now(),
        max_ttl: Duration::MAX,
    };
    for (id, fields) in &documents {
        let (_, found) = http::get(&format!("{url}/{index}/_doc/{id}")).await;
        let source = found["_source"].to_string();
        let document = decode(id, &source, &limits).unwrap_or_else(|e| panic!("{id}: {e}"));
        let document = document.to_document();
        assert_eq!(document.revoked, fields.get("revoked_at").is_some(), "{id}");
        assert_eq!(
            document.directive.match_.tenant.as_deref(),
            fields["tenant"].as_str()
        );
        let rate = fields["sample_per_mille"].as_u64().unwrap_or(1000);
        assert_eq!(u64::from(document.directive.sample_per_mille), rate, "{id}");
        assert_eq!(
            document.directive.starts_at.is_some(),
            *id == "later",
            "{id}"
        );
        assert_eq!(document.audit.updated_by.as_deref(), Some("ann"), "{id}");
    }
    // A second run of `init --upgrade` must succeed and convert no document.
    let again = init(&url, &index, &["--upgrade"]).await.ok();
    assert!(
        again.stdout.contains("convert 0 documents"),
        "{}",
        again.stdout
    );
}
