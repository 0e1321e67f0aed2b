//! A secret that is never printed: a password, a token, a key or certificates in PEM. The
//! application passes a secret as a string or as the name of a file. The client reads a secret file
//! again from time to time, to notice changes.

use std::fmt;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use secrecy::{ExposeSecret as _, SecretString};

/// The size limit of a file that contains a secret or certificates, in bytes.
const MAX_BYTES: u64 = 4 << 20;

/// A secret that is never printed: a password, a token, a key, or certificates.
///
/// The application passes a secret as a string (`Secret::from("…")`) or as the name of a
/// [file](Self::file). The client reads a secret file again once a minute, and after a response of
/// status 401, a failed connection or a failed TLS handshake. If the client cannot use the new
/// content of a secret file, or cannot read the file within three quarters of the request timeout,
/// the client continues to use the last good content.
///
/// White space at the beginning and at the end of a secret is ignored.
#[derive(Clone)]
pub struct Secret(Source);

#[derive(Clone)]
enum Source {
    Text(SecretString),
    File(Arc<Path>),
}

/// The reason why a secret cannot be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SecretError {
    #[error("cannot read {}", .file.display())]
    Read {
        file: Arc<Path>,
        #[source]
        source: io::Error,
    },
    #[error("{} is empty", .0.display())]
    EmptyFile(Arc<Path>),
    #[error("the text is empty")]
    Empty,
}

impl Secret {
    /// Creates a secret that the client reads from the file at `path`. The documentation of
    /// [`Secret`] says how often the client reads the file.
    #[must_use]
    pub fn file(path: impl Into<PathBuf>) -> Self {
        Self(Source::File(path.into().into()))
    }

    /// Returns true if the secret is in a file, whose content can change at run time.
    pub(super) fn is_file(&self) -> bool {
        matches!(self.0, Source::File(_))
    }

    /// Returns the current secret without white space around it. If the secret is in a file, the
    /// call blocks the thread while it reads the file.
    pub(super) fn read(&self) -> Result<SecretString, SecretError> {
        let text = match &self.0 {
            Source::Text(text) => text.expose_secret().trim().to_owned(),
            Source::File(file) => read_file(file)
                .map_err(|source| SecretError::Read {
                    file: file.clone(),
                    source,
                })?
                .trim()
                .to_owned(),
        };
        match (&self.0, text.is_empty()) {
            (_, false) => Ok(text.into()),
            (Source::Text(_), true) => Err(SecretError::Empty),
            (Source::File(file), true) => Err(SecretError::EmptyFile(file.clone())),
        }
    }
}

fn read_file(file: &Path) -> io::Result<String> {
    let mut text = String::new();
    let read = std::fs::File::open(file)?
        .take(MAX_BYTES + 1)
        .read_to_string(&mut text)?;
    if read as u64 > MAX_BYTES {
        return Err(io::Error::other(format!(
            "the file is larger than {MAX_BYTES} bytes"
        )));
    }
    Ok(text)
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self(Source::Text(text.into()))
    }
}

impl From<&str> for Secret {
    fn from(text: &str) -> Self {
        text.to_owned().into()
    }
}

impl fmt::Debug for Secret {
    /// The `Debug` output contains the name of the secret's file, but never the secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Source::Text(_) => f.write_str("Secret(..)"),
            Source::File(file) => write!(f, "Secret({})", file.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

    use super::*;

    #[test]
    fn a_file_of_a_secret_is_bounded() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("bundle");
        std::fs::write(&path, vec![b'x'; 4 << 20]).unwrap();
        Secret::file(&path).read().unwrap();
        std::fs::write(&path, vec![b'x'; (4 << 20) + 1]).unwrap();
        let Err(SecretError::Read { source, .. }) = Secret::file(&path).read() else {
            panic!("a file of more than 4 MiB was read");
        };
        assert!(source.to_string().contains("larger"), "{source}");
    }

    #[test]
    fn white_space_at_the_ends_of_a_secret_is_removed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        std::fs::write(&path, "\t a b \r\n\n").unwrap();
        for secret in [Secret::from("\t a b \r\n\n"), Secret::file(&path)] {
            assert_eq!(secret.read().unwrap().expose_secret(), "a b");
        }
        std::fs::write(&path, " \n").unwrap();
        assert!(matches!(
            Secret::file(&path).read(),
            Err(SecretError::EmptyFile(_))
        ));
        assert!(matches!(
            Secret::from(" \n").read(),
            Err(SecretError::Empty)
        ));
    }
}
