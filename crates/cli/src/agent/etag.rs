//! What stands for some bytes.

use sha2::{Digest as _, Sha256};

/// Thirty-two hexadecimal digits, by the bytes alone: equal wherever they are.
pub(super) fn tag(bytes: &[u8]) -> String {
    let hash = Sha256::digest(bytes);
    let first = hash[..16]
        .iter()
        .fold(0_u128, |first, byte| first << 8 | u128::from(*byte));
    format!("{first:032x}")
}
