//! Tells that a key is surely not there, by one word of memory.

/// A Bloom filter in blocks of a word, two bits a key: a third would let fewer pass, but
/// costs each request more than a look into the table costs those few.
///
/// It has sixteen to thirty-two bits a key, and more in a small set, so that
/// about one of a hundred keys that are not there passes.
#[derive(Debug)]
pub(super) struct Filter {
    words: Box<[u64]>,
    /// Their number, a power of two, less one.
    last: u32,
}

/// Half a kilobyte: in a set of a hundred hardly any key passes that is not there.
const WORDS_MIN: usize = 64;

/// As many as half a hash can tell apart.
const WORDS_MAX: usize = 1 << 31;

impl Filter {
    /// A filter for at most this many keys.
    pub(super) fn for_keys(keys: usize) -> Self {
        let words = (keys / 4).next_power_of_two().clamp(WORDS_MIN, WORDS_MAX);
        Self {
            words: vec![0; words].into_boxed_slice(),
            // At most `WORDS_MAX`, so the conversion holds.
            last: u32::try_from(words - 1).unwrap_or_default(),
        }
    }

    pub(super) fn add(&mut self, hash: u64) {
        let place = self.place(hash);
        if let Some(word) = self.words.get_mut(place) {
            *word |= Self::bits(hash);
        }
    }

    /// Whether the key of this hash may have been added; `false` is certain.
    #[inline]
    pub(super) fn may_have(&self, hash: u64) -> bool {
        let bits = Self::bits(hash);
        self.words
            .get(self.place(hash))
            .is_none_or(|word| word & bits == bits)
    }

    #[inline]
    fn place(&self, hash: u64) -> usize {
        // The high half, for the low one chooses the bits.
        let [_, _, _, _, high @ ..] = hash.to_le_bytes();
        (u32::from_le_bytes(high) & self.last) as usize
    }

    #[inline]
    fn bits(hash: u64) -> u64 {
        (1 << (hash & 63)) | (1 << ((hash >> 6) & 63))
    }
}

#[cfg(test)]
mod tests {
    use super::super::hash::TextHasher;
    use super::*;

    /// A seed under which the hashes of similar texts fall together now and then lets
    /// four of a hundred pass; what counts is what sets pay on average.
    #[test]
    fn what_was_added_passes_and_little_else() {
        const SETS: usize = 100;
        const ASKED: usize = 1_000;
        for keys in [0, 1, 10, 1_000, 20_000] {
            let mut passed = 0;
            for _ in 0..SETS {
                let hasher = TextHasher::default();
                let hash = |n: usize| hasher.text(&n.to_string());
                let mut filter = Filter::for_keys(keys);
                (0..keys).for_each(|n| filter.add(hash(n)));
                assert!((0..keys).all(|n| filter.may_have(hash(n))));
                passed += (keys..keys + ASKED)
                    .filter(|&n| filter.may_have(hash(n)))
                    .count();
            }
            let asked = SETS * ASKED;
            assert!(passed < asked / 50, "{passed} of {asked} pass, {keys} keys");
        }
    }
}
