//! Compares the output of most verbs on a real node (text, JSON and error messages) with the files
//! in `golden/`.
//!
//! Times, durations, addresses and names differ between two runs, so the test replaces them by
//! placeholders. After an intended change of the output, run the test with `UPDATE_GOLDEN=1`, and
//! review how the files have changed.

use std::path::Path;

use opensearch_directives::{Clock as _, SystemClock};
use serde_json::{Value, json};

use crate::support::command::{Ran, directives};
use crate::support::golden_file::{self, Redaction};
use crate::support::http;
use crate::support::node::{installed_index, shared_url, unique_index};

/// Each verb with its command lines, which the test runs in this order to compare their output with
/// the verb's file in `golden/`. A command line may contain single quotes, and the text after `<`
/// is the standard input of the command.
const VERBS: [(&str, &[&str]); 18] = [
    ("init", &["init", "init"]),
    (
        "validate",
        &[
            r#"validate -f - < {"id":"one","level":"Shape","tenant":"acme","ttl_secs":60}"#,
            r#"validate -f - -o json < {"id":"one","level":"Shape","tenant":"acme","ttl_secs":60}"#,
            r#"validate -f - < {"id":"one","level":"shape","ttl_secs":60}"#,
        ],
    ),
    (
        "apply",
        &[
            "apply slow --level ShapeTiming --tenant acme --sample 10% --ttl 5d --ticket INC-1 --reason 'slow searches'",
            "apply slow --level ShapeTiming --tenant acme --sample 10% --ttl 5d --ticket INC-1 --reason 'slow searches'",
            "apply slow --level ShapeTiming --sample 10% --ttl 5d",
            "apply slow --level ShapeTiming --tenant acme --ttl 5d --replace",
            "apply all --level Shape --everything --ttl 5d --reason 'all requests' --yes -o json",
            "apply slow --level Shape --tenant acme --create-only",
            "apply none --level Shape --tenant acme --dry-run --ttl 5d",
            "apply bad --level Shape",
            "apply bad --level loud --tenant acme",
        ],
    ),
    (
        "list",
        &[
            "list",
            "list -o wide",
            "list -o name",
            "list -o csv",
            "list -o yaml --matches tenant=acme",
            "list -o json --everything",
            "list --by nobody",
        ],
    ),
    ("get", &["get slow", "get slow -o json", "get slow nosuch"]),
    (
        "explain",
        &[
            "explain --tenant acme --index orders --principal svc --endpoint Search --request-id r",
            "explain --index orders --principal svc --endpoint Search -o json",
        ],
    ),
    (
        "diff",
        &[
            r#"diff -f - < {"id":"slow","level":"ShapeRewriteDiff","tenant":"acme","ttl_secs":432000}"#,
            r#"diff -f - -o json < {"id":"new","level":"Shape","tenant":"acme","ttl_secs":432000}"#,
        ],
    ),
    (
        "extend",
        &[
            "extend slow --by 1d",
            "extend slow nosuch --by 1d -o json",
            "extend slow --until +1s",
            "extend slow",
        ],
    ),
    (
        "edit",
        &[
            "edit slow --set level=Shape --unset ticket --replace --yes",
            "edit slow --set sample=100% --yes",
            "edit slow --set levle=Shape",
            "edit nosuch --set level=Shape",
        ],
    ),
    (
        "revoke",
        &[
            "revoke --all",
            "revoke slow nosuch --reason 'INC-1 is over'",
            "revoke slow",
            "revoke --matches tenant=acme --yes -o json",
            "revoke",
        ],
    ),
    (
        "delete",
        &["delete slow", "delete slow", "delete --everything"],
    ),
    (
        "prune",
        &["prune --ended-before 1d", "prune --ended-before 99999999d"],
    ),
    ("doctor", &["doctor", "doctor -o json"]),
    (
        "fleet",
        &[
            "status",
            "wait --converged",
            "init --fleet",
            "status",
            "wait --converged --timeout 1s",
        ],
    ),
    (
        "status",
        &[
            "status",
            "status --all",
            "status -o json",
            "wait --converged --timeout 1s",
            "wait --converged 50%",
            "wait --converged 50% -o json",
            "apply waited --level Shape --tenant acme --ttl 5d --wait=1s",
        ],
    ),
    (
        "context",
        &[
            "context set prod --url https://search.example:9200 --username ops --protected",
            "context use prod",
            "context list",
            "context show prod",
            "context show nosuch",
            "context delete prod",
        ],
    ),
    ("probe", &["probe --agent 127.0.0.1:1"]),
    (
        "errors",
        &[
            "list --url http://127.0.0.1:1",
            "list --directives-index nosuch-golden",
            "lsit",
            "agent --listen 0.0.0.0:0",
            "agent --directives-index nosuch-golden --listen 127.0.0.1:0",
        ],
    ),
];

