//! Detects whether field-level security or field masking changes the documents that this user
//! reads. If a field of a document is hidden, the directive must neither apply to more requests nor
//! disappear from the published directive set.

use super::IndexSynchronizer;
use super::fetch::View;
use super::probe::ObservedVersion;
use super::replica::Replica;
use crate::rest::{ReadError, ReadFailure, Session};
use opensearch_directives_core::document::{Rejection, RejectionReason};
use opensearch_directives_core::{DirectiveSet, Snapshot};

impl IndexSynchronizer {
    /// Returns an error, so that the poll fails, if a full read rejects documents because the
    /// user's role hides or masks their fields.
    ///
    /// A rejection alone does not prove that fields are hidden: somebody may have written an
    /// invalid document without the ingest pipeline. An invalid document that somebody wrote
    /// without the ingest pipeline must not make the poll fail, because it must not affect other
    /// documents. The role hides or masks fields of a rejected document if at least one of these
    /// facts is true:
    ///
    /// - An earlier poll accepted the document with the same `_seq_no` in the same history of the
    ///   index, so nobody has changed the document since that poll.
    /// - The field because of which the document is rejected is also missing from the mapping that
    ///   the server returns to this user.
    ///
    /// The first read after a start is compared with the last-good file, because there is no
    /// earlier view.
    pub(super) async fn check_hidden_fields(
        &self,
        session: &Session,
        observed: &ObservedVersion,
        view: &View,
    ) -> Result<(), ReadError> {
        if !view.is_full() {
            return Ok(());
        }
        let fails = |rejection: &Rejection| {
            session.error(ReadFailure::HiddenFields {
                id: rejection.id().to_owned(),
                rejection: rejection.clone(),
            })
        };
        if let Some(rejection) = self.accepted_before(observed, view) {
            return Err(fails(rejection));
        }
        let mut incomplete: Vec<&Rejection> = view
            .replica
            .rejections_by_id()
            .filter(|rejection| rejection.is_incomplete() || rejection.lacks_signatures())
            .collect();
        incomplete.sort_by_key(|rejection| rejection.field());
        incomplete.dedup_by_key(|rejection| rejection.field());
        if incomplete.is_empty() {
            return Ok(());
        }
        let fields = incomplete.iter().map(|rejection| rejection.field());
        let hidden = session.hidden_field(&view.index, fields).await?;
        let mut incomplete = incomplete.into_iter();
        match incomplete.find(|rejection| Some(rejection.field()) == hidden) {
            Some(rejection) => Err(fails(rejection)),
            None => Ok(()),
        }
    }

    /// Returns the rejection of a document that an earlier poll accepted, although nobody has
    /// changed the document since that poll. Returns `None` if the view rejects no unchanged
    /// document that an earlier poll accepted.
    fn accepted_before<'v>(
        &self,
        observed: &ObservedVersion,
        view: &'v View,
    ) -> Option<&'v Rejection> {
        let known = self.state.known().filter(|known| {
            known.index.identity() == view.index.identity()
                && (known.term == view.term || known.is_final())
                // After the index was restored from an OpenSearch snapshot, the same `_seq_no` may
                // belong to another version of the document.
                && observed.shares_history_with(known) == Some(true)
                // After a change of the trusted keys, an unchanged document that an earlier poll
                // accepted may be rejected for its signatures.
                && !self.is_trust_outdated()
        });
        let unwritten = known.and_then(|known| view.replica.rejected_since(&known.replica));
        unwritten.or_else(|| self.last_good.as_ref()?.accepted_before(view))
    }
}

/// The part of a last-good file that shows which documents an earlier process accepted.
#[derive(Debug)]
pub(super) struct LastGood {
    index_uuid: String,
    max_seq_no: u64,
    /// The directives in the last-good file, ordered by id.
    set: DirectiveSet,
}

impl LastGood {
    /// Creates a `LastGood` from the snapshot that the last-good file contains. Returns `None` if
    /// the snapshot does not come from an index, or if the index was empty.
    pub(super) fn of(snapshot: &Snapshot) -> Option<Self> {
        let revision = snapshot.revision()?;
        Some(Self {
            index_uuid: revision.uuid.clone(),
            max_seq_no: revision.max_seq_no?,
            set: snapshot.set().clone(),
        })
    }

    /// Returns the first rejection of a document that the last-good file shows as accepted and
    /// unchanged. If the last-good file contains the directive of a document, the document was
    /// accepted when the file was written. If the `_seq_no` of a document is at most the highest
    /// `_seq_no` in the last-good file, nobody has changed the document since the file was written.
    fn accepted_before<'a>(&self, view: &'a View) -> Option<&'a Rejection> {
        if view.index.uuid != self.index_uuid {
            return None;
        }
        view.replica.others.iter().find_map(|(id, other)| {
            let rejection = other.rejection.as_ref()?;
            let is_unwritten = other.seq_no <= self.max_seq_no;
            (is_unwritten && rejection.is_incomplete() && self.set.position_of(id).is_ok())
                .then_some(rejection)
        })
    }
}

impl Replica {
    fn rejections_by_id(&self) -> impl Iterator<Item = &Rejection> {
        let others = self.others.values();
        others.filter_map(|other| other.rejection.as_ref())
    }

    /// Returns the first rejection of a document that the earlier replica `before` accepted with
    /// the same `_seq_no`.
    ///
    /// Rejections because of `max_ttl` are ignored: after the clock was set back, the expiry of an
    /// unchanged document can exceed the limit.
    fn rejected_since(&self, before: &Self) -> Option<&Rejection> {
        self.others.iter().find_map(|(id, other)| {
            let rejection = other.rejection.as_ref()?;
            let was_rejected = before
                .others
                .get(id)
                .is_some_and(|other| other.rejection.is_some());
            let is_unwritten = before.seq_no(id) == Some(other.seq_no);
            (is_unwritten && !was_rejected && rejection.reason() != RejectionReason::BeyondMaxTtl)
                .then_some(rejection)
        })
    }
}
