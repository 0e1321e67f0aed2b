//! Measures how long a request through osproxy takes, from the moment at which a client sends the
//! request until the whole response has arrived. The benchmark compares an osproxy that uses the
//! adapter with an osproxy that uses the in-memory store of osproxy-observe. The adapter and the
//! in-memory store contain the same directives. The benchmark prints tables for
//! `scripts/bench-osproxy`.
//!
//! In place of OpenSearch, a server in the process of the benchmark returns a fixed response, so
//! that the proxy itself uses most of the measured time. The benchmark sends requests in turn to a
//! proxy with the adapter and to a proxy with the in-memory store.

#![allow(clippy::cast_precision_loss, reason = "figures for people")]
#![allow(clippy::disallowed_methods, reason = "it measures")]

#[allow(dead_code, reason = "what only the tests read")]
#[path = "../tests/end_to_end/client.rs"]
mod client;

use std::convert::Infallible;
use std::sync::{Arc, Barrier};
use std::time::{Duration, Instant};

use bytes::Bytes;
use client::{Call, Connection};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Method, Request, Response};
use hyper_util::rt::TokioIo;
use opensearch_directives::{
    Clock as _, DiagLevel, DiagnosticsDirective, DirectiveMatch, DirectiveSet,
    InMemoryDirectiveStore, SystemClock,
};
use opensearch_directives_osproxy::OsproxyDirectiveStore;
use osproxy_core::{Clock as _, EndpointKind, PartitionId, PrincipalId, RequestId};
use osproxy_example::{Parts, handler};
use osproxy_observe::{self as peer, DirectiveStore, NoopExporter};
use tokio::net::TcpListener;

const REQUESTS: usize = 2_000;
const HOUR: Duration = Duration::from_hours(1);

/// How many directives of the measured set have not expired.
#[derive(Clone, Copy)]
enum Live {
    All,
    OneInAHundred,
}

impl Live {
    fn has(self, n: usize) -> bool {
        match self {
            Self::All => true,
            Self::OneInAHundred => n.is_multiple_of(100),
        }
    }
}

fn tenant(n: usize) -> String {
    format!("tenant-{n:06}")
}

async fn ours(count: usize, live: Live) -> Arc<dyn DirectiveStore> {
    let now = SystemClock.now();
    let directive = |n| {
        let expiry = if live.has(n) { now + HOUR } else { now - HOUR };
        DiagnosticsDirective::new(format!("directive-{n:06}"), DiagLevel::Shape, expiry)
            .with_match(DirectiveMatch::all().for_tenant(tenant(n)))
    };
    let store = InMemoryDirectiveStore::new();
    store.publish((0..count).map(directive).collect::<DirectiveSet>());
    let clock = Arc::new(osproxy_core::SystemClock);
    Arc::new(OsproxyDirectiveStore::start_over(Arc::new(store), clock).await)
}

fn peers(count: usize, live: Live) -> Arc<dyn DirectiveStore> {
    let now = osproxy_core::SystemClock.now();
    let directive = |n| peer::DiagnosticsDirective {
        id: format!("directive-{n:06}"),
        match_: peer::DirectiveMatch::all().for_tenant(PartitionId::from(tenant(n))),
        level: peer::DiagLevel::Shape,
        sample_per_mille: 1000,
        expires_at: if live.has(n) {
            now.saturating_add(HOUR)
        } else {
            now
        },
        ring_buffer: false,
        capture: false,
    };
    let set = peer::DirectiveSet::from_directives((0..count).map(directive).collect());
    Arc::new(peer::InMemoryDirectiveStore::new().with_directives(set))
}

/// Starts a server in place of OpenSearch that responds to every request with the same document,
/// and returns the server's URL.
async fn upstream() -> String {
    const DOCUMENT: &str = r#"{"_index":"osproxy-shared","_id":"acme:1","_version":1,"_seq_no":0,"_primary_term":1,"found":true,"_source":{"_tenant":"acme","tenant_id":"acme","id":"1","total":7}}"#;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            stream.set_nodelay(true).unwrap();
            tokio::spawn(async move {
                let answer = service_fn(|_: Request<Incoming>| async {
                    let answer = Response::builder().header("content-type", "application/json");
                    Ok::<_, Infallible>(answer.body(Full::new(Bytes::from(DOCUMENT))).unwrap())
                });
                let server = hyper::server::conn::http1::Builder::new();
                let _ = server.serve_connection(TokioIo::new(stream), answer).await;
            });
        }
    });
    format!("http://{address}")
}

async fn proxy(upstream: &str, directives: Arc<dyn DirectiveStore>) -> Connection {
    let handler = handler(Parts {
        upstream: upstream.to_owned(),
        directives,
        exporter: Arc::new(NoopExporter),
        capture: None,
        tape: 100,
    });
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(osproxy_transport::serve(listener, handler));
    Connection::open(address).await
}

async fn timed(connection: &mut Connection) -> Duration {
    let call = Call {
        method: &Method::GET,
        path: "/orders/_doc/1",
        tenant: Some("acme"),
        principal: "checkout",
        body: "",
    };
    let began = Instant::now();
    let answer = connection.send(call).await;
    let took = began.elapsed();
    assert_eq!(answer.status, 200, "{:?}", answer.body);
    took
}

