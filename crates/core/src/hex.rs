//! Formats bytes as hexadecimal digits, for digests, checksums and entity tags.

use std::fmt;

/// Displays bytes as lower-case hexadecimal digits, two for each byte.
#[derive(Clone, Copy, Debug)]
pub struct Hex<'a>(pub &'a [u8]);

impl fmt::Display for Hex<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}
