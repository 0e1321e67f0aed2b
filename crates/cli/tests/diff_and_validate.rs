//! Tests `diff`, which compares files with the index, and `validate`, which checks files without a
//! cluster.

use crate::support::command::{run, run_with};
use crate::support::node::{installed_index, shared_url};

#[tokio::test]
async fn diff_shows_what_apply_would_change_and_ends_with_7() {
    let url = shared_url();
    let index = installed_index(&url, "diff").await;
    let file = r#"{"id":"one","level":"Shape","tenant":"acme","ttl_secs":3600}"#;
    let diff = |input: &str| run_with(&url, &index, &["diff", "-f", "-"], input);
    let new = diff(file);
    assert_eq!(new.code, 7, "{}", new.stderr);
    assert!(
        new.stdout.contains("would be created one"),
        "{}",
        new.stdout
    );
    assert_eq!(run(&url, &index, &["list"]).ok().stdout, "no directives\n");
    run_with(&url, &index, &["apply", "-f", "-"], file).ok();
    assert!(diff(file).ok().stdout.starts_with("unchanged one "));
    let wider = diff(&file.replace("acme", "umbrella"));
    assert_eq!(wider.code, 7);
    assert!(
        wider.stdout.contains("tenant acme → umbrella (wider)"),
        "{}",
        wider.stdout
    );
}

#[test]
fn validate_needs_no_cluster() {
    let nowhere = "http://127.0.0.1:1";
    let validate = |input: &str| run_with(nowhere, "none", &["validate", "-f", "-"], input);
    let good = r#"{"id":"one","level":"Shape","tenant":"acme","ttl_secs":3600}"#;
    assert_eq!(validate(good).ok().stdout, "1 of 1 directives are valid\n");
    for (input, expected) in [
        (good.replace("Shape", "Loud"), "level"),
        (good.replace("3600", "99999999"), "exceeds the maximum"),
        (good.replace(r#""tenant":"acme","#, ""), "no target"),
    ] {
        let ran = validate(&input);
        assert_eq!(ran.code, 2, "{input}");
        assert!(ran.stderr.contains(expected), "{input}: {}", ran.stderr);
    }
}
