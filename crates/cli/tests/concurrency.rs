//! Tests writes of many directives at once, and many operators who write to one directive at the
//! same time.

use serde_json::{Value, json};

use crate::support::command::{run, run_with};
use crate::support::node::{installed_index, shared_url};
use crate::support::{http, in_hours};

fn words(text: &str) -> Vec<&str> {
    text.split_whitespace().collect()
}

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
    // Malformed, and past the pipeline: it can be revoked, too.
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
    assert_eq!(written + conflicts.len(), 6, "nothing else happens");
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
            conflict.stdout.contains("reason"),
            "and what: {}",
            conflict.stdout
        );
    }
    // As many versions as writes: none was overwritten unseen.
    let document: Value = reqwest::get(format!("{url}/{index}/_doc/one"))
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    assert_eq!(document["_version"], 1 + written);
}
