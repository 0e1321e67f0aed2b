//! Tests that the agent's memory stays bounded while a server sends endless or malformed responses.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use flate2::Compression;
use flate2::write::GzEncoder;

use test_support::measure::process::Process;

use crate::support::agent::Agent;

const GIGABYTE: usize = 1 << 30;
const MEMBER: usize = 16 << 20;
/// The size of a malformed response, in bytes. The limit [`MAX_GROWTH`] is several times larger,
/// because the allocator can keep the malformed responses of several polls in memory.
const MALFORMED: usize = 8 << 20;
/// The test fails if the agent's memory grows by more than this number of bytes.
const MAX_GROWTH: u64 = 64_000_000;

/// The requests of the agent to which the malicious server sends malicious responses.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Target {
    /// The agent's requests for the index statistics, whose normal responses are small.
    Statistics,
    /// The agent's searches, which the agent sends because the server refuses requests for the
    /// index statistics.
    Searches,
}

const SETTINGS: &str =
    r#"{"directives":{"settings":{"index.uuid":"u","index.number_of_shards":"1"}}}"#;

/// Starts a server that responds with status 503 until the test sets the returned flag. As soon as
/// the test has set the flag, the server calls `send` to write a malicious response to each request
/// of the kind `target`.
fn serve(
    target: Target,
    send: impl Fn(&mut TcpStream) + Send + Sync + 'static,
) -> (String, Arc<AtomicBool>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let attacks = Arc::new(AtomicBool::new(false));
    let send = Arc::new(send);
    std::thread::spawn({
        let attacks = attacks.clone();
        move || {
            for stream in listener.incoming() {
                let (attacks, send) = (attacks.clone(), send.clone());
                std::thread::spawn(move || {
                    let (mut stream, mut request) = (stream.unwrap(), [0; 8192]);
                    let read = stream.read(&mut request).unwrap_or(0);
                    let request = String::from_utf8_lossy(&request[..read]).into_owned();
                    let is_target = target == Target::Statistics || request.starts_with("POST");
                    let (status, body) = match attacks.load(Ordering::SeqCst) {
                        true if is_target => return send(&mut stream),
                        true if request.contains("/_settings") => (200, SETTINGS),
                        true => (403, ""),
                        false => (503, ""),
                    };
                    let length = body.len();
                    let response = format!(
                        "HTTP/1.1 {status} S\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{body}"
                    );
                    let _ = stream.write_all(response.as_bytes());
                });
            }
        }
    });
    (url, attacks)
}

/// Runs an agent that polls a malicious server. Waits for five polls that fail with the expected
/// error, and returns by how many bytes the agent's peak memory grew during these polls.
async fn growth(
    attack: &str,
    target: Target,
    expected: &str,
    send: impl Fn(&mut TcpStream) + Send + Sync + 'static,
) -> u64 {
    let (url, attacks) = serve(target, send);
    // The agent gets long time limits for its requests, because a busy machine may be slow to
    // respond.
    let patience = ["--request-timeout", "30s", "--poll-timeout", "60s"];
    let args = [
        &["--startup", "empty", "--max-backoff", "100ms"],
        &patience[..],
    ]
    .concat();
    let agent = Agent::start(&url, "directives", &args);
    let failed = async |at_least: u64| {
        let what = format!("{attack}: {at_least} failed polls");
        agent
            .status_when(&what, |status| {
                status["counters"]["polls_failed"].as_u64() >= Some(at_least)
            })
            .await
    };
    failed(5).await;
    let process = Process::of(agent.process_id());
    let before = process.peak_bytes();
    attacks.store(true, Ordering::SeqCst);
    let polls = failed(0).await["counters"]["polls_failed"]
        .as_u64()
        .unwrap();
    let status = failed(polls + 5).await;
    let error = status["last_error"].as_str().unwrap();
    assert!(error.contains(expected), "{attack}: {error}");
    let growth = process.peak_bytes().saturating_sub(before);
    println!("{attack}: {before} bytes before, {growth} bytes more");
    growth
}

