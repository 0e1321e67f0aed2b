//! Assigns counters to the directives of each set before the store publishes the set, and adds up
//! the counts of all threads.
//!
//! A directive that leaves the set keeps its counters for a while. The registry still reports the
//! counts of a directive that has left the set, and continues to count if the directive returns. If
//! more than [`MAX_DEPARTED`] directives have left the set, the registry forgets the directives
//! that left first. The registry reuses the counters of a forgotten directive as soon as no request
//! uses a set that contains the directive.

use std::cmp::Ordering;
use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;

use super::counters::{Block, SLOTS, THREADS, Total};
use super::set_hits::{Counting, SetHits};
use super::{DirectiveHits, Hits};
use crate::DirectiveSet;

/// The maximum number of directives that have left the set and whose counts the registry still
/// reports.
pub(super) const MAX_DEPARTED: usize = 1000;

/// The number of blocks in which each of the first [`THREADS`] threads has its own row of counters.
/// In all further blocks, all threads share one row of counters. All blocks with a row for each
/// thread need 1.6 MB together. All blocks with one shared row need 2.4 MB together for 100,000
/// directives.
const BLOCKS_WITH_THREADS: usize = 16;

/// The sums of the counts of all directives of a store.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct HitTotals {
    /// The number of matches of all directives since the store was created, as in
    /// [`Hits::matched`].
    pub matched: u64,
    /// The number of matches in which the request was in the directive's sample, as in
    /// [`Hits::sampled`].
    pub sampled: u64,
    /// The number of active directives that have not matched any request.
    pub unmatched: u64,
}

/// Counts the matches of each directive of one store.
#[derive(Debug, Default)]
pub struct HitCounters(Mutex<Registry>);

#[derive(Debug, Default)]
struct Registry {
    blocks: Vec<Arc<Block>>,
    /// The time since which the registry has counted the matches of the directive in each slot.
    since: Vec<Timestamp>,
    /// The slots that no directive uses, so that a new directive can use them.
    free: Vec<u32>,
    /// The set to which the registry has most recently attached counters.
    current: DirectiveSet,
    current_hits: Arc<SetHits>,
    /// The counters of earlier sets, which running requests may still use.
    earlier: Vec<Arc<SetHits>>,
    /// The ids and slots of the directives that have left the set, in the order in which they left.
    departed: Vec<(Box<str>, u32)>,
    /// The slots of forgotten directives that cannot be reused yet, because requests with an
    /// earlier set may still count matches in them.
    retired: Vec<u32>,
    /// The number of directives whose counts the registry no longer reports. Before the registry
    /// frees the slot of a forgotten directive, it adds the directive's counts to
    /// `forgotten_total`.
    forgotten: u64,
    forgotten_total: Total,
}

impl HitCounters {
    /// Returns another handle to the given set, with which evaluations count the matches. The
    /// registry counts the matches of a directive that is new in the set from `now` on.
    #[must_use]
    pub fn attach(&self, set: &DirectiveSet, now: Timestamp) -> DirectiveSet {
        self.lock().attach(set, now)
    }

    /// Returns the counts of each directive that the registry still knows. Pass `is_hidden` as true
    /// if the store hides its current set from requests. The time `now` decides which directives
    /// count as active.
    #[must_use]
    pub fn hits(&self, is_hidden: bool, now: Timestamp) -> Hits {
        self.lock().hits(is_hidden, now)
    }

    /// Returns the sums of the counts of all directives.
    #[must_use]
    pub fn totals(&self, now: Timestamp) -> HitTotals {
        self.lock().totals(now)
    }

    #[cfg(test)]
    pub(super) fn slots_in_memory(&self) -> usize {
        self.lock().since.len()
    }

    /// Acquires the registry's lock, even if a thread has panicked while it held the lock. After a
    /// panic in the registry, the counts are still correct, but some slots may never be reused.
    fn lock(&self) -> MutexGuard<'_, Registry> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Registry {
    fn attach(&mut self, set: &DirectiveSet, now: Timestamp) -> DirectiveSet {
        if !set.is_handle_of(&self.current) {
            self.reclaim();
            let slots = self.assign(set, now);
            let hits = Arc::new(SetHits {
                slots,
                blocks: self.shared_blocks(),
            });
            let before = std::mem::replace(&mut self.current_hits, hits);
            self.earlier.push(before);
            // The field `current` must not have counters, because it would then keep old counters
            // in memory.
            self.current = set.counted_by(Counting::default());
        }
        set.counted_by(Counting(Some(Arc::clone(&self.current_hits))))
    }

