//! Tests that the agent can send every response that its `OpenAPI` description contains, and that
//! it sends no other response.

use std::collections::BTreeSet;

use jsonschema::{Draft, Validator};
use reqwest::{Client, Method, Response};
use serde_json::{Value, json};

use super::evaluate_request;
use crate::support::agent::Agent;
use crate::support::command;
use crate::support::http;
use crate::support::in_hours;
use crate::support::node::{installed_index, shared_url, unique_index};

/// Responses in the `OpenAPI` description that no test can cause quickly. The agent sends the
/// responses in this list only because of a bug, if the body of a request has not arrived after ten
/// seconds, or while sixteen clients read slowly.
const NOT_PROVOKED: [(&str, &str); 14] = [
    ("/metrics", "500"),
    ("/v1/directives", "500"),
    ("/v1/hits", "500"),
    ("/v1/hits", "503"),
    ("/v1/osproxy", "500"),
    ("/v1/osproxy", "503"),
    ("/v1/snapshot", "500"),
    ("/v1/evaluate", "408"),
    ("/v1/evaluate", "500"),
    ("/v1/evaluate/batch", "408"),
    ("/v1/evaluate/batch", "500"),
    ("/v1/evaluate/batch", "503"),
    ("/v1/reports", "408"),
    ("/v1/reports", "503"),
];

/// The `OpenAPI` description of the agent, with schemas that the test has changed so that they
/// permit only the described fields.
struct Described(Value);

impl Described {
    async fn by(agent: &Agent) -> Self {
        let (status, mut described) = agent.get("/openapi.json").await;
        assert_eq!(status, 200);
        close(&mut described["components"]["schemas"]);
        Self(described)
    }

    fn responses(&self) -> BTreeSet<(String, String, String)> {
        let mut all = BTreeSet::new();
        for (path, methods) in self.0["paths"].as_object().unwrap() {
            for (method, operation) in methods.as_object().unwrap() {
                for status in operation["responses"].as_object().unwrap().keys() {
                    all.insert((path.clone(), method.clone(), status.clone()));
                }
            }
        }
        all
    }

    fn validator(&self, schema: &Value) -> Validator {
        let mut schema = schema.clone();
        schema["components"] = self.0["components"].clone();
        jsonschema::options()
            .with_draft(Draft::Draft202012)
            .should_validate_formats(true)
            .build(&schema)
            .unwrap()
    }

    /// Checks that the `OpenAPI` description permits a response. Returns the path, the method and
    /// the status under which the `OpenAPI` description contains the response.
    async fn check(
        &self,
        method: &Method,
        path: &str,
        response: Response,
    ) -> (String, String, String) {
        let method = method.as_str().to_lowercase();
        let status = response.status().as_u16().to_string();
        let what = format!("{method} {path}: {status}");
        let described = &self.0["paths"][path][&method]["responses"][&status];
        assert!(described.is_object(), "{what} is not described");
        let cached = response.headers().get("cache-control");
        let may_be_stored = path == "/v1/directives" && matches!(&*status, "200" | "304");
        let expected = if may_be_stored {
            "no-cache"
        } else {
            "no-store"
        };
        assert_eq!(cached.unwrap(), expected, "{what}");
        for (name, header) in described["headers"].as_object().into_iter().flatten() {
            let value = response.headers().get(name);
            let value = value.unwrap_or_else(|| panic!("{what}: no {name}"));
            let value = value.to_str().unwrap();
            let value = match header["schema"]["type"].as_str() {
                Some("integer") => json!(value.parse::<u64>().unwrap()),
                _ => json!(value),
            };
            let validator = self.validator(&header["schema"]);
            assert!(validator.is_valid(&value), "{what}: {name}: {value}");
        }
        let content_type = response.headers().get("content-type").map(|value| {
            let value = value.to_str().unwrap();
            value.split(';').next().unwrap().to_owned()
        });
        let text = response.text().await.unwrap();
        let Some(content) = described.get("content") else {
            assert_eq!((content_type, text.as_str()), (None, ""), "{what}");
            return (path.to_owned(), method, status);
        };
        let content_type = content_type.unwrap();
        let schema = &content[&content_type]["schema"];
        assert!(schema.is_object(), "{what}: {content_type}");
        let body = if content_type.ends_with("json") {
            serde_json::from_str(&text).unwrap()
        } else {
            json!(text)
        };
        if content_type == "application/problem+json" {
            assert_eq!(body["status"].to_string(), status, "{what}");
        }
        let validator = self.validator(schema);
        let wrong: Vec<String> = validator
            .iter_errors(&body)
            .map(|error| format!("{}: {error}", error.instance_path()))
            .collect();
        assert!(wrong.is_empty(), "{what}: {wrong:#?}\n{body:#}");
        (path.to_owned(), method, status)
    }
}

