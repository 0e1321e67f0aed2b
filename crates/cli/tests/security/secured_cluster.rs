//! Starts a node with the security plugin, which all tests of this binary share. Creates users and
//! roles on this node.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use reqwest::{Certificate, Client, Method};
use serde_json::{Value, json};
use tokio::sync::{Mutex, MutexGuard};

use test_support::secured_node::{ADMIN, ADMIN_PASSWORD, SecuredNode};

use crate::support::agent::Agent;
use crate::support::command::{Ran, directives};
use crate::support::node::unique_index;

/// A password that satisfies the rules of the security plugin.
pub(crate) const PASSWORD: &str = "Nine-Otters-Paddle-41-Rivers!";

/// The roles of `mappings/roles`.
pub(crate) const ROLES: [&str; 7] = [
    "reader",
    "recorder",
    "reporter",
    "responder",
    "operator",
    "auditor",
    "installer",
];

/// Returns the shared node. The node watches its standard input, so it stops when the test process
/// ends.
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
    // Each runtime needs its own client, because a pooled connection ends when the runtime that
    // opened it ends.
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
        // A body that is a string belongs to a bulk request, and has one line for each JSON
        // document.
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

/// Sends a request as the administrator, and panics if the request fails.
pub(crate) async fn admin(method: &str, path: &str, body: Option<&Value>) -> Value {
    // The security plugin stores all roles in one document, so changes by two tests can conflict
    // (status 409). The function therefore repeats the request after a conflict.
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

/// Reads the file of a role, and replaces the index name in the role's permissions by the given
/// one.
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

/// Takes the lock for changes of users, roles and mappings. The security plugin stores all objects
/// of a kind in one document, so it would refuse one of two simultaneous changes.
pub(crate) async fn one_change() -> MutexGuard<'static, ()> {
    static CHANGE: Mutex<()> = Mutex::const_new(());
    CHANGE.lock().await
}

/// Changes a user, a role or a mapping, while no other test changes a user, a role or a mapping.
pub(crate) async fn configure(path: &str, content: &Value) {
    let _one = one_change().await;
    let path = format!("/_plugins/_security/api/{path}");
    admin("PUT", &path, Some(content)).await;
}

pub(crate) async fn put_role(name: &str, role: &Value) {
    configure(&format!("roles/{name}"), role).await;
}

/// Creates a user with the given roles and the password [`PASSWORD`].
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

/// Returns the connection flags for the node, without a user name.
pub(crate) fn connection() -> [String; 2] {
    [
        "--ca-certificate".to_owned(),
        node().file("ca.pem").display().to_string(),
    ]
}

/// Runs the command `directives` as the given user.
pub(crate) fn run_as(user: (&str, &str), index: &str, args: &[&str]) -> Ran {
    directives()
        .args(args)
        .args(connection())
        .args(["--username", user.0, "--url", &node().url()])
        .args(["--directives-index", index])
        .env("DIRECTIVES_PASSWORD", user.1)
        // The time limit is long, because the machine that runs the tests may be busy.
        .env("DIRECTIVES_REQUEST_TIMEOUT", "60s")
        .output()
        .unwrap()
        .into()
}

/// Runs the command as a user whose password is [`PASSWORD`].
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
    // The time limits are long, because the machine that runs the tests may be busy.
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

/// Returns the last error in the status of an agent, or an empty text if there is none.
pub(crate) fn error_of(status: &Value) -> &str {
    status["last_error"].as_str().unwrap_or_default()
}

/// Applies a directive as the administrator.
pub(crate) fn apply(index: &str, id: &str, args: &[&str]) {
    admin_runs(index, &[&applying(id), args].concat()).ok();
}

/// Takes the lock for the index `directives`. The roles name this index, so several tests need it,
/// but only one test at a time may use it.
pub(crate) async fn directives_index() -> MutexGuard<'static, ()> {
    static INDEX: Mutex<()> = Mutex::const_new(());
    INDEX.lock().await
}
