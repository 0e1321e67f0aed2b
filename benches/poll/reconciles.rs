//! Compares the cost of a full read with the cost of a reconcile, which compares the documents by
//! ranges of `_seq_no`. The benchmark measures reconciles after deletions, and periodic reconciles
//! that find no difference.

use std::time::{Duration, Instant};

use opensearch_directives::{Config, DirectiveStore as _, OpenSearchDirectiveStore};
use test_support::measure::benchmark_cluster::Cluster;
use test_support::measure::percentiles;

use super::{idle, settle, start};

const DIRECTIVES: usize = 100_000;
const SINGLE_DELETIONS: usize = 21;
const SCATTERED: usize = 1_000;
const SCATTERED_ROUNDS: usize = 5;
const PERIODIC: usize = 21;
const FULL_READS: usize = 5;
const INTERVAL: Duration = Duration::from_secs(1);

/// The cost of one poll, in requests, received bytes and duration.
struct Poll {
    requests: u64,
    bytes: u64,
    took: Duration,
}

async fn poll(store: &OpenSearchDirectiveStore) -> Poll {
    let before = store.status().counters;
    let began = Instant::now();
    store.refresh().await.expect("a poll");
    let took = began.elapsed();
    let after = store.status().counters;
    Poll {
        requests: after.requests - before.requests,
        bytes: after.bytes_received - before.bytes_received,
        took,
    }
}

fn row(name: &str, mut polls: Vec<Poll>) {
    let middle = polls.len() / 2;
    polls.sort_by_key(|poll| poll.requests);
    let requests = polls[middle].requests;
    polls.sort_by_key(|poll| poll.bytes);
    let bytes = polls[middle].bytes;
    let mut took: Vec<Duration> = polls.iter().map(|poll| poll.took).collect();
    println!(
        "| {name} | {} | {requests} | {bytes} | {} |",
        polls.len(),
        percentiles(&mut took)
    );
}

pub(crate) async fn measure(cluster: &Cluster) {
    println!("### Deletions and reconciles among 100,000 directives\n");
    println!(
        "A poll after an acknowledged deletion, up to `load()`; medians of the requests and of the \
         bytes of responses. A full read is what such a poll cost before.\n"
    );
    println!("| difference | polls | requests | bytes of responses | time |");
    println!("|:---|---:|---:|---:|:---|");
    cluster.fill(DIRECTIVES).await;
    let store = idle(cluster).await;
    settle(&store).await;
    let mut left: Vec<usize> = (0..DIRECTIVES).collect();
    fastrand::shuffle(&mut left);
    let mut single = Vec::new();
    for _ in 0..SINGLE_DELETIONS {
        single.push(after_deletions(cluster, &store, &mut left, 1).await);
    }
    row("one deletion", single);
    let mut scattered = Vec::new();
    for _ in 0..SCATTERED_ROUNDS {
        scattered.push(after_deletions(cluster, &store, &mut left, SCATTERED).await);
    }
    row("1,000 scattered deletions", scattered);
    let full_reads = store.status().counters.reads.full_reads;
    assert_eq!(full_reads, 1, "only the first read is a full one");
    row("none, a periodic reconcile", periodic(cluster).await);
    let mut full = Vec::new();
    for _ in 0..FULL_READS {
        let began = Instant::now();
        let counters = idle(cluster).await.status().counters;
        full.push(Poll {
            requests: counters.requests,
            bytes: counters.bytes_received,
            took: began.elapsed(),
        });
    }
    row("any, by a full read", full);
    println!();
    drop(store);
    println!(
        "From an acknowledged deletion to `load()` at an interval of {INTERVAL:?}: {}.\n",
        percentiles(&mut to_load(cluster, &mut left).await)
    );
}

/// Deletes single documents, each at a random instant between two polls of a store. Returns for
/// each deletion the time until the store returned a set without the deleted document.
async fn to_load(cluster: &Cluster, left: &mut Vec<usize>) -> Vec<Duration> {
    let store = start(cluster, INTERVAL).await;
    let mut times = Vec::new();
    for _ in 0..SINGLE_DELETIONS {
        tokio::time::sleep(INTERVAL * 4 + INTERVAL.mul_f64(fastrand::f64())).await;
        cluster.delete(&left.split_off(left.len() - 1)).await;
        let began = Instant::now();
        while store.load().len() != left.len() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        times.push(began.elapsed());
    }
    times
}

/// Deletes `deletions` documents, and measures the poll in which the store notices the deletions.
async fn after_deletions(
    cluster: &Cluster,
    store: &OpenSearchDirectiveStore,
    left: &mut Vec<usize>,
    deletions: usize,
) -> Poll {
    let gone = left.split_off(left.len() - deletions);
    cluster.delete(&gone).await;
    let poll = poll(store).await;
    assert_eq!(store.load().len(), left.len());
    settle(store).await;
    poll
}

/// Measures the polls of a store whose reconcile interval is so short that every poll is a periodic
/// reconcile.
async fn periodic(cluster: &Cluster) -> Vec<Poll> {
    let config = Config::new(cluster.config())
        .with_interval(Duration::from_secs(60 * 60))
        .with_poll_timeout(Duration::from_secs(2 * 60))
        .with_reconcile_interval(Duration::from_millis(1));
    let store = OpenSearchDirectiveStore::start(config)
        .await
        .expect("a store");
    // The store has made its full read at its start, so every poll in this loop is a periodic
    // reconcile.
    let mut polls = Vec::new();
    for _ in 0..PERIODIC {
        tokio::time::sleep(Duration::from_millis(50)).await;
        polls.push(poll(&store).await);
    }
    let reads = store.status().counters.reads;
    assert_eq!(reads.full_reads, 1, "{reads:?}");
    assert_eq!(reads.corrections, 0, "{reads:?}");
    polls
}
