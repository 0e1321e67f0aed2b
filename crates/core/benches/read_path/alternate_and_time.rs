//! Compares the speed of several implementations, even while other programs use the same machine.
//!
//! The speed of a shared machine changes every second, so the benchmark measures the
//! implementations in turns. In each turn, one implementation runs for at least a millisecond, and
//! each implementation gets many turns. The benchmark reports the fastest turn of each
//! implementation, because other processes can only make a turn slower. (Benchmark libraries, in
//! contrast, finish the measurement of one implementation before they start with the next one.)

use std::sync::Barrier;
use std::time::{Duration, Instant};

/// A function that calls one of the compared implementations the given number of times.
pub type Work<'a> = &'a mut dyn FnMut(usize);

/// The minimum duration of one turn of an implementation.
const TURN: Duration = Duration::from_millis(1);
const TURNS: usize = 51;

/// Returns, for each implementation, the nanoseconds per call in its fastest turn.
pub fn in_turns<const N: usize>(mut contestants: [Work<'_>; N]) -> [f64; N] {
    let calls: Vec<usize> = contestants.iter_mut().map(calls_a_turn).collect();
    let mut times: [Vec<f64>; N] = std::array::from_fn(|_| Vec::with_capacity(TURNS));
    for _ in 0..TURNS {
        for ((work, &calls), times) in contestants.iter_mut().zip(&calls).zip(&mut times) {
            let start = Instant::now();
            work(calls);
            times.push(nanos_each(start.elapsed(), calls));
        }
    }
    times.map(fastest)
}

fn calls_a_turn(work: &mut Work<'_>) -> usize {
    let mut calls = 1;
    loop {
        let start = Instant::now();
        work(calls);
        if start.elapsed() >= TURN {
            return calls;
        }
        calls *= 2;
    }
}

/// Returns, for each implementation, the nanoseconds per call when two threads call the
/// implementation at the same time.
pub fn on_two_threads<const N: usize>(contestants: [&(dyn Fn(usize) + Sync); N]) -> [f64; N] {
    let mut times: [Vec<f64>; N] = std::array::from_fn(|_| Vec::with_capacity(TURNS));
    // A turn with two threads is eight times as long as a turn with one thread, because the two
    // threads never start at exactly the same time. In a longer turn, the difference between the
    // threads' start times matters less.
    let calls = contestants.map(|work| {
        let mut work = |calls| work(calls);
        8 * calls_a_turn(&mut (&mut work as Work<'_>))
    });
    let barrier = Barrier::new(2);
    for _ in 0..TURNS {
        for ((work, &calls), times) in contestants.iter().zip(&calls).zip(&mut times) {
            let turn = || {
                // The benchmark does not measure the first call of each thread, because the first
                // call initialises thread-local memory.
                work(1);
                barrier.wait();
                let start = Instant::now();
                work(calls);
                nanos_each(start.elapsed(), calls)
            };
            let (one, other) = std::thread::scope(|scope| {
                let other = scope.spawn(turn);
                (turn(), other.join())
            });
            times.push(other.map_or(one, |other| f64::midpoint(one, other)));
        }
    }
    times.map(fastest)
}

#[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
fn nanos_each(elapsed: Duration, calls: usize) -> f64 {
    elapsed.as_nanos() as f64 / calls as f64
}

fn fastest(times: Vec<f64>) -> f64 {
    times.into_iter().fold(f64::NAN, f64::min)
}
