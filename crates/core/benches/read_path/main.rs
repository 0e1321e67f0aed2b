//! Benchmarks the read path against osproxy-observe 1.0.5 and against a simple implementation
//! (`baseline.rs`), on the same data in one process. `scripts/bench` runs it and writes its tables
//! into `BENCHMARKS.md`.
//!
//! Without arguments it prints the tables. With `--count CALL DIRECTIVES CALLS` it repeats one call
//! `CALLS` times, for a profiler that counts instructions; `--calls` lists the calls.

#![allow(clippy::disallowed_methods, reason = "a benchmark reads the clock")]
#![allow(unreachable_pub, reason = "a binary")]
#![allow(clippy::expect_used, reason = "wrong data cannot be measured")]

mod baseline;
mod data;
mod measure;

use std::hint::black_box;
use std::process::ExitCode;
use std::sync::Arc;

use arc_swap::ArcSwap;
use baseline::BaselineSet;
use data::{Case, Data};
use measure::{in_turns, on_two_threads};
use opensearch_directives_core::document::{DecodeLimits, decode};
use opensearch_directives_core::{
    DirectiveSet, DirectiveSetBuilder, DirectiveStore, InMemoryDirectiveStore,
};
use osproxy_observe as peer;

const SIZES: [usize; 7] = [0, 1, 10, 100, 1_000, 10_000, 100_000];

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    match args.as_slice() {
        // Cargo passes `--bench`.
        [] | ["--bench"] => tables(),
        ["--calls"] => CALLS.iter().for_each(|(call, ..)| println!("{call}")),
        ["--count", call, directives, calls] => return count(call, directives, calls),
        _ => {
            eprintln!("usage: read_path [--calls | --count CALL DIRECTIVES CALLS]");
            return ExitCode::from(2);
        }
    }
    ExitCode::SUCCESS
}

/// The compared implementations, with the same directives.
struct Sides {
    data: Data,
    ours: Arc<dyn DirectiveStore>,
    in_memory: InMemoryDirectiveStore,
    baseline: ArcSwap<BaselineSet>,
    peers: Arc<dyn peer::DirectiveStore>,
}

impl Sides {
    fn new(case: Case, directives: usize) -> Self {
        let data = Data::new(case, directives);
        let set = DirectiveSet::from_directives(data.ours.clone());
        let peers = peer::DirectiveSet::from_directives(data.peers.clone());
        Self {
            baseline: BaselineSet::store(&data.ours),
            data,
            ours: Arc::new(InMemoryDirectiveStore::new().with_directives(set.clone())),
            in_memory: InMemoryDirectiveStore::new().with_directives(set),
            peers: Arc::new(peer::InMemoryDirectiveStore::new().with_directives(peers)),
        }
    }
}

fn tables() {
    println!("Nanoseconds a call, fastest of 51 turns; × is how many times as fast as the peer.\n");
    load();
    for case in Case::ALL {
        sequence(case);
    }
    reader();
    two_threads();
    build();
    decoding();
}

fn row(cells: &[String]) {
    println!("| {} |", cells.join(" | "));
}

fn head(title: &str, columns: &[&str]) {
    println!("### {title}\n");
    println!("| {} |", columns.join(" | "));
    println!("|{}", "---:|".repeat(columns.len()));
}

fn ns(nanos: f64) -> String {
    if nanos < 100.0 {
        format!("{nanos:.1}")
    } else {
        format!("{nanos:.0}")
    }
}

fn times(ours: f64, peers: f64) -> String {
    let times = peers / ours;
    if times < 100.0 {
        format!("{times:.2}×")
    } else {
        format!("{times:.0}×")
    }
}

fn load() {
    let sides = Sides::new(Case::NoMatch, 10);
    let mut reader = sides.in_memory.reader();
    // The cost of changing a reference count without contention: a fixed set that no other thread
    // uses.
    let fixed: Arc<dyn DirectiveStore> = Arc::new(Arc::new(DirectiveSet::new()));
    let [count, ours, handle, peers] = in_turns([
        &mut |calls| {
            for _ in 0..calls {
                black_box(black_box(&fixed).load());
            }
        },
        &mut |calls| {
            for _ in 0..calls {
                black_box(black_box(&sides.ours).load());
            }
        },
        &mut |calls| {
            for _ in 0..calls {
                black_box(black_box(&mut reader).load());
            }
        },
        &mut |calls| {
            for _ in 0..calls {
                black_box(black_box(&sides.peers).load());
            }
        },
    ]);
    head("Load, one thread", &["way", "ours", "peer", "×"]);
    for (way, time) in [
        (
            "a reference count up and down, the minimum of `load()`",
            count,
        ),
        ("`load()`", ours),
        ("`reader()`", handle),
    ] {
        row(&[way.to_owned(), ns(time), ns(peers), times(time, peers)]);
    }
    println!();
}

