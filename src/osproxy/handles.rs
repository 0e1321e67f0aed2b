//! The cell from which the peer's request path loads.
//!
//! The peer wants an `Arc` of its own set, and one count that all threads raise and
//! lower is what makes them wait for each other (`domain/cache`). Its set cannot be
//! shared between two `Arc`s, only copied. So a small set is copied for each thread; of
//! a large one there are few copies or one, and a scan of it takes far longer than a
//! wait for the count.

use std::collections::HashSet;
use std::sync::Arc;

use arc_swap::ArcSwap;
use osproxy_observe::{DiagnosticsDirective, DirectiveSet};

use crate::domain::cache::{number, numbers_given};

/// The most copies that are made as a matter of course; more if more threads read.
const COPIES: usize = 64;
/// How many directives all copies may hold together.
const COPIED_DIRECTIVES: usize = 4096;
/// What one core fetches or owns at a time.
const CACHE_LINE: usize = 64;

/// A set that can be replaced in one swap.
#[derive(Debug)]
pub(super) struct Cell {
    current: ArcSwap<Handles>,
}

impl Cell {
    pub(super) fn new() -> Self {
        Self {
            current: ArcSwap::from_pointee(Handles::new(Vec::new())),
        }
    }

    /// The set that was published last, by a count that few or no other threads use.
    #[inline]
    pub(super) fn load(&self) -> Arc<DirectiveSet> {
        let current = self.current.load();
        Arc::clone(&current.sets[number() & (current.sets.len() - 1)])
    }

    /// Replaces the set, and gives back the one before. Whoever drops that last frees
    /// it, so keep it until no request can still have it.
    pub(super) fn publish(&self, directives: Vec<DiagnosticsDirective>) -> Arc<Handles> {
        self.current.swap(Arc::new(Handles::new(directives)))
    }
}

/// Copies of one set, each behind a count of its own. As many as a power of two.
#[derive(Debug)]
pub(super) struct Handles {
    sets: Box<[Arc<DirectiveSet>]>,
    /// Keeps the room between them from being used for anything else.
    _spacers: Vec<Arc<DirectiveSet>>,
}

impl Handles {
    fn new(directives: Vec<DiagnosticsDirective>) -> Self {
        let wanted = copies(directives.len());
        let (empty, spacers) = apart(wanted);
        let set = DirectiveSet::from_directives(directives);
        Self {
            sets: empty
                .into_iter()
                .zip(std::iter::repeat_n(set, wanted))
                .map(|(handle, set)| filled(handle, set))
                .collect(),
            _spacers: spacers,
        }
    }
}

/// How many copies of a set of so many directives are worth their memory.
pub(super) fn copies(directives: usize) -> usize {
    let threads = COPIES.max(numbers_given().next_power_of_two());
    let affordable = (COPIED_DIRECTIVES / directives.max(1)).clamp(1, threads);
    // The power of two below.
    1 << affordable.ilog2()
}

/// Empty handles of which no two share a cache line, and what lies between them.
fn apart(wanted: usize) -> (Vec<Arc<DirectiveSet>>, Vec<Arc<DirectiveSet>>) {
    let mut apart: Vec<Arc<DirectiveSet>> = Vec::with_capacity(wanted);
    let mut spacers = Vec::new();
    let mut taken = HashSet::new();
    while apart.len() < wanted {
        let handle = Arc::new(DirectiveSet::new());
        let (first, last) = lines(&handle);
        // Two that share a line would be slower, not wrong: so not for ever.
        if (first..=last).all(|line| !taken.contains(&line)) || spacers.len() >= 16 * wanted {
            taken.extend(first..=last);
            apart.push(handle);
        } else {
            spacers.push(handle);
        }
    }
    (apart, spacers)
}

/// The first and the last cache line that a handle takes, its counts included.
fn lines(handle: &Arc<DirectiveSet>) -> (usize, usize) {
    let set = Arc::as_ptr(handle).addr();
    let counts = 2 * size_of::<usize>();
    (
        (set - counts) / CACHE_LINE,
        (set + size_of::<DirectiveSet>() - 1) / CACHE_LINE,
    )
}

/// The handle with a set in it. Nobody else has it yet, so it stays where it is.
fn filled(mut handle: Arc<DirectiveSet>, set: DirectiveSet) -> Arc<DirectiveSet> {
    match Arc::get_mut(&mut handle) {
        Some(place) => {
            *place = set;
            handle
        }
        None => Arc::new(set),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use std::sync::Barrier;

    use osproxy_core::{Clock as _, ManualClock};
    use osproxy_observe::{DiagLevel, DirectiveMatch};

    use super::*;

    fn directives(count: usize) -> Vec<DiagnosticsDirective> {
        let directive = DiagnosticsDirective {
            id: String::new(),
            match_: DirectiveMatch::all(),
            level: DiagLevel::Shape,
            sample_per_mille: 1000,
            expires_at: ManualClock::new().now(),
            ring_buffer: false,
            capture: false,
        };
        vec![directive; count]
    }

    #[test]
    fn no_two_handles_share_a_cache_line() {
        let handles = Handles::new(directives(3));
        assert!(handles.sets.len() >= COPIES);
        let mut taken = HashSet::new();
        for handle in &handles.sets {
            assert_eq!(handle.len(), 3);
            let (first, last) = lines(handle);
            assert!((first..=last).all(|line| taken.insert(line)));
        }
    }

    #[test]
    fn threads_have_counts_of_their_own() {
        let cell = Cell::new();
        let barrier = Barrier::new(2);
        let load = || {
            let set = cell.load();
            // A thread that had ended would give its number to the next.
            barrier.wait();
            set
        };
        let (first, second) = std::thread::scope(|scope| {
            let (first, second) = (scope.spawn(load), scope.spawn(load));
            (first.join().unwrap(), second.join().unwrap())
        });
        assert!(!Arc::ptr_eq(&first, &second));
    }

    #[test]
    fn the_copies_of_a_large_set_are_few() {
        for (count, wanted) in [(1, COPIES), (64, COPIES), (65, 32), (2048, 2), (2049, 1)] {
            // Up to 64 threads; a test runner with more cores has more.
            assert!(copies(count) == wanted || wanted == COPIES && copies(count) > COPIES);
        }
        let cell = Cell::new();
        let empty = cell.publish(directives(5000));
        assert_eq!(cell.load().len(), 5000);
        assert!(empty.sets.iter().all(|set| set.is_empty()));
        assert_eq!(cell.publish(Vec::new()).sets.len(), 1);
    }
}
