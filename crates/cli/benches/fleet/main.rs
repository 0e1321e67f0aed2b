//! Measures on a real cluster how soon `directives wait --converged` returns after a change of a
//! directive. Also measures how much processor time the node needs for the reports of many
//! instances. `scripts/bench-fleet` starts the cluster, runs this program and writes its tables
//! into `BENCHMARKS.md`.
//!
//! The benchmark reads the address of the cluster from the variable `OPENSEARCH_URL`. All instances
//! of the benchmark are stores in its own process, each with its own connections.

#![allow(clippy::disallowed_methods, reason = "a benchmark reads the clock")]
#![allow(unreachable_pub, reason = "a binary")]
#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "there is nothing to measure on a cluster that does not respond"
)]

mod instances;

use std::process::Command;
use std::time::{Duration, Instant};

use instances::{Instances, install};
use serde_json::Value;
use test_support::measure::benchmark_cluster::{Cluster, INDEX};
use test_support::measure::{median, millis};

const SECOND: Duration = Duration::from_secs(1);
/// The number of instances for which `directives wait` waits. The first [`RECORDERS`] of these
/// instances record the history of the index.
const WAITED_FOR: usize = 200;
const RECORDERS: usize = 3;
/// The number of instances that the benchmark kills, to check that `directives wait` names exactly
/// the killed instances.
const KILLED: usize = 3;
const WRITES: usize = 11;
/// The number of instances whose reports the node receives while the benchmark measures the node's
/// processor time.
const REPORTING: usize = 500;
/// The interval between two reports of an instance while the benchmark measures the node's
/// processor time. The default interval between two reports is one minute.
const HEARTBEAT: Duration = Duration::from_secs(10);
/// The poll interval of the instances while the benchmark measures the node's processor time. The
/// default poll interval of an agent is the same.
const INTERVAL: Duration = Duration::from_secs(5);
const WINDOW: Duration = Duration::from_secs(30);

#[tokio::main]
async fn main() {
    // Cargo passes `--test` if it only checks that the benchmark starts, and then the benchmark
    // measures nothing.
    if std::env::args().any(|arg| arg == "--test") {
        return;
    }
    let cluster = Cluster::from_environment();
    waiting(&cluster).await;
    cost(&cluster).await;
}

/// Runs `directives wait --converged`, and returns the JSON report of the command.
async fn wait(cluster: &Cluster, timeout: &str) -> Value {
    let mut command = Command::new(env!("CARGO_BIN_EXE_directives"));
    command
        .args(["wait", "--converged", "--timeout", timeout, "-o", "json"])
        .args(["--request-timeout", "60s"])
        .args(["--url", cluster.url().as_str(), "--directives-index", INDEX]);
    let output = tokio::task::spawn_blocking(move || command.output()).await;
    let output = output.expect("no panic").expect("the command");
    let problem = String::from_utf8_lossy(&output.stderr);
    serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{problem}"))
}

/// Returns the names of the instances in one list of the report that `directives wait` printed.
fn names(report: &Value, list: &str) -> Vec<String> {
    let instances = report[list].as_array().into_iter().flatten();
    let names = instances.filter_map(|one| one["instance"].as_str());
    names.map(str::to_owned).collect()
}

async fn waiting(cluster: &Cluster) {
    cluster.fill(100).await;
    install(cluster).await;
    let mut instances = Instances::start(cluster, WAITED_FOR, RECORDERS, SECOND, Some(SECOND * 60));
    instances.until_ready().await;
    let ready = wait(cluster, "5m").await;
    assert_eq!(ready["applied"], WAITED_FOR, "{ready:#}");
    println!("### {WAITED_FOR} instances, {RECORDERS} of which record the history\n");
    println!(
        "Each instance polls once a second. A write is acknowledged when a search finds it. The first \
         row is the time from the acknowledgement until the last instance applies the write. The \
         second row is the time until `directives wait --converged` returns, which reads the \
         reports twice a second. Both are the median and the maximum of {WRITES} writes.\n"
    );
    let (mut applied, mut returned) = (Vec::new(), Vec::new());
    for write in 0..WRITES {
        let changed = instances.until_changed();
        cluster.write(&format!("w-{write}"), "acme").await;
        let begin = Instant::now();
        let (report, last) = tokio::join!(wait(cluster, "60s"), changed);
        assert_eq!(report["applied"], WAITED_FOR, "{report:#}");
        applied.push(last.saturating_duration_since(begin));
        returned.push(begin.elapsed());
    }
    println!("| | median | maximum |\n|:---|---:|---:|");
    for (what, mut times) in [
        ("the last instance applies the operation", applied),
        ("`wait --converged` returns", returned),
    ] {
        let (median, highest) = (median(&mut times), times[times.len() - 1]);
        println!(
            "| {what} | {:.0} ms | {:.0} ms |",
            millis(median),
            millis(highest)
        );
    }
    let mut killed = instances.kill(KILLED);
    cluster.write("w-killed", "acme").await;
    let report = wait(cluster, "60s").await;
    let mut named = names(&report, "missing");
    named.sort();
    killed.sort();
    assert_eq!(named, killed, "{report:#}");
    println!(
        "\nAfter {KILLED} instances were killed, the command waited until its time limit and named \
         exactly these instances: {} of {} live instances applied the operation.\n",
        report["applied"], report["live"]
    );
    instances.stop().await;
}

/// Returns the processor time that the node uses until the future `window` completes.
async fn server_time(cluster: &Cluster, window: impl Future<Output = ()>) -> Duration {
    let before = cluster.cpu_time().await;
    window.await;
    cluster.cpu_time().await.saturating_sub(before)
}

async fn cost(cluster: &Cluster) {
    println!("### {REPORTING} instances that report to one node\n");
    println!(
        "Each instance polls every {INTERVAL:?}. The table shows the CPU time of the node in windows \
         of {WINDOW:?}. A window with a change contains one write that every instance applies. With \
         reports, each instance writes a report every {HEARTBEAT:?} (less a jitter of up to 20 %) and \
         after the change, and the history of the fleet records the change. With the default \
         heartbeat of a minute, heartbeats cost a sixth of the difference.\n"
    );
    println!("| | CPU a second, no change | CPU, one change |\n|:---|---:|---:|");
    for (what, heartbeat) in [("without reports", None), ("with reports", Some(HEARTBEAT))] {
        cluster.fill(100).await;
        install(cluster).await;
        let instances = Instances::start(cluster, REPORTING, 0, INTERVAL, heartbeat);
        instances.until_ready().await;
        // The benchmark does not measure the first reports, because the node compiles its code
        // while it processes them.
        tokio::time::sleep(WINDOW).await;
        let quiet = server_time(cluster, tokio::time::sleep(WINDOW)).await;
        let changed = server_time(cluster, async {
            let end = tokio::time::sleep(WINDOW);
            cluster.write("w", "acme").await;
            end.await;
        });
        let changed = changed.await.saturating_sub(quiet);
        println!(
            "| {what} | {:.0} ms | {:.0} ms |",
            millis(quiet) / WINDOW.as_secs_f64(),
            millis(changed)
        );
        instances.stop().await;
    }
    println!();
}
