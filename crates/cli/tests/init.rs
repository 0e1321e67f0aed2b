//! Tests `directives init` on clusters that already have templates, availability zones or an old
//! index.

use std::time::Duration;

use opensearch_directives::document::{DecodeLimits, decode};
use opensearch_directives::{Clock as _, SystemClock};
use serde_json::{Value, json};

use crate::support::command::{Ran, run, run_with};
use crate::support::http::{self, bulk};
use crate::support::in_hours;
use crate::support::node::{Node, shared_url, unique_index};

/// Runs the command on another thread, so that the test's runtime is not blocked.
async fn init(url: &str, index: &str, args: &[&str]) -> Ran {
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

async fn index_of(url: &str, index: &str) -> Value {
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
    // `init` refuses a final pipeline of the index, because it would run after the project's
    // pipeline and could undo its checks.
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
    // A later run of `init` without the flag keeps the priority.
    let again = init(&url, &index, &[]).await.ok();
    assert!(
        again.stdout.contains("keep   index template"),
        "{}",
        again.stdout
    );
    http::send("DELETE", &format!("{url}/_index_template/{name}"), None).await;
}

/// The mapping of version 1. In documents of version 1, fields with default values were omitted.
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
        warned
            .stdout
            .contains("5 documents are not in the stored form"),
        "{}",
        warned.stdout
    );
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
    // A second run of the conversion succeeds and converts nothing.
    let again = init(&url, &index, &["--upgrade"]).await.ok();
    assert!(
        again.stdout.contains("convert 0 documents"),
        "{}",
        again.stdout
    );
}

/// Writes a directive. Returns the status and, if the write was refused, the reason.
async fn write(url: &str, body: &Value) -> (u16, String) {
    let path = format!("{url}/directives/_doc/a");
    let (status, response) = http::put(&path, body).await;
    let reason = &response["error"]["caused_by"]["reason"];
    (status, reason.as_str().unwrap_or_default().to_owned())
}

async fn bounds_are_set_once_and_hold_for_curl(url: &str) {
    let bounds = [
        "--default-ttl",
        "10m",
        "--max-ttl",
        "7d",
        "--max-capture-ttl",
        "1h",
    ];
    init(url, "directives", &bounds).await.ok();
    // A later run of `init` without the flags keeps the lifetime limits.
    let again = init(url, "directives", &[]).await.ok();
    assert!(
        again.stdout.contains("keep   ingest pipeline"),
        "{}",
        again.stdout
    );
    let (status, reason) = write(url, &json!({"level": "Shape"})).await;
    assert_eq!(status, 201, "{reason}");
    let source = http::get(&format!("{url}/directives/_doc/a")).await.1["_source"].clone();
    let time =
        |field: &str| -> jiff::Timestamp { source[field].as_str().unwrap().parse().unwrap() };
    assert_eq!(
        time("expires_at")
            .duration_since(time("updated_at"))
            .as_secs(),
        600
    );
    for (body, bound) in [
        (json!({"level": "Shape", "ttl_secs": 604_801}), "max_ttl"),
        (
            json!({"level": "Shape", "expires_at": in_hours(24 * 8)}),
            "max_ttl",
        ),
        (
            json!({"level": "Shape", "ttl_secs": 3_601, "capture": true}),
            "max_capture_ttl",
        ),
    ] {
        let (status, reason) = write(url, &body).await;
        assert_eq!(status, 400, "{body}");
        assert!(reason.contains(bound), "{reason}");
    }
    // A directive can still be revoked after the maximum was lowered below the directive's time to
    // live.
    assert_eq!(
        write(url, &json!({"level": "Shape", "ttl_secs": 604_800}))
            .await
            .0,
        200
    );
    init(url, "directives", &["--max-ttl", "1d"]).await.ok();
    let revoke = json!({"doc": {"revoked": true, "author": "ann"}});
    let path = format!("{url}/directives/_update/a");
    assert_eq!(http::send("POST", &path, Some(&revoke)).await.0, 200);
    let contradiction = init(url, "directives", &["--default-ttl", "2d"]).await;
    assert_eq!(contradiction.code, 2);
    assert!(
        contradiction.stderr.contains("--max-ttl"),
        "{}",
        contradiction.stderr
    );
    the_command_keeps_the_lifetime_limits(url);
    let beyond = init(url, "directives", &["--max-ttl", "90d"]).await.ok();
    assert!(
        beyond.stdout.contains("proxies refuse more"),
        "{}",
        beyond.stdout
    );
    what_proxies_reject_is_warned_of(url);
}

