//! What the system says of this process. Linux only.

use std::fs;
use std::time::Duration;

const PAGE: u64 = 4096;

/// The time that all threads have computed for.
pub fn cpu_time() -> Duration {
    let threads = fs::read_dir("/proc/self/task").expect("threads");
    let nanos = threads.flatten().filter_map(|thread| {
        let stat = fs::read_to_string(thread.path().join("schedstat")).ok()?;
        stat.split_whitespace().next()?.parse::<u64>().ok()
    });
    Duration::from_nanos(nanos.sum())
}

/// The memory that is in use and in place.
pub fn resident_bytes() -> u64 {
    let statm = fs::read_to_string("/proc/self/statm").expect("the memory");
    let pages = statm.split_whitespace().nth(1).and_then(|n| n.parse().ok());
    pages.map_or(0, |pages: u64| pages * PAGE)
}
