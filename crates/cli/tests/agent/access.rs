//! Tests that the agent refuses requests without a valid token or client certificate, and requests
//! that a browser sends for a web page of another site.

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use reqwest::{Certificate, Client, Identity, StatusCode};
use serde_json::Value;
use wiremock::{Mock, MockServer, ResponseTemplate, matchers};

use super::evaluate_request;
use crate::support::agent::Agent;
use crate::support::command::directives;
use crate::support::eventually::eventually;

const READER: &str = "reader-token-0123456789";
const PROXY: &str = "proxy-token-0123456789";
const OPERATOR: &str = "operator-token-0123456789";
const REPORTER: &str = "reporter-0123456789";

fn start(args: &[&str]) -> Agent {
    let args = [&["--startup", "empty"], args].concat();
    Agent::start("http://127.0.0.1:1", "any", &args)
}

fn refused(args: &[&str]) -> String {
    let ended = directives()
        .args(["agent", "--url", "http://127.0.0.1:1", "--startup", "empty"])
        .args(args)
        .output()
        .unwrap();
    assert_eq!(ended.status.code(), Some(2), "{args:?}");
    String::from_utf8(ended.stderr).unwrap()
}

struct Files {
    folder: tempfile::TempDir,
}

impl Files {
    fn new() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
        }
    }

    fn write(&self, name: &str, text: &str) -> String {
        let path = self.folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    }
}

/// A certificate authority, and two certificates that it has signed: one for a server and one for a
/// client.
struct Pki {
    authority: String,
    server: String,
    client: String,
}

impl Pki {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let signed = |name: &str| {
            let key = KeyPair::generate().unwrap();
            let names = vec![name.to_owned(), "127.0.0.1".to_owned()];
            let params = CertificateParams::new(names).unwrap();
            let certificate = params.signed_by(&key, &authority).unwrap();
            certificate.pem() + &key.serialize_pem()
        };
        Self {
            server: signed("localhost"),
            client: signed("proxy"),
            authority: authority.pem(),
        }
    }

    fn client(&self) -> reqwest::ClientBuilder {
        let authority = Certificate::from_pem(self.authority.as_bytes()).unwrap();
        Client::builder().tls_certs_only([authority])
    }
}

#[test]
fn an_address_that_other_hosts_reach_needs_protection_or_an_explicit_flag() {
    let printed = refused(&["--listen", "0.0.0.0:0"]);
    assert!(printed.contains("other hosts could read"), "{printed}");
    let printed = refused(&["--listen", "127.0.0.1:0,:0"]);
    assert!(printed.contains("--listen :0"), "{printed}");
    let files = Files::new();
    let token = files.write("tokens", READER);
    // An agent that other machines can reach must refuse to start with tokens but without TLS,
    // because an attacker in the network could read the tokens.
    refused(&["--listen", ":0", "--read-token-file", &token]);
    // An agent that other machines can reach must refuse to start with TLS but without tokens,
    // because a server certificate does not authenticate clients.
    let pem = files.write("server.pem", &Pki::new().server);
    refused(&["--listen", ":0", "--tls-certificate", &pem]);
    let protected = ["--tls-certificate", &pem, "--read-token-file", &token];
    start(&[&["--listen", ":0"], protected.as_slice()].concat());
    start(&["--listen", ":0", "--allow-unauthenticated"]);
}

#[tokio::test]
async fn read_evaluate_refresh_and_report_are_separate_permissions() {
    let files = Files::new();
    let read = files.write("read", READER);
    let evaluate = files.write("evaluate", PROXY);
    let refresh = files.write("refresh", OPERATOR);
    let report = files.write("report", REPORTER);
    let agent = start(&[
        "--read-token-file",
        &read,
        "--evaluate-token-file",
        &evaluate,
        "--refresh-token-file",
        &refresh,
        "--report-token-file",
        &report,
    ]);
    let status = async |method: &str, path: &str, token: Option<&str>| {
        let mut request = Client::new().request(method.parse().unwrap(), agent.url(path));
        if path.contains("evaluate") {
            request = request.json(&evaluate_request("acme"));
        }
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        request.send().await.unwrap().status().as_u16()
    };
    for (method, path, permitted) in [
        ("GET", "/v1/status", READER),
        ("GET", "/v1/directives", READER),
        ("GET", "/v1/hits", READER),
        ("GET", "/v1/osproxy", READER),
        ("GET", "/v1/snapshot", READER),
        ("GET", "/metrics", READER),
        ("POST", "/v1/evaluate", PROXY),
        ("POST", "/v1/evaluate/batch", PROXY),
        ("POST", "/v1/refresh", OPERATOR),
        ("POST", "/v1/reports", REPORTER),
    ] {
        assert_eq!(status(method, path, None).await, 401, "{path}");
        assert_eq!(status(method, path, Some("unknown-0123456789")).await, 401);
        for token in [READER, PROXY, OPERATOR, REPORTER] {
            let status = status(method, path, Some(token)).await;
            let expected = token == permitted;
            assert_eq!(
                !matches!(status, 401 | 403),
                expected,
                "{path} {token}: {status}"
            );
        }
    }
    // The agent must serve health probes without a token.
    assert_eq!(status("GET", "/healthz", None).await, 200);
    assert_eq!(status("GET", "/readyz", None).await, 503);

    // The test adds a second token to the token file, and after SIGHUP the agent must accept both
    // tokens.
    let next = "reader-token-of-next-month";
    files.write("read", &format!("{READER}\n{next}\n"));
    agent.signal("-HUP");
    eventually(
        "the new token is accepted",
        async || status("GET", "/v1/status", Some(next)).await,
        |code| *code == 200,
    )
    .await;
    assert_eq!(status("GET", "/v1/status", Some(READER)).await, 200);
}