    /// Returns the slot of each directive of the set that the store is about to publish. Directives
    /// with the same id get the same slot.
    fn assign(&mut self, set: &DirectiveSet, now: Timestamp) -> Box<[u32]> {
        let departed = std::mem::take(&mut self.departed);
        let mut returning: HashMap<&str, u32> =
            (departed.iter()).map(|(id, slot)| (&**id, *slot)).collect();
        let before = std::mem::take(&mut self.current);
        let hits_before = Arc::clone(&self.current_hits);
        let mut known = Known::new(&before, &hits_before);
        let mut slots = vec![0; set.len()].into_boxed_slice();
        let mut last: Option<(&str, u32)> = None;
        for position in by_id(set) {
            let id = id_at(set, position);
            let slot = match last {
                Some((same, slot)) if same == id => slot,
                _ => (known.take(id))
                    .or_else(|| returning.remove(id))
                    .unwrap_or_else(|| self.new_slot(now)),
            };
            last = Some((id, slot));
            slots[position as usize] = slot;
        }
        let left = known.rest();
        let still_departed: HashSet<u32> = returning.into_values().collect();
        self.departed = departed;
        (self.departed).retain(|(_, slot)| still_departed.contains(slot));
        self.depart(&before, &left);
        slots
    }

    /// Adds the directives that have left the set to `departed`. If more than [`MAX_DEPARTED`]
    /// directives have left the set, the registry forgets those that left first.
    fn depart(&mut self, before: &DirectiveSet, left: &[(u32, u32)]) {
        let beyond = left.len().saturating_sub(MAX_DEPARTED);
        let (forgotten, kept) = left.split_at(beyond);
        self.retired.extend(forgotten.iter().map(|(_, slot)| *slot));
        let kept = kept.iter();
        (self.departed)
            .extend(kept.map(|&(position, slot)| (id_at(before, position).into(), slot)));
        let excess = self.departed.len().saturating_sub(MAX_DEPARTED);
        self.retired
            .extend(self.departed.drain(..excess).map(|(_, slot)| slot));
        self.forgotten += (beyond + excess) as u64;
    }

    fn new_slot(&mut self, now: Timestamp) -> u32 {
        if let Some(slot) = self.free.pop() {
            self.since[slot as usize] = now;
            return slot;
        }
        if self.since.len() == self.blocks.len() * SLOTS {
            let threads = if self.blocks.len() < BLOCKS_WITH_THREADS {
                THREADS
            } else {
                0
            };
            self.blocks.push(Arc::new(Block::new(threads)));
        }
        self.since.push(now);
        // The number of slots always fits into a `u32`, because a set has fewer than 2^32
        // directives.
        u32::try_from(self.since.len() - 1).unwrap_or(u32::MAX)
    }

    /// Frees the slot of each forgotten directive that is in no set that requests may still use.
    fn reclaim(&mut self) {
        // `Arc::get_mut` succeeds only after all other threads have dropped their handles to the
        // earlier set. After a successful `Arc::get_mut`, this thread sees every match that other
        // threads have counted for the earlier set.
        self.earlier.retain_mut(|hits| Arc::get_mut(hits).is_none());
        if self.retired.is_empty() {
            return;
        }
        let mut is_used = vec![false; self.since.len()];
        let in_use = self.earlier.iter().chain([&self.current_hits]);
        for &slot in in_use.flat_map(|hits| &hits.slots) {
            is_used[slot as usize] = true;
        }
        for slot in std::mem::take(&mut self.retired) {
            if is_used[slot as usize] {
                self.retired.push(slot);
                continue;
            }
            let block = &self.blocks[slot as usize / SLOTS];
            self.forgotten_total.add(block.total(slot as usize));
            block.reset(slot as usize);
            self.free.push(slot);
        }
    }

    /// Returns the list of all blocks of counters, which the next set will use. The next set shares
    /// the list of the current set if the registry has not added a block in the meantime.
    fn shared_blocks(&self) -> Arc<[Arc<Block>]> {
        let last = &self.current_hits.blocks;
        if last.len() == self.blocks.len() {
            Arc::clone(last)
        } else {
            self.blocks.iter().cloned().collect()
        }
    }

