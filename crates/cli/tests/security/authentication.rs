//! Tests that users of the command can authenticate with passwords and client certificates. Also
//! tests which server certificates the command trusts.

use std::path::Path;

use serde_json::json;
use test_support::secured_node::{ADMIN, ADMIN_PASSWORD};

use crate::secured_cluster::{
    PASSWORD, agent, apply, configure, connection, error_of, installed_index, node, put_role,
    put_user, role_for, run_as, user_with,
};
use crate::support::agent::Agent;
use crate::support::command::{Ran, directives};

/// Runs `directives list` with the given flags. The environment of the command contains the
/// password only if the flags contain a user name.
pub(crate) fn list(index: &str, flags: &[&str]) -> Ran {
    let mut command = directives();
    command
        .args(["list", "--url", &node().url(), "--directives-index", index])
        .args(flags);
    if flags.contains(&"--username") {
        command.env("DIRECTIVES_PASSWORD", ADMIN_PASSWORD);
    }
    command.output().unwrap().into()
}

#[tokio::test]
#[ignore = "scripts/test-security runs it"]
async fn a_wrong_password_or_none_is_refused_and_not_printed() {
    let index = installed_index("password").await;
    run_as((ADMIN, ADMIN_PASSWORD), &index, &["list"]).ok();
    for user in [(ADMIN, "Wrong-Otter-7"), ("nobody", "Wrong-Otter-7")] {
        let ran = run_as(user, &index, &["list"]);
        assert_eq!(ran.code, 5, "{}", ran.stderr);
        assert!(ran.stderr.contains("401"), "{}", ran.stderr);
        assert!(!ran.stderr.contains("Otter"), "{}", ran.stderr);
    }
    let [flag, ca] = connection();
    let ran = list(&index, &[&flag, &ca]);
    assert_eq!(ran.code, 5, "{}", ran.stderr);
    assert!(ran.stderr.contains("401"), "{}", ran.stderr);
}

/// Writes a certificate from the node's folder and the key of this certificate to one file for
/// `--client-certificate`, and returns the path of this file.
pub(crate) fn pem(folder: &Path, name: &str) -> String {
    let part = |file: String| std::fs::read_to_string(node().file(&file)).unwrap();
    let both = part(format!("{name}.pem")) + &part(format!("{name}-key.pem"));
    let file = folder.join(format!("{name}-both.pem"));
    std::fs::write(&file, both).unwrap();
    file.display().to_string()
}

#[tokio::test]
#[ignore = "scripts/test-security runs it"]
async fn a_client_certificate_is_a_user() {
    let index = installed_index("certificate").await;
    let folder = tempfile::tempdir().unwrap();
    let certificate = pem(folder.path(), "client");
    let [flag, ca] = connection();
    let flags = [flag.as_str(), &ca, "--client-certificate", &certificate];
    let ran = list(&index, &flags);
    assert_eq!(ran.code, 5, "it has no role yet: {}", ran.stderr);
    assert!(ran.stderr.contains("403"), "{}", ran.stderr);
    put_role("by-certificate", &role_for("reader", &index)).await;
    let mapping = json!({ "users": ["client"] });
    configure("rolesmapping/by-certificate", &mapping).await;
    list(&index, &flags).ok();
}

#[tokio::test]
#[ignore = "scripts/test-security runs it"]
async fn a_certificate_of_another_authority_is_not_trusted() {
    let index = installed_index("authority").await;
    let other = node().file("other-ca.pem").display().to_string();
    for flags in [
        &["--ca-certificate", &other, "--username", ADMIN][..],
        &["--username", ADMIN][..],
    ] {
        let ran = list(&index, flags);
        assert_eq!(ran.code, 4, "{}", ran.stderr);
        let says = ran.stderr.to_lowercase();
        assert!(says.contains("certificate"), "{}", ran.stderr);
    }
}

