//! Decodes the documents of a full read, page by page, into a replica.

use std::sync::Arc;

use jiff::Timestamp;

use super::document_decoder::{DecodedDocument, DocumentDecoder};
use super::last_authors::Authors;
use super::replica::{Other, Others, Replica};
use crate::rest::{Collect, Hit, Incomplete};
use opensearch_directives_core::DirectiveSetBuilder;
use opensearch_directives_core::internal::SignatureTable;

/// Decodes each document of a full read as soon as its page arrives. An invalid document is
/// rejected and does not affect other documents.
#[derive(Debug)]
pub(crate) struct ReplicaBuilder {
    decoder: DocumentDecoder,
    builder: DirectiveSetBuilder,
    /// The `_seq_no` of each directive, in the order in which the documents arrived.
    seq_nos: Vec<u64>,
    /// The author of each directive, in the order in which the documents arrived.
    authors: Authors,
    signatures: SignatureTable,
    others: Others,
    updated_at: Option<Timestamp>,
}

impl ReplicaBuilder {
    pub(crate) fn new(decoder: DocumentDecoder) -> Self {
        Self {
            decoder,
            builder: DirectiveSetBuilder::default(),
            seq_nos: Vec::new(),
            authors: Authors::default(),
            signatures: SignatureTable::new(),
            others: Others::new(),
            updated_at: None,
        }
    }

    /// Returns the newest `updated_at` of all documents that the full read has returned and that
    /// are not rejected.
    pub(crate) fn updated_at(&self) -> Option<Timestamp> {
        self.updated_at
    }

    /// Returns the number of documents that the full read has returned so far.
    pub(crate) fn documents(&self) -> usize {
        self.seq_nos.len() + self.others.len()
    }

    /// Returns the replica of all documents that the full read has returned.
    pub(crate) fn finish(self) -> Result<Replica, Incomplete> {
        let (set, order) = self.builder.build_ordered().map_err(|error| {
            if error.is_too_large() {
                Incomplete::TooLarge
            } else {
                Incomplete::Repeated
            }
        })?;
        if self.others.keys().any(|id| set.position_of(id).is_ok()) {
            return Err(Incomplete::Repeated);
        }
        let (mut seq_nos, mut authors) = (self.seq_nos, self.authors);
        order.apply(&mut seq_nos);
        authors.sort(&order);
        drop(order);
        let digest = set.digest();
        Ok(Replica::new(
            set,
            digest,
            seq_nos,
            authors,
            Arc::new(self.signatures),
            Arc::new(self.others),
        ))
    }
}

impl Collect for ReplicaBuilder {
    /// Reserves memory for all expected documents at once, because a list that grows step by step
    /// wastes up to half of its memory.
    fn expect(&mut self, documents: usize) {
        let more = documents.saturating_sub(self.documents());
        self.builder.reserve_total(self.seq_nos.len() + more);
        self.seq_nos.reserve_exact(more);
        self.authors.reserve(more);
    }

    fn take(&mut self, hit: &Hit<'_>) -> Result<(), Incomplete> {
        let (rejection, by) = match self.decoder.decode(hit) {
            DecodedDocument::Directive(document) => {
                self.updated_at = self.updated_at.max(document.audit().updated_at);
                if !document.signatures().is_empty() {
                    let signatures = document.signatures().into();
                    self.signatures.insert(hit.id.as_ref().into(), signatures);
                }
                self.builder.push(document.directive());
                self.seq_nos.push(hit.seq_no);
                self.authors.push(document.audit().updated_by.as_deref());
                return Ok(());
            }
            DecodedDocument::Other {
                rejection,
                updated_at,
                by,
            } => {
                self.updated_at = self.updated_at.max(updated_at);
                (rejection, by)
            }
        };
        let other = Other {
            seq_no: hit.seq_no,
            rejection,
            by,
        };
        match self.others.insert(hit.id.as_ref().into(), other) {
            None => Ok(()),
            Some(_) => Err(Incomplete::Repeated),
        }
    }
}

#[cfg(test)]
#[path = "replica_builder_tests.rs"]
mod tests;
