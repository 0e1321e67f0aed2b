//! Tests that `directives history` reads the authenticated user of each write from the audit log of
//! the security plugin, even if the writer claimed to be another user.

use serde_json::{Value, json};

use crate::secured_cluster::{
    PASSWORD, admin, admin_runs, agent_with, configure, put_role, put_user, role_for, run, send_as,
};
use crate::support::eventually::eventually;
use crate::support::node::unique_index;

/// Configures the security plugin so that its audit log contains each write to the index `index`,
/// and nothing else.
async fn log_writes(index: &str) {
    let config = json!({
        "enabled": true,
        "audit": {
            "enable_rest": false, "enable_transport": false, "resolve_bulk_requests": false,
            "resolve_indices": false, "log_request_body": false,
        },
        "compliance": {
            "enabled": true, "internal_config": false, "external_config": false,
            "write_metadata_only": true, "write_watched_indices": [index],
        },
    });
    configure("audit/config", &config).await;
}

/// Writes and deletes a directive as the user alice, and then writes as the user mallory, who
/// falsely states that alice is the author. Returns the name of a user with the role `auditor`.
async fn played(index: &str) -> String {
    admin_runs(index, &["init", "--history"]).ok();
    for role in ["operator", "auditor", "recorder"] {
        put_role(&format!("{index}-{role}"), &role_for(role, index)).await;
    }
    let [alice, mallory, auditor, recorder] =
        ["alice", "mallory", "auditor", "recorder"].map(|name| format!("{index}-{name}"));
    for name in [&alice, &mallory] {
        put_user(name, &[&format!("{index}-operator")]).await;
    }
    put_user(&auditor, &[&format!("{index}-auditor")]).await;
    put_user(&recorder, &[&format!("{index}-recorder")]).await;
    let agent = agent_with(&recorder, index, &["--record-history"]);
    let apply = [
        "apply", "slow", "--level", "Shape", "--tenant", "acme", "--ttl", "1h", "--reason", "r",
        "--author", &alice,
    ];
    run(&alice, index, &apply).ok();
    run(
        &mallory,
        index,
        &["extend", "slow", "--by", "1m", "--author", &alice],
    )
    .ok();
    // The user mallory also writes a document without the command, in which she states a false
    // author and a false authenticated user.
    let forged = json!({
        "level": "Shape", "tenant": "globex", "ttl_secs": 600, "author": alice,
        "authenticated_as": alice, "reason": "r",
    });
    let path = format!("/{index}/_doc/forged?refresh=true");
    let (status, response) = send_as((&mallory, PASSWORD), "PUT", &path, Some(&forged)).await;
    assert_eq!(status, 201, "{response}");
    agent
        .status_when("it has recorded the directive", |status| {
            status["recorder"]["pending"] == 0 && status["recorder"]["recorded"].as_u64() > Some(0)
        })
        .await;
    run(
        &alice,
        index,
        &["delete", "slow", "--yes", "--author", &alice],
    )
    .ok();
    auditor
}

#[tokio::test]
#[ignore = "scripts/test-security runs it"]
async fn the_audit_log_names_who_wrote_in_the_name_of_another() {
    let index = unique_index("audited");
    log_writes(&index).await;
    let auditor = played(&index).await;
    let history = |args: &[&str]| run(&auditor, &index, &[&["history"], args].concat());
    // The role `auditor` does not permit a user to read the audit log, because the audit log
    // contains much more than the writes of directives.
    let unread = history(&["-o", "json"]).ok();
    let warning = "warning: in 1 of 4 operations, the claimed author is not the user whom the cluster \
                   authenticated\n";
    assert_eq!(unread.stderr, warning);
    assert_eq!(unread.json()[0].get("witnessed"), None);
    let named = history(&["--audit-log", "security-auditlog-*"]);
    assert_eq!(named.code, 11, "{}", named.stderr);

    let reader = json!({ "index_permissions": [{
        "index_patterns": ["security-auditlog-*"], "allowed_actions": ["indices:data/read/search"],
    }]});
    let role = format!("{index}-log");
    put_role(&role, &reader).await;
    put_user(&auditor, &[&format!("{index}-auditor"), &role]).await;
    // The test waits until the audit log contains all operations, because the security plugin
    // writes its audit log asynchronously.
    let told = async || {
        admin("POST", "/security-auditlog-*/_refresh", None).await;
        history(&["-o", "json"]).ok().json()
    };
    let told = eventually("the log names all four operations", told, |told| {
        told.as_array()
            .unwrap()
            .iter()
            .all(|record| record["witnessed"] == true)
    })
    .await;
    let user = |name: &str| format!("{index}-{name}");
    let found: Vec<[Value; 3]> = told
        .as_array()
        .unwrap()
        .iter()
        .map(|record| ["kind", "by", "authenticated_by"].map(|name| record[name].clone()))
        .collect();
    let wanted = [
        ("created", "alice", "alice"),
        ("extended", "alice", "mallory"),
        ("created", "alice", "mallory"),
        ("deleted", "alice", "alice"),
    ];
    let wanted = wanted.map(|(kind, by, who)| [json!(kind), json!(user(by)), json!(user(who))]);
    assert_eq!(found, wanted);
    let contradictions = |number: usize| told[number]["contradictions"].as_array().map(Vec::len);
    assert_eq!(
        [0, 1, 2, 3].map(contradictions),
        [None, Some(1), Some(2), None]
    );
    let by = history(&["-o", "json", "--by", &user("mallory")])
        .ok()
        .json();
    assert_eq!(by, json!([told[1], told[2]]));
}
