//! Tests that the agent's memory stays bounded while many clients send long headers, long bodies or
//! incomplete requests.

use std::io::Write as _;
use std::net::TcpStream;
use std::time::Duration;

use test_support::measure::process::Process;

use crate::support::agent::Agent;

const CONNECTIONS: usize = 400;
/// The test fails if the agent's memory grows by more than this number of bytes.
const MAX_GROWTH: u64 = 64_000_000;

/// Opens many connections to the agent, and sends only the given bytes on each connection. Returns
/// by how many bytes the agent's peak memory grew until the agent responded to a health check.
async fn growth(agent: &Agent, attack: &str, bytes: &[u8]) -> u64 {
    let process = Process::of(agent.process_id());
    let before = process.peak_bytes();
    let open: Vec<TcpStream> = (0..CONNECTIONS)
        .map(|_| {
            let mut stream = TcpStream::connect(agent.address()).unwrap();
            let timeout = Some(Duration::from_secs(5));
            stream.set_write_timeout(timeout).unwrap();
            // The test ignores a failed write, because the agent may refuse a request and close the
            // connection before the test has sent the whole request.
            let _ = stream.write_all(bytes);
            stream
        })
        .collect();
    let (status, _) = agent.get("/healthz").await;
    assert_eq!(status, 200, "{attack}");
    let growth = process.peak_bytes().saturating_sub(before);
    println!("{CONNECTIONS} times {attack}: {before} bytes before, {growth} bytes more");
    drop(open);
    growth
}

#[tokio::test(flavor = "multi_thread")]
async fn many_clients_with_long_requests_take_less_than_64_mb() {
    let agent = Agent::start("http://127.0.0.1:1", "any", &["--startup", "empty"]);
    let line = format!("x-filler: {}\r\n", "a".repeat(4_000));
    let head =
        "POST /v1/evaluate HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n";
    let body = |length: usize, content: &[u8]| {
        let head = format!("{head}content-length: {length}\r\n\r\n");
        [head.as_bytes(), content].concat()
    };
    for (attack, bytes) in [
        (
            "a part of the headers",
            b"GET /healthz HTTP/1.1\r\nhost: loc".to_vec(),
        ),
        (
            "400 kB of headers without end",
            format!("{head}{}", line.repeat(98)).into_bytes(),
        ),
        (
            "a body of which the end is missing",
            body(64 << 10, &vec![b'['; (64 << 10) - 1]),
        ),
        ("nested JSON", body(64 << 10, &vec![b'['; 64 << 10])),
        ("invalid UTF-8", body(64 << 10, &vec![0xff; 64 << 10])),
        ("an ambiguous length", body(1, b"{}{}{}{}")),
    ] {
        let growth = growth(&agent, attack, &bytes).await;
        assert!(growth < MAX_GROWTH, "{attack}: {growth}");
    }
}
