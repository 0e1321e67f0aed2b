//! Tests that an agent writes no secret into the bodies and headers of its responses, into its log
//! at the most detailed level, or into its last-good file.

use reqwest::Client;

use super::{apply, evaluate_request};
use crate::support::agent::Agent;
use crate::support::node::{installed_index, shared_url};

const PASSWORD: &str = "hunter2-password-of-the-cluster";
/// The user name and the password in Base64, as the header `Authorization` of a request contains
/// them.
const ENCODED: &str = "YW5uOmh1bnRlcjItcGFzc3dvcmQtb2YtdGhlLWNsdXN0ZXI=";
const TOKEN: &str = "hunter2-token-of-the-agent";

/// Returns all paths to which a client can send GET requests, according to the agent's `OpenAPI`
/// description.
async fn readable_paths(agent: &Agent) -> Vec<String> {
    let (status, description) = agent.get("/openapi.json").await;
    assert_eq!(status, 200, "{description}");
    let paths = description["paths"].as_object().unwrap().iter();
    let readable = paths.filter(|(_, methods)| methods.get("get").is_some());
    let mut paths: Vec<String> = readable.map(|(path, _)| path.clone()).collect();
    paths.push("/readyz?fresh".to_owned());
    paths
}

#[tokio::test]
async fn no_output_of_an_agent_contains_a_secret() {
    let url = shared_url();
    let index = installed_index(&url, "secrets").await;
    apply(&url, &index, "a", &["--ttl", "1h"]);
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    let (password, tokens) = (file("password", PASSWORD), file("tokens", TOKEN));
    let last_good = folder.path().join("last-good").display().to_string();
    let login = ["--username", "ann", "--password-file", &password];
    let access = [
        "--read-token-file",
        &tokens,
        "--refresh-token-file",
        &tokens,
    ];
    let others = ["--evaluate-token-file", &tokens, "--last-good", &last_good];
    let details = ["--log", "trace"];
    let args = [&login[..], &access, &others, &details].concat();
    let agent = Agent::start(&url, &index, &args);

    let paths = readable_paths(&agent).await;
    assert!(paths.len() > 9, "{paths:?}");
    let client = Client::new();
    let mut outputs = Vec::new();
    for token in [TOKEN, "another-token-0123456789"] {
        let mut requests: Vec<_> = paths
            .iter()
            .map(|path| client.get(agent.url(path)))
            .collect();
        requests.push(client.post(agent.url("/v1/refresh")));
        requests.push(
            client
                .post(agent.url("/v1/evaluate"))
                .json(&evaluate_request("acme")),
        );
        for request in requests {
            let response = request.bearer_auth(token).send().await.unwrap();
            let is_permitted = token == TOKEN;
            assert_eq!(
                response.status() != 401,
                is_permitted || is_open(response.url().path())
            );
            outputs.push(format!("{:?}", response.headers()));
            outputs.push(response.text().await.unwrap());
        }
    }
    outputs.push(std::fs::read_to_string(&last_good).unwrap());
    let log = agent.stop();
    assert!(log.contains("TRACE"), "{log}");
    outputs.push(log);
    for output in &outputs {
        for secret in [PASSWORD, ENCODED, TOKEN] {
            assert!(!output.contains(secret), "{secret} is in {output}");
        }
    }
}

/// Returns true for a path that the agent serves to clients without a token.
fn is_open(path: &str) -> bool {
    matches!(path, "/healthz" | "/readyz" | "/openapi.json")
}
