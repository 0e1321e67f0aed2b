//! A hash table that finds the directives with the same targets as a request. The key of a
//! directive consists of the target fields that it uses, and their values.
//!
//! The table stores the index of the first directive of each key, and each directive stores the
//! index of the next directive with the same key. A *decisive* directive can change a decision, and
//! a *superfluous* directive cannot. In the list of each key, the decisive directives precede the
//! superfluous ones. The decisive directives of a key are sorted by expiry, latest first, and so
//! are the superfluous ones. An evaluation that counts no matches stops at the first directive of
//! the list that has expired or is superfluous.
//!
//! A directive is superfluous if another directive with the same key covers it. A directive covers
//! another one if it does not start later or expire earlier, samples at least as many requests, and
//! has at least the same effects. For example, if several directives have the same key, effects and
//! sample rate and no start, an evaluation reads only the one that expires last.

use std::cmp::Reverse;
use std::hash::{BuildHasher, Hasher};

use foldhash::fast::RandomState;

use super::decision::Effects;
use super::instant::{ALWAYS, Instant};
use super::packed_directives::{Full, PackedDirectives};
use super::shape::{Shape, target};
use super::sorted_hash_table::SortedSlots;
use crate::model::request::RequestAttrs;
use crate::model::sampling;

/// Marks the end of a list of directives with the same key.
pub(super) const END: u32 = u32::MAX;

#[derive(Debug)]
pub(super) struct LookupTable {
    state: RandomState,
    /// The index of the first directive of each key.
    slots: SortedSlots,
    /// The latest expiry of all directives in the table. No directive of the table applies from the
    /// last expiry on.
    pub(super) last_expiry: Instant,
    /// A bit mask of the combinations of target fields that the directives use. Bit `n` of the mask
    /// is set if at least one directive uses the combination with the number `n`.
    pub(super) combinations: u16,
    /// The index of the first directive that has no targets.
    pub(super) wildcards: Option<u32>,
}

impl LookupTable {
    /// Builds the hash table, and links the directives that have the same key.
    pub(super) fn build(directives: &mut PackedDirectives) -> Result<Self, Full> {
        let mut table = Self {
            state: RandomState::default(),
            slots: SortedSlots::new(directives.len()),
            last_expiry: ALWAYS,
            combinations: 0,
            wildcards: None,
        };
        for number in 0..u32::try_from(directives.len()).map_err(|_| Full)? {
            table.add(directives, number);
        }
        table
            .slots
            .replace_each(|first| match directives.records[first as usize].next {
                END => first,
                _ => order(directives, first),
            });
        table.wildcards = table.find(directives, Shape::ANY, &RequestAttrs::default());
        Ok(table)
    }

    /// Adds a directive at the front of the list of directives with the same key.
    fn add(&mut self, directives: &mut PackedDirectives, number: u32) {
        let record = directives.records[number as usize];
        // A directive with a sample rate of zero applies to no request, so the table omits it.
        if record.sample_per_mille == 0 {
            return;
        }
        self.last_expiry = self.last_expiry.max(record.expires());
        let (shape, attrs) = directives.key(record.key);
        self.combinations |= 1 << shape.targets();
        let hash = hash(&self.state, shape, &attrs);
        let is_key = |first| directives.is_key(first, shape, &attrs);
        let next = (self.slots.insert(hash, number, is_key)).unwrap_or(END);
        let record = &mut directives.records[number as usize];
        // The record of a directive in a patched set still contains values of the previous set, so
        // both `next` and `is_superfluous` are overwritten.
        (record.next, record.is_superfluous) = (next, false);
    }

    /// Returns the index of the first directive that uses the target fields in `shape` and has the
    /// request's values in these fields.
    #[expect(clippy::inline_always, reason = "the shape is often a constant")]
    #[inline(always)]
    pub(super) fn find(
        &self,
        directives: &PackedDirectives,
        shape: Shape,
        attrs: &RequestAttrs<'_>,
    ) -> Option<u32> {
        let is_key = |first| directives.is_key(first, shape, attrs);
        self.slots.find(hash(&self.state, shape, attrs), is_key)
    }
}

/// Returns the indices of `first` and of all later directives with the same key.
#[inline]
pub(super) fn chain(directives: &PackedDirectives, first: u32) -> impl Iterator<Item = usize> {
    let mut next = first;
    std::iter::from_fn(move || {
        let number = next as usize;
        next = directives.records.get(number)?.next;
        Some(number)
    })
}

/// Returns the hash of a key, that is, of target fields and their values.
#[expect(clippy::inline_always, reason = "the shape is often a constant")]
#[inline(always)]
fn hash(state: &RandomState, shape: Shape, attrs: &RequestAttrs<'_>) -> u64 {
    let mut hasher = state.build_hasher();
    let mut write = |target: u8, string: &str| {
        if shape.has(target) {
            hasher.write(string.as_bytes());
        }
    };
    write(target::TENANT, attrs.tenant.unwrap_or_default());
    write(target::INDEX, attrs.index);
    write(target::PRINCIPAL, attrs.principal);
    hasher.finish() ^ u64::from(shape.bits()).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

/// Sorts the directives with one key into the order in which an evaluation reads them, and returns
/// the index of the first directive.
fn order(directives: &mut PackedDirectives, first: u32) -> u32 {
    let mut numbers: Vec<usize> = chain(directives, first).collect();
    let expires = |number: usize| directives.records[number].expires();
    numbers.sort_unstable_by_key(|&number| (Reverse(expires(number)), number));
    let mut admitted = Admitted::default();
    for &number in &numbers {
        directives.records[number].is_superfluous = !admitted.admit(directives, number);
    }
    numbers.sort_by_key(|&number| directives.records[number].is_superfluous);
    let mut next = END;
    for &number in numbers.iter().rev() {
        directives.records[number].next = std::mem::replace(&mut next, index_of(number));
    }
    next
}

/// The effects, the sample rate and the start of each decisive directive with one key. If several
/// decisive directives have the same effects, only the most recently added one is stored.
#[derive(Default)]
struct Admitted(Vec<(Effects, u16, Instant)>);

impl Admitted {
    /// Adds a directive and returns true, unless the directive is superfluous. The caller must pass
    /// the directives of a key in the order of their expiry, latest first.
    fn admit(&mut self, directives: &PackedDirectives, number: usize) -> bool {
        let record = &directives.records[number];
        let (effects, start) = (record.effects, directives.start(number));
        let rate = record.sample_per_mille.min(sampling::ALWAYS);
        let is_superfluous = self.0.iter().any(|&(of_other, rate_of_other, since)| {
            of_other.covers(effects) && rate_of_other >= rate && since <= start
        });
        if !is_superfluous {
            self.0.retain(|(of_other, ..)| *of_other != effects);
            self.0.push((effects, rate, start));
        }
        !is_superfluous
    }
}

/// Converts the index of a directive to a `u32`. The conversion cannot fail, because `build` has
/// checked that every index is below `END`.
fn index_of(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(END)
}
