//! Runs two agents for half an hour under load and faults, and checks that their memory, file
//! descriptors and tasks do not grow. The soak test restarts the node, delays and drops responses,
//! rotates secrets and changes documents. `scripts/soak` runs the soak test.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

#[path = "../support/mod.rs"]
#[allow(
    dead_code,
    unused_imports,
    reason = "shared with the other test binaries"
)]
mod support;

mod faults;
mod load;
mod samples;
mod site;

use std::sync::Arc;
use std::time::Duration;

use test_support::node::Node;
use test_support::proxy::{Fault, Proxy};
use tokio::sync::Mutex;
use tokio::task::JoinSet;
use tokio::time::Instant;

use samples::Samples;
use site::Site;

/// The duration of the soak test in minutes, unless the variable `SOAK_MINUTES` sets another one.
const MINUTES: u64 = 30;
/// The time between two measurements of an agent's memory, file descriptors and tasks.
const SAMPLE_EVERY: Duration = Duration::from_secs(5);

fn duration() -> Duration {
    let minutes = std::env::var("SOAK_MINUTES").ok();
    let minutes = minutes.map_or(MINUTES, |text| text.parse().expect("a number of minutes"));
    Duration::from_mins(minutes)
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "scripts/soak runs it"]
async fn memory_descriptors_and_tasks_stay_flat_under_faults() {
    let duration = duration();
    let node = Node::start();
    let site = Arc::new(Site::new(&node.url()).await);
    let proxy = Arc::new(Proxy::before(&node.url()).await);
    let node = Arc::new(Mutex::new(node));
    let hub = site.hub(&proxy.url());
    let client = site.client(&hub.url(""));
    site.until_equal(&hub, &client).await;

    let mut load = JoinSet::new();
    load::start(&mut load, &site, &hub, &client);
    let mut faults = tokio::spawn(faults::inject(Arc::clone(&node), Arc::clone(&proxy)));
    let mut samples = [Samples::of("hub", &hub), Samples::of("client", &client)];
    let mut rotations = tokio::time::interval(Duration::from_secs(40));
    let mut sampling = tokio::time::interval(SAMPLE_EVERY);
    let end = Instant::now() + duration;
    loop {
        tokio::select! {
            () = tokio::time::sleep_until(end) => break,
            _ = rotations.tick() => site.rotate_secrets(&[&hub, &client]),
            _ = sampling.tick() => for samples in &mut samples {
                samples.take(&site).await;
            },
            ended = &mut faults => panic!("the faults ended: {ended:?}"),
            Some(ended) = load.join_next() => panic!("a part of the load ended: {ended:?}"),
        }
    }
    faults.abort();
    let _ = faults.await;
    load.shutdown().await;
    for samples in &samples {
        samples.report();
    }
    for samples in &samples {
        samples.check();
    }
    let failed = samples[0].counter("polls_failed");
    assert!(
        failed >= 5,
        "the faults had no effect: {failed} failed polls"
    );
    // After the last fault, both agents must publish the same directives again.
    proxy.set(Fault::None);
    let mut node = node.lock_owned().await;
    tokio::task::block_in_place(|| node.restart());
    site.until_equal(&hub, &client).await;
}
