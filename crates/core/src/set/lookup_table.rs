//! The hash table that maps a key to its directives. A key is a combination of targets with their
//! values.
//!
//! Directives with the same key form a *group*. A single directive is stored in the table itself. A
//! group of several is a range of `members`. It contains first the *decisive* directives, which can
//! change a decision, and then the *superfluous* ones, which cannot. Both parts are sorted by
//! expiry, latest first, so an evaluation stops at the first expired directive.
//!
//! A directive is superfluous if another directive of its group starts no later, expires no
//! earlier, samples at least as many requests and has at least the same effects. As a result, an
//! evaluation reads at most one directive without a start for each combination of effects and
//! sample rate.

use std::cmp::Reverse;

use foldhash::fast::RandomState;
use hashbrown::HashTable;

use super::key_hash::{self, KeyHashes};
use super::packed_directives::{Instant, PackedDirectives, Record, Shape};
use super::packed_effects::Effects;
use crate::model::request::RequestAttrs;
use crate::model::sampling::ALWAYS;

/// The directives of a key.
#[derive(Clone, Copy, Debug)]
pub(super) enum Slot {
    /// The index of the only directive.
    Single(u32),
    /// The index of a group.
    Group(u32),
}

/// An entry of the hash table, in eight bytes: a slot and the offset of its key.
#[derive(Clone, Copy, Debug)]
struct Entry {
    key: u32,
    /// The index of a directive, or the index of a group with the bit `GROUP` set.
    bits: u32,
}

const GROUP: u32 = 1 << 31;

impl Entry {
    #[inline]
    fn slot(self) -> Slot {
        if self.bits & GROUP == 0 {
            Slot::Single(self.bits)
        } else {
            Slot::Group(self.bits & !GROUP)
        }
    }
}

/// The directives of one key, as ranges of `members`: those in `start..rest` are decisive, and
/// those in `rest..end` are superfluous.
#[derive(Clone, Copy, Debug, Default)]
struct Group {
    start: u32,
    rest: u32,
    end: u32,
}

#[derive(Debug)]
pub(super) struct LookupTable {
    pub(super) state: RandomState,
    entries: HashTable<Entry>,
    /// The latest expiry. From this instant, no directive applies.
    pub(super) last_expiry: Instant,
    /// The combinations of targets in use. Bit `n` is set if a key has the combination of targets
    /// with the number `n`.
    pub(super) combinations: u16,
    /// The directives of the key without targets.
    pub(super) wildcards: Option<Slot>,
    /// The targets that any key sets.
    pub(super) targets: u8,
    groups: Vec<Group>,
    members: Vec<u32>,
}

impl LookupTable {
    pub(super) fn build(directives: &PackedDirectives) -> Self {
        let mut table = Self {
            state: RandomState::default(),
            entries: HashTable::with_capacity(directives.len()),
            last_expiry: Instant::ALWAYS,
            combinations: 0,
            wildcards: None,
            targets: 0,
            groups: Vec::new(),
            members: Vec::new(),
        };
        let mut members = Vec::new();
        for (number, record) in (0..).zip(directives.records()) {
            // A directive with a sample rate of zero applies to no request.
            if record.sample_per_mille > 0 {
                table.last_expiry = table.last_expiry.max(record.expires);
                table.add(directives, number, &mut members);
            }
        }
        table.shrink_to_fit(directives);
        table.order_members(directives, members);
        let attrs = RequestAttrs::default();
        let shape = Shape::new(0, attrs.endpoint);
        let hash = KeyHashes::default().of_shape(shape);
        table.wildcards = table.find(directives, hash, shape, &attrs);
        table
    }

    /// Adds a directive to the table. Also adds it to `members` if another directive has the same
    /// key.
    fn add(&mut self, directives: &PackedDirectives, number: u32, members: &mut Vec<Member>) {
        let key = directives.records()[number as usize].key;
        let (shape, attrs) = directives.key(key);
        self.combinations |= 1 << shape.targets();
        self.targets |= shape.targets();
        let hash = KeyHashes::new(&self.state, shape.targets(), &attrs).of_shape(shape);
        let found = self
            .entries
            .find_mut(hash, |entry| directives.is_key(entry.key, shape, &attrs));
        let Some(entry) = found else {
            let entry = Entry { key, bits: number };
            let rehash = |entry: &Entry| rehash(&self.state, directives, *entry);
            self.entries.insert_unique(hash, entry, rehash);
            return;
        };
        let group = match entry.slot() {
            Slot::Group(group) => group,
            Slot::Single(first) => {
                let group = index_of(self.groups.len());
                self.groups.push(Group::default());
                members.push(Member {
                    group,
                    number: first,
                });
                entry.bits = group | GROUP;
                group
            }
        };
        members.push(Member { group, number });
    }

