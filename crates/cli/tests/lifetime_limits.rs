//! Tests that a later `directives init` keeps the lifetime limits and the number of replicas. Also
//! tests that the lifetime limits apply to every writer, even to one that does not use the command.

use serde_json::{Value, json};

use super::init::{index_of, init};
use crate::support::command::{run, run_with};
use crate::support::http;
use crate::support::in_hours;
use crate::support::instant;
use crate::support::node::Node;

/// Writes a directive with an HTTP request to OpenSearch, without the command. Returns the status
/// of the response, and the reason if the ingest pipeline refused the write.
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
    // A later run of `init` without flags for the lifetime limits must keep the limits of the first
    // run.
    let again = init(url, "directives", &[]).await.ok();
    assert!(
        again.stdout.contains("keep   ingest pipeline"),
        "{}",
        again.stdout
    );
    let (status, reason) = write(url, &json!({"level": "Shape"})).await;
    assert_eq!(status, 201, "{reason}");
    let source = http::get(&format!("{url}/directives/_doc/a")).await.1["_source"].clone();
    assert_eq!(
        instant(&source["expires_at"])
            .duration_since(instant(&source["updated_at"]))
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
    // An operator must be able to revoke a directive whose time to live exceeds the maximum,
    // because an administrator may have lowered the maximum later.
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
        beyond.stdout.contains("proxies reject more"),
        "{}",
        beyond.stdout
    );
    what_proxies_reject_is_warned_of(url);
}

/// Tests that the command obeys the lifetime limits of the cluster. The caller must have set
/// these lifetime limits, a default of 10 minutes, a maximum of one day, and a maximum of one hour
/// for a directive that captures requests.
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
        instant(&document["expires_at"])
            .duration_since(instant(&document["updated_at"]))
            .as_secs()
    };
    apply("default", "").ok();
    assert_eq!(length("default"), 600);
    for (args, says) in [
        (
            "--ttl 2d",
            "--ttl 2d exceeds the maximum of 1d; raise it for this cluster with `directives init",
        ),
        (
            "--ttl 1h --max-ttl 30m",
            "--ttl 1h exceeds the maximum of 30m; raise it with --max-ttl",
        ),
        (
            "--max-ttl 2d",
            "--max-ttl 2d exceeds the maximum of this cluster, 1d",
        ),
        (
            "--ttl 2h --capture --reason r --yes",
            "--ttl 2h exceeds the maximum of 1h for a capture",
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
    assert_eq!(refused.code, 2, "{}", refused.stdout);
    assert!(
        refused.stdout.contains("the maximum of 1d"),
        "{}",
        refused.stdout
    );
}

/// The command must apply a directive that lives longer than proxies with default settings permit,
/// and must print a warning.
fn what_proxies_reject_is_warned_of(url: &str) {
    let line = "apply far --level Shape --tenant acme --ttl 60d";
    let words: Vec<&str> = line.split_whitespace().collect();
    let ran = run(url, "directives", &words).ok();
    assert!(ran.stdout.starts_with("created far"), "{}", ran.stdout);
    assert!(
        ran.stderr
            .contains("its expiry is more than 30d in the future, so proxies reject it"),
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

/// The test starts its own node, because the lifetime limits and the availability zones concern the
/// whole cluster.
#[tokio::test]
async fn lifetime_limits_and_replicas_are_set_once() {
    let node = Node::start_with(&["--setting", "node.attr.zone=a"]);
    bounds_are_set_once_and_hold_for_curl(&node.url()).await;
    zones_need_a_number_of_replicas(&node.url()).await;
}
