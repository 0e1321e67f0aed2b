//! Observes the directive sets that stores publish during a test, and compares each set with the
//! recorded writes of the test.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use opensearch_directives::{DirectiveSet, DirectiveStore as _, OpenSearchDirectiveStore};

use super::write_ledger::{Ledger, Observed};

const PAUSE: Duration = Duration::from_millis(5);
const MAX_STEPS: usize = 20;

/// An observer of the directive sets of several stores. The observer runs on a separate thread, so
/// it continues while the test waits.
pub struct StoreObserver {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<Observations>>,
}

/// The number of directive sets and the steps back that an observer has seen.
#[derive(Debug, Default)]
pub struct Observations {
    /// How often a store's set differed from the set at the previous observation of this store,
    /// over all stores.
    pub sets: u64,
    /// Descriptions of the first steps back that the observer saw. A store takes a step back if it
    /// publishes an older state after a newer one.
    pub steps_back: Vec<String>,
}

/// One observed store, with its last set, and with the last state of each document id that the
/// observer has seen.
struct Watched {
    store: Arc<OpenSearchDirectiveStore>,
    last: Option<Arc<DirectiveSet>>,
    observed: Vec<Observed>,
}

impl StoreObserver {
    pub fn of(stores: &[Arc<OpenSearchDirectiveStore>], ledger: &Arc<Ledger>) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let (ledger, is_stopping) = (Arc::clone(ledger), Arc::clone(&stop));
        let mut watched: Vec<Watched> = stores
            .iter()
            .map(|store| Watched {
                store: Arc::clone(store),
                last: None,
                observed: vec![Observed::default(); ledger.ids()],
            })
            .collect();
        let thread = std::thread::spawn(move || {
            let mut observations = Observations::default();
            loop {
                // When the test stops the observer, the observer loads the set of each store one
                // last time.
                let is_last_round = is_stopping.load(Ordering::Acquire);
                for (number, one) in watched.iter_mut().enumerate() {
                    one.observe(number, &ledger, &mut observations);
                }
                if is_last_round {
                    return observations;
                }
                std::thread::park_timeout(PAUSE);
            }
        });
        Self {
            stop,
            thread: Some(thread),
        }
    }

    /// Stops the observer and returns its observations, but panics if any store took a step back.
    pub fn end(mut self) -> Observations {
        self.stop.store(true, Ordering::Release);
        let observations = self.thread.take().unwrap().join().unwrap();
        assert!(
            observations.steps_back.is_empty(),
            "steps back:\n{}",
            observations.steps_back.join("\n")
        );
        observations
    }
}

impl Drop for StoreObserver {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
    }
}

impl Watched {
    fn observe(&mut self, number: usize, ledger: &Ledger, observations: &mut Observations) {
        let set = self.store.load();
        if self
            .last
            .as_ref()
            .is_some_and(|last| Arc::ptr_eq(last, &set))
        {
            return;
        }
        observations.sets += 1;
        for step in ledger.record(&mut self.observed, &set) {
            if observations.steps_back.len() < MAX_STEPS {
                let revision = self.store.status().revision;
                observations
                    .steps_back
                    .push(format!("store {number}: {step}; now at {revision:?}"));
            }
        }
        self.last = Some(set);
    }
}
