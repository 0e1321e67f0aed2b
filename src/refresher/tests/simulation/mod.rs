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
//!
//! `SIMULATION_SEED` and `SIMULATION_SCHEDULES` in the environment choose the schedules
//! that `random` runs.

mod answers;
mod cluster;
mod documents;
mod faults;
mod flaws;
mod history;
mod index;
mod lifetimes;
mod promises;
mod quirks;
mod schedules;
mod search;
mod transport;
mod world;

use quirks::Shape;
use schedules::{Plan, run_alone, run_many};

/// Seeds that failed once.
const FAILED_ONCE: &[u64] = &[
    5455, 21_913, 27_358, 136_208, 505_719, 685_917, 702_518, 773_827,
];

fn plan() -> Plan {
    Plan {
        shape: Shape::all(),
        flaw: None,
        lie: None,
    }
}

fn from_environment(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|value| value.parse().unwrap())
}

#[test]
fn what_failed_once_holds() {
    for &seed in FAILED_ONCE {
        if let Err(failure) = run_alone(seed, &plan()) {
            panic!("{failure}");
        }
    }
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
