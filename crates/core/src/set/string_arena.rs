//! The texts of a set in one allocation, each behind its length.

/// Texts, one after the other. A place is the offset of a text's length.
///
/// The length is written six bits a byte, the least significant first, with
/// `MORE` where another byte follows; every such byte is ASCII, so the whole is a
/// `str` and a text is read without a check of its encoding.
#[derive(Debug, Default)]
pub(super) struct Texts {
    all: String,
}

const PAYLOAD_BITS: u32 = 6;
const MORE: u8 = 1 << PAYLOAD_BITS;

impl Texts {
    /// A copy with room for so many more bytes.
    pub(super) fn with_room(&self, bytes: usize) -> Self {
        let mut all = String::with_capacity(self.all.len().saturating_add(bytes));
        all.push_str(&self.all);
        Self { all }
    }

    /// How many bytes a text takes, its length included.
    pub(super) fn bytes_of(text: &str) -> usize {
        let last_bit = text.len().checked_ilog2().unwrap_or(0);
        text.len() + 1 + (last_bit / PAYLOAD_BITS) as usize
    }

    pub(super) fn shrink_to_fit(&mut self) {
        self.all.shrink_to_fit();
    }

    /// The place at which the next text will stand.
    pub(super) fn end(&self) -> usize {
        self.all.len()
    }

    pub(super) fn push(&mut self, text: &str) {
        let mut rest = text.len();
        loop {
            // The low byte of a number below 64.
            let [payload, ..] = (rest & usize::from(MORE - 1)).to_le_bytes();
            rest >>= PAYLOAD_BITS;
            let more = if rest == 0 { 0 } else { MORE };
            self.all.push(char::from(payload | more));
            if rest == 0 {
                break;
            }
        }
        self.all.push_str(text);
    }

    /// The text at a place that [`end`](Self::end) gave before a push.
    #[inline]
    pub(super) fn get(&self, place: u32) -> &str {
        let (start, len) = self.span(place);
        self.all.get(start..start.saturating_add(len)).unwrap_or("")
    }

    /// Whether the text at a place is this one.
    pub(super) fn is(&self, place: u32, text: &str) -> bool {
        self.get(place) == text
    }

    /// Whether the text at a place is this one of at most sixteen bytes: without the call
    /// that a comparison of any length takes.
    #[expect(clippy::inline_always, reason = "a call costs as much as what it does")]
    #[inline(always)]
    pub(super) fn is_short(&self, place: u32, text: &str) -> bool {
        // Its length is one byte, and what stands behind that is looked at as if it were as
        // long.
        let place = place as usize;
        match self.all.as_bytes().get(place..=place + text.len()) {
            Some([len, stored @ ..]) => {
                usize::from(*len) == text.len() && same_short(stored, text.as_bytes())
            }
            _ => false,
        }
    }

    /// Where a text begins, and its length.
    #[inline]
    fn span(&self, place: u32) -> (usize, usize) {
        let place = place as usize;
        match self.all.as_bytes().get(place) {
            Some(&len) if len < MORE => (place + 1, len.into()),
            _ => self.long_span(place),
        }
    }

    #[cold]
    fn long_span(&self, place: usize) -> (usize, usize) {
        let (mut at, mut len, mut shift) = (place, 0, 0);
        for &byte in self.all.as_bytes().iter().skip(place) {
            at += 1;
            len |= usize::from(byte & (MORE - 1)) << shift;
            shift += PAYLOAD_BITS;
            if byte & MORE == 0 {
                break;
            }
        }
        (at, len)
    }
}

/// Whether two slices of the same length, at most sixteen bytes, are equal: by their ends,
/// which may overlap.
#[inline(always)]
fn same_short(a: &[u8], b: &[u8]) -> bool {
    fn ends<const N: usize>(bytes: &[u8]) -> Option<[[u8; N]; 2]> {
        Some([*bytes.first_chunk()?, *bytes.last_chunk()?])
    }
    if let (Some(a), Some(b)) = (ends::<8>(a), ends::<8>(b)) {
        a == b
    } else if let (Some(a), Some(b)) = (ends::<4>(a), ends::<4>(b)) {
        a == b
    } else {
        a.iter().eq(b)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gives_back_what_was_pushed() {
        let mut texts = Texts::default();
        let pushed: Vec<String> = [
            0, 1, 2, 3, 4, 5, 7, 8, 12, 16, 17, 63, 64, 65, 4095, 4096, 300_000,
        ]
        .into_iter()
        .map(|len| "é".repeat(len / 2) + &"x".repeat(len % 2))
        .collect();
        let places: Vec<u32> = pushed
            .iter()
            .map(|text| {
                let place = u32::try_from(texts.end()).unwrap_or(u32::MAX);
                let before = texts.end();
                texts.push(text);
                assert_eq!(texts.end() - before, Texts::bytes_of(text));
                place
            })
            .collect();
        for (place, text) in places.into_iter().zip(&pushed) {
            assert_eq!(texts.get(place), text);
            let is = |other: &str| {
                let is = texts.is(place, other);
                if other.len() <= 16 {
                    assert_eq!(texts.is_short(place, other), is, "{other:?} for {text:?}");
                }
                is
            };
            assert!(is(text));
            assert!(!is(&format!("{text}x")));
            assert_eq!(is(""), text.is_empty());
            for (at, _) in text.char_indices().take(20) {
                let mut other = text.clone().into_bytes();
                other[at] ^= 1;
                if let Ok(other) = String::from_utf8(other) {
                    assert!(!is(&other), "{other} at {at}");
                }
            }
        }
    }
}
