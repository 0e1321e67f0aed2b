//! Tests applying, listing, revoking and deleting directives on a real node.

use serde_json::{Value, json};

use crate::support::command::{directives, run, run_with};
use crate::support::node::{installed_index, shared_url, unique_index};
use crate::support::{http, in_hours, instant};

const TTL: [&str; 2] = ["--ttl", "15m"];
/// The flags with which a user consents to every write, for tests that do not test consent.
const CONSENT: [&str; 4] = ["--everything", "--yes", "--reason", "test"];

fn ids(list: &Value) -> Vec<&str> {
    list.as_array()
        .unwrap()
        .iter()
        .map(|document| document["id"].as_str().unwrap())
        .collect()
}

#[test]
fn init_can_be_repeated_and_its_dry_run_changes_nothing() {
    let url = shared_url();
    let index = unique_index("init");
    let dry = run(&url, &index, &["init", "--dry-run"]).ok();
    assert!(
        dry.stdout
            .contains(&format!("create the index\nPUT /{index}"))
    );
    assert_eq!(
        run(&url, &index, &["list"]).code,
        3,
        "the dry run made the index"
    );
    let first = run(&url, &index, &["init"]).ok();
    assert!(first.stdout.contains("create index"), "{}", first.stdout);
    let second = run(&url, &index, &["init"]).ok();
    assert!(!second.stdout.contains("create"), "{}", second.stdout);
    assert!(!second.stdout.contains("update"), "{}", second.stdout);
}

#[tokio::test]
async fn init_refuses_an_index_with_another_mapping() {
    let url = shared_url();
    let index = unique_index("unfit");
    let body = json!({"settings": {"number_of_shards": 2}, "mappings": {"properties": {"level": {"type": "text"}}}});
    http::put(&format!("{url}/{index}"), &body).await;
    let ran = run(&url, &index, &["init"]);
    assert_eq!(ran.code, 1);
    assert!(ran.stderr.contains("number_of_shards"), "{}", ran.stderr);
    assert!(
        ran.stderr.contains("the field level has the type"),
        "{}",
        ran.stderr
    );
}

#[tokio::test]
async fn apply_list_get_revoke_and_delete() {
    let url = shared_url();
    let index = installed_index(&url, "cli").await;
    let run = |args: &[&str]| run(&url, &index, args);

    assert_eq!(run(&["list"]).ok().stdout, "no directives\n");
    run(&[
        "apply",
        "one",
        "--level",
        "ShapeTiming",
        "--tenant",
        "acme",
        "--index",
        "orders",
        "--principal",
        "svc",
        "--endpoint",
        "Search",
        "--sample-per-mille",
        "50",
        "--ring-buffer",
        "--capture",
        "--ttl",
        "15m",
        "--reason",
        "slow",
        "--ticket",
        "T-1",
        "--author",
        "ann",
        "--yes",
    ])
    .ok();
    run(&[
        "apply",
        "two",
        "--level",
        "Shape",
        "--expires-at",
        &in_hours(2),
        "--starts-at",
        &in_hours(1),
        "--everything",
        "--reason",
        "why",
        "--yes",
    ])
    .ok();

    // `list` must find the directives as soon as `apply` has returned.
    let list = run(&["list", "-o", "json"]).ok().json();
    assert_eq!(ids(&list), ["one", "two"]);
    let one = &list[0];
    for (field, value) in [
        ("state", json!("active")),
        ("level", json!("ShapeTiming")),
        ("tenant", json!("acme")),
        ("index", json!("orders")),
        ("principal", json!("svc")),
        ("endpoint", json!("Search")),
        ("sample_per_mille", json!(50)),
        ("ring_buffer", json!(true)),
        ("capture", json!(true)),
        ("reason", json!("slow")),
        ("ticket", json!("T-1")),
        ("created_by", json!("ann")),
        ("updated_by", json!("ann")),
    ] {
        assert_eq!(one[field], value, "{field}");
    }
    assert!(one["expires_at"].is_string() && one["ttl_secs"].is_null());
    assert_eq!(list[1]["state"], "scheduled");
    assert_eq!(list[1]["updated_by"], "tester");
    assert_eq!(run(&["get", "one", "-o", "json"]).ok().json(), *one);
    let table = run(&["list"]).ok().stdout;
    assert!(
        table.contains("tenant=acme index=orders principal=svc endpoint=Search"),
        "{table}"
    );
    assert!(table.contains("in 14m"), "{table}");
    assert!(run(&["get", "one"]).ok().stdout.contains("expires:"));

    run(&["revoke", "one", "--author", "eve"]).ok();
    let one = run(&["get", "one", "-o", "json"]).ok().json();
    assert_eq!(
        (&one["state"], &one["revoked_by"]),
        (&json!("revoked"), &json!("eve"))
    );
    // A second revocation of the same directive must succeed and change nothing.
    run(&["revoke", "one", "--author", "bob"]).ok();
    assert_eq!(run(&["get", "one", "-o", "json"]).ok().json(), one);
    assert_eq!(
        ids(&run(&["list", "-o", "json", "--state", "revoked"])
            .ok()
            .json()),
        ["one"]
    );

    run(&["delete", "two"]).ok();
    assert_eq!(ids(&run(&["list", "-o", "json"]).ok().json()), ["one"]);
    for verb in ["get", "revoke", "delete"] {
        let ran = run(&[verb, "two"]);
        assert_eq!(ran.code, 3, "{verb}");
        let printed = format!("{}{}", ran.stdout, ran.stderr);
        assert!(printed.contains("there is no"), "{printed}");
    }
}

