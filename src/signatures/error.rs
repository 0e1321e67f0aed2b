//! Defines the error that is returned if a key, a file of trusted keys or a signature policy cannot
//! be used.

use std::error::Error;
use std::fmt;
use std::path::{Path, PathBuf};

type Cause = Box<dyn Error + Send + Sync>;

/// The reason why a key, a file of trusted keys or a signature policy cannot be used. The text of a
/// `SignatureError` never contains a private key.
#[derive(Debug)]
pub struct SignatureError {
    kind: SignatureErrorKind,
    file: Option<PathBuf>,
    message: String,
    source: Option<Cause>,
}

/// The kind of item to which a [`SignatureError`] refers: a name, a key, a file of keys or a
/// policy.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum SignatureErrorKind {
    /// The name of a signer is not valid.
    Name,
    /// The private key of a signer cannot be used.
    SigningKey,
    /// A public key, or a file of public keys, cannot be used.
    TrustedKeys,
    /// A signature policy cannot be used.
    Policy,
}

impl SignatureError {
    pub(super) fn new(kind: SignatureErrorKind, message: impl Into<String>) -> Self {
        Self {
            kind,
            file: None,
            message: message.into(),
            source: None,
        }
    }

    pub(super) fn with_source(mut self, source: impl Into<Cause>) -> Self {
        self.source = Some(source.into());
        self
    }

    pub(super) fn in_file(mut self, file: &Path) -> Self {
        self.file = Some(file.to_owned());
        self
    }

    /// Returns the kind of item that cannot be used: a name, a key, a file of keys or a policy.
    #[must_use]
    pub fn kind(&self) -> SignatureErrorKind {
        self.kind
    }
}

impl fmt::Display for SignatureError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.file {
            Some(file) => write!(f, "{}: {}", file.display(), self.message),
            None => f.write_str(&self.message),
        }
    }
}

impl Error for SignatureError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source
            .as_deref()
            .map(|source| source as &(dyn Error + 'static))
    }
}
