//! Finds the slot of a key by its hash.
//!
//! Open addressing over words of eight bytes. Each has a slot, as many bits of the hash
//! as have room beside it, and where the texts of the key are; so a match looks at one
//! word, and then at the texts and at the record at the same time.

use super::index::Slot;

/// Slots by hash.
#[derive(Debug)]
pub(super) struct Table {
    words: Box<[Word]>,
    /// For how many keys it was made.
    room: usize,
    /// Which bits of a word are of the hash; the others are the slot's.
    tag: u32,
}

#[derive(Clone, Copy, Debug)]
#[repr(align(8))]
struct Word {
    /// [`NONE`], or a slot with the bits of the hash that `tag` has.
    slot: u32,
    texts: u32,
}

/// No slot has all of its bits set: see [`Table::for_keys`].
const NONE: u32 = u32::MAX;

/// Up to so many keys, three in four words are empty.
const FEW_KEYS: usize = 4096;

impl Table {
    /// A table for at most so many keys, whose slots have numbers below `numbers`.
    pub(super) fn for_keys(keys: usize, numbers: usize) -> Self {
        let words = if keys <= FEW_KEYS {
            4 * keys
        } else {
            // Six in ten are taken: the memory of a large table counts.
            keys + keys / 3 * 2
        };
        // One more than the numbers need, so that none of them has all bits set.
        let bits = numbers.checked_ilog2().map_or(0, |log| log + 1);
        let number = 1_u32.checked_shl(bits).map_or(u32::MAX, |above| above - 1);
        let empty = Word {
            slot: NONE,
            texts: 0,
        };
        Self {
            words: vec![empty; words.max(4)].into_boxed_slice(),
            room: keys,
            tag: !(Slot::GROUP | number),
        }
    }

    /// Adds a slot under the hash of its key, the texts of which are there. There is room
    /// for as many as were announced; more are left out.
    pub(super) fn add(&mut self, hash: u64, slot: Slot, texts: u32) {
        let slot = self.tagged(hash, slot);
        let (before, from) = self.words.split_at_mut(self.place(hash));
        let mut free = from
            .iter_mut()
            .chain(before)
            .filter(|word| word.slot == NONE);
        // Not all words: a search ends at an empty one.
        if let (Some(word), Some(_)) = (free.next(), free.next()) {
            *word = Word { slot, texts };
        }
    }

    /// Replaces a slot that was added under this hash.
    pub(super) fn replace(&mut self, hash: u64, before: Slot, slot: Slot) {
        let (before, slot) = (self.tagged(hash, before), self.tagged(hash, slot));
        let place = self.place(hash);
        let (wrapped, from) = self.words.split_at_mut(place);
        let mut words = from.iter_mut().chain(wrapped);
        if let Some(word) = words.find(|word| word.slot == before || word.slot == NONE)
            && word.slot == before
        {
            word.slot = slot;
        }
    }

    /// A slot with the bits of the hash that have room beside it.
    fn tagged(&self, hash: u64, slot: Slot) -> u32 {
        slot.bits() & !self.tag | low(hash) & self.tag
    }

    /// For how many keys it was made.
    pub(super) fn room(&self) -> usize {
        self.room
    }

    /// The slots and texts, in no order.
    pub(super) fn iter(&self) -> impl Iterator<Item = (Slot, u32)> {
        let taken = self.words.iter().filter(|word| word.slot != NONE);
        taken.map(|word| (Slot::from_bits(word.slot & !self.tag), word.texts))
    }

    /// What `look` gives for the first slot and texts that may be of a key of this hash,
    /// and for which it gives something.
    #[inline]
    pub(super) fn find<T>(&self, hash: u64, look: impl Fn(Slot, u32) -> Option<T>) -> Option<T> {
        let mut place = self.place(hash);
        // Ends: not all words are taken.
        loop {
            let &word = self.words.get(place).filter(|word| word.slot != NONE)?;
            if let Some((slot, texts)) = self.may_be(word, hash)
                && let Some(found) = look(slot, texts)
            {
                return Some(found);
            }
            place += 1;
            if place == self.words.len() {
                place = 0;
            }
        }
    }

    /// The slot and texts of a word, if they may be of a key of this hash.
    #[inline]
    fn may_be(&self, word: Word, hash: u64) -> Option<(Slot, u32)> {
        let is_tagged = (word.slot ^ low(hash)) & self.tag == 0;
        is_tagged.then(|| (Slot::from_bits(word.slot & !self.tag), word.texts))
    }

    /// Where the search for a hash begins.
    #[inline]
    fn place(&self, hash: u64) -> usize {
        // The high half as a fraction of the whole; the low one is the tag.
        let place = (u128::from(hash) * self.words.len() as u128) >> 64;
        // Below the number of words, so the conversion holds.
        usize::try_from(place).unwrap_or_default()
    }
}

/// The low half.
#[inline]
fn low(hash: u64) -> u32 {
    let [low @ .., _, _, _, _] = hash.to_le_bytes();
    u32::from_le_bytes(low)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Hashes of which many begin at one place, at the end of the table too, and some have
    /// the same tag.
    fn hash(key: u32) -> u64 {
        match key % 4 {
            0 => u64::from(key) << 40,
            1 => u64::from(key % 7) << 32 | u64::from(key),
            2 => u64::MAX - u64::from(key / 64),
            _ => u64::from(key).wrapping_mul(0x9e37_79b9_7f4a_7c15),
        }
    }

    #[test]
    fn finds_what_was_added_and_nothing_else() {
        for keys in [0_u32, 1, 2, 3, 100, 4096, 4097, 6000] {
            let numbers = keys as usize;
            let mut table = Table::for_keys(numbers, numbers);
            let slot = |key: u32| {
                let group = if key.is_multiple_of(3) {
                    Slot::GROUP
                } else {
                    0
                };
                Slot::from_bits(key | group)
            };
            for key in 0..keys {
                table.add(hash(key), slot(key), key ^ 0xffff);
            }
            let find = |key: u32| {
                let is = |texts: u32| texts == key ^ 0xffff;
                table.find(hash(key), |slot, texts| is(texts).then_some(slot.bits()))
            };
            for key in 0..keys {
                assert_eq!(find(key), Some(slot(key).bits()), "{key} of {keys}");
            }
            for key in keys..2 * keys + 10 {
                assert_eq!(find(key), None, "{key} beside {keys}");
            }
        }
    }

    #[test]
    fn a_search_ends_in_a_table_that_was_given_too_many() {
        let mut table = Table::for_keys(1, 100);
        for key in 0..100 {
            table.add(hash(key), Slot::from_bits(key), key);
        }
        assert_eq!(table.find(hash(1000), |_, _| None::<()>), None);
    }
}
