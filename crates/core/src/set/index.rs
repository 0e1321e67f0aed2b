//! The table that finds the directives for a request.
//!
//! Directives that target the same texts and endpoint form a *group*; the table maps
//! the hash of these to the group. A group of one directive that starts at once is
//! just its record. A larger one lists the directives that can decide something, as
//! *entries*, latest expiry first, so that the first expired one ends the list.
//!
//! A directive can decide nothing when it asks for nothing or samples nobody, or
//! when another of its group that starts at once asks for at least as much, of at
//! least as many requests, for at least as long. So among the directives of a group
//! that start at once, at most one is looked at for each ask and rate, however many
//! there are.

use super::builder::Beside;
use super::compiled::{find, places};
use super::effects::Ask;
use super::filter::Filter;
use super::hash::TextHasher;
use super::packed::{Nanos, Record, Targets, target};
use super::small_set::Few;
use super::string_arena::Texts;
use super::table::Table;
use crate::model::request::{EndpointKind, RequestAttrs};
use crate::model::sampling::ALWAYS;

/// What the table gives: the number of a record, or with the top bit that of a group.
#[derive(Clone, Copy, Debug)]
pub(super) struct Slot(u32);

impl Slot {
    pub(super) const GROUP: u32 = 1 << 31;

    #[inline]
    pub(super) fn from_bits(bits: u32) -> Self {
        Self(bits)
    }

    #[inline]
    pub(super) fn bits(self) -> u32 {
        self.0
    }

    #[inline]
    pub(super) fn group(self) -> Option<u32> {
        (self.0 & Self::GROUP != 0).then_some(self.0 & !Self::GROUP)
    }

    /// The number of the record; of a group one that no record has.
    #[inline]
    pub(super) fn alone(self) -> usize {
        self.0 as usize
    }

    /// The record, or one of the group.
    #[inline]
    pub(super) fn record(self, groups: &[Group]) -> u32 {
        match self.group() {
            Some(group) => groups[group as usize].first,
            None => self.0,
        }
    }
}

/// Several directives of the same key, or one that has a start.
#[derive(Clone, Copy, Debug)]
pub(super) struct Group {
    /// A record of the group, for its key.
    first: u32,
    start: u32,
    end: u32,
}

/// A directive of a group that can decide something.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entry {
    pub(super) starts: Nanos,
    pub(super) expires: Nanos,
    pub(super) sample_per_mille: u16,
    pub(super) ask: Ask,
}

/// The table, and what it leads to. What most requests need comes first, in a cache line.
#[derive(Debug)]
#[repr(C, align(64))]
pub(super) struct Index {
    /// From 1970 until before this second, a request is evaluated the shortest way:
    /// every directive targets a tenant and nothing else, the most frequent sets. Nought
    /// where that is not so.
    pub(super) shortly_before: u64,
    pub(super) hasher: TextHasher,
    /// The directives, if there are few.
    pub(super) few: Few,
    /// Which keys the table surely does not have.
    pub(super) filter: Filter,
    pub(super) table: Table,
    /// From this instant on nothing applies any more.
    pub(super) last_expiry: Nanos,
    pub(super) only_tenants: bool,
    /// Whether there are directives that no key leads to: those that target every
    /// request, and those beyond the room of the compact form.
    pub(super) has_unkeyed: bool,
    /// The combinations of targets in use, but for the one without any: bit `n` is
    /// set if some directive sets the targets `n`.
    pub(super) combinations: u16,
    /// The targets that any directive sets.
    pub(super) targets: u32,
    pub(super) groups: Box<[Group]>,
    pub(super) entries: Box<[Entry]>,
    /// How many entries, from the first on, target every request.
    wildcards: u32,
}

impl Index {
    /// The entries of the directives that target every request.
    #[inline]
    pub(super) fn wildcards(&self) -> &[Entry] {
        &self.entries[..self.wildcards as usize]
    }

    /// The entries of a group.
    #[inline]
    pub(super) fn entries(&self, group: u32) -> &[Entry] {
        let Group { start, end, .. } = self.groups[group as usize];
        &self.entries[start as usize..end as usize]
    }

