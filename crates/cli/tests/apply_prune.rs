//! Tests that `apply --prune --owner` revokes the owner's directives that the files no longer
//! contain. Also tests that the command shows the owners of directives and the reasons for
//! revocations.

use serde_json::{Value, json};

use crate::support::command::{run, run_with, words};
use crate::support::node::{installed_index, shared_url};

#[tokio::test]
async fn prune_revokes_only_what_the_same_owner_no_longer_has_in_its_files() {
    let url = shared_url();
    let index = installed_index(&url, "gitops").await;
    let go = |text: &str, input: &str| run_with(&url, &index, &words(text), input);
    let file = |ids: &[&str]| {
        let lines = ids.iter().map(|id| {
            format!(r#"{{"id":"{id}","level":"Shape","tenant":"{id}","ttl_secs":3600}}"#)
        });
        lines.collect::<Vec<_>>().join("\n")
    };
    go(
        "apply -f - --owner search --prune --yes",
        &file(&["a", "b", "c"]),
    )
    .ok();
    go("apply -f - --owner billing", &file(&["other"])).ok();
    go("apply unowned --level Shape --tenant x", "").ok();

    let script = go("apply -f - --owner search --prune", &file(&["a", "d"]));
    assert_eq!(script.code, 2, "a script must add --yes: {}", script.stdout);
    let question = "Revoke 2 directives of search that the files do not contain (b, c)?";
    assert!(script.stderr.contains(question), "{}", script.stderr);
    let dry = go(
        "apply -f - --owner search --prune --dry-run",
        &file(&["a", "d"]),
    )
    .ok();
    for line in ["unchanged a ", "would create d ", "would revoke b "] {
        assert!(dry.stdout.contains(line), "{line}: {}", dry.stdout);
    }
    let states = || -> Value {
        let all = run(&url, &index, &["list", "--sort", "id", "-o", "json"])
            .ok()
            .json();
        let all = all.as_array().unwrap().iter();
        all.map(|one| json!([one["id"], one["state"]])).collect()
    };
    let active = |ids: &[&str]| -> Value { ids.iter().map(|id| json!([id, "active"])).collect() };
    assert_eq!(states(), active(&["a", "b", "c", "other", "unowned"]));

    go(
        "apply -f - --owner search --prune --yes",
        &file(&["a", "d"]),
    )
    .ok();
    assert_eq!(
        states(),
        json!([
            ["a", "active"],
            ["b", "revoked"],
            ["c", "revoked"],
            ["d", "active"],
            ["other", "active"],
            ["unowned", "active"]
        ])
    );
    // A second `apply --prune` with the same file must change nothing and need no consent.
    let again = go("apply -f - --owner search --prune", &file(&["a", "d"])).ok();
    assert!(again.stdout.contains("2 unchanged in "), "{}", again.stdout);

    let foreign = file(&["a"]).replace("\"level\"", "\"owner\":\"billing\",\"level\"");
    let refused = go("apply -f - --owner search --prune --yes", &foreign);
    assert_eq!(refused.code, 2);
    assert!(
        refused.stderr.contains("its owner is billing"),
        "{}",
        refused.stderr
    );
    for (typed, says) in [
        ("apply -f - --prune", "--owner"),
        (
            "apply x --level Shape --tenant t --owner search --prune",
            "cannot be used with",
        ),
    ] {
        let refused = go(typed, "");
        assert_eq!(refused.code, 2, "{typed}");
        assert!(refused.stderr.contains(says), "{typed}: {}", refused.stderr);
    }
}

#[tokio::test]
async fn owners_and_reasons_of_revocations_are_shown_and_filtered() {
    let url = shared_url();
    let index = installed_index(&url, "owner").await;
    let go = |args: &[&str]| run(&url, &index, args);
    go(&words(
        "apply one --level Shape --tenant acme --owner search --ticket INC-1",
    ))
    .ok();
    go(&words(
        "apply two --level Shape --tenant umbrella --owner billing",
    ))
    .ok();
    go(&["revoke", "one", "--reason", "found the cause"]).ok();
    let details = go(&["get", "one"]).ok().stdout;
    for text in ["owner:", "search", "revoked for:", "found the cause"] {
        assert!(details.contains(text), "{text}: {details}");
    }
    let wide = go(&words("list -o wide")).ok().stdout;
    for text in [
        "OWNER",
        "billing",
        "REVOKED BY",
        "tester",
        "REVOKED FOR",
        "found the cause",
    ] {
        assert!(wide.contains(text), "{text}: {wide}");
    }
    let csv = go(&words("list --owner search -o csv")).ok().stdout;
    let (header, row) = csv.split_once('\n').unwrap();
    for (name, value) in [("owner", "search"), ("revoked_reason", "found the cause")] {
        let column = header.split(',').position(|column| column == name);
        assert_eq!(
            row.trim().split(',').nth(column.unwrap()),
            Some(value),
            "{csv}"
        );
    }
    assert_eq!(
        go(&words("list --owner billing -o name")).ok().stdout,
        "two\n"
    );
    let revoked = go(&words("revoke --owner billing --yes")).ok().stdout;
    assert!(revoked.starts_with("revoked two "), "{revoked}");
    // An edit of other fields must keep the directive's owner, and an edit that removes the owner
    // must need consent.
    go(&words(
        "apply three --level Shape --tenant acme --owner search",
    ))
    .ok();
    go(&words("edit three --set sample=5%")).ok();
    assert_eq!(go(&words("get three -o json")).json()["owner"], "search");
    let loses = go(&words("edit three --unset owner"));
    assert_eq!(loses.code, 2);
    assert!(
        loses.stderr.contains("owner search dropped"),
        "{}",
        loses.stderr
    );
}

#[tokio::test]
async fn prune_keeps_a_live_directive_that_the_file_contains_as_ended() {
    let url = shared_url();
    let index = installed_index(&url, "exported").await;
    let go = |line: &str| run(&url, &index, &words(line));
    for id in ["kept", "gone"] {
        go(&format!(
            "apply {id} --level Shape --tenant acme --owner team --ttl 1h"
        ))
        .ok();
    }
    go("revoke kept").ok();
    let folder = tempfile::tempdir().unwrap();
    for format in ["yaml", "json"] {
        let exported = go(&format!("get kept -o {format}")).ok().stdout;
        let file = folder.path().join(format!("export.{format}"));
        std::fs::write(file, exported).unwrap();
    }
    // After the export, somebody lets the revoked directive apply again.
    go("apply kept --level Shape --tenant acme --owner team --ttl 1h --reactivate").ok();
    for format in ["yaml", "json"] {
        let file = folder.path().join(format!("export.{format}"));
        let file = file.display();
        let differs = go(&format!("diff -f {file} --owner team --prune"));
        assert_eq!(differs.code, 7, "{}", differs.stderr);
        let ran = go(&format!("apply -f {file} --owner team --prune --yes")).ok();
        for printed in [&differs.stdout, &ran.stdout] {
            assert!(!printed.contains("kept"), "{format}: {printed}");
        }
        let state = |id: &str| go(&format!("get {id} -o json")).ok().json()["state"].clone();
        assert_eq!(state("kept"), "active", "{format}: {}", ran.stdout);
        assert_eq!(state("gone"), "revoked", "{format}: {}", ran.stdout);
        go("apply gone --level Shape --tenant acme --owner team --ttl 1h --reactivate").ok();
    }
}