#[tokio::test]
async fn a_second_apply_replaces_the_directive_whole() {
    let url = shared_url();
    let index = installed_index(&url, "replace").await;
    let apply = |args: &[&str]| {
        run(
            &url,
            &index,
            &[&["apply", "one", "--level", "Shape"], args].concat(),
        )
        .ok()
    };
    let get = || run(&url, &index, &["get", "one", "-o", "json"]).ok().json();
    apply(&[
        "--tenant",
        "acme",
        "--ring-buffer",
        "--reason",
        "why",
        "--author",
        "ann",
        "--ttl",
        "1h",
    ]);
    let first = get();
    run(&url, &index, &["revoke", "one"]).ok();
    let consent = ["--replace", "--reactivate", "--everything", "--yes"];
    apply(
        &[
            &["--author", "bob", "--ttl", "2h", "--reason", "new"],
            &consent[..],
        ]
        .concat(),
    );
    let second = get();
    assert_eq!(
        second["state"], "active",
        "--reactivate lifts the revocation"
    );
    for gone in ["tenant", "revoked_at", "revoked_by"] {
        assert!(second[gone].is_null(), "{gone}");
    }
    assert_eq!(second["ring_buffer"], false);
    assert_eq!(second["updated_by"], "bob");
    // A write that replaces a directive must keep its `created_by` and `created_at`.
    assert_eq!(second["created_by"], "ann");
    assert_eq!(
        instant(&second["created_at"]),
        instant(&first["created_at"])
    );
}

#[tokio::test]
async fn apply_takes_each_form_of_input() {
    let url = shared_url();
    let index = installed_index(&url, "forms").await;
    let one = r#"{"id":"a","level":"Shape","ttl_secs":600}"#;
    let two = r#"{"id":"b","level":"Off","ttl_secs":600,"tenant":"t"}"#;
    for (name, input, expected) in [
        ("one document", one.to_owned(), vec!["a"]),
        ("an array", format!("[{one},{two}]"), vec!["a", "b"]),
        (
            "one document a line",
            format!("{one}\n\n{two}\n"),
            vec!["a", "b"],
        ),
        (
            "the blob",
            format!("{{\"directives\":[{one},{two}]}}"),
            vec!["a", "b"],
        ),
    ] {
        run_with(
            &url,
            &index,
            &["apply", "-f", "-", "--everything", "--yes", "--reason", "r"],
            &input,
        )
        .ok();
        let list = run(&url, &index, &["list", "-o", "json"]).ok().json();
        assert_eq!(ids(&list), expected, "{name}");
        run(&url, &index, &[&["delete"], expected.as_slice()].concat()).ok();
    }
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), one).unwrap();
    run(
        &url,
        &index,
        &[
            &["apply", "--file", file.path().to_str().unwrap()],
            &CONSENT[..],
        ]
        .concat(),
    )
    .ok();
    assert_eq!(run(&url, &index, &["get", "a"]).code, 0);
}

#[tokio::test]
async fn a_malformed_document_is_listed_and_can_be_revoked() {
    let url = shared_url();
    let index = installed_index(&url, "malformed").await;
    let document = json!({"level": "Shape", "tenant": 42, "expires_at": in_hours(1)});
    http::put(
        &format!("{url}/{index}/_doc/bad?pipeline=_none&refresh=true"),
        &document,
    )
    .await;
    let list = run(&url, &index, &["list", "-o", "json"]).ok().json();
    assert_eq!(list[0]["state"], "rejected");
    assert!(
        list[0]["rejected_for"]
            .as_str()
            .unwrap()
            .starts_with("tenant: 42")
    );
    assert!(
        run(&url, &index, &["list"])
            .ok()
            .stdout
            .contains("tenant: 42")
    );
    run(&url, &index, &["revoke", "bad"]).ok();
    let bad = run(&url, &index, &["get", "bad", "-o", "json"]).ok().json();
    assert!(bad["revoked_at"].is_string());
}

#[test]
fn each_kind_of_failure_has_its_exit_code() {
    let url = shared_url();
    let nowhere = "http://127.0.0.1:1";
    let missing = unique_index("missing");
    assert_eq!(run(&url, &missing, &["list"]).code, 3);
    let apply = [
        &["apply", "a", "--level", "Shape", "--tenant", "t"],
        TTL.as_slice(),
    ]
    .concat();
    let ran = run(&url, &missing, &apply);
    assert_eq!(ran.code, 3);
    assert!(ran.stderr.contains("directives init"), "{}", ran.stderr);
    assert_eq!(run(nowhere, &missing, &["list"]).code, 4);
    assert_eq!(run(nowhere, &missing, &apply).code, 4);
    assert_eq!(run(&url, "a*", &["list"]).code, 2);
    assert_eq!(run(&url, &missing, &["nonsense"]).code, 2);
    let secret = run("http://u:hunter2@127.0.0.1:1", &missing, &["list"]);
    assert_eq!(secret.code, 2);
    assert!(!secret.stderr.contains("hunter2"), "{}", secret.stderr);
    let help = directives().arg("--help").output().unwrap();
    assert!(
        String::from_utf8(help.stdout)
            .unwrap()
            .contains("Exit codes:")
    );
}

#[test]
fn a_password_in_the_environment_is_never_shown() {
    let ran = directives()
        .args(["list", "--username", "admin", "--url", "http://127.0.0.1:1"])
        .env("DIRECTIVES_PASSWORD", "hunter2")
        .output()
        .unwrap();
    assert_eq!(ran.status.code(), Some(4));
    let printed = format!("{ran:?}");
    assert!(!printed.contains("hunter2"), "{printed}");
    let ran = directives()
        .args(["list", "--help"])
        .env("DIRECTIVES_PASSWORD", "hunter2")
        .output();
    assert!(!format!("{ran:?}").contains("hunter2"));
}