    pub(super) fn build(
        hasher: TextHasher,
        records: &[Record],
        texts: &Texts,
        targets: &[Targets],
        beside: &Beside,
    ) -> Self {
        let hash = |number: u32| {
            let record = &records[number as usize];
            let [tenant, index, principal] = places(record, targets);
            let shape = record.shape();
            let text = |bit, place| if shape.has(bit) { texts.get(place) } else { "" };
            let attrs = RequestAttrs {
                tenant: Some(text(target::TENANT, tenant)),
                index: text(target::INDEX, index),
                principal: text(target::PRINCIPAL, principal),
                endpoint: shape.endpoint().unwrap_or(EndpointKind::Unknown),
            };
            hasher.attributes(shape.targets(), &attrs).of_shape(shape)
        };
        let mut grouping = Grouping::of_at_most(records.len());
        let mut last_expiry = Nanos::MIN;
        for (number, record) in (0..).zip(records) {
            if record.is_decisive() {
                last_expiry = last_expiry.max(record.expires());
                grouping.add(number, records, hash);
            }
        }
        grouping.fit(hash);
        for directive in &beside.overflow {
            last_expiry = last_expiry.max(Nanos::of(directive.expires_at));
        }
        let Grouping {
            combinations,
            keys: _,
            filter,
            table,
            mut groups,
            mut members,
        } = grouping;

        let entry = |number: u32| Entry {
            starts: if records[number as usize].is_scheduled() {
                find(&beside.starts, number as usize).map_or(Nanos::MIN, Nanos::of)
            } else {
                Nanos::MIN
            },
            expires: records[number as usize].expires(),
            sample_per_mille: records[number as usize].sample_per_mille().min(ALWAYS),
            ask: records[number as usize].ask(),
        };
        // Unstable sorts need no memory; the number of the record makes it one order.
        members.sort_unstable_by_key(|member| {
            let expires = records[member.record as usize].expires();
            (member.group, std::cmp::Reverse(expires), member.record)
        });
        let mut entries = Vec::new();
        let mut wildcards = 0;
        for members in members.chunk_by(|a, b| a.group == b.group) {
            let start = number_of(entries.len());
            let mut frontier = Frontier::default();
            entries.extend(
                members
                    .iter()
                    .map(|member| entry(member.record))
                    .filter(|entry| frontier.admits(entry)),
            );
            let end = number_of(entries.len());
            match members[0].group {
                WILDCARDS => wildcards = end,
                group => {
                    let group = &mut groups[group as usize - 1];
                    (group.start, group.end) = (start, end);
                }
            }
        }
        let has_unkeyed = wildcards > 0 || !beside.overflow.is_empty();
        let only_tenants = combinations == 1 << target::TENANT && !has_unkeyed;
        let few = (only_tenants && groups.is_empty())
            .then(|| Few::of(records, texts))
            .flatten();
        Self {
            shortly_before: if only_tenants {
                last_expiry.next_second()
            } else {
                0
            },
            few: few.unwrap_or_default(),
            combinations,
            only_tenants,
            targets: (0..16)
                .filter(|targets| combinations & (1 << targets) != 0)
                .fold(0, |all, targets| all | targets),
            hasher,
            last_expiry,
            filter,
            table,
            groups: groups.into_boxed_slice(),
            entries: entries.into_boxed_slice(),
            has_unkeyed,
            wildcards,
        }
    }
}

/// A directive that belongs to a group.
#[derive(Clone, Copy)]
struct Member {
    /// [`WILDCARDS`], or one more than the number of the group.
    group: u32,
    record: u32,
}

const WILDCARDS: u32 = 0;

/// The table and the filter while they grow.
struct Grouping {
    combinations: u16,
    keys: usize,
    filter: Filter,
    table: Table,
    groups: Vec<Group>,
    members: Vec<Member>,
}

impl Grouping {
    fn of_at_most(records: usize) -> Self {
        Self {
            combinations: 0,
            keys: 0,
            filter: Filter::for_keys(records),
            table: Table::for_keys(records, records),
            groups: Vec::new(),
            members: Vec::new(),
        }
    }

    fn add(&mut self, number: u32, records: &[Record], hash: impl Fn(u32) -> u64) {
        let record = &records[number as usize];
        if record.shape().targets() == 0 {
            self.members.push(Member {
                group: WILDCARDS,
                record: number,
            });
            return;
        }
        self.combinations |= 1 << record.shape().targets();
        let Self {
            table,
            groups,
            members,
            ..
        } = self;
        let hash = hash(number);
        let same = |slot: Slot| {
            let other = &records[slot.record(groups) as usize];
            (other.shape() == record.shape() && other.key == record.key).then_some(slot)
        };
        let Some(slot) = table.find(hash, |slot, _| same(slot)) else {
            let slot = if record.is_scheduled() {
                new_group(groups, members, number)
            } else {
                Slot(number)
            };
            table.add(hash, slot, record.key);
            self.filter.add(hash);
            self.keys += 1;
            return;
        };
        let group = slot.group().unwrap_or_else(|| {
            let group = new_group(groups, members, slot.0);
            table.replace(hash, slot, group);
            group.0 & !Slot::GROUP
        });
        members.push(Member {
            group: group + 1,
            record: number,
        });
    }

    /// Gives back the memory that was for more keys than there are.
    fn fit(&mut self, hash: impl Fn(u32) -> u64) {
        let records = self.table.room();
        if self.keys > records / 4 * 3 {
            return;
        }
        self.filter = Filter::for_keys(self.keys);
        let mut table = Table::for_keys(self.keys, records);
        for (slot, texts) in self.table.iter() {
            let hash = hash(slot.record(&self.groups));
            self.filter.add(hash);
            table.add(hash, slot, texts);
        }
        self.table = table;
    }
}

fn new_group(groups: &mut Vec<Group>, members: &mut Vec<Member>, first: u32) -> Slot {
    let group = number_of(groups.len());
    groups.push(Group {
        first,
        start: 0,
        end: 0,
    });
    members.push(Member {
        group: group + 1,
        record: first,
    });
    Slot(group | Slot::GROUP)
}

/// A length of something of which there is at most one a record, so below 2^31.
fn number_of(len: usize) -> u32 {
    u32::try_from(len).unwrap_or(u32::MAX)
}

/// What the admitted entries of a group that start at once ask for already: for each
/// ask the highest rate. The entries come latest expiry first.
#[derive(Default)]
struct Frontier {
    rates: [u16; Ask::COUNT],
}

impl Frontier {
    /// Whether the entry can decide something that the admitted ones do not.
    fn admits(&mut self, entry: &Entry) -> bool {
        let superfluous = (0..).zip(self.rates).any(|(bits, rate)| {
            rate >= entry.sample_per_mille && Ask::from_bits(bits).covers(entry.ask)
        });
        if !superfluous && entry.starts == Nanos::MIN {
            self.rates[usize::from(entry.ask.bits())] = entry.sample_per_mille;
        }
        !superfluous
    }
}
