//! A fuzz target that parses parts of requests to the agent, namely the bodies of evaluations, the
//! headers of authorization checks, and query strings.

use directives::fuzzing::{Attributes, batch_body, evaluate_body, evaluate_headers, query};
use opensearch_directives::Endpoint;
use serde_json::Value;

pub(crate) fn run(input: &[u8]) {
    match evaluate_body(input) {
        Ok(attributes) => {
            let value: Value = serde_json::from_slice(input).expect("an accepted body is JSON");
            check(&attributes, &value);
        }
        Err(message) => assert!(!message.is_empty()),
    }
    if let Ok(batch) = batch_body(input) {
        assert!(batch.len() <= 256);
        let value: Value = serde_json::from_slice(input).expect("an accepted body is JSON");
        let requests = value["requests"].as_array().expect("it is a list");
        assert_eq!(requests.len(), batch.len());
        for (attributes, value) in batch.iter().zip(requests) {
            check(attributes, value);
        }
    }
    if let Ok(attributes) = evaluate_headers(input) {
        let text = String::from_utf8_lossy(input);
        for value in [
            &attributes.index,
            &attributes.principal,
            &attributes.request_id,
        ] {
            assert!(text.contains(value.as_str()));
        }
    }
    if let Ok(text) = std::str::from_utf8(input)
        && let Ok([wait, known]) = query(text)
    {
        // The decoded values of the query parameters must not be longer than the query string.
        let decoded = wait.map_or(0, |value| value.len()) + known.map_or(0, |value| value.len());
        assert!(decoded <= text.len());
    }
}

/// Checks that the parsed attributes equal the fields of the request's JSON body, in which each
/// field occurs at most once.
fn check(attributes: &Attributes, value: &Value) {
    let tenant = attributes.tenant.as_deref();
    assert_eq!(value.get("tenant").map(Value::as_str), tenant.map(Some));
    if let (Some(method), Some(path)) = (value["method"].as_str(), value["path"].as_str()) {
        let endpoint = Endpoint::of(method, path);
        assert_eq!(endpoint.index_expression(), attributes.index);
        assert_eq!(endpoint.kind().as_str(), attributes.endpoint);
        // The parser of the index expression must not panic, and the decoded index names must not
        // be longer than the expression.
        let decoded: usize = endpoint.indices().map(|name| name.len()).sum();
        assert!(decoded <= attributes.index.len());
    } else {
        assert_eq!(value["index"], attributes.index.as_str());
        assert_eq!(value["endpoint"], attributes.endpoint);
    }
    assert_eq!(value["principal"], attributes.principal.as_str());
    assert_eq!(value["request_id"], attributes.request_id.as_str());
}
