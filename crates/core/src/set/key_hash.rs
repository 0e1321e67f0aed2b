//! Hashes the keys of the lookup table: each string of a request or directive once, combined for
//! each shape.

use std::hash::{BuildHasher, Hasher};

use foldhash::fast::RandomState;

use super::packed_directives::{Shape, target};
use crate::model::request::RequestAttrs;

/// The hashes of a request's strings; zero for a string that no key contains. Each string is hashed
/// once, however many shapes are looked up.
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
        // Rotated, so that the same string has another hash as another target.
        if targets & target::INDEX != 0 {
            hashes.index = hash(attrs.index).rotate_left(21);
        }
        if targets & target::PRINCIPAL != 0 {
            hashes.principal = hash(attrs.principal).rotate_left(42);
        }
        hashes
    }

    /// The hash of the key of this shape.
    #[inline]
    pub(super) fn of_shape(&self, shape: Shape) -> u64 {
        let only = |bit: u8, hash: u64| if shape.has(bit) { hash } else { 0 };
        u64::from(shape.endpoint_bits()).wrapping_mul(0x9e37_79b9_7f4a_7c15)
            ^ only(target::TENANT, self.tenant)
            ^ only(target::INDEX, self.index)
            ^ only(target::PRINCIPAL, self.principal)
    }
}

/// The hash of a string, which is also the hash of the key that consists of this tenant alone.
#[inline]
pub(super) fn of_string(state: &RandomState, string: &str) -> u64 {
    let mut hasher = state.build_hasher();
    hasher.write(string.as_bytes());
    hasher.finish()
}
