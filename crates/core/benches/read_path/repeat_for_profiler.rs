//! Repeats one call of the read path, so that a profiler can count the instructions of the call.

use std::hint::black_box;
use std::process::ExitCode;

use super::Sides;
use super::data::Case;

/// A function that repeats one call of the read path the given number of times.
type Call = fn(&Sides, usize);

/// The calls that `--count` can repeat.
const CALLS: [(&str, Case, Call); 21] = [
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
    ("counted-no-match", Case::NoMatch, counted),
    ("counted-one-match", Case::OneMatch, counted),
    ("counted-sampled", Case::Sampled, counted),
    ("evaluate-wildcards", Case::Wildcards, evaluate),
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

fn counted(sides: &Sides, calls: usize) {
    let mut reader = sides.counted.reader();
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

/// Prints the names of the calls that `--count` can repeat.
pub fn list() {
    for (call, ..) in CALLS {
        println!("{call}");
    }
}

/// Repeats the call with the given name the given number of times.
pub fn run(call: &str, directives: &str, calls: &str) -> ExitCode {
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
