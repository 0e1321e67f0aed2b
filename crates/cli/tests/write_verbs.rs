//! Tests what the verbs that write directives report, and which writes they refuse.

use serde_json::{Value, json};

use crate::support::command::{directives, run, run_with, words};
use crate::support::node::{installed_index, shared_url};

#[tokio::test]
async fn apply_reports_its_effect_and_widens_or_loses_nothing_without_consent() {
    let url = shared_url();
    let index = installed_index(&url, "rules").await;
    let run = |text: &str| run(&url, &index, &words(text));
    let base = "apply one --level Shape --tenant acme --sample 10% --ticket INC-1 --ttl 1h";
    let first = run(base).ok().stdout;
    assert!(
        first.starts_with(&format!("created one in {index} at {url}: ")),
        "{first}"
    );
    assert!(
        first.contains("Shape, tenant=acme, 100 ‰; until "),
        "{first}"
    );

    // If a user applies the same directive again with the same time to live, the end of the
    // directive must not move.
    let stored = run("get one -o json").ok().json();
    assert!(run(base).ok().stdout.starts_with("unchanged one "));
    assert_eq!(run("get one -o json").ok().json(), stored);

    for (args, change) in [
        (
            "--sample 20% --tenant acme --ticket INC-1",
            "sample 100 ‰ → 200 ‰ (wider)",
        ),
        (
            "--sample 10% --tenant umbrella --ticket INC-1",
            "tenant acme → umbrella (wider)",
        ),
        ("--sample 10% --tenant acme", "ticket INC-1 dropped"),
        (
            "--sample 10% --tenant acme --ticket INC-1 --ring-buffer",
            "ring_buffer false → true (wider)",
        ),
    ] {
        let refused = run(&format!("apply one --level Shape --ttl 1h {args}"));
        assert_eq!(refused.code, 2, "{args}");
        assert!(
            refused.stderr.contains(change),
            "{args}: {}",
            refused.stderr
        );
        assert!(refused.stderr.contains("--replace"), "{}", refused.stderr);
    }
    assert_eq!(run("get one -o json").ok().json(), stored);

    // A write that only moves the end of a directive or adds a target needs no consent. The command
    // must report what a write to an existing directive changed.
    let narrower =
        "apply one --level Shape --tenant acme --index orders --sample 10% --ticket INC-1 --ttl 2h";
    let replaced = run(narrower).ok().stdout;
    assert!(
        replaced.contains("every index → index=orders"),
        "{replaced}"
    );
    assert!(replaced.contains("ends later than "), "{replaced}");
    let report = run(&format!("{base} --replace -o json")).ok().json();
    let result = &report["results"][0];
    assert_eq!(result["result"], "replaced");
    assert_eq!(result["changes"][0]["field"], "index");
    assert_eq!(result["changes"][0]["widens"], true);
    let exists = run(&format!("{base} --create-only --reason other"));
    assert_eq!(exists.code, 6, "{}", exists.stderr);
}

#[tokio::test]
async fn a_revoked_directive_does_not_come_back_by_applying_its_file_again() {
    let url = shared_url();
    let index = installed_index(&url, "resurrect").await;
    let file = r#"{"id":"one","level":"Shape","tenant":"acme","ttl_secs":3600}"#;
    let apply =
        |args: &[&str]| run_with(&url, &index, &[&["apply", "-f", "-"], args].concat(), file);
    apply(&[]).ok();
    run(&url, &index, &["revoke", "one", "--author", "eve"]).ok();
    let refused = apply(&[]);
    assert_eq!(refused.code, 2, "{}", refused.stderr);
    assert!(
        refused.stderr.contains("--reactivate"),
        "{}",
        refused.stderr
    );
    let again = run(&url, &index, &["revoke", "one"]).ok().stdout;
    assert!(
        again.contains("unchanged one") && again.contains("eve revoked it at"),
        "{again}"
    );
    // To reactivate a directive that another person ended, a user must also give a reason and a
    // confirmation.
    assert_eq!(apply(&["--reactivate", "--yes"]).code, 2);
    apply(&["--reactivate", "--yes", "--reason", "again"]).ok();
    let one = run(&url, &index, &["get", "one", "-o", "json"]).ok().json();
    assert_eq!(one["state"], "active");
    assert!(one["revoked_at"].is_null(), "{one}");
}