    fn total_of(&self, slot: u32) -> Total {
        self.blocks[slot as usize / SLOTS].total(slot as usize)
    }

    fn total(&self) -> Total {
        let mut total = self.forgotten_total;
        for slot in 0..self.since.len() {
            total.add(self.blocks[slot / SLOTS].total(slot));
        }
        total
    }

    fn totals(&self, now: Timestamp) -> HitTotals {
        let total = self.total();
        let current = self.current.iter().zip(&self.current_hits.slots);
        let unmatched = current.filter(|&(directive, &slot)| {
            directive.is_active(now) && self.total_of(slot).matched == 0
        });
        HitTotals {
            matched: total.matched,
            sampled: total.sampled,
            unmatched: unmatched.count() as u64,
        }
    }

    fn hits(&self, is_hidden: bool, now: Timestamp) -> Hits {
        let row = |id: &str, slot: u32, published, active| {
            let total = self.total_of(slot);
            DirectiveHits {
                id: id.to_owned(),
                published,
                active,
                matched: total.matched,
                sampled: total.sampled,
                last_matched: total
                    .last_second
                    .and_then(|at| Timestamp::from_second(at).ok()),
                counted_since: self.since[slot as usize],
            }
        };
        let slots = self.current_hits.slots.iter();
        let current = self.current.iter().zip(slots);
        let mut directives: Vec<DirectiveHits> = current
            .map(|(directive, slot)| {
                let active = !is_hidden && directive.is_active(now);
                row(directive.id, *slot, !is_hidden, active)
            })
            .chain((self.departed.iter()).map(|(id, slot)| row(id, *slot, false, false)))
            .collect();
        directives.sort_by(|one, other| one.id.cmp(&other.id));
        directives.dedup_by(|one, other| one.id == other.id);
        let total = self.total();
        Hits {
            matched: total.matched,
            sampled: total.sampled,
            forgotten: self.forgotten,
            directives,
        }
    }
}

/// The directives of the current set, which the registry compares with the directives of the next
/// set. The methods of `Known` process the directives in ascending order of their ids.
struct Known<'a> {
    set: &'a DirectiveSet,
    hits: &'a SetHits,
    order: std::iter::Peekable<std::vec::IntoIter<u32>>,
    /// The positions and slots of the directives that are missing in the next set.
    left: Vec<(u32, u32)>,
}

impl<'a> Known<'a> {
    fn new(set: &'a DirectiveSet, hits: &'a SetHits) -> Self {
        Self {
            set,
            hits,
            order: by_id(set).into_iter().peekable(),
            left: Vec::new(),
        }
    }

    /// Returns the slot of the directive with the given id, or `None` if the current set has no
    /// directive with this id. The caller of `take` must pass the ids in ascending order.
    fn take(&mut self, id: &str) -> Option<u32> {
        let mut slot = None;
        while let Some(&position) = self.order.peek() {
            match id_at(self.set, position).cmp(id) {
                Ordering::Less => self.leave(position),
                // All directives with the same id have the same slot.
                Ordering::Equal => slot = Some(self.hits.slots[position as usize]),
                Ordering::Greater => break,
            }
            self.order.next();
        }
        slot
    }

    fn leave(&mut self, position: u32) {
        let slot = self.hits.slots[position as usize];
        // Directives with the same id share a slot, and are adjacent because the directives are
        // sorted by id.
        if self.left.last().is_none_or(|(_, last)| *last != slot) {
            self.left.push((position, slot));
        }
    }

    fn rest(mut self) -> Vec<(u32, u32)> {
        while let Some(position) = self.order.next() {
            self.leave(position);
        }
        self.left
    }
}

/// Returns the positions of a set's directives, sorted by the directives' ids. Sorting is fast,
/// because the sets that are read from an index are already in the order of the ids.
fn by_id(set: &DirectiveSet) -> Vec<u32> {
    let mut positions: Vec<u32> = (0..=u32::MAX).take(set.len()).collect();
    positions.sort_by(|&one, &other| id_at(set, one).cmp(id_at(set, other)));
    positions
}

fn id_at(set: &DirectiveSet, position: u32) -> &str {
    set.get(position as usize)
        .map_or("", |directive| directive.id)
}
