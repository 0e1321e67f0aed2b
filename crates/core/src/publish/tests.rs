//! Also run under Miri, which tries other orders of the threads' steps and of what
//! they see of each other's writes than the machine does: `scripts/test-races`.

#![allow(clippy::unwrap_used, clippy::similar_names, reason = "tests")]

use std::collections::HashSet;
use std::sync::Barrier;
use std::sync::atomic::AtomicBool;
use std::thread;

use jiff::Timestamp;

use super::*;
use crate::{DiagLevel, DiagnosticsDirective};

/// A value whose number is also in its set, twice.
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

/// The number of a whole set.
fn number_of(set: &DirectiveSet) -> u64 {
    let ids: Vec<u64> = set.iter().map(|d| d.id.parse().unwrap()).collect();
    assert_eq!(ids.len(), 2);
    assert_eq!(ids[0], ids[1], "a mixture of two sets");
    ids[0]
}

/// How many steps a stress test takes: fewer where each is slow.
const STEPS: u64 = if cfg!(miri) { 30 } else { 3_000 };

#[test]
fn a_publish_is_seen_by_every_way_to_read() {
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

/// Between the two writes of a publish, the first one to find the new value makes
/// sure that no other way to read still gives the old.
#[test]
fn reads_do_not_go_back_while_a_publish_is_under_way() {
    let ways: [fn(&Published<Numbered>, &mut Reader) -> u64; 4] = [
        |published, _| published.snapshot().number,
        |published, _| number_of(published.reader().load()),
        |published, _| {
            let published = published.clone();
            // A thread that has no handle yet.
            thread::spawn(move || number_of(&published.load()))
                .join()
                .unwrap()
        },
        |published, reader| {
            // A reader finds another version than its own only when it is shown.
            number_of(&published.snapshot().set).min(number_of(reader.load()))
        },
    ];
    for first in ways {
        let (publisher, published) = publication(numbered(0));
        let mut reader = published.reader();
        // Held, so that this thread's handle outlives the swap.
        let held = published.load();
        assert_eq!(number_of(&held), 0);
        let next = Arc::new(Publication::new(numbered(1)));
        publisher.to.current.store(next);
        assert_eq!(number_of(&published.load()), 0);
        assert_eq!(first(&published, &mut reader), 1);
        for then in ways {
            assert_eq!(then(&published, &mut reader), 1);
        }
        assert_eq!(number_of(&published.load()), 1);
    }
}

#[test]
fn who_holds_a_set_keeps_it() {
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
fn a_load_allots_the_same_count_to_a_thread_and_another_to_another() {
    let (_publisher, published) = publication(numbered(0));
    let mine = published.load();
    assert!(Arc::ptr_eq(&mine, &published.load()));
    thread::scope(|scope| {
        let others = scope.spawn(|| published.load()).join().unwrap();
        assert!(!Arc::ptr_eq(&mine, &others));
    });
}

#[test]
fn living_threads_have_different_numbers_and_ended_ones_give_theirs_back() {
    let threads = 20;
    for _ in 0..20 {
        let barrier = Barrier::new(threads);
        let numbers: HashSet<usize> = thread::scope(|scope| {
            let handles: Vec<_> = (0..threads)
                .map(|_| {
                    scope.spawn(|| {
                        let number = thread_slots::number();
                        barrier.wait();
                        number
                    })
                })
                .collect();
            handles.into_iter().map(|h| h.join().unwrap()).collect()
        });
        assert_eq!(numbers.len(), threads);
    }
    // Other tests have threads too, but far fewer than all rounds would add up to
    // if no number came back.
    assert!(thread_slots::numbers_given() < 2 * threads + 2 * HANDLES_MIN);
}

#[test]
fn a_publish_makes_a_handle_for_each_thread_that_there_is() {
    let (mut publisher, published) = publication(numbered(0));
    let threads = if cfg!(miri) { 8 } else { HANDLES_MIN + 10 };
    let known = Barrier::new(threads + 1);
    let shown = Barrier::new(threads + 1);
    let loaded: HashSet<usize> = thread::scope(|scope| {
        let handles: Vec<_> = (0..threads)
            .map(|_| {
                scope.spawn(|| {
                    published.load();
                    known.wait();
                    shown.wait();
                    Arc::as_ptr(&published.load()).addr()
                })
            })
            .collect();
        known.wait();
        publisher.publish(numbered(1));
        shown.wait();
        handles.into_iter().map(|h| h.join().unwrap()).collect()
    });
    assert_eq!(loaded.len(), threads);
}

#[test]
fn a_thread_that_stops_asking_keeps_no_set_alive() {
    let (mut publisher, published) = publication(numbered(0));
    let asked = Barrier::new(2);
    let looked = Barrier::new(2);
    thread::scope(|scope| {
        scope.spawn(|| {
            published.load();
            asked.wait();
            // Idle: it lives, and asks no more.
            looked.wait();
        });
        asked.wait();
        let old = Arc::downgrade(&published.snapshot());
        let old_set = published.load().downgrade();
        assert!(old.upgrade().is_some() && old_set.upgrade().is_some());
        publisher.publish(numbered(1));
        assert!(old.upgrade().is_none(), "the old value is still alive");
        assert!(old_set.upgrade().is_none(), "the old set is still alive");
        looked.wait();
    });
}

#[test]
fn a_thread_that_ended_remembers_nothing() {
    let (_publisher, published) = publication(numbered(0));
    let handle = thread::scope(|scope| scope.spawn(|| published.load()).join().unwrap());
    assert_eq!(Arc::weak_count(&handle), 0);
    // This one lives, and does.
    assert_eq!(Arc::weak_count(&published.load()), 1);
}

#[test]
fn the_last_set_goes_with_the_cell() {
    let (publisher, published) = publication(numbered(0));
    let set = published.load().downgrade();
    drop((publisher, published));
    assert!(set.upgrade().is_none());
}

#[test]
fn a_thread_reads_more_cells_than_it_remembers() {
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
    // Once set up before the thread's own state and once after, since what is set
    // up last is dropped first.
    for load_first in [false, true] {
        let published = published.clone();
        thread::spawn(move || {
            if load_first {
                published.load();
            }
            LAST.with_borrow_mut(|last| last.0 = Some(published.clone()));
            published.load();
        })
        .join()
        .unwrap();
    }
}

/// Readers check that what they read is whole, never older than what they read
/// before, and never older than what was published when they began.
#[test]
fn readers_see_old_or_new_whole_and_never_go_back() {
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

/// A thread that learns of a publish by whatever means reads it from then on.
#[test]
fn after_a_publish_returns_no_later_load_gives_the_old_set() {
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
