//! The format of the last-good file, which contains the last published snapshot for a start without
//! the cluster.
//!
//! The first line is a checksum of the other lines. The second line is a header with the name of
//! the index. The third line is the snapshot, in the JSON that agents exchange.
//!
//! An incomplete or changed file is refused because of its checksum. Expiries are absolute, so
//! reading the file prolongs no directive. The file contains no credentials, and only its owner can
//! read it.

use std::error::Error;
use std::fmt;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::last_good_atomic_write::LastGoodFile;
use opensearch_directives_core::internal::Hex;
use opensearch_directives_core::{Snapshot, SnapshotError};

const FORMAT: &str = "opensearch-directives last good";
const VERSION: u32 = 2;
/// The size limit of a file, in bytes.
const MAX_BYTES: u64 = 1 << 30;
/// The number of hexadecimal digits of a checksum.
const CHECKSUM_CHARS: usize = 64;

/// The reason for which a last-good file cannot be used.
#[derive(Debug)]
pub struct LastGoodError {
    path: PathBuf,
    repr: Repr,
}

/// The kinds of [`LastGoodError`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum LastGoodErrorKind {
    /// The file cannot be read.
    Io,
    /// The file is damaged: its content differs from the content that was written.
    Damaged,
    /// Another version of this program wrote the file in another format.
    OtherVersion,
    /// The file belongs to another index.
    OtherIndex,
}

#[derive(Debug)]
enum Repr {
    Io(io::Error),
    Damaged(&'static str),
    Snapshot(SnapshotError),
    OtherVersion(u32),
    OtherIndex { found: String, expected: String },
}

impl LastGoodError {
    /// The kind of the error.
    #[must_use]
    pub fn kind(&self) -> LastGoodErrorKind {
        match self.repr {
            Repr::Io(_) => LastGoodErrorKind::Io,
            Repr::Damaged(_) | Repr::Snapshot(_) => LastGoodErrorKind::Damaged,
            Repr::OtherVersion(_) => LastGoodErrorKind::OtherVersion,
            Repr::OtherIndex { .. } => LastGoodErrorKind::OtherIndex,
        }
    }

    /// Returns the path of the file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Error for LastGoodError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match &self.repr {
            Repr::Io(error) => Some(error),
            Repr::Snapshot(error) => Some(error),
            _ => None,
        }
    }
}

impl fmt::Display for LastGoodError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.path.display();
        match &self.repr {
            Repr::Io(_) => write!(f, "cannot read the last-good file {path}"),
            Repr::Damaged(what) => {
                write!(
                    f,
                    "the last-good file {path} is damaged ({what}); delete it"
                )
            }
            Repr::Snapshot(_) => write!(
                f,
                "the last-good file {path} is damaged (its snapshot is refused); delete it"
            ),
            Repr::OtherVersion(found) => write!(
                f,
                "the last-good file {path} has format version {found}, but this program reads \
                 version {VERSION}; delete it"
            ),
            Repr::OtherIndex { found, expected } => write!(
                f,
                "the last-good file {path} belongs to the index {found}, not {expected}; \
                 configure another file"
            ),
        }
    }
}

/// The second line of the file.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    format: String,
    version: u32,
    /// The index or alias that is polled. The snapshot's revision contains the name of the concrete
    /// index.
    index: String,
    read_at: Timestamp,
}

/// The header fields that every version of the format has.
#[derive(Debug, Deserialize)]
struct Versioned {
    format: String,
    version: u32,
}

/// Writes a snapshot that was read from an index. A snapshot without a revision was not read from
/// an index and is not written.
pub(crate) fn write(file: &LastGoodFile, index: &str, snapshot: &Snapshot) -> io::Result<()> {
    let (Some(_), Some(read_at)) = (snapshot.revision(), snapshot.read_at()) else {
        return Ok(());
    };
    let header = Header {
        format: FORMAT.to_owned(),
        version: VERSION,
        index: index.to_owned(),
        read_at,
    };
    let mut body = serde_json::to_vec(&header)?;
    body.push(b'\n');
    body.extend_from_slice(snapshot.to_json()?.get().as_bytes());
    body.push(b'\n');
    replace(file, &checksum(&body), &body)
}

fn replace(file: &LastGoodFile, checksum: &str, body: &[u8]) -> io::Result<()> {
    file.replace(&[checksum.as_bytes(), b"\n", body])
}

/// Reads the file that [`write`] wrote for the same index.
pub(crate) fn read(path: &Path, index: &str) -> Result<Snapshot, LastGoodError> {
    parse(path, index).map_err(|repr| LastGoodError {
        path: path.to_owned(),
        repr,
    })
}

fn parse(path: &Path, index: &str) -> Result<Snapshot, Repr> {
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(Repr::Io)?;
    file.take(MAX_BYTES)
        .read_to_end(&mut bytes)
        .map_err(Repr::Io)?;
    let body = verified(&bytes)?;
    let text = std::str::from_utf8(body).map_err(|_| Repr::Damaged("it is not UTF-8"))?;
    let (header, snapshot) = text
        .split_once('\n')
        .ok_or(Repr::Damaged("it has no header"))?;
    let read_at = check_header(header, index)?;
    Snapshot::from_json(snapshot.trim_end(), usize::MAX, read_at).map_err(Repr::Snapshot)
}

