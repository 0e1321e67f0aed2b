//! Decodes the changed documents that a delta read or a reconciliation returned, and applies them
//! to a replica.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::document_decoder::{DecodedDocument, DocumentDecoder};
use super::last_authors::Authors;
use super::replica::{Other, Others, Replica};
use super::signs_of_older_view::{Regression, may_be_regression};
use crate::rest::{Collect, Hit, Incomplete};
use opensearch_directives_core::DiagnosticsDirective;
use opensearch_directives_core::document::{RejectionReason, Signature};
use opensearch_directives_core::internal::{Edit, SignatureTable};

/// The changes of the index, by document id: the decoded documents of a delta read or a
/// reconciliation, and the documents that were deleted according to a reconciliation.
#[derive(Debug)]
pub(crate) struct ChangeSet {
    decoder: DocumentDecoder,
    changes: BTreeMap<Box<str>, Change>,
}

#[derive(Debug)]
struct Change {
    seq_no: u64,
    content: Content,
}

#[derive(Debug)]
enum Content {
    Directive(Box<ChangedDirective>),
    Other(Other),
    Deleted,
}

#[derive(Debug)]
struct ChangedDirective {
    directive: DiagnosticsDirective,
    signatures: Box<[Signature]>,
    by: Option<Box<str>>,
}

impl ChangeSet {
    pub(crate) fn new(decoder: DocumentDecoder) -> Self {
        Self {
            decoder,
            changes: BTreeMap::new(),
        }
    }

