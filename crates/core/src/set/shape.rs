//! The shape of a directive: which target fields the directive uses.

use crate::model::directive::DirectiveRef;
use crate::model::request::EndpointKind;

/// One bit for each target field, from which bit masks of target fields are composed.
pub(super) mod target {
    pub(in super::super) const TENANT: u8 = 1;
    pub(in super::super) const INDEX: u8 = 2;
    pub(in super::super) const PRINCIPAL: u8 = 4;
    pub(in super::super) const ENDPOINT: u8 = 8;
}

/// The combination of target fields that a directive uses, and the value of the target `endpoint`.
/// The shape and the strings of the directive's targets together form its key.
///
/// A shape has only seven bits, so that the string arena can store it as an ASCII character. Three
/// bits of a shape state whether the directive targets a tenant, an index and a principal. The
/// other four bits of a shape contain the endpoint, or zero if the directive targets no endpoint.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Shape(u8);

const ENDPOINT_SHIFT: u32 = 3;
const _: () = assert!(EndpointKind::ALL.len() < 1 << 4);

impl Shape {
    /// The shape of a directive that has no targets.
    pub(super) const ANY: Self = Self(0);
    /// The shape of a directive that targets only a tenant.
    pub(super) const TENANT: Self = Self(target::TENANT);

    /// Creates the shape of a directive that uses the target fields in the bit mask `targets`. The
    /// shape contains `endpoint` only if the bit mask contains the bit of the endpoint.
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

    pub(super) fn targets(self) -> u8 {
        let endpoint = self.endpoint().map_or(0, |_| target::ENDPOINT);
        self.0 & 0b111 | endpoint
    }

    #[inline]
    pub(super) fn endpoint(self) -> Option<EndpointKind> {
        let number = usize::from(self.0 >> ENDPOINT_SHIFT).checked_sub(1)?;
        EndpointKind::ALL.get(number).copied()
    }

    /// Returns true if the directive with this shape has the given target. The argument `target`
    /// must be the bit of the tenant, the index or the principal.
    #[inline]
    pub(super) fn has(self, target: u8) -> bool {
        self.0 & target != 0
    }

    /// Converts the bits that [`bits`](Self::bits) has returned back to the shape.
    #[inline]
    pub(super) fn from_bits(bits: u8) -> Self {
        Self(bits)
    }

    /// Returns all bits of the shape, so that the string arena can store them and a hash can
    /// include them.
    #[inline]
    pub(super) fn bits(self) -> u8 {
        self.0
    }
}
