//! Stores directives compactly: twenty bytes for each directive, and the strings of all directives
//! in one arena.

use jiff::Timestamp;

use super::packed_effects::Effects;
use super::string_arena::StringArena;
use crate::model::directive::DirectiveRef;
use crate::model::request::{EndpointKind, RequestAttrs};

/// A `Timestamp` in twelve bytes, with the same order as `Timestamp`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
#[repr(Rust, packed(4))]
pub(super) struct Instant {
    second: i64,
    nanosecond: i32,
}

impl Instant {
    /// An instant that is earlier than every `Timestamp`.
    pub(super) const ALWAYS: Self = Self {
        second: i64::MIN,
        nanosecond: 0,
    };

    #[inline]
    pub(super) fn of(timestamp: Timestamp) -> Self {
        // Both numbers have the same sign, so comparing them in turn compares the instants.
        Self {
            second: timestamp.as_second(),
            nanosecond: timestamp.subsec_nanosecond(),
        }
    }

    #[inline]
    pub(super) fn is_after(&self, now: Timestamp) -> bool {
        let second = self.second;
        second > now.as_second()
            || second == now.as_second() && self.nanosecond > now.subsec_nanosecond()
    }

    /// This instant rounded up to a second since 1970, so that `now.as_second()` reaches it only
    /// when `now` does. (Before 1970, `as_second` rounds up, hence one second more.)
    pub(super) fn rounded_up(self) -> i64 {
        let rounds = self.nanosecond > 0 || self.second <= 0;
        self.second.saturating_add(i64::from(rounds))
    }

    /// Converts back to a `Timestamp`; `None` for [`ALWAYS`](Self::ALWAYS).
    fn timestamp(self) -> Option<Timestamp> {
        if self == Self::ALWAYS {
            // This value is outside the range of jiff, whose error would allocate.
            return None;
        }
        Timestamp::new(self.second, self.nanosecond).ok()
    }
}

/// One bit for each target that a directive can set.
pub(super) mod target {
    pub(in super::super) const TENANT: u8 = 1;
    pub(in super::super) const INDEX: u8 = 2;
    pub(in super::super) const PRINCIPAL: u8 = 4;
    pub(in super::super) const ENDPOINT: u8 = 8;
}

/// The targets that are set, with the endpoint if it is one of them. The shape and the strings of
/// the targets form the key of a directive.
///
/// A shape has seven bits, so that the string arena can store it as an ASCII character. Each target
/// that is a string has one bit. The endpoint has four bits, which are zero if no endpoint is set.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Shape(u8);

const ENDPOINT_SHIFT: u32 = 3;
const _: () = assert!(EndpointKind::ALL.len() < 1 << 4);

impl Shape {
    /// `endpoint` is ignored unless `targets` contains it.
    #[inline]
    pub(super) fn new(targets: u8, endpoint: EndpointKind) -> Self {
        if targets & target::ENDPOINT == 0 {
            Self(targets)
        } else {
            Self(targets & !target::ENDPOINT | (endpoint as u8 + 1) << ENDPOINT_SHIFT)
        }
    }

    pub(super) fn of(directive: DirectiveRef<'_>) -> Self {
        let bit = |is_set: bool, bit: u8| if is_set { bit } else { 0 };
        let targets = bit(directive.tenant.is_some(), target::TENANT)
            | bit(directive.index.is_some(), target::INDEX)
            | bit(directive.principal.is_some(), target::PRINCIPAL)
            | bit(directive.endpoint.is_some(), target::ENDPOINT);
        Self::new(targets, directive.endpoint.unwrap_or(EndpointKind::Unknown))
    }

    #[inline]
    pub(super) fn targets(self) -> u8 {
        let endpoint = if self.endpoint_bits() == 0 {
            0
        } else {
            target::ENDPOINT
        };
        self.0 & 0b111 | endpoint
    }

    /// Returns zero if no endpoint is set, otherwise the endpoint's number plus one.
    #[inline]
    pub(super) fn endpoint_bits(self) -> u8 {
        self.0 >> ENDPOINT_SHIFT
    }

