//! Tests of the publication cell with concurrent readers. `scripts/test-races` also runs these
//! tests under Miri, which tries thread schedules and memory orderings that hardware rarely
//! produces.

#![allow(clippy::unwrap_used, clippy::similar_names, reason = "tests")]

use std::sync::Barrier;
use std::sync::atomic::AtomicBool;
use std::thread;

use jiff::Timestamp;

use super::*;
use crate::{DiagLevel, DiagnosticsDirective};

/// A published value whose number is also the id of both directives in its set.
struct Numbered {
    number: u64,
    set: DirectiveSet,
}

impl AsRef<DirectiveSet> for Numbered {
    fn as_ref(&self) -> &DirectiveSet {
        &self.set
    }
}

fn numbered(number: u64) -> Numbered {
    let directive = DiagnosticsDirective::new(number.to_string(), DiagLevel::Shape, Timestamp::MAX);
    Numbered {
        number,
        set: DirectiveSet::from_directives(vec![directive.clone(), directive]),
    }
}

/// Returns the number of a set's two directives, and panics if their numbers differ.
fn number_of(set: &DirectiveSet) -> u64 {
    let ids: Vec<u64> = set.iter().map(|d| d.id.parse().unwrap()).collect();
    assert_eq!(ids.len(), 2);
    assert_eq!(ids[0], ids[1], "a mixture of two sets");
    ids[0]
}

/// The number of values that a stress test publishes, which is lower under Miri because Miri is
/// slow.
const STEPS: u64 = if cfg!(miri) { 30 } else { 3_000 };

#[test]
fn every_way_to_read_returns_the_published_value() {
    let (mut publisher, published) = publication(numbered(0));
    let mut reader = published.reader();
    for number in 1..100 {
        publisher.publish(numbered(number));
        assert_eq!(number_of(&published.load()), number);
        assert_eq!(number_of(&published.clone().load()), number);
        assert_eq!(number_of(reader.load()), number);
        assert_eq!(number_of(reader.clone().load()), number);
        assert_eq!(published.snapshot().number, number);
    }
}

/// A publish first writes the new version and then the new value. Between the two writes of a
/// publish, every read method still returns the old value. During a publish, even a thread whose
/// cached copy does not have the announced version reads the old value.
#[test]
fn reads_return_the_old_value_between_the_writes_of_a_publish() {
    let (mut publisher, published) = publication(numbered(0));
    let mut reader = published.reader();
    assert_eq!(number_of(&published.load()), 0);
    publisher.announce(u64::MAX);
    for _ in 0..2 {
        assert_eq!(number_of(&published.load()), 0);
        assert_eq!(number_of(reader.load()), 0);
        assert_eq!(number_of(published.reader().load()), 0);
        assert_eq!(published.snapshot().number, 0);
    }
    publisher.publish(numbered(1));
    assert_eq!(number_of(&published.load()), 1);
    assert_eq!(number_of(reader.load()), 1);
}

/// Once a thread has read a value with one read method, every other read method returns this value
/// or a later one. This test fails if a publish swaps in the value before it announces the version.
#[test]
fn reads_are_monotonic_across_the_ways_to_read() {
    let (mut publisher, published) = publication(numbered(0));
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                let mut reader = published.reader();
                while !done.load(Ordering::Relaxed) {
                    let cached = number_of(&published.load());
                    let seen = published.snapshot().number;
                    assert!(seen >= cached, "{seen} after {cached}");
                    let loaded = number_of(&published.load());
                    assert!(loaded >= seen, "loaded {loaded} after {seen}");
                    let seen = published.snapshot().number;
                    let read = number_of(reader.load());
                    assert!(read >= seen, "read {read} after {seen}");
                }
            });
        }
        for number in 1..=STEPS {
            publisher.publish(numbered(number));
        }
        done.store(true, Ordering::Relaxed);
    });
}

#[test]
fn a_held_set_does_not_change() {
    let (mut publisher, published) = publication(numbered(0));
    let held = published.load();
    let mut reader = published.reader();
    let borrowed = reader.load();
    publisher.publish(numbered(1));
    assert_eq!(number_of(&held), 0);
    assert_eq!(number_of(borrowed), 0);
    assert_eq!(number_of(reader.load()), 1);
}

#[test]
fn each_thread_has_a_reference_count_of_its_own() {
    let (_publisher, published) = publication(numbered(0));
    let mine = published.load();
    assert!(Arc::ptr_eq(&mine, &published.load()));
    thread::scope(|scope| {
        let others = scope.spawn(|| published.load()).join().unwrap();
        assert!(!Arc::ptr_eq(&mine, &others));
    });
}

