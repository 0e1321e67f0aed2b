//! Tests contexts, which are named connection settings in a file. Also tests that the command asks
//! for confirmation before each write to a protected cluster.

use std::process::Output;

use crate::support::command::{directives, words};
use crate::support::node::{installed_index, shared_url};

/// Runs the command with the given file of contexts, and without the environment variables of the
/// test process that would set the command's flags.
fn with_contexts(file: &std::path::Path, text: &str) -> Output {
    directives()
        .args(words(text))
        .env("DIRECTIVES_CONFIG", file)
        .output()
        .unwrap()
}

#[tokio::test]
async fn a_context_names_a_cluster_and_a_protected_one_asks() {
    let url = shared_url();
    let index = installed_index(&url, "context").await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("contexts.yaml");
    let go = |text: &str| {
        let output = with_contexts(&file, text);
        let printed = format!(
            "{}{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
        (output.status.code().unwrap(), printed)
    };
    assert_eq!(go("context show").0, 2);
    let set = format!("context set prod --url {url} --directives-index {index}");
    assert_eq!(go(&set).0, 0);
    assert_eq!(
        go("context set far --url http://127.0.0.1:1 --protected").0,
        0
    );
    let (_, list) = go("context list");
    assert!(
        list.contains("* prod ") && list.contains("  far http://127.0.0.1:1/ protected"),
        "{list}"
    );
    let (code, printed) = go("apply one --level Shape --tenant acme");
    assert_eq!(code, 0, "{printed}");
    assert!(
        printed.contains(&format!("{index} at {url} (context prod)")),
        "{printed}"
    );
    // A flag on the command line must override the value from the context.
    assert_eq!(go("get one --url http://127.0.0.1:1").0, 4);
    assert_eq!(go("get one --context far").0, 4);
    let (code, printed) = go("get one --context nosuch");
    assert_eq!(code, 2);
    assert!(
        printed.contains("there is no context nosuch; the contexts are far, prod"),
        "{printed}"
    );
    go(&format!("{set} --protected"));
    let (code, printed) = go("revoke one");
    assert_eq!(code, 2, "{printed}");
    assert!(
        printed.contains("The context prod is protected"),
        "{printed}"
    );
    assert_eq!(go("revoke one --yes").0, 0);
}

#[test]
fn an_address_that_can_contain_a_secret_is_neither_stored_nor_printed() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("contexts.yaml");
    for url in [
        "http://ann:hunter2@127.0.0.1:1",
        "http://hunter2@127.0.0.1:1",
        "http//ann:hunter2@h",
        "ann:hunter2@h:9200",
        "http://ann:hunter2@h:port",
        "http://h/?password=hunter2",
        "http://h/#hunter2",
    ] {
        let output = with_contexts(&file, &format!("context set bad --url {url}"));
        assert_eq!(output.status.code(), Some(2), "{url}: {output:?}");
        let printed = [output.stdout, output.stderr].concat();
        let printed = String::from_utf8(printed).unwrap();
        assert!(!printed.contains("hunter2"), "{printed}");
        assert!(!file.exists(), "{url}");
    }
}

/// `context set` must change only the values that the user gives, so that the user does not end the
/// protection of a cluster unnoticed.
#[test]
fn set_changes_only_what_is_given_and_reports_it() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("contexts.yaml");
    let go = |text: &str| {
        let output = with_contexts(&file, text);
        assert!(output.status.success(), "{text}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    let set =
        "context set prod --url https://search:9200 --username ops --password-file p --protected";
    assert_eq!(go(set), "context prod is created, and is the current one\n");
    assert_eq!(
        go("context set prod --protected"),
        "context prod is unchanged\n"
    );
    assert_eq!(
        go("context set prod --bearer-token-file t"),
        "context prod is changed\n"
    );
    let shown: serde_json::Value = serde_json::from_str(&go("context show -o json")).unwrap();
    let expected = serde_json::json!({
        "name": "prod", "current": true, "protected": true,
        "url": ["https://search:9200/"], "bearer-token-file": "t",
    });
    assert_eq!(shown, expected);
    go("context set prod --protected=false --directives-index other");
    let list: serde_json::Value = serde_json::from_str(&go("context list -o json")).unwrap();
    assert_eq!(list[0]["protected"], false, "{list}");
    assert_eq!(list[0]["directives-index"], "other", "{list}");
    let missing = with_contexts(&file, "context set dev --username u");
    assert_eq!(missing.status.code(), Some(2));
}
