//! Starts a node with the security plugin, which all security tests share, and creates users and
//! roles on it.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use reqwest::{Certificate, Client, Method};
use serde_json::{Value, json};
use tokio::sync::{Mutex, MutexGuard};

use test_support::secured_node::{ADMIN, ADMIN_PASSWORD, SecuredNode};

use crate::support::agent::Agent;
use crate::support::command::{Ran, directives};
use crate::support::node::unique_index;

/// The password of all users that the tests create, which satisfies the rules of the security
/// plugin.
pub(crate) const PASSWORD: &str = "Nine-Otters-Paddle-41-Rivers!";

/// The names of the roles in `mappings/roles`, without the prefix `directives_`.
pub(crate) const ROLES: [&str; 7] = [
    "reader",
    "recorder",
    "reporter",
    "responder",
    "operator",
    "auditor",
    "installer",
];

/// Returns the node that all security tests share. The node stops when the test process ends,
/// because the node watches its standard input.
pub(crate) fn node() -> &'static SecuredNode {
    static NODE: OnceLock<SecuredNode> = OnceLock::new();
    NODE.get_or_init(SecuredNode::start)
}

/// Sends a request to the shared node as a user, and returns the status and the body of the
/// response.
pub(crate) async fn send_as(
    user: (&str, &str),
    method: &str,
    path: &str,
    body: Option<&Value>,
) -> (u16, Value) {
    let ca = std::fs::read(node().file("ca.pem")).unwrap();
    // The function creates a new HTTP client for each request, because a pooled connection ends
    // with the tokio runtime of the test that opened it.
    let client = Client::builder()
        .tls_certs_only([Certificate::from_pem(&ca).unwrap()])
        .no_proxy()
        .build()
        .unwrap();
    let method: Method = method.parse().unwrap();
    let request = client
        .request(method, format!("{}{path}", node().url()))
        .basic_auth(user.0, Some(user.1));
    let request = match body {
        // If the body is a string, it contains the lines of JSON for a bulk request.
        Some(Value::String(lines)) => request
            .header("content-type", "application/x-ndjson")
            .body(lines.clone()),
        Some(body) => request.json(body),
        None => request,
    };
    let response = request.send().await.unwrap();
    let status = response.status().as_u16();
    (status, response.json().await.unwrap_or_default())
}

/// Sends a request as the administrator, returns the body of the response, and panics if the
/// request fails.
pub(crate) async fn admin(method: &str, path: &str, body: Option<&Value>) -> Value {
    // The function repeats a request after a conflict (status 409), because the security plugin
    // stores all roles in one document, which another test may change at the same time.
    for _ in 0..50 {
        let (status, response) = send_as((ADMIN, ADMIN_PASSWORD), method, path, body).await;
        if status == 409 {
            continue;
        }
        assert!(status < 300, "{method} {path}: {status} {response:#}");
        return response;
    }
    panic!("{method} {path}: other tests change the same document all the time");
}

