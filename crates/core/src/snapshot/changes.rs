//! Compares two snapshots, and writes their differences as JSON. The JSON is for another agent that
//! already has the earlier snapshot.
//!
//! For each publish, the sender remembers only the ids of the changed directives. The sender takes
//! the changed directives themselves from its current snapshot. To combine the differences of
//! several publishes, the sender takes the union of the changed ids.

use std::cmp::Ordering;
use std::collections::BTreeSet;

use serde::ser::{Serialize, SerializeSeq as _, Serializer};
use serde_json::value::RawValue;
use sha2::{Digest as _, Sha256};

use crate::Digest;
use crate::DirectiveSet;
use crate::document::{DirectiveJson, Rejection};
use crate::hex::Hex;

use super::{Revision, Snapshot};

/// The differences between two snapshots of the same index.
#[doc(hidden)]
#[derive(Clone, Debug, Default)]
pub struct SnapshotChanges {
    /// The ids of the directives that were added, changed or removed, or that have other
    /// signatures.
    pub ids: BTreeSet<Box<str>>,
    /// Whether the two snapshots have different rejections.
    pub rejections: bool,
}

impl SnapshotChanges {
    /// Adds the changes of a later publish to the changes of earlier publishes.
    pub fn extend(&mut self, later: &Self) {
        self.ids.extend(later.ids.iter().cloned());
        self.rejections |= later.rejections;
    }
}

impl Snapshot {
    /// Returns the differences between an earlier snapshot and this snapshot. The method returns
    /// `None` if more than `max` directives differ, if the snapshots come from different indices,
    /// or if their directives are not ordered by id.
    #[doc(hidden)]
    #[must_use]
    pub fn changes_since(&self, before: &Self, max: usize) -> Option<SnapshotChanges> {
        if self.revision.as_ref()?.uuid != before.revision.as_ref()?.uuid {
            return None;
        }
        let mut changes = SnapshotChanges {
            ids: BTreeSet::new(),
            rejections: self.rejections != before.rejections,
        };
        if self.set.is_handle_of(&before.set) && self.signatures == before.signatures {
            return Some(changes);
        }
        for id in differing_ids(before, self) {
            if changes.ids.len() == max {
                return None;
            }
            changes.ids.insert(id?.into());
        }
        Some(changes)
    }

    /// Encodes the differences to an earlier snapshot as JSON, with the directives that `changes`
    /// lists. A reader whose snapshot differs from this snapshot only in `changes` can apply the
    /// JSON with [`DeltaBase::apply`](super::DeltaBase::apply).
    ///
    /// # Errors
    /// Encoding a snapshot that a store has published never fails.
    #[doc(hidden)]
    pub fn delta_json(&self, changes: &SnapshotChanges) -> serde_json::Result<Box<RawValue>> {
        let (present, removed): (Vec<&str>, Vec<&str>) = changes
            .ids
            .iter()
            .map(AsRef::as_ref)
            .partition(|id| self.set.position_of(id).is_ok());
        serde_json::value::to_raw_value(&DeltaJson {
            digest: self.digest,
            revision: self.revision.as_ref(),
            changed: Selected {
                snapshot: self,
                ids: &present,
            },
            removed: &removed,
            rejected: changes.rejections.then_some(&self.rejections),
            revoked: self.revoked,
        })
    }

    /// Returns a hash of the snapshot's content, as 32 hexadecimal digits. Snapshots with the same
    /// content have the same hash in every process with the same version of this library.
    #[doc(hidden)]
    #[must_use]
    pub fn content_tag(&self) -> String {
        let mut hasher = Sha256::new();
        let mut update = |bytes: &[u8]| {
            hasher.update((bytes.len() as u64).to_be_bytes());
            hasher.update(bytes);
        };
        update(b"snapshot 1");
        update(self.digest.to_string().as_bytes());
        // Serialising the revision and the rejections cannot fail, because their fields are only
        // strings, numbers and times.
        update(&serde_json::to_vec(&self.revision).unwrap_or_default());
        update(&serde_json::to_vec(&self.rejections).unwrap_or_default());
        update(&(self.revoked as u64).to_be_bytes());
        for (id, signatures) in self.signatures.iter() {
            update(id.as_bytes());
            for signature in signatures {
                update(signature.to_string().as_bytes());
            }
            update(b"");
        }
        Hex(&hasher.finalize()[..16]).to_string()
    }
}

/// Returns the ids of the directives that differ between two snapshots, in ascending order. The
/// iterator returns `Some(None)` if the set of a snapshot is not ordered by id.
fn differing_ids<'a>(
    before: &'a Snapshot,
    after: &'a Snapshot,
) -> impl Iterator<Item = Option<&'a str>> {
    let (mut old, mut new) = (0, 0);
    std::iter::from_fn(move || {
        loop {
            let (was, is) = (before.set.get(old), after.set.get(new));
            if !(is_ascending(&before.set, old) && is_ascending(&after.set, new)) {
                return Some(None);
            }
            let order = match (was, is) {
                (None, None) => return None,
                (Some(_), None) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
                (Some(was), Some(is)) => was.id.cmp(is.id),
            };
            old += usize::from(order.is_le());
            new += usize::from(order.is_ge());
            let id = if order.is_le() { was?.id } else { is?.id };
            let is_same =
                order.is_eq() && was == is && before.signatures(id) == after.signatures(id);
            if !is_same {
                return Some(Some(id));
            }
        }
    })
}

fn is_ascending(set: &DirectiveSet, position: usize) -> bool {
    let previous = position
        .checked_sub(1)
        .and_then(|previous| set.get(previous));
    match (previous, set.get(position)) {
        (Some(previous), Some(next)) => previous.id < next.id,
        _ => true,
    }
}

#[derive(serde::Serialize)]
struct DeltaJson<'a> {
    digest: Digest,
    revision: Option<&'a Revision>,
    changed: Selected<'a>,
    removed: &'a [&'a str],
    rejected: Option<&'a Vec<Rejection>>,
    revoked: usize,
}

struct Selected<'a> {
    snapshot: &'a Snapshot,
    ids: &'a [&'a str],
}

impl Serialize for Selected<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut list = serializer.serialize_seq(Some(self.ids.len()))?;
        let set = &self.snapshot.set;
        let positions = self.ids.iter().filter_map(|id| set.position_of(id).ok());
        for directive in positions.filter_map(|position| set.get(position)) {
            list.serialize_element(&DirectiveJson {
                signatures: self.snapshot.signatures(directive.id),
                directive,
            })?;
        }
        list.end()
    }
}
