//! Runs every verb and some direct requests as a given user, and reports which operations the
//! cluster permits.

use std::sync::atomic::{AtomicU32, Ordering};

use serde_json::{Value, json};

use crate::secured_cluster::{PASSWORD, admin, admin_runs, agent, apply, applying, run, send_as};
use crate::support::command::directives;

/// The index and the data stream that the roles name.
const INDEX: &str = "directives";
const HISTORY: &str = "directives-history";
const FLEET: &str = "directives-fleet";
const FLEET_HISTORY: &str = "directives-fleet-history";
/// The operations that are tested with each role, under the same names as in the table of
/// `mappings/README.md`.
pub(crate) const CHECKS: [&str; 24] = [
    "`init --dry-run`",
    "`init`",
    "`init --history`",
    "`list`",
    "`list` of more than 10,000",
    "`get`",
    "`apply`",
    "`apply` over an older one",
    "`extend`",
    "`edit`",
    "`revoke`",
    "`sign`",
    "`verify`",
    "`delete`",
    "delete by `_bulk`",
    "`agent`",
    "`agent --record-history`",
    "`status`",
    "report to the fleet",
    "read the history",
    "write the history",
    "edit or delete the history",
    "the requests of `history`",
    "the requests of Dashboards",
];

/// Restores the state that each check expects of the index.
pub(crate) async fn prepare() {
    admin_runs(INDEX, &["init", "--history", "--fleet"]).ok();
    for id in ["kept", "ended"] {
        apply(INDEX, id, &[]);
    }
    let entry = json!({ "@timestamp": "2030-01-01T00:00:00Z" });
    let path = format!("/{HISTORY}/_doc?op_type=create&refresh=true");
    admin("POST", &path, Some(&entry)).await;
}

/// Makes the installation outdated, so that `init` needs all its permissions.
async fn outdate() {
    let path = format!("/_ingest/pipeline/{INDEX}");
    let mut pipeline = admin("GET", &path, None).await[INDEX].take();
    pipeline["version"] = 0.into();
    admin("PUT", &path, Some(&pipeline)).await;
    let _ = send_as_admin("DELETE", &format!("/_index_template/{INDEX}")).await;
    let _ = send_as_admin("DELETE", &format!("/{INDEX}")).await;
    let _ = send_as_admin("DELETE", &format!("/{FLEET}")).await;
    let _ = send_as_admin("DELETE", &format!("/_data_stream/{FLEET_HISTORY}")).await;
}

async fn send_as_admin(method: &str, path: &str) -> u16 {
    use test_support::secured_node::{ADMIN, ADMIN_PASSWORD};
    send_as((ADMIN, ADMIN_PASSWORD), method, path, None).await.0
}

