//! Tests that the agent derives the endpoint and the indices of a client's request from the
//! request's method and path, by the rules of the library. The derived endpoint and indices must be
//! the same whether a proxy sends the method and the path in headers or in the request line.

use jiff::Timestamp;
use opensearch_directives::{
    DiagLevel, DiagnosticsDirective, DirectiveMatch, DirectiveSet, Endpoint, EndpointKind,
    RequestAttrs,
};
use reqwest::{Client, Method, RequestBuilder, Response};
use serde_json::json;

use super::apply;
use crate::support::agent::Agent;
use crate::support::http;
use crate::support::node::{installed_index, shared_url};

/// The method and path of each client request, and true if the directive for the tenant `acme` and
/// the index `orders` applies to the request.
const REQUESTS: [(&str, &str, bool); 18] = [
    ("GET", "/orders/_search", true),
    ("POST", "/orders/_search?q=a%20b/c", true),
    ("GET", "//orders//_search/", true),
    ("DELETE", "/orders/_doc/1", true),
    ("PUT", "/orders/_create/a%2Fb", true),
    ("GET", "/items,orders/_search", true),
    ("GET", "/items%2Corders%2ca/_search", true),
    ("GET", "/%6Frders/_search", true),
    ("GET", "/orders", true),
    ("GET", "/orders-2/_search", false),
    ("GET", "/ord*/_search", false),
    ("GET", "/_all/_search", false),
    ("GET", "/*/_search", false),
    ("GET", "/_search?index=orders", false),
    ("POST", "/_bulk", false),
    ("GET", "/_cat/indices/orders", false),
    ("GET", "/", false),
    ("OPTIONS", "/%ff//../orders", false),
];

/// Starts an agent with a directive for the tenant `acme` and the index `orders`, and a directive
/// for the principal `svc`.
async fn agent(name: &str) -> Agent {
    let url = shared_url();
    let index = installed_index(&url, name).await;
    let args = ["--tenant", "acme", "--index", "orders", "--ttl", "1h"];
    apply(&url, &index, "orders", &args);
    apply(
        &url,
        &index,
        "svc",
        &[
            "--principal",
            "svc",
            "--ring-buffer",
            "--sample-per-mille",
            "999",
            "--ttl",
            "1h",
        ],
    );
    Agent::start(&url, &index, &[])
}

/// Builds an authorization check with the method of the client's request, and with the path of the
/// client's request after `/v1/ext_authz`.
fn check(agent: &Agent, method: &str, path: &str) -> RequestBuilder {
    let url = agent.url(&format!("/v1/ext_authz{path}"));
    let method: Method = method.parse().unwrap();
    Client::new().request(method, url)
}

/// Builds an authorization check with the method and path of the client's request in the
/// `x-forwarded-` headers.
fn forwarded(agent: &Agent, method: &str, path: &str) -> RequestBuilder {
    check(agent, "GET", "/")
        .header("x-forwarded-method", method)
        .header("x-forwarded-uri", path)
}

/// Returns the value of a header of a response, or an empty string if the header is absent.
fn header(response: &Response, name: &str) -> String {
    let value = response.headers().get(name);
    let value = value.map(|value| value.to_str().unwrap());
    value.unwrap_or_default().to_owned()
}

async fn send(check: RequestBuilder) -> Response {
    let response = check.send().await.unwrap();
    assert_eq!(response.status(), 200);
    response
}

#[tokio::test]
async fn an_authorization_check_has_the_meaning_that_the_library_gives_the_request() {
    let agent = agent("client-request").await;
    let directive = DiagnosticsDirective::new("orders", DiagLevel::Shape, Timestamp::MAX)
        .with_match(DirectiveMatch::all().for_tenant("acme").for_index("orders"));
    let set = DirectiveSet::from_directives(vec![directive]);
    for (method, path, applies) in REQUESTS {
        let what = format!("{method} {path}");
        let endpoint = Endpoint::of(method, path);
        let attrs = RequestAttrs::new(endpoint.index_expression(), "", endpoint.kind());
        let attrs = attrs.with_tenant("acme");
        let level = set.evaluate_indices_with(&attrs, Timestamp::UNIX_EPOCH, "r-1", |_| {});
        let level = level.level.as_str();
        assert_eq!(level, if applies { "Shape" } else { "Off" }, "{what}");

        let mut checks = vec![forwarded(&agent, method, path)];
        // The HTTP client of this test would change a path that contains `..`, so the test sends
        // such a path only in a header.
        if !path.contains("..") {
            checks.push(check(&agent, method, path));
        }
        for check in checks {
            let response = send(check.header("directives-tenant", "acme")).await;
            assert_eq!(header(&response, "directives-level"), level, "{what}");
            assert_eq!(header(&response, "directives-error"), "", "{what}");
        }
        let body = json!({"tenant": "acme", "method": method, "path": path, "principal": "", "request_id": ""});
        let decision = agent.evaluate(&body).await;
        assert_eq!(decision["level"], level, "{what}");
    }
}

