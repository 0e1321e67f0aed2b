//! The error for settings that cannot work, found before anything is sent.

use std::error::Error;
use std::fmt;

use super::error::Cause;

/// A configuration that cannot work; nothing was sent. The text holds no secret.
#[derive(Debug)]
pub struct ConfigError {
    kind: ConfigErrorKind,
    message: String,
    source: Option<Cause>,
}

/// What a [`ConfigError`] is about.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum ConfigErrorKind {
    /// A node's address, or that there is none.
    Url,
    /// The name of the index.
    Index,
    /// A user name, password, token or key.
    Credentials,
    /// A certificate, a private key, or that the system has no CA certificates.
    Certificate,
    /// Another setting.
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

    /// A setting with what is wrong with it and what to do.
    pub(crate) fn setting(setting: &str, problem: impl fmt::Display) -> Self {
        Self::new(ConfigErrorKind::Setting, format!("{setting}: {problem}"))
    }

    /// A duration that must not be zero.
    pub(crate) fn zero_duration(setting: &str) -> Self {
        Self::setting(setting, "it is zero; set a longer duration")
    }

    /// What the error is about.
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
