//! A detached signature of a directive, and the list of all signatures of a document (field
//! `signatures`).
//!
//! A document stores each signature as the string `SIGNER:KEY:BYTES`. `SIGNER` is the name of the
//! signer. `KEY` is the id of the public key, as 16 hexadecimal digits. `BYTES` are the 64 bytes of
//! the Ed25519 signature, as 128 hexadecimal digits. Each signature has exactly one valid string,
//! so a changed bit in the string is always detected. The core crate does not create or verify
//! signatures. This crate only defines which bytes a signer signs
//! ([`SignedForm`](super::SignedForm)).

use std::fmt;
use std::str::FromStr;

use serde::de::{Deserializer, Error as _};
use serde::{Deserialize, Serialize, Serializer};
use sha2::{Digest as _, Sha256};

use crate::hex::{Hex, from_hex};

/// The maximum number of signatures in a document.
pub const MAX_SIGNATURES: usize = 8;
/// The maximum length of a signer's name, in bytes.
const MAX_NAME: usize = 64;

/// The id of a public key: the first eight bytes of the SHA-256 hash of the key.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId([u8; 8]);

impl KeyId {
    /// Returns the id of an Ed25519 public key, which is a part of the key's SHA-256 hash.
    #[must_use]
    pub fn of(public_key: &[u8; 32]) -> Self {
        let mut first = [0; 8];
        first.copy_from_slice(&Sha256::digest(public_key)[..8]);
        Self(first)
    }

    /// Returns the key id as eight bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 8] {
        &self.0
    }
}

impl fmt::Display for KeyId {
    /// Writes the key id as sixteen lower-case hexadecimal digits.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Hex(&self.0).fmt(f)
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyId({self})")
    }
}

/// Returns true if a string is a valid name of a signer. A valid name consists of 1 to 64 ASCII
/// letters, digits, `.`, `_`, `-` and `@`.
#[must_use]
pub fn is_signer_name(name: &str) -> bool {
    (1..=MAX_NAME).contains(&name.len())
        && name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-' | b'@'))
}

/// A detached Ed25519 signature, with which one signer has signed one directive.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Signature {
    signer: Box<str>,
    key: KeyId,
    bytes: [u8; 64],
}

/// The error for a string that is not a valid signature or not a valid name of a signer.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("it is not a signature; the form is SIGNER:KEY:SIGNATURE")]
pub struct NotASignature;

impl Signature {
    /// Creates a signature from the name of the signer, the id of the key and the signature's
    /// bytes.
    ///
    /// # Errors
    /// Returns an error if [`is_signer_name`] refuses the name of the signer.
    pub fn new(signer: &str, key: KeyId, bytes: [u8; 64]) -> Result<Self, NotASignature> {
        if !is_signer_name(signer) {
            return Err(NotASignature);
        }
        Ok(Self {
            signer: signer.into(),
            key,
            bytes,
        })
    }

    /// Returns the name of the person or program that has signed the directive. The signature also
    /// covers the name of the signer.
    #[must_use]
    pub fn signer(&self) -> &str {
        &self.signer
    }

    /// Returns the id of the public key that verifies the signature.
    #[must_use]
    pub fn key(&self) -> KeyId {
        self.key
    }

    /// Returns the 64 bytes of the Ed25519 signature.
    #[must_use]
    pub fn bytes(&self) -> &[u8; 64] {
        &self.bytes
    }
}

impl fmt::Display for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.signer, self.key, Hex(&self.bytes))
    }
}

impl fmt::Debug for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Signature({self})")
    }
}

impl FromStr for Signature {
    type Err = NotASignature;

    fn from_str(text: &str) -> Result<Self, NotASignature> {
        let mut parts = text.split(':');
        let (Some(signer), Some(key), Some(bytes), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(NotASignature);
        };
        let key = KeyId(from_hex(key).ok_or(NotASignature)?);
        Self::new(signer, key, from_hex(bytes).ok_or(NotASignature)?)
    }
}

impl Serialize for Signature {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Signature {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(D::Error::custom)
    }
}

/// Decodes the JSON of the field `signatures`: a list of 1 to [`MAX_SIGNATURES`] signatures, each
/// by a different key.
pub(super) fn decode_list(raw: &str) -> Option<Vec<Signature>> {
    let list: Vec<Signature> = serde_json::from_str(raw).ok()?;
    let is_repeated = |(n, one): (usize, &Signature)| list[..n].iter().any(|o| o.key == one.key);
    let fits = (1..=MAX_SIGNATURES).contains(&list.len());
    (fits && !list.iter().enumerate().any(is_repeated)).then_some(list)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn signature(signer: &str, key: u8) -> Signature {
        Signature::new(signer, KeyId::of(&[key; 32]), [key; 64]).unwrap()
    }

    #[test]
    fn a_signature_has_exactly_one_spelling() {
        let text = signature("alice", 1).to_string();
        assert_eq!(text.parse(), Ok(signature("alice", 1)));
        assert!(text.starts_with("alice:72cd6e8422c407fb:0101"), "{text}");
        for other in [
            text.to_uppercase(),
            text.replacen(':', "", 1),
            format!("{text}0"),
            format!("{text}:"),
            format!(" {text}"),
            text.replace("alice", ""),
            text.replace("alice", "al ice"),
            text.replace("alice", &"a".repeat(65)),
            text.replace("01", "0é"),
            text[..text.len() - 1].to_owned(),
        ] {
            assert_eq!(other.parse::<Signature>(), Err(NotASignature), "{other}");
        }
    }

    #[test]
    fn a_list_has_one_to_eight_signatures_by_different_keys() {
        let list = |keys: &[u8]| {
            let all: Vec<_> = keys.iter().map(|&key| signature("a", key)).collect();
            decode_list(&serde_json::to_string(&all).unwrap()).map(|list| list.len())
        };
        assert_eq!(list(&[1]), Some(1));
        assert_eq!(list(&[1, 2, 3, 4, 5, 6, 7, 8]), Some(8));
        assert_eq!(list(&[]), None);
        assert_eq!(list(&[1, 2, 1]), None);
        assert_eq!(list(&[1, 2, 3, 4, 5, 6, 7, 8, 9]), None);
        for wrong in ["null", "{}", "\"a\"", "[1]", "[null]"] {
            assert_eq!(decode_list(wrong), None, "{wrong}");
        }
    }
}
