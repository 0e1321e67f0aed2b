//! Stores many short strings in one allocation, the arena. Other code refers to a string in the
//! arena by its offset. An offset needs only four bytes, whereas a pointer would need eight.

/// A sequence of strings. The length of each string is stored directly before the string.
///
/// The length of a string is stored in groups of six bits, one group per byte, least significant
/// group first. If the bit `MORE` is set in a byte, the next byte also belongs to the length. All
/// bytes of a length are ASCII characters, so the whole arena is a valid `str`. Reading a string
/// from the arena therefore needs no check of its encoding.
#[derive(Clone, Debug, Default)]
pub(super) struct StringArena(String);

const LENGTH_BITS: u32 = 6;
const MORE: u8 = 1 << LENGTH_BITS;

impl StringArena {
    pub(super) fn reserve_exact(&mut self, bytes: usize) {
        self.0.reserve_exact(bytes);
    }

    /// Reserves memory for the strings of the next directive, which need at most `next` bytes, and
    /// of further directives. Pass the directives whose strings are already in the arena as
    /// `directives`, with capacity for all expected directives. If the arena doubled its memory
    /// whenever it is full, up to half of the memory would stay unused.
    pub(super) fn reserve_for<T>(&mut self, next: usize, directives: &Vec<T>) {
        let used = self.0.len();
        if self.0.capacity() - used >= next {
            return;
        }
        let average = match directives.len() {
            0 => next,
            count => used / count + 1,
        };
        let expected = (directives.capacity() - directives.len()).saturating_mul(average);
        // The code limits the reserved memory, because the strings of the first directives may be
        // longer than most others.
        let more = expected.min(4 * used + (64 << 10));
        self.0.reserve_exact(more.max(used / 16).max(next));
    }

    /// Frees the unused memory of the arena, unless it is at most about 3 % of the arena. Freeing
    /// less memory is not worth the time, because shrinking may copy all strings.
    pub(super) fn shrink_to_fit(&mut self) {
        if self.0.capacity() - self.0.len() > self.0.len() / 32 {
            self.0.shrink_to_fit();
        }
    }

    /// Returns the length of the arena in bytes. The length of the arena is also the offset at
    /// which the next string will be stored.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// Returns the maximum number of bytes that a string needs in the arena, together with its
    /// length.
    pub(super) fn bytes_for(string: &str) -> usize {
        const LONGEST_LENGTH: usize = usize::BITS.div_ceil(LENGTH_BITS) as usize;
        string.len() + LONGEST_LENGTH
    }

    pub(super) fn push(&mut self, string: &str) {
        let mut rest = string.len();
        loop {
            let [low, ..] = (rest & usize::from(MORE - 1)).to_le_bytes();
            rest >>= LENGTH_BITS;
            let more = if rest == 0 { 0 } else { MORE };
            self.0.push(char::from(low | more));
            if rest == 0 {
                break;
            }
        }
        self.0.push_str(string);
    }

    /// Appends one ASCII character to the arena, without a length.
    pub(super) fn push_ascii(&mut self, character: u8) {
        self.0.push(char::from(character));
    }

    /// Appends a part of another arena. The appended part must begin where a string begins. The
    /// appended part must end where the next string begins, or at the end of the other arena.
    pub(super) fn extend_from(&mut self, other: &Self, part: std::ops::Range<usize>) {
        self.0.push_str(other.0.get(part).unwrap_or_default());
    }

    /// Returns the ASCII character at the given offset, and moves the offset behind it.
    #[inline]
    pub(super) fn read_ascii(&self, offset: &mut usize) -> u8 {
        let character = self.0.as_bytes().get(*offset).copied();
        *offset += 1;
        character.unwrap_or_default()
    }

    /// Returns the string at the given offset, and moves the offset behind it.
    pub(super) fn read(&self, offset: &mut usize) -> &str {
        self.0.get(self.next(offset)).unwrap_or_default()
    }

    /// Returns true if the stored string at the given offset equals `string`, and moves the offset
    /// behind the stored string.
    #[inline]
    pub(super) fn is_next(&self, offset: &mut usize, string: &str) -> bool {
        self.0.as_bytes().get(self.next(offset)) == Some(string.as_bytes())
    }

    /// Returns the range of the bytes of the string at the given offset, and moves the offset
    /// behind the string.
    #[inline]
    fn next(&self, offset: &mut usize) -> std::ops::Range<usize> {
        let first = self.read_ascii(offset);
        let length = if first & MORE == 0 {
            usize::from(first)
        } else {
            self.long_length(first, offset)
        };
        let start = *offset;
        *offset += length;
        start..*offset
    }

    #[cold]
    fn long_length(&self, first: u8, offset: &mut usize) -> usize {
        let (mut byte, mut length, mut shift) = (first, 0, 0);
        while byte & MORE != 0 {
            length |= usize::from(byte & (MORE - 1)) << shift;
            shift += LENGTH_BITS;
            byte = self.read_ascii(offset);
        }
        length | usize::from(byte) << shift
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_of_all_lengths_are_read_back() {
        let mut arena = StringArena::default();
        let strings: Vec<String> = [
            0, 1, 2, 3, 4, 5, 7, 8, 12, 16, 17, 63, 64, 65, 4095, 4096, 300_000,
        ]
        .into_iter()
        .map(|length| "é".repeat(length / 2) + &"x".repeat(length % 2))
        .collect();
        for string in &strings {
            arena.push(string);
        }
        let mut offset = 0;
        for string in &strings {
            assert_eq!(arena.read(&mut offset), string);
        }
        assert_eq!(offset, arena.len());
    }
}
