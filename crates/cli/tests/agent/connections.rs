//! Tests that clients with many idle connections cannot prevent other clients from connecting.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use crate::support::agent::Agent;

/// The agent must respond to a health check within this time. The time is shorter than the agent's
/// time limit for idle connections, ten seconds, so a health check that waits for an idle
/// connection to end fails the test.
const IN_TIME: Duration = Duration::from_secs(5);

fn connect(address: &str) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(IN_TIME)).unwrap();
    stream
}

/// Sends a health check on a connection, and returns the response.
fn healthz(mut stream: TcpStream) -> String {
    stream
        .write_all(b"GET /healthz HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")
        .unwrap();
    let mut response = String::new();
    stream.read_to_string(&mut response).unwrap();
    response
}

#[test]
fn half_open_connections_do_not_delay_health_checks() {
    let agent = Agent::start(
        "http://127.0.0.1:1",
        "any",
        &["--startup", "empty", "--max-waiting", "0"],
    );
    // The test opens 560 connections, but the agent admits only 512 connections and 16 more for
    // health checks. The connections that the agent does not admit must fit into the listener's
    // backlog, because opening all connections would otherwise take longer than the agent's time
    // limit for idle connections. A third of the clients send nothing, a third send a part of a
    // request, and a third send one request and stay idle.
    let half_open: Vec<TcpStream> = (0..560)
        .map(|number| {
            let mut stream = TcpStream::connect(agent.address()).unwrap();
            let part: &[u8] = match number % 3 {
                0 => b"",
                1 => b"GET /healthz HTTP/1.1\r\nhost: loc",
                _ => b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n",
            };
            stream.write_all(part).unwrap();
            stream
        })
        .collect();
    for _ in 0..3 {
        let response = healthz(connect(agent.address()));
        assert!(response.starts_with("HTTP/1.1 200"), "{response}");
    }
    drop(half_open);
}

/// In this test, requests whose bodies never arrive use all connections of the agent, except the 16
/// connections that the agent reserves for health checks.
#[test]
fn health_checks_that_connect_at_the_same_time_do_not_close_each_other() {
    let agent = Agent::start(
        "http://127.0.0.1:1",
        "any",
        &["--startup", "empty", "--max-waiting", "0"],
    );
    let busy: Vec<TcpStream> = (0..512)
        .map(|_| {
            let mut stream = connect(agent.address());
            let head = "POST /v1/evaluate HTTP/1.1\r\nhost: localhost\r\ncontent-length: 9\r\n\r\n";
            stream.write_all(head.as_bytes()).unwrap();
            stream
        })
        .collect();
    let health: Vec<TcpStream> = (0..8).map(|_| connect(agent.address())).collect();
    for stream in health {
        let response = healthz(stream);
        assert!(response.starts_with("HTTP/1.1 200"), "{response}");
    }
    drop(busy);
}