#[tokio::test]
async fn absent_attributes_match_nothing_and_several_indices_combine() {
    let agent = agent("combined").await;
    let decision = async |path: &str, headers: &[(&str, &str)]| {
        let mut check = check(&agent, "GET", path).header("x-request-id", "r-1");
        for (name, value) in headers {
            check = check.header(*name, *value);
        }
        let response = send(check).await;
        (
            header(&response, "directives-level"),
            header(&response, "directives-ring-buffer"),
        )
    };
    let expect = |level: &str, ring_buffer: &str| (level.to_owned(), ring_buffer.to_owned());
    let (acme, svc) = (
        ("directives-tenant", "acme"),
        ("directives-principal", "svc"),
    );
    let orders = "/items,orders/_search";
    assert_eq!(decision(orders, &[]).await, expect("Off", "false"));
    assert_eq!(decision(orders, &[acme]).await, expect("Shape", "false"));
    assert_eq!(
        decision(orders, &[acme, svc]).await,
        expect("Shape", "true")
    );
    assert_eq!(
        decision("/items/_doc/1", &[acme, svc]).await,
        expect("Shape", "true")
    );
    // The agent must ignore a header that is empty or that occurs with two values.
    let globex = ("directives-tenant", "globex");
    assert_eq!(
        decision(orders, &[acme, globex]).await,
        expect("Off", "false")
    );
    let empty = ("directives-principal", "");
    assert_eq!(
        decision(orders, &[acme, empty]).await,
        expect("Shape", "false")
    );
    // A directive with a sample below 1000 per mille must not apply to a client's request without a
    // request id.
    let check = check(&agent, "GET", orders).header(svc.0, svc.1);
    assert_eq!(
        header(&send(check).await, "directives-ring-buffer"),
        "false"
    );
    // The agent derives the index and the endpoint from the path, and must ignore the header
    // `directives-index`.
    let other = ("directives-index", "orders");
    assert_eq!(
        decision("/_search", &[acme, other]).await,
        expect("Off", "false")
    );
}

/// The agent must never refuse an authorization check with a 4xx status, because the proxy would
/// then reject the client's request.
#[tokio::test]
async fn an_authorization_check_is_never_refused() {
    let agent = agent("ext-authz").await;
    let orders = || check(&agent, "GET", "/orders/_search").header("directives-tenant", "acme");
    let (method, uri) = ("x-forwarded-method", "x-forwarded-uri");
    for (check, problem) in [
        (
            orders().header(method, "GET"),
            "x-forwarded-uri: it is missing",
        ),
        (
            orders().header(uri, "/orders/_search"),
            "x-forwarded-method: it is missing",
        ),
        (
            orders()
                .header(method, "GET")
                .header(uri, "/a")
                .header(uri, "/orders"),
            "x-forwarded-uri: it is repeated",
        ),
        (
            orders()
                .header(method, "GET")
                .header(uri, &b"/orders\xff"[..]),
            "x-forwarded-uri: it is not UTF-8",
        ),
    ] {
        let response = send(check).await;
        let error = header(&response, "directives-error");
        assert!(error.starts_with(problem), "{error}");
        assert_eq!(header(&response, "directives-level"), "Off", "{problem}");
    }
    // If the agent's own access control refuses an authorization check, the agent must respond with
    // a server error.
    let foreign = orders().header("host", "shop.example");
    assert_eq!(foreign.send().await.unwrap().status(), 503);
}

#[tokio::test]
async fn an_evaluation_takes_either_the_path_or_the_index() {
    let agent = agent("path-or-index").await;
    let path = json!({"tenant": "acme", "method": "GET", "path": "/orders,orders/_search", "principal": "svc", "request_id": "r-1"});
    let decision = agent.evaluate(&path).await;
    assert_eq!(decision["directives"], json!(["orders", "svc"]));
    let index = json!({"tenant": "acme", "index": "orders,items", "endpoint": EndpointKind::Search, "principal": "", "request_id": ""});
    assert_eq!(agent.evaluate(&index).await["level"], "Off");
    for (field, value, invalid) in [
        ("index", json!("orders"), "index"),
        ("endpoint", json!("Search"), "endpoint"),
        ("method", json!(null), "method"),
        ("path", json!(1), "path"),
    ] {
        let mut body = path.clone();
        body[field] = value;
        let (status, problem) = http::send("POST", &agent.url("/v1/evaluate"), Some(&body)).await;
        assert_eq!(
            (status, &problem["field"]),
            (400, &json!(invalid)),
            "{problem}"
        );
    }
    let uncounted = agent.url("/v1/evaluate?uncounted");
    let (status, decision) = http::send("POST", &uncounted, Some(&path)).await;
    assert_eq!(
        (status, &decision["directives"]),
        (200, &json!(["orders", "svc"]))
    );
    let (_, hits) = agent.get("/v1/hits").await;
    assert_eq!(hits["directives"][1]["matched"], 1, "{hits}");
}
