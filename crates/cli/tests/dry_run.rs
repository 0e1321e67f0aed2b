//! Tests that a dry run names the consents that the write would need, and tells the truth about what
//! would be lost.

use serde_json::json;

use crate::support::command::{Ran, directives, protected_context, run, words};
use crate::support::http;
use crate::support::node::{installed_index, shared_url};

#[tokio::test]
async fn a_dry_run_names_the_flags_that_the_write_needs() {
    let url = shared_url();
    let index = installed_index(&url, "needs").await;
    let go = |line: &str| run(&url, &index, &words(line));
    for id in ["one", "two"] {
        go(&format!(
            "apply {id} --level Shape --tenant acme --owner team --ttl 1h"
        ))
        .ok();
    }
    go("revoke two").ok();
    let folder = tempfile::tempdir().unwrap();
    let desired = folder.path().join("desired.json");
    let other = r#"{"id":"other","level":"Shape","tenant":"t"}"#;
    std::fs::write(&desired, other).unwrap();
    let prune = format!("apply -f {} --owner team --prune", desired.display());
    let wider = "apply one --level ShapeTiming --tenant acme --owner team --ttl 1h";
    let again = "apply two --level Shape --tenant acme --owner team --ttl 1h";
    for (typed, needs) in [
        (wider.to_owned(), json!(["--replace"])),
        (format!("{wider} --replace"), json!([])),
        (again.to_owned(), json!(["--reactivate"])),
        (prune.clone(), json!(["--yes"])),
        (format!("{prune} --yes"), json!([])),
        (
            format!("{wider} --author eve --reason r"),
            json!(["--replace", "--yes"]),
        ),
        (
            "edit one --set level=ShapeTiming".to_owned(),
            json!(["--replace"]),
        ),
        ("revoke --all".to_owned(), json!(["--yes"])),
        ("revoke one".to_owned(), json!([])),
        ("extend one --by 1h".to_owned(), json!([])),
    ] {
        let report = go(&format!("{typed} --dry-run -o json")).ok();
        assert_eq!(report.json()["needs"], needs, "{typed}: {}", report.stdout);
        let text = go(&format!("{typed} --dry-run")).ok().stderr;
        for flag in ["--replace", "--reactivate", "--yes"] {
            let is_needed = needs.as_array().unwrap().contains(&flag.into());
            assert_eq!(text.contains(flag), is_needed, "{typed}: {text}");
        }
        // The write ends with exit code 2 exactly if the dry run names a flag.
        if needs != json!([]) {
            assert_eq!(go(&typed).code, 2, "{typed}");
        }
    }
    assert_eq!(go("get one -o json").ok().json()["level"], "Shape");
}

#[tokio::test]
async fn a_dry_run_in_a_protected_context_names_yes() {
    let url = shared_url();
    let index = installed_index(&url, "needsyes").await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("contexts.yaml");
    let go = |line: &str| {
        let output = directives()
            .args(words(line))
            .env("DIRECTIVES_CONFIG", &file)
            .output();
        Ran::from(output.unwrap())
    };
    protected_context(&file, &url, &index);
    let apply = "apply one --level Shape --tenant acme --ttl 1h";
    let dry = go(&format!("{apply} --dry-run")).ok();
    assert!(dry.stderr.contains("--yes"), "{}", dry.stderr);
    assert_eq!(go(apply).code, 2);
    go(&format!("{apply} --yes")).ok();
}

#[tokio::test]
async fn only_the_deletion_of_a_live_directive_is_compared_with_its_revocation() {
    let url = shared_url();
    let index = installed_index(&url, "compared").await;
    let go = |line: &str| run(&url, &index, &words(line)).ok().stdout;
    let old = json!({"level": "Shape", "tenant": "acme", "targets": ["tenant"], "revoked": false,
        "sample_per_mille": 1000, "starts_at": "2001-01-01T00:00:00Z",
        "expires_at": "2001-01-01T01:00:00Z"});
    let path = format!("{url}/{index}/_doc/old?pipeline=_none&refresh=true");
    http::put(&path, &old).await;
    for id in ["live", "revoked"] {
        go(&format!("apply {id} --level Shape --tenant acme --ttl 1h"));
    }
    go("revoke revoked");
    let hint = "`revoke` would have kept the record";
    let pruned = go("prune --ended-before 1d --yes");
    assert!(pruned.contains("deleted old in "), "{pruned}");
    assert!(!pruned.contains(hint), "{pruned}");
    assert!(!go("delete revoked").contains(hint));
    assert!(go("delete live").contains(hint));
}
