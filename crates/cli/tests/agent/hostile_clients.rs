//! Tests that the agent refuses malformed, ambiguous, oversized and slow requests. The agent must
//! send exactly one response to each hostile request, and must never handle a request that is
//! hidden inside another request.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use crate::support::agent::Agent;

const REQUEST: &str =
    r#"{"index":"orders","principal":"checkout","endpoint":"Search","request_id":"1"}"#;
/// The request that an attacker hides among the bytes of another request.
const HIDDEN: &str = "GET /metrics HTTP/1.1\r\nhost: localhost\r\n\r\n";

fn agent() -> Agent {
    Agent::start("http://127.0.0.1:1", "any", &["--startup", "empty"])
}

/// Sends the bytes to the agent, and reads the response until the agent closes the connection or
/// sends nothing for the duration `patience`. Returns the agent's response, and true if the agent
/// closed the connection.
fn exchange_until(agent: &Agent, bytes: &[u8], patience: Duration) -> (String, bool) {
    let mut stream = TcpStream::connect(agent.address()).unwrap();
    stream.set_read_timeout(Some(patience)).unwrap();
    // The test ignores a failed write, because the agent may refuse a request and close the
    // connection before the test has sent the whole request.
    let _ = stream.write_all(bytes);
    let (mut response, mut part) = (Vec::new(), [0; 4096]);
    let is_closed = loop {
        match stream.read(&mut part) {
            Ok(0) => break true,
            Ok(read) => response.extend_from_slice(&part[..read]),
            Err(error) => break error.kind() == ErrorKind::ConnectionReset,
        }
    };
    (String::from_utf8(response).unwrap(), is_closed)
}

fn exchange(agent: &Agent, bytes: &[u8], patience: Duration) -> String {
    exchange_until(agent, bytes, patience).0
}

/// Builds the bytes of an HTTP request to `/v1/evaluate` with the given headers and body.
fn evaluation(headers: &str, body: &[u8]) -> Vec<u8> {
    let head = format!(
        "POST /v1/evaluate HTTP/1.1\r\nhost: localhost\r\n\
         content-type: application/json\r\n{headers}\r\n"
    );
    [head.as_bytes(), body].concat()
}

fn responses(text: &str) -> usize {
    text.matches("HTTP/1.1 ").count()
}

#[test]
fn a_request_whose_end_is_ambiguous_is_refused_and_nothing_hides_behind_it() {
    let agent = agent();
    let length = REQUEST.len();
    let chunked = format!("{length:x}\r\n{REQUEST}\r\n0\r\n\r\n");
    let plain = format!("{REQUEST}{HIDDEN}");
    let longer = length + HIDDEN.len();
    for headers in [
        format!("content-length: {length}\r\ncontent-length: {longer}\r\n"),
        format!("content-length: {length}, {longer}\r\n"),
        format!("content-length: +{length}\r\n"),
        "content-length: -1\r\n".to_owned(),
        format!("content-length: {length:#x}\r\n"),
        format!("transfer-encoding: identity\r\ncontent-length: {length}\r\n"),
        format!("transfer-encoding: xchunked\r\ncontent-length: {length}\r\n"),
        "transfer-encoding: chunked, identity\r\n".to_owned(),
        "transfer-encoding: chunked\r\ntransfer-encoding: identity\r\n".to_owned(),
        format!("transfer-encoding : chunked\r\ncontent-length: {length}\r\n"),
        format!("x: a\r\n transfer-encoding: chunked\r\ncontent-length: {length}\r\n"),
        format!("x: a\0b\r\ncontent-length: {length}\r\n"),
        format!("x: a\rb\r\ncontent-length: {length}\r\n"),
        // The chunk size `zz` is invalid because it is not a number, and the chunk size
        // `ffffffffffffffffff` is invalid because it exceeds 64 bits.
        "transfer-encoding: chunked\r\n\r\nzz\r\n".to_owned(),
        "transfer-encoding: chunked\r\n\r\nffffffffffffffffff\r\n".to_owned(),
    ] {
        let sent = evaluation(&headers, plain.as_bytes());
        let text = exchange(&agent, &sent, Duration::from_secs(5));
        assert!(text.starts_with("HTTP/1.1 400 "), "{headers:?}: {text}");
        assert_eq!(responses(&text), 1, "{headers:?}: {text}");
    }
    // If a request has both a `Content-Length` and a `Transfer-Encoding`, the agent uses the chunk
    // sizes, and closes the connection (RFC 9112, 6.3).
    for wrong in [4, chunked.len() + HIDDEN.len()] {
        let headers = format!("content-length: {wrong}\r\ntransfer-encoding: chunked\r\n");
        let sent = evaluation(&headers, format!("{chunked}{HIDDEN}").as_bytes());
        let text = exchange(&agent, &sent, Duration::from_secs(5));
        assert_eq!(responses(&text), 1, "{headers:?}: {text}");
        assert!(text.contains("\"level\":\"Off\""), "{headers:?}: {text}");
    }
}

