//! The shortest way, for the smallest sets.
//!
//! A proxy mostly has none, one or a few directives, each for a tenant. For these a look
//! at each is cheaper than a hash: a tenant of at most sixteen bytes is compared by two
//! words of it.

use super::ask::Ask;
use super::record::{Nanos, Record};
use super::text::Texts;
use crate::domain::sampling::ALWAYS;

/// The longest text that two words hold.
pub(super) const SHORT: usize = 16;

/// The most directives that are looked at one by one.
const MANY: usize = 4;

/// The directives of a set that is small enough; none if it is not.
#[derive(Debug, Default)]
pub(super) struct Few(Vec<Entry>);

#[derive(Debug)]
pub(super) struct Entry {
    tenant: Short,
    expires: Nanos,
    ask: Ask,
}

impl Few {
    /// Of directives that target a tenant each and nothing else, those that decide anything
    /// one of their own, and start at once; `None` where those are too many, a tenant is too
    /// long or one samples.
    pub(super) fn of(records: &[Record], texts: &Texts) -> Option<Self> {
        let mut few = Vec::new();
        for record in records.iter().filter(|record| record.is_decisive()) {
            if few.len() == MANY || record.sample_per_mille() < ALWAYS {
                return None;
            }
            few.push(Entry {
                tenant: Short::of(texts.get(record.key))?,
                expires: record.expires(),
                ask: record.ask(),
            });
        }
        Some(Self(few))
    }

    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The directive for this tenant.
    #[inline]
    pub(super) fn find(&self, tenant: Short) -> Option<&Entry> {
        self.0.iter().find(|entry| entry.tenant == tenant)
    }
}

impl Entry {
    /// What it asks for at an instant.
    #[inline]
    pub(super) fn ask_at(&self, at: Nanos) -> Ask {
        if at < self.expires {
            self.ask
        } else {
            Ask::NOTHING
        }
    }
}

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
            ..4 => {
                let word = text
                    .iter()
                    .fold(0, |word, &byte| word << 8 | u64::from(byte));
                (word, 0)
            }
            _ => return None,
        };
        let len = text.len();
        Some(Self { first, last, len })
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
