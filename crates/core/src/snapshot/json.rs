//! Converts a snapshot to JSON and back, to send it to another agent or to save it in the last-good
//! file.
//!
//! A reader of a snapshot does not trust the JSON. The reader decodes each directive in the JSON as
//! a stored document, and checks that the digest of all directives equals the digest in the JSON. A
//! reader that verifies signatures can reject single directives of a snapshot, as a reader of the
//! index can.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize, Serializer};
use serde_json::value::RawValue;

use crate::document::{
    DecodeLimits, DirectiveJson, DocumentRef, Rejection, decode as decode_document,
};
use crate::{Digest, DirectiveSet, DirectiveSetBuilder};

use super::json_error::{Repr, SnapshotError};
use super::{DeltaBase, Revision, SignatureTable, Snapshot};

#[derive(Serialize)]
struct SnapshotJson<'a> {
    digest: Digest,
    revision: Option<&'a Revision>,
    directives: SetJson<'a>,
    rejected: &'a [Rejection],
    revoked: usize,
}

struct SetJson<'a>(&'a Snapshot);

impl Serialize for SetJson<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.set.iter().map(|directive| DirectiveJson {
            signatures: self.0.signatures(directive.id),
            directive,
        }))
    }
}

impl Snapshot {
    /// Serialises the whole snapshot as JSON, in which all times are absolute. The JSON does not
    /// contain the time at which the snapshot was read from the index. Two snapshots with the same
    /// content have the same JSON, even if they were read at different times.
    ///
    /// # Errors
    /// Serialising a snapshot that a store has published never fails.
    pub fn to_json(&self) -> serde_json::Result<Box<RawValue>> {
        serde_json::value::to_raw_value(&SnapshotJson {
            digest: self.digest,
            revision: self.revision.as_ref(),
            directives: SetJson(self),
            rejected: &self.rejections,
            revoked: self.revoked,
        })
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ReadSnapshot<'a> {
    digest: Cow<'a, str>,
    revision: Revision,
    #[serde(borrow)]
    directives: Vec<&'a RawValue>,
    rejected: Vec<Rejection>,
    revoked: usize,
}

/// The id in the JSON of a directive, which the reader passes to the decoder separately.
#[derive(Deserialize)]
struct Identified<'a> {
    #[serde(borrow)]
    id: Cow<'a, str>,
}

impl Snapshot {
    /// Reads a snapshot from JSON that [`to_json`](Self::to_json) has written. Pass the time at
    /// which the snapshot was read from the index as `read_at`. Pass the highest permitted number
    /// of directives as `cap`.
    ///
    /// # Errors
    /// Returns a [`SnapshotError`] if the JSON is not a snapshot, contains too many directives, or
    /// states a digest other than that of its directives.
    pub fn from_json(json: &str, cap: usize, read_at: Timestamp) -> Result<Self, SnapshotError> {
        Self::from_json_if(json, cap, read_at, |_, _| Ok(()))
    }

