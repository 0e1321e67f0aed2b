//! A simple read path, with which the benchmark compares the read path of this crate. The simple
//! read path loads a `hashbrown` table of directives from an `ArcSwap` through a guard.

use std::hash::BuildHasher as _;

use arc_swap::ArcSwap;
use foldhash::fast::RandomState;
use hashbrown::HashTable;
use jiff::Timestamp;
use opensearch_directives_core::{Decision, DiagnosticsDirective, EndpointKind, RequestAttrs};

/// The values of a directive's four targets: tenant, index, principal and endpoint.
type Key<'a> = (
    Option<&'a str>,
    Option<&'a str>,
    Option<&'a str>,
    Option<EndpointKind>,
);

fn key(directive: &DiagnosticsDirective) -> Key<'_> {
    let it = directive.as_ref();
    (it.tenant, it.index, it.principal, it.endpoint)
}

/// The baseline's set of directives, in which directives with the same target values form a group.
#[derive(Default)]
pub struct BaselineSet {
    hasher: RandomState,
    /// A bit mask of the combinations of target fields that the directives use. Bit `n` is set if
    /// at least one directive uses the combination number `n`.
    combinations: u16,
    groups: HashTable<Vec<DiagnosticsDirective>>,
}

impl BaselineSet {
    pub fn store(directives: &[DiagnosticsDirective]) -> ArcSwap<Self> {
        let mut set = Self::default();
        for directive in directives {
            let key_of = key(directive);
            set.combinations |= 1
                << (usize::from(key_of.0.is_some())
                    | usize::from(key_of.1.is_some()) << 1
                    | usize::from(key_of.2.is_some()) << 2
                    | usize::from(key_of.3.is_some()) << 3);
            let hasher = &set.hasher;
            set.groups
                .entry(
                    hasher.hash_one(key_of),
                    |group| key(&group[0]) == key_of,
                    |group| hasher.hash_one(key(&group[0])),
                )
                .or_insert_with(Vec::new)
                .into_mut()
                .push(directive.clone());
        }
        ArcSwap::from_pointee(set)
    }

    #[inline]
    pub fn evaluate(&self, attrs: &RequestAttrs<'_>, now: Timestamp, id: &str) -> Decision {
        let mut decision = Decision::default();
        let mut left = self.combinations;
        while left != 0 {
            let has = |bit: u32| left.trailing_zeros() & bit != 0;
            let key_of: Key<'_> = (
                attrs.tenant.filter(|_| has(1)),
                has(2).then_some(attrs.index),
                has(4).then_some(attrs.principal),
                has(8).then_some(attrs.endpoint),
            );
            left &= left - 1;
            let hash = self.hasher.hash_one(key_of);
            for directive in (self.groups)
                .find(hash, |group| key(&group[0]) == key_of)
                .into_iter()
                .flatten()
                .filter(|directive| directive.as_ref().applies(attrs, now, id))
            {
                decision.level = decision.level.max(directive.level);
                decision.ring_buffer |= directive.ring_buffer;
                decision.capture |= directive.capture;
            }
        }
        decision
    }
}