/// Returns the median and the 99th percentile of the given times, in microseconds.
fn quantiles(mut times: Vec<Duration>) -> (f64, f64) {
    times.sort();
    let micros = |place: usize| times[place].as_secs_f64() * 1e6;
    (micros(times.len() / 2), micros(times.len() * 99 / 100))
}

async fn latency(count: usize, live: Live) {
    let upstream = upstream().await;
    let mut ours = proxy(&upstream, ours(count, live).await).await;
    let mut peers = proxy(&upstream, peers(count, live)).await;
    let (mut our_times, mut peer_times) = (Vec::new(), Vec::new());
    for n in 0..REQUESTS + 100 {
        let (one, other) = (timed(&mut ours).await, timed(&mut peers).await);
        // The benchmark does not measure the first 100 requests, because they warm up the
        // connection.
        if n >= 100 {
            our_times.push(one);
            peer_times.push(other);
        }
    }
    let ((our_p50, our_p99), (peer_p50, peer_p99)) = (quantiles(our_times), quantiles(peer_times));
    let live = match live {
        Live::All => "all",
        Live::OneInAHundred => "one in a hundred",
    };
    println!(
        "| {count} | {live} | {our_p50:.0} | {peer_p50:.0} | {:.2}× | {our_p99:.0} | {peer_p99:.0} |",
        peer_p50 / our_p50
    );
}

/// Returns the duration of one call in nanoseconds while `threads` threads make this call at the
/// same time.
fn on_threads(threads: usize, calls: u32, call: impl Fn() + Sync) -> f64 {
    let barrier = Barrier::new(threads);
    let mut rounds: Vec<f64> = (0..9)
        .map(|_| {
            std::thread::scope(|scope| {
                let workers: Vec<_> = (0..threads)
                    .map(|_| {
                        scope.spawn(|| {
                            barrier.wait();
                            let began = Instant::now();
                            for _ in 0..calls {
                                call();
                            }
                            began.elapsed().as_nanos() as f64 / f64::from(calls)
                        })
                    })
                    .collect();
                let times = workers.into_iter().map(|worker| worker.join().unwrap());
                times.sum::<f64>() / threads as f64
            })
        })
        .collect();
    rounds.sort_by(f64::total_cmp);
    rounds[rounds.len() / 2]
}

fn load(store: &dyn DirectiveStore, threads: usize) -> f64 {
    on_threads(threads, 2_000_000, || {
        std::hint::black_box(store.load());
    })
}

/// Measures the calls to the directive store that osproxy makes for each request, and returns their
/// duration in nanoseconds.
fn ask(store: &dyn DirectiveStore, threads: usize) -> f64 {
    let tenant = PartitionId::from("nobody");
    let principal = PrincipalId::from("svc");
    let request = RequestId::from("request-1");
    let attrs = peer::RequestAttrs {
        tenant: Some(&tenant),
        index: "orders",
        principal: &principal,
        endpoint: EndpointKind::GetById,
    };
    let now = osproxy_core::SystemClock.now();
    on_threads(threads, 5_000, || {
        let set = store.load();
        std::hint::black_box((
            set.evaluate(&attrs, now, &request),
            set.wants_ring_buffer(&attrs, now, &request),
            set.wants_capture(&attrs, now, &request),
        ));
    })
}

#[tokio::main(flavor = "multi_thread")]
async fn main() {
    println!("### A request through osproxy, no match, microseconds\n");
    println!(
        "| directives | live | adapter p50 | in-memory p50 | × | adapter p99 | in-memory p99 |"
    );
    println!("|---:|---:|---:|---:|---:|---:|---:|");
    latency(0, Live::All).await;
    for count in [1_000, 100_000] {
        for live in [Live::OneInAHundred, Live::All] {
            latency(count, live).await;
        }
    }

    loads().await;
    scans().await;
}

async fn loads() {
    println!("\n### `load()`, 10 directives, nanoseconds\n");
    println!("| threads at once | adapter | in-memory | × |");
    println!("|---:|---:|---:|---:|");
    let (ours, peers) = (ours(10, Live::All).await, peers(10, Live::All));
    for threads in [1, 2] {
        let (one, other) = (load(&*ours, threads), load(&*peers, threads));
        println!(
            "| {threads} | {one:.1} | {other:.1} | {:.2}× |",
            other / one
        );
    }
}

async fn scans() {
    println!("\n### `load()` and the scan, no match, nanoseconds on each of the threads\n");
    println!(
        "Above 2,048 live directives, all threads share one copy of the set, and so one reference \
         count.\n"
    );
    println!("| live directives | threads at once | adapter | in-memory | × |");
    println!("|---:|---:|---:|---:|---:|");
    for live in [10, 5_000] {
        let (ours, peers) = (ours(live, Live::All).await, peers(live, Live::All));
        for threads in [1, 2] {
            let (one, other) = (ask(&*ours, threads), ask(&*peers, threads));
            println!(
                "| {live} | {threads} | {one:.0} | {other:.0} | {:.2}× |",
                other / one
            );
        }
    }
}