/// Returns `yes`, `no`, or `in part` for an agent that works but lacks a permission.
pub(crate) async fn outcome(check: &str, user: &str) -> &'static str {
    let tried = |args: &[&str]| {
        let ran = run(user, INDEX, args);
        match ran.code {
            // A warning about the history means that the write succeeded but was not recorded.
            0 if ran.stderr.contains("history") => "in part",
            0 => "yes",
            5 => "no",
            code => panic!("{check} as {user}: {code} {}", ran.stderr),
        }
    };
    let applies = |id| tried(&applying(id));
    match check {
        "`init --dry-run`" => tried(&["init", "--fleet", "--dry-run"]),
        "`init`" => {
            outdate().await;
            let outcome = installs(user).await;
            prepare().await;
            outcome
        }
        "`init --history`" => {
            let _ = send_as_admin("DELETE", &format!("/_data_stream/{HISTORY}")).await;
            let _ = send_as_admin("DELETE", &format!("/_index_template/{HISTORY}")).await;
            let outcome = tried(&["init", "--history"]);
            prepare().await;
            outcome
        }
        "`list`" => tried(&["list"]),
        "`list` of more than 10,000" => point_in_time(user).await,
        "`get`" => tried(&["get", "kept"]),
        "`apply`" => {
            let outcome = applies("new");
            let _ = send_as_admin("DELETE", &format!("/{INDEX}/_doc/new?refresh=true")).await;
            outcome
        }
        "`apply` over an older one" => applies("kept"),
        "`extend`" => tried(&["extend", "kept", "--by", "1s"]),
        "`edit`" => {
            // Each edit writes new content, because an edit without a change would write nothing.
            static NEXT: AtomicU32 = AtomicU32::new(0);
            let ticket = format!("ticket=T-{}", NEXT.fetch_add(1, Ordering::Relaxed));
            let consents = ["--everything", "--replace", "--yes"];
            tried(&[&["edit", "kept", "--set", &ticket], &consents[..]].concat())
        }
        "`revoke`" => {
            let outcome = tried(&["revoke", "kept"]);
            apply(INDEX, "kept", &[]);
            outcome
        }
        "`sign`" => {
            // Each check uses a new key. A key that has already signed the directive would change
            // nothing.
            let folder = keys();
            let key = folder.path().join("signer.key").display().to_string();
            let outcome = tried(&["sign", "kept", "--sign-with", &key, "--yes"]);
            apply(INDEX, "kept", &[]);
            outcome
        }
        "`verify`" => {
            let folder = keys();
            let key = folder.path().join("signer.pub").display().to_string();
            tried(&["verify", "--trusted-keys", &key, "--signatures", "optional"])
        }
        "`delete`" => {
            let outcome = tried(&["delete", "ended"]);
            apply(INDEX, "ended", &[]);
            outcome
        }
        "delete by `_bulk`" => {
            let lines = "{\"delete\":{\"_id\":\"never\"}}\n";
            bulk(user, INDEX, lines).await
        }
        "`agent`" => polls(user).await,
        "`agent --record-history`" => crate::recording_agent::records(user, INDEX).await,
        "`status`" => tried(&["status"]),
        "report to the fleet" => reports(user).await,
        "read the history" => all(user, &[("POST", &format!("/{HISTORY}/_search"), "{}")]).await,
        "write the history" => {
            let lines = "{\"create\":{}}\n{\"@timestamp\":\"2030-01-01T00:00:00Z\"}\n";
            bulk(user, HISTORY, lines).await
        }
        "edit or delete the history" => {
            let query = r#"{"query":{"match_none":{}}}"#;
            let delete = format!("/{HISTORY}/_delete_by_query");
            let drop = "/_data_stream/none-of-that-name".to_owned();
            let outcomes = [
                all(user, &[("POST", &delete, query)]).await,
                all(user, &[("DELETE", &drop, "{}")]).await,
            ];
            if outcomes.contains(&"yes") {
                "yes"
            } else {
                "no"
            }
        }
        "the requests of `history`" => {
            let both = format!("/{INDEX},{HISTORY}");
            let paths = [
                format!("/_data_stream/{HISTORY}"),
                format!("{both}/_stats/docs?level=shards"),
                format!("{both}/_settings"),
            ];
            let requests = paths.each_ref().map(|path| ("GET", path.as_str(), "null"));
            all(user, &requests).await
        }
        "the requests of Dashboards" => dashboards(user).await,
        _ => panic!("no such check: {check}"),
    }
}

/// Creates the keys of a new signer.
fn keys() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let base = folder.path().join("signer");
    let made = directives().arg("keygen").arg(base).output().unwrap();
    assert!(made.status.success());
    folder
}

/// Runs `init` twice: on an outdated installation, and on an index with an incomplete mapping. The
/// two runs need different permissions.
async fn installs(user: &str) -> &'static str {
    let first = run(user, INDEX, &["init", "--fleet"]);
    if first.code != 0 {
        assert_eq!(first.code, 5, "init as {user}: {}", first.stderr);
        return "no";
    }
    let settings = json!({ "index.refresh_interval": "7s" });
    admin("PUT", &format!("/{INDEX}/_settings"), Some(&settings)).await;
    let mapping = json!({ "dynamic": "false" });
    admin("PUT", &format!("/{INDEX}/_mapping"), Some(&mapping)).await;
    let second = run(user, INDEX, &["init"]);
    match second.code {
        0 => "yes",
        5 => "no",
        code => panic!("init as {user}: {code} {}", second.stderr),
    }
}

/// Sends requests as a user, and returns `yes` if the cluster refused no request.
async fn all(user: &str, requests: &[(&str, &str, &str)]) -> &'static str {
    for (method, path, body) in requests {
        let body = if path.ends_with("_msearch") {
            Value::from(*body)
        } else {
            serde_json::from_str(body).unwrap()
        };
        let body = Some(&body).filter(|body| !body.is_null());
        let (status, response) = send_as((user, PASSWORD), method, path, body).await;
        match status {
            200 | 201 => assert_eq!(response.get("errors"), None, "{response:#}"),
            403 => return "no",
            _ => panic!("{method} {path} as {user}: {status} {response:#}"),
        }
    }
    "yes"
}

