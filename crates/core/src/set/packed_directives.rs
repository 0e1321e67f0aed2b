//! Stores each directive in 24 bytes, and the strings of all directives in one arena.

use std::ops::Range;

use jiff::Timestamp;

use super::decision::Effects;
use super::instant::{ALWAYS, Instant, instant, timestamp};
use super::shape::{Shape, target};
use super::sorting::Order;
use super::string_arena::StringArena;
use crate::model::directive::DirectiveRef;
use crate::model::request::{EndpointKind, RequestAttrs};

/// The packed form of one directive, without its strings and its start.
#[derive(Clone, Copy, Debug)]
#[repr(Rust, packed(4))]
pub(super) struct Record {
    expires_second: i64,
    expires_nanosecond: i32,
    /// The offset of the directive's key in the string arena. The id of the directive follows its
    /// key in the string arena.
    pub(super) key: u32,
    /// The index of the next directive that has the same key (see `lookup_table.rs`).
    pub(super) next: u32,
    pub(super) sample_per_mille: u16,
    pub(super) effects: Effects,
    /// Whether another directive with the same key covers this directive (see `lookup_table.rs`).
    pub(super) is_superfluous: bool,
}

impl Record {
    #[inline]
    pub(super) fn expires(&self) -> Instant {
        (self.expires_second, self.expires_nanosecond)
    }
}

/// Packed directives, in the order in which they were added, or in the order of their ids.
#[derive(Debug, Default)]
pub(super) struct PackedDirectives {
    pub(super) records: Vec<Record>,
    /// The start of each directive, in the order of `records`; empty if no directive has a start.
    starts: Vec<Instant>,
    strings: StringArena,
    /// True if the strings are in another order than the records, because only the records were
    /// sorted.
    is_sorted_apart: bool,
}

/// The error for more directives, or more bytes of strings, than a `u32` can count.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Full;

impl PackedDirectives {
    pub(super) fn with_capacity(directives: usize, bytes: usize) -> Self {
        let mut packed = Self::default();
        packed.records.reserve_exact(directives);
        packed.strings.reserve_exact(bytes);
        packed
    }

    /// Reserves memory for the given number of directives in total.
    pub(super) fn reserve_total(&mut self, directives: usize) {
        let more = directives.saturating_sub(self.records.len());
        self.records.reserve_exact(more);
        if !self.starts.is_empty() {
            self.starts.reserve_exact(more);
        }
    }

    pub(super) fn shrink_to_fit(&mut self) {
        self.records.shrink_to_fit();
        self.starts.shrink_to_fit();
        self.strings.shrink_to_fit();
    }

    pub(super) fn len(&self) -> usize {
        self.records.len()
    }

    pub(super) fn push(&mut self, directive: DirectiveRef<'_>) -> Result<(), Full> {
        let (expires_second, expires_nanosecond) = instant(directive.expires_at);
        let record = Record {
            expires_second,
            expires_nanosecond,
            key: u32::try_from(self.strings.len()).map_err(|_| Full)?,
            next: 0,
            sample_per_mille: directive.sample_per_mille,
            effects: Effects::of(directive),
            is_superfluous: false,
        };
        let targets = [directive.tenant, directive.index, directive.principal];
        let strings = targets.into_iter().flatten().chain([directive.id]);
        let bytes = 1 + strings.clone().map(StringArena::bytes_for).sum::<usize>();
        self.strings.reserve_for(bytes, &self.records);
        self.strings.push_ascii(Shape::of(directive).bits());
        strings.for_each(|string| self.strings.push(string));
        self.push_record(record, directive.starts_at.map_or(ALWAYS, instant));
        Ok(())
    }

    fn push_record(&mut self, record: Record, start: Instant) {
        if start != ALWAYS {
            // Each directive before the first directive with a start gets the start `ALWAYS`.
            if self.starts.is_empty() {
                self.starts.reserve_exact(self.records.capacity());
            }
            self.starts.resize(self.records.len(), ALWAYS);
        }
        if start != ALWAYS || !self.starts.is_empty() {
            self.starts.push(start);
        }
        self.records.push(record);
    }

    /// Appends copies of the directives in a range of `other`, without unpacking them.
    pub(super) fn extend_from(&mut self, other: &Self, range: Range<usize>) -> Result<(), Full> {
        if other.is_sorted_apart {
            for index in range {
                self.extend_from_adjacent(other, index..index + 1, other.strings_of(index))?;
            }
            return Ok(());
        }
        let offset = |index: usize| match other.records.get(index) {
            Some(record) => record.key as usize,
            None => other.strings.len(),
        };
        let strings = offset(range.start)..offset(range.end);
        self.extend_from_adjacent(other, range, strings)
    }