#[tokio::test]
async fn pages_of_other_sites_and_rebound_host_names_are_refused() {
    let agent = start(&["--allow-host", "hub.internal"]);
    let client = Client::new();
    let status = async |path: &str, headers: &[(&str, &str)]| {
        let mut request = client.get(agent.url(path));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.send().await.unwrap().status().as_u16()
    };
    let cross_site = [("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "cors")];
    for path in ["/v1/status", "/v1/directives", "/metrics", "/healthz"] {
        let expected = status(path, &[]).await;
        assert_eq!(
            status(path, &[("host", "hub.internal:9980")]).await,
            expected
        );
        assert_eq!(status(path, &[("host", "attacker.example")]).await, 421);
        assert_eq!(status(path, &[("origin", "null")]).await, 403);
        assert_eq!(
            status(path, &[("origin", "http://attacker.example")]).await,
            403
        );
        assert_eq!(status(path, &cross_site).await, 403);
    }
    // The agent must refuse a POST request from a page of another site, because a browser sends a
    // simple POST request without asking the agent in a preflight request.
    let request = client.post(agent.url("/v1/refresh"));
    let refresh = request.header("origin", "http://attacker.example").send();
    assert_eq!(refresh.await.unwrap().status(), StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn over_tls_a_client_presents_a_certificate_of_the_authority() {
    let (pki, files) = (Pki::new(), Files::new());
    let certificate = files.write("server.pem", &pki.server);
    let authority = files.write("ca.pem", &pki.authority);
    let args = [
        "--tls-certificate",
        &certificate,
        "--tls-client-ca",
        &authority,
    ];
    let agent = start(&args);
    assert!(agent.url("").starts_with("https://127.0.0.1:"));
    let healthz = agent.url("/healthz");
    let identity = Identity::from_pem(pki.client.as_bytes()).unwrap();
    let known = pki.client().identity(identity).build().unwrap();
    assert_eq!(known.get(&healthz).send().await.unwrap().status(), 200);
    let anonymous = pki.client().build().unwrap();
    anonymous.get(&healthz).send().await.unwrap_err();
    let stranger = Identity::from_pem(Pki::new().client.as_bytes()).unwrap();
    let stranger = pki.client().identity(stranger).build().unwrap();
    stranger.get(&healthz).send().await.unwrap_err();

    // After SIGHUP, the agent must serve the renewed certificate, which another authority has
    // signed.
    let renewed = Pki::new();
    files.write("server.pem", &renewed.server);
    agent.signal("-HUP");
    let identity = Identity::from_pem(pki.client.as_bytes()).unwrap();
    let client = renewed.client().identity(identity).build().unwrap();
    eventually(
        "the new certificate is used",
        async || client.get(&healthz).send().await.is_ok(),
        |is_used| *is_used,
    )
    .await;
}

#[tokio::test]
async fn the_text_of_a_refusal_does_not_contain_the_cluster_user_and_its_roles() {
    let cluster = MockServer::start().await;
    let reason = "no permissions for [indices:data/read/search] and User [name=secret-reader, \
                  backend_roles=[secret-role], requestedTenant=null]";
    let body = serde_json::json!({"error": {"type": "security_exception", "reason": reason}, "status": 403});
    Mock::given(matchers::any())
        .respond_with(ResponseTemplate::new(403).set_body_json(body))
        .mount(&cluster)
        .await;
    let args = ["--startup", "empty", "--max-backoff", "200ms"];
    let agent = Agent::start(&cluster.uri(), "any", &args);
    let status = agent
        .status_when("it has tried", |status| status["last_error"].is_string())
        .await;
    let readyz = agent.get("/readyz").await.1;
    let refreshed = reqwest::Client::new().post(agent.url("/v1/refresh")).send();
    let refreshed: Value = refreshed.await.unwrap().json().await.unwrap();
    for (source, text) in [
        ("status", status),
        ("readyz", readyz),
        ("refresh", refreshed),
    ] {
        let text = text.to_string();
        assert!(
            text.contains("indices:data/read/search"),
            "{source}: {text}"
        );
        assert!(!text.contains("secret-"), "{source}: {text}");
    }
}
