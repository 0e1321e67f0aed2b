//! The hash table that maps a key to its directives. A key is a combination of targets with their
//! values.
//!
//! For each key, the table contains the index of the first directive, and each directive contains
//! the index of the next directive with the same key. *Decisive* directives can change a decision,
//! and *superfluous* directives cannot. The decisive directives of a key precede its superfluous
//! directives. The decisive directives of a key are sorted by expiry, latest first, and so are its
//! superfluous directives. So an evaluation that counts no matches can stop at the first directive
//! that has expired or is superfluous.
//!
//! A directive is superfluous if another directive with the same key covers it: the other directive
//! does not start later, does not expire earlier, samples at least as many requests and has at
//! least the same effects. If several directives of a key have no start, the same effects and the
//! same sample rate, all except one of them are superfluous, so an evaluation reads only one of
//! them.

use std::cmp::Reverse;
use std::hash::{BuildHasher, Hasher};

use foldhash::fast::RandomState;

use super::decision::Effects;
use super::packed_directives::{ALWAYS, Full, Instant, PackedDirectives, Shape, target};
use super::sorted_hash_table::SortedSlots;
use crate::model::request::RequestAttrs;
use crate::model::sampling;

/// Marks the end of the list of directives with the same key.
pub(super) const END: u32 = u32::MAX;

#[derive(Debug)]
pub(super) struct LookupTable {
    state: RandomState,
    /// For each key, the index of the first directive with this key.
    slots: SortedSlots,
    /// The latest expiry of all directives. From the last expiry on, no directive of the table
    /// applies any more.
    pub(super) last_expiry: Instant,
    /// The combinations of targets in use. Bit `n` is set if a key has the combination of targets
    /// with the number `n`.
    pub(super) combinations: u16,
    /// The index of the first directive without targets.
    pub(super) wildcards: Option<u32>,
}

impl LookupTable {
    /// Builds the table, and links the directives that have the same key.
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

    /// Adds a directive in front of the other directives with the same key.
    fn add(&mut self, directives: &mut PackedDirectives, number: u32) {
        let record = directives.records[number as usize];
        // A directive with a sample rate of zero applies to no request.
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
        // In a patched set, the record still contains the values of the previous set, so the code
        // overwrites both `next` and `is_superfluous`.
        (record.next, record.is_superfluous) = (next, false);
    }

    /// Returns the index of the first directive whose key has the given shape (set of targets) and
    /// the strings of the request.
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

/// Returns the indices of the directives with the same key, beginning with `first`.
#[inline]
pub(super) fn chain(directives: &PackedDirectives, first: u32) -> impl Iterator<Item = usize> {
    let mut next = first;
    std::iter::from_fn(move || {
        let number = next as usize;
        next = directives.records.get(number)?.next;
        Some(number)
    })
}

/// Returns the hash of a key.
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

/// Sorts the directives of one key into the order in which an evaluation reads them, and returns
/// the index of the first one.
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

/// The effects, the sample rate and the start of the decisive directives with one key. If several
/// decisive directives have the same effects, only the directive that was admitted last is stored.
#[derive(Default)]
struct Admitted(Vec<(Effects, u16, Instant)>);

impl Admitted {
    /// Adds a directive, unless it is superfluous. The caller must pass the directives in the order
    /// of their expiry, latest first.
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

/// Converts the index of a directive to a `u32`. `build` has checked that every index is below
/// `END`.
fn index_of(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(END)
}
