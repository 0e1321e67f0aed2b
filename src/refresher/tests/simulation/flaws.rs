//! A test of the test: refreshers that leave a check out, and such that cannot make it
//! because what it needs is hidden from them, break a promise in some schedule.

use super::quirks::Shape;
use super::schedules::{Plan, run_alone};
use crate::sync::Flaw;

/// Within how many schedules a flaw must show.
const SCHEDULES: u64 = 3_000;

/// What is hidden from a refresher.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Lie {
    /// That an answer is not all.
    NoPartial,
    /// That an index is not the one of before.
    NoIdentity,
}

impl Lie {
    pub(super) fn rewrite(self, body: String) -> String {
        match self {
            Self::NoPartial => body
                .replace("\"timed_out\":true", "\"timed_out\":false")
                .replace(
                    "\"successful\":0,\"failed\":1",
                    "\"successful\":1,\"failed\":0",
                )
                .replace(
                    "\"successful\":1,\"failed\":1",
                    "\"successful\":2,\"failed\":0",
                ),
            Self::NoIdentity => ["uuid-", "history-"].iter().fold(body, |body, name| {
                let mut parts = body.split(name);
                let first = parts.next().unwrap_or_default().to_owned();
                parts.fold(first, |all, part| {
                    all + name + part.trim_start_matches(|c: char| c.is_ascii_digit())
                })
            }),
        }
    }
}

/// Runs schedules that broke a promise once for this flaw alone.
fn must_break_in(seeds: &[u64], promise: &str, flaw: Flaw) {
    let mut plan = super::plan();
    plan.flaw = Some(flaw);
    for &seed in seeds {
        let failure = run_alone(seed, &plan).err();
        let failure = failure.unwrap_or_else(|| panic!("{flaw:?} does not show in {seed}"));
        assert_eq!(failure.broken.promise, promise, "{failure}");
    }
}

fn must_break(promises: &[&str], flaw: Option<Flaw>, lie: Option<Lie>) {
    let shape = Shape::all();
    let plan = Plan { shape, flaw, lie };
    let failure = (1..=SCHEDULES)
        .find_map(|seed| run_alone(seed, &plan).err())
        .unwrap_or_else(|| panic!("{flaw:?}, {lie:?}: no schedule shows it"));
    let (seed, broken) = (failure.seed, failure.broken);
    println!(
        "{flaw:?}, {lie:?}: {} in schedule {seed}: {}",
        broken.promise, broken.how
    );
    assert!(promises.contains(&broken.promise), "{broken:?}");
}

#[test]
fn a_refresher_without_order_is_caught() {
    must_break(&["P3"], Some(Flaw::NoOrder), None);
}

#[test]
fn a_refresher_without_fingerprints_is_caught() {
    must_break(&["P1, P2, P6"], Some(Flaw::NoFingerprint), None);
}

#[test]
fn a_refresher_that_publishes_what_is_partial_is_caught() {
    must_break(&["P1, P2, P6"], None, Some(Lie::NoPartial));
}

#[test]
fn a_refresher_that_does_not_know_one_index_from_another_is_caught() {
    must_break(&["P1, P2, P6", "in the end"], None, Some(Lie::NoIdentity));
}

#[test]
fn a_refresher_that_lets_one_node_answer_for_another_is_caught() {
    must_break_in(&[38_533, 48_956, 81_343], "P3", Flaw::AnyNode);
}

#[test]
fn a_refresher_whose_pages_are_of_several_views_is_caught() {
    must_break(&["P1, P2, P6"], Some(Flaw::AnyView), None);
}
