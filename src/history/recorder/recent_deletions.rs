//! Remembers the versions of recently deleted documents. OpenSearch also remembers these versions,
//! for a minute by default. A document that is created again within a minute after its deletion
//! continues the versions of the deleted document.

use std::collections::HashMap;

use jiff::{SignedDuration, Timestamp};

/// A deletion is forgotten after this time.
const REMEMBERED: SignedDuration = SignedDuration::from_mins(1);
/// The maximum number of remembered deletions.
const MAX_DELETIONS: usize = 10_000;

#[derive(Debug, Default)]
pub(super) struct RecentDeletions {
    by_id: HashMap<Box<str>, Deletion>,
}

#[derive(Debug)]
struct Deletion {
    version: u64,
    noticed_at: Timestamp,
}

impl Deletion {
    fn is_recent(&self, now: Timestamp) -> bool {
        now.duration_since(self.noticed_at) < REMEMBERED
    }
}

impl RecentDeletions {
    /// Returns the version of the deletion of a document; `None` if no deletion of the document is
    /// remembered.
    pub(super) fn version(&self, id: &str, now: Timestamp) -> Option<u64> {
        let deletion = self.by_id.get(id);
        let deletion = deletion.filter(|deletion| deletion.is_recent(now));
        deletion.map(|deletion| deletion.version)
    }

    /// Remembers the version of a deletion. `version` is the version that follows the version of
    /// the last known document. The version of the deletion is higher than `version` if unseen
    /// operations preceded the deletion.
    pub(super) fn insert(&mut self, id: &str, version: u64, noticed_at: Timestamp) {
        if self.by_id.len() < MAX_DELETIONS || self.by_id.contains_key(id) {
            let deletion = Deletion {
                version,
                noticed_at,
            };
            self.by_id.insert(id.into(), deletion);
        }
    }

    pub(super) fn forget_old(&mut self, now: Timestamp) {
        self.by_id.retain(|_, deletion| deletion.is_recent(now));
    }
}
