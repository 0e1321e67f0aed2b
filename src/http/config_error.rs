//! The error for an invalid setting. The client returns this error before it sends any request.

use std::error::Error;
use std::fmt;

use super::error::Cause;

/// The error for an invalid configuration. The client returns this error before it sends any
/// request. The error message contains no secret.
#[derive(Debug)]
pub struct ConfigError {
    kind: ConfigErrorKind,
    message: String,
    source: Option<Cause>,
}

/// The kind of setting that is invalid.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum ConfigErrorKind {
    /// The address of a node is invalid, or there is no address.
    Url,
    /// The name of the index is invalid.
    Index,
    /// A user name, a password, a token or a key cannot be used.
    Credentials,
    /// A certificate or a private key cannot be used, or the system has no CA certificates.
    Certificate,
    /// A setting that belongs to none of the other kinds is invalid.
    Setting,
    /// The HTTP client could not be built.
    Client,
}

impl ConfigError {
    pub(crate) fn new(kind: ConfigErrorKind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
            source: None,
        }
    }

    pub(crate) fn with_source(mut self, source: impl Into<Cause>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// Creates the error for an invalid setting. `problem` contains the fault and the remedy.
    pub(crate) fn setting(setting: &str, problem: impl fmt::Display) -> Self {
        Self::new(ConfigErrorKind::Setting, format!("{setting}: {problem}"))
    }

    /// Creates the error for a duration that must not be zero.
    pub(crate) fn zero_duration(setting: &str) -> Self {
        Self::setting(setting, "it is zero; set a longer duration")
    }

    /// Returns the kind of setting that is invalid.
    #[must_use]
    pub fn kind(&self) -> ConfigErrorKind {
        self.kind
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl Error for ConfigError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source
            .as_deref()
            .map(|source| source as &(dyn Error + 'static))
    }
}
