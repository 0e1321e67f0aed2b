//! The decision about a request, and the rule that combines two decisions into one.

use std::ops::BitOr;

use serde::Serialize;

use crate::model::directive::{DiagLevel, DirectiveRef};

/// What a directive set decides about one request: the level, the ring buffer and capture.
///
/// The operator `|` combines two decisions about the same request, for example about two indices in
/// its path.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default, Serialize)]
#[non_exhaustive]
pub struct Decision {
    /// The highest level of the directives that apply to the request; `Off` if no directive
    /// applies.
    pub level: DiagLevel,
    /// Whether the ring buffer is requested by at least one of the directives that apply.
    pub ring_buffer: bool,
    /// Whether capture is requested by at least one of the directives that apply.
    pub capture: bool,
}

/// Combines two decisions, and takes the higher of their levels. The combined decision requests the
/// ring buffer or capture if at least one of the combined decisions does.
impl BitOr for Decision {
    type Output = Self;

    #[inline]
    fn bitor(self, other: Self) -> Self {
        Self {
            level: self.level.max(other.level),
            ring_buffer: self.ring_buffer | other.ring_buffer,
            capture: self.capture | other.capture,
        }
    }
}

/// A [`Decision`] with the ids of the directives that led to it.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize)]
#[non_exhaustive]
pub struct Explanation<'a> {
    /// The decision about the request.
    #[serde(flatten)]
    pub decision: Decision,
    /// The ids of the directives that apply to the request, in the order of the set.
    pub directives: Vec<&'a str>,
}

/// The level, the ring buffer and capture of a [`Decision`] in one byte. The level with the number
/// `n` is stored as the `n` lowest bits of the byte. With this encoding, a bitwise *or* combines
/// the effects of two directives without comparing their levels.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Effects(u8);

const LEVEL_BITS: usize = DiagLevel::ALL.len() - 1;
// `Effects::decision` supports exactly four levels of diagnostics.
const _: () = assert!(LEVEL_BITS == 3);
const RING_BUFFER: u8 = 1 << LEVEL_BITS;
const CAPTURE: u8 = RING_BUFFER << 1;

impl Effects {
    /// Returns the level, the ring buffer and capture of one directive as one byte.
    pub(super) fn of(directive: DirectiveRef<'_>) -> Self {
        let flag = |is_set: bool, bit: u8| if is_set { bit } else { 0 };
        let level = (1 << directive.level as u8) - 1;
        Self(level | flag(directive.ring_buffer, RING_BUFFER) | flag(directive.capture, CAPTURE))
    }

    #[inline]
    pub(super) fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Returns true if `self` contains all effects of `other`.
    #[inline]
    pub(super) fn covers(self, other: Self) -> bool {
        self.and(other) == self
    }

    #[inline]
    pub(super) fn decision(self) -> Decision {
        Decision {
            level: match (self.0 & (RING_BUFFER - 1)).count_ones() {
                0 => DiagLevel::Off,
                1 => DiagLevel::Shape,
                2 => DiagLevel::ShapeTiming,
                _ => DiagLevel::ShapeRewriteDiff,
            },
            ring_buffer: self.0 & RING_BUFFER != 0,
            capture: self.0 & CAPTURE != 0,
        }
    }
}