/// A request to an `http` address of the node must fail, because the node closes connections
/// without TLS.
#[tokio::test]
#[ignore = "scripts/test-security runs it"]
async fn plain_http_to_a_tls_port_fails() {
    let url = node().url().replace("https://", "http://");
    let ran: Ran = directives()
        .args(["list", "--url", &url, "--username", ADMIN])
        .env("DIRECTIVES_PASSWORD", ADMIN_PASSWORD)
        .output()
        .unwrap()
        .into();
    assert_eq!(ran.code, 4, "{}", ran.stderr);
}

/// If the user of a running agent loses permissions, the agent's polls must fail until the user has
/// these permissions again. While the polls fail, the agent must keep its published set and report
/// the growing age of this set.
#[tokio::test]
#[ignore = "scripts/test-security runs it"]
async fn an_agent_without_its_former_permissions_keeps_its_set_and_reports_the_refusal() {
    let index = installed_index("rights").await;
    apply(&index, "a", &[]);
    let role = role_for("reader", &index);
    let user = user_with(&role).await;
    let agent = agent(&user, &index);
    agent
        .status_when("it is published", |status| status["directives"] == 1)
        .await;
    put_user(&user, &[]).await;
    let status = agent
        .status_when("it is refused", |status| error_of(status).contains("403"))
        .await;
    assert!(!status.to_string().contains(PASSWORD));
    assert_eq!(status["directives"], 1);
    put_user(&user, &[&user]).await;
    apply(&index, "b", &[]);
    agent
        .status_when("it reads again", |status| status["directives"] == 2)
        .await;
}

/// After a change of the user's password, the agent needs no restart, because it reloads the
/// password file after a response with status 401.
#[tokio::test]
#[ignore = "scripts/test-security runs it"]
async fn an_agent_takes_a_rotated_password_from_its_file() {
    const NEXT: &str = "Ten-Herons-Gather-52-Pebbles!";
    let index = installed_index("rotation").await;
    apply(&index, "a", &[]);
    let user = user_with(&role_for("reader", &index)).await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("password");
    std::fs::write(&file, PASSWORD).unwrap();
    let [flag, ca] = connection();
    let password_file = file.display().to_string();
    let flags = ["--username", &user, "--password-file", &password_file];
    let patience = ["--request-timeout", "10s", "--max-backoff", "1s"];
    let args = [&[flag.as_str(), &ca], &flags[..], &patience[..]].concat();
    let agent = Agent::start(&node().url(), &index, &args);
    agent
        .status_when("it is published", |status| status["directives"] == 1)
        .await;
    let content = json!({ "password": NEXT, "opendistro_security_roles": [&user] });
    configure(&format!("internalusers/{user}"), &content).await;
    agent
        .status_when("it is refused", |status| error_of(status).contains("401"))
        .await;
    std::fs::write(&file, NEXT).unwrap();
    apply(&index, "b", &[]);
    let status = agent
        .status_when("it reads again", |status| status["directives"] == 2)
        .await;
    for secret in [PASSWORD, NEXT] {
        assert!(!status.to_string().contains(secret));
    }
    let log = agent.stop();
    for secret in [PASSWORD, NEXT] {
        assert!(!log.contains(secret), "{log}");
    }
}

#[tokio::test]
#[ignore = "scripts/test-security runs it"]
async fn a_write_records_the_authenticated_user_beside_the_author() {
    let index = installed_index("recorded").await;
    let first = user_with(&role_for("operator", &index)).await;
    let second = user_with(&role_for("responder", &index)).await;
    let stored = |user: &str| {
        let ran = run_as((user, PASSWORD), &index, &["get", "one", "-o", "json"]);
        ran.ok().json()
    };
    let apply = "apply one --level Shape --tenant acme --author ann";
    run_as(
        (&first, PASSWORD),
        &index,
        &apply.split(' ').collect::<Vec<_>>(),
    )
    .ok();
    let one = stored(&first);
    assert_eq!(
        (&one["updated_by"], &one["authenticated_as"]),
        (&json!("ann"), &json!(first))
    );
    run_as(
        (&second, PASSWORD),
        &index,
        &["revoke", "one", "--author", "ann"],
    )
    .ok();
    let revoked = stored(&second);
    assert_eq!(
        (&revoked["revoked_by"], &revoked["authenticated_as"]),
        (&json!("ann"), &json!(second))
    );
}
