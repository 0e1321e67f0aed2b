//! Refreshers in simulated worlds.
//!
//! A world is a cluster with an index, writers, replicas that lag, nodes that fail and
//! a network that does worse, under virtual time and all from one seed. After each poll
//! the promises are held against everything that the world ever showed.
//!
//! | file | holds |
//! |---|---|
//! | `documents.rs`, `index.rs`, `cluster.rs` | the model |
//! | `answers.rs`, `search.rs` | what it answers over HTTP |
//! | `quirks.rs`, `faults.rs`, `world.rs`, `lifetimes.rs` | what differs, goes wrong and happens |
//! | `history.rs`, `promises.rs` | what it showed, and what must hold |
//! | `schedules.rs` | worlds by the thousand |
//! | `flaws.rs` | refreshers that must be caught |
//! | `by_hand.rs`, `renumbered.rs`, `failovers.rs` | what is too rare for random schedules |
//!
//! `SIMULATION_SEED` and `SIMULATION_SCHEDULES` in the environment choose the schedules
//! that `random` runs.

mod answers;
mod by_hand;
mod cluster;
mod documents;
mod failovers;
mod faults;
mod flaws;
mod history;
mod index;
mod lifetimes;
mod promises;
mod quirks;
mod renumbered;
mod schedules;
mod search;
mod transport;
mod world;

use quirks::Shape;
use schedules::{Plan, run_alone, run_many};

/// Seeds that failed once in worlds as they were before there were pages.
const FAILED_BEFORE_PAGES: &[u64] = &[
    5455, 21_913, 27_358, 136_208, 194_608, 277_340, 505_719, 575_519, 678_779, 685_917, 691_445,
    702_518, 721_295, 773_827, 797_698, 848_924, 923_307,
];

/// Seeds that failed once.
const FAILED_ONCE: &[u64] = &[18_227_327_758_840, 18_227_327_916_493, 18_227_328_089_424];

fn plan() -> Plan {
    Plan {
        shape: Shape::all(),
        flaw: None,
        lie: None,
    }
}

fn plan_as_before() -> Plan {
    let mut plan = plan();
    plan.shape.pages = false;
    plan.shape.one_name_twice = false;
    plan
}

fn from_environment(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|value| value.parse().unwrap())
}

#[test]
fn what_failed_once_holds() {
    let before = FAILED_BEFORE_PAGES
        .iter()
        .map(|seed| (seed, plan_as_before()));
    let since = FAILED_ONCE.iter().map(|seed| (seed, plan()));
    let failures = before
        .chain(since)
        .filter_map(|(&seed, plan)| run_alone(seed, &plan).err());
    let failures: Vec<_> = failures.map(|failure| failure.to_string()).collect();
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
}

#[test]
fn random_schedules_keep_the_promises() {
    let seed = from_environment("SIMULATION_SEED").unwrap_or(1);
    let count = from_environment("SIMULATION_SCHEDULES").unwrap_or(100_000);
    let (ran, failures) = run_many(seed, count, &plan());
    println!("{count} schedules from seed {seed}: {ran:?}");
    let Some(first) = failures.first() else {
        return;
    };
    let others = failures
        .iter()
        .map(|failure| (failure.seed, failure.broken.promise));
    panic!(
        "{first}\n{} failed: {:?}",
        failures.len(),
        others.collect::<Vec<_>>()
    );
}
