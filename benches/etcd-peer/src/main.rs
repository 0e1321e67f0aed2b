//! Measures osproxy-etcd 1.0.5 with a real etcd. The benchmark measures the time from an
//! acknowledged write until `load()` returns the change, and the largest number of directives that
//! etcd accepts. `scripts/bench-etcd` starts etcd, runs this program and writes its output into
//! `BENCHMARKS.md`.

#![allow(clippy::disallowed_methods, reason = "a benchmark reads the clock")]

use std::sync::Arc;
use std::time::{Duration, Instant};

use etcd_client::Client;
use osproxy_core::SystemClock;
use osproxy_etcd::EtcdDirectiveStore;
use osproxy_observe::DirectiveStore as _;
use serde_json::{Value, json};

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

const KEY: &str = "directives";
/// A key that no store watches, so that no store slows down the search for the largest number of
/// directives. This key is as long as [`KEY`], because etcd limits the size of a request, which
/// contains the key.
const KEY_OF_NONE: &str = "no-watcher";
const WRITES: usize = 50;
/// If a store does not return a change within this time after the write, the benchmark counts the
/// change as lost for this store.
const LOST_AFTER: Duration = Duration::from_secs(5);
/// An upper bound for the search for the largest number of directives that etcd accepts. By
/// default, etcd accepts about a tenth of this bound.
const DIRECTIVES_AT_MOST: usize = 1 << 18;

#[tokio::main]
async fn main() -> Result<()> {
    let endpoint = std::env::var("ETCD_URL")?;
    let mut client = Client::connect([&endpoint], None).await?;
    let fits = limit(&mut client).await?;
    propagation(&endpoint, &mut client, fits).await
}

/// Returns the value of [`KEY`] with `directives` directives, because osproxy-etcd reads all
/// directives from the value of a single key.
fn blob(directives: usize) -> Vec<u8> {
    let directives: Vec<Value> = (0..directives)
        .map(|n| {
            json!({
                "id": format!("d-{n:06}"),
                "level": "Shape",
                "tenant": format!("tenant-{n:06}"),
                "ttl_secs": 86_400,
            })
        })
        .collect();
    json!({ "directives": directives }).to_string().into_bytes()
}

/// Measures the time from a write until `load()` returns the changed set. The argument `fits` is
/// the largest number of directives that etcd accepts.
async fn propagation(endpoint: &str, client: &mut Client, fits: usize) -> Result<()> {
    println!("| directives | proxies | writes | lost | first | median of all | last |");
    println!("|---:|---:|---:|---:|:---|:---|:---|");
    // The benchmark measures the case with the most proxies last, because a store's watch continues
    // after the store is dropped, and many such watches would disturb later cases.
    for (directives, proxies) in [(100, 1), (10_000, 1), (fits - 2, 1), (100, 500)] {
        client.put(KEY, blob(directives), None).await?;
        let mut stores = Vec::new();
        for _ in 0..proxies {
            let clock = Arc::new(SystemClock);
            let endpoints = [endpoint.to_owned()];
            stores.push(EtcdDirectiveStore::connect(&endpoints, KEY, clock).await?);
        }
        // The benchmark waits for two seconds until the watches of the stores have begun, because a
        // store receives no changes before its watch begins.
        tokio::time::sleep(Duration::from_secs(2)).await;
        let (mut firsts, mut medians, mut lasts) = (Vec::new(), Vec::new(), Vec::new());
        let mut lost = 0;
        for write in 0..WRITES {
            // Each write changes the number of directives by one, so that the benchmark sees which
            // write a store has received.
            let directives = directives + 1 + write % 2;
            client.put(KEY, blob(directives), None).await?;
            let mut seen = all_see(&stores, directives).await;
            lost += proxies - seen.len();
            if seen.is_empty() {
                continue;
            }
            seen.sort_unstable();
            firsts.push(seen[0]);
            medians.push(seen[seen.len() / 2]);
            lasts.push(seen[seen.len() - 1]);
        }
        println!(
            "| {directives} | {proxies} | {WRITES} | {lost} | {} | {} | {} |",
            percentiles(&mut firsts),
            percentiles(&mut medians),
            percentiles(&mut lasts),
        );
    }
    println!();
    Ok(())
}

/// Returns for each store the time until the store returned the given number of directives, but no
/// time for a store that lost the change.
async fn all_see(stores: &[EtcdDirectiveStore], directives: usize) -> Vec<Duration> {
    let begin = Instant::now();
    let mut seen = vec![None; stores.len()];
    while seen.contains(&None) && begin.elapsed() < LOST_AFTER {
        for (store, seen) in stores.iter().zip(&mut seen) {
            if seen.is_none() && store.load().len() == directives {
                *seen = Some(begin.elapsed());
            }
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    seen.into_iter().flatten().collect()
}

/// Returns a text with the median and the 99th percentile of the given times.
fn percentiles(times: &mut [Duration]) -> String {
    if times.is_empty() {
        return "–".to_owned();
    }
    times.sort_unstable();
    let at = |percent: usize| times[(times.len() * percent / 100).min(times.len() - 1)];
    let millis = |time: Duration| time.as_secs_f64() * 1e3;
    format!("p50 {:.1} ms, p99 {:.1} ms", millis(at(50)), millis(at(99)))
}

/// Searches for the largest number of directives that etcd accepts in one value.
async fn limit(client: &mut Client) -> Result<usize> {
    let (mut fits, mut refused) = (1, DIRECTIVES_AT_MOST);
    let mut reason = String::new();
    while refused - fits > 1 {
        let middle = usize::midpoint(fits, refused);
        match client.put(KEY_OF_NONE, blob(middle), None).await {
            Ok(_) => fits = middle,
            Err(error) => {
                refused = middle;
                reason = error.to_string();
            }
        }
    }
    println!(
        "{fits} directives fit ({} bytes); one more is refused: {reason}\n",
        blob(fits).len()
    );
    Ok(fits)
}
