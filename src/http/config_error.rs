//! The error for an invalid setting of a client. The client checks its settings before it sends any
//! request.

use std::error::Error;
use std::fmt;

use super::error::Cause;

/// The error for an invalid setting of a client. The client checks its settings before it sends any
/// request. The error message never contains a secret.
#[derive(Debug)]
pub struct ConfigError {
    kind: ConfigErrorKind,
    message: String,
    source: Option<Cause>,
}

/// The kind of setting that made a configuration invalid.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum ConfigErrorKind {
    /// The address of a node is invalid, or the configuration contains no address.
    Url,
    /// The configured name of the index is invalid.
    Index,
    /// A user name, a password, a token or a key is invalid or cannot be read.
    Credentials,
    /// A certificate or a private key is invalid or cannot be read, or the system has no CA
    /// certificates.
    Certificate,
    /// A setting other than the addresses, the index name, the credentials and the certificates is
    /// invalid.
    Setting,
    /// The HTTP library could not build a client from the settings.
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

    /// Creates the error for the invalid setting with the name `setting`. `problem` describes the
    /// fault of the setting and the remedy.
    pub(crate) fn setting(setting: &str, problem: impl fmt::Display) -> Self {
        Self::new(ConfigErrorKind::Setting, format!("{setting}: {problem}"))
    }

    /// Creates the error for a setting that is a duration of zero but must be longer.
    pub(crate) fn zero_duration(setting: &str) -> Self {
        Self::setting(setting, "it is zero; set a longer duration")
    }

    /// Returns which kind of setting is invalid.
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
