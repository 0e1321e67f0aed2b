//! One published state of the index: all that belongs together, in one value.

mod json;
mod revision;

use jiff::Timestamp;

use crate::document::Rejection;
use crate::{Digest, DirectiveSet};

pub use json::SnapshotError;
pub use revision::Revision;

/// What one complete read gave. Published in one swap, so that no reader sees the set
/// of one read and the revision of another.
///
/// Empty, without a revision, before the first complete read and after a set was emptied
/// for its age.
#[derive(Debug, Default)]
pub struct Snapshot {
    set: DirectiveSet,
    digest: Digest,
    /// `None` before the first complete read.
    revision: Option<Revision>,
    rejections: Vec<Rejection>,
    /// How many documents are revoked, and so in no set.
    revoked: usize,
    /// When the read ended that gave this.
    read_at: Option<Timestamp>,
}

/// What a [`Snapshot`] is made of, for the crates that read an index.
#[doc(hidden)]
#[derive(Debug, Default)]
pub struct SnapshotParts {
    pub set: DirectiveSet,
    /// Must be the digest of the set.
    pub digest: Digest,
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
            revision,
            rejections,
            revoked,
            read_at,
        } = parts;
        Self {
            set,
            digest,
            revision,
            rejections,
            revoked,
            read_at,
        }
    }
}

impl Snapshot {
    /// Whether a later read gave the same.
    #[must_use]
    pub fn is_same_as(&self, other: &Self) -> bool {
        self.revision == other.revision
            && self.digest == other.digest
            && self.rejections == other.rejections
    }
}

/// For whoever reads what was published.
impl Snapshot {
    /// The directives, expired ones included.
    #[must_use]
    pub fn set(&self) -> &DirectiveSet {
        &self.set
    }

    /// The digest of the directives.
    #[must_use]
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// Which state of the index it is.
    #[must_use]
    pub fn revision(&self) -> Option<&Revision> {
        self.revision.as_ref()
    }

    /// The documents of that state that were refused, by their ids.
    #[must_use]
    pub fn rejections(&self) -> &[Rejection] {
        &self.rejections
    }

    /// The number of revoked documents of that state. They are in no set.
    #[must_use]
    pub fn revoked(&self) -> usize {
        self.revoked
    }

    /// When the read ended that gave this. Later reads that gave the same are not told.
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
