//! What a directive asks for, in four bits.

use super::Decision;
use crate::model::directive::{DiagLevel, DirectiveRef};

/// A level in the two low bits, the ring buffer and capture above them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Ask(u8);

impl Ask {
    /// How many different asks there are.
    pub(super) const COUNT: usize = 16;
    /// Asks for nothing.
    pub(super) const NOTHING: Self = Self(0);
    const LEVEL: u8 = 0b11;
    const RING_BUFFER: u8 = 0b100;
    const CAPTURE: u8 = 0b1000;

    pub(super) fn of(directive: DirectiveRef<'_>) -> Self {
        let mut bits = directive.level as u8 & Self::LEVEL;
        if directive.ring_buffer {
            bits |= Self::RING_BUFFER;
        }
        if directive.capture {
            bits |= Self::CAPTURE;
        }
        Self(bits)
    }

    /// From the four low bits; the others are ignored.
    pub(super) fn from_bits(bits: u8) -> Self {
        Self(bits & 0b1111)
    }

    pub(super) fn bits(self) -> u8 {
        self.0
    }

    /// Both together: the higher level, and what either asks for.
    pub(super) fn and(self, other: Self) -> Self {
        let level = (self.0 & Self::LEVEL).max(other.0 & Self::LEVEL);
        Self(level | ((self.0 | other.0) & !Self::LEVEL))
    }

    /// Whether the other adds nothing to this one.
    pub(super) fn covers(self, other: Self) -> bool {
        self.and(other) == self
    }

    #[inline]
    pub(super) fn level(self) -> DiagLevel {
        // Written out: this is the two bits themselves, where a table would be memory.
        match self.0 & Self::LEVEL {
            0 => DiagLevel::Off,
            1 => DiagLevel::Shape,
            2 => DiagLevel::ShapeTiming,
            _ => DiagLevel::ShapeRewriteDiff,
        }
    }

    #[inline]
    pub(super) fn ring_buffer(self) -> bool {
        self.0 & Self::RING_BUFFER != 0
    }

    #[inline]
    pub(super) fn capture(self) -> bool {
        self.0 & Self::CAPTURE != 0
    }

    #[inline]
    pub(super) fn decision(self) -> Decision {
        Decision {
            level: self.level(),
            ring_buffer: self.ring_buffer(),
            capture: self.capture(),
        }
    }
}
