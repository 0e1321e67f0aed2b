//! Tests that `doctor` reports the permissions of each role, and the documents and fields that a
//! role hides. Also tests that `doctor` writes nothing to the index.

use serde_json::{Value, json};

use crate::secured_cluster::{admin, apply, installed_index, put_role, role_for, run, user_with};

/// Each role with the operations that the role does not permit, named as in the report of `doctor`.
const MISSING: [(&str, &[&str]); 6] = [
    (
        "reader",
        &["validate drafts", "apply, extend", "revoke", "delete"],
    ),
    (
        "recorder",
        &["validate drafts", "apply, extend", "revoke", "delete"],
    ),
    ("responder", &["notice hidden", "delete"]),
    ("operator", &["notice hidden"]),
    (
        "auditor",
        &[
            "measure the clock",
            "validate drafts",
            "apply, extend",
            "revoke",
            "delete",
        ],
    ),
    (
        "installer",
        &[
            "list directives",
            "read directives by id",
            "resolve the index",
            "poll at the lowest",
            "notice hidden",
            "measure the clock",
            "validate drafts",
            "apply, extend",
            "revoke",
            "delete",
        ],
    ),
];

/// Runs `directives doctor` as the user `user`. Returns the exit code of `doctor`, and the health,
/// text and remedy of each check of the kind `kind` as one line.
fn report(user: &str, index: &str, kind: &str) -> (i32, Vec<String>) {
    let ran = run(user, index, &["doctor", "-o", "json"]);
    let checks = ran.json()["checks"].take();
    let lines = checks.as_array().unwrap().iter();
    let lines = lines.filter(|check| check["check"] == kind).map(|check| {
        let text = |field: &str| check[field].as_str().unwrap_or_default().to_owned();
        format!("{} {} {}", text("health"), text("text"), text("fix"))
    });
    (ran.code, lines.collect())
}

#[tokio::test]
#[ignore = "scripts/test-security runs it"]
async fn doctor_reports_the_permissions_of_each_role_and_writes_nothing() {
    let index = installed_index("doctor").await;
    apply(&index, "kept", &[]);
    let stats = format!("/{index}/_stats?level=shards");
    let operations = async || {
        let shards = admin("GET", &stats, None).await["indices"][&index]["shards"]["0"].take();
        shards[0]["seq_no"]["max_seq_no"].clone()
    };
    let before = operations().await;
    for (role, missing) in MISSING {
        let user = user_with(&role_for(role, &index)).await;
        let (code, lines) = report(&user, &index, "permissions");
        let problems = lines.iter().filter(|line| !line.starts_with("ok "));
        let problems: Vec<&String> = problems.collect();
        assert_eq!(problems.len(), missing.len(), "{role}: {lines:#?}");
        for (line, operation) in problems.iter().zip(missing) {
            let expected = format!("the user may not {operation}");
            assert!(line.contains(&expected), "{role}: {expected}: {line}");
            assert!(line.contains(&format!("{index}_")), "{role}: {line}");
        }
        // `doctor` must fail for a role that cannot read directives.
        assert_eq!(code, i32::from(role == "installer"), "{role}: {lines:#?}");
        let (_, user_lines) = report(&user, &index, "user");
        assert!(user_lines[0].contains(&user), "{user_lines:?}");
    }
    assert_eq!(operations().await, before, "a probing write took a number");
}

#[tokio::test]
#[ignore = "scripts/test-security runs it"]
async fn doctor_reports_hidden_documents_and_fields() {
    let index = installed_index("doctor-hides").await;
    for id in ["one", "two"] {
        apply(&index, id, &[]);
    }
    let role = role_for("reader", &index);
    let user = user_with(&role).await;
    assert_eq!(report(&user, &index, "hidden").0, 0);
    let one = json!({ "ids": { "values": ["one"] } }).to_string();
    for (key, value, expected) in [
        ("dls", Value::from(one), "a search finds 1 of 2 documents"),
        (
            "fls",
            json!(["~tenant", "~revoked"]),
            "hides revoked, tenant",
        ),
    ] {
        let mut restricted = role.clone();
        restricted["index_permissions"][0][key] = value;
        put_role(&user, &restricted).await;
        let (code, lines) = report(&user, &index, "hidden");
        assert_eq!(code, 1, "{lines:?}");
        let found = lines
            .iter()
            .any(|line| line.starts_with("failure ") && line.contains(expected));
        assert!(found, "{expected}: {lines:?}");
    }
}
