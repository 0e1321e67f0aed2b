//! What is published to the peer's request path: copies of one set, for threads to share
//! as few of as is worth their memory.
//!
//! The peer wants an `Arc` of its own set, and one count that all threads raise and
//! lower is what makes them wait for each other (`domain/cache`). Its set cannot be
//! shared between two `Arc`s, only copied. So a small set is copied for each thread; of
//! a large one there are few copies or one, and a scan of it takes far longer than a
//! wait for the count.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

use osproxy_observe::{DiagnosticsDirective, DirectiveSet};

use opensearch_directives::internal::{
    Publication, Publish, Published, Publisher, lend, publication,
};

/// How many directives all copies may hold together.
const COPIED_DIRECTIVES: usize = 4096;
/// What one core fetches or owns at a time.
const CACHE_LINE: usize = 64;

lend!(Threads: DirectiveSet);

/// A set that can be replaced in one swap.
#[derive(Debug)]
pub(super) struct Cell {
    publisher: Mutex<Publisher<Copies>>,
    current: Published<Copies>,
}

/// What was replaced. Whoever drops it last frees it, so keep it until no request can still
/// have it.
pub(super) type Replaced = Arc<Publication<Copies>>;

impl Cell {
    pub(super) fn new() -> Self {
        let (publisher, current) = publication(Copies::of(Vec::new()));
        Self {
            publisher: Mutex::new(publisher),
            current,
        }
    }

    /// The set that was published last, by a count that few or no other threads use.
    #[inline]
    pub(super) fn load(&self) -> Arc<DirectiveSet> {
        self.current.load()
    }

    /// Replaces the set.
    pub(super) fn publish(&self, directives: Vec<DiagnosticsDirective>) -> Replaced {
        self.publisher
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .publish(Copies::of(directives))
    }
}

/// Copies of one set.
#[derive(Debug)]
pub(super) struct Copies {
    /// Until they are made.
    set: DirectiveSet,
    /// Keeps the room between them from being used for anything else.
    spacers: Vec<Arc<DirectiveSet>>,
}

impl Copies {
    fn of(directives: Vec<DiagnosticsDirective>) -> Self {
        Self {
            set: DirectiveSet::from_directives(directives),
            spacers: Vec::new(),
        }
    }
}

impl Publish for Copies {
    type Handle = DirectiveSet;
    type Threads = Threads;

    fn handles(&mut self, wanted: usize) -> Box<[Arc<DirectiveSet>]> {
        let wanted = copies(self.set.len(), wanted);
        let (empty, spacers) = apart(wanted);
        self.spacers = spacers;
        let copies = std::iter::repeat_n(std::mem::take(&mut self.set), wanted);
        let filled = empty.into_iter().zip(copies);
        filled.map(|(handle, set)| fill(handle, set)).collect()
    }
}

/// How many copies of a set of so many directives are made where there are so many threads.
pub(super) fn copies(directives: usize, threads: usize) -> usize {
    let worth_their_memory = COPIED_DIRECTIVES / directives.max(1);
    worth_their_memory.clamp(1, threads.max(1))
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
fn fill(mut handle: Arc<DirectiveSet>, set: DirectiveSet) -> Arc<DirectiveSet> {
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
        let mut copies = Copies::of(directives(3));
        let handles = copies.handles(100);
        assert_eq!(handles.len(), 100);
        let mut taken = HashSet::new();
        for handle in &handles {
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
        for (count, wanted) in [(0, 64), (1, 64), (64, 64), (65, 63), (2048, 2), (2049, 1)] {
            let handles = Copies::of(directives(count)).handles(64);
            assert_eq!(handles.len(), wanted, "of {count}");
            assert!(handles.iter().all(|handle| handle.len() == count));
        }
        let cell = Cell::new();
        cell.publish(directives(5000));
        assert_eq!(cell.load().len(), 5000);
    }
}
