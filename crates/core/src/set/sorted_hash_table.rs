//! A hash table in one vector. The slots of the hash table are sorted by hash. A lookup starts at
//! the slot that the hash of the key selects, and stops at the first slot with a greater hash.

/// The upper half of the hash of a key (the tag), and the number that was inserted for the key.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Slot {
    tag: u32,
    number: u32,
}

/// A slot in which no key was inserted. The tag of an empty slot is greater than every other tag,
/// so a lookup also stops at an empty slot.
const EMPTY: Slot = Slot {
    tag: u32::MAX,
    number: u32::MAX,
};

/// The number of additional slots at the end of the table, which no hash selects. A table rarely
/// needs more than 16 additional slots.
const SPARE: usize = 16;

#[derive(Debug)]
pub(super) struct SortedSlots {
    /// The slots of the table, of which the last one is always empty.
    slots: Vec<Slot>,
    /// The number of slots that the hash of a key can select.
    homes: u64,
}

impl SortedSlots {
    /// Creates a table for the expected number of keys. Lookups become slower but stay correct if
    /// more keys than expected are inserted.
    pub(super) fn new(keys: usize) -> Self {
        // About two thirds of the slots are in use when all expected keys are inserted.
        let homes = keys + keys / 2 + 1;
        Self {
            slots: vec![EMPTY; homes + SPARE],
            homes: homes as u64,
        }
    }

    /// Returns the number that was inserted for a key, or `None` if the table does not contain the
    /// key.
    #[expect(clippy::inline_always, reason = "`is_key` is often specialised")]
    #[inline(always)]
    pub(super) fn find(&self, hash: u64, is_key: impl Fn(u32) -> bool) -> Option<u32> {
        let tag = tag(hash);
        let mut at = self.seek(tag);
        while self.slots[at].tag == tag {
            let number = self.slots[at].number;
            if is_key(number) {
                return Some(number);
            }
            at += 1;
        }
        None
    }

    /// Inserts a number for a key, and returns the previous number of the key, if there is one.
    pub(super) fn insert(
        &mut self,
        hash: u64,
        number: u32,
        is_key: impl Fn(u32) -> bool,
    ) -> Option<u32> {
        let tag = tag(hash);
        let mut at = self.seek(tag);
        while self.slots[at].tag == tag {
            if is_key(self.slots[at].number) {
                return Some(std::mem::replace(&mut self.slots[at].number, number));
            }
            at += 1;
        }
        // Inserting the new slot moves all slots up to the next empty slot by one position.
        let mut moved = Slot { tag, number };
        while moved != EMPTY {
            std::mem::swap(&mut self.slots[at], &mut moved);
            at += 1;
            if at == self.slots.len() {
                // Without `reserve_exact`, `push` could double the vector's memory for only one
                // additional slot.
                self.slots.reserve_exact(1);
                self.slots.push(EMPTY);
            }
        }
        None
    }

    /// Replaces each number in the table with the result of `replace`.
    pub(super) fn replace_each(&mut self, mut replace: impl FnMut(u32) -> u32) {
        for slot in self.slots.iter_mut().filter(|slot| **slot != EMPTY) {
            slot.number = replace(slot.number);
        }
    }

    /// Returns the position of the first slot whose tag is at least the given tag.
    #[inline]
    fn seek(&self, tag: u32) -> usize {
        let mut at = usize::try_from((u64::from(tag) * self.homes) >> u32::BITS).unwrap_or(0);
        while self.slots[at].tag < tag {
            at += 1;
        }
        at
    }
}

/// Returns the tag of a hash, that is, its upper half. The tag of a hash is always lower than the
/// tag of an empty slot.
#[inline]
fn tag(hash: u64) -> u32 {
    u32::try_from(hash >> u32::BITS)
        .unwrap_or(0)
        .min(EMPTY.tag - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Inserts keys with equal tags, and keys at both ends of the table, in different orders.
    #[test]
    fn keys_with_equal_and_adjacent_tags_are_found() {
        let tags = [u32::MAX, 0, 7, 7, u32::MAX - 1, 7, 8, 6, 0, 5, u32::MAX, 9];
        for capacity in [0, 1, tags.len()] {
            let mut table = SortedSlots::new(capacity);
            let hash = |number: u32| u64::from(tags[number as usize]) << u32::BITS;
            for number in 0..12 {
                assert_eq!(
                    table.insert(hash(number), number, |other| other == number),
                    None
                );
            }
            for number in 0..12 {
                assert_eq!(
                    table.find(hash(number), |other| other == number),
                    Some(number)
                );
                assert_eq!(table.find(hash(number), |_| false), None);
            }
            assert_eq!(table.find(10 << u32::BITS, |_| true), None);
            assert_eq!(table.insert(hash(3), 3, |other| other == 3), Some(3));
            table.replace_each(|number| number + 100);
            assert_eq!(table.find(hash(4), |other| other == 104), Some(104));
            assert_eq!(table.slots.last(), Some(&EMPTY));
        }
    }

    #[test]
    fn a_table_that_is_full_at_its_end_grows_by_single_slots() {
        let mut table = SortedSlots::new(100);
        for number in 0..100 {
            assert_eq!(table.insert(u64::MAX, number, |_| false), None);
        }
        assert_eq!(table.find(u64::MAX, |number| number == 99), Some(99));
        assert_eq!(table.slots.capacity(), table.slots.len());
    }
}