/// At this point, the lifetime limits of the cluster are: 10 minutes by default, one day at most,
/// and one hour at most for a capture.
fn the_command_keeps_the_lifetime_limits(url: &str) {
    let apply = |id: &str, args: &str| {
        let line = format!("apply {id} --level Shape --tenant acme {args}");
        let words: Vec<&str> = line.split_whitespace().collect();
        run(url, "directives", &words)
    };
    let length = |id: &str| {
        let document = run(url, "directives", &["get", id, "-o", "json"])
            .ok()
            .json();
        let time =
            |field: &str| -> jiff::Timestamp { document[field].as_str().unwrap().parse().unwrap() };
        time("expires_at")
            .duration_since(time("updated_at"))
            .as_secs()
    };
    apply("default", "").ok();
    assert_eq!(length("default"), 600);
    for (args, says) in [
        (
            "--ttl 2d",
            "--ttl 2d exceeds the maximum of 1d (set for this cluster by `directives init",
        ),
        (
            "--ttl 1h --max-ttl 30m",
            "--ttl 1h exceeds the maximum of 30m (--max-ttl)",
        ),
        (
            "--max-ttl 2d",
            "--max-ttl 2d exceeds the maximum of this cluster, 1d",
        ),
        (
            "--ttl 2h --capture --reason r --yes",
            "--ttl 2h exceeds the maximum for a capture of 1h",
        ),
    ] {
        let ran = apply("other", args);
        assert_eq!(ran.code, 2, "{args}: {}", ran.stderr);
        assert!(ran.stderr.contains(says), "{args}: {}", ran.stderr);
    }
    let extend = ["extend", "default", "--by", "2d"];
    let extended = run(url, "directives", &extend);
    assert_eq!(extended.code, 2, "{}", extended.stderr);
    assert!(
        extended.stderr.contains("the maximum of 1d"),
        "{}",
        extended.stderr
    );

    let file = r#"{"id":"file","level":"Shape","tenant":"acme","ttl_secs":172800}"#;
    let validate = |args: &[&str]| {
        let all = [&["validate", "-f", "-"], args].concat();
        run_with(url, "directives", &all, file)
    };
    validate(&[]).ok();
    let refused = validate(&["--with-cluster"]);
    assert_eq!(refused.code, 2, "{}", refused.stderr);
    assert!(
        refused.stderr.contains("the maximum of 1d"),
        "{}",
        refused.stderr
    );
}

/// If proxies with default settings would reject a directive, the command applies it with a
/// warning.
fn what_proxies_reject_is_warned_of(url: &str) {
    let line = "apply far --level Shape --tenant acme --ttl 60d";
    let words: Vec<&str> = line.split_whitespace().collect();
    let ran = run(url, "directives", &words).ok();
    assert!(ran.stdout.starts_with("created far"), "{}", ran.stdout);
    assert!(
        ran.stderr
            .contains("it ends more than 30d ahead, and proxies reject it"),
        "{}",
        ran.stderr
    );
}

async fn zones_need_a_number_of_replicas(url: &str) {
    let zones = json!({"persistent": {
        "cluster.routing.allocation.awareness.attributes": "zone",
        "cluster.routing.allocation.awareness.force.zone.values": "a,b,c",
        "cluster.routing.allocation.awareness.balance": true,
    }});
    let path = format!("{url}/_cluster/settings");
    assert_eq!(http::put(&path, &zones).await.0, 200);
    let ran = init(url, "zones", &[]).await;
    assert_eq!(ran.code, 5);
    assert!(ran.stderr.contains("--replicas"), "{}", ran.stderr);
    init(url, "zones", &["--replicas", "2"]).await.ok();
    let made = index_of(url, "zones").await;
    assert_eq!(made["settings"]["index.number_of_replicas"], "2");
    assert_eq!(made["settings"]["index.auto_expand_replicas"], "false");
    let again = init(url, "zones", &[]).await.ok();
    assert!(
        again.stdout.contains("keep   index template"),
        "{}",
        again.stdout
    );
}

/// The lifetime limits and the availability zones concern the whole cluster, so this test starts a
/// node of its own.
#[tokio::test]
async fn lifetime_limits_and_replicas_are_set_once() {
    let node = Node::start_with(&["--setting", "node.attr.zone=a"]);
    bounds_are_set_once_and_hold_for_curl(&node.url()).await;
    zones_need_a_number_of_replicas(&node.url()).await;
}
