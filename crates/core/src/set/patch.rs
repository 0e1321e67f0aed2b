//! A set with some of its directives changed, without packing all of them anew.
//!
//! The packed directives and their texts are copied as they are. Only what is put in is
//! packed, its texts behind the others; the table is built over all as ever, so a patched
//! set decides as one that was built from scratch. The texts of what is taken out stay
//! where they are, until they may be an eighth of all: then everything is packed anew.

use std::ops::Range;

use hashbrown::HashTable;
use jiff::Timestamp;

use super::DirectiveSet;
use super::builder::{DirectiveSetBuilder, RECORDS_MAX, bytes_of};
use super::compiled::{Compiled, places};
use super::packed::{Shape, Targets, target};
use crate::model::directive::DirectiveRef;

/// Which part of the texts may be of directives that were taken out.
const STALE_PART: usize = 8;

/// A difference between a set and the next one.
#[derive(Clone, Copy, Debug)]
#[doc(hidden)]
pub struct Edit<'a> {
    /// Where in the set's order.
    pub place: usize,
    /// Whether the directive of this place is taken out.
    pub takes: bool,
    /// What is put there, before the directive of this place where that stays.
    pub puts: Option<DirectiveRef<'a>>,
}

impl Edit<'_> {
    /// The first place after it.
    pub fn end(&self) -> usize {
        self.place + usize::from(self.takes)
    }
}

impl DirectiveSet {
    /// The set with these edits, which are in ascending order and do not overlap.
    #[doc(hidden)]
    #[must_use]
    pub fn patched(&self, edits: &[Edit<'_>]) -> Self {
        let patched = self
            .compiled
            .as_ref()
            .and_then(|compiled| compiled.patched(edits));
        patched.unwrap_or_else(|| self.repacked(edits)).build()
    }

    /// With all directives packed anew.
    fn repacked(&self, edits: &[Edit<'_>]) -> DirectiveSetBuilder {
        let mut builder = DirectiveSetBuilder::with_capacity(self.len() + edits.len());
        let mut before = self.iter().enumerate().peekable();
        for edit in edits {
            while let Some((_, directive)) = before.next_if(|&(place, _)| place < edit.place) {
                builder.push(directive);
            }
            while before.next_if(|&(place, _)| place < edit.end()).is_some() {}
            if let Some(directive) = edit.puts {
                builder.push(directive);
            }
        }
        for (_, directive) in before {
            builder.push(directive);
        }
        builder
    }
}

impl Compiled {
    /// `None` if too much of it would be stale, or if there is no room.
    fn patched(&self, edits: &[Edit<'_>]) -> Option<DirectiveSetBuilder> {
        let stale = edits
            .iter()
            .filter(|edit| edit.takes)
            .filter_map(|edit| self.get(edit.place))
            .map(|taken| bytes_of(taken) + bytes_of_targets(taken))
            .fold(self.stale, usize::saturating_add);
        if stale > self.texts.end() / STALE_PART
            || !self.beside.overflow.is_empty()
            || self.records.len().saturating_add(edits.len()) > RECORDS_MAX
        {
            return None;
        }
        let puts = || edits.iter().filter_map(|edit| edit.puts);
        let mut builder = DirectiveSetBuilder::with_capacity(0);
        builder.stale = stale;
        builder.hasher = self.index.hasher;
        builder.texts = self.texts.with_room(puts().map(bytes_of).sum());
        builder.targets = self.targets.to_vec();
        builder
            .records
            .reserve_exact(self.records.len() + puts().count());
        builder.know_what_is_put_again(self, puts());
        let mut from = 0;
        for edit in edits {
            builder.keep(self, from..edit.place)?;
            if let Some(directive) = edit.puts {
                builder.pack(directive)?;
            }
            from = edit.end();
        }
        builder.keep(self, from..self.records.len())?;
        Some(builder)
    }
}

fn bytes_of_targets(directive: DirectiveRef<'_>) -> usize {
    match Shape::of(directive).texts() {
        0 | 1 => 0,
        _ => size_of::<Targets>(),
    }
}

impl DirectiveSetBuilder {
    /// Takes over records whose texts and targets are there already.
    fn keep(&mut self, base: &Compiled, range: Range<usize>) -> Option<()> {
        let first = self.records.len();
        let keep_beside = |from: &[(u32, Timestamp)], into: &mut Vec<(u32, Timestamp)>| {
            let start = from.partition_point(|&(number, _)| (number as usize) < range.start);
            let end = from.partition_point(|&(number, _)| (number as usize) < range.end);
            for &(number, instant) in from.get(start..end)? {
                let number = number as usize - range.start + first;
                into.push((u32::try_from(number).ok()?, instant));
            }
            Some(())
        };
        keep_beside(&base.beside.starts, &mut self.beside.starts)?;
        keep_beside(&base.beside.expiries, &mut self.beside.expiries)?;
        self.records.extend_from_slice(base.records.get(range)?);
        Some(())
    }

    /// Finds the texts and targets of directives among those of the records, so that
    /// each is kept once.
    fn know_what_is_put_again<'a>(
        &mut self,
        base: &Compiled,
        puts: impl Iterator<Item = DirectiveRef<'a>>,
    ) {
        let hasher = self.hasher;
        let mut wanted: HashTable<u64> = HashTable::new();
        for directive in puts {
            let texts = [directive.tenant, directive.index, directive.principal];
            for text in texts.into_iter().flatten() {
                let hash = hasher.text(text);
                let _ = wanted
                    .entry(hash, |&other| other == hash, |&hash| hash)
                    .or_insert(hash);
            }
        }
        if wanted.is_empty() {
            return;
        }
        for record in &base.records {
            let shape = record.shape();
            if shape.texts() == 0 {
                continue;
            }
            let places = places(record, &base.targets);
            let mut all = true;
            let texts = [target::TENANT, target::INDEX, target::PRINCIPAL].into_iter();
            for (_, place) in texts.zip(places).filter(|&(bit, _)| shape.has(bit)) {
                let hash = hasher.text(base.texts.get(place));
                if wanted.find(hash, |&other| other == hash).is_none() {
                    all = false;
                    continue;
                }
                let texts = &self.texts;
                let _ = self
                    .known_texts
                    .entry(
                        hash,
                        |&other| other == place,
                        |&place| hasher.text(texts.get(place)),
                    )
                    .or_insert(place);
            }
            if all && shape.texts() > 1 {
                let targets = &self.targets;
                let key = record.key;
                let _ = self
                    .known_targets
                    .entry(
                        hasher.places(places),
                        |&other| other == key,
                        |&number| hasher.places(targets[number as usize]),
                    )
                    .or_insert(key);
            }
        }
    }
}

#[cfg(test)]
mod tests;