fn close(schema: &mut Value) {
    match schema {
        Value::Object(object) => {
            object.values_mut().for_each(close);
            if object.contains_key("properties") {
                object.insert("additionalProperties".to_owned(), json!(false));
            }
        }
        Value::Array(items) => items.iter_mut().for_each(close),
        _ => {}
    }
}

/// Creates an index with three documents: a directive with every field, a directive with few
/// fields, and a malformed document.
async fn filled_index(url: &str) -> String {
    let index = installed_index(url, "openapi").await;
    let expiry = in_hours(1);
    let whole = "whole --level ShapeRewriteDiff --tenant acme --index orders --principal svc \
                 --endpoint Search --sample-per-mille 999 --ring-buffer --capture \
                 --starts-at 2020-01-01T00:00:00Z --expires-at";
    let whole: Vec<&str> = whole.split_whitespace().chain([expiry.as_str()]).collect();
    command::apply(url, &index, &whole);
    let few = ["few", "--level", "Off", "--expires-at", &expiry];
    command::apply(url, &index, &few);
    http::put(
        &format!("{url}/{index}/_doc/bad?pipeline=_none&refresh=true"),
        &json!({"level": "Shape", "tenant": 42, "expires_at": expiry}),
    )
    .await;
    index
}

#[tokio::test]
async fn every_response_is_described_and_every_description_is_seen() {
    let url = shared_url();
    let index = filled_index(&url).await;
    let agent = Agent::start(&url, &index, &["--max-waiting", "0", "--report"]);
    let dark = Agent::start(&url, &unique_index("openapi-dark"), &["--startup", "empty"]);
    let described = Described::by(&agent).await;
    assert_eq!(described.0["info"]["version"], env!("CARGO_PKG_VERSION"));

    let client = Client::new();
    let mut seen = BTreeSet::new();
    for agent in [&agent, &dark] {
        for path in described.0["paths"].as_object().unwrap().keys() {
            if described.0["paths"][path].get("get").is_some() {
                let response = client.get(agent.url(path)).send().await.unwrap();
                seen.insert(described.check(&Method::GET, path, response).await);
            }
        }
        for (query, tag) in [("", "*"), ("?wait=1s", "*"), ("?wait=soon", "*")] {
            let request = client.get(agent.url(&format!("/v1/directives{query}")));
            let response = request.header("if-none-match", tag).send().await.unwrap();
            seen.insert(
                described
                    .check(&Method::GET, "/v1/directives", response)
                    .await,
            );
        }
        // The agent sends its whole snapshot to a client that sends no tag, and only the tag to a
        // client that sends the tag of the current snapshot.
        let (_, whole) = agent.get("/v1/snapshot").await;
        let known = format!("?known={}", whole["tag"].as_str().unwrap_or("none"));
        for query in [&*known, "?known=other", "?unknown=a"] {
            let request = client.get(agent.url(&format!("/v1/snapshot{query}")));
            let response = request.send().await.unwrap();
            seen.insert(
                described
                    .check(&Method::GET, "/v1/snapshot", response)
                    .await,
            );
        }
        let one = |request: Value| ("/v1/evaluate", request);
        let batch = |requests: Value| ("/v1/evaluate/batch", json!({"requests": requests}));
        let refreshed = client.post(agent.url("/v1/refresh")).send().await.unwrap();
        seen.insert(
            described
                .check(&Method::POST, "/v1/refresh", refreshed)
                .await,
        );
        let readyz = client
            .get(agent.url("/readyz?fresh=1"))
            .send()
            .await
            .unwrap();
        seen.insert(described.check(&Method::GET, "/readyz", readyz).await);
        for (path, body) in [
            one(evaluate_request("acme")),
            one(evaluate_request("globex")),
            one(json!({"tenant": 42})),
            one(json!("x".repeat(70_000))),
            batch(json!([
                evaluate_request("acme"),
                evaluate_request("globex")
            ])),
            batch(json!([])),
            batch(json!([{"tenant": 42}])),
            batch(json!("x".repeat(1_100_000))),
            ("/v1/reports", json!({"now": in_hours(0), "reports": []})),
            ("/v1/reports", json!({"reports": 1})),
            ("/v1/reports", json!("x".repeat(1_100_000))),
        ] {
            let request = client.post(agent.url(path)).json(&body);
            let response = request.send().await.unwrap();
            seen.insert(described.check(&Method::POST, path, response).await);
        }
        // After the evaluations of this test, the response of `/v1/hits` contains times of matches,
        // so the test checks this response again.
        let counted = client.get(agent.url("/v1/hits")).send().await.unwrap();
        described.check(&Method::GET, "/v1/hits", counted).await;
    }
    let missing: Vec<_> = described
        .responses()
        .difference(&seen)
        .filter(|(path, _, status)| !NOT_PROVOKED.contains(&(path, status)))
        .cloned()
        .collect();
    assert!(missing.is_empty(), "described and never seen: {missing:?}");
}