    /// Returns true if the delta read or the reconciliation found no change.
    pub(crate) fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }

    /// Returns true if a changed document suggests that the role hides fields. The role may hide
    /// fields if a changed document is rejected because some of its fields are missing or masked,
    /// or if a document is rejected that the replica accepted with the same `_seq_no`.
    pub(crate) fn is_incomplete_since(&self, replica: &Replica) -> bool {
        self.changes.iter().any(|(id, change)| {
            let Content::Other(Other {
                rejection: Some(rejection),
                ..
            }) = &change.content
            else {
                return false;
            };
            if replica.seq_no(id) != Some(change.seq_no) {
                // A document without signatures may have signatures that the role hides.
                return rejection.is_incomplete() || rejection.lacks_signatures();
            }
            // A rejection because of `max_ttl` does not suggest hidden fields, because the clock
            // may have been set back since the replica accepted the document.
            replica.accepts(id) && rejection.reason() != RejectionReason::BeyondMaxTtl
        })
    }

    /// Returns the changed documents that are possible regressions: they suggest that the shard
    /// copy has returned an older state of the index than the replica.
    ///
    /// [`regressions_in`](Replica::regressions_in) would return the same documents after the
    /// changes were applied, because a delta read removes no document.
    pub(crate) fn regressions_from(&self, replica: &Replica) -> Vec<Regression> {
        self.changes
            .iter()
            .filter(|(id, change)| may_be_regression(replica.seq_no(id), change.seq_no))
            .map(|(id, change)| Regression {
                id: id.as_ref().to_owned(),
                seq_no: Some(change.seq_no),
            })
            .collect()
    }

    /// Adds the deletion of each document that has one of the given `_seq_no`s in the replica. A
    /// document that the reconciliation returned with another `_seq_no` still exists, so its
    /// deletion is not added. The caller must pass the `_seq_no`s in ascending order.
    pub(crate) fn delete(&mut self, replica: &Replica, seq_nos: &[u64]) {
        for (id, seq_no) in replica.ids_of(seq_nos) {
            let content = Content::Deleted;
            self.changes
                .entry(id.into())
                .or_insert(Change { seq_no, content });
        }
    }

    /// Returns true if the change set contains the deletion of at least one document.
    pub(crate) fn deletes(&self) -> bool {
        let mut changes = self.changes.values();
        changes.any(|change| matches!(change.content, Content::Deleted))
    }

    /// Returns all `_seq_no`s that the replica would have after the changes, in ascending order. A
    /// number in `replaced` is omitted, unless a changed document has this number. This function
    /// must be called before deletions are added to the change set.
    pub(crate) fn seq_nos_after(&self, replica: &Replica, replaced: &[u64]) -> Vec<u64> {
        let earlier = self.changes.keys().filter_map(|id| replica.seq_no(id));
        let replaced = replaced.iter().copied().chain(earlier);
        let mut replaced: Vec<u64> = replaced.collect();
        replaced.sort_unstable();
        let before = replica.seq_nos();
        let before = before.filter(|seq_no| replaced.binary_search(seq_no).is_err());
        let changes = self.changes.values().map(|change| change.seq_no);
        let mut seq_nos: Vec<u64> = before.chain(changes).collect();
        seq_nos.sort_unstable();
        seq_nos
    }

    /// Applies the changes to `replica` and returns the new replica. Returns `None` if `replica`
    /// already contains all changes of the change set.
    ///
    /// Also returns `None` if the new replica would be too large for one directive set. If the new
    /// replica is too large, the caller keeps the old replica, whose fingerprint differs from the
    /// aggregates of the index, so a full read follows. A full read of too many directives fails
    /// with the error that the directive set is too large.
    ///
    /// A delta read does not return all changes: for example, a delta read returns no deletions.
    /// The caller must compare the fingerprint of the new replica with the aggregates of the index,
    /// to find out whether a change is missing.
    pub(crate) fn apply_to(mut self, replica: &Replica) -> Option<Replica> {
        self.changes
            .retain(|id, change| change.differs_from(replica, id));
        if self.changes.is_empty() {
            return None;
        }
        let mut digest = replica.digest;
        let mut edits = Vec::new();
        let mut seq_nos = Vec::with_capacity(replica.seq_nos.len() + self.changes.len());
        let mut authors = Authors::with_names_of(&replica.authors);
        let mut from = 0;
        // The loop copies the unchanged directives between two changes, because the changes and the
        // directive set are both ordered by id.
        for (id, change) in &self.changes {
            let found = replica.set.position_of(id);
            let removes = found.is_ok();
            let (Ok(position) | Err(position)) = found;
            let inserts = match &change.content {
                Content::Directive(changed) => Some((changed.directive.as_ref(), &changed.by)),
                Content::Other(_) | Content::Deleted => None,
            };
            authors.extend_from(&replica.authors, from..position);
            if let Some((_, by)) = inserts {
                authors.push(by.as_deref());
            }
            let inserts = inserts.map(|(directive, _)| directive);
            let edit = Edit {
                position,
                removes,
                inserts,
            };
            if let Some(removed) = replica.set.get(position).filter(|_| removes) {
                digest = digest.without(removed);
            }
            if let Some(inserted) = inserts {
                digest = digest.with(inserted);
            }
            seq_nos.extend_from_slice(replica.seq_nos.get(from..position).unwrap_or_default());
            seq_nos.extend(inserts.map(|_| change.seq_no));
            from = edit.end();
            edits.push(edit);
        }
        seq_nos.extend_from_slice(replica.seq_nos.get(from..).unwrap_or_default());
        authors.extend_from(&replica.authors, from..replica.seq_nos.len());
        let set = replica.set.patched(&edits).ok()?;
        drop(edits);
        let signatures = self.signatures_after(&replica.signatures);
        let others = self.others_after(&replica.others);
        let authors = authors.without_unused_names();
        Some(Replica::new(
            set, digest, seq_nos, authors, signatures, others,
        ))
    }

    /// Returns the signatures of all directives that the new replica contains after the changes.
    fn signatures_after(&mut self, before: &Arc<SignatureTable>) -> Arc<SignatureTable> {
        let mut table = Arc::clone(before);
        for (id, change) in &mut self.changes {
            match &mut change.content {
                Content::Directive(changed) if !changed.signatures.is_empty() => {
                    let signatures = std::mem::take(&mut changed.signatures);
                    Arc::make_mut(&mut table).insert(id.clone(), signatures);
                }
                _ if !table.contains_key(id) => {}
                Content::Directive(..) | Content::Other(_) | Content::Deleted => {
                    Arc::make_mut(&mut table).remove(id);
                }
            }
        }
        table
    }

    /// Returns all revoked and rejected documents that the new replica contains after the changes.
    fn others_after(self, before: &Arc<Others>) -> Arc<Others> {
        let mut others = Arc::clone(before);
        for (id, change) in self.changes {
            match change.content {
                Content::Directive(..) | Content::Deleted if !others.contains_key(&id) => {}
                Content::Directive(..) | Content::Deleted => {
                    drop(Arc::make_mut(&mut others).remove(&id));
                }
                Content::Other(other) => drop(Arc::make_mut(&mut others).insert(id, other)),
            }
        }
        others
    }
}

impl Change {
    /// Returns true if `replica` does not contain this change yet. A change can be new although the
    /// `_seq_no` of the document is unchanged: a document that was rejected because its expiry was
    /// too far in the future may be acceptable now.
    fn differs_from(&self, replica: &Replica, id: &str) -> bool {
        match &self.content {
            Content::Deleted => true,
            Content::Directive(..) => {
                replica.seq_no(id) != Some(self.seq_no) || !replica.accepts(id)
            }
            Content::Other(_) => replica.seq_no(id) != Some(self.seq_no),
        }
    }
}

impl Collect for ChangeSet {
    fn take(&mut self, hit: &Hit<'_>) -> Result<(), Incomplete> {
        let content = match self.decoder.decode(hit) {
            DecodedDocument::Directive(document) => {
                Content::Directive(Box::new(ChangedDirective {
                    directive: document.directive().to_directive(),
                    signatures: document.signatures().into(),
                    by: document.audit().updated_by.as_deref().map(Into::into),
                }))
            }
            DecodedDocument::Other { rejection, by, .. } => Content::Other(Other {
                seq_no: hit.seq_no,
                rejection,
                by,
            }),
        };
        let change = Change {
            seq_no: hit.seq_no,
            content,
        };
        match self.changes.insert(hit.id.as_ref().into(), change) {
            None => Ok(()),
            Some(_) => Err(Incomplete::Repeated),
        }
    }
}