#[tokio::test]
async fn the_output_of_get_and_list_can_be_applied_again() {
    let url = shared_url();
    let index = installed_index(&url, "roundtrip").await;
    run(
        &url,
        &index,
        &words("apply one --level Shape --tenant acme --ttl 1h --reason r"),
    )
    .ok();
    run(
        &url,
        &index,
        &words("apply two --level ShapeTiming --index orders --sample 5%"),
    )
    .ok();
    for (format, suffix) in [("json", ".json"), ("yaml", ".yaml")] {
        for verb in ["list", "get one", "get one two"] {
            let printed = run(&url, &index, &words(&format!("{verb} -o {format}")))
                .ok()
                .stdout;
            let file = tempfile::Builder::new().suffix(suffix).tempfile().unwrap();
            std::fs::write(file.path(), printed).unwrap();
            let path = file.path().to_str().unwrap();
            let ran = run(&url, &index, &["apply", "-f", path]).ok();
            assert!(
                !ran.stdout.contains("replaced"),
                "{verb} -o {format}: {}",
                ran.stdout
            );
            assert!(
                ran.stdout.contains("unchanged one"),
                "{verb}: {}",
                ran.stdout
            );
        }
    }
}

#[tokio::test]
async fn a_dry_run_of_every_verb_shows_its_effect_and_writes_nothing() {
    let url = shared_url();
    let index = installed_index(&url, "dry").await;
    run(
        &url,
        &index,
        &words("apply one --level Shape --tenant acme --ttl 1h --owner team"),
    )
    .ok();
    // The dry run of `prune` must report the directive `old`, which ended long ago.
    let old = json!({"level": "Shape", "tenant": "acme", "targets": ["tenant"], "revoked": false,
        "sample_per_mille": 1000, "starts_at": "2001-01-01T00:00:00Z",
        "expires_at": "2001-01-01T01:00:00Z"});
    let path = format!("{url}/{index}/_doc/old?pipeline=_none&refresh=true");
    crate::support::http::put(&path, &old).await;
    let before = run(&url, &index, &["get", "one", "-o", "json"]).ok().json();
    let folder = tempfile::tempdir().unwrap();
    let alice = folder.path().join("alice").display().to_string();
    run(&url, &index, &["keygen", &alice]).ok();
    let sign = format!("sign one --sign-with {alice}.key");
    let desired = folder.path().join("desired.json");
    let other = r#"{"id":"other","level":"Shape","tenant":"t"}"#;
    std::fs::write(&desired, other).unwrap();
    let prune = format!("apply -f {} --owner team --prune", desired.display());
    for (arguments, expected) in [
        (&*sign, "would sign one"),
        (&*prune, "would revoke one"),
        ("prune --ended-before 1s", "would delete old"),
        ("init --max-ttl 7d", "update the ingest pipeline"),
        ("apply new --level Shape --tenant t", "would create new"),
        (
            "apply one --level ShapeTiming --tenant acme --replace",
            "would replace one",
        ),
        ("extend one --by 1h", "would replace one"),
        ("edit one --set index=orders", "every index → index=orders"),
        ("revoke one", "would revoke one"),
        ("revoke --all", "would revoke one"),
        ("delete one", "would delete one"),
    ] {
        let ran = run(
            &url,
            &index,
            &[words(arguments), vec!["--dry-run"]].concat(),
        )
        .ok();
        assert!(ran.stdout.contains(expected), "{arguments}: {}", ran.stdout);
        // The environment variable `DIRECTIVES_DRY_RUN` must have the same effect as the flag
        // `--dry-run`.
        let ran = directives()
            .args(words(arguments))
            .env("DIRECTIVES_URL", &url)
            .env("DIRECTIVES_INDEX", &index)
            .env("DIRECTIVES_DRY_RUN", "1")
            .output()
            .unwrap();
        assert!(
            String::from_utf8_lossy(&ran.stdout).contains(expected),
            "{arguments}: {ran:?}"
        );
    }
    assert_eq!(
        run(&url, &index, &["get", "one", "-o", "json"]).ok().json(),
        before
    );
    assert_eq!(
        run(&url, &index, &["list", "-o", "name"]).ok().stdout,
        "one\nold\n"
    );
}

