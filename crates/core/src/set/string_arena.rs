//! Stores many short strings in one allocation. The user of an arena refers to a string by its
//! offset. An offset needs only four bytes, but a pointer would need eight.

/// A sequence of strings, each preceded by its length.
///
/// The length of a string is written in groups of six bits, one group in each byte, with the least
/// significant group first. The bit `MORE` in a byte means that another byte of the length follows.
/// The bytes of a length are ASCII characters, so the whole buffer is a `str`. Reading a string
/// therefore needs no check of its encoding.
#[derive(Clone, Debug, Default)]
pub(super) struct StringArena(String);

const LENGTH_BITS: u32 = 6;
const MORE: u8 = 1 << LENGTH_BITS;

impl StringArena {
    pub(super) fn reserve_exact(&mut self, bytes: usize) {
        self.0.reserve_exact(bytes);
    }

    /// Reserves memory for the strings of the next directive, which need at most `next` bytes, and
    /// for the strings of further directives. `directives` contains the directives whose strings
    /// are in the arena, and has capacity for all directives that are expected. If the arena
    /// doubled its memory whenever the memory is full, half of the memory could stay unused.
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
        // The first directives may be longer than most others, so the code limits the reserved
        // memory.
        let more = expected.min(4 * used + (64 << 10));
        self.0.reserve_exact(more.max(used / 16).max(next));
    }

    /// Frees the unused memory of the arena, unless it is only a small part of the arena. Shrinking
    /// may copy all strings, so it is not worth the time for a small part.
    pub(super) fn shrink_to_fit(&mut self) {
        if self.0.capacity() - self.0.len() > self.0.len() / 32 {
            self.0.shrink_to_fit();
        }
    }

    /// Returns the length of the arena in bytes. The length of the arena is also the offset of the
    /// next string.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// Returns the maximum number of bytes that a string and its length need in an arena.
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

    /// Adds one ASCII character to the arena, without a length in front of the character.
    pub(super) fn push_ascii(&mut self, character: u8) {
        self.0.push(char::from(character));
    }

    /// Appends a part of another arena. The appended part must begin at the start of a string. The
    /// appended part must end at the start of a string or at the end of the other arena.
    pub(super) fn extend_from(&mut self, other: &Self, part: std::ops::Range<usize>) {
        self.0.push_str(other.0.get(part).unwrap_or_default());
    }

    /// Returns the character at an offset, and advances the offset past the character.
    #[inline]
    pub(super) fn read_ascii(&self, offset: &mut usize) -> u8 {
        let character = self.0.as_bytes().get(*offset).copied();
        *offset += 1;
        character.unwrap_or_default()
    }

    /// Returns the string at an offset, and advances the offset past the string.
    pub(super) fn read(&self, offset: &mut usize) -> &str {
        self.0.get(self.next(offset)).unwrap_or_default()
    }

    /// Compares the stored string at an offset with `string`, and advances the offset past the
    /// stored string.
    #[inline]
    pub(super) fn is_next(&self, offset: &mut usize, string: &str) -> bool {
        self.0.as_bytes().get(self.next(offset)) == Some(string.as_bytes())
    }

    /// Returns the byte range of the string at an offset, without the length that precedes the
    /// string, and advances the offset past the string.
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
