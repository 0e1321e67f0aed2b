//! A snapshot, which is the result of one complete read of the index. The directive set, the
//! revision and the rejections of one read are published together.

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

/// The signatures of each signed directive, by the directive's id. The last-good file and the
/// snapshot that an agent sends contain the signatures, because each reader of a snapshot verifies
/// them itself.
#[doc(hidden)]
pub type SignatureTable = BTreeMap<Box<str>, Box<[Signature]>>;

/// The result of one complete read of the index or of another source. The refresher publishes the
/// whole snapshot in one atomic swap. No request and no report can therefore combine the set of one
/// read with the revision of another read.
///
/// A snapshot is empty and has no revision before the first complete read, and after the set was
/// emptied because it was too old.
#[derive(Debug, Default)]
pub struct Snapshot {
    set: DirectiveSet,
    digest: Digest,
    signatures: Arc<SignatureTable>,
    /// The state of the index from which the snapshot was read; `None` before the first complete
    /// read, and after the set was emptied.
    revision: Option<Revision>,
    rejections: Vec<Rejection>,
    /// The number of revoked documents in the index. The directives of revoked documents are not in
    /// the set.
    revoked: usize,
    /// The time at which the complete read of the index ended.
    read_at: Option<Timestamp>,
}

/// The parts of a [`Snapshot`], from which the crates that read an index create it.
#[doc(hidden)]
#[derive(Debug, Default)]
pub struct SnapshotParts {
    pub set: DirectiveSet,
    /// The digest of all directives in `set`.
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
    /// Creates the snapshot of a complete read in which no document was rejected. An application
    /// with its own source of directives calls `Snapshot::new` after each read. If two reads find
    /// the same content, the application must pass the same `revision` both times.
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

    /// Sets the rejections of the documents that the source has refused. The rejections must be
    /// ordered by the id of the document.
    #[must_use]
    pub fn with_rejections(mut self, rejections: Vec<Rejection>) -> Self {
        self.rejections = rejections;
        self
    }
}

impl Snapshot {
    /// Attaches counters to the snapshot's set, so that evaluations of the set count matches. The
    /// matches of a directive that is new in the set are counted from `now` on.
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
    /// Returns the directive set of the snapshot, which may contain expired directives.
    #[must_use]
    pub fn set(&self) -> &DirectiveSet {
        &self.set
    }

    /// Returns the digest of the directives in the snapshot's set.
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

    /// Returns the state of the index from which the snapshot was read, or `None` if the snapshot
    /// is empty.
    #[must_use]
    pub fn revision(&self) -> Option<&Revision> {
        self.revision.as_ref()
    }

    /// Returns the rejections of all refused documents, ordered by id.
    #[must_use]
    pub fn rejections(&self) -> &[Rejection] {
        &self.rejections
    }

    /// Returns the number of revoked documents in the index. The directives of revoked documents
    /// are not in the set.
    #[must_use]
    pub fn revoked(&self) -> usize {
        self.revoked
    }

    /// Returns the time at which the complete read of the index ended. The published snapshot keeps
    /// its `read_at` if a later read of the index has the same result.
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