/// Sends bulk actions, each of which the cluster may refuse separately.
async fn bulk(user: &str, index: &str, lines: &str) -> &'static str {
    let path = format!("/{index}/_bulk");
    let body = Value::from(lines);
    let (status, response) = send_as((user, PASSWORD), "POST", &path, Some(&body)).await;
    if status == 403 {
        return "no";
    }
    assert_eq!(status, 200, "{response:#}");
    let item = response["items"][0]
        .as_object()
        .unwrap()
        .values()
        .next()
        .unwrap();
    if item["error"]["type"] == "security_exception" {
        return "no";
    }
    assert!(item["error"].is_null(), "{response:#}");
    "yes"
}

/// Sends the requests with which an instance reports to the fleet.
async fn reports(user: &str) -> &'static str {
    let mapping = format!("/{FLEET}/_mapping");
    let search = format!("/{FLEET}/_search");
    let stream = format!("/_data_stream/{FLEET_HISTORY}");
    let requests = [
        ("GET", &*mapping, "null"),
        ("POST", &*search, "{}"),
        ("GET", &*stream, "null"),
    ];
    if all(user, &requests).await == "no" {
        return "no";
    }
    for lines in [
        "{\"index\":{\"_id\":\"x\"}}\n{\"instance\":\"x\"}\n",
        "{\"delete\":{\"_id\":\"x\"}}\n",
    ] {
        if bulk(user, FLEET, lines).await == "no" {
            return "no";
        }
    }
    let lines = "{\"create\":{}}\n{\"@timestamp\":\"2030-01-01T00:00:00Z\"}\n";
    bulk(user, FLEET_HISTORY, lines).await
}

/// Sends the point-in-time requests that `list` and an agent need to read several pages.
async fn point_in_time(user: &str) -> &'static str {
    let login = (user, PASSWORD);
    let path = format!("/{INDEX}/_search/point_in_time?keep_alive=1m");
    let (status, opened) = send_as(login, "POST", &path, None).await;
    if status == 403 {
        return "no";
    }
    let id = &opened["pit_id"];
    let search = json!({ "pit": { "id": id } });
    let close = json!({ "pit_id": [id] });
    let path = "/_search/point_in_time";
    let requests = [("POST", "/_search", search), ("DELETE", path, close)];
    for (method, path, body) in requests {
        let (status, response) = send_as(login, method, path, Some(&body)).await;
        match status {
            200 => {}
            403 => return "no",
            _ => panic!("{method} {path} as {user}: {status} {response:#}"),
        }
    }
    "yes"
}

async fn dashboards(user: &str) -> &'static str {
    let msearch = format!("{{\"index\":\"{INDEX}\"}}\n{{\"size\":0}}\n");
    let requests = [
        ("POST", "/_msearch".to_owned(), msearch),
        ("GET", format!("/_resolve/index/{INDEX}"), "{}".to_owned()),
        (
            "GET",
            format!("/{INDEX}/_field_caps?fields=*"),
            "{}".to_owned(),
        ),
        ("GET", format!("/{INDEX}/_mapping"), "{}".to_owned()),
        ("GET", format!("/{INDEX}/_mapping/field/*"), "{}".to_owned()),
    ];
    for (method, path, body) in &requests {
        let body = if path == "/_msearch" {
            Value::from(body.as_str())
        } else {
            Value::Null
        };
        let body = Some(&body).filter(|body| !body.is_null());
        let (status, response) = send_as((user, PASSWORD), method, path, body).await;
        let inner = &response["responses"][0]["error"]["type"];
        match status {
            200 if inner != "security_exception" => {}
            200 | 403 => return "no",
            _ => panic!("{method} {path} as {user}: {status} {response:#}"),
        }
    }
    "yes"
}

/// Runs an agent that must publish, notice a deletion and measure the clock skew.
async fn polls(user: &str) -> &'static str {
    apply(INDEX, "passing", &[]);
    let agent = agent(user, INDEX);
    let is_refused = |status: &Value| {
        let error = status["last_error"].as_str();
        error.is_some_and(|error| error.contains("403"))
    };
    let status = agent
        .status_when("it has polled", |status| {
            status["last_success"].is_string() || is_refused(status)
        })
        .await;
    if is_refused(&status) {
        return "no";
    }
    let published = status["directives"].as_u64().unwrap();
    let path = format!("/{INDEX}/_doc/passing?refresh=true");
    admin("DELETE", &path, None).await;
    let status = agent
        .status_when("it sees the deletion", |status| {
            status["directives"].as_u64() == Some(published - 1)
        })
        .await;
    if status["reading"]["notes"] == json!([]) {
        "yes"
    } else {
        "in part"
    }
}
