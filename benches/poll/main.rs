//! Measures polls of a real cluster, with the number of requests, the number of bytes and the time
//! for each kind of read. `scripts/bench-poll` starts the cluster, runs this program and writes its
//! tables into `BENCHMARKS.md`.
//!
//! The benchmark reads the address of the cluster from the variable `OPENSEARCH_URL`. Before each
//! measurement, the benchmark deletes and re-creates the index `directives-bench` in this cluster.

#![allow(clippy::disallowed_methods, reason = "a benchmark reads the clock")]
#![allow(unreachable_pub, reason = "a binary")]
#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "there is nothing to measure on a cluster that does not respond"
)]
#![allow(
    clippy::format_collect,
    clippy::format_push_string,
    reason = "not what is measured"
)]

mod reconciles;
mod response_to_publish;

use std::time::{Duration, Instant};

use opensearch_directives::error::chain;
use opensearch_directives::{Config, DirectiveStore as _, OpenSearchDirectiveStore};
use response_to_publish::Spans;
use test_support::measure::benchmark_cluster::Cluster;
use test_support::measure::process::Process;
use test_support::measure::{millis, percentiles};

/// The number of polls of an unchanged index over which the benchmark averages the cost of one
/// poll.
const UNCHANGED_POLLS: u32 = 1_000;
/// The number of polls before the first measurement, during which the JIT compiler of the node
/// compiles the frequently used code.
const WARM_UP: u32 = 3_000;
const FULL_READS_TO_WARM_UP: u32 = 20;
const CHANGES: usize = 21;
/// The approximate duration of the measurement for one row of the table that shows how fast a
/// change reaches all stores.
const ROW: Duration = Duration::from_secs(45);
const WRITES_AT_LEAST: usize = 8;
const WRITES_AT_MOST: usize = 40;

fn main() {
    // Cargo passes `--test` if it only checks that the benchmark starts, and then the benchmark
    // measures nothing.
    if std::env::args().any(|arg| arg == "--test") {
        return;
    }
    let spans = Spans::install();
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(async {
        let cluster = Cluster::from_environment();
        if std::env::args().any(|arg| arg == "reconciles") {
            return reconciles::measure(&cluster).await;
        }
        // The benchmark measures the memory of the stores before everything else. After other
        // measurements, a store would seem too small, because it would reuse memory that the other
        // measurements have freed.
        memory(&cluster).await;
        costs(&cluster).await;
        one_change(&cluster, &spans).await;
        reconciles::measure(&cluster).await;
        propagation(&cluster).await;
    });
}

async fn start(cluster: &Cluster, interval: Duration) -> OpenSearchDirectiveStore {
    let config = Config::new(cluster.config())
        .with_interval(interval)
        .with_poll_timeout(Duration::from_secs(2 * 60));
    match OpenSearchDirectiveStore::start(config).await {
        Ok(store) => store,
        Err(error) => panic!("{}", chain(&error)),
    }
}

/// Starts a store that polls only when the benchmark requests a poll.
async fn idle(cluster: &Cluster) -> OpenSearchDirectiveStore {
    start(cluster, Duration::from_secs(60 * 60)).await
}

