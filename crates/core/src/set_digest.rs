//! A hash of all directives of a set, by which a program can tell whether two sets are equal. The
//! hash does not depend on the order of the directives. Two proxies with equal digests apply the
//! same directives.

use std::fmt;

use serde::{Serialize, Serializer};
use sha2::{Digest as _, Sha256};

use crate::hex::Hex;
use crate::model::directive::DirectiveRef;

/// A hash of the directives of a set.
///
/// Two sets with the same directives have the same digest. The digest does not depend on the order
/// of the directives. The digest is the sum, modulo 2^128, of the first 16 bytes of the SHA-256
/// hash of each directive. If one directive changes, the digest can therefore be updated without
/// reading the other directives. The digest tells *whether* two proxies have the same directives,
/// but does not protect against forged sets.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Digest(u128);

impl Digest {
    /// Returns the digest of a set that contains only the given directive.
    #[must_use]
    pub fn of(directive: DirectiveRef<'_>) -> Self {
        let mut hasher = Sha256::new();
        let mut update = |value: Option<&str>| match value {
            // The hash covers the length of each string before the string, so that no two different
            // directives have the same hashed bytes.
            Some(value) => {
                hasher.update([1]);
                hasher.update((value.len() as u64).to_be_bytes());
                hasher.update(value.as_bytes());
            }
            None => hasher.update([0]),
        };
        update(Some(directive.id));
        update(directive.tenant);
        update(directive.index);
        update(directive.principal);
        update(directive.endpoint.map(crate::EndpointKind::as_str));
        update(Some(directive.level.as_str()));
        hasher.update(directive.sample_per_mille.to_be_bytes());
        hasher.update([
            u8::from(directive.ring_buffer),
            u8::from(directive.capture),
            u8::from(directive.starts_at.is_some()),
        ]);
        for instant in [directive.starts_at, Some(directive.expires_at)]
            .into_iter()
            .flatten()
        {
            hasher.update(instant.as_nanosecond().to_be_bytes());
        }
        let mut first = [0; 16];
        first.copy_from_slice(&hasher.finalize()[..16]);
        Self(u128::from_be_bytes(first))
    }

    /// Returns the digest of the set to which the given directive was added.
    #[must_use]
    pub fn with(self, directive: DirectiveRef<'_>) -> Self {
        Self(self.0.wrapping_add(Self::of(directive).0))
    }

    /// Returns the digest of the set from which the given directive was removed.
    #[must_use]
    pub fn without(self, directive: DirectiveRef<'_>) -> Self {
        self.minus(Self::of(directive))
    }

    /// Returns the digest of the set from which all directives of another digest were removed.
    pub(crate) fn minus(self, other: Self) -> Self {
        Self(self.0.wrapping_sub(other.0))
    }
}

impl fmt::Display for Digest {
    /// Writes the digest as thirty-two lower-case hexadecimal digits.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Hex(&self.0.to_be_bytes()).fmt(f)
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Digest({self})")
    }
}

impl Serialize for Digest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::{DiagLevel, DiagnosticsDirective, DirectiveMatch, EndpointKind};

    fn base() -> DiagnosticsDirective {
        DiagnosticsDirective::new("d", DiagLevel::Shape, Timestamp::UNIX_EPOCH)
    }

    #[test]
    fn the_digest_depends_on_every_field_and_not_on_the_order() {
        let variants = [
            base(),
            DiagnosticsDirective::new("e", DiagLevel::Shape, Timestamp::UNIX_EPOCH),
            DiagnosticsDirective::new("d", DiagLevel::Off, Timestamp::UNIX_EPOCH),
            DiagnosticsDirective::new("d", DiagLevel::Shape, Timestamp::MAX),
            base().with_match(DirectiveMatch::all().for_tenant("t")),
            base().with_match(DirectiveMatch::all().for_index("t")),
            base().with_match(DirectiveMatch::all().for_principal("t")),
            base().with_match(DirectiveMatch::all().for_endpoint(EndpointKind::Search)),
            base().with_sample_per_mille(1),
            base().with_starts_at(Timestamp::UNIX_EPOCH),
            base().with_ring_buffer(true),
            base().with_capture(true),
        ];
        let digests: std::collections::HashSet<Digest> =
            variants.iter().map(|d| Digest::of(d.as_ref())).collect();
        assert_eq!(digests.len(), variants.len());

        let forward = variants
            .iter()
            .fold(Digest::default(), |sum, d| sum.with(d.as_ref()));
        let backward = variants
            .iter()
            .rev()
            .fold(Digest::default(), |sum, d| sum.with(d.as_ref()));
        assert_eq!(forward, backward);
        assert_eq!(
            forward
                .without(variants[0].as_ref())
                .with(variants[0].as_ref()),
            forward
        );
    }
}