#[test]
fn an_idle_thread_keeps_no_set_alive() {
    let (mut publisher, published) = publication(numbered(0));
    let loaded = Barrier::new(2);
    let checked = Barrier::new(2);
    thread::scope(|scope| {
        scope.spawn(|| {
            drop(published.load());
            loaded.wait();
            // The idle thread keeps running, but does not load the set again.
            checked.wait();
        });
        loaded.wait();
        let old = Arc::downgrade(&published.snapshot());
        let old_set = published.load().downgrade();
        assert!(old.upgrade().is_some() && old_set.upgrade().is_some());
        publisher.publish(numbered(1));
        assert!(old.upgrade().is_none(), "the old value is still alive");
        assert!(old_set.upgrade().is_none(), "the old set is still alive");
        checked.wait();
    });
}

#[test]
fn a_thread_that_ended_keeps_no_handle() {
    let (_publisher, published) = publication(numbered(0));
    let handle = thread::scope(|scope| scope.spawn(|| published.load()).join().unwrap());
    assert_eq!(Arc::weak_count(&handle), 0);
    // The test's own thread has not ended, so its cache still contains one weak reference to the
    // handle.
    assert_eq!(Arc::weak_count(&published.load()), 1);
}

#[test]
fn the_last_set_is_freed_with_the_cell() {
    let (publisher, published) = publication(numbered(0));
    let set = published.load().downgrade();
    drop((publisher, published));
    assert!(set.upgrade().is_none());
}

#[test]
fn a_thread_reads_many_cells_in_turn() {
    let mut cells: Vec<_> = (0..20).map(|n| publication(numbered(n))).collect();
    for round in 0..5 {
        for (n, (publisher, published)) in (0..).zip(&mut cells) {
            let expected = n + 100 * round;
            publisher.publish(numbered(expected));
            assert_eq!(number_of(&published.load()), expected);
        }
        for (n, (_, published)) in (0..).zip(&cells) {
            assert_eq!(number_of(&published.load()), n + 100 * round);
        }
    }
}

#[test]
fn a_thread_that_is_ending_still_reads() {
    struct LoadsWhenDropped(Option<Published<Numbered>>);
    impl Drop for LoadsWhenDropped {
        fn drop(&mut self) {
            if let Some(published) = &self.0 {
                assert_eq!(number_of(&published.load()), 7);
            }
        }
    }
    thread_local! {
        static LAST: std::cell::RefCell<LoadsWhenDropped> =
            const { std::cell::RefCell::new(LoadsWhenDropped(None)) };
    }
    let (_publisher, published) = publication(numbered(7));
    // Thread-locals are dropped in the reverse order of their initialisation, so the test
    // initialises its thread-local once before and once after those of the publication cell.
    for load_first in [false, true] {
        let published = published.clone();
        thread::spawn(move || {
            if load_first {
                drop(published.load());
            }
            LAST.with_borrow_mut(|last| last.0 = Some(published.clone()));
            drop(published.load());
        })
        .join()
        .unwrap();
    }
}

/// Each reader checks that a value is complete, and that it is not older than the value that the
/// same reader has read before. Each reader also checks that a value is not older than the last
/// value whose publish had returned when the read began.
#[test]
fn concurrent_reads_are_complete_and_monotonic() {
    let (mut publisher, published) = publication(numbered(0));
    let returned = AtomicU64::new(0);
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        for way in 0..4 {
            let (published, returned, done) = (&published, &returned, &done);
            scope.spawn(move || {
                let mut reader = published.reader();
                let mut last = 0;
                while !done.load(Ordering::Relaxed) {
                    let least = returned.load(Ordering::Acquire).max(last);
                    last = match way {
                        0 | 1 => number_of(&published.load()),
                        2 => number_of(reader.load()),
                        _ => {
                            let snapshot = published.snapshot();
                            assert_eq!(number_of(&snapshot.set), snapshot.number);
                            snapshot.number
                        }
                    };
                    assert!(last >= least, "read {last} after {least} was published");
                }
            });
        }
        for number in 1..=STEPS {
            publisher.publish(numbered(number));
            returned.store(number, Ordering::Release);
            if number % 16 == 0 {
                thread::yield_now();
            }
        }
        done.store(true, Ordering::Relaxed);
    });
    assert_eq!(number_of(&published.load()), STEPS);
}

/// Once a thread knows from another thread that a publish has returned, it reads the published
/// value or a later one.
#[test]
fn no_load_after_a_publish_returned_returns_the_old_set() {
    let (mut publisher, published) = publication(numbered(0));
    let (announce, announced) = std::sync::mpsc::channel::<u64>();
    let (confirm, confirmed) = std::sync::mpsc::channel::<()>();
    thread::scope(|scope| {
        scope.spawn(|| {
            let mut reader = published.reader();
            for number in announced {
                assert_eq!(number_of(&published.load()), number);
                assert_eq!(number_of(reader.load()), number);
                confirm.send(()).unwrap();
            }
        });
        for number in 1..=STEPS {
            publisher.publish(numbered(number));
            announce.send(number).unwrap();
            confirmed.recv().unwrap();
        }
        drop(announce);
    });
}
