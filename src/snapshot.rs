//! One published state of the index: all that belongs together, in one value.

use jiff::Timestamp;

use crate::document::Rejection;
use crate::domain::{Digest, DirectiveSet};
use crate::status::Revision;

/// What one complete read gave. Published in one swap, so that no reader sees the set
/// of one read and the revision of another.
#[derive(Debug, Default)]
pub(crate) struct Snapshot {
    pub(crate) set: DirectiveSet,
    pub(crate) digest: Digest,
    /// `None` before the first complete read.
    pub(crate) revision: Option<Revision>,
    pub(crate) rejections: Vec<Rejection>,
    /// How many documents are revoked, and so in no set.
    pub(crate) revoked: usize,
    /// When the read ended that gave this.
    pub(crate) read_at: Option<Timestamp>,
}

impl Snapshot {
    /// Whether a later read gave the same.
    pub(crate) fn is_same_as(&self, other: &Self) -> bool {
        self.revision == other.revision
            && self.digest == other.digest
            && self.rejections == other.rejections
    }
}

impl AsRef<DirectiveSet> for Snapshot {
    fn as_ref(&self) -> &DirectiveSet {
        &self.set
    }
}
