//! Hashes of texts, under which the table knows its keys.

use std::hash::{BuildHasher, Hasher};

use foldhash::SharedSeed;
use foldhash::fast::{FoldHasher, RandomState};

use super::packed::{Shape, Targets, target};
use super::short_str::Short;
use crate::model::request::RequestAttrs;

/// Hashes texts with a seed of the set's own.
#[derive(Clone, Copy, Debug)]
pub(super) struct TextHasher {
    seed: u64,
    shared: &'static SharedSeed,
}

impl Default for TextHasher {
    fn default() -> Self {
        Self {
            seed: RandomState::default().build_hasher().finish(),
            shared: SharedSeed::global_random(),
        }
    }
}

impl TextHasher {
    #[inline]
    pub(super) fn text(&self, text: &str) -> u64 {
        if let Some(short) = Short::of(text) {
            return self.short(short);
        }
        let mut hasher = FoldHasher::with_seed(self.seed, self.shared);
        hasher.write(text.as_bytes());
        hasher.finish()
    }

    /// The hash of a short text, without a look at its length.
    #[inline]
    pub(super) fn short(&self, text: Short) -> u64 {
        let mut hasher = FoldHasher::with_seed(self.seed, self.shared);
        hasher.write_u128(text.bits());
        hasher.finish()
    }

    pub(super) fn places(&self, places: Targets) -> u64 {
        let mut hasher = FoldHasher::with_seed(self.seed, self.shared);
        for place in places {
            hasher.write_u32(place);
        }
        hasher.finish()
    }

    /// The hash of a tenant, which is that of the key when nothing else is targeted.
    #[inline]
    pub(super) fn tenant(&self, tenant: &str) -> u64 {
        self.text(tenant)
    }

    /// The hashes of the texts that `targets` has; nought for the others.
    //
    // One attribute after the other, each read on its own: a caller has just written
    // them word by word, and a copy of several words at once would have to wait for
    // these writes.
    #[expect(clippy::inline_always, reason = "a call costs as much as what it does")]
    #[inline(always)]
    pub(super) fn attributes(&self, targets: u32, attrs: &RequestAttrs<'_>) -> KeyHashes {
        // Turned, so that the same text as another target is another key.
        let mut hashes = KeyHashes::default();
        if targets & target::TENANT != 0 {
            hashes.tenant = self.tenant(attrs.tenant.unwrap_or_default());
        }
        if targets & target::INDEX != 0 {
            hashes.index = self.text(attrs.index).rotate_left(21);
        }
        if targets & target::PRINCIPAL != 0 {
            hashes.principal = self.text(attrs.principal).rotate_left(42);
        }
        hashes
    }
}

/// The hashes of a request's or directive's texts.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct KeyHashes {
    tenant: u64,
    index: u64,
    principal: u64,
}

impl KeyHashes {
    /// The hash under which the group of this shape and these texts stands. That of
    /// a single text is the text's own.
    #[expect(clippy::inline_always, reason = "a call costs as much as what it does")]
    #[inline(always)]
    pub(super) fn of_shape(&self, shape: Shape) -> u64 {
        // The endpoint is a part of the key.
        let salt = u64::from(shape.endpoint_bits()).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let only = |bit: u32, hash: u64| if shape.has(bit) { hash } else { 0 };
        salt ^ only(target::TENANT, self.tenant)
            ^ only(target::INDEX, self.index)
            ^ only(target::PRINCIPAL, self.principal)
    }
}
