//! The effects of a directive (level, ring buffer, capture) in four bits, so that bit operations
//! can merge and compare them.

use super::Decision;
use crate::model::directive::{DiagLevel, DirectiveRef};

/// The two low bits contain the level. The next two bits are the ring buffer and capture.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Effects(u8);

impl Effects {
    /// The number of different values.
    pub(super) const COUNT: usize = 16;
    pub(super) const NONE: Self = Self(0);
    const LEVEL: u8 = 0b11;
    const RING_BUFFER: u8 = 0b100;
    const CAPTURE: u8 = 0b1000;

    pub(super) fn of(directive: DirectiveRef<'_>) -> Self {
        // The match is exhaustive, so a fifth level needs a bit pattern before the code compiles.
        let mut bits = match directive.level {
            DiagLevel::Off => 0,
            DiagLevel::Shape => 1,
            DiagLevel::ShapeTiming => 2,
            DiagLevel::ShapeRewriteDiff => 3,
        };
        if directive.ring_buffer {
            bits |= Self::RING_BUFFER;
        }
        if directive.capture {
            bits |= Self::CAPTURE;
        }
        Self(bits)
    }

    /// Returns every value.
    pub(super) fn all() -> impl Iterator<Item = Self> {
        (0..).take(Self::COUNT).map(Self)
    }

    /// Returns the number of this value, which is below [`COUNT`](Self::COUNT).
    pub(super) fn number(self) -> usize {
        self.0.into()
    }

    /// Returns the higher level, with the flags of both values.
    pub(super) fn merge(self, other: Self) -> Self {
        let level = (self.0 & Self::LEVEL).max(other.0 & Self::LEVEL);
        Self(level | ((self.0 | other.0) & !Self::LEVEL))
    }

    /// Whether merging `other` into these effects changes nothing.
    pub(super) fn covers(self, other: Self) -> bool {
        self.merge(other) == self
    }

    #[inline]
    pub(super) fn decision(self) -> Decision {
        Decision {
            level: match self.0 & Self::LEVEL {
                0 => DiagLevel::Off,
                1 => DiagLevel::Shape,
                2 => DiagLevel::ShapeTiming,
                _ => DiagLevel::ShapeRewriteDiff,
            },
            ring_buffer: self.0 & Self::RING_BUFFER != 0,
            capture: self.0 & Self::CAPTURE != 0,
        }
    }
}
