//! Public keys of signers, and the files that list the trusted ones.
//!
//! A line is `directives-public-key NAME HEX`. Several lines may have one name: a signer who
//! changes keys has both for a while, and counts as one signer.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::str::FromStr;

use opensearch_directives_core::document::{KeyId, is_signer_name};
use opensearch_directives_core::internal::{Hex, from_hex};

use super::error::{SignatureError, SignatureErrorKind};
use super::key_files::{self, PRIVATE, PUBLIC};

/// How many keys can be trusted at once.
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

    /// The name of the signer.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The id by which signatures name the key.
    #[must_use]
    pub fn id(&self) -> KeyId {
        KeyId::of(&self.bytes)
    }

    pub(super) fn bytes(&self) -> &[u8; 32] {
        &self.bytes
    }
}

impl fmt::Display for PublicKey {
    /// The line of a file of trusted keys.
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

/// The public keys that are trusted.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct TrustedKeys(BTreeMap<KeyId, PublicKey>);

impl TrustedKeys {
    /// Reads keys from the text of a file: one a line. Empty lines and lines that begin with `#`
    /// are skipped.
    ///
    /// # Errors
    /// A line that is not a public key, or a key that has two names.
    pub fn parse(text: &str) -> Result<Self, SignatureError> {
        let mut keys = Self::default();
        keys.add(text)?;
        Ok(keys)
    }

    /// Reads the keys of all these files together. Blocks while it reads.
    ///
    /// # Errors
    /// A file that cannot be read, and as [`parse`](Self::parse).
    pub fn read<P: AsRef<Path>>(files: &[P]) -> Result<Self, SignatureError> {
        let mut keys = Self::default();
        for file in files.iter().map(AsRef::as_ref) {
            key_files::read(file, SignatureErrorKind::TrustedKeys)
                .and_then(|text| keys.add(&text))
                .map_err(|error| error.in_file(file))?;
        }
        Ok(keys)
    }

    /// The keys, ordered by id.
    pub fn iter(&self) -> impl Iterator<Item = &PublicKey> {
        self.0.values()
    }

    /// Whether there is no key.
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