fn sequence(case: Case) {
    head(
        &format!("Whole request, {}", case.name()),
        &[
            "directives",
            "ours",
            "peer",
            "×",
            "baseline",
            "ours, 1,024 requests in turn",
            "peer, likewise",
            "×",
            "baseline, likewise",
        ],
    );
    for size in SIZES {
        if size == 0 && case != Case::NoMatch {
            continue;
        }
        let sides = Sides::new(case, size);
        let [ours, peers, baseline] = request_in_turns(&sides, 0);
        let [changing, peers_changing, baseline_changing] = request_in_turns(&sides, usize::MAX);
        row(&[
            size.to_string(),
            ns(ours),
            ns(peers),
            times(ours, peers),
            ns(baseline),
            ns(changing),
            ns(peers_changing),
            times(changing, peers_changing),
            ns(baseline_changing),
        ]);
    }
    println!();
}

/// Returns the time of a whole request for each implementation. With a `mask` of 0, only the first
/// request is repeated. With `usize::MAX`, all requests are evaluated in turn.
fn request_in_turns(sides: &Sides, mask: usize) -> [f64; 3] {
    let data = &sides.data;
    in_turns([
        &mut |calls| {
            for request in 0..calls {
                black_box(data.decide(&**black_box(&sides.ours), black_box(request & mask)));
            }
        },
        &mut |calls| {
            for request in 0..calls {
                black_box(
                    data.decide_by_peer(&**black_box(&sides.peers), black_box(request & mask)),
                );
            }
        },
        &mut |calls| {
            for request in 0..calls {
                black_box(
                    data.decide_by_baseline(black_box(&sides.baseline), black_box(request & mask)),
                );
            }
        },
    ])
}

fn reader() {
    head(
        "Whole request through `reader()`, no match",
        &[
            "directives",
            "reader",
            "load",
            "peer",
            "baseline",
            "× of load",
            "× of peer",
        ],
    );
    for size in SIZES {
        let sides = Sides::new(Case::NoMatch, size);
        let data = &sides.data;
        let mut reader = sides.in_memory.reader();
        let [by_reader, by_load, peers, baseline] = in_turns([
            &mut |calls| {
                for _ in 0..calls {
                    black_box(data.evaluate(black_box(&mut reader).load(), black_box(0)));
                }
            },
            &mut |calls| {
                for _ in 0..calls {
                    black_box(data.decide(&**black_box(&sides.ours), black_box(0)));
                }
            },
            &mut |calls| {
                for _ in 0..calls {
                    black_box(data.decide_by_peer(&**black_box(&sides.peers), black_box(0)));
                }
            },
            &mut |calls| {
                for _ in 0..calls {
                    black_box(data.decide_by_baseline(black_box(&sides.baseline), black_box(0)));
                }
            },
        ]);
        row(&[
            size.to_string(),
            ns(by_reader),
            ns(by_load),
            ns(peers),
            ns(baseline),
            times(by_reader, by_load),
            times(by_reader, peers),
        ]);
    }
    println!();
}

fn two_threads() {
    head(
        "Two threads at once, 1,000 directives, no match",
        &[
            "call",
            "ours, one thread",
            "ours, each of two",
            "throughput of two to one",
            "peer, one thread",
            "peer, each of two",
            "throughput of two to one",
        ],
    );
    let sides = Sides::new(Case::NoMatch, 1_000);
    let data = &sides.data;
    let load = |calls: usize| {
        for _ in 0..calls {
            black_box(black_box(&sides.ours).load());
        }
    };
    let peer_load = |calls: usize| {
        for _ in 0..calls {
            black_box(black_box(&sides.peers).load());
        }
    };
    let whole = |calls: usize| {
        for _ in 0..calls {
            black_box(data.decide(&**black_box(&sides.ours), black_box(0)));
        }
    };
    let peer_whole = |calls: usize| {
        for _ in 0..calls {
            black_box(data.decide_by_peer(&**black_box(&sides.peers), black_box(0)));
        }
    };
    let one = in_turns([&mut { load }, &mut { peer_load }, &mut { whole }, &mut {
        peer_whole
    }]);
    let two = on_two_threads([&load, &peer_load, &whole, &peer_whole]);
    for (call, at) in [("`load()`", 0), ("whole request", 2)] {
        row(&[
            call.to_owned(),
            ns(one[at]),
            ns(two[at]),
            format!("{:.2}", 2.0 * one[at] / two[at]),
            ns(one[at + 1]),
            ns(two[at + 1]),
            format!("{:.2}", 2.0 * one[at + 1] / two[at + 1]),
        ]);
    }
    println!();
}

fn build() {
    head(
        "Building a set, nanoseconds a directive",
        &[
            "directives",
            "ours, from borrowed",
            "peer, a clone of each",
            "×",
        ],
    );
    for size in [100, 10_000, 100_000] {
        let data = Data::new(Case::OneMatch, size);
        let [ours, peers] = in_turns([
            &mut |calls| {
                for _ in 0..calls {
                    let mut builder = DirectiveSetBuilder::with_capacity(size);
                    for directive in &data.ours {
                        builder.push(directive.as_ref());
                    }
                    black_box(builder.build().expect("a small set"));
                }
            },
            &mut |calls| {
                for _ in 0..calls {
                    black_box(peer::DirectiveSet::from_directives(data.peers.clone()));
                }
            },
        ]);
        #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
        let each = |nanos: f64| nanos / size as f64;
        row(&[
            size.to_string(),
            ns(each(ours)),
            ns(each(peers)),
            times(ours, peers),
        ]);
    }
    println!();
}