    /// Appends copies of directives that are consecutive in `other`. The range `strings` is the
    /// part of the arena of `other` that contains the strings of these directives.
    fn extend_from_adjacent(
        &mut self,
        other: &Self,
        range: Range<usize>,
        strings: Range<usize>,
    ) -> Result<(), Full> {
        let (before, after) = (strings.start, self.strings.len());
        self.strings.extend_from(&other.strings, strings);
        for index in range {
            let mut record = other.records[index];
            let key = record.key as usize - before + after;
            record.key = u32::try_from(key).map_err(|_| Full)?;
            self.push_record(record, other.start(index));
        }
        Ok(())
    }

    /// Returns the total length of all strings in the arena, in bytes.
    pub(super) fn bytes(&self) -> usize {
        self.strings.len()
    }

    /// Returns the part of the string arena that contains the key and the id of a directive.
    pub(super) fn strings_of(&self, index: usize) -> Range<usize> {
        let Some(start) = self.records.get(index).map(|record| record.key) else {
            return 0..0;
        };
        let (_, _, mut end) = self.read_key(start);
        self.strings.read(&mut end);
        start as usize..end
    }

    /// Sorts the directives by id, and returns how the order has changed. Sorting moves only the
    /// records, so that it needs no second copy of the strings.
    pub(super) fn sort_by_id(&mut self) -> Result<Order, Full> {
        let order = {
            let mut ids = Vec::with_capacity(self.records.len());
            for (record, number) in self.records.iter().zip(0_u32..) {
                let (_, _, offset) = self.read_key(record.key);
                ids.push((u32::try_from(offset).map_err(|_| Full)?, number));
            }
            let id = |offset: u32| self.strings.read(&mut (offset as usize));
            if ids.is_sorted_by_key(|(offset, _)| id(*offset)) {
                return Ok(Order::unchanged(self.records.len()));
            }
            ids.sort_unstable_by_key(|(offset, _)| id(*offset));
            Order::new(ids.into_iter().map(|(_, number)| number).collect())
        };
        order.apply(&mut self.records);
        order.apply(&mut self.starts);
        self.is_sorted_apart = true;
        Ok(order)
    }

    #[inline]
    pub(super) fn has_started(&self, index: usize, now: Instant) -> bool {
        self.starts.get(index).is_none_or(|start| *start <= now)
    }

    pub(super) fn start(&self, index: usize) -> Instant {
        self.starts.get(index).copied().unwrap_or(ALWAYS)
    }

    /// Returns the directive at the given index, or `None` if there are fewer directives.
    pub(super) fn get(&self, index: usize) -> Option<DirectiveRef<'_>> {
        let record = self.records.get(index)?;
        let (shape, [tenant, target_index, principal], mut offset) = self.read_key(record.key);
        let decision = record.effects.decision();
        Some(DirectiveRef {
            id: self.strings.read(&mut offset),
            tenant,
            index: target_index,
            principal,
            endpoint: shape.endpoint(),
            level: decision.level,
            sample_per_mille: record.sample_per_mille,
            starts_at: timestamp(self.start(index)),
            expires_at: timestamp(record.expires()).unwrap_or(Timestamp::MIN),
            ring_buffer: decision.ring_buffer,
            capture: decision.capture,
        })
    }

    /// Returns the key at the given offset in the string arena, that is, a shape and the strings of
    /// the targets. The strings of the key are returned in the form of request attributes.
    pub(super) fn key(&self, key: u32) -> (Shape, RequestAttrs<'_>) {
        let (shape, [tenant, index, principal], _) = self.read_key(key);
        let attrs = RequestAttrs {
            tenant,
            index: index.unwrap_or_default(),
            principal: principal.unwrap_or_default(),
            endpoint: shape.endpoint().unwrap_or(EndpointKind::Unknown),
        };
        (shape, attrs)
    }

    /// Returns the key at the given offset in the string arena, and the offset of the id after the
    /// key.
    fn read_key(&self, key: u32) -> (Shape, [Option<&str>; 3], usize) {
        let mut offset = key as usize;
        let shape = Shape::from_bits(self.strings.read_ascii(&mut offset));
        let strings = [target::TENANT, target::INDEX, target::PRINCIPAL]
            .map(|target| shape.has(target).then(|| self.strings.read(&mut offset)));
        (shape, strings, offset)
    }

    /// Returns true if the directive at the given index has the given shape and its targets have
    /// the request's values.
    #[expect(clippy::inline_always, reason = "the shape is often a constant")]
    #[inline(always)]
    pub(super) fn is_key(&self, index: u32, shape: Shape, attrs: &RequestAttrs<'_>) -> bool {
        let mut offset = self.records[index as usize].key as usize;
        if self.strings.read_ascii(&mut offset) != shape.bits() {
            return false;
        }
        let mut is =
            |bit: u8, string: &str| !shape.has(bit) || self.strings.is_next(&mut offset, string);
        is(target::TENANT, attrs.tenant.unwrap_or_default())
            && is(target::INDEX, attrs.index)
            && is(target::PRINCIPAL, attrs.principal)
    }
}
