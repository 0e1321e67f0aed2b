//! Tests that the conformance kit reports each rule that a deliberately faulty store breaks.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, Mutex};

use super::*;

#[derive(Clone, Copy, PartialEq, Debug)]
enum Fault {
    None,
    /// A publish replaces the directives one by one, so a load can return a mixture of two sets.
    Torn,
    /// Every third load returns the previous set instead of the current set.
    Older,
    /// A publish also changes the sets that were loaded before.
    Shared,
    /// An evaluation ignores the expiry of each directive.
    Everlasting,
    /// An evaluation ignores the start of each directive.
    Early,
    /// An evaluation treats a request without an id as if it were in every sample.
    NoId,
    /// Each load of the set allocates memory.
    Allocates,
}

type Directives = Arc<Mutex<Vec<DiagnosticsDirective>>>;

struct Store {
    fault: Fault,
    current: Mutex<Directives>,
    before: Mutex<Directives>,
    loads: AtomicUsize,
}

impl Store {
    fn new(fault: Fault) -> Self {
        Self {
            fault,
            current: Mutex::default(),
            before: Mutex::default(),
            loads: AtomicUsize::new(0),
        }
    }
}

impl Subject for Store {
    type Set = Directives;

    fn publish(&self, directives: Vec<DiagnosticsDirective>) -> bool {
        let current = self.current.lock().unwrap().clone();
        let fits = current.lock().unwrap().len() == directives.len();
        match self.fault {
            Fault::Torn if fits => {
                let next = Arc::new(Mutex::new(current.lock().unwrap().clone()));
                *self.current.lock().unwrap() = Arc::clone(&next);
                for (position, directive) in directives.into_iter().enumerate() {
                    next.lock().unwrap()[position] = directive;
                    std::thread::yield_now();
                }
            }
            Fault::Shared => *current.lock().unwrap() = directives,
            _ => {
                *self.before.lock().unwrap() = current;
                *self.current.lock().unwrap() = Arc::new(Mutex::new(directives));
            }
        }
        true
    }

    fn load(&self) -> Directives {
        let load = self
            .loads
            .fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        if self.fault == Fault::Older && load % 3 == 2 {
            return self.before.lock().unwrap().clone();
        }
        self.current.lock().unwrap().clone()
    }

    fn evaluate(
        &self,
        set: &Directives,
        attrs: &RequestAttrs<'_>,
        now: Timestamp,
        request_id: &str,
    ) -> Decision {
        let now = match self.fault {
            Fault::Everlasting if now > noon() => noon() + std::time::Duration::from_secs(599),
            _ => now,
        };
        let request_id = match self.fault {
            Fault::NoId if request_id.is_empty() => "a",
            _ => request_id,
        };
        let mut decision = Decision::default();
        for directive in set.lock().unwrap().iter() {
            let mut directive = directive.clone();
            if self.fault == Fault::Early {
                directive.starts_at = None;
            }
            if self.fault == Fault::NoId {
                directive.sample_per_mille = 1000;
            }
            if directive.as_ref().applies(attrs, now, request_id) {
                decision.level = decision.level.max(directive.level);
            }
        }
        decision
    }
}

/// Returns a function that counts allocations for a store with the given fault. The function
/// reports one allocation for the fault `Allocates`, and no allocation for any other fault.
fn counted(fault: Fault) -> CountAllocations {
    fn none(work: &mut dyn FnMut()) -> u64 {
        work();
        0
    }
    fn one(work: &mut dyn FnMut()) -> u64 {
        work();
        1
    }
    if fault == Fault::Allocates { one } else { none }
}

#[test]
fn the_kit_names_the_rule_that_a_store_breaks() {
    for (fault, rule) in [
        (Fault::None, None),
        (Fault::Torn, Some(Rule::PublishedWhole)),
        (Fault::Older, Some(Rule::NeverBackwards)),
        (Fault::Shared, Some(Rule::SnapshotKept)),
        (Fault::Everlasting, Some(Rule::ExpiryAtRead)),
        (Fault::Early, Some(Rule::StartAtRead)),
        (Fault::NoId, Some(Rule::NoIdNoSample)),
        (Fault::Allocates, Some(Rule::NoAllocation)),
    ] {
        let kit = Kit::default().with_allocation_counter(counted(fault));
        let report = kit.check(&Store::new(fault));
        match rule {
            None => assert!(report.conforms(), "{report}"),
            Some(rule) => assert!(report.broken().contains(&rule), "{fault:?}\n{report}"),
        }
    }
}

#[test]
fn a_store_that_cannot_publish_is_checked_with_the_initial_directives() {
    struct Fixed(crate::DirectiveSet);
    impl Subject for Fixed {
        type Set = crate::DirectiveSet;
        fn publish(&self, _: Vec<DiagnosticsDirective>) -> bool {
            false
        }
        fn load(&self) -> Self::Set {
            self.0.clone()
        }
        fn evaluate(
            &self,
            set: &Self::Set,
            attrs: &RequestAttrs<'_>,
            now: Timestamp,
            request_id: &str,
        ) -> Decision {
            set.evaluate(attrs, now, request_id)
        }
    }
    let report = Kit::default().check(&Fixed(initial_directives().into_iter().collect()));
    assert!(report.conforms(), "{report}");
    let skipped = |(_, outcome): &&(Rule, Outcome)| matches!(outcome, Outcome::Skipped(_));
    assert_eq!(report.outcomes().iter().filter(skipped).count(), 4);
}
