//! The effects of a directive — level, ring buffer, capture — packed into four bits, so that they
//! are merged and compared by bit operations.

use super::Decision;
use crate::model::directive::{DiagLevel, DirectiveRef};

/// A level in the two low bits, the ring buffer and capture above them.
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
        // A match: a fifth level does not compile until it has a bit pattern here.
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

    /// Every value.
    pub(super) fn all() -> impl Iterator<Item = Self> {
        (0..).take(Self::COUNT).map(Self)
    }

    /// A number below [`COUNT`](Self::COUNT).
    pub(super) fn number(self) -> usize {
        self.0.into()
    }

    /// The higher level, and the flags that are set in either.
    pub(super) fn merge(self, other: Self) -> Self {
        let level = (self.0 & Self::LEVEL).max(other.0 & Self::LEVEL);
        Self(level | ((self.0 | other.0) & !Self::LEVEL))
    }

    /// Whether merging `other` would not change the effects.
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
