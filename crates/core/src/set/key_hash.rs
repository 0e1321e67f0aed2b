//! Hashes the keys of the lookup table. Each string is hashed once, and its hash is combined for
//! every key that contains it.

use std::hash::{BuildHasher, Hasher};

use foldhash::fast::RandomState;

use super::packed_directives::{Shape, target};
use crate::model::request::RequestAttrs;

/// The hashes of a request's strings. The hash is zero if no key contains such a string.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct KeyHashes {
    tenant: u64,
    index: u64,
    principal: u64,
}

impl KeyHashes {
    #[expect(
        clippy::inline_always,
        reason = "a call would cost as much as the body"
    )]
    #[inline(always)]
    pub(super) fn new(state: &RandomState, targets: u8, attrs: &RequestAttrs<'_>) -> Self {
        let hash = |string| of_string(state, string);
        let mut hashes = Self::default();
        if targets & target::TENANT != 0 {
            hashes.tenant = hash(attrs.tenant.unwrap_or_default());
        }
        // The hash is rotated, so that the same string has another hash as another target.
        if targets & target::INDEX != 0 {
            hashes.index = hash(attrs.index).rotate_left(21);
        }
        if targets & target::PRINCIPAL != 0 {
            hashes.principal = hash(attrs.principal).rotate_left(42);
        }
        hashes
    }

    /// Returns the hash of the key with this shape.
    #[inline]
    pub(super) fn of_shape(&self, shape: Shape) -> u64 {
        let only = |bit: u8, hash: u64| if shape.has(bit) { hash } else { 0 };
        u64::from(shape.endpoint_bits()).wrapping_mul(0x9e37_79b9_7f4a_7c15)
            ^ only(target::TENANT, self.tenant)
            ^ only(target::INDEX, self.index)
            ^ only(target::PRINCIPAL, self.principal)
    }
}

/// Returns the hash of a string. It is also the hash of the key whose only target is a tenant with
/// this name.
#[inline]
pub(super) fn of_string(state: &RandomState, string: &str) -> u64 {
    let mut hasher = state.build_hasher();
    hasher.write(string.as_bytes());
    hasher.finish()
}
