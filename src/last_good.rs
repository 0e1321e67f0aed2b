//! The last good set in a file, for a start while the cluster cannot be read.
//!
//! A file is whole or it is refused: it is written beside and renamed into place, and
//! its first line is a checksum of the rest. It names the index that it was read from,
//! holds expiries as instants, so that none begins anew, and holds no credentials. Only
//! its owner may read it.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::last_good_file::LastGoodFile;
use opensearch_directives_core::DirectiveSetBuilder;
use opensearch_directives_core::Revision;
use opensearch_directives_core::Snapshot;
use opensearch_directives_core::document::{Audit, DecodeLimits, Document, decode, encode};
use opensearch_directives_core::internal::SnapshotParts;

const FORMAT: &str = "opensearch-directives last good";
const VERSION: u32 = 1;
/// The largest file that is read.
const BYTES_AT_MOST: u64 = 1 << 30;
/// A checksum's hexadecimal digits.
const CHECKSUM_CHARS: usize = 64;

/// Why a last-good file is not used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LastGoodError {
    /// It cannot be read.
    #[error("cannot read the last-good file {}", .path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// It is not what was written.
    #[error("the last-good file {} is damaged ({what}); delete it", .path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What shows it.
        what: &'static str,
    },
    /// It was written by a version that writes it otherwise.
    #[error(
        "the last-good file {} is of format version {found}, and this program's is {VERSION}; \
         delete it",
        .path.display()
    )]
    Version {
        /// The file.
        path: PathBuf,
        /// The version that it names.
        found: u32,
    },
    /// It holds the directives of another index.
    #[error(
        "the last-good file {} is of the index {found}, not {expected}; name another file",
        .path.display()
    )]
    Foreign {
        /// The file.
        path: PathBuf,
        /// The index that it names.
        found: String,
        /// The index that is polled.
        expected: String,
    },
}

/// What the file says before its directives.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    format: String,
    version: u32,
    /// The index or alias that is polled; the revision names the concrete one.
    index: String,
    digest: String,
    revision: Revision,
    read_at: Timestamp,
    directives: usize,
}

/// The first of the header's fields, which every version has.
#[derive(Debug, Deserialize)]
struct Versioned {
    format: String,
    version: u32,
}

/// Writes a snapshot that was read from an index. One that was not is not written.
pub(crate) fn write(file: &LastGoodFile, index: &str, snapshot: &Snapshot) -> io::Result<()> {
    let (Some(revision), Some(read_at)) = (snapshot.revision(), snapshot.read_at()) else {
        return Ok(());
    };
    let header = Header {
        format: FORMAT.to_owned(),
        version: VERSION,
        index: index.to_owned(),
        digest: snapshot.digest().to_string(),
        revision: revision.clone(),
        read_at,
        directives: snapshot.set().len(),
    };
    let mut body = serde_json::to_vec(&header)?;
    body.push(b'\n');
    for directive in snapshot.set().iter() {
        let document = Document::new(directive.to_directive()).with_audit(Audit::default());
        let json = encode(&document, &any_expiry(read_at)).map_err(io::Error::other)?;
        serde_json::to_writer(&mut body, &(directive.id, json))?;
        body.push(b'\n');
    }
    replace(file, &checksum(&body), &body)
}

fn replace(file: &LastGoodFile, checksum: &str, body: &[u8]) -> io::Result<()> {
    file.replace(&[checksum.as_bytes(), b"\n", body])
}

