//! Measures how much slower an evaluation becomes if the store counts the matches of each
//! directive.

use std::hint::black_box;

use opensearch_directives_core::DirectiveStore as _;

use super::Sides;
use super::alternate_and_time::in_turns;
use super::data::Case;
use super::table_format::{head, ns, row};

pub fn print() {
    head(
        "Counting of matches: `evaluate`, 1,024 requests in turn",
        &[
            "requests",
            "directives",
            "not counted",
            "counted",
            "difference",
        ],
    );
    for case in [Case::NoMatch, Case::OneMatch, Case::Sampled] {
        for size in [10, 1_000, 100_000] {
            let sides = Sides::new(case, size);
            let data = &sides.data;
            let (plain, counted) = (&*sides.ours.load(), &*sides.counted.load());
            let [without, with] = in_turns([
                &mut |calls| {
                    for request in 0..calls {
                        black_box(data.evaluate(black_box(plain), request));
                    }
                },
                &mut |calls| {
                    for request in 0..calls {
                        black_box(data.evaluate(black_box(counted), request));
                    }
                },
            ]);
            row(&[
                case.name().to_owned(),
                size.to_string(),
                ns(without),
                ns(with),
                ns(with - without),
            ]);
        }
    }
    println!();
}