/// Reads the file of one of the roles in `mappings/roles`.
pub(crate) fn role_file(name: &str) -> Value {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../mappings/roles");
    let text = std::fs::read_to_string(format!("{folder}/directives_{name}.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}

/// Reads the file of a role, and replaces the index name in the role's permissions by the name
/// `index`.
pub(crate) fn role_for(name: &str, index: &str) -> Value {
    let mut role = role_file(name);
    for permissions in role["index_permissions"].as_array_mut().unwrap() {
        for pattern in permissions["index_patterns"].as_array_mut().unwrap() {
            let text = pattern.as_str().unwrap();
            *pattern = text.replacen("directives", index, 1).into();
        }
    }
    role
}

/// Takes the lock that a test needs to change users, roles and mappings. The security plugin
/// refuses one of two simultaneous changes, because it stores all objects of a kind in one
/// document.
pub(crate) async fn one_change() -> MutexGuard<'static, ()> {
    static CHANGE: Mutex<()> = Mutex::const_new(());
    CHANGE.lock().await
}

/// Creates or replaces a user, a role or a mapping, under a lock that excludes such changes by
/// other tests.
pub(crate) async fn configure(path: &str, content: &Value) {
    let _one = one_change().await;
    let path = format!("/_plugins/_security/api/{path}");
    admin("PUT", &path, Some(content)).await;
}

pub(crate) async fn put_role(name: &str, role: &Value) {
    configure(&format!("roles/{name}"), role).await;
}

/// Creates the user `name` with the given roles and the password [`PASSWORD`].
pub(crate) async fn put_user(name: &str, roles: &[&str]) {
    let user = json!({ "password": PASSWORD, "opendistro_security_roles": roles });
    configure(&format!("internalusers/{name}"), &user).await;
}

/// Creates a role for one test and a user who has only this role, and returns the user's name.
pub(crate) async fn user_with(role: &Value) -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let name = format!("user-{}", NEXT.fetch_add(1, Ordering::Relaxed));
    put_role(&name, role).await;
    put_user(&name, &[&name]).await;
    name
}

/// Creates an index and its pipeline with the permissions of the administrator.
pub(crate) async fn installed_index(prefix: &str) -> String {
    let index = unique_index(prefix);
    admin_runs(&index, &["init"]).ok();
    index
}

/// Returns the flags with which the command trusts the certificate of the shared node.
pub(crate) fn connection() -> [String; 2] {
    [
        "--ca-certificate".to_owned(),
        node().file("ca.pem").display().to_string(),
    ]
}

/// Runs the command `directives` on the shared node with the given user name and password.
pub(crate) fn run_as(user: (&str, &str), index: &str, args: &[&str]) -> Ran {
    directives()
        .args(args)
        .args(connection())
        .args(["--username", user.0, "--url", &node().url()])
        .args(["--directives-index", index])
        .env("DIRECTIVES_PASSWORD", user.1)
        // The command gets a long time limit for its requests, because a busy machine may be slow
        // to respond.
        .env("DIRECTIVES_REQUEST_TIMEOUT", "60s")
        .output()
        .unwrap()
        .into()
}

/// Runs the command `directives` as a user whose password is [`PASSWORD`].
pub(crate) fn run(user: &str, index: &str, args: &[&str]) -> Ran {
    run_as((user, PASSWORD), index, args)
}

/// Starts an agent as a user whose password is [`PASSWORD`].
pub(crate) fn agent(user: &str, index: &str) -> Agent {
    agent_with(user, index, &[])
}

/// Starts an agent with additional arguments as a user whose password is [`PASSWORD`].
pub(crate) fn agent_with(user: &str, index: &str, more: &[&str]) -> Agent {
    let [flag, ca] = connection();
    // The agent gets a long time limit for its requests, because a busy machine may be slow to
    // respond.
    let patience = ["--startup", "empty", "--request-timeout", "10s"];
    let args = [&[&flag, &ca, "--username", user], &patience[..], more].concat();
    Agent::start_with(
        &node().url(),
        index,
        &args,
        &[("DIRECTIVES_PASSWORD", PASSWORD)],
    )
}

/// Runs the command `directives` as the administrator.
pub(crate) fn admin_runs(index: &str, args: &[&str]) -> Ran {
    run_as((ADMIN, ADMIN_PASSWORD), index, args)
}

/// Returns the arguments of an `apply` that succeeds even if the id is already in use.
pub(crate) fn applying(id: &str) -> [&str; 12] {
    [
        "apply",
        id,
        "--level",
        "Shape",
        "--ttl",
        "1h",
        "--reason",
        "test",
        "--everything",
        "--replace",
        "--reactivate",
        "--yes",
    ]
}

/// Returns the last error in the status of an agent, or an empty text if the status contains no
/// error.
pub(crate) fn error_of(status: &Value) -> &str {
    status["last_error"].as_str().unwrap_or_default()
}

/// Applies a directive as the administrator.
pub(crate) fn apply(index: &str, id: &str, args: &[&str]) {
    admin_runs(index, &[&applying(id), args].concat()).ok();
}

/// Takes the lock for the index `directives`, which the files of the roles name. Only one test at a
/// time may use the index `directives`.
pub(crate) async fn directives_index() -> MutexGuard<'static, ()> {
    static INDEX: Mutex<()> = Mutex::const_new(());
    INDEX.lock().await
}
