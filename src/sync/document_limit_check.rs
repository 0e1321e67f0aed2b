//! Makes a poll fail if the index contains more than `max_documents` unfinished documents, or more
//! documents in total than a store may keep. A document is unfinished as long as its directive has
//! not ended.

use std::sync::Arc;

use super::IndexSynchronizer;
use super::fetch::{View, weight};
use crate::document_limit::DocumentCount;
use crate::rest::{ReadError, ReadFailure, Session, off_the_runtime};

impl IndexSynchronizer {
    /// Returns an error, so that the poll fails, if the view contains more than `max_documents`
    /// directives that have not ended, or more documents in total than a store may keep.
    ///
    /// A full read has already counted all documents of the index. A delta read and a
    /// reconciliation have counted only the changed documents.
    pub(super) async fn check_document_limit(
        &self,
        session: &Session,
        view: &View,
    ) -> Result<DocumentCount, ReadError> {
        let (replica, now) = (Arc::clone(&view.replica), self.clock.now());
        let count = off_the_runtime(weight(&view.replica), move || {
            DocumentCount::new(&replica.set(), replica.rejected(), replica.revoked(), now)
        })
        .await;
        let max_stored = self.document_limit.max_stored();
        if count.stored > max_stored {
            return Err(session.error(ReadFailure::TooManyStored {
                documents: count.stored as u64,
                max_stored,
            }));
        }
        if self.document_limit.permits(count) {
            return Ok(count);
        }
        Err(session.error(ReadFailure::TooManyDocuments {
            documents: count.unfinished as u64,
            max_documents: self.document_limit.max(),
        }))
    }
}
