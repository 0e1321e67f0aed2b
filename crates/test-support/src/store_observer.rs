//! Observes the sets that stores publish during a test, and compares each set with the recorded
//! writes of the test.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use opensearch_directives::{DirectiveSet, DirectiveStore as _, OpenSearchDirectiveStore};

use super::write_ledger::{Ledger, Observed};

const PAUSE: Duration = Duration::from_millis(5);
const STEPS_AT_MOST: usize = 20;

/// An observer of several stores. The observer has its own thread, so that it also observes the
/// stores while the test waits.
pub struct Witness {
    enough: Arc<AtomicBool>,
    thread: Option<JoinHandle<Seen>>,
}

/// The results of the observation.
#[derive(Debug, Default)]
pub struct Seen {
    /// The number of times that a store returned a different set than at the previous observation.
    pub sets: u64,
    /// Descriptions of the first observed steps back. A step back is an older state after a newer
    /// one.
    pub steps_back: Vec<String>,
}

/// One observed store, and the state of each id that the observer has seen so far.
struct Watched {
    store: Arc<OpenSearchDirectiveStore>,
    last: Option<Arc<DirectiveSet>>,
    observed: Vec<Observed>,
}

impl Witness {
    pub fn of(stores: &[Arc<OpenSearchDirectiveStore>], ledger: &Arc<Ledger>) -> Self {
        let enough = Arc::new(AtomicBool::new(false));
        let (ledger, is_enough) = (Arc::clone(ledger), Arc::clone(&enough));
        let mut watched: Vec<Watched> = stores
            .iter()
            .map(|store| Watched {
                store: Arc::clone(store),
                last: None,
                observed: vec![Observed::default(); ledger.ids()],
            })
            .collect();
        let thread = std::thread::spawn(move || {
            let mut seen = Seen::default();
            loop {
                // After the stop signal, the observer loads the set of each store once more.
                let last_look = is_enough.load(Ordering::Acquire);
                for (number, one) in watched.iter_mut().enumerate() {
                    one.look(number, &ledger, &mut seen);
                }
                if last_look {
                    return seen;
                }
                std::thread::park_timeout(PAUSE);
            }
        });
        Self {
            enough,
            thread: Some(thread),
        }
    }

    /// Stops the observer. Panics if any store took a step back.
    pub fn end(mut self) -> Seen {
        self.enough.store(true, Ordering::Release);
        let seen = self.thread.take().unwrap().join().unwrap();
        assert!(
            seen.steps_back.is_empty(),
            "steps back:\n{}",
            seen.steps_back.join("\n")
        );
        seen
    }
}

impl Drop for Witness {
    fn drop(&mut self) {
        self.enough.store(true, Ordering::Release);
    }
}

impl Watched {
    fn look(&mut self, number: usize, ledger: &Ledger, seen: &mut Seen) {
        let set = self.store.load();
        if self
            .last
            .as_ref()
            .is_some_and(|last| Arc::ptr_eq(last, &set))
        {
            return;
        }
        seen.sets += 1;
        for step in ledger.record(&mut self.observed, &set) {
            if seen.steps_back.len() < STEPS_AT_MOST {
                let revision = self.store.status().revision;
                seen.steps_back
                    .push(format!("store {number}: {step}; now at {revision:?}"));
            }
        }
        self.last = Some(set);
    }
}
