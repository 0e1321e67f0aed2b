//! Compares the speed of this crate's read path with osproxy-observe 1.0.5 and with a simple
//! implementation (`baseline.rs`). All implementations run on the same data in one process.
//! `scripts/bench` runs this benchmark and writes its tables into `BENCHMARKS.md`.
//!
//! Without arguments, the benchmark prints its tables. With `--count CALL DIRECTIVES CALLS`, the
//! benchmark repeats the call named `CALL` `CALLS` times on a set of `DIRECTIVES` directives, so
//! that a profiler can count the instructions. The argument `--calls` lists the names of the calls
//! that `--count` accepts.

#![allow(clippy::disallowed_methods, reason = "a benchmark reads the clock")]
#![allow(unreachable_pub, reason = "a binary")]
#![allow(clippy::expect_used, reason = "wrong data cannot be measured")]

mod alternate_and_time;
mod baseline;
mod benchmark_tables;
mod cost_of_report_and_clock;
mod data;
mod hit_counting;
mod repeat_for_profiler;
mod table_format;

use std::process::ExitCode;
use std::sync::Arc;

use arc_swap::ArcSwap;
use baseline::BaselineSet;
use data::{Case, Data};
use opensearch_directives_core::internal::HitCounters;
use opensearch_directives_core::{DirectiveSet, DirectiveStore, InMemoryDirectiveStore};
use osproxy_observe as peer;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    match args.as_slice() {
        // `cargo bench` passes the argument `--bench` to each benchmark.
        [] | ["--bench"] => benchmark_tables::print(),
        ["--calls"] => repeat_for_profiler::list(),
        ["--count", call, directives, calls] => {
            return repeat_for_profiler::run(call, directives, calls);
        }
        _ => {
            eprintln!("usage: read_path [--calls | --count CALL DIRECTIVES CALLS]");
            return ExitCode::from(2);
        }
    }
    ExitCode::SUCCESS
}

/// The stores of all implementations that the benchmark compares, each with the same directives.
struct Sides {
    data: Data,
    ours: Arc<dyn DirectiveStore>,
    in_memory: InMemoryDirectiveStore,
    /// A store with the same directives as `in_memory`, in which evaluations also count the
    /// matches.
    counted: InMemoryDirectiveStore,
    baseline: ArcSwap<BaselineSet>,
    peers: Arc<dyn peer::DirectiveStore>,
}

impl Sides {
    fn new(case: Case, directives: usize) -> Self {
        let data = Data::new(case, directives);
        let set = DirectiveSet::from_directives(data.ours.clone());
        let counted = HitCounters::default().attach(&set, jiff::Timestamp::UNIX_EPOCH);
        let peers = peer::DirectiveSet::from_directives(data.peers.clone());
        Self {
            baseline: BaselineSet::store(&data.ours),
            data,
            ours: Arc::new(InMemoryDirectiveStore::new().with_directives(set.clone())),
            in_memory: InMemoryDirectiveStore::new().with_directives(set),
            counted: InMemoryDirectiveStore::new().with_directives(counted),
            peers: Arc::new(peer::InMemoryDirectiveStore::new().with_directives(peers)),
        }
    }
}
