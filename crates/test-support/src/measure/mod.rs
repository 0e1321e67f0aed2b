//! Helpers of the benchmarks that measure a real cluster, for access to the cluster, for process
//! statistics and for percentiles.

pub mod benchmark_cluster;
pub mod process;

use std::time::Duration;

pub fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

/// Returns a text with the median and the 99th percentile of the times, in milliseconds.
pub fn percentiles(times: &mut [Duration]) -> String {
    times.sort_unstable();
    let at = |percent: usize| times[(times.len() * percent / 100).min(times.len() - 1)];
    format!("p50 {:.1} ms, p99 {:.1} ms", millis(at(50)), millis(at(99)))
}

pub fn median<T: Copy + Ord>(values: &mut [T]) -> T {
    values.sort_unstable();
    values[values.len() / 2]
}
