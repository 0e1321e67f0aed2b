//! Reads files that contain keys or a signature policy, and creates key files.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::path::Path;

use super::error::{SignatureError, SignatureErrorKind};

/// In a key file, a line with a public key begins with this word.
pub(super) const PUBLIC: &str = "directives-public-key";
/// In a key file, a line with a private key begins with this word.
pub(super) const PRIVATE: &str = "directives-private-key";
/// The largest key file or policy file that is read, in bytes.
const MAX_BYTES: u64 = 1 << 20;

/// Reads a whole key file or policy file, or returns an error if the file is too large.
pub(super) fn read(file: &Path, kind: SignatureErrorKind) -> Result<String, SignatureError> {
    let read = || {
        let mut text = String::new();
        let read = File::open(file)?
            .take(MAX_BYTES + 1)
            .read_to_string(&mut text)?;
        if read as u64 > MAX_BYTES {
            return Err(io::Error::other(format!(
                "the file is larger than {MAX_BYTES} bytes"
            )));
        }
        Ok(text)
    };
    read().map_err(|source| SignatureError::new(kind, "cannot read the file").with_source(source))
}

/// Creates a key file with one line, or returns an error if the file exists. If `private` is true,
/// only the owner can read the created file.
pub(super) fn create(file: &Path, line: &str, private: bool) -> Result<(), SignatureError> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        options.mode(if private { 0o600 } else { 0o644 });
    }
    #[cfg(not(unix))]
    let _ = private;
    let write = || {
        let mut file = options.open(file)?;
        writeln!(file, "{line}")?;
        file.sync_all()
    };
    write().map_err(|source: io::Error| {
        let message = if source.kind() == io::ErrorKind::AlreadyExists {
            "the file exists already, and a key is not overwritten; choose another name"
        } else {
            "cannot create the file"
        };
        SignatureError::new(SignatureErrorKind::SigningKey, message)
            .with_source(source)
            .in_file(file)
    })
}
