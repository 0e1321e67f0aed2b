//! One directive in twenty bytes, beside its texts.

use jiff::Timestamp;

use super::effects::Ask;
use crate::model::directive::DirectiveRef;
use crate::model::request::EndpointKind;

/// Nanoseconds since 1970, saturating at both ends.
///
/// The order of two instants is the order of these, except that two different
/// instants beyond the same end (before 1677-09-21 or after 2262-04-11) look equal.
/// So a comparison with one that is not [`at_an_end`](Self::at_an_end) is exact.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct Nanos(i64);

impl Nanos {
    pub(super) const MIN: Self = Self(i64::MIN);

    /// For instants before this second since 1970 it is exact.
    pub(super) const SECONDS: u64 = (i64::MAX / 1_000_000_000).cast_unsigned();

    #[inline]
    pub(super) fn of(instant: Timestamp) -> Self {
        // Seconds and nanoseconds have the same sign, so neither step overflows
        // unless the result is out of range.
        let second = instant.as_second();
        let nanos = second
            .checked_mul(1_000_000_000)
            .and_then(|nanos| nanos.checked_add(i64::from(instant.subsec_nanosecond())));
        Self(nanos.unwrap_or(if second < 0 { i64::MIN } else { i64::MAX }))
    }

    /// The same, for an instant of which it is exact: one that is not within a second of
    /// an end, or beyond.
    #[inline]
    pub(super) fn exactly(instant: Timestamp) -> Option<Self> {
        const SECONDS: i64 = Nanos::SECONDS.cast_signed();
        let second = instant.as_second();
        if second <= -SECONDS || second >= SECONDS {
            return None;
        }
        Some(Self::wrapping(instant))
    }

    /// The same, for an instant of which [`exactly`](Self::exactly) has it; something else
    /// for others.
    #[inline]
    pub(super) fn wrapping(instant: Timestamp) -> Self {
        let nanos = instant.as_second().wrapping_mul(1_000_000_000);
        Self(nanos.wrapping_add(i64::from(instant.subsec_nanosecond())))
    }

    /// Before which second since 1970 all earlier instants are, of those that are
    /// [exact](Self::exactly).
    pub(super) fn next_second(self) -> u64 {
        let nanos = u64::try_from(self.0).unwrap_or_default();
        nanos.div_ceil(1_000_000_000).min(Self::SECONDS)
    }

    /// Whether it may stand for another instant than its own.
    #[inline]
    pub(super) fn at_an_end(self) -> bool {
        self.0 == i64::MIN || self.0 == i64::MAX
    }

    /// The instant; at an end, the last or first instant that there is.
    pub(super) fn instant(self) -> Timestamp {
        if self.at_an_end() {
            return if self.0 < 0 {
                Timestamp::MIN
            } else {
                Timestamp::MAX
            };
        }
        // Not an error: the whole range is one of instants.
        Timestamp::from_nanosecond(self.0.into()).unwrap_or(Timestamp::MAX)
    }
}

/// The targets that a directive sets, one bit each.
pub(super) mod target {
    pub(in super::super) const TENANT: u32 = 1;
    pub(in super::super) const INDEX: u32 = 2;
    pub(in super::super) const PRINCIPAL: u32 = 4;
    pub(in super::super) const ENDPOINT: u32 = 8;
    /// Those that are texts.
    pub(in super::super) const TEXTS: u32 = TENANT | INDEX | PRINCIPAL;
}

/// Which targets are set, and the endpoint if it is one: what two directives have
/// in common when they can be told apart by their texts alone.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Shape(u32);

impl Shape {
    const ENDPOINT_SHIFT: u32 = 4;
    const BITS: u32 = 0xff;

    /// `endpoint` counts only where `targets` has it.
    #[inline]
    pub(super) fn new(targets: u32, endpoint: EndpointKind) -> Self {
        if targets & target::ENDPOINT == 0 {
            Self(targets)
        } else {
            Self(targets | (endpoint as u32) << Self::ENDPOINT_SHIFT)
        }
    }

    pub(super) fn of(directive: DirectiveRef<'_>) -> Self {
        let mut targets = 0;
        if directive.tenant.is_some() {
            targets |= target::TENANT;
        }
        if directive.index.is_some() {
            targets |= target::INDEX;
        }
        if directive.principal.is_some() {
            targets |= target::PRINCIPAL;
        }
        if directive.endpoint.is_some() {
            targets |= target::ENDPOINT;
        }
        Self::new(targets, directive.endpoint.unwrap_or(EndpointKind::Unknown))
    }

    #[inline]
    pub(super) fn bits(self) -> u32 {
        self.0
    }

    #[inline]
    pub(super) fn targets(self) -> u32 {
        self.0 & 0xf
    }

    #[inline]
    pub(super) fn has(self, target: u32) -> bool {
        self.0 & target != 0
    }