#[tokio::test]
async fn every_path_supports_exactly_the_described_methods() {
    let url = shared_url();
    let index = installed_index(&url, "methods").await;
    let agent = Agent::start(&url, &index, &[]);
    let described = Described::by(&agent).await;
    let problem = described.validator(&json!({"$ref": "#/components/schemas/Problem"}));
    let client = Client::new();
    for (path, methods) in described.0["paths"].as_object().unwrap() {
        let mut taken: BTreeSet<String> = methods
            .as_object()
            .unwrap()
            .keys()
            .map(|method| method.to_uppercase())
            .collect();
        if taken.contains("GET") {
            taken.insert("HEAD".to_owned());
        }
        for method in ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"] {
            if taken.contains(method) {
                continue;
            }
            let method: Method = method.parse().unwrap();
            let request = client.request(method.clone(), agent.url(path));
            let response = request.send().await.unwrap();
            assert_eq!(response.status(), 405, "{method} {path}");
            let allow = response.headers()["allow"].to_str().unwrap();
            let allow: BTreeSet<String> = allow
                .split(',')
                .map(|method| method.trim().to_owned())
                .collect();
            assert_eq!(allow, taken, "{method} {path}");
            assert_eq!(
                response.headers()["content-type"],
                "application/problem+json"
            );
            assert_eq!(response.headers()["cache-control"], "no-store");
            let body: Value = response.json().await.unwrap();
            assert!(problem.is_valid(&body), "{body}");
        }
    }
    for unknown in ["/", "/v1", "/v1/evaluate/", "/v1/directives/a", "/%ff"] {
        let response = client.get(agent.url(unknown)).send().await.unwrap();
        assert_eq!(response.status(), 404, "{unknown}");
        assert_eq!(response.headers()["cache-control"], "no-store");
        assert_eq!(
            response.headers()["content-type"],
            "application/problem+json"
        );
        let body: Value = response.json().await.unwrap();
        assert!(problem.is_valid(&body), "{body}");
    }
}