/// Splits a line of [`VERBS`] into the arguments and the standard input of the command.
fn parse(line: &str) -> (Vec<String>, &str) {
    let (arguments, input) = line.split_once(" < ").unwrap_or((line, ""));
    let mut words = Vec::new();
    for (number, part) in arguments.split('\'').enumerate() {
        if number % 2 == 1 {
            words.push(part.to_owned());
        } else {
            words.extend(part.split_whitespace().map(str::to_owned));
        }
    }
    (words, input)
}

/// Writes reports to the fleet's index, so that `status` shows an instance in every state.
async fn seed_fleet(url: &str, index: &str) {
    let (_, stats) = http::get(&format!("{url}/{index}/_stats/docs?level=shards")).await;
    let stats = &stats["indices"][index];
    let assigned = &stats["shards"]["0"][0]["seq_no"]["max_seq_no"];
    let now = SystemClock.now();
    let ago = |seconds: i64| (now - jiff::SignedDuration::from_secs(seconds)).to_string();
    let report = |changes: Value| {
        let mut report = json!({
            "host": "host-1", "version": "0.1.0", "kind": "agent", "index": index,
            "index_uuid": stats["uuid"], "applied_seq_no": assigned, "documents": 1,
            "max_seq_no": assigned, "sum_seq_no": assigned, "digest": "d", "directives": 2,
            "revoked": 0, "off": false, "rejected": 0, "staleness": "fresh", "started": ago(3600),
            "last_success": ago(3), "reported_at": ago(5), "heartbeat_seconds": 60, "left": false,
        });
        let changes = changes.as_object().unwrap().clone();
        report.as_object_mut().unwrap().extend(changes);
        report
    };
    let rejection = json!({ "id": "bad", "reason": "tenant: 42 is not a name" });
    let reports = [
        report(json!({ "instance": "synced", "kind": "library" })),
        report(json!({ "instance": "turned-off", "off": true, "via": ["agent-1", "agent-2"] })),
        report(
            json!({ "instance": "behind", "applied_seq_no": 1, "max_seq_no": 1, "staleness": "stale" }),
        ),
        report(json!({ "instance": "other-index", "index_uuid": "another" })),
        report(json!({ "instance": "rejecting", "rejected": 1, "rejections": [rejection] })),
        report(json!({
            "instance": "silent", "reported_at": ago(400), "rejected": 1,
            "rejections": [rejection],
        })),
        report(json!({ "instance": "gone", "reported_at": ago(90_000) })),
        report(json!({ "instance": "left", "left": true, "reported_at": ago(100) })),
        // A negative number of documents makes this report of an instance unreadable for `status`.
        json!({ "instance": "unreadable", "documents": -1 }),
    ];
    for report in reports {
        let name = report["instance"].as_str().unwrap();
        http::put(
            &format!("{url}/{index}-fleet/_doc/{name}?refresh=true"),
            &report,
        )
        .await;
    }
}

fn run(url: &str, index: &str, folder: &Path, line: &str) -> Ran {
    use std::io::Write as _;
    let (arguments, input) = parse(line);
    let mut process = directives()
        .args(arguments)
        .env("DIRECTIVES_URL", url)
        .env("DIRECTIVES_INDEX", index)
        .env("DIRECTIVES_CONFIG", folder.join("contexts.yaml"))
        .env("TZ", "UTC")
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    // The test ignores a failed write, because the command may end before it has read its input.
    let _ = process.stdin.take().unwrap().write_all(input.as_bytes());
    process.wait_with_output().unwrap().into()
}

#[tokio::test]
async fn the_output_of_each_verb_is_as_its_golden_file() {
    let (url, index) = (shared_url(), unique_index("golden"));
    // The output of `init` differs if the ingest pipeline is already installed, so the test
    // installs it.
    installed_index(&url, "pipeline-before-golden").await;
    let folder = tempfile::tempdir().unwrap();
    let redaction = Redaction::new(&url, &index, folder.path());
    let mut differences = String::new();
    for (verb, lines) in VERBS {
        if verb == "list" {
            // The test writes a malformed document without the ingest pipeline, so that `list`
            // shows a rejected document.
            let document = json!({"level": "Shape", "tenant": 42});
            let path = format!("{url}/{index}/_doc/broken?pipeline=_none&refresh=true");
            http::put(&path, &document).await;
        }
        if verb == "status" {
            seed_fleet(&url, &index).await;
        }
        let mut found = String::new();
        for line in lines {
            let ran = run(&url, &index, folder.path(), line);
            found += &golden_file::session(line, &ran, |text| redaction.apply(text));
        }
        differences += &golden_file::difference(verb, &found);
    }
    golden_file::check(&differences);
}
