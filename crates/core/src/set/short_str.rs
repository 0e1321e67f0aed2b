//! Short texts as two words, which is what the request path compares and hashes.

/// The longest text that two words hold.
pub(super) const SHORT: usize = 16;

/// A text of at most sixteen bytes, in two words that overlap if it is shorter: the same
/// for the same text only.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Short {
    first: u64,
    last: u64,
    len: usize,
}

impl Short {
    #[expect(clippy::inline_always, reason = "a call costs as much as what it does")]
    #[inline(always)]
    pub(super) fn of(text: &str) -> Option<Self> {
        let text = text.as_bytes();
        let (first, last) = match text.len() {
            8..=SHORT => {
                let word = |bytes: &[u8; 8]| u64::from_le_bytes(*bytes);
                (word(text.first_chunk()?), word(text.last_chunk()?))
            }
            4..8 => {
                let word = |bytes: &[u8; 4]| u64::from(u32::from_le_bytes(*bytes));
                (word(text.first_chunk()?), word(text.last_chunk()?))
            }
            1..4 => {
                let byte = |place: usize| text.get(place).copied().map(u64::from);
                let (first, middle) = (byte(0)?, byte(text.len() / 2)?);
                (first | middle << 8, byte(text.len() - 1)?)
            }
            0 => (0, 0),
            _ => return None,
        };
        let len = text.len();
        Some(Self { first, last, len })
    }

    /// Both words in one, with the length in them: hardly ever the same for two texts.
    #[inline]
    pub(super) fn bits(self) -> u128 {
        let last = self.last.wrapping_add(self.len as u64);
        u128::from(last) << 64 | u128::from(self.first)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn two_words_are_the_same_for_the_same_text_only() {
        let texts: Vec<String> = (0..=SHORT)
            .flat_map(|len| {
                // One byte differs, at each place.
                (0..=len).map(move |place| {
                    (0..len)
                        .map(|at| if at == place { 'b' } else { 'a' })
                        .collect()
                })
            })
            .collect();
        for one in &texts {
            for other in &texts {
                let same = Short::of(one).unwrap() == Short::of(other).unwrap();
                assert_eq!(same, one == other, "{one:?} and {other:?}");
            }
        }
        assert_eq!(Short::of(&"a".repeat(SHORT + 1)), None);
    }
}