    /// Frees the capacity that is not needed because directives share keys.
    fn shrink_to_fit(&mut self, directives: &PackedDirectives) {
        let state = &self.state;
        self.entries
            .shrink_to_fit(|entry| rehash(state, directives, *entry));
    }

    fn order_members(&mut self, directives: &PackedDirectives, mut members: Vec<Member>) {
        let record = |member: &Member| directives.records()[member.number as usize];
        members.sort_unstable_by_key(|member| {
            let expires = record(member).expires;
            (member.group, Reverse(expires), member.number)
        });
        self.members.reserve_exact(members.len());
        self.groups.shrink_to_fit();
        let mut superfluous = Vec::new();
        for group in members.chunk_by(|a, b| a.group == b.group) {
            let mut admitted = Admitted::default();
            let start = index_of(self.members.len());
            for member in group {
                let start = directives.start(member.number as usize);
                if admitted.covers(&record(member), start) {
                    superfluous.push(member.number);
                } else {
                    self.members.push(member.number);
                }
            }
            let rest = index_of(self.members.len());
            self.members.append(&mut superfluous);
            let end = index_of(self.members.len());
            let of = &mut self.groups[group[0].group as usize];
            (of.start, of.rest, of.end) = (start, rest, end);
        }
    }

    /// Returns the slot of the key that consists of a shape and the strings of a request.
    #[inline]
    pub(super) fn find(
        &self,
        directives: &PackedDirectives,
        hash: u64,
        shape: Shape,
        attrs: &RequestAttrs<'_>,
    ) -> Option<Slot> {
        let found = self
            .entries
            .find(hash, |entry| directives.is_key(entry.key, shape, attrs));
        found.map(|entry| entry.slot())
    }

    /// Returns the slot of the key whose only target is this tenant.
    #[inline]
    pub(super) fn find_tenant(&self, directives: &PackedDirectives, tenant: &str) -> Option<Slot> {
        let hash = key_hash::of_string(&self.state, tenant);
        let found = self
            .entries
            .find(hash, |entry| directives.is_tenant(entry.key, tenant));
        found.map(|entry| entry.slot())
    }

    /// Returns the decisive and the superfluous members of a group.
    #[inline]
    pub(super) fn members(&self, group: u32) -> [&[u32]; 2] {
        let group = &self.groups[group as usize];
        let range = |start: u32, end: u32| &self.members[start as usize..end as usize];
        [range(group.start, group.rest), range(group.rest, group.end)]
    }
}

/// A directive that belongs to a group.
struct Member {
    group: u32,
    number: u32,
}

fn rehash(state: &RandomState, directives: &PackedDirectives, entry: Entry) -> u64 {
    let (shape, attrs) = directives.key(entry.key);
    KeyHashes::new(state, shape.targets(), &attrs).of_shape(shape)
}

/// Converts a length, which never exceeds the number of directives.
fn index_of(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}

/// The decisive members of a group so far. For each combination of effects, it stores the sample
/// rate and the start of the last member.
#[derive(Default)]
struct Admitted([Option<(u16, Instant)>; Effects::COUNT]);

impl Admitted {
    /// Whether an admitted member makes this directive superfluous. If not, the directive is
    /// admitted.
    fn covers(&mut self, record: &Record, start: Instant) -> bool {
        let rate = record.sample_per_mille.min(ALWAYS);
        let is_covered = Effects::all().zip(self.0).any(|(effects, admitted)| {
            effects.covers(record.effects)
                && admitted.is_some_and(|(other, since)| other >= rate && since <= start)
        });
        if !is_covered {
            self.0[record.effects.number()] = Some((rate, start));
        }
        is_covered
    }
}