/// Reads what [`write`] wrote for the same index.
pub(crate) fn read(path: &Path, index: &str, now: Timestamp) -> Result<Snapshot, LastGoodError> {
    let damaged = |what| LastGoodError::Damaged {
        path: path.to_owned(),
        what,
    };
    let io = |source| LastGoodError::Io {
        path: path.to_owned(),
        source,
    };
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(io)?;
    file.take(BYTES_AT_MOST)
        .read_to_end(&mut bytes)
        .map_err(io)?;
    let (sum, body) = bytes
        .split_at_checked(CHECKSUM_CHARS)
        .and_then(|(sum, rest)| Some((sum, rest.strip_prefix(b"\n")?)))
        .ok_or_else(|| damaged("it is cut short"))?;
    if checksum(body).as_bytes() != sum {
        return Err(damaged("its checksum is wrong"));
    }
    // Only a file of ours comes this far.
    let text = std::str::from_utf8(body).map_err(|_| damaged("it is not UTF-8"))?;
    let mut lines = text.lines();
    let header = lines.next().unwrap_or_default();
    let versioned: Versioned =
        serde_json::from_str(header).map_err(|_| damaged("it has no header"))?;
    if versioned.format != FORMAT {
        return Err(damaged("it is of another program"));
    }
    if versioned.version != VERSION {
        return Err(LastGoodError::Version {
            path: path.to_owned(),
            found: versioned.version,
        });
    }
    let header: Header =
        serde_json::from_str(header).map_err(|_| damaged("its header is not as expected"))?;
    if header.index != index {
        return Err(LastGoodError::Foreign {
            path: path.to_owned(),
            found: header.index,
            expected: index.to_owned(),
        });
    }
    let mut builder = DirectiveSetBuilder::with_capacity(header.directives.min(1 << 20));
    for line in lines {
        let (id, json): (String, Box<serde_json::value::RawValue>) =
            serde_json::from_str(line).map_err(|_| damaged("a line is not as expected"))?;
        let document = decode(&id, json.get(), &any_expiry(now))
            .map_err(|_| damaged("a directive is not valid"))?;
        builder.push(document.directive());
    }
    let set = builder
        .build_by_id()
        .map_err(|_| damaged("its directives do not form a set"))?;
    let digest = set.digest();
    if digest.to_string() != header.digest || set.len() != header.directives {
        return Err(damaged("its digest is wrong"));
    }
    Ok(Snapshot::from(SnapshotParts {
        set,
        digest,
        revision: Some(header.revision),
        rejections: Vec::new(),
        revoked: 0,
        read_at: Some(header.read_at),
    }))
}

/// How far ahead an expiry may lie was checked when the directive was read.
fn any_expiry(now: Timestamp) -> DecodeLimits {
    DecodeLimits {
        now,
        max_ttl: std::time::Duration::MAX,
    }
}

fn checksum(bytes: &[u8]) -> String {
    Sha256::digest(bytes)
        .iter()
        .fold(String::new(), |mut text, byte| {
            // Writing to a `String` does not fail.
            let _ = std::fmt::Write::write_fmt(&mut text, format_args!("{byte:02x}"));
            text
        })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use std::fs;

    use super::*;
    use opensearch_directives_core::{
        DiagLevel, DiagnosticsDirective, DirectiveMatch, DirectiveSet,
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
    fn what_was_written_is_read() {
        let (folder, path) = written();
        let read = read(&path, "directives", now()).unwrap();
        let wrote = snapshot();
        assert!(read.is_same_as(&wrote));
        assert!(read.set().iter().eq(wrote.set().iter()));
        assert_eq!(read.read_at(), wrote.read_at());
        // Nothing is left beside it, and a second write replaces it.
        write(&LastGoodFile::new(path.clone()), "directives", &snapshot()).unwrap();
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn an_expiry_in_it_is_absolute() {
        let (_folder, path) = written();
        let later = "2050-01-01T00:00:00Z".parse().unwrap();
        let read = read(&path, "directives", later).unwrap();
        assert!(
            read.set()
                .iter()
                .all(|directive| !directive.is_active(later))
        );
    }

    #[cfg(unix)]
    #[test]
    fn only_its_owner_may_read_it() {
        use std::os::unix::fs::PermissionsExt as _;
        let (_folder, path) = written();
        assert_eq!(
            fs::metadata(path).unwrap().permissions().mode() & 0o777,
            0o600
        );
    }

    #[test]
    fn a_byte_changed_or_missing_anywhere_is_damage() {
        let (_folder, path) = written();
        let good = fs::read(&path).unwrap();
        let refused = |bytes: &[u8]| {
            fs::write(&path, bytes).unwrap();
            let error = read(&path, "directives", now()).unwrap_err();
            assert!(matches!(error, LastGoodError::Damaged { .. }), "{error}");
        };
        for place in 0..good.len() {
            let mut bad = good.clone();
            bad[place] ^= 1;
            refused(&bad);
            refused(&good[..place]);
        }
        refused(&[good.as_slice(), b"\n"].concat());
    }

    #[test]
    fn what_is_foreign_is_refused_and_named() {
        let (_folder, path) = written();
        let error = read(&path, "other", now()).unwrap_err().to_string();
        assert!(
            error.contains("of the index directives, not other"),
            "{error}"
        );
        let body = format!("{{\"format\":\"{FORMAT}\",\"version\":2,\"new\":1}}\n");
        replace(
            &LastGoodFile::new(path.clone()),
            &checksum(body.as_bytes()),
            body.as_bytes(),
        )
        .unwrap();
        let error = read(&path, "directives", now()).unwrap_err().to_string();
        assert!(error.contains("format version 2"), "{error}");
        fs::remove_file(&path).unwrap();
        let error = read(&path, "directives", now()).unwrap_err();
        assert!(matches!(error, LastGoodError::Io { .. }));
    }
}