fn decoding() {
    head(
        "Decoding documents into a set, nanoseconds a directive",
        &[
            "directives",
            "ours, from documents",
            "peer, from its blob",
            "×",
        ],
    );
    let limits = DecodeLimits {
        now: jiff::Timestamp::UNIX_EPOCH,
        max_ttl: std::time::Duration::MAX,
    };
    for size in [100, 10_000, 100_000] {
        let documents = data::documents(size);
        let blob = data::blob(size);
        let clock = osproxy_core::SystemClock;
        let [ours, peers] = in_turns([
            &mut |calls| {
                for _ in 0..calls {
                    let mut builder = DirectiveSetBuilder::default();
                    for (id, source) in &documents {
                        let document = decode(id, source, &limits).expect("a valid document");
                        builder.push(document.directive());
                    }
                    black_box(builder.build_by_id().expect("ids that differ"));
                }
            },
            &mut |calls| {
                for _ in 0..calls {
                    black_box(peer::decode_directive_set(&blob, &clock).expect("a valid blob"));
                }
            },
        ]);
        #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
        let each = |nanos: f64| nanos / size as f64;
        row(&[
            size.to_string(),
            ns(each(ours)),
            ns(each(peers)),
            times(ours, peers),
        ]);
    }
    println!();
}

/// A function that repeats a call the given number of times.
type Call = fn(&Sides, usize);

/// The calls whose instructions can be counted.
const CALLS: [(&str, Case, Call); 17] = [
    ("load", Case::NoMatch, |sides, calls| {
        for _ in 0..calls {
            black_box(black_box(&sides.ours).load());
        }
    }),
    ("peer-load", Case::NoMatch, |sides, calls| {
        for _ in 0..calls {
            black_box(black_box(&sides.peers).load());
        }
    }),
    ("reader", Case::NoMatch, |sides, calls| {
        let mut reader = sides.in_memory.reader();
        for _ in 0..calls {
            black_box(black_box(&mut reader).load());
        }
    }),
    ("evaluate-no-match", Case::NoMatch, evaluate),
    ("evaluate-one-match", Case::OneMatch, evaluate),
    ("evaluate-sampled", Case::Sampled, evaluate),
    ("by-reader-no-match", Case::NoMatch, by_reader),
    ("in-turn-no-match", Case::NoMatch, in_turn),
    ("in-turn-one-match", Case::OneMatch, in_turn),
    ("request-no-match", Case::NoMatch, request),
    ("request-one-match", Case::OneMatch, request),
    ("in-turn-wildcards", Case::Wildcards, in_turn),
    ("in-turn-sampled", Case::Sampled, in_turn),
    ("baseline-no-match", Case::NoMatch, baseline_request),
    ("baseline-one-match", Case::OneMatch, baseline_request),
    ("peer-request-no-match", Case::NoMatch, peer_request),
    ("peer-request-one-match", Case::OneMatch, peer_request),
];

fn evaluate(sides: &Sides, calls: usize) {
    let mut reader = sides.in_memory.reader();
    let set = reader.load();
    for _ in 0..calls {
        black_box(sides.data.evaluate(black_box(set), black_box(0)));
    }
}

fn request(sides: &Sides, calls: usize) {
    for _ in 0..calls {
        black_box(sides.data.decide(&**black_box(&sides.ours), black_box(0)));
    }
}

fn in_turn(sides: &Sides, calls: usize) {
    for request in 0..calls {
        black_box(
            sides
                .data
                .decide(&**black_box(&sides.ours), black_box(request)),
        );
    }
}

fn by_reader(sides: &Sides, calls: usize) {
    let mut reader = sides.in_memory.reader();
    for _ in 0..calls {
        black_box(
            sides
                .data
                .evaluate(black_box(&mut reader).load(), black_box(0)),
        );
    }
}

fn baseline_request(sides: &Sides, calls: usize) {
    for _ in 0..calls {
        black_box(
            sides
                .data
                .decide_by_baseline(black_box(&sides.baseline), black_box(0)),
        );
    }
}

fn peer_request(sides: &Sides, calls: usize) {
    for _ in 0..calls {
        black_box(
            sides
                .data
                .decide_by_peer(&**black_box(&sides.peers), black_box(0)),
        );
    }
}

fn count(call: &str, directives: &str, calls: &str) -> ExitCode {
    let known = CALLS.iter().find(|(name, ..)| *name == call);
    let (Some((_, case, work)), Ok(directives), Ok(calls)) =
        (known, directives.parse(), calls.parse())
    else {
        eprintln!("no such call, or not a number: {call} {directives} {calls}");
        return ExitCode::from(2);
    };
    work(&Sides::new(*case, directives), calls);
    ExitCode::SUCCESS
}
