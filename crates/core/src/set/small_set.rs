//! The shortest way, for the smallest sets.
//!
//! A proxy mostly has none, one or a few directives, each for a tenant. For these a look
//! at each is cheaper than a hash: a tenant of at most sixteen bytes is compared by two
//! words of it.

use super::effects::Ask;
use super::packed::{Nanos, Record};
use super::short_str::Short;
use super::string_arena::Texts;
use crate::model::sampling::ALWAYS;

/// The most directives that are looked at one by one.
const MANY: usize = 4;

/// The directives of a set that is small enough; none if it is not.
#[derive(Debug, Default)]
pub(super) struct Few(Vec<Entry>);

#[derive(Debug)]
struct Entry {
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

    /// What the directive for this tenant asks for at an instant.
    #[inline]
    pub(super) fn ask_at(&self, tenant: Short, at: Nanos) -> Ask {
        match self.0.iter().find(|entry| entry.tenant == tenant) {
            Some(entry) if at < entry.expires => entry.ask,
            _ => Ask::NOTHING,
        }
    }
}
