//! Takes directives one by one into the compact form.

use std::sync::Arc;

use hashbrown::HashTable;

use super::DirectiveSet;
use super::compiled::Compiled;
use super::hash::TextHasher;
use super::index::Index;
use super::packed::{NOT_SET, Record, Shape, Targets};
use super::string_arena::Texts;
use crate::model::directive::{DiagnosticsDirective, DirectiveRef};

/// Builds a [`DirectiveSet`] from borrowed directives, without a copy of each.
///
/// A pushed directive is packed at once into the form in which the set keeps it, so
/// the builder needs little more memory than the set that it builds.
///
/// ```
/// use jiff::Timestamp;
/// use opensearch_directives_core::{DiagLevel, DiagnosticsDirective, DirectiveSetBuilder};
///
/// let mut builder = DirectiveSetBuilder::default();
/// builder.push(DiagnosticsDirective::new("all", DiagLevel::Shape, Timestamp::MAX).as_ref());
/// assert_eq!(builder.build().len(), 1);
/// ```
#[derive(Debug)]
pub struct DirectiveSetBuilder {
    pub(super) hasher: TextHasher,
    pub(super) texts: Texts,
    pub(super) records: Vec<Record>,
    /// The targets of those that set several, each combination once.
    pub(super) targets: Vec<Targets>,
    /// Which texts and targets there are, to keep each once.
    pub(super) known_texts: HashTable<u32>,
    pub(super) known_targets: HashTable<u32>,
    pub(super) beside: Beside,
    /// See [`Compiled::stale`].
    pub(super) stale: usize,
    /// How many bytes of text the compact form may take.
    text_limit: usize,
}

/// What few directives have, kept beside the records.
#[derive(Debug, Default)]
pub(super) struct Beside {
    /// The starts, by the number of the record, ascending.
    pub(super) starts: Vec<(u32, jiff::Timestamp)>,
    /// The expiries that a record cannot hold, likewise.
    pub(super) expiries: Vec<(u32, jiff::Timestamp)>,
    /// The directives that the compact form has no more room for, from the first
    /// such on: after four gigabytes of text, or two billion directives. They are
    /// looked at one by one.
    pub(super) overflow: Vec<DiagnosticsDirective>,
}

/// One bit of a number of a record is the table's (`index.rs`), and one number stands for
/// none.
pub(super) const RECORDS_MAX: usize = (1 << 31) - 1;

/// How many bytes the texts of a directive take if it shares none of them.
pub(super) fn bytes_of(directive: DirectiveRef<'_>) -> usize {
    let targets = [directive.tenant, directive.index, directive.principal];
    let texts = targets.into_iter().flatten().map(Texts::bytes_of);
    texts.fold(Texts::bytes_of(directive.id), usize::saturating_add)
}

impl Default for DirectiveSetBuilder {
    fn default() -> Self {
        Self::with_capacity(0)
    }
}

impl DirectiveSetBuilder {
    /// A builder with room for about this many directives.
    #[must_use]
    pub fn with_capacity(directives: usize) -> Self {
        Self {
            hasher: TextHasher::default(),
            texts: Texts::default(),
            records: Vec::with_capacity(directives),
            targets: Vec::new(),
            known_texts: HashTable::with_capacity(directives),
            known_targets: HashTable::new(),
            beside: Beside::default(),
            stale: 0,
            text_limit: u32::MAX as usize,
        }
    }

    /// Adds a directive at the end of the set's order.
    pub fn push(&mut self, directive: DirectiveRef<'_>) {
        // Once one is beside, so are all that follow: the order is kept.
        if !self.beside.overflow.is_empty() || self.pack(directive).is_none() {
            self.beside.overflow.push(directive.to_directive());
        }
    }

    /// The set.
    #[must_use]
    pub fn build(mut self) -> DirectiveSet {
        if self.records.is_empty() && self.beside.overflow.is_empty() {
            return DirectiveSet::new();
        }
        self.forget_what_is_known();
        self.texts.shrink_to_fit();
        let records = self.records.into_boxed_slice();
        let targets = self.targets.into_boxed_slice();
        self.beside.starts.shrink_to_fit();
        self.beside.expiries.shrink_to_fit();
        self.beside.overflow.shrink_to_fit();
        let index = Index::build(self.hasher, &records, &self.texts, &targets, &self.beside);
        DirectiveSet {
            compiled: Some(Arc::new(Compiled {
                index,
                records,
                targets,
                texts: self.texts,
                beside: self.beside,
                stale: self.stale,
            })),
        }
    }

    /// Lets go of what the set does not need, before what takes memory too.
    pub(super) fn forget_what_is_known(&mut self) {
        self.known_texts = HashTable::new();
        self.known_targets = HashTable::new();
    }

    /// Packs a directive, or does nothing if there is no room.
    pub(super) fn pack(&mut self, directive: DirectiveRef<'_>) -> Option<()> {
        if self.texts.end().saturating_add(bytes_of(directive)) > self.text_limit
            || self.records.len() >= RECORDS_MAX
        {
            return None;
        }
        let number = u32::try_from(self.records.len()).ok()?;
        let key = self.key(directive)?;
        let id = u32::try_from(self.texts.end()).ok()?;
        self.texts.push(directive.id);
        let record = Record::new(directive, key, id);
        if let Some(starts_at) = directive.starts_at {
            self.beside.starts.push((number, starts_at));
        }
        if record.is_far() {
            self.beside.expiries.push((number, directive.expires_at));
        }
        self.records.push(record);
        Some(())
    }

    /// The key of a directive's texts (`Record::key`).
    fn key(&mut self, directive: DirectiveRef<'_>) -> Option<u32> {
        let mut places = [NOT_SET; 3];
        let mut only = 0;
        let texts = [directive.tenant, directive.index, directive.principal];
        for (place, text) in places.iter_mut().zip(texts) {
            if let Some(text) = text {
                *place = self.intern(text)?;
                only = *place;
            }
        }
        if Shape::of(directive).texts() < 2 {
            return Some(only);
        }
        let Self {
            hasher,
            targets,
            known_targets,
            ..
        } = self;
        let hash = |number: u32| hasher.places(targets[number as usize]);
        let known = known_targets
            .find(hasher.places(places), |&number| {
                targets[number as usize] == places
            })
            .copied();
        if known.is_some() {
            return known;
        }
        let number = u32::try_from(targets.len()).ok()?;
        known_targets.insert_unique(hasher.places(places), number, |&number| hash(number));
        targets.push(places);
        Some(number)
    }

    /// The place of a target's text; the same text is kept once.
    fn intern(&mut self, text: &str) -> Option<u32> {
        let Self {
            hasher,
            texts,
            known_texts,
            ..
        } = self;
        let hash = hasher.text(text);
        if let Some(&place) = known_texts.find(hash, |&place| texts.is(place, text)) {
            return Some(place);
        }
        let place = u32::try_from(texts.end()).ok()?;
        known_texts.insert_unique(hash, place, |&place| hasher.text(texts.get(place)));
        texts.push(text);
        Some(place)
    }

    /// Sets how many bytes of text the compact form may take.
    #[cfg(test)]
    pub(super) fn with_text_limit(mut self, bytes: usize) -> Self {
        self.text_limit = bytes;
        self
    }
}