    /// Reads a snapshot as [`from_json`](Self::from_json) does, but leaves out the directives that
    /// `check` rejects. The function `check` receives each directive, and the uuid of the index
    /// from which the snapshot was read.
    ///
    /// # Errors
    /// Returns the same errors as [`from_json`](Self::from_json).
    #[doc(hidden)]
    pub fn from_json_if(
        json: &str,
        cap: usize,
        read_at: Timestamp,
        check: impl FnMut(&DocumentRef<'_>, &str) -> Result<(), Rejection>,
    ) -> Result<Self, SnapshotError> {
        Self::receive(json, cap, read_at, check).map(|(snapshot, _)| snapshot)
    }

    /// Reads a snapshot as [`from_json_if`](Self::from_json_if) does, and also returns the state to
    /// which the reader can apply the sender's next differences.
    ///
    /// # Errors
    /// Returns the same errors as [`from_json`](Self::from_json).
    #[doc(hidden)]
    pub fn receive(
        json: &str,
        cap: usize,
        read_at: Timestamp,
        mut check: impl FnMut(&DocumentRef<'_>, &str) -> Result<(), Rejection>,
    ) -> Result<(Self, DeltaBase), SnapshotError> {
        let read: ReadSnapshot<'_> = serde_json::from_str(json)?;
        if read.directives.len() > cap {
            return Err(SnapshotError(Repr::TooManyDirectives {
                directives: read.directives.len(),
                cap,
            }));
        }
        let uuid = &read.revision.uuid;
        let decoded = decode_set(&read.directives, read_at, |document| check(document, uuid))?;
        if decoded.claimed.to_string() != read.digest {
            return Err(SnapshotError(Repr::Digest {
                claimed: read.digest.into_owned(),
                found: decoded.claimed,
            }));
        }
        let digest = if decoded.refused.is_empty() {
            decoded.claimed
        } else {
            decoded.set.digest()
        };
        let base = DeltaBase {
            set: decoded.set,
            digest,
            signatures: Arc::new(decoded.signatures),
            uuid: read.revision.uuid.clone(),
            sender: SenderState {
                claimed: decoded.claimed,
                rejected: read.rejected.into(),
                refused: decoded.refused,
            },
        };
        let snapshot = base.snapshot(read.revision, read.revoked, read_at);
        Ok((snapshot, base))
    }
}

/// The parts of the sender's snapshot that the reader's own snapshot does not contain.
#[derive(Clone, Debug)]
pub(super) struct SenderState {
    /// The digest of all directives from the sender, including those that this reader has refused.
    pub(super) claimed: Digest,
    /// The rejections of the documents that the sender has refused.
    pub(super) rejected: Arc<[Rejection]>,
    /// The digest and the rejection of each directive that the reader's own check has refused, by
    /// id.
    pub(super) refused: BTreeMap<Box<str>, (Digest, Rejection)>,
}

impl SenderState {
    /// Returns the rejections by the sender and by this reader in one list, ordered by id.
    pub(super) fn rejections(&self) -> Vec<Rejection> {
        let refused = self.refused.values().map(|(_, rejection)| rejection);
        let mut rejections: Vec<Rejection> = self.rejected.iter().chain(refused).cloned().collect();
        rejections.sort_by(|a, b| a.id().cmp(b.id()));
        rejections
    }
}

/// The directives of a snapshot after they were decoded and checked.
struct Decoded {
    set: DirectiveSet,
    signatures: SignatureTable,
    /// The digest and the rejection of each directive that the reader's own check has refused, by
    /// id.
    refused: BTreeMap<Box<str>, (Digest, Rejection)>,
    /// The digest of all directives from the sender, including those that this reader has refused.
    claimed: Digest,
}

fn decode_set(
    directives: &[&RawValue],
    now: Timestamp,
    mut check: impl FnMut(&DocumentRef<'_>) -> Result<(), Rejection>,
) -> Result<Decoded, SnapshotError> {
    let mut builder = DirectiveSetBuilder::with_capacity(directives.len());
    let mut signatures = SignatureTable::new();
    let (mut refused, mut claimed) = (BTreeMap::new(), Digest::default());
    for directive in directives {
        decode_one(directive, now, |id, document| {
            claimed = claimed.with(document.directive());
            if let Err(rejection) = check(document) {
                let entry = (Digest::of(document.directive()), rejection);
                return insert_once(&mut refused, id, entry);
            }
            if !document.signatures().is_empty() {
                signatures.insert(id.into(), document.signatures().into());
            }
            builder.push(document.directive());
            Ok(())
        })?;
    }
    let set = builder.build_by_id().map_err(SnapshotError::of_build)?;
    Ok(Decoded {
        set,
        signatures,
        refused,
        claimed,
    })
}

/// Inserts a value into a map by the id of a directive, or returns an error if the map already
/// contains the id.
pub(super) fn insert_once<V>(
    map: &mut BTreeMap<Box<str>, V>,
    id: &str,
    value: V,
) -> Result<(), SnapshotError> {
    match map.insert(id.into(), value) {
        None => Ok(()),
        Some(_) => Err(SnapshotError(Repr::Repeated)),
    }
}

/// Decodes the JSON of one directive, and passes the directive's id and the decoded document to
/// `take`.
pub(super) fn decode_one(
    directive: &RawValue,
    now: Timestamp,
    take: impl FnOnce(&str, &DocumentRef<'_>) -> Result<(), SnapshotError>,
) -> Result<(), SnapshotError> {
    let limits = DecodeLimits {
        now,
        // The decoder sets no limit, because the process that read the index has already compared
        // each expiry with its own `max_ttl`. A reader with a `max_ttl` of its own passes a `check`
        // that calls `DecodeLimits::check_expiry`.
        max_ttl: Duration::MAX,
    };
    let Identified { id } = serde_json::from_str(directive.get())?;
    let document = decode_document(&id, directive.get(), &limits)
        .map_err(|rejection| SnapshotError(Repr::Directive(Box::new(rejection))))?;
    if document.is_revoked() {
        return Err(SnapshotError(Repr::Revoked(id.into_owned())));
    }
    take(&id, &document)
}

#[cfg(test)]
#[path = "json_tests.rs"]
mod tests;