async fn settle(store: &OpenSearchDirectiveStore) {
    let before = store.status().counters.reads.unchanged;
    while store.status().counters.reads.unchanged < before + 2 {
        store.refresh().await.expect("a poll");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

/// The average cost of a poll, in requests, received bytes, and processor time of the store and of
/// the cluster.
#[derive(Clone, Copy)]
struct Cost {
    requests: f64,
    bytes: f64,
    client: Duration,
    server: Duration,
}

/// Lets the store poll `polls` times, and returns the average cost of one poll.
async fn cost(cluster: &Cluster, store: &OpenSearchDirectiveStore, polls: u32) -> Cost {
    let (counters, client, server) = (
        store.status().counters,
        Process::own().cpu_time(),
        cluster.cpu_time().await,
    );
    for _ in 0..polls {
        store.refresh().await.expect("a poll");
    }
    let (client_after, server_after) = (Process::own().cpu_time(), cluster.cpu_time().await);
    let after = store.status().counters;
    #[expect(clippy::cast_precision_loss, reason = "small numbers")]
    let each = |before: u64, after: u64| (after - before) as f64 / f64::from(polls);
    Cost {
        requests: each(counters.requests, after.requests),
        bytes: each(counters.bytes_received, after.bytes_received),
        client: client_after.saturating_sub(client) / polls,
        server: server_after.saturating_sub(server) / polls,
    }
}

/// Lets stores poll the node until the node responds at its long-term speed.
async fn warm_up(cluster: &Cluster) {
    cluster.fill(1_000).await;
    full_read(cluster, FULL_READS_TO_WARM_UP).await;
    let store = idle(cluster).await;
    settle(&store).await;
    cost(cluster, &store, WARM_UP).await;
}

async fn costs(cluster: &Cluster) {
    warm_up(cluster).await;
    println!("### An unchanged poll, and a read of everything\n");
    println!("| directives | poll | requests | bytes of responses | client CPU | server CPU |");
    println!("|---:|:---|---:|---:|---:|---:|");
    for directives in [0, 1_000, 10_000, 100_000] {
        cluster.fill(directives).await;
        let store = idle(cluster).await;
        settle(&store).await;
        let unchanged = cost(cluster, &store, UNCHANGED_POLLS).await;
        row(directives, "unchanged", unchanged);
        let polls = if directives < 100_000 { 20 } else { 5 };
        let full = full_read(cluster, polls).await;
        row(directives, "everything", full);
        println!(
            "| | *ratio* | | {:.0} | {} | {} |",
            full.bytes / unchanged.bytes,
            ratio(full.client, unchanged.client),
            ratio(full.server, unchanged.server),
        );
    }
    println!();
}

/// Returns the average cost of a store's first poll, that is, of a full read.
async fn full_read(cluster: &Cluster, polls: u32) -> Cost {
    let (client, server) = (Process::own().cpu_time(), cluster.cpu_time().await);
    let (mut requests, mut bytes) = (0, 0);
    for _ in 0..polls {
        let counters = idle(cluster).await.status().counters;
        requests += counters.requests;
        bytes += counters.bytes_received;
    }
    #[expect(clippy::cast_precision_loss, reason = "small numbers")]
    let each = |sum: u64| sum as f64 / f64::from(polls);
    Cost {
        requests: each(requests),
        bytes: each(bytes),
        client: Process::own().cpu_time().saturating_sub(client) / polls,
        server: cluster.cpu_time().await.saturating_sub(server) / polls,
    }
}

fn row(directives: usize, poll: &str, cost: Cost) {
    println!(
        "| {directives} | {poll} | {:.1} | {:.0} | {:.2} ms | {:.2} ms |",
        cost.requests,
        cost.bytes,
        millis(cost.client),
        millis(cost.server),
    );
}

fn ratio(one: Duration, other: Duration) -> String {
    if other.is_zero() {
        // The table shows a dash instead of a ratio if a processor time is below the resolution of
        // the system's counter.
        return "–".to_owned();
    }
    format!("{:.0}", one.as_secs_f64() / other.as_secs_f64())
}

async fn one_change(cluster: &Cluster, spans: &Spans) {
    println!("### One change among 100,000 directives\n");
    cluster.fill(100_000).await;
    let store = idle(cluster).await;
    settle(&store).await;
    let mut bytes = Vec::new();
    let mut to_publish = Vec::new();
    for change in 0..CHANGES {
        cluster
            .write("d-050000", &format!("changed-{change}"))
            .await;
        spans.forget();
        let before = store.status().counters.bytes_received;
        store.refresh().await.expect("a poll");
        bytes.push(store.status().counters.bytes_received - before);
        to_publish.push(spans.response_to_publish());
        settle(&store).await;
    }
    bytes.sort_unstable();
    println!(
        "A poll with a change receives {} bytes (median of {CHANGES}).",
        bytes[CHANGES / 2]
    );
    println!(
        "The time from the response with the change to the publish, which includes the last request \
         for the statistics: {}.\n",
        percentiles(&mut to_publish)
    );
}

async fn propagation(cluster: &Cluster) {
    println!("### From an acknowledged write to `load()`\n");
    println!(
        "A write is acknowledged when a search finds it (`refresh=true`). All proxies are in one \
         process, on the same machine as the server.\n"
    );
    println!("| interval | proxies | writes | first | median of all | last |");
    println!("|---:|---:|---:|:---|:---|:---|");
    for (interval, proxies) in [
        (100, 1),
        (1_000, 1),
        (5_000, 1),
        (100, 500),
        (1_000, 500),
        (5_000, 500),
    ] {
        cluster.fill(100).await;
        let interval = Duration::from_millis(interval);
        let stores = futures_util::future::join_all((0..proxies).map(|_| start(cluster, interval)));
        let stores = stores.await;
        let (mut firsts, mut medians, mut lasts) = (Vec::new(), Vec::new(), Vec::new());
        let begin = Instant::now();
        let mut writes = 0;
        while writes < WRITES_AT_LEAST || (writes < WRITES_AT_MOST && begin.elapsed() < ROW) {
            // The benchmark waits for a random part of the interval, so that it writes the
            // directive at a random instant between two polls.
            let pause = interval.mul_f64(fastrand::f64());
            tokio::time::sleep(pause).await;
            let tenant = format!("write-{writes}");
            writes += 1;
            cluster.write("d-000000", &tenant).await;
            let mut seen = all_see(&stores, &tenant).await;
            seen.sort_unstable();
            firsts.push(seen[0]);
            medians.push(seen[seen.len() / 2]);
            lasts.push(seen[seen.len() - 1]);
        }
        println!(
            "| {interval:?} | {proxies} | {writes} | {} | {} | {} |",
            percentiles(&mut firsts),
            percentiles(&mut medians),
            percentiles(&mut lasts),
        );
    }
    println!();
}

/// Returns for each store the time until the store returned the directive for the given tenant.
async fn all_see(stores: &[OpenSearchDirectiveStore], tenant: &str) -> Vec<Duration> {
    let begin = Instant::now();
    let mut seen = vec![None; stores.len()];
    while seen.contains(&None) {
        tokio::time::sleep(Duration::from_millis(1)).await;
        for (store, seen) in stores.iter().zip(&mut seen) {
            if seen.is_none() {
                let set = store.load();
                let first = set.iter().next().and_then(|directive| directive.tenant);
                if first == Some(tenant) {
                    *seen = Some(begin.elapsed());
                }
            }
        }
    }
    seen.into_iter().flatten().collect()
}

async fn memory(cluster: &Cluster) {
    println!("### Memory of a proxy's store\n");
    println!(
        "The resident memory of the process after the first read, divided by the number of stores:\n"
    );
    for (directives, stores) in [(0, 200_u32), (1_000, 200), (100_000, 4)] {
        cluster.fill(directives).await;
        // The benchmark does not count the memory of the first store, because this store also loads
        // data that all stores share.
        let first = idle(cluster).await;
        let before = Process::own().resident_bytes();
        let mut all = Vec::new();
        for _ in 0..stores {
            all.push(idle(cluster).await);
        }
        let each = Process::own().resident_bytes().saturating_sub(before) / u64::from(stores);
        println!(
            "- {directives} directives: {} KiB for each of {stores} stores.",
            each / 1024
        );
        drop((first, all));
    }
    println!();
}
