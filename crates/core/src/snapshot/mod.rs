//! The result of one complete read of the index. The set, the revision and the rejections of one
//! read are published together.

mod apply_differences;
mod changes;
mod index_revision;
mod json;
mod json_error;

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;

use crate::document::{Rejection, Signature};
use crate::hits::HitCounters;
use crate::{Digest, DirectiveSet};

#[doc(hidden)]
pub use apply_differences::DeltaBase;
#[doc(hidden)]
pub use changes::SnapshotChanges;
pub use index_revision::Revision;
pub use json_error::{SnapshotError, SnapshotErrorKind};

/// The signatures of the signed directives, by the id of the directive. The last-good file and the
/// snapshot for the next agent in a chain contain the signatures, because every reader of a
/// snapshot verifies them itself.
#[doc(hidden)]
pub type SignatureTable = BTreeMap<Box<str>, Box<[Signature]>>;

/// A snapshot: the result of one complete read of the index, or of another source. The whole
/// snapshot is published in one swap. So no reader combines the set of one read with the revision
/// of another read.
///
/// A snapshot is empty and has no revision in two cases: before the first complete read, and after
/// the set was emptied because it had become too old.
#[derive(Debug, Default)]
pub struct Snapshot {
    set: DirectiveSet,
    digest: Digest,
    signatures: Arc<SignatureTable>,
    /// The state of the index from which the snapshot was read; `None` before the first complete
    /// read, and after the set was emptied.
    revision: Option<Revision>,
    rejections: Vec<Rejection>,
    /// The number of revoked documents in the index. The set contains no directive of a revoked
    /// document.
    revoked: usize,
    /// The time at which the read of the index ended.
    read_at: Option<Timestamp>,
}

/// The parts from which the crates that read an index create a [`Snapshot`].
#[doc(hidden)]
#[derive(Debug, Default)]
pub struct SnapshotParts {
    pub set: DirectiveSet,
    /// The digest of the directives in `set`.
    pub digest: Digest,
    pub signatures: Arc<SignatureTable>,
    pub revision: Option<Revision>,
    pub rejections: Vec<Rejection>,
    pub revoked: usize,
    pub read_at: Option<Timestamp>,
}

impl From<SnapshotParts> for Snapshot {
    fn from(parts: SnapshotParts) -> Self {
        let SnapshotParts {
            set,
            digest,
            signatures,
            revision,
            rejections,
            revoked,
            read_at,
        } = parts;
        Self {
            set,
            digest,
            signatures,
            revision,
            rejections,
            revoked,
            read_at,
        }
    }
}

impl Snapshot {
    /// Creates the snapshot of a complete read that rejected no document. An application that
    /// implements its own source calls `Snapshot::new`. If two reads of the source find the same
    /// content, the application must pass the same `revision` for both reads.
    #[must_use]
    pub fn new(set: DirectiveSet, revision: Revision, read_at: Timestamp) -> Self {
        Self {
            digest: set.digest(),
            signatures: Arc::default(),
            set,
            revision: Some(revision),
            rejections: Vec::new(),
            revoked: 0,
            read_at: Some(read_at),
        }
    }

    /// Sets the rejections of the documents that the source refused. The list must be ordered by
    /// the id of the document.
    #[must_use]
    pub fn with_rejections(mut self, rejections: Vec<Rejection>) -> Self {
        self.rejections = rejections;
        self
    }
}

impl Snapshot {
    /// Attaches counters to the set, so that evaluations of the set count matches. If a directive
    /// is new, `now` becomes the time since which its matches are counted.
    #[doc(hidden)]
    #[must_use]
    pub fn counted_by(mut self, counters: &HitCounters, now: Timestamp) -> Self {
        self.set = counters.attach(&self.set, now);
        self
    }

    /// Returns true if both snapshots have the same content, even if they were read at different
    /// times.
    #[must_use]
    pub fn is_same_as(&self, other: &Self) -> bool {
        self.revision == other.revision
            && self.digest == other.digest
            && self.signatures == other.signatures
            && self.rejections == other.rejections
    }
}

impl Snapshot {
    /// Returns the set of the directives, including expired ones.
    #[must_use]
    pub fn set(&self) -> &DirectiveSet {
        &self.set
    }

    /// Returns the digest of the directives in the set.
    #[must_use]
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// Returns the signatures of the directive with the given id, or an empty list if the directive
    /// is not signed.
    #[must_use]
    pub fn signatures(&self, id: &str) -> &[Signature] {
        self.signatures.get(id).map_or(&[], |signatures| signatures)
    }

    /// Returns the state of the index from which the snapshot was read.
    #[must_use]
    pub fn revision(&self) -> Option<&Revision> {
        self.revision.as_ref()
    }

    /// Returns the rejections of all refused documents, ordered by id.
    #[must_use]
    pub fn rejections(&self) -> &[Rejection] {
        &self.rejections
    }

    /// Returns the number of revoked documents in the index. The set contains no directive of a
    /// revoked document.
    #[must_use]
    pub fn revoked(&self) -> usize {
        self.revoked
    }

    /// Returns the time at which the read of the index ended. If a later read of the index has the
    /// same result, the published snapshot keeps its `read_at`.
    #[must_use]
    pub fn read_at(&self) -> Option<Timestamp> {
        self.read_at
    }
}

impl AsRef<DirectiveSet> for Snapshot {
    fn as_ref(&self) -> &DirectiveSet {
        &self.set
    }
}