/// Returns the bytes after the checksum, if the checksum is correct.
fn verified(bytes: &[u8]) -> Result<&[u8], Repr> {
    let (sum, body) = bytes
        .split_at_checked(CHECKSUM_CHARS)
        .and_then(|(sum, rest)| Some((sum, rest.strip_prefix(b"\n")?)))
        .ok_or(Repr::Damaged("it is cut short"))?;
    if checksum(body).as_bytes() == sum {
        Ok(body)
    } else {
        Err(Repr::Damaged("its checksum is wrong"))
    }
}

/// Checks the header, and returns the time at which the snapshot was read from the index.
fn check_header(header: &str, index: &str) -> Result<Timestamp, Repr> {
    let versioned: Versioned =
        serde_json::from_str(header).map_err(|_| Repr::Damaged("it has no header"))?;
    if versioned.format != FORMAT {
        return Err(Repr::Damaged("it belongs to another program"));
    }
    if versioned.version != VERSION {
        return Err(Repr::OtherVersion(versioned.version));
    }
    let header: Header =
        serde_json::from_str(header).map_err(|_| Repr::Damaged("its header is not as expected"))?;
    if header.index != index {
        return Err(Repr::OtherIndex {
            found: header.index,
            expected: index.to_owned(),
        });
    }
    Ok(header.read_at)
}

fn checksum(bytes: &[u8]) -> String {
    Hex(&Sha256::digest(bytes)).to_string()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use std::fs;

    use super::*;
    use opensearch_directives_core::internal::SnapshotParts;
    use opensearch_directives_core::{
        DiagLevel, DiagnosticsDirective, DirectiveMatch, DirectiveSet, Revision,
    };

    const NOW: &str = "2030-01-01T12:00:00Z";

    fn now() -> Timestamp {
        NOW.parse().unwrap()
    }

    fn snapshot() -> Snapshot {
        let set: DirectiveSet = (0..3)
            .map(|n| {
                let expires_at = format!("203{n}-01-01T12:15:00.000000001Z").parse().unwrap();
                DiagnosticsDirective::new(format!("d\"{n}"), DiagLevel::Shape, expires_at)
                    .with_match(DirectiveMatch::all().for_tenant("acme\n"))
                    .with_sample_per_mille(n)
                    .with_capture(true)
            })
            .collect();
        Snapshot::from(SnapshotParts {
            digest: set.digest(),
            set,
            revision: Some({
                let mut revision = Revision::new("directives-1", "u");
                revision.documents = 4;
                revision.max_seq_no = Some(9);
                revision.sum_seq_no = 20;
                revision.updated_at = Some(now());
                revision
            }),
            revoked: 0,
            rejections: Vec::new(),
            read_at: Some(now()),
        })
    }

    fn written() -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("last-good");
        write(&LastGoodFile::new(path.clone()), "directives", &snapshot()).unwrap();
        (folder, path)
    }

    #[test]
    fn a_last_good_file_survives_a_round_trip() {
        let (folder, path) = written();
        let read = read(&path, "directives").unwrap();
        let wrote = snapshot();
        assert!(read.is_same_as(&wrote));
        assert!(read.set().iter().eq(wrote.set().iter()));
        assert_eq!(read.read_at(), wrote.read_at());
        // No temporary file remains, and a second write replaces the file.
        write(&LastGoodFile::new(path.clone()), "directives", &snapshot()).unwrap();
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn an_expiry_in_the_file_is_absolute() {
        let (_folder, path) = written();
        let later = "2050-01-01T00:00:00Z".parse().unwrap();
        let read = read(&path, "directives").unwrap();
        assert!(
            read.set()
                .iter()
                .all(|directive| !directive.is_active(later))
        );
    }

    #[cfg(unix)]
    #[test]
    fn only_the_owner_can_read_the_file() {
        use std::os::unix::fs::PermissionsExt as _;
        let (_folder, path) = written();
        assert_eq!(
            fs::metadata(path).unwrap().permissions().mode() & 0o777,
            0o600
        );
    }

    #[test]
    fn a_changed_or_missing_byte_is_detected() {
        let (_folder, path) = written();
        let good = fs::read(&path).unwrap();
        let refused = |bytes: &[u8]| {
            fs::write(&path, bytes).unwrap();
            let error = read(&path, "directives").unwrap_err();
            assert_eq!(error.kind(), LastGoodErrorKind::Damaged, "{error}");
        };
        for offset in 0..good.len() {
            let mut bad = good.clone();
            bad[offset] ^= 1;
            refused(&bad);
            refused(&good[..offset]);
        }
        refused(&[good.as_slice(), b"\n"].concat());
    }

    #[test]
    fn a_file_of_another_index_or_version_is_refused_with_the_reason() {
        let (_folder, path) = written();
        let error = read(&path, "other").unwrap_err().to_string();
        assert!(
            error.contains("belongs to the index directives, not other"),
            "{error}"
        );
        let body = format!("{{\"format\":\"{FORMAT}\",\"version\":1,\"old\":1}}\n");
        replace(
            &LastGoodFile::new(path.clone()),
            &checksum(body.as_bytes()),
            body.as_bytes(),
        )
        .unwrap();
        let error = read(&path, "directives").unwrap_err().to_string();
        assert!(error.contains("format version 1"), "{error}");
        fs::remove_file(&path).unwrap();
        let error = read(&path, "directives").unwrap_err();
        assert_eq!(error.kind(), LastGoodErrorKind::Io);
    }
}
