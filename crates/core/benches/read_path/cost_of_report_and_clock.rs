//! Measures how much slower an evaluation becomes if a callback receives the directives that apply,
//! or if the caller reads the clock before each evaluation.

use std::hint::black_box;

use super::Sides;
use super::alternate_and_time::in_turns;
use super::data::Case;
use super::table_format::{head, ns, row};

pub fn print() {
    head(
        "Report of the directives, and the clock: one match, 1,024 requests in turn",
        &[
            "directives",
            "`evaluate`",
            "`evaluate_with`",
            "whole request",
            "whole request with `Timestamp::now()`",
        ],
    );
    for size in [10, 100, 1_000, 10_000, 100_000] {
        let sides = Sides::new(Case::OneMatch, size);
        let data = &sides.data;
        let store = &*sides.ours;
        let set = &*store.load();
        let times = in_turns([
            &mut |calls| {
                for request in 0..calls {
                    black_box(data.evaluate(black_box(set), request));
                }
            },
            &mut |calls| {
                for request in 0..calls {
                    black_box(data.report(black_box(set), request));
                }
            },
            &mut |calls| {
                for request in 0..calls {
                    black_box(data.decide(black_box(store), request));
                }
            },
            &mut |calls| {
                for request in 0..calls {
                    black_box(data.decide_now(black_box(store), request));
                }
            },
        ]);
        let mut cells = vec![size.to_string()];
        cells.extend(times.map(ns));
        row(&cells);
    }
    println!();
}