/// Returns a function that sends the head of a response, and then repeats `part` as its body until
/// a gigabyte has been sent.
fn endless(head: &'static str, part: &[u8]) -> impl Fn(&mut TcpStream) + Send + Sync + 'static {
    let many = part.repeat((1 << 20) / part.len());
    move |stream| {
        let _ = stream.write_all(head.as_bytes());
        for _ in 0..GIGABYTE / many.len() {
            if stream.write_all(&many).is_err() {
                return;
            }
        }
    }
}

/// Returns a function that sends a complete response with status 200 and the given body.
fn respond(body: Vec<u8>) -> impl Fn(&mut TcpStream) + Send + Sync + 'static {
    move |stream| {
        let length = body.len();
        let head =
            format!("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n");
        let _ = stream.write_all(head.as_bytes());
        let _ = stream.write_all(&body);
    }
}

const TOO_LARGE: &str = "larger than the limit";
const NOT_JSON: &str = "not the expected JSON";
const HEAD: &str = "HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n";

#[tokio::test(flavor = "multi_thread")]
async fn a_compressed_response_of_a_gigabyte_takes_less_than_64_mb() {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(&vec![b' '; MEMBER]).unwrap();
    let body = encoder.finish().unwrap().repeat(GIGABYTE / MEMBER);
    let send = move |stream: &mut TcpStream| {
        let head = format!(
            "HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\nconnection: close\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        let _ = stream.write_all(head.as_bytes());
        let _ = stream.write_all(&body);
    };
    let growth = growth("1 GiB compressed", Target::Searches, TOO_LARGE, send).await;
    assert!(growth < MAX_GROWTH, "{growth}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_response_of_a_gigabyte_without_a_length_takes_less_than_64_mb() {
    let growth = growth(
        "a body without end",
        Target::Searches,
        TOO_LARGE,
        endless(HEAD, b" "),
    )
    .await;
    assert!(growth < MAX_GROWTH, "{growth}");
}

#[tokio::test(flavor = "multi_thread")]
async fn malformed_responses_take_less_than_64_mb() {
    let field = b"x-filler: aaaaaaaaaaaaaaaaaaaaaaaa\r\n";
    let headers = endless("HTTP/1.1 200 OK\r\n", field);
    let broken = "the connection failed";
    let grown = growth("headers without end", Target::Searches, broken, headers).await;
    assert!(grown < MAX_GROWTH, "{grown}");
    let invalid = [b"{\"pit_id\":\"".as_slice(), &vec![0xff; MALFORMED], b"\"}"].concat();
    // The malformed response repeats one JSON key, so a parser that stored every key would need
    // more memory than the response itself.
    let repeated = "\"timed_out\":false,".repeat(MALFORMED / 18);
    let repeated = format!("{{{repeated}\"timed_out\":false}}");
    for (attack, body) in [
        ("nested lists", vec![b'['; MALFORMED]),
        ("nested objects", b"{\"hits\":".repeat(MALFORMED / 8)),
        ("invalid UTF-8", invalid),
        ("repeated keys", repeated.into_bytes()),
    ] {
        let grown = growth(attack, Target::Searches, NOT_JSON, respond(body)).await;
        assert!(grown < MAX_GROWTH, "{attack}: {grown}");
    }
    // The response lists a million indices, because each index needs several times as much memory
    // after parsing as in the JSON text.
    let indices: Vec<String> = (0..MEMBER / 16)
        .map(|n| format!("\"{n:09}\":{{}}"))
        .collect();
    let many = format!("{{\"indices\":{{{}}}}}", indices.join(","));
    let send = respond(many.into_bytes());
    let grown = growth("a million indices", Target::Statistics, TOO_LARGE, send).await;
    assert!(grown < MAX_GROWTH, "{grown}");
}