#[test]
fn a_request_beyond_a_bound_is_refused() {
    let agent = agent();
    let many: String = (0..200).map(|n| format!("x-{n}: y\r\n")).collect();
    let long = "y".repeat(1 << 20);
    let get = |head: &str| format!("GET {head}\r\n\r\n").into_bytes();
    let with_length =
        |body: &[u8]| evaluation(&format!("content-length: {}\r\n", body.len()), body);
    for (name, sent, status) in [
        (
            "headers",
            get(&format!("/healthz HTTP/1.1\r\nhost: localhost\r\n{many}")),
            431,
        ),
        (
            "a header",
            get(&format!(
                "/healthz HTTP/1.1\r\nhost: localhost\r\nx: {long}"
            )),
            431,
        ),
        (
            "the address",
            get(&format!("/healthz?{long} HTTP/1.1\r\nhost: localhost")),
            431,
        ),
        ("the body", with_length(&vec![b'x'; (64 << 10) + 1]), 413),
        (
            "nesting",
            with_length(&[br#"{"index":"#.to_vec(), vec![b'['; 50_000]].concat()),
            400,
        ),
        (
            "two hosts",
            get("/v1/directives HTTP/1.1\r\nhost: localhost\r\nhost: other"),
            400,
        ),
        (
            "invalid UTF-8",
            with_length(b"{\"index\":\"\xff\",\"principal\":\"b\",\"endpoint\":\"Search\"}"),
            400,
        ),
        (
            "a repeated key",
            with_length(
                br#"{"tenant":"a","tenant":"b","index":"a","principal":"b","endpoint":"Search"}"#,
            ),
            400,
        ),
    ] {
        let text = exchange(&agent, &sent, Duration::from_millis(500));
        assert!(
            text.starts_with(&format!("HTTP/1.1 {status} ")),
            "{name}: {text}"
        );
    }
    // After the hostile requests, the agent must still serve other clients.
    let text = exchange(
        &agent,
        &get("/healthz HTTP/1.1\r\nhost: localhost"),
        Duration::from_millis(500),
    );
    assert!(text.starts_with("HTTP/1.1 200 "), "{text}");
}

#[test]
fn slow_headers_and_slow_bodies_end_after_ten_seconds() {
    let agent = agent();
    let announced = evaluation("content-length: 1099511627776\r\n", b"x");
    // The test waits longer for a response than the agent's time limits allow, so the test sees
    // whether the agent ends slow requests.
    let patience = Duration::from_secs(40);
    std::thread::scope(|scope| {
        let half = b"GET /healthz HTTP/1.1\r\nhost: loc";
        let half = scope.spawn(|| exchange_until(&agent, half, patience));
        let body = exchange(&agent, &announced, patience);
        assert!(body.starts_with("HTTP/1.1 408 "), "{body}");
        let (text, is_closed) = half.join().unwrap();
        assert!(is_closed && !text.contains(" 200 "), "{text}");
    });
}