    /// Nought if no endpoint is set, else a number for each.
    #[inline]
    pub(super) fn endpoint_bits(self) -> u32 {
        self.0 >> (Self::ENDPOINT_SHIFT - 1)
    }

    /// How many texts it sets.
    #[inline]
    pub(super) fn texts(self) -> u32 {
        (self.0 & target::TEXTS).count_ones()
    }

    pub(super) fn endpoint(self) -> Option<EndpointKind> {
        if !self.has(target::ENDPOINT) {
            return None;
        }
        EndpointKind::ALL
            .get((self.0 >> Self::ENDPOINT_SHIFT) as usize)
            .copied()
    }
}

/// One directive. Eight of its bytes are the expiry, which is therefore not aligned
/// to eight: four bytes a directive less.
#[derive(Clone, Copy, Debug)]
#[repr(C, packed(4))]
pub(super) struct Record {
    expires: i64,
    /// Ask in bits 0..4, shape in 4..12, `SCHEDULED` and `FAR`, sample in 16..32.
    facts: u32,
    /// The texts it targets: the place of the only one, or the number of its
    /// [`Targets`] when there are several, or nought. The same for the same texts.
    pub(super) key: u32,
    /// The place of its id.
    pub(super) id: u32,
}

/// It has a start, which the set keeps beside it.
const SCHEDULED: u32 = 1 << 12;
/// Its expiry is beyond the range of [`Nanos`], but not the last instant that there
/// is ("never"); the set keeps it beside the record.
const FAR: u32 = 1 << 13;

impl Record {
    pub(super) fn new(directive: DirectiveRef<'_>, key: u32, id: u32) -> Self {
        let expires = Nanos::of(directive.expires_at);
        let mut facts = u32::from(Ask::of(directive).bits())
            | Shape::of(directive).bits() << 4
            | u32::from(directive.sample_per_mille) << 16;
        if directive.starts_at.is_some() {
            facts |= SCHEDULED;
        }
        if expires.instant() != directive.expires_at {
            facts |= FAR;
        }
        Self {
            expires: expires.0,
            facts,
            key,
            id,
        }
    }

    #[inline]
    pub(super) fn expires(&self) -> Nanos {
        Nanos(self.expires)
    }

    #[inline]
    pub(super) fn ask(&self) -> Ask {
        Ask::from_bits((self.facts & 0xf) as u8)
    }

    /// Whether it asks for anything, of anybody.
    pub(super) fn is_decisive(&self) -> bool {
        self.ask() != Ask::NOTHING && self.sample_per_mille() > 0
    }

    /// What it asks for at an instant, unless it has a start.
    #[inline]
    pub(super) fn ask_at(&self, at: Nanos) -> Ask {
        if at < self.expires() {
            self.ask()
        } else {
            Ask::NOTHING
        }
    }

    #[inline]
    pub(super) fn shape(&self) -> Shape {
        Shape((self.facts >> 4) & Shape::BITS)
    }

    #[inline]
    pub(super) fn sample_per_mille(&self) -> u16 {
        (self.facts >> 16) as u16
    }

    pub(super) fn is_scheduled(&self) -> bool {
        self.facts & SCHEDULED != 0
    }

    pub(super) fn is_far(&self) -> bool {
        self.facts & FAR != 0
    }
}

/// The places of a directive's tenant, index and principal, or [`NOT_SET`].
pub(super) type Targets = [u32; 3];

/// The place of no text.
pub(super) const NOT_SET: u32 = u32::MAX;

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn a_record_is_twenty_bytes() {
        assert_eq!(size_of::<Record>(), 20);
    }

    #[test]
    fn nanos_keep_the_order_of_instants_and_are_exact_between_the_ends() {
        let around = |nanos: i128| {
            (-2..=2).filter_map(move |step| Timestamp::from_nanosecond(nanos + step).ok())
        };
        let mut instants = vec![Timestamp::MIN, Timestamp::MAX];
        instants.extend(around(0));
        instants.extend(around(1_000_000_000));
        instants.extend(around(-1_000_000_000));
        instants.extend(around(i64::MIN.into()));
        instants.extend(around(i64::MAX.into()));
        for &a in &instants {
            for &b in &instants {
                let (x, y) = (Nanos::of(a), Nanos::of(b));
                if !x.at_an_end() || !y.at_an_end() {
                    assert_eq!(x.cmp(&y), a.cmp(&b), "{a} and {b}");
                } else {
                    assert!(x == y || x.cmp(&y) == a.cmp(&b), "{a} and {b}");
                }
            }
            let nanos = Nanos::of(a);
            if i64::try_from(a.as_nanosecond())
                .is_ok_and(|nanos| nanos != i64::MIN && nanos != i64::MAX)
            {
                assert_eq!(nanos.instant(), a);
            } else {
                assert!([Timestamp::MIN, Timestamp::MAX].contains(&nanos.instant()));
            }
        }
    }
}
