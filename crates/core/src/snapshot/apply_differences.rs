//! Applies the differences between two snapshots, which another agent has sent. The reader applies
//! the differences to its earlier snapshot, and so gets the later snapshot.
//!
//! The reader does not trust the differences that it receives. The reader decodes each directive in
//! the differences as a stored document. After the reader has applied the differences, the digest
//! of all directives must equal the digest in the JSON. A reader that cannot apply the differences
//! requests the whole snapshot from the sender.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::document::{DocumentRef, Rejection};
use crate::set::Edit;
use crate::{DiagnosticsDirective, Digest, DirectiveSet};

use super::json::{SenderState, decode_one, insert_once};
use super::json_error::{Repr, SnapshotError};
use super::{Revision, SignatureTable, Snapshot};

/// The state to which a reader applies the next differences from the same sender. The state
/// contains the directives that the reader has accepted, and the digest and the rejection of each
/// directive that the reader has refused.
#[doc(hidden)]
#[derive(Clone, Debug)]
pub struct DeltaBase {
    pub(super) set: DirectiveSet,
    /// The digest of all directives in `set`.
    pub(super) digest: Digest,
    pub(super) signatures: Arc<SignatureTable>,
    /// The uuid of the index from which the sender reads its directives. The reader needs the uuid
    /// of the index to verify signatures, because a signature is valid only for one index.
    pub(super) uuid: String,
    pub(super) sender: SenderState,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ReadDelta<'a> {
    digest: Cow<'a, str>,
    revision: Revision,
    #[serde(borrow)]
    changed: Vec<&'a RawValue>,
    #[serde(borrow)]
    removed: Vec<Cow<'a, str>>,
    rejected: Option<Vec<Rejection>>,
    revoked: usize,
}

/// The added or changed directive; `None` if the directive was removed.
type Change = Option<(DiagnosticsDirective, SignatureTable, Option<Rejection>)>;

impl DeltaBase {
    /// Returns the number of directives that the reader has accepted. The duration of
    /// [`apply`](Self::apply) grows with the number of directives.
    #[must_use]
    pub fn directives(&self) -> usize {
        self.set.len()
    }

    /// Applies the JSON of differences that [`delta_json`](Snapshot::delta_json) has written. The
    /// arguments of `apply` are the same as those of [`from_json_if`](Snapshot::from_json_if).
    ///
    /// # Errors
    /// Returns the same errors as `from_json_if`, and also an error if the differences begin at
    /// another state or belong to another index.
    pub fn apply(
        &self,
        json: &str,
        cap: usize,
        read_at: Timestamp,
        mut check: impl FnMut(&DocumentRef<'_>, &str) -> Result<(), Rejection>,
    ) -> Result<(Snapshot, Self), SnapshotError> {
        let read: ReadDelta<'_> = serde_json::from_str(json)?;
        if read.revision.uuid != self.uuid {
            return Err(SnapshotError(Repr::OtherState));
        }
        let check = |document: &DocumentRef<'_>| check(document, &self.uuid);
        let changes = decode_changes(&read, read_at, check)?;
        let mut next = self.with(changes)?;
        let directives = next.set.len() + next.sender.refused.len();
        if directives > cap {
            return Err(SnapshotError(Repr::TooManyDirectives { directives, cap }));
        }
        if next.sender.claimed.to_string() != read.digest {
            return Err(SnapshotError(Repr::Digest {
                claimed: read.digest.into_owned(),
                found: next.sender.claimed,
            }));
        }
        if let Some(rejected) = read.rejected {
            next.sender.rejected = rejected.into();
        }
        let snapshot = next.snapshot(read.revision, read.revoked, read_at);
        Ok((snapshot, next))
    }

    /// Returns a snapshot with the directives that the reader has accepted, and with the given
    /// revision.
    pub(super) fn snapshot(
        &self,
        revision: Revision,
        revoked: usize,
        read_at: Timestamp,
    ) -> Snapshot {
        Snapshot {
            set: self.set.clone(),
            digest: self.digest,
            signatures: Arc::clone(&self.signatures),
            revision: Some(revision),
            rejections: self.sender.rejections(),
            revoked,
            read_at: Some(read_at),
        }
    }

    /// Returns the reader's next state, to which the given changes were applied. Both the changes
    /// and the set must be ordered by id.
    fn with(&self, changes: BTreeMap<Box<str>, Change>) -> Result<Self, SnapshotError> {
        let mut next = self.clone();
        let mut edits = Vec::new();
        for (id, change) in &changes {
            let found = self.set.position_of(id);
            let removes = found.is_ok();
            let (Ok(position) | Err(position)) = found;
            let was_refused = next.sender.refused.remove(id);
            if let Some(removed) = self.set.get(position).filter(|_| removes) {
                next.digest = next.digest.without(removed);
                next.sender.claimed = next.sender.claimed.without(removed);
            } else if let Some((digest, _)) = was_refused {
                next.sender.claimed = next.sender.claimed.minus(digest);
            }
            let mut inserts = None;
            if let Some((directive, _, refused)) = change {
                let directive = directive.as_ref();
                next.sender.claimed = next.sender.claimed.with(directive);
                if let Some(rejection) = refused {
                    let refused = (Digest::of(directive), rejection.clone());
                    next.sender.refused.insert(id.clone(), refused);
                } else {
                    next.digest = next.digest.with(directive);
                    inserts = Some(directive);
                }
            }
            // A directive that was added and removed again after the reader's snapshot is not in
            // the reader's set, so there is nothing to remove.
            if removes || inserts.is_some() {
                edits.push(Edit {
                    position,
                    removes,
                    inserts,
                });
            }
        }
        if !edits.is_empty() {
            let patched = self.set.patched(&edits);
            next.set = patched.map_err(|_| SnapshotError(Repr::TooLargeDelta))?;
        }
        drop(edits);
        next.signatures = signatures_after(&self.signatures, changes);
        Ok(next)
    }
}

fn signatures_after(
    before: &Arc<SignatureTable>,
    changes: BTreeMap<Box<str>, Change>,
) -> Arc<SignatureTable> {
    let mut table = Arc::clone(before);
    for (id, change) in changes {
        if table.contains_key(&id) {
            Arc::make_mut(&mut table).remove(&id);
        }
        if let Some((_, signatures, None)) = change
            && !signatures.is_empty()
        {
            Arc::make_mut(&mut table).extend(signatures);
        }
    }
    table
}

fn decode_changes(
    read: &ReadDelta<'_>,
    now: Timestamp,
    mut check: impl FnMut(&DocumentRef<'_>) -> Result<(), Rejection>,
) -> Result<BTreeMap<Box<str>, Change>, SnapshotError> {
    let mut changes: BTreeMap<Box<str>, Change> = BTreeMap::new();
    for directive in &read.changed {
        decode_one(directive, now, |id, document| {
            let mut signatures = SignatureTable::new();
            if !document.signatures().is_empty() {
                signatures.insert(id.into(), document.signatures().into());
            }
            let refused = check(document).err();
            let directive = document.directive().to_directive();
            insert_once(&mut changes, id, Some((directive, signatures, refused)))
        })?;
    }
    for id in &read.removed {
        insert_once(&mut changes, id, None)?;
    }
    Ok(changes)
}

#[cfg(test)]
#[path = "apply_differences_tests.rs"]
mod tests;
