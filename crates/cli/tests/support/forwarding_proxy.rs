//! An HTTP proxy between the command and a node, with which tests change some responses of the
//! node.

use axum::Router;
use axum::extract::Request;
use axum::response::{IntoResponse as _, Response};

/// Serves a router on a free port until the test ends, and returns the URL of the router.
pub(crate) async fn serve(router: Router) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async { axum::serve(listener, router).await });
    url
}

/// Forwards a request to the node at the URL `node`, and returns the node's response.
pub(crate) async fn pass(node: &str, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let mut headers = parts.headers;
    headers.remove("host");
    let body = axum::body::to_bytes(body, 64 << 20).await.unwrap();
    let response = reqwest::Client::new()
        .request(parts.method, format!("{node}{}", parts.uri))
        .headers(headers)
        .body(body)
        .send()
        .await
        .unwrap();
    let (status, headers) = (response.status(), response.headers().clone());
    (status, headers, response.bytes().await.unwrap()).into_response()
}
