//! Reads the memory and the processor time of a process from `/proc`, which exists only on Linux.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

const PAGE: u64 = 4096;

pub struct Process(PathBuf);

impl Process {
    pub fn own() -> Self {
        Self("/proc/self".into())
    }

    pub fn of(pid: u32) -> Self {
        Self(format!("/proc/{pid}").into())
    }

    /// Returns the total processor time of the threads of the process, without threads that have
    /// already ended.
    pub fn cpu_time(&self) -> Duration {
        let threads = fs::read_dir(self.0.join("task")).expect("threads");
        let nanos = threads.flatten().filter_map(|thread| {
            let stat = fs::read_to_string(thread.path().join("schedstat")).ok()?;
            stat.split_whitespace().next()?.parse::<u64>().ok()
        });
        Duration::from_nanos(nanos.sum())
    }

    /// Returns the number of file descriptors that the process has open.
    pub fn open_files(&self) -> u64 {
        let files = fs::read_dir(self.0.join("fd")).expect("the descriptors");
        files.count() as u64
    }

    /// Returns the peak of the process's resident memory since its start, in bytes.
    pub fn peak_bytes(&self) -> u64 {
        let status = fs::read_to_string(self.0.join("status")).expect("the status");
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kib = peak.and_then(|peak| peak.split_whitespace().next()?.parse().ok());
        kib.map_or(0, |kib: u64| kib * 1024)
    }

    /// Returns the resident memory of the process at this moment, in bytes.
    pub fn resident_bytes(&self) -> u64 {
        let statm = fs::read_to_string(self.0.join("statm")).expect("the memory");
        let pages = statm.split_whitespace().nth(1).and_then(|n| n.parse().ok());
        pages.map_or(0, |pages: u64| pages * PAGE)
    }
}
