//! Reads and writes the last-good file. The last-good file contains the last published snapshot, so
//! that a store can start while the cluster is unavailable.
//!
//! The first line of the last-good file is a checksum of the other lines. The second line of the
//! last-good file is a header with the name of the index. The third line of the last-good file is
//! the snapshot, in the JSON format that agents exchange.
//!
//! The reader refuses an incomplete or changed file, because the checksum of such a file is wrong.
//! The last-good file contains each expiry as an absolute time, so loading a directive from the
//! file does not postpone its expiry. The last-good file contains no credentials, and only its
//! owner can read it.

use std::error::Error;
use std::fmt;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::last_good_atomic_write::LastGoodFile;
use crate::signatures::Trust;
use opensearch_directives_core::document::DecodeLimits;
use opensearch_directives_core::internal::{Hex, visible_beginning};
use opensearch_directives_core::{Snapshot, SnapshotError};

const FORMAT: &str = "opensearch-directives last good";
const VERSION: u32 = 2;
/// The largest last-good file that the store reads, in bytes.
const MAX_BYTES: u64 = 1 << 30;
/// The maximum length of the name of an index, in characters.
const MAX_INDEX_CHARS: usize = 255;
/// The number of hexadecimal digits of a checksum.
const CHECKSUM_CHARS: usize = 64;

/// The reason why a last-good file cannot be used.
#[derive(Debug)]
pub struct LastGoodError {
    path: PathBuf,
    repr: Repr,
}

/// The reasons why a last-good file cannot be used.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum LastGoodErrorKind {
    /// The operating system returned an error when the store read the last-good file.
    Io,
    /// The last-good file is damaged: its content differs from the content that was written.
    Damaged,
    /// Another version of this program wrote the last-good file in another format.
    OtherVersion,
    /// The last-good file contains the snapshot of another index.
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
    /// Returns why the last-good file cannot be used, as a value that a program can compare.
    #[must_use]
    pub fn kind(&self) -> LastGoodErrorKind {
        match self.repr {
            Repr::Io(_) => LastGoodErrorKind::Io,
            Repr::Damaged(_) | Repr::Snapshot(_) => LastGoodErrorKind::Damaged,
            Repr::OtherVersion(_) => LastGoodErrorKind::OtherVersion,
            Repr::OtherIndex { .. } => LastGoodErrorKind::OtherIndex,
        }
    }

    /// Returns the path of the last-good file that cannot be used.
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
                "the last-good file {path} belongs to the index {}, not {expected}; \
                 configure another file",
                visible_beginning(found, MAX_INDEX_CHARS)
            ),
        }
    }
}

/// The header of a last-good file, which is its second line.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    format: String,
    version: u32,
    /// The configured name of the index or alias that the store polls. If the store polls an alias,
    /// the snapshot's revision contains the name of the concrete index.
    index: String,
    read_at: Timestamp,
}

/// The header fields that every version of the format has, by which the reader recognises another
/// version.
#[derive(Debug, Deserialize)]
struct Versioned {
    format: String,
    version: u32,
}

/// Writes a snapshot to the last-good file. A snapshot without a revision was not read from an
/// index, so it is not written.
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

/// Reads the last-good file that [`write`] wrote for the index with the same name. The reader
/// verifies the signatures of each directive again, because a forged file is as dangerous as a
/// forged document in the index. The reader also rejects each directive that expires later than
/// `limits` permit, because an operator may have lowered `max_ttl` after the file was written.
pub(crate) fn read(
    path: &Path,
    index: &str,
    trust: Option<&Trust>,
    limits: &DecodeLimits,
) -> Result<Snapshot, LastGoodError> {
    let content = read_bytes(path).map_err(|error| LastGoodError {
        path: path.to_owned(),
        repr: Repr::Io(error),
    })?;
    parse_content(path, &content, index, trust, limits)
}

/// Parses `content`, the content of the last-good file at the given path. The fuzz targets also
/// call this function, with untrusted content.
pub(crate) fn parse_content(
    path: &Path,
    content: &[u8],
    index: &str,
    trust: Option<&Trust>,
    limits: &DecodeLimits,
) -> Result<Snapshot, LastGoodError> {
    parse(content, index, trust, limits).map_err(|repr| LastGoodError {
        path: path.to_owned(),
        repr,
    })
}

fn read_bytes(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(MAX_BYTES).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn parse(
    bytes: &[u8],
    index: &str,
    trust: Option<&Trust>,
    limits: &DecodeLimits,
) -> Result<Snapshot, Repr> {
    let body = verified(bytes)?;
    let text = std::str::from_utf8(body).map_err(|_| Repr::Damaged("it is not UTF-8"))?;
    let (header, snapshot) = text
        .split_once('\n')
        .ok_or(Repr::Damaged("it has no header"))?;
    let read_at = check_header(header, index)?;
    Snapshot::from_json_if(
        snapshot.trim_end(),
        usize::MAX,
        read_at,
        |document, uuid| {
            limits.check_expiry(document)?;
            Trust::check_with(trust, document, uuid)
        },
    )
    .map_err(Repr::Snapshot)
}

/// Compares the checksum of a last-good file with the file's content, and returns the bytes after
/// the checksum.
fn verified(bytes: &[u8]) -> Result<&[u8], Repr> {
    let (sum, body) = bytes
        .split_at_checked(CHECKSUM_CHARS)
        .and_then(|(sum, rest)| Some((sum, rest.strip_prefix(b"\n")?)))
        .ok_or(Repr::Damaged("its end is missing"))?;
    if checksum(body).as_bytes() == sum {
        Ok(body)
    } else {
        Err(Repr::Damaged("its checksum is wrong"))
    }
}

/// Checks that the header of a last-good file has the current format and names the given index, and
/// returns the time at which the snapshot was read.
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
#[path = "last_good_format_tests.rs"]
mod tests;
