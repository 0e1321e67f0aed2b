//! The parts of a set that is not empty, and its directives in their order.

use jiff::Timestamp;

use super::builder::Beside;
use super::index::Index;
use super::packed::{Record, Targets, target};
use super::string_arena::Texts;
use crate::model::directive::{DiagnosticsDirective, DirectiveRef};

/// A set that is not empty. Immutable.
#[derive(Debug)]
pub(super) struct Compiled {
    pub(super) index: Index,
    /// The directives in the set's order, but for `beside.overflow`, which follows.
    pub(super) records: Box<[Record]>,
    pub(super) targets: Box<[Targets]>,
    pub(super) texts: Texts,
    pub(super) beside: Beside,
    /// At most so many bytes of these are of directives that a patch took out.
    pub(super) stale: usize,
}

impl Compiled {
    /// The directives, in the set's order.
    pub(super) fn iter(&self) -> Iter<'_> {
        Iter {
            compiled: self,
            next: 0,
        }
    }

    /// The id of the directive of this place in the set's order.
    pub(super) fn id(&self, number: usize) -> Option<&str> {
        match self.records.get(number) {
            Some(record) => Some(self.texts.get(record.id)),
            None => Some(&self.beside.overflow.get(number - self.records.len())?.id),
        }
    }

    /// The directive of this place in the set's order.
    pub(super) fn get(&self, number: usize) -> Option<DirectiveRef<'_>> {
        unpack(
            &self.records,
            &self.targets,
            &self.texts,
            &self.beside,
            number,
        )
    }
}

/// A directive of those that are packed, by its number.
pub(super) fn unpack<'a>(
    records: &[Record],
    targets: &[Targets],
    texts: &'a Texts,
    beside: &'a Beside,
    number: usize,
) -> Option<DirectiveRef<'a>> {
    let Some(record) = records.get(number) else {
        let overflow = beside.overflow.get(number - records.len());
        return overflow.map(DiagnosticsDirective::as_ref);
    };
    let shape = record.shape();
    let places = places(record, targets);
    let text = |bit: u32, place: u32| shape.has(bit).then(|| texts.get(place));
    let ask = record.ask();
    Some(DirectiveRef {
        id: texts.get(record.id),
        tenant: text(target::TENANT, places[0]),
        index: text(target::INDEX, places[1]),
        principal: text(target::PRINCIPAL, places[2]),
        endpoint: shape.endpoint(),
        level: ask.level(),
        sample_per_mille: record.sample_per_mille(),
        starts_at: if record.is_scheduled() {
            find(&beside.starts, number)
        } else {
            None
        },
        expires_at: if record.is_far() {
            find(&beside.expiries, number)
        } else {
            None
        }
        .unwrap_or_else(|| record.expires().instant()),
        ring_buffer: ask.ring_buffer(),
        capture: ask.capture(),
    })
}

/// The places of a record's texts; something else where a text is not set.
#[inline]
pub(super) fn places(record: &Record, targets: &[Targets]) -> Targets {
    if record.shape().texts() > 1 {
        targets
            .get(record.key as usize)
            .copied()
            .unwrap_or_default()
    } else {
        [record.key; 3]
    }
}

/// What stands beside a record, by its number.
pub(super) fn find(beside: &[(u32, Timestamp)], number: usize) -> Option<Timestamp> {
    let found = beside
        .binary_search_by_key(&number, |&(record, _)| record as usize)
        .ok()?;
    Some(beside[found].1)
}

/// The directives of a set, in its order.
pub(super) struct Iter<'a> {
    compiled: &'a Compiled,
    next: usize,
}

impl<'a> Iterator for Iter<'a> {
    type Item = DirectiveRef<'a>;

    fn next(&mut self) -> Option<Self::Item> {
        let directive = self.compiled.get(self.next)?;
        self.next += 1;
        Some(directive)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let len = self.compiled.records.len() + self.compiled.beside.overflow.len() - self.next;
        (len, Some(len))
    }
}

impl ExactSizeIterator for Iter<'_> {}
