//! Measures every part of the read path, and prints the tables of `BENCHMARKS.md`.

use std::hint::black_box;
use std::sync::Arc;

use opensearch_directives_core::document::{DecodeLimits, decode};
use opensearch_directives_core::{DirectiveSet, DirectiveSetBuilder, DirectiveStore};
use osproxy_observe as peer;

use super::Sides;
use super::alternate_and_time::{in_turns, on_two_threads};
use super::cost_of_report_and_clock;
use super::data;
use super::data::{Case, Data};
use super::hit_counting;
use super::table_format::{head, ns, row, times};

const SIZES: [usize; 7] = [0, 1, 10, 100, 1_000, 10_000, 100_000];

pub fn print() {
    println!(
        "All times are nanoseconds per call, as the fastest of 51 measurements. × is the time of the peer divided by ours.\n"
    );
    load();
    for case in Case::ALL {
        sequence(case);
    }
    reader();
    cost_of_report_and_clock::print();
    hit_counting::print();
    two_threads();
    build();
    decoding();
}

fn load() {
    let sides = Sides::new(Case::NoMatch, 10);
    let mut reader = sides.in_memory.reader();
    // No other thread loads `fixed`, so the duration of a load shows how long a change of a
    // reference count takes without contention.
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

/// Returns, for each implementation, the nanoseconds that it needs to load the set and to evaluate
/// one request. If `mask` is 0, the benchmark evaluates the first request again and again. If
/// `mask` is `usize::MAX`, the benchmark evaluates all requests one after the other.
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
