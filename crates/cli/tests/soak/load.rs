//! Generates the load of the soak test with tasks that write documents and signed directives, send
//! evaluations and long polls, and open connections that never complete a request.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::site::Site;
use crate::support::agent::Agent;
use crate::support::command::directives;

/// The number of document ids from which the writing task chooses one at random for each write.
const IDS: usize = 300;
const EVALUATING_CLIENTS: usize = 4;
const WAITING_CLIENTS: usize = 20;
/// The number of connections without a complete request that the load opens to each agent before it
/// closes all of them.
const HALF_OPEN: usize = 100;

/// Starts all tasks that generate the load.
pub(crate) fn start(load: &mut JoinSet<()>, site: &Arc<Site>, hub: &Agent, client: &Agent) {
    load.spawn(write(Arc::clone(site)));
    load.spawn(sign(Arc::clone(site)));
    for agent in [hub, client] {
        load.spawn(hang(agent.address().to_owned()));
        for _ in 0..EVALUATING_CLIENTS {
            load.spawn(evaluate(Arc::clone(site), agent.url("/v1/evaluate")));
        }
        for _ in 0..WAITING_CLIENTS {
            load.spawn(wait(Arc::clone(site), agent.url("/v1/directives")));
        }
    }
}

/// Creates, replaces, revokes and deletes documents with direct requests, and ignores requests that
/// fail because the node is down.
async fn write(site: Arc<Site>) {
    let mut random = fastrand::Rng::with_seed(19);
    for number in 0_u64.. {
        let id = random.usize(..IDS);
        let document = format!("{}/{}/_doc/d-{id}", site.node, site.index);
        let request = match random.u8(..10) {
            0 => site.http.delete(&document),
            1 => {
                let update = format!("{}/{}/_update/d-{id}", site.node, site.index);
                let revoked =
                    json!({"doc": {"revoked": true, "revoked_by": "soak", "author": "soak"}});
                site.http.post(update).json(&revoked)
            }
            _ => {
                let ttl = random.u32(2..600);
                let tenant = format!("tenant-{}", number % 50);
                let draft =
                    json!({"level": "Shape", "tenant": tenant, "ttl_secs": ttl, "reason": "soak"});
                site.http.put(&document).json(&draft)
            }
        };
        let _ = request.send().await;
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Runs `directives apply` every few seconds to write a signed directive.
async fn sign(site: Arc<Site>) {
    for number in 0_u64.. {
        let id = format!("signed-{}", number % 20);
        let key = site.text(if number.is_multiple_of(3) {
            "bob.key"
        } else {
            "alice.key"
        });
        let args = format!(
            "apply {id} --level Shape --tenant acme --ttl 5m --reason soak --replace --reactivate --yes"
        );
        let mut command = directives();
        command
            .args(args.split(' '))
            .args(["--url", &site.node, "--directives-index", &site.index])
            .args(["--sign-with", &key]);
        let _ = tokio::task::spawn_blocking(move || command.output()).await;
        tokio::time::sleep(Duration::from_secs(5)).await;
    }
}

async fn evaluate(site: Arc<Site>, url: String) {
    for number in 0_u64.. {
        let request = json!({"tenant": format!("tenant-{}", number % 50), "index": "orders",
            "principal": "soak", "endpoint": "Search", "request_id": number.to_string()});
        let sent = site
            .http
            .post(&url)
            .bearer_auth(site.token())
            .json(&request);
        if let Ok(response) = sent.send().await {
            // The agent must respond to every evaluation, even while its polls fail.
            assert_eq!(response.status(), 200);
            let _ = response.bytes().await;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// Sends one long poll after another to an agent, each of which waits for the next change of the
/// agent's set.
async fn wait(site: Arc<Site>, url: String) {
    let mut known = Value::Null;
    loop {
        let mut request = site.http.get(&url).bearer_auth(site.token());
        if let Some(tag) = known.as_str() {
            request = request.query(&[("wait", "5s"), ("known", tag)]);
        }
        if let Ok(response) = request.send().await {
            let body: Value = response.json().await.unwrap_or_default();
            if body["tag"].is_string() {
                known = body["tag"].clone();
            }
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

/// Opens connections to an agent, and sends nothing or only a part of a request on each. Closes all
/// connections when [`HALF_OPEN`] connections are open, and starts again.
async fn hang(address: String) {
    loop {
        let mut open = Vec::new();
        for number in 0..HALF_OPEN {
            if let Ok(mut stream) = TcpStream::connect(&address).await {
                if number % 2 == 0 {
                    let _ = stream
                        .write_all(b"GET /healthz HTTP/1.1\r\nhost: loc")
                        .await;
                }
                open.push(stream);
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
}
