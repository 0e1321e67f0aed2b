//! Tests writes of many directives in one command, and concurrent writes of many operators to the
//! same directive.

use serde_json::{Value, json};

use crate::support::command::{run, run_with, words};
use crate::support::node::{installed_index, shared_url};
use crate::support::{http, in_hours};

#[tokio::test]
async fn a_mass_revoke_tries_all_and_reports_each() {
    let url = shared_url();
    let index = installed_index(&url, "mass").await;
    let lines: Vec<String> = (0..3_000)
        .map(|n| format!(r#"{{"id":"d{n}","level":"Shape","tenant":"t{n}","ttl_secs":3600}}"#))
        .collect();
    let applied = run_with(&url, &index, &["apply", "-f", "-"], &lines.join("\n")).ok();
    assert!(
        applied.stdout.contains("3000 created in "),
        "{}",
        applied.stdout.len()
    );
    // The test writes a malformed document without the ingest pipeline, because the command must be
    // able to revoke even a malformed document.
    let bad = json!({"level": "Shape", "tenant": 42, "expires_at": in_hours(1)});
    http::put(
        &format!("{url}/{index}/_doc/bad?pipeline=_none&refresh=true"),
        &bad,
    )
    .await;

    let typo = run(
        &url,
        &index,
        &["revoke", "d1", "d02", "d2", "--reason", "over"],
    );
    assert_eq!(typo.code, 3);
    for line in [
        "revoked d1 ",
        "revoked d2 ",
        "not found d02 ",
        "2 revoked, 1 not found in ",
    ] {
        assert!(typo.stdout.contains(line), "{line}: {}", typo.stdout);
    }
    let narrow = ["revoke", "--matches", "tenant=t7", "--yes", "-o", "json"];
    let report = run(&url, &index, &narrow).ok().json();
    assert_eq!(report["summary"], json!({"revoked": 1}));
    let report = run(&url, &index, &["revoke", "--all", "--yes", "-o", "json"])
        .ok()
        .json();
    assert_eq!(report["summary"], json!({"revoked": 2_998}));
    let states = run(&url, &index, &["list", "-o", "json"]).ok().json();
    let states = states.as_array().unwrap();
    assert_eq!(states.len(), 3_001);
    assert!(states.iter().all(|one: &Value| one["state"] == "revoked"));
}

#[tokio::test]
async fn six_operators_at_once_lose_no_update() {
    let url = shared_url();
    let index = installed_index(&url, "race").await;
    run(
        &url,
        &index,
        &words("apply one --level Shape --tenant acme --ttl 1h"),
    )
    .ok();
    let ran: Vec<_> = std::thread::scope(|scope| {
        let operators: Vec<_> = (0..6)
            .map(|n| {
                let (url, index) = (&url, &index);
                scope.spawn(move || {
                    let field = format!("reason=of operator {n}");
                    let author = format!("op{n}");
                    let args = ["edit", "one", "--set", &field, "--author", &author];
                    run(url, index, &args)
                })
            })
            .collect();
        operators
            .into_iter()
            .map(|operator| operator.join().unwrap())
            .collect()
    });
    let written = ran.iter().filter(|ran| ran.code == 0).count();
    let conflicts: Vec<_> = ran.iter().filter(|ran| ran.code == 6).collect();
    assert!(written >= 1);
    assert_eq!(
        written + conflicts.len(),
        6,
        "every other write is a conflict"
    );
    for conflict in conflicts {
        assert!(
            conflict.stdout.contains("conflict one "),
            "{}",
            conflict.stdout
        );
        assert!(
            conflict.stdout.contains(": op"),
            "it names who: {}",
            conflict.stdout
        );
        assert!(
            conflict.stdout.contains(" changed it at "),
            "and when: {}",
            conflict.stdout
        );
        assert!(
            conflict.stdout.contains("reason"),
            "and what: {}",
            conflict.stdout
        );
    }
    // Each write increments the version of the directive's document, so the version shows whether a
    // successful write was lost.
    let document: Value = reqwest::get(format!("{url}/{index}/_doc/one"))
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    assert_eq!(document["_version"], 1 + written);
}

/// After a revocation, the document must contain the time, the author and the reason of the
/// revocation, even if the document was incomplete or malformed before.
#[tokio::test]
async fn a_revocation_is_stored_in_every_document() {
    let url = shared_url();
    let index = installed_index(&url, "revocation").await;
    let apply = ["apply", "new", "--level", "Shape", "--tenant", "acme"];
    run(&url, &index, &apply).ok();
    // The test writes an incomplete and a malformed document without the ingest pipeline, because
    // the pipeline would refuse both documents.
    for (id, tenant) in [("incomplete", json!("acme")), ("malformed", json!(42))] {
        let document = json!({"level": "Shape", "tenant": tenant, "expires_at": in_hours(1)});
        let path = format!("{url}/{index}/_doc/{id}?pipeline=_none&refresh=true");
        http::put(&path, &document).await;
    }
    let ids = ["new", "incomplete", "malformed"];
    let flags = ["--reason", "found", "--author", "alice"];
    run(&url, &index, &[&["revoke"], &ids[..], &flags].concat()).ok();
    for id in ids {
        let source = http::get(&format!("{url}/{index}/_doc/{id}")).await.1["_source"].take();
        assert_eq!(source["revoked"], true, "{id}: {source}");
        assert_eq!(source["revoked_by"], "alice", "{id}: {source}");
        assert_eq!(source["revoked_reason"], "found", "{id}: {source}");
        assert!(source["revoked_at"].is_string(), "{id}: {source}");
    }

    // A revocation must also succeed in an index with the mapping of an earlier version, which
    // lacks some fields of a revocation.
    let older = format!("{index}-older");
    let mappings = json!({"dynamic": "strict", "properties": {
        "level": {"type": "keyword"}, "tenant": {"type": "keyword"},
        "expires_at": {"type": "date"}, "updated_at": {"type": "date"},
        "updated_by": {"type": "keyword"}, "revoked_at": {"type": "date"},
        "revoked_by": {"type": "keyword"}}});
    http::put(&format!("{url}/{older}"), &json!({ "mappings": mappings })).await;
    let document = json!({"level": "Shape", "tenant": "acme", "expires_at": in_hours(1)});
    http::put(&format!("{url}/{older}/_doc/old?refresh=true"), &document).await;
    let refused = run(&url, &older, &["revoke", "old", "--reason", "found"]);
    assert_eq!(refused.code, 5, "{}{}", refused.stdout, refused.stderr);
    run(&url, &older, &["revoke", "old", "--author", "alice"]).ok();
    let source = http::get(&format!("{url}/{older}/_doc/old")).await.1["_source"].take();
    assert_eq!(source["revoked_by"], "alice", "{source}");
    assert!(source["revoked_at"].is_string(), "{source}");
}
