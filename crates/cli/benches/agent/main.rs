//! Measures how much processor time `directives agent` uses beside a proxy and as a hub. Also
//! measures how long a change of a directive takes to pass through one agent and through a chain of
//! three agents. `scripts/bench-agent` starts a cluster, runs this benchmark and writes its tables
//! to `BENCHMARKS.md`.
//!
//! The benchmark reads the address of the cluster from the variable `OPENSEARCH_URL`. The benchmark
//! creates an index in this cluster, and deletes the index at the end.

#![allow(clippy::disallowed_methods, reason = "a benchmark reads the clock")]
#![allow(unreachable_pub, reason = "a binary")]
#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "there is nothing to measure on an agent that does not respond"
)]
#![allow(clippy::format_collect, reason = "not what is measured")]

mod agent_process;
mod chain_latency;
mod notification_latency;

use test_support::measure::benchmark_cluster::Cluster;

fn main() {
    // Cargo passes `--test` if it only checks that the benchmark starts, and then the benchmark
    // measures nothing.
    if std::env::args().any(|arg| arg == "--test") {
        return;
    }
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(async {
        let cluster = Cluster::from_environment();
        notification_latency::measure(&cluster).await;
        chain_latency::measure(&cluster).await;
    });
}