    /// Whether a target that is a string is set.
    #[inline]
    pub(super) fn has(self, target: u8) -> bool {
        self.0 & target != 0
    }

    fn endpoint(self) -> Option<EndpointKind> {
        let number = usize::from(self.endpoint_bits()).checked_sub(1)?;
        EndpointKind::ALL.get(number).copied()
    }
}

/// One directive.
#[derive(Clone, Copy, Debug)]
pub(super) struct Record {
    pub(super) expires: Instant,
    /// The offset of the key in the arena. The key consists of the shape and the strings of the
    /// targets. The id of the directive follows the key.
    pub(super) key: u32,
    pub(super) sample_per_mille: u16,
    pub(super) effects: Effects,
}

const _: () = assert!(size_of::<Record>() == 20);

/// Directives in the order in which they were added.
#[derive(Debug, Default)]
pub(super) struct PackedDirectives {
    records: Vec<Record>,
    /// The start of each record; empty if no directive has a start.
    starts: Vec<Instant>,
    strings: StringArena,
}

/// The error for more directives or bytes than a `u32` can count.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Full;

impl PackedDirectives {
    pub(super) fn with_capacity(directives: usize) -> Self {
        Self {
            records: Vec::with_capacity(directives),
            ..Self::default()
        }
    }

    /// Reserves capacity for exactly this number of additional directives and bytes of strings.
    pub(super) fn reserve_exact(&mut self, directives: usize, bytes: usize) {
        self.records.reserve_exact(directives);
        self.strings.reserve_exact(bytes);
    }

    pub(super) fn shrink_to_fit(&mut self) {
        self.records.shrink_to_fit();
        self.starts.shrink_to_fit();
        self.strings.shrink_to_fit();
    }

    pub(super) fn len(&self) -> usize {
        self.records.len()
    }

    /// Returns the length of all strings in bytes.
    pub(super) fn bytes(&self) -> usize {
        self.strings.len()
    }

    /// Returns the number of bytes that the strings of a directive occupy.
    pub(super) fn bytes_of(directive: DirectiveRef<'_>) -> usize {
        let targets = [directive.tenant, directive.index, directive.principal];
        let strings = targets.into_iter().flatten().chain([directive.id]);
        strings.map(StringArena::bytes_of).sum::<usize>() + 1
    }

    pub(super) fn records(&self) -> &[Record] {
        &self.records
    }

    pub(super) fn push(&mut self, directive: DirectiveRef<'_>) -> Result<(), Full> {
        let record = Record {
            expires: Instant::of(directive.expires_at),
            key: number(self.strings.len())?,
            sample_per_mille: directive.sample_per_mille,
            effects: Effects::of(directive),
        };
        self.strings.push_ascii(Shape::of(directive).0);
        let targets = [directive.tenant, directive.index, directive.principal];
        for string in targets.into_iter().flatten().chain([directive.id]) {
            self.strings.push(string);
        }
        let start = directive.starts_at.map_or(Instant::ALWAYS, Instant::of);
        self.push_start(start);
        self.records.push(record);
        Ok(())
    }

    /// Adds the start of the next record.
    fn push_start(&mut self, start: Instant) {
        if self.starts.is_empty() && start != Instant::ALWAYS {
            self.starts.resize(self.records.len(), Instant::ALWAYS);
        }
        if start != Instant::ALWAYS || !self.starts.is_empty() {
            self.starts.push(start);
        }
    }

    /// Appends a range of the directives of another sequence.
    pub(super) fn extend_from(
        &mut self,
        other: &Self,
        range: std::ops::Range<usize>,
    ) -> Result<(), Full> {
        let end = other.offset(range.end);
        let start = other.offset(range.start);
        let moved = self.strings.len();
        number((moved + end).saturating_sub(start))?;
        self.strings.extend_from(&other.strings, start, end);
        for index in range {
            let Some(&record) = other.records.get(index) else {
                break;
            };
            self.push_start(other.start(index));
            self.records.push(Record {
                key: number(record.key as usize - start + moved)?,
                ..record
            });
        }
        Ok(())
    }

