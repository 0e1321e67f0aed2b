//! osproxy-etcd 1.0.5 on a real etcd: from an acknowledged write to `load()`, and how
//! many directives fit. `scripts/bench-etcd` starts the etcd, runs this and writes what
//! it prints into `BENCHMARKS.md`.

use std::sync::Arc;
use std::time::{Duration, Instant};

use etcd_client::Client;
use osproxy_core::SystemClock;
use osproxy_etcd::EtcdDirectiveStore;
use osproxy_observe::DirectiveStore as _;
use serde_json::{Value, json};

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

const KEY: &str = "directives";
const WRITES: usize = 50;
/// How many directives the search for the largest number goes up to.
const DIRECTIVES_AT_MOST: usize = 1 << 20;

#[tokio::main]
async fn main() -> Result<()> {
    let endpoint = std::env::var("ETCD_URL")?;
    let mut client = Client::connect([&endpoint], None).await?;
    propagation(&endpoint, &mut client).await?;
    limit(&mut client).await
}

/// All directives are one value; every change writes all of them.
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

async fn propagation(endpoint: &str, client: &mut Client) -> Result<()> {
    println!("| directives | proxies | first | median of all | last |");
    println!("|---:|---:|:---|:---|:---|");
    // The peer's watches outlive its stores, so the many come last.
    for (directives, proxies) in [(100, 1), (10_000, 1), (100, 500)] {
        client.put(KEY, blob(directives), None).await?;
        let mut stores = Vec::new();
        for _ in 0..proxies {
            let clock = Arc::new(SystemClock);
            let endpoints = [endpoint.to_owned()];
            stores.push(EtcdDirectiveStore::connect(&endpoints, KEY, clock).await?);
        }
        // The watches begin after the connection; a change in between is lost.
        tokio::time::sleep(Duration::from_secs(2)).await;
        let (mut firsts, mut medians, mut lasts) = (Vec::new(), Vec::new(), Vec::new());
        for write in 0..WRITES {
            // One more or one less, so that the change can be seen.
            let directives = directives + 1 + write % 2;
            client.put(KEY, blob(directives), None).await?;
            let mut seen = all_see(&stores, directives).await;
            seen.sort_unstable();
            firsts.push(seen[0]);
            medians.push(seen[seen.len() / 2]);
            lasts.push(seen[seen.len() - 1]);
        }
        println!(
            "| {directives} | {proxies} | {} | {} | {} |",
            percentiles(&mut firsts),
            percentiles(&mut medians),
            percentiles(&mut lasts),
        );
    }
    println!();
    Ok(())
}

/// How long each store took to show so many directives.
async fn all_see(stores: &[EtcdDirectiveStore], directives: usize) -> Vec<Duration> {
    let begin = Instant::now();
    let mut seen = vec![None; stores.len()];
    while seen.contains(&None) {
        for (store, seen) in stores.iter().zip(&mut seen) {
            if seen.is_none() && store.load().len() == directives {
                *seen = Some(begin.elapsed());
            }
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    seen.into_iter().flatten().collect()
}

/// The median and the 99th of a hundred.
fn percentiles(times: &mut [Duration]) -> String {
    times.sort_unstable();
    let at = |percent: usize| times[(times.len() * percent / 100).min(times.len() - 1)];
    let millis = |time: Duration| time.as_secs_f64() * 1e3;
    format!("p50 {:.1} ms, p99 {:.1} ms", millis(at(50)), millis(at(99)))
}

async fn limit(client: &mut Client) -> Result<()> {
    let (mut fits, mut refused) = (1, DIRECTIVES_AT_MOST);
    let mut reason = String::new();
    while refused - fits > 1 {
        let middle = usize::midpoint(fits, refused);
        match client.put(KEY, blob(middle), None).await {
            Ok(_) => fits = middle,
            Err(error) => {
                refused = middle;
                reason = error.to_string();
            }
        }
    }
    println!(
        "{fits} such directives fit ({} bytes); one more is refused: {reason}",
        blob(fits).len()
    );
    Ok(())
}
