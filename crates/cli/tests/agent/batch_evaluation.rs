//! Tests that the agent returns the same decisions whether a client sends several requests for
//! evaluation in one batch or one at a time.

use serde_json::{Value, json};

use crate::support::agent::Agent;
use crate::support::command::apply_line;
use crate::support::http;
use crate::support::node::{installed_index, shared_url};

fn evaluate_request(tenant: &str, request_id: &str) -> Value {
    json!({"tenant": tenant, "index": "orders", "principal": "svc", "endpoint": "Search", "request_id": request_id})
}

#[tokio::test]
async fn a_batch_has_the_decisions_of_single_requests() {
    let url = shared_url();
    let index = installed_index(&url, "batch").await;
    apply_line(&url, &index, "a --level Shape --tenant acme --ttl 1h");
    apply_line(
        &url,
        &index,
        "b --level ShapeTiming --sample-per-mille 500 --ttl 1h",
    );
    let agent = Agent::start(&url, &index, &[]);
    let requests: Vec<Value> = (0..40)
        .map(|n| evaluate_request(["acme", "globex"][n % 2], &format!("r-{n}")))
        .collect();
    let send =
        async |body: Value| http::send("POST", &agent.url("/v1/evaluate/batch"), Some(&body)).await;
    let (status, response) = send(json!({"requests": requests})).await;
    assert_eq!(status, 200, "{response}");
    let decisions = response["decisions"].as_array().unwrap();
    assert_eq!(decisions.len(), requests.len());
    for (request, decision) in requests.iter().zip(decisions) {
        assert_eq!(&agent.evaluate(request).await, decision, "{request}");
    }
    let levels: std::collections::BTreeSet<&str> = decisions
        .iter()
        .map(|decision| decision["level"].as_str().unwrap())
        .collect();
    assert_eq!(levels.len(), 3, "Off, Shape and ShapeTiming");

    let many = vec![evaluate_request("acme", "r"); 257];
    let mut wrong_tenant = evaluate_request("acme", "r");
    wrong_tenant["tenant"] = json!(42);
    for (body, field) in [
        (json!([]), "body"),
        (json!({}), "body"),
        (json!({"requests": [], "more": 1}), "body"),
        (json!({"requests": many}), "requests"),
        (
            json!({"requests": [evaluate_request("a", "r"), 7]}),
            "requests[1]",
        ),
        (json!({"requests": [wrong_tenant]}), "requests[0].tenant"),
    ] {
        let (status, problem) = send(body).await;
        assert_eq!(
            (status, &problem["field"]),
            (400, &json!(field)),
            "{problem}"
        );
        let detail = problem["detail"].as_str().unwrap();
        assert!(detail.starts_with(&format!("{field}: ")), "{detail}");
    }
}
