//! Defines the public keys of signers, and reads the files that list the trusted keys.
//!
//! Each line of a file of trusted keys has the form `directives-public-key NAME HEX`. Several lines
//! may have the same name, because a signer who replaces a key has the old and the new key for a
//! while. All keys with the same name count as one signer.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::str::FromStr;

use opensearch_directives_core::document::{KeyId, is_signer_name};
use opensearch_directives_core::internal::{Hex, from_hex};

use super::error::{SignatureError, SignatureErrorKind};
use super::key_files::{self, PRIVATE, PUBLIC};

/// The maximum number of keys that a store can trust.
const MAX_KEYS: usize = 1_000;

/// The Ed25519 public key of a signer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PublicKey {
    name: Box<str>,
    bytes: [u8; 32],
}

impl PublicKey {
    pub(super) fn new(name: &str, bytes: [u8; 32]) -> Self {
        Self {
            name: name.into(),
            bytes,
        }
    }

    /// Returns the name of the signer to whom the key belongs.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the id by which a signature refers to the key.
    #[must_use]
    pub fn id(&self) -> KeyId {
        KeyId::of(&self.bytes)
    }

    pub(super) fn bytes(&self) -> &[u8; 32] {
        &self.bytes
    }
}

impl fmt::Display for PublicKey {
    /// Formats the key as a line of a file of trusted keys.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{PUBLIC} {} {}", self.name, Hex(&self.bytes))
    }
}

impl FromStr for PublicKey {
    type Err = SignatureError;

    fn from_str(line: &str) -> Result<Self, SignatureError> {
        let error = |what: &str| SignatureError::new(SignatureErrorKind::TrustedKeys, what);
        let mut words = line.split_ascii_whitespace();
        match (words.next(), words.next(), words.next(), words.next()) {
            (Some(PRIVATE), ..) => Err(error(
                "it is a private key, which must stay with its signer; use the file .pub",
            )),
            (Some(PUBLIC), Some(name), Some(hex), None) => {
                let bytes = from_hex(hex)
                    .filter(|_| is_signer_name(name))
                    .ok_or_else(|| error("the name or the key is malformed"))?;
                Ok(Self::new(name, bytes))
            }
            _ => Err(error(
                "it is not a public key; write `directives-public-key NAME KEY`, which is the \
                 content of the file .pub",
            )),
        }
    }
}

/// The public keys that a store trusts.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct TrustedKeys(BTreeMap<KeyId, PublicKey>);

impl TrustedKeys {
    /// Reads keys from the text of a file that has one key on each line. Empty lines and lines that
    /// begin with `#` are ignored.
    ///
    /// # Errors
    /// Returns an error if a line is not a public key, if a key has two names, or if there are too
    /// many keys.
    pub fn parse(text: &str) -> Result<Self, SignatureError> {
        let mut keys = Self::default();
        keys.add(text)?;
        Ok(keys)
    }

    /// Reads the keys of all given files into one collection. Reading the files blocks the calling
    /// thread.
    ///
    /// # Errors
    /// Returns an error if a file cannot be read, or if [`parse`](Self::parse) returns an error.
    pub fn read<P: AsRef<Path>>(files: &[P]) -> Result<Self, SignatureError> {
        let mut keys = Self::default();
        for file in files.iter().map(AsRef::as_ref) {
            key_files::read(file, SignatureErrorKind::TrustedKeys)
                .and_then(|text| keys.add(&text))
                .map_err(|error| error.in_file(file))?;
        }
        Ok(keys)
    }

    /// Returns the trusted keys, ordered by the id of the key.
    pub fn iter(&self) -> impl Iterator<Item = &PublicKey> {
        self.0.values()
    }

    /// Returns true if the store trusts no key, so that no signature counts.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn get(&self, id: KeyId) -> Option<&PublicKey> {
        self.0.get(&id)
    }

    fn add(&mut self, text: &str) -> Result<(), SignatureError> {
        for (number, line) in (1..).zip(text.lines().map(str::trim)) {
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            self.insert(line).map_err(|problem| {
                let text = format!("line {number}: {problem}");
                SignatureError::new(SignatureErrorKind::TrustedKeys, text)
            })?;
        }
        Ok(())
    }

    fn insert(&mut self, line: &str) -> Result<(), String> {
        let key: PublicKey = line
            .parse()
            .map_err(|error: SignatureError| error.to_string())?;
        if let Some(other) = self.get(key.id())
            && other.name != key.name
        {
            return Err(format!(
                "the key of {} is also listed for {}, and one key must not count as two signers",
                key.name, other.name
            ));
        }
        self.0.insert(key.id(), key);
        if self.0.len() > MAX_KEYS {
            return Err(format!("there are more than {MAX_KEYS} keys"));
        }
        Ok(())
    }
}
