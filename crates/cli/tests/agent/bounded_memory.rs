//! Tests that the agent's memory stays bounded while the polled server sends responses of a
//! gigabyte.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use flate2::Compression;
use flate2::write::GzEncoder;

use crate::support::agent::Agent;

const GIGABYTE: usize = 1 << 30;
const MEMBER: usize = 16 << 20;
/// The largest amount of additional memory, in bytes, that the agent may use.
const MAX_GROWTH: u64 = 64_000_000;

/// Starts a server that responds with 503 until the returned flag is set, and with a gigabyte to
/// each request after that.
fn serve(send: impl Fn(&mut TcpStream) + Send + Sync + 'static) -> (String, Arc<AtomicBool>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let large = Arc::new(AtomicBool::new(false));
    let send = Arc::new(send);
    std::thread::spawn({
        let large = large.clone();
        move || {
            for stream in listener.incoming() {
                let (large, send) = (large.clone(), send.clone());
                std::thread::spawn(move || {
                    let mut stream = stream.unwrap();
                    let _ = stream.read(&mut [0; 8192]);
                    if large.load(Ordering::SeqCst) {
                        send(&mut stream);
                    } else {
                        let none =
                            "HTTP/1.1 503 N\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";
                        let _ = stream.write_all(none.as_bytes());
                    }
                });
            }
        }
    });
    (url, large)
}

/// Returns the peak memory of a process in bytes.
fn peak(process: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status
        .lines()
        .find(|line| line.starts_with("VmHWM:"))
        .unwrap();
    line.split_whitespace()
        .nth(1)
        .unwrap()
        .parse::<u64>()
        .unwrap()
        * 1024
}

async fn growth(send: impl Fn(&mut TcpStream) + Send + Sync + 'static) -> u64 {
    let (url, large) = serve(send);
    let args = ["--startup", "empty", "--max-backoff", "100ms"];
    let agent = Agent::start(&url, "directives", &args);
    let failed = async |at_least: u64| {
        let what = format!("{at_least} failed polls");
        agent
            .status_when(&what, |status| {
                status["counters"]["polls_failed"].as_u64() >= Some(at_least)
            })
            .await
    };
    failed(5).await;
    let before = peak(agent.process_id());
    large.store(true, Ordering::SeqCst);
    let polls = failed(0).await["counters"]["polls_failed"]
        .as_u64()
        .unwrap();
    let status = failed(polls + 5).await;
    let error = status["last_error"].as_str().unwrap();
    assert!(error.contains("larger than the limit"), "{error}");
    let growth = peak(agent.process_id()) - before;
    println!("idle {before} bytes, {growth} bytes more under responses of 1 GiB");
    growth
}

#[tokio::test(flavor = "multi_thread")]
async fn a_compressed_response_of_a_gigabyte_takes_less_than_64_mb() {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(&vec![b' '; MEMBER]).unwrap();
    let body = encoder.finish().unwrap().repeat(GIGABYTE / MEMBER);
    let growth = growth(move |stream| {
        let head = format!(
            "HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\nconnection: close\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        let _ = stream.write_all(head.as_bytes());
        let _ = stream.write_all(&body);
    })
    .await;
    assert!(growth < MAX_GROWTH, "{growth}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_response_of_a_gigabyte_without_a_length_takes_less_than_64_mb() {
    let growth = growth(|stream| {
        let head = "HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n";
        let _ = stream.write_all(head.as_bytes());
        let more = vec![b' '; 1 << 20];
        for _ in 0..GIGABYTE / more.len() {
            if stream.write_all(&more).is_err() {
                return;
            }
        }
    })
    .await;
    assert!(growth < MAX_GROWTH, "{growth}");
}