    /// Returns the offset of the strings of a record. For the index after the last record it
    /// returns the end of all strings.
    fn offset(&self, index: usize) -> usize {
        self.records
            .get(index)
            .map_or(self.strings.len(), |record| record.key as usize)
    }

    /// Whether the directive at this index has started.
    #[inline]
    pub(super) fn has_started(&self, index: usize, now: Timestamp) -> bool {
        self.starts
            .get(index)
            .is_none_or(|start| !start.is_after(now))
    }

    #[inline]
    pub(super) fn start(&self, index: usize) -> Instant {
        self.starts.get(index).copied().unwrap_or(Instant::ALWAYS)
    }

    /// Returns the key at an offset, with its strings in the form of request attributes.
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

    /// Returns the key at an offset, and the offset of the id that follows it.
    fn read_key(&self, key: u32) -> (Shape, [Option<&str>; 3], usize) {
        let mut offset = key as usize;
        let shape = Shape(self.strings.read_ascii(&mut offset));
        let strings = [target::TENANT, target::INDEX, target::PRINCIPAL]
            .map(|target| shape.has(target).then(|| self.strings.read(&mut offset)));
        (shape, strings, offset)
    }

    /// Returns the directive at an index.
    pub(super) fn get(&self, index: usize) -> Option<DirectiveRef<'_>> {
        let record = self.records.get(index)?;
        let (shape, [tenant, target_index, principal], mut id) = self.read_key(record.key);
        let decision = record.effects.decision();
        Some(DirectiveRef {
            id: self.strings.read(&mut id),
            tenant,
            index: target_index,
            principal,
            endpoint: shape.endpoint(),
            level: decision.level,
            sample_per_mille: record.sample_per_mille,
            starts_at: self.start(index).timestamp(),
            expires_at: record.expires.timestamp().unwrap_or(Timestamp::MIN),
            ring_buffer: decision.ring_buffer,
            capture: decision.capture,
        })
    }

    /// Whether this tenant is the only target of the key at an offset.
    #[inline(never)]
    pub(super) fn is_tenant(&self, key: u32, tenant: &str) -> bool {
        let mut offset = key as usize;
        self.strings.read_ascii(&mut offset) == target::TENANT
            && self.strings.is_next(&mut offset, tenant)
    }

    /// Whether the key at an offset has this shape and the strings of the request.
    //
    // This function is not inlined, because most lookups find no entry and inlining would cost the
    // lookup registers.
    #[inline(never)]
    pub(super) fn is_key(&self, key: u32, shape: Shape, attrs: &RequestAttrs<'_>) -> bool {
        let mut offset = key as usize;
        if self.strings.read_ascii(&mut offset) != shape.0 {
            return false;
        }
        let mut is =
            |bit: u8, string: &str| !shape.has(bit) || self.strings.is_next(&mut offset, string);
        is(target::TENANT, attrs.tenant.unwrap_or_default())
            && is(target::INDEX, attrs.index)
            && is(target::PRINCIPAL, attrs.principal)
    }
}

fn number(length: usize) -> Result<u32, Full> {
    u32::try_from(length).map_err(|_| Full)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn instants_have_the_order_of_timestamps_and_convert_back() {
        let around = |nanos: i128| {
            (-2..=2).filter_map(move |step| Timestamp::from_nanosecond(nanos + step).ok())
        };
        let second = 1_000_000_000;
        let mut timestamps = vec![Timestamp::MIN, Timestamp::MAX];
        for nanos in [0, second, -second, i64::MIN.into(), i64::MAX.into()] {
            timestamps.extend(around(nanos));
        }
        for &a in &timestamps {
            for &b in &timestamps {
                assert_eq!(Instant::of(a).cmp(&Instant::of(b)), a.cmp(&b), "{a} {b}");
            }
            assert_eq!(Instant::of(a).timestamp(), Some(a));
            assert!(Instant::ALWAYS < Instant::of(a));
        }
        assert_eq!(Instant::ALWAYS.timestamp(), None);
    }
}
