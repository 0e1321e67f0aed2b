//! Functions that send one HTTP request to a server and return the JSON of the response.

use reqwest::Method;
use serde_json::Value;

/// Sends a request, and returns the status and the JSON body of the response. If the body of the
/// response is not JSON, the function returns `Null` in its place.
pub async fn send(method: &str, url: &str, body: Option<&Value>) -> (u16, Value) {
    let method: Method = method.parse().unwrap();
    let mut request = reqwest::Client::new().request(method, url);
    if let Some(body) = body {
        request = request.json(body);
    }
    let response = request.send().await.unwrap();
    let status = response.status().as_u16();
    (status, response.json().await.unwrap_or_default())
}

pub async fn get(url: &str) -> (u16, Value) {
    send("GET", url, None).await
}

pub async fn put(url: &str, body: &Value) -> (u16, Value) {
    send("PUT", url, Some(body)).await
}

/// Sends a bulk request with the lines `body`, and returns the status and the body of the response.
pub async fn send_lines(url: &str, body: String) -> (u16, Value) {
    let response = reqwest::Client::new()
        .post(format!("{url}/_bulk?refresh=true"))
        .header("content-type", "application/x-ndjson")
        .body(body)
        .send()
        .await
        .unwrap();
    let status = response.status().as_u16();
    (status, response.json().await.unwrap())
}

/// Sends a bulk request with the lines `body`, and panics if an action of the bulk request fails.
pub async fn bulk(url: &str, body: String) {
    let (_, response) = send_lines(url, body).await;
    assert_eq!(response["errors"], false, "{response:#}");
}