#[tokio::test]
async fn the_content_of_a_directive_never_comes_from_the_environment() {
    let url = shared_url();
    let index = installed_index(&url, "environment").await;
    let ran = directives()
        .args(words("apply one --level Shape --tenant acme"))
        .env("DIRECTIVES_URL", &url)
        .env("DIRECTIVES_INDEX", &index)
        .env("DIRECTIVES_CAPTURE", "true")
        .env("DIRECTIVES_MATCH_INDEX", "orders")
        .env("DIRECTIVES_SAMPLE_PER_MILLE", "7")
        .env("DIRECTIVES_TTL", "20d")
        .env("DIRECTIVES_EVERYTHING", "true")
        .env("DIRECTIVES_YES", "true")
        // The command must ignore an environment variable with an empty value.
        .env("DIRECTIVES_USERNAME", "")
        .env("DIRECTIVES_CA_CERTIFICATE", "")
        .env("DIRECTIVES_REQUEST_TIMEOUT", "")
        .output()
        .unwrap();
    assert!(ran.status.success(), "{ran:?}");
    let one = run(&url, &index, &["get", "one", "-o", "json"]).ok().json();
    assert_eq!(one["capture"], false);
    assert_eq!(one["sample_per_mille"], 1000);
    assert!(one["index"].is_null(), "{one}");
}

#[tokio::test]
async fn extend_and_edit_keep_all_other_fields() {
    let url = shared_url();
    let index = installed_index(&url, "edit").await;
    let run = |text: &str| run(&url, &index, &words(text));
    run("apply one --level Shape --tenant acme --sample 10% --ticket INC-1 --ttl 1h").ok();
    let before = run("get one -o json").ok().json();
    run("extend one --by 15m --author bob").ok();
    let after = run("get one -o json").ok().json();
    let end = |one: &Value| {
        one["expires_at"]
            .as_str()
            .unwrap()
            .parse::<jiff::Timestamp>()
            .unwrap()
    };
    assert_eq!(end(&after).duration_since(end(&before)).as_secs(), 15 * 60);
    for field in [
        "level",
        "tenant",
        "sample_per_mille",
        "ticket",
        "created_by",
        "created_at",
    ] {
        assert_eq!(after[field], before[field], "{field}");
    }
    assert_eq!(after["updated_by"], "bob");
    let arguments = "edit one --set sample=5% --set principal=svc --unset ring_buffer";
    let printed = run(arguments).ok().stdout;
    assert!(printed.contains("sample 100 ‰ → 50 ‰"), "{printed}");
    assert!(
        printed.contains("every principal → principal=svc"),
        "{printed}"
    );
    run("revoke one").ok();
    for verb in ["extend one --by 1h", "edit one --set level=Off"] {
        let refused = run(verb);
        assert_eq!(refused.code, 2, "{verb}");
        assert!(
            format!("{}{}", refused.stdout, refused.stderr).contains("it is revoked"),
            "{verb}: {}",
            refused.stdout
        );
    }
}

/// A revocation of a directive that has expired must change nothing. After the revocation of a
/// malformed document, proxies must no longer count this document as rejected.
#[tokio::test]
async fn what_has_expired_stays_expired_and_a_revoked_malformed_document_is_not_rejected() {
    let url = shared_url();
    let index = installed_index(&url, "endings").await;
    let expired = json!({"level": "Shape", "tenant": "acme", "targets": ["tenant"],
        "revoked": false, "sample_per_mille": 1000, "starts_at": "2001-01-01T00:00:00Z",
        "expires_at": "2001-01-01T01:00:00Z"});
    let bad = json!({"level": "Shape", "tenant": 42, "expires_at": "2030-01-01T01:00:00Z"});
    for (id, document) in [("expired", &expired), ("bad", &bad)] {
        let path = format!("{url}/{index}/_doc/{id}?pipeline=_none&refresh=true");
        crate::support::http::put(&path, document).await;
    }
    let agent = crate::support::agent::Agent::start(&url, &index, &[]);
    agent
        .status_when("the document is rejected", |status| {
            status["rejected"][0]["id"] == "bad"
        })
        .await;
    let go = |line: &str| run(&url, &index, &words(line)).ok();
    let ran = go("revoke expired bad --reason over");
    assert!(ran.stdout.contains("revoked bad in "), "{}", ran.stdout);
    let state = |id: &str| go(&format!("get {id} -o json")).json()["state"].clone();
    assert_eq!(state("expired"), "expired", "{}", ran.stdout);
    assert_eq!(state("bad"), "revoked");
    agent
        .status_when("no document is rejected", |status| {
            status["rejected"] == json!([])
        })
        .await;
}
