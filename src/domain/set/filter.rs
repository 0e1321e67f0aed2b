//! Tells that a key is surely not there, by one word of memory.

/// A Bloom filter in blocks of a word, two bits a key.
///
/// It has eight to sixteen bits a key, so that of the keys that are not there at
/// most one in twenty passes.
#[derive(Debug)]
pub(super) struct Filter {
    /// Their number is a power of two.
    words: Box<[u64]>,
}

impl Filter {
    /// A filter for at most this many keys.
    pub(super) fn for_keys(keys: usize) -> Self {
        Self {
            words: vec![0; keys.div_ceil(8).next_power_of_two()].into_boxed_slice(),
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
        u32::from_le_bytes(high) as usize & (self.words.len() - 1)
    }

    #[inline]
    fn bits(hash: u64) -> u64 {
        (1 << (hash & 63)) | (1 << ((hash >> 6) & 63))
    }
}
